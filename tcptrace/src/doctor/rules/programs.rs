//! What programs do: short connections, leaks, connections that nobody would miss.

use std::net::SocketAddr;

use super::{
    draft::{Draft, count, named, processes, tenths},
    ports::View,
};
use crate::{
    diagnosis::modelled_timeout_us,
    doctor::{Closer, ClosesOf, Place, PortUse, keys, limits},
    model::{Advice, Evidence, Fact, FindingReason, GroupOf, LeakGroup, Row, Verdict},
};

const SHORT_SOURCE: &str = "net/ipv4/inet_hashtables.c: __inet_hash_connect(); net/ipv4/tcp_minisocks.c: \
                            tcp_time_wait(); nginx: ngx_http_upstream_keepalive_module";
/// Fewer short connections prove no habit, however short the watch.
const SHORT_LEAST: u64 = 30;
const NGINX: &str = "nginx: in the upstream block `keepalive 32;` and `keepalive_requests 10000;`, in the location \
                     `proxy_http_version 1.1;` and `proxy_set_header Connection \"\";`";
const NGINX_SERVER: &str = "nginx closes first as a server: raise `keepalive_timeout` and `keepalive_requests`";

pub(super) fn short_connections(place: &Place) -> Advice {
    let draft = Draft::new(Row::ShortConnections, Some(place.netns), SHORT_SOURCE);
    let waiting = most_waiting(place);
    let draft = draft.fact("most_time_wait_to_one_place", waiting.as_ref().ok().copied());
    let closes = match &place.live {
        Ok(closes) => closes,
        Err(why) => {
            return match waiting {
                Ok(waiting) if waiting < limits::FEW_CLOSES => {
                    let finding = format!(
                        "this side closed at the most {} to any one place first in the last minute",
                        count(waiting, "connection")
                    );
                    draft.says(Verdict::Ok, finding, "leave it: that is less than one connection a second")
                }
                waiting => {
                    let also = waiting.err().filter(|also| also != why);
                    let why = also.map_or_else(|| why.clone(), |also| format!("{why}; {also}"));
                    draft.command("tcptrace doctor --only short_connections --watch 30s").unknown(why)
                }
            };
        }
    };
    let list = closes.by_count();
    let short = list.iter().filter(|(closer, of)| closer.to.is_some() && of.short >= SHORT_LEAST);
    let worst = short.max_by_key(|(_, of)| of.short);
    let served = list.iter().find(|(closer, _)| closer.local_port.is_some());
    let draft = draft
        .fact("watched_ms", closes.ns / 1_000_000)
        .fact("closes", closes.count)
        .fact("closed_first", closes.active)
        .fact("events_lost", closes.lost)
        .fact("closes_not_counted", closes.not_counted)
        .fact(
            "closers",
            Fact::List(list.iter().take(limits::LISTED_MAX).map(|(closer, of)| object(closer, of)).collect()),
        );
    let draft = if closes.lost > 0 { draft.caveat("Events were lost: there were more closes.") } else { draft };
    if let Some((closer, of)) = worst {
        let rate = closes.tenths_a_second(of.short);
        if rate >= limits::SHORT_WATCH_TENTHS {
            let verdict = if rate >= limits::SHORT_ACT_TENTHS { Verdict::Act } else { Verdict::Watch };
            let to = closer.to.map(|(ip, port)| SocketAddr::new(ip, port).to_string()).unwrap_or_default();
            let finding = format!("{} opens and closes {} connections a second to {to}", who(closer), tenths(rate));
            let advice = if is_nginx(closer) {
                format!("keep connections to upstreams open. {NGINX}")
            } else {
                "keep connections open and use them again (a pool, HTTP keep-alive); no setting is as good".to_owned()
            };
            return draft
                .caveat("A server may close an idle connection just as it is used: the client has to try again then.")
                .says(verdict, finding, advice);
        }
    }
    if let Some((closer, of)) = served {
        let rate = closes.tenths_a_second(of.count);
        if of.count >= SHORT_LEAST && rate >= limits::SHORT_ACT_TENTHS {
            let port = closer.local_port.unwrap_or(0);
            let finding =
                format!("{} closes {} connections a second first, at its port {port}", who(closer), tenths(rate));
            let advice = if is_nginx(closer) {
                NGINX_SERVER
            } else {
                "as a server, let clients keep connections: TIME_WAIT costs no ports here, but each connection its \
                 handshake"
            };
            return draft.says(Verdict::Watch, finding, advice);
        }
    }
    // They may have been of one process and to one place.
    let unseen = closes.lost.saturating_add(closes.not_counted);
    if unseen >= SHORT_LEAST && closes.tenths_a_second(unseen) >= limits::SHORT_WATCH_TENTHS {
        return draft.unknown(format!("{} were lost or not counted", count(unseen, "close")));
    }
    let finding = format!("{} watched, {} closed first by this side", count(closes.count, "close"), closes.active);
    draft.says(Verdict::Ok, finding, "leave it: no process opens and closes many short connections to one place")
}

/// Most connections to one place that this side closed first in the last minute, or why sockets in TIME_WAIT cannot
/// tell.
fn most_waiting(place: &Place) -> Result<u64, String> {
    let sockets = place.all_sockets()?;
    let view = View::of(place)?;
    let buckets: Option<u64> = place.settings.number(keys::MAX_TW_BUCKETS);
    let buckets = buckets.ok_or_else(|| place.settings.why_unknown(keys::MAX_TW_BUCKETS))?;
    let most = sockets.tuples.values().map(PortUse::waiting).max().unwrap_or(0);
    if most >= limits::FEW_CLOSES {
        Ok(most)
    } else if sockets.tuples_not_counted > 0 {
        Err("there are more places than are told apart".to_owned())
    } else if view.usable < 2 * limits::FEW_CLOSES {
        Err("so few ports are soon used again".to_owned())
    } else if sockets.timewait_sockets() >= buckets {
        Err("closes skip TIME_WAIT, whose limit is reached".to_owned())
    } else {
        Ok(most)
    }
}

fn is_nginx(closer: &Closer) -> bool {
    closer.comm.starts_with("nginx")
}

fn who(closer: &Closer) -> String {
    match closer.pid {
        Some(pid) => format!("{}/{pid}", closer.comm),
        None => "an unknown process".to_owned(),
    }
}

fn object(closer: &Closer, of: &ClosesOf) -> Evidence {
    vec![
        ("pid", closer.pid.into()),
        ("comm", Some(closer.comm.as_str()).filter(|comm| !comm.is_empty()).into()),
        ("to", closer.to.map(|(ip, port)| SocketAddr::new(ip, port).to_string()).into()),
        ("local_port", closer.local_port.into()),
        ("closed_first", of.count.into()),
        ("short", of.short.into()),
    ]
}

const LEAK_SOURCE: &str = "net/ipv4/tcp_input.c: tcp_fin(); RFC 9293 section 3.6; docs/findings.md";

pub(super) fn close_wait(place: &Place) -> Advice {
    let draft = Draft::new(Row::CloseWait, Some(place.netns), LEAK_SOURCE);
    let groups = match &place.leaks {
        Ok(groups) => groups,
        Err(why) => return draft.unknown(why.as_str()),
    };
    let sockets: u64 = groups.iter().map(|group| group.count).sum();
    let draft = draft
        .fact("sockets", sockets)
        .fact("groups", Fact::List(groups.iter().take(limits::LISTED_MAX).map(group).collect()))
        .fact("groups_total", groups.len());
    let Some(first) = groups.first().filter(|_| sockets > 0) else {
        return draft.says(Verdict::Ok, "no program leaks CLOSE_WAIT", "nothing to do");
    };
    let growing = groups.iter().any(|group| group.growth_per_minute.is_some_and(|growth| growth > 0));
    let verdict = if sockets >= limits::LEAKS_ACT || growing { Verdict::Act } else { Verdict::Watch };
    let cause = FindingReason::Leak(first.cause).as_str();
    let growth = if growing { ", and more and more" } else { "" };
    let finding = format!("{}{growth}; most by {}: {cause}", count(sockets, "leaked socket"), owner(first));
    draft
        .command("tcptrace leaks --sockets")
        .caveat("No setting helps: the peer has closed, and the kernel waits for the program without a limit.")
        .says(verdict, finding, first.advice)
}

fn owner(group: &LeakGroup) -> String {
    match &group.of {
        GroupOf::Process { pid, comm } => format!("{comm}/{pid}"),
        GroupOf::Listener { port, .. } => match group.listener.first() {
            Some(holder) => format!("the queue of port {port} of {}/{}", holder.comm, holder.pid),
            None => format!("the queue of port {port}"),
        },
        GroupOf::Unknown => "a process that cannot be seen".to_owned(),
    }
}

fn group(group: &LeakGroup) -> Evidence {
    let (pid, comm, port) = match &group.of {
        GroupOf::Process { pid, comm } => (Some(*pid), Some(comm.as_str()), None),
        GroupOf::Listener { port, .. } => {
            let holder = group.listener.first();
            (holder.map(|holder| holder.pid), holder.map(|holder| holder.comm.as_str()), Some(*port))
        }
        GroupOf::Unknown => (None, None, None),
    };
    vec![
        ("pid", pid.into()),
        ("comm", comm.into()),
        ("listener_port", port.into()),
        ("sockets", group.count.into()),
        ("cause", FindingReason::Leak(group.cause).as_str().into()),
        ("growth_per_minute", group.growth_per_minute.into()),
        ("oldest_s", (group.oldest_ns / 1_000_000_000).into()),
    ]
}

const KEEPALIVE_SOURCE: &str = "net/ipv4/tcp_timer.c: tcp_keepalive_timer(), tcp_write_timeout(); tcp(7): \
                                SO_KEEPALIVE, TCP_USER_TIMEOUT; RFC 9293 section 3.8.4";

pub(super) fn keepalive(place: &Place) -> Advice {
    let draft = Draft::new(Row::Keepalive, Some(place.netns), KEEPALIVE_SOURCE);
    let sockets = match place.all_sockets() {
        Ok(sockets) => sockets,
        Err(why) => return draft.unknown(why),
    };
    let settings = &place.settings;
    let number = |key| settings.number::<u64>(key);
    let [time, interval, probes] = [keys::KEEPALIVE_TIME, keys::KEEPALIVE_INTVL, keys::KEEPALIVE_PROBES].map(number);
    let (Some(time), Some(interval), Some(probes)) = (time, interval, probes) else {
        let all = [keys::KEEPALIVE_TIME, keys::KEEPALIVE_INTVL, keys::KEEPALIVE_PROBES];
        let missing = all.into_iter().find(|key| number(key).is_none()).unwrap_or(keys::KEEPALIVE_TIME);
        return draft.unknown(settings.why_unknown(missing));
    };
    let noticed = time.saturating_add(interval.saturating_mul(probes));
    let retries2 = settings.number::<u32>(keys::RETRIES2);
    let sends =
        retries2.zip(settings.rto_max_ms()).map(|(retries, most)| modelled_timeout_us(retries, Some(most)) / 100_000);
    let idle = &sockets.idle;
    let (list, unseen) = place.processes(&idle.inodes, idle.count);
    let draft = draft
        .fact("established", sockets.established)
        .fact("idle_without_keepalive", idle.count)
        .fact("idle_with_keepalive", idle.with_timer)
        .fact("longest_idle_s", idle.longest_ms / 1000)
        .fact("held_by", processes(&list))
        .fact("held_by_unseen", unseen)
        .fact("tcp_keepalive_time_s", time)
        .fact("tcp_keepalive_intvl_s", interval)
        .fact("tcp_keepalive_probes", probes)
        .fact("keepalive_notices_after_s", noticed)
        .fact("tcp_retries2", retries2)
        .fact("unacknowledged_data_gives_up_after_s", sends.map(Fact::Tenths).unwrap_or(Fact::Unknown));
    if idle.count == 0 {
        let finding =
            format!("no long idle connection is without keep-alive; with it, a dead peer shows after {noticed} s");
        return draft.says(Verdict::Ok, finding, "nothing to do");
    }
    let verdict = if idle.count >= limits::IDLE_ACT { Verdict::Act } else { Verdict::Watch };
    let finding = format!(
        "{} without keep-alive, for up to {} s: {}",
        count(idle.count, "idle connection"),
        idle.longest_ms / 1000,
        named(&list)
    );
    draft
        .caveat(
            "tcp_keepalive_* change nothing for sockets without SO_KEEPALIVE. A program may have a timeout of its own, \
             which does not show here.",
        )
        .command("ss -tnoe state established")
        .says(
            verdict,
            finding,
            "a peer that vanishes would never be noticed: have the program set SO_KEEPALIVE with TCP_KEEPIDLE, or a \
             timeout of its own",
        )
}
