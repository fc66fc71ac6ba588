//! Settings and counters as they were read, with why one was not.

use std::collections::BTreeMap;

use super::keys;

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// As `/proc/sys` has it, blanks as single spaces.
    Is(String),
    /// The kernel has no such setting, or not in this namespace.
    Absent,
    /// It could not be read, and why.
    Unreadable(String),
}

/// All settings of a namespace, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// None of them could be read, for this reason.
    #[must_use]
    pub fn unreadable(why: &str) -> Self {
        Self(keys::SETTINGS.iter().map(|(key, _)| (*key, Value::Unreadable(why.to_owned()))).collect())
    }

    /// Notes one of [`keys::SETTINGS`].
    pub fn set(&mut self, key: &'static str, value: Value) {
        self.0.insert(key, value);
    }

    /// The value; `None` where it is absent or could not be read.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Is(text) => Some(text),
            Value::Absent | Value::Unreadable(_) => None,
        }
    }

    /// The value as a number.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// Whether the kernel is known not to have it.
    #[must_use]
    pub fn is_absent(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(Value::Absent))
    }

    /// The value as a number, and a default that every kernel without such a setting has; `None` where it is not known.
    #[must_use]
    pub fn number_or<T: std::str::FromStr>(&self, key: &str, without: T) -> Option<T> {
        if self.is_absent(key) { Some(without) } else { self.number(key) }
    }

    /// Where a timeout stops doubling, milliseconds: on kernels without the setting, at `TCP_RTO_MAX`.
    #[must_use]
    pub fn rto_max_ms(&self) -> Option<u32> {
        self.number_or(keys::RTO_MAX_MS, 120_000)
    }

    /// Why it is not known, for a reader.
    #[must_use]
    pub fn why_unknown(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(Value::Unreadable(why)) => format!("{key} cannot be read: {why}"),
            Some(Value::Is(text)) => format!("{key} is `{text}`, which is not understood"),
            Some(Value::Absent) => format!("this kernel, or this namespace, has no {key}"),
            None => format!("{key} was not read"),
        }
    }

    /// All that have a value.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|(key, value)| match value {
            Value::Is(text) => Some((*key, text.as_str())),
            Value::Absent | Value::Unreadable(_) => None,
        })
    }

    /// The value that the kernel starts with, where that is the same everywhere.
    #[must_use]
    pub fn default_of(key: &str) -> Option<&'static str> {
        keys::SETTINGS.iter().find(|(name, _)| *name == key).and_then(|(_, default)| *default)
    }
}

/// Counters of a namespace since it was made, by name; what the kernel lacks is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Notes one.
    pub fn set(&mut self, name: &'static str, value: u64) {
        self.0.insert(name, value);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// By how much each has grown since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = |(name, value): (&&'static str, &u64)| Some((*name, value.saturating_sub(earlier.get(name)?)));
        Self(self.0.iter().filter_map(grown).collect())
    }
}
