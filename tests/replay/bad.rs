//! For bad input, and for users who may not do what they want to. The tests in `cli/` use this file, too.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::tool::{self, Finished};

use crate::support::Folder;

/// One sentence on standard error, this exit code, and no data.
pub(crate) fn refused(finished: &Finished, code: i32, words: &[&str]) -> Result<()> {
    finished.expect_code(code)?;
    ensure!(finished.stdout.is_empty(), "data: {}", finished.stdout);
    ensure!(finished.stderr.lines().count() == 1, "not one line: {}", finished.stderr);
    ensure!(finished.stderr.starts_with("tcptrace: error: "), "not an error: {}", finished.stderr);
    for word in words {
        ensure!(finished.stderr.contains(word), "no {word:?} in: {}", finished.stderr);
    }
    Ok(())
}

impl Folder {
    /// A new file in it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The program, as one that anybody may run: build folders may be closed to others.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let copy = self.file("tcptrace");
        fs::copy(tool::binary()?, &copy)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        Ok(copy)
    }
}
