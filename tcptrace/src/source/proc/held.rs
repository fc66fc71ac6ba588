//! Which capabilities this process holds (capabilities(7)), and what advice follows for one that it lacks.

use std::fmt;

use rustix::thread::{CapabilitySet, capabilities};

/// A capability that an ability of this tool takes. docs/requirements.md has the table, and a test makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// Loads the programs and makes their maps (`bpf_capable()`).
    Bpf,
    /// Loads programs that trace (`perfmon_capable()`).
    Perfmon,
    /// Enters other network namespaces (`netns_install()`); stands for [`Capability::Bpf`] and
    /// [`Capability::Perfmon`], too.
    SysAdmin,
    /// Looks into other users' processes (`ptrace_may_access()`): where their files and namespaces lead to.
    SysPtrace,
    /// Opens `/proc/PID/fd` of other users, which has mode 0500 (`proc_fd_permission()`).
    DacReadSearch,
}

impl Capability {
    /// Its name in capabilities(7).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bpf => "CAP_BPF",
            Self::Perfmon => "CAP_PERFMON",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
        }
    }

    /// Any of these gives the right.
    fn holders(self) -> CapabilitySet {
        match self {
            Self::Bpf => CapabilitySet::BPF | CapabilitySet::SYS_ADMIN,
            Self::Perfmon => CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN,
            Self::SysAdmin => CapabilitySet::SYS_ADMIN,
            Self::SysPtrace => CapabilitySet::SYS_PTRACE,
            Self::DacReadSearch => CapabilitySet::DAC_READ_SEARCH | CapabilitySet::DAC_OVERRIDE,
        }
    }
}

/// The effective capabilities of the calling thread, which all threads of this program share. capget(2) tells them
/// where `/proc` is not mounted, too.
#[derive(Clone, Copy, Debug)]
pub struct Held(CapabilitySet);

impl Held {
    /// Those held now. None where the kernel does not say.
    #[must_use]
    pub fn now() -> Self {
        Self(capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective))
    }

    /// Whether this right is held, by the capability itself or by a wider one.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0.intersects(capability.holders())
    }

    /// Whether the capability is held by its own name, and not through CAP_SYS_ADMIN.
    #[must_use]
    pub fn has_itself(self, capability: Capability) -> bool {
        match capability {
            Capability::Bpf => self.0.contains(CapabilitySet::BPF),
            Capability::Perfmon => self.0.contains(CapabilitySet::PERFMON),
            other => self.has(other),
        }
    }

    /// Those of `needed` that are not held.
    #[must_use]
    pub fn lacks(self, needed: &[Capability]) -> Vec<Capability> {
        needed.iter().copied().filter(|one| !self.has(*one)).collect()
    }
}

/// What to do about something that was refused and takes these capabilities: only what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Those that are not held.
    pub missing: Vec<Capability>,
    /// The effective user is root, who lacks some.
    pub is_root: bool,
    /// Capabilities that are held count within a user namespace alone (`ns_capable()`).
    pub in_user_namespace: bool,
}

impl Advice {
    /// For this process.
    #[must_use]
    pub fn about(needed: &[Capability]) -> Self {
        Self {
            missing: Held::now().lacks(needed),
            is_root: rustix::process::geteuid().is_root(),
            in_user_namespace: in_user_namespace(),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.missing.iter().map(|one| one.as_str()).collect();
        let names = names.join(" and ");
        let them = if self.missing.len() == 1 { "it" } else { "them" };
        match (self.missing.is_empty(), self.in_user_namespace, self.is_root) {
            (_, true, _) => f.write_str("run outside of this user namespace, where capabilities count for the host"),
            (true, ..) => f.write_str(
                "no capability that is missing would help, because the kernel protects it by other means (a security \
                 module, or a user namespace)",
            ),
            (false, _, true) => write!(f, "{names} would help: grant {them}, or run outside of the container"),
            (false, _, false) => write!(f, "{names} would help: run as root, or grant {them}"),
        }
    }
}

/// Whether this is another user namespace than the host's first (`PROC_USER_INIT_INO`). Where `/proc` does not tell, it
/// counts as the first.
#[must_use]
pub fn in_user_namespace() -> bool {
    std::fs::read_link("/proc/self/ns/user").is_ok_and(|link| link.as_os_str() != "user:[4026531837]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_capability_gives_the_right() {
        let admin = Held(CapabilitySet::SYS_ADMIN);
        assert!(admin.has(Capability::Bpf) && !admin.has_itself(Capability::Bpf));
        assert_eq!(admin.lacks(&[Capability::SysAdmin, Capability::SysPtrace]), [Capability::SysPtrace]);
        assert!(Held(CapabilitySet::DAC_OVERRIDE).has(Capability::DacReadSearch));
        assert!(!Held(CapabilitySet::SYS_PTRACE).has(Capability::DacReadSearch));
        assert!(!Held(CapabilitySet::BPF).has(Capability::SysAdmin));
    }

    #[test]
    fn advice_names_what_is_missing_and_nothing_else() {
        let of = |missing: &[Capability], is_root, in_user_namespace| {
            Advice { missing: missing.to_vec(), is_root, in_user_namespace }.to_string()
        };
        let both = [Capability::DacReadSearch, Capability::SysPtrace];
        assert!(of(&both, false, false).starts_with("CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE would help: run as root"));
        assert!(!of(&both, true, false).contains("run as root"));
        let nothing = of(&[], true, false);
        assert!(nothing.contains("no capability") && !nothing.contains("CAP_"), "{nothing}");
        let inside = of(&both, true, true);
        assert!(inside.contains("user namespace") && !inside.contains("CAP_"), "{inside}");
    }

    #[test]
    fn the_kernel_says_what_is_held() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        assert_eq!(Held::now().0.bits(), u64::from_str_radix(line.trim(), 16).unwrap());
    }
}
