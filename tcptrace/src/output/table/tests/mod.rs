mod census;
mod columns;
mod histogram;
mod summary;

use crate::model::{
    Close, ConnectFailure, EventKind, FailedConnect, Finding, FindingKind, FindingReason, FindingStatus, Flags,
    LeakCause, Outcome, Output, Phase, Phases, Reason, RetransmitKind, Retransmits, Role, State,
};
use crate::output::fixtures::{close, context, event, finding, owner, phases, socket, transition};
use crate::output::{Format, Renderer, Style};

/// On a terminal that wide, or in a file where it is 0.
fn show(width: usize, outputs: &[Output]) -> String {
    let terminal = width > 0;
    let width = if terminal { width } else { 100 };
    let mut renderer = Renderer::new(Format::Table, Style { colour: false, width, terminal });
    let mut out = Vec::new();
    outputs.iter().for_each(|output| renderer.render(&mut out, output, &context()));
    String::from_utf8(out).unwrap()
}

/// Below the heading, which may take several lines on a narrow terminal.
fn line(width: usize, output: Output) -> String {
    let text = show(width, &[output]);
    text.get(text.find("03:04:05").unwrap()..).unwrap().to_owned()
}

fn passive() -> Close {
    Close {
        role: Role::Passive,
        phases: phases(&[(Phase::CloseWait, 2_000_000_000), (Phase::LastAck, 21_400)]),
        ..close()
    }
}

fn orphan() -> Close {
    Close {
        outcome: Outcome::Unknown,
        reason: Some(Reason::OrphanFinWait2),
        phases: phases(&[(Phase::FinWait1, 21_400)]),
        close_ns: None,
        complete: false,
        ..close()
    }
}

fn simultaneous() -> Close {
    Close {
        role: Role::Simultaneous,
        phases: phases(&[(Phase::FinWait1, 850_000_000), (Phase::Closing, 21_400)]),
        close_ns: Some(850_021_400),
        retransmits: Retransmits { tlp: 1, rto: 2, fast: 1, failed: 2 },
        ..close()
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let sockets = [
        socket("1.1.1.1:1", "2.2.2.2:2"),
        socket("255.255.255.255:65535", "255.255.255.255:65535"),
        socket("[2001:db8:1234:5678:9abc:def0:1234:5678]:45678", "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"),
    ];
    for width in [60, 80, 100, 101, 104, 107, 111, 120, 160, 250] {
        for socket in sockets {
            for owner in [None, Some(owner("a", 1)), Some(owner("kworker/u16:2+e", 4_194_304))] {
                let closes = [close(), passive(), orphan(), simultaneous()];
                let closes = closes.map(|close| Output::Close(Close { socket, owner, ..close }));
                let finding = Output::Finding(Finding { socket, owner, ..finding(FindingStatus::Raised) });
                for output in closes.into_iter().chain([finding]) {
                    let below = line(width, output.clone());
                    for line in below.lines() {
                        assert!(line.chars().count() <= width, "{width}: {line}");
                        assert_eq!(line, line.trim_end());
                    }
                    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                    assert_eq!(words(&below), words(&line(0, output)), "nothing is cut");
                }
            }
        }
    }
}

#[test]
fn findings_stand_out() {
    let leak = Finding {
        kind: FindingKind::LeakCloseWait,
        reason: FindingReason::Leak(LeakCause::Unknown),
        age_ns: 60_000_000_000,
        age_is_lower_bound: true,
        may_be_over: false,
        retransmits: Retransmits::default(),
        orphan: Some(false),
        ..finding(FindingStatus::Raised)
    };
    for (finding, expected) in [
        (finding(FindingStatus::Raised), "STUCK fin_wait1 5.00s fin_unacked fin_rtx 5 orphan\n"),
        (finding(FindingStatus::Moved), "cleared fin_wait1 after 5.00s fin_rtx 5 orphan\n"),
        (
            finding(FindingStatus::Ended(Outcome::Timeout)),
            "cleared fin_wait1 after 5.00s ended timeout fin_rtx 5 orphan\n",
        ),
        (leak, "LEAK close_wait >=60.0s cause unknown\n"),
    ] {
        let start = "03:04:05.678 python3/7434     127.0.0.1:45555       127.0.0.1:49530       ";
        assert_eq!(line(0, Output::Finding(finding)), format!("{start}{expected}"));
    }
}

#[test]
fn events_for_transitions() {
    let state = State::FinWait1;
    for (kind, expected) in [
        (transition(state, State::FinWait2), "fin_wait1 -> fin_wait2\n"),
        (EventKind::Retransmit { state, kind: RetransmitKind::Tlp, tcp_flags: 17 }, "fin_rtx tlp in fin_wait1\n"),
        (
            EventKind::Retransmit { state, kind: RetransmitKind::Failed(16), tcp_flags: 17 },
            "fin_rtx failed errno 16 in fin_wait1\n",
        ),
        (
            EventKind::Retransmit { state, kind: RetransmitKind::Failed(0), tcp_flags: 17 },
            "fin_rtx failed in fin_wait1\n",
        ),
        (EventKind::TimeWait, "fin_wait2 -> time_wait\n"),
        (EventKind::ResetReceived { state }, "reset_received in fin_wait1\n"),
        (EventKind::ResetSent { state, reason: Some(14) }, "reset_sent in fin_wait1 reason 14\n"),
    ] {
        let start = "03:04:05.678 -             127.0.0.1:45555 127.0.0.1:49530 ";
        assert_eq!(line(100, Output::Event(event(kind))), format!("{start}{expected}"));
    }
    let mut reset = event(transition(state, State::Close));
    reset.sk_err = 104;
    reset.flags = Flags { orphan: true, ..Flags::default() };
    assert!(line(100, Output::Event(reset)).ends_with("fin_wait1 -> close sk_err 104 orphan\n"));
}

#[test]
fn the_heading_returns_every_40_lines_on_a_terminal_only() {
    let closes = vec![Output::Close(close()); 81];
    let headings = |text: &str| -> Vec<usize> {
        text.lines().enumerate().filter(|(_, line)| line.starts_with("TIME")).map(|(index, _)| index).collect()
    };
    assert_eq!(headings(&show(100, &closes)), [0, 41, 82]);
    assert_eq!(headings(&show(0, &closes)), [0]);
}

#[test]
fn colour_only_where_wanted() {
    let mut out = Vec::new();
    let mut renderer = Renderer::new(Format::Table, Style { colour: true, width: 100, terminal: true });
    renderer.render(&mut out, &Output::Finding(finding(FindingStatus::Raised)), &context());
    let coloured = String::from_utf8(out).unwrap();
    assert!(coloured.contains("\x1b[1;31mSTUCK fin_wait1\x1b[0m"), "{coloured:?}");
    assert!(!show(100, &[Output::Finding(finding(FindingStatus::Raised))]).contains('\x1b'));
}

#[test]
fn a_subflow_says_that_it_is_one() {
    let subflow = Close { mptcp: true, close_ns: None, complete: false, ..orphan() };
    assert!(line(140, Output::Close(subflow)).ends_with("?orphan_fin_wait2 fw1 21.4us mptcp\n"));
    let found = Finding { mptcp: true, ..finding(FindingStatus::Raised) };
    assert!(line(140, Output::Finding(found)).ends_with("orphan mptcp\n"));
}

#[test]
fn a_failed_connect_says_why_and_how_long_it_took() {
    let failed = FailedConnect {
        time_ns: close().end_ns,
        socket: close().socket,
        failure: ConnectFailure::Refused,
        errno: 111,
        owner: close().owner,
        took_ns: Some(1_200_000),
        mptcp: false,
    };
    let text = line(100, Output::FailedConnect(failed));
    assert!(text.ends_with("127.0.0.1:49530 connect 1.20ms refused\n"), "{text}");
    let odd = FailedConnect { failure: ConnectFailure::Other, errno: 12, took_ns: None, ..failed };
    let text = line(100, Output::FailedConnect(odd));
    assert!(text.ends_with("127.0.0.1:49530 connect      ? other errno 12\n"), "{text}");
}
