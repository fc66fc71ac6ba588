//! Which fields the programs read, as data, and their places on the running kernel.

use tcptrace_ebpf::{layout::Layout, names};

use super::btf::{Btf, BtfError, Field};

/// A field that the programs read: where to put its offset, where to find it, and its size in bytes.
struct Wanted {
    slot: fn(&mut Layout) -> &mut u32,
    structure: &'static str,
    path: &'static str,
    size: u32,
}

macro_rules! wanted {
    ($($slot:ident = $structure:literal $path:literal $size:literal,)*) => {
        [$(Wanted {
            slot: |layout| &mut layout.$slot,
            structure: $structure,
            path: $path,
            size: $size,
        }),*]
    };
}

const FIELDS: [Wanted; 27] = wanted! {
    sk_family = "sock" "__sk_common.skc_family" 2,
    sk_state = "sock" "__sk_common.skc_state" 1,
    sk_dport = "sock" "__sk_common.skc_dport" 2,
    sk_saddr4 = "sock" "__sk_common.skc_rcv_saddr" 4,
    sk_daddr4 = "sock" "__sk_common.skc_daddr" 4,
    sk_net = "sock" "__sk_common.skc_net.net" 8,
    net_inum = "net" "ns.inum" 4,
    sk_flags = "sock" "__sk_common.skc_flags" 8,
    sk_cookie = "sock" "__sk_common.skc_cookie" 8,
    sk_num = "sock" "__sk_common.skc_num" 2,
    sk_bound_if = "sock" "__sk_common.skc_bound_dev_if" 4,
    sk_err = "sock" "sk_err" 4,
    sk_socket = "sock" "sk_socket" 8,
    sk_shutdown = "sock" "sk_shutdown" 1,
    sk_protocol = "sock" "sk_protocol" 2,
    tp_sport = "tcp_sock" "inet_conn.icsk_inet.inet_sport" 2,
    tp_pending = "tcp_sock" "inet_conn.icsk_pending" 1,
    tp_srtt = "tcp_sock" "srtt_us" 4,
    tp_segs_in = "tcp_sock" "segs_in" 4,
    tp_bytes_sent = "tcp_sock" "bytes_sent" 8,
    tp_bytes_retrans = "tcp_sock" "bytes_retrans" 8,
    tp_bytes_received = "tcp_sock" "bytes_received" 8,
    skb_tcp_flags = "tcp_skb_cb" "tcp_flags" 0,
    task_tgid = "task_struct" "tgid" 4,
    task_comm = "task_struct" "comm" 16,
    task_flags = "task_struct" "flags" 4,
    task_leader = "task_struct" "group_leader" 8,
};

/// Absent from kernels built without IPv6.
const FIELDS_IPV6: [Wanted; 2] = wanted! {
    sk_saddr6 = "sock" "__sk_common.skc_v6_rcv_saddr" 16,
    sk_daddr6 = "sock" "__sk_common.skc_v6_daddr" 16,
};

/// Absent from kernels built without cgroups.
const FIELDS_CGROUP: [Wanted; 4] = wanted! {
    task_cgroups = "task_struct" "cgroups" 8,
    css_set_cgroup = "css_set" "dfl_cgrp" 8,
    cgroup_node = "cgroup" "kn" 8,
    node_id = "kernfs_node" "id" 8,
};

/// Without them an end does not tell the attempts that nothing has answered.
const FIELDS_RETRIES: [Wanted; 2] = wanted! {
    tp_retransmits = "tcp_sock" "inet_conn.icsk_retransmits" 1,
    tp_probes_out = "tcp_sock" "inet_conn.icsk_probes_out" 1,
};

/// Without it there is no event for the end of an orphan's FIN_WAIT2.
const FIELDS_TIMEWAIT: [Wanted; 1] = wanted! {
    tw_substate = "inet_timewait_sock" "tw_substate" 1,
};

/// Without it, every `connect()` whose local port is not chosen yet may get any.
fn resolve_ports(btf: &Btf, layout: &mut Layout) {
    if let Ok(range) = btf.field("net", "ipv4.ip_local_ports.range")
        && matches!(range.size, 4 | 8)
    {
        (layout.net_ports, layout.net_ports_len) = (range.offset, range.size);
    }
}

/// Finds every field on this kernel.
///
/// # Errors
/// Names the first field that is absent or has a size that the programs do not know.
pub fn resolve(btf: &Btf) -> Result<Layout, BtfError> {
    let mut layout = Layout::default();
    for wanted in &FIELDS {
        *(wanted.slot)(&mut layout) = find(btf, wanted)?.offset;
    }
    layout.has_ipv6 = u32::from(resolve_all(btf, &FIELDS_IPV6, &mut layout).is_ok());
    if resolve_all(btf, &FIELDS_CGROUP, &mut layout).is_err() {
        layout.task_cgroups = 0;
    }
    // Absent from kernels built without MPTCP.
    (layout.tp_mptcp, layout.mptcp_mask) = btf.flag("tcp_sock", "is_mptcp").unwrap_or_default();
    if resolve_all(btf, &FIELDS_TIMEWAIT, &mut layout).is_err() {
        layout.tw_substate = 0;
    }
    if resolve_all(btf, &FIELDS_RETRIES, &mut layout).is_err() {
        (layout.tp_retransmits, layout.tp_probes_out) = (0, 0);
    }
    resolve_ports(btf, &mut layout);
    let flags = btf.field("tcp_skb_cb", "tcp_flags")?;
    if !matches!(flags.size, 1 | 2) {
        return Err(unknown_size("tcp_skb_cb", "tcp_flags", flags.size));
    }
    layout.skb_tcp_flags_len = flags.size;
    layout.skb_tcp_flags = btf.field("sk_buff", "cb")?.offset + flags.offset;
    let sock_flags = btf.enumerators("sock_flags")?;
    layout.bit_dead = value_of(&sock_flags, "SOCK_DEAD")?;
    layout.bit_done = value_of(&sock_flags, "SOCK_DONE")?;
    layout.has_retransmit_err = third_argument(btf, names::PROGRAM_RETRANSMIT)?;
    layout.has_reset_reason = third_argument(btf, names::PROGRAM_SEND_RESET)?;
    Ok(layout)
}

/// Names of `enum sk_rst_reason` (6.10 and later), without their common prefix.
#[must_use]
pub fn reset_reasons(btf: &Btf) -> Vec<(u32, String)> {
    let named = |(value, name): (u32, String)| {
        let name = name.strip_prefix("SK_RST_REASON_")?;
        Some((value, name.to_owned()))
    };
    let reasons = btf.enumerators("sk_rst_reason").unwrap_or_default();
    reasons.into_iter().filter_map(named).collect()
}

fn resolve_all(btf: &Btf, fields: &[Wanted], layout: &mut Layout) -> Result<(), BtfError> {
    for wanted in fields {
        *(wanted.slot)(layout) = find(btf, wanted)?.offset;
    }
    Ok(())
}

/// Size 0 stands for a field whose width differs between kernels.
fn find(btf: &Btf, wanted: &Wanted) -> Result<Field, BtfError> {
    let field = btf.field(wanted.structure, wanted.path)?;
    if wanted.size != 0 && field.size != wanted.size {
        return Err(unknown_size(wanted.structure, wanted.path, field.size));
    }
    Ok(field)
}

fn unknown_size(structure: &str, path: &str, size: u32) -> BtfError {
    BtfError::Missing(format!("{structure}.{path} of a known size (it has {size} bytes)"))
}

fn value_of(values: &[(u32, String)], name: &str) -> Result<u32, BtfError> {
    let found = values.iter().find(|(_, known)| known == name);
    found.map(|(value, _)| *value).ok_or_else(|| BtfError::Missing(name.to_owned()))
}

/// 1 if the tracepoint has the argument that newer kernels added.
fn third_argument(btf: &Btf, tracepoint: &str) -> Result<u32, BtfError> {
    Ok(u32::from(btf.tracepoint_args(tracepoint)? >= 3))
}
