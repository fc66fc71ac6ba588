//! What a machine said (`tests/vm-init/src/report.rs`), and whether that is good.

use serde_json::Value;

/// What no kernel says of itself when all is well.
const TROUBLE: &[&str] = &[
    "Kernel panic",
    "Oops",
    "BUG:",
    "soft lockup",
    "hard LOCKUP",
    "general protection fault",
    "blocked for more than",
    // 5.10 and 6.1 do not call these an oops.
    "kernel BUG at",
    "invalid opcode",
    "divide error",
    "Call Trace:",
    // Of any WARN().
    "cut here",
    "detected stall",
    "refcount_t:",
    "unregister_netdevice: waiting",
];
/// What every kernel says first.
const BOOTED: &str = "Linux version";
/// Tests that may need a second try: more of them are no accident.
const AGAIN_MAX: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) release: String,
    /// How many tests it was going to run.
    pub(super) tests: usize,
    pub(super) passed: Vec<Test>,
    pub(super) skipped: Vec<Test>,
    /// Also those that hung.
    pub(super) failed: Vec<Test>,
    /// Those of the passed ones that failed at first.
    pub(super) again: Vec<Test>,
    pub(super) check: String,
    /// The lines of `tcptrace check`.
    pub(super) checked: Vec<Value>,
    pub(super) done: bool,
    /// What is wrong beside failed tests.
    pub(super) trouble: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) seconds: f64,
    /// Why it was skipped; what a failed one said.
    pub(super) words: String,
    /// It did not end: then there is no second try.
    hung: bool,
}

impl Results {
    /// `release` is that of the kernel that was to be booted.
    pub(super) fn read(report: &str, console: &str, release: &str) -> Self {
        let mut results = Self::default();
        for line in report.lines() {
            results.take(line.trim_end());
        }
        let trouble = console.lines().filter(|line| TROUBLE.iter().any(|word| line.contains(word)));
        results.trouble.extend(trouble.take(3).map(|line| line.trim().to_owned()));
        if !console.contains(BOOTED) {
            results.trouble.push("the console has no word of the kernel".to_owned());
        }
        if results.release != release {
            results.trouble.push(format!("{:?} came up, and not {release}", results.release));
        }
        let numbers = numbers(&results.release);
        let wrong = results.checked.iter().filter_map(|line| contradiction(line, numbers?));
        results.trouble.extend(wrong);
        if results.again.len() > AGAIN_MAX {
            results.trouble.push(format!("{} tests needed a second try", results.again.len()));
        }
        for test in &results.skipped {
            if !may_skip(&test.words, numbers) {
                results.trouble.push(format!("{} was skipped without need: {}", test.name, test.words));
            }
        }
        if results.check != "0" {
            results.trouble.push(format!("`tcptrace check` ended with {}", results.check));
        }
        if !results.done {
            results.trouble.push("it did not come to its end".to_owned());
        } else if results.count() != results.tests || results.tests == 0 {
            results.trouble.push(format!("{} of {} tests are told of", results.count(), results.tests));
        }
        results
    }

    pub(super) fn is_good(&self) -> bool {
        self.failed.is_empty() && self.trouble.is_empty()
    }

    /// Sizes of the BPF programs: name, and what `check` counted.
    pub(super) fn programs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.checked.iter().filter_map(|line| {
            let program = line.get("program")?;
            Some((program.get("name")?.as_str()?, program))
        })
    }

    fn count(&self) -> usize {
        self.passed.len() + self.skipped.len() + self.failed.len()
    }

    fn take(&mut self, line: &str) {
        if let Some(words) = line.strip_prefix("| ") {
            // They follow the test that they are of.
            if let Some(test) = self.failed.last_mut() {
                test.words.push_str(words);
                test.words.push('\n');
            }
            return;
        }
        let Some((word, value)) = line.strip_prefix("@ ").and_then(|line| line.split_once(' ').or(Some((line, ""))))
        else {
            return;
        };
        match word {
            "up" => value.clone_into(&mut self.release),
            "tests" => self.tests = value.parse().unwrap_or(0),
            "checked" => match serde_json::from_str(value) {
                Ok(line) => self.checked.push(line),
                Err(_) => self.trouble.push(format!("`tcptrace check` said {value:?}")),
            },
            "check" => value.clone_into(&mut self.check),
            "passed" => {
                let test = test(value);
                // Only one that failed is run twice.
                self.again.extend(self.failed.pop_if(|failed| failed.name == test.name && !failed.hung));
                self.passed.push(test);
            }
            "skipped" => self.skipped.push(test(value)),
            "failed" => {
                let test = test(value);
                let _ = self.failed.pop_if(|failed| failed.name == test.name);
                self.failed.push(test);
            }
            "hung" => self.failed.push(Test { hung: true, words: "it hung\n".to_owned(), ..test(value) }),
            "broken" => self.trouble.push(value.to_owned()),
            "done" => self.done = true,
            _ => {}
        }
    }
}

fn test(value: &str) -> Test {
    let mut words = value.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_default();
    Test { name: next().to_owned(), seconds: next().parse().unwrap_or(0.0), words: next().to_owned(), hung: false }
}

/// `(5, 10)` of `5.10.0-46-cloud-amd64`.
pub(super) fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    numbers.next().zip(numbers.next())
}

/// What `check` found of something that kernels have since some release, if it is not what that release says.
fn contradiction(line: &Value, kernel: (u32, u32)) -> Option<String> {
    let since = numbers(line.get("since")?.as_str()?)?;
    let (met, expected) = (line.get("met")?.as_bool()?, kernel >= since);
    let name = line.get("name")?.as_str()?;
    (met != expected).then(|| format!("{name}: {}, which its release does not say", line["found"]))
}

/// `5.12: why` is a reason on older kernels alone.
fn may_skip(words: &str, kernel: Option<(u32, u32)>) -> bool {
    let numbers = words.split_once(':').and_then(|(version, _)| version.split_once('.'));
    let needed = numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    needed.zip(kernel).is_some_and(|(needed, kernel)| needed > kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "5.10.0-1";
    const CONSOLE: &str = "Linux version 5.10\nall is well\n";
    const REPORT: &str = "@ up 5.10.0-1\r\n@ checked {\"program\":{\"name\":\"p\",\"verified\":3}}\r\n@ check 0\n\
                          @ tests 3\n@ passed a::b 1.5\n@ skipped c 0.1 5.12: no cookies\n";

    fn read(more: &str) -> Results {
        Results::read(&format!("{REPORT}{more}"), CONSOLE, RELEASE)
    }

    #[test]
    fn a_good_run() {
        let results = read("@ passed d 2\n@ done \n");
        assert!(results.is_good(), "{results:?}");
        assert_eq!((results.release.as_str(), results.passed.len(), results.skipped.len()), ("5.10.0-1", 2, 1));
        assert_eq!(results.programs().map(|(name, _)| name).collect::<Vec<_>>(), ["p"]);
    }

    #[test]
    fn a_second_try_counts() {
        let passed = read("@ failed d 2.0\n| why\n@ passed d 2.0\n@ done \n");
        assert!(passed.is_good() && passed.passed.len() == 2, "{passed:?}");
        assert_eq!(passed.again[0].words, "why\n");
        let failed = read("@ failed d 2.0\n| why\n@ failed d 2.0\n| again\n@ done \n");
        assert_eq!((failed.failed.len(), failed.failed[0].words.as_str(), failed.trouble.len()), (1, "again\n", 0));
    }

    #[test]
    fn what_is_not_good() {
        let failed = read("@ failed d 2.0\n| it said\n| this\n@ done \n");
        assert!(!failed.is_good() && failed.failed[0].words == "it said\nthis\n");
        assert!(!read("@ hung d 2.0\n@ done \n").is_good());
        assert!(!read("@ passed d 2.0\n").is_good(), "it did not end");
        assert!(!read("@ done \n").is_good(), "a test is missing");
        assert!(!read("@ hung d 2.0\n@ passed d 2.0\n@ done \n").is_good(), "a second try is no excuse");
        assert!(!read("@ checked nonsense\n@ passed d 2\n@ done \n").is_good());
        let good = format!("{REPORT}@ passed d 2\n@ done \n");
        for line in ["BUG: soft lockup - CPU#0", "kernel BUG at net/core/dev.c:1!", "------------[ cut here ]---"] {
            assert!(!Results::read(&good, &format!("{CONSOLE}{line}"), RELEASE).is_good(), "{line}");
        }
        assert!(Results::read(&good, CONSOLE, RELEASE).is_good());
        assert!(!Results::read(&good, "", RELEASE).is_good(), "no console");
        assert!(!Results::read(&good, CONSOLE, "6.1.0-1").is_good(), "another kernel");
        let newer = good.replace("5.10.0-1", "5.12.0-1");
        assert!(!Results::read(&newer, CONSOLE, "5.12.0-1").is_good(), "a skip that nothing asks for");
    }

    #[test]
    fn many_second_tries_are_trouble() {
        let tries = |count: usize| {
            let tests: String = (0..count).map(|n| format!("@ failed t{n} 1\n@ passed t{n} 1\n")).collect();
            let report = format!("@ up {RELEASE}\n@ check 0\n@ tests {count}\n{tests}@ done \n");
            Results::read(&report, CONSOLE, RELEASE).is_good()
        };
        assert!(tries(AGAIN_MAX) && !tries(AGAIN_MAX + 1));
    }

    #[test]
    fn releases_are_held_to_what_is_found() {
        let found = |since: &str, met: bool| {
            let line = serde_json::json!({"name": "a", "since": since, "met": met, "found": "b"});
            contradiction(&line, (6, 1)).is_some()
        };
        assert_eq!([found("5.12", true), found("6.1", true), found("6.10", false)], [false; 3]);
        assert_eq!([found("5.12", false), found("6.10", true)], [true; 2]);
    }
}
