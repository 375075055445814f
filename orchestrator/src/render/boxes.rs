//! Functions of plain-text templates that structure a page of 79 columns.

use orch_core::format::clean;

/// Columns of a page.
const WIDTH: usize = 79;

/// Draws a heading in a box, cut if it is longer than the page.
pub(super) fn heading(text: &str) -> String {
    let inside = WIDTH - 2;
    let text: String = clean::clean_line(text).chars().take(inside - 2).collect();
    let line = "─".repeat(inside);
    format!("┌{line}┐\n│{text:^inside$}│\n└{line}┘")
}

/// Draws a line across the page.
pub(super) fn rule() -> String {
    "═".repeat(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_as_wide_as_the_page() {
        for text in ["", "MEMORY", &"long ".repeat(40), "two\nlines"] {
            let heading = heading(text);
            assert_eq!(heading.lines().count(), 3);
            for line in heading.lines() {
                assert_eq!(line.chars().count(), WIDTH, "{line}");
            }
        }
        assert_eq!(rule().chars().count(), WIDTH);
    }
}
