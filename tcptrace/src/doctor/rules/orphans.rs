//! Orphans: how long the kernel tries, how many it bears, and how long it waits in FIN_WAIT2.

use super::draft::{Draft, at_least, count, count_of, examined, is, named, processes, tenths};
use crate::{
    diagnosis::modelled_timeout_us,
    doctor::{Host, Place, keys, limits},
    model::{Advice, Fact, Row, Verdict},
};

/// What 0 acts as (`tcp_orphan_retries()`).
const ZERO_ACTS_AS: u32 = 8;
/// What a busy host may set: 3.0 s by the model.
const ADVISED_RETRIES: u32 = 3;

const RETRIES_SOURCE: &str = "net/ipv4/tcp_timer.c: tcp_orphan_retries(), tcp_model_timeout(), \
                              retransmits_timed_out(); Documentation/networking/ip-sysctl.rst";

pub(super) fn orphan_retries(host: &Host, place: &Place) -> Advice {
    let draft = Draft::new(Row::OrphanRetries, Some(place.netns), RETRIES_SOURCE);
    let Some(value) = place.settings.number::<i64>(keys::ORPHAN_RETRIES) else {
        return draft.unknown(place.settings.why_unknown(keys::ORPHAN_RETRIES));
    };
    let draft = draft.fact("tcp_orphan_retries", value);
    let Ok(retries) = u32::try_from(value) else {
        return draft
            .caveat("Below 0 is not \"unlimited\": current kernels refuse it, and old ones reset at the first timeout.")
            .says(
                Verdict::Watch,
                format!("tcp_orphan_retries is {value}"),
                "set it to 0, which acts as 8, or to 3 and more",
            );
    };
    let effective = if retries == 0 { ZERO_ACTS_AS } else { retries };
    let Some(rto_max_ms) = place.settings.rto_max_ms() else {
        return draft.fact("effective_retries", effective).unknown(place.settings.why_unknown(keys::RTO_MAX_MS));
    };
    let lasts_tenths = |retries| modelled_timeout_us(retries, Some(rto_max_ms)) / 100_000;
    let lasts = lasts_tenths(effective);
    let mut draft = draft
        .fact("effective_retries", effective)
        .fact("gives_up_after_s", Fact::Tenths(lasts))
        .fact("tcp_rto_min_us", place.settings.number::<u64>(keys::RTO_MIN_US))
        .fact("tcp_rto_max_ms", rto_max_ms);
    for (name, retries) in [("with_5_retries_s", 5), ("with_3_retries_s", 3), ("with_1_retry_s", 1)] {
        draft = draft.fact(name, Fact::Tenths(lasts_tenths(retries)));
    }
    draft = draft.fact("orphans_on_host", host.orphans);
    let few = retries != 0 && retries < limits::FEW_RETRIES;
    let too_few = format!(
        "{retries} gives up after {} s: a few lost packets reset closes in good health; 3 and more are safe",
        tenths(lasts)
    );
    let sockets = match &place.sockets {
        Ok(sockets) => sockets,
        // Whatever there is, this is too few.
        Err(why) if few => {
            let finding = format!("{value} acts as {effective}; sockets are not known: {why}");
            return draft.says(Verdict::Watch, finding, too_few);
        }
        Err(why) => return draft.unknown(why.as_str()),
    };
    let orphans = sockets.fin_unacked_orphans;
    let seen = place.live.as_ref().ok().map(|closes| closes.fin_retransmits);
    draft = draft
        .fact("fin_unacked", sockets.fin_unacked)
        .fact("fin_unacked_orphans", orphans)
        .fact("retransmits_of_open_sockets", sockets.retransmits)
        .fact("fin_retransmits_seen", seen)
        .caveat("-1 is not \"unlimited\": the setting is a u8, and current kernels refuse it.");
    let finding = format!(
        "{value} acts as {effective} retries: an orphan whose FIN is not acknowledged lives {} s by the model; \
         there {} {} now",
        tenths(lasts),
        is(orphans),
        count(orphans, "such orphan"),
    );
    let many = orphans >= limits::WAITING_ORPHANS_ACT
        || host.max_orphans.is_some_and(|max| orphans > 0 && at_least(orphans, 10, max));
    if many && effective > ADVISED_RETRIES {
        let after = tenths(lasts_tenths(ADVISED_RETRIES));
        let why = format!(
            "{orphans} orphans wait up to {} s for peers that do not acknowledge; with 3 it is {after} s",
            tenths(lasts)
        );
        return draft
            .caveat("A peer that is away for longer than that loses the end of what was sent to it.")
            .setting(keys::ORPHAN_RETRIES, ADVISED_RETRIES, why)
            .command("tcptrace stuck")
            .says(
                Verdict::Act,
                finding,
                format!("lower it to {ADVISED_RETRIES}: {after} s instead of {} s", tenths(lasts)),
            );
    }
    if few {
        return draft
            .caveat(
                "With 1, one zero-window probe without an answer ends an orphan, and a peer that lives leaves those \
                 unanswered that come within 500 ms of another (tcp_invalid_ratelimit).",
            )
            .says(Verdict::Watch, finding, too_few);
    }
    if many || orphans >= limits::WAITING_ORPHANS_WATCH {
        let advice = "`tcptrace stuck` lists their peers: often one host that is gone explains most of them";
        return draft.command("tcptrace stuck").says(Verdict::Watch, finding, advice);
    }
    draft.says(Verdict::Ok, finding, "leave it: too few orphans wait for the setting to matter")
}

const MAX_SOURCE: &str = "net/ipv4/tcp.c: tcp_check_oom(), tcp_too_many_orphans(), tcp_out_of_memory(); \
                          net/ipv4/tcp_timer.c: tcp_out_of_resources(); Documentation/networking/ip-sysctl.rst";

pub(super) fn max_orphans(host: &Host, places: &[Place]) -> Advice {
    let draft = Draft::new(Row::MaxOrphans, None, MAX_SOURCE);
    let Some(orphans) = host.orphans else {
        let why = host.sockstat_unreadable.clone();
        return draft.unknown(why.unwrap_or_else(|| "the number of orphans was not told".to_owned()));
    };
    let draft = draft.fact("orphans", orphans).fact("orphans_peak", host.orphans_peak);
    let Some(max) = host.max_orphans else {
        return draft.unknown(format!(
            "{} shows in the host's first network namespace alone, and there is no way in",
            keys::MAX_ORPHANS
        ));
    };
    let peak = orphans.max(host.orphans_peak.unwrap_or(0));
    let sum = |counter: &dyn Fn(&Place) -> Option<u64>| places.iter().filter_map(counter).reduce(u64::saturating_add);
    let aborts = sum(&|place| place.counters.get(keys::ABORT_ON_MEMORY));
    let moving = sum(&|place| place.moved.as_ref().and_then(|moved| moved.by.get(keys::ABORT_ON_MEMORY)));
    let [_, pressure, limit] = host.mem_limits_pages.unwrap_or([u64::MAX; 3]);
    let pages = host.mem_pages.unwrap_or(0);
    let draft = draft
        .fact("tcp_max_orphans", max)
        .fact("penalised_twice_above_orphans", max / 2)
        .fact("penalised_four_times_above_orphans", max / 4)
        .fact("aborts_on_memory", aborts)
        .fact("aborts_on_memory_while_watched", moving)
        .fact("memory_pages", host.mem_pages)
        .fact("memory_pressure_pages", host.mem_limits_pages.map(|[_, pressure, _]| pressure))
        .fact("memory_limit_pages", host.mem_limits_pages.map(|[_, _, limit]| limit))
        .fact("page_bytes", Some(host.page_bytes).filter(|bytes| *bytes > 0));
    let resets = match aborts {
        Some(0) => "none was reset for exceeding a limit".to_owned(),
        Some(aborts) => format!("{aborts} {} reset for exceeding a limit", if aborts == 1 { "was" } else { "were" }),
        None => "how many were reset for exceeding a limit is not known".to_owned(),
    };
    let most = host.orphans_peak.filter(|most| *most > orphans);
    let most = most.map(|most| format!(" (at most {most} while watched)")).unwrap_or_default();
    let finding = format!("{orphans} of {max} orphans{most}; {resets}");
    let draft = if host.mem_pages.is_some() && host.mem_limits_pages.is_some() {
        draft
    } else {
        draft.caveat("Whether TCP's memory is above tcp_mem is not known.")
    };
    if pages > limit {
        return draft.caveat("More orphans would not help: memory is what is short.").says(
            Verdict::Act,
            format!("TCP takes {pages} pages of memory, above the limit of {limit} (tcp_mem); {finding}"),
            "find who holds the memory (`ss -tm`, `tcptrace stuck`): orphans are reset as they are closed",
        );
    }
    if peak > max {
        let raised = peak.saturating_mul(2);
        let why = format!("{peak} orphans at the most, and the limit of {max} resets each that comes on top");
        return draft
            .caveat("Each orphan may take 64 KB of memory that cannot be swapped.")
            .setting(keys::MAX_ORPHANS, raised, why)
            .command("tcptrace stuck")
            .says(
                Verdict::Act,
                finding,
                format!("raise it to {raised}, or have orphans end earlier (row orphan_retries)"),
            );
    }
    if moving.is_some_and(|count| count > 0) {
        return draft.command("tcptrace stuck").says(
            Verdict::Act,
            finding,
            "closes are being reset for want of memory or room for orphans: see what they wait for (`tcptrace stuck`)",
        );
    }
    if peak.saturating_mul(4) > max {
        let advice = "orphans that have been silent for 4 minutes count twice, after a soft error four times: those \
                      are being reset already";
        return draft.command("tcptrace stuck").says(Verdict::Watch, finding, advice);
    }
    if pages > pressure || aborts.is_some_and(|count| count > 0) {
        let finding = if pages > pressure {
            format!(
                "TCP takes {pages} pages of memory, above the {pressure} where tcp_mem's pressure begins; {finding}"
            )
        } else {
            finding
        };
        let advice = if moving == Some(0) {
            "closes were reset earlier, and none while watched"
        } else if pages > pressure {
            "memory is close to the limit, above which closes are reset: `--watch 30s` shows whether it happens now"
        } else {
            "closes were reset since the start: `--watch 30s` shows whether it happens now"
        };
        return draft.command("tcptrace doctor --only max_orphans --watch 30s").says(Verdict::Watch, finding, advice);
    }
    draft.says(
        Verdict::Ok,
        finding,
        "leave it: orphans are below a quarter of the limit, where the kernel's penalties begin",
    )
}

const FIN_SOURCE: &str = "net/ipv4/tcp.c: __tcp_close(), tcp_fin_time(); net/ipv4/tcp_minisocks.c: tcp_time_wait(); \
                          Documentation/networking/ip-sysctl.rst";
/// What is advised where orphans in FIN_WAIT2 fill the table of timewait sockets, seconds.
const ADVISED_FIN_TIMEOUT_S: u32 = 20;

pub(super) fn fin_timeout(place: &Place) -> Advice {
    let draft = Draft::new(Row::FinTimeout, Some(place.netns), FIN_SOURCE);
    let Some(seconds) = place.settings.number::<u32>(keys::FIN_TIMEOUT) else {
        return draft.unknown(place.settings.why_unknown(keys::FIN_TIMEOUT));
    };
    let draft = draft.fact("tcp_fin_timeout_s", seconds);
    let sockets = match &place.sockets {
        Ok(sockets) => sockets,
        Err(why) => return draft.unknown(why.as_str()),
    };
    let (orphans, held) = (sockets.fin_wait2_orphans, sockets.fin_wait2_held);
    let (list, unseen) = place.processes(&sockets.fin_wait2_inodes, held);
    let buckets = place.settings.number::<u64>(keys::MAX_TW_BUCKETS);
    let draft = draft
        .fact("orphans_in_fin_wait2", orphans)
        .fact("held_in_fin_wait2", held)
        .fact("held_by", processes(&list))
        .fact("held_by_unseen", unseen)
        .fact("tcp_max_tw_buckets", buckets)
        .caveat("It does not shorten TIME_WAIT, which lasts 60 s whatever is set.");
    let finding = match (orphans, held) {
        (0, 0) => format!("{seconds} s; no FIN_WAIT2 socket is waiting for it"),
        _ => {
            let ends = count_of(orphans, "orphan in FIN_WAIT2 waits", "orphans in FIN_WAIT2 wait");
            let holders = if held == 0 {
                String::new()
            } else {
                let stays = count_of(held, "socket in FIN_WAIT2 has", "sockets in FIN_WAIT2 have");
                format!("; {stays} no limit, because programs hold them: {}", named(&list, unseen))
            };
            format!("{seconds} s; {ends} for it{holders}")
        }
    };
    let draft = examined(draft, sockets.fin_wait2_inodes.len(), held);
    if buckets.is_some_and(|buckets| at_least(orphans, 50, buckets)) && orphans > 0 && seconds > ADVISED_FIN_TIMEOUT_S {
        let why = format!("{orphans} orphans in FIN_WAIT2 take half of the timewait sockets and more");
        return draft
            .caveat("A peer that sends its last data later than that gets a reset.")
            .setting(keys::FIN_TIMEOUT, ADVISED_FIN_TIMEOUT_S, why)
            .says(Verdict::Act, finding, "lower it: peers that do not close fill the table of timewait sockets");
    }
    if seconds > 60 {
        let advice = "set 60 s or less: beyond 60 s each orphan stays a full socket, which costs ten times the memory";
        return draft.says(Verdict::Watch, finding, advice);
    }
    if held >= limits::FIN_WAIT2_HELD_WATCH {
        let advice = "no setting ends the held sockets: their program has shut down its half and waits for the \
                      peer; it needs a timeout of its own";
        return draft.says(Verdict::Watch, finding, advice);
    }
    if orphans >= limits::FIN_WAIT2_ORPHANS_WATCH {
        let advice = "peers take their time to close: `tcptrace trace` tells which, and how long (fin_wait2)";
        return draft.command("tcptrace trace --duration 30s").says(Verdict::Watch, finding, advice);
    }
    draft.says(Verdict::Ok, finding, "leave it: few orphans wait for their peers")
}
