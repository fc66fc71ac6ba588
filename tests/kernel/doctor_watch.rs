//! `tcptrace doctor --watch`, sysctl files, and hosts that hide things from it.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::UnshareFlags,
};
use tcptrace::source::differences::SOCKET_COOKIES;
use tcptrace_tests::{
    netns::{self, NetNs, THREAD_NAME},
    pair::{self, Pair},
    tool::{self, Line, Tool},
};

use crate::harness::{Folder, SOON, bounded, is_older_than};

const NOBODY: u32 = 65534;
/// More than 47 a second of the watch.
const CLOSES: u64 = 400;
const WATCH: &str = "5s";

fn row<'a>(lines: &'a [Line], row: &str) -> Result<&'a Line> {
    lines.iter().find(|line| line.at("/row") == row).with_context(|| format!("no {row}"))
}

fn expect<'a>(lines: &'a [Line], name: &str, verdict: &str) -> Result<&'a Line> {
    let line = row(lines, name)?;
    ensure!(line.at("/verdict") == verdict, "expected {verdict}: {}", line.text);
    Ok(line)
}

/// The client closes first, one connection after the other.
fn short_connections(netns: &NetNs) -> Result<()> {
    netns.set_sysctl("net/ipv4/tcp_max_tw_buckets", "300")?;
    for _ in 0..CLOSES {
        let Pair { client, server, .. } = Pair::connect()?;
        drop(client);
        pair::read_eof(&server)?;
        drop(server);
    }
    Ok(())
}

#[test]
fn a_watch_names_who_closes() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let words = ["doctor", "--output", "json", "--netns", &inode, "--watch", WATCH];
        let tool = Tool::watching(tool::command(words)?)?;
        netns.run(short_connections)?;
        let finished = tool.finish(SOON)?;
        finished.expect_code(0)?;
        let lines = finished.lines()?;
        let closes = row(&lines, "short_connections")?;
        ensure!(closes.count("/evidence/closed_first") == CLOSES, "{}", closes.text);
        let moved = expect(&lines, "time_wait", "act")?;
        ensure!(moved.count("/evidence/overflows_while_watched") == CLOSES - 300, "{}", moved.text);
        ensure!(moved.at("/evidence/closers/0/comm") == THREAD_NAME, "{}", moved.text);
        ensure!(moved.at("/evidence/closers/0/pid") == std::process::id(), "{}", moved.text);
        let opened = row(&lines, "ephemeral_ports")?;
        ensure!(opened.at("/evidence/opened_per_second").as_f64() > Some(40.0), "{}", opened.text);
        ensure!(row(&lines, "max_orphans")?.at("/evidence/orphans_peak").is_u64(), "no peak");
        ensure!(row(&lines, "orphan_retries")?.at("/evidence/fin_retransmits_seen").is_u64(), "no retransmits");
        Ok(())
    })
}

fn to_one_place() -> Result<()> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 5000))?;
    for _ in 0..CLOSES {
        // The client sees the server's FIN, so that its end is known to any kernel.
        let Pair { client, server, .. } = Pair::to(&listener, listener.local_addr()?)?;
        pair::shut(&client)?;
        pair::read_eof(&server)?;
        drop(server);
        pair::read_eof(&client)?;
    }
    Ok(())
}

/// All to one place: the process is named, and told what it can do.
#[test]
fn short_connections_to_one_place() -> Result<()> {
    bounded(|| {
        let netns = NetNs::new()?;
        let inode = netns.inode().to_string();
        let words = ["doctor", "--output", "json", "--netns", &inode, "--watch", WATCH];
        let tool = Tool::watching(tool::command(words)?)?;
        netns.run(|_| to_one_place())?;
        let finished = tool.finish(SOON)?;
        let lines = finished.lines()?;
        let line = expect(&lines, "short_connections", "act")?;
        ensure!(line.at("/evidence/closers/0/pid") == std::process::id(), "{}", line.text);
        ensure!(line.at("/evidence/closers/0/to") == "127.0.0.1:5000", "{}", line.text);
        ensure!(line.count("/evidence/closers/0/short") == CLOSES, "{}", line.text);
        ensure!(line.at("/evidence/closers/0/comm") == THREAD_NAME, "{}", line.text);
        let advice = line.at("/advice").as_str().context("no advice")?;
        ensure!(advice.contains("a pool"), "{advice}");
        let opened = row(&lines, "ephemeral_ports")?;
        ensure!(opened.at("/evidence/opened_to/0/destination") == "127.0.0.1", "{}", opened.text);
        ensure!(opened.at("/evidence/opened_to/0/source") == "127.0.0.1", "{}", opened.text);
        ensure!(opened.count("/evidence/opened_to/0/destination_port") == 5000, "{}", opened.text);
        ensure!(opened.at("/evidence/opened_to/0/opened_per_second").as_f64() > Some(40.0), "{}", opened.text);
        Ok(())
    })
}

/// A capture holds closes, settings and counters: its rows say what a watch said, or that they do not know.
#[test]
fn a_capture_is_judged() -> Result<()> {
    if is_older_than(&SOCKET_COOKIES) {
        return Ok(());
    }
    bounded(|| {
        let (folder, netns) = (Folder::new()?, NetNs::new()?);
        let (file, inode) = (folder.file("run.cap"), netns.inode().to_string());
        let tool = Tool::live(&["record", &file], &["--summary"])?;
        netns.run(|netns| {
            netns.set_sysctl("net/ipv4/tcp_orphan_retries", "2")?;
            // The engine asks for counters when it meets the namespace, and again when an orphan has no socket.
            short_connections(netns)
        })?;
        thread::sleep(Duration::from_secs(2));
        tool.stop()?.expect_code(0)?;
        let words = ["replay", &file, "--doctor", "--output", "json", "--netns", &inode];
        let finished = Tool::start(tool::command(words)?)?.finish(SOON)?;
        finished.expect_code(0)?;
        let lines = finished.lines()?;
        ensure!(lines.len() == 13, "{}", finished.stdout);
        let closes = row(&lines, "short_connections")?;
        ensure!(closes.count("/evidence/closed_first") == CLOSES, "{}", closes.text);
        let retries = expect(&lines, "orphan_retries", "watch")?;
        ensure!(retries.count("/evidence/tcp_orphan_retries") == 2, "{}", retries.text);
        let reuse = row(&lines, "tw_reuse")?;
        ensure!(reuse.count("/evidence/tcp_timestamps") == 1, "{}", reuse.text);
        for name in ["ephemeral_ports", "keepalive", "tw_recycle"] {
            expect(&lines, name, "unknown")?;
        }
        let ports = row(&lines, "ephemeral_ports")?;
        ensure!(ports.count("/evidence/usable_ports") == 28_232, "{}", ports.text);
        ensure!(ports.at("/evidence/opened_to/0/opened_per_second").as_f64() > Some(0.0), "{}", ports.text);
        // Of several captures, each is judged.
        let words = ["replay", &file, &file, "--doctor", "--output", "json", "--netns", &inode];
        let both = Tool::start(tool::command(words)?)?.finish(SOON)?;
        let lines = both.lines()?;
        ensure!(lines.len() == 26, "{}", both.stdout);
        ensure!(lines.iter().all(|line| line.at("/host").is_string()), "{}", both.stdout);
        Ok(())
    })
}

/// Runs it on a thread whose mounts are its own, after `change`.
fn in_own_mounts(arguments: &[&str], change: impl FnOnce() -> Result<()> + Send + 'static) -> Result<tool::Finished> {
    let mut command = tool::command(arguments)?;
    let starter = thread::spawn(move || -> Result<Tool> {
        // SAFETY: CLONE_NEWNS also takes the working directory and umask apart from other threads'; this thread uses
        // neither.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.context("no mount namespace")?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        change()?;
        command.stdin(std::process::Stdio::null());
        Tool::start(command)
    });
    let tool = starter.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))?;
    tool.finish(SOON)
}

fn empty(folder: &str) -> Result<()> {
    mount("tmpfs", folder, "tmpfs", MountFlags::empty(), None).with_context(|| format!("cannot mount over {folder}"))
}

/// As in a container that hides `/proc/sys`.
#[test]
fn without_proc_sys_it_is_unknown() -> Result<()> {
    bounded(|| {
        let words = ["doctor", "--output", "json", "--netns", "self"];
        let finished = in_own_mounts(&words, || empty("/proc/sys"))?;
        finished.expect_code(0)?;
        let lines = finished.lines()?;
        for name in [
            "orphan_retries",
            "max_orphans",
            "fin_timeout",
            "time_wait",
            "ephemeral_ports",
            "tw_reuse",
            "keepalive",
            "syn_side",
            "persistence",
        ] {
            let line = expect(&lines, name, "unknown")?;
            ensure!(line.at("/settings/0").is_null(), "a guess: {}", line.text);
        }
        ensure!(row(&lines, "unsendable_fin")?.at("/verdict") != "unknown", "sockets need no settings");
        Ok(())
    })
}

#[test]
fn sysctl_files() -> Result<()> {
    bounded(|| {
        let words = ["doctor", "--output", "json", "--netns", "self", "--only", "tw_recycle", "--only", "persistence"];
        let finished = in_own_mounts(&words, || {
            for folder in ["/etc/sysctl.d", "/usr/lib/sysctl.d"] {
                empty(folder)?;
            }
            fs::write("/etc/sysctl.d/50-old.conf", "net.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_fin_timeout = 59\n")?;
            fs::write("/usr/lib/sysctl.d/50-old.conf", "net.ipv4.tcp_fin_timeout = 58\n")?;
            // Whoever opens a pipe to read waits for a writer.
            mknodat(CWD, "/etc/sysctl.d/60-pipe.conf", FileType::Fifo, Mode::RUSR, 0)?;
            Ok(())
        })?;
        finished.expect_code(0)?;
        let lines = finished.lines()?;
        let line = expect(&lines, "tw_recycle", "watch")?;
        ensure!(line.at("/evidence/file") == "/etc/sysctl.d/50-old.conf", "{}", line.text);
        let line = expect(&lines, "persistence", "watch")?;
        let differing = line.at("/evidence/differing").as_array().context("no list")?;
        let found = differing.iter().find(|one| one["key"] == "net.ipv4.tcp_fin_timeout");
        ensure!(found.is_some_and(|one| one["file_value"] == "59"), "{}", line.text);
        Ok(())
    })
}

/// What takes privileges is unknown without them, and said.
#[test]
fn nobody_watches() -> Result<()> {
    bounded(|| {
        let folder = Folder::new()?;
        let copy = folder.path().join("tcptrace");
        fs::copy(tool::binary()?, &copy)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        netns::run(|_| {
            let mut command = Command::new(&copy);
            let words = ["doctor", "--output", "json", "--netns", "self", "--watch", "500ms"];
            command.args(words).current_dir("/").uid(NOBODY).gid(NOBODY);
            let finished = Tool::start(command)?.finish(SOON)?;
            finished.expect_code(0)?;
            ensure!(finished.stderr.contains("CAP_BPF"), "not said: {}", finished.stderr);
            let lines = finished.lines()?;
            let line = row(&lines, "orphan_retries")?;
            ensure!(line.at("/evidence/fin_retransmits_seen").is_null(), "{}", line.text);
            ensure!(row(&lines, "time_wait")?.at("/evidence/closers").is_null(), "{:?}", lines);
            Ok(())
        })
    })
}
