//! What happens at each bound.

use super::*;

fn remote(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn address() -> By {
    By::RemoteAddr(Prefix::WHOLE)
}

#[test]
fn the_rest_is_one_row() {
    let mut found = Histograms::new(Config { top: 2, ..config(&[By::Process]) });
    for (comm, times) in [("a", 5), ("b", 4), ("c", 3), ("d", 2)] {
        (0..times).for_each(|at| found.record(&close(comm, remote(1), 100 * at), 0, 1, &Context::default()));
    }
    let view = found.total(2_000, &[]);
    let split = &view.splits[0];
    assert_eq!(rows(split), counts(&[("a", 5), ("b", 4)]));
    let others = split.remainder.as_ref().unwrap();
    assert_eq!((others.keys, others.is_at_least, others.distribution.count()), (2, false, 5));
    assert_eq!((split.all.count(), view.memory.keys, view.memory.keys_folded), (14, 4, 0));
}

#[test]
fn a_key_too_many_is_counted_in_the_remainder() {
    let mut found = Histograms::new(Config { keys_max: 3, ..config(&[By::Process]) });
    for comm in ["a", "b", "c", "d", "e", "a", "d"] {
        found.record(&close(comm, remote(1), 100), 0, 2, &Context::default());
    }
    found.next_interval(2_000);
    // There was no room for d then, so its row would not be whole, although the interval has room for it.
    for comm in ["d", "a"] {
        found.record(&close(comm, remote(1), 100), 0, 2, &Context::default());
    }
    assert_eq!(rows(&found.interval(2_500, &[]).splits[0]), counts(&[("a", 2), ("d", 2)]));
    let view = found.total(3_000, &[]);
    assert_eq!(rows(&view.splits[0]), counts(&[("a", 6), ("b", 2), ("c", 2)]));
    let others = view.splits[0].remainder.as_ref().unwrap();
    assert_eq!((others.keys, others.distribution.count()), (2, 8));
    assert_eq!((view.memory.keys, view.memory.keys_folded, view.memory.closes_folded), (3, 2, 8));
}

#[test]
fn a_key_that_an_interval_folds_is_folded_in_total() {
    let mut found = Histograms::new(Config { keys_max: 2, ..config(&[By::Process]) });
    for comms in [["a", "b"], ["b", "c"], ["c", "d"]] {
        for comm in comms.into_iter().chain(["x"]) {
            found.record(&close(comm, remote(1), 100), 0, 1, &Context::default());
        }
        found.next_interval(2_000);
    }
    let view = found.total(2_000, &[]);
    assert_eq!(rows(&view.splits[0]), counts(&[("b", 2), ("a", 1)]));
    let others = view.splits[0].remainder.as_ref().unwrap();
    assert_eq!((others.keys, others.distribution.count()), (3, 6), "c, d and x");
    assert_eq!(view.memory.closes_folded, 6);
}

/// With as many keys as an attacker can make, each with several closes of all lengths.
#[test]
fn memory_stays_within_its_bound() {
    let bytes_max = 24 << 20;
    let ofs = vec![Of::Close, Of::RemoteApp];
    let mut found = Histograms::new(Config { bytes_max, ofs, ..config(&[address(), By::Process]) });
    let mut all = 0;
    for turn in 0..4_u64 {
        for number in 0..100_000_u32 {
            let ns = (u64::from(number) << (turn * 9)) % 90_000_000_000_000;
            found.record(&close("a", remote(number), ns), 0, 1, &Context::default());
            // One key that needs a whole histogram.
            found.record(&close("hot", remote(1), ns), 0, 1, &Context::default());
            all += 2;
            if number % 10_000 == 0 {
                assert_eq!(found.interval.bytes, found.interval.bytes_counted());
                assert!(found.fixed_bytes() + found.interval.bytes + found.total.bytes <= bytes_max);
            }
        }
        found.next_interval(turn);
        assert_eq!(found.total.bytes, found.total.bytes_counted());
        assert_eq!(found.interval.bytes, 0);
    }
    let view = found.total(9_000, &[]);
    let memory = view.memory;
    assert!(memory.bytes <= memory.bytes_max && memory.bytes_max == bytes_max as u64, "{memory:?}");
    assert!(memory.keys > 10_000 && memory.keys_folded > 10_000 && memory.closes_folded > 10_000, "{memory:?}");
    assert_eq!((view.splits[0].all.count(), view.splits[1].all.count()), (all, all), "every close is somewhere");
    let shown: u64 = rows(&view.splits[0]).iter().map(|(_, count)| count).sum();
    assert_eq!(shown + view.splits[0].remainder.as_ref().unwrap().distribution.count(), all);
}

/// All keys of a host fit into the default bound.
#[test]
fn a_hundred_thousand_keys_fit_where_there_is_room() {
    let mut found = Histograms::new(config(&[address()]));
    for number in 0..100_000 {
        found.record(&close("a", remote(number), u64::from(number)), 0, 1, &Context::default());
    }
    let memory = found.total(9_000, &[]).memory;
    assert_eq!((memory.keys, memory.keys_folded), (100_000, 0));
    assert!(memory.bytes < 70 << 20, "{memory:?}");
}

#[test]
fn without_memory_everything_is_remainder() {
    let mut found = Histograms::new(Config { bytes_max: 0, ..config(&[By::Process]) });
    found.record(&close("a", remote(1), 100), 0, 1, &Context::default());
    let view = found.total(2_000, &[]);
    assert_eq!((view.splits[0].rows.len(), view.memory.keys_folded), (0, 1));
    assert_eq!(view.splits[0].remainder.as_ref().unwrap().distribution.count(), 1);
    let mut whole = Histograms::new(Config { bytes_max: 0, ..config(&[]) });
    whole.record(&close("a", remote(1), 100), 0, 1, &Context::default());
    let view = whole.total(2_000, &[]);
    assert_eq!(rows(&view.splits[0]), counts(&[("", 1)]), "what nothing splits is the whole");
}
