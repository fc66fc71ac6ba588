//! `"type":"advice"`: one row of `doctor`.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::SCHEMA;
use crate::model::{Advice, Evidence, Fact, Setting};
use crate::output::AdvicePage;

/// An object.
#[derive(serde::Serialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    row: &'static str,
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns_name: Option<&'a str>,
    verdict: &'static str,
    finding: &'a str,
    evidence: Object<'a>,
    advice: &'a str,
    caveat: &'a str,
    commands: &'a [String],
    settings: Vec<SettingObject<'a>>,
    source: &'static str,
}

#[derive(serde::Serialize)]
struct SettingObject<'a> {
    key: &'static str,
    value: &'a str,
    why: &'a str,
}

impl<'a> Line<'a> {
    /// One row. The host is told where there are several.
    pub(super) fn of(advice: &'a Advice, page: AdvicePage<'a>) -> Self {
        let name = |netns| page.context.and_then(|context| context.netns_name_of(netns));
        let setting = |Setting { key, value, why }: &'a Setting| SettingObject { key, value, why };
        Self {
            kind: "advice",
            schema: SCHEMA,
            host: page.host,
            row: advice.row.as_str(),
            netns: advice.netns,
            netns_name: advice.netns.and_then(name),
            verdict: advice.verdict.as_str(),
            finding: &advice.finding,
            evidence: Object(&advice.evidence),
            advice: &advice.advice,
            caveat: &advice.caveat,
            commands: &advice.commands,
            settings: advice.settings.iter().map(setting).collect(),
            source: advice.source,
        }
    }
}

struct Object<'a>(&'a Evidence);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, fact) in self.0 {
            object.serialize_entry(name, &Value(fact))?;
        }
        object.end()
    }
}

struct Value<'a>(&'a Fact);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Fact::Unknown => serializer.serialize_none(),
            Fact::Count(count) => serializer.serialize_u64(*count),
            Fact::Signed(number) => serializer.serialize_i64(*number),
            // 2^53 tenths and more are no figures that anybody measures.
            Fact::Tenths(tenths) => serializer.serialize_f64(*tenths as f64 / 10.0),
            Fact::Text(text) => serializer.serialize_str(text),
            Fact::Flag(flag) => serializer.serialize_bool(*flag),
            Fact::List(list) => {
                let mut array = serializer.serialize_seq(Some(list.len()))?;
                for one in list {
                    array.serialize_element(&Object(one))?;
                }
                array.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Row, Verdict};

    #[test]
    fn the_words_that_are_promised() {
        let advice = Advice {
            row: Row::EphemeralPorts,
            netns: Some(4_026_531_840),
            verdict: Verdict::Act,
            finding: "f".to_owned(),
            evidence: vec![
                ("ports", 20_u64.into()),
                ("a_second", Fact::Tenths(4705)),
                ("below", Fact::from(-1_i64)),
                ("unread", Fact::Unknown),
                ("places", Fact::List(vec![vec![("to", "x".into()), ("full", true.into())]])),
            ],
            advice: "a".to_owned(),
            caveat: "c".to_owned(),
            commands: vec!["sysctl".to_owned()],
            source: "s",
            settings: vec![Setting { key: "k", value: "v".to_owned(), why: "w".to_owned() }],
        };
        let text = serde_json::to_string(&Line::of(&advice, AdvicePage::default())).unwrap();
        let wanted = concat!(
            r#"{"type":"advice","schema":1,"row":"ephemeral_ports","netns":4026531840,"verdict":"act","finding":"f","#,
            r#""evidence":{"ports":20,"a_second":470.5,"below":-1,"unread":null,"places":[{"to":"x","full":true}]},"#,
            r#""advice":"a","caveat":"c","commands":["sysctl"],"#,
            r#""settings":[{"key":"k","value":"v","why":"w"}],"source":"s"}"#
        );
        assert_eq!(text, wanted);
        let text = serde_json::to_string(&Line::of(&advice, AdvicePage { host: Some("db"), ..AdvicePage::default() }))
            .unwrap();
        assert!(text.starts_with(r#"{"type":"advice","schema":1,"host":"db","row":"#), "{text}");
    }
}
