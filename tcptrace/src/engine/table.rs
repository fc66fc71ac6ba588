//! The table of closes in progress: a slab in chunks, so that growing moves nothing, and an index of slot
//! numbers by key. 32-bit slot numbers keep an entry and its links small.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use super::closing::Closing;
use crate::model::SocketKey;

/// Number of a slot.
pub(super) type SlotId = u32;
/// No slot.
pub(super) const NONE: SlotId = u32::MAX;
const CHUNK_BITS: u32 = 8;
const CHUNK_LEN: usize = 1 << CHUNK_BITS;

#[derive(Debug)]
pub(super) struct Table {
    index: HashTable<SlotId>,
    chunks: Vec<Vec<Option<Closing>>>,
    free: Vec<SlotId>,
    max: usize,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        let max = max.min(NONE as usize);
        Self { index: HashTable::new(), chunks: Vec::new(), free: Vec::new(), max }
    }

    pub(super) fn is_full(&self) -> bool {
        self.index.len() >= self.max
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&self, key: SocketKey) -> Option<SlotId> {
        self.index.find(hash(key), |id| self.has_key(*id, key)).copied()
    }

    /// Where an entry with this key is, most likely; reads no entry.
    pub(super) fn guess(&self, key: SocketKey) -> Option<SlotId> {
        self.index.find(hash(key), |_| true).copied()
    }

    fn has_key(&self, id: SlotId, key: SocketKey) -> bool {
        self.get(id).is_some_and(|closing| closing.socket.key == key)
    }

    pub(super) fn get(&self, id: SlotId) -> Option<&Closing> {
        let (chunk, at) = split(id);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut Closing> {
        let (chunk, at) = split(id);
        self.chunks.get_mut(chunk)?.get_mut(at)?.as_mut()
    }

    /// Every entry, in the order of slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotId, &Closing)> {
        let ids = 0..NONE;
        let slots = self.chunks.iter().flatten();
        ids.zip(slots).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// Adds an entry whose key is not in the table yet.
    pub(super) fn insert(&mut self, closing: Closing) -> SlotId {
        let hash = hash(closing.socket.key);
        let id = self.place(closing);
        let chunks = &self.chunks;
        let key_of = |id: &SlotId| {
            let (chunk, at) = split(*id);
            let slot = chunks.get(chunk).and_then(|chunk| chunk.get(at));
            slot.and_then(Option::as_ref).map_or(SocketKey(0), |closing| closing.socket.key)
        };
        self.index.insert_unique(hash, id, |id| self::hash(key_of(id)));
        id
    }

    fn place(&mut self, closing: Closing) -> SlotId {
        if let Some(id) = self.free.pop() {
            let (chunk, at) = split(id);
            if let Some(slot) = self.chunks.get_mut(chunk).and_then(|chunk| chunk.get_mut(at)) {
                *slot = Some(closing);
                return id;
            }
        }
        let full = self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_LEN);
        if full {
            self.chunks.push(Vec::with_capacity(CHUNK_LEN));
        }
        let chunk_at = self.chunks.len().saturating_sub(1);
        let at = self.chunks.last_mut().map_or(0, |chunk| {
            chunk.push(Some(closing));
            chunk.len() - 1
        });
        // `new` keeps the number of slots below 2^32.
        u32::try_from(chunk_at << CHUNK_BITS | at).unwrap_or(NONE)
    }

    pub(super) fn remove(&mut self, id: SlotId) -> Option<Closing> {
        let key = self.get(id)?.socket.key;
        let chunks = &mut self.chunks;
        if let Ok(entry) = self.index.find_entry(hash(key), |found| *found == id) {
            entry.remove();
        }
        let (chunk, at) = split(id);
        let closing = chunks.get_mut(chunk)?.get_mut(at)?.take();
        self.free.push(id);
        closing
    }
}

fn split(id: SlotId) -> (usize, usize) {
    ((id >> CHUNK_BITS) as usize, id as usize & (CHUNK_LEN - 1))
}

/// Keys are cookies, which the kernel hands out in sequence, or addresses under a secret mask: no peer
/// chooses them, so a multiplication spreads them well enough.
fn hash(key: SocketKey) -> u64 {
    key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
}

/// The same hash for the standard library's maps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyHasher;

#[derive(Debug)]
pub(super) struct KeyState(u64);

impl BuildHasher for KeyHasher {
    type Hasher = KeyState;

    fn build_hasher(&self) -> KeyState {
        KeyState(0)
    }
}

impl Hasher for KeyState {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = hash(SocketKey(value));
    }
}
