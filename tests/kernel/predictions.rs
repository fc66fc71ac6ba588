//! When tcptrace says that the kernel will give a socket up, and why it is stuck, against what the kernel then does:
//! each socket is looked at again and again until it is gone.

use std::{
    fmt::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tcptrace::{
    diagnosis::{self, Signs},
    model::{GivesUp, NeverWhy, Snapshot, State, StuckCause, Timer},
};
use tcptrace_tests::{
    netns::{self, NetNs},
    scenario::stuck::{self, By, Stuck},
    wait,
};

use crate::{harness::bounded, look};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// What a look, a tick and a busy machine add to a time.
const SLACK: Duration = Duration::from_millis(80);
/// For which a socket that the kernel never gives up has to last.
const FOR_EVER: Duration = Duration::from_millis(2500);
/// No socket that is predicted to end lasts longer.
const LIMIT: Duration = Duration::from_secs(30);

struct Case {
    name: &'static str,
    sysctls: &'static [(&'static str, &'static str)],
    make: fn(&NetNs) -> Result<Stuck>,
    cause: StuckCause,
    never: Option<NeverWhy>,
}

const fn case(name: &'static str, make: fn(&NetNs) -> Result<Stuck>, cause: StuckCause) -> Case {
    Case { name, sysctls: &[], make, cause, never: None }
}

/// Where the modelled timeout lies so close to an expiry that the timer wheel's rounding decides, nobody could predict
/// it: none of these is such a case with HZ 250 or 1000.
fn cases() -> Vec<Case> {
    use StuckCause::{FinUnacked, LocalDrop, PeerOpen, Unknown, ZeroWindow};
    let lost_fin = |_: &NetNs| stuck::lost_fin(By::Close);
    vec![
        Case { sysctls: &[("tcp_orphan_retries", "1")], ..case("lost FIN, 1 retry", lost_fin, FinUnacked) },
        Case { sysctls: &[("tcp_orphan_retries", "2")], ..case("lost FIN, 2 retries", lost_fin, FinUnacked) },
        Case { sysctls: &[("tcp_orphan_retries", "3")], ..case("lost FIN, 3 retries", lost_fin, FinUnacked) },
        Case {
            sysctls: &[("tcp_orphan_retries", "1"), ("tcp_rto_min_us", "20000")],
            ..case("lost FIN, quick timeouts", lost_fin, FinUnacked)
        },
        Case {
            sysctls: &[("tcp_orphan_retries", "3"), ("tcp_rto_max_ms", "1000")],
            ..case("lost FIN, short timeouts", lost_fin, FinUnacked)
        },
        Case {
            sysctls: &[("tcp_retries2", "3")],
            ..case("lost FIN, held", |_| stuck::lost_fin(By::Shutdown), FinUnacked)
        },
        Case { sysctls: &[("tcp_retries2", "2")], ..case("lost FIN, CLOSING", |_| stuck::closing(), FinUnacked) },
        Case {
            sysctls: &[("tcp_orphan_retries", "1")],
            ..case("lost FIN, LAST_ACK", |_| stuck::lost_last_fin(), FinUnacked)
        },
        Case {
            sysctls: &[("tcp_orphan_retries", "1")],
            ..case("window 0, 1 retry", |_| stuck::zero_window(By::Close), ZeroWindow)
        },
        Case {
            sysctls: &[("tcp_orphan_retries", "2"), ("tcp_rto_max_ms", "1000")],
            ..case("window 0, answered", |_| stuck::zero_window(By::Close), ZeroWindow)
        },
        Case {
            sysctls: &[("tcp_orphan_retries", "3")],
            ..case("window 0, unanswered", |_| stuck::zero_window_unanswered(), ZeroWindow)
        },
        Case {
            never: Some(NeverWhy::ProbesAnswered),
            ..case("window 0, held", |_| stuck::zero_window(By::Shutdown), ZeroWindow)
        },
        Case {
            sysctls: &[("tcp_orphan_retries", "2"), ("tcp_rto_max_ms", "1000"), ("tcp_retries2", "2")],
            never: Some(NeverWhy::ProbesAnswered),
            ..case("window 0, no more doubling", |_| stuck::zero_window(By::Close), ZeroWindow)
        },
        Case { sysctls: &[("tcp_orphan_retries", "3")], ..case("no route", stuck::no_route, LocalDrop) },
        Case {
            sysctls: &[("tcp_orphan_retries", "3")],
            ..case("no route any more", stuck::no_route_any_more, LocalDrop)
        },
        Case { sysctls: &[("tcp_fin_timeout", "62")], ..case("open", |_| stuck::peer_open(By::Close), PeerOpen) },
        Case {
            never: Some(NeverWhy::HeldInFinWait2),
            ..case("open, held", |_| stuck::peer_open(By::Shutdown), Unknown)
        },
    ]
}

#[test]
#[expect(clippy::print_stdout, reason = "how near the predictions were is what one runs it by hand for")]
fn predictions_come_true() -> Result<()> {
    bounded(|| {
        thread::scope(|scope| {
            let running: Vec<_> = cases()
                .into_iter()
                // Older kernels lack some sysctls, and what these decide with them.
                .filter(|case| case.sysctls.iter().all(|(name, _)| exists(name)))
                .map(|case| scope.spawn(move || prove(&case).context(case.name)))
                .collect();
            let mut wrong = String::new();
            for case in running {
                match case.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)) {
                    Ok(words) => println!("{words}"),
                    Err(error) => writeln!(wrong, "{error:#}")?,
                }
            }
            ensure!(wrong.is_empty(), "{wrong}");
            Ok(())
        })
    })
}

fn exists(sysctl: &str) -> bool {
    Path::new("/proc/sys/net/ipv4").join(sysctl).exists()
}

/// The kernel's clock of ticks, by which sockets note when they last sent, stands still while an emulated processor
/// waits for the host's.
fn late_tick() -> Duration {
    if wait::slowness() > 1 { Duration::from_millis(20) } else { Duration::ZERO }
}

/// One look: when it was over, and what was said.
struct Said {
    at: Instant,
    gives_up: GivesUp,
    seen: String,
    /// By which the timer wheel may round up the timeout that runs.
    wheel: Duration,
}

/// 1/8 at most (`calc_wheel_index()`); only probes back off from the timeout that is shown.
fn wheel(snapshot: &Snapshot) -> Duration {
    let info = snapshot.info.unwrap_or_default();
    let doublings = if snapshot.timer == Timer::Probe { info.backoff.min(9) } else { 0 };
    Duration::from_micros(u64::from(info.rto_us) << doublings) / 8
}

fn prove(case: &Case) -> Result<String> {
    netns::run(|netns| {
        for (name, value) in case.sysctls {
            netns.set_sysctl(&format!("net/ipv4/{name}"), value)?;
        }
        let stuck = (case.make)(netns)?;
        if case.cause == StuckCause::ZeroWindow && sends_into_shut_windows(&stuck)? {
            return Ok(format!("{}: this kernel does not probe, it sends again", case.name));
        }
        let (said, ended) = watch(case, &stuck)?;
        match case.never {
            None => judge(case.name, &said, ended.context("it did not end")?),
            Some(why) => {
                ensure!(ended.is_none(), "it ended");
                let right = said.iter().filter(|said| said.gives_up == GivesUp::Never(why)).count();
                let wrong = said.iter().find(|said| !matches!(said.gives_up, GivesUp::Never(_) | GivesUp::Unknown));
                if let Some(wrong) = wrong {
                    bail!("an end was predicted: {:?} for {}", wrong.gives_up, wrong.seen);
                }
                ensure!(right * 4 > said.len(), "not said in {} of {} looks", said.len() - right, said.len());
                Ok(format!("{}: never, {right} of {} looks", case.name, said.len()))
            }
        }
    })
}

/// 6.18.15 was seen to send a little more than a peer has room for, and that again and again, where all others probe:
/// then it gives up as for any loss, which other cases are about.
fn sends_into_shut_windows(stuck: &Stuck) -> Result<bool> {
    let snapshot = look::at(stuck.ends)?;
    Ok(snapshot.is_some_and(|snapshot| snapshot.timer == Timer::Retransmit))
}

/// Looks at the socket until it is gone.
fn watch(case: &Case, stuck: &Stuck) -> Result<(Vec<Said>, Option<Instant>)> {
    let facts = look::facts();
    let mut said = Vec::new();
    let limit = if case.never.is_some() { FOR_EVER } else { LIMIT };
    while stuck.since.elapsed() < limit {
        let Some(snapshot) = look::at(stuck.ends)? else {
            return Ok((said, Some(Instant::now())));
        };
        let at = Instant::now();
        let age = Duration::from_nanos(diagnosis::age_lower_bound_ns(&snapshot));
        ensure!(age <= at - stuck.since + late_tick(), "{age:?} old after {:?}: {snapshot:?}", at - stuck.since);
        // That of a FIN that is alone in flight tells both bounds.
        if let Some(most) =
            diagnosis::since_fin_at_most_ns(&snapshot, Some(&facts)).filter(|_| case.name.starts_with("lost FIN"))
        {
            let least = (at - stuck.since).saturating_sub(late_tick());
            ensure!(Duration::from_nanos(most) >= least, "{most} ns at most after {least:?}: {snapshot:?}");
        }
        let told = diagnosis::diagnose(&snapshot, Some(&facts), Signs::default());
        // A peer that has stopped to answer shows as soon as it has not answered.
        let settled = case.name != "window 0, unanswered" || snapshot.info.is_some_and(|info| info.probes > 0);
        // Until the first attempt without a route nothing tells it from any other loss.
        let early = case.name == "no route any more" && snapshot.info.is_some_and(|info| info.retransmits == 0);
        if settled && !early {
            ensure!(told.cause == case.cause, "{:?} because of {snapshot:?}", told.cause);
            said.push(Said { at, gives_up: told.gives_up, seen: format!("{snapshot:?}"), wheel: wheel(&snapshot) });
        }
        thread::sleep(PAUSE);
    }
    Ok((said, None))
}

/// Each prediction within a factor of 1.25 of what then happened, but for the rounding of the timeout that runs, which
/// nobody can know and which is all that counts shortly before the end.
fn judge(name: &str, said: &[Said], ended: Instant) -> Result<String> {
    let mut predicted = 0;
    let mut worst: f64 = 1.0;
    for one in said {
        let really = ended.saturating_duration_since(one.at);
        let GivesUp::In(ns) = one.gives_up else {
            ensure!(one.gives_up == GivesUp::Unknown, "{:?} was said of {}", one.gives_up, one.seen);
            continue;
        };
        let told = Duration::from_nanos(ns);
        let slack = wait::scaled(SLACK) + one.wheel;
        let near = told <= really.mul_f64(1.25) + slack && really <= told.mul_f64(1.25) + slack;
        ensure!(near, "{told:?} predicted, {really:?} really, of {}", one.seen);
        predicted += 1;
        if really > Duration::from_secs(1) {
            let ratio = told.as_secs_f64() / really.as_secs_f64();
            if (ratio.ln()).abs() > worst.ln().abs() {
                worst = ratio;
            }
        }
    }
    ensure!(predicted * 2 > said.len(), "an end was predicted in {predicted} of {} looks", said.len());
    let first = said.first().context("no look")?;
    let took = ended.saturating_duration_since(first.at);
    Ok(format!("{name}: {took:?}, {predicted} of {} looks, worst ratio beyond 1 s {worst:.3}", said.len()))
}

/// A lower bound that is never too high, and of use: within a quarter of a second of the age.
#[test]
fn ages_are_lower_bounds() -> Result<()> {
    bounded(|| {
        netns::run(|_| {
            let open = stuck::peer_open(By::Shutdown)?;
            let leak = Stuck { ends: open.ends.reversed(), since: open.since, kept: Vec::new() };
            let closing = stuck::closing()?;
            for _ in 0..40 {
                for (stuck, state) in [(&open, State::FinWait2), (&leak, State::CloseWait), (&closing, State::Closing)]
                {
                    age_is_near(stuck, state)?;
                }
                thread::sleep(Duration::from_millis(50));
            }
            // The server closes, and the client passes on to TIME_WAIT.
            let Stuck { ends, kept, .. } = open;
            let since = Instant::now();
            drop(kept);
            let time_wait = Stuck { ends, since, kept: Vec::new() };
            thread::sleep(Duration::from_millis(50));
            for _ in 0..20 {
                age_is_near(&time_wait, State::TimeWait)?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        })
    })
}

fn age_is_near(stuck: &Stuck, state: State) -> Result<()> {
    let snapshot = look::at(stuck.ends)?.context("it is gone")?;
    let really = stuck.since.elapsed();
    let told = Duration::from_nanos(diagnosis::age_lower_bound_ns(&snapshot));
    ensure!(snapshot.state == state, "{snapshot:?}");
    ensure!(told <= really + late_tick(), "{told:?} old after {really:?}: {snapshot:?}");
    ensure!(
        told + wait::scaled(Duration::from_millis(250)) >= really,
        "only {told:?} old after {really:?}: {snapshot:?}"
    );
    Ok(())
}
