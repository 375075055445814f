//! Reads a table of two runs: finds columns by name, in any order, and reports every problem at
//! once with its line and column.

use super::problem::{ImportProblem, refuse};
use crate::contradiction::claims::{ClaimedRow, Claims};
use crate::contradiction::figure::Figure;
use crate::error::CommandError;
use crate::scenario::problem::nearest_name;
use orch_core::format::{self, clean};
use std::collections::HashMap;

/// Content of a file.
pub(super) struct Table {
    pub(super) claims: Claims,
    /// Columns with unknown names.
    pub(super) ignored: Vec<String>,
}

/// Meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Method,
    PreviousMs,
    CurrentMs,
    DeltaMs,
    DeltaPercent,
    PreviousAllocMb,
    CurrentAllocMb,
    ReportedStatus,
}

/// Names of the columns, and whether a table must have them.
const COLUMNS: [(&str, Column, bool); 8] = [
    ("method", Column::Method, true),
    ("previous_ms", Column::PreviousMs, true),
    ("current_ms", Column::CurrentMs, true),
    ("delta_ms", Column::DeltaMs, false),
    ("delta_percent", Column::DeltaPercent, false),
    ("previous_alloc_mb", Column::PreviousAllocMb, false),
    ("current_alloc_mb", Column::CurrentAllocMb, false),
    ("reported_status", Column::ReportedStatus, false),
];

/// Reads a table; `file` is its name in messages.
pub(super) fn read(file: &str, text: &str) -> Result<Table, CommandError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => return Err(refuse(file, vec![convert_csv_error(&error)])),
    };
    let columns = columns(&header).map_err(|problems| refuse(file, problems))?;
    let mut rows: Vec<ClaimedRow> = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut problems = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(convert_csv_error(&error));
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        match row(line, &record, &header, &columns) {
            Ok(row) => match lines.get(&row.name) {
                Some(first) => problems.push(ImportProblem {
                    line,
                    message: format!(
                        "{}: `{}` is already in line {first}",
                        place(0, &columns, Column::Method),
                        row.name
                    ),
                    hint: "one line per method".to_owned(),
                }),
                None => {
                    lines.insert(row.name.clone(), line);
                    rows.push(row);
                }
            },
            Err(found) => problems.extend(found),
        }
    }
    if rows.is_empty() && problems.is_empty() {
        let hint = "add a line per method below the line with the columns' names".to_owned();
        problems.push(ImportProblem {
            line: 1,
            message: "the table has no rows".to_owned(),
            hint,
        });
    }
    if !problems.is_empty() {
        return Err(refuse(file, problems));
    }
    let ignored = header
        .iter()
        .zip(&columns)
        .enumerate()
        .filter(|(_, (_, column))| column.is_none())
        .map(|(index, (name, _))| {
            if name.is_empty() {
                format!("number {}", index + 1)
            } else {
                clean::clean_code(name)
            }
        })
        .collect();
    Ok(Table {
        claims: Claims {
            flat: true,
            rows,
            ..Claims::default()
        },
        ignored,
    })
}

fn convert_csv_error(error: &csv::Error) -> ImportProblem {
    let line = error.position().map_or(1, csv::Position::line);
    ImportProblem {
        line,
        message: format!("cannot read the table: {error}"),
        hint: "write a table of comma-separated values".to_owned(),
    }
}

/// Returns the meaning of each column of the file; `None` for an unknown column.
fn columns(header: &[String]) -> Result<Vec<Option<Column>>, Vec<ImportProblem>> {
    let columns: Vec<Option<Column>> = header
        .iter()
        .map(|name| {
            COLUMNS
                .iter()
                .find(|(known, _, _)| known == name)
                .map(|(_, column, _)| *column)
        })
        .collect();
    let mut problems: Vec<ImportProblem> =
        header.iter().enumerate().filter_map(unprintable).collect();
    for (name, column, needed) in COLUMNS {
        let count = columns
            .iter()
            .filter(|known| **known == Some(column))
            .count();
        let unknown = header
            .iter()
            .zip(&columns)
            .filter(|(_, known)| known.is_none())
            .map(|(name, _)| name.as_str());
        if count > 1 {
            let hint = "remove all but one of them".to_owned();
            problems.push(ImportProblem {
                line: 1,
                message: format!("column `{name}` appears {count} times"),
                hint,
            });
        } else if count == 0 && needed {
            let hint = match nearest_name(name, unknown) {
                Some(near) => format!("rename `{near}`, if it is this column"),
                None => format!(
                    "the first line names the columns, separated by commas; it contains {}",
                    listed(header)
                ),
            };
            problems.push(ImportProblem {
                line: 1,
                message: format!("there is no column `{name}`"),
                hint,
            });
        }
    }
    if problems.is_empty() {
        Ok(columns)
    } else {
        Err(problems)
    }
}

/// Returns the problem of a column whose name controls a terminal.
fn unprintable((index, name): (usize, &String)) -> Option<ImportProblem> {
    clean::has_control(name).then(|| ImportProblem {
        line: 1,
        message: format!(
            "column {}: its name, {:?}, contains a line break or another control character",
            index + 1,
            format::shortened(name)
        ),
        hint: "write the column's name in one line".to_owned(),
    })
}

fn listed(header: &[String]) -> String {
    let names: Vec<String> = header
        .iter()
        .map(|name| format!("`{}`", clean::clean_line(name)))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        format::listed(&names)
    }
}

/// Describes a column for messages. `number` counts from 1 and is 0 if unknown.
fn place(number: usize, columns: &[Option<Column>], column: Column) -> String {
    let number = if number > 0 {
        number
    } else {
        1 + columns
            .iter()
            .position(|known| *known == Some(column))
            .unwrap_or_default()
    };
    let name = COLUMNS
        .iter()
        .find(|(_, known, _)| *known == column)
        .map_or("", |(name, _, _)| name);
    format!("column {number}, `{name}`")
}

fn row(
    line: u64,
    record: &csv::StringRecord,
    header: &[String],
    columns: &[Option<Column>],
) -> Result<ClaimedRow, Vec<ImportProblem>> {
    if record.len() != header.len() {
        let message = format!("{} values under {} columns", record.len(), header.len());
        let hint =
            "write one value per column, separated by commas, with quotes around a value that \
             contains a comma"
                .to_owned();
        return Err(vec![ImportProblem {
            line,
            message,
            hint,
        }]);
    }
    let mut row = ClaimedRow::default();
    let mut problems = Vec::new();
    for (index, (column, value)) in columns.iter().zip(record).enumerate() {
        let Some(column) = column else { continue };
        if let Err((message, hint)) = enter(&mut row, *column, value) {
            let place = place(index + 1, columns, *column);
            problems.push(ImportProblem {
                line,
                message: format!("{place}: {message}"),
                hint: hint.to_owned(),
            });
        }
    }
    if problems.is_empty() {
        Ok(row)
    } else {
        Err(problems)
    }
}

/// Stores a value in its row, or returns the problem and its remedy.
fn enter(row: &mut ClaimedRow, column: Column, value: &str) -> Result<(), (String, &'static str)> {
    const NUMBER: &str =
        "write a number with a decimal point, such as 12.34, without thousands separators";
    let needed = matches!(
        column,
        Column::Method | Column::PreviousMs | Column::CurrentMs
    );
    if value.is_empty() {
        return if needed {
            Err(("is empty".to_owned(), "a row needs a method and both times"))
        } else {
            Ok(())
        };
    }
    if clean::has_control(value) {
        return Err((
            "contains a line break or another control character".to_owned(),
            "write a name or a word in one line",
        ));
    }
    if column == Column::Method {
        let named = ClaimedRow::named(value);
        (row.name, row.family) = (named.name, named.family);
        return Ok(());
    }
    if column == Column::ReportedStatus {
        row.status = Some(value.to_owned());
        return Ok(());
    }
    let figure =
        Figure::parse(value).map_err(|message| (format!("`{value}` {message}"), NUMBER))?;
    match column {
        Column::PreviousMs => row.before = Some(figure.of_amount()),
        Column::CurrentMs => row.after = Some(figure.of_amount()),
        Column::PreviousAllocMb => row.memory_before = Some(figure.of_amount()),
        Column::CurrentAllocMb => row.memory_after = Some(figure.of_amount()),
        Column::DeltaMs => row.delta = Some(figure),
        Column::DeltaPercent => row.percent = Some(figure),
        Column::Method | Column::ReportedStatus => {}
    }
    Ok(())
}
