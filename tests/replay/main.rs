//! Captures of real closes, replayed: what `tcptrace replay` prints, byte for byte, and what it makes of files that
//! are damaged or were never captures. Needs no root.
//!
//! `golden/*.cap` were recorded by tcptrace itself, see `record.rs`, which is a program of its own; `golden/*.txt` and
//! `golden/*.jsonl` are what it prints of them. After an intended change of the output, rewrite those and read the
//! difference:
//!
//! ```text
//! UPDATE_GOLDEN=1 cargo test -p tcptrace-tests --test replay
//! git diff tests/golden
//! ```

#[cfg(test)]
mod bad;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod fleet;
mod golden;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod support;
