//! Captures with right checksums, which a fuzzer does not find by itself; and captures of anything that can be said.

use std::io::Cursor;

use tcptrace::{
    capture::{Reader, Writer},
    decode::{Frame, decode},
    model::Input,
};

/// Layout as docs/capture-format.md promises it.
const FILE_HEADER_LEN: usize = 32;
const BLOCK_HEADER_LEN: usize = 40;
const BLOCK_MAGIC: [u8; 4] = *b"\xF5TCB";

/// Gives the file header and every block the checksums that fit their bytes.
pub fn mend(bytes: &mut [u8]) {
    if bytes.len() < FILE_HEADER_LEN {
        return;
    }
    let (header, mut rest) = bytes.split_at_mut(FILE_HEADER_LEN);
    seal(header);
    while let Some(at) = rest.windows(BLOCK_MAGIC.len()).position(|window| window == BLOCK_MAGIC) {
        let Some((header, after)) = rest[at..].split_at_mut_checked(BLOCK_HEADER_LEN) else { return };
        let mut len = [0; 4];
        len.copy_from_slice(&header[28..32]);
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX).min(after.len());
        let (payload, after) = after.split_at_mut(len);
        header[32..36].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        seal(header);
        rest = after;
    }
}

/// Puts the checksum of what stands before them into the last four bytes.
fn seal(header: &mut [u8]) {
    let (fields, crc) = header.split_at_mut(header.len() - 4);
    crc.copy_from_slice(&crc32fast::hash(fields).to_le_bytes());
}

/// What sock_diag said, as the frame that a capture keeps of it; `None` of other inputs.
#[must_use]
pub fn frame_of_look(input: &Input) -> Option<Frame<'static>> {
    Some(match input {
        Input::Sighting(sighting) => Frame::Sighting(sighting.clone()),
        Input::Absent(absent) => Frame::Absent(*absent),
        Input::Dump(mark) => Frame::Dump(*mark),
        Input::Netns(facts) => Frame::Netns(facts.clone()),
        _ => return None,
    })
}

/// Writes the frames that `body` puts into a capture, which must give them back.
///
/// # Panics
/// Where it does not: that is what the fuzzer looks for.
pub fn round_trip<T>(body: impl FnOnce(&mut dyn FnMut(&Frame<'_>)) -> T) -> T {
    let (mut bytes, mut written) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut bytes, "again").expect("a vector takes everything");
    let result = body(&mut |frame| {
        writer.write(frame).expect("no frame of the fuzzer's is too long");
        written.push(decode(frame.clone()));
    });
    let totals = writer.finish().expect("a vector takes everything");
    assert_eq!(totals.frames, written.len() as u64);
    let mut reader = Reader::new(Cursor::new(bytes), "again").expect("its header is whole");
    for input in written {
        let frame = reader.next().expect("it is whole").expect("as many as were written");
        assert_eq!(decode(frame), input);
    }
    assert!(matches!(reader.next(), Ok(None)) && reader.stats().is_whole());
    result
}
