//! Views of the HTML pages: what a page shows beside the texts of the other reports.

mod comparison_page;
mod pair_plot;
mod run_page;

pub(super) use comparison_page::ComparisonPage;
pub(super) use run_page::RunPage;

use serde::Serialize;

/// Most rows of a page's table.
const MOST_PAGE_ROWS: usize = 600;

/// A count in a word, such as `2 regressed`, for the head of a page.
#[derive(Debug, Serialize)]
struct PageCount {
    count: usize,
    word: String,
    /// Meaning of the count, by which a page colours it: `good`, `bad`, `open` or `plain`.
    tone: &'static str,
}
