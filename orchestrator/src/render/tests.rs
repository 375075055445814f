//! Snapshots of all reports through the built-in templates. The fixtures cover every section.

pub(crate) mod nasty_texts;
mod profiler_reports;
mod view_names;

use super::*;
use crate::gate::{FindingKind, GateFinding, GateOutcome};
use crate::import;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Folder that does not exist, so that the built-in templates are used.
const NOWHERE: &str = "/nonexistent/templates";

/// Reports of runs, followed by reports of comparisons.
const RUN_REPORTS: [&str; 7] = [
    "allocations.md",
    "hot-paths.md",
    "index.md",
    "profile.md",
    "run.html",
    "samples.txt",
    "summary.txt",
];
const COMPARISON_REPORTS: [&str; 7] = [
    "chart.md",
    "comparison.html",
    "comparison.md",
    "comparison.txt",
    "github-comment.md",
    "overview.txt",
    "performance.md",
];

pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/reports")
        .join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Compares a report with its snapshot, whose name contains the fixture and the template.
fn check(fixture: &str, template: &str, report: &Result<String, RenderError>) {
    let name = format!("{fixture}.{template}");
    insta::assert_snapshot!(name, report.as_ref().unwrap());
}

/// Returns the lines of a report that state the number of items left out.
fn left_out(report: &Result<String, RenderError>) -> String {
    let lines = report.as_ref().unwrap().lines();
    let counting = lines.filter(|line| {
        (line.contains(" more ") && !line.contains("more than")) || line.contains("shorter")
    });
    counting
        .map(|line| line.split(" | ").last().unwrap_or(line).to_owned() + "\n")
        .collect()
}

fn of_run(record: &Record, template: &str) -> Result<String, RenderError> {
    ReportView::of_run(record).render(template, Path::new(NOWHERE))
}

fn of_comparison(compared: &Comparison, template: &str) -> Result<String, RenderError> {
    ReportView::of_comparison(compared).render(template, Path::new(NOWHERE))
}

fn of_bisect(report: &BisectReport, template: &str) -> Result<String, RenderError> {
    ReportView::of_bisect(report).render(template, Path::new(NOWHERE))
}

fn of_times(times: &TimeResult, template: &str) -> Result<String, RenderError> {
    ReportView::of_times(times).render(template, Path::new(NOWHERE))
}

#[test]
fn times() {
    for fixture in ["times-full", "times-alone"] {
        let times: TimeResult = read(fixture);
        check(fixture, "times.txt", &of_times(&times, "times.txt"));
    }
    let times: TimeResult = read("times-full");
    let narrow = ReportPlace::standard_output(Some(60), false);
    let report = ReportView::of_times(&times).render_for(narrow, "times.txt", Path::new(NOWHERE));
    check("times-full-60", "times.txt", &report);
}

#[test]
fn runs() {
    for fixture in ["record-full", "record-bare", "record-night", "record-plain"] {
        let record: Record = read(fixture);
        for template in RUN_REPORTS {
            check(fixture, template, &of_run(&record, template));
        }
    }
}

#[test]
fn runs_of_many_jobs() {
    let mut record: Record = read("record-full");
    let jobs = std::mem::take(&mut record.jobs);
    for round in 0..210 {
        let of_round = jobs.iter().map(|job| {
            let mut job = job.clone();
            job.id = format!("{}-{round}", job.id);
            job.message = job.message.map(|message| format!("{round}: {message}"));
            job.params.insert("round".to_owned(), round.into());
            job.warnings
                .iter_mut()
                .for_each(|text| text.push_str(&round.to_string()));
            job.anchored
                .iter_mut()
                .for_each(|one| one.reason.push_str(&round.to_string()));
            job
        });
        record.jobs.extend(of_round);
    }
    record.contradictions = vec![record.contradictions[0].clone(); 52];
    for template in ["summary.txt", "profile.md"] {
        let lines = left_out(&of_run(&record, template));
        insta::assert_snapshot!(format!("record-many.{template}"), lines);
    }
}

#[test]
fn comparisons() {
    for fixture in [
        "comparison-full",
        "comparison-bare",
        "comparison-models",
        "comparison-plain",
    ] {
        let compared: Comparison = read(fixture);
        for template in COMPARISON_REPORTS {
            check(fixture, template, &of_comparison(&compared, template));
        }
    }
}

#[test]
fn comparisons_of_many_workloads() {
    let mut compared: Comparison = read("comparison-full");
    let workloads = std::mem::take(&mut compared.workloads);
    let entries = std::mem::take(&mut compared.jobs);
    for round in 0..210 {
        compared.workloads.extend(workloads.iter().map(|workload| {
            let mut workload = workload.clone();
            workload.id = format!("{}-{round}", workload.id);
            workload
                .warnings
                .iter_mut()
                .for_each(|text| text.push_str(&round.to_string()));
            workload.warning_kinds.clear();
            workload
        }));
        compared.jobs.extend(entries.iter().map(|entry| {
            let mut entry = entry.clone();
            entry.id = format!("{}-{round}", entry.id);
            entry
        }));
    }
    compared.contradictions = vec![compared.contradictions[0].clone(); 51];
    for template in ["comparison.txt", "comparison.md"] {
        let lines = left_out(&of_comparison(&compared, template));
        insta::assert_snapshot!(format!("comparison-many.{template}"), lines);
    }
}

/// Maximum size of a page with 600 rows, in bytes.
const MOST_PAGE_BYTES: usize = 3 << 20;

#[test]
fn pages_of_600_rows_are_small() {
    let mut record: Record = read("record-night");
    // The samples fill every column of the histograms, in the maximum number of drawn processes.
    let mut job = record.jobs[0].clone();
    let time = job.time.as_mut().unwrap();
    time.processes.truncate(1);
    time.processes[0].samples_ns = (0..200).map(|sample| 1000 + sample * sample).collect();
    time.processes = vec![time.processes[0].clone(); 12];
    record.jobs = (0..600)
        .map(|index| {
            let mut job = job.clone();
            job.id = format!("kernels/matmul[m={index},k={index},n={index},pool=on]");
            job
        })
        .collect();
    let page = of_run(&record, "run.html").unwrap();
    assert!(page.contains("n=599,"));
    assert!(page.len() < MOST_PAGE_BYTES, "{} bytes", page.len());

    let mut compared: Comparison = read("comparison-models");
    let (workload, entries) = (compared.workloads.remove(0), compared.jobs.clone());
    let mut workload = workload;
    workload.pairs = vec![workload.pairs[0].clone(); 30];
    compared.workloads.clear();
    compared.jobs.clear();
    for index in 0..600 {
        let id = format!("job[n={index}]");
        let mut workload = workload.clone();
        let own = entries.iter().filter(|entry| entry.id == workload.id);
        let own = own.cloned().map(|mut entry| {
            entry.id.clone_from(&id);
            entry
        });
        compared.jobs.extend(own);
        workload.id = id;
        compared.workloads.push(workload);
    }
    let page = of_comparison(&compared, "comparison.html").unwrap();
    assert!(page.contains("n=599]"));
    assert!(page.len() < MOST_PAGE_BYTES, "{} bytes", page.len());
}

#[test]
fn imported_rows_keep_their_figures_beside_the_verdict() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/comparison-2026-02-04.csv");
    let table = std::fs::read_to_string(path).unwrap();
    let compared = import::of_table("table.csv", &table).unwrap();
    let report = of_comparison(&compared, "comparison.md").unwrap();
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [
            name,
            before,
            after,
            difference,
            percent,
            before_mb,
            after_mb,
            status,
        ] = cells.try_into().unwrap();
        let expected = format!(
            "{name} | {before} | {after} | {difference} | {percent} % | {before_mb} -> {after_mb} \
             | {status} | inconclusive |"
        );
        assert!(report.contains(&expected), "{expected}");
        rows += 1;
    }
    assert_eq!(rows, 29);
}

#[test]
fn imported_tables() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/comparison-2026-02-04.csv");
    let long = std::fs::read_to_string(path).unwrap();
    let short = "method,previous_ms,current_ms,note,reported_status\nparse,1.00,0.50,x,improved\n\
        write|all,3.00,2.00,y,\n";
    let one = "method,previous_ms,current_ms,previous_alloc_mb,current_alloc_mb\nparse,1.00,0.50,\
        1.5,2.5\n";
    let many: String = (0..205)
        .map(|row| format!("row{row},1.00,1.00\n"))
        .collect();
    for (name, text) in [("long", long.as_str()), ("short", short), ("one", one)] {
        let compared = import::of_table("table.csv", text).unwrap();
        check_import(&format!("import-{name}"), &compared);
    }
    let many = format!("method,previous_ms,current_ms\n{many}");
    let compared = import::of_table("table.csv", &many).unwrap();
    for template in ["import.txt", "comparison.md"] {
        let lines = left_out(&of_comparison(&compared, template));
        insta::assert_snapshot!(format!("import-many.{template}"), lines);
    }
}

#[test]
fn imported_results() {
    for tool in ["hyperfine", "google", "pytest"] {
        let [before, after] = ["before", "after"].map(|side| {
            let name = format!("{tool}-{side}.json");
            let path = Path::new(env!("CARGO_MANIFEST_DIR"));
            let path = path.join("tests/fixtures/imports").join(&name);
            (name, std::fs::read_to_string(path).unwrap())
        });
        let (first, second) = ((&*before.0, &*before.1), (&*after.0, &*after.1));
        for (name, second) in [("both", Some(second)), ("one", None)] {
            let compared = import::of_texts(first, second).unwrap();
            check_import(&format!("import-{tool}-{name}"), &compared);
        }
    }
    let folder = Path::new("tests/fixtures/imports/criterion");
    let compared = import::import_results(&import::ImportRequest {
        first: folder.to_owned(),
        second: None,
    })
    .unwrap();
    check_import("import-criterion", &compared);
}

fn check_import(name: &str, compared: &Comparison) {
    for template in ["import.txt", "comparison.md"] {
        check(name, template, &of_comparison(compared, template));
    }
}

/// Returns a finding of each kind.
pub(crate) fn findings() -> Vec<GateFinding> {
    let kinds = [
        "output_differs",
        "regressed",
        "trade_off",
        "expired",
        "too_many_allocations",
        "target_missed",
        "dropped",
        "missing",
        "inconclusive",
        "target_open",
        "accepted",
        "not_needed",
        "loosened",
        "target_met",
    ];
    let finding = |(index, name): (usize, &str)| GateFinding {
        kind: serde_json::from_value::<FindingKind>(Value::from(name)).unwrap(),
        job: if index == 7 { "" } else { "softmax" }.to_owned(),
        metric: if index % 7 == 0 { "" } else { "time" }.to_owned(),
        message: "+81.6 % (+78.3 % to +84.3 %), 91.0 ns -> 165 ns; better in allocations (-45 %)"
            .repeat(if index == 1 { 30 } else { 1 }),
    };
    kinds.into_iter().enumerate().map(finding).collect()
}

#[test]
fn gates() {
    let compared: Comparison = read("comparison-full");
    let again =
        [("softmax", "still fails"), ("gelu", "passes")].map(|(id, state)| (id.to_owned(), state));
    let next = ["orch bisect a", "orch check b"].map(str::to_owned);
    let of = |outcome, findings: Vec<GateFinding>, again: &[(String, &str)], next: &[String]| {
        let gate = GateResult {
            outcome,
            findings,
            open_fails: true,
        };
        gate_report(&compared, &gate, again, next)
    };
    let reports = [
        of(GateOutcome::Failed, findings(), &again, &next),
        of(
            GateOutcome::Incomplete,
            findings()[7..8].to_vec(),
            &[],
            &next[..1],
        ),
        of(
            GateOutcome::Open,
            findings()[8..9].to_vec(),
            &again[..1],
            &[],
        ),
        of(GateOutcome::Open, findings()[8..9].to_vec(), &[], &[]),
        of(GateOutcome::Passed, Vec::new(), &[], &[]),
    ];
    insta::assert_snapshot!("gate.txt", reports.join("----\n"));
    let many = vec![findings()[2].clone(); 53];
    let again: Vec<(String, &str)> = (0..52).map(|job| (job.to_string(), "passes")).collect();
    let lines = left_out(&Ok(of(GateOutcome::Failed, many, &again, &[])));
    insta::assert_snapshot!("gate-many.txt", lines);
}

fn gate_report(
    compared: &Comparison,
    result: &GateResult,
    again: &[(String, &str)],
    next: &[String],
) -> String {
    ReportView::of_gate(compared, result, again, next)
        .render("gate.txt", Path::new(NOWHERE))
        .unwrap()
}

#[test]
fn bisects() {
    for fixture in [
        "bisect-full",
        "bisect-counted",
        "bisect-digest",
        "bisect-bare",
    ] {
        let report: BisectReport = read(fixture);
        for template in ["bisect.html", "bisect.txt", "bisect.md"] {
            check(fixture, template, &of_bisect(&report, template));
        }
    }
}

#[test]
fn bisects_of_many_commits() {
    let mut report: BisectReport = read("bisect-full");
    report.skipped = vec![report.skipped[0].clone(); 53];
    let open = &mut report.undecided[0].commits;
    *open = vec![open[0].clone(); 24];
    let packages = &mut report.culprits[1].cause.dependencies;
    *packages = vec![packages[0].clone(); 25];
    for template in ["bisect.txt", "bisect.md"] {
        let lines = left_out(&of_bisect(&report, template));
        insta::assert_snapshot!(format!("bisect-many.{template}"), lines);
    }
}

/// Creates a folder with user-defined templates.
fn own_templates(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Renders in the process of the test. A separate process would need the program `orch`, which this
/// test is not.
fn render_own(
    name: &str,
    folder: &tempfile::TempDir,
    view: impl serde::Serialize,
) -> Result<String, RenderError> {
    render_here(
        name,
        folder.path(),
        &serde_json::to_value(view).unwrap(),
        ReportPlace::FILE,
        usize::MAX,
    )
}

#[test]
fn own_templates_see_raw_values_beside_the_texts() {
    let own = "{% for row in rows %}\
        {{ row.id }} {{ row.verdict }} {{ row.time.pairs if row.time }} {{ row.text.change }}\n\
        {% endfor %}";
    let folder = own_templates(&[("comparison.txt", own)]);
    let compared: Comparison = read("comparison-full");
    let report = render_own("comparison.txt", &folder, comparison::view(&compared)).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines.len(), compared.workloads.len());
    assert!(lines.contains(&"softmax regressed 20 +81.6 %"), "{report}");
}

#[test]
fn own_sections_replace_built_in_ones() {
    let compared: Comparison = read("comparison-full");
    let built_in = of_comparison(&compared, "comparison.md").unwrap();
    let section = ("comparison/warnings.md", "none of yours\n");
    let folder = own_templates(&[section]);
    let report = render_own("comparison.md", &folder, comparison::view(&compared)).unwrap();
    let kept = built_in.split("\n## Warnings").next().unwrap();
    assert!(report.starts_with(kept), "the other sections stay");
    assert!(report.contains("none of yours") && !report.contains("## Warnings"));
    let whole = (
        "comparison.md",
        "mine\n{% include 'comparison/workloads.md' %}",
    );
    let folder = own_templates(&[section, whole]);
    let report = render_own("comparison.md", &folder, comparison::view(&compared)).unwrap();
    assert!(report.starts_with("mine\n## All workloads\n"), "{report}");
}

#[test]
fn own_templates_that_ask_for_what_does_not_exist_are_named() {
    let folder = own_templates(&[
        (
            "summary.txt",
            "{{ table(['a'], summary.jobs.items, cells=['text.tiem']) }}",
        ),
        ("profile.md", "{% include 'profile/none.md' %}"),
    ]);
    let record: Record = read("record-full");
    let message = |name: &str| match render_own(name, &folder, run::view(&record)) {
        Ok(report) => report,
        Err(error) => error.to_string(),
    };
    assert!(message("summary.txt").contains("a row has no member `text.tiem`"));
    assert!(message("profile.md").contains("profile/none.md"));
}
