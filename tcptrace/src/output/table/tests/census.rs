//! Rounds of looks.

use crate::model::{LeaksReport, Round, StuckReport};
use crate::output::{Format, Renderer, Style, fixtures};

const OWN: u32 = 4_026_531_840;

fn show(style: Style, render: impl Fn(&mut Renderer, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    render(&mut Renderer::new(Format::Table, style), &mut out);
    String::from_utf8(out).unwrap()
}

fn stuck(style: Style) -> String {
    show(style, |table, out| table.stuck(out, &fixtures::stuck_report(), OWN, &fixtures::context()))
}

fn leaks(style: Style, sockets: bool) -> String {
    show(style, |table, out| table.leaks(out, &fixtures::leaks_report(), sockets, OWN, &fixtures::context()))
}

#[test]
fn stuck_sockets_below_each_other() {
    let wide = "     AGE STATE     LOCAL           REMOTE          HELD BY              REASON, WHAT WAITS, WHAT COMES
 >=12.3s fin_wait1 127.0.0.1:45555 127.0.0.1:49530 orphan               zero_window unsent 2.63MB, next in 3.20s, \
gives up in 41.0s
   6.00s last_ack  10.1.2.3:443    10.9.8.7:51234  python3/7434 fd 7 +1 fin_unacked fin_rtx 5 unacked 10B, \
next in 3.20s, never gives up: probes_answered netns 4026532177

2 stuck sockets; 2 network namespaces looked at, 1 could not be, 4 younger, 3 gone since the last look
";
    assert_eq!(stuck(Style { width: 170, ..Style::default() }), wide);
    let terminal = stuck(Style { terminal: true, ..Style::default() });
    assert!(terminal.lines().all(|line| line.chars().count() <= 100), "{terminal}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&terminal), words(wide));
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

38 leaked sockets in 2 groups; 2 network namespaces looked at, 1 could not be, 4 younger,
             3 gone since the last look
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
    let text = show(Style::default(), |table, out| table.stuck(out, &report, OWN, &fixtures::context()));
    assert_eq!(text, "0 stuck sockets; 1 network namespace looked at\n");
    let report = LeaksReport { round, ..LeaksReport::default() };
    let text = show(Style::default(), |table, out| table.leaks(out, &report, true, OWN, &fixtures::context()));
    assert_eq!(text, "0 leaked sockets; 1 network namespace looked at\n");
}
