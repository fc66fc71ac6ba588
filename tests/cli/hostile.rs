//! Text that others choose, on a person's terminal: a capture that holds what could move a cursor, turn a line or forge
//! one in every string that it has, and arguments of the same kind. Files get exactly what is in the capture.

use std::{ffi::OsStr, fs};

use anyhow::{Context, Result, ensure};
use tcptrace::{
    capture::Writer,
    decode::Frame,
    model::{
        CgroupName, Endpoint, Holder, Holders, HostInfo, Identity, InterfaceName, Mptcp, NetnsName, Sighting, Snapshot,
        SocketKey, State, Tick, Timer, is_printable,
    },
};
use tcptrace_ebpf::{
    record::{
        FLAG_DETAIL, FLAG_OWNER, FLAG_RCV_SHUTDOWN, FLAG_SEND_SHUTDOWN, KIND_RESET_SENT, KIND_TRANSITION, RECORD_LEN,
        Record,
    },
    state::{CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, SYN_SENT},
};

use crate::{
    colour::on_any_terminal,
    support::{Folder, golden, json, run},
};

/// Clears the screen, names the window, turns what follows round, and begins a line that tcptrace never wrote.
const EVIL: &str = "/e\u{1b}[2J\u{1b}]0;w\u{7}\u{202e}\u{2028}\u{200b}\u{9b}31m\r\nFORGED\u{7f}";
/// The same in the 15 bytes of a program's name.
const EVIL_COMM: &[u8; 14] = b"\x1b[2J\xe2\x80\xae\nFORG\xff\x07";
const NETNS: u32 = 4_026_531_840;
const SECOND: u64 = 1_000_000_000;
const CGROUP: u64 = 77;
const INTERFACE: u32 = 3;
const REASON: u32 = 40;

/// The widths that lines are laid out for in different ways.
const WIDTHS: [u16; 3] = [60, 100, 200];

fn record(cookie: u64, time_ns: u64, (kind, old, new): (u8, u8, u8), flags: u16) -> [u8; RECORD_LEN] {
    let mut bytes = [0; RECORD_LEN];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    macro_rules! field {
        ($name:ident, $value:expr) => {
            put(std::mem::offset_of!(Record, $name), &$value.to_ne_bytes())
        };
    }
    field!(key, cookie);
    field!(time_ns, time_ns);
    field!(netns, NETNS);
    field!(cgroup_id, CGROUP);
    field!(pid, 4242_u32);
    field!(detail, if kind == KIND_TRANSITION { INTERFACE } else { REASON });
    field!(kind, kind);
    field!(old_state, old);
    field!(new_state, new);
    field!(family, 2_u8);
    field!(local_port, u16::try_from(cookie).unwrap_or(1));
    field!(remote_port, 443_u16);
    field!(flags, flags);
    put(std::mem::offset_of!(Record, local_addr), &[10, 0, 0, 1]);
    put(std::mem::offset_of!(Record, remote_addr), &[10, 0, 0, 2]);
    put(std::mem::offset_of!(Record, comm), EVIL_COMM);
    bytes
}

/// A leak with holders of such names.
fn sighting(cookie: u64, time_ns: u64) -> Sighting {
    let end = |last: u8, port: u16| {
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&[10, 0, 0, last]);
        Endpoint::from_bytes(addr, false, port)
    };
    let socket = Identity {
        key: SocketKey(cookie),
        netns: NETNS,
        local: end(1, u16::try_from(cookie).unwrap_or(1)),
        remote: end(2, 443),
    };
    let snapshot = Snapshot {
        time_ns,
        socket,
        bound_if: INTERFACE,
        state: State::CloseWait,
        timewait: false,
        timer: Timer::None,
        expires_ms: 0,
        inode: 99,
        recv_queue_bytes: 1,
        send_queue_bytes: 0,
        info: None,
        mptcp: Mptcp::No,
    };
    let holder = |pid| Holder { pid, comm: EVIL.to_owned(), fd: 7, cgroup: EVIL.to_owned() };
    let holders = Holders { list: vec![holder(4242), holder(4243)], total: 2, in_epoll: Some(true), partial: false };
    Sighting { snapshot, holders: Some(holders), asked: true }
}

/// A capture that has each kind of string, all of them evil.
fn capture(host: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, "hostile")?;
    let host = HostInfo {
        kernel_release: EVIL.to_owned(),
        hostname: host.to_owned(),
        tcptrace_version: EVIL.to_owned(),
        reset_reasons: vec![(REASON, EVIL.to_owned())],
        stuck_after_ns: SECOND,
        leak_after_ns: SECOND,
        sock_diag: true,
        filters: format!("--comm {EVIL}"),
        ..HostInfo::default()
    };
    let tick = |mono_ns| Frame::Tick(Tick { mono_ns, real_ns: 1_767_323_040 * SECOND + mono_ns });
    let both = FLAG_RCV_SHUTDOWN | FLAG_SEND_SHUTDOWN;
    let change = |old, new| (KIND_TRANSITION, old, new);
    let frames = [
        Frame::Host(Box::new(host)),
        tick(SECOND),
        Frame::Cgroup(CgroupName { id: CGROUP, path: EVIL.to_owned() }),
        Frame::NetnsName(NetnsName { netns: NETNS, name: EVIL.to_owned() }),
        Frame::Interface(InterfaceName { netns: NETNS, index: INTERFACE, name: EVIL.to_owned() }),
        Frame::Record(&record(1, 2 * SECOND, change(CLOSE, SYN_SENT), FLAG_OWNER)),
        Frame::Record(&record(1, 3 * SECOND, change(ESTABLISHED, FIN_WAIT1), FLAG_OWNER | both)),
        Frame::Record(&record(1, 3 * SECOND + 1_000, change(FIN_WAIT1, FIN_WAIT2), both)),
        Frame::Record(&record(1, 4 * SECOND, change(FIN_WAIT2, CLOSE), both)),
        Frame::Record(&record(2, 4 * SECOND, (KIND_RESET_SENT, ESTABLISHED, ESTABLISHED), FLAG_DETAIL)),
        Frame::Record(&record(2, 4 * SECOND + 1, change(ESTABLISHED, CLOSE), FLAG_OWNER | both)),
        Frame::Record(&record(3, 5 * SECOND, change(ESTABLISHED, CLOSE_WAIT), FLAG_OWNER | FLAG_RCV_SHUTDOWN)),
        tick(7 * SECOND),
        Frame::Sighting(Box::new(sighting(3, 7 * SECOND))),
        tick(30 * SECOND),
    ];
    for frame in &frames {
        writer.write(frame)?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// Two hosts, because lines of several name theirs.
fn captures(folder: &Folder) -> Result<[String; 2]> {
    let mut names = [const { String::new() }; 2];
    for (at, name) in names.iter_mut().enumerate() {
        let file = folder.file(&format!("{at}.cap"));
        fs::write(&file, capture(&format!("{at}{EVIL}"))?)?;
        *name = file.to_str().context("an odd folder")?.to_owned();
    }
    Ok(names)
}

fn harmless(what: &str, shown: &str) -> Result<()> {
    ensure!(!shown.is_empty(), "{what} shows nothing");
    // Lines of RFC 4180 end so.
    let shown = shown.replace("\r\n", "\n");
    let evil: Vec<char> = shown.chars().filter(|c| *c != '\n' && !is_printable(*c)).collect();
    ensure!(evil.is_empty(), "{what} shows {evil:?}:\n{shown}");
    ensure!(!shown.lines().any(|line| line.starts_with("FORG")), "{what} shows a line that it did not write:\n{shown}");
    Ok(())
}

#[test]
fn no_capture_writes_into_a_terminal() -> Result<()> {
    let folder = Folder::new()?;
    let [one, two] = &captures(&folder)?;
    let of_one: &[&[&str]] = &[
        &["replay", one],
        &["replay", one, "--transitions"],
        &["replay", one, "--summary"],
        &["replay", one, "--doctor"],
        &["replay", one, "--doctor", "--output", "json"],
        &["replay", one, "--output", "json", "--transitions"],
        &["replay", one, two],
        &["replay", one, two, "--output", "json"],
        &["replay", one, two, "--doctor"],
        &["export", one, "--format", "csv", "--table", "closes", "--out", "-"],
        &["export", one, "--format", "csv", "--table", "findings", "--out", "-"],
        &["export", one, "--format", "jsonl", "--table", "closes", "--out", "-"],
        &["export", one, "--format", "jsonl", "--table", "findings", "--out", "-"],
    ];
    let by = ["process", "cgroup", "container", "unit", "interface", "host", "outcome"];
    let of_hist: Vec<Vec<&str>> = by
        .iter()
        .flat_map(|by| ["table", "json"].map(|output| vec!["replay", one, two, "--by", by, "--output", output]))
        .collect();
    for arguments in of_one.iter().copied().chain(of_hist.iter().map(Vec::as_slice)) {
        for columns in WIDTHS {
            let shown = on_any_terminal(arguments, columns, &[("NO_COLOR", "1")])?;
            harmless(&arguments.join(" "), &shown)?;
        }
    }
    Ok(())
}

#[test]
fn what_is_seen_says_that_something_was_there() -> Result<()> {
    let folder = Folder::new()?;
    let [one, _] = &captures(&folder)?;
    let shown = on_any_terminal(&["replay", one], 200, &[("NO_COLOR", "1")])?;
    for wanted in ["\u{fffd}[2J\u{fffd}\u{fffd}FORG\u{fffd}\u{fffd}/4242", "%/e\u{fffd}[2J", "LEAK"] {
        ensure!(shown.contains(wanted), "no {wanted}:\n{shown}");
    }
    Ok(())
}

/// Paths, interfaces and holders' names as they are in the capture.
#[test]
fn files_get_exactly_what_was_recorded() -> Result<()> {
    let folder = Folder::new()?;
    let [one, _] = &captures(&folder)?;
    let printed = run(["replay", one, "--output", "json"])?;
    for line in json(&printed.stdout)?.iter().filter(|line| line["type"] == "close") {
        ensure!(line["owner"]["cgroup"] == EVIL && line["interface"] == EVIL, "{line}");
    }
    let prefix = folder.file("tables");
    let prefix = prefix.to_str().context("an odd folder")?;
    run(["export", one, "--format", "csv", "--out", prefix])?.expect_code(0)?;
    run(["export", one, "--format", "jsonl", "--out", prefix])?.expect_code(0)?;
    for line in json(&fs::read_to_string(format!("{prefix}.closes.jsonl"))?)? {
        ensure!(line["cgroup"] == EVIL && line["interface"] == EVIL, "{line}");
    }
    let mut table = csv::Reader::from_path(format!("{prefix}.closes.csv"))?;
    let headers = table.headers()?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name).context("no such column");
    let (cgroup, interface) = (column("cgroup")?, column("interface")?);
    let rows = table.records().collect::<Result<Vec<_>, _>>()?;
    ensure!(rows.len() == 2, "{rows:?}");
    for row in rows {
        ensure!(&row[cgroup] == EVIL && &row[interface] == EVIL, "{row:?}");
    }
    Ok(())
}

#[test]
fn no_argument_writes_into_a_terminal() -> Result<()> {
    let file = golden("closes.cap");
    let good = file.to_str().context("an odd folder")?;
    let option = format!("--x{EVIL}");
    let refused: &[&[&str]] = &[
        &[EVIL],
        &[&option],
        &["replay", EVIL],
        &["replay", good, EVIL],
        &["replay", good, &option],
        &["replay", good, "--port", EVIL],
        &["replay", good, "--addr", EVIL],
        &["replay", good, "--netns", EVIL],
        &["replay", good, "--of", EVIL],
        &["replay", good, "--by", EVIL],
        &["replay", good, "--family", EVIL],
        &["replay", good, "--output", EVIL],
        &["replay", good, "--min-latency", EVIL],
        &["export", EVIL],
        &["export", good, "--format", EVIL],
        &["export", good, "--out", "/tcptrace-no-such-folder/\u{1b}[2J\nFORGED"],
        &["record", "/tcptrace-no-such-folder/\u{1b}[2J\nFORGED"],
        &["doctor", "--explain", EVIL],
        &["doctor", "--netns", EVIL],
        &["stuck", "--netns", EVIL],
        &["leaks", "--leak-after", EVIL],
        &["trace", "--cgroup", EVIL],
        &["trace", "--sample", EVIL],
        &["check", EVIL],
    ];
    for arguments in refused {
        let shown = on_any_terminal(arguments, 100, &[("NO_COLOR", "1")])?;
        harmless(&arguments.join(" "), &shown)?;
        let coloured = on_any_terminal(arguments, 100, &[])?;
        harmless(&arguments.join(" "), &crate::colour::plain(&coloured))?;
    }
    Ok(())
}

/// A name that is no UTF-8 is named all the same.
#[test]
fn bytes_that_are_no_text_are_refused_in_words() -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let odd = OsStr::from_bytes(b"/no\xff\x1b[2J\n");
    let finished = run([OsStr::new("replay"), odd])?;
    harmless("replay", &finished.stderr)?;
    ensure!(finished.stderr.contains("/no\u{fffd}\u{fffd}[2J\u{fffd}"), "{}", finished.stderr);
    Ok(())
}
