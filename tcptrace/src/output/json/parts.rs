//! What several objects have in common.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{SCHEMA, object::Object};
use crate::model::{Identity, Owner, Retransmits};
use crate::output::units::PerSecond;
use crate::report::{Cgroup, Context};

/// The beginning of every object that speaks of a socket.
pub(super) struct Head<'a> {
    pub(super) kind: &'static str,
    pub(super) time: &'a str,
    pub(super) socket: &'a Identity,
    /// Index of the interface that it is bound to, or 0.
    pub(super) bound_if: u32,
    /// The owner's name, of which there may be none: see [`fill_comm`].
    pub(super) comm: &'a str,
}

/// Text of an owner's name, in a buffer that is used again.
pub(super) fn fill_comm(comm: &mut String, owner: Option<&Owner>) {
    comm.clear();
    if let Some(owner) = owner {
        // Writing to a String cannot fail.
        let _ = write!(comm, "{}", owner.comm);
    }
}

impl Head<'_> {
    pub(super) fn fields(&self, object: &mut Object<'_>) {
        let socket = self.socket;
        object.word("type", self.kind);
        object.number("schema", SCHEMA);
        object.word("time", self.time);
        object.hexadecimal("cookie", socket.key.0);
        object.number("netns", socket.netns);
        object.word("family", socket.family().as_str());
        object.endpoint("local", &socket.local);
        object.endpoint("remote", &socket.remote);
    }

    /// What few lines have: an interface, one of several hosts, a sample, a name of the namespace.
    pub(super) fn origin(&self, object: &mut Object<'_>, context: &Context) {
        if self.bound_if != 0 {
            object.value("interface", &context.interface_of(self.socket.netns, self.bound_if));
            object.number("interface_index", self.bound_if);
        }
        if let Some(host) = context.shown_host() {
            object.value("host", host);
        }
        if context.weight() != 1 {
            object.number("weight", context.weight());
        }
        if let Some(name) = context.netns_name_of(self.socket.netns) {
            object.value("netns_name", name);
        }
    }

    pub(super) fn owner(&self, object: &mut Object<'_>, owner: Option<&Owner>, context: &Context) {
        let Some(owner) = owner else {
            object.null("owner");
            return;
        };
        object.nested("owner", |object| {
            object.number("pid", owner.pid);
            object.value("comm", self.comm);
            let cgroup = context.cgroup_of(owner.cgroup_id);
            object.value("cgroup", &cgroup.map(|cgroup| &cgroup.path));
            if let Some(Cgroup { unit, container, pod, .. }) = cgroup {
                for (key, name) in [("unit", unit), ("container", container), ("pod", pod)] {
                    name.iter().for_each(|name| object.value(key, name));
                }
            }
            object.word("source", owner.source.as_str());
        });
    }
}

#[derive(serde::Serialize)]
pub(super) struct RetransmitsObject {
    tlp: Option<u64>,
    rto: Option<u64>,
    fast: Option<u64>,
    failed: Option<u64>,
}

impl RetransmitsObject {
    /// As a member of the line of a close or a finding.
    pub(super) fn fill(&self, object: &mut Object<'_>) {
        object.nested("fin_retransmits", |object| {
            object.number_or_null("tlp", self.tlp);
            object.number_or_null("rto", self.rto);
            object.number_or_null("fast", self.fast);
            object.number_or_null("failed", self.failed);
        });
    }

    /// What a look can tell: of the timer's at most.
    pub(super) fn looked_at(rto: Option<u32>) -> Self {
        Self { tlp: None, rto: rto.map(u64::from), fast: None, failed: None }
    }
}

impl From<Retransmits> for RetransmitsObject {
    fn from(count: Retransmits) -> Self {
        let Retransmits { tlp, rto, fast, failed } = count;
        Self::from([tlp, rto, fast, failed].map(u64::from))
    }
}

impl From<[u64; 4]> for RetransmitsObject {
    fn from(counts: [u64; 4]) -> Self {
        let [tlp, rto, fast, failed] = counts.map(Some);
        Self { tlp, rto, fast, failed }
    }
}

/// An object with the given names as its keys, in the given order.
pub(super) struct Named<'a, V>(pub(super) &'a [(&'static str, V)]);

impl<V: Serialize> Serialize for Named<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

/// So many in so many nanoseconds as a rate for a second, to a thousandth; null where no time passed.
#[expect(clippy::cast_precision_loss, reason = "a rate: above 2^53 thousandths it is rounded")]
pub(super) fn per_second(count: u64, ns: u64) -> Option<f64> {
    PerSecond(count, ns).thousandths().map(|thousandths| thousandths as f64 / 1_000.0)
}
