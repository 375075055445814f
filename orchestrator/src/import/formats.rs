//! Recognises the format of a file by its content, and reads one side of a comparison from it.

use super::json_text::{self, JsonNode};
use super::measured_file::MeasuredSide;
use super::problem::{self, ImportProblem};
use super::{criterion, google_benchmark, hyperfine, pytest_benchmark};
use crate::comparison::imported::ImportedFormat;
use crate::error::CommandError;
use orch_core::format::{self, clean};

/// Returns whether a text is JSON rather than a table. No table begins with a brace or a bracket.
pub(super) fn is_json(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.trim_start().starts_with(['{', '['])
}

/// Reads one side from the text of a file. `file` is its name in messages.
pub(super) fn read_side(
    file: &str,
    text: &str,
) -> Result<(ImportedFormat, MeasuredSide), CommandError> {
    let refuse = |problems| problem::refuse(file, problems);
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = json_text::parse(plain).map_err(|problem| refuse(vec![problem]))?;
    let format = recognise(&root).map_err(|problem| refuse(vec![problem]))?;
    let side = match format {
        ImportedFormat::Hyperfine => hyperfine::read(file, text, &root),
        ImportedFormat::GoogleBenchmark => google_benchmark::read(file, text, &root),
        ImportedFormat::PytestBenchmark => pytest_benchmark::read(file, text, &root),
        ImportedFormat::Criterion | ImportedFormat::Table => read_estimates(file, text),
    };
    let side = side.map_err(refuse)?;
    if side.rows.is_empty() {
        let hint = format!("run the benchmarks with `{}`", format.export_option());
        let message = "the file has no results".to_owned();
        return Err(refuse(vec![ImportProblem {
            line: 1,
            message,
            hint,
        }]));
    }
    Ok((format, side))
}

/// Reads estimates of criterion without the files beside them.
fn read_estimates(file: &str, text: &str) -> Result<MeasuredSide, Vec<ImportProblem>> {
    let texts = criterion::CriterionTexts {
        estimates: (file, text),
        sample: None,
        benchmark: None,
    };
    let benchmark = criterion::read(&texts).map_err(|(_, problems)| problems)?;
    let mut side = criterion::empty_side(file);
    side.source.hash = crate::hash::text(text);
    benchmark.add_to(&mut side, "estimates");
    Ok(side)
}

fn recognise(root: &JsonNode) -> Result<ImportedFormat, ImportProblem> {
    let has = |name: &str| root.get(name).is_some();
    if has("results") {
        Ok(ImportedFormat::Hyperfine)
    } else if has("benchmarks") && (has("machine_info") || has("commit_info")) {
        Ok(ImportedFormat::PytestBenchmark)
    } else if has("benchmarks") {
        Ok(ImportedFormat::GoogleBenchmark)
    } else if criterion::is_estimates(root) {
        Ok(ImportedFormat::Criterion)
    } else {
        let names: Vec<String> = root
            .members()
            .iter()
            .map(|(name, _)| format!("`{}`", clean::clean_code(name)))
            .collect();
        let found = if names.is_empty() {
            root.kind().to_owned()
        } else {
            format!("an object with {}", format::listed(&names))
        };
        Err(ImportProblem {
            line: root.line,
            message: format!("is JSON of an unknown format: {found}"),
            hint: "name a file of `hyperfine --export-json`, `--benchmark_out` of Google \
                   Benchmark, `pytest --benchmark-json` or criterion's `estimates.json`"
                .to_owned(),
        })
    }
}
