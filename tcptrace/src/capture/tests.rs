//! The bytes of a tiny capture, round trips, and sinks that fail.

mod damage;
mod files;
mod foreign;

use std::io::{self, Write};

use super::*;
use crate::{
    decode::Frame,
    model::{
        Absent, AbsentWhy, CgroupName, DumpAt, DumpMark, Endpoint, Holder, Holders, HostInfo, Identity, InterfaceName,
        KernelCounters, NetnsFacts, NetnsName, Sighting, Snapshot, SocketKey, State, StateSet, TcpDetail, Tick, Timer,
    },
};

/// One of each kind, records of odd lengths included.
fn frames() -> Vec<Frame<'static>> {
    vec![
        Frame::Host(Box::new(HostInfo {
            kernel_release: "6.1.0".to_owned(),
            hostname: "h\u{f6}st".to_owned(),
            reset_reasons: vec![(3, "TCP_STATE".to_owned())],
            stuck_after_ns: u64::MAX,
            ..HostInfo::default()
        })),
        Frame::Tick(Tick { mono_ns: 1, real_ns: u64::MAX }),
        Frame::Cgroup(CgroupName { id: 7, path: "/system.slice/\u{f5}".to_owned() }),
        Frame::Interface(InterfaceName { netns: 4_026_531_840, index: 3, name: "eth\u{f5}".to_owned() }),
        Frame::NetnsName(NetnsName { netns: 4_026_532_441, name: "w\u{e9}b".to_owned() }),
        Frame::Record(&[]),
        Frame::Record(&[0xf5; 9]),
        Frame::Record(b"\xF5TCB\x01\0\0\0"),
        Frame::Counters(KernelCounters { seen: 1, lost: 2, missed: 3, data_retransmits: 4, foreign_resets: 5 }),
        Frame::Sighting(Box::new(Sighting { snapshot: snapshot(), holders: Some(holders()), asked: true })),
        Frame::Sighting(Box::new(Sighting {
            snapshot: Snapshot { info: None, ..snapshot() },
            holders: None,
            asked: false,
        })),
        Frame::Absent(Absent { time_ns: 9, socket: snapshot().socket, why: AbsentWhy::Replaced }),
        Frame::Dump(DumpMark { time_ns: 9, netns: 3, states: StateSet::CLOSING, at: DumpAt::AllDone { cost_ns: 5 } }),
        Frame::Netns(Box::new(NetnsFacts {
            netns: 3,
            retries2: Some(15),
            timewait_overflow: Some(2),
            ..NetnsFacts::default()
        })),
    ]
}

fn holders() -> Holders {
    let holder = Holder { pid: 7, comm: "h\u{f6}lder".to_owned(), fd: 3, cgroup: "/a".to_owned() };
    Holders { list: vec![holder], total: 1, in_epoll: Some(true), partial: false }
}

/// Every field unlike every other.
fn snapshot() -> Snapshot {
    let info = TcpDetail {
        retransmits: 1,
        probes: 2,
        backoff: 3,
        rto_us: 4,
        unacked_segments: 5,
        notsent_bytes: 6,
        snd_wnd_bytes: Some(7),
        snd_mss_bytes: 8,
        retrans_out: 14,
        total_retrans: 9,
        last_data_sent_ms: 10,
        last_data_recv_ms: 11,
        last_ack_recv_ms: 12,
        srtt_us: 13,
        send_memory_bytes: None,
    };
    Snapshot {
        time_ns: 20,
        socket: Identity {
            key: SocketKey(0x74),
            netns: 21,
            local: Endpoint::from_bytes([1; 16], true, 22),
            remote: Endpoint::from_bytes([2; 16], true, 23),
        },
        bound_if: 24,
        state: State::CloseWait,
        timewait: false,
        timer: Timer::Probe,
        expires_ms: 25,
        inode: 26,
        recv_queue_bytes: 27,
        send_queue_bytes: 28,
        mptcp: crate::model::Mptcp::No,
        info: Some(info),
    }
}

/// A finished capture with a block for each chunk of frames.
fn capture(frames: &[Frame<'_>], in_block: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, "test").unwrap();
    for block in frames.chunks(in_block) {
        block.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.flush().unwrap();
    }
    let totals = writer.finish().unwrap();
    assert_eq!(totals.frames, frames.len() as u64);
    assert_eq!(totals.bytes, bytes.len() as u64);
    bytes
}

/// Makes frames owned, to outlive the reader's next step.
fn owned(frame: Frame<'_>) -> Frame<'static> {
    match frame {
        Frame::Record(bytes) => Frame::Record(bytes.to_vec().leak()),
        Frame::Host(host) => Frame::Host(host),
        Frame::Counters(counters) => Frame::Counters(counters),
        Frame::Tick(tick) => Frame::Tick(tick),
        Frame::Cgroup(name) => Frame::Cgroup(name),
        Frame::Interface(name) => Frame::Interface(name),
        Frame::NetnsName(name) => Frame::NetnsName(name),
        Frame::Sighting(sighting) => Frame::Sighting(sighting),
        Frame::Absent(absent) => Frame::Absent(absent),
        Frame::Dump(mark) => Frame::Dump(mark),
        Frame::Netns(facts) => Frame::Netns(facts),
    }
}

fn read(bytes: &[u8]) -> Result<(Vec<Frame<'static>>, Ending, Stats), CaptureError> {
    let mut reader = Reader::new(bytes, "test")?;
    assert!(matches!(reader.ending(), Ending::BrokeOff { reason: BreakReason::Unread, .. }));
    let mut frames = Vec::new();
    while let Some(frame) = reader.next()? {
        frames.push(owned(frame));
    }
    assert!(reader.next().unwrap().is_none(), "the end stays the end");
    assert_eq!(reader.stats().frames, frames.len() as u64);
    Ok((frames, reader.ending(), reader.stats()))
}

/// The example of docs/capture-format.md: a tick and a record of four bytes.
#[cfg(target_endian = "little")]
#[test]
fn literal_bytes() {
    #[rustfmt::skip]
    const EXPECTED: [u8; 156] = [
        0x89, 0x54, 0x43, 0x50, 0x54, 0x52, 0x43, 0x0a, 0x01, 0x00, 0x02, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x04, 0x03, 0x02, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xbd, 0x8c, 0x53, 0x9b,
        0xf5, 0x54, 0x43, 0x42, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00,
        0xf1, 0x08, 0x0d, 0xf8, 0xd2, 0x3d, 0x75, 0x0f, 0x04, 0x00, 0x10, 0x00, 0x00, 0xca, 0x9a, 0x3b,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x32, 0x96, 0x1c, 0xf2, 0xca, 0x86, 0x18, 0x02, 0x00, 0x04, 0x00,
        0xde, 0xad, 0xbe, 0xef, 0xf5, 0x54, 0x43, 0x42, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x10, 0x00, 0x00, 0x00, 0xa8, 0x6e, 0xb1, 0xa7, 0x47, 0x6f, 0x7e, 0xff, 0x02, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];
    let frames = [
        Frame::Tick(Tick { mono_ns: 1_000_000_000, real_ns: 1_767_323_045_000_000_000 }),
        Frame::Record(&[0xde, 0xad, 0xbe, 0xef]),
    ];
    let bytes = capture(&frames, 2);
    assert_eq!(bytes, EXPECTED);
    assert_eq!(read(&bytes).unwrap().0, frames);

    let document = include_str!("../../../docs/capture-format.md");
    for (line, bytes) in bytes.chunks(16).enumerate() {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{:04x}  {}", line * 16, hex.join(" "));
        assert!(document.contains(&line), "docs/capture-format.md lacks {line}");
    }
}

#[test]
fn all_kinds_come_back() {
    let frames = frames();
    for in_block in 1..=frames.len() {
        let (read, ending, stats) = read(&capture(&frames, in_block)).unwrap();
        assert_eq!(read, frames);
        assert_eq!(ending, Ending::Complete);
        assert!(stats.is_whole(), "{stats:?}");
        assert_eq!(stats.blocks, frames.len().div_ceil(in_block) as u64);
    }
}

#[test]
fn an_empty_capture_is_complete() {
    let (frames, ending, stats) = read(&capture(&[], 1)).unwrap();
    assert!(frames.is_empty() && stats.is_whole());
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn many_records_fill_blocks() {
    let records: Vec<[u8; 128]> = (0..2_000_u32).map(|n| [n.to_le_bytes(); 32].concat().try_into().unwrap()).collect();
    let frames: Vec<_> = records.iter().map(|record| Frame::Record(record)).collect();
    let (read, ending, stats) = read(&capture(&frames, frames.len())).unwrap();
    assert!(read == frames, "other records came back");
    assert_eq!(ending, Ending::Complete);
    assert_eq!(stats.blocks, 2_000_u64.div_ceil((BLOCK_PAYLOAD_MAX / 132) as u64));
}

#[test]
fn the_longest_frame_fits_and_a_longer_one_is_refused() {
    let longest = vec![0xf5; FRAME_PAYLOAD_MAX];
    let too_long = vec![0; FRAME_PAYLOAD_MAX + 1];
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, "test").unwrap();
    let tick = Frame::Tick(Tick { mono_ns: 1, real_ns: 2 });
    writer.write(&tick).unwrap();
    for payload in [too_long, vec![0; 1 << 20]] {
        let error = writer.write(&Frame::Record(&payload)).unwrap_err();
        assert!(matches!(error, CaptureError::FrameTooLong { kind: "record", .. }), "{error}");
    }
    writer.write(&Frame::Record(&longest)).unwrap();
    writer.write(&tick).unwrap();
    assert_eq!(writer.finish().unwrap().frames, 3);
    let (frames, ending, stats) = read(&bytes).unwrap();
    assert_eq!(frames, [tick.clone(), Frame::Record(&longest), tick]);
    assert!(ending == Ending::Complete && stats.is_whole());
}

/// A disk with so much room.
struct Disk<'a> {
    bytes: &'a mut Vec<u8>,
    room: usize,
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room - self.bytes.len();
        if room == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let len = room.min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_leaves_what_was_written() {
    let frames = frames();
    let whole = capture(&frames, 1).len();
    for room in 0..whole {
        let mut bytes = Vec::new();
        let Ok(mut writer) = Writer::new(Disk { bytes: &mut bytes, room }, "test") else {
            assert!(room < 32);
            continue;
        };
        let result = frames.iter().try_for_each(|frame| writer.write(frame).and_then(|()| writer.flush()));
        let written = writer.written();
        if let Err(error) = result {
            let CaptureError::Write { offset, frames, .. } = &error else { panic!("{error}") };
            assert_eq!((*offset, *frames), (written.bytes, written.frames));
            let text = error.to_string();
            assert!(text.ends_with("free space or record elsewhere"), "{text}");
            assert!(matches!(writer.write(&frames_tick()), Err(CaptureError::Stopped { .. })));
            assert!(matches!(writer.flush(), Err(CaptureError::Stopped { .. })));
            assert!(matches!(writer.finish(), Err(CaptureError::Stopped { .. })));
        } else {
            assert!(matches!(writer.finish(), Err(CaptureError::Write { .. })));
        }
        assert!(bytes.len() <= room);
        let (read, ending, _) = read(&bytes).unwrap();
        assert_eq!(read, frames[..usize::try_from(written.frames).unwrap()]);
        let Ending::BrokeOff { at_offset, .. } = ending else { panic!("complete with {room} of {whole} bytes") };
        assert_eq!(at_offset, written.bytes);
    }
}

fn frames_tick() -> Frame<'static> {
    Frame::Tick(Tick { mono_ns: 0, real_ns: 0 })
}

#[test]
fn a_dropped_writer_hands_over_what_it_has() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, "test").unwrap().write(&frames_tick()).unwrap();
    let (frames, ending, _) = read(&bytes).unwrap();
    assert_eq!(frames, [frames_tick()]);
    let reason = BreakReason::NoClosingBlock;
    assert_eq!(ending, Ending::BrokeOff { at_offset: bytes.len() as u64, reason });
}
