//! Ephemeral ports.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    draft::{Draft, at_least, percent, tenths},
    sources,
    view::View,
};
use crate::{
    doctor::{
        Place, PortRange, Tuple, keys, limits,
        ports::{ceiling_tenths, reserved_text},
        sockets::PortUse,
    },
    model::{Advice, Evidence, Fact, Row, Verdict},
};

const SOURCE: &str = "net/ipv4/inet_hashtables.c: __inet_hash_connect(), __inet_check_established(); \
                      Documentation/networking/ip-sysctl.rst";
/// What is advised: 55,296 ports, above those that most services have.
const ADVISED: PortRange = PortRange { low: 10_240, high: 65_535 };
/// What helps where ports to one place are short.
const KEEP_OR_SPREAD: &str = "keep connections open and use them again, use more addresses or ports at the destination \
                              or more source addresses, or widen the range";
/// Ports in the advised list of reserved ones at most; a host with more listeners needs a person's thought.
const RESERVED_MAX: usize = 64;

pub(super) fn ephemeral_ports(place: &Place) -> Advice {
    let draft = Draft::new(Row::EphemeralPorts, Some(place.netns), SOURCE);
    let view = match View::of(place) {
        Ok(view) => view,
        Err(why) => return draft.unknown(why),
    };
    let ceiling = ceiling_tenths(view.usable);
    let opens = place.moved.as_ref().and_then(|moved| moved.tenths_a_second(keys::ACTIVE_OPENS));
    let draft = draft
        .fact("first_port", view.range.low)
        .fact("last_port", view.range.high)
        .fact("ports", view.range.ports())
        .fact("reserved_ports", view.reserved_in_range)
        .fact("usable_ports", view.usable)
        .fact("ceiling_per_second", Fact::Tenths(ceiling))
        .fact("opened_per_second", opens.map(Fact::Tenths).unwrap_or(Fact::Unknown))
        .fact("opened_to", opened(place))
        .fact("opened_not_counted", place.live.as_ref().ok().map(|closes| closes.opened_not_counted));
    let sockets = match &place.sockets {
        Ok(sockets) => sockets,
        Err(why) => return draft.unknown(why.as_str()),
    };
    let listening: Vec<String> = view
        .listening
        .iter()
        .filter(|port| !view.reserved.contains(port))
        .take(RESERVED_MAX)
        .map(u16::to_string)
        .collect();
    let mut tuples: Vec<(&Tuple, &PortUse)> = sockets.tuples.iter().collect();
    tuples.sort_by_key(|(tuple, used)| (Reverse((view.taken(tuple, used), used.waiting())), **tuple));
    let binders = place.live.as_ref().map(|closes| &closes.opened_bound);
    let sources = sources::all(&view, sockets, binders.ok());
    let is_whole = place.all_sockets().is_ok();
    let draft = draft
        .fact("listeners_in_range", listening.join(","))
        .fact(
            "places",
            Fact::List(
                tuples.iter().take(limits::LISTED_MAX).map(|(tuple, used)| object(&view, tuple, used)).collect(),
            ),
        )
        .fact("places_total", tuples.len())
        .fact("sockets_not_counted", sockets.tuples_not_counted)
        .fact("sources", if is_whole { sources::facts(&sources) } else { Fact::Unknown })
        .fact("sources_total", is_whole.then_some(sources.len()))
        .fact("sources_not_counted", sockets.sources_not_counted)
        .fact("bound_and_idle_ports", is_whole.then_some(view.bound));
    let left = |(tuple, used): &(&Tuple, &PortUse)| Some((view.seconds_left(tuple, used)?, **tuple));
    let soonest = tuples.iter().filter_map(left).min();
    let by_count = tuples.first().map_or(Level::Ok, |(tuple, used)| Level::of(view.taken(tuple, used), view.usable));
    // The place that decides, which need not be the one with most ports.
    let first = match soonest {
        Some((_, soon)) if by_count < Level::Act => tuples.iter().find(|(tuple, _)| **tuple == soon).copied(),
        _ => tuples.first().copied(),
    };
    let soonest = first.and_then(|(tuple, used)| view.seconds_left(tuple, used));
    let by_place = if soonest.is_some() { Level::Act } else { by_count };
    let place_taken = first.map_or(0, |(tuple, used)| view.taken(tuple, used));
    let most = sources.iter().filter(|source| source.binds).map(|source| source.in_use).max().unwrap_or(0);
    if let Some((level, listening)) = by_listeners(&view, place_taken.max(most))
        && level > by_place.max(Level::of(most, view.usable))
    {
        return listeners(draft, place, &view, listening, level);
    }
    let crowded = sources.iter().filter(|source| source.binds).max_by_key(|source| source.in_use);
    if let Some(source) = crowded {
        let by_source = Level::of(source.in_use, view.usable);
        if by_source > Level::Ok && (by_source, source.in_use) > (by_place, place_taken) {
            return sources::judge(draft, place, &view, source, tuples.first().copied());
        }
    }
    let unseen = place.all_sockets().err();
    // Where no port is short, a rate above the ceiling wants a word.
    let none = PortUse::default();
    let fast = busiest(place).filter(|(_, opens)| by_place == Level::Ok && *opens > ceiling);
    let fast = fast.map(|(tuple, _)| (tuple, sockets.tuples.get(tuple).unwrap_or(&none)));
    let Some((tuple, used)) = fast.or(first) else {
        if let Some(why) = unseen {
            return draft.unknown(why);
        }
        let finding = format!(
            "no connection uses an ephemeral port; {} can be used, enough for {} new connections a second to one place \
             where this host closes first",
            view.usable,
            tenths(ceiling)
        );
        return draft.says(Verdict::Ok, finding, "leave it");
    };
    let place_taken = view.taken(tuple, used);
    let finding = format!(
        "{}{place_taken} of {} ports ({}%) to {}{}{}",
        if unseen.is_some() { "at least " } else { "" },
        view.usable,
        percent(place_taken, view.usable),
        std::net::SocketAddr::new(tuple.destination, tuple.port),
        soonest
            .filter(|seconds| *seconds > 0)
            .map(|seconds| format!(", and all of them in {seconds} s at the pace of the last 10 s"))
            .unwrap_or_default(),
        rate(place, &view, tuple, used, ceiling),
    );
    let draft = if by_place > Level::Ok {
        draft.caveat("IP_BIND_ADDRESS_NO_PORT does not help: the ports to this one place are what is short.")
    } else {
        draft
    };
    if by_place == Level::Act {
        let soon = match soonest {
            _ if view.is_exhausted(place_taken) => "no port is left: connect() fails with EADDRNOTAVAIL".to_owned(),
            Some(seconds) => format!("if closes go on like this, no port is left in {seconds} s: then EADDRNOTAVAIL"),
            None => "few ports are left: then connect() fails with EADDRNOTAVAIL".to_owned(),
        };
        let advice = format!("{soon}; {KEEP_OR_SPREAD}");
        return widen(draft, place, &view, place_taken, "to one place").says(Verdict::Act, finding, advice);
    }
    if by_place == Level::Watch {
        let advice = format!("half of the ports to this place are taken: {KEEP_OR_SPREAD}");
        return widen(draft, place, &view, place_taken, "to one place").says(Verdict::Watch, finding, advice);
    }
    if let Some(why) = unseen {
        return draft.unknown(format!("{finding}; {why}"));
    }
    // All of them may be of one place, or one source.
    let rest = sockets.tuples_not_counted.max(sockets.sources_not_counted);
    if at_least(rest, limits::PORTS_WATCH_PERCENT, view.usable) && rest > 0 {
        return draft
            .unknown(format!("{finding}; {rest} sockets are of places or addresses beyond those that are told apart"));
    }
    draft.says(Verdict::Ok, finding, "leave it")
}

/// Ports that listeners have and nobody reserved, and how full the range is with these and `taken` others.
fn by_listeners(view: &View, taken: u64) -> Option<(Level, u64)> {
    let listening = view.listening.iter().filter(|port| !view.reserved.contains(port)).count() as u64;
    let all = view.usable.saturating_add(listening);
    (listening > 0).then(|| (Level::of(listening.saturating_add(taken), all), listening))
}

/// What is to be said where listeners leave too few ports.
fn listeners(draft: Draft, place: &Place, view: &View, listening: u64, level: Level) -> Advice {
    let all = view.usable.saturating_add(listening);
    let finding = format!(
        "listeners have {listening} of {all} ports of the range ({}%); {} are left",
        percent(listening, all),
        view.usable
    );
    let (verdict, state) = match (level, view.usable) {
        (_, 0) => (Verdict::Act, "connect() and bind() with port 0 find no port"),
        (Level::Act, _) => (Verdict::Act, "few ports are left for connect() and for bind() with port 0"),
        _ => (Verdict::Watch, "half of the range is taken"),
    };
    let advice = format!("{state}: give listeners fixed ports outside of the range, or widen the range");
    widen(draft, place, view, listening, "of listeners").says(verdict, finding, advice)
}

/// Where to most connections were opened, and how many a second, in tenths.
fn busiest(place: &Place) -> Option<(&Tuple, u64)> {
    let closes = place.live.as_ref().ok()?;
    let (tuple, count) = closes.opened.iter().max_by_key(|(tuple, count)| (**count, Reverse(**tuple)))?;
    Some((tuple, closes.tenths_a_second(*count)))
}

/// How much of the ports is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Ok,
    Watch,
    Act,
}

impl Level {
    pub(super) fn of(taken: u64, usable: u64) -> Self {
        match taken {
            0 => Self::Ok,
            _ if at_least(taken, limits::PORTS_ACT_PERCENT, usable) => Self::Act,
            _ if at_least(taken, limits::PORTS_WATCH_PERCENT, usable) => Self::Watch,
            _ => Self::Ok,
        }
    }
}

/// New connections a second to a place, against what its ports can bear, and why a higher rate does no harm.
fn rate(place: &Place, view: &View, tuple: &Tuple, used: &PortUse, ceiling: u64) -> String {
    let room = format!("ports last for {} a second where this host closes first", tenths(ceiling));
    let Some(closes) = place.live.as_ref().ok() else { return format!("; {room}") };
    let opens = closes.tenths_a_second(closes.opened.get(tuple).copied().unwrap_or(0));
    if opens <= ceiling {
        return format!("; {} new connections a second, {room}", tenths(opens));
    }
    let ended = closes.opened_to((tuple.destination, tuple.port));
    let why = if ended.count > 0 && ended.first.saturating_mul(2) < ended.count {
        if ended.aborted.saturating_mul(2) >= ended.count {
            "most end with a reset, so their ports come back at once"
        } else {
            "the peer closes first, so the ports come back at once"
        }
    } else if view.reuses(tuple) {
        "tcp_tw_reuse gives ports in TIME_WAIT to new connections"
    } else if view.is_table_full {
        "the limit of tcp_max_tw_buckets is reached, so closes skip TIME_WAIT"
    } else if used.waiting() < view.usable / 10 {
        "few of them are in TIME_WAIT, so most ports come back at once"
    } else {
        return format!(
            "; {} new connections a second, above the {} that ports last for",
            tenths(opens),
            tenths(ceiling)
        );
    };
    format!(
        "; {} new connections a second: {why}, and the ceiling of {} a second does not apply",
        tenths(opens),
        tenths(ceiling)
    )
}

/// Where to most connections were opened while closes were followed.
fn opened(place: &Place) -> Fact {
    let Ok(closes) = &place.live else { return Fact::Unknown };
    let mut list: Vec<(&Tuple, &u64)> = closes.opened.iter().collect();
    list.sort_by_key(|(tuple, count)| (std::cmp::Reverse(**count), **tuple));
    let one = |(tuple, count): (&Tuple, &u64)| -> Evidence {
        vec![
            ("source", tuple.source.to_string().into()),
            ("destination", tuple.destination.to_string().into()),
            ("destination_port", tuple.port.into()),
            ("opened_per_second", Fact::Tenths(closes.tenths_a_second(*count))),
        ]
    };
    Fact::List(list.into_iter().take(limits::LISTED_MAX).map(one).collect())
}

fn object(view: &View, tuple: &Tuple, used: &PortUse) -> Evidence {
    let closed = used.time_wait.first().copied().unwrap_or(0);
    vec![
        ("source", tuple.source.to_string().into()),
        ("destination", tuple.destination.to_string().into()),
        ("destination_port", tuple.port.into()),
        ("used_ports", (used.held + used.waiting()).into()),
        ("in_time_wait_ports", used.waiting().into()),
        ("reusable", view.reuses(tuple).into()),
        // A slice has 10 s.
        ("closed_per_second", Fact::Tenths(closed)),
        ("exhausted_in_s", view.seconds_left(tuple, used).into()),
        ("eaddrnotavail", view.is_exhausted(view.taken(tuple, used)).into()),
    ]
}

/// A wider range, where that is one, and reservations for listeners in it.
pub(super) fn widen(draft: Draft, place: &Place, view: &View, taken: u64, whose: &str) -> Draft {
    if view.range.ports() >= ADVISED.ports() {
        return draft;
    }
    let draft = if place.reserved_in_range.is_some() {
        draft.caveat("A capture has no listeners: those in the wider range need reserved ports first.")
    } else {
        draft
    };
    let why = format!("{taken} ports {whose} are taken, of {} that can be used", view.usable);
    let widened = |draft: Draft| draft.setting(keys::PORT_RANGE, format!("{} {}", ADVISED.low, ADVISED.high), why);
    let listening = place.sockets.as_ref().map(|sockets| sockets.listening_in(ADVISED)).unwrap_or_default();
    let missing: Vec<&u16> = listening.difference(&view.reserved).collect();
    if missing.is_empty() {
        return widened(draft);
    }
    let names = missing.iter().take(RESERVED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let draft = draft.caveat(format!(
        "Reserve the ports of listeners in the wider range first, for the time they start again: {names}."
    ));
    if missing.len() > RESERVED_MAX {
        return widened(draft);
    }
    let all: BTreeSet<u16> = view.reserved.union(&listening).copied().collect();
    let reason = "listeners in the wider range, whose ports connect() must not take";
    widened(draft.setting(keys::RESERVED_PORTS, reserved_text(&all), reason))
}
