//! What programs do: leaks, and connections that nobody would miss.

use super::draft::{Draft, count, examined, named, processes};
use crate::{
    diagnosis::modelled_timeout_us,
    doctor::{Place, keys, limits},
    model::{Advice, Evidence, Fact, FindingReason, GroupOf, LeakGroup, Row, Verdict},
};

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
        .fact("groups_total", groups.len())
        .fact("sockets_not_counted", place.leaks_not_counted);
    let Some(first) = groups.first().filter(|_| sockets > 0) else {
        if place.leaks_not_counted > 0 {
            let more = count(place.leaks_not_counted, "CLOSE_WAIT socket");
            return draft.unknown(format!("{more} could not be followed: there are too many"));
        }
        return draft.says(Verdict::Ok, "no program leaks CLOSE_WAIT sockets", "nothing to do");
    };
    let growing = groups.iter().any(|group| group.growth_per_minute.is_some_and(|growth| growth > 0));
    let verdict = if sockets >= limits::LEAKS_ACT || growing { Verdict::Act } else { Verdict::Watch };
    let cause = FindingReason::Leak(first.cause).as_str();
    let growth = if growing { ", and their number grows" } else { "" };
    let at_least = if place.leaks_not_counted > 0 { "at least " } else { "" };
    let finding = format!(
        "{at_least}{}{growth}; {} holds most ({}): {cause}",
        count(sockets, "leaked socket"),
        owner(first),
        first.count
    );
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
        let finding = format!("no long idle connection lacks keep-alive, which notices a dead peer after {noticed} s");
        return draft.says(Verdict::Ok, finding, "nothing to do");
    }
    let verdict = if idle.count >= limits::IDLE_ACT { Verdict::Act } else { Verdict::Watch };
    let finding = format!(
        "{} without keep-alive, for up to {} s: {}",
        count(idle.count, "idle connection"),
        idle.longest_ms / 1000,
        named(&list, unseen)
    );
    examined(draft, idle.inodes.len(), idle.count)
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
