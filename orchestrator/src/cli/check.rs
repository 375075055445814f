//! `orch check`: arguments to a request, a check to its stored and printed form.

use super::args::CheckOptions;
use super::exit::Exit;
use super::progress::Progress;
use super::{CommandResult, output};
use crate::check::{self, CheckRequest, CheckResult};
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::file;
use crate::gate::{self, FindingKind};
use crate::project;
use crate::render::{ReportView, github};
use crate::report::stored_comparison::{ComparisonPlace, StoredComparison};
use crate::report::stored_result::GATE_REPORT;
use std::io;
use std::path::Path;

/// Checks the working tree, stores the check and prints it.
pub(super) fn run_check(options: &CheckOptions) -> CommandResult {
    let interrupt = output::listen_to_signals()?;
    let context = CommandContext::begin(&interrupt);
    let request = CheckRequest {
        scenario: options.scenario.clone(),
        baseline: options.baseline.clone(),
        for_git_bisect: options.for_git_bisect,
        only: options.only.clone(),
        filter: options.filter.clone(),
        budget: options.budget.clone(),
        repo: options.repo.clone(),
        results: options.output.results.clone(),
        seed: options.seed,
    };
    let mut found = check::check(
        &request,
        &output::find_report,
        &context,
        &mut Progress::new(),
    )?;
    let gate = ReportView::of_gate(&found.comparison, &found.gate, &found.since, &found.next);
    let templates = project::templates(&found.root);
    let text = gate
        .render(GATE_REPORT, &templates)
        .map_err(|error| CommandError::system(error.to_string()))?;
    let printed = gate.render_printed(output::place(), GATE_REPORT, &templates, text.clone());
    let (root, results) = (&found.root, &found.results);
    let place = ComparisonPlace {
        gate: Some((GATE_REPORT, &text)),
        listed: &found.reports,
        printed: output::place(),
        ..ComparisonPlace::of(&found.comparison, "check", context.started, root, results)
    };
    let stored = StoredComparison::store(&mut found.comparison, &place)?;
    if options.output.json {
        output::print_json(&stored.json)?;
    } else {
        let whole = format!("{}\n{printed}", stored.table);
        output::print(&stored.show(&whole, "check"))?;
    }
    if output::is_github() {
        report_to_github(&found, &text, &stored, options.output.json)?;
    }
    stored.finish()?;
    Ok(choose_exit(options.for_git_bisect, &found))
}

/// Prints the annotations, and appends to the summary of the step if there is one.
fn report_to_github(
    found: &CheckResult,
    text: &str,
    stored: &StoredComparison,
    json: bool,
) -> Result<(), CommandError> {
    for line in github::annotations(&found.gate) {
        // Standard output is reserved for the JSON.
        if json {
            output::note_as_is(&line);
        } else {
            output::print_as_is(&format!("{line}\n"))?;
        }
    }
    let folder = stored.folder.path();
    let report_file = folder.map(|folder| folder.join("comparison.md"));
    let report_file = report_file.filter(|path| path.exists());
    // A failure to write for GitHub does not change the verdict.
    append_for_github("GITHUB_STEP_SUMMARY", "summary", |path| {
        let report = report_file.as_deref();
        let report = report.map(|path| file::read_text(path, file::MOST_RESULT_BYTES));
        let report = report.and_then(Result::ok).unwrap_or_default();
        github::append_summary(path, text, &report)
    });
    append_for_github("GITHUB_OUTPUT", "outputs", |path| {
        github::append_outputs(path, &found.gate, report_file.as_deref())
    });
    Ok(())
}

/// Appends to the file that a variable names, if it names one.
fn append_for_github(variable: &str, what: &str, append: impl FnOnce(&Path) -> io::Result<()>) {
    let Some(path) = std::env::var_os(variable) else {
        return;
    };
    if let Err(error) = append(Path::new(&path)) {
        let shown = Path::new(&path).display();
        output::note(&format!(
            "warning: cannot write the {what} for GitHub to {shown}: {error}"
        ));
    }
}

/// Returns the exit code for the gate's outcome. `git bisect run` reads 125 as "skip this commit".
fn choose_exit(for_git_bisect: bool, found: &CheckResult) -> Exit {
    if found.comparison.interrupted {
        return Exit::Interrupted;
    }
    let findings = &found.gate.findings;
    let is_open = findings
        .iter()
        .any(|finding| finding.kind == FindingKind::Inconclusive);
    match found.gate.outcome {
        gate::GateOutcome::Failed => Exit::Regressed,
        gate::GateOutcome::Incomplete if for_git_bisect => Exit::Undecided,
        gate::GateOutcome::Incomplete => Exit::Incomplete,
        gate::GateOutcome::Open => Exit::Undecided,
        gate::GateOutcome::Passed if for_git_bisect && is_open => Exit::Undecided,
        gate::GateOutcome::Passed => Exit::Fine,
    }
}
