//! Texts of other people, made safe for the places that show them: terminals, Markdown, logs of CI
//! services, and names of files.
//!
//! Names and messages come from plugins, records, tables, scenarios and git. A character of theirs
//! that could control the place becomes a space, so that a reader sees that something was there
//! and columns keep their width. Clean texts stay as they are.
//!
//! JSON is not cleaned. It is for programs, which need the text as it was, and serde escapes the
//! control characters below U+0020.

use std::borrow::Cow;

/// Most characters of a sentence of a plugin that a terminal shows.
const MOST_OF_A_PLUGIN: usize = 1500;
/// Most bytes that a text adds to the name of a file. Linux allows 255 for the whole name.
const MOST_OF_A_NAME: usize = 160;

/// Returns whether a character controls a terminal or the order of the text around it: control
/// characters with those of ISO 6429 (C1), separators of lines, and bidirectional marks, overrides,
/// embeddings and isolates. The noncharacters that mark tones inside `orch` count too.
pub fn is_control(c: char) -> bool {
    let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
    let is_mark = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}');
    let is_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_noncharacter = matches!(c, '\u{fdd0}'..='\u{fdef}');
    c.is_control() || is_separator || is_mark || is_direction || is_noncharacter
}

/// Returns whether a text has such a character.
pub fn has_control(text: &str) -> bool {
    text.chars().any(is_control)
}

/// Cleans a text of one line for a terminal. A line feed is a control character too.
pub fn clean_line(text: &str) -> Cow<'_, str> {
    replace(text, is_control)
}

/// Cleans a text that may have several lines for a terminal. Tabs do no harm and stay too.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    let is_replaced = |c| is_control(c) && c != '\n' && c != '\t';
    if text.contains("\r\n") {
        let text = text.replace("\r\n", "\n");
        return Cow::Owned(replace(&text, is_replaced).into_owned());
    }
    replace(text, is_replaced)
}

/// Escapes such characters in a JSON document for a terminal. Programs read the same texts.
pub fn escape_json(document: &str) -> Cow<'_, str> {
    let is_escaped = |c| is_control(c) && c != '\n';
    if !document.contains(is_escaped) {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len());
    for c in document.chars() {
        if is_escaped(c) {
            // They stand in strings only, and all of them have one UTF-16 unit.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Cleans a sentence of a plugin for a terminal, and cuts it where no reader would miss the rest.
pub fn clean_sentence(text: &str) -> String {
    let text = clean_line(text);
    match text.char_indices().nth(MOST_OF_A_PLUGIN) {
        Some((end, _)) => format!("{}...", text[..end].trim_end()),
        None => text.into_owned(),
    }
}

/// Removes the colours and styles of a compiler's or a tool's output, which are no part of its
/// text.
pub fn remove_styles(text: &str) -> Cow<'_, str> {
    const START: &str = "\x1b[";
    if !text.contains(START) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(START);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';' || c == ':');
        match rest.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.extend([START, part]),
        }
    }
    Cow::Owned(plain)
}

/// Formats a text as a cell of a Markdown table: one line, without characters that would end the
/// cell or begin an element of HTML.
pub fn clean_cell(text: &str) -> String {
    escape_markup(&clean_code(text))
}

/// Cleans a text of one line for Markdown outside of a table. Its backticks may be its own.
pub fn clean_prose(text: &str) -> String {
    escape_markup(&clean_line(text))
}

/// Escapes the beginning of elements of HTML, and the middle of links and images.
fn escape_markup(text: &str) -> String {
    text.replace('<', "&lt;").replace("](", "]\\(")
}

/// Cleans a text that stands between backticks in Markdown, where HTML has no effect.
pub fn clean_code(text: &str) -> String {
    replace(text, |c| is_control(c) || c == '|' || c == '`').into_owned()
}

/// Escapes the message of a workflow command. GitHub shows its lines as they are.
pub fn escape_message(text: &str) -> String {
    clean_lines(text).replace('%', "%25").replace('\n', "%0A")
}

/// Escapes a property of a workflow command, such as the title. A colon or a comma would end it.
pub fn escape_property(text: &str) -> String {
    escape_message(text).replace(':', "%3A").replace(',', "%2C")
}

/// Breaks up text that a CI service would read as a command: for GitHub,
/// two colons at the beginning of a line, where spaces do not count; for GitHub, Azure Pipelines
/// and TeamCity, `##` and a bracket with a word or nothing between them, anywhere (`##[`, `##vso[`,
/// `##teamcity[`).
pub fn part_commands(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::");
    if find_bracket_command(text).is_none() && !text.lines().any(is_command) {
        return Cow::Borrowed(text);
    }
    let part = |line: &str| {
        if is_command(line) {
            line.replacen("::", ": :", 1)
        } else {
            line.to_owned()
        }
    };
    let lines: String = text.split_inclusive('\n').map(part).collect();
    Cow::Owned(part_brackets(&lines))
}

/// Inserts a space after each `##` that begins a command.
fn part_brackets(text: &str) -> String {
    let mut parted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = find_bracket_command(rest) {
        parted.push_str(&rest[..end]);
        parted.push(' ');
        rest = &rest[end..];
    }
    parted + rest
}

/// Finds the first `##` with a word or nothing and a bracket after it, and returns its end.
fn find_bracket_command(text: &str) -> Option<usize> {
    text.match_indices('[').find_map(|(at, _)| {
        let before = text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        before.ends_with("##").then_some(before.len())
    })
}

/// Makes a part of a file's name of a text. The part names no folder and has a bounded length.
pub fn name_file(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if name.len() + c.len_utf8() > MOST_OF_A_NAME {
            break;
        }
        let is_unfit = is_control(c) || c == '/' || c == '\\';
        name.push(if is_unfit { '-' } else { c });
    }
    name
}

fn replace(text: &str, is_replaced: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_replaced) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().map(|c| if is_replaced(c) { ' ' } else { c });
    Cow::Owned(clean.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with one of everything that controls some place.
    const NASTY: &str = "a\x1b]0;x\x07\u{9b}2J\r\u{2028}\u{202e}b\n::error::x|`<i>";

    #[test]
    fn json_for_a_terminal_has_the_same_texts() {
        let text = "a\x7f\u{9b}2J\u{2028}\u{202e}\u{200f}\u{61c}é日\n\t\r";
        let document = serde_json::to_string_pretty(&[text]).expect("a text");
        let escaped = escape_json(&document);
        assert!(
            !escaped.contains(|c| is_control(c) && c != '\n'),
            "{escaped:?}"
        );
        let read: Vec<String> = serde_json::from_str(&escaped).expect("still JSON");
        assert_eq!(read, [text]);
        assert!(matches!(
            escape_json("{\n  \"a\": \"é\"\n}"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn clean_texts_stay_as_they_are() {
        for text in [
            "",
            "matmul[m=64]",
            "µs, é, ›, 日本",
            "a | b `c` <d> # e: 5 %",
        ] {
            assert!(matches!(clean_line(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(clean_lines(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(part_commands(text), Cow::Borrowed(same) if same == text));
            assert_eq!(clean_sentence(text), text);
        }
        let lines = "error: a\n  std::fmt::Display\nb ::c";
        assert!(matches!(clean_lines(lines), Cow::Borrowed(_)));
        assert!(matches!(part_commands(lines), Cow::Borrowed(_)));
        assert_eq!(
            clean_cell("gelu[n=1000], 5 % > 4 %"),
            "gelu[n=1000], 5 % > 4 %"
        );
        assert_eq!(name_file("nightly-2_x.y é"), "nightly-2_x.y é");
    }

    #[test]
    fn each_place_gets_text_that_cannot_control_it() {
        assert_eq!(clean_line(NASTY), "a ]0;x  2J   b ::error::x|`<i>");
        assert_eq!(clean_lines(NASTY), "a ]0;x  2J   b\n::error::x|`<i>");
        assert_eq!(clean_lines("a\r\nb\r\tc"), "a\nb \tc");
        assert_eq!(clean_line("a\u{61c}\u{200e}\u{200f}\u{2069}b"), "a    b");
        assert_eq!(clean_cell(NASTY), "a ]0;x  2J   b ::error::x  &lt;i>");
        assert_eq!(clean_cell("![i](x) f[n=1] (y)"), "![i]\\(x) f[n=1] (y)");
        assert_eq!(clean_prose(NASTY), "a ]0;x  2J   b ::error::x|`&lt;i>");
        assert_eq!(clean_code(NASTY), "a ]0;x  2J   b ::error::x  <i>");
        assert_eq!(escape_message("5 %\n:,\x1b"), "5 %25%0A:, ");
        assert_eq!(escape_property("5 %\n:,\x1b"), "5 %25%0A%3A%2C ");
        assert_eq!(name_file("../../x\n\u{202e}y\\z"), "..-..-x--y-z");
    }

    #[test]
    fn styles_are_removed_and_other_sequences_stay() {
        assert!(matches!(remove_styles("a [0m b"), Cow::Borrowed(_)));
        assert_eq!(
            remove_styles("\x1b[1m\x1b[38;5;9merror\x1b[m: a\x1b[2Jb\x1b["),
            "error: a\x1b[2Jb\x1b["
        );
    }

    #[test]
    fn lines_never_become_commands() {
        let text = "::error::a\n \t::stop-commands::b\n:::c\nd ::e\n##[error]f\ng ##[group]h\n\
            ##vso[task.complete]i ##teamcity[j]\n###k [l] ###[m]";
        let parted = ": :error::a\n \t: :stop-commands::b\n: ::c\nd ::e\n## [error]f\n\
            g ## [group]h\n## vso[task.complete]i ## teamcity[j]\n###k [l] ### [m]";
        assert_eq!(part_commands(text), parted);
        assert!(
            matches!(part_commands(parted), Cow::Borrowed(_)),
            "once is enough"
        );
    }

    #[test]
    fn lengths_are_bounded_between_characters() {
        assert_eq!(clean_sentence(&"é".repeat(1501)), "é".repeat(1500) + "...");
        assert_eq!(name_file(&"é".repeat(200)), "é".repeat(80));
        assert_eq!(name_file(&format!("a{}", "é".repeat(200))).len(), 159);
    }
}
