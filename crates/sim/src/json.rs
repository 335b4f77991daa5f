//! JSON, as strict as RFC 8259 has it: no comments, no trailing commas, no duplicate keys, nothing behind the value.

use std::fmt;

/// Values nest at most this deep.
const DEPTH_MAX: usize = 64;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A number without sign, point and exponent that fits.
    Whole(u64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object, in the order of the text.
    Object(Vec<(String, Json)>),
}

/// Why a text is no JSON.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot read the JSON at line {line}, column {column}: {what}")]
pub struct JsonError {
    /// Counted from 1.
    pub line: usize,
    /// In bytes, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl Json {
    /// Reads a text that is one value.
    ///
    /// # Errors
    /// Fails with the place where the text stops to be JSON.
    pub fn parse(text: &str) -> Result<Json, JsonError> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let parsed = reader.value(0).and_then(|value| {
            reader.space();
            if reader.at == reader.bytes.len() { Ok(value) } else { Err("something follows the value") }
        });
        parsed.map_err(|what| reader.error(what))
    }

    /// The value of a key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Json::Number(number) => Some(*number),
            Json::Whole(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Json::Whole(number) => Some(*number),
            // What is written as 1.0 or 1e3 is whole all the same.
            Json::Number(number) if number.fract() == 0.0 && (0.0..9e15).contains(number) => {
                Some(*number as u64)
            }
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn list(&self) -> Option<&[Json]> {
        match self {
            Json::List(values) => Some(values),
            _ => None,
        }
    }
}

/// Writes a text as JSON has it.
pub fn quoted(text: &str) -> impl fmt::Display + '_ {
    struct Quoted<'a>(&'a str);
    impl fmt::Display for Quoted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"")?;
            for c in self.0.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                    c => write!(f, "{c}")?,
                }
            }
            f.write_str("\"")
        }
    }
    Quoted(text)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn error(&self, what: &'static str) -> JsonError {
        let before = &self.bytes[..self.at.min(self.bytes.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        JsonError { line, column: before.len() - line_start + 1, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Passes a byte if it is the next one.
    fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Read<Json> {
        if depth > DEPTH_MAX {
            return Err("values nest too deep");
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Json::Text(self.text()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Read<Json> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("here should be a value")
    }

    fn list(&mut self, depth: usize) -> Read<Json> {
        self.at += 1;
        let mut values = Vec::new();
        self.space();
        if self.pass(b']') {
            return Ok(Json::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.pass(b']') {
                return Ok(Json::List(values));
            }
            if !self.pass(b',') {
                return Err("here should be `,` or `]`");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Read<Json> {
        self.at += 1;
        let mut entries: Vec<(String, Json)> = Vec::new();
        self.space();
        if self.pass(b'}') {
            return Ok(Json::Object(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err("here should be a key in quotes");
            }
            let key = self.text()?;
            if entries.iter().any(|(name, _)| *name == key) {
                return Err("this key was there before");
            }
            self.space();
            if !self.pass(b':') {
                return Err("here should be `:`");
            }
            entries.push((key, self.value(depth + 1)?));
            self.space();
            if self.pass(b'}') {
                return Ok(Json::Object(entries));
            }
            if !self.pass(b',') {
                return Err("here should be `,` or `}`");
            }
        }
    }

    fn digits(&mut self) -> Read<()> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > begin { Ok(()) } else { Err("here should be a digit") }
    }

    fn number(&mut self) -> Read<Json> {
        let begin = self.at;
        let mut is_whole = !self.pass(b'-');
        if !self.pass(b'0') {
            self.digits()?;
        }
        if self.pass(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            if !self.pass(b'-') {
                self.pass(b'+');
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.bytes[begin..self.at]).expect("these bytes are ASCII");
        if let (true, Ok(number)) = (is_whole, text.parse()) {
            return Ok(Json::Whole(number));
        }
        let number: f64 = text.parse().map_err(|_| "this number cannot be read")?;
        if number.is_finite() { Ok(Json::Number(number)) } else { Err("this number is too large") }
    }

    fn text(&mut self) -> Read<String> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return Err("this text has no end") };
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(text).map_err(|_| "this text is not UTF-8"),
                b'\\' => {
                    let c = self.escape()?;
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..0x20 => return Err("a text has no control characters"),
                byte => text.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let byte = self.peek().ok_or("this text has no end")?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err("there is no such escape"),
        })
    }

    fn unicode(&mut self) -> Read<char> {
        let first = self.four_digits()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or("this is half of a character");
        }
        if !(self.pass(b'\\') && self.pass(b'u')) {
            return Err("this is half of a character");
        }
        let second = self.four_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err("this is half of a character");
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or("this is no character")
    }

    fn four_digits(&mut self) -> Read<u32> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            number = number * 16 + digit.ok_or("here should be four hexadecimal digits")?;
            self.at += 1;
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Goal: JSON is read. Method: one of everything.
    #[test]
    fn values_of_every_kind_are_read() {
        let text = " {\"a\" : [1, -2.5e1, true, null, {}], \"b\\u00e9\\ud83d\\ude00\\n\": \"\\\"\"}\n";
        let value = Json::parse(text).unwrap();
        let list = value.get("a").and_then(Json::list).unwrap();
        assert_eq!(list[0], Json::Whole(1));
        assert_eq!(list[1], Json::Number(-25.0));
        assert_eq!((&list[2], &list[3], &list[4]), (&Json::Bool(true), &Json::Null, &Json::Object(vec![])));
        assert_eq!(value.get("b\u{e9}\u{1f600}\n"), Some(&Json::Text("\"".to_owned())));
        assert_eq!(Json::parse("18446744073709551615"), Ok(Json::Whole(u64::MAX)));
        assert_eq!(Json::parse("-0"), Ok(Json::Number(-0.0)));
        assert_eq!(Json::parse("1e3").unwrap().whole(), Some(1000));
    }

    /// Goal: nothing else is. Method: what others would let pass.
    #[test]
    fn what_is_no_json_is_refused() {
        let texts = [
            "",
            " ",
            "{",
            "[",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":1,\"a\":2}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "--1",
            "NaN",
            "Infinity",
            "1e999",
            "nul",
            "truely",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "1 2",
            "[1 2]",
            "'a'",
            "/**/1",
            "\u{feff}1",
        ];
        for text in texts {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
        let error = Json::parse("{\n \"a\": x}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 7));
    }

    #[test]
    fn texts_are_quoted() {
        assert_eq!(quoted("a\"\\\n").to_string(), r#""a\"\\\u000a""#);
    }

    proptest! {
        /// Goal: any text leads to a value or an error. Method: texts of JSON's characters.
        #[test]
        fn any_text_is_answered(text in "[\\[\\]{}\",:0-9eE.+\\-a-z\\\\ \n]{0,40}") {
            let _ = Json::parse(&text);
        }
    }
}
