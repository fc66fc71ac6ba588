//! What several objects have in common.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::SCHEMA;
use crate::model::{Endpoint, Identity, Owner, Retransmits};
use crate::report::Context;

/// Text that has to be made for each line, in buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct Strings {
    cookie: String,
    local: String,
    remote: String,
    comm: String,
}

impl Strings {
    pub(super) fn fill(&mut self, socket: &Identity, owner: Option<&Owner>) {
        // Writing to a String cannot fail.
        self.cookie.clear();
        let _ = write!(self.cookie, "{}", socket.key);
        endpoint(&mut self.local, &socket.local);
        endpoint(&mut self.remote, &socket.remote);
        self.comm.clear();
        if let Some(owner) = owner {
            let _ = write!(self.comm, "{}", owner.comm);
        }
    }
}

/// As `Endpoint` prints; IPv4 by hand, because two of them are a good part of the cost of a line.
fn endpoint(text: &mut String, end: &Endpoint) {
    text.clear();
    match end.ip() {
        IpAddr::V4(ip) => {
            let mut digits = itoa::Buffer::new();
            let [a, b, c, d] = ip.octets();
            for (octet, after) in [(a, '.'), (b, '.'), (c, '.'), (d, ':')] {
                text.push_str(digits.format(octet));
                text.push(after);
            }
            text.push_str(digits.format(end.port));
        }
        IpAddr::V6(_) => {
            let _ = write!(text, "{end}");
        }
    }
}

/// The beginning of every object that speaks of a socket.
pub(super) struct Head<'a> {
    pub(super) kind: &'static str,
    pub(super) time: &'a str,
    pub(super) socket: &'a Identity,
    pub(super) strings: &'a Strings,
}

impl Head<'_> {
    pub(super) fn fields<S: SerializeStruct>(&self, object: &mut S) -> Result<(), S::Error> {
        object.serialize_field("type", self.kind)?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("time", self.time)?;
        object.serialize_field("cookie", &self.strings.cookie)?;
        object.serialize_field("netns", &self.socket.netns)?;
        object.serialize_field("family", self.socket.family().as_str())?;
        object.serialize_field("local", &self.strings.local)?;
        object.serialize_field("remote", &self.strings.remote)
    }

    /// What is there only where there are several hosts, or a sample.
    pub(super) fn origin<S: SerializeStruct>(&self, object: &mut S, context: &Context) -> Result<(), S::Error> {
        match context.shown_host() {
            Some(host) => object.serialize_field("host", host)?,
            None => object.skip_field("host")?,
        }
        match context.weight() {
            1 => object.skip_field("weight"),
            weight => object.serialize_field("weight", &weight),
        }
    }

    pub(super) fn owner<S: SerializeStruct>(
        &self,
        object: &mut S,
        owner: Option<&Owner>,
        context: &Context,
    ) -> Result<(), S::Error> {
        let owner = owner.map(|owner| {
            let cgroup = context.cgroup_of(owner.cgroup_id);
            OwnerObject {
                pid: owner.pid,
                comm: &self.strings.comm,
                cgroup: cgroup.map(|cgroup| cgroup.path.as_str()),
                unit: cgroup.and_then(|cgroup| cgroup.unit.as_deref()),
                container: cgroup.and_then(|cgroup| cgroup.container.as_deref()),
                pod: cgroup.and_then(|cgroup| cgroup.pod.as_deref()),
                source: owner.source.as_str(),
            }
        });
        object.serialize_field("owner", &owner)
    }
}

#[derive(serde::Serialize)]
struct OwnerObject<'a> {
    pid: u32,
    comm: &'a str,
    cgroup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    source: &'static str,
}

#[derive(serde::Serialize)]
pub(super) struct RetransmitsObject {
    tlp: Option<u64>,
    rto: Option<u64>,
    fast: Option<u64>,
    failed: Option<u64>,
}

impl RetransmitsObject {
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
