//! sock_diag: what is told of real sockets, against what was done with them. No BPF here.

use std::{
    collections::HashMap,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};
use tcptrace::{
    model::{AbsentWhy, Endpoint, Look, Snapshot, SocketKey, State, StateSet, TIME_WAIT_NS},
    source::diag::{DiagSocket, LookAnswer},
};
use tcptrace_tests::{
    netns::{self, NetNs},
    pair::{self, Ends, Pair},
    proc_net,
};

use crate::harness::{HOLD, bounded};

const NETNS: u32 = 17;
/// Ticks of the kernel, and a machine that has other things to do.
const TOLERANCE_NS: u64 = 100_000_000;
const ALL: StateSet = StateSet(u32::MAX);

/// Runs a test in a namespace of its own.
fn alone(body: impl Fn(&NetNs, &mut DiagSocket) -> Result<()> + Send + Sync + 'static) -> Result<()> {
    bounded(move || netns::run(|netns| body(netns, &mut DiagSocket::open()?)))
}

fn end(endpoint: Endpoint) -> SocketAddr {
    SocketAddr::new(endpoint.ip(), endpoint.port)
}

fn ends(snapshot: &Snapshot) -> Ends {
    Ends::new(end(snapshot.socket.local), end(snapshot.socket.remote))
}

/// All sockets in these states; each must be told once.
fn dump(diag: &mut DiagSocket, states: StateSet, detail: bool) -> Result<HashMap<Ends, Snapshot>> {
    let mut told = Vec::new();
    let dumped = diag.dump(states, detail, NETNS, &mut |snapshot| told.push(snapshot))?;
    ensure!(dumped.sockets == told.len() as u64, "{dumped:?}, but {} came", told.len());
    ensure!(dumped.refused == 0, "{dumped:?}");
    ensure!(told.iter().all(|snapshot| snapshot.socket.netns == NETNS), "another namespace in {told:?}");
    let told: HashMap<Ends, Snapshot> = told.into_iter().map(|snapshot| (ends(&snapshot), snapshot)).collect();
    ensure!(told.len() as u64 == dumped.sockets, "some were told twice");
    Ok(told)
}

fn one(told: &HashMap<Ends, Snapshot>, ends: Ends) -> Result<Snapshot> {
    told.get(&ends).copied().with_context(|| format!("{ends} is not in {told:?}"))
}

fn look_of(snapshot: &Snapshot) -> Look {
    Look { socket: snapshot.socket, bound_if: snapshot.bound_if, holders: false }
}

/// Looks, and wants one answer to each.
fn look_all(diag: &mut DiagSocket, looks: &[Look]) -> Result<Vec<LookAnswer>> {
    let mut answers = vec![None; looks.len()];
    let mut twice = Vec::new();
    diag.look(looks, &mut |index, answer| {
        if answers[index].replace(answer).is_some() {
            twice.push(index);
        }
    });
    ensure!(twice.is_empty(), "answered twice: {twice:?}");
    answers.into_iter().collect::<Option<_>>().context("not all were answered")
}

fn look(diag: &mut DiagSocket, look: Look) -> Result<LookAnswer> {
    Ok(look_all(diag, &[look])?[0])
}

fn found(diag: &mut DiagSocket, snapshot: &Snapshot) -> Result<Snapshot> {
    match look(diag, look_of(snapshot))? {
        LookAnswer::Found(found) => {
            ensure!(found.socket == snapshot.socket, "asked for {snapshot:?}, told {found:?}");
            Ok(found)
        }
        LookAnswer::Absent(absent) => anyhow::bail!("{snapshot:?} is {absent:?}"),
    }
}

fn why(diag: &mut DiagSocket, wanted: Look) -> Result<AbsentWhy> {
    match look(diag, wanted)? {
        LookAnswer::Absent(absent) => {
            ensure!(absent.socket == wanted.socket);
            Ok(absent.why)
        }
        LookAnswer::Found(found) => anyhow::bail!("{found:?} is there"),
    }
}

fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// A timewait socket whose wait began between two moments.
fn is_timewait(snapshot: &Snapshot, state: State, began: (u64, u64)) -> Result<()> {
    ensure!((snapshot.state, snapshot.timewait) == (state, true), "{snapshot:?}");
    ensure!((snapshot.inode, snapshot.info) == (0, None), "{snapshot:?}");
    let since = snapshot.expires_at_ns() - TIME_WAIT_NS;
    let range = began.0 - TOLERANCE_NS..began.1 + TOLERANCE_NS;
    ensure!(range.contains(&since), "it waits since {since}, not {range:?}: {snapshot:?}");
    Ok(())
}

#[test]
fn every_family_is_dumped_and_found() -> Result<()> {
    alone(|_, diag| {
        for pair in [Pair::connect()?, Pair::connect_v6()?, Pair::connect_v4_mapped()?] {
            let told = dump(diag, ALL, true)?;
            for ends in [pair.ends, pair.ends.reversed()] {
                let snapshot = one(&told, ends)?;
                let now = found(diag, &snapshot)?;
                for seen in [snapshot, now] {
                    ensure!((seen.state, seen.timewait) == (State::Established, false), "{seen:?}");
                    ensure!(seen.inode != 0 && seen.info.is_some_and(|info| info.rto_us > 0), "{seen:?}");
                    ensure!(seen.time_ns.abs_diff(now_ns()) < 10_000_000_000, "{seen:?}");
                }
                let info = now.info.context("no details")?;
                ensure!(info.snd_wnd_bytes.is_some_and(|bytes| bytes > 0), "{info:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn half_closed_sockets() -> Result<()> {
    alone(|_, diag| {
        let mut pair = Pair::connect()?;
        pair.client.write_all(b"hello")?;
        pair::shut(&pair.client)?;
        proc_net::wait_for(pair.ends, proc_net::State::FinWait2)?;
        let held = Pair::connect()?;
        let told = dump(diag, StateSet::CLOSING, false)?;
        ensure!(told.len() == 2 && !told.contains_key(&held.ends), "{told:?}");
        let (active, passive) = (one(&told, pair.ends)?, one(&told, pair.ends.reversed())?);
        ensure!(active.info.is_none() && passive.info.is_none(), "details were not asked for");
        ensure!((active.state, active.timewait) == (State::FinWait2, false), "{active:?}");
        ensure!(passive.state == State::CloseWait, "{passive:?}");
        // Five bytes and a FIN.
        ensure!(found(diag, &passive)?.recv_queue_bytes == 6, "{passive:?}");
        let told = dump(diag, StateSet::of(&[State::CloseWait]), false)?;
        ensure!(told.keys().eq([&pair.ends.reversed()]), "{told:?}");
        Ok(())
    })
}

#[test]
fn timewait_sockets_keep_cookie_and_deadline() -> Result<()> {
    alone(|_, diag| {
        let Pair { client, server, ends } = Pair::connect()?;
        let open = one(&dump(diag, ALL, false)?, ends)?;
        let before = now_ns();
        drop(client);
        pair::read_eof(&server)?;
        proc_net::wait_for(ends, proc_net::State::FinWait2)?;
        let left = (before, now_ns());
        thread::sleep(HOLD);
        let both = StateSet::of(&[State::FinWait2, State::TimeWait]);
        let fin_wait2 = StateSet::of(&[State::FinWait2]);
        let time_wait = StateSet::of(&[State::TimeWait]);
        for states in [fin_wait2, both] {
            let told = one(&dump(diag, states, true)?, ends)?;
            ensure!(told.socket == open.socket, "{told:?} was {open:?}");
            is_timewait(&told, State::FinWait2, left)?;
        }
        ensure!(dump(diag, time_wait, true)?.is_empty(), "FIN_WAIT2 counts as TIME_WAIT");
        is_timewait(&found(diag, &open)?, State::FinWait2, left)?;
        ensure!(found(diag, &open)?.time_wait_since_ns().is_none(), "FIN_WAIT2 is no TIME_WAIT");

        let before = now_ns();
        pair::close_passive(server)?;
        proc_net::wait_for(ends, proc_net::State::TimeWait)?;
        let left = (before, now_ns());
        thread::sleep(HOLD);
        for states in [time_wait, both] {
            is_timewait(&one(&dump(diag, states, true)?, ends)?, State::TimeWait, left)?;
        }
        ensure!(dump(diag, fin_wait2, true)?.is_empty(), "TIME_WAIT counts as FIN_WAIT2");
        is_timewait(&found(diag, &open)?, State::TimeWait, left)?;
        Ok(())
    })
}

#[test]
fn gone_and_replaced() -> Result<()> {
    alone(|_, diag| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let Pair { client, server, ends } = Pair::to(&listener, listener.local_addr()?)?;
        let told = dump(diag, ALL, false)?;
        let (active, passive) = (look_of(&one(&told, ends)?), look_of(&one(&told, ends.reversed())?));
        pair::close_with_reset(client)?;
        drop(server);
        ensure!(why(diag, active)? == AbsentWhy::Gone);
        // Although `inet_lookup()` finds the listener.
        ensure!(why(diag, passive)? == AbsentWhy::Gone);

        let again = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        again.bind(&ends.local.into())?;
        again.connect(&ends.remote.into())?;
        ensure!(why(diag, active)? == AbsentWhy::Replaced && why(diag, passive)? == AbsentWhy::Replaced);
        let anew = one(&dump(diag, ALL, false)?, ends)?;
        ensure!(anew.socket.key != active.socket.key);
        found(diag, &anew)?;

        drop(listener);
        pair::close_with_reset(TcpStream::from(again))?;
        ensure!(why(diag, active)? == AbsentWhy::Gone && why(diag, passive)? == AbsentWhy::Gone);
        Ok(())
    })
}

#[test]
fn many_look_ups_are_told_apart() -> Result<()> {
    alone(|_, diag| {
        let pairs: Vec<Pair> = (0..50).map(|_| Pair::connect()).collect::<Result<_>>()?;
        let told = dump(diag, StateSet::of(&[State::Established]), true)?;
        ensure!(told.len() == 2 * pairs.len(), "{} of {}", told.len(), 2 * pairs.len());
        let mut looks: Vec<Look> = told.values().map(look_of).collect();
        for look in looks.iter_mut().step_by(3) {
            look.socket.key = SocketKey(look.socket.key.0 ^ 1);
        }
        for (index, answer) in look_all(diag, &looks)?.into_iter().enumerate() {
            let wanted = looks[index].socket;
            match answer {
                LookAnswer::Found(found) => ensure!(index % 3 != 0 && found.socket == wanted, "{found:?}"),
                LookAnswer::Absent(absent) => {
                    ensure!(index % 3 == 0 && absent.socket == wanted, "{absent:?}");
                    ensure!(absent.why == AbsentWhy::Replaced, "{absent:?}");
                }
            }
        }
        ensure!(look_all(diag, &[])?.is_empty());
        Ok(())
    })
}

#[test]
fn a_bound_socket_is_found_by_its_interface() -> Result<()> {
    alone(|_, diag| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        bound.bind_device(Some(b"lo"))?;
        bound.connect(&listener.local_addr()?.into())?;
        let client = TcpStream::from(bound);
        let snapshot = one(&dump(diag, ALL, false)?, Ends::of(&client)?)?;
        ensure!(snapshot.bound_if == 1, "{snapshot:?}");
        found(diag, &snapshot)?;
        let elsewhere = Look { bound_if: 0, ..look_of(&snapshot) };
        ensure!(why(diag, elsewhere)? == AbsentWhy::Gone);
        Ok(())
    })
}

#[test]
fn it_stays_in_the_namespace_where_it_was_opened() -> Result<()> {
    alone(|_, diag| {
        netns::run(|_| {
            let elsewhere = Pair::connect()?;
            let told = dump(&mut DiagSocket::open()?, ALL, false)?;
            ensure!(told.contains_key(&elsewhere.ends), "{told:?}");
            ensure!(dump(diag, ALL, false)?.is_empty(), "sockets of another namespace");
            thread::sleep(Duration::from_millis(1));
            Ok(())
        })
    })
}
