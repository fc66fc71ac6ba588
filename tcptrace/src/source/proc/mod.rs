//! What `/proc` tells: network namespaces, their settings and counters, and who holds a socket.

mod facts;
mod holders;
mod namespaces;
pub mod text;

pub use facts::{has_tcp, read_facts};
pub use holders::{HOLDERS_MAX, HolderIndex};
pub use namespaces::{EnterError, NAMESPACES_MAX, Namespaces, resolve};
