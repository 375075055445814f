//! Snapshots of all exports, and their validity with any texts in a result.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod validity;

use super::*;
use crate::comparison::MetricEntry;
use crate::gate::{GateOutcome, GateResult};
use crate::model::metric::Metric;
use crate::record::ScopeRecord;
use crate::render::tests::nasty_texts::{NastyDocument, TOGETHER, check_harmless, make_nasty};
use crate::render::tests::{findings, read};
use validity::check_validity;

/// Folder that does not exist, so that the built-in templates are used.
const NOWHERE: &str = "/nonexistent/templates";

/// Names that other programs could misinterpret.
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}{# x #}",
    "a|b`c|d",
    "a\nb\r\nc\u{2028}d",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\u{200f}\u{202e}gnp.exe\u{2066}",
    "]]><!-- --><![CDATA[&amp;&#0;",
    "quote\"apostrophe'backslash\\",
    "=1+1;x 3",
    "@everyone [x](http://example.org) ![y](z) #1 **b**",
    "\0\u{7f}\u{9b}\u{fffe}\u{ffff}",
    "::error::x\n::add-mask::y\n##[group]z",
];

fn export(result: &ExportedResult, format: ExportFormat) -> String {
    export_result(result, format, Path::new(NOWHERE)).unwrap()
}

/// Exports a result in each format that supports it.
fn export_all<'a>(
    result: &'a ExportedResult<'a>,
) -> impl Iterator<Item = (ExportFormat, String)> + 'a {
    let all = ExportFormat::ALL.into_iter();
    all.filter(move |one| result.has_format(*one))
        .map(move |format| (format, export(result, format)))
}

fn check_snapshots(name: &str, result: &ExportedResult) {
    for (format, text) in export_all(result) {
        check_validity(format, &text, name);
        insta::assert_snapshot!(format!("{name}.{}", format.name()), text);
    }
}

/// Returns a comparison that a gate judged, with a finding of each kind for the first workload and
/// a finding for a dropped job.
fn read_checked(open_fails: bool) -> Comparison {
    let mut compared: Comparison = read("comparison-full");
    let mut findings = findings();
    for (finding, workload) in findings.iter_mut().zip(&compared.workloads) {
        finding.job.clone_from(&workload.id);
    }
    findings[6].job = "legacy".to_owned();
    findings[7].job = String::new();
    let gate = GateResult {
        outcome: GateOutcome::Failed,
        findings,
        open_fails,
    };
    compared.gate = Some(serde_json::to_value(gate).unwrap());
    compared
}

#[test]
fn exports_of_runs_are_fixed() {
    let record: Record = read("record-full");
    check_snapshots("record-full", &ExportedResult::Run(&record));
}

#[test]
fn exports_of_comparisons_are_fixed() {
    let compared: Comparison = read("comparison-full");
    check_snapshots("comparison-full", &ExportedResult::Comparison(&compared));
}

#[test]
fn gate_decides_what_failed() {
    let checked = read_checked(true);
    for format in [ExportFormat::Junit, ExportFormat::GithubComment] {
        let text = export(&ExportedResult::Comparison(&checked), format);
        check_validity(format, &text, "checked");
        insta::assert_snapshot!(format!("checked.{}", format.name()), text);
    }
    let count = |compared: &Comparison| {
        let result = ExportedResult::Comparison(compared);
        let text = export(&result, ExportFormat::Junit);
        ["<failure ", "<error ", "<skipped "].map(|element| text.matches(element).count())
    };
    let [failures, errors, skipped] = count(&checked);
    let [tolerated, same_errors, more_skipped] = count(&read_checked(false));
    assert!(tolerated <= failures && skipped <= more_skipped);
    assert_eq!(errors, same_errors);
}

#[test]
fn small_results_are_exported_too() {
    for name in ["record-bare", "record-plain"] {
        let record: Record = read(name);
        for (format, text) in export_all(&ExportedResult::Run(&record)) {
            check_validity(format, &text, name);
        }
    }
    for name in ["comparison-bare", "comparison-plain"] {
        let compared: Comparison = read(name);
        for (format, text) in export_all(&ExportedResult::Comparison(&compared)) {
            check_validity(format, &text, name);
        }
    }
}

#[test]
fn no_text_of_a_result_breaks_its_exports() {
    let record: Record = read("record-full");
    for NastyDocument { texts, document } in make_nasty(&record, TOGETHER) {
        for (format, text) in export_all(&ExportedResult::Run(&document)) {
            check_inert(format, &text, &format!("instead of {texts:?}"));
        }
    }
    for NastyDocument { texts, document } in make_nasty(&read_checked(true), TOGETHER) {
        for (format, text) in export_all(&ExportedResult::Comparison(&document)) {
            check_inert(format, &text, &format!("instead of {texts:?}"));
        }
    }
}

/// Checks that an export is valid, and that none of its texts controls the program that shows it.
fn check_inert(format: ExportFormat, text: &str, place: &str) {
    check_harmless(text, &format!("{}, {place}", format.name()));
    check_validity(format, text, place);
}

#[test]
fn hostile_names_are_inert_in_every_export() {
    let long = "é".repeat(5_000);
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        let record = name_run(name);
        for (format, text) in export_all(&ExportedResult::Run(&record)) {
            check_inert(format, &text, name);
        }
        let compared = name_comparison(name);
        for (format, text) in export_all(&ExportedResult::Comparison(&compared)) {
            check_inert(format, &text, name);
        }
    }
}

/// Returns a run in which every name begins with the given text.
fn name_run(name: &str) -> Record {
    fn name_scope(name: &str, scope: &mut ScopeRecord) {
        scope.name = format!("{name}{}", scope.name);
        let children = scope.children.iter_mut();
        children.for_each(|child| name_scope(name, child));
    }
    let mut record: Record = read("record-full");
    record.scenario.name = name.to_owned();
    record.orch = name.to_owned();
    record.git.commit = Some(name.to_owned());
    for job in &mut record.jobs {
        job.id = format!("{name}{}", job.id);
        job.workload = name.to_owned();
        job.message = job.message.as_ref().map(|_| name.to_owned());
        job.warnings.push(name.to_owned());
        job.scopes
            .iter_mut()
            .for_each(|scope| name_scope(name, scope));
        let metrics = std::mem::take(&mut job.metrics);
        job.metrics.extend(
            metrics
                .into_iter()
                .map(|(id, value)| (name.to_owned() + &id, value)),
        );
        let infos = std::mem::take(&mut job.metrics_info);
        let infos = infos.into_iter().map(|(id, mut info)| {
            info.unit = name.to_owned();
            (name.to_owned() + &id, info)
        });
        job.metrics_info.extend(infos);
    }
    record
}

/// Returns a checked comparison in which every name begins with the given text.
fn name_comparison(name: &str) -> Comparison {
    let mut compared = read_checked(true);
    if let Some(scenario) = &mut compared.scenario {
        scenario.name = name.to_owned();
    }
    compared.command = name.to_owned();
    for side in [&mut compared.a, &mut compared.b] {
        side.name = name.to_owned();
    }
    for MetricEntry {
        id, metric, reason, ..
    } in &mut compared.jobs
    {
        *id = format!("{name}{id}");
        if let Metric::Plugin(id) = metric {
            *id = format!("{name}{id}");
        }
        *reason = name.to_owned();
    }
    for workload in &mut compared.workloads {
        workload.id = format!("{name}{}", workload.id);
        workload.workload = name.to_owned();
        workload.missing = workload.missing.as_ref().map(|_| name.to_owned());
        workload.warnings.push(name.to_owned());
        workload.warning_kinds.clear();
    }
    let mut gate: GateResult = serde_json::from_value(compared.gate.take().unwrap()).unwrap();
    for finding in &mut gate.findings {
        finding.job = format!("{name}{}", finding.job);
        finding.message = name.to_owned();
    }
    compared.gate = Some(serde_json::to_value(gate).unwrap());
    compared
}

#[test]
fn comment_on_many_workloads_leaves_whole_rows_out_and_counts_them() {
    let mut compared = read_checked(true);
    let workloads = std::mem::take(&mut compared.workloads);
    let entries = std::mem::take(&mut compared.jobs);
    for round in 0..300 {
        compared.workloads.extend(workloads.iter().map(|workload| {
            let mut workload = workload.clone();
            workload.id = format!("<{}-{round}", workload.id);
            workload
                .warnings
                .push(format!("{round}{}", "x".repeat(2_000)));
            workload.warning_kinds.clear();
            workload
        }));
        compared.jobs.extend(entries.iter().map(|entry| {
            let mut entry = entry.clone();
            entry.id = format!("<{}-{round}", entry.id);
            entry.reason = "x".repeat(2_000);
            entry
        }));
    }
    let text = export(
        &ExportedResult::Comparison(&compared),
        ExportFormat::GithubComment,
    );
    check_inert(ExportFormat::GithubComment, &text, "many workloads");
    assert!(text.chars().count() > 30_000, "the room is used");
    for what in ["changes", "metrics", "workloads", "warnings"] {
        let counted = format!(" more {what} are in comparison.json.\n");
        assert!(text.contains(&counted), "{what}");
    }
}

#[test]
fn names_of_formats_are_unique() {
    let all = ExportFormat::ALL;
    for format in all {
        assert_eq!(ExportFormat::find(format.name()), Some(format));
        let same = |other: &&ExportFormat| other.file_name() == format.file_name();
        assert_eq!(all.iter().filter(same).count(), 1, "{format:?}");
    }
}
