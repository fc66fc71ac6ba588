//! What the kernel skipped: runs of a program that was running on that CPU already (`bpf_prog_inc_misses_counter()`).

use std::{
    fs::File,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};

/// Well above what `bpf_prog_show_fdinfo()` writes, some 250 bytes.
const TEXT_BYTES: usize = 1024;

/// The count of one program. Its text stays open: under load it is read some hundred times a second, and opening it
/// costs more than reading it.
pub(super) struct Skips {
    text: Option<File>,
    /// The text is that of this descriptor's number.
    _program: OwnedFd,
}

impl Skips {
    pub(super) fn new(program: OwnedFd) -> Self {
        let text = File::open(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).ok();
        Self { text, _program: program }
    }

    /// Skipped runs so far; 0 where the kernel shows none (before 5.12, and without /proc), as `tcptrace check` tells.
    pub(super) fn count(&self) -> u64 {
        let mut buffer = [0; TEXT_BYTES];
        let read = self.text.as_ref().and_then(|text| text.read_at(&mut buffer, 0).ok()).unwrap_or(0);
        buffer.get(..read).and_then(parse).unwrap_or(0)
    }
}

fn parse(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells() {
        let text = b"pos:\t0\nprog_type:\t26\nrun_cnt:\t0\nrecursion_misses:\t17\nverified_insns:\t9\n";
        assert_eq!(parse(text), Some(17));
        assert_eq!(parse(b"pos:\t0\nprog_type:\t26\n"), None);
    }

    /// An open text tells what is, not what was when it was opened.
    #[test]
    fn a_text_is_read_anew() {
        use std::io::{Seek, SeekFrom};
        let mut file = File::open("/proc/self/cmdline").unwrap();
        let text = File::open(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
        for at in [0, 3] {
            file.seek(SeekFrom::Start(at)).unwrap();
            let mut buffer = [0; TEXT_BYTES];
            let read = text.read_at(&mut buffer, 0).unwrap();
            assert!(buffer[..read].starts_with(format!("pos:\t{at}\n").as_bytes()));
        }
    }
}
