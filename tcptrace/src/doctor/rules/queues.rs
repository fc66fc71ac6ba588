//! The side of SYNs, for completeness.

use std::cmp::Reverse;

use super::draft::{Draft, count, tenths};
use crate::{
    doctor::{ClosedListener, Closes, FullQueue, Place, keys, limits},
    model::{Advice, Evidence, Fact, Row, Verdict},
};

/// What helps where a listener closes with a queue.
const HAND_OVER: &str = "connections that wait in a listener's queue are reset when it closes, at each reload: \
                         accept() all of them before close(), or hand the listening socket over (systemd socket \
                         activation, SCM_RIGHTS)";
const SOURCE: &str = "net/ipv4/tcp_ipv4.c: tcp_v4_syn_recv_sock(); include/net/sock.h: sk_acceptq_is_full(); \
                      inet_csk_listen_stop(), tcp_migrate_req; listen(2); Documentation/networking/ip-sysctl.rst";

pub(super) fn syn_side(place: &Place) -> Advice {
    let draft = Draft::new(Row::SynSide, Some(place.netns), SOURCE);
    let settings = &place.settings;
    let cookies = settings.number::<u32>(keys::SYNCOOKIES);
    let sockets = place.all_sockets();
    let full_queues = sockets.map(|sockets| sockets.full_queues.as_slice()).unwrap_or_default();
    let (overflows, drops) = (place.counters.get(keys::LISTEN_OVERFLOWS), place.counters.get(keys::LISTEN_DROPS));
    let rate = |name| place.moved.as_ref().and_then(|moved| moved.tenths_a_second(name));
    let moving = rate(keys::LISTEN_DROPS).unwrap_or(0).max(rate(keys::LISTEN_OVERFLOWS).unwrap_or(0));
    let queue = |full: &FullQueue| -> Evidence {
        let holder = place.holders.get(&full.inode);
        vec![
            ("port", full.port.into()),
            ("waiting", full.waiting.into()),
            ("limit", full.limit.into()),
            ("pid", holder.map(|(pid, _)| *pid).into()),
            ("comm", holder.map(|(_, comm)| comm.as_str()).into()),
        ]
    };
    let draft = draft
        .fact("tcp_syncookies", cookies)
        .fact("listen_overflows", overflows)
        .fact("listen_drops", drops)
        .fact("listen_drops_per_second", rate(keys::LISTEN_DROPS).map(Fact::Tenths).unwrap_or(Fact::Unknown))
        .fact("syncookies_sent", place.counters.get(keys::COOKIES_SENT))
        .fact("request_queue_drops", place.counters.get(keys::REQ_QUEUE_DROPS))
        .fact("full_queues", Fact::List(full_queues.iter().take(limits::LISTED_MAX).map(queue).collect()))
        .fact("full_queues_total", sockets.ok().map(|sockets| sockets.full_queues_total))
        .fact("somaxconn", settings.number::<u64>(keys::SOMAXCONN))
        .fact("tcp_max_syn_backlog", settings.number::<u64>(keys::MAX_SYN_BACKLOG))
        .fact("tcp_abort_on_overflow", settings.number::<u64>(keys::ABORT_ON_OVERFLOW));
    let draft = closed_facts(draft, place);
    let shown = |count: Option<u64>| count.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
    let finding = match (overflows, drops) {
        (Some(0), Some(0)) => "no client was turned away since the start".to_owned(),
        _ => format!("{} overflows and {} drops since the start", shown(overflows), shown(drops)),
    };
    let total = sockets.map_or(0, |sockets| sockets.full_queues_total);
    if let Some(full) = full_queues.iter().max_by_key(|full| full.waiting) {
        let holder = place.holders.get(&full.inode).map(|(pid, comm)| format!(" of {comm}/{pid}")).unwrap_or_default();
        let finding = format!(
            "{}: port {}{holder} has {} of {}; {finding}",
            count(total, "full accept queue"),
            full.port,
            full.waiting,
            full.limit
        );
        return draft
            .command("tcptrace leaks")
            .caveat("What waits there until its client gives up becomes a CLOSE_WAIT that was never accepted.")
            .says(
                Verdict::Act,
                finding,
                "the program does not accept() as fast as clients come: see what keeps it; a longer queue (listen(), \
                 net.core.somaxconn) only helps against bursts",
            );
    }
    if moving > 0 {
        let finding = format!("{} connections a second are turned away now; {finding}", tenths(moving));
        let advice = "listeners turn clients away: a longer queue helps against bursts (listen(), net.core.somaxconn), \
                      otherwise a program that accepts faster";
        return draft.command("ss -tln").says(Verdict::Act, finding, advice);
    }
    if place.live.as_ref().is_ok_and(|closes| !closes.closed_listeners.is_empty()) {
        return closed_listeners(draft, place, &finding);
    }
    let Some(cookies) = cookies else { return draft.unknown(settings.why_unknown(keys::SYNCOOKIES)) };
    if cookies == 0 {
        let why = "without cookies, a flood of SYNs keeps everybody out";
        return draft.setting(keys::SYNCOOKIES, 1, why).says(
            Verdict::Watch,
            format!("tcp_syncookies is 0; {finding}"),
            "set it to 1: it acts only when a queue is full",
        );
    }
    if let Err(why) = sockets {
        return draft.unknown(why);
    }
    if overflows.is_some_and(|count| count > 0) || drops.is_some_and(|count| count > 0) {
        let still = place.moved.as_ref().is_some_and(|moved| {
            [keys::LISTEN_OVERFLOWS, keys::LISTEN_DROPS].iter().all(|name| moved.by.get(name).unwrap_or(0) == 0)
        });
        let advice = if still {
            "clients were turned away earlier, and none while watched"
        } else {
            "clients were turned away since the start: `--watch 30s` shows whether they are now"
        };
        return draft.command("tcptrace doctor --only syn_side --watch 30s").says(Verdict::Watch, finding, advice);
    }
    if overflows.is_none() && drops.is_none() {
        return draft.unknown("ListenOverflows and ListenDrops cannot be read");
    }
    draft.says(Verdict::Ok, format!("no queue is full; {finding}"), "leave it")
}

/// Listeners that closed with a queue while closes were watched, as evidence.
fn closed_facts(draft: Draft, place: &Place) -> Draft {
    let Ok(closes) = &place.live else {
        return draft.fact("reset_by_closed_listeners", Fact::Unknown).fact("closed_listeners", Fact::Unknown);
    };
    let one = |(port, listener): &(&u16, &ClosedListener)| -> Evidence {
        let comm = listener.comm.to_string();
        vec![
            ("port", (**port).into()),
            ("resets", listener.resets.into()),
            ("pid", listener.pid.into()),
            ("comm", Some(comm).filter(|comm| !comm.is_empty()).into()),
        ]
    };
    let list = by_resets(closes);
    draft
        .fact("reset_by_closed_listeners", list.iter().map(|(_, listener)| listener.resets).sum::<u64>())
        .fact("closed_listeners", Fact::List(list.iter().take(limits::LISTED_MAX).map(one).collect()))
        .fact("closed_listeners_total", list.len())
}

fn by_resets(closes: &Closes) -> Vec<(&u16, &ClosedListener)> {
    let mut list: Vec<_> = closes.closed_listeners.iter().collect();
    list.sort_by_key(|(port, listener)| (Reverse(listener.resets), **port));
    list
}

fn closed_listeners(draft: Draft, place: &Place, finding: &str) -> Advice {
    let list = place.live.as_ref().map(by_resets).unwrap_or_default();
    let one = |(port, listener): &(&u16, &ClosedListener)| {
        let who = listener.pid.map(|pid| format!(" by {}/{pid}", listener.comm)).unwrap_or_default();
        format!("{} at port {port}{who}", count(listener.resets, "waiting connection"))
    };
    let named = list.iter().take(limits::LISTED_MAX).map(one).collect::<Vec<_>>().join(", ");
    let more = list.len().saturating_sub(limits::LISTED_MAX) as u64;
    let more = if more > 0 { format!(" and at {}", count(more, "other port")) } else { String::new() };
    let finding = format!("a listener that closed reset {named}{more} while watched; {finding}");
    let listens = |port: &u16| place.sockets.as_ref().is_ok_and(|sockets| sockets.listeners.contains_key(port));
    let off = place.settings.number::<u32>(keys::MIGRATE_REQ) == Some(0);
    if off && list.iter().any(|(port, _)| listens(port)) {
        let why = "a closing listener's queue goes to another listener of its port (SO_REUSEPORT)";
        return draft
            .setting(keys::MIGRATE_REQ, 1, why)
            .caveat("tcp_migrate_req helps where both listeners have SO_REUSEPORT and are open at the same time.")
            .says(Verdict::Act, finding, format!("{HAND_OVER}; with SO_REUSEPORT, set tcp_migrate_req to 1"));
    }
    draft.says(Verdict::Act, finding, HAND_OVER)
}
