//! What `tcptrace doctor` says: for each setting of closes a verdict, with the evidence that it rests on.

/// One question that `doctor` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// `tcp_orphan_retries`.
    OrphanRetries,
    /// FINs behind data that cannot leave.
    UnsendableFin,
    /// `tcp_max_orphans`.
    MaxOrphans,
    /// `tcp_fin_timeout`.
    FinTimeout,
    /// TIME_WAIT and `tcp_max_tw_buckets`.
    TimeWait,
    /// `ip_local_port_range`.
    EphemeralPorts,
    /// `tcp_tw_reuse` and `tcp_timestamps`.
    TwReuse,
    /// `tcp_tw_recycle`, which is gone.
    TwRecycle,
    /// Programs that open and close many short connections.
    ShortConnections,
    /// Programs that leak CLOSE_WAIT.
    CloseWait,
    /// Idle connections whose dead peer nobody would notice.
    Keepalive,
    /// Listeners, their queues, and SYN cookies.
    SynSide,
    /// What sysctl files say, against what is so.
    Persistence,
}

impl Row {
    /// All rows, in the order of reports.
    pub const ALL: [Self; 13] = [
        Self::OrphanRetries,
        Self::UnsendableFin,
        Self::MaxOrphans,
        Self::FinTimeout,
        Self::TimeWait,
        Self::EphemeralPorts,
        Self::TwReuse,
        Self::TwRecycle,
        Self::ShortConnections,
        Self::CloseWait,
        Self::Keepalive,
        Self::SynSide,
        Self::Persistence,
    ];

    /// The word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrphanRetries => "orphan_retries",
            Self::UnsendableFin => "unsendable_fin",
            Self::MaxOrphans => "max_orphans",
            Self::FinTimeout => "fin_timeout",
            Self::TimeWait => "time_wait",
            Self::EphemeralPorts => "ephemeral_ports",
            Self::TwReuse => "tw_reuse",
            Self::TwRecycle => "tw_recycle",
            Self::ShortConnections => "short_connections",
            Self::CloseWait => "close_wait",
            Self::Keepalive => "keepalive",
            Self::SynSide => "syn_side",
            Self::Persistence => "persistence",
        }
    }

    /// The row of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.as_str() == word)
    }
}

/// What a row comes to. The order is that of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// What decides could not be read or seen.
    Unknown,
    /// Worth an eye: it may become a problem, or is a small one.
    Watch,
    /// It does harm here and now.
    Act,
}

impl Verdict {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Watch => "watch",
            Self::Act => "act",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Could not be read or seen.
    Unknown,
    /// A number.
    Count(u64),
    /// A number below 0 or above.
    Signed(i64),
    /// So many tenths.
    Tenths(u64),
    /// Words. They are fit for terminals.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// Several things with parts.
    List(Vec<Evidence>),
}

/// Names and facts, in the order of reports. A name ends in its unit where the number has one.
pub type Evidence = Vec<(&'static str, Fact)>;

impl From<u64> for Fact {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        u64::try_from(number).map_or(Self::Signed(number), Self::Count)
    }
}

impl From<usize> for Fact {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<u16> for Fact {
    fn from(count: u16) -> Self {
        Self::Count(u64::from(count))
    }
}

impl From<u32> for Fact {
    fn from(count: u32) -> Self {
        Self::Count(u64::from(count))
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Fact {
    fn from(known: Option<T>) -> Self {
        known.map_or(Self::Unknown, Into::into)
    }
}

/// A line for `/etc/sysctl.d/` that the evidence supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Name, such as `net.ipv4.tcp_orphan_retries`.
    pub key: &'static str,
    /// Value.
    pub value: String,
    /// Why: the evidence in a few words.
    pub why: String,
}

impl Setting {
    /// The command that sets it until the next boot.
    #[must_use]
    pub fn command(&self) -> String {
        let Self { key, value, .. } = self;
        if value.contains(|c: char| c.is_ascii_whitespace() || c == ',') {
            format!("sysctl -w {key}=\"{value}\"")
        } else {
            format!("sysctl -w {key}={value}")
        }
    }
}

/// What `doctor` says about one row of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Which question.
    pub row: Row,
    /// Inode of the network namespace; `None` for what is of the whole host.
    pub netns: Option<u32>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The evidence in one line, for people.
    pub finding: String,
    /// The evidence.
    pub evidence: Evidence,
    /// What to do, or why nothing.
    pub advice: String,
    /// What it breaks, or what is not known; empty where there is nothing to say.
    pub caveat: String,
    /// Commands that carry it out or show more, for the namespace that it is about. Nobody runs them but the reader.
    pub commands: Vec<String>,
    /// What all of this rests on: kernel functions and documents.
    pub source: &'static str,
    /// What could go into a sysctl file.
    pub settings: Vec<Setting>,
}
