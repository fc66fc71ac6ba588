//! tcptrace traces how TCP connections end on Linux.
//!
//! The modules below stand in the order in which data walks through them, one way:
//! kernel tracepoints -> [`source`] -> [`decode`] -> [`engine`] -> [`filter`] -> [`report`] -> [`output`].
//! A [`capture`] stores what a source yields and enters at the same place, so a replay says what the live
//! run said. [`inspection`] is the way of whole dumps: [`source`] -> [`census`] -> [`output`]. ARCHITECTURE.md has the
//! map and the invariants.

pub mod capture;
pub mod census;
pub mod cli;
pub mod decode;
pub mod diagnosis;
pub mod doctor;
pub mod engine;
pub mod examination;
pub mod export;
pub mod filter;
pub mod inspection;
pub mod model;
pub mod output;
pub mod pipeline;
pub mod report;
pub mod source;
