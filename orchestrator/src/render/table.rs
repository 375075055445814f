//! The `table` function of templates: aligned columns in plain text.

use super::place::ReportPlace;
use super::tone::Tone;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use minijinja::value::{Kwargs, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};
use orch_core::format::{self, clean};
use std::fmt;
use std::sync::Arc;

/// Most characters of a cell.
const MOST_OF_A_CELL: usize = 120;
/// Most spaces before a table.
const MOST_INDENT: usize = 40;
/// Spaces before the second line of a row.
const INDENT: usize = 2;

/// A text whose parts are clean and may have tones.
#[derive(Debug)]
pub(super) struct TonedText(pub(super) String);

impl Object for TonedText {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Formats `table(headers, rows, right=[column indices])`. Columns are as wide as their longest
/// cell, because a cut name cannot be copied. `right` lists the columns with numbers. A row is a
/// list of cells. With `cells=[names]`, a row is an object, and its members with these names are
/// the cells. The name `text.time` means a member of a member.
///
/// `optional=[column indices]` are left out where the table is too wide, the last one first, and
/// `narrow=[column indices]` where a terminal is. If the table is still wider than the terminal,
/// the first cell of each row has a line of its own. With `tone=NAME`, the member with that name is
/// the tone of a row. `indent=NUMBER` spaces stand before each line.
pub(super) fn table(
    place: ReportPlace,
    headers: Value,
    rows: Value,
    options: Kwargs,
) -> Result<Value, Error> {
    let right: Option<Vec<usize>> = options.get("right")?;
    let optional: Option<Vec<usize>> = options.get("optional")?;
    let narrow: Option<Vec<usize>> = options.get("narrow")?;
    let members: Option<Vec<String>> = options.get("cells")?;
    let tone: Option<String> = options.get("tone")?;
    let indent: Option<usize> = options.get("indent")?;
    let spaces = " ".repeat(indent.unwrap_or(0).min(MOST_INDENT));
    options.assert_all_used()?;
    let header = cells(&headers)?;
    let mut columns = TableColumns::of(header, right.unwrap_or_default());
    let mut tones = vec![None];
    for row in rows.try_iter()? {
        columns.add_row(match &members {
            Some(names) => named_cells(&row, names)?,
            None => cells(&row)?,
        })?;
        tones.push(match &tone {
            Some(name) => read_tone(&member(&row, name)?)?.filter(|_| place.has_colour),
            None => None,
        });
    }
    let mut optional = optional.unwrap_or_default();
    if place.columns().is_some() {
        optional.extend(narrow.unwrap_or_default());
    }
    let most = place.table_columns().saturating_sub(spaces.len());
    let mut removed: Vec<usize> = Vec::new();
    while columns.width() > most
        && let Some(column) = optional.pop()
    {
        if !removed.contains(&column) {
            let before = removed.iter().filter(|other| **other < column).count();
            columns.remove(column - before);
            removed.push(column);
        }
    }
    // A row in a file is one line, however long.
    let rows = match place.columns() {
        Some(_) if columns.is_list() && columns.width() > most => columns.draw_double_lines(),
        _ => columns.draw_lines(),
    };
    let indented = rows.map(|row| {
        let lines = row.split_inclusive('\n');
        lines
            .map(|line| format!("{spaces}{line}"))
            .collect::<String>()
    });
    let toned = indented.zip(tones).map(|(row, tone)| match tone {
        Some(tone) => tone.mark(&row),
        None => row,
    });
    let text: String = toned.collect();
    Ok(if place.has_colour {
        Value::from_object(TonedText(text))
    } else {
        Value::from(text)
    })
}

/// The cells of a table, by column.
struct TableColumns {
    /// The header first.
    rows: Vec<Vec<String>>,
    alignments: Vec<CellAlignment>,
}

impl TableColumns {
    /// Returns whether a row has more than its first cell.
    fn is_list(&self) -> bool {
        self.alignments.len() > 1
    }

    fn of(header: Vec<String>, right: Vec<usize>) -> Self {
        let alignment = |column| match right.contains(&column) {
            true => CellAlignment::Right,
            false => CellAlignment::Left,
        };
        Self {
            alignments: (0..header.len()).map(alignment).collect(),
            rows: vec![header],
        }
    }

    fn add_row(&mut self, row: Vec<String>) -> Result<(), Error> {
        let columns = self.alignments.len();
        if row.len() != columns {
            let message = format!("a row has {} cells under {columns} headers", row.len());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        self.rows.push(row);
        Ok(())
    }

    fn remove(&mut self, column: usize) {
        if column < self.alignments.len() {
            self.alignments.remove(column);
            self.rows.iter_mut().for_each(|row| {
                row.remove(column);
            });
        }
    }

    /// Returns the columns of the longest line.
    fn width(&self) -> usize {
        let widths = self.make_table(0).column_max_content_widths();
        let cells: usize = widths.iter().map(|width| usize::from(*width)).sum();
        cells + widths.len().saturating_sub(1)
    }

    /// Makes a table of the columns from `first` on.
    fn make_table(&self, first: usize) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .add_rows(self.rows.iter().map(|row| &row[first..]));
        let aligned = table.column_iter_mut().zip(&self.alignments[first..]);
        for (column, alignment) in aligned {
            column.set_cell_alignment(*alignment);
            column.set_padding((0, 1));
        }
        table
    }

    /// Iterates over the rows, each in a line.
    fn draw_lines(&self) -> Box<dyn Iterator<Item = String> + '_> {
        Box::new(draw(&self.make_table(0)).into_iter())
    }

    /// Iterates over the rows, each in two lines: the first cell, and the others.
    fn draw_double_lines(&self) -> Box<dyn Iterator<Item = String> + '_> {
        let others = draw(&self.make_table(1));
        let lines = self
            .rows
            .iter()
            .zip(others)
            .map(|(row, others)| match others.trim_end() {
                "" => format!("{}\n", row[0]),
                others => format!("{}\n{:INDENT$}{others}\n", row[0], ""),
            });
        Box::new(lines)
    }
}

fn draw(table: &Table) -> Vec<String> {
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

fn cells(row: &Value) -> Result<Vec<String>, Error> {
    Ok(row.try_iter()?.map(|cell| print_cell(&cell)).collect())
}

fn named_cells(row: &Value, names: &[String]) -> Result<Vec<String>, Error> {
    names
        .iter()
        .map(|name| Ok(print_cell(&member(row, name)?)))
        .collect()
}

/// Returns a member of a row, or a member of a member.
fn member(row: &Value, name: &str) -> Result<Value, Error> {
    let mut found = row.clone();
    for part in name.split('.') {
        found = found.get_attr(part)?;
    }
    if found.is_undefined() {
        let message = format!("a row has no member `{name}`");
        return Err(Error::new(ErrorKind::UndefinedError, message));
    }
    Ok(found)
}

/// Formats a value in one line, because a second one would be a row of its own. A cell that would
/// make the lines of all rows long is shortened.
fn print_cell(cell: &Value) -> String {
    let text = cell.to_string();
    let text = clean::clean_line(&text);
    if text.chars().count() > MOST_OF_A_CELL {
        format::shortened(&text)
    } else {
        text.into_owned()
    }
}

/// Reads the tone of a row; null means none.
pub(super) fn read_tone(tone: &Value) -> Result<Option<Tone>, Error> {
    if tone.is_none() {
        return Ok(None);
    }
    let parsed = tone.to_string().parse();
    parsed
        .map(Some)
        .map_err(|message: String| Error::new(ErrorKind::InvalidOperation, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use crate::render::tone;

    fn draw_for(place: ReportPlace, name: &str) -> String {
        let rows = serde_json::json!([
            { "id": name, "tone": "bad", "n": 1, "shape": "#".repeat(30) },
            { "id": "b", "tone": null, "n": 22, "shape": "" },
        ]);
        let options = [
            ("right", Value::from(vec![1])),
            ("optional", Value::from(vec![2])),
            ("cells", Value::from(vec!["id", "n", "shape"])),
            ("tone", Value::from("tone")),
        ];
        let text = table(
            place,
            Value::from(vec!["name", "number", "shape"]),
            Value::from(minijinja::value::Serde(rows)),
            options.into_iter().collect(),
        )
        .unwrap();
        tone::show_tones(&text.to_string(), true, clean::clean_lines)
    }

    #[test]
    fn optional_columns_are_shown_where_they_fit() {
        let shape = "#".repeat(30);
        assert_eq!(
            draw_for(ReportPlace::FILE, "a"),
            format!("name number shape\na         1 {shape}\nb        22\n")
        );
        let long = "a".repeat(50);
        assert_eq!(
            draw_for(ReportPlace::FILE, &long),
            format!("{:50} number\n{long}      1\n{:50}     22\n", "name", "b")
        );
        let wide = ReportPlace::standard_output(Some(100), false);
        assert!(draw_for(wide, &long).contains(&shape));
    }

    #[test]
    fn columns_are_left_out_one_by_one() {
        let draw = |width: usize, columns| {
            let options = [("narrow", Value::from(vec![2, 1, 1]))];
            let headers = Value::from(vec!["a", "b", "c"]);
            let rows = Value::from(vec![vec!["#".repeat(width); 3]]);
            let place = ReportPlace::standard_output(Some(columns), false);
            let text = table(place, headers, rows, options.into_iter().collect()).unwrap();
            let text = text.to_string();
            text.lines().next().unwrap().replace(' ', "")
        };
        assert_eq!(draw(25, 80), "abc");
        assert_eq!(draw(25, 60), "ac");
        assert_eq!(draw(55, 60), "a");
        assert_eq!(draw(70, 60), "a", "there is nothing for a second line");
    }

    #[test]
    fn tables_are_indented_within_the_width() {
        let options = [("indent", Value::from(2))];
        let headers = Value::from(vec!["a", "b"]);
        let rows = Value::from(vec![vec!["#".repeat(29), "#".repeat(29)]]);
        let place = ReportPlace::standard_output(Some(60), false);
        let text = table(place, headers, rows, options.into_iter().collect()).unwrap();
        let wide = "#".repeat(29);
        assert_eq!(
            text.to_string(),
            format!("  a\n    b\n  {wide}\n    {wide}\n")
        );
    }

    #[test]
    fn rows_that_are_wider_than_the_terminal_have_two_lines() {
        let long = "a".repeat(70);
        assert!(draw_for(ReportPlace::FILE, &long).contains(&format!("{long}      1\n")));
        let terminal = ReportPlace::standard_output(Some(60), false);
        assert_eq!(
            draw_for(terminal, &long),
            format!("name\n  number\n{long}\n       1\nb\n      22\n")
        );
    }

    #[test]
    fn tones_colour_whole_rows() {
        let terminal = ReportPlace::standard_output(Some(60), true);
        let shape = "#".repeat(30);
        assert_eq!(
            draw_for(terminal, "a"),
            format!("name number shape\n\x1b[31ma         1 {shape}\x1b[0m\nb        22\n")
        );
        let long = "a".repeat(70);
        let text = draw_for(terminal, &long);
        let red = format!("\x1b[31m{long}\x1b[0m\n\x1b[31m       1\x1b[0m\n");
        assert!(text.contains(&red), "{text}");
    }
}
