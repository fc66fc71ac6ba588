//! A filtered run beside one that sees everything in the namespace: it must tell just the closes that match, and
//! nothing else may have reached it.

use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, TcpListener},
};

use anyhow::{Context, Result, ensure};
use tcptrace_tests::{
    netns::NetNs,
    pair::{self, Pair},
    scenario::orderly,
    tool::{Finished, Line, Tool},
};

use crate::{
    harness::{SOON, bounded},
    judge,
};

/// Members that both runs must tell alike. Times are taken by each program for itself.
const SAME: [&str; 8] = ["local", "remote", "role", "outcome", "reason", "owner", "complete", "orphan"];

/// Runs of tcptrace in one namespace.
pub(crate) struct Twins {
    inode: u64,
    whole: Tool,
    filtered: Tool,
}

/// What they said.
pub(crate) struct Said {
    pub(crate) whole: Vec<Line>,
    pub(crate) filtered: Vec<Line>,
    pub(crate) summary: Line,
}

impl Twins {
    pub(crate) fn start(netns: &NetNs, arguments: &[&str]) -> Result<Self> {
        let inode = netns.inode();
        let text = inode.to_string();
        let both = ["--netns", text.as_str(), "--leak-after", "300ms"];
        let whole = Tool::trace(&[both.as_slice(), &["--transitions"]].concat())?;
        let filtered = Tool::trace(&[both.as_slice(), arguments].concat())?;
        Ok(Self { inode, whole, filtered })
    }

    /// Waits until both have told as many closes, and ends them.
    pub(crate) fn stop(self, made: usize, matching: usize) -> Result<Said> {
        self.whole.wait_for_closes(self.inode, made, SOON)?;
        self.filtered.wait_for_closes(self.inode, matching, SOON)?;
        let lines = |finished: &Finished| {
            finished.expect_code(0)?;
            let summary = finished.summary()?;
            // A filter may have left nothing to be seen.
            ensure!(*summary.at("/events/balanced") == true, "the books do not balance: {}", summary.text);
            finished.lines_in(self.inode)
        };
        let filtered = self.filtered.stop()?;
        let whole = self.whole.stop()?;
        Ok(Said { whole: lines(&whole)?, filtered: lines(&filtered)?, summary: filtered.summary()? })
    }

    /// As a closure for [`Tool::wait_for`] would.
    pub(crate) fn wait_for(&self, what: &str, enough: impl Fn(&[Line]) -> bool) -> Result<()> {
        self.filtered.wait_for(self.inode, what, enough, SOON)
    }
}

impl Said {
    /// The filtered run told these closes of the other's, each as that one did, and only their events reached it.
    pub(crate) fn judge(&self, matches: impl Fn(&Line) -> bool) -> Result<()> {
        let made = events_of(&self.whole, &self.same_closes(matches)?)?;
        let crossed = self.summary.count("/events/delivered");
        ensure!(crossed == made, "{crossed} events crossed, the closes made {made}: {}", judge::shown(&self.whole));
        Ok(())
    }

    /// The first half of it.
    pub(crate) fn same_closes(&self, matches: impl Fn(&Line) -> bool) -> Result<HashSet<Ends<'_>>> {
        same_closes(&self.whole, &self.filtered, matches)
    }
}

/// A socket by its ends, local and remote: copies give it different keys before 5.12.
pub(crate) type Ends<'a> = [&'a str; 2];

/// Of all closes those that match were told, and no others.
pub(crate) fn same_closes<'a>(
    all: &'a [Line],
    told: &'a [Line],
    matches: impl Fn(&Line) -> bool,
) -> Result<HashSet<Ends<'a>>> {
    let (whole, filtered) = (judge::shown(all), judge::shown(told));
    let wanted = by_ends(all, &matches)?;
    let told = by_ends(told, |_| true)?;
    for (ends, line) in &wanted {
        let other = told.get(ends).with_context(|| format!("not told: {}\n{filtered}", line.text))?;
        for member in SAME {
            let at = format!("/{member}");
            ensure!(line.at(&at) == other.at(&at), "{member} differs:\n{}\n{}", line.text, other.text);
        }
    }
    ensure!(told.len() == wanted.len(), "told too many:\n{filtered}\nall:\n{whole}");
    Ok(wanted.into_keys().collect())
}

/// How many events these sockets made, as `--transitions` tells them.
pub(crate) fn events_of(lines: &[Line], sockets: &HashSet<Ends<'_>>) -> Result<u64> {
    let events: Vec<&Line> = lines.iter().filter(|line| !line.is("close") && !line.is("finding")).collect();
    let mut count = 0;
    for (at, event) in events.iter().enumerate() {
        // A connect's port is chosen later: the socket's next event has it.
        let key = cookie(event)?;
        let next = events[at..].iter().find(|next| cookie(next).is_ok_and(|other| other == key) && has_port(next));
        count += u64::from(sockets.contains(&ends_of(next.unwrap_or(event))?));
    }
    Ok(count)
}

fn has_port(line: &Line) -> bool {
    ends(line)[0].port() != 0
}

fn by_ends(lines: &[Line], matches: impl Fn(&Line) -> bool) -> Result<HashMap<Ends<'_>, &Line>> {
    let closes = lines.iter().filter(|line| line.is("close") && matches(line));
    let mut found = HashMap::new();
    for line in closes {
        let twice = found.insert(ends_of(line)?, line);
        ensure!(twice.is_none(), "two closes with the same ends: {}", line.text);
    }
    Ok(found)
}

fn ends_of(line: &Line) -> Result<Ends<'_>> {
    let word = |at| line.at(at).as_str().with_context(|| format!("no {at}: {}", line.text));
    Ok([word("/local")?, word("/remote")?])
}

pub(crate) fn cookie(line: &Line) -> Result<&str> {
    line.at("/cookie").as_str().with_context(|| format!("no cookie: {}", line.text))
}

/// Makes closes under both, `make` saying how many there were, and has them judged. There are others in another
/// namespace, too.
pub(crate) fn prove(
    arguments: &'static [&'static str],
    matches: impl Fn(&Line) -> bool + Send + Sync + 'static,
    make: impl Fn(&NetNs) -> Result<usize> + Send + Sync + 'static,
) -> Result<()> {
    bounded(move || {
        let netns = NetNs::new()?;
        let twins = Twins::start(&netns, arguments)?;
        NetNs::new()?.run(orderly::orderly)?;
        let made = netns.run(&make)?;
        twins.whole.wait_for_closes(netns.inode(), made, SOON)?;
        let lines: Vec<Line> = twins.whole.stdout().lines().map(Line::parse).collect::<Result<_>>()?;
        let matching = lines.iter().filter(|line| line.is("close") && matches(line)).count();
        ensure!(matching > 0 && matching < made, "{matching} of {made} closes match: that proves nothing");
        twins.stop(made, matching)?.judge(&matches)
    })
}

/// A connection to a listener at this address, in which the client closes first.
pub(crate) fn closed(listen: impl Into<SocketAddr>) -> Result<usize> {
    let listen = listen.into();
    let listener = TcpListener::bind(listen)?;
    close(Pair::to(&listener, listen)?)
}

/// The client closes, then the server: two closes.
pub(crate) fn close(pair: Pair) -> Result<usize> {
    let Pair { client, server, .. } = pair;
    pair::shut(&client)?;
    pair::read_eof(&server)?;
    pair::close_passive(server)?;
    pair::read_eof(&client)?;
    Ok(2)
}

/// The ends of a close, local and remote.
pub(crate) fn ends(line: &Line) -> [SocketAddr; 2] {
    ["/local", "/remote"].map(|at| line.at(at).as_str().and_then(|text| text.parse().ok()).expect("an address"))
}
