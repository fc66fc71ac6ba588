//! `tcptrace export`: the golden captures as tables, compared row by row with what `replay --output json` says of them,
//! and read back with DuckDB, which has to be there (`cargo xtask setup`). Needs no root.

#[cfg(test)]
mod duckdb;
#[cfg(test)]
mod files;
#[cfg(test)]
mod flat;
#[cfg(test)]
mod rows;
#[cfg(test)]
#[path = "../replay/support.rs"]
mod support;
