//! Who holds a socket open, found by its inode in `/proc/*/fd`.

use serde::{Deserialize, Serialize};

use super::{Comm, Owner, OwnerSource};

/// One process with the socket among its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Process id, as this tool's `/proc` numbers it.
    pub pid: u32,
    /// Name of the process (`/proc/PID/comm`), as bytes that are UTF-8.
    pub comm: String,
    /// The first of its file descriptors that is the socket.
    pub fd: u32,
    /// cgroup v2 path; empty where it is not known.
    pub cgroup: String,
}

/// Everybody who holds one socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holders {
    /// The first of them, in the order of their ids; see `HOLDERS_MAX` where they are gathered.
    pub list: Vec<Holder>,
    /// How many there are.
    pub total: u32,
    /// Whether one of them has the socket in an epoll set; `None` where that could not be seen.
    pub in_epoll: Option<bool>,
    /// Some processes could not be looked at, so there may be more.
    pub partial: bool,
}

impl Holders {
    /// The owner, where one process is known to hold the socket. Others may not have been seen: see `partial`.
    #[must_use]
    pub fn sole(&self) -> Option<Owner> {
        let [holder] = self.list.as_slice() else { return None };
        let comm = Comm::from_name(&holder.comm);
        (self.total == 1).then_some(Owner { pid: holder.pid, comm, cgroup_id: 0, source: OwnerSource::Fd })
    }
}
