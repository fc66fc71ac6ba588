//! The words of tcptrace as types: what goes into the engine, what comes out, and the parts of both.
//!
//! Plain data and its names. No I/O, no clock, no judgement: those are the other rooms'.

mod advice;
mod census;
mod close;
mod closer;
mod connect;
mod diagnosis;
mod event;
mod finding;
mod holder;
mod input;
mod netns;
mod owner;
mod reason;
mod reset;
mod shown;
mod snapshot;
mod socket;
mod status;

pub use advice::{Advice, Evidence, Fact, Row, Setting, Verdict};
pub use census::{
    AGE_BUCKETS, GroupOf, Grouped, LeakGroup, LeaksReport, Listed, REMOTES_MAX, Round, StuckGroup, StuckKey, StuckOf,
    StuckReport,
};
pub use close::{Close, Outcome, PHASES, Phase, Phases, Retransmits, Role, Totals};
pub use closer::{Closer, Closing};
pub use connect::{ConnectFailure, FailedConnect};
pub use diagnosis::{Diagnosis, GivesUp, NeverWhy};
pub use event::{Event, EventKind, Flags, RetransmitKind, State};
pub use finding::{Finding, FindingKind, FindingReason, FindingStatus, LeakCause, StuckCause};
pub use holder::{Holder, Holders};
pub use input::{CgroupName, HostInfo, Input, InterfaceName, KernelCounters, Output, Refusal, Sighting, Tick};
pub use netns::{NetnsFacts, NetnsName};
pub use owner::{Comm, Owner, OwnerSource, ShownComm};
pub use reason::Reason;
pub use reset::ResetReason;
pub use shown::{Shown, ShownName, is_plain, is_printable, printable};
pub use snapshot::{
    Absent, AbsentWhy, DumpAt, DumpMark, Look, Mptcp, MptcpDetail, Snapshot, StateSet, TIME_WAIT_MS, TIME_WAIT_NS,
    TcpDetail, Timer, Want,
};
pub use socket::{Endpoint, Family, Identity, SocketKey, Zone, ZonedEndpoint};
pub use status::{Anomalies, Books, Looks, Status};
