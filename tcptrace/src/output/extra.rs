//! `--columns`: what lines of closes show by choice. JSON has all of it.

/// A column by choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// From `connect()` to the end.
    Lifetime,
    /// Smoothed round-trip time at the end.
    Srtt,
    /// Payload bytes sent, each once.
    BytesSent,
    /// Payload bytes received.
    BytesReceived,
}

impl Extra {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lifetime, Self::Srtt, Self::BytesSent, Self::BytesReceived];

    /// The word in lines; on the command line with dashes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lifetime => "lifetime",
            Self::Srtt => "srtt",
            Self::BytesSent => "bytes_sent",
            Self::BytesReceived => "bytes_received",
        }
    }
}
