//! FINs that cannot leave.

use super::draft::{Draft, count};
use crate::{
    doctor::{Place, limits},
    model::{Advice, Row, Verdict},
};

const SOURCE: &str = "net/ipv4/tcp_output.c: tcp_send_fin(), tcp_send_probe0(); net/ipv4/tcp_timer.c: \
                      tcp_probe_timer(); tcp(7): TCP_USER_TIMEOUT";

pub(super) fn unsendable_fin(place: &Place) -> Advice {
    let draft = Draft::new(Row::UnsendableFin, Some(place.netns), SOURCE);
    let sockets = match &place.sockets {
        Ok(sockets) => sockets,
        Err(why) => return draft.unknown(why.as_str()),
    };
    let (all, bytes) = (sockets.unsendable, sockets.unsendable_bytes);
    let held = sockets.unsendable_memory_bytes.unwrap_or(0).max(bytes);
    let draft = draft
        .fact("sockets", all)
        .fact("orphans", sockets.unsendable_orphans)
        .fact("behind_a_closed_window", sockets.zero_window)
        .fact("dropped_by_this_host", sockets.local_drop)
        .fact("queued_bytes", bytes)
        .fact("memory_bytes", if all == 0 { Some(0) } else { sockets.unsendable_memory_bytes });
    if all == 0 {
        return draft.says(Verdict::Ok, "no FIN is waiting behind unsent data", "nothing to do");
    }
    let finding = format!(
        "{} cannot send the FIN, {} of them because the peer's window is closed; {bytes} bytes wait in their \
         queues, which take {} of memory",
        count(all, "socket"),
        sockets.zero_window,
        match sockets.unsendable_memory_bytes {
            Some(bytes) => format!("{bytes} bytes"),
            None => "an unknown amount".to_owned(),
        },
    );
    let verdict = if all >= limits::UNSENDABLE_ACT || held >= limits::UNSENDABLE_ACT_BYTES {
        Verdict::Act
    } else {
        Verdict::Watch
    };
    let advice = if sockets.local_drop == all {
        "this host drops what it sends: look at its firewall and queues (`nft list ruleset`, `tc -s qdisc`)"
    } else {
        "the peer does not read: set TCP_USER_TIMEOUT in the program that sends, before it closes; for orphans, \
         tcp_max_orphans is the only other way out"
    };
    draft
        .command("tcptrace stuck")
        .caveat(
            "tcp_orphan_retries does not count answered probes: a peer that acknowledges them keeps an orphan for \
             minutes, and a socket that is held for ever.",
        )
        .says(verdict, finding, advice)
}
