//! What a close's key is.

use super::*;
use crate::model::{Identity, InterfaceName};

/// Rows of closes, all on one host.
fn split(bys: &[By], closes: &[Close], context: &Context) -> Vec<(String, u64)> {
    let mut found = histograms(&[Of::Close], bys);
    closes.iter().for_each(|close| found.record(close, 0, 1, context));
    rows(&found.interval(2_000, &["web1".to_owned()]).splits[0])
}

fn at(ip: &str) -> Close {
    let mut close = close("a", [0; 4], 100);
    let (octets, v6) = match ip.parse().unwrap() {
        std::net::IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            ([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false)
        }
        std::net::IpAddr::V6(ip) => (ip.octets(), true),
    };
    close.socket.remote = Endpoint::from_bytes(octets, v6, 9);
    close
}

#[test]
fn every_part_has_its_value() {
    let mut context = Context::default();
    let id = "0123456789abcdef".repeat(4);
    let path = format!("/system.slice/docker-{id}.scope");
    context.cgroup(CgroupName { id: 5, path: path.clone() });
    let values =
        ["nginx", &path, &id, "none", "10.0.0.1", "443", "50000", "active", "fin", "none", "7", "none", "web1"];
    for (by, value) in By::ALL.into_iter().zip(values) {
        assert_eq!(split(&[by], &[close("nginx", [10, 0, 0, 1], 5)], &context), counts(&[(value, 1)]), "{by}");
    }
}

/// An index is one thing in one namespace and another in the next; a name may be the same in both.
#[test]
fn interfaces_by_name_and_else_by_index() {
    let mut context = Context::default();
    let mut name = |netns, index, name: &str| context.interface(&InterfaceName { netns, index, name: name.to_owned() });
    name(7, 2, "old");
    name(7, 2, "eth0");
    name(8, 3, "eth0");
    let bound = |netns, bound_if| {
        let close = close("nginx", [10, 0, 0, 1], 5);
        Close { bound_if, socket: Identity { netns, ..close.socket }, ..close }
    };
    let closes = [bound(7, 2), bound(8, 3), bound(7, 3), bound(8, 2), bound(8, 0)];
    let expected = counts(&[("%2 of 8", 1), ("%3 of 7", 1), ("eth0", 2), ("none", 1)]);
    let mut found = split(&[By::Interface], &closes, &context);
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_known_is_unknown() {
    let nobody = Close { owner: None, ..close("", [10, 0, 0, 1], 5) };
    for by in [By::Process, By::Cgroup, By::Container, By::Unit] {
        assert_eq!(split(&[by], &[nobody], &Context::default()), counts(&[("?", 1)]), "{by}");
    }
    let untold = close("nginx", [10, 0, 0, 1], 5);
    assert_eq!(split(&[By::Cgroup], &[untold], &Context::default()), counts(&[("cgroup 5", 1)]));
    assert_eq!(split(&[By::Container], &[untold], &Context::default()), counts(&[("?", 1)]));
}

#[test]
fn cgroups_of_one_container_are_one() {
    let mut context = Context::default();
    let id = "0123456789abcdef".repeat(4);
    for (number, below) in [(5, ""), (6, "/worker")] {
        context.cgroup(CgroupName { id: number, path: format!("/docker/{id}{below}") });
    }
    let one = close("a", [10, 0, 0, 1], 5);
    let mut two = one;
    two.owner = two.owner.map(|owner| Owner { cgroup_id: 6, ..owner });
    assert_eq!(split(&[By::Container], &[one, two], &context), counts(&[(&id, 2)]));
    assert_eq!(split(&[By::Cgroup], &[one, two], &context).len(), 2);
}

#[test]
fn one_id_on_two_hosts_is_two_cgroups() {
    let mut hosts = [Context::default(), Context::default()];
    for (context, path) in hosts.iter_mut().zip(["/a", "/b"]) {
        context.cgroup(CgroupName { id: 5, path: path.to_owned() });
    }
    let mut found = histograms(&[Of::Close], &[By::Host, By::Cgroup]);
    for (host, context) in (0..).zip(&hosts) {
        found.record(&close("a", [10, 0, 0, 1], 5), host, 1, context);
    }
    let view = found.interval(2_000, &["web1".to_owned()]);
    assert_eq!(rows(&view.splits[0]), counts(&[("web1 /a", 1), ("? /b", 1)]));
}

#[test]
fn keys_combine_in_the_order_asked_for() {
    let closes = [close("a", [10, 0, 0, 1], 5), close("a", [10, 0, 0, 2], 5), close("b", [10, 0, 0, 1], 5)];
    let closes = [closes[0], closes[1], closes[1], closes[2], closes[2], closes[2]];
    let found = split(&[By::Process, By::RemoteAddr(Prefix::WHOLE), By::Role], &closes, &Context::default());
    assert_eq!(found, counts(&[("b 10.0.0.1 active", 3), ("a 10.0.0.2 active", 2), ("a 10.0.0.1 active", 1)]));
}

#[test]
fn addresses_by_prefix() {
    let closes = ["10.1.2.3", "::ffff:10.1.2.9", "10.1.3.1", "2001:db8:0:1::1", "2001:db8:0:1:ffff::", "2001:db8::1"];
    let closes = closes.map(at);
    for (by, expected) in [
        (
            "remote-addr/24",
            vec![("10.1.2.0/24", 2), ("2001:db8:0:1::/64", 2), ("10.1.3.0/24", 1), ("2001:db8::/64", 1)],
        ),
        ("remote_addr/32,48", vec![("2001:db8::/48", 3), ("10.1.2.3", 1), ("10.1.2.9", 1), ("10.1.3.1", 1)]),
        ("remote-addr/0,0", vec![("0.0.0.0/0", 3), ("::/0", 3)]),
    ] {
        assert_eq!(split(&[by.parse().unwrap()], &closes, &Context::default()), counts(&expected), "{by}");
    }
    assert_eq!(split(&["remote-addr".parse().unwrap()], &closes, &Context::default()).len(), 6);
}

#[test]
fn what_cannot_be_split_by_is_refused() {
    for by in By::ALL {
        assert_eq!(by.as_str().replace('_', "-").parse(), Ok(by));
    }
    for (text, words) in [
        ("pid", "one of process, cgroup"),
        ("process/24", "only remote-addr"),
        ("remote-addr/33", "0 to 32"),
        ("remote-addr/24,129", "0 to 128"),
        ("remote-addr/", "no prefix length"),
        ("remote-addr/-1", "no prefix length"),
    ] {
        let error = text.parse::<By>().unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn namespaces_have_their_name_unless_two_have_one_inode() {
    let named = |name: &str| {
        let mut context = Context::default();
        context.netns_name(NetnsName { netns: 7, name: name.to_owned() });
        context
    };
    let one = close("a", [1; 4], 1);
    assert_eq!(split(&[By::Netns], &[one], &Context::default()), counts(&[("7", 1)]));
    assert_eq!(split(&[By::Netns], &[one], &named("web")), counts(&[("web", 1)]));
    for (first, second, shown) in [("7434", "7435", "7435"), ("web", "7435", "7"), ("web", "db", "7")] {
        let mut found = histograms(&[Of::Close], &[By::Netns]);
        found.record(&one, 0, 1, &named(first));
        found.record(&one, 0, 1, &named(second));
        assert_eq!(rows(&found.interval(2_000, &[]).splits[0]), counts(&[(shown, 2)]));
    }
    let mut found = histograms(&[Of::Close], &[By::Netns]);
    found.record(&one, 0, 1, &named("web"));
    found.record(&one, 1, 1, &named("db"));
    assert_eq!(rows(&found.interval(2_000, &[]).splits[0]), counts(&[("7", 2)]));
}
