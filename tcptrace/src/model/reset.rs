//! Why the kernel sent a reset (`enum sk_rst_reason`, Linux 6.10 and later).

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
    /// Any other.
    Other,
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
            _ => Self::Other,
        }
    }
}
