//! A few closes of each kind, to be watched under `tcptrace trace --stuck-after 1s --leak-after 2s`.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use tcptrace_tests::{
    netns::{self, NetNs},
    scenario::{
        leak, lost_fin,
        orderly::{self, First},
        orphan, reset,
    },
    truth::Truth,
};

const NOW: Duration = Duration::ZERO;
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_millis(1200);
/// Past `--leak-after 2s`.
const LEAK: Duration = Duration::from_millis(2600);
/// Past `--stuck-after 1s`.
const LOSS: Duration = Duration::from_millis(1400);

type Scene = (&'static str, fn(&NetNs) -> Result<Truth>);

const SCENES: &[Scene] = &[
    ("an orderly close: both sides at once", orderly::orderly),
    ("a half close: the server takes 400 ms to close, too", |netns| orderly::half_close(netns, SHORT)),
    ("a slow peer: the client calls close(), the server takes 1.2 s", |netns| orphan::peer_holds(netns, LONG)),
    ("a slow program: the client sits in CLOSE_WAIT for 400 ms", |netns| orderly::passive_hold(netns, SHORT)),
    ("a reset: close() with SO_LINGER 0", |netns| reset::linger_0(netns, First::Client)),
    ("a reset: close() with unread data", reset::unread_data),
    ("a lost FIN: it gets through after 1.4 s", |netns| lost_fin::lost_then_restored(netns, LOSS)),
    ("a leaked CLOSE_WAIT: the client forgets its socket for 2.6 s", |netns| {
        leak::close_wait(netns, First::Server, LEAK)
    }),
    ("an orderly close once more", |netns| orderly::half_close(netns, NOW)),
];

fn main() -> Result<ExitCode> {
    netns::run(|netns| {
        #[expect(clippy::disallowed_methods, reason = "its words are its own")]
        let mut stderr = io::stderr();
        for (what, scene) in SCENES {
            writeln!(stderr, "demo: {what}")?;
            scene(netns)?;
        }
        writeln!(stderr, "demo: done")?;
        Ok(ExitCode::SUCCESS)
    })
}
