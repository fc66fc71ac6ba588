//! Rounds of looks.

use crate::output::{Format, Renderer, Style, fixtures};

const OWN: u32 = 4_026_531_840;
const ROUND: &str = concat!(
    r#""namespaces":2,"unreachable_namespaces":1,"younger":4,"gone":3,"#,
    r#""not_followed":0,"younger_or_unknown":4,"age_unknown":1,"new":2,"new_per_minute":15}"#
);
const HEAD: &str = r#""schema":1,"time":"2026-01-02T03:04:05.678901234Z""#;

fn json(render: impl Fn(&mut Renderer, &mut Vec<u8>)) -> Vec<String> {
    let mut out = Vec::new();
    render(&mut Renderer::new(Format::Json, Style::default()), &mut out);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn stuck_sockets_are_findings() {
    let lines = json(|json, out| json.stuck(out, &fixtures::stuck_report(), false, OWN, &fixtures::context()));
    let [shut_group, lost_group, shut, lost, summary] = lines.as_slice() else { panic!("{lines:?}") };
    let slow = holder(99, "slow");
    let expected = [
        format!(
            r#"{{"type":"stuck_group",{HEAD},"kind":"stuck_fin_wait1","reason":"zero_window","pid":null,"comm":null,"#
        ),
        format!(r#""orphans":true,"service":{{"side":"local","port":45555,"holders":[{slow}]}},"netns":4026531840,"#),
        r#""shared_with":[],"cgroup":"/slow","sockets":1,"mptcp_sockets":0,"oldest_ns":12300000000,"#.to_owned(),
        r#""oldest_is_lower_bound":true,"growth_per_minute":null,"#.to_owned(),
        r#""ages":{"lt_1m":1,"lt_10m":0,"lt_1h":0,"lt_1d":0,"ge_1d":0},"#.to_owned(),
        r#""remotes":[{"addr":"127.0.0.1","sockets":1}],"remotes_total":1,"unsent_bytes":2626560,"#.to_owned(),
        r#""unacked_bytes":0,"first_gives_up_in_ns":41000000000,"last_gives_up_in_ns":41000000000,"#.to_owned(),
        r#""never_give_up":0,"close_waits_for":0,"advice":"look at the peer"}"#.to_owned(),
    ];
    assert_eq!(*shut_group, expected.concat());
    for words in [r#""pid":7434,"comm":"python3","orphans":false,"service":null"#, r#""never_give_up":1,"#] {
        assert!(lost_group.contains(words), "{lost_group}");
    }
    for words in [
        r#""status":"raised","outcome":null,"reason":"zero_window","age_ns":12300000000,"age_is_lower_bound":true"#,
        r#""fin_retransmits":{"tlp":null,"rto":0,"fast":null,"failed":null},"gives_up_in_ns":41000000000"#,
        r#""next_attempt_in_ns":3200000000,"unsent_bytes":2626560,"unacked_bytes":0,"orphan":true,"holders":null}"#,
    ] {
        assert!(shut.contains(words), "{shut}");
    }
    assert!(lost.contains(r#""gives_up_in_ns":null,"never_gives_up":"probes_answered""#), "{lost}");
    assert!(lost.contains(r#""fin_retransmits":{"tlp":null,"rto":5,"#), "{lost}");
    let by_reason = concat!(
        r#""by_reason":{"fin_unacked":1,"unsent_data":0,"zero_window":1,"#,
        r#""local_drop":0,"peer_open":0,"unknown":0}"#,
    );
    assert_eq!(*summary, format!(r#"{{"type":"stuck_summary",{HEAD},"groups":2,"sockets":2,{by_reason},{ROUND}"#));
}

fn by_cause(never: u64, polled: u64, seen: u64) -> String {
    let first = format!(r#""by_cause":{{"never_accepted":{never},"not_polled":{polled},"never_read_eof":0,"#);
    format!(r#"{first}"eof_seen_not_closed":{seen},"unknown":0}}"#)
}

fn holder(pid: u32, comm: &str) -> String {
    format!(r#"{{"pid":{pid},"comm":"{comm}","fd":7,"cgroup":"/system.slice/api.service","unit":"api.service"}}"#)
}

#[test]
fn groups_and_their_sockets() {
    let report = fixtures::leaks_report();
    let lines = json(|json, out| json.leaks(out, &report, true, OWN, &fixtures::context()));
    let [process, queue, held, waiting, summary] = lines.as_slice() else { panic!("{lines:?}") };
    let (worker, slow) = (holder(7435, "worker"), holder(99, "slow"));
    let advice = report.groups[0].advice;
    let expected = [
        format!(r#"{{"type":"leak_group",{HEAD},"pid":7434,"comm":"python3","listener":null,"netns":4026531840,"#),
        format!(r#""shared_with":[{worker}],"cgroup":"/system.slice/api.service","unit":"api.service","sockets":37,"#),
        r#""oldest_ns":725000000000,"oldest_is_lower_bound":false,"growth_per_minute":6,"#.to_owned(),
        r#""ages":{"lt_1m":2,"lt_10m":30,"lt_1h":5,"lt_1d":0,"ge_1d":0},"#.to_owned(),
        r#""remotes":[{"addr":"10.0.0.7","sockets":20},{"addr":"10.0.0.8","sockets":10},"#.to_owned(),
        r#"{"addr":"2001:db8::9","sockets":5}],"remotes_total":4,"#.to_owned(),
        format!(r#"{},"cause":"eof_seen_not_closed","advice":"{advice}","mptcp_sockets":0}}"#, by_cause(0, 7, 30)),
    ];
    assert_eq!(*process, expected.concat());
    let listener = format!(r#""listener":{{"port":8080,"holders":[{slow}]}},"netns":4026532177,"shared_with":[]"#);
    for words in [listener.as_str(), r#""pid":null,"comm":null"#, r#""cgroup":null"#, r#""growth_per_minute":null"#] {
        assert!(queue.contains(words), "{queue}");
    }
    assert!(held.contains(r#""kind":"leak_close_wait","status":"raised""#), "{held}");
    assert!(held.contains(&worker), "{held}");
    assert!(waiting.contains(r#""reason":"never_accepted""#), "{waiting}");
    let causes = by_cause(1, 7, 30);
    assert_eq!(*summary, format!(r#"{{"type":"leaks_summary",{HEAD},"groups":2,"sockets":38,{causes},{ROUND}"#));
    let lines = json(|json, out| json.leaks(out, &report, false, OWN, &fixtures::context()));
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_close_that_waits() {
    let report = fixtures::closing_report(&[7440]);
    let lines = json(|json, out| json.stuck(out, &report, false, OWN, &fixtures::context()));
    let [group, finding, _] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(group.contains(r#""mptcp_sockets":1,"#) && group.contains(r#""close_waits_for":1,"#), "{group}");
    let thread = r#"{"pid":7434,"comm":"api","tid":7440,"thread":"worker","cgroup":"/api"}"#;
    let certain = r#""is_certain":true,"orphan_gives_up_in_ns":108000000000,"orphan_never_gives_up":null}}"#;
    assert!(finding.ends_with(&format!(r#""mptcp":true,"close_waits":{{"threads":[{thread}],{certain}"#)), "{finding}");
    let report = fixtures::closing_report(&[7440, 7441]);
    let lines = json(|json, out| json.stuck(out, &report, false, OWN, &fixtures::context()));
    assert!(lines[1].contains(r#""is_certain":false"#), "{}", lines[1]);
}
