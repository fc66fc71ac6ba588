//! Which duration of a close is meant.

use std::{fmt, str::FromStr};

use crate::model::{Close, PHASES, Phase};
use crate::report::has_latency;

/// A duration that closes have: what `--of` names, and what a summary shows quantiles of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Time in one state.
    Phase(Phase),
    /// The whole close.
    Close,
    /// The network's part: fin_wait1 + closing + last_ack.
    Network,
    /// The part of `Network` that a round trip does not explain: [`Close::ack_wait_ns`].
    AckWait,
    /// The local program's part: close_wait.
    LocalApp,
    /// The peer's part: fin_wait2.
    RemoteApp,
    /// From `connect()` to the end.
    Lifetime,
    /// Smoothed round-trip time of the connection, as the socket had it at the end.
    Srtt,
}

impl Of {
    /// Parts of a close, in the order of reports: what a summary shows.
    pub const OF_CLOSE: [Self; 10] = {
        let [a, b, c, d, e] = PHASES;
        [
            Self::Phase(a),
            Self::Phase(b),
            Self::Phase(c),
            Self::Phase(d),
            Self::Phase(e),
            Self::Close,
            Self::Network,
            Self::AckWait,
            Self::LocalApp,
            Self::RemoteApp,
        ]
    };

    /// All of them: also what the connection had before it closed.
    pub const ALL: [Self; 12] = {
        let [a, b, c, d, e, f, g, h, i, j] = Self::OF_CLOSE;
        [a, b, c, d, e, f, g, h, i, j, Self::Lifetime, Self::Srtt]
    };

    /// So many parts of a close, from the first on, are different; the others are phases under another name.
    pub(in crate::report) const DISTINCT: usize = Self::OF_CLOSE.len() - 2;

    /// Whether the beginning of the connection has to be known, which `connect()` tells.
    #[must_use]
    pub const fn needs_connects(self) -> bool {
        matches!(self, Self::Lifetime)
    }

    /// The one among the first that is the same.
    pub(in crate::report) const fn first_name(self) -> Self {
        match self {
            Self::LocalApp => Self::Phase(Phase::CloseWait),
            Self::RemoteApp => Self::Phase(Phase::FinWait2),
            of => of,
        }
    }

    /// The word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phase(phase) => phase.as_str(),
            Self::Close => "close",
            Self::Network => "network",
            Self::AckWait => "ack_wait",
            Self::LocalApp => "local_app",
            Self::RemoteApp => "remote_app",
            Self::Lifetime => "lifetime",
            Self::Srtt => "srtt",
        }
    }

    /// How long it was, nanoseconds; `None` where it is not known or there was none.
    #[must_use]
    pub fn ns(self, close: &Close) -> Option<u64> {
        match self {
            Self::Phase(phase) => close.phases.get(phase),
            Self::Close => close.close_ns.filter(|_| has_latency(close)),
            // The sum over an unknown phase would pass for the network's whole part.
            Self::Network => close.phases.network_ns().filter(|_| close.complete),
            Self::AckWait => close.ack_wait_ns(),
            Self::LocalApp => close.phases.local_app_ns(),
            Self::RemoteApp => close.phases.remote_app_ns(),
            Self::Lifetime => close.lifetime_ns,
            Self::Srtt => close.totals.map(|totals| u64::from(totals.srtt_us) * 1_000).filter(|ns| *ns > 0),
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Of {
    type Err = String;

    /// Takes dashes for underscores: `local-app`.
    fn from_str(word: &str) -> Result<Self, String> {
        let wanted = word.replace('-', "_");
        Self::ALL.into_iter().find(|of| of.as_str() == wanted).ok_or_else(|| {
            let words = Self::ALL.map(|of| of.as_str().replace('_', "-")).join(", ");
            format!("'{word}' is no duration of a close: one of {words}")
        })
    }
}
