//! Where frames come from: the kernel side, loaded and attached, and drained into [`crate::decode::Frame`]s.
//!
//! The only room that talks to BPF, and to sock_diag ([`diag`]). It judges nothing: what it reads goes on as it is.

pub mod btf;
mod cgroups;
mod clock;
pub mod diag;
pub mod differences;
mod error;
mod filter;
mod held;
pub mod host;
mod idle;
mod interfaces;
pub mod layout;
mod lists;
mod live;
mod load;
mod looker;
pub mod proc;
mod sizes;
mod skips;
mod survey;
mod time_wait;

pub use cgroups::id_of as cgroup_id;
pub use error::SourceError;
pub use filter::KernelFilter;
pub use idle::Idle;
pub use live::{Live, LiveOptions};
pub use load::Kernel;
pub use looker::{Answers, Looker};
pub use sizes::ProgramSize;
pub use survey::{Place, Survey};
