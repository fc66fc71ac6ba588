//! Exclusions, `--not-...`: what matches any of them is left out.

use ipnet::IpNet;

use super::{FilterError, FilterSpec, spec::check_comm};
use crate::model::{Outcome, Role};

/// The lists of [`FilterSpec`] the other way round. An empty list is an option that was not given. What is not known of
/// a socket matches none of them, so it stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluded {
    /// `--not-port`: neither end has one of these ports.
    pub ports: Vec<u16>,
    /// `--not-local-port`.
    pub local_ports: Vec<u16>,
    /// `--not-remote-port`.
    pub remote_ports: Vec<u16>,
    /// `--not-addr`: neither end lies in one of these prefixes.
    pub prefixes: Vec<IpNet>,
    /// `--not-pid`.
    pub pids: Vec<u32>,
    /// `--not-comm`.
    pub comms: Vec<String>,
    /// `--not-cgroup`: ids.
    pub cgroup_ids: Vec<u64>,
    /// `--not-cgroup` again, by path.
    pub cgroup_paths: Vec<String>,
    /// `--not-netns`: inodes.
    pub netns: Vec<u32>,
    /// `--not-outcome`.
    pub outcomes: Vec<Outcome>,
    /// `--not-role`.
    pub roles: Vec<Role>,
    /// `--not-reason`: words as they are printed.
    pub reasons: Vec<String>,
}

impl Excluded {
    /// Whether it compares owners.
    #[must_use]
    pub fn has_owners(&self) -> bool {
        !(self.pids.is_empty() && self.comms.is_empty() && self.cgroup_ids.is_empty() && self.cgroup_paths.is_empty())
    }

    /// Whether it compares how something ended.
    #[must_use]
    pub fn has_ends(&self) -> bool {
        !(self.outcomes.is_empty() && self.roles.is_empty() && self.reasons.is_empty())
    }

    /// Refuses what cannot be, and what leaves nothing of an option beside it.
    pub(super) fn check(&self, spec: &FilterSpec) -> Result<(), FilterError> {
        let ports = [
            ("--not-port", &self.ports),
            ("--not-local-port", &self.local_ports),
            ("--not-remote-port", &self.remote_ports),
        ];
        if let Some((option, _)) = ports.into_iter().find(|(_, ports)| ports.contains(&0)) {
            return Err(FilterError::PortZero { option });
        }
        self.comms.iter().try_for_each(|name| check_comm("--not-comm", name))?;
        if self.pids.contains(&0) {
            return Err(FilterError::PidZero { option: "--not-pid" });
        }
        if self.netns.contains(&0) {
            return Err(FilterError::NetnsZero { option: "--not-netns" });
        }
        let leaves_nothing = [
            ("--port", rules_out(&spec.ports, |port| self.ports.contains(port))),
            (
                "--local-port",
                rules_out(&spec.local_ports, |port| self.ports.contains(port) || self.local_ports.contains(port)),
            ),
            (
                "--remote-port",
                rules_out(&spec.remote_ports, |port| self.ports.contains(port) || self.remote_ports.contains(port)),
            ),
            ("--addr", rules_out(&spec.prefixes, |wanted| self.prefixes.iter().any(|prefix| prefix.contains(wanted)))),
            ("--pid", rules_out(&spec.pids, |pid| self.pids.contains(pid))),
            ("--comm", rules_out(&spec.comms, |name| self.comms.contains(name))),
            ("--netns", rules_out(&spec.netns, |inode| self.netns.contains(inode))),
            ("--outcome", rules_out(&spec.outcomes, |outcome| self.outcomes.contains(outcome))),
            ("--role", rules_out(&spec.roles, |role| self.roles.contains(role))),
            ("--reason", rules_out(&spec.reasons, |reason| self.reasons.contains(reason))),
        ];
        match leaves_nothing.into_iter().find(|(_, rules_out)| *rules_out) {
            Some((option, _)) => Err(FilterError::AllExcluded { option }),
            None => Ok(()),
        }
    }
}

/// Whether nothing is left of what was asked for.
fn rules_out<T>(wanted: &[T], is_excluded: impl Fn(&T) -> bool) -> bool {
    !wanted.is_empty() && wanted.iter().all(is_excluded)
}
