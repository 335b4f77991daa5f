//! Runs the binary and reads its JSON.
#![allow(dead_code, reason = "no test needs all of it")]

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

/// Runs `mudlark` with the words of a line.
pub(crate) fn mudlark(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mudlark"));
    command.args(line.split_whitespace()).stdin(Stdio::null());
    command.output().expect("the binary was built for this test")
}

/// Runs a line that must be refused with a better command line, and returns the message.
pub(crate) fn refused(line: &str) -> String {
    let output = mudlark(line);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
    assert!(output.stdout.is_empty() && stderr.starts_with("error: "), "{line}: {stderr}");
    assert!(!stderr.contains("panicked"), "{line}: {stderr}");
    stderr
}

/// A value of the JSON that the lab writes: no escapes.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a whole text, or panics at the place where it is no JSON.
    pub(crate) fn parse(text: &str) -> Self {
        let mut rest = text;
        let value = value(&mut rest);
        assert_eq!(rest, "", "after the value in {text}");
        value
    }

    pub(crate) fn get(&self, key: &str) -> &Self {
        self.find(key).unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        match self.get(key) {
            Self::Number(number) => *number,
            other => panic!("{key} is {other:?}"),
        }
    }
}

fn value(rest: &mut &str) -> Json {
    match rest.chars().next() {
        Some('{') => Json::Object(fields(rest)),
        Some('[') => Json::Array(items(rest)),
        Some('"') => Json::Text(text(rest)),
        _ => {
            let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            *rest = after;
            match word {
                "null" => Json::Null,
                "true" => Json::Flag(true),
                "false" => Json::Flag(false),
                _ => Json::Number(word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"))),
            }
        }
    }
}

fn items(rest: &mut &str) -> Vec<Json> {
    let mut items = Vec::new();
    expect(rest, "[");
    while !rest.starts_with(']') {
        if !items.is_empty() {
            expect(rest, ",");
        }
        items.push(value(rest));
    }
    expect(rest, "]");
    items
}

fn fields(rest: &mut &str) -> BTreeMap<String, Json> {
    let mut fields = BTreeMap::new();
    expect(rest, "{");
    while !rest.starts_with('}') {
        if !fields.is_empty() {
            expect(rest, ",");
        }
        let key = text(rest);
        expect(rest, ":");
        let old = fields.insert(key.clone(), value(rest));
        assert_eq!(old, None, "{key} twice");
    }
    expect(rest, "}");
    fields
}

fn text(rest: &mut &str) -> String {
    expect(rest, "\"");
    let (text, after) = rest.split_once('"').expect("a text ends");
    assert!(!text.contains('\\'), "{text}");
    *rest = after;
    text.to_owned()
}

fn expect(rest: &mut &str, token: &str) {
    *rest = rest.strip_prefix(token).unwrap_or_else(|| panic!("no {token} before {rest}"));
}
