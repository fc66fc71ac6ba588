//! What is needed, as data, and how each is looked at.

use std::fs;

use ipnet::Ipv4Net;
use tcptrace_ebpf::{layout::Layout, names};

use super::looks;
use crate::{
    filter::FilterSpec,
    source::{
        Kernel, KernelFilter, ProgramSize, SourceError,
        btf::{self, Btf},
        differences::{self, Difference},
        layout,
        proc::{Advice, Capability, Held, in_user_namespace},
    },
};

/// What a missing need means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Without it nothing runs, and root has it.
    Privilege,
    /// Without it nothing runs.
    Required,
    /// Without it something is unknown that could be known.
    Optional,
}

impl Group {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Privilege => "privilege",
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

/// One thing that the tool needs.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) group: Group,
    pub(super) name: String,
    pub(super) met: bool,
    /// What was found.
    pub(super) found: String,
    /// What to do about it, or what is lost in truth; empty where it is met.
    pub(super) remedy: String,
    /// What newer kernels have, if this is of that kind.
    pub(super) difference: Option<Difference>,
    /// The loaded program that this is about.
    pub(super) program: Option<ProgramSize>,
}

pub(super) fn need(group: Group, name: &str, found: Result<String, String>, remedy: &str) -> Need {
    let met = found.is_ok();
    Need {
        group,
        name: name.to_owned(),
        met,
        found: found.unwrap_or_else(|why| why),
        remedy: if met { String::new() } else { remedy.to_owned() },
        difference: None,
        program: None,
    }
}

/// Big enough to be a ring buffer; nothing is ever written to it.
const TRIAL_RING_BYTES: u32 = 1 << 16;

/// Looks at this host. Loads the programs as a run would, and attaches none but the one whose attaching may be refused.
pub(super) fn look() -> Vec<Need> {
    let mut needs = vec![kernel(), capability(Capability::Bpf), capability(Capability::Perfmon)];
    let btf = Btf::of_running_kernel();
    let found = btf.as_ref().map(|_| btf::VMLINUX.to_owned()).map_err(ToString::to_string);
    needs.push(need(
        Group::Required,
        "BTF",
        found,
        "run a kernel built with CONFIG_DEBUG_INFO_BTF, and let tcptrace read that file",
    ));
    let Ok(btf) = btf else {
        needs.extend(looks::without_bpf());
        return needs;
    };
    needs.extend(names::TRACEPOINTS.map(|name| tracepoint(&btf, name)));
    let layout = layout::resolve(&btf);
    let found = layout.as_ref().map(|_| "all found".to_owned()).map_err(ToString::to_string);
    needs.push(need(Group::Required, "kernel fields", found, "report this kernel's version as a bug"));
    let Ok(resolved) = layout else {
        needs.extend(looks::without_bpf());
        return needs;
    };
    let allowed = needs.iter().all(|need| need.met || need.group != Group::Privilege);
    let loaded = if allowed { Some(Kernel::load(TRIAL_RING_BYTES, 0, &KernelFilter::default())) } else { None };
    needs.push(programs(loaded.as_ref()));
    let mut loaded = loaded.and_then(Result::ok);
    needs.extend(loaded.iter_mut().flat_map(sizes));
    let resolved = loaded.as_ref().map_or(resolved, |kernel| kernel.layout);
    needs.extend(optional(&resolved, loaded.is_some()));
    needs.push(filters(loaded.is_some()));
    needs.push(skipped_runs());
    needs.push(looks::time_wait(loaded));
    needs.extend(looks::without_bpf());
    needs
}

/// `uname -r`, and its first two numbers where it begins with them.
fn kernel_version() -> (String, Option<(u32, u32)>) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let version = differences::version_of(&release);
    (release, version)
}

fn kernel() -> Need {
    let (release, version) = kernel_version();
    let found = match version {
        Some(version) if version < differences::OLDEST => Err(format!("Linux {release}")),
        _ => Ok(format!("Linux {release}")),
    };
    need(Group::Required, "kernel 5.10 or later", found, "run a newer kernel")
}

fn capability(capability: Capability) -> Need {
    let held = Held::now();
    if in_user_namespace() {
        let why = "not held in the host's first user namespace".to_owned();
        return need(Group::Privilege, capability.as_str(), Err(why), &Advice::about(&[capability]).to_string());
    }
    let found = match (held.has_itself(capability), held.has(capability)) {
        (true, _) => Ok("held".to_owned()),
        (false, true) => Ok("held through CAP_SYS_ADMIN".to_owned()),
        (false, false) => Err("not held".to_owned()),
    };
    let advice = Advice::about(&[capability]);
    let remedy = format!("{advice}; `setcap cap_bpf,cap_perfmon+ep` on the binary grants what tracing takes");
    need(Group::Privilege, capability.as_str(), found, &remedy)
}

fn tracepoint(btf: &Btf, name: &str) -> Need {
    let found = btf
        .tracepoint_args(name)
        .map(|count| if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") });
    let remedy = "run a kernel with CONFIG_INET and this tracepoint (4.16 or later)";
    need(Group::Required, &format!("tracepoint {name}"), found.map_err(|error| error.to_string()), remedy)
}

fn programs(loaded: Option<&Result<Kernel, SourceError>>) -> Need {
    let found = match loaded {
        None => Err("not tried without privilege".to_owned()),
        Some(Ok(_)) => Ok("the verifier accepts them".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
    };
    // Capabilities may be held in a user namespace, where they do not count for BPF.
    let refused = matches!(loaded, Some(Err(SourceError::Privilege { .. })));
    let group = if refused { Group::Privilege } else { Group::Required };
    need(group, "ring buffer, helpers and programs", found, "see the message; check again as root")
}

fn optional(layout: &Layout, loaded: bool) -> Vec<Need> {
    let mut needs: Vec<Need> = differences::found(layout)
        .into_iter()
        .map(|(difference, has)| match difference.name {
            // Known only once the programs are loaded.
            name if name == differences::SOCKET_COOKIES.name && !loaded => {
                differing(&difference, Err("not tried".to_owned()))
            }
            _ => differing(&difference, if has { Ok("present".to_owned()) } else { Err("absent".to_owned()) }),
        })
        .collect();
    let ipv6 = if layout.has_ipv6 == 1 { Ok("present".to_owned()) } else { Err("absent".to_owned()) };
    needs.push(need(Group::Optional, "IPv6", ipv6, "this kernel has no IPv6 sockets; nothing is lost"));
    let mptcp = if layout.tp_mptcp == 0 {
        Err("absent".to_owned())
    } else {
        Ok("closes of subflows are traced, and marked; the connections above them are not traced".to_owned())
    };
    needs.push(need(Group::Optional, "MPTCP", mptcp, "this kernel has no MPTCP sockets; nothing is lost"));
    needs
}

/// Loads the programs with every filter on: what a run without filters has pruned, the verifier sees only now.
fn filters(loaded: bool) -> Need {
    let spec = FilterSpec {
        ports: vec![1],
        local_ports: vec![1],
        remote_ports: vec![1],
        prefixes: [Ipv4Net::default().into()].into(),
        pids: vec![1],
        comms: vec!["check".to_owned()],
        cgroup_paths: vec!["/".to_owned()],
        netns: vec![1],
        ..FilterSpec::default()
    };
    let trial = |filter: KernelFilter| Kernel::load(TRIAL_RING_BYTES, 0, &filter).map_err(|error| error.to_string());
    let found = match KernelFilter::new(&spec, 2).map_err(|error| error.to_string()).and_then(trial) {
        _ if !loaded => Err("not tried".to_owned()),
        Ok(kernel) if kernel.filter().has_cgroups() => Ok("all".to_owned()),
        Ok(_) => Err("all but --cgroup".to_owned()),
        // Then no run with a filter can load them.
        Err(why) => Err(why),
    };
    differing(&differences::CGROUP_ANCESTORS, found)
}

/// A need that not every supported kernel meets.
pub(super) fn differing(difference: &Difference, found: Result<String, String>) -> Need {
    let (major, minor) = difference.since;
    let name = format!("{} ({major}.{minor})", difference.name);
    Need { difference: Some(*difference), ..need(Group::Optional, &name, found, difference.lost) }
}

/// The programs that are loaded, one by one.
fn sizes(kernel: &mut Kernel) -> Vec<Need> {
    let told = |size: ProgramSize| {
        let number = |number: Option<u32>| number.map_or_else(|| "unknown".to_owned(), |number| number.to_string());
        let found = format!(
            "{} instructions verified, {} bytes, {} of machine code",
            number(size.verified_instructions),
            number(size.translated_bytes),
            size.machine_code_bytes
        );
        Need { program: Some(size.clone()), ..need(Group::Required, &format!("program {}", size.name), Ok(found), "") }
    };
    kernel.program_sizes().into_iter().map(told).collect()
}

/// `recursion_misses` makes skipped runs of a program visible.
fn skipped_runs() -> Need {
    let readable = fs::metadata("/proc/self/fdinfo").is_ok();
    let difference = differences::SKIPPED_RUNS;
    let known = readable && kernel_version().1.is_none_or(|version| version >= difference.since);
    differing(&difference, if known { Ok("counted".to_owned()) } else { Err("not counted".to_owned()) })
}
