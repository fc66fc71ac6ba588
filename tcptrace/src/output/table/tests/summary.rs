use super::{orphan, passive, simultaneous};
use crate::model::{Anomalies, Books, Close, FindingStatus, Outcome, Output, Status};
use crate::output::fixtures::{close, context, finding};
use crate::output::{Format, Renderer, Style};
use crate::report::{Report, Run};

fn summary(outputs: &[Output], status: Status) -> String {
    let mut report = Report::default();
    outputs.iter().for_each(|output| report.record(output, 1));
    let mut out = Vec::new();
    let mut renderer = Renderer::new(Format::Table, Style::default());
    let real_ns = |mono_ns| context().real_ns(mono_ns);
    let status = Status { first_ns: real_ns(status.first_ns), last_ns: real_ns(status.last_ns), ..status };
    renderer.summary(&mut out, &report.summary(status, Run::default()));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_summary_of_everything() {
    let reset = Close { outcome: Outcome::ResetReceived, ..passive() };
    let outputs = [
        Output::Close(close()),
        Output::Close(reset),
        Output::Close(orphan()),
        Output::Close(simultaneous()),
        Output::Finding(finding(FindingStatus::Raised)),
    ];
    let status = Status {
        last_ns: 10_000_000_000,
        open: [1, 0, 0, 3, 0],
        books: Books { seen: 1002, delivered: 990, lost: 9, missed: 2, refused: 2, torn: false },
        anomalies: Anomalies { mid_life: 3, table_full: 1, ..Anomalies::default() },
        data_retransmits: 5,
        foreign_resets: 1,
        ..Status::default()
    };
    let expected = "\
4 closes in 10.0s (0.40/s), until 03:04:10.000 UTC (1 of them incomplete)

role                   closes    share
active                      2    50.0%
passive                     1    25.0%
simultaneous                1    25.0%

outcome                closes    share
fin                         2    50.0%
reset_received              1    25.0%
unknown                     1    25.0%

not by both FINs       closes    share reason             owners
reset_received              1    25.0% -                  python3 1
unknown                     1    25.0% orphan_fin_wait2   python3 1

latency                 count      p50      p90      p99      max
fin_wait1 (fw1)             3   21.5us    850ms    850ms    850ms
fin_wait2 (fw2)             1    2.00s    2.00s    2.00s    2.00s
closing (cl)                1   21.4us   21.4us   21.4us   21.4us
close_wait (cw)             1    2.00s    2.00s    2.00s    2.00s
last_ack (la)               1   21.4us   21.4us   21.4us   21.4us
close                       3    2.00s    2.00s    2.00s    2.00s
network                     3   21.5us    850ms    850ms    850ms
ack_wait                    1      0ns      0ns      0ns      0ns
local_app                   1    2.00s    2.00s    2.00s    2.00s
remote_app                  1    2.00s    2.00s    2.00s    2.00s

still open         fin_wait1 1, close_wait 3
findings raised    stuck_fin_wait1 1
fin retransmits    tlp 1, rto 2, fast 1, failed 2
beside closes      data_retransmits 5, foreign_resets 1
events             seen 1,002 != delivered 990 + lost 9 + refused 2
LOST               9 events (0.9% of seen): closes are missing or incomplete
                   2 of them because the kernel skipped the program
REFUSED            2 events could not be decoded: closes are missing or incomplete
UNBALANCED         events are unaccounted for, or the closing counters are missing
anomalies          mid_life 3, table_full 1
";
    assert_eq!(summary(&outputs, status), expected);
}

#[test]
fn a_quiet_run_is_short() {
    let status = Status { last_ns: 1_000_000, ..Status::default() };
    let expected = "\
0 closes in 1.00ms, until 03:04:00.001 UTC

events             seen 0 = delivered 0 + lost 0 + refused 0
";
    assert_eq!(summary(&[], status), expected);
}

#[test]
fn the_summary_stands_apart_from_the_lines() {
    let mut renderer = Renderer::new(Format::Table, Style::default());
    let mut out = Vec::new();
    renderer.render(&mut out, &Output::Close(close()), &context());
    renderer.summary(&mut out, &Report::default().summary(Status::default(), Run::default()));
    assert!(String::from_utf8(out).unwrap().contains("fw2 2.00s\n\n0 closes in 0ns"));
}
