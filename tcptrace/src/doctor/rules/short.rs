//! Short connections: who opens many of them to one place, whoever closes first, and who closes them.

use std::net::{IpAddr, SocketAddr};

use super::{
    draft::{Draft, count, tenths},
    view::View,
};
use crate::{
    doctor::{Closer, Closes, ClosesOf, Place, PortUse, keys, limits},
    model::{Advice, Evidence, Fact, Row, Verdict, printable},
};

const SOURCE: &str = "net/ipv4/inet_hashtables.c: __inet_hash_connect(); net/ipv4/tcp_minisocks.c: tcp_time_wait(); \
                      nginx: ngx_http_upstream_keepalive_module";
/// Fewer short connections prove no habit, however short the watch.
const SHORT_LEAST: u64 = 30;
const NGINX: &str = "keep connections to upstreams open: in the upstream block `keepalive 32;` and \
                     `keepalive_requests 10000;`, in the location `proxy_http_version 1.1;` and `proxy_set_header \
                     Connection \"\";` (without these two, nginx asks the server to close after each answer)";
const POOL: &str = "keep connections open and use them again (a pool, HTTP keep-alive); no setting is as good";
const NGINX_SERVER: &str = "let clients keep connections open: raise `keepalive_timeout` and `keepalive_requests`";
const SERVER: &str = "let clients keep connections open: raise its idle timeout and its limit of requests per \
                      connection (nginx: `keepalive_timeout`, `keepalive_requests`)";

pub(super) fn short_connections(place: &Place) -> Advice {
    let draft = Draft::new(Row::ShortConnections, Some(place.netns), SOURCE);
    let waiting = most_waiting(place);
    let draft = draft.fact("most_time_wait_to_one_place", waiting.as_ref().ok().copied());
    let closes = match &place.live {
        Ok(closes) => closes,
        Err(why) => return without_watch(draft, place, waiting, why),
    };
    let openers = closes.most(|closer, of| if closer.to.is_some() { of.short } else { 0 });
    let closers = closes.most(|_, of| of.first);
    let draft = draft
        .fact("watched_ms", closes.ns / 1_000_000)
        .fact("closes", closes.count)
        .fact("closed_first", closes.active)
        .fact("events_lost", closes.lost)
        .fact("closes_not_counted", closes.folded)
        .fact("counts_short_by_at_most", closes.understated)
        .fact("openers", list(&openers))
        .fact("closers", list(&closers));
    let draft = if closes.lost > 0 { draft.caveat("Events were lost: there were more closes.") } else { draft };
    let draft = if closes.folded > 0 {
        draft.caveat(format!(
            "There are too many programs and places: {} of those with the fewest are not listed by program.",
            count(closes.folded, "close")
        ))
    } else {
        draft
    };
    let habit =
        |of: &ClosesOf| of.short >= SHORT_LEAST && closes.tenths_a_second(of.short) >= limits::SHORT_WATCH_TENTHS;
    let openers: Vec<_> = openers.into_iter().filter(|(_, of)| habit(of)).take(limits::LISTED_MAX).collect();
    let busy = |of: &ClosesOf| of.first >= SHORT_LEAST && closes.tenths_a_second(of.first) >= limits::SHORT_ACT_TENTHS;
    let served: Vec<_> = closers
        .into_iter()
        .filter(|(closer, of)| closer.local_port.is_some() && busy(of))
        .take(limits::LISTED_MAX)
        .collect();
    if let Some((_, worst)) = openers.first() {
        let rate = closes.tenths_a_second(worst.short);
        let verdict = if rate >= limits::SHORT_ACT_TENTHS { Verdict::Act } else { Verdict::Watch };
        let finding = openers.iter().map(|(closer, of)| opens(closes, closer, of)).collect::<Vec<_>>().join("; ");
        return draft
            .caveat("A server may close an idle connection just as it is used: the client has to try again then.")
            .says(verdict, finding, for_each_role(&openers, &served));
    }
    if !served.is_empty() {
        let one = |(closer, of): &(&Closer, ClosesOf)| {
            let (port, rate) = (closer.local_port.unwrap_or(0), closes.tenths_a_second(of.first));
            format!("{} closes {} connections a second first, at its port {port}", who(closer, of), tenths(rate))
        };
        let finding = served.iter().map(one).collect::<Vec<_>>().join("; ");
        let advice = format!(
            "{}; TIME_WAIT costs a server no ports, but each connection costs a handshake",
            served_advice(&served)
        );
        return draft.says(Verdict::Watch, finding, advice);
    }
    // They may have been of one program and to one place.
    let unseen = closes.lost.saturating_add(closes.understated);
    if unseen >= SHORT_LEAST && closes.tenths_a_second(unseen) >= limits::SHORT_WATCH_TENTHS {
        return draft.unknown(format!(
            "up to {} of one program may be missing: {} lost, {} of too many programs and places",
            count(unseen, "close"),
            count(closes.lost, "event"),
            count(closes.folded, "close")
        ));
    }
    let finding =
        format!("{} watched, {} of them closed first by this side", count(closes.count, "close"), closes.active);
    draft.says(Verdict::Ok, finding, "leave it: no program opens many short connections to one place")
}

/// Without live closes, few TIME_WAIT sockets prove something, and many nothing. Connections
/// that the other side closed first leave nothing behind but a counter.
fn without_watch(draft: Draft, place: &Place, waiting: Result<u64, String>, why: &str) -> Advice {
    let opens = place.counters.get(keys::ACTIVE_OPENS);
    let draft = draft.fact("opened_since_the_start", opens);
    match waiting {
        Ok(waiting) if waiting < limits::FEW_CLOSES && opens.is_some_and(|opens| opens < limits::FEW_CLOSES) => {
            let finding = format!("{} opened since the namespace was made", count(opens.unwrap_or(0), "connection"));
            draft.says(Verdict::Ok, finding, "leave it: that is too few for a habit")
        }
        waiting => {
            let also = match waiting {
                Err(also) => Some(also).filter(|also| also != why),
                Ok(waiting) if waiting < limits::FEW_CLOSES => {
                    Some("connections that the other side closes first leave no trace here".to_owned())
                }
                Ok(_) => None,
            };
            let why = also.map_or_else(|| why.to_owned(), |also| format!("{why}; {also}"));
            draft.command("tcptrace doctor --only short_connections --watch 30s").unknown(why)
        }
    }
}

/// `nginx/12 opens 470.5 short connections a second to 10.0.0.2:80, and the other side closes them first`.
fn opens(closes: &Closes, closer: &Closer, of: &ClosesOf) -> String {
    let end = if of.first.saturating_mul(2) >= of.count {
        "closes them first"
    } else if of.aborted.saturating_mul(2) >= of.count {
        "most end with a reset"
    } else {
        "the other side closes them first"
    };
    let at_least = if closes.understated > 0 { "at least " } else { "" };
    let rate = tenths(closes.tenths_a_second(of.short));
    format!(
        "{} opens {at_least}{rate} short connections a second to {}, and {end}",
        who(closer, of),
        closer.to.map(shown).unwrap_or_default()
    )
}

/// Openers need a pool, closers patience.
fn for_each_role(openers: &[(&Closer, ClosesOf)], served: &[(&Closer, ClosesOf)]) -> String {
    let mut parts = Vec::new();
    for (nginx, cure) in [(true, NGINX), (false, POOL)] {
        let mut names: Vec<String> = Vec::new();
        for (closer, of) in openers.iter().filter(|(closer, _)| is_nginx(closer) == nginx) {
            let name = who(closer, of);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if !names.is_empty() {
            parts.push(format!("{}: {cure}", names.join(", ")));
        }
    }
    let peers = openers.iter().filter(|(_, of)| of.first.saturating_mul(2) < of.count && of.aborted * 2 < of.count);
    let unknown = peers.filter(|(closer, _)| {
        let port = closer.to.map(|(_, port)| port);
        !served.iter().any(|(server, _)| server.local_port == port)
    });
    let unknown: Vec<String> = unknown.filter_map(|(closer, _)| closer.to.map(shown)).collect();
    if !served.is_empty() {
        parts.push(served_advice(served));
    }
    if !unknown.is_empty() {
        parts.push(format!("the server at {}, which closes first: {SERVER}", unknown.join(", ")));
    }
    parts.join(". ")
}

fn served_advice(served: &[(&Closer, ClosesOf)]) -> String {
    let one = |(closer, of): &(&Closer, ClosesOf)| {
        let cure = if is_nginx(closer) { NGINX_SERVER } else { SERVER };
        format!("{}, which closes first at its port {}: {cure}", who(closer, of), closer.local_port.unwrap_or(0))
    };
    served.iter().map(one).collect::<Vec<_>>().join(". ")
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

/// `nginx/12`, or `nginx (several processes)`.
pub(super) fn who(closer: &Closer, of: &ClosesOf) -> String {
    let comm: String = closer.comm.chars().map(printable).collect();
    match of.pid {
        _ if comm.is_empty() => "an unknown program".to_owned(),
        Some(pid) if !of.several => format!("{comm}/{pid}"),
        _ => format!("{comm} (several processes)"),
    }
}

fn shown((ip, port): (IpAddr, u16)) -> String {
    SocketAddr::new(ip, port).to_string()
}

fn list(of: &[(&Closer, ClosesOf)]) -> Fact {
    Fact::List(of.iter().take(limits::LISTED_MAX).map(|(closer, of)| object(closer, of)).collect())
}

fn object(closer: &Closer, of: &ClosesOf) -> Evidence {
    vec![
        ("pid", of.pid.filter(|_| !of.several).into()),
        ("comm", Some(closer.comm.as_str()).filter(|comm| !comm.is_empty()).into()),
        ("several_processes", of.several.into()),
        ("to", closer.to.map(shown).into()),
        ("local_port", closer.local_port.into()),
        ("closes", of.count.into()),
        ("closed_first", of.first.into()),
        ("aborted", of.aborted.into()),
        ("short", of.short.into()),
    ]
}
