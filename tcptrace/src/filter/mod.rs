//! Which outputs the user wants to see. What can never match is refused at the start; an unknown owner
//! matches no owner filter. No I/O.

mod excluded;
mod spec;
#[cfg(test)]
mod tests;

use std::fmt;

pub use excluded::Excluded;
pub use spec::{FilterError, FilterSpec, parse_prefix};

use crate::model::{CgroupName, Comm, FindingStatus, Holder, Identity, NetnsName, Output, Owner, Shown};

/// A checked filter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Most runs have no filter: they pay for one bool.
    is_active: bool,
    wants_owner: bool,
    bars_owners: bool,
    has_ends: bool,
    spec: FilterSpec,
    /// Namespaces that have one of the names asked for, now.
    named: Vec<u32>,
    /// The same of the names that are excluded.
    not_named: Vec<u32>,
}

impl Filter {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// Refuses a filter that no connection can pass, and says which option is why.
    pub fn new(spec: FilterSpec) -> Result<Self, FilterError> {
        spec.check()?;
        let (wants_owner, bars_owners) = (spec.wants_owners(), spec.not.has_owners());
        let asks = [spec.outcomes.is_empty(), spec.roles.is_empty(), spec.reasons.is_empty()];
        let has_ends = asks.contains(&false) || spec.not.has_ends();
        Ok(Self {
            is_active: !spec.is_empty(),
            wants_owner,
            bars_owners,
            has_ends,
            spec,
            named: Vec::new(),
            not_named: Vec::new(),
        })
    }

    /// Takes the id of a cgroup that was asked for by path, or is below one.
    pub fn learn_cgroup(&mut self, name: &CgroupName) {
        let wanted = self.spec.cgroup_paths.iter().any(|path| holds_cgroup(path, &name.path));
        if wanted && !self.spec.cgroup_ids.contains(&name.id) {
            self.spec.cgroup_ids.push(name.id);
        }
        let not = &mut self.spec.not;
        if not.cgroup_paths.iter().any(|path| holds_cgroup(path, &name.path)) && !not.cgroup_ids.contains(&name.id) {
            not.cgroup_ids.push(name.id);
        }
    }

    /// Takes the inode of a namespace that was asked for by name, and drops that of one that is called otherwise now.
    pub fn learn_netns(&mut self, name: &NetnsName) {
        let asked = [(&mut self.named, &self.spec.netns_names), (&mut self.not_named, &self.spec.not.netns_names)];
        for (named, names) in asked {
            named.retain(|netns| *netns != name.netns);
            if names.contains(&name.name) {
                named.push(name.netns);
            }
        }
    }

    /// Whether this is to be counted.
    #[must_use]
    pub fn admits(&self, output: &Output) -> bool {
        if !self.is_active {
            return true;
        }
        let (socket, owner) = match output {
            Output::Close(close) => (&close.socket, close.owner.as_ref()),
            Output::Finding(finding) => (&finding.socket, finding.owner.as_ref()),
            Output::FailedConnect(failed) => (&failed.socket, failed.owner.as_ref()),
            Output::Event(event) => (&event.socket, event.owner.as_ref()),
        };
        self.admits_socket(socket) && self.admits_owner(owner) && (!self.has_ends || self.admits_end(output))
    }

    /// Whether this, being counted, is also to be shown: `--min-latency`, `--findings-only`.
    ///
    /// A close without a known latency is below all of them; events have no latency to compare.
    #[must_use]
    pub fn shows(&self, output: &Output) -> bool {
        let latency_ns = match output {
            Output::Close(_) if self.spec.findings_only => return false,
            Output::Close(close) => close.close_ns,
            Output::Finding(finding) => Some(finding.age_ns),
            Output::FailedConnect(failed) => failed.took_ns,
            Output::Event(_) => return true,
        };
        self.spec.min_latency_ns.is_none_or(|min| latency_ns.is_some_and(|ns| ns >= min))
    }

    /// Whether a socket may be shown, whoever holds it.
    #[must_use]
    pub fn admits_socket(&self, socket: &Identity) -> bool {
        let spec = &self.spec;
        let (local, remote) = (&socket.local, &socket.remote);
        any(&spec.ports, |port| *port == local.port || *port == remote.port)
            && any(&spec.local_ports, |port| *port == local.port)
            && any(&spec.remote_ports, |port| *port == remote.port)
            && ((spec.netns.is_empty() && spec.netns_names.is_empty())
                || spec.netns.contains(&socket.netns)
                || self.named.contains(&socket.netns))
            && spec.family.is_none_or(|family| family == socket.family())
            && any(&spec.prefixes, |prefix| prefix.contains(&local.ip()) || prefix.contains(&remote.ip()))
            && !spec.not.ports.iter().any(|port| *port == local.port || *port == remote.port)
            && !spec.not.local_ports.contains(&local.port)
            && !spec.not.remote_ports.contains(&remote.port)
            && !spec.not.netns.contains(&socket.netns)
            && !self.not_named.contains(&socket.netns)
            && !spec.not.prefixes.iter().any(|prefix| prefix.contains(&local.ip()) || prefix.contains(&remote.ip()))
    }

    /// Whether one of these processes is whom the user asked for. A socket of several stays while one of them is not
    /// excluded.
    #[must_use]
    pub fn admits_holders(&self, holders: &[Holder]) -> bool {
        let spec = &self.spec;
        let is_wanted = |holder: &Holder| {
            any(&spec.pids, |pid| *pid == holder.pid)
                && any(&spec.cgroup_paths, |path| holds_cgroup(path, &holder.cgroup))
                && any(&spec.comms, |name| is_called(name, &holder.comm))
                && !spec.not.pids.contains(&holder.pid)
                && !spec.not.comms.iter().any(|name| is_called(name, &holder.comm))
                && !spec.not.cgroup_paths.iter().any(|path| holds_cgroup(path, &holder.cgroup))
        };
        let unknown = holders.is_empty() && !self.wants_owner;
        unknown || !(self.wants_owner || self.bars_owners) || holders.iter().any(is_wanted)
    }

    /// The network namespaces asked for; none where all are.
    #[must_use]
    pub fn netns(&self) -> &[u32] {
        &self.spec.netns
    }

    /// Names of network namespaces asked for, which captures tell.
    #[must_use]
    pub fn netns_names(&self) -> &[String] {
        &self.spec.netns_names
    }

    /// What is not known (yet) matches no option, and no exclusion.
    fn admits_end(&self, output: &Output) -> bool {
        let (role, outcome, reason) = match output {
            Output::Close(close) => {
                let reason = close.reason.as_ref().map_or(NO_REASON, |reason| reason.as_str());
                (Some(close.role), Some(close.outcome), Some(reason))
            }
            Output::Finding(finding) => {
                let outcome = match finding.status {
                    FindingStatus::Ended(outcome) => Some(outcome),
                    FindingStatus::Raised | FindingStatus::Moved => None,
                };
                (None, outcome, Some(finding.reason.as_str()))
            }
            Output::FailedConnect(_) | Output::Event(_) => (None, None, None),
        };
        let Self { spec, .. } = self;
        any(&spec.roles, |wanted| Some(*wanted) == role)
            && any(&spec.outcomes, |wanted| Some(*wanted) == outcome)
            && any(&spec.reasons, |wanted| Some(wanted.as_str()) == reason)
            && !role.is_some_and(|role| spec.not.roles.contains(&role))
            && !outcome.is_some_and(|outcome| spec.not.outcomes.contains(&outcome))
            && !reason.is_some_and(|reason| spec.not.reasons.iter().any(|word| word == reason))
    }

    fn admits_owner(&self, owner: Option<&Owner>) -> bool {
        if !(self.wants_owner || self.bars_owners) {
            return true;
        }
        let Some(owner) = owner else { return !self.wants_owner };
        let not = &self.spec.not;
        let is_barred = not.pids.contains(&owner.pid)
            || not.cgroup_ids.contains(&owner.cgroup_id)
            || not.comms.iter().any(|name| name.as_bytes() == owner.comm.as_bytes() || prints_as(owner.comm, name));
        !is_barred
            && any(&self.spec.pids, |pid| *pid == owner.pid)
            && (self.spec.has_no_cgroup() || self.spec.cgroup_ids.contains(&owner.cgroup_id))
            && any(&self.spec.comms, |name| name.as_bytes() == owner.comm.as_bytes() || prints_as(owner.comm, name))
    }
}

/// The word for closes without a reason, as histograms have it.
const NO_REASON: &str = "none";

/// Whether a path is that of the wanted cgroup, or of one below. Users may name one by its place in the file system,
/// too.
fn holds_cgroup(wanted: &str, path: &str) -> bool {
    const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let below = MOUNTS.iter().filter_map(|mount| wanted.strip_prefix(mount)).next();
    let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    is_at_or_below(wanted, path) || below.is_some_and(|below| is_at_or_below(below, path))
}

fn is_at_or_below(wanted: &str, path: &str) -> bool {
    let (wanted, path) = (wanted.trim_matches('/'), path.trim_matches('/'));
    wanted.is_empty() || path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An option that was not given holds.
fn any<T>(wanted: &[T], matches: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

/// Whether a process of this name is the one that was asked for: by its name, or as that is printed.
fn is_called(wanted: &str, name: &str) -> bool {
    wanted == name || Shown(wanted).to_string() == name
}

/// Compares with what the user sees, so that a name can be copied from the output.
fn prints_as(comm: Comm, name: &str) -> bool {
    let mut rest = Rest(name);
    fmt::Write::write_fmt(&mut rest, format_args!("{comm}")).is_ok() && rest.0.is_empty()
}

/// What has yet to be printed of a name; an error as soon as something else is printed.
struct Rest<'a>(&'a str);

impl fmt::Write for Rest<'_> {
    fn write_str(&mut self, printed: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(printed).ok_or(fmt::Error)?;
        Ok(())
    }
}
