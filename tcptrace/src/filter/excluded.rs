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
    /// `--not-netns` again, by the names that captures hold.
    pub netns_names: Vec<String>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Filter, parse_prefix};
    use crate::model::{CgroupName, FindingStatus, Holder, Output, Reason};
    use crate::output::fixtures;

    fn not(excluded: Excluded) -> Filter {
        Filter::new(FilterSpec { not: excluded, ..FilterSpec::default() }).unwrap()
    }

    macro_rules! without {
        ($($field:ident: $value:expr),+) => { not(Excluded { $($field: $value,)+ ..Excluded::default() }) };
    }

    #[test]
    fn sockets_that_match_are_left_out() {
        // 127.0.0.1:45555 to 127.0.0.1:49530 in namespace 4026531840.
        let close = Output::Close(fixtures::close());
        let socket = fixtures::close().socket;
        let (local, remote) = (socket.local.port, socket.remote.port);
        let prefix = |text: &str| vec![parse_prefix(text).unwrap()];
        for (filter, admits) in [
            (without!(ports: vec![1, local]), false),
            (without!(ports: vec![remote]), false),
            (without!(ports: vec![1]), true),
            (without!(local_ports: vec![local]), false),
            (without!(local_ports: vec![remote]), true),
            (without!(remote_ports: vec![remote]), false),
            (without!(remote_ports: vec![local]), true),
            (without!(prefixes: prefix("127.0.0.0/8")), false),
            (without!(prefixes: prefix("10.0.0.0/8")), true),
            (without!(netns: vec![socket.netns]), false),
            (without!(netns: vec![1]), true),
        ] {
            assert_eq!(filter.admits(&close), admits, "{filter:?}");
        }
    }

    #[test]
    fn owners_that_match_are_left_out_and_unknown_ones_stay() {
        let close = fixtures::close();
        let owner = close.owner.unwrap();
        let nobody = Output::Close(crate::model::Close { owner: None, ..close });
        let mut cgroup = without!(cgroup_paths: vec!["/web".to_owned()]);
        assert!(cgroup.admits(&Output::Close(close)), "not known yet");
        cgroup.learn_cgroup(&CgroupName { id: owner.cgroup_id, path: "/web/worker".to_owned() });
        for filter in
            [without!(pids: vec![owner.pid]), without!(comms: vec!["a".into(), owner.comm.to_string()]), cgroup]
        {
            assert!(!filter.admits(&Output::Close(close)), "{filter:?}");
            assert!(filter.admits(&nobody), "{filter:?}");
        }
        assert!(without!(pids: vec![owner.pid + 1]).admits(&Output::Close(close)));
        let both = FilterSpec {
            comms: vec![owner.comm.to_string()],
            not: Excluded { pids: vec![owner.pid], ..Excluded::default() },
            ..FilterSpec::default()
        };
        assert!(!Filter::new(both.clone()).unwrap().admits(&Output::Close(close)));
        assert!(!Filter::new(both).unwrap().admits(&nobody), "who is asked for has to be known");
    }

    #[test]
    fn a_socket_of_several_stays_while_one_is_left() {
        let holder = |pid, comm: &str| Holder { pid, comm: comm.into(), fd: 3, cgroup: "/".into() };
        let filter = without!(comms: vec!["nginx".into()]);
        assert!(!filter.admits_holders(&[holder(1, "nginx"), holder(2, "nginx")]));
        assert!(filter.admits_holders(&[holder(1, "nginx"), holder(2, "envoy")]));
        assert!(filter.admits_holders(&[]));
    }

    #[test]
    fn ends_are_known_or_match_nothing() {
        let reset = crate::model::Close {
            role: Role::Abort,
            outcome: Outcome::ResetSent,
            reason: Some(Reason::Linger0),
            ..fixtures::close()
        };
        let (close, reset) = (Output::Close(fixtures::close()), Output::Close(reset));
        let raised = Output::Finding(fixtures::finding(FindingStatus::Raised));
        let ended = Output::Finding(fixtures::finding(FindingStatus::Ended(Outcome::Timeout)));
        let Output::Finding(finding) = &raised else { unreachable!() };
        let reason = finding.reason.as_str().to_owned();
        let wants = |spec: FilterSpec| {
            let filter = Filter::new(spec).unwrap();
            [&close, &reset, &raised, &ended].map(|output| filter.admits(output))
        };
        let none = FilterSpec::default;
        assert_eq!(wants(FilterSpec { outcomes: vec![Outcome::ResetSent], ..none() }), [false, true, false, false]);
        assert_eq!(wants(FilterSpec { outcomes: vec![Outcome::Timeout], ..none() }), [false, false, false, true]);
        assert_eq!(wants(FilterSpec { roles: vec![Role::Active], ..none() }), [true, false, false, false]);
        assert_eq!(wants(FilterSpec { reasons: vec!["linger_0".into()], ..none() }), [false, true, false, false]);
        assert_eq!(wants(FilterSpec { reasons: vec!["none".into()], ..none() }), [true, false, false, false]);
        assert_eq!(wants(FilterSpec { reasons: vec![reason.clone()], ..none() }), [false, false, true, true]);
        let excludes = |not: Excluded| wants(FilterSpec { not, ..none() });
        let no = Excluded::default;
        assert_eq!(excludes(Excluded { outcomes: vec![Outcome::Fin], ..no() }), [false, true, true, true]);
        assert_eq!(excludes(Excluded { roles: vec![Role::Abort], ..no() }), [true, false, true, true]);
        assert_eq!(excludes(Excluded { reasons: vec![reason], ..no() }), [true, true, false, false]);
        let findings = Filter::new(FilterSpec { findings_only: true, ..none() }).unwrap();
        assert!(findings.admits(&close) && !findings.shows(&close) && findings.shows(&raised));
    }

    #[test]
    fn what_leaves_nothing_is_refused() {
        let spec = |not: Excluded| FilterSpec { ports: vec![80], local_ports: vec![80], not, ..FilterSpec::default() };
        let refused = |not: Excluded| Filter::new(spec(not)).err();
        assert_eq!(refused(Excluded { ports: vec![81], ..Excluded::default() }), None);
        assert_eq!(
            refused(Excluded { ports: vec![80], ..Excluded::default() }),
            Some(FilterError::AllExcluded { option: "--port" })
        );
        assert_eq!(
            refused(Excluded { local_ports: vec![80], ..Excluded::default() }),
            Some(FilterError::AllExcluded { option: "--local-port" })
        );
    }
}
