//! Options that say which closes, findings and sockets are wanted.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{self, duration};
use crate::model::{Outcome, Role};

/// What to leave out. Several values of one option: any of them; several options: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct FilterArgs {
    #[command(flatten)]
    pub(super) socket: SocketFilterArgs,
    #[command(flatten)]
    pub(super) end: EndFilterArgs,
    /// Show closes that took at least this long; the rest are counted all the same
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) min_latency: Option<Duration>,
    /// Show findings, not closes, which are counted all the same
    #[arg(long)]
    pub(super) findings_only: bool,
}

impl FilterArgs {
    /// Whether nothing else is asked for than namespaces.
    pub(super) fn is_netns_alone(&self) -> bool {
        let socket = SocketFilterArgs { netns: Vec::new(), ..self.socket.clone() };
        let rest = Self { socket, ..self.clone() };
        rest == Self::default()
    }
}

const HEADING: &str = "Filters (values of one option: any of them; several options: all; lists such as 80,443)";

/// How a close ended: known at its end, so the kernel side sends all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct EndFilterArgs {
    /// How it ended: fin, reset-received, reset-sent, timeout, killed, fin-wait2-timeout, unknown
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = values::outcome)]
    pub(super) outcome: Vec<Outcome>,
    /// Why it ended so, or why a finding stands, as printed, such as linger-0; none: without a reason
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = values::reason)]
    pub(super) reason: Vec<String>,
    /// Who closed first: active, passive, simultaneous, abort
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = values::role)]
    pub(super) role: Vec<Role>,
    /// Leave out closes that ended so
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = values::outcome)]
    pub(super) not_outcome: Vec<Outcome>,
    /// Leave out what has this reason
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = values::reason)]
    pub(super) not_reason: Vec<String>,
    /// Leave out closes of this role
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = values::role)]
    pub(super) not_role: Vec<Role>,
}

/// What sockets to leave out, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct SocketFilterArgs {
    /// Local or remote port
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = values::port)]
    pub(super) port: Vec<u16>,
    /// Local port
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = values::port)]
    pub(super) local_port: Vec<u16>,
    /// Remote port
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = values::port)]
    pub(super) remote_port: Vec<u16>,
    /// Local or remote address, or prefix such as 10.0.0.0/8
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(super) addr: Vec<String>,
    /// Process id of the owner
    #[arg(long, value_delimiter = ',', value_parser = values::pid)]
    pub(super) pid: Vec<u32>,
    /// Name of the owner, as printed; a comma in it is \,
    #[arg(long, value_name = "NAME")]
    pub(super) comm: Vec<String>,
    /// cgroup of the owner (v2), or one above it, such as /system.slice/nginx.service
    #[arg(long, value_name = "PATH")]
    pub(super) cgroup: Vec<String>,
    /// Network namespace: name (`ip netns`), path, process id, inode, or self; of a capture, inode
    #[arg(long, value_delimiter = ',')]
    pub(super) netns: Vec<String>,
    /// Address family
    #[arg(long, value_enum)]
    pub(super) family: Option<FamilyArg>,
    #[command(flatten)]
    pub(super) not: NotArgs,
}

/// The same the other way round: what matches is left out. What is not known of a socket leaves it in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct NotArgs {
    /// Leave out sockets with this local or remote port
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = values::port)]
    pub(super) not_port: Vec<u16>,
    /// Leave out sockets with this local port
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = values::port)]
    pub(super) not_local_port: Vec<u16>,
    /// Leave out sockets with this remote port
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = values::port)]
    pub(super) not_remote_port: Vec<u16>,
    /// Leave out sockets with this local or remote address or prefix
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(super) not_addr: Vec<String>,
    /// Leave out what this process owns
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = values::pid)]
    pub(super) not_pid: Vec<u32>,
    /// Leave out what processes of this name own
    #[arg(long, value_name = "NAME")]
    pub(super) not_comm: Vec<String>,
    /// Leave out what is owned in this cgroup or below
    #[arg(long, value_name = "PATH")]
    pub(super) not_cgroup: Vec<String>,
    /// Leave out this network namespace
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub(super) not_netns: Vec<String>,
    /// Leave out this address family
    #[arg(long, value_name = "FAMILY", value_enum)]
    pub(super) not_family: Option<FamilyArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FamilyArg {
    /// IPv4, also through an IPv6 socket
    Ipv4,
    /// IPv6
    Ipv6,
}
