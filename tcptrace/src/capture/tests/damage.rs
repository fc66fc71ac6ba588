//! Captures that lost bytes or got other ones.

use std::io::{self, Read};

use super::*;
use crate::capture::format::{BLOCK_HEADER_LEN, FILE_HEADER_LEN};

const HEADERS: usize = FILE_HEADER_LEN + BLOCK_HEADER_LEN;

/// A tick a block: all blocks have the same length.
const BLOCK: usize = BLOCK_HEADER_LEN + 4 + 16;

fn ticks(count: u64) -> Vec<Frame<'static>> {
    (0..count).map(|n| Frame::Tick(Tick { mono_ns: n, real_ns: 0xf5f5_f5f5 })).collect()
}

#[test]
fn truncation_at_every_byte() {
    let frames = frames();
    for in_block in [1, 2, 3] {
        let whole = capture(&frames, in_block);
        for len in 0..whole.len() {
            match read(&whole[..len]) {
                Ok((read, ending, stats)) => {
                    assert!(frames.starts_with(&read) && read.len() < frames.len() + 1);
                    assert!(read.len() == frames.len() || read.len() % in_block == 0, "part of a block");
                    let Ending::BrokeOff { at_offset, reason } = ending else { panic!("complete at {len}") };
                    assert_eq!(at_offset + stats.skipped_bytes, len as u64);
                    let sound = at_offset == len as u64;
                    assert_eq!(reason, if sound { BreakReason::NoClosingBlock } else { BreakReason::CutOff });
                    assert_eq!((stats.damaged_blocks, stats.lost_frames), (0, 0));
                }
                Err(CaptureError::Empty { .. }) => assert_eq!(len, 0),
                Err(CaptureError::HeaderCutOff { .. }) => assert!(len < FILE_HEADER_LEN),
                Err(error) => panic!("{len}: {error}"),
            }
        }
    }
}

#[test]
fn every_bit_flip_costs_one_block_and_is_seen() {
    let frames = frames();
    let whole = capture(&frames, 2);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if bit / 8 < FILE_HEADER_LEN {
            assert!(read(&bytes).is_err(), "bit {bit}");
            continue;
        }
        let (read, ending, stats) = read(&bytes).unwrap();
        if let Ending::BrokeOff { at_offset, .. } = ending {
            assert_eq!(read, frames, "only the closing block is missing");
            assert_eq!(at_offset + stats.skipped_bytes, bytes.len() as u64);
            continue;
        }
        assert_eq!(stats.damaged_blocks, 1, "bit {bit}");
        assert_eq!(read.len() as u64 + stats.lost_frames, frames.len() as u64);
        assert!(stats.skipped_bytes > 0 && stats.first_damage.is_some() && !stats.is_whole());
        let block = (0..frames.len()).step_by(2).find(|from| {
            let rest = &frames[(from + 2).min(frames.len())..];
            read == [&frames[..*from], rest].concat()
        });
        assert!(block.is_some(), "bit {bit}: {read:?}");
    }
}

#[test]
fn bytes_cut_out_or_put_in_cost_what_they_touch() {
    let frames = ticks(5);
    let whole = capture(&frames, 1);
    for from in FILE_HEADER_LEN..whole.len() {
        for len in [1, 7, BLOCK, BLOCK + 3] {
            let to = (from + len).min(whole.len());
            let (read_back, ..) = read(&[&whole[..from], &whole[to..]].concat()).unwrap();
            assert!(read_back.iter().all(|frame| frames.contains(frame)));
            assert!(read_back.len() + len.div_ceil(BLOCK) + 1 >= frames.len(), "{from} {len}: {read_back:?}");
        }
        let (read_back, _, stats) = read(&[&whole[..from], b"\xF5TC\xF5TCB", &whole[from..]].concat()).unwrap();
        assert!(read_back.len() + 1 >= frames.len() && stats.skipped_bytes >= 7);
    }
}

#[test]
fn blocks_removed_repeated_and_swapped() {
    let frames = ticks(4);
    let whole = capture(&frames, 1);
    let block = |n: usize| &whole[FILE_HEADER_LEN + n * BLOCK..FILE_HEADER_LEN + (n + 1) * BLOCK];
    let head = &whole[..FILE_HEADER_LEN];
    let closing = &whole[FILE_HEADER_LEN + 4 * BLOCK..];

    let removed = [head, block(0), block(3), closing].concat();
    let (read_back, ending, stats) = read(&removed).unwrap();
    assert_eq!(read_back, [frames[0].clone(), frames[3].clone()]);
    assert_eq!((ending, stats.damaged_blocks, stats.lost_frames), (Ending::Complete, 2, 2));
    assert_eq!(
        stats.to_string(),
        "2 frames read, 2 frames lost to damage, 2 blocks damaged or missing; first damage at byte 92: \
            a block is out of order"
    );
    let at_offset = (FILE_HEADER_LEN + BLOCK) as u64;
    assert_eq!(stats.first_damage, Some(Damage { at_offset, reason: BreakReason::Order }));

    let repeated = [head, block(0), block(1), block(0), block(1), block(2), block(3), closing].concat();
    let (read_back, ending, stats) = read(&repeated).unwrap();
    assert_eq!((read_back, ending), (frames.clone(), Ending::Complete));
    assert_eq!((stats.damaged_blocks, stats.skipped_bytes), (0, 2 * BLOCK as u64));

    let swapped = [head, block(1), block(0), block(2), block(3), closing].concat();
    assert_eq!(read(&swapped).unwrap().0, frames[1..]);

    let two = [&whole[..], &whole[..]].concat();
    let (read_back, ending, stats) = read(&two).unwrap();
    assert_eq!((read_back, ending), (frames, Ending::Complete));
    assert_eq!(stats.skipped_bytes, whole.len() as u64);
    assert_eq!(stats.first_damage.unwrap().reason, BreakReason::Trailing);
}

#[test]
fn a_zeroed_end_as_after_a_power_failure() {
    let frames = ticks(3);
    let mut bytes = capture(&frames, 1);
    let at = FILE_HEADER_LEN + 2 * BLOCK;
    bytes[at..].fill(0);
    bytes.resize(1 << 20, 0);
    let (read_back, ending, stats) = read(&bytes).unwrap();
    assert_eq!(read_back, frames[..2]);
    assert_eq!(ending, Ending::BrokeOff { at_offset: at as u64, reason: BreakReason::NoBlock });
    assert_eq!(stats.skipped_bytes, (bytes.len() - at) as u64);
}

/// A record may hold what looks like a block, and damage to the block around it must not set it free.
#[test]
fn a_block_within_a_damaged_record_is_not_taken() {
    let inner = capture(&ticks(9), 1);
    let forged = &inner[FILE_HEADER_LEN + 5 * BLOCK..][..BLOCK];
    let frames = [ticks(1).remove(0), Frame::Record(forged), ticks(2).remove(1)];
    let mut bytes = capture(&frames, 1);
    bytes[HEADERS + 20 + BLOCK_HEADER_LEN] ^= 1;
    let (read_back, ending, stats) = read(&bytes).unwrap();
    assert_eq!(read_back, [frames[0].clone(), frames[2].clone()]);
    assert_eq!((ending, stats.damaged_blocks, stats.lost_frames), (Ending::Complete, 1, 1));
}

#[test]
fn a_big_capture_in_small_reads_with_damage() {
    struct Trickle<'a>(&'a [u8], usize);
    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 * 31 % 997 + 1;
            let len = self.1.min(out.len());
            self.0.read(&mut out[..len])
        }
    }
    let records: Vec<_> = (0..5_000_u32).map(|n| n.to_le_bytes().repeat(32)).collect();
    let frames: Vec<_> = records.iter().map(|record| Frame::Record(record)).collect();
    let mut bytes = capture(&frames, frames.len());
    bytes[200_000] ^= 0x40;
    let mut reader = Reader::new(Trickle(&bytes, 1), "test").unwrap();
    let mut count = 0;
    while let Some(frame) = reader.next().unwrap() {
        assert!(frames.contains(&frame));
        count += 1;
    }
    let stats = reader.stats();
    assert_eq!(reader.ending(), Ending::Complete);
    assert_eq!((stats.damaged_blocks, stats.lost_frames), (1, 5_000 - count));
    assert!(count > 4_000);
}

#[test]
fn a_source_that_fails_delivers_what_came_before() {
    struct Bad<'a>(&'a [u8]);
    impl Read for Bad<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out) {
                Ok(0) => Err(io::Error::other("bad sector")),
                result => result,
            }
        }
    }
    let frames = ticks(3);
    let bytes = capture(&frames, 1);
    let cut = FILE_HEADER_LEN + 2 * BLOCK + 5;
    let mut reader = Reader::new(Bad(&bytes[..cut]), "test").unwrap();
    let mut count = 0;
    let error = loop {
        match reader.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => panic!("no error"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CaptureError::Read { .. }), "{error}");
    assert!(error.to_string().contains(&format!("at byte {cut}: bad sector")), "{error}");
    assert_eq!(count, 2);
    assert!(reader.next().unwrap().is_none());
    let reason = BreakReason::Failed;
    let at_offset = (cut - 5) as u64;
    assert_eq!(reader.ending(), Ending::BrokeOff { at_offset, reason });
}
