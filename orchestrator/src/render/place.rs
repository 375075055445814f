//! The place where a text report is read.

use serde::{Deserialize, Serialize};

/// Columns of a report in a file.
const FILE_COLUMNS: usize = 80;
/// Columns of the narrowest terminal for which lines are made. In a narrower one they wrap.
const FEWEST_COLUMNS: usize = 60;

/// The place where a text report is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReportPlace {
    /// Columns of the terminal; `None` for a file or another program.
    columns: Option<usize>,
    pub(super) has_colour: bool,
}

impl ReportPlace {
    /// A file, or another program.
    pub(crate) const FILE: Self = Self {
        columns: None,
        has_colour: false,
    };

    /// Returns the place of standard output. `columns` is the width of its terminal.
    pub(crate) fn standard_output(columns: Option<usize>, has_colour: bool) -> Self {
        Self {
            columns: columns.map(|columns| columns.max(FEWEST_COLUMNS)),
            has_colour,
        }
    }

    /// Returns the columns of the terminal; `None` for a file or another program.
    pub(crate) fn columns(self) -> Option<usize> {
        self.columns
    }

    /// Returns the width of a paragraph that has `width` columns in a file. What remains to 80 is
    /// left for an indentation.
    pub(crate) fn limit_paragraph(self, width: usize) -> usize {
        let missing = self
            .columns
            .map_or(0, |columns| FILE_COLUMNS.saturating_sub(columns));
        width.saturating_sub(missing).max(width / 2)
    }

    /// Returns the most columns of a table with optional columns.
    pub(super) fn table_columns(self) -> usize {
        self.columns.unwrap_or(FILE_COLUMNS)
    }
}
