//! `tcptrace doctor`: a line for each row, and below it, where something is not well, what to do.
//!
//! ```text
//! ACT     ephemeral_ports   20 of 20 ports (100%) to 10.0.0.2:80; ceiling 0.3 a second
//!           advice    they are used up: connect() fails with EADDRNOTAVAIL; ...
//!           caveat    ...
//!           command   sysctl -w net.ipv4.ip_local_port_range="10240 65535"
//!           source    net/ipv4/inet_hashtables.c: __inet_hash_connect()
//! ```

use super::paint::Paint;
use crate::model::{Advice, Evidence, Fact, ShownName, Verdict};
use crate::output::{AdvicePage, Style};

/// Of the verdict, of the row's name, and of the names below.
const VERDICT: usize = 8;
const ROW: usize = 18;
const INDENT: usize = 2;
const NAME: usize = 10;

/// Appends all rows.
pub(super) fn rows(out: &mut Vec<u8>, style: Style, advice: &[Advice], wanted: AdvicePage<'_>) {
    let mut page = Page { out, style };
    if let Some(host) = wanted.host {
        page.gap();
        page.piece(Paint::Strong, &format!("host {}", ShownName(host)));
        page.out.push(b'\n');
    }
    let mut netns = Some(wanted.own_netns);
    for one in advice.iter().filter(|one| wanted.shows(one)) {
        if let Some(other) = one.netns.filter(|other| Some(*other) != netns) {
            page.gap();
            page.piece(Paint::Strong, &format!("network namespace {}", wanted.netns_in_words(other)));
            page.out.push(b'\n');
            netns = Some(other);
        }
        page.row(one, wanted.full);
    }
    let count = |verdict| advice.iter().filter(|one| one.verdict == verdict).count();
    let counts = [Verdict::Act, Verdict::Watch, Verdict::Unknown, Verdict::Ok];
    let counts = counts.map(|verdict| format!("{} {}", verdict.as_str(), count(verdict))).join(", ");
    page.gap();
    page.piece(Paint::Strong, &counts);
    page.piece(Paint::Plain, "; nothing was changed");
    page.out.push(b'\n');
}

struct Page<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
}

impl Page<'_> {
    fn piece(&mut self, paint: Paint, text: &str) {
        paint.apply(self.out, text, self.style.colour);
    }

    fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(b' ', count));
    }

    /// An empty line, but not at the top.
    fn gap(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    fn row(&mut self, advice: &Advice, full: bool) {
        let paint = match advice.verdict {
            Verdict::Ok => Paint::Good,
            Verdict::Unknown => Paint::Faint,
            Verdict::Watch => Paint::Warning,
            Verdict::Act => Paint::Bad,
        };
        let word = match advice.verdict {
            Verdict::Act => "ACT",
            verdict => verdict.as_str(),
        };
        self.piece(paint, word);
        self.spaces(VERDICT.saturating_sub(word.len()));
        self.piece(Paint::Strong, advice.row.as_str());
        self.spaces(ROW.saturating_sub(advice.row.as_str().len()));
        self.text(VERDICT + ROW, &advice.finding);
        let is_well = matches!(advice.verdict, Verdict::Ok | Verdict::Unknown);
        if full {
            self.evidence(&advice.evidence);
        }
        if is_well && !full {
            return;
        }
        self.named("advice", &advice.advice);
        if !advice.caveat.is_empty() {
            self.named("caveat", &advice.caveat);
        }
        for command in &advice.commands {
            self.named("command", command);
        }
        self.named("source", advice.source);
    }

    fn named(&mut self, name: &str, text: &str) {
        self.spaces(INDENT);
        self.piece(Paint::Faint, name);
        self.spaces(NAME.saturating_sub(name.len()));
        self.text(INDENT + NAME, text);
    }

    fn evidence(&mut self, evidence: &Evidence) {
        let simple: Vec<String> = evidence.iter().filter_map(|(name, fact)| shown(name, fact)).collect();
        self.named("evidence", &simple.join(", "));
        for (name, fact) in evidence {
            let Fact::List(list) = fact else { continue };
            for one in list {
                let parts: Vec<String> = one.iter().filter_map(|(name, fact)| shown(name, fact)).collect();
                self.named("", &format!("{name}: {}", parts.join(", ")));
            }
        }
    }

    /// Words from this column on, broken between them where a person reads.
    fn text(&mut self, indent: usize, text: &str) {
        let mut column = indent;
        for (number, word) in text.split(' ').enumerate() {
            let chars = word.chars().count();
            if number > 0 && self.style.terminal && column + 1 + chars > self.style.width {
                self.out.push(b'\n');
                self.spaces(indent);
                column = indent;
            } else if number > 0 {
                self.out.push(b' ');
                column += 1;
            }
            self.piece(Paint::Plain, word);
            column += chars;
        }
        self.out.push(b'\n');
    }
}

/// A name and what it says; nothing for a list.
fn shown(name: &str, fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::List(_) => return None,
        Fact::Unknown => format!("{name} -"),
        Fact::Count(count) => format!("{name} {count}"),
        Fact::Signed(number) => format!("{name} {number}"),
        Fact::Tenths(tenths) => format!("{name} {}.{}", tenths / 10, tenths % 10),
        Fact::Text(text) if text.is_empty() => format!("{name} none"),
        Fact::Text(text) => format!("{name} {text}"),
        Fact::Flag(flag) => format!("{name} {}", if *flag { "yes" } else { "no" }),
    })
}
