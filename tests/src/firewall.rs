//! A firewall that drops what leaves this namespace, without help of other programs: a chain of nf_tables without rules
//! whose policy is to drop (`nft add chain ip t c '{ type filter hook output priority 0; policy drop; }'`).

use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};

const AF_NETLINK: i32 = 16;
const NETLINK_NETFILTER: i32 = 12;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NFTABLES: u16 = 10;
const NEW_TABLE: u16 = NFTABLES << 8;
const DELETE_TABLE: u16 = NFTABLES << 8 | 2;
const NEW_CHAIN: u16 = NFTABLES << 8 | 3;
const NFPROTO_IPV4: u8 = 2;
const NF_INET_LOCAL_OUT: u32 = 3;
const NF_DROP: u32 = 0;
const NESTED: u16 = 0x8000;
/// The same number for the table's own name and for that of a chain's table.
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const NAME: &[u8] = b"test\0";

/// Drops every IPv4 packet that the calling thread's namespace sends: to the sender, EPERM (`nf_hook_slow()`).
///
/// # Errors
/// When the kernel has no nf_tables: CONFIG_NF_TABLES_IPV4 is needed, and root.
pub fn drop_output() -> Result<()> {
    let hook =
        [attribute(HOOK_NUMBER, &NF_INET_LOCAL_OUT.to_be_bytes()), attribute(HOOK_PRIORITY, &0_u32.to_be_bytes())]
            .concat();
    let chain = [
        attribute(TABLE, NAME),
        attribute(CHAIN_NAME, NAME),
        attribute(CHAIN_HOOK | NESTED, &hook),
        attribute(CHAIN_POLICY, &NF_DROP.to_be_bytes()),
        attribute(CHAIN_TYPE, b"filter\0"),
    ]
    .concat();
    let messages = [
        message(NEW_TABLE, NLM_F_CREATE, NFPROTO_IPV4, 0, &attribute(TABLE, NAME)),
        message(NEW_CHAIN, NLM_F_CREATE | NLM_F_ACK, NFPROTO_IPV4, 0, &chain),
    ];
    batch(&messages.concat()).context("cannot make a chain of nf_tables")
}

/// Lets everything out again.
///
/// # Errors
/// When nothing was kept in.
pub fn remove() -> Result<()> {
    let table = attribute(TABLE, NAME);
    batch(&message(DELETE_TABLE, NLM_F_ACK, NFPROTO_IPV4, 0, &table)).context("cannot delete a table of nf_tables")
}

/// All or nothing; one of the messages asks for an answer.
fn batch(messages: &[u8]) -> Result<()> {
    let begin = message(BATCH_BEGIN, 0, 0, NFTABLES, &[]);
    let end = message(BATCH_END, 0, 0, NFTABLES, &[]);
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(NETLINK_NETFILTER.into()))?;
    socket.write_all(&[&begin, messages, &end].concat())?;
    let mut answer = [0; 4096];
    let length = socket.read(&mut answer)?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    ensure!(kind == Some(NLMSG_ERROR), "netlink answered {answer:?}");
    match error.context("an answer that is too short")? {
        0 => Ok(()),
        errno => Err(std::io::Error::from_raw_os_error(-errno).into()),
    }
}

/// `struct nlmsghdr`, `struct nfgenmsg`, attributes.
fn message(kind: u16, flags: u16, family: u8, resource: u16, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(attributes);
    bytes
}

/// `struct nlattr`, padded.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
