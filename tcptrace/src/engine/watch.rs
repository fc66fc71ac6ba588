//! What is known of one close beside its events, and when it is looked at again.

use std::{collections::BTreeSet, sync::Arc};

use super::table::{SlotId, Table};
use crate::model::{Diagnosis, Holders, LeakCause};

/// Why a look is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An orphan was handed over to a timewait socket.
    Orphan,
    /// A threshold was passed: a finding waits for its explanation.
    Raise,
    /// A finding stands: does the socket?
    Recheck,
    /// A dump did not show the socket.
    Audit,
}

/// Kept for sockets that are looked at, which most never are.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// When it is looked at, or the wait for an answer ends; 0 for never.
    due_ns: u64,
    /// The last look that found the socket in its present state; 0 for none.
    pub(super) alive_ns: u64,
    /// When the timer of its timewait socket expires; 0 where that is not known.
    pub(super) expires_at_ns: u64,
    /// It was not found; why it was looked for. It counts as gone when it is not found once more.
    pub(super) gone: Option<Asked>,
    /// Looks that found no way to its namespace.
    pub(super) no_namespace: u8,
    /// What the last look said.
    pub(super) diagnosis: Option<Diagnosis>,
    pub(super) leak_cause: Option<LeakCause>,
    pub(super) holders: Option<Arc<Holders>>,
}

/// Looks to come, in the order of their times. Unlike a lane's, their waits differ.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeSet<(u64, SlotId)>);

impl Schedule {
    /// Looks at an entry at this time and at no other.
    pub(super) fn set(&mut self, table: &mut Table, id: SlotId, due_ns: u64) {
        let Some(closing) = table.get_mut(id) else { return };
        let watch = closing.rare.some_watch();
        self.0.remove(&(watch.due_ns, id));
        watch.due_ns = due_ns;
        self.0.insert((due_ns, id));
    }

    /// Looks at an entry no more.
    pub(super) fn clear(&mut self, table: &mut Table, id: SlotId) {
        let Some(watch) = table.get_mut(id).and_then(|closing| closing.rare.watch_mut()) else { return };
        self.0.remove(&(watch.due_ns, id));
        watch.due_ns = 0;
    }

    /// The first entry, if its time has come; what is due at the end of time never is.
    pub(super) fn due(&self, now_ns: u64) -> Option<SlotId> {
        let now_ns = now_ns.min(u64::MAX - 1);
        self.0.first().filter(|(due_ns, _)| *due_ns <= now_ns).map(|(_, id)| *id)
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}
