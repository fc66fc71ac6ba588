//! `tcptrace doctor` in namespaces with other settings, and with a program that does not accept.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use tcptrace_tests::{
    netns,
    pair::Ends,
    proc_net::{self, State},
};

use crate::{
    doctor::{SERVICE, actor, says},
    harness::bounded,
};

#[test]
fn changed_settings() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            says(netns, "orphan_retries", "ok")?;
            netns.set_sysctl("net/ipv4/tcp_orphan_retries", "1")?;
            let line = says(netns, "orphan_retries", "watch")?;
            ensure!(line.at("/evidence/gives_up_after_s") == 0.6, "{}", line.text);
            let refused = netns.set_sysctl("net/ipv4/tcp_orphan_retries", "-1");
            ensure!(refused.is_err(), "this kernel takes -1");
            netns.set_sysctl("net/ipv4/tcp_fin_timeout", "61")?;
            says(netns, "fin_timeout", "watch")?;
            says(netns, "syn_side", "ok")?;
            netns.set_sysctl("net/ipv4/tcp_syncookies", "0")?;
            says(netns, "syn_side", "watch")?;
            let line = says(netns, "persistence", "ok")?;
            let set = line.at("/evidence/set_at_run_time").as_array().context("no list")?;
            let keys: Vec<_> = set.iter().filter_map(|one| one["key"].as_str()).collect();
            let wanted = ["net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_orphan_retries", "net.ipv4.tcp_syncookies"];
            ensure!(keys == wanted, "{}", line.text);
            Ok(())
        })
    })
}

/// `proc_do_large_bitmap()` answers one read alone, however long the list is.
#[test]
fn a_long_list_of_ports() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let ports: Vec<String> = (0..2000).map(|number| (40_000 + 2 * number).to_string()).collect();
            netns.set_sysctl("net/ipv4/ip_local_reserved_ports", &ports.join(","))?;
            let line = says(netns, "ephemeral_ports", "ok")?;
            ensure!(line.count("/evidence/reserved_ports") == 2000, "{}", line.text);
            ensure!(line.count("/evidence/usable_ports") == 26_232, "{}", line.text);
            Ok(())
        })
    })
}

/// `sk_acceptq_is_full()`: one more than the backlog.
#[test]
fn a_full_queue() -> Result<()> {
    bounded(|| {
        netns::run(|netns| {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, SERVICE)).into())?;
            listener.listen(1)?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, SERVICE));
            let _first = TcpStream::connect(address)?;
            says(netns, "syn_side", "ok")?;
            let second = TcpStream::connect(address)?;
            proc_net::wait_for(Ends::of(&second)?, State::Established)?;
            let actor = actor(listener)?;
            let line = says(netns, "syn_side", "act")?;
            ensure!(line.count("/evidence/full_queues/0/port") == u64::from(SERVICE), "{}", line.text);
            ensure!(line.count("/evidence/full_queues/0/waiting") == 2, "{}", line.text);
            ensure!(line.count("/evidence/full_queues/0/limit") == 1, "{}", line.text);
            ensure!(line.at("/evidence/full_queues/0/pid") == actor.pid(), "{}", line.text);
            Ok(())
        })
    })
}
