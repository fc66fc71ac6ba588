//! What can be asked for, and what is wrong to ask for.

use anyhow::{Context, Result, ensure};

use crate::support::{Folder, run};

const SHOW: &[&str] =
    &["--output", "--columns", "--transitions", "--summary", "--max-rate", "--failed-connects", "--exit-code"];
const THRESHOLDS: &[&str] = &["--stuck-after", "--leak-after"];
const LIVE: &[&str] = &["--duration", "--sample", "--ring-mib", "--debug-bpf"];
const LOOK: &[&str] = &["--watch", "--duration", "--output", "--exit-code"];
const FILTERS: &[&str] =
    &["--port", "--local-port", "--remote-port", "--addr", "--pid", "--comm", "--cgroup", "--netns", "--family"];
const EXCLUSIONS: &[&str] = &[
    "--not-port",
    "--not-local-port",
    "--not-remote-port",
    "--not-addr",
    "--not-pid",
    "--not-comm",
    "--not-cgroup",
    "--not-netns",
    "--not-family",
];
const ENDS: &[&str] = &[
    "--outcome",
    "--reason",
    "--role",
    "--not-outcome",
    "--not-reason",
    "--not-role",
    "--min-latency",
    "--findings-only",
];
const DOCTOR: &[&str] = &[
    "--watch",
    "--only",
    "--problems-only",
    "--netns",
    "--idle-after",
    "--leak-after",
    "--output",
    "--snippet",
    "--explain",
    "--exit-code",
];
const HISTOGRAMS: &[&str] = &["--of", "--by", "--top", "--interval", "--heatmap"];

/// The options at the start of a line of `--help`, without their values.
fn options(help: &str) -> Vec<&str> {
    let names = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("-h, ").or_else(|| line.strip_prefix("-V, ")).unwrap_or(line);
        line.starts_with("--").then(|| line.split([' ', '=']).next().unwrap_or(line))
    });
    names.collect()
}

#[test]
fn help_names_every_option_and_no_other() -> Result<()> {
    let all: &[(&str, &[&[&str]])] = &[
        ("trace", &[LIVE, THRESHOLDS, SHOW, FILTERS, EXCLUSIONS, ENDS]),
        ("record", &[&["--force", "--show"], LIVE, THRESHOLDS, SHOW, FILTERS, EXCLUSIONS, ENDS]),
        (
            "replay",
            &[
                &["--doctor", "--follow", "--only", "--problems-only", "--snippet", "--explain"],
                THRESHOLDS,
                HISTOGRAMS,
                SHOW,
                FILTERS,
                EXCLUSIONS,
                ENDS,
            ],
        ),
        ("hist", &[HISTOGRAMS, &["--output", "--failed-connects"], LIVE, THRESHOLDS, FILTERS, EXCLUSIONS, ENDS]),
        ("export", &[&["--format", "--table", "--out", "--force"], THRESHOLDS, FILTERS, EXCLUSIONS, ENDS]),
        ("stuck", &[&["--stuck-after", "--sockets"], LOOK, FILTERS, EXCLUSIONS]),
        ("leaks", &[&["--leak-after", "--sockets"], LOOK, FILTERS, EXCLUSIONS]),
        ("doctor", &[DOCTOR]),
        ("check", &[&["--output"]]),
    ];
    for (command, groups) in all {
        let finished = run([command, "--help"])?;
        finished.expect_code(0)?;
        ensure!(finished.stderr.is_empty(), "talk: {}", finished.stderr);
        let mut wanted: Vec<&str> = groups.concat();
        wanted.push("--help");
        wanted.sort_unstable();
        let mut found = options(&finished.stdout);
        found.sort_unstable();
        ensure!(found == wanted, "{command}: {found:?} and not {wanted:?}");
    }
    Ok(())
}

#[test]
fn help_names_every_command() -> Result<()> {
    let finished = run(["--help"])?;
    finished.expect_code(0)?;
    for command in ["trace", "record", "replay", "hist", "export", "stuck", "leaks", "doctor", "check"] {
        let told = finished.stdout.lines().any(|line| line.trim_start().starts_with(&format!("{command} ")));
        ensure!(told, "no {command} in:\n{}", finished.stdout);
    }
    Ok(())
}

#[test]
fn help_fits_100_columns() -> Result<()> {
    for arguments in [
        &["--help"][..],
        &["trace", "-h"],
        &["record", "--help"],
        &["replay", "--help"],
        &["hist", "--help"],
        &["export", "-h"],
        &["stuck", "-h"],
        &["leaks", "--help"],
        &["doctor", "--help"],
        &["check", "-h"],
    ] {
        let finished = run(arguments)?;
        let wide = finished.stdout.lines().find(|line| line.chars().count() > 100);
        ensure!(wide.is_none(), "{arguments:?}: {wide:?}");
    }
    Ok(())
}

#[test]
fn the_version_is_the_packages() -> Result<()> {
    let finished = run(["--version"])?;
    finished.expect_code(0)?;
    ensure!(finished.stdout == concat!("tcptrace ", env!("CARGO_PKG_VERSION"), "\n"), "{}", finished.stdout);
    Ok(())
}

/// Each with words that have to be in what is said of it.
const WRONG: &[(&[&str], &[&str])] = &[
    (&[], &["Usage:"]),
    (&["no-such-command"], &["no-such-command"]),
    (&["trace", "--no-such-option"], &["--no-such-option"]),
    (&["trace", "surplus"], &["surplus"]),
    (&["trace", "--duration", "soon"], &["--duration", "soon"]),
    (&["trace", "--duration", "0s"], &["--duration", "more than 0"]),
    (&["trace", "--duration", "5"], &["--duration", "5"]),
    (&["trace", "--stuck-after", "-1s"], &["-1"]),
    (&["trace", "--leak-after", "1000000years"], &["--leak-after", "100 years"]),
    (&["trace", "--min-latency", "99999999999999999999s"], &["--min-latency"]),
    (&["trace", "--output", "xml"], &["--output", "table", "json"]),
    (&["trace", "--port", "0"], &["--port 0"]),
    (&["trace", "--local-port", "0"], &["--local-port 0"]),
    (&["trace", "--remote-port", "0"], &["--remote-port 0"]),
    (&["trace", "--port", "65536"], &["--port", "65536"]),
    (&["trace", "--family", "ipv4", "--addr", "::1"], &["--family ipv4", "--addr"]),
    (&["trace", "--family", "ipv6", "--addr", "10.0.0.0/8"], &["--family ipv6", "--addr"]),
    (&["trace", "--family", "ipx"], &["--family", "ipv4", "ipv6"]),
    (
        &["trace", "--port", "80", "--local-port", "81", "--remote-port", "82"],
        &["--port", "--local-port", "--remote-port", "contradict"],
    ),
    (&["trace", "--addr", "10.0.0.0/33"], &["--addr 10.0.0.0/33", "32"]),
    (&["trace", "--addr", "::/129"], &["--addr ::/129", "128"]),
    (&["trace", "--addr", "10.0.0/8"], &["--addr 10.0.0/8"]),
    (&["trace", "--addr", "10.0.0.0/"], &["--addr 10.0.0.0/"]),
    (&["trace", "--addr", "10.0.0.0/+8"], &["--addr 10.0.0.0/+8"]),
    (&["trace", "--addr", "localhost"], &["--addr localhost"]),
    (&["trace", "--ring-mib", "3"], &["--ring-mib", "power of two"]),
    (&["trace", "--ring-mib", "0"], &["--ring-mib"]),
    (&["trace", "--ring-mib", "2048"], &["--ring-mib"]),
    (&["trace", "--sample", "2/3"], &["--sample", "1/N"]),
    (&["trace", "--sample", "1/0"], &["--sample", "1000000"]),
    (&["trace", "--sample", "1/1000001"], &["--sample", "1000000"]),
    (&["replay", "orderly.cap", "--sample", "1/10"], &["--sample"]),
    (&["trace", "--cgroup", "/nope"], &["/nope", "cgroup"]),
    (&["trace", "--transitions", "--summary"], &["--transitions", "--summary"]),
    (&["trace", "--comm", "longer than fifteen"], &["--comm", "15"]),
    (&["trace", "--comm", ""], &["--comm"]),
    (&["trace", "--pid", "0"], &["--pid 0"]),
    (&["trace", "--netns", "0"], &["--netns 0"]),
    (&["trace", "--port", "http"], &["'http'", "--port", "from 1 to 65535, such as 443"]),
    (&["trace", "--port", "80,,443"], &["--port", "such as 443"]),
    (&["trace", "--pid", "-5"], &["-5"]),
    (&["trace", "--pid", "nginx"], &["--pid", "such as 1234"]),
    (&["trace", "--ring-mib", "x"], &["--ring-mib", "such as 16"]),
    (&["trace", "--max-rate", "fast"], &["--max-rate", "such as 100"]),
    (&["hist", "--top", "ten"], &["--top", "such as 20"]),
    (&["hist", "--interval", "10"], &["--interval", "such as 500ms"]),
    (&["hist", "--of", "nope"], &["'nope'", "fin-wait1", "lifetime"]),
    (&["hist", "--findings-only"], &["--findings-only", "closes alone"]),
    (&["trace", "--outcome", "resets"], &["--outcome", "reset-sent"]),
    (&["trace", "--columns", "rtt"], &["--columns", "srtt", "bytes-sent"]),
    (&["trace", "--role", "server"], &["--role", "active"]),
    (&["trace", "--reason", "No Way"], &["--reason", "linger-0"]),
    (&["trace", "--comm", "nginx,"], &["--comm", "empty"]),
    (&["trace", "--not-comm", "longer than fifteen"], &["--not-comm", "15"]),
    (&["trace", "--not-port", "0"], &["--not-port 0"]),
    (&["trace", "--not-pid", "0"], &["--not-pid 0"]),
    (&["trace", "--port", "80,443", "--not-port", "443,80"], &["--port", "left out"]),
    (&["trace", "--family", "ipv4", "--not-family", "ipv4"], &["--family", "--not-family", "contradict"]),
    (&["trace", "--outcome", "fin", "--not-outcome", "fin"], &["--outcome", "left out"]),
    (&["stuck", "--outcome", "fin"], &["--outcome"]),
    (&["replay", "orderly.cap", "--not-netns", "self"], &["--not-netns self", "inode"]),
    (&["replay", "orderly.cap", "--doctor", "--not-port", "80"], &["--doctor", "--netns alone"]),
    (&["trace", "--netns", "no-such-name"], &["--netns no-such-name", "no network namespace"]),
    (&["trace", "--netns", "/no/such/path"], &["--netns /no/such/path", "no network namespace"]),
    (&["trace", "--netns", "4194304"], &["--netns 4194304", "no process"]),
    (&["record"], &["FILE"]),
    (&["record", "x.cap", "--ring-mib", "3"], &["--ring-mib"]),
    (&["record", "x.cap", "--show", "--summary"], &["--show", "--summary"]),
    (&["replay"], &["FILE"]),
    (&["replay", "-", "orderly.cap", "-"], &["standard input", "twice"]),
    (&["replay", "orderly.cap", "--doctor", "--follow"], &["--doctor", "--follow"]),
    (&["export", "-"], &["standard input", "--out PREFIX"]),
    (&["export", "-", "-", "--out", "x"], &["standard input", "twice"]),
    (&["replay", "orderly.cap", "--duration", "3s"], &["--duration"]),
    (&["replay", "orderly.cap", "--doctor", "--port", "80"], &["--doctor", "--netns alone"]),
    (&["replay", "orderly.cap", "--doctor", "--comm", "x"], &["--doctor", "--netns alone"]),
    (&["replay", "orderly.cap", "--doctor", "--min-latency", "1s"], &["--doctor", "--netns alone"]),
    (&["replay", "orderly.cap", "--doctor", "--heatmap"], &["--doctor"]),
    (&["replay", "orderly.cap", "--doctor", "--summary"], &["--doctor", "--summary"]),
    (&["replay", "orderly.cap", "--max-rate", "0"], &["--max-rate"]),
    (&["replay", "orderly.cap", "--of", "closes"], &["--of", "closes", "local-app"]),
    (&["replay", "orderly.cap", "--of", "close", "--of", "close"], &["--of close", "twice"]),
    (&["hist", "--of", "fin_wait1,fin-wait1"], &["--of fin-wait1", "twice"]),
    (&["replay", "orderly.cap", "--by", "pid"], &["--by", "pid", "remote-addr"]),
    (&["replay", "orderly.cap", "--by", "remote-addr/33"], &["--by", "33", "32"]),
    (&["replay", "orderly.cap", "--by", "role,role"], &["--by role", "twice"]),
    (&["replay", "orderly.cap", "--by", "role", "--top", "0"], &["--top"]),
    (&["replay", "orderly.cap", "--by", "role", "--interval", "0s"], &["--interval"]),
    (&["replay", "orderly.cap", "--by", "role", "--transitions"], &["--transitions", "histograms"]),
    (&["hist", "--sample", "10%"], &["--sample", "1/N"]),
    (&["replay", "orderly.cap", "--transitions", "--summary"], &["--transitions", "--summary"]),
    (&["replay", "orderly.cap", "--port", "0"], &["--port 0"]),
    (&["replay", "orderly.cap", "--netns", "self"], &["--netns self", "inode"]),
    (&["replay", "orderly.cap", "--netns", "0"], &["--netns 0"]),
    (&["stuck", "--stuck-after", "0s"], &["--stuck-after", "more than 0"]),
    (&["stuck", "--leak-after", "3s"], &["--leak-after"]),
    (&["stuck", "--watch", "99ms"], &["--watch", "at least 100ms"]),
    (&["leaks", "--watch", "1ns"], &["--watch", "at least 100ms"]),
    (&["stuck", "--watch", "0s"], &["--watch", "more than 0"]),
    (&["stuck", "--watch"], &["--watch"]),
    (&["stuck", "--duration", "1s"], &["--watch"]),
    (&["stuck", "--min-latency", "1s"], &["--min-latency"]),
    (&["stuck", "--netns", "no-such-name"], &["--netns no-such-name", "no network namespace"]),
    (&["leaks", "--stuck-after", "3s"], &["--stuck-after"]),
    (&["leaks", "--leak-after", "soon"], &["--leak-after", "soon"]),
    (&["leaks", "--port", "0"], &["--port 0"]),
    (&["leaks", "--cgroup", "/nope"], &["/nope", "cgroup"]),
    (&["leaks", "--addr", "10.0.0/8"], &["--addr 10.0.0/8"]),
    (&["leaks", "--output", "xml"], &["--output", "table", "json"]),
    (&["doctor", "--only", "sysctl"], &["--only", "ephemeral_ports"]),
    (&["doctor", "--explain", "all"], &["--explain", "persistence"]),
    (&["doctor", "--snippet", "--output", "json"], &["--snippet", "--output"]),
    (&["doctor", "--snippet", "--problems-only"], &["--snippet", "--problems-only"]),
    (&["doctor", "--explain", "time_wait", "--snippet"], &["--explain", "--snippet"]),
    (&["doctor", "--explain", "time_wait", "--only", "keepalive"], &["--explain", "--only"]),
    (&["doctor", "--explain", "time_wait", "--watch", "1s"], &["--explain", "--watch"]),
    (&["doctor", "--explain", "time_wait", "--output", "json"], &["--explain", "--output"]),
    (&["doctor", "--explain", "time_wait", "--exit-code"], &["--explain", "--exit-code"]),
    (&["doctor", "--explain", "time_wait", "--idle-after", "1s"], &["--explain", "--idle-after"]),
    (&["replay", "orderly.cap", "--doctor", "--explain", "time_wait", "--snippet"], &["--explain", "--snippet"]),
    (&["replay", "orderly.cap", "--only", "time_wait"], &["--only", "--doctor"]),
    (&["replay", "orderly.cap", "--snippet"], &["--snippet", "--doctor"]),
    (&["replay", "--doctor"], &["FILE"]),
    (&["doctor", "--watch", "0s"], &["--watch", "more than 0"]),
    (&["doctor", "--netns", "no-such-name"], &["--netns no-such-name", "no network namespace"]),
    (&["doctor", "--port", "3"], &["--port"]),
    (&["check", "--port", "3"], &["--port"]),
];

#[test]
fn wrong_usage_is_2() -> Result<()> {
    for (arguments, words) in WRONG {
        let finished = run(*arguments)?;
        finished.expect_code(2).with_context(|| format!("{arguments:?}"))?;
        ensure!(finished.stdout.is_empty(), "{arguments:?}: data: {}", finished.stdout);
        for word in *words {
            ensure!(finished.stderr.contains(word), "{arguments:?}: no {word:?} in: {}", finished.stderr);
        }
        let is_clear = !finished.stderr.contains("panicked") && !finished.stderr.contains("Os {");
        ensure!(is_clear, "{arguments:?}: {}", finished.stderr);
    }
    Ok(())
}

#[test]
fn too_many_values_of_a_filter() -> Result<()> {
    let pids: Vec<String> = (1..=1025).flat_map(|pid| ["--pid".to_owned(), pid.to_string()]).collect();
    for command in [&["trace"][..], &["record", "x.cap"]] {
        let finished = run(command.iter().map(|&word| word.to_owned()).chain(pids.clone()))?;
        finished.expect_code(2)?;
        ensure!(finished.stderr.contains("--pid was given more than 1024 times"), "{}", finished.stderr);
    }
    Ok(())
}

/// What is wrong on the command line leaves no file behind.
#[test]
fn wrong_usage_of_record_makes_no_file() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("run.cap");
    for wrong in [["--ring-mib", "3"], ["--port", "0"], ["--cgroup", "/nope"]] {
        let name = file.to_str().context("an odd path")?;
        run(["record", name].iter().chain(&wrong))?.expect_code(2)?;
        ensure!(!file.exists(), "{wrong:?} made a file");
    }
    Ok(())
}
