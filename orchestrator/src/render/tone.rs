//! Tones: the meaning of a line, which a terminal shows as a colour. The words of the line say the
//! same, so that nothing is lost without colours.
//!
//! Between a template and the terminal, a tone stands in the text as a noncharacter of Unicode.
//! Texts of other people are cleaned of those, so that they cannot colour anything.

use crate::comparison::Verdict;
use orch_core::format::clean;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::str::FromStr;

/// Meaning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tone {
    Bad,
    Good,
    /// Open or doubtful.
    Open,
    /// Less important than the rest.
    Faint,
    /// More important than the rest.
    Strong,
}

/// Tones in the order of the type, each with its word in templates, its mark, and its parameter of
/// the control sequence SGR.
const TONES: [(Tone, &str, char, &str); 5] = [
    (Tone::Bad, "bad", '\u{fdd0}', "31"),
    (Tone::Good, "good", '\u{fdd1}', "32"),
    (Tone::Open, "open", '\u{fdd2}', "33"),
    (Tone::Faint, "faint", '\u{fdd3}', "2"),
    (Tone::Strong, "strong", '\u{fdd4}', "1"),
];
/// Mark of the end of any tone.
const END: char = '\u{fddf}';

impl Tone {
    /// Returns the tone of a verdict; `None` if nothing changed.
    pub(super) fn of_verdict(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::OutputDiffers | Verdict::Regressed => Some(Self::Bad),
            Verdict::Improved => Some(Self::Good),
            Verdict::Missing | Verdict::Inconclusive => Some(Self::Open),
            Verdict::Equivalent => None,
        }
    }

    /// Returns the word in templates and in classes of pages.
    pub(super) fn word(self) -> &'static str {
        TONES[self as usize].1
    }

    /// Marks each line of a text with the tone, and cleans it.
    pub(crate) fn mark(self, text: &str) -> String {
        let mark = TONES[self as usize].2;
        let marked = text.split_inclusive('\n').map(|line| {
            let words = line.trim_end_matches('\n');
            let end = &line[words.len()..];
            if words.is_empty() {
                line.to_owned()
            } else {
                format!("{mark}{}{END}{end}", clean::clean_line(words))
            }
        });
        marked.collect()
    }
}

impl FromStr for Tone {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = TONES.iter().find(|(_, own, ..)| *own == word);
        found.map(|(tone, ..)| *tone).ok_or_else(|| {
            let words = TONES.map(|(_, own, ..)| own).join(", ");
            format!("there is no tone `{word}`; use one of {words}")
        })
    }
}

/// Replaces the marks in a text by control sequences, or removes them. `clean` cleans what stands
/// between them.
pub(crate) fn show_tones(
    text: &str,
    has_colour: bool,
    clean: impl Fn(&str) -> Cow<'_, str>,
) -> String {
    let sequence = |mark: char| match TONES.iter().find(|(_, _, own, _)| *own == mark) {
        Some((.., code)) => Some(format!("\x1b[{code}m")),
        None => (mark == END).then(|| "\x1b[0m".to_owned()),
    };
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, sequence, mark)) = rest
        .char_indices()
        .find_map(|(at, c)| Some((at, sequence(c)?, c)))
    {
        shown.push_str(&clean(&rest[..at]));
        if has_colour {
            shown.push_str(&sequence);
        }
        rest = &rest[at + mark.len_utf8()..];
    }
    shown.push_str(&clean(rest));
    shown
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn marked_lines_are_coloured_or_plain() {
        let text = format!("a\n{}b\n", Tone::Bad.mark("  x y\n\nz\n"));
        let show = |has_colour| show_tones(&text, has_colour, clean::clean_lines);
        assert_eq!(show(false), "a\n  x y\n\nz\nb\n");
        assert_eq!(
            show(true),
            "a\n\x1b[31m  x y\x1b[0m\n\n\x1b[31mz\x1b[0m\nb\n"
        );
    }

    #[test]
    fn text_between_marks_is_cleaned() {
        let text = format!("{}\x1b[2J", Tone::Good.mark("::error::x\u{fdd0}"));
        let shown = show_tones(&text, true, |part| {
            Cow::Owned(clean::part_commands(&clean::clean_lines(part)).into_owned())
        });
        assert_eq!(shown, "\x1b[32m: :error::x \x1b[0m [2J");
    }

    #[test]
    fn texts_of_other_people_have_no_marks() {
        for (_, word, mark, _) in TONES {
            assert!(clean::is_control(mark), "{word}");
            assert_eq!(clean::clean_line(&format!("{mark}x{END}")), " x ");
        }
    }

    #[test]
    fn words_of_templates_are_those_of_the_view() {
        for (tone, word, ..) in TONES {
            assert_eq!(tone.word(), word);
            assert_eq!(word.parse(), Ok(tone));
            assert_eq!(serde_json::to_value(tone).unwrap(), word);
        }
        let unknown = "red".parse::<Tone>().unwrap_err();
        assert_eq!(
            unknown,
            "there is no tone `red`; use one of bad, good, open, faint, strong"
        );
    }
}
