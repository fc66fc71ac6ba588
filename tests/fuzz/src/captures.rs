//! Captures with right checksums, which a fuzzer does not find by itself.

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
