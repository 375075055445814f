//! Large inputs for the work that grows with jobs and rows: `benches/scale` times them, and tests
//! bound the sizes of their reports.

use crate::comparison::{self, ComparedSide, Comparison, SideKind, Verdict, stored, totals};
use crate::file;
use crate::gate::{self, GateResult};
use crate::git::{GitKind, GitState};
use crate::import;
use crate::machine::Machine;
use crate::model::run_outcome::RunOutcome;
use crate::plugin::catalog::PluginDescription;
use crate::record::{self, JobRecord, Record};
use crate::render::{self, RenderError, ReportView};
use crate::scenario::{self, ScenarioContext, gate::GateRules};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// A piece of work over `n` jobs or rows.
pub struct ScalePiece {
    pub name: &'static str,
    /// Unit of the size: jobs or rows.
    pub unit: &'static str,
    /// Largest size that orch promises to handle.
    pub size: usize,
    /// Makes an input of a size. The returned closure does the work and returns the bytes of its
    /// output.
    pub prepare: PrepareWork,
}

/// Makes an input of a size, and returns the work on it.
type PrepareWork = fn(usize) -> Box<dyn Fn() -> usize>;

impl ScalePiece {
    const fn of_jobs(name: &'static str, prepare: PrepareWork) -> Self {
        Self {
            name,
            unit: "jobs",
            size: JOBS,
            prepare,
        }
    }

    const fn of_rows(name: &'static str, prepare: PrepareWork) -> Self {
        Self {
            name,
            unit: "rows",
            size: ROWS,
            prepare,
        }
    }
}

/// All pieces.
pub const PIECES: [ScalePiece; 12] = [
    ScalePiece::of_jobs("load and expand a scenario", load),
    ScalePiece::of_jobs("render summary.txt", |n| reports(n, "summary.txt")),
    ScalePiece::of_jobs("render profile.md", |n| reports(n, "profile.md")),
    ScalePiece::of_jobs("render hot-paths.md", |n| reports(n, "hot-paths.md")),
    ScalePiece::of_jobs("render run.html", |n| reports(n, "run.html")),
    ScalePiece::of_jobs("render comparison.txt", |n| {
        comparisons(n, "comparison.txt")
    }),
    ScalePiece::of_jobs("render comparison.md", |n| comparisons(n, "comparison.md")),
    ScalePiece::of_jobs("render performance.md", |n| {
        comparisons(n, "performance.md")
    }),
    ScalePiece::of_jobs("render comparison.html", |n| {
        comparisons(n, "comparison.html")
    }),
    ScalePiece::of_jobs("judge and render gate.txt", gates),
    ScalePiece::of_rows("import a table", imports),
    ScalePiece::of_rows("import results of a tool", import_results),
];

/// Jobs of a large scenario.
const JOBS: usize = 3_000;
/// Rows of a large table.
const ROWS: usize = 20_000;
/// A folder that does not exist, so that the built-in templates are used.
const NOWHERE: &str = "/nonexistent/templates";
/// Repetitions of a sentence in the message of a failed job: about 3 KiB.
const MESSAGE_SENTENCES: usize = 80;

fn load(jobs: usize) -> Box<dyn Fn() -> usize> {
    let text = scenario_text(jobs);
    let description = PluginDescription::parse(
        r#"{"plugin": "k", "workloads": [{"id": "work", "params": {"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 1}}}}]}"#,
    );
    Box::new(move || {
        let around = ScenarioContext {
            root: Path::new("/"),
            stem: "large",
            exists: &|_| true,
            real: &Path::to_owned,
        };
        let Ok(scenario) = scenario::read_scenario(&text, &around) else {
            return 0;
        };
        scenario::expand_jobs(&scenario, |_| description.as_ref().ok()).map_or(0, |jobs| jobs.len())
    })
}

/// Returns a scenario with an entry for each job.
fn scenario_text(jobs: usize) -> String {
    let mut text = "plugins: { k: { crate: here } }\nworkloads:\n".to_owned();
    for job in 1..=jobs {
        let _ = writeln!(
            text,
            "  - {{ workload: k/work, id: job{job}, params: {{ n: {job} }} }}"
        );
    }
    text
}

fn reports(jobs: usize, name: &'static str) -> Box<dyn Fn() -> usize> {
    let record = large_record(jobs, 1);
    Box::new(move || size(&ReportView::of_run(&record).render(name, Path::new(NOWHERE))))
}

/// Returns the number of reports on a run, and the work that renders all of them for the run in a
/// record's file. The work returns the bytes of the reports.
///
/// # Errors
/// The file cannot be read or is no record, or a report cannot be rendered.
pub fn prepare_reports(file: &Path) -> Result<(usize, impl Fn() -> usize), String> {
    let text = file::read_text(file, file::MOST_RESULT_BYTES).map_err(|error| error.to_string())?;
    let record: Record = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let reports: Vec<&str> = render::list_run_reports().collect();
    let view = ReportView::of_run(&record);
    for name in &reports {
        let report = view.render(name, Path::new(NOWHERE));
        report.map_err(|error| error.to_string())?;
    }
    let count = reports.len();
    let work = move || {
        let view = ReportView::of_run(&record);
        let of = |name: &&str| size(&view.render(name, Path::new(NOWHERE)));
        reports.iter().map(of).sum()
    };
    Ok((count, work))
}

fn comparisons(jobs: usize, name: &'static str) -> Box<dyn Fn() -> usize> {
    let comparison = large_comparison(jobs);
    Box::new(move || size(&ReportView::of_comparison(&comparison).render(name, Path::new(NOWHERE))))
}

fn gates(jobs: usize) -> Box<dyn Fn() -> usize> {
    let comparison = large_comparison(jobs);
    Box::new(move || {
        let gate = judged(&comparison);
        let again: Vec<(String, &str)> = comparison
            .workloads
            .iter()
            .map(|one| (one.id.clone(), "not fixed"))
            .collect();
        let view = ReportView::of_gate(&comparison, &gate, &again, &[]);
        size(&view.render("gate.txt", Path::new(NOWHERE)))
    })
}

fn imports(rows: usize) -> Box<dyn Fn() -> usize> {
    let text = table(rows);
    Box::new(move || {
        let Ok(comparison) = import::of_table("table.csv", &text) else {
            return 0;
        };
        let of =
            |name| size(&ReportView::of_comparison(&comparison).render(name, Path::new(NOWHERE)));
        of("import.txt") + of("comparison.md")
    })
}

fn import_results(rows: usize) -> Box<dyn Fn() -> usize> {
    let (before, after) = (results(rows, 0), results(rows, 1));
    Box::new(move || {
        let texts = (
            ("a.json", before.as_str()),
            Some(("b.json", after.as_str())),
        );
        let Ok(comparison) = import::of_texts(texts.0, texts.1) else {
            return 0;
        };
        let of =
            |name| size(&ReportView::of_comparison(&comparison).render(name, Path::new(NOWHERE)));
        of("import.txt") + of("comparison.md")
    })
}

/// Returns results of hyperfine with rows of every second name in both files, and every third one
/// with a contradiction.
fn results(rows: usize, side: usize) -> String {
    let result = |row: usize| {
        let number = if row.is_multiple_of(2) {
            row
        } else {
            rows + 2 * row + side
        };
        let mean = 0.01 + row as f64 / 1e5;
        let first = mean * if row.is_multiple_of(3) { 1.5 } else { 1.01 };
        format!(
            "{{\"command\": \"run {number}\", \"mean\": {mean:.6}, \"stddev\": 0.001, \
             \"median\": {mean:.6}, \"min\": {:.6}, \"max\": {first:.6}, \
             \"times\": [{first:.6}, {mean:.6}, {:.6}], \"exit_codes\": [0, 0, {}], \
             \"parameters\": {{\"n\": \"{side}\"}}}}",
            mean * 0.99,
            mean * 0.99,
            row % 5
        )
    };
    let results: Vec<String> = (0..rows).map(result).collect();
    format!("{{\"results\": [{}]}}", results.join(","))
}

/// Returns a table in which rows share prefixes, sizes, words and figures, so that all rules have
/// work to do.
fn table(rows: usize) -> String {
    let mut text =
        "method,previous_ms,current_ms,delta_percent,previous_alloc_mb,current_alloc_mb,\
         reported_status\n"
            .to_owned();
    for row in 0..rows {
        let (before, kind) = (1.0 + row as f64 / 100.0, row / 8);
        let after = before * if row % 3 == 0 { 1.25 } else { 0.8 };
        let percent = 100.0 * (after / before - 1.0);
        let name = match row % 8 {
            0 => format!("Net_p{row}"),
            1 => format!("MatMul_{}x{}", kind + 1, rows - kind),
            2 => format!("GELU_{}", kind + 1),
            3 => format!("Kernel{kind}_Iteration"),
            4 => format!("Kernel{kind}_{}", kind + 64),
            5 => format!("Tensor{}Add_{}", kind % 7, kind + 1),
            6 => format!("Model_Forward_p{row}"),
            _ => format!("Phase{}_p{row}", kind % 5),
        };
        let word = ["improved", "regressed", "no change"][row % 3];
        let _ = writeln!(
            text,
            "{name},{before:.4},{after:.4},{percent:+.2},0.00,{:.2},{word}",
            (row % 2) as f64
        );
    }
    text
}

fn size(text: &Result<String, RenderError>) -> usize {
    text.as_ref().map_or(0, String::len)
}

/// Returns the record of a run in which every second job failed with a long message of its own.
pub(crate) fn large_record(jobs: usize, allocations: u64) -> Record {
    Record {
        schema: record::SCHEMA.to_owned(),
        id: "large".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        ended: "2026-01-01T01:00:00Z".to_owned(),
        outcome: RunOutcome::Incomplete,
        orch: "0".to_owned(),
        command: "orch run large.yaml".to_owned(),
        seed: 1,
        scenario: record::ScenarioRecord {
            name: "large".to_owned(),
            about: None,
            hash: String::new(),
            path: "large.yaml".to_owned(),
            filter: None,
            notes: Vec::new(),
            reports: Vec::new(),
        },
        git: GitState {
            state: GitKind::Outside,
            commit: None,
            branch: None,
            dirty: false,
            diff_hash: None,
            committed: None,
            subject: None,
            message: None,
        },
        machine: Machine::read(),
        toolchain: None,
        plugins: Vec::new(),
        jobs: (0..jobs)
            .filter_map(|job| large_job(job, allocations))
            .collect(),
        anchors: Vec::new(),
        sentinel: None,
        load: None,
        wall: record::RunWall {
            total_ns: 1,
            ..record::RunWall::default()
        },
        contradictions: Vec::new(),
        targets: Vec::new(),
    }
}

/// Returns one job whose iterations make `allocations` allocations.
fn large_job(job: usize, allocations: u64) -> Option<JobRecord> {
    let is_lost = job % 2 == 1;
    let long = |what: &str| {
        format!("{what} of job {job}: ")
            + &"the plugin returned an é too much. ".repeat(MESSAGE_SENTENCES)
    };
    let scope = |name: &str, total: u64, children: &[Value]| {
        json!({
            "name": name, "thread": "driver", "calls": 20,
            "total_ns": total, "self_ns": total / 2, "min_ns": 1, "max_ns": total,
            "allocations": 1, "bytes": 2_000_000_000, "children": children,
        })
    };
    let pair = [allocations, allocations];
    let inner = [scope("A", 300, &[]), scope("B", 200, &[])];
    let measured = json!({
        "time": {
            "median_ns": 1000.0, "low_ns": 990.0, "high_ns": 1010.0, "confidence": 0.9,
            "processes": [],
        },
        "allocations": {
            "exact": true, "count": allocations, "bytes": 64, "peak_bytes": 64, "leaked_bytes": 0,
            "count_range": pair, "bytes_range": [64, 64], "peak_bytes_range": [64, 64],
            "iterations": 8, "processes": 2, "page_faults": null,
        },
        "profile": { "iterations": 1, "run_ns": 1000, "overhead": 0.5 },
        "scopes": [scope("Outer", 1000 + job as u64, &inner)],
    });
    let mut value = json!({
        "id": format!("job {job}"), "workload": "k/work", "params": { "n": job + 1 }, "tags": [],
        "settings": {
            "time_ns": 1, "rounds": 5, "timeout_ns": 1, "memory_bytes": 1, "threads": 1,
            "tolerance": 0.01,
        },
        "plugin": { "path": "k.so" }, "outcome": if is_lost { "failed" } else { "measured" },
        "message": is_lost.then(|| long("failure")),
        "warnings": [format!("{}: seen in {job}", long("warning"))],
        "metrics": {}, "metrics_info": {}, "scopes": [],
        "wall": { "profile_ns": 0, "count_ns": 0, "time_ns": 0, "samples_ns": 0, "warm_up_ns": 0 },
    });
    if !is_lost && let (Some(all), Value::Object(more)) = (value.as_object_mut(), measured) {
        all.extend(more);
    }
    serde_json::from_value(value).ok()
}

/// Compares two such runs, of which B allocates more.
fn large_comparison(jobs: usize) -> Comparison {
    let (a, b) = (large_record(jobs, 1), large_record(jobs, 3));
    let outcome = stored::compare_records(&a, &b, None);
    let side = |name: &str| ComparedSide {
        name: name.to_owned(),
        kind: SideKind::Record,
        git: None,
        set: Map::new(),
        plugins: indexmap::IndexMap::new(),
    };
    Comparison {
        schema: comparison::SCHEMA.to_owned(),
        id: "large".to_owned(),
        started: a.started.clone(),
        ended: a.ended.clone(),
        verdict: Verdict::Regressed,
        interrupted: false,
        orch: "0".to_owned(),
        command: "orch compare a b".to_owned(),
        seed: None,
        alpha: 0.01,
        scenario: None,
        machine: None,
        toolchain: None,
        a: side("a"),
        b: side("b"),
        counts: totals::counts(&outcome.workloads),
        totals: totals::totals(&outcome.entries),
        jobs: outcome.entries,
        workloads: outcome.workloads,
        gate: None,
        wall_ns: 1,
        building_ns: 0,
        waiting_ns: 0,
        false_alarms: None,
        load: None,
        imported: None,
        contradictions: Vec::new(),
    }
}

fn judged(comparison: &Comparison) -> GateResult {
    let max_allocations: HashMap<String, u64> = comparison
        .workloads
        .iter()
        .map(|one| (one.id.clone(), 2))
        .collect();
    gate::judge(&gate::GateCase {
        jobs: &comparison.jobs,
        workloads: &comparison.workloads,
        rules: &GateRules::default(),
        max_allocations: &max_allocations,
        today: jiff::civil::Date::constant(2026, 1, 1),
        presence: gate::JobPresence::default(),
        interrupted: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest allowed size of a report, so that a terminal, a mail or a step summary can show it.
    const MOST_BYTES: usize = 512 << 10;

    #[test]
    fn all_jobs_and_rows_are_there() {
        let record = large_record(JOBS, 1);
        assert_eq!(record.jobs.len(), JOBS);
        let lost = record
            .jobs
            .iter()
            .filter(|job| job.outcome == record::JobOutcome::Failed)
            .count();
        assert_eq!(lost, JOBS / 2);
        assert_eq!(load(JOBS)(), JOBS);
        let comparison = large_comparison(JOBS);
        let count = |verdict: Verdict| {
            comparison
                .workloads
                .iter()
                .filter(|one| one.verdict == verdict)
                .count()
        };
        assert_eq!(
            (count(Verdict::Missing), count(Verdict::Regressed)),
            (JOBS / 2, JOBS / 2)
        );
    }

    #[test]
    fn reports_of_many_jobs_are_short_and_count_what_they_leave_out() {
        let (record, comparison) = (large_record(JOBS, 1), large_comparison(JOBS));
        let views = (
            ReportView::of_run(&record),
            ReportView::of_comparison(&comparison),
        );
        let of_run = |name| views.0.render(name, Path::new(NOWHERE)).unwrap();
        let of_both = |name| views.1.render(name, Path::new(NOWHERE)).unwrap();
        let again: Vec<(String, &str)> = comparison
            .workloads
            .iter()
            .map(|one| (one.id.clone(), "not fixed"))
            .collect();
        let gate = ReportView::of_gate(&comparison, &judged(&comparison), &again, &[])
            .render("gate.txt", Path::new(NOWHERE))
            .unwrap();
        for (text, lines) in [
            (
                of_run("summary.txt"),
                &[
                    "1300 more jobs are",
                    "1450 more messages are",
                    "2950 more warnings are",
                ][..],
            ),
            (
                of_run("profile.md"),
                &["1480 more jobs", "4475 shorter scopes"],
            ),
            (
                of_both("comparison.txt"),
                &["2800 more workloads are", "2950 more explanations are"],
            ),
            (
                of_both("comparison.md"),
                &[
                    "2800 more are in comparison.json",
                    "1450 more are in comparison.json",
                ],
            ),
            (
                gate,
                &[
                    "more findings are in comparison.json",
                    "2950 more jobs failed",
                ],
            ),
        ] {
            for line in lines {
                assert!(
                    text.contains(line),
                    "{line}: {}",
                    &text[text.len().saturating_sub(3000)..]
                );
            }
            assert!((1000..=MOST_BYTES).contains(&text.len()), "{}", text.len());
        }
    }

    #[test]
    fn jobs_that_were_lost_for_one_reason_are_one_line() {
        let mut record = large_record(JOBS, 1);
        record
            .jobs
            .iter_mut()
            .filter(|job| job.message.is_some())
            .for_each(|job| job.message = Some("no disk".into()));
        let text = ReportView::of_run(&record)
            .render("summary.txt", Path::new(NOWHERE))
            .unwrap();
        assert_eq!(text.matches("no disk").count(), 1);
        let words = text.split_whitespace().collect::<Vec<&str>>().join(" ");
        assert!(
            words.contains("job 37, job 39 and 1480 more: failed: no disk"),
            "{words}"
        );
    }

    #[test]
    fn report_that_is_too_long_is_cut_at_a_line() {
        let mut record = large_record(2, 1);
        record.jobs[0].id = "é".repeat(MOST_BYTES);
        let text = ReportView::of_run(&record)
            .render("summary.txt", Path::new(NOWHERE))
            .unwrap();
        assert!(text.len() <= MOST_BYTES, "{}", text.len());
        assert!(text.ends_with("more bytes are left out; record.json has everything]\n"));
    }

    #[test]
    fn reports_of_a_long_table_are_short() {
        let comparison = import::of_table("table.csv", &table(2000)).unwrap();
        assert!(
            comparison.contradictions.len() > 50,
            "{}",
            comparison.contradictions.len()
        );
        for name in ["import.txt", "comparison.md"] {
            let text = ReportView::of_comparison(&comparison)
                .render(name, Path::new(NOWHERE))
                .unwrap();
            assert!(
                (1000..=MOST_BYTES).contains(&text.len()),
                "{name}: {}",
                text.len()
            );
            assert!(text.contains("1800 more"), "{name}");
        }
    }

    #[test]
    fn reports_of_long_results_are_short() {
        let (before, after) = (results(2000, 0), results(2000, 1));
        let second = Some(("b.json", after.as_str()));
        let comparison = import::of_texts(("a.json", &before), second).unwrap();
        assert_eq!(comparison.workloads.len(), 3000);
        assert!(comparison.contradictions.len() > 50);
        for name in ["import.txt", "comparison.md"] {
            let text = ReportView::of_comparison(&comparison)
                .render(name, Path::new(NOWHERE))
                .unwrap();
            assert!((1000..=MOST_BYTES).contains(&text.len()), "{name}");
            assert!(text.contains("2800 more"), "{name}");
        }
    }

    #[test]
    fn rows_inside_each_other_are_no_deeper_than_a_page() {
        // Each row is a frame around the one before it.
        let mut text = "method,previous_ms,current_ms\n".to_owned();
        for row in 0..5000 {
            let _ = writeln!(
                text,
                "Net_p{row},{:.4},{:.4}",
                100.0 + f64::from(row) * 0.001,
                100.0 + f64::from(row) * 0.001
            );
        }
        let comparison = import::of_table("table.csv", &text).unwrap();
        let rows = comparison
            .imported
            .as_ref()
            .map(|imported| &imported.rows[..])
            .unwrap_or_default();
        assert!(rows.iter().filter(|row| row.inside.is_some()).count() > 4900);
        for name in ["import.txt", "comparison.md"] {
            let text = ReportView::of_comparison(&comparison)
                .render(name, Path::new(NOWHERE))
                .unwrap();
            assert!(text.len() <= MOST_BYTES, "{name}: {}", text.len());
        }
    }

    #[test]
    fn errors_list_at_most_twenty_ids() {
        let text = scenario_text(JOBS).replace("workload: k/work", "workload: kk/work");
        let around = ScenarioContext {
            root: Path::new("/"),
            stem: "large",
            exists: &|_| true,
            real: &Path::to_owned,
        };
        let problems = scenario::read_scenario(&text, &around).unwrap_err();
        assert_eq!(problems.len(), JOBS);
        let shown = scenario::problem::render_problems("large.yaml", &text, &problems, false);
        assert_eq!(shown.matches("no plugin `kk` in this scenario").count(), 20);
        assert!(shown.ends_with(
            "3000 problems in large.yaml, the first 20 of which are shown; nothing was measured"
        ));
        let ids: Vec<String> = (0..JOBS).map(|job| format!("job {job}")).collect();
        let listed = orch_core::format::listed(&ids);
        assert!(listed.ends_with("job 18, job 19 and 2980 more"), "{listed}");
        let broken =
            table(3).replace(",improved", ",improved,") + &"MatMul_1x1,1,1,,,,\n".repeat(JOBS);
        let refused = import::of_table("table.csv", &broken)
            .err()
            .map(|failure| failure.to_string())
            .unwrap_or_default();
        assert_eq!(refused.matches("error: ").count(), 20, "{refused}");
    }
}
