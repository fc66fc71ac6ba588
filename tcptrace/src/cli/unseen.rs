//! What a round of looks could not see, each thing said once, with the advice that would help.

use super::{inspect::count, talk};
use crate::{inspection::Inspected, report::netns_in_words};

/// Network namespaces named in a note.
const NAMES_MAX: usize = 3;

/// What was said already.
#[derive(Default)]
pub(super) struct Said {
    absent: bool,
    namespaces: bool,
    sight: bool,
    processes: bool,
    broke_off: bool,
    holders: bool,
    limit: Option<String>,
}

impl Said {
    /// Whether a network namespace could not be entered.
    pub(super) fn is_blocked(&self) -> bool {
        self.namespaces
    }

    /// Whether nothing was out of sight.
    pub(super) fn is_whole(&self) -> bool {
        let Self { absent, namespaces, sight, processes, broke_off, limit, .. } = self;
        !(*absent || *namespaces || *sight || *processes || *broke_off) && limit.is_none()
    }

    /// Says what a round could not see, and no earlier one either.
    pub(super) fn of(&mut self, inspected: &Inspected) {
        let Inspected { absent, blocked, broke_off, sight, hidden, unheld, unseen, .. } = inspected;
        if self.limit.is_none() {
            self.limit = inspected.limit();
        }
        if *absent > 0 {
            once(&mut self.absent, format!("nothing leads to {} of --netns", count(*absent, "network namespace")));
        }
        if let Some((_, first)) = blocked.first() {
            let places = count(blocked.len() as u64, "other network namespace");
            let which = named(inspected);
            once(&mut self.namespaces, format!("sockets in {places} ({which}) are not looked at: {}", first.advice()));
        }
        if let Some(words) = sight.in_words() {
            once(&mut self.sight, words);
        }
        if !hidden.is_empty() {
            let words = format!("the network namespaces of {} cannot be seen: {}", hidden.who(), hidden.advice());
            once(&mut self.processes, words);
        }
        if *broke_off > 0 {
            let places = count(*broke_off, "network namespace");
            once(&mut self.broke_off, format!("the kernel did not tell all sockets of {places}: look again"));
        }
        // Where every holder was found, nothing is missing; of processes that are out of sight, it is said above.
        if *unheld > 0 && !unseen.is_empty() {
            let sockets = count(*unheld, "socket");
            let words = format!(
                "who holds {sockets} is unknown, because the files of {} cannot be seen: {}",
                unseen.who(),
                unseen.advice()
            );
            once(&mut self.holders, words);
        }
    }

    /// The limit of files or memory that kept something from being seen, if any did.
    pub(super) fn limit(self) -> Option<String> {
        self.limit
    }
}

fn once(said: &mut bool, words: String) {
    if !std::mem::replace(said, true) {
        talk::note(&words);
    }
}

/// Namespaces that could not be looked at.
fn named(inspected: &Inspected) -> String {
    let in_words = |netns: u32| {
        let name = inspected.names.iter().find(|name| name.netns == netns && !name.name.is_empty());
        name.map_or_else(|| netns.to_string(), |name| netns_in_words(&name.name))
    };
    let first: Vec<String> = inspected.blocked.iter().take(NAMES_MAX).map(|(netns, _)| in_words(*netns)).collect();
    let others = if inspected.blocked.len() > NAMES_MAX { " and others" } else { "" };
    format!("{}{others}", first.join(", "))
}
