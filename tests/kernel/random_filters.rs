//! Random connections under random filters: a filtered run tells what a replay of everything tells under the same
//! filter. The kernel side drops nothing that user space would show.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    child::{Actor, HOLD},
    netns::{NetNs, under_name},
    pair::{self, Ends, Pair},
    proc_net::{self, State},
    tool::{self, Finished, Line, Tool},
    wait,
};

use crate::{
    cgroups::{BELOW, Cgroups},
    harness::{Folder, SOON, bounded},
    twin::{events_of, same_closes},
};

const CONNECTIONS: usize = 50;
const FILTERS: usize = 5;
const ROUNDS: u64 = 3;
const PORTS: [&str; 3] = ["8001", "8002", "8003"];
const CLIENT_PORTS: [&str; 2] = ["20000 39999", "40000 59999"];
/// Who closes as a process of its own has this name.
const ACTOR: &str = "actor";
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const PREFIXES: [&str; 6] = ["127.0.0.0/9", "127.128.0.0/10", "::1", "::/0", "0.0.0.0/0", "::ffff:127.0.0.0/98"];

/// Numbers from a seed that a failure tells (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn filter(dice: &mut Dice, inodes: [u64; 2], cgroups: &Cgroups) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    // Only one option of ports: two can contradict each other, and are refused.
    match dice.below(6) {
        0 => option("--port", dice.one(&PORTS)),
        1 => option("--local-port", dice.one(&PORTS)),
        2 => option("--remote-port", dice.one(&PORTS)),
        3 => option("--not-port", &[dice.one(&PORTS), dice.one(&PORTS)].join(",")),
        4 => option(["--not-local-port", "--not-remote-port"][dice.below(2)], dice.one(&PORTS)),
        _ => {}
    }
    let family = dice.below(7);
    if family < 2 {
        option("--family", ["ipv4", "ipv6"][family]);
    }
    if dice.below(5) < 2 {
        // A prefix of the other family contradicts `--family` unless one of the same family stands beside it.
        if family < 2 {
            option("--addr", dice.one(&[["127.0.0.0/9", "::ffff:127.0.0.0/98"], ["::1", "::/0"]][family]));
        }
        (0..=dice.below(2)).for_each(|_| option("--addr", dice.one(&PREFIXES)));
    }
    if dice.below(4) == 0 {
        option("--not-addr", dice.one(&["127.0.0.0/10", "127.192.0.0/10,::1", "::/0"]));
    }
    let barred = (dice.below(5) == 0).then(|| dice.one(&NAMES));
    match dice.below(6) {
        0 => option("--cgroup", &cgroups.name()?),
        1 => option("--cgroup", &format!("{}/{BELOW}", cgroups.name()?)),
        2 => option("--cgroup", "/"),
        3 | 4 => (0..=dice.below(2)).for_each(|_| option("--comm", dice.one(&NAMES))),
        _ => {}
    }
    if dice.below(6) == 0 {
        option("--comm", ACTOR);
    }
    if dice.below(4) == 0 {
        option("--pid", &process::id().to_string());
    }
    // What leaves nothing of the names asked for is refused.
    let leaves_some = |barred: &&&str| {
        let mut asked = words.windows(2).filter(|pair| pair[0] == "--comm").map(|pair| pair[1].as_str()).peekable();
        asked.peek().is_none() || asked.any(|name| name != **barred)
    };
    if let Some(barred) = barred.as_ref().filter(leaves_some) {
        words.extend(["--not-comm".to_owned(), (*barred).to_string()]);
    }
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    // Both, so that other tests stay outside, or one.
    let one = dice.below(4);
    inodes.iter().enumerate().filter(|(at, _)| one > 1 || one == *at).for_each(|(_, inode)| {
        option("--netns", &inode.to_string());
    });
    Ok(words)
}

fn address(dice: &mut Dice) -> IpAddr {
    let four = Ipv4Addr::from(0x7f00_0001 | u32::try_from(dice.below(1 << 24)).unwrap_or(0));
    match dice.below(3) {
        0 => Ipv6Addr::LOCALHOST.into(),
        1 => four.to_ipv6_mapped().into(),
        _ => four.into(),
    }
}

fn connect(dice: &mut Dice) -> Result<Pair> {
    let target = SocketAddr::new(address(dice), dice.one(&PORTS).parse()?);
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let listener = TcpListener::bind((any, target.port())).with_context(|| format!("cannot listen at {target}"))?;
    under_name(dice.one(&NAMES), || Pair::to(&listener, target))
}

fn close(stream: TcpStream) -> Result<()> {
    drop(stream);
    Ok(())
}

/// A process of its own closes, in one of the cgroups or in that of this process.
fn as_process(dice: &mut Dice, cgroups: &Cgroups, stream: TcpStream) -> Result<()> {
    let actor = Actor::given(Path::new(env!("CARGO_BIN_EXE_actor")), HOLD, stream)?;
    match dice.below(3) {
        0 => {}
        1 => cgroups.take("", actor.pid())?,
        _ => cgroups.take(BELOW, actor.pid())?,
    }
    actor.kill()
}

/// Both sides end somehow, each under a name or by a process of its own.
fn end(dice: &mut Dice, cgroups: &Cgroups, pair: Pair) -> Result<()> {
    let (first, second) = (dice.one(&NAMES), dice.one(&NAMES));
    let Pair { client, server, .. } = pair;
    let (one, mut other): (TcpStream, TcpStream) = if dice.below(2) == 0 { (client, server) } else { (server, client) };
    match dice.below(7) {
        // The peer of a whole close.
        0 => {
            under_name(first, || close(one))?;
            pair::read_eof(&other)?;
            under_name(second, || pair::close_passive(other))
        }
        // Shut down by one task, closed by another one.
        1 => {
            under_name(first, || pair::shut(&one))?;
            pair::wait_for(&one, State::FinWait2)?;
            under_name(second, || close(one))?;
            under_name(first, || pair::close_passive(other))
        }
        // A reset by a program, whose peer nobody closes.
        2 => under_name(first, || pair::close_with_reset(one)),
        // A passive close that ends with a reset of its own.
        3 => {
            under_name(first, || pair::shut(&one))?;
            pair::read_eof(&other)?;
            under_name(second, || pair::close_with_reset(other))
        }
        4 => {
            as_process(dice, cgroups, one)?;
            pair::read_eof(&other)?;
            under_name(second, || pair::close_passive(other))
        }
        // It begins before anybody knows whose it is.
        5 => {
            under_name(first, || pair::shut(&one))?;
            pair::read_eof(&other)?;
            as_process(dice, cgroups, other)?;
            pair::read_eof(&one)
        }
        // A passive close that the peer's reset ends in softirq.
        _ => {
            under_name(first, || close(one))?;
            pair::read_eof(&other)?;
            let ends = Ends::of(&other)?;
            other.write_all(b"too late")?;
            proc_net::wait_gone(ends)
        }
    }
}

fn replay(file: &str, words: &[String]) -> Result<Finished> {
    let arguments = ["replay", file, "--output", "json"].into_iter().chain(words.iter().map(String::as_str));
    let finished = Tool::start(tool::command(arguments)?)?.finish(SOON)?;
    finished.expect_code(0)?;
    Ok(finished)
}

fn lines(finished: &Finished, inodes: [u64; 2]) -> Result<Vec<Line>> {
    let [mut one, other] = [finished.lines_in(inodes[0])?, finished.lines_in(inodes[1])?];
    one.extend(other);
    Ok(one)
}

fn equals_a_filtered_replay(seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let folder = Folder::new()?;
    let file = folder.file("all.cap");
    let cgroups = Cgroups::new()?;
    let namespaces = [NetNs::new()?, NetNs::new()?];
    // Closes are compared by their ends, which must not be the same in both.
    for (namespace, ports) in namespaces.iter().zip(CLIENT_PORTS) {
        namespace.run(|namespace| namespace.set_sysctl("net/ipv4/ip_local_port_range", ports))?;
    }
    let inodes = [namespaces[0].inode(), namespaces[1].inode()];
    let [one, other] = inodes.map(|inode| inode.to_string());
    let record =
        Tool::live(&["record", file.as_str(), "--show", "--output", "json"], &["--netns", &one, "--netns", &other])?;
    let mut filtered = Vec::new();
    for _ in 0..FILTERS {
        let words = filter(&mut dice, inodes, &cgroups)?;
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        filtered.push((Tool::trace(&arguments)?, words));
    }
    let mut made = [0; 2];
    for number in 0..CONNECTIONS {
        let place = dice.below(2);
        namespaces[place].run(|_| {
            let pair = connect(&mut dice)?;
            let ends = pair.ends;
            end(&mut dice, &cgroups, pair).with_context(|| format!("connection {number}, {ends}"))
        })?;
        made[place] += 2;
    }
    for (inode, made) in inodes.into_iter().zip(made) {
        record.wait_for_closes(inode, made, SOON)?;
    }
    record.stop()?.expect_code(0)?;
    let all = lines(&replay(&file, &["--transitions".to_owned()])?, inodes)?;
    for (tool, words) in filtered {
        let wanted = lines(&replay(&file, &words)?, inodes)?;
        let count = wanted.iter().filter(|line| line.is("close")).count();
        let context = || format!("{count} closes under {words:?}");
        for inode in inodes {
            let is_here = |line: &&Line| line.is("close") && *line.at("/netns") == inode;
            let here = wanted.iter().filter(is_here).count();
            tool.wait_for_closes(inode, here, SOON).with_context(context)?;
        }
        let told = tool.stop()?;
        told.expect_code(0)?;
        let summary = told.summary()?;
        ensure!(*summary.at("/events/balanced") == true, "not balanced: {}", summary.text);
        let lines = lines(&told, inodes)?;
        let sockets = same_closes(&wanted, &lines, |_| true).with_context(context)?;
        let (crossed, made) = (summary.count("/events/delivered"), events_of(&all, &sockets)?);
        // Of owners, the kernel side does not always know enough; of sockets it does.
        let by_socket =
            !words.iter().any(|word| ["--comm", "--pid", "--cgroup", "--not-comm"].contains(&word.as_str()));
        ensure!(!by_socket || crossed == made, "{crossed} events crossed of {made}; {}", context());
    }
    Ok(())
}

#[test]
fn the_kernel_drops_what_user_space_would_drop() -> Result<()> {
    bounded(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        // What takes seconds on a host takes minutes where instructions are emulated.
        let rounds = if wait::slowness() > 1 { 1 } else { ROUNDS };
        for round in 0..rounds {
            let seed = u64::try_from(now.as_nanos())?.wrapping_add(round << 40) | 1;
            equals_a_filtered_replay(seed).with_context(|| format!("seed {seed}"))?;
        }
        Ok(())
    })
}
