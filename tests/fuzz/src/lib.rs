//! What the fuzz targets share: a reader of the fuzzer's bytes, a small language of engine inputs, and the checks.

pub mod captures;
pub mod looks;
pub mod play;
pub mod script;
pub mod watch;
