//! sysctl.d(5).

use super::{NETNS, Row, Verdict, fact, host, place, row, verdict};
use crate::{
    doctor::{Files, Host, Place, Sockets, SysctlFile, keys, snippet},
    model::{Advice, Fact, Setting},
};

fn files(files: &[(&str, &str)]) -> Files {
    let file = |(path, text): &(&str, &str)| SysctlFile { path: (*path).to_owned(), text: (*text).to_owned() };
    Files::of(&files.iter().map(file).collect::<Vec<_>>(), Vec::new())
}

fn effective(all: &[(&str, &str)], key: &str) -> Option<(String, String)> {
    files(all).effective(key).map(|one| (one.value().to_owned(), one.path.clone()))
}

const KEY: &str = keys::FIN_TIMEOUT;

#[test]
fn lines_that_set_something() {
    for (text, value) in [
        ("net.ipv4.tcp_fin_timeout=30", Some("30")),
        ("  net.ipv4.tcp_fin_timeout =\t30  ", Some("30")),
        ("net/ipv4/tcp_fin_timeout = 30", Some("30")),
        ("-net.ipv4.tcp_fin_timeout = 30", Some("30")),
        ("# net.ipv4.tcp_fin_timeout = 30", None),
        ("; net.ipv4.tcp_fin_timeout = 30", None),
        ("net.ipv4.tcp_fin_timeout 30", None),
        ("net.ipv4.tcp_fin_timeout = 30\nnet.ipv4.tcp_fin_timeout = 31", Some("31")),
        ("net.ipv4.tcp_fin_* = 5", Some("5")),
        ("net.ipv4.tcp_fin_timeou? = 5", Some("5")),
        ("net.* = 5", None),
        ("net.ipv4.tcp_fin_timeout = 30\nnet.ipv4.tcp_* = 5", Some("30")),
        ("net.ipv4.tcp_* = 5\n-net.ipv4.tcp_fin_timeout", None),
        ("= 5\n\n-", None),
        ("net.ipv4.tcp_mem = 1  2\t3", None),
    ] {
        let found = effective(&[("/etc/sysctl.d/1.conf", text)], KEY);
        assert_eq!(found.map(|(value, _)| value).as_deref(), value, "{text}");
    }
    let found = effective(&[("/etc/sysctl.d/1.conf", "net.ipv4.conf.eth0/100.x = 1")], "net/ipv4/conf/eth0.100/x");
    assert!(found.is_some(), "dots and slashes change places");
    assert_eq!(effective(&[("/etc/sysctl.d/1.conf", "net.ipv4.tcp_mem = 1  2\t3")], keys::MEM).unwrap().0, "1 2 3");
}

#[test]
fn precedence() {
    let line = |value: u32| format!("{KEY} = {value}");
    let (one, two, three) = (line(1), line(2), line(3));
    // By name, whatever the folder.
    let found = effective(&[("/usr/lib/sysctl.d/90.conf", &two), ("/etc/sysctl.d/10.conf", &one)], KEY).unwrap();
    assert_eq!(found, ("2".to_owned(), "/usr/lib/sysctl.d/90.conf".to_owned()));
    // The first folder masks a file of the same name.
    for (masked, masks) in [
        ("/usr/lib/sysctl.d/5.conf", "/etc/sysctl.d/5.conf"),
        ("/run/sysctl.d/5.conf", "/etc/sysctl.d/5.conf"),
        ("/usr/local/lib/sysctl.d/5.conf", "/run/sysctl.d/5.conf"),
        ("/usr/lib/sysctl.d/5.conf", "/usr/local/lib/sysctl.d/5.conf"),
        ("/lib/sysctl.d/5.conf", "/usr/lib/sysctl.d/5.conf"),
    ] {
        assert_eq!(effective(&[(masked, &two), (masks, &one)], KEY).unwrap().1, masks);
        assert_eq!(effective(&[(masked, &two), (masks, "")], KEY), None, "/dev/null");
    }
    let all = [("/etc/sysctl.conf", three.as_str()), ("/etc/sysctl.d/99.conf", &two)];
    assert_eq!(effective(&all, KEY).unwrap().0, "3", "the last of all");
}

fn with(text: &str) -> Host {
    Host { files: Some(files(&[("/etc/sysctl.d/9.conf", text)])), ..host() }
}

#[test]
fn persistence() {
    let of = |text, changes: &[(&'static str, &str)]| {
        row(Row::Persistence, &with(text), &place(changes, Sockets::default()))
    };
    for (text, changes, wanted, differing, only) in [
        ("", &[][..], Verdict::Ok, 0, 0),
        ("", &[(KEY, "30")][..], Verdict::Watch, 0, 1),
        ("net.ipv4.tcp_fin_timeout = 30", &[(KEY, "30")], Verdict::Ok, 0, 0),
        ("net.ipv4.tcp_fin_timeout = 30", &[], Verdict::Watch, 1, 0),
        ("net.ipv4.tcp_fin_timeout = 30", &[(KEY, "31")], Verdict::Watch, 1, 0),
        ("net.ipv4.ip_local_reserved_ports = 1,2,3", &[(keys::RESERVED_PORTS, "1-3")], Verdict::Ok, 0, 0),
        // Its default depends on memory.
        ("", &[(keys::MAX_TW_BUCKETS, "9")], Verdict::Ok, 0, 0),
        ("net.ipv4.tcp_max_tw_buckets = 8", &[(keys::MAX_TW_BUCKETS, "9")], Verdict::Watch, 1, 0),
    ] {
        let advice = of(text, changes);
        let list = |name| match fact(&advice, name) {
            Fact::List(list) => list.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((advice.verdict, list("differing"), list("run_time_only")), (wanted, differing, only), "{text}");
    }
    let elsewhere = Place { is_initial: Some(false), ..place(&[(KEY, "30")], Sockets::default()) };
    let advice = row(Row::Persistence, &with("net.ipv4.tcp_fin_timeout = 60"), &elsewhere);
    assert_eq!(advice.verdict, Verdict::Ok, "files do not reach it");
    let blind = Host { files: Some(Files::of(&[], vec!["no".to_owned()])), ..host() };
    assert_eq!(verdict(Row::Persistence, &blind, &place(&[], Sockets::default())), Verdict::Unknown);
    let none = Host { files: None, ..host() };
    assert_eq!(verdict(Row::Persistence, &none, &place(&[], Sockets::default())), Verdict::Unknown);
}

#[test]
fn tw_recycle() {
    let plain = place(&[], Sockets::default());
    assert_eq!(verdict(Row::TwRecycle, &with(""), &plain), Verdict::Ok);
    let advice = row(Row::TwRecycle, &with("net.ipv4.tcp_tw_recycle = 1"), &plain);
    assert_eq!((advice.verdict, advice.netns), (Verdict::Watch, None));
    assert_eq!(fact(&advice, "file"), Fact::Text("/etc/sysctl.d/9.conf".to_owned()));
    assert_eq!(verdict(Row::TwRecycle, &Host { files: None, ..host() }, &plain), Verdict::Unknown);
    assert_eq!(
        verdict(Row::TwRecycle, &with("net.ipv4.tcp_tw_* = 1"), &plain),
        Verdict::Ok,
        "patterns set what is there"
    );
    let mut blind = plain.clone();
    blind.settings.set(keys::TW_RECYCLE, crate::doctor::Value::Unreadable("no".to_owned()));
    assert_eq!(verdict(Row::TwRecycle, &with(""), &blind), Verdict::Unknown);
    for (value, wanted) in [("0", Verdict::Ok), ("1", Verdict::Act)] {
        let old = place(&[(keys::TW_RECYCLE, value)], Sockets::default());
        assert_eq!(verdict(Row::TwRecycle, &with(""), &old), wanted);
    }
}

#[test]
fn snippets_hold_what_is_to_be_done() {
    let setting = Setting { key: KEY, value: "20".to_owned(), why: "evidence".to_owned() };
    let advice = |verdict, netns, settings: &[Setting]| Advice {
        row: Row::FinTimeout,
        netns,
        verdict,
        finding: String::new(),
        evidence: Vec::new(),
        advice: String::new(),
        caveat: String::new(),
        commands: Vec::new(),
        source: "",
        settings: settings.to_vec(),
    };
    let one = std::slice::from_ref(&setting);
    let nothing =
        snippet(&[advice(Verdict::Ok, Some(NETNS), one), advice(Verdict::Act, None, &[])], Some(NETNS), |netns| {
            format!("{netns}")
        });
    assert!(nothing.lines().all(|line| line.starts_with('#')) && nothing.contains("Nothing"), "{nothing}");
    let text = snippet(&[advice(Verdict::Act, Some(NETNS), one)], Some(NETNS), |netns| format!("{netns}"));
    assert!(text.contains("\n# fin_timeout (act): evidence\nnet.ipv4.tcp_fin_timeout = 20\n"), "{text}");
    let text = snippet(&[advice(Verdict::Watch, Some(7), one)], Some(NETNS), |netns| format!("{netns}"));
    assert!(text.contains("\n#net.ipv4.tcp_fin_timeout = 20\n") && text.contains("namespace 7"), "{text}");
    assert_eq!(setting.command(), "sysctl -w net.ipv4.tcp_fin_timeout=20");
    let range = Setting { key: keys::PORT_RANGE, value: "1 2".to_owned(), why: String::new() };
    assert_eq!(range.command(), "sysctl -w net.ipv4.ip_local_port_range=\"1 2\"");
}
