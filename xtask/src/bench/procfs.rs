//! What /proc tells of CPU time and of BPF programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks per second in /proc (`USER_HZ`), 100 on every architecture that tcptrace runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process so far.
pub(super) fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // utime and stime, see proc_pid_stat(5).
    ticks(&stat, 14)
}

/// User and system time so far of a process's threads of this name.
pub(super) fn cpu_of_threads(pid: u32, name: &str) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut total = Duration::ZERO;
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        // A thread may end while the folder is read.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else {
            continue;
        };
        if stat.contains(&format!(" ({name}) ")) {
            total += ticks(&stat, 14)?;
        }
    }
    Ok(total)
}

/// User and system time of all children that were waited for: exact, for the child is over.
pub(super) fn cpu_of_ended_children() -> Result<Duration> {
    let stat = read("/proc/self/stat")?;
    // cutime and cstime.
    ticks(&stat, 16)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// Sum of two neighbouring fields of a stat file, numbered as in its manual page.
fn ticks(stat: &str, first: usize) -> Result<Duration> {
    let sum = || {
        // A process may have parentheses and spaces in its name, the second field.
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields = after_name.split_whitespace().skip(first.checked_sub(3)?).take(2);
        let ticks: Vec<u32> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
        let [user, system] = <[u32; 2]>::try_from(ticks).ok()?;
        Some(f64::from(user) + f64::from(system))
    };
    let ticks = sum().context("cannot understand the CPU time in /proc")?;
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
}

/// Time of all CPUs since boot, ticks.
#[derive(Clone, Copy)]
pub(super) struct CpuTimes {
    total: u64,
    idle: u64,
    stolen: u64,
}

impl CpuTimes {
    pub(super) fn now() -> Result<Self> {
        Self::parse(&read("/proc/stat")?).context("cannot understand /proc/stat")
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        // user nice system idle iowait irq softirq steal; the guest times after them are in user and nice already.
        let fields: Option<Vec<u64>> = line.split_whitespace().take(8).map(|field| field.parse().ok()).collect();
        let fields = fields?;
        let idle = fields.get(3)? + fields.get(4)?;
        Some(Self { total: fields.iter().sum(), idle, stolen: *fields.get(7)? })
    }

    /// The part of the time since then that the hypervisor gave to others.
    pub(super) fn stolen_since(self, before: Self) -> f64 {
        self.stolen.saturating_sub(before.stolen) as f64 / self.total_since(before)
    }

    /// The part of the time since then in which programs ran that are not ours, who ran for `own`.
    pub(super) fn foreign_since(self, before: Self, own: Duration) -> f64 {
        let not_busy = |times: Self| times.idle + times.stolen;
        let busy = self.total_since(before) - not_busy(self).saturating_sub(not_busy(before)) as f64;
        // Ours are counted by the scheduler and all by the clock tick, so the difference can fall below 0.
        (busy - own.as_secs_f64() * TICKS_PER_SECOND).max(0.0) / self.total_since(before)
    }

    fn total_since(self, before: Self) -> f64 {
        self.total.saturating_sub(before.total).max(1) as f64
    }
}

/// Inode of the network namespace of a process or thread, by its folder in /proc.
pub(super) fn netns(folder: &Path) -> Option<u64> {
    let link = fs::read_link(folder.join("ns/net")).ok()?;
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// The kernel's account of one BPF program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProgramStats {
    pub(super) run_time_ns: u64,
    pub(super) runs: u64,
    /// Runs that were skipped, because the program was interrupted by itself.
    pub(super) misses: u64,
}

impl ProgramStats {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            run_time_ns: self.run_time_ns.saturating_sub(before.run_time_ns),
            runs: self.runs.saturating_sub(before.runs),
            misses: self.misses.saturating_sub(before.misses),
        }
    }
}

/// The BPF programs that a process holds, by id, which is the order in which they were loaded.
pub(super) fn programs_of(pid: u32) -> Result<BTreeMap<u32, ProgramStats>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let mut programs = BTreeMap::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {folder}"))?.path();
        // A descriptor may be closed while the folder is read.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        programs.extend(program(&text));
    }
    Ok(programs)
}

/// `None` for what is no program; links name one too, but keep no account.
fn program(fdinfo: &str) -> Option<(u32, ProgramStats)> {
    let field = |name: &str| {
        let mut values = fdinfo.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        values.next()?.trim().parse::<u64>().ok()
    };
    let stats = ProgramStats {
        run_time_ns: field("run_time_ns")?,
        runs: field("run_cnt")?,
        misses: field("recursion_misses").unwrap_or(0),
    };
    Some((u32::try_from(field("prog_id")?).ok()?, stats))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 150 50 1000 234 20 0";
        assert_eq!(ticks(stat, 14).unwrap(), Duration::from_secs(2));
        assert_eq!(ticks(stat, 16).unwrap(), Duration::from_millis(12_340));
        assert!(ticks("7 (a) S 1", 14).is_err());
    }

    #[test]
    fn threads_are_found_by_name() {
        let pid = std::process::id();
        let name = fs::read_to_string("/proc/thread-self/comm").unwrap();
        // The kernel counts in ticks, and others may have the CPU.
        let start = std::time::Instant::now();
        let is_seen = || cpu_of_threads(pid, name.trim_end()).unwrap() > Duration::ZERO;
        while !is_seen() {
            assert!(start.elapsed() < Duration::from_secs(30), "no CPU time of {name}");
        }
        assert_eq!(cpu_of_threads(pid, "no such thread").unwrap(), Duration::ZERO);
    }

    #[test]
    fn stolen_and_foreign_time_are_parts_of_the_whole() {
        let before = CpuTimes::parse("cpu  100 0 100 100 0 0 0 10 5 0\ncpu0 1\n").unwrap();
        let after = CpuTimes::parse("cpu  150 0 130 110 0 0 0 20 9 0\n").unwrap();
        assert!((after.stolen_since(before) - 0.1).abs() < 1e-9);
        assert!((after.foreign_since(before, Duration::from_millis(300)) - 0.5).abs() < 1e-9);
        assert!(after.foreign_since(before, Duration::from_secs(9)).abs() < 1e-9);
        assert!(CpuTimes::parse("intr 5").is_none());
    }

    #[test]
    fn a_process_has_a_namespace() {
        assert!(netns(Path::new("/proc/self")).is_some_and(|inode| inode > 0));
    }

    #[test]
    fn programs_are_told_from_links() {
        let text = "pos:\t0\nprog_type:\t26\nprog_id:\t83\nrun_time_ns:\t500\nrun_cnt:\t4\nrecursion_misses:\t1\n";
        let stats = ProgramStats { run_time_ns: 500, runs: 4, misses: 1 };
        assert_eq!(program(text), Some((83, stats)));
        assert_eq!(program("link_type:\ttracing\nprog_id:\t83\n"), None);
    }
}
