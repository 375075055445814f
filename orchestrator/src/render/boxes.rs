//! Functions of plain-text templates that structure a page of 79 columns, or of a narrower
//! terminal.

use super::place::ReportPlace;
use orch_core::format::clean;

/// Columns of a page.
const WIDTH: usize = 79;

/// Draws a heading in a box, cut if it is longer than the page.
pub(super) fn heading(place: ReportPlace, text: &str) -> String {
    let inside = place.limit_paragraph(WIDTH) - 2;
    let text: String = clean::clean_line(text).chars().take(inside - 2).collect();
    let line = "─".repeat(inside);
    format!("┌{line}┐\n│{text:^inside$}│\n└{line}┘")
}

/// Draws a line across the page.
pub(super) fn rule(place: ReportPlace) -> String {
    "═".repeat(place.limit_paragraph(WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_as_wide_as_the_page() {
        let narrow = ReportPlace::standard_output(Some(60), false);
        for (place, width) in [(ReportPlace::FILE, WIDTH), (narrow, 59)] {
            for text in ["", "MEMORY", &"long ".repeat(40), "two\nlines"] {
                let heading = heading(place, text);
                assert_eq!(heading.lines().count(), 3);
                for line in heading.lines() {
                    assert_eq!(line.chars().count(), width, "{line}");
                }
            }
            assert_eq!(rule(place).chars().count(), width);
        }
    }
}
