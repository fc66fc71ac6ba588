//! What sysctl files say, against what is so.

use super::draft::{Draft, count, count_of};
use crate::{
    doctor::{Files, Host, Place, Settings, files::single_spaced, keys, ports::parse_reserved},
    model::{Advice, Evidence, Fact, Row, Verdict},
};

const RECYCLE_SOURCE: &str = "Linux 4.12 (commit 4396e46187ca, \"tcp: remove tcp_tw_recycle\"); sysctl.d(5)";

pub(super) fn tw_recycle(host: &Host, places: &[Place]) -> Advice {
    let draft = Draft::new(Row::TwRecycle, None, RECYCLE_SOURCE);
    let value = places.iter().find_map(|place| place.settings.number::<u32>(keys::TW_RECYCLE));
    let draft = draft.fact("tcp_tw_recycle", value);
    if let Some(value) = value {
        let finding = format!("this kernel still has it, and it is {value}");
        return if value == 0 {
            draft.says(Verdict::Ok, finding, "leave it at 0: 1 drops the SYNs of clients behind NAT")
        } else {
            draft.setting(keys::TW_RECYCLE, 0, "it drops the SYNs of clients behind NAT").says(
                Verdict::Act,
                finding,
                "turn it off: it drops the SYNs of all but one client behind a NAT",
            )
        };
    }
    let Some(files) = &host.files else {
        return draft.unknown(if host.is_capture {
            "a capture holds no sysctl files"
        } else {
            "sysctl files were not read"
        });
    };
    if let Some(place) = places.first().filter(|_| !places.iter().any(|one| one.settings.is_absent(keys::TW_RECYCLE))) {
        return draft.unknown(place.settings.why_unknown(keys::TW_RECYCLE));
    }
    // Patterns set what is there, and this is not.
    if let Some(line) = files.named(keys::TW_RECYCLE) {
        let finding = format!("{} sets it, and this kernel has no such setting", line.path);
        return draft.fact("file", line.path.as_str()).fact("file_value", line.value()).says(
            Verdict::Watch,
            finding,
            "remove the line: it has no effect since Linux 4.12, and never was safe behind NAT",
        );
    }
    if !files.unreadable.is_empty() {
        return draft.unknown(files.unreadable.join("; "));
    }
    draft.says(
        Verdict::Ok,
        "this kernel has no tcp_tw_recycle (gone since Linux 4.12), and no file sets it",
        "nothing to do, whatever an article says",
    )
}

const SOURCE: &str = "sysctl.d(5), sysctl(8), systemd-sysctl.service(8)";

pub(super) fn persistence(host: &Host, place: &Place) -> Advice {
    let draft = Draft::new(Row::Persistence, Some(place.netns), SOURCE);
    let settings: Vec<(&'static str, &str)> = place.settings.all().collect();
    if settings.is_empty() {
        return draft.unknown(place.settings.why_unknown(keys::ORPHAN_RETRIES));
    }
    let changed = |key: &str, value: &str| Settings::default_of(key).is_some_and(|default| !same(key, value, default));
    if place.is_initial == Some(false) {
        let set: Vec<Evidence> = settings
            .iter()
            .filter(|(key, value)| changed(key, value))
            .map(|(key, value)| entry(key, value, None))
            .collect();
        let finding =
            format!("{} set in this namespace, which sysctl files do not reach", count(set.len() as u64, "value"));
        return draft
            .fact("is_initial", false)
            .fact("set_at_run_time", Fact::List(set))
            .caveat("Sysctl files set the host's first network namespace; another starts with defaults.")
            .says(
                Verdict::Ok,
                finding,
                "have whatever makes the namespace set them (docker --sysctl, securityContext.sysctls)",
            );
    }
    let Some(files) = &host.files else {
        return draft.unknown(if host.is_capture {
            "a capture holds no sysctl files"
        } else {
            "sysctl files were not read"
        });
    };
    let (in_files, differing, run_time) = compare(files, &settings, changed);
    let (differ, only) = (differing.len() as u64, run_time.len() as u64);
    let draft = draft
        .fact("is_initial", place.is_initial)
        .fact("in_files", Fact::List(in_files))
        .fact("differing", Fact::List(differing))
        .fact("run_time_only", Fact::List(run_time))
        .fact("unreadable_files", files.unreadable.len())
        .caveat(
            "A value equal to the kernel's default counts as not set; settings whose default depends on memory are \
             compared with files alone. /etc/sysctl.conf counts last, as for `sysctl --system`.",
        );
    let draft = if files.unreadable.is_empty() { draft } else { draft.caveat(files.unreadable.join("; ")) };
    if differ > 0 || only > 0 {
        let finding = format!(
            "{} from the sysctl file, and {} set at run time alone: the next boot changes them",
            count_of(differ, "value differs", "values differ"),
            count_of(only, "value is", "values are")
        );
        let advice = "decide which holds: the next boot, or `sysctl --system`, brings back what files say";
        return draft.command("sysctl --system").says(Verdict::Watch, finding, advice);
    }
    if !files.unreadable.is_empty() {
        return draft.unknown(files.unreadable.join("; "));
    }
    draft.says(Verdict::Ok, "these settings survive a reboot", "nothing to do")
}

type Lists = (Vec<Evidence>, Vec<Evidence>, Vec<Evidence>);

/// Settings that a file sets, those of them that differ, and those that only a run-time change explains.
fn compare(files: &Files, settings: &[(&'static str, &str)], changed: impl Fn(&str, &str) -> bool) -> Lists {
    let (mut in_files, mut differing, mut run_time) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in settings {
        match files.effective(key) {
            Some(line) => {
                in_files.push(entry(key, value, Some((line.value(), line.path.as_str()))));
                if !same(key, value, line.value()) {
                    differing.push(entry(key, value, Some((line.value(), line.path.as_str()))));
                }
            }
            None if changed(key, value) => run_time.push(entry(key, value, None)),
            None => {}
        }
    }
    (in_files, differing, run_time)
}

fn entry(key: &'static str, value: &str, file: Option<(&str, &str)>) -> Evidence {
    let mut entry: Evidence = vec![("key", key.into()), ("value", value.into())];
    if let Some((file_value, path)) = file {
        entry.push(("file_value", file_value.into()));
        entry.push(("file", path.into()));
    } else if let Some(default) = Settings::default_of(key) {
        entry.push(("default", default.into()));
    }
    entry
}

/// Whether two texts mean the same to the kernel.
fn same(key: &str, one: &str, other: &str) -> bool {
    let (one, other) = (single_spaced(one), single_spaced(other));
    one == other
        || (key == keys::RESERVED_PORTS
            && parse_reserved(&one).is_some_and(|ports| Some(ports) == parse_reserved(&other)))
}
