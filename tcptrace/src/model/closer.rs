//! A `close()` that waits (SO_LINGER, socket(7)).

use super::{Comm, GivesUp, Holder, Holders, Owner, OwnerSource};

/// A thread that waits in `close()` for a socket that has data to send yet (`sk_stream_wait_close()`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closer {
    /// Its process.
    pub pid: u32,
    /// Name of the process.
    pub comm: String,
    /// The thread.
    pub tid: u32,
    /// Name of the thread.
    pub thread: String,
    /// cgroup v2 path of the process; empty where it is not known.
    pub cgroup: String,
    /// Inode of the network namespace that the thread is in.
    pub netns: u32,
}

/// What is known of the `close()` that waits for one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The threads that may be the one. The kernel does not say which socket a thread waits for.
    pub threads: Vec<Closer>,
    /// Sockets that one of these threads may wait for, this one included.
    pub sockets: u64,
    /// When the kernel would give the socket up if `close()` returned now and left an orphan.
    pub then: GivesUp,
}

impl Closing {
    /// The thread, where it can be no other.
    #[must_use]
    pub fn thread(&self) -> Option<&Closer> {
        match self.threads.as_slice() {
            [only] if self.sockets == 1 => Some(only),
            _ => None,
        }
    }

    /// A thread of the process, where it can be no other process.
    #[must_use]
    pub fn process(&self) -> Option<&Closer> {
        let (first, others) = self.threads.split_first()?;
        let enough = self.threads.len() as u64 >= self.sockets;
        (enough && others.iter().all(|other| other.pid == first.pid)).then_some(first)
    }

    /// The owner, where it can be no other process.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        let Closer { pid, comm, .. } = self.process()?;
        Some(Owner { pid: *pid, comm: Comm::from_name(comm), cgroup_id: 0, source: OwnerSource::Close })
    }

    /// The processes as holders, for a filter: threads come in the order of their processes.
    #[must_use]
    pub fn holders(&self) -> Holders {
        let holder = |closer: &Closer| Holder {
            pid: closer.pid,
            comm: closer.comm.clone(),
            fd: 0,
            cgroup: closer.cgroup.clone(),
        };
        let mut list: Vec<Holder> = self.threads.iter().map(holder).collect();
        list.dedup_by_key(|holder| holder.pid);
        Holders { list, ..Holders::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closing(threads: &[(u32, u32)], sockets: u64) -> Closing {
        let thread = |(pid, tid): &(u32, u32)| Closer { pid: *pid, tid: *tid, ..Closer::default() };
        Closing { threads: threads.iter().map(thread).collect(), sockets, then: GivesUp::Unknown }
    }

    #[test]
    fn only_what_can_be_no_other_is_named() {
        for (threads, sockets, thread, process) in [
            (&[(1, 2)][..], 1, Some(2), Some(1)),
            (&[(1, 2), (1, 3)], 2, None, Some(1)),
            (&[(1, 2), (4, 5)], 2, None, None),
            // One of the sockets is somebody else's.
            (&[(1, 2)], 2, None, None),
        ] {
            let closing = closing(threads, sockets);
            assert_eq!(closing.thread().map(|closer| closer.tid), thread, "{threads:?}");
            assert_eq!(closing.owner().map(|owner| owner.pid), process, "{threads:?}");
        }
    }
}
