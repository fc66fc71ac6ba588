//! Each rule with values on both of its sides. What the kernel really does is compared in tests/kernel/predictions.rs.

mod ages;
mod causes;
mod ends;
mod leaks;
mod measured;

use crate::model::{Diagnosis, Endpoint, GivesUp, Identity, NetnsFacts, Snapshot, SocketKey, State, TcpDetail, Timer};

use super::{Signs, diagnose};

const HELD: u32 = 4711;

/// A bare FIN that was sent and is not acknowledged, of an orphan, as Linux 6.18 shows it right afterwards.
fn fin_sent() -> Snapshot {
    let end = Endpoint::from_bytes([127; 16], false, 80);
    Snapshot {
        time_ns: 0,
        socket: Identity { key: SocketKey(1), netns: 1, local: end, remote: end },
        bound_if: 0,
        state: State::FinWait1,
        timewait: false,
        timer: Timer::Retransmit,
        expires_ms: 200,
        inode: 0,
        recv_queue_bytes: 0,
        send_queue_bytes: 1,
        mptcp: crate::model::Mptcp::No,
        info: Some(TcpDetail {
            rto_us: 204_000,
            unacked_segments: 1,
            snd_wnd_bytes: Some(65_483),
            snd_mss_bytes: 32_768,
            srtt_us: 100,
            ..TcpDetail::default()
        }),
    }
}

/// The same after some expiries of its timer, all of which sent it again, the last one just now.
fn fin_resent(times: u8, rto_max_us: u32) -> Snapshot {
    let mut snapshot = fin_sent();
    let rto_us = 204_000_u32.saturating_mul(1 << u32::from(times.min(14))).min(rto_max_us);
    snapshot.expires_ms = rto_us / 1000;
    let info = snapshot.info.as_mut().unwrap();
    info.rto_us = rto_us;
    info.retransmits = times;
    info.backoff = times;
    info.total_retrans = u32::from(times) + 1;
    info.retrans_out = u32::from(times > 0);
    snapshot
}

/// A window of 0 before data and a FIN; the last of `backoff` probes went out just now.
fn zero_window(backoff: u8, probes: u8) -> Snapshot {
    let mut snapshot = fin_sent();
    snapshot.timer = Timer::Probe;
    snapshot.send_queue_bytes = 100_001;
    snapshot.expires_ms = 204 << backoff.min(9);
    let info = snapshot.info.as_mut().unwrap();
    info.unacked_segments = 0;
    info.notsent_bytes = 100_001;
    info.snd_wnd_bytes = Some(0);
    info.backoff = backoff;
    info.probes = probes;
    snapshot
}

fn facts() -> NetnsFacts {
    NetnsFacts {
        orphan_retries: Some(0),
        retries2: Some(15),
        fin_timeout_s: Some(60),
        rto_min_us: Some(200_000),
        rto_max_ms: Some(120_000),
        ..NetnsFacts::default()
    }
}

fn look(snapshot: &Snapshot) -> Diagnosis {
    diagnose(snapshot, Some(&facts()), Signs::default())
}

/// Milliseconds until it gives up.
fn ends_in_ms(snapshot: &Snapshot, facts: &NetnsFacts) -> u64 {
    match diagnose(snapshot, Some(facts), Signs::default()).gives_up {
        GivesUp::In(ns) => ns / 1_000_000,
        other => panic!("{other:?}"),
    }
}
