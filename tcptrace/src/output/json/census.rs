//! `"type":"stuck_summary"`, `"leak_group"` and `"leaks_summary"`: every word is there, zeros too.

use std::net::IpAddr;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::SCHEMA;
use super::holders::{HolderObject, objects, workload};
use super::parts::Named;
use crate::model::{
    AGE_BUCKETS, FindingReason, GroupOf, LeakCause, LeakGroup, LeaksReport, Round, StuckCause, StuckReport,
};
use crate::report::Context;

pub(super) struct StuckSummary<'a> {
    pub(super) time: &'a str,
    pub(super) report: &'a StuckReport,
}

impl Serialize for StuckSummary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.report;
        let mut object = serializer.serialize_struct("StuckSummary", 16)?;
        head(&mut object, "stuck_summary", self.time)?;
        object.serialize_field("groups", &report.groups.len())?;
        object.serialize_field("sockets", &report.sockets())?;
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
        let mut object = serializer.serialize_struct("LeaksSummary", 16)?;
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
    pub(super) context: &'a Context,
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = self.group;
        let (process, listener) = match &group.of {
            GroupOf::Process { pid, comm } => (Some((*pid, comm.as_str())), None),
            GroupOf::Listener { port, .. } => (None, Some(Listener { port: *port, holders: objects(&group.listener) })),
            GroupOf::Unknown => (None, None),
        };
        let mut object = serializer.serialize_struct("LeakGroup", 24)?;
        head(&mut object, "leak_group", self.time)?;
        object.serialize_field("pid", &process.map(|(pid, _)| pid))?;
        object.serialize_field("comm", &process.map(|(_, comm)| comm))?;
        object.serialize_field("listener", &listener)?;
        object.serialize_field("netns", &group.netns())?;
        if let Some(name) = group.netns().and_then(|netns| self.context.netns_name_of(netns)) {
            object.serialize_field("netns_name", name)?;
        }
        object.serialize_field("shared_with", &objects(&group.shared_with))?;
        object.serialize_field("cgroup", &Some(&group.cgroup).filter(|path| !path.is_empty()))?;
        for (name, value) in workload(&group.cgroup) {
            object.serialize_field(name, &value)?;
        }
        object.serialize_field("sockets", &group.count)?;
        object.serialize_field("oldest_ns", &group.oldest_ns)?;
        object.serialize_field("oldest_is_lower_bound", &group.oldest_is_lower_bound)?;
        object.serialize_field("growth_per_minute", &group.growth_per_minute)?;
        object.serialize_field("ages", &Named(&ages(group.ages)))?;
        object.serialize_field("remotes", &remotes(&group.remotes))?;
        object.serialize_field("remotes_total", &group.remotes_total)?;
        object.serialize_field("by_cause", &causes(group.by_cause))?;
        object.serialize_field("cause", FindingReason::Leak(group.cause).as_str())?;
        object.serialize_field("advice", group.advice)?;
        object.serialize_field("mptcp_sockets", &group.mptcp())?;
        object.end()
    }
}

#[derive(serde::Serialize)]
struct Listener<'a> {
    port: u16,
    holders: Vec<HolderObject<'a>>,
}

pub(super) fn remotes(remotes: &[(IpAddr, u64)]) -> Vec<Remote> {
    remotes.iter().map(|(addr, sockets)| Remote { addr: *addr, sockets: *sockets }).collect()
}

pub(super) fn ages(ages: [u64; AGE_BUCKETS.len()]) -> Vec<(&'static str, u64)> {
    AGE_BUCKETS.iter().map(|(name, _)| *name).zip(ages).collect()
}

#[derive(serde::Serialize)]
pub(super) struct Remote {
    addr: IpAddr,
    sockets: u64,
}

pub(super) fn head<S: SerializeStruct>(object: &mut S, kind: &str, time: &str) -> Result<(), S::Error> {
    object.serialize_field("type", kind)?;
    object.serialize_field("schema", &SCHEMA)?;
    object.serialize_field("time", time)
}

fn round<S: SerializeStruct>(object: &mut S, round: &Round) -> Result<(), S::Error> {
    object.serialize_field("namespaces", &round.namespaces)?;
    object.serialize_field("unreachable_namespaces", &round.unreachable)?;
    object.serialize_field("younger", &round.young)?;
    object.serialize_field("gone", &round.gone)?;
    object.serialize_field("not_followed", &round.not_followed)?;
    object.serialize_field("younger_or_unknown", &round.young)?;
    object.serialize_field("age_unknown", &round.age_unknown)?;
    object.serialize_field("new", &round.new)?;
    object.serialize_field("new_per_minute", &round.new_per_minute)
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
