//! What the kernel side leaves out, as user space tells it before load.
//!
//! A read-only global with the switches, as [`crate::layout::Layout`], so that a run without filters has the code for
//! them pruned; lists are in maps. The kernel side may only drop what the filter of user space would drop too, for
//! that one runs afterwards and is the truth: whatever is not known yet, and whatever fails, passes.

use core::mem::size_of;

/// Values of one list (`--addr`, `--pid`, `--comm`, `--netns`) that the kernel side compares with: 24 bytes each.
pub const ENTRIES_MAX: usize = 1024;
/// Values of `--cgroup`, each of which costs a call of a helper for an event that names an owner.
pub const CGROUPS_MAX: usize = 16;
/// N of `--sample 1/N`.
pub const SAMPLE_MAX: u32 = 1_000_000;
/// Closes that wait for their owner, and refused sockets that are remembered; about 200 and 60 bytes each.
pub const OWNERS_MAX: u32 = 65_536;
/// `connect()`s that wait for their local port.
pub const CONNECTS_MAX: u32 = 16_384;

/// What is asked for. Switches are 0 or 1; what is switched off matches everything.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `--cgroup`: ids of cgroup v2, the first `cgroup_count` count.
    pub cgroup_ids: [u64; CGROUPS_MAX],
    /// How far each is below the root, for `bpf_get_current_ancestor_cgroup_id()`.
    pub cgroup_levels: [u32; CGROUPS_MAX],
    /// 0 where the option was not given.
    pub cgroup_count: u32,
    /// Any option but those of owners and the sample: one look tells that there is nothing to compare.
    pub sockets: u32,
    /// `--port`: list [`PORTS_EITHER`].
    pub has_ports: u32,
    /// `--local-port`, and ports of this end that are not excluded: list [`PORTS_LOCAL`].
    pub has_local_ports: u32,
    /// `--remote-port`, likewise: list [`PORTS_REMOTE`].
    pub has_remote_ports: u32,
    /// `--addr` and `--not-addr`: [`PREFIXES_WANTED`], [`PREFIXES_EXCLUDED`], or both.
    pub has_prefixes: u32,
    /// `--netns` or `--not-netns`: what the list holds, [`NETNS_WANTED`] or [`NETNS_EXCLUDED`].
    pub has_netns: u32,
    /// `--pid`.
    pub has_pids: u32,
    /// `--comm`.
    pub has_comms: u32,
    /// Any of pids, comms and cgroups.
    pub owners: u32,
    /// `--family`: `AF_INET` (2), `AF_INET6` (10), or 0 for both. v4-mapped IPv6 is IPv4.
    pub family: u32,
    /// `--sample`: one socket in so many; 0 and 1 mean all. See [`sampled`].
    pub sample_one_in: u32,
    /// The least and the greatest port of `--port`, see [`span`].
    pub ports_span: u32,
    /// The same of `--local-port`.
    pub local_ports_span: u32,
    /// The same of `--remote-port`.
    pub remote_ports_span: u32,
    /// Nobody wants to know who connected, nor when.
    pub no_connects: u32,
}

/// Size of [`Filter`].
pub const FILTER_LEN: usize = 256;

const _: () = assert!(size_of::<Filter>() == FILTER_LEN);

impl Filter {
    /// Everything is wanted.
    pub const NONE: Self = Self {
        cgroup_ids: [0; CGROUPS_MAX],
        cgroup_levels: [0; CGROUPS_MAX],
        cgroup_count: 0,
        sockets: 0,
        has_ports: 0,
        has_local_ports: 0,
        has_remote_ports: 0,
        has_prefixes: 0,
        has_netns: 0,
        has_pids: 0,
        has_comms: 0,
        owners: 0,
        family: 0,
        sample_one_in: 0,
        ports_span: 0,
        local_ports_span: 0,
        remote_ports_span: 0,
        no_connects: 0,
    };

    /// Whether a `connect()` may have to wait until its local port is known.
    #[must_use]
    pub const fn connects_wait(&self) -> bool {
        self.no_connects == 0 && self.has_ports | self.has_local_ports != 0
    }
}

/// Two ports, the first not above the second, in one word: as the kernel keeps `ip_local_port_range`.
#[inline(always)]
#[must_use]
pub const fn span(first: u16, last: u16) -> u32 {
    (last as u32) << 16 | first as u32
}

/// Whether two spans have a port in common.
#[inline(always)]
#[must_use]
pub const fn spans_meet(one: u32, other: u32) -> bool {
    one & 0xffff <= other >> 16 && other & 0xffff <= one >> 16
}

/// An address lies in a prefix of `--addr`. With [`PREFIXES_EXCLUDED`] the value of a prefix.
pub const PREFIXES_WANTED: u32 = 1;
/// An address lies in a prefix of `--not-addr`.
pub const PREFIXES_EXCLUDED: u32 = 2;
/// Namespaces of the list pass.
pub const NETNS_WANTED: u32 = 1;
/// Namespaces of the list do not pass.
pub const NETNS_EXCLUDED: u32 = 2;

/// Ports of either end.
pub const PORTS_EITHER: u32 = 0;
/// Ports of the local end.
pub const PORTS_LOCAL: u32 = 1;
/// Ports of the remote end.
pub const PORTS_REMOTE: u32 = 2;
/// Lists of ports, one after the other in one array: a bit for each port.
pub const PORT_LISTS: u32 = 3;
/// Words of one list.
pub const PORT_WORDS: u32 = 65_536 / 64;

/// Which word of the array holds a port, and which of its bits it is.
#[inline(always)]
#[must_use]
pub const fn port_place(list: u32, port: u16) -> (u32, u64) {
    (list * PORT_WORDS + (port >> 6) as u32, 1 << (port & 63))
}

/// The key of a prefix behind its length, in 32-bit words: family (4 or 6 in the first byte, so that `::/0` holds no
/// IPv4), then the address in network order.
pub type PrefixData = [u32; 5];
/// Bits before the address.
pub const PREFIX_FAMILY_BITS: u32 = 32;
/// Bits of a whole key: what is looked up is as long as possible.
pub const PREFIX_BITS: u32 = 160;

/// An address as the kernel holds it, words in network order; `v6` says which of them count. A v4-mapped one is that of
/// IPv4.
#[inline(always)]
#[must_use]
pub const fn prefix_data(addr: [u32; 4], v6: bool) -> PrefixData {
    let [a, b, c, d] = addr;
    if !v6 {
        [FAMILY_4, a, 0, 0, 0]
    } else if is_v4_mapped(addr) {
        [FAMILY_4, d, 0, 0, 0]
    } else {
        [FAMILY_6, a, b, c, d]
    }
}

const FAMILY_4: u32 = u32::from_ne_bytes([4, 0, 0, 0]);
const FAMILY_6: u32 = u32::from_ne_bytes([6, 0, 0, 0]);

/// `ipv6_addr_v4mapped()`.
#[inline(always)]
#[must_use]
pub const fn is_v4_mapped(addr: [u32; 4]) -> bool {
    let [a, b, c, _] = addr;
    a | b == 0 && c == u32::from_ne_bytes([0, 0, 0xff, 0xff])
}

/// A task's name as two words, for comparison.
pub type CommWords = [u64; 2];

/// The name without what may stand behind its first NUL: not every kernel clears what a longer name has left there.
#[inline(always)]
#[must_use]
pub const fn comm_key([first, second]: CommWords) -> CommWords {
    match through_nul(first) {
        u64::MAX => [first, second & through_nul(second)],
        mask => [first & mask, 0],
    }
}

/// A mask of the bytes before the first NUL of a little-endian word.
#[inline(always)]
const fn through_nul(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The lowest bit that is set marks the first zero byte; others may be wrong.
    let marks = word.wrapping_sub(ONES) & !word & (ONES << 7);
    if marks == 0 { u64::MAX } else { ((marks & marks.wrapping_neg()) >> 7).wrapping_sub(1) }
}

/// Whether a socket is one of those that `--sample 1/N` takes: a pure function of its key, so that both sides agree and
/// a life is followed as a whole or not at all. Whoever is in 1/100 is in 1/10 too.
#[inline(always)]
#[must_use]
pub const fn sampled(key: u64, one_in: u32) -> bool {
    one_in <= 1 || (mixed(key) >> 32) * (one_in as u64) < 1 << 32
}

/// Cookies are given out in sequence: the two ends of one connection are often neighbours. (MurmurHash3's finalizer.)
#[inline(always)]
const fn mixed(key: u64) -> u64 {
    let key = (key ^ key >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let key = (key ^ key >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    key ^ key >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_bit_of_its_own() {
        assert_eq!(port_place(PORTS_EITHER, 0), (0, 1));
        assert_eq!(port_place(PORTS_EITHER, 65_535), (1023, 1 << 63));
        assert_eq!(port_place(PORTS_LOCAL, 64), (1025, 1));
        assert_eq!(port_place(PORTS_REMOTE, 443), (2048 + 6, 1 << 59));
    }

    #[test]
    fn spans_with_a_port_in_common_meet() {
        let ephemeral = span(32_768, 60_999);
        for (first, last) in [(1, 32_768), (60_999, 65_535), (40_000, 40_000), (0, 65_535)] {
            assert!(spans_meet(span(first, last), ephemeral) && spans_meet(ephemeral, span(first, last)));
        }
        for (first, last) in [(1, 32_767), (61_000, 65_535), (443, 443)] {
            assert!(!spans_meet(span(first, last), ephemeral) && !spans_meet(ephemeral, span(first, last)));
        }
    }

    fn words(bytes: [u8; 16]) -> [u32; 4] {
        [0, 4, 8, 12].map(|at| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()))
    }

    #[test]
    fn mapped_addresses_are_those_of_ipv4() {
        let mut mapped = [0; 16];
        mapped[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 7]);
        let plain = words([192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(prefix_data(words(mapped), true), prefix_data(plain, false));
        assert_eq!(prefix_data(plain, false)[0].to_ne_bytes(), [4, 0, 0, 0]);
        let mut loopback = [0; 16];
        loopback[15] = 1;
        assert_eq!(prefix_data(words(loopback), true)[0].to_ne_bytes(), [6, 0, 0, 0]);
        assert!(!is_v4_mapped(words([0; 16])));
    }

    #[test]
    fn a_name_ends_at_its_first_nul() {
        let key = |text: &[u8; 16]| {
            let half = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().unwrap());
            let [first, second] = comm_key([half(0), half(8)]);
            [first.to_le_bytes(), second.to_le_bytes()].concat()
        };
        assert_eq!(key(b"nginx\0\0\0\0\0\0\0\0\0\0\0"), b"nginx\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(key(b"sh\0-worker-1\0\0\0\0"), b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(key(b"\0\x01\x01worker-1\0\0\0\0\0"), [0; 16]);
        assert_eq!(key(b"exactly8\0left\0\0\0"), b"exactly8\0\0\0\0\0\0\0\0");
        assert_eq!(key(b"tcptrace-look12\0"), b"tcptrace-look12\0");
        assert_eq!(key(b"a\xff\x80\x01b\x01\x02\x03cd\0\x01efg\0"), b"a\xff\x80\x01b\x01\x02\x03cd\0\0\0\0\0\0");
    }

    #[test]
    fn a_sample_has_its_share_and_holds_the_smaller_ones() {
        for one_in in [2, 3, 10, 100] {
            let taken = (0..1_000_000_u64).filter(|key| sampled(*key, one_in)).count() as u64;
            let share = 1_000_000 / u64::from(one_in);
            // Six times the standard deviation.
            assert!(taken.abs_diff(share).pow(2) < 36 * share, "1/{one_in} took {taken}");
        }
        assert!((0..100_000).all(|key| !sampled(key, 100) || sampled(key, 10)));
        assert!((0..1000).all(|key| sampled(key, 0) && sampled(key, 1)));
        assert!((0..1_000).any(|key| sampled(key << 8 | 7, SAMPLE_MAX / 1000)));
    }
}
