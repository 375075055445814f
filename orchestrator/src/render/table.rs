//! The `table` function of templates: aligned columns in plain text.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use orch_core::format::clean;

/// Formats `table(headers, rows, right=[column indices])`. Columns are as wide as their longest
/// cell, because a cut name cannot be copied. `right` lists the columns with numbers. A row is a
/// list of cells. With `cells=[names]`, a row is an object, and its members with these names are
/// the cells. The name `text.time` means a member of a member.
pub(super) fn table(headers: Value, rows: Value, options: Kwargs) -> Result<String, Error> {
    let right: Vec<usize> = options
        .get::<Option<Vec<usize>>>("right")?
        .unwrap_or_default();
    let members: Option<Vec<String>> = options.get("cells")?;
    options.assert_all_used()?;
    let header = cells(&headers)?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(&header);
    for row in rows.try_iter()? {
        let row = match &members {
            Some(names) => named_cells(&row, names)?,
            None => cells(&row)?,
        };
        if row.len() != header.len() {
            let message = format!(
                "a row has {} cells under {} headers",
                row.len(),
                header.len()
            );
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let side = if right.contains(&index) {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        };
        column.set_cell_alignment(side);
        column.set_padding((0, 1));
    }
    Ok(table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect())
}

fn cells(row: &Value) -> Result<Vec<String>, Error> {
    Ok(row.try_iter()?.map(|cell| print_cell(&cell)).collect())
}

fn named_cells(row: &Value, names: &[String]) -> Result<Vec<String>, Error> {
    names.iter().map(|name| named_cell(row, name)).collect()
}

fn named_cell(row: &Value, name: &str) -> Result<String, Error> {
    let mut cell = row.clone();
    for part in name.split('.') {
        cell = cell.get_attr(part)?;
    }
    if cell.is_undefined() {
        let message = format!("a row has no member `{name}`");
        return Err(Error::new(ErrorKind::UndefinedError, message));
    }
    Ok(print_cell(&cell))
}

/// Formats a value in one line, because a second one would be a row of its own.
fn print_cell(cell: &Value) -> String {
    clean::clean_line(&cell.to_string()).into_owned()
}
