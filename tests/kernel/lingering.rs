//! A `close()` that waits (SO_LINGER): who waits, and what comes after. No BPF here.

use std::{
    net::TcpStream,
    process,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use socket2::SockRef;
use tcptrace_tests::{
    child::HOLD,
    netns,
    pair::{self, Pair},
    proc_net::{self, State},
    scenario::zero_window,
    tool::{self, Line, Tool},
    wait,
};

use crate::{
    harness::{SOON, bounded},
    listings::{actor, finding, told},
};

/// Longer than a look takes.
const LINGERS: Duration = Duration::from_secs(20);

/// Closes a socket on a thread of its own, for which it waits this long; says the thread's id.
fn close_on(name: &str, client: TcpStream, linger: Duration) -> Result<(JoinHandle<()>, u64)> {
    SockRef::from(&client).set_linger(Some(linger))?;
    let (say, said) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = say.send(rustix::thread::gettid().as_raw_nonzero().get());
        drop(client);
    })?;
    let tid = said.recv_timeout(LINGERS).context("the thread said nothing")?;
    Ok((thread, u64::from(tid.unsigned_abs())))
}

/// A client whose FIN waits behind a window of 0.
fn full() -> Result<Pair> {
    let pair = Pair::connect()?;
    zero_window::fill(&pair.client)?;
    proc_net::wait_until("to probe a window of 0", pair.ends, |row| row.timer == proc_net::TIMER_PROBE)?;
    Ok(pair)
}

fn threads(socket: &Line) -> Vec<u64> {
    let threads = socket.at("/close_waits/threads").as_array().cloned().unwrap_or_default();
    threads.iter().filter_map(|thread| thread.get("tid")?.as_u64()).collect()
}

#[test]
fn the_thread_is_named_and_what_comes_after() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server, ends } = full()?;
            let (thread, tid) = close_on("lingerer", client, LINGERS)?;
            proc_net::wait_for(ends, State::FinWait1)?;
            // Whether probes are answered, and so the end of an orphan, cannot be told at every moment.
            let lines = wait::until("the end of an orphan to be known", SOON, || {
                let lines = told("stuck", netns)?;
                let known = finding(&lines, ends)?.at("/close_waits/orphan_gives_up_in_ns").is_u64();
                Ok(known.then_some(lines))
            })?;
            let socket = finding(&lines, ends)?;
            ensure!(threads(socket) == [tid] && socket.at("/close_waits/is_certain") == true, "{tid}: {}", socket.text);
            let waits = socket.at("/close_waits/threads/0");
            ensure!(waits["pid"] == process::id() && waits["thread"] == "lingerer", "{}", socket.text);
            ensure!(
                socket.at("/owner/pid") == process::id() && socket.at("/owner/source") == "close",
                "{}",
                socket.text
            );
            ensure!(socket.at("/orphan") == false && socket.at("/reason") == "zero_window", "{}", socket.text);
            // It lasts no longer than the close(), whatever the peer answers.
            ensure!(
                socket.at("/never_gives_up").is_null() && socket.at("/gives_up_in_ns").is_null(),
                "{}",
                socket.text
            );
            let group = lines.iter().find(|line| line.is("stuck_group")).context("no group")?;
            ensure!(group.at("/pid") == process::id() && group.count("/close_waits_for") == 1, "{}", group.text);
            // The peer reads, so close() returns.
            pair::read_to_end(&server)?;
            thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))
        })
    })
}

#[test]
fn afterwards_it_is_an_orphan() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let Pair { client, server: _server, ends } = full()?;
            let (thread, _) = close_on("short", client, Duration::from_secs(1))?;
            thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))?;
            let lines = told("stuck", netns)?;
            let socket = finding(&lines, ends)?;
            ensure!(socket.at("/orphan") == true && socket.at("/close_waits").is_null(), "{}", socket.text);
            Ok(())
        })
    })
}

/// Which of two threads waits for which of two sockets, the kernel does not say.
#[test]
fn of_two_either_may_be_the_one() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let [one, two] = [full()?, full()?];
            let (first, first_tid) = close_on("first", one.client, LINGERS)?;
            let (second, second_tid) = close_on("second", two.client, LINGERS)?;
            let lines = {
                proc_net::wait_for(one.ends, State::FinWait1)?;
                proc_net::wait_for(two.ends, State::FinWait1)?;
                told("stuck", netns)?
            };
            for ends in [one.ends, two.ends] {
                let socket = finding(&lines, ends)?;
                let mut found = threads(socket);
                found.sort_unstable();
                let mut wanted = vec![first_tid, second_tid];
                wanted.sort_unstable();
                ensure!(found == wanted && socket.at("/close_waits/is_certain") == false, "{}", socket.text);
                ensure!(socket.at("/owner/pid") == process::id(), "one process: {}", socket.text);
            }
            for (server, thread) in [(one.server, first), (two.server, second)] {
                pair::read_to_end(&server)?;
                thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))?;
            }
            Ok(())
        })
    })
}

/// A socket that a program has is nobody's `close()`, whoever else lingers.
#[test]
fn a_socket_that_is_held_is_not_closing() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let [closing, held] = [full()?, full()?];
            let (thread, _) = close_on("other", closing.client, LINGERS)?;
            pair::shut(&held.client)?;
            proc_net::wait_for(closing.ends, State::FinWait1)?;
            proc_net::wait_for(held.ends, State::FinWait1)?;
            let _actor = actor(HOLD, held.client)?;
            let lines = told("stuck", netns)?;
            ensure!(finding(&lines, closing.ends)?.at("/close_waits/is_certain") == true, "{lines:?}");
            let socket = finding(&lines, held.ends)?;
            ensure!(socket.at("/close_waits").is_null() && socket.count("/holders/total") == 1, "{}", socket.text);
            pair::read_to_end(&closing.server)?;
            thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))
        })
    })
}

/// A filter may leave out the socket that the thread waits for, so nobody can be sure of the other one.
#[test]
fn of_two_one_may_be_filtered() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let [closing, passed] = [full()?, full()?];
            let (thread, _) = close_on("other", closing.client, LINGERS)?;
            // Held by this thread alone, whose files nobody sees (`CLONE_FILES` unshared).
            pair::shut(&passed.client)?;
            proc_net::wait_for(closing.ends, State::FinWait1)?;
            proc_net::wait_for(passed.ends, State::FinWait1)?;
            let port = passed.ends.local.port().to_string();
            let words = ["stuck", "--stuck-after", "1ms", "--output", "json", "--local-port", &port];
            let netns = ["--netns", &netns.inode().to_string()];
            let finished = Tool::start(tool::command(words.iter().chain(&netns))?)?.finish(SOON)?;
            let lines = finished.lines()?;
            let socket = finding(&lines, passed.ends)?;
            ensure!(socket.at("/close_waits/is_certain") == false && socket.at("/owner").is_null(), "{}", socket.text);
            pair::read_to_end(&closing.server)?;
            thread.join().map_err(|_| anyhow::anyhow!("the thread panicked"))
        })
    })
}
