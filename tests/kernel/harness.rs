//! Runs a scenario under tcptrace and has the outcome judged. Everything is bounded in time.

use std::{
    env,
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tcptrace::source::differences::{self, Difference};
use tcptrace_tests::{
    netns::NetNs,
    tool::{Finished, Tool},
    truth::Truth,
    wait,
};

use crate::judge;

/// A record is out this long after its close at the latest, on a machine that has other things to do.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// No test takes longer: the longest waits of its parts add up to less.
const WATCHDOG: Duration = Duration::from_secs(150);
/// How often a test is run again.
const AGAIN_MAX: usize = 2;
/// For which a scenario makes somebody wait.
pub(crate) const HOLD: Duration = Duration::from_millis(300);

/// Whether this kernel is too old for a test, which then says so and is done. `cargo xtask vm` reads it, and takes it
/// for a failure on a kernel that is not older. Nothing else is ever skipped.
#[allow(clippy::print_stdout, reason = "it is how a test says that it was skipped")]
pub(crate) fn is_older_than(needed: &Difference) -> bool {
    let older = lacks(needed);
    if older {
        let (major, minor) = needed.since;
        println!("skipped: needs {major}.{minor}: {}", needed.name);
    }
    older
}

/// Whether this kernel is too old for something that a test can do without.
pub(crate) fn lacks(needed: &Difference) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    differences::version_of(&release).is_some_and(|version| version < needed.since)
}

/// Runs a test's body on a thread of its own and fails when it takes too long.
///
/// A test that lacks nothing but FIN retransmits is run again: see [`judge::RetransmitsUnseen`].
pub(crate) fn bounded(body: impl Fn() -> Result<()> + Send + Sync + 'static) -> Result<()> {
    let body = Arc::new(body);
    for _ in 0..AGAIN_MAX {
        match once(Arc::clone(&body)) {
            Err(error) if error.is::<judge::RetransmitsUnseen>() => {
                // Past libtest, which shows nothing of a test that passes.
                #[expect(clippy::disallowed_methods, reason = "its reader is a developer")]
                io::stderr().write_all(format!("run again: {error:#}\n").as_bytes())?;
            }
            result => return result,
        }
    }
    once(body)
}

fn once(body: Arc<impl Fn() -> Result<()> + Send + Sync + 'static>) -> Result<()> {
    let (done, ended) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("test".to_owned()).spawn(move || {
        let result = body();
        let _ = done.send(());
        result
    })?;
    if let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(wait::scaled(WATCHDOG)) {
        bail!("not done after {WATCHDOG:?}");
    }
    thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
}

/// Makes a scenario's closes under `tcptrace trace` and has every record of its namespace judged. None of
/// its closes may be a finding.
pub(crate) fn prove(scenario: impl Fn(&NetNs) -> Result<Truth> + Send + Sync + 'static) -> Result<()> {
    bounded(move || {
        let (truth, finished) = observe(&[], &scenario)?;
        let lines = finished.lines_in(truth.netns)?;
        judge::closes(&truth, &lines).with_context(|| judge::books_in_words(&finished))?;
        judge::no_findings(&lines)
    })
}

/// Runs tcptrace with more arguments until it has told as many closes as the scenario made, and ends it.
pub(crate) fn observe(
    arguments: &[&str],
    scenario: impl FnOnce(&NetNs) -> Result<Truth> + Send,
) -> Result<(Truth, Finished)> {
    let netns = NetNs::new()?;
    let tool = Tool::trace(arguments)?;
    let truth = netns.run(scenario)?;
    wait_for_closes(&tool, &truth)?;
    let finished = tool.stop()?;
    finished.expect_code(0)?;
    judge::books(&finished.summary()?)?;
    Ok((truth, finished))
}

/// Waits until tcptrace has told as many closes as there were.
pub(crate) fn wait_for_closes(tool: &Tool, truth: &Truth) -> Result<()> {
    tool.wait_for_closes(truth.netns, truth.closes.len(), SOON)
}

/// A folder of this test's own, removed when dropped. Everybody may look into it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("tcptrace-tests-{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, as an argument.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
