//! What `doctor` reads of a host beside its sockets: settings, counters, and sysctl files. Nothing is ever written.

mod files;
mod peak;
mod settings;
mod sockstat;

pub use files::read_files;
pub use peak::OrphanPeak;
pub(in crate::source) use settings::read_whole;
pub use settings::{ReadPlace, read_place, snmp_counter};
pub use sockstat::{Sockstat, read_sockstat};
