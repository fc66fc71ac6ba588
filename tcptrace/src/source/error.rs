//! What can keep a source from starting, and which exit code says so.

use std::io;

use super::{
    btf::BtfError,
    proc::{Advice, Capability, limit_remedy},
};

/// Why the kernel side cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The kernel refused for lack of privilege.
    #[error("no permission to {what}: {}", Advice::about(&[Capability::Bpf, Capability::Perfmon]))]
    Privilege {
        /// What was tried.
        what: String,
    },
    /// The kernel lacks something.
    #[error("this kernel cannot run tcptrace: {0}; `tcptrace check` shows what it has")]
    Kernel(String),
    /// The kernel's type information lacks something.
    #[error("{0}; `tcptrace check` shows what this kernel has")]
    Btf(BtfError),
    /// A limit of this process.
    #[error("cannot {what}: {source}; {}", remedy(source))]
    Limit {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot {what}: {source}{}", hint(source))]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl From<BtfError> for SourceError {
    fn from(error: BtfError) -> Self {
        match error {
            BtfError::Unreadable { path, source } if limit(&source).is_some() => {
                Self::Limit { what: format!("read {}", path.display()), source }
            }
            other => Self::Btf(other),
        }
    }
}

impl SourceError {
    /// Sorts an error of the BPF library by what the user can do about it.
    pub(super) fn from_bpf(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.downcast_ref::<io::Error>().is_some_and(is_permission) {
                return Self::Privilege { what: what.to_owned() };
            }
            if let Some(number) = error.downcast_ref::<io::Error>().and_then(limit) {
                return Self::Limit { what: what.to_owned(), source: io::Error::from_raw_os_error(number) };
            }
            next = error.source();
        }
        Self::Kernel(format!("cannot {what}: {}", in_words(error)))
    }
}

/// What to do about a limit; nothing about other errors.
fn hint(error: &io::Error) -> String {
    limit(error).and_then(limit_remedy).map(|remedy| format!("; {remedy}")).unwrap_or_default()
}

/// An error with its causes.
pub(super) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if chain.last() != Some(&text) {
            chain.push(text);
        }
        next = error.source();
    }
    shorten(&chain.join(": "))
}

/// EPERM alone: the verifier says EACCES of programs that it refuses.
fn is_permission(error: &io::Error) -> bool {
    const EPERM: i32 = 1;
    error.raw_os_error() == Some(EPERM)
}

/// ENOMEM, ENFILE, EMFILE and ENOBUFS.
fn limit(error: &io::Error) -> Option<i32> {
    error.raw_os_error().filter(|number| limit_remedy(*number).is_some())
}

fn remedy(error: &io::Error) -> &'static str {
    error.raw_os_error().and_then(limit_remedy).unwrap_or("raise the limits of this process (ulimit(1))")
}

/// The verifier's log is long; its end says what it refused.
fn shorten(text: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(LINES);
    let shown: Vec<&str> = lines.into_iter().skip(skip).collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_no_lack_of_the_kernel() {
        let read = |errno| {
            let source = io::Error::from_raw_os_error(errno);
            SourceError::from(BtfError::Unreadable { path: "/sys/kernel/btf/vmlinux".into(), source })
        };
        let limit = read(24);
        assert!(matches!(limit, SourceError::Limit { .. }) && limit.to_string().contains("ulimit -n"), "{limit}");
        assert!(matches!(read(2), SourceError::Btf(_)));
        let source = io::Error::from_raw_os_error(24);
        let io = SourceError::Io { what: "clone a descriptor", source }.to_string();
        assert!(io.ends_with("(`ulimit -n`)"), "{io}");
    }
}
