//! The side of SYNs, for completeness.

use super::draft::{Draft, count, tenths};
use crate::{
    doctor::{FullQueue, Place, keys, limits},
    model::{Advice, Evidence, Fact, Row, Verdict},
};

const SOURCE: &str = "net/ipv4/tcp_ipv4.c: tcp_v4_syn_recv_sock(); include/net/sock.h: sk_acceptq_is_full(); \
                      listen(2); Documentation/networking/ip-sysctl.rst";

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
        .fact("full_queues_total", sockets.ok().map(|sockets| sockets.full_queues.len()))
        .fact("somaxconn", settings.number::<u64>(keys::SOMAXCONN))
        .fact("tcp_max_syn_backlog", settings.number::<u64>(keys::MAX_SYN_BACKLOG))
        .fact("tcp_abort_on_overflow", settings.number::<u64>(keys::ABORT_ON_OVERFLOW));
    let shown = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let finding = format!("{} overflows, {} drops since the start", shown(overflows), shown(drops));
    if let Some(full) = full_queues.iter().max_by_key(|full| full.waiting) {
        let holder = place.holders.get(&full.inode).map(|(pid, comm)| format!(" of {comm}/{pid}")).unwrap_or_default();
        let finding = format!(
            "{}: port {}{holder} has {} of {}; {finding}",
            count(full_queues.len() as u64, "full accept queue"),
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
        let advice = "it has happened: `--watch 30s` tells whether it happens now";
        return draft.command("tcptrace doctor --only syn_side --watch 30s").says(Verdict::Watch, finding, advice);
    }
    if overflows.is_none() && drops.is_none() {
        return draft.unknown("ListenOverflows and ListenDrops cannot be read");
    }
    draft.says(Verdict::Ok, format!("no queue is full; {finding}"), "leave it")
}
