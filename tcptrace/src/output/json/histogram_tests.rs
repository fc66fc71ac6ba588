//! Histograms.

use crate::model::Close;
use crate::output::{Format, Renderer, Style, fixtures};
use crate::report::histogram::{Config, Histograms, Of, View};

const TIMES: &str = r#""from":"2026-01-02T03:04:00.000000000Z","to":"2026-01-02T03:04:10.000000000Z""#;

fn json(view: &View) -> Vec<String> {
    let mut out = Vec::new();
    Renderer::new(Format::Json, Style::default()).histograms(&mut out, view);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_field_is_there() {
    let bys = ["process", "remote-port"].map(|by| by.parse().unwrap()).to_vec();
    let ofs = vec![Of::RemoteApp];
    let mut found = Histograms::new(Config { ofs, bys, top: 2, bytes_max: 64 << 20, ..Config::default() });
    found.begin(fixtures::context().real_ns(0));
    let slow = fixtures::close();
    let fast = Close { phases: fixtures::phases(&[(crate::model::Phase::FinWait2, 300)]), ..slow };
    let nobody = Close { owner: None, ..fast };
    let other = Close { owner: Some(fixtures::owner("curl", 9)), ..fast };
    for close in [slow, fast, fast, nobody, nobody, other] {
        found.record(&close, 0, 5, &fixtures::context());
    }
    let view = found.interval(fixtures::context().real_ns(10_000_000_000), &[]);
    let lines = json(&view);
    let [python, unknown, others, end] = lines.as_slice() else { panic!("{lines:?}") };
    let head = r#"{"type":"histogram","schema":1,"of":"remote_app","key":"#;
    let fast = |count: u64| {
        let bucket = format!(r#""buckets":[[301,{count}]]"#);
        let quantiles = r#""p50_ns":300,"p90_ns":300,"p99_ns":300,"p999_ns":300,"max_ns":300"#;
        format!(r#""count":{count},{quantiles},{bucket},"without":0,"span":"interval",{TIMES}"#)
    };
    let expected = format!(
        r#"{head}{{"process":"python3","remote_port":49530}},"count":15,{}{}{TIMES},{}"#,
        r#""p50_ns":301,"p90_ns":2000112000,"p99_ns":2000112000,"p999_ns":2000112000,"max_ns":2000112000,"#,
        r#""buckets":[[301,10],[2004877311,5]],"without":0,"span":"interval","#,
        r#""remainder":false,"sample_one_in":5,"count_error":24,"closes":15,"closes_per_second":1.5}"#,
    );
    assert_eq!(*python, expected);
    let key = r#"{"process":null,"remote_port":49530}"#;
    let tail = r#""remainder":false,"sample_one_in":5,"count_error":22,"closes":10,"closes_per_second":1.0}"#;
    assert_eq!(*unknown, format!("{head}{key},{},{tail}", fast(10)));
    let tail = r#""remainder":true,"keys":1,"keys_is_lower_bound":false,"sample_one_in":5,"count_error":19"#;
    assert_eq!(*others, format!("{head}{{}},{},{tail},\"closes\":5,\"closes_per_second\":0.5}}", fast(5)));
    let memory = view.memory;
    let expected = format!(
        r#"{{"type":"histograms","schema":1,"span":"interval",{TIMES},"keys":3,"keys_folded":0,{}{},{}{},{}"#,
        r#""keys_folded_is_lower_bound":false,"closes_folded":0,"bytes":"#,
        memory.bytes,
        r#""bytes_max":67108864,"key_bytes_max":"#,
        memory.key_bytes_max,
        r#""sample_one_in":5,"quantile_error_percent":1,"lost":0}"#,
    );
    assert_eq!(*end, expected);
}

#[test]
fn buckets_add_up() {
    let mut found = fixtures::histograms(&Of::ALL, &["process", "remote-addr"], 3);
    let lines = json(&found.total(60_000_000_000, &[]));
    assert_eq!(lines.len(), Of::ALL.len() * 4 + 1);
    let mut closes = 0;
    for line in &lines[..lines.len() - 1] {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let buckets = line["buckets"].as_array().unwrap();
        let sum: u64 = buckets.iter().map(|bucket| bucket[1].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), line["count"].as_u64());
        assert!(buckets.is_sorted_by_key(|bucket| bucket[0].as_u64()));
        assert_eq!(line["span"], "total");
        closes += if line["of"] == "close" { sum } else { 0 };
    }
    assert_eq!(closes, 9_000);
}
