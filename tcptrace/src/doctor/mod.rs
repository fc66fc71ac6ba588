//! Which setting of closes matters on this host: pure rules over a struct of facts.
//!
//! `source/host/` and dumps tell the facts; [`judge`] gives the 13 rows. A fact that could not be read
//! makes its row `unknown`, never a guess. Thresholds stand in [`limits`], sysctl names in [`keys`].

mod closes;
mod facts;
mod files;
pub mod keys;
pub mod limits;
mod netns;
mod ports;
mod portset;
mod recorded;
mod rules;
mod settings;
mod snippet;
mod sockets;
mod stories;
mod tally;
#[cfg(test)]
mod tests;
mod waited;

pub use closes::{ClosedListener, Closer, Closes, ClosesOf};
pub use facts::{Host, Live, Moved, Place, ProcessCount, Seen};
pub use files::{Assignment, FOLDERS as SYSCTL_FOLDERS, Files, LAST as SYSCTL_LAST, SysctlFile};
pub use ports::{PortRange, Tuple};
pub use portset::{PortSet, SourceUse};
pub use recorded::Recorded;
pub use rules::{judge, problems_first};
pub use settings::{Counters, Settings, Value};
pub use snippet::snippet;
pub use sockets::{FullQueue, IdleSockets, ListenPort, PortUse, Sockets};
pub use stories::story;
pub use tally::Tally;
