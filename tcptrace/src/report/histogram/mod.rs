//! Latency histograms of closes.

mod of;

pub use of::Of;
