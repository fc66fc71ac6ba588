//! Files of other versions, machines and programs.

use std::path::Path;

use super::*;
use crate::capture::format::{
    BLOCK_FRAMES, BYTE_ORDER_MARK, BlockHeader, FILE_HEADER_LEN, FRAME_CGROUP, FRAME_COUNTERS, FRAME_HOST,
    FRAME_NETNS_NAME, FRAME_TICK, FileHeader,
};
use tcptrace_ebpf::record::WIRE_VERSION;

fn header() -> FileHeader {
    let (major, minor, wire_version) = (FORMAT_MAJOR, FORMAT_MINOR, WIRE_VERSION);
    FileHeader { major, minor, wire_version, flags: 0, byte_order_mark: BYTE_ORDER_MARK }
}

fn block(sequence: u64, kind: u8, flags: u8, frames: u32, payload: &[u8]) -> Vec<u8> {
    let header = BlockHeader {
        kind,
        flags,
        sequence,
        frames_before: 0,
        frames,
        payload_len: payload.len().try_into().unwrap(),
        payload_crc: crc32fast::hash(payload),
    };
    [&header.encode(), payload].concat()
}

fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    [&kind.to_le_bytes(), &len.to_le_bytes(), payload].concat()
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn other_headers_are_refused_by_name() {
    let newer = FileHeader { major: 2, minor: 7, ..header() };
    let text = refusal(&newer.encode());
    assert!(text.contains("format 2.7") && text.ends_with("use a newer tcptrace"), "{text}");
    let text = refusal(&FileHeader { major: 0, ..header() }.encode());
    assert!(text.ends_with("use an older tcptrace"), "{text}");
    let text = refusal(&FileHeader { wire_version: WIRE_VERSION + 1, ..header() }.encode());
    assert!(text.contains("wire version 3") && text.ends_with("use a newer tcptrace"), "{text}");
    let text = refusal(&FileHeader { wire_version: 0, ..header() }.encode());
    assert!(text.contains("wire version 0") && text.ends_with("use an older tcptrace"), "{text}");
    let text = refusal(&FileHeader { flags: 4, ..header() }.encode());
    assert!(text.contains("from a newer version at byte 0 (flags 0x4)"), "{text}");
    let text = refusal(&FileHeader { byte_order_mark: BYTE_ORDER_MARK.swap_bytes(), ..header() }.encode());
    assert!(text.contains("other byte order"), "{text}");
    let error = read(&FileHeader { byte_order_mark: 1, ..header() }.encode()).unwrap_err();
    assert!(matches!(error, CaptureError::HeaderDamaged { .. }), "{error}");
}

#[test]
fn other_files_are_refused_by_name() {
    for (bytes, named) in [
        (&b"\xd4\xc3\xb2\xa1\x02\0\x04\0"[..], "(pcap)"),
        (b"\x0a\x0d\x0d\x0a\0\0\0\0", "(pcapng)"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"hello\n", "text"),
        (b"{\"type\":\"close\"}", "JSON"),
        (&[0; 4096], "did not reach the disk"),
        (&[0x80; 64], "is no capture:"),
    ] {
        let text = refusal(bytes);
        assert!(text.contains("is no capture") && text.contains(named), "{text}");
    }
    assert!(refusal(b"").contains("is empty"));
    assert!(refusal(b"\x89TC").contains("ends within its header"));
    let error = Reader::open(Path::new("/")).err().unwrap();
    assert!(matches!(error, CaptureError::Directory { .. }), "{error}");
    let error = Reader::open(Path::new("/no/such")).err().unwrap();
    assert!(matches!(error, CaptureError::Open { .. }), "{error}");
}

#[test]
fn additions_of_a_newer_minor_version_are_skipped_and_counted() {
    let mut tick = 5_u64.to_le_bytes().to_vec();
    tick.extend_from_slice(&6_u64.to_le_bytes());
    tick.extend_from_slice(b"added");
    let frames =
        [frame(FRAME_HOST, br#"{"hostname":"h","added":{"x":[1]}}"#), frame(99, b"new"), frame(FRAME_TICK, &tick)]
            .concat();
    let file = [
        FileHeader { minor: 9, ..header() }.encode(),
        block(0, 77, 0, 0, b"a new kind of block"),
        block(1, BLOCK_FRAMES, 0, 3, &frames),
    ]
    .concat();
    let (frames, _, stats) = read(&file).unwrap();
    let host = HostInfo { hostname: "h".to_owned(), ..HostInfo::default() };
    assert_eq!(frames, [Frame::Host(Box::new(host)), Frame::Tick(Tick { mono_ns: 5, real_ns: 6 })]);
    assert_eq!((stats.unknown_frames, stats.unknown_blocks, stats.damaged_blocks), (1, 1, 0));
    assert_eq!(Reader::new(&file[..], "test").unwrap().format_version(), (1, 9));
}

#[test]
fn a_block_that_needs_a_newer_version_is_refused() {
    let file = [header().encode(), block(0, BLOCK_FRAMES, 1, 1, &frame(FRAME_TICK, &[0; 16]))].concat();
    let mut reader = Reader::new(&file[..], "test").unwrap();
    let text = reader.next().unwrap_err().to_string();
    assert!(text.contains("from a newer version at byte 32 (flags 0x1)"), "{text}");
    assert!(reader.next().unwrap().is_none());
    assert!(matches!(reader.ending(), Ending::BrokeOff { at_offset: 32, reason: BreakReason::Failed }));
}

#[test]
fn frames_that_make_no_sense_are_counted() {
    let good = frame(FRAME_TICK, &[0; 16]);
    for (bad, count) in [
        (frame(FRAME_TICK, &[0; 15]), 1),
        (frame(FRAME_COUNTERS, &[0; 39]), 1),
        (frame(FRAME_CGROUP, &[0; 7]), 1),
        (frame(FRAME_CGROUP, &[0xff; 9]), 1),
        (frame(FRAME_NETNS_NAME, &[0; 3]), 1),
        (frame(FRAME_NETNS_NAME, &[0xff; 5]), 1),
        (frame(FRAME_HOST, b"[]x"), 1),
        // A length beyond the block takes the rest of the block with it.
        (vec![2, 0, 0xff, 0xff, 1], 2),
        (vec![2], 2),
    ] {
        let payload = [&good[..], &bad, &good].concat();
        let payload = if count == 2 { &payload[..good.len() + bad.len()] } else { &payload };
        let file = [header().encode(), block(0, BLOCK_FRAMES, 0, 3, payload), block_after(3, &good)].concat();
        let (frames, _, stats) = read(&file).unwrap();
        assert_eq!((frames.len(), stats.malformed_frames), (4 - count, count as u64), "{bad:?}");
    }
}

fn block_after(frames_before: u64, payload: &[u8]) -> Vec<u8> {
    let (sequence, frames, payload_len) = (1, 1, payload.len().try_into().unwrap());
    let payload_crc = crc32fast::hash(payload);
    let kind = BLOCK_FRAMES;
    let header = BlockHeader { kind, flags: 0, sequence, frames_before, frames, payload_len, payload_crc };
    [&header.encode(), payload].concat()
}

#[test]
fn absurd_claims_of_blocks() {
    let sound = BlockHeader {
        kind: BLOCK_FRAMES,
        flags: 0,
        sequence: 0,
        frames_before: 0,
        frames: u32::MAX,
        payload_len: 0,
        payload_crc: crc32fast::hash(&[]),
    };
    let closing = BlockHeader { kind: 2, frames: 0, ..sound };
    let end = |header: BlockHeader| {
        let file = [&header_bytes()[..], &header.encode()].concat();
        let (frames, ending, stats) = read(&file).unwrap();
        assert!(frames.is_empty());
        let Ending::BrokeOff { reason, .. } = ending else { panic!("complete") };
        (reason, stats)
    };
    let (reason, _) = end(BlockHeader { payload_len: u32::MAX, ..sound });
    assert_eq!(reason, BreakReason::Length(u32::MAX));
    let max = u32::try_from(BLOCK_PAYLOAD_MAX).unwrap();
    assert_eq!(end(BlockHeader { payload_len: max + 1, ..sound }).0, BreakReason::Length(max + 1));
    assert_eq!(end(BlockHeader { payload_len: max, ..sound }).0, BreakReason::CutOff);
    let (reason, stats) = end(sound);
    assert_eq!((reason, stats.malformed_frames), (BreakReason::NoClosingBlock, u64::from(u32::MAX)));
    let (_, stats) = end(BlockHeader { sequence: u64::MAX, frames_before: u64::MAX, ..sound });
    assert_eq!((stats.damaged_blocks, stats.lost_frames), (u64::MAX, u64::MAX));
    assert_eq!(end(BlockHeader { frames_before: 1, ..sound }).0, BreakReason::Order);
    assert_eq!(end(closing).0, BreakReason::Totals);
}

fn header_bytes() -> [u8; FILE_HEADER_LEN] {
    header().encode().try_into().unwrap()
}
