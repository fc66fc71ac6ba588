//! Rows with every kind of value, as text and as Parquet.

use std::{
    io::{self, ErrorKind, Write},
    net::Ipv4Addr,
};

use bytes::Bytes;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
};

use super::{Column, Format, Origin, Row, Table, closes, findings, parquet::GROUP_ROWS};
use crate::model::{
    CgroupName, Close, Comm, Endpoint, Finding, HostInfo, Identity, Outcome, Owner, OwnerSource, Phase, Phases, Reason,
    Retransmits, Role, SocketKey, Tick,
};
use crate::report::Context;

fn end(last: u8, port: u16) -> Endpoint {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&Ipv4Addr::new(10, 0, 0, last).octets());
    Endpoint::from_bytes(bytes, false, port)
}

/// Monotonic 0 is 2026-01-02T03:04:00Z.
fn context() -> Context {
    let mut context = Context::default();
    context.host(&HostInfo { hostname: "web,1".to_owned(), ..HostInfo::default() });
    context.tick(Tick { mono_ns: 0, real_ns: 1_767_323_040_000_000_000 });
    context.cgroup(CgroupName { id: 7, path: "/system.slice/a,b.service".to_owned() });
    context
}

/// Unlikely in each of its parts.
fn close() -> Close {
    let mut phases = Phases::default();
    phases.set(Phase::FinWait1, Some(5));
    phases.set(Phase::FinWait2, Some(u64::MAX));
    Close {
        end_ns: 1,
        socket: Identity { key: SocketKey(u64::MAX), netns: u32::MAX, local: end(1, u16::MAX), remote: end(2, 0) },
        role: Role::Active,
        outcome: Outcome::Unknown,
        reason: Some(Reason::EventsLost),
        owner: Some(Owner { pid: 1, comm: Comm::from_name("a\"b\r\nc"), cgroup_id: 7, source: OwnerSource::Close }),
        phases,
        close_ns: None,
        orphan: true,
        mptcp: false,
        three_way: None,
        complete: false,
        retransmits: Retransmits { tlp: 1, rto: u16::MAX, fast: 0, failed: 0 },
        totals: None,
        lifetime_ns: Some(0),
        bound_if: 0,
    }
}

fn written(format: Format, closes_of: &[Close]) -> Vec<u8> {
    let context = context();
    let mut table = Table::new(closes(), format, Vec::new()).unwrap();
    for close in closes_of {
        table.row(&Row::close(close, &context)).unwrap();
    }
    table.finish(&[Origin { host: "web,1".to_owned(), kernel_release: "6.18".to_owned() }]).unwrap()
}

#[test]
fn csv_quotes_what_it_has_to() {
    let text = String::from_utf8(written(Format::Csv, &[close()])).unwrap();
    let (header, row) = text.split_once("\r\n").unwrap();
    assert!(
        header.starts_with("time,host,weight,cookie,netns,family,local_addr,local_port,remote_addr,remote_port,role,")
    );
    let expected = "2026-01-02T03:04:00.000000001Z,\"web,1\",1,18446744073709551615,4294967295,ipv4,10.0.0.1,65535,\
                    10.0.0.2,0,active,unknown,events_lost,1,\"a\"\"b\u{fffd}\u{fffd}c\",\
                    \"/system.slice/a,b.service\",\"a,b.service\",,,close,\
                    5,9223372036854775807,,,,,,,,9223372036854775807,0,true,,false,1,65535,0,0,,,,false,,\r\n";
    assert_eq!(row, expected);
}

#[test]
fn json_lines_are_flat() {
    let text = String::from_utf8(written(Format::Jsonl, &[close()])).unwrap();
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(object.keys().len(), closes().len());
    assert!(object.values().all(|value| !value.is_object() && !value.is_array()), "{text}");
    assert_eq!(object["cookie"], u64::MAX);
    assert_eq!(object["comm"], "a\"b\u{fffd}\u{fffd}c");
    assert_eq!(object["fin_wait2_ns"], i64::MAX);
    assert!(object["network_ns"].is_null(), "of an incomplete close");
}

#[test]
fn parquet_gives_back_what_it_took() {
    let reader = SerializedFileReader::new(Bytes::from(written(Format::Parquet, &[close()]))).unwrap();
    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().unwrap();
    let value = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    assert_eq!(value("tcptrace.host").as_deref(), Some("web,1"));
    assert_eq!(value("tcptrace.schema").as_deref(), Some("1"));
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let field = |name: &str| row.get_column_iter().find(|(column, _)| *column == name).unwrap().1.clone();
    assert_eq!(field("cookie"), Field::ULong(u64::MAX));
    assert_eq!(field("netns"), Field::UInt(u32::MAX));
    assert_eq!(field("local_port"), Field::UShort(u16::MAX));
    assert_eq!(field("fin_wait2_ns"), Field::Long(i64::MAX));
    assert_eq!(field("close_ns"), Field::Null);
    assert_eq!(field("three_way"), Field::Null);
    assert_eq!(field("orphan"), Field::Bool(true));
    assert_eq!(field("unit"), Field::Str("a,b.service".to_owned()));
}

#[test]
fn memory_is_bounded_by_row_groups() {
    let rows = vec![close(); GROUP_ROWS + 1];
    let reader = SerializedFileReader::new(Bytes::from(written(Format::Parquet, &rows))).unwrap();
    let groups: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [i64::try_from(GROUP_ROWS).unwrap(), 1]);
}

#[test]
fn an_empty_table_has_its_columns() {
    let reader = SerializedFileReader::new(Bytes::from(written(Format::Parquet, &[]))).unwrap();
    assert_eq!(reader.metadata().file_metadata().schema_descr().num_columns(), closes().len());
    assert_eq!(reader.metadata().num_row_groups(), 0);
    assert_eq!(String::from_utf8(written(Format::Csv, &[])).unwrap().matches("\r\n").count(), 1);
    assert!(written(Format::Jsonl, &[]).is_empty());
}

#[test]
fn a_row_of_a_sample_stands_for_many() {
    let (mut context, close) = (context(), close());
    context.host(&HostInfo { sample_one_in: 8, ..HostInfo::default() });
    let mut table = Table::new(closes(), Format::Jsonl, Vec::new()).unwrap();
    table.row(&Row::close(&close, &context)).unwrap();
    let text = String::from_utf8(table.finish(&[]).unwrap()).unwrap();
    assert!(text.contains(r#""host":null,"weight":8,"#), "{text}");
}

#[test]
fn names_are_told_apart() {
    fn unique<T>(columns: &[Column<T>]) -> bool {
        let names: std::collections::BTreeSet<_> = columns.iter().map(Column::name).collect();
        names.len() == columns.len()
    }
    assert!(unique::<Close>(&closes()) && unique::<Finding>(&findings()));
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The command line ends quietly for this kind of error alone.
#[test]
fn a_closed_pipe_stays_one() {
    for format in [Format::Parquet, Format::Csv, Format::Jsonl] {
        let context = context();
        let close = close();
        let ended = Table::new(closes(), format, Closed).and_then(|mut table| {
            table.row(&Row::close(&close, &context))?;
            table.finish(&[])
        });
        assert_eq!(ended.err().map(|error| error.kind()), Some(ErrorKind::BrokenPipe), "{format:?}");
    }
}
