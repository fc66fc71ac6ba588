//! Any text as `/proc` might hold it, and as a cgroup's path: nothing panics, nor comes out as a terminal's command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcptrace::{
    report::Workload,
    source::proc::{self, text},
};

fuzz_target!(|bytes: &[u8]| {
    let input = String::from_utf8_lossy(bytes);
    for line in input.lines() {
        if let Some(inode) = text::socket_inode(line) {
            assert!(proc::parse_link(line).is_none());
            assert!(line.contains(inode.to_string().trim_start_matches('0')));
        }
        let _ = (text::epoll_target(line), proc::mounted(line));
    }
    for name in ["TCPTimeWaitOverflow", "TWRecycled", ""] {
        let _ = proc::counter(&input, name);
    }
    let _ = proc::uses_tcp(&input, &input);
    if let Some(path) = text::cgroup_path(&input) {
        workload(path);
    }
    // Paths of captures come as they were written.
    workload(&input);
    assert!(!text::clean(&input).contains(char::is_control));
});

fn workload(path: &str) {
    let found = Workload::of(path);
    assert!(found.container.is_none_or(|id| id.len() == 64 && path.contains(id)));
    assert!(found.pod_uid.is_none_or(|uid| !uid.contains(char::is_control)));
    assert!(found.unit.is_none_or(|unit| !unit.contains(char::is_control)));
}
