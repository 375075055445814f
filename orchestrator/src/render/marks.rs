//! The marks of verdicts: a sign for plain text, and an emoji for places that show them well. A
//! verdict always has the same word, sign and emoji.

use crate::record::Verdict;

/// Returns a sign of one column.
pub(super) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OutputDiffers => "≠",
        Verdict::Regressed => "▲",
        Verdict::Missing => "–",
        Verdict::Inconclusive => "?",
        Verdict::Equivalent => "=",
        Verdict::Improved => "▼",
    }
}

/// Returns an emoji.
pub(super) fn emoji(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::OutputDiffers => "🟣",
        Verdict::Regressed => "🔴",
        Verdict::Missing => "⚫",
        Verdict::Inconclusive => "🟡",
        Verdict::Equivalent => "⚪",
        Verdict::Improved => "🟢",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../templates/README.md");

    #[test]
    fn page_lists_the_words_and_marks_of_all_verdicts() {
        for verdict in [
            Verdict::OutputDiffers,
            Verdict::Regressed,
            Verdict::Missing,
            Verdict::Inconclusive,
            Verdict::Equivalent,
            Verdict::Improved,
        ] {
            let name = serde_json::to_value(verdict).expect("a word");
            let row = format!(
                "| `{}` | {} | {} | {} |",
                name.as_str().unwrap_or_default(),
                verdict.word(),
                mark(verdict),
                emoji(verdict)
            );
            assert!(PAGE.contains(&row), "{row}");
        }
    }
}
