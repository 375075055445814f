//! The verb `import`: turns the results of other tools into a comparison. It checks every row and
//! judges none.

mod criterion;
mod criterion_folder;
mod formats;
mod google_benchmark;
mod hyperfine;
mod json_text;
mod measured_file;
mod problem;
mod pytest_benchmark;
mod sides;
mod table;

use crate::comparison::imported::{self, ImportedFormat, ImportedTable};
use crate::comparison::{self, ComparedSide, Comparison, SideKind, totals};
use crate::contradiction::claims::Claims;
use crate::contradiction::{self, nesting};
use crate::error::CommandError;
use crate::file;
use crate::project;
use measured_file::MeasuredSide;
use orch_core::judge::verdict::ALPHA;
use std::path::{Path, PathBuf};

/// Content of a file or a folder.
enum ImportedContent {
    /// Text of a table with both sides.
    Table(String),
    /// Sides that a tool measured: one, or both of a folder of criterion.
    Measured {
        format: ImportedFormat,
        sides: Vec<MeasuredSide>,
    },
}

/// What a conversion has found, beside the claims.
struct ImportedParts {
    /// Files as the user named them.
    files: Vec<String>,
    /// Names of both sides.
    sides: [String; 2],
    claims: Claims,
    table: ImportedTable,
}

/// Request to import the results of another tool.
#[derive(Debug, Clone)]
pub(crate) struct ImportRequest {
    /// A file or a folder with both sides, or with the side before.
    pub(crate) first: PathBuf,
    /// The file with the side after, if the first one does not contain it.
    pub(crate) second: Option<PathBuf>,
}

/// Reads the results and converts them to a comparison, without its time and its place of storage.
///
/// # Errors
/// A file cannot be read, is of no known format, or contradicts the other one.
pub(crate) fn import_results(request: &ImportRequest) -> Result<Comparison, CommandError> {
    let shown = |path: &Path| path.display().to_string();
    let first = &request.first;
    let before = (shown(first), read_content(first)?);
    let after = match &request.second {
        Some(path) => Some((shown(path), read_content(path)?)),
        None => None,
    };
    convert(before, after)
}

/// Converts texts to a comparison, without its time and its place of storage. A text has the name
/// of its file in messages.
pub(crate) fn of_texts(
    first: (&str, &str),
    second: Option<(&str, &str)>,
) -> Result<Comparison, CommandError> {
    let content =
        |(file, text): (&str, &str)| Ok((file.to_owned(), recognise(file, text.to_owned())?));
    let after = second.map(content).transpose()?;
    convert(content(first)?, after)
}

/// Converts a table to a comparison, without its time and its place of storage. `file` is the name
/// in messages.
pub(crate) fn of_table(file: &str, text: &str) -> Result<Comparison, CommandError> {
    let mut table = table::read(file, text)?;
    let guesses = nesting::infer_parents(&mut table.claims.rows);
    let rows = imported::list_rows(&table.claims.rows, &guesses);
    Ok(compare_claims(ImportedParts {
        files: vec![file.to_owned()],
        sides: ["previous", "current"].map(str::to_owned),
        claims: table.claims,
        table: ImportedTable {
            file: file.to_owned(),
            hash: crate::hash::text(text),
            format: ImportedFormat::Table,
            sources: Vec::new(),
            ignored: table.ignored,
            rows,
        },
    }))
}

fn convert(
    (first, before): (String, ImportedContent),
    second: Option<(String, ImportedContent)>,
) -> Result<Comparison, CommandError> {
    let Some((second, after)) = second else {
        return match before {
            ImportedContent::Table(text) => of_table(&first, &text),
            ImportedContent::Measured { format, sides } => {
                Ok(compare_claims(sides::join(vec![first], format, sides)))
            }
        };
    };
    let [(format, one), (other_format, other)] =
        [(&first, before), (&second, after)].map(|(file, content)| match content {
            ImportedContent::Table(_) => (ImportedFormat::Table, Err(file.clone())),
            ImportedContent::Measured { format, mut sides } => (format, Ok(sides.pop())),
        });
    let table = |file: String| {
        CommandError::input(format!("{file} is a table, which contains both sides"))
            .with_hint("name the table alone")
    };
    let (one, other) = (one.map_err(table)?, other.map_err(table)?);
    if format != other_format {
        let [one, other] = [format, other_format].map(ImportedFormat::name);
        return Err(CommandError::input(format!(
            "{first} comes from {one}, but {second} comes from {other}"
        ))
        .with_hint("name two files of one tool"));
    }
    let sides = one.into_iter().chain(other).collect();
    Ok(compare_claims(sides::join(
        vec![first, second],
        format,
        sides,
    )))
}

/// Returns the comparison of claims. Nothing in it is judged.
fn compare_claims(parts: ImportedParts) -> Comparison {
    let outcome = imported::build_outcome(&parts.claims);
    let verdicts: Vec<_> = outcome.workloads.iter().map(|one| one.verdict).collect();
    let files: Vec<String> = parts
        .files
        .iter()
        .map(|file| project::quoted(file))
        .collect();
    let [a, b] = parts.sides.map(side);
    Comparison {
        schema: comparison::SCHEMA.to_owned(),
        id: String::new(),
        started: String::new(),
        ended: String::new(),
        verdict: totals::combine_verdicts(&verdicts),
        interrupted: false,
        orch: env!("CARGO_PKG_VERSION").to_owned(),
        command: format!("orch import {}", files.join(" ")),
        seed: None,
        alpha: ALPHA,
        scenario: None,
        machine: None,
        toolchain: None,
        a,
        b,
        counts: totals::counts(&outcome.workloads),
        totals: None,
        jobs: outcome.entries,
        workloads: outcome.workloads,
        gate: None,
        false_alarms: None,
        building_ns: 0,
        waiting_ns: 0,
        load: None,
        wall_ns: 0,
        imported: Some(parts.table),
        contradictions: contradiction::find_contradictions(&parts.claims),
    }
}

fn read_content(path: &Path) -> Result<ImportedContent, CommandError> {
    if path.is_dir() {
        let sides = criterion_folder::read_folder(path)?;
        let format = ImportedFormat::Criterion;
        return Ok(ImportedContent::Measured { format, sides });
    }
    let content = recognise(&path.display().to_string(), read(path)?)?;
    match content {
        ImportedContent::Measured { format, .. } if format == ImportedFormat::Criterion => {
            let sides = vec![criterion_folder::read_estimates(path)?];
            Ok(ImportedContent::Measured { format, sides })
        }
        content => Ok(content),
    }
}

fn recognise(file: &str, text: String) -> Result<ImportedContent, CommandError> {
    if !formats::is_json(&text) {
        return Ok(ImportedContent::Table(text));
    }
    let (format, side) = formats::read_side(file, &text)?;
    let sides = vec![side];
    Ok(ImportedContent::Measured { format, sides })
}

fn read(file: &Path) -> Result<String, CommandError> {
    let shown = file.display();
    let bytes = file::read_bytes(file, file::MOST_RESULT_BYTES).map_err(|error| {
        CommandError::input(format!("cannot read {shown}: {error}"))
            .with_hint("name a file, such as `orch import table.csv`")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        CommandError::input(format!("{shown}:{line}: is not UTF-8 text"))
            .with_hint("store the file as UTF-8")
    })
}

fn side(name: String) -> ComparedSide {
    ComparedSide {
        name,
        kind: SideKind::Imported,
        git: None,
        set: serde_json::Map::new(),
        plugins: indexmap::IndexMap::new(),
    }
}

#[cfg(test)]
mod tests;
