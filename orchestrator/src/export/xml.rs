//! Texts in XML: escaped, and without characters that no XML document can contain.

use orch_core::format::clean;

/// Escapes the value of an attribute, which has one line.
pub(super) fn escape_attribute(text: &str) -> String {
    escape(&clean::clean_line(text))
}

/// Escapes the content of an element, which keeps its lines.
pub(super) fn escape_content(text: &str) -> String {
    escape(&clean::clean_lines(text))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML 1.0 excludes them, even as references. The other ones that it excludes are
            // control characters, which are clean already.
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_no_attribute_and_no_element() {
        for (text, attribute, content) in [
            ("gelu[n=1000]", "gelu[n=1000]", "gelu[n=1000]"),
            (
                r#"<a href="x" & 'y'>]]>"#,
                "&lt;a href=&quot;x&quot; &amp; &apos;y&apos;&gt;]]&gt;",
                "&lt;a href=&quot;x&quot; &amp; &apos;y&apos;&gt;]]&gt;",
            ),
            ("&lt;", "&amp;lt;", "&amp;lt;"),
            ("a\nb\tc", "a b c", "a\nb\tc"),
            ("\0\x1b[2J\u{85}\u{fffe}\u{ffff}é", "  [2J   é", "  [2J   é"),
        ] {
            assert_eq!(escape_attribute(text), attribute, "{text:?}");
            assert_eq!(escape_content(text), content, "{text:?}");
        }
    }
}
