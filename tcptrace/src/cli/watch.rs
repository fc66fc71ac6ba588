//! What a live run leaves out at its sources: the kernel side, and the dumps of sock_diag.

use tcptrace_ebpf::filter::sampled;

use super::{
    args::{LiveArgs, SocketFilterArgs},
    exit::CliError,
    filters::FamilyArg,
    setup::live_spec,
};
use crate::{
    decode::Frame,
    filter::{Excluded, Filter, FilterSpec},
    model::HostInfo,
    source::{KernelFilter, Live},
};

/// The filter of a live run, for its sources.
pub(super) struct Watch {
    kernel: KernelFilter,
    sockets: Filter,
    sample_one_in: u32,
    filters_owners: bool,
    words: String,
}

impl Watch {
    /// As the arguments want it.
    pub(super) fn new(live: &LiveArgs, filter: &SocketFilterArgs) -> Result<Self, CliError> {
        let spec = live_spec(filter)?;
        let sample_one_in = live.sample.unwrap_or(1);
        let kernel = KernelFilter::new(&spec, sample_one_in)?;
        let filters_owners = spec.has_owners();
        // Of owners a dump says nothing.
        let none = FilterSpec::default();
        let sockets = FilterSpec {
            pids: none.pids,
            comms: none.comms,
            cgroup_ids: none.cgroup_ids,
            cgroup_paths: none.cgroup_paths,
            not: Excluded {
                pids: Vec::new(),
                comms: Vec::new(),
                cgroup_ids: Vec::new(),
                cgroup_paths: Vec::new(),
                ..spec.not
            },
            ..spec
        };
        Ok(Self { kernel, sockets: Filter::new(sockets)?, sample_one_in, filters_owners, words: words(filter) })
    }

    /// The same for a run that tells nothing of owners and lifetimes. An event in seven is a `connect()`.
    pub(super) fn without_owners(self) -> Self {
        // Whoever filters by owner compares with them.
        if self.filters_owners { self } else { Self { kernel: self.kernel.without_connects(), ..self } }
    }

    /// For the kernel side.
    pub(super) fn kernel(&self) -> &KernelFilter {
        &self.kernel
    }

    /// Tells readers of a capture what is not in it.
    pub(super) fn tell(&self, source: &Live, host: HostInfo) -> HostInfo {
        HostInfo {
            owners_filtered: source.filters_owners(),
            sample_one_in: self.sample_one_in,
            filters: self.words.clone(),
            ..host
        }
    }

    /// Whether an answer goes on. Dumps show all sockets; the kernel side tells only of those that are wanted.
    pub(super) fn wants(&self, source: &Live, frame: &Frame<'_>) -> bool {
        match frame {
            Frame::Sighting(sighting) if !sighting.asked => {
                let socket = &sighting.snapshot.socket;
                sampled(socket.key.0, self.sample_one_in)
                    && self.sockets.admits_socket(socket)
                    && !source.keeps_back(socket.key.0)
            }
            _ => true,
        }
    }
}

/// The options as one would type them.
fn words(args: &SocketFilterArgs) -> String {
    fn option<T: ToString>(name: &str, values: &[T]) -> Vec<String> {
        values.iter().map(|value| format!("--{name} {}", quoted(&value.to_string()))).collect()
    }
    let word = |family| match family {
        FamilyArg::Ipv4 => "ipv4",
        FamilyArg::Ipv6 => "ipv6",
    };
    let (family, not_family) = (args.family.map(word), args.not.not_family.map(word));
    let not = &args.not;
    let all = [
        option("port", &args.port),
        option("local-port", &args.local_port),
        option("remote-port", &args.remote_port),
        option("addr", &args.addr),
        option("pid", &args.pid),
        option("comm", &args.comm),
        option("cgroup", &args.cgroup),
        option("netns", &args.netns),
        option("family", family.as_slice()),
        option("not-port", &not.not_port),
        option("not-local-port", &not.not_local_port),
        option("not-remote-port", &not.not_remote_port),
        option("not-addr", &not.not_addr),
        option("not-pid", &not.not_pid),
        option("not-comm", &not.not_comm),
        option("not-cgroup", &not.not_cgroup),
        option("not-netns", &not.not_netns),
        option("not-family", not_family.as_slice()),
    ];
    all.concat().join(" ")
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_can_be_typed_again() {
        let args = SocketFilterArgs {
            port: vec![80, 443],
            comm: vec!["it's a,b".to_owned()],
            not: super::super::filters::NotArgs { not_port: vec![22], ..Default::default() },
            ..SocketFilterArgs::default()
        };
        assert_eq!(words(&args), r"--port 80 --port 443 --comm 'it'\''s a,b' --not-port 22");
    }
}
