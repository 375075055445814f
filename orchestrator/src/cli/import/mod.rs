//! `orch import`: a table that another tool printed becomes a comparison in which nothing is judged
//! and everything is checked.

mod table;

use super::Outcome;
use super::args::ImportOptions;
use super::exit::Exit;
use super::keep::{self, Place};
use super::project;
use crate::comparison::imported::{self, Imported};
use crate::comparison::{self, Comparison, Side, SideKind, head};
use crate::contradiction::{self, nesting};
use crate::error::CommandError;
use crate::judge::verdict::ALPHA;
use crate::record::store;
use std::path::Path;
use std::time::Instant;

/// The report that every import prints and stores.
const TABLE: &str = "import.txt";
/// The report for a merge request or a mail.
const REPORT: &str = "comparison.md";

/// Imports a table.
pub(super) fn import(options: &ImportOptions) -> Outcome {
    let (begun, started) = (Instant::now(), jiff::Timestamp::now());
    let text = read(&options.file)?;
    let shown = options.file.display().to_string();
    let mut comparison = of_table(&shown, &text)?;
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("the current folder", &error))?;
    let root = project::root_of(&here.join("x"));
    let results = options.output.folder(&root);
    store::check_folder(&results).map_err(|error| {
        CommandError::system_while(&format!("cannot write to {}", results.display()), &error)
    })?;
    comparison.started = started.to_string();
    comparison.ended = jiff::Timestamp::now().to_string();
    comparison.wall_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let place = Place {
        root: &root,
        results: &results,
        started,
        name: &stem(&options.file),
        mark: "import",
    };
    let kept = keep::keep(&mut comparison, &place, [TABLE, REPORT])?;
    keep::show(&kept, options.output.json)?;
    Ok(Exit::Fine)
}

/// The comparison that a table says; when it was made, and where it is stored, is still open.
/// `file` is its name in messages.
pub(crate) fn of_table(file: &str, text: &str) -> Result<Comparison, CommandError> {
    let mut table = table::read(file, text)?;
    let guesses = nesting::infer_parents(&mut table.claims.rows);
    let outcome = imported::outcome(&table.claims.rows);
    Ok(Comparison {
        schema: comparison::SCHEMA.to_owned(),
        id: String::new(),
        started: String::new(),
        ended: String::new(),
        verdict: head::together(
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
        counts: head::counts(&outcome.workloads),
        totals: None,
        jobs: outcome.entries,
        workloads: outcome.workloads,
        gate: None,
        false_alarms: None,
        building_ns: 0,
        waiting_ns: 0,
        load: None,
        wall_ns: 0,
        imported: Some(Imported {
            file: file.to_owned(),
            hash: crate::hash::text(text),
            ignored: table.ignored,
            rows: imported::rows(&table.claims.rows, &guesses),
        }),
        contradictions: contradiction::find_contradictions(&table.claims),
    })
}

fn read(file: &Path) -> Result<String, CommandError> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| {
        CommandError::input(format!("{shown} cannot be read: {error}"))
            .with_hint("`orch import table.csv` names a file")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        CommandError::input(format!("{shown}:{line}: is not UTF-8 text"))
            .with_hint("store the table as UTF-8")
    })
}

fn side(name: &str) -> Side {
    Side {
        name: name.to_owned(),
        kind: SideKind::Imported,
        git: None,
        set: serde_json::Map::new(),
        plugins: indexmap::IndexMap::new(),
    }
}

/// The file's name as part of a folder's.
fn stem(file: &Path) -> String {
    let stem = file.file_stem().map_or_else(
        || "table".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    stem.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}
