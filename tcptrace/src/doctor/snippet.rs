//! A file for `/etc/sysctl.d/`, of what the evidence supports and nothing else.

use std::fmt::Write as _;

use crate::model::{Advice, Verdict};

/// Each line with its reason. Sysctl files reach the host's first network namespace: what is for another stands there
/// as a comment. `initial` is that namespace, and `name` tells what people call another.
#[must_use]
pub fn snippet(advice: &[Advice], initial: Option<u32>, name: impl Fn(u32) -> String) -> String {
    let mut text = String::from("# tcptrace doctor: what the evidence of this host supports, and nothing else.\n");
    let mut lines = 0;
    for one in advice.iter().filter(|one| matches!(one.verdict, Verdict::Watch | Verdict::Act)) {
        let elsewhere = one.netns.filter(|netns| Some(*netns) != initial);
        for setting in &one.settings {
            lines += 1;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n# {} ({}): {}", one.row.as_str(), one.verdict.as_str(), setting.why);
            let _ = match elsewhere {
                None => writeln!(text, "{} = {}", setting.key, setting.value),
                Some(netns) => {
                    let _ = writeln!(text, "# For network namespace {}, which this file does not reach:", name(netns));
                    writeln!(text, "#{} = {}", setting.key, setting.value)
                }
            };
        }
    }
    if lines == 0 {
        text.push_str("# Nothing: no setting would help here.\n");
    }
    text
}
