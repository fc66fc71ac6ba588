//! A full dump beside `ss -tan`: the same sockets, and how long both take.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use tcptrace::{
    model::{Endpoint, State},
    source::diag::DiagSocket,
};

use crate::{ALL, ROUNDS, stats::median};

type Known = BTreeSet<(SocketAddr, SocketAddr, &'static str)>;

/// What the comparison came to, in words; without `ss`, that.
pub(crate) fn compare(diag: &mut DiagSocket) -> Result<String> {
    // As a command: `ss` writes text, which is part of its work.
    let mut command = Command::new("ss");
    command.arg("-tanH").stdin(Stdio::null());
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok("ss is missing, so nothing is compared with it (Debian: `apt-get install iproute2`)".to_owned());
        }
        output => output.context("cannot run ss")?,
    };
    ensure!(output.status.success(), "ss ended with {}", output.status);
    let theirs = theirs(&String::from_utf8_lossy(&output.stdout))?;
    let ours = ours(diag)?;
    if let Some(one) = ours.symmetric_difference(&theirs).next() {
        bail!("{} sockets here, {} in ss; for one, {one:?} is in only one of them", ours.len(), theirs.len());
    }
    command.stdout(Stdio::null());
    let mut ratios = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        diag.dump(ALL, false, 0, &mut |snapshot| {
            std::hint::black_box(snapshot);
        })?;
        let own = start.elapsed();
        let start = Instant::now();
        command.status().context("cannot run ss")?;
        ratios.push(own.as_secs_f64() / start.elapsed().as_secs_f64());
    }
    let middle = median(&mut ratios);
    let (least, most) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    let count = ours.len();
    Ok(format!("ss -tan: the same {count} sockets; time of a dump : time of ss {middle:.2} ({least:.2}-{most:.2})"))
}

fn ours(diag: &mut DiagSocket) -> Result<Known> {
    let mut known = Known::new();
    let end = |end: Endpoint| SocketAddr::new(end.ip(), end.port);
    diag.dump(ALL, false, 0, &mut |snapshot| {
        known.insert((end(snapshot.socket.local), end(snapshot.socket.remote), snapshot.state.as_str()));
    })?;
    Ok(known)
}

/// `ESTAB 0 0 127.0.0.1:80 127.0.0.1:4711`
fn theirs(text: &str) -> Result<Known> {
    let socket = |line: &str| {
        let mut words = line.split_whitespace();
        let state = state(words.next()?)?;
        let local = address(words.nth(2)?)?;
        Some((local, address(words.next()?)?, state.as_str()))
    };
    text.lines().map(|line| socket(line).with_context(|| format!("ss said {line:?}"))).collect()
}

fn state(word: &str) -> Option<State> {
    Some(match word {
        "ESTAB" => State::Established,
        "SYN-SENT" => State::SynSent,
        "SYN-RECV" => State::SynRecv,
        "FIN-WAIT-1" => State::FinWait1,
        "FIN-WAIT-2" => State::FinWait2,
        "TIME-WAIT" => State::TimeWait,
        "UNCONN" => State::Close,
        "CLOSE-WAIT" => State::CloseWait,
        "LAST-ACK" => State::LastAck,
        "LISTEN" => State::Listen,
        "CLOSING" => State::Closing,
        _ => return None,
    })
}

/// `127.0.0.1:80`, `[::1]:80`, `0.0.0.0:*`
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip: IpAddr = match ip {
        "*" | "[::]" => Ipv6Addr::UNSPECIFIED.into(),
        "0.0.0.0" => Ipv4Addr::UNSPECIFIED.into(),
        ip => ip.trim_matches(['[', ']']).parse().ok()?,
    };
    let port = if port == "*" { 0 } else { port.parse().ok()? };
    Some(SocketAddr::new(ip.to_canonical(), port))
}
