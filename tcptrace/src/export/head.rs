//! What closes and findings have in common: when, where, which socket, and whose.

use super::{Cell, Column, Kind};
use crate::model::{Identity, Owner};
use crate::report::{Cgroup, Context};

/// A close or a finding, and what has to be known to show it.
pub struct Row<'a, T> {
    time_ns: u64,
    host: Option<&'a str>,
    weight: u64,
    socket: &'a Identity,
    owner: Option<&'a Owner>,
    cgroup: Option<&'a Cgroup>,
    bound_if: u32,
    interface: Option<&'a str>,
    pub(super) of: &'a T,
}

impl<'a, T> Row<'a, T> {
    pub(super) fn with(
        time_ns: u64,
        (socket, bound_if, owner): (&'a Identity, u32, Option<&'a Owner>),
        of: &'a T,
        context: &'a Context,
    ) -> Self {
        let host = context.hostname();
        let cgroup = owner.and_then(|owner| context.cgroup_of(owner.cgroup_id));
        let interface = context.interface_of(socket.netns, bound_if);
        let (time_ns, weight) = (context.real_ns(time_ns), context.weight());
        Self { time_ns, host, weight, socket, owner, cgroup, bound_if, interface, of }
    }
}

/// When, where, and which socket.
pub(super) fn identity<T>() -> [Column<T>; 10] {
    [
        Column::always("time", Kind::Time, |row| Cell::Time(row.time_ns)),
        Column::known("host", Kind::Text, |row| Cell::text(row.host)),
        Column::always("weight", Kind::UInt64, |row| Cell::UInt64(row.weight)),
        Column::always("cookie", Kind::UInt64, |row| Cell::UInt64(row.socket.key.0)),
        Column::always("netns", Kind::UInt32, |row| Cell::UInt32(row.socket.netns)),
        Column::always("family", Kind::Text, |row| Cell::word(row.socket.family().as_str())),
        Column::always("local_addr", Kind::Text, |row| Cell::made(row.socket.local.ip().to_string())),
        Column::always("local_port", Kind::UInt16, |row| Cell::UInt16(row.socket.local.port)),
        Column::always("remote_addr", Kind::Text, |row| Cell::made(row.socket.remote.ip().to_string())),
        Column::always("remote_port", Kind::UInt16, |row| Cell::UInt16(row.socket.remote.port)),
    ]
}

/// The interface that the socket is bound to, if to any.
pub(super) fn interface<T>() -> [Column<T>; 2] {
    [
        Column::known("interface", Kind::Text, |row| Cell::text(row.interface)),
        Column::known("interface_index", Kind::UInt32, |row| {
            Cell::uint32(Some(row.bound_if).filter(|index| *index != 0))
        }),
    ]
}

/// Whose it is.
pub(super) fn owner<T>() -> [Column<T>; 7] {
    [
        Column::known("pid", Kind::UInt32, |row| Cell::uint32(row.owner.map(|owner| owner.pid))),
        Column::known("comm", Kind::Text, |row| {
            row.owner.map_or(Cell::Null, |owner| Cell::made(owner.comm.to_string()))
        }),
        Column::known("cgroup", Kind::Text, |row| Cell::text(row.cgroup.map(|cgroup| cgroup.path.as_str()))),
        Column::known("unit", Kind::Text, |row| Cell::text(row.cgroup.and_then(|cgroup| cgroup.unit.as_deref()))),
        Column::known("container", Kind::Text, |row| {
            Cell::text(row.cgroup.and_then(|cgroup| cgroup.container.as_deref()))
        }),
        Column::known("pod", Kind::Text, |row| Cell::text(row.cgroup.and_then(|cgroup| cgroup.pod.as_deref()))),
        Column::known("owner_source", Kind::Text, |row| Cell::text(row.owner.map(|owner| owner.source.as_str()))),
    ]
}
