//! Ephemeral ports.

use std::collections::BTreeSet;

use super::draft::{Draft, at_least, percent, tenths};
use crate::{
    doctor::{
        Place, PortRange, Tuple, keys, limits,
        ports::{ceiling_tenths, parse_reserved, reserved_text, seconds_to_exhaustion},
        tally::PortUse,
    },
    model::{Advice, Evidence, Fact, Row, Verdict},
};

const SOURCE: &str = "net/ipv4/inet_hashtables.c: __inet_hash_connect(), __inet_check_established(); \
                      Documentation/networking/ip-sysctl.rst";
/// What is advised: 55,296 ports, above those that most services have.
const ADVISED: PortRange = PortRange { low: 10_240, high: 65_535 };
/// Ports in the advised list of reserved ones at most; a host with more listeners needs a person's thought.
const RESERVED_MAX: usize = 64;

/// The ports of a namespace.
pub(super) struct View {
    range: PortRange,
    reserved: BTreeSet<u16>,
    listening: BTreeSet<u16>,
    reserved_in_range: u64,
    /// What `connect()` can use.
    pub(super) usable: u64,
    reuse: u32,
    timestamps: u32,
    /// TIME_WAIT that is younger keeps its port also where it is used again, milliseconds.
    delay_ms: u64,
    /// The table of timewait sockets is full: those do not become more.
    is_table_full: bool,
}

/// `tcp_tw_reuse_delay` of kernels that have no such setting: `tcp_twsk_unique()` compares whole seconds.
const REUSE_DELAY_MS: u64 = 1000;

impl View {
    pub(super) fn of(place: &Place) -> Result<Self, String> {
        let settings = &place.settings;
        let range = settings.text(keys::PORT_RANGE).and_then(PortRange::parse);
        let range = range.ok_or_else(|| settings.why_unknown(keys::PORT_RANGE))?;
        let counted = place.reserved_in_range;
        let reserved = match counted {
            Some(_) => BTreeSet::new(),
            None => {
                let reserved = settings.text(keys::RESERVED_PORTS).and_then(parse_reserved);
                reserved.ok_or_else(|| settings.why_unknown(keys::RESERVED_PORTS))?
            }
        };
        let listening = place.sockets.as_ref().map(|sockets| sockets.listening_in(range)).unwrap_or_default();
        let excluded = reserved.union(&listening).copied().collect();
        let number = |key| settings.number::<u32>(key).ok_or_else(|| settings.why_unknown(key));
        let delay_ms = settings.number_or(keys::TW_REUSE_DELAY, REUSE_DELAY_MS);
        Ok(Self {
            range,
            reserved_in_range: counted.unwrap_or(range.ports() - range.usable(&reserved)),
            usable: range.usable(&excluded).saturating_sub(counted.unwrap_or(0)),
            reserved,
            listening,
            reuse: number(keys::TW_REUSE)?,
            timestamps: number(keys::TIMESTAMPS)?,
            is_table_full: place.sockets.as_ref().is_ok_and(|sockets| {
                let limit = settings.number::<u64>(keys::MAX_TW_BUCKETS);
                limit.is_some_and(|limit| sockets.timewait_sockets() >= limit)
            }),
            delay_ms: delay_ms.ok_or_else(|| settings.why_unknown(keys::TW_REUSE_DELAY))?,
        })
    }

    /// Whether a new connection can take a port of this tuple out of TIME_WAIT.
    pub(super) fn reuses(&self, tuple: &Tuple) -> bool {
        self.timestamps != 0 && (self.reuse == 1 || (self.reuse == 2 && tuple.is_loopback()))
    }

    /// Ports of a tuple that a new connection cannot have.
    fn taken(&self, tuple: &Tuple, used: &PortUse) -> u64 {
        used.held + if self.reuses(tuple) { used.younger_than(self.delay_ms) } else { used.waiting() }
    }

    /// Whether `connect()` finds none: one of an odd number may be left out of the search.
    fn is_exhausted(&self, taken: u64) -> bool {
        taken.saturating_add(self.range.left_out()) >= self.usable
    }

    fn seconds_left(&self, tuple: &Tuple, used: &PortUse) -> Option<u64> {
        if self.reuses(tuple) || self.is_table_full {
            None
        } else {
            seconds_to_exhaustion(self.usable, used.held, &used.time_wait)
        }
    }
}

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
    let live = place.live.as_ref();
    let opens_to =
        |tuple| live.ok().map(|closes| closes.tenths_a_second(closes.opened.get(tuple).copied().unwrap_or(0)));
    let listening: Vec<String> = view
        .listening
        .iter()
        .filter(|port| !view.reserved.contains(port))
        .take(RESERVED_MAX)
        .map(u16::to_string)
        .collect();
    let mut tuples: Vec<(&Tuple, &PortUse)> = sockets.tuples.iter().collect();
    tuples.sort_by_key(|(tuple, used)| (std::cmp::Reverse((view.taken(tuple, used), used.waiting())), **tuple));
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
        .caveat(
            "Ports of sockets that call bind() before connect() count once for all places, which does not show here.",
        );
    let soonest = tuples.iter().filter_map(|(tuple, used)| view.seconds_left(tuple, used)).min();
    let unseen = place.all_sockets().err();
    let Some((tuple, used)) = tuples.first() else {
        if let Some(why) = unseen {
            return draft.unknown(why);
        }
        let finding = format!(
            "no ephemeral port of {} is in use; {} a second to one place is the ceiling",
            view.usable,
            tenths(ceiling)
        );
        return draft.says(Verdict::Ok, finding, "leave it");
    };
    let taken = view.taken(tuple, used);
    let finding = format!(
        "{}{taken} of {} ports ({}%) to {}; {}ceiling {} a second",
        if unseen.is_some() { "at least " } else { "" },
        view.usable,
        percent(taken, view.usable),
        std::net::SocketAddr::new(tuple.destination, tuple.port),
        opens_to(tuple).map(|rate| format!("{} new a second, ", tenths(rate))).unwrap_or_default(),
        tenths(ceiling),
    );
    let full = taken > 0 && at_least(taken, limits::PORTS_ACT_PERCENT, view.usable);
    if full || soonest.is_some() {
        let soon = match soonest {
            _ if view.is_exhausted(taken) => "they are used up: connect() fails with EADDRNOTAVAIL".to_owned(),
            Some(seconds) => format!("they are used up in {seconds} s if closes go on like this: then EADDRNOTAVAIL"),
            None => "connect() is close to EADDRNOTAVAIL".to_owned(),
        };
        let advice = format!("{soon}; keep connections alive, use more addresses at either end, widen the range");
        return widen(draft, place, &view, taken).says(Verdict::Act, finding, advice);
    }
    if taken > 0 && at_least(taken, limits::PORTS_WATCH_PERCENT, view.usable) {
        let advice = "half of the ports to one place are taken: keep connections alive, or widen the range";
        return widen(draft, place, &view, taken).says(Verdict::Watch, finding, advice);
    }
    if let Some(why) = unseen {
        return draft.unknown(format!("{finding}; {why}"));
    }
    // All of them may be of one place.
    let rest = sockets.tuples_not_counted;
    if at_least(rest, limits::PORTS_WATCH_PERCENT, view.usable) && rest > 0 {
        return draft.unknown(format!("{finding}; {rest} sockets are of places beyond those that are told apart"));
    }
    draft.says(Verdict::Ok, finding, "leave it")
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
fn widen(draft: Draft, place: &Place, view: &View, taken: u64) -> Draft {
    if view.range.ports() >= ADVISED.ports() {
        return draft;
    }
    let draft = if place.reserved_in_range.is_some() {
        draft.caveat("A capture has no listeners: those in the wider range need reserved ports first.")
    } else {
        draft
    };
    let why = format!("{taken} of {} usable ports to one place are taken", view.usable);
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
