//! The verb `import`: turns a table that another tool printed into a comparison. It checks every
//! row and judges none.

mod table;

use crate::comparison::imported::{self, ImportedTable};
use crate::comparison::{self, ComparedSide, Comparison, SideKind, totals};
use crate::contradiction::{self, nesting};
use crate::error::CommandError;
use crate::file;
use crate::project;
use orch_core::judge::verdict::ALPHA;
use std::path::Path;

/// Reads a table from a file and converts it to a comparison.
pub(crate) fn import(file: &Path) -> Result<Comparison, CommandError> {
    of_table(&file.display().to_string(), &read(file)?)
}

/// Converts a table to a comparison, without its time and its place of storage. `file` is the name
/// in messages.
pub(crate) fn of_table(file: &str, text: &str) -> Result<Comparison, CommandError> {
    let mut table = table::read(file, text)?;
    let guesses = nesting::infer_parents(&mut table.claims.rows);
    let outcome = imported::build_outcome(&table.claims.rows);
    Ok(Comparison {
        schema: comparison::SCHEMA.to_owned(),
        id: String::new(),
        started: String::new(),
        ended: String::new(),
        verdict: totals::together(
            &outcome
                .workloads
                .iter()
                .map(|workload| workload.verdict)
                .collect::<Vec<_>>(),
        ),
        interrupted: false,
        orch: env!("CARGO_PKG_VERSION").to_owned(),
        command: format!("orch import {}", project::quoted(file)),
        seed: None,
        alpha: ALPHA,
        scenario: None,
        machine: None,
        toolchain: None,
        a: side("previous"),
        b: side("current"),
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
        imported: Some(ImportedTable {
            file: file.to_owned(),
            hash: crate::hash::text(text),
            ignored: table.ignored,
            rows: imported::list_rows(&table.claims.rows, &guesses),
        }),
        contradictions: contradiction::find_contradictions(&table.claims),
    })
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
            .with_hint("store the table as UTF-8")
    })
}

fn side(name: &str) -> ComparedSide {
    ComparedSide {
        name: name.to_owned(),
        kind: SideKind::Imported,
        git: None,
        set: serde_json::Map::new(),
        plugins: indexmap::IndexMap::new(),
    }
}
