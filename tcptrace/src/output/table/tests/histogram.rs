//! Histograms and heat maps as they look; `golden/` holds the pictures.

use crate::model::{Close, Phase, Role};
use crate::output::{Format, Renderer, Style, fixtures};
use crate::report::histogram::{Config, Histograms, Of};

const END_NS: u64 = 60_000_000_000;
const WIDTHS: [usize; 3] = [60, 100, 160];

fn style(width: usize) -> Style {
    Style { colour: false, width, terminal: false }
}

fn show(found: &mut Histograms, style: Style) -> String {
    let mut out = Vec::new();
    let mut table = Renderer::new(Format::Table, style);
    let end_ns = fixtures::context().real_ns(END_NS);
    table.histograms(&mut out, &found.interval(end_ns, &[]));
    table.histograms(&mut out, &found.total(end_ns, &[]));
    for of in found.config().ofs.clone() {
        found.heat(of, end_ns).iter().for_each(|heat| table.heatmap(&mut out, heat));
    }
    String::from_utf8(out).unwrap()
}

fn check(name: &str, golden: [&str; 3], make: impl Fn() -> Histograms) {
    for (width, golden) in WIDTHS.into_iter().zip(golden) {
        let text = show(&mut make(), style(width));
        assert!(text == golden, "{name} at {width} columns is now:\n{text}");
        assert_fits(&text, width);
    }
}

fn assert_fits(text: &str, width: usize) {
    for line in text.lines() {
        assert!(line.chars().count() <= width && !line.ends_with(' '), "{width}: {line:?}\n{text}");
    }
}

macro_rules! golden {
    ($name:literal) => {
        [
            include_str!(concat!("golden/", $name, ".60.txt")),
            include_str!(concat!("golden/", $name, ".100.txt")),
            include_str!(concat!("golden/", $name, ".160.txt")),
        ]
    };
}

#[test]
fn without_keys_there_is_a_chart() {
    check("chart", golden!("chart"), || fixtures::histograms(&[Of::Close], &[], 1));
}

#[test]
fn a_row_for_each_key_and_one_for_the_others() {
    let ofs = [Of::Phase(Phase::FinWait2), Of::Network];
    check("keys", golden!("keys"), || fixtures::histograms(&ofs, &["process", "remote-addr/24"], 1));
}

#[test]
fn one_key_leaves_room_for_the_picture() {
    check("processes", golden!("processes"), || fixtures::histograms(&[Of::Close], &["process"], 1));
}

#[test]
fn long_keys_lose_their_middle_or_stand_above_their_numbers() {
    check("cgroups", golden!("cgroups"), || fixtures::histograms(&[Of::Close], &["cgroup", "process"], 10));
}

#[test]
fn nothing_is_wider_than_it_may_be() {
    for bys in [&[][..], &["process"], &["cgroup", "unit", "role", "outcome", "netns"], &["remote-port"]] {
        for width in [60, 61, 62, 79, 99, 133] {
            let mut found = fixtures::histograms(&Of::ALL, bys, 1_000_003);
            assert_fits(&show(&mut found, style(width)), width);
        }
    }
}

#[test]
fn what_is_not_in_it_is_said() {
    let mut found = Histograms::new(Config { ofs: vec![Of::Close, Of::LocalApp], ..Config::default() });
    let aborted = Close { role: Role::Abort, phases: fixtures::phases(&[]), close_ns: Some(0), ..fixtures::close() };
    for close in [fixtures::close(), aborted, aborted] {
        found.record(&close, 0, 1, &fixtures::context());
    }
    let text = show(&mut found, style(100));
    assert!(
        text.contains("\nCLOSES PER_S UNTIMED    P50    P90    P99  P99.9    MAX\n     3  0.06       2  2.00s"),
        "{text}"
    );
    assert!(text.contains("\nlocal_app 3 closes, "), "{text}");
    assert!(text.contains("\n     3  0.06       3      -      -      -      -      -\n"), "{text}");
    let notes = "\n\nUNTIMED: closes that have no such duration, or of which it is not known\n";
    assert_eq!(text.matches(notes).count(), 1, "{text}");
}

#[test]
fn a_window_can_change_its_size() {
    let mut found = fixtures::histograms(&[Of::Close], &["process"], 1);
    let view = found.total(fixtures::context().real_ns(END_NS), &[]);
    let mut table = Renderer::new(Format::Table, style(100));
    let mut shown = |width| {
        let mut out = Vec::new();
        table.set_width(width);
        table.histograms(&mut out, &view);
        let text = String::from_utf8(out).unwrap();
        assert_fits(&text, width);
        text.lines().map(|line| line.chars().count()).max()
    };
    assert!(shown(60) < shown(79) && shown(79) < shown(160));
}

#[test]
fn nothing_yet_is_said() {
    let config = Config { ofs: vec![Of::Close, Of::Network], heat_ns: Some(1), ..Config::default() };
    let text = show(&mut Histograms::new(config), style(60));
    let expected = "\
no closes, 03:05:00 to 03:05:00 UTC

no closes in total, 03:05:00 to 03:05:00 UTC

close over time: no closes

network over time: no closes
";
    assert_eq!(text, expected);
}

#[test]
fn what_was_folded_is_said() {
    let config = Config { keys_max: 1, bys: vec!["remote-addr".parse().unwrap()], ..Config::default() };
    let mut found = Histograms::new(config);
    for remote in ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.3:1"] {
        let close = Close { socket: fixtures::socket("10.0.0.9:1", remote), ..fixtures::close() };
        found.record(&close, 0, 1, &fixtures::context());
    }
    let text = show(&mut found, style(100));
    assert!(text.contains("\nothers (2 keys)      3  0.06  2.00s"), "{text}");
    assert!(text.contains("\nFOLDED 2 keys of 3 closes into the others: a bound is reached\n"), "{text}");
}

#[test]
fn colour_takes_no_room() {
    let make = || fixtures::histograms(&[Of::Close], &["process"], 1);
    let coloured = show(&mut make(), Style { colour: true, ..style(100) });
    let mut plain = String::new();
    for (at, part) in coloured.split('\x1b').enumerate() {
        plain.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_ne!(coloured, plain);
    assert_eq!(plain, show(&mut make(), style(100)));
}
