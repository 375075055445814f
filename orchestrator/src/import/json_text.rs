//! Reads JSON in the form that benchmark tools write it: numbers keep their digits, every value
//! keeps its line, and `NaN` and `Infinity` are numbers, because Google Benchmark and Python print
//! them.

use super::problem::ImportProblem;
use std::borrow::Cow;

/// Deepest nesting. No tool nests further.
const MOST_DEPTH: usize = 64;

/// A value with the number of its line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonNode<'a> {
    pub(super) line: u64,
    pub(super) value: JsonValue<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonValue<'a> {
    Null,
    Bool(bool),
    /// The digits of a number, or `NaN`, `Infinity` or `-Infinity`.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<JsonNode<'a>>),
    Object(Vec<(Cow<'a, str>, JsonNode<'a>)>),
}

impl<'a> JsonNode<'a> {
    /// Returns the first member of an object with this name.
    pub(super) fn get(&self, name: &str) -> Option<&JsonNode<'a>> {
        self.members()
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, node)| node)
    }

    /// Returns the members of an object; none for any other value.
    pub(super) fn members(&self) -> &[(Cow<'a, str>, JsonNode<'a>)] {
        match &self.value {
            JsonValue::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns the items of a list; `None` for any other value.
    pub(super) fn items(&self) -> Option<&[JsonNode<'a>]> {
        match &self.value {
            JsonValue::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            JsonValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self.value {
            JsonValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the digits of a number.
    pub(super) fn digits(&self) -> Option<&'a str> {
        match self.value {
            JsonValue::Number(digits) => Some(digits),
            _ => None,
        }
    }

    /// Describes the kind of the value in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            JsonValue::Null => "null",
            JsonValue::Bool(_) => "true or false",
            JsonValue::Number(_) => "a number",
            JsonValue::Text(_) => "a text",
            JsonValue::List(_) => "a list",
            JsonValue::Object(_) => "an object",
        }
    }

    /// Formats the value in one line, for comparisons and messages.
    pub(super) fn print(&self) -> String {
        match &self.value {
            JsonValue::Null => "null".to_owned(),
            JsonValue::Bool(value) => value.to_string(),
            JsonValue::Number(digits) => (*digits).to_owned(),
            JsonValue::Text(text) => text.clone().into_owned(),
            JsonValue::List(items) => {
                let items: Vec<String> = items.iter().map(JsonNode::print).collect();
                format!("[{}]", items.join(", "))
            }
            JsonValue::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, node)| format!("{name}: {}", node.print()))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }
}

/// Reads a text that is one value.
pub(super) fn parse(text: &str) -> Result<JsonNode<'_>, ImportProblem> {
    let mut reader = JsonReader {
        text,
        at: 0,
        line: 1,
    };
    let node = reader.read_value(0)?;
    reader.skip_space();
    if reader.rest().is_empty() {
        Ok(node)
    } else {
        Err(reader.wrong(
            "there is more text after the result",
            "store one result per file",
        ))
    }
}

/// A position in a text.
struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl<'a> JsonReader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// Skips a character if it comes next, after any space.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn wrong(&self, what: &str, hint: &str) -> ImportProblem {
        ImportProblem {
            line: self.line,
            message: format!("cannot read the JSON: {what}"),
            hint: hint.to_owned(),
        }
    }

    /// Returns the problem of a place in which something else has to stand.
    fn expected(&self, what: &str) -> ImportProblem {
        const STOPPED: &str =
            "the file is cut off: the tool was stopped, or is still writing; run it again";
        match self.rest().chars().next() {
            None => self.wrong(&format!("the file ends where {what} is expected"), STOPPED),
            Some(found) => self.wrong(
                &format!("expected {what}, found {found:?}"),
                "store the file as the tool wrote it",
            ),
        }
    }

    fn read_value(&mut self, depth: usize) -> Result<JsonNode<'a>, ImportProblem> {
        self.skip_space();
        let line = self.line;
        if depth > MOST_DEPTH {
            let what = format!("values are nested more than {MOST_DEPTH} deep");
            return Err(self.wrong(&what, "store the file as the tool wrote it"));
        }
        let value = match self.peek() {
            Some(b'{') => self.read_object(depth)?,
            Some(b'[') => self.read_list(depth)?,
            Some(b'"') => JsonValue::Text(self.read_text()?),
            _ => self.read_word()?,
        };
        Ok(JsonNode { line, value })
    }

    fn read_object(&mut self, depth: usize) -> Result<JsonValue<'a>, ImportProblem> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(JsonValue::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in quotes"));
            }
            let name = self.read_text()?;
            if !self.take(b':') {
                return Err(self.expected("a colon"));
            }
            members.push((name, self.read_value(depth + 1)?));
            if self.take(b'}') {
                return Ok(JsonValue::Object(members));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or a closing brace"));
            }
        }
    }

    fn read_list(&mut self, depth: usize) -> Result<JsonValue<'a>, ImportProblem> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(JsonValue::List(items));
        }
        loop {
            items.push(self.read_value(depth + 1)?);
            if self.take(b']') {
                return Ok(JsonValue::List(items));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or a closing bracket"));
            }
        }
    }

    /// Reads a number, or one of the words that JSON and the tools have.
    fn read_word(&mut self) -> Result<JsonValue<'a>, ImportProblem> {
        let rest = self.rest();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let length = rest.bytes().take_while(|byte| is_part(byte)).count();
        let word = &rest[..length];
        let value = match word {
            "" => return Err(self.expected("a value")),
            "null" => JsonValue::Null,
            "true" => JsonValue::Bool(true),
            "false" => JsonValue::Bool(false),
            // Standard C++ libraries differ in the spelling.
            "NaN" | "-NaN" | "nan" | "-nan" => JsonValue::Number("NaN"),
            "Infinity" | "inf" => JsonValue::Number("Infinity"),
            "-Infinity" | "-inf" => JsonValue::Number("-Infinity"),
            _ if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                JsonValue::Number(word)
            }
            _ if length == rest.len() => {
                self.at = self.text.len();
                return Err(self.expected("the rest of a word"));
            }
            _ => return Err(self.expected("a value")),
        };
        self.at += length;
        Ok(value)
    }

    /// Reads a text in quotes.
    fn read_text(&mut self) -> Result<Cow<'a, str>, ImportProblem> {
        self.at += 1;
        let start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            let rest = self.rest();
            let Some(length) = rest.find(['"', '\\']) else {
                self.at = self.text.len();
                return Err(self.expected("a closing quote"));
            };
            let part = &rest[..length];
            self.line += part.bytes().filter(|byte| *byte == b'\n').count() as u64;
            self.at += length + 1;
            if let Some(text) = &mut unescaped {
                text.push_str(part);
            }
            if rest.as_bytes()[length] == b'"' {
                let whole = &self.text[start..self.at - 1];
                return Ok(unescaped.map_or(Cow::Borrowed(whole), Cow::Owned));
            }
            let mut text = unescaped.unwrap_or_else(|| part.to_owned());
            text.push(self.read_escape()?);
            unescaped = Some(text);
        }
    }

    /// Reads what follows a backslash.
    fn read_escape(&mut self) -> Result<char, ImportProblem> {
        let Some(letter) = self.rest().chars().next() else {
            return Err(self.expected("the rest of an escape"));
        };
        let plain = match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.read_code_unit(),
            _ => return Err(self.expected("an escape of JSON")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Reads `uXXXX`, and the second half of a pair behind it. Half a pair becomes a replacement
    /// character.
    fn read_code_unit(&mut self) -> Result<char, ImportProblem> {
        let high = self.read_hex()?;
        if !(0xd800..0xdc00).contains(&high) || !self.rest().starts_with("\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        self.at += 1;
        let low = self.read_hex()?;
        if !(0xdc00..0xe000).contains(&low) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn read_hex(&mut self) -> Result<u32, ImportProblem> {
        self.at += 1;
        let digits = self.rest().get(..4);
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = digits
            .filter(is_hex)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(code) = code else {
            if self.rest().len() < 4 {
                self.at = self.text.len();
            }
            return Err(self.expected("four hexadecimal digits"));
        };
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        let problem = parse(text).unwrap_err();
        format!("{}: {}", problem.line, problem.message)
    }

    #[test]
    fn values_keep_their_digits_and_lines() {
        let node = parse("{\"a\": 1.50,\n \"b\": [NaN, -Infinity, true, null]}\n").unwrap();
        assert_eq!(node.get("a").unwrap().digits(), Some("1.50"));
        let list = node.get("b").unwrap();
        assert_eq!(list.line, 2);
        assert_eq!(list.print(), "[NaN, -Infinity, true, null]");
        assert_eq!(node.get("c"), None);
    }

    #[test]
    fn escapes_are_those_of_json() {
        let text = |json: &str| parse(json).unwrap().text().unwrap().to_owned();
        assert_eq!(text(r#""a\"\\\/\n\u00e9""#), "a\"\\/\n\u{e9}");
        assert_eq!(text(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(text(r#""\ud83dx""#), "\u{fffd}x");
        assert_eq!(text(r#""\ud83d\u0041""#), "\u{fffd}A");
    }

    #[test]
    fn broken_text_is_refused_with_its_line() {
        for (text, expected) in [
            (
                "",
                "1: cannot read the JSON: the file ends where a value is expected",
            ),
            (
                "{\n\"a\": 1",
                "2: cannot read the JSON: the file ends where a comma or a closing brace is \
                 expected",
            ),
            (
                "[1 2]",
                "1: cannot read the JSON: expected a comma or a closing bracket, found '2'",
            ),
            (
                "\"a\\x\"",
                "1: cannot read the JSON: expected an escape of JSON, found 'x'",
            ),
            (
                "1\n2",
                "2: cannot read the JSON: there is more text after the result",
            ),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
        assert!(refused(&"[".repeat(100)).contains("more than 64 deep"));
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_value_or_a_problem(text in "[\\[\\]{}\":,\\\\u0-9a-e \n\\PC]{0,40}") {
            let _ = parse(&text);
        }
    }
}
