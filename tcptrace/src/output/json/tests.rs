use crate::model::{
    Anomalies, Books, Close, EventKind, FindingStatus, Flags, Looks, Outcome, Output, Phase, Phases, Reason,
    RetransmitKind, Retransmits, Role, State, Status,
};
use crate::output::fixtures::{close, context, event, finding, owner, phases, socket, transition};
use crate::output::{Format, Renderer, Style};
use crate::report::{Context, Report, Run};

/// What all objects below begin with, `type` aside.
const HEAD: &str = concat!(
    r#""schema":1,"time":"2026-01-02T03:04:05.678901234Z","cookie":"0x74","netns":4026531840,"family":"ipv4","#,
    r#""local":"127.0.0.1:45555","remote":"127.0.0.1:49530""#
);
const OWNER: &str = r#""owner":{"pid":7434,"comm":"python3","cgroup":"/","source":"close"}"#;

fn json(output: Output, context: &Context) -> String {
    let mut out = Vec::new();
    Renderer::new(Format::Json, Style::default()).render(&mut out, &output, context);
    String::from_utf8(out).unwrap()
}

/// The line, after a check that it is one whole object.
fn line(output: Output) -> String {
    let line = json(output, &context());
    serde_json::from_str::<serde_json::Map<_, _>>(&line).unwrap();
    assert_eq!(line.matches('\n').count(), 1);
    line
}

#[test]
fn a_close_has_every_field_in_order() {
    let expected = concat!(
        r#""role":"active","outcome":"fin","reason":null,"#,
        r#""owner":{"pid":7434,"comm":"python3","cgroup":"/","source":"close"},"#,
        r#""phases_ns":{"fin_wait1":21000,"fin_wait2":2000112000,"closing":null,"close_wait":null,"last_ack":null},"#,
        r#""close_ns":2000133000,"orphan":true,"three_way":false,"complete":true,"#,
        r#""fin_retransmits":{"tlp":0,"rto":0,"fast":0,"failed":0},"#,
        r#""srtt_us":24,"bytes_sent":1,"bytes_received":2,"lifetime_ns":2100000000}"#,
    );
    assert_eq!(line(Output::Close(close())), format!("{{\"type\":\"close\",{HEAD},{expected}\n"));
}

#[test]
fn what_is_unknown_is_null() {
    let unknown = Close {
        role: Role::Abort,
        outcome: Outcome::Unknown,
        reason: Some(Reason::EventsLost),
        owner: None,
        phases: Phases::default(),
        close_ns: None,
        orphan: false,
        three_way: None,
        complete: false,
        totals: None,
        lifetime_ns: None,
        ..close()
    };
    let expected = concat!(
        r#""role":"abort","outcome":"unknown","reason":"events_lost","owner":null,"#,
        r#""phases_ns":{"fin_wait1":null,"fin_wait2":null,"closing":null,"close_wait":null,"last_ack":null},"#,
        r#""close_ns":null,"orphan":false,"three_way":null,"complete":false,"#,
        r#""fin_retransmits":{"tlp":0,"rto":0,"fast":0,"failed":0},"#,
        r#""srtt_us":null,"bytes_sent":null,"bytes_received":null,"lifetime_ns":null}"#,
    );
    assert_eq!(line(Output::Close(unknown)), format!("{{\"type\":\"close\",{HEAD},{expected}\n"));
}

#[test]
fn the_largest_numbers_fit() {
    let most = u64::MAX;
    let large = Close {
        end_ns: most,
        phases: phases(&[(Phase::Closing, most), (Phase::CloseWait, most), (Phase::LastAck, most)]),
        close_ns: Some(most),
        retransmits: Retransmits { tlp: 1, rto: 2, fast: 3, failed: u16::MAX },
        ..close()
    };
    let line = line(Output::Close(large));
    assert!(line.contains(r#""time":"2554-07-21T23:34:33.709551615Z""#), "{line}");
    assert!(
        line.contains(r#""closing":18446744073709551615,"close_wait":18446744073709551615,"last_ack":18446744073"#)
    );
    assert!(line.contains(r#""fin_retransmits":{"tlp":1,"rto":2,"fast":3,"failed":65535}"#), "{line}");
}

#[test]
fn families_print_as_spoken() {
    let six = Close { socket: socket("[2001:db8::1]:443", "[fe80::1:0:0:2]:65535"), ..close() };
    let expected = r#""family":"ipv6","local":"[2001:db8::1]:443","remote":"[fe80::1:0:0:2]:65535","#;
    assert!(line(Output::Close(six)).contains(expected));
    let mapped = Close { socket: socket("[::ffff:255.255.255.255]:65535", "[::ffff:10.0.0.2]:1"), ..close() };
    let expected = r#""family":"ipv4","local":"255.255.255.255:65535","remote":"10.0.0.2:1","#;
    assert!(line(Output::Close(mapped)).contains(expected));
}

#[test]
fn owners_are_escaped_and_may_lack_a_cgroup() {
    let odd = Close { owner: Some(owner("a\"b\\\x1b\u{e9}", 1)), ..close() };
    let line = json(Output::Close(odd), &Context::default());
    let expected = "\"owner\":{\"pid\":1,\"comm\":\"a\\\"b\\\\\u{fffd}\u{e9}\",\"cgroup\":null,\"source\":\"close\"}";
    assert!(line.contains(expected), "{line}");
    assert!(line.contains(r#""time":"1970-01-01T00:00:05.678901234Z""#), "before the first tick: {line}");
}

#[test]
fn findings_as_they_arise_and_clear() {
    for (status, words) in [
        (FindingStatus::Raised, r#""status":"raised","outcome":null"#),
        (FindingStatus::Moved, r#""status":"cleared","outcome":null"#),
        (FindingStatus::Ended(Outcome::Timeout), r#""status":"cleared","outcome":"timeout""#),
    ] {
        let rest = concat!(
            r#""reason":"fin_unacked","age_ns":5000000000,"age_is_lower_bound":false,"may_be_over":false,"#,
            r#""fin_retransmits":{"tlp":1,"rto":4,"fast":0,"failed":0},"gives_up_in_ns":null,"#,
            r#""never_gives_up":null,"next_attempt_in_ns":null,"unsent_bytes":null,"unacked_bytes":null,"#,
            r#""orphan":true,"holders":null}"#,
        );
        let expected = format!("{{\"type\":\"finding\",{HEAD},{OWNER},\"kind\":\"stuck_fin_wait1\",{words},{rest}\n");
        assert_eq!(line(Output::Finding(finding(status))), expected);
    }
}

#[test]
fn events_of_each_kind() {
    let state = State::FinWait1;
    for (kind, expected) in [
        (transition(state, State::FinWait2), r#""type":"transition",HEAD,"old":"fin_wait1","new":"fin_wait2""#),
        (
            EventKind::Retransmit { state, kind: RetransmitKind::Tlp, tcp_flags: 17 },
            r#""type":"fin_retransmit",HEAD,"state":"fin_wait1","kind":"tlp","errno":null,"tcp_flags":17"#,
        ),
        (
            EventKind::Retransmit { state, kind: RetransmitKind::Failed(16), tcp_flags: 25 },
            r#""type":"fin_retransmit",HEAD,"state":"fin_wait1","kind":"failed","errno":16,"tcp_flags":25"#,
        ),
        (
            EventKind::Retransmit { state, kind: RetransmitKind::Failed(0), tcp_flags: 17 },
            r#""type":"fin_retransmit",HEAD,"state":"fin_wait1","kind":"failed","errno":null,"tcp_flags":17"#,
        ),
        (EventKind::TimeWait, r#""type":"transition",HEAD,"old":"fin_wait2","new":"time_wait""#),
        (EventKind::ResetReceived { state }, r#""type":"reset_received",HEAD,"state":"fin_wait1""#),
        (
            EventKind::ResetSent { state, reason: Some(14) },
            r#""type":"reset_sent",HEAD,"state":"fin_wait1","reason":14"#,
        ),
        (EventKind::ResetSent { state, reason: None }, r#""type":"reset_sent",HEAD,"state":"fin_wait1","reason":null"#),
    ] {
        let expected = expected.replace("HEAD", HEAD);
        let expected = format!("{{{expected},\"sk_err\":0,\"orphan\":false,\"owner\":null}}\n");
        assert_eq!(line(Output::Event(event(kind))), expected);
    }
    let mut known = event(transition(state, State::Close));
    known.sk_err = 104;
    known.flags = Flags { orphan: true, ..Flags::default() };
    known.owner = close().owner;
    let line = line(Output::Event(known));
    assert!(line.ends_with(&format!("\"sk_err\":104,\"orphan\":true,{OWNER}}}\n")), "{line}");
}

#[test]
fn a_summary_has_all_words() {
    let mut report = Report::default();
    report.record(&Output::Close(close()), 1);
    let moved = finding(FindingStatus::Moved);
    report.record(&Output::Close(Close { complete: false, retransmits: moved.retransmits, ..close() }), 1);
    report.record(&Output::Finding(finding(FindingStatus::Raised)), 1);
    let status = Status {
        first_ns: 1,
        last_ns: 6,
        open: [1, 2, 3, 4, 5],
        books: Books { seen: 9, delivered: 6, lost: 2, missed: 1, refused: 1, torn: false },
        anomalies: Anomalies { replaced: 7, ..Anomalies::default() },
        looks: Some(Looks { asked: 3, ..Looks::default() }),
        orphans_waiting: 1,
        data_retransmits: 8,
        foreign_resets: 10,
    };
    let run = Run { held_back: Some(3), sample_one_in: 1, samples_differ: false, hosts: vec!["a".into()] };
    let mut out = Vec::new();
    Renderer::new(Format::Json, Style::default()).summary(&mut out, &report.summary(status, run));
    let none = r#"{"count":0,"p50":0,"p90":0,"p99":0,"max":0}"#;
    let one = |count: u64, ns: u64| format!(r#"{{"count":{count},"p50":{ns},"p90":{ns},"p99":{ns},"max":{ns}}}"#);
    let expected = [
        r#"{"type":"summary","schema":1,"duration_ns":5,"closes":2,"incomplete":1,"#,
        r#""by_role":{"active":2,"passive":0,"simultaneous":0,"abort":0},"#,
        r#""by_outcome":{"fin":2,"reset_received":0,"reset_sent":0,"timeout":0,"killed":0,"fin_wait2_timeout":0,"#,
        r#""unknown":0},"latency_ns":{"#,
        &format!(r#""fin_wait1":{},"fin_wait2":{},"#, one(2, 21_000), one(2, 2_000_112_000)),
        &format!(r#""closing":{none},"close_wait":{none},"last_ack":{none},"close":{},"#, one(2, 2_000_133_000)),
        &format!(r#""network":{},"ack_wait":{},"local_app":{none},"#, one(1, 21_000), one(1, 0)),
        &format!(r#""remote_app":{}}},"#, one(2, 2_000_112_000)),
        r#""fin_retransmits":{"tlp":1,"rto":4,"fast":0,"failed":0},"#,
        r#""findings":{"stuck_fin_wait1":1,"stuck_fin_wait2":0,"stuck_closing":0,"stuck_last_ack":0,"#,
        r#""leak_close_wait":0},"#,
        r#""open":{"fin_wait1":1,"fin_wait2":2,"closing":3,"close_wait":4,"last_ack":5},"#,
        r#""events":{"seen":9,"delivered":6,"lost":2,"missed":1,"refused":1,"balanced":true},"#,
        r#""anomalies":{"impossible_transitions":0,"time_backwards":0,"clock_steps":0,"mid_life":0,"replaced":7,"#,
        r#""duplicates":0,"table_full":0,"connects_forgotten":0,"stray_events":0,"counters_backwards":0},"#,
        r#""looks":{"asked":3,"unanswered":0,"orphans":0,"timewait_recycled":0,"timewait_overflow":0,"#,
        r#""timewait_gone":0,"found_closing":0,"adopted":0,"healed":0},"orphans_waiting":1,"#,
        r#""data_retransmits":8,"foreign_resets":10,"sample_one_in":1,"held_back":3,"#,
        "\"hosts\":[\"a\"],\"closes_per_second\":400000000.0,\"reasons\":[]}\n",
    ];
    assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
}

#[test]
fn lines_do_not_leak_into_each_other() {
    let mut renderer = Renderer::new(Format::Json, Style::default());
    let mut both = Vec::new();
    let six = Close { socket: socket("[2001:db8::1]:443", "[2001:db8::2]:1"), end_ns: 1, ..close() };
    let plain = Close { owner: None, end_ns: 7_000_000_000, ..close() };
    for one in [six, plain] {
        renderer.render(&mut both, &Output::Close(one), &context());
    }
    let apart = [six, plain].map(|one| json(Output::Close(one), &context())).concat();
    assert_eq!(String::from_utf8(both).unwrap(), apart);
}
