//! Writes one line of JSON. Keys and texts are ours, but they are escaped all the same.

use std::fmt::Write as _;

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct Object {
    text: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self { text: "{".to_owned() }
    }

    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        push_text(&mut self.text, value);
        self
    }

    pub(crate) fn integer(self, key: &str, value: u64) -> Self {
        self.raw(key, &value.to_string())
    }

    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// Writes a number with up to `digits` digits after the point; JSON has no NaN or infinity, so these
    /// become null.
    pub(crate) fn number(self, key: &str, value: f64, digits: usize) -> Self {
        if value.is_finite() { self.raw(key, &format!("{value:.digits$}")) } else { self.raw(key, "null") }
    }

    pub(crate) fn object(self, key: &str, value: Self) -> Self {
        self.raw(key, &value.finish())
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }

    /// Writes a value that is JSON already.
    pub(crate) fn raw(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.text.push_str(value);
        self
    }

    fn key(&mut self, key: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        push_text(&mut self.text, key);
        self.text.push(':');
    }
}

/// Writes texts as an array.
pub(crate) fn array(texts: &[String]) -> String {
    let mut json = "[".to_owned();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_text(&mut json, text);
    }
    json.push(']');
    json
}

fn push_text(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all text"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn values_of_every_kind_stand_in_the_order_they_were_given() {
        let inner = Object::new().integer("n", 1).flag("ok", true);
        let json = Object::new().text("a", "x").number("b", 1.0 / 3.0, 3).object("c", inner).finish();
        assert_eq!(json, r#"{"a":"x","b":0.333,"c":{"n":1,"ok":true}}"#);
        assert_eq!(Object::new().finish(), "{}");
    }

    #[test]
    fn text_is_escaped_and_odd_numbers_are_null() {
        let json = Object::new().text("a\"", "\\\n").number("b", f64::NAN, 1).finish();
        assert_eq!(json, r#"{"a\"":"\\\u000a","b":null}"#);
    }
}
