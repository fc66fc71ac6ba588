//! What `/proc` tells: network namespaces, their settings and counters, and who holds a socket.

mod closers;
mod facts;
mod held;
mod holders;
mod links;
mod names;
mod namespaces;
mod obstacle;
mod sight;
pub mod text;

pub use closers::{CLOSERS_MAX, closers};
pub use facts::{counter, has_tcp, read_facts, uses_tcp};
pub use held::{Advice, Capability, Held, in_user_namespace};
pub use holders::{HOLDERS_MAX, HolderIndex};
pub use links::{mounted, parse_link, resolve};
pub use names::NetnsNames;
pub use namespaces::{EnterError, NAMESPACES_MAX, Namespaces};
pub use obstacle::{Obstacle, limit_remedy};
pub use sight::{Blocked, Sight, Unseen};
