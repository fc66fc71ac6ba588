//! What `/proc` tells: network namespaces, their settings and counters, and who holds a socket.

mod closers;
mod facts;
mod holders;
mod namespaces;
pub mod text;

pub use closers::{CLOSERS_MAX, closers};
pub use facts::{counter, has_tcp, read_facts, uses_tcp};
pub use holders::{HOLDERS_MAX, HolderIndex};
pub use namespaces::{EnterError, NAMESPACES_MAX, Namespaces, mounted, parse_link, resolve};
