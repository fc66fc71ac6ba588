//! What dumps and look-ups cost this thread, kernel and user space together.

use std::{fs, hint::black_box};

use anyhow::{Context, Result, ensure};
use tcptrace::{
    model::{Look, Snapshot, State, StateSet},
    source::diag::{DiagSocket, LookAnswer, parse_message},
};

use crate::{ALL, ROUNDS, clock::CpuTime, stats::median};

/// Ticks of `/proc/PID/stat`: `USER_HZ` is 100 everywhere.
const TICK_NS: f64 = 1e7;
/// Enough for ticks to tell user space from the kernel.
const LOOK_REPEATS: usize = 5;

/// Look-ups in random order.
pub(crate) struct Looks {
    pub(crate) full: Vec<Look>,
    pub(crate) timewait: Vec<Look>,
    /// Ends that no connection has.
    pub(crate) absent: Vec<Look>,
}

/// One for each connection.
pub(crate) fn looks(diag: &mut DiagSocket) -> Result<Looks> {
    let mut looks = Looks { full: Vec::new(), timewait: Vec::new(), absent: Vec::new() };
    diag.dump(ALL, false, 0, &mut |snapshot| {
        let look = Look { socket: snapshot.socket, bound_if: snapshot.bound_if, holders: false };
        match snapshot {
            Snapshot { timewait: true, .. } => looks.timewait.push(look),
            Snapshot { state: State::Listen, .. } => {}
            _ => looks.full.push(look),
        }
    })?;
    looks.absent = looks.full.iter().copied().map(nowhere).collect();
    for list in [&mut looks.full, &mut looks.timewait, &mut looks.absent] {
        ensure!(!list.is_empty(), "there is nothing to look for");
        shuffle(list);
    }
    Ok(looks)
}

/// With port 1 at both ends.
fn nowhere(mut look: Look) -> Look {
    look.socket.local.port = 1;
    look.socket.remote.port = 1;
    look
}

/// The dump is in the order of the kernel's table, which would spare it cache misses.
fn shuffle(looks: &mut [Look]) {
    let mut random: u64 = 1;
    for last in (1..looks.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(random >> 33).unwrap_or_default() % (last + 1);
        looks.swap(last, other);
    }
}

/// Microseconds for each thousand sockets of the table.
pub(crate) fn dump_us(diag: &mut DiagSocket, states: StateSet, detail: bool) -> Result<f64> {
    let table = diag.dump(ALL, false, 0, &mut |_| ())?.sockets;
    let mut costs = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = CpuTime::now();
        diag.dump(states, detail, 0, &mut |snapshot| {
            black_box(snapshot);
        })?;
        costs.push(start.elapsed().as_secs_f64() * 1e9 / table as f64);
    }
    Ok(median(&mut costs))
}

/// Of a look-up.
pub(crate) struct Cost {
    pub(crate) all_ns: f64,
    pub(crate) user_ns: f64,
}

/// Looks for all of them; each must be there, or none.
pub(crate) fn look(diag: &mut DiagSocket, looks: &[Look], there: bool) -> Result<Cost> {
    let mut costs = Vec::with_capacity(ROUNDS);
    let count = (looks.len() * LOOK_REPEATS) as f64;
    let ticks = user_ticks()?;
    for _ in 0..ROUNDS {
        let (mut found, mut absent) = (0, 0);
        let start = CpuTime::now();
        for _ in 0..LOOK_REPEATS {
            diag.look(looks, &mut |_, answer| match black_box(answer) {
                LookAnswer::Found(_) => found += 1,
                LookAnswer::Absent(_) => absent += 1,
            });
        }
        costs.push(start.elapsed().as_secs_f64() * 1e9 / count);
        let wrong = if there { absent } else { found };
        ensure!(wrong == 0, "{found} found, {absent} absent");
    }
    let user_ns = (user_ticks()? - ticks) * TICK_NS / (count * ROUNDS as f64);
    Ok(Cost { all_ns: median(&mut costs), user_ns })
}

/// Ticks of this thread in user space.
fn user_ticks() -> Result<f64> {
    let stat = fs::read_to_string("/proc/thread-self/stat")?;
    // The name before may hold anything but is in brackets; `utime` is the twelfth field after it.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split_whitespace().nth(11));
    field.and_then(|field| field.parse().ok()).context("cannot read /proc/thread-self/stat")
}

/// Nanoseconds for the bytes of an established IPv4 socket with attributes as Linux 6.18 has them.
pub(crate) fn parse_ns() -> Result<f64> {
    const REPEATS: u64 = 1_000_000;
    let mut bytes = vec![2, 1];
    bytes.resize(72, 0);
    // INET_DIAG_SHUTDOWN, INET_DIAG_INFO, INET_DIAG_CGROUP_ID
    for (kind, length) in [(8_u16, 1_u16), (2, 280), (21, 8)] {
        bytes.extend((length + 4).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.resize((bytes.len() + usize::from(length)).next_multiple_of(4), 0);
    }
    ensure!(parse_message(&bytes, 0, 0)?.info.is_some(), "the bytes have no details");
    let mut costs = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = CpuTime::now();
        for time_ns in 0..REPEATS {
            black_box(parse_message(black_box(&bytes), 0, time_ns)?);
        }
        costs.push(start.elapsed().as_secs_f64() * 1e9 / REPEATS as f64);
    }
    Ok(median(&mut costs))
}
