//! Figures, against those of the kernel's documentation and of everybody's articles.

use std::collections::BTreeSet;

use super::{Row, fact, host, place};
use crate::{
    diagnosis::modelled_timeout_us,
    doctor::{
        PortRange, Sockets,
        ports::{ceiling_tenths, parse_reserved, reserved_text, seconds_to_exhaustion},
        story,
    },
    model::Fact,
};

#[test]
fn ports_of_ranges() {
    let ports = |text: &str| PortRange::parse(text).unwrap().ports();
    assert_eq!(ports("32768 60999"), 28_232, "the default");
    assert_eq!(ports("32768\t60999"), 28_232);
    assert_eq!(ports("1024 65535"), 64_512, "both ends count; 64,511 is their difference");
    assert_eq!(65_535 - 1024, 64_511);
    assert_eq!(ports("1025 65535"), 64_511);
    for (text, left_out) in [("32768 60999", 0), ("1025 65535", 1), ("40000 40002", 1), ("40000 40000", 0)] {
        assert_eq!(PortRange::parse(text).unwrap().left_out(), left_out, "{text}");
    }
    assert_eq!(ports("40000 40019"), 20);
    assert_eq!(ports("40000 40000"), 1);
    assert_eq!(ports("0 65535"), 65_536);
    for wrong in ["", "1", "2 1", "1 2 3", "a b", "1 65536"] {
        assert_eq!(PortRange::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn connections_a_second() {
    assert_eq!(ceiling_tenths(28_232), 4705, "470 a second");
    assert_eq!(ceiling_tenths(64_512), 10_752);
    assert_eq!(ceiling_tenths(0), 0);
}

/// `((2 << n) - 1) * 200 ms`, doubling as far as 120 s.
#[test]
fn retries_as_time() {
    for (retries, tenths) in [(0, 2), (1, 6), (3, 30), (5, 126), (8, 1022), (9, 2046), (10, 3246), (15, 9246)] {
        assert_eq!(modelled_timeout_us(retries, None), tenths * 100_000, "{retries}");
        assert_eq!(modelled_timeout_us(retries, Some(120_000)), tenths * 100_000, "{retries}");
    }
    // Three timeouts of 200, 400 and 800 ms, and 6 of the maximum.
    assert_eq!(modelled_timeout_us(8, Some(1000)), 1_400_000 + 6 * 1_000_000);
}

#[test]
fn the_row_has_these_figures() {
    let advice = super::row(Row::OrphanRetries, &host(), &place(&[], Sockets::default()));
    assert_eq!(fact(&advice, "gives_up_after_s"), Fact::Tenths(1022));
    assert_eq!(fact(&advice, "effective_retries"), Fact::Count(8));
    for (name, tenths) in [("with_5_retries_s", 126), ("with_3_retries_s", 30), ("with_1_retry_s", 6)] {
        assert_eq!(fact(&advice, name), Fact::Tenths(tenths));
    }
    let advice = super::row(Row::EphemeralPorts, &host(), &place(&[], Sockets::default()));
    assert_eq!(fact(&advice, "usable_ports"), Fact::Count(28_232));
    assert_eq!(fact(&advice, "ceiling_per_second"), Fact::Tenths(4705));
    let advice = super::row(Row::Keepalive, &host(), &place(&[], Sockets::default()));
    assert_eq!(fact(&advice, "keepalive_notices_after_s"), Fact::Count(7875));
    assert_eq!(fact(&advice, "unacknowledged_data_gives_up_after_s"), Fact::Tenths(9246));
}

#[test]
fn reserved_ports() {
    let ports = parse_reserved("8080,9000-9002").unwrap();
    assert_eq!(ports, BTreeSet::from([8080, 9000, 9001, 9002]));
    assert_eq!(reserved_text(&ports), "8080,9000-9002");
    assert_eq!(parse_reserved(""), Some(BTreeSet::new()));
    for wrong in ["x", "1-", "3-2", "70000"] {
        assert_eq!(parse_reserved(wrong), None, "{wrong}");
    }
    let range = PortRange { low: 9000, high: 9009 };
    assert_eq!(range.usable(&ports), 7);
}

#[test]
fn how_long_ports_last() {
    // 100 usable. Nothing arrives: never. As many leave as come: never.
    assert_eq!(seconds_to_exhaustion(100, 0, &[0; 6]), None);
    assert_eq!(seconds_to_exhaustion(100, 0, &[16; 6]), None);
    assert_eq!(seconds_to_exhaustion(100, 4, &[16; 6]), Some(0), "all are taken");
    assert_eq!(seconds_to_exhaustion(97, 0, &[16; 6]), None);
    // 50 in the last 10 s, none before: 100 after 10 s more.
    assert_eq!(seconds_to_exhaustion(100, 0, &[50, 0, 0, 0, 0, 0]), Some(10));
    assert_eq!(seconds_to_exhaustion(125, 0, &[50, 0, 0, 0, 0, 0]), Some(15));
    assert_eq!(seconds_to_exhaustion(300, 0, &[50, 0, 0, 0, 0, 0]), Some(50));
    assert_eq!(seconds_to_exhaustion(301, 0, &[50, 0, 0, 0, 0, 0]), None, "300 is where it levels off");
}

#[test]
fn every_row_has_a_story() {
    for row in Row::ALL {
        let story = story(row);
        assert!(story.len() > 200 && story.contains("act") && !story.contains("\n## "), "{row:?}: {story}");
        assert!(story.lines().all(|line| line.chars().count() <= 110), "{row:?}");
        assert_eq!(Row::of(row.as_str()), Some(row));
    }
}
