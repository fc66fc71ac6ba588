//! Why a socket is stuck or leaked, when the kernel gives it up, and how old it is at least: from one look at it.
//!
//! Pure, and shared by every command. What the kernel does is modelled where it has to be; docs/kernel-facts.md says what
//! was measured.

mod age;
mod cause;
mod leak;
mod probes;
mod retransmission;
mod settings;
#[cfg(test)]
mod tests;

pub use age::age_lower_bound_ns;
pub use leak::{advice, leak_cause};

use settings::Settings;

use crate::model::{Diagnosis, GivesUp, NetnsFacts, NeverWhy, Snapshot, State, StuckCause, Timer};

const MS_NS: u64 = 1_000_000;

/// What events add to a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Segments with FIN that were sent again.
    pub fin_sent_again: u32,
    /// Those that were tried, and did not leave the host.
    pub fin_failed: u32,
    /// No program holds the socket; `None` where that is not known.
    pub orphan: Option<bool>,
}

/// Why a socket is stuck, and for how long. Without facts of its namespace, no time is told.
///
/// TCP_USER_TIMEOUT, which ends a socket earlier, is not visible from outside.
#[must_use]
pub fn diagnose(snapshot: &Snapshot, facts: Option<&NetnsFacts>, signs: Signs) -> Diagnosis {
    let orphan = is_orphan(snapshot, signs);
    let fin = u32::from(owes_fin(snapshot.state));
    let unsent = snapshot.info.map(|info| info.notsent_bytes);
    // The FIN is the last in the queue: unsent if anything is.
    let without_fin = |bytes: u32, has_fin: bool| if has_fin { bytes.saturating_sub(fin) } else { bytes };
    let unacked = unsent.map(|unsent| snapshot.send_queue_bytes.saturating_sub(unsent));
    let fin_unsent = unsent.is_some_and(|unsent| unsent > 0);
    let cause = cause::cause(snapshot, signs, orphan);
    Diagnosis {
        cause,
        gives_up: gives_up(snapshot, facts, signs, orphan, cause == StuckCause::LocalDrop),
        next_attempt_in_ns: next_attempt_ns(snapshot),
        unsent_bytes: unsent.map(|unsent| without_fin(unsent, fin_unsent)),
        unacked_bytes: unacked.map(|unacked| without_fin(unacked, !fin_unsent)),
    }
}

/// States in which our FIN is queued or sent, and not acknowledged.
const fn owes_fin(state: State) -> bool {
    matches!(state, State::FinWait1 | State::Closing | State::LastAck)
}

/// `inet_sk_diag_fill()` shows inode 0 for a socket without a file. In CLOSE_WAIT that is one that was never accepted.
fn is_orphan(snapshot: &Snapshot, signs: Signs) -> bool {
    snapshot.timewait || snapshot.inode == 0 || signs.orphan == Some(true)
}

fn next_attempt_ns(snapshot: &Snapshot) -> Option<u64> {
    matches!(snapshot.timer, Timer::Retransmit | Timer::Probe).then(|| u64::from(snapshot.expires_ms) * MS_NS)
}

fn gives_up(snapshot: &Snapshot, facts: Option<&NetnsFacts>, signs: Signs, orphan: bool, lost_here: bool) -> GivesUp {
    let expires_ms = u64::from(snapshot.expires_ms);
    match snapshot.state {
        State::CloseWait => return GivesUp::Never(NeverWhy::WaitsForProgram),
        State::FinWait2 if snapshot.timewait => return GivesUp::In(expires_ms * MS_NS),
        State::FinWait2 if !orphan => return GivesUp::Never(NeverWhy::HeldInFinWait2),
        _ => {}
    }
    let (Some(facts), Some(info)) = (facts, snapshot.info) else { return GivesUp::Unknown };
    let settings = Settings::of(facts);
    let in_ms = match (snapshot.state, snapshot.timer) {
        // `tcp_keepalive_timer()` hands an orphan over for the rest of `tcp_fin_timeout`, which is more than a minute here.
        (State::FinWait2, Timer::Keepalive) => settings.fin_timeout_ms.map(|ms| expires_ms + ms.saturating_sub(60_000)),
        (State::FinWait2, _) => None,
        (_, Timer::Retransmit) => retransmission::dies_in_ms(&info, expires_ms, &settings, orphan, signs),
        (_, Timer::Probe) => match probes::fate(&info, expires_ms, &settings, orphan, lost_here) {
            probes::Fate::DiesInMs(ms) => Some(ms),
            probes::Fate::Never => return GivesUp::Never(NeverWhy::ProbesAnswered),
            probes::Fate::Unknown => None,
        },
        _ => None,
    };
    in_ms.map_or(GivesUp::Unknown, |ms| GivesUp::In(ms.saturating_mul(MS_NS)))
}
