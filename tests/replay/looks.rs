//! Closes of which events tell one half and sock_diag the other, for `looks.cap`.

use std::{thread, time::Duration};

use anyhow::Result;
use tcptrace_tests::{
    child::{Actor, HOLD},
    netns::NetNs,
    pair::{self, Pair},
    proc_net::{self, State},
    scenario::{orphan, timewait, zero_window},
    tool,
};

/// An orphan's peer takes this long, which is less than [`FIN_TIMEOUT`].
const HOLD_FOR: Duration = Duration::from_secs(1);
const FIN_TIMEOUT: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(300);
/// Longer than the recorder's `--stuck-after`.
const STUCK: Duration = Duration::from_millis(1500);
/// Longer than its `--leak-after`, with time to search for who holds the socket: searches keep their distance, and two
/// other leaks are searched for before.
const LEAK: Duration = Duration::from_millis(4800);

/// Both sides of every connection here, once each.
pub(crate) const CLOSES: usize = 12;

type Run = fn(&NetNs) -> Result<()>;

/// All at once, for the recording is over the sooner and somebody else the less likely comes between.
pub(crate) fn scene(netns: &NetNs, older: Older) -> Result<()> {
    let runs: [Run; 5] = [
        |netns| orphan::peer_holds(netns, HOLD_FOR).map(drop),
        |netns| timewait::times_out(netns, FIN_TIMEOUT).map(drop),
        |netns| orphan::data_after_close(netns, SHORT).map(drop),
        |netns| zero_window::zero_window(netns, STUCK).map(drop),
        |_| held_by_a_child(),
    ];
    thread::scope(|scope| {
        for thread in runs.map(|run| scope.spawn(move || netns.run(run))) {
            thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
        }
        older.end()
    })
}

/// A close that began before anybody watched.
#[derive(Debug)]
pub(crate) struct Older {
    pair: Pair,
}

impl Older {
    /// The client has sent its FIN, and the server leaves its end open.
    pub(crate) fn make() -> Result<Self> {
        let pair = Pair::connect()?;
        pair::shut(&pair.client)?;
        pair::read_eof(&pair.server)?;
        proc_net::wait_for(pair.ends, State::FinWait2)?;
        Ok(Self { pair })
    }

    fn end(self) -> Result<()> {
        let Pair { client, server, .. } = self.pair;
        drop(server);
        pair::read_eof(&client)
    }
}

/// A CLOSE_WAIT that nobody but another process has among its files, until it is killed.
fn held_by_a_child() -> Result<()> {
    let Pair { client, server, ends } = Pair::connect()?;
    let actor = Actor::given(&tool::binary()?.with_file_name("actor"), HOLD, server)?;
    // An orphan would be gone before.
    pair::shut(&client)?;
    proc_net::wait_for(ends.reversed(), State::CloseWait)?;
    thread::sleep(LEAK);
    actor.kill()?;
    proc_net::wait_gone(ends.reversed())
}
