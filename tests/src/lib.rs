//! Real closes, and what is true of them.
//!
//! [`netns`] gives a test a network namespace of its own; [`scenario`] makes one kind of close in it with
//! real sockets and returns what happened as data ([`truth`]); [`tool`] runs tcptrace and collects what it
//! says. Nothing in here knows tcptrace's code: the two meet in `kernel/`, word for word.

pub mod child;
pub mod filter;
pub mod firewall;
pub mod kill;
pub mod left_over;
pub mod links;
pub mod load;
pub mod netns;
pub mod pair;
pub mod privileges;
pub mod proc_net;
pub mod scenario;
pub mod segments;
pub mod sockmap;
pub mod tool;
pub mod truth;
pub mod wait;
