//! Rounds of looks.

use crate::model::{LeaksReport, Round, StuckReport};
use crate::output::{Format, Renderer, Style, fixtures};

const OWN: u32 = 4_026_531_840;

fn show(style: Style, render: impl Fn(&mut Renderer, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    render(&mut Renderer::new(Format::Table, style), &mut out);
    String::from_utf8(out).unwrap()
}

fn stuck(style: Style, report: &StuckReport, sockets: bool) -> String {
    show(style, |table, out| table.stuck(out, report, sockets, OWN, &fixtures::context()))
}

fn leaks(style: Style, sockets: bool) -> String {
    show(style, |table, out| table.leaks(out, &fixtures::leaks_report(), sockets, OWN, &fixtures::context()))
}

#[test]
fn stuck_sockets_in_blocks() {
    let expected = "\
orphans on port 45555 of slow/99  1 stuck in fin_wait1: zero_window, oldest >=12.3s  /slow
  age       <1m 1
  remote    127.0.0.1 (1)
  outlook   unsent 2.63MB, gives up in 41.0s
  advice    look at the peer
   >=12.3s 127.0.0.1:45555 127.0.0.1:49530 unsent 2.63MB, next in 3.20s, gives up in 41.0s

python3/7434 in netns 4026532177  1 stuck in last_ack: fin_unacked, oldest 6.00s
  age       <1m 1
  remote    10.9.8.7 (1)
  shared    with python3/7435
  outlook   unacked 10B, never gives up: probes_answered
  advice    look at the network
     6.00s 10.1.2.3:443 10.9.8.7:51234 python3/7434 fd 7 +1 fin_rtx 5 unacked 10B, next in 3.20s,
                                       never gives up: probes_answered

2 stuck sockets in 2 groups; 2 network namespaces looked at, 1 could not be, 4 younger or unknown,
             2 new since the last look, 0.25 a second on average, 3 gone
";
    let terminal = Style { terminal: true, ..Style::default() };
    let report = fixtures::stuck_report();
    assert_eq!(stuck(terminal, &report, true), expected);
    let mut without = String::new();
    let mut is_socket = false;
    for line in expected.split_inclusive('\n') {
        is_socket = line.contains(" next in") || (is_socket && line.starts_with("             "));
        if !is_socket {
            without.push_str(line);
        }
    }
    assert_eq!(stuck(terminal, &report, false), without);
}

#[test]
fn a_close_that_waits() {
    let wide = Style { width: 200, ..Style::default() };
    let one = "\
api/7434  1 stuck in fin_wait1: zero_window, mptcp, oldest 5.00s, +3 a minute
  age       <1m 1
  remote    127.0.0.1 (1)
  close()   waits in api/7434 thread worker/7440 until SO_LINGER ends it; an orphan afterwards, \
which the kernel gives up in 108s
  advice    look at the network
";
    let text = stuck(wide, &fixtures::closing_report(&[7440]), false);
    assert!(text.starts_with(one), "{text}");
    let several = stuck(wide, &fixtures::closing_report(&[7434, 2, 3, 4, 5]), false);
    let threads = "waits in one of api/7434, api/7434 thread worker/2, api/7434 thread worker/3 and 2 others until";
    assert!(several.contains(threads), "{several}");
}

#[test]
fn leaks_in_blocks() {
    let expected = "\
python3/7434  37 leaked, oldest 12.1m, +6 a minute  /system.slice/api.service
  cause     not_polled 7, eof_seen_not_closed 30
  age       <1m 2, <10m 30, <1h 5
  remote    10.0.0.7 (20), 10.0.0.8 (10), 2001:db8::9 (5), and 1 other
  shared    with worker/7435
  advice    the end of the stream was read: look for a path where read() returns 0 and nobody calls
             close()
     12.1m 127.0.0.1:45555 127.0.0.1:49530 eof_seen_not_closed python3/7434 fd 7 +1

listener on port 8080 of slow/99 in netns 4026532177  1 leaked, oldest >=300ms
  cause     never_accepted 1
  age       <1m 1
  remote    10.0.0.7 (1)
  advice    look for accept()
     300ms 127.0.0.1:45555 127.0.0.1:49530 never_accepted

38 leaked sockets in 2 groups; 2 network namespaces looked at, 1 could not be, 4 younger or unknown,
             2 new since the last look, 0.25 a second on average, 3 gone
";
    let terminal = Style { terminal: true, ..Style::default() };
    assert_eq!(leaks(terminal, true), expected);
    let without: Vec<&str> = expected.split_inclusive('\n').filter(|line| !line.contains(":49530")).collect();
    assert_eq!(leaks(terminal, false), without.concat());
}

#[test]
fn nothing_is_said_of_nothing() {
    let round = Round { namespaces: 1, ..Round::default() };
    let report = StuckReport { round, ..StuckReport::default() };
    let text = show(Style::default(), |table, out| table.stuck(out, &report, true, OWN, &fixtures::context()));
    assert_eq!(text, "0 stuck sockets; 1 network namespace looked at\n");
    let report = LeaksReport { round, ..LeaksReport::default() };
    let text = show(Style::default(), |table, out| table.leaks(out, &report, true, OWN, &fixtures::context()));
    assert_eq!(text, "0 leaked sockets; 1 network namespace looked at\n");
}
