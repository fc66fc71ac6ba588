//! What replays and command lines are run with. The tests in `cli/` and `record.rs` use this file, too.

use std::{
    env,
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;
use tcptrace_tests::tool::{self, Finished, Tool};

/// Nothing here takes long; a machine may.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Where the captures are, and what has to come of them.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// Runs tcptrace to its end, among the golden files, so that messages name them as they are named here.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Finished> {
    let mut command = tool::command(arguments)?;
    command.current_dir(golden(""));
    Tool::start(command)?.finish(LIMIT)
}

/// One object a line.
pub(crate) fn json(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
}

/// A folder of this test's own, which everybody may look into; removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let crate_name = env!("CARGO_CRATE_NAME");
        let path = env::temp_dir().join(format!("tcptrace-{crate_name}-{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self(path))
    }

    /// A file in it, whether it is there or not.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
