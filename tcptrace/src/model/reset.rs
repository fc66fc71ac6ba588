//! Why the kernel sent a reset (`enum sk_rst_reason`, Linux 6.10 and later).

use std::sync::Mutex;

/// Reasons by name, because the kernel's numbers differ between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// `TCP_ABORT_ON_CLOSE`: `close()` with unread data (RFC 2525 section 2.17).
    UnreadData,
    /// `TCP_STATE`: `tcp_disconnect()`, which SO_LINGER 0 and `connect(AF_UNSPEC)` reach.
    Disconnect,
    /// `TCP_DISCONNECT_WITH_DATA`: `tcp_disconnect()` with data still unsent.
    DisconnectWithData,
    /// `TCP_ABORT_ON_LINGER`: TCP_LINGER2 below 0.
    Linger2,
    /// `TCP_ABORT_ON_MEMORY`: too many orphans, or no memory for them (`tcp_check_oom()`).
    OrphanMemory,
    /// `TCP_ABORT_ON_DATA`: data arrived after `close()`.
    DataAfterClose,
    /// `TCP_KEEPALIVE_TIMEOUT`.
    KeepaliveTimeout,
    /// Any other, by the kernel's own name in lower case.
    Other(&'static str),
}

impl ResetReason {
    /// From the enumerator's name in the kernel's BTF, without `SK_RST_REASON_`.
    #[must_use]
    pub fn from_kernel_name(name: &str) -> Self {
        match name {
            "TCP_ABORT_ON_CLOSE" => Self::UnreadData,
            "TCP_STATE" => Self::Disconnect,
            "TCP_DISCONNECT_WITH_DATA" => Self::DisconnectWithData,
            "TCP_ABORT_ON_LINGER" => Self::Linger2,
            "TCP_ABORT_ON_MEMORY" => Self::OrphanMemory,
            "TCP_ABORT_ON_DATA" => Self::DataAfterClose,
            "TCP_KEEPALIVE_TIMEOUT" => Self::KeepaliveTimeout,
            other => Self::Other(kernel_word(other)),
        }
    }

    /// A number that the kernel's BTF gives no name: `reason_77`.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self::Other(kernel_word(&format!("reason_{number}")))
    }
}

/// A kernel has some forty names, so this many are from many kernels, or from a capture made to fill memory.
const WORDS_MAX: usize = 1024;
/// Longer than any name of a kernel.
const WORD_LEN_MAX: usize = 48;
/// What stands for a name where there is no room for another.
const NO_ROOM: &str = "other";

/// The names met so far. They are kept for ever, so that a reason stays a plain word that can be copied.
static WORDS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// The kernel's name as a word of output: lower case, and an underscore for what is neither letter nor digit.
fn kernel_word(name: &str) -> &'static str {
    let plain = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' };
    let word: String = name.bytes().take(WORD_LEN_MAX).map(|byte| char::from(plain(byte))).collect();
    if word.is_empty() {
        return NO_ROOM;
    }
    let Ok(mut words) = WORDS.lock() else { return NO_ROOM };
    if let Some(known) = words.iter().find(|known| **known == word) {
        return known;
    }
    if words.len() >= WORDS_MAX {
        return NO_ROOM;
    }
    let word: &'static str = word.leak();
    words.push(word);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_word_of_ours_keeps_the_kernels() {
        let reason = ResetReason::from_kernel_name("TCP_TOO_OLD_ACK");
        assert_eq!(reason, ResetReason::Other("tcp_too_old_ack"));
        let ResetReason::Other(word) = reason else { unreachable!() };
        assert!(std::ptr::eq(word, kernel_word("TCP_TOO_OLD_ACK")), "kept once");
        assert_eq!(ResetReason::from_number(77), ResetReason::Other("reason_77"));
    }

    #[test]
    fn a_name_is_plain_and_short() {
        assert_eq!(kernel_word("A\u{1b}[31m B"), "a__31m_b");
        assert_eq!(kernel_word(""), "other");
        assert_eq!(kernel_word(&"X".repeat(1000)), "x".repeat(WORD_LEN_MAX));
    }
}
