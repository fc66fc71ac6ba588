//! What sock_diag might say, made of the fuzzer's bytes: the truth of the script, something near it, or nonsense.

use std::collections::HashMap;

use tcptrace::model::{
    Absent, AbsentWhy, DumpAt, DumpMark, EventKind, Holder, Holders, Identity, Input, NetnsFacts, Sighting, Snapshot,
    SocketKey, State, StateSet, TIME_WAIT_NS, TcpDetail, Timer, Want,
};

use crate::script::{Script, distance_ns};

/// Who asks gets an answer in the next input, or later, or never.
const LATER: u8 = 128;

/// What is true of the script's sockets, as far as its events tell.
#[derive(Default)]
pub struct World {
    sockets: HashMap<SocketKey, (Identity, State, u64)>,
}

impl World {
    /// Takes an input of the engine.
    pub fn learn(&mut self, input: &Input) {
        let Input::Event(event) = input else { return };
        let EventKind::Transition { old, new, .. } = event.kind else { return };
        let entry = (event.socket, new, event.time_ns);
        match (old, new) {
            // The timewait socket of an orphan: there until its minute is over.
            (State::FinWait2, State::Close) => self.sockets.insert(event.socket.key, (event.socket, old, entry.2)),
            (_, State::Close) => self.sockets.remove(&event.socket.key),
            _ => self.sockets.insert(event.socket.key, entry),
        };
    }

    /// A socket of the script, or one that it has none of.
    fn any(&self, script: &mut Script<'_>) -> Identity {
        let [key, other] = script.take();
        let known = self.sockets.get(&SocketKey(u64::from(key & 7))).map(|(socket, ..)| *socket);
        known.filter(|_| other & 3 != 0).unwrap_or_else(|| Script::identity(other))
    }

    /// An answer to what the engine asks, if there is to be one.
    pub fn answer(&self, want: Want, script: &mut Script<'_>, now_ns: &mut u64) -> Option<Input> {
        let [how, step] = script.take();
        if how >= LATER {
            return None;
        }
        *now_ns = now_ns.saturating_add(distance_ns(step));
        Some(match want {
            Want::Look(look) => match (how % 4, self.sockets.get(&look.socket.key)) {
                (0 | 1, Some((socket, state, since_ns))) if *socket == look.socket => {
                    let state = if how % 4 == 1 && *state == State::FinWait2 { State::TimeWait } else { *state };
                    Input::Sighting(Box::new(sighting(script, *socket, state, [*since_ns, *now_ns], look.holders)))
                }
                (0 | 1, _) => Input::Absent(Absent { time_ns: *now_ns, socket: look.socket, why: AbsentWhy::Gone }),
                (2, _) => absent(script, look.socket, *now_ns),
                _ => odd_sighting(script, look.socket, *now_ns),
            },
            Want::Dump(states) => Input::Dump(mark(script, states, *now_ns)),
            Want::Facts(netns) => {
                Input::Netns(Box::new(NetnsFacts { netns, time_ns: *now_ns, ..NetnsFacts::default() }))
            }
        })
    }

    /// Something that nobody asked for.
    pub fn unasked(&self, script: &mut Script<'_>, now_ns: &mut u64) -> Input {
        let [what, step] = script.take();
        *now_ns = now_ns.wrapping_add(distance_ns(step));
        match what % 8 {
            0 | 1 => {
                let states = StateSet(u32::from_le_bytes(script.take()));
                Input::Dump(mark(script, states, *now_ns))
            }
            2 => Input::Netns(Box::new(facts(script, *now_ns))),
            3 => {
                let socket = self.any(script);
                absent(script, socket, *now_ns)
            }
            // A dump tells the truth of one socket.
            4 | 5 => {
                let socket = self.any(script);
                let (state, since_ns) = self
                    .sockets
                    .get(&socket.key)
                    .map_or((State::CloseWait, 0), |(_, state, since_ns)| (*state, *since_ns));
                let said = sighting(script, socket, state, [since_ns, *now_ns], false);
                Input::Sighting(Box::new(Sighting { asked: false, ..said }))
            }
            _ => {
                let socket = self.any(script);
                odd_sighting(script, socket, *now_ns)
            }
        }
    }
}

/// As the kernel would show a socket that is in this state since then; an orphan's timer runs for a minute.
fn sighting(script: &mut Script<'_>, socket: Identity, state: State, times: [u64; 2], holders: bool) -> Sighting {
    let [since_ns, time_ns] = times;
    let timewait = matches!(state, State::FinWait2 | State::TimeWait);
    let over_ns = since_ns.saturating_add(TIME_WAIT_NS).saturating_sub(time_ns);
    let snapshot = Snapshot {
        time_ns,
        socket,
        bound_if: 0,
        state,
        timewait,
        timer: if timewait { Timer::TimeWait } else { Timer::None },
        expires_ms: u32::try_from(over_ns / 1_000_000).unwrap_or(u32::MAX),
        inode: u32::from(!timewait),
        recv_queue_bytes: 0,
        send_queue_bytes: 0,
        mptcp: tcptrace::model::Mptcp::No,
        info: (!timewait).then(TcpDetail::default),
    };
    Sighting { snapshot, holders: holders.then(|| self::holders(script)), asked: true }
}

/// Every field as the bytes have it.
fn odd_sighting(script: &mut Script<'_>, socket: Identity, now_ns: u64) -> Input {
    let [state, timer, flags, step] = script.take();
    let time_ns = if flags & 32 == 0 { now_ns } else { now_ns.wrapping_sub(distance_ns(step)) };
    let [bound_if, expires_ms, inode, recv_queue_bytes, send_queue_bytes] =
        [(); 5].map(|()| u32::from_le_bytes(script.take()));
    let snapshot = Snapshot {
        time_ns,
        socket,
        bound_if: if flags & 64 == 0 { 0 } else { bound_if },
        state: State::from_kernel(state % 13).unwrap_or(State::FinWait2),
        timewait: flags & 1 != 0,
        timer: Timer::from_kernel(timer),
        expires_ms: if flags & 2 == 0 { expires_ms % 60_001 } else { expires_ms },
        inode,
        recv_queue_bytes,
        send_queue_bytes,
        mptcp: tcptrace::model::Mptcp::No,
        info: (flags & 4 != 0).then(|| detail(script)),
    };
    let holders = (flags & 8 != 0).then(|| holders(script));
    Input::Sighting(Box::new(Sighting { snapshot, holders, asked: flags & 16 != 0 }))
}

fn detail(script: &mut Script<'_>) -> TcpDetail {
    let [retransmits, probes, backoff, window] = script.take();
    let words: [u32; 11] = [(); 11].map(|()| u32::from_le_bytes(script.take()));
    let [rto_us, unacked_segments, notsent_bytes, snd_wnd_bytes, snd_mss_bytes, retrans_out, ..] = words;
    let [.., total_retrans, last_data_sent_ms, last_data_recv_ms, last_ack_recv_ms, srtt_us] = words;
    TcpDetail {
        retransmits,
        probes,
        backoff,
        rto_us,
        unacked_segments,
        notsent_bytes,
        snd_wnd_bytes: (window & 1 == 0).then_some(snd_wnd_bytes),
        snd_mss_bytes,
        retrans_out,
        total_retrans,
        last_data_sent_ms,
        last_data_recv_ms,
        last_ack_recv_ms,
        srtt_us,
        // Not in captures.
        send_memory_bytes: None,
    }
}

fn holders(script: &mut Script<'_>) -> Holders {
    let [count, flags, pid] = script.take();
    let one = Holder { pid: u32::from(pid), comm: "holder".to_owned(), fd: 3, cgroup: "/".to_owned() };
    Holders {
        list: vec![one; usize::from(count % 3)],
        // Not all that there are need be in the list.
        total: u32::from(count),
        in_epoll: [None, Some(false), Some(true)][usize::from(flags % 3)],
        partial: flags & 128 != 0,
    }
}

fn absent(script: &mut Script<'_>, socket: Identity, time_ns: u64) -> Input {
    let [why] = script.take();
    let all = [AbsentWhy::Gone, AbsentWhy::Replaced, AbsentWhy::NotAsked, AbsentWhy::NoNamespace];
    Input::Absent(Absent { time_ns, socket, why: all[usize::from(why % 4)] })
}

fn mark(script: &mut Script<'_>, states: StateSet, time_ns: u64) -> DumpMark {
    let [at, cost, netns] = script.take();
    let at = match at % 4 {
        0 => DumpAt::Begin,
        1 => DumpAt::End,
        2 => DumpAt::BrokeOff,
        _ => DumpAt::AllDone { cost_ns: distance_ns(cost) },
    };
    // Most sockets of the script are in namespace 1.
    DumpMark { time_ns, netns: u32::from(netns & 3), states, at }
}

fn facts(script: &mut Script<'_>, time_ns: u64) -> NetnsFacts {
    let [netns, known] = script.take();
    let number = |script: &mut Script<'_>, bit: u8| {
        let number = u32::from_le_bytes(script.take());
        (known >> bit & 1 == 1).then_some(number)
    };
    NetnsFacts {
        time_ns,
        netns: u32::from(netns & 3),
        orphan_retries: number(script, 0),
        retries2: number(script, 1),
        fin_timeout_s: number(script, 2),
        rto_min_us: number(script, 3),
        rto_max_ms: number(script, 4),
        max_tw_buckets: number(script, 5),
        tw_reuse: number(script, 6),
        timewait_overflow: number(script, 7).map(u64::from),
        timewait_recycled: number(script, 7).map(u64::from),
        ..NetnsFacts::default()
    }
}
