//! `"type":"stuck_group"`, and the `close()` that waits for a socket.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::census::{ages, head, remotes};
use super::holders::{HolderObject, objects, workload};
use super::parts::Named;
use crate::model::{Closer, Closing, FindingReason, GivesUp, StuckGroup, StuckOf};

pub(super) struct Group<'a> {
    pub(super) time: &'a str,
    pub(super) group: &'a StuckGroup,
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StuckGroup { key, group, advice, .. } = self.group;
        let (process, service) = match &key.of {
            StuckOf::Process { pid, comm } | StuckOf::Left { pid, comm } => (Some((*pid, comm.as_str())), None),
            StuckOf::Service { port, .. } => (None, Some(("local", *port))),
            StuckOf::Opened { port, .. } => (None, Some(("remote", *port))),
            StuckOf::Orphans | StuckOf::Unknown => (None, None),
        };
        let service = service.map(|(side, port)| Service { side, port, holders: objects(&group.listener) });
        let (first_ns, last_ns) = self.group.gives_up_ns.unzip();
        let mut object = serializer.serialize_struct("StuckGroup", 32)?;
        head(&mut object, "stuck_group", self.time)?;
        object.serialize_field("kind", key.kind.as_str())?;
        object.serialize_field("reason", FindingReason::Stuck(key.cause).as_str())?;
        object.serialize_field("pid", &process.map(|(pid, _)| pid))?;
        object.serialize_field("comm", &process.map(|(_, comm)| comm))?;
        let held = matches!(key.of, StuckOf::Process { .. } | StuckOf::Unknown);
        object.serialize_field("orphans", &!held)?;
        object.serialize_field("service", &service)?;
        object.serialize_field("netns", &self.group.netns())?;
        object.serialize_field("shared_with", &objects(&group.shared_with))?;
        object.serialize_field("cgroup", &Some(&group.cgroup).filter(|path| !path.is_empty()))?;
        for (name, value) in workload(&group.cgroup) {
            object.serialize_field(name, &value)?;
        }
        object.serialize_field("sockets", &group.count)?;
        object.serialize_field("mptcp_sockets", &group.mptcp)?;
        object.serialize_field("oldest_ns", &group.oldest_ns)?;
        object.serialize_field("oldest_is_lower_bound", &group.oldest_is_lower_bound)?;
        object.serialize_field("growth_per_minute", &group.growth_per_minute)?;
        object.serialize_field("ages", &Named(&ages(group.ages)))?;
        object.serialize_field("remotes", &remotes(&group.remotes))?;
        object.serialize_field("remotes_total", &group.remotes_total)?;
        object.serialize_field("unsent_bytes", &self.group.unsent_bytes)?;
        object.serialize_field("unacked_bytes", &self.group.unacked_bytes)?;
        object.serialize_field("first_gives_up_in_ns", &first_ns)?;
        object.serialize_field("last_gives_up_in_ns", &last_ns)?;
        object.serialize_field("never_give_up", &self.group.never_give_up)?;
        let closing = self.group.sockets.iter().filter(|listed| listed.closing.is_some()).count();
        object.serialize_field("close_waits_for", &closing)?;
        object.serialize_field("advice", advice)?;
        object.end()
    }
}

/// The port that names a service, here or elsewhere.
#[derive(serde::Serialize)]
struct Service<'a> {
    side: &'static str,
    port: u16,
    holders: Vec<HolderObject<'a>>,
}

/// What waits in `close()` for a socket.
pub(super) struct Waits<'a>(pub(super) &'a Closing);

impl Serialize for Waits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let closing = self.0;
        let threads: Vec<Thread<'_>> = closing.threads.iter().map(Thread).collect();
        let (then_ns, never) = match closing.then {
            GivesUp::In(ns) => (Some(ns), None),
            GivesUp::Never(why) => (None, Some(why.as_str())),
            GivesUp::Unknown => (None, None),
        };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("threads", &threads)?;
        object.serialize_entry("is_certain", &closing.thread().is_some())?;
        object.serialize_entry("orphan_gives_up_in_ns", &then_ns)?;
        object.serialize_entry("orphan_never_gives_up", &never)?;
        object.end()
    }
}

struct Thread<'a>(&'a Closer);

impl Serialize for Thread<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Closer { pid, comm, tid, thread, cgroup, .. } = self.0;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("pid", pid)?;
        object.serialize_entry("comm", comm)?;
        object.serialize_entry("tid", tid)?;
        object.serialize_entry("thread", thread)?;
        object.serialize_entry("cgroup", cgroup)?;
        object.end()
    }
}
