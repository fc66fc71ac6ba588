//! Makes the golden captures anew, on this kernel, with tcptrace itself. Needs root, and a host on which no other
//! connection ends meanwhile: it tries again until that was so.
//!
//! ```text
//! cargo build --release --workspace
//! cargo run -p tcptrace-tests --features kernel --example record-golden    # or some of them, by name
//! UPDATE_GOLDEN=1 cargo test -p tcptrace-tests --test replay
//! ```
//!
//! A capture names the host that it was recorded on. These are recorded under the host name `demo`, and of the kernel's
//! release only the version number is kept: [`neutral`] rewrites that one frame, and leaves out what sock_diag said of
//! other network namespaces, for it looks at the whole host.

mod looks;
mod support;
mod version2;

use std::{env, fs, thread, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount},
    thread::UnshareFlags,
};
use tcptrace::{
    capture::{Reader, Writer},
    decode::Frame,
    model::DumpAt,
};
use tcptrace_tests::{
    load::{self, Amount, Ending},
    netns::NetNs,
    pair::Pair,
    scenario::{
        crossing, family, leak, left_over, lost_fin,
        orderly::{self, First},
        orphan, reset,
    },
    tool::{Finished, Tool},
    wait,
};

use looks::Older;
use support::{Folder, golden, json, run};

const HOST_NAME: &str = "demo";
/// So many times somebody else may come between.
const TRIES: usize = 20;
/// Captures are kept for ever, in every clone.
const MOST_BYTES: usize = 100 * 1024;
/// A running tcptrace begins a new block about this often; here by the time in the capture.
const BLOCK_NS: u64 = 1_000_000_000;
const SOON: Duration = Duration::from_secs(15);

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_millis(1200);
const LEAK: Duration = Duration::from_millis(2600);
const LONG_LEAK: Duration = Duration::from_millis(4500);

/// Made by themselves, for they begin before the recording.
const LOOKS: &str = "looks";
const NAMES: &str = "names";
/// Where `ip netns` would have the namespace of [`NAMES`].
const NAMED: &str = "/run/netns/web";
/// Longer than a name is trusted.
const RENAMED: Duration = Duration::from_millis(300);
/// Made by itself, too: it does not mind what else ends on the host.
const VERSION_2: &str = "version2";

type Scene = fn(&NetNs, &Tool) -> Result<()>;

fn main() -> Result<()> {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let captures: [(&str, Scene); 10] = [
        ("closes", closes),
        ("orderly", |netns, _| {
            orderly::orderly(netns)?;
            orderly::half_close(netns, SHORT)?;
            orderly::three_way(netns).map(drop)
        }),
        ("families", |netns, _| {
            family::ipv6(netns, SHORT)?;
            family::v4_mapped(netns, SHORT)?;
            orderly::half_close(netns, SHORT).map(drop)
        }),
        ("resets", |netns, _| {
            reset::linger_0(netns, First::Client)?;
            reset::linger_0(netns, First::Server)?;
            reset::unread_data(netns)?;
            reset::disconnect(netns)?;
            reset::in_close_wait(netns, SHORT)?;
            orphan::data_after_close(netns, SHORT).map(drop)
        }),
        ("left_over", |netns, _| {
            left_over::orderly(netns, SHORT)?;
            left_over::linger_0(netns)?;
            left_over::unread_data(netns)?;
            left_over::in_last_ack(netns)?;
            left_over::failed_redirect(netns, SHORT)?;
            orphan::leave(Pair::connect()?)?.reset().map(drop)
        }),
        ("open", open_at_the_end),
        ("many", |netns, _| load::run(netns, Amount::Connections(70), Ending::ThreeWay).map(drop)),
        (LOOKS, |_, _| Ok(())),
        (NAMES, |_, _| Ok(())),
        (VERSION_2, |_, _| Ok(())),
    ];
    for (name, scene) in captures.into_iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name))
    {
        capture(name, scene).with_context(|| format!("{name}.cap"))?;
    }
    Ok(())
}

/// As `cargo xtask demo`, with a simultaneous close and a FIN_WAIT1 that nobody but its socket shortened.
fn closes(netns: &NetNs, _tool: &Tool) -> Result<()> {
    orderly::orderly(netns)?;
    orderly::half_close(netns, SHORT)?;
    orphan::peer_holds(netns, LONG)?;
    orderly::passive_hold(netns, SHORT)?;
    reset::linger_0(netns, First::Client)?;
    reset::unread_data(netns)?;
    crossing::simultaneous(netns, SHORT)?;
    lost_fin::lost_then_restored(netns, LONG)?;
    leak::close_wait(netns, First::Server, LEAK).map(drop)
}

/// The recording ends between a finding and its end.
fn open_at_the_end(netns: &NetNs, tool: &Tool) -> Result<()> {
    orderly::orderly(netns)?;
    thread::scope(|scope| {
        let holder = scope.spawn(|| netns.run(|netns| leak::close_wait(netns, First::Server, LONG_LEAK)));
        wait::until("a leak", SOON, || Ok(tool.stdout().contains(r#""finding""#).then_some(())))?;
        tool.signal(rustix::process::Signal::INT)?;
        match holder.join() {
            Ok(done) => done.map(drop),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    })
}

fn capture(name: &str, scene: Scene) -> Result<()> {
    for _ in 0..TRIES {
        let folder = Folder::new()?;
        let file = folder.file("run.cap").display().to_string();
        let netns = NetNs::new()?;
        let live = match name {
            LOOKS => with_a_past(&netns, &file)?,
            NAMES => with_a_name(&netns, &file)?,
            VERSION_2 => of_version_2(&netns, &file)?,
            _ => watched(&netns, &file, name, scene)?,
        };
        live.expect_code(0)?;
        ensure!(live.stdout.contains(r#""balanced":true"#), "unbalanced books: {}", live.stdout);
        ensure!(live.stdout.contains(r#""close_wait":1"#) || name != "open", "nothing is open: {}", live.stdout);
        if !is_alone(&live, netns.inode())? {
            continue;
        }
        let bytes = neutral(&fs::read(&file)?, netns.inode())?;
        ensure!(bytes.len() < MOST_BYTES, "{} bytes", bytes.len());
        fs::write(golden(&format!("{name}.cap")), bytes)?;
        let again = run(["replay", &format!("{name}.cap"), "--output", "json", "--transitions"])?;
        ensure!(live.stdout == again.stdout, "live:\n{}replay:\n{}", live.stdout, again.stdout);
        return Ok(());
    }
    bail!("{TRIES} times other connections ended, too")
}

fn watched(netns: &NetNs, file: &str, name: &str, scene: Scene) -> Result<Finished> {
    let tool = watching(file, &[])?;
    netns.run(|netns| scene(netns, &tool))?;
    if name == "open" { tool.finish(SOON) } else { tool.stop() }
}

/// Sockets do not leave the thread that made them, so what is older than the recording is made where it is begun.
fn with_a_past(netns: &NetNs, file: &str) -> Result<Finished> {
    netns.run(|netns| {
        let older = Older::make()?;
        let tool = watching(file, &[])?;
        looks::scene(netns, older)?;
        tool.wait_for_closes(netns.inode(), looks::CLOSES, SOON)?;
        tool.stop()
    })
}

/// The namespace has a name, and then none: a process is in it.
fn with_a_name(netns: &NetNs, file: &str) -> Result<Finished> {
    netns.run(|netns| {
        // SAFETY: this thread uses neither working directory nor umask, which are taken apart from other threads'.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.context("no mount namespace")?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None)?;
        fs::create_dir("/run/netns")?;
        fs::write(NAMED, "")?;
        mount_bind("/proc/thread-self/ns/net", NAMED)?;
        let tool = watching(file, &[])?;
        orderly::orderly(netns)?;
        tool.wait_for_closes(netns.inode(), 2, SOON)?;
        unmount(NAMED, UnmountFlags::DETACH)?;
        thread::sleep(RENAMED);
        orderly::half_close(netns, SHORT)?;
        tool.wait_for_closes(netns.inode(), 4, SOON)?;
        tool.stop()
    })
}

/// Only this namespace is watched.
fn of_version_2(netns: &NetNs, file: &str) -> Result<Finished> {
    let tool = watching(file, &["--netns", &netns.inode().to_string()])?;
    netns.run(|_| version2::scene())?;
    tool.wait_for_closes(netns.inode(), version2::CLOSES, SOON)?;
    tool.stop()
}

/// Recording, under another host name.
fn watching(file: &str, more: &[&str]) -> Result<Tool> {
    let arguments = ["--output", "json", "--transitions", "--stuck-after", "1s", "--leak-after", "2s"];
    let arguments = [arguments.as_slice(), more].concat();
    thread::scope(|scope| {
        let starter = scope.spawn(|| {
            // SAFETY: CLONE_NEWUTS shares nothing of memory or file descriptors.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUTS) }.context("no UTS namespace: be root")?;
            rustix::system::sethostname(HOST_NAME.as_bytes())?;
            Tool::live(&["record", file], &arguments)
        });
        starter.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

/// Whether everything that was recorded is of this namespace.
fn is_alone(live: &Finished, inode: u64) -> Result<bool> {
    Ok(json(&live.stdout)?.iter().all(|line| line.get("netns").is_none_or(|netns| *netns == inode)))
}

/// Whether sock_diag said it of another namespace. The end of a dump stands for all of them.
fn is_foreign(frame: &Frame<'_>, inode: u64) -> bool {
    let netns = match frame {
        Frame::Sighting(sighting) => sighting.snapshot.socket.netns,
        Frame::Absent(absent) => absent.socket.netns,
        Frame::Dump(mark) if !matches!(mark.at, DumpAt::AllDone { .. }) => mark.netns,
        Frame::Netns(facts) => facts.netns,
        Frame::NetnsName(name) => name.netns,
        _ => return false,
    };
    u64::from(netns) != inode
}

/// The capture with only a version number for the kernel's release, and one namespace.
fn neutral(bytes: &[u8], inode: u64) -> Result<Vec<u8>> {
    let mut rewritten = Vec::new();
    let mut reader = Reader::new(bytes, "recorded")?;
    let mut writer = Writer::new(&mut rewritten, "rewritten")?;
    let mut block_ns = 0;
    while let Some(frame) = reader.next()? {
        match frame {
            Frame::Host(mut host) => {
                ensure!(host.hostname == HOST_NAME, "recorded as {}", host.hostname);
                let is_version = |c: char| c.is_ascii_digit() || c == '.';
                let end = host.kernel_release.find(|c| !is_version(c)).unwrap_or(host.kernel_release.len());
                host.kernel_release.truncate(end);
                writer.write(&Frame::Host(host))?;
            }
            Frame::Tick(tick) => {
                writer.write(&Frame::Tick(tick))?;
                if tick.mono_ns >= block_ns + BLOCK_NS {
                    block_ns = tick.mono_ns;
                    writer.flush()?;
                }
            }
            frame if is_foreign(&frame, inode) => {}
            frame => writer.write(&frame)?,
        }
    }
    ensure!(reader.stats().is_whole(), "{}", reader.stats());
    writer.finish()?;
    Ok(rewritten)
}
