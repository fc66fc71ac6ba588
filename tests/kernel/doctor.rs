//! `tcptrace doctor`, against situations that are really so. No BPF here, but for the watch.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use socket2::SockRef;
use tcptrace_tests::{
    child::{Actor, HOLD},
    netns::{self, NetNs},
    pair::{self, Pair},
    proc_net::{self, State},
    scenario::zero_window,
    tool::{self, Finished, Line, Tool},
};

use crate::harness::{SOON, bounded};

/// Outside of the ranges that these tests set.
pub(crate) const SERVICE: u16 = 5000;

/// Runs it to its end for a namespace.
fn run(netns: &NetNs, more: &[&str]) -> Result<Finished> {
    let inode = netns.inode().to_string();
    let words = ["doctor", "--output", "json", "--netns", &inode, "--leak-after", "1ms"];
    Tool::start(tool::command(words.iter().chain(more))?)?.finish(SOON)
}

/// One row.
fn told(netns: &NetNs, row: &str, more: &[&str]) -> Result<Line> {
    let words: Vec<&str> = ["--only", row].iter().chain(more).copied().collect();
    let finished = run(netns, &words)?;
    finished.expect_code(0)?;
    let lines = finished.lines()?;
    ensure!(lines.len() == 1, "not one line: {}", finished.stdout);
    let line = lines.into_iter().next().context("no line")?;
    ensure!(line.is("advice") && line.at("/row") == row && line.at("/schema") == 1, "{}", line.text);
    let of_host = ["max_orphans", "tw_recycle"].contains(&row);
    ensure!(line.at("/netns").is_null() == of_host && (of_host || line.in_netns(netns.inode())), "{}", line.text);
    Ok(line)
}

pub(crate) fn says(netns: &NetNs, row: &str, verdict: &str) -> Result<Line> {
    let line = told(netns, row, &[])?;
    ensure!(line.at("/verdict") == verdict, "expected {verdict}: {}", line.text);
    Ok(line)
}

pub(crate) fn actor(socket: impl Into<std::os::fd::OwnedFd>) -> Result<Actor> {
    Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), HOLD, socket)
}

fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, SERVICE))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn widens(line: &Line) -> bool {
    line.at("/settings/0/key") == "net.ipv4.ip_local_port_range"
}

#[test]
fn every_row_of_a_quiet_namespace() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let finished = run(netns, &["--exit-code"])?;
            let lines = finished.lines()?;
            ensure!(lines.len() == 13, "{}", finished.stdout);
            // Twice the same is once.
            let twice = run(netns, &["--netns", &netns.inode().to_string()])?;
            ensure!(twice.lines()?.len() == 13, "{}", twice.stdout);
            for line in lines.iter().filter(|line| !line.at("/netns").is_null()) {
                ensure!(line.at("/verdict") == "ok", "{}", line.text);
                ensure!(line.at("/evidence").is_object() && line.at("/source").is_string(), "{}", line.text);
            }
            Ok(())
        })
    })
}

/// Twenty ports, held one by one: each verdict begins where it should, and at the end `connect()` fails as it says.
#[test]
fn twenty_ports() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            netns.set_sysctl("net/ipv4/ip_local_port_range", "40000 40019")?;
            let (_listener, address) = listen()?;
            let mut held = Vec::new();
            for (count, verdict) in [(0, "ok"), (9, "ok"), (10, "watch"), (15, "watch"), (16, "act"), (20, "act")] {
                while held.len() < count {
                    held.push(TcpStream::connect(address)?);
                }
                let line = says(netns, "ephemeral_ports", verdict)?;
                ensure!(line.count("/evidence/usable_ports") == 20, "{}", line.text);
                ensure!(line.count("/evidence/places/0/used_ports") == count as u64, "{}", line.text);
                ensure!(widens(&line) == (verdict != "ok"), "{}", line.text);
            }
            let line = says(netns, "ephemeral_ports", "act")?;
            ensure!(line.at("/evidence/places/0/eaddrnotavail") == true, "{}", line.text);
            ensure!(line.at("/evidence/places/0/destination_port") == SERVICE, "{}", line.text);
            let failed = TcpStream::connect(address).err().context("there was one more")?;
            ensure!(failed.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error()), "{failed}");
            run(netns, &["--only", "ephemeral_ports", "--exit-code"])?.expect_code(1)?;
            run(netns, &["--only", "fin_timeout", "--exit-code"])?.expect_code(0)
        })
    })
}

/// Reserved ports and those of listeners are out, and of an odd number one may be: as many as `connect()` gets.
#[test]
fn usable_ports_are_those_that_connect_gets() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (_listener, address) = listen()?;
            netns.set_sysctl("net/ipv4/ip_local_port_range", "40000 40020")?;
            netns.set_sysctl("net/ipv4/ip_local_reserved_ports", "40003,40010-40012")?;
            let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, 40_005))?;
            let mut held = Vec::new();
            while let Ok(stream) = TcpStream::connect(address) {
                held.push(stream);
                ensure!(held.len() <= 21, "more than there are");
            }
            let line = says(netns, "ephemeral_ports", "act")?;
            ensure!(line.count("/evidence/ports") == 21, "{}", line.text);
            ensure!(line.count("/evidence/usable_ports") == 16, "{}", line.text);
            ensure!(held.len() == 16 || held.len() == 15, "{}: {}", held.len(), line.text);
            ensure!(line.at("/evidence/places/0/eaddrnotavail") == true, "{}", line.text);
            ensure!(line.at("/evidence/listeners_in_range") == "40005", "{}", line.text);
            Ok(())
        })
    })
}

/// Ports in TIME_WAIT count where they cannot be used again.
#[test]
fn ports_in_time_wait() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            netns.set_sysctl("net/ipv4/ip_local_port_range", "40000 40019")?;
            let (listener, address) = listen()?;
            for _ in 0..20 {
                let Pair { client, server, ends } = Pair::to(&listener, address)?;
                drop(client);
                pair::read_eof(&server)?;
                drop(server);
                proc_net::wait_for(ends, State::TimeWait)?;
            }
            let line = says(netns, "ephemeral_ports", "ok")?;
            ensure!(line.at("/evidence/places/0/reusable") == true, "{}", line.text);
            netns.set_sysctl("net/ipv4/tcp_tw_reuse", "0")?;
            let line = says(netns, "ephemeral_ports", "act")?;
            ensure!(line.count("/evidence/places/0/in_time_wait_ports") == 20, "{}", line.text);
            let waits = says(netns, "time_wait", "ok")?;
            ensure!(waits.at("/evidence/closed_first_to_port/0/port") == SERVICE, "{}", waits.text);
            ensure!(waits.count("/evidence/closed_first_to_port/0/time_wait") == 20, "{}", waits.text);
            ensure!(line.at("/evidence/places/0/closed_per_second").as_f64() > Some(0.0), "{}", line.text);
            let line = says(netns, "tw_reuse", "act")?;
            ensure!(line.at("/settings/0/value") == "1", "{}", line.text);
            netns.set_sysctl("net/ipv4/tcp_tw_reuse", "1")?;
            says(netns, "tw_reuse", "ok")?;
            netns.set_sysctl("net/ipv4/tcp_timestamps", "0")?;
            says(netns, "tw_reuse", "watch")?;
            Ok(())
        })
    })
}

/// One bucket: the second TIME_WAIT is refused.
#[test]
fn one_bucket() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let (listener, address) = listen()?;
            let close = || -> Result<()> {
                let Pair { client, server, ends } = Pair::to(&listener, address)?;
                drop(client);
                pair::read_eof(&server)?;
                drop(server);
                proc_net::wait_gone(ends)
            };
            close()?;
            says(netns, "time_wait", "ok")?;
            netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "2")?;
            let line = says(netns, "time_wait", "watch")?;
            ensure!(line.count("/evidence/overflows") == 0, "{}", line.text);
            netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "1")?;
            close()?;
            let line = says(netns, "time_wait", "act")?;
            ensure!(line.count("/evidence/timewait_sockets") == 1, "{}", line.text);
            ensure!(line.count("/evidence/overflows") == 1, "{}", line.text);
            ensure!(line.count("/evidence/closed_first_as_client") == 1, "{}", line.text);
            ensure!(line.at("/settings/0/key") == "net.ipv4.tcp_max_tw_buckets", "{}", line.text);
            Ok(())
        })
    })
}

#[test]
fn an_orphan_behind_a_closed_window() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            says(netns, "unsendable_fin", "ok")?;
            let Pair { client, server: _server, ends } = Pair::connect()?;
            let queued = zero_window::fill(&client)?;
            proc_net::wait_until("to probe a window of 0", ends, |row| row.timer == proc_net::TIMER_PROBE)?;
            drop(client);
            proc_net::wait_for(ends, State::FinWait1)?;
            let line = says(netns, "unsendable_fin", "watch")?;
            for name in ["sockets", "orphans", "behind_a_closed_window"] {
                ensure!(line.count(&format!("/evidence/{name}")) == 1, "{}", line.text);
            }
            let bytes = line.count("/evidence/queued_bytes");
            ensure!(bytes > 0 && bytes <= queued + 1, "{bytes} of {queued}");
            ensure!(line.count("/evidence/memory_bytes") >= bytes, "{}", line.text);
            let retries = says(netns, "orphan_retries", "ok")?;
            ensure!(retries.count("/evidence/orphans_on_host") >= 1, "{}", retries.text);
            ensure!(retries.count("/evidence/fin_unacked") == 0, "it never left: {}", retries.text);
            Ok(())
        })
    })
}

#[test]
fn a_program_that_leaks() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            says(netns, "close_wait", "ok")?;
            let Pair { client, server, .. } = Pair::connect()?;
            pair::shut(&client)?;
            pair::wait_for(&server, State::CloseWait)?;
            pair::read_to_end(&server)?;
            let actor = actor(server)?;
            let line = says(netns, "close_wait", "watch")?;
            ensure!(line.at("/evidence/groups/0/pid") == actor.pid(), "{}", line.text);
            ensure!(line.at("/evidence/groups/0/comm") == actor.comm()?.as_str(), "{}", line.text);
            ensure!(line.at("/evidence/groups/0/cause") == "eof_seen_not_closed", "{}", line.text);
            ensure!(line.at("/settings") == &serde_json::json!([]), "no setting helps: {}", line.text);
            // Its other half is held in FIN_WAIT2.
            let holder = self::actor(client)?;
            let held = says(netns, "fin_timeout", "ok")?;
            ensure!(held.count("/evidence/held_in_fin_wait2") == 1, "{}", held.text);
            ensure!(held.at("/evidence/held_by/0/pid") == holder.pid(), "{}", held.text);
            holder.kill()?;
            let held = says(netns, "fin_timeout", "ok")?;
            ensure!(held.count("/evidence/orphans_in_fin_wait2") == 1, "{}", held.text);
            ensure!(held.count("/evidence/held_in_fin_wait2") == 0, "{}", held.text);
            Ok(())
        })
    })
}

#[test]
fn an_idle_connection() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server, .. } = Pair::connect()?;
            SockRef::from(&server).set_keepalive(true)?;
            let actor = actor(client.try_clone()?)?;
            thread::sleep(Duration::from_millis(600));
            says(netns, "keepalive", "ok")?;
            let idle = |verdict: &str| -> Result<Line> {
                let line = told(netns, "keepalive", &["--idle-after", "500ms"])?;
                ensure!(line.at("/verdict") == verdict, "expected {verdict}: {}", line.text);
                Ok(line)
            };
            let line = idle("watch")?;
            ensure!(line.count("/evidence/idle_without_keepalive") == 1, "{}", line.text);
            ensure!(line.count("/evidence/idle_with_keepalive") == 1, "{}", line.text);
            let pids = [std::process::id(), actor.pid()];
            let named = line.count("/evidence/held_by/0/pid");
            ensure!(pids.iter().any(|pid| u64::from(*pid) == named), "{}", line.text);
            ensure!(line.count("/evidence/keepalive_notices_after_s") == 7875, "{}", line.text);
            SockRef::from(&client).set_keepalive(true)?;
            idle("ok")?;
            Ok(())
        })
    })
}
