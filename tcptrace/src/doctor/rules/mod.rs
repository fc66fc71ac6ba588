//! The 13 rules. Each is a function from facts to one [`Advice`].

mod draft;
mod orphans;
mod persistence;
mod ports;
mod programs;
mod queues;
mod short;
mod sources;
mod time_wait;
mod unsendable;
mod view;

use std::cmp::Reverse;

use super::{Host, Place};
use crate::model::{Advice, Row, printable};

/// Judges every place by these rows. What is of the whole host comes once, with the first place.
#[must_use]
pub fn judge(host: &Host, places: &[Place], rows: &[Row]) -> Vec<Advice> {
    let mut advice = Vec::new();
    if places.is_empty() {
        let of_host = [orphans::max_orphans(host, places), persistence::tw_recycle(host, places)];
        advice.extend(of_host.into_iter().filter(|one| rows.contains(&one.row)));
    }
    for (number, place) in places.iter().enumerate() {
        for row in Row::ALL.into_iter().filter(|row| rows.contains(row)) {
            match row {
                Row::MaxOrphans | Row::TwRecycle if number > 0 => {}
                _ => advice.push(there(one(row, host, places, place), place)),
            }
        }
    }
    advice
}

/// The most urgent rows first, within their namespaces, and namespaces by their most urgent row. What is of the whole
/// host goes with the namespace before it.
#[must_use]
pub fn problems_first(advice: Vec<Advice>) -> Vec<Advice> {
    let mut groups: Vec<(Option<u32>, Vec<Advice>)> = Vec::new();
    for one in advice {
        match groups.last_mut() {
            Some((netns, group)) if one.netns.is_none() || netns.is_none() || *netns == one.netns => {
                *netns = netns.or(one.netns);
                group.push(one);
            }
            _ => groups.push((one.netns, vec![one])),
        }
    }
    for (_, group) in &mut groups {
        group.sort_by_key(|one| Reverse(one.verdict));
    }
    groups.sort_by_key(|(_, group)| Reverse(group.first().map(|one| one.verdict)));
    groups.into_iter().flat_map(|(_, group)| group).collect()
}

/// Commands that are for another namespace say so: whoever copies them must not change his own.
fn there(mut advice: Advice, place: &Place) -> Advice {
    let Some(way) = place.way.as_ref().filter(|_| advice.netns.is_some()) else { return advice };
    for command in &mut advice.commands {
        *command = if command.starts_with("tcptrace ") {
            let name = place.name.as_deref().map_or_else(|| place.netns.to_string(), quoted);
            format!("{command} --netns {name}")
        } else {
            format!("nsenter --net={} {command}", quoted(way))
        };
    }
    advice
}

/// A path or name as one word of a shell, whoever chose its name.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_.:@%+-".contains(c);
    if path.chars().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.chars().map(printable).collect::<String>().replace('\'', "'\\''"))
}

fn one(row: Row, host: &Host, places: &[Place], place: &Place) -> Advice {
    match row {
        Row::OrphanRetries => orphans::orphan_retries(host, place),
        Row::UnsendableFin => unsendable::unsendable_fin(place),
        Row::MaxOrphans => orphans::max_orphans(host, places),
        Row::FinTimeout => orphans::fin_timeout(place),
        Row::TimeWait => time_wait::time_wait(place),
        Row::EphemeralPorts => ports::ephemeral_ports(place),
        Row::TwReuse => time_wait::tw_reuse(place),
        Row::TwRecycle => persistence::tw_recycle(host, places),
        Row::ShortConnections => short::short_connections(place),
        Row::CloseWait => programs::close_wait(place),
        Row::Keepalive => programs::keepalive(place),
        Row::SynSide => queues::syn_side(place),
        Row::Persistence => persistence::persistence(host, place),
    }
}
