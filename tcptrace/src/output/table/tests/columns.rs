//! Where rows stand below their titles.

use super::*;

fn closes() -> [Output; 6] {
    let abort = Close {
        role: Role::Abort,
        outcome: Outcome::ResetSent,
        reason: Some(Reason::UnreadData),
        owner: None,
        phases: Phases::default(),
        close_ns: Some(0),
        ..close()
    };
    let strange = Close { outcome: Outcome::Unknown, ..abort };
    let strange = Close { reason: None, close_ns: None, complete: false, ..strange };
    let gap = Close { complete: false, phases: phases(&[(Phase::FinWait1, 21_000)]), ..close() };
    [close(), passive(), orphan(), abort, strange, gap].map(Output::Close)
}

#[test]
fn ordinary_closes_take_one_line_of_100_columns() {
    let expected = [
        "TIME (UTC)   OWNER         LOCAL           REMOTE          ROLE     TOTAL OUTCOME, PHASES\n",
        "03:04:05.678 python3/7434  127.0.0.1:45555 127.0.0.1:49530 active   2.00s fin fw1 21.0us fw2 2.00s\n",
        "03:04:05.678 python3/7434  127.0.0.1:45555 127.0.0.1:49530 passive  2.00s fin cw 2.00s la 21.4us\n",
        "03:04:05.678 python3/7434  127.0.0.1:45555 127.0.0.1:49530 active       ? ?orphan_fin_wait2\n",
        "                                                                          fw1 21.4us\n",
        "03:04:05.678 -             127.0.0.1:45555 127.0.0.1:49530 abort        - reset_sent unread_data\n",
        "03:04:05.678 -             127.0.0.1:45555 127.0.0.1:49530 abort        ? unknown\n",
        "03:04:05.678 python3/7434  127.0.0.1:45555 127.0.0.1:49530 active   2.00s fin fw1 21.0us incomplete\n",
    ];
    assert_eq!(show(100, &closes()), expected.concat());
}

#[test]
fn a_narrow_terminal_gets_two_lines_for_each() {
    let expected = "\
TIME (UTC)   OWNER            LOCAL                 REMOTE
             ROLE          TOTAL OUTCOME, PHASES
03:04:05.678 python3/7434     127.0.0.1:45555       127.0.0.1:49530
             active        2.00s fin fw1 21.0us fw2 2.00s
03:04:05.678 python3/7434     127.0.0.1:45555       127.0.0.1:49530
             STUCK fin_wait1 5.00s fin_unacked fin_rtx 5 orphan
";
    let outputs = [Output::Close(close()), Output::Finding(finding(FindingStatus::Raised))];
    assert_eq!(show(80, &outputs), expected);
}

#[test]
fn columns_grow_under_a_new_heading_and_phases_go_on_below() {
    let ends = socket("192.168.100.121:45678", "192.168.100.221:443");
    let long = Close { owner: Some(owner("nginx", 7434)), socket: ends, ..close() };
    let expected = "\
TIME (UTC)   OWNER         LOCAL           REMOTE          ROLE     TOTAL OUTCOME, PHASES
03:04:05.678 python3/7434  127.0.0.1:45555 127.0.0.1:49530 active   2.00s fin fw1 21.0us fw2 2.00s
TIME (UTC)   OWNER         LOCAL                 REMOTE                ROLE     TOTAL OUTCOME
03:04:05.678 nginx/7434    192.168.100.121:45678 192.168.100.221:443   active   2.00s fin fw1 21.0us
                                                                                      fw2 2.00s
03:04:05.678 python3/7434  127.0.0.1:45555       127.0.0.1:49530       active   2.00s fin fw1 21.0us
                                                                                      fw2 2.00s
";
    assert_eq!(show(100, &[close(), long, close()].map(Output::Close)), expected);
}

const SIX: &str = "[2001:db8:1234:5678:9abc:def0:1234:5678]:45678";

#[test]
fn long_addresses_run_on_and_the_rest_stands_below_at_its_column() {
    let long = Close { socket: socket(SIX, SIX), ..close() };
    let expected = "\
TIME (UTC)   OWNER         LOCAL           REMOTE          ROLE     TOTAL OUTCOME, PHASES
03:04:05.678 python3/7434  [2001:db8:1234:5678:9abc:def0:1234:5678]:45678
                                           [2001:db8:1234:5678:9abc:def0:1234:5678]:45678
                                                           active   2.00s fin fw1 21.0us fw2 2.00s
";
    assert_eq!(show(100, &[Output::Close(long)]), expected);
    let expected = "\
TIME (UTC)   OWNER            LOCAL
             REMOTE                ROLE          TOTAL OUTCOME, PHASES
03:04:05.678 python3/7434     [2001:db8:1234:5678:9abc:def0:1234:5678]:45678
             [2001:db8:1234:5678:9abc:def0:1234:5678]:45678
                                   active        2.00s fin fw1 21.0us fw2 2.00s
";
    assert_eq!(show(80, &[Output::Close(long)]), expected);
}

#[test]
fn in_a_file_a_close_is_one_line() {
    let long = Close { socket: socket(SIX, SIX), owner: Some(owner("kworker/u16:2+e", 4_194_304)), ..simultaneous() };
    let expected = format!(
        "TIME (UTC)   OWNER                   LOCAL                                           {:47} ROLE          \
         TOTAL OUTCOME, PHASES\n03:04:05.678 kworker/u16:2+e/4194304 {SIX}  {SIX}  simultaneous  850ms fin fw1 850ms \
         cl 21.4us fin_rtx 4 fin_rtx_failed 2\n",
        "REMOTE"
    );
    assert_eq!(show(0, &[Output::Close(long)]), expected);
}

/// In files and on terminals of every width, each cell of a close stands at the column of its title, and so do those
/// that had to go on in another line.
#[test]
fn rows_stand_below_their_titles() {
    let four = socket("192.168.100.121:45678", "10.0.0.1:443");
    let sockets = [close().socket, four, socket("[::1]:51478", "[2001:db8::7]:443"), socket(SIX, SIX)];
    for width in [0, 80, 100, 120, 200] {
        let rows = sockets.map(|socket| Output::Close(Close { socket, ..close() }));
        let text = show(width, &rows);
        let starts = |lines: &[&str], words: &[&str]| -> Vec<usize> {
            words.iter().map(|word| lines.iter().find_map(|line| line.find(word)).unwrap()).collect()
        };
        let lines: Vec<&str> = text.lines().collect();
        let firsts: Vec<usize> =
            (0..lines.len()).filter(|at| !lines[*at].starts_with(' ')).chain([lines.len()]).collect();
        let blocks: Vec<&[&str]> = firsts.windows(2).map(|pair| &lines[pair[0]..pair[1]]).collect();
        let mut titles = Vec::new();
        let mut sockets = sockets.iter();
        for block in blocks {
            if block[0].starts_with("TIME") {
                titles = starts(block, &["TIME", "OWNER", "LOCAL", "REMOTE", "ROLE", "OUTCOME"]);
                continue;
            }
            let socket = sockets.next().unwrap();
            let [local, remote] = [socket.local, socket.remote].map(|end| end.to_string());
            let mut found = starts(block, &["03:04", "python3", &local, &remote, "active", "fin "]);
            let both: Vec<usize> = block.iter().flat_map(|line| line.match_indices(&local)).map(|(at, _)| at).collect();
            if let (true, [_, remote]) = (local == remote, both.as_slice()) {
                found[3] = *remote;
            }
            assert_eq!(found, titles, "{width}:\n{text}");
        }
        assert!(sockets.next().is_none());
    }
}

#[test]
fn a_wider_terminal_has_room_for_long_names() {
    let long = Close {
        owner: Some(owner("kworker/u16:2+e", 4_194_304)),
        socket: socket("192.168.100.121:45678", "192.168.100.221:44300"),
        ..simultaneous()
    };
    let expected = concat!(
        "TIME (UTC)   OWNER                   LOCAL                 REMOTE                ROLE          TOTAL ",
        "OUTCOME, PHASES\n",
        "03:04:05.678 python3/7434            127.0.0.1:45555       127.0.0.1:49530       active        2.00s ",
        "fin fw1 21.0us fw2 2.00s\n",
        "03:04:05.678 kworker/u16:2+e/4194304 192.168.100.121:45678 192.168.100.221:44300 simultaneous  850ms ",
        "fin fw1 850ms cl 21.4us fin_rtx 4 fin_rtx_failed 2\n",
    );
    assert_eq!(show(160, &[Output::Close(close()), Output::Close(long)]), expected);
}

#[test]
fn names_that_cannot_be_seen_are_shown() {
    for (comm, shown) in [("", "\"\"/7"), ("  ", "\"  \"/7"), ("a\u{202e}b\x1b[2J", "a\u{fffd}b\u{fffd}[2J/7")] {
        let close = Close { owner: Some(owner(comm, 7)), ..close() };
        assert!(line(0, Output::Close(close)).contains(&format!(" {shown} ")), "{comm:?}");
    }
}

#[test]
fn another_day_is_told_once() {
    const SECOND: u64 = 1_000_000_000;
    // 03:04:00 is 75,360 s before midnight.
    let ends = [5, 75_359, 75_361, 75_358, 75_362, 75_360 + 86_400, 75_363].map(|second| second * SECOND);
    let text = show(0, &ends.map(|end_ns| Output::Close(Close { end_ns, ..close() })));
    let words: Vec<&str> = text.lines().skip(1).map(|line| line.get(..14.min(line.len())).unwrap().trim()).collect();
    let expected = [
        "03:04:05.000 p",
        "23:59:59.000 p",
        "--- 2026-01-03",
        "00:00:01.000 p",
        "23:59:58.000 p",
        "00:00:02.000 p",
        "--- 2026-01-04",
        "00:00:00.000 p",
        "--- 2026-01-03",
        "00:00:03.000 p",
    ];
    assert_eq!(
        words, expected,
        "one that is late by seconds stands below its successor's date, a clock set back does not"
    );
}
