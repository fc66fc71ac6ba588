//! The command line: help, wrong usage, exit codes, colours, and where the output goes. Needs no root, but for what
//! `nobody.rs` has (feature `kernel`): there, root becomes a user without privileges.

#[cfg(all(test, feature = "kernel"))]
#[path = "../replay/bad.rs"]
mod bad;
#[cfg(test)]
mod check;
#[cfg(test)]
mod colour;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod listings;
#[cfg(all(test, feature = "kernel"))]
mod nobody;
#[cfg(test)]
mod streams;
#[cfg(test)]
#[path = "../replay/support.rs"]
mod support;
#[cfg(test)]
mod usage;
