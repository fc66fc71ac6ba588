//! TIME_WAIT, and using its sockets again.

use super::{
    draft::{Draft, at_least, percent, tenths},
    view::View,
};
use crate::{
    doctor::{Closer, Place, Sockets, keys, limits},
    model::{Advice, Evidence, Fact, Row, TIME_WAIT_MS, Verdict},
};

const SOURCE: &str = "net/ipv4/inet_timewait_sock.c: inet_twsk_alloc(); net/ipv4/tcp_minisocks.c: tcp_time_wait(); \
                      Documentation/networking/ip-sysctl.rst; RFC 9293 section 3.6.1";
/// What a timewait socket takes, with its bucket (`tw_sock_TCP` and `tcp_bind_bucket` of /proc/slabinfo): about.
const BUCKET_BYTES: u64 = 384;
/// What is advised at least.
const ADVISED_BUCKETS: u64 = 65_536;
/// The setting is an int; more than a thousand million timewait sockets no host has.
const MOST_BUCKETS: u64 = 1 << 30;

pub(super) fn time_wait(place: &Place) -> Advice {
    let draft = Draft::new(Row::TimeWait, Some(place.netns), SOURCE);
    let Some(limit) = place.settings.number::<u64>(keys::MAX_TW_BUCKETS) else {
        return draft.unknown(place.settings.why_unknown(keys::MAX_TW_BUCKETS));
    };
    let sockets = match &place.sockets {
        Ok(sockets) => sockets,
        Err(why) => return draft.fact("tcp_max_tw_buckets", limit).unknown(why.as_str()),
    };
    let count = sockets.timewait_sockets();
    let is_whole = place.all_sockets().is_ok();
    let overflow = place.counters.get(keys::TW_OVERFLOW);
    let moving = place.moved.as_ref().and_then(|moved| moved.by.get(keys::TW_OVERFLOW));
    let rate = place.moved.as_ref().and_then(|moved| moved.tenths_a_second(keys::TW_OVERFLOW));
    let draft = draft
        .fact("time_wait", is_whole.then_some(sockets.time_wait))
        .fact("timewait_sockets", is_whole.then_some(count))
        .fact("tcp_max_tw_buckets", limit)
        .fact("overflows", overflow)
        .fact("overflows_while_watched", moving)
        .fact("overflows_per_second", rate.map(Fact::Tenths).unwrap_or(Fact::Unknown))
        .fact("memory_bytes", is_whole.then_some(count.saturating_mul(BUCKET_BYTES)))
        .fact("closed_first_as_client", is_whole.then_some(sockets.time_wait_as_client))
        .fact("closed_first_to_port", to_port(sockets))
        .fact("closed_first_as_server", if is_whole { by_port(place, sockets) } else { Fact::Unknown })
        .fact("closers", closers(place));
    let draft = match &place.live {
        Ok(closes) if closes.lost > 0 => draft.caveat("Events were lost: there were more closes."),
        Ok(_) => draft,
        Err(why) => draft.caveat(format!("Who closes first is known by port alone: {why}.")),
    };
    let finding = format!(
        "{}{count} of {limit} timewait sockets; {}{}{}",
        if is_whole { "" } else { "at least " },
        match overflow {
            Some(0) => "none was refused".to_owned(),
            Some(1) => "1 was refused since the start".to_owned(),
            Some(count) => format!("{count} were refused since the start"),
            None => "how many were refused is not known".to_owned(),
        },
        rate.filter(|rate| *rate > 0).map(|rate| format!(", {} a second now", tenths(rate))).unwrap_or_default(),
        who(place, sockets),
    );
    let draft = draft.caveat(
        "A close without TIME_WAIT can reset the peer, and take late segments for a new connection's: the limit is \
         against attacks, not for saving memory.",
    );
    let is_full = count >= limit;
    if is_full || moving.is_some_and(|moved| moved > 0) {
        let lost = rate.unwrap_or(0).saturating_mul(u64::from(TIME_WAIT_MS) / 10_000);
        let raised = limit.saturating_mul(2).max(count.saturating_add(lost).saturating_mul(2));
        let raised = raised.clamp(ADVISED_BUCKETS, MOST_BUCKETS).next_power_of_two();
        if raised <= limit {
            let advice = "the limit is not what refuses them: the kernel has no memory for them (dmesg)";
            return draft.says(Verdict::Act, finding, advice);
        }
        let why = format!("{count} timewait sockets at a limit of {limit}, {} refused", overflow.unwrap_or(0));
        let memory = raised.saturating_mul(BUCKET_BYTES) >> 20;
        return draft.setting(keys::MAX_TW_BUCKETS, raised, why).says(
            Verdict::Act,
            finding,
            format!("raise it to {raised}, which takes {memory} MiB at the most"),
        );
    }
    if at_least(count, limits::BUCKETS_WATCH_PERCENT, limit) {
        let advice = format!("{}% of the limit: beyond it, closes skip TIME_WAIT", percent(count, limit));
        return draft.says(Verdict::Watch, finding, advice);
    }
    if limit < limits::LOW_BUCKETS {
        let a_second = limit * 1000 / u64::from(TIME_WAIT_MS);
        let advice = format!(
            "a limit this low overflows at {a_second} closes a second: where it was lowered, take that back; a host \
             with 512 MB of memory or less has it by default"
        );
        return draft.says(Verdict::Watch, finding, advice);
    }
    if overflow.is_some_and(|count| count > 0) {
        let advice = if moving == Some(0) {
            "it overflowed earlier, and did not while watched"
        } else {
            "it has overflowed since the namespace was made: `--watch 30s` shows whether it does now"
        };
        return draft.command("tcptrace doctor --only time_wait --watch 30s").says(Verdict::Watch, finding, advice);
    }
    if let Err(why) = place.all_sockets() {
        return draft.unknown(format!("{finding}; {why}"));
    }
    draft.says(Verdict::Ok, finding, "leave it: TIME_WAIT costs little, and protects the next connection")
}

/// Who closes first, by the port that most TIME_WAIT sockets have to do with.
fn who(place: &Place, sockets: &Sockets) -> String {
    let most_to = sockets.time_wait_to.iter().max_by_key(|(_, count)| **count);
    let most_at = sockets.listeners.iter().max_by_key(|(_, listener)| listener.time_wait);
    let as_client = most_to
        .map(|(port, count)| (*count, format!("as a client, this host closed {count} of them first, to port {port}")));
    let as_server = most_at.filter(|(_, listener)| listener.time_wait > 0).map(|(port, listener)| {
        let holder = place.holders.get(&listener.inode);
        let count = listener.time_wait;
        let name = match holder {
            Some((pid, comm)) => format!("{comm}/{pid} (port {port})"),
            None => format!("the server at port {port}"),
        };
        (count, format!("{name} closed {count} of them first"))
    });
    let mut parts = [as_client, as_server].into_iter().flatten().collect::<Vec<_>>();
    parts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    match parts.first() {
        Some((_, part)) => format!("; {part}"),
        None => String::new(),
    }
}

fn to_port(sockets: &Sockets) -> Fact {
    let mut ports: Vec<(&u16, &u64)> = sockets.time_wait_to.iter().collect();
    ports.sort_by_key(|(port, count)| (std::cmp::Reverse(**count), **port));
    let one =
        |(port, count): (&u16, &u64)| -> Evidence { vec![("port", (*port).into()), ("time_wait", (*count).into())] };
    Fact::List(ports.into_iter().take(limits::LISTED_MAX).map(one).collect())
}

fn by_port(place: &Place, sockets: &Sockets) -> Fact {
    let mut ports: Vec<_> = sockets.listeners.iter().filter(|(_, listener)| listener.time_wait > 0).collect();
    ports.sort_by_key(|(port, listener)| (std::cmp::Reverse(listener.time_wait), **port));
    let one = |(port, listener): (&u16, &crate::doctor::ListenPort)| -> Evidence {
        let holder = place.holders.get(&listener.inode);
        vec![
            ("port", (*port).into()),
            ("time_wait", listener.time_wait.into()),
            ("pid", holder.map(|(pid, _)| *pid).into()),
            ("comm", holder.map(|(_, comm)| comm.as_str()).into()),
        ]
    };
    Fact::List(ports.into_iter().take(limits::LISTED_MAX).map(one).collect())
}

/// Who closed first while closes were watched.
fn closers(place: &Place) -> Fact {
    let Ok(closes) = &place.live else { return Fact::Unknown };
    let one = |(closer, of): &(&Closer, crate::doctor::ClosesOf)| -> Evidence {
        vec![
            ("pid", of.pid.filter(|_| !of.several).into()),
            ("comm", Some(closer.comm.as_str()).filter(|comm| !comm.is_empty()).into()),
            ("to", closer.to.map(|(ip, port)| std::net::SocketAddr::new(ip, port).to_string()).into()),
            ("local_port", closer.local_port.into()),
            ("closes", of.first.into()),
            ("closes_per_second", Fact::Tenths(closes.tenths_a_second(of.first))),
        ]
    };
    Fact::List(closes.most(|_, of| of.first).iter().take(limits::LISTED_MAX).map(one).collect())
}

const REUSE_SOURCE: &str = "net/ipv4/tcp_ipv4.c: tcp_twsk_unique(); net/ipv4/inet_hashtables.c: \
                            __inet_check_established(); Documentation/networking/ip-sysctl.rst";

pub(super) fn tw_reuse(place: &Place) -> Advice {
    let draft = Draft::new(Row::TwReuse, Some(place.netns), REUSE_SOURCE);
    let settings = &place.settings;
    let (Some(value), Some(timestamps)) =
        (settings.number::<u32>(keys::TW_REUSE), settings.number::<u32>(keys::TIMESTAMPS))
    else {
        let missing = if settings.number::<u32>(keys::TW_REUSE).is_none() { keys::TW_REUSE } else { keys::TIMESTAMPS };
        return draft.unknown(settings.why_unknown(missing));
    };
    let meaning = match value {
        0 => "off",
        1 => "on for every connection that this host opens",
        2 => "loopback only",
        _ => "a value that this tool does not know",
    };
    let delay_ms = settings.number::<u32>(keys::TW_REUSE_DELAY);
    let draft = draft
        .fact("tcp_tw_reuse", value)
        .fact("meaning", meaning)
        .fact("tcp_timestamps", timestamps)
        .fact("tcp_tw_reuse_delay_ms", delay_ms)
        .fact("reused", place.counters.get(keys::TW_RECYCLED));
    let delay = delay_ms.map_or_else(|| "1 s".to_owned(), |ms| format!("{ms} ms"));
    let draft = draft.caveat(format!(
        "It helps the side that connects, never a server, needs timestamps on both sides, and lets a port go after \
         {delay}."
    ));
    if value != 0 && timestamps == 0 {
        return draft.setting(keys::TIMESTAMPS, 1, "tcp_tw_reuse has no effect without timestamps").says(
            Verdict::Watch,
            format!("{value} ({meaning}), without effect because tcp_timestamps is 0"),
            "turn timestamps on: reuse needs them, and so does protection against old segments",
        );
    }
    let (sockets, view) = match (&place.sockets, View::of(place)) {
        (Ok(sockets), Ok(view)) => (sockets, view),
        (Err(why), _) => return draft.unknown(why.as_str()),
        (_, Err(why)) => return draft.unknown(why),
    };
    let worst = sockets.tuples.iter().filter(|(tuple, _)| !view.reuses(tuple)).map(|(_, used)| used.waiting()).max();
    let worst = worst.unwrap_or(0);
    let draft = draft.fact("most_time_wait_to_one_place", worst).fact("usable_ports", view.usable);
    let bound = if place.all_sockets().is_ok() { "up to" } else { "at least" };
    let finding = match worst {
        0 if place.all_sockets().is_ok() => format!("{value} ({meaning}); 1 would free no ports here"),
        _ => format!(
            "{value} ({meaning}); to one place, {bound} {worst} of {} ports wait that 1 would free",
            view.usable
        ),
    };
    let (watch, act) = (limits::PORTS_WATCH_PERCENT, limits::PORTS_ACT_PERCENT);
    if worst > 0 && at_least(worst, watch, view.usable) {
        let verdict = if at_least(worst, act, view.usable) { Verdict::Act } else { Verdict::Watch };
        let why = format!("{worst} of {} ports to one place are in TIME_WAIT", view.usable);
        let draft = draft.setting(keys::TW_REUSE, 1, why);
        let draft = if timestamps == 0 {
            draft.setting(keys::TIMESTAMPS, 1, "tcp_tw_reuse has no effect without timestamps")
        } else {
            draft
        };
        return draft
            .caveat(
                "Behind NAT that many hosts share, a port that is taken again early may meet the other host's old \
                     state.",
            )
            .says(verdict, finding, "set it to 1, after connections were made to last (row short_connections)");
    }
    if let Err(why) = place.all_sockets() {
        return draft.unknown(why);
    }
    let rest = sockets.tuples_not_counted;
    if rest > 0 && at_least(rest, watch, view.usable) {
        return draft.unknown(format!("{finding}; {rest} sockets are of places beyond those that are told apart"));
    }
    draft.says(Verdict::Ok, finding, "leave it: TIME_WAIT does not keep this host from connecting")
}
