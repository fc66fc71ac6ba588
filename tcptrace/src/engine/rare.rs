//! What few closes have, or only for a moment at their end: in one box, made when it is needed.

use super::{
    fate::Fate,
    watch::{Asked, Watch},
};
use crate::model::Retransmits;

/// The box, if there is one. Reading what is not there gives what an ordinary close has.
#[derive(Debug, Default)]
pub(super) struct Rarely(Option<Box<Rare>>);

#[derive(Debug, Default)]
struct Rare {
    retransmits: Retransmits,
    /// Interface that the socket is bound to.
    bound_if: u32,
    /// The look that is under way.
    asked: Option<Asked>,
    watch: Option<Box<Watch>>,
    /// `sk_err` at the last event.
    err: u16,
    /// When the present wait began, if not with the state.
    wait_from_ns: Option<u64>,
    /// For how long a program held it in FIN_WAIT2 before it became an orphan.
    held_ns: Option<u64>,
    /// Resets and the end.
    fate: Option<Fate>,
}

impl Rarely {
    fn some(&mut self) -> &mut Rare {
        self.0.get_or_insert_default()
    }

    pub(super) fn retransmits(&self) -> Retransmits {
        self.0.as_deref().map(|rare| rare.retransmits).unwrap_or_default()
    }

    pub(super) fn retransmits_mut(&mut self) -> &mut Retransmits {
        &mut self.some().retransmits
    }

    pub(super) fn bound_if(&self) -> u32 {
        self.0.as_deref().map_or(0, |rare| rare.bound_if)
    }

    pub(super) fn set_bound_if(&mut self, bound_if: u32) {
        if bound_if != self.bound_if() {
            self.some().bound_if = bound_if;
        }
    }

    pub(super) fn err(&self) -> u16 {
        self.0.as_deref().map_or(0, |rare| rare.err)
    }

    pub(super) fn set_err(&mut self, err: u16) {
        if err != self.err() {
            self.some().err = err;
        }
    }

    pub(super) fn asked(&self) -> Option<Asked> {
        self.0.as_deref().and_then(|rare| rare.asked)
    }

    pub(super) fn ask(&mut self, why: Asked) {
        self.some().asked = Some(why);
    }

    pub(super) fn take_asked(&mut self) -> Option<Asked> {
        self.0.as_deref_mut().and_then(|rare| rare.asked.take())
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        self.0.as_deref().and_then(|rare| rare.watch.as_deref())
    }

    /// The watch, if there is one.
    pub(super) fn watch_mut(&mut self) -> Option<&mut Watch> {
        self.0.as_deref_mut().and_then(|rare| rare.watch.as_deref_mut())
    }

    /// The watch, made if there is none.
    pub(super) fn some_watch(&mut self) -> &mut Watch {
        self.some().watch.get_or_insert_default()
    }

    pub(super) fn forget_watch(&mut self) {
        if let Some(rare) = &mut self.0 {
            rare.watch = None;
        }
    }

    pub(super) fn wait_from_ns(&self) -> Option<u64> {
        self.0.as_deref().and_then(|rare| rare.wait_from_ns)
    }

    /// `None` where the wait begins with the state.
    pub(super) fn set_wait_from_ns(&mut self, from_ns: Option<u64>) {
        if from_ns != self.wait_from_ns() {
            self.some().wait_from_ns = from_ns;
        }
    }

    pub(super) fn held_ns(&self) -> Option<u64> {
        self.0.as_deref().and_then(|rare| rare.held_ns)
    }

    pub(super) fn set_held_ns(&mut self, held_ns: u64) {
        self.some().held_ns = Some(held_ns);
    }

    pub(super) fn fate(&self) -> Option<&Fate> {
        self.0.as_deref().and_then(|rare| rare.fate.as_ref())
    }

    /// The fate, made if there is none.
    pub(super) fn some_fate(&mut self) -> &mut Fate {
        self.some().fate.get_or_insert_default()
    }

    pub(super) fn set_fate(&mut self, fate: Fate) {
        self.some().fate = Some(fate);
    }
}
