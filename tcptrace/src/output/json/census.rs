//! `"type":"stuck_summary"`, `"leak_group"` and `"leaks_summary"`: every word is there, zeros too.

use std::net::IpAddr;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::SCHEMA;
use super::parts::Named;
use crate::model::{
    AGE_BUCKETS, FindingReason, GroupOf, Holder, LeakCause, LeakGroup, LeaksReport, Round, StuckCause, StuckReport,
};

pub(super) struct StuckSummary<'a> {
    pub(super) time: &'a str,
    pub(super) report: &'a StuckReport,
}

impl Serialize for StuckSummary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.report;
        let mut object = serializer.serialize_struct("StuckSummary", 10)?;
        head(&mut object, "stuck_summary", self.time)?;
        object.serialize_field("sockets", &report.sockets.len())?;
        object.serialize_field("by_reason", &Named(&named(StuckCause::ALL, FindingReason::Stuck, report.by_reason)))?;
        round(&mut object, &report.round)?;
        object.end()
    }
}

pub(super) struct LeaksSummary<'a> {
    pub(super) time: &'a str,
    pub(super) report: &'a LeaksReport,
}

impl Serialize for LeaksSummary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.report;
        let mut object = serializer.serialize_struct("LeaksSummary", 11)?;
        head(&mut object, "leaks_summary", self.time)?;
        object.serialize_field("groups", &report.groups.len())?;
        object.serialize_field("sockets", &report.sockets())?;
        object.serialize_field("by_cause", &causes(report.by_cause))?;
        round(&mut object, &report.round)?;
        object.end()
    }
}

pub(super) struct Group<'a> {
    pub(super) time: &'a str,
    pub(super) group: &'a LeakGroup,
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = self.group;
        let (process, listener) = match &group.of {
            GroupOf::Process { pid, comm } => (Some((*pid, comm.as_str())), None),
            GroupOf::Listener { netns, port } => {
                (None, Some(Listener { netns: *netns, port: *port, holders: &group.listener }))
            }
            GroupOf::Unknown => (None, None),
        };
        let remotes: Vec<Remote> =
            group.remotes.iter().map(|(addr, sockets)| Remote { addr: *addr, sockets: *sockets }).collect();
        let ages: Vec<(&'static str, u64)> = AGE_BUCKETS.iter().map(|(name, _)| *name).zip(group.ages).collect();
        let mut object = serializer.serialize_struct("LeakGroup", 19)?;
        head(&mut object, "leak_group", self.time)?;
        object.serialize_field("pid", &process.map(|(pid, _)| pid))?;
        object.serialize_field("comm", &process.map(|(_, comm)| comm))?;
        object.serialize_field("listener", &listener)?;
        object.serialize_field("shared_with", &group.shared_with)?;
        object.serialize_field("cgroup", &Some(&group.cgroup).filter(|path| !path.is_empty()))?;
        object.serialize_field("sockets", &group.count)?;
        object.serialize_field("oldest_ns", &group.oldest_ns)?;
        object.serialize_field("oldest_is_lower_bound", &group.oldest_is_lower_bound)?;
        object.serialize_field("growth_per_minute", &group.growth_per_minute)?;
        object.serialize_field("ages", &Named(&ages))?;
        object.serialize_field("remotes", &remotes)?;
        object.serialize_field("remotes_total", &group.remotes_total)?;
        object.serialize_field("by_cause", &causes(group.by_cause))?;
        object.serialize_field("cause", FindingReason::Leak(group.cause).as_str())?;
        object.serialize_field("advice", group.advice)?;
        object.end()
    }
}

#[derive(serde::Serialize)]
struct Listener<'a> {
    netns: u32,
    port: u16,
    holders: &'a [Holder],
}

#[derive(serde::Serialize)]
struct Remote {
    addr: IpAddr,
    sockets: u64,
}

fn head<S: SerializeStruct>(object: &mut S, kind: &str, time: &str) -> Result<(), S::Error> {
    object.serialize_field("type", kind)?;
    object.serialize_field("schema", &SCHEMA)?;
    object.serialize_field("time", time)
}

fn round<S: SerializeStruct>(object: &mut S, round: &Round) -> Result<(), S::Error> {
    object.serialize_field("namespaces", &round.namespaces)?;
    object.serialize_field("unreachable_namespaces", &round.unreachable)?;
    object.serialize_field("younger", &round.young)?;
    object.serialize_field("gone", &round.gone)?;
    object.serialize_field("not_followed", &round.not_followed)
}

fn named<T, const N: usize>(
    all: [T; N],
    reason: impl Fn(T) -> FindingReason,
    counts: [u64; N],
) -> Vec<(&'static str, u64)> {
    all.into_iter().map(|cause| reason(cause).as_str()).zip(counts).collect()
}

fn causes(counts: [u64; LeakCause::ALL.len()]) -> impl Serialize {
    struct Causes(Vec<(&'static str, u64)>);
    impl Serialize for Causes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            Named(&self.0).serialize(serializer)
        }
    }
    Causes(named(LeakCause::ALL, FindingReason::Leak, counts))
}

#[cfg(test)]
mod tests {
    use crate::output::{Format, Renderer, Style, fixtures};

    fn json(render: impl Fn(&mut Renderer, &mut Vec<u8>)) -> Vec<String> {
        let mut out = Vec::new();
        render(&mut Renderer::new(Format::Json, Style::default()), &mut out);
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    const ROUND: &str = r#""namespaces":2,"unreachable_namespaces":1,"younger":4,"gone":3,"not_followed":0}"#;

    #[test]
    fn stuck_sockets_are_findings() {
        let lines = json(|json, out| json.stuck(out, &fixtures::stuck_report(), 4_026_531_840, &fixtures::context()));
        let [shut, lost, summary] = lines.as_slice() else { panic!("{lines:?}") };
        for words in [
            r#""status":"raised","outcome":null,"reason":"zero_window","age_ns":12300000000,"age_is_lower_bound":true"#,
            r#""fin_retransmits":{"tlp":null,"rto":0,"fast":null,"failed":null},"gives_up_in_ns":41000000000"#,
            r#""next_attempt_in_ns":3200000000,"unsent_bytes":2626560,"unacked_bytes":0,"orphan":true,"holders":null}"#,
        ] {
            assert!(shut.contains(words), "{shut}");
        }
        assert!(lost.contains(r#""gives_up_in_ns":null,"never_gives_up":"probes_answered""#), "{lost}");
        assert!(lost.contains(r#""fin_retransmits":{"tlp":null,"rto":5,"#), "{lost}");
        let expected = concat!(
            r#"{"type":"stuck_summary","schema":1,"time":"2026-01-02T03:04:05.678901234Z","sockets":2,"#,
            r#""by_reason":{"fin_unacked":1,"unsent_data":0,"zero_window":1,"local_drop":0,"peer_open":0,"unknown":0},"#,
        );
        assert_eq!(*summary, format!("{expected}{ROUND}"));
    }

    #[test]
    fn groups_and_their_sockets() {
        let report = fixtures::leaks_report();
        let lines = json(|json, out| json.leaks(out, &report, true, 4_026_531_840, &fixtures::context()));
        let [process, queue, held, waiting, summary] = lines.as_slice() else { panic!("{lines:?}") };
        let holder =
            |pid, comm| format!(r#"{{"pid":{pid},"comm":"{comm}","fd":7,"cgroup":"/system.slice/api.service"}}"#);
        let by_cause = |never, polled, seen| {
            format!(
                r#""by_cause":{{"never_accepted":{never},"not_polled":{polled},"never_read_eof":0,"eof_seen_not_closed":{seen},"unknown":0}}"#
            )
        };
        let head = r#""schema":1,"time":"2026-01-02T03:04:05.678901234Z""#;
        let (worker, slow) = (holder(7435, "worker"), holder(99, "slow"));
        let expected = [
            format!(r#"{{"type":"leak_group",{head},"pid":7434,"comm":"python3","listener":null,"#),
            format!(r#""shared_with":[{worker}],"cgroup":"/system.slice/api.service","sockets":37,"#),
            r#""oldest_ns":725000000000,"oldest_is_lower_bound":false,"growth_per_minute":6,"#.to_owned(),
            r#""ages":{"lt_1m":2,"lt_10m":30,"lt_1h":5,"lt_1d":0,"ge_1d":0},"#.to_owned(),
            r#""remotes":[{"addr":"10.0.0.7","sockets":20},{"addr":"10.0.0.8","sockets":10},"#.to_owned(),
            r#"{"addr":"2001:db8::9","sockets":5}],"remotes_total":4,"#.to_owned(),
            format!(r#"{},"cause":"eof_seen_not_closed","advice":"{}"}}"#, by_cause(0, 7, 30), report.groups[0].advice),
        ];
        assert_eq!(*process, expected.concat());
        let listener = format!(
            r#""pid":null,"comm":null,"listener":{{"netns":4026532177,"port":8080,"holders":[{slow}]}},"shared_with":[],"cgroup":null,"#
        );
        assert!(queue.contains(&listener), "{queue}");
        assert!(queue.contains(r#""growth_per_minute":null"#), "{queue}");
        assert!(held.contains(r#""kind":"leak_close_wait","status":"raised""#), "{held}");
        assert!(held.contains(&worker), "{held}");
        assert!(waiting.contains(r#""reason":"never_accepted""#), "{waiting}");
        let expected =
            format!(r#"{{"type":"leaks_summary",{head},"groups":2,"sockets":38,{},{ROUND}"#, by_cause(1, 7, 30));
        assert_eq!(*summary, expected);
        let lines = json(|json, out| json.leaks(out, &report, false, 4_026_531_840, &fixtures::context()));
        assert_eq!(lines.len(), 3);
    }
}
