//! Keys beside the numbers of their rows: whole, shortened where the picture needs the room, or not at all.

use std::collections::HashSet;

use crate::model::ShownName;
use crate::report::histogram::{By, KeyValue, Remainder};
use crate::report::netns_in_words;

const CUT: char = '…';

/// Keys as they are printed, each in its column.
pub(super) struct Keys {
    pub(super) titles: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Of the remainder, over all columns.
    pub(super) others: Option<String>,
    /// Width of each column.
    pub(super) columns: Vec<usize>,
}

impl Keys {
    /// All of them whole.
    pub(super) fn new<'a>(
        bys: &[By],
        keys: impl Iterator<Item = &'a [KeyValue]>,
        remainder: Option<&Remainder>,
    ) -> Self {
        let titles: Vec<String> = bys.iter().map(|by| by.as_str().to_uppercase()).collect();
        let rows: Vec<Vec<String>> = keys.map(|key| key.iter().map(text).collect()).collect();
        let mut this = Self { titles, rows, others: remainder.map(others), columns: Vec::new() };
        this.columns = this.widths();
        this.fit_others();
        this
    }

    /// What they take, a space behind each.
    pub(super) fn width(&self) -> usize {
        self.columns.iter().map(|width| width + 1).sum()
    }

    /// The same in so much room, names with a gap in their middle. `None` where less than `name_min` would be left of
    /// one, or two rows would look alike. Addresses and words are of no use in parts.
    pub(super) fn shortened(
        &self,
        bys: &[By],
        remainder: Option<&Remainder>,
        room: usize,
        name_min: usize,
    ) -> Option<Self> {
        let mut this = Self {
            titles: self.titles.clone(),
            rows: self.rows.clone(),
            others: remainder.map(few_words),
            columns: self.widths(),
        };
        let least = |at: usize, width: usize| match bys.get(at) {
            Some(By::Process | By::Cgroup | By::Container | By::Unit | By::Host) => {
                let title = this.titles.get(at).map_or(0, |title| chars(title));
                width.min(name_min.max(title))
            }
            _ => width,
        };
        let leasts: Vec<usize> = this.columns.iter().enumerate().map(|(at, width)| least(at, *width)).collect();
        while this.width() > room {
            let spare = this.columns.iter_mut().zip(&leasts).filter(|(width, least)| **width > **least);
            let (widest, _) = spare.max_by_key(|(width, _)| **width)?;
            *widest -= 1;
        }
        this.fit_others();
        if this.width() > room {
            return None;
        }
        for row in &mut this.rows {
            row.iter_mut().zip(&this.columns).for_each(|(text, width)| *text = cut(text, *width));
        }
        let different = this.rows.iter().collect::<HashSet<_>>().len();
        (different == self.rows.iter().collect::<HashSet<_>>().len()).then_some(this)
    }

    fn widths(&self) -> Vec<usize> {
        let column = |(at, title): (usize, &String)| {
            let widest = self.rows.iter().filter_map(|key| key.get(at)).map(|text| chars(text)).max();
            widest.unwrap_or(0).max(chars(title))
        };
        self.titles.iter().enumerate().map(column).collect()
    }

    fn fit_others(&mut self) {
        let missing = self.others.as_ref().map_or(0, |text| (chars(text) + 1).saturating_sub(self.width()));
        self.columns.last_mut().into_iter().for_each(|last| *last += missing);
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// Its beginning and its end: paths differ in the one, names in the other.
fn cut(text: &str, width: usize) -> String {
    let count = chars(text);
    if count <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let behind = kept / 2;
    let cut = text.chars().take(kept - behind).chain([CUT]).chain(text.chars().skip(count - behind));
    cut.collect()
}

fn text(value: &KeyValue) -> String {
    match value {
        KeyValue::Unknown => "unknown".to_owned(),
        KeyValue::Text(text) => ShownName(text).to_string(),
        KeyValue::Number(number) => number.to_string(),
        KeyValue::Netns(inode, name) => name.as_deref().map_or_else(|| inode.to_string(), netns_in_words),
    }
}

fn others(remainder: &Remainder) -> String {
    let least = if remainder.is_at_least { "at least " } else { "" };
    let plural = if remainder.keys == 1 { "key" } else { "keys" };
    format!("others ({least}{} {plural})", remainder.keys)
}

fn few_words(remainder: &Remainder) -> String {
    let more = if remainder.is_at_least { "+" } else { "" };
    let plural = if remainder.keys == 1 && !remainder.is_at_least { "other" } else { "others" };
    format!("{}{more} {plural}", remainder.keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Distribution;

    fn rows(bys: &[By], keys: &[&[&str]], room: usize) -> Option<Vec<Vec<String>>> {
        let values = |key: &&[&str]| key.iter().map(|part| KeyValue::Text((*part).to_owned())).collect::<Vec<_>>();
        let keys: Vec<Vec<KeyValue>> = keys.iter().map(values).collect();
        let whole = Keys::new(bys, keys.iter().map(Vec::as_slice), None);
        whole.shortened(bys, None, room, 10).map(|keys| {
            assert!(keys.width() <= room);
            keys.rows
        })
    }

    #[test]
    fn the_longest_name_loses_its_middle() {
        let keys: &[&[&str]] = &[&["/system.slice/nginx.service", "nginx"], &["/", "unattended-upgr"]];
        let cut = rows(&[By::Cgroup, By::Process], keys, 28).unwrap();
        assert_eq!(cut, [["/syste…ervice", "nginx"], ["/", "unatte…d-upgr"]]);
        assert_eq!(rows(&[By::Cgroup, By::Process], keys, 21), None, "too little would be left");
        assert_eq!(rows(&[By::Cgroup, By::RemotePort], keys, 28).unwrap()[1][1], "unattended-upgr");
    }

    #[test]
    fn rows_stay_different() {
        let keys: &[&[&str]] = &[&["worker-alpha-queue"], &["worker-gamma-queue"]];
        assert_eq!(rows(&[By::Process], keys, 11), None);
        assert_eq!(rows(&[By::Process], keys, 17).unwrap(), [["worker-a…a-queue"], ["worker-g…a-queue"]]);
    }

    #[test]
    fn few_words_for_the_others() {
        let of = |keys, is_at_least| {
            few_words(&Remainder { keys, is_at_least, distribution: Distribution::default(), without: 0 })
        };
        assert_eq!([of(1, false), of(12, false), of(65_536, true)], ["1 other", "12 others", "65536+ others"]);
    }
}
