use super::*;
use crate::model::{
    Close, Endpoint, Event, EventKind, Family, Finding, FindingKind, FindingReason, FindingStatus, Flags, Outcome,
    OwnerSource, Phases, Retransmits, Role, SocketKey, State, StuckCause,
};

fn end(text: &str) -> Endpoint {
    let (addr, v6, port) = match text.parse().unwrap() {
        std::net::SocketAddr::V4(four) => {
            let mut addr = [0; 16];
            addr[..4].copy_from_slice(&four.ip().octets());
            (addr, false, four.port())
        }
        std::net::SocketAddr::V6(six) => (six.ip().octets(), true, six.port()),
    };
    Endpoint::from_bytes(addr, v6, port)
}

fn socket(local: &str, remote: &str) -> Identity {
    Identity { key: SocketKey(0x74), netns: 4_026_531_840, local: end(local), remote: end(remote) }
}

fn owner(pid: u32, name: &[u8]) -> Owner {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name);
    Owner { pid, comm: Comm(comm), cgroup_id: 42, source: OwnerSource::Close }
}

fn close() -> Close {
    Close {
        end_ns: 10,
        socket: socket("10.0.0.1:45555", "192.0.2.7:443"),
        role: Role::Active,
        outcome: Outcome::Fin,
        reason: None,
        owner: Some(owner(7434, b"python3")),
        phases: Phases::default(),
        close_ns: Some(1000),
        orphan: false,
        mptcp: false,
        three_way: None,
        complete: true,
        retransmits: Retransmits::default(),
        totals: None,
        lifetime_ns: None,
        bound_if: 0,
    }
}

fn admits(spec: FilterSpec, close: Close) -> bool {
    Filter::new(spec).unwrap().admits(&Output::Close(close))
}

/// One option at a time, each with the values given.
macro_rules! with {
    ($($field:ident: $value:expr),+) => { FilterSpec { $($field: $value,)+ ..FilterSpec::default() } };
}

fn prefixes(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| parse_prefix(text).unwrap()).collect()
}

#[test]
fn nothing_asked_admits_everything() {
    assert!(admits(FilterSpec::default(), close()));
    assert!(admits(FilterSpec::default(), Close { owner: None, close_ns: None, ..close() }));
    assert!(Filter::default().admits(&Output::Close(close())));
}

#[test]
fn a_namespace_by_its_name() {
    let mut filter = Filter::new(with!(netns_names: vec!["web".to_owned()])).unwrap();
    let output = Output::Close(close());
    assert!(!filter.admits(&output), "nothing has that name");
    let netns = close().socket.netns;
    filter.learn_netns(&NetnsName { netns, name: "db".to_owned() });
    assert!(!filter.admits(&output));
    filter.learn_netns(&NetnsName { netns, name: "web".to_owned() });
    assert!(filter.admits(&output));
    filter.learn_netns(&NetnsName { netns, name: String::new() });
    assert!(!filter.admits(&output), "its inode may be another one's");
}

#[test]
fn ports_of_either_or_one_end() {
    assert!(admits(with!(ports: vec![443]), close()));
    assert!(admits(with!(ports: vec![1, 45555]), close()));
    assert!(!admits(with!(ports: vec![444]), close()));
    assert!(admits(with!(local_ports: vec![45555]), close()));
    assert!(!admits(with!(local_ports: vec![443]), close()));
    assert!(admits(with!(remote_ports: vec![443]), close()));
    assert!(!admits(with!(remote_ports: vec![45555]), close()));
    assert!(admits(with!(ports: vec![443], local_ports: vec![45555]), close()), "all options hold");
    assert!(!admits(with!(ports: vec![443], local_ports: vec![80]), close()), "one of them does not");
}

#[test]
fn prefixes_of_either_end() {
    for (wanted, pass) in [
        (vec!["10.0.0.0/8"], true),
        (vec!["192.0.2.7"], true),
        (vec!["192.0.2.6/32"], false),
        (vec!["192.0.2.6/31"], true),
        (vec!["0.0.0.0/0"], true),
        (vec!["::/0"], false),
        (vec!["2001:db8::/32", "10.0.0.1"], true),
        (vec!["::ffff:10.0.0.0/104"], true),
        (vec!["::ffff:11.0.0.0/104"], false),
    ] {
        assert_eq!(admits(with!(prefixes: prefixes(&wanted)), close()), pass, "{wanted:?}");
    }
    let six = Close { socket: socket("[2001:db8::1]:1", "[2001:db9::1]:2"), ..close() };
    assert!(admits(with!(prefixes: prefixes(&["2001:db9::/32"])), six));
    assert!(!admits(with!(prefixes: prefixes(&["2001:dba::/32"])), six));
    let mapped = Close { socket: socket("[::ffff:10.1.1.1]:1", "[::ffff:10.2.2.2]:2"), ..close() };
    assert!(admits(with!(prefixes: prefixes(&["10.2.0.0/16"]), family: Some(Family::Ipv4)), mapped));
}

#[test]
fn a_name_is_taken_as_it_is_and_as_it_is_printed() {
    let odd =
        Close { owner: Some(Owner { comm: Comm::from_name("a\u{202e}\x1bb"), ..close().owner.unwrap() }), ..close() };
    for (name, pass) in [("a\u{202e}\x1bb", true), ("a\u{fffd}\u{fffd}b", true), ("ab", false), ("a\u{202e}b", false)] {
        assert_eq!(admits(with!(comms: vec![name.into()]), odd), pass, "{name:?}");
        let holder = Holder { comm: "a\u{fffd}\u{fffd}b".into(), ..Holder::default() };
        assert_eq!(Filter::new(with!(comms: vec![name.into()])).unwrap().admits_holders(&[holder]), pass, "{name:?}");
    }
}

#[test]
fn owners_by_pid_name_and_cgroup() {
    for (spec, pass) in [
        (with!(pids: vec![1, 7434]), true),
        (with!(pids: vec![743]), false),
        (with!(comms: vec!["python3".into()]), true),
        (with!(comms: vec!["python".into()]), false),
        (with!(comms: vec!["python3.11".into()]), false),
        (with!(cgroup_ids: vec![42]), true),
        (with!(cgroup_ids: vec![43]), false),
        (with!(pids: vec![7434], comms: vec!["nginx".into()]), false),
    ] {
        assert_eq!(admits(spec.clone(), close()), pass, "{spec:?}");
        assert!(!admits(spec, Close { owner: None, ..close() }), "an unknown owner never matches");
    }
    let odd = Close { owner: Some(owner(1, b"a\x1b\xffz")), ..close() };
    assert!(admits(with!(comms: vec!["a\u{fffd}\u{fffd}z".into()]), odd), "as printed");
}

#[test]
fn namespace_and_family() {
    assert!(admits(with!(netns: vec![1, 4_026_531_840]), close()));
    assert!(!admits(with!(netns: vec![1]), close()));
    assert!(admits(with!(family: Some(Family::Ipv4)), close()));
    assert!(!admits(with!(family: Some(Family::Ipv6)), close()));
}

#[test]
fn latency_is_at_least() {
    for (min, close_ns, pass) in [
        (1000, Some(1000), true),
        (1001, Some(1000), false),
        (0, Some(0), true),
        (0, None, false),
        (u64::MAX, Some(u64::MAX), true),
    ] {
        let close = Close { close_ns, ..close() };
        let filter = Filter::new(with!(min_latency_ns: Some(min))).unwrap();
        let close = Output::Close(close);
        assert_eq!((filter.admits(&close), filter.shows(&close)), (true, pass), "{min} {close_ns:?}");
    }
    let finding = Output::Finding(Finding {
        time_ns: 1,
        socket: close().socket,
        kind: FindingKind::StuckFinWait1,
        reason: FindingReason::Stuck(StuckCause::Unknown),
        status: FindingStatus::Raised,
        age_ns: 5,
        age_is_lower_bound: true,
        may_be_over: false,
        retransmits: Retransmits::default(),
        orphan: Some(false),
        mptcp: false,
        owner: None,
        diagnosis: None,
        holders: None,
        bound_if: 0,
    });
    assert!(Filter::new(with!(min_latency_ns: Some(5))).unwrap().shows(&finding));
    assert!(!Filter::new(with!(min_latency_ns: Some(6))).unwrap().shows(&finding));
    assert!(!Filter::new(with!(pids: vec![1])).unwrap().admits(&finding));
}

#[test]
fn events_pass_by_what_they_have() {
    let event = |owner| {
        Output::Event(Event {
            time_ns: 1,
            socket: close().socket,
            kind: EventKind::ResetReceived { state: State::FinWait1 },
            flags: Flags::default(),
            sk_err: 0,
            owner,
            loss_mark: 0,
        })
    };
    let admits = |spec: FilterSpec, event: &Output| {
        let filter = Filter::new(spec).unwrap();
        filter.admits(event) && filter.shows(event)
    };
    assert!(admits(with!(min_latency_ns: Some(u64::MAX), ports: vec![443]), &event(None)));
    assert!(!admits(with!(ports: vec![444]), &event(None)));
    assert!(admits(with!(pids: vec![7434]), &event(Some(owner(7434, b"x")))));
    assert!(!admits(with!(pids: vec![7434]), &event(Some(owner(7435, b"x")))));
    assert!(!admits(with!(pids: vec![7434]), &event(None)), "whose event it is, is not known");
}

#[test]
fn refuses_what_cannot_match() {
    for (spec, start) in [
        (with!(ports: vec![80, 0]), "--port 0: "),
        (with!(local_ports: vec![0]), "--local-port 0: "),
        (with!(remote_ports: vec![0]), "--remote-port 0: "),
        (
            with!(ports: vec![80], local_ports: vec![81], remote_ports: vec![82]),
            "--port, --local-port and --remote-port",
        ),
        (with!(family: Some(Family::Ipv4), prefixes: prefixes(&["::1", "fe80::/10"])), "--family ipv4 and --addr "),
        (with!(family: Some(Family::Ipv6), prefixes: prefixes(&["::ffff:10.0.0.1"])), "--family ipv6 and --addr "),
        (with!(comms: vec!["".into()]), "--comm: the name is empty"),
        (with!(comms: vec!["sixteen-bytes-xx".into()]), "--comm sixteen-bytes-xx: the kernel keeps 15 bytes"),
        (with!(comms: vec!["eight-é-bytes-xx".into()]), "--comm eight-é-bytes-xx: the kernel keeps 15 bytes"),
        (with!(pids: vec![0]), "--pid 0: "),
        (with!(netns: vec![0]), "--netns 0: "),
    ] {
        let error = Filter::new(spec.clone()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with(start), "{spec:?}: {error:?}");
    }
}

#[test]
fn accepts_what_can() {
    for spec in [
        with!(ports: vec![80], local_ports: vec![80], remote_ports: vec![82]),
        with!(ports: vec![80], local_ports: vec![81]),
        with!(ports: vec![80, 82], local_ports: vec![81], remote_ports: vec![82]),
        with!(family: Some(Family::Ipv4), prefixes: prefixes(&["::1", "127.0.0.1"])),
        with!(comms: vec!["fifteen-bytes-x".into()]),
        with!(comms: vec!["\u{fffd}".repeat(15)]),
    ] {
        assert!(Filter::new(spec.clone()).is_ok(), "{spec:?}");
    }
}

/// A replay knows cgroups by what the capture tells; before that, none matches.
#[test]
fn cgroups_are_learnt_by_path() {
    for wanted in ["/web", "web/", "/sys/fs/cgroup/web", "/sys/fs/cgroup/unified/web"] {
        let mut filter = Filter::new(with!(cgroup_paths: vec![wanted.to_owned()])).unwrap();
        let id = close().owner.map(|owner| owner.cgroup_id).unwrap();
        assert!(!filter.admits(&Output::Close(close())));
        filter.learn_cgroup(&CgroupName { id: id + 1, path: "/web".to_owned() });
        filter.learn_cgroup(&CgroupName { id: id + 2, path: "/other".to_owned() });
        filter.learn_cgroup(&CgroupName { id: id + 3, path: "/webs".to_owned() });
        assert!(!filter.admits(&Output::Close(close())), "{wanted}");
        for path in ["/web", "/web/worker/1"] {
            let mut filter = filter.clone();
            filter.learn_cgroup(&CgroupName { id, path: path.to_owned() });
            assert!(filter.admits(&Output::Close(close())), "{wanted} holds {path}");
        }
    }
}

#[test]
fn holders_are_whom_the_user_asked_for() {
    let holder = |pid, comm: &str, cgroup: &str| Holder { pid, comm: comm.into(), fd: 3, cgroup: cgroup.into() };
    let both = [holder(7, "api", "/a.slice/b"), holder(8, "worker", "/")];
    let admits = |spec: FilterSpec, holders: &[Holder]| Filter::new(spec).unwrap().admits_holders(holders);
    assert!(admits(FilterSpec::default(), &[]), "nobody was asked for");
    for (spec, wanted) in [
        (with!(pids: vec![8]), true),
        (with!(pids: vec![9]), false),
        (with!(comms: vec!["api".into()]), true),
        (with!(comms: vec!["ap".into()]), false),
        (with!(cgroup_paths: vec!["a.slice/b/".into()], cgroup_ids: vec![42]), true),
        (with!(cgroup_paths: vec!["/sys/fs/cgroup/a.slice/b".into()]), true),
        (with!(cgroup_paths: vec!["/a.slice".into()]), true),
        (with!(cgroup_paths: vec!["/sys/fs/cgroup".into()]), true),
        (with!(cgroup_paths: vec!["/".into()]), true),
        (with!(cgroup_paths: vec!["/a".into()]), false),
        (with!(cgroup_paths: vec!["/sys/fs/cgroupa.slice".into()]), false),
        (with!(cgroup_paths: vec!["/a.slice/b/c".into()]), false),
        // One of them has to be all of it.
        (with!(pids: vec![8], comms: vec!["api".into()]), false),
    ] {
        assert_eq!(admits(spec.clone(), &both), wanted, "{spec:?}");
        assert!(!admits(spec, &[]), "nobody holds it");
    }
}
