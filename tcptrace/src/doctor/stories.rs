//! The longer story of each row: the sections of docs/doctor.md, so that both say the same.

use crate::model::Row;

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// The section of a row, without its heading.
#[must_use]
pub fn story(row: Row) -> &'static str {
    let heading = format!("\n## {}\n", row.as_str());
    let section = PAGE.split_once(heading.as_str()).map_or("", |(_, after)| after);
    section.split_once("\n## ").map_or(section, |(section, _)| section).trim()
}
