//! `orch check --only`: repeats the measurement of what failed in an earlier check.

use crate::compare::target::CompareTarget;
use crate::comparison::{self, Comparison, SideKind, Verdict};
use crate::error::CommandError;
use crate::file;
use crate::gate::{FindingKind, GateFinding, GateOutcome, GateResult};
use crate::scenario::Job;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Reads an earlier check, given by its id, folder or file.
pub(super) fn read_earlier(name: &str, results: &Path) -> Result<Comparison, CommandError> {
    let places = [
        PathBuf::from(name),
        Path::new(name).join(comparison::FILE),
        results.join(name).join(comparison::FILE),
    ];
    let wrong = |what: String| {
        CommandError::input(format!("--only {name}: {what}"))
            .with_hint("name the folder of an `orch check`")
    };
    let path = places
        .iter()
        .find(|path| path.is_file())
        .ok_or_else(|| wrong("there is no such comparison".to_owned()))?;
    let text = file::read_bytes(path, file::MOST_RESULT_BYTES)
        .map_err(|error| wrong(error.to_string()))?;
    let comparison: Comparison = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("not a comparison: {error}")))?;
    if list_failed(&comparison).is_empty() {
        return Err(wrong("no job failed in it".to_owned()));
    }
    Ok(comparison)
}

/// Lists the ids of the jobs that kept a check from passing.
pub(super) fn list_failed(comparison: &Comparison) -> Vec<String> {
    let gate: Option<GateResult> = comparison
        .gate
        .clone()
        .and_then(|gate| serde_json::from_value(gate).ok());
    let mut ids: Vec<String> = match gate {
        Some(gate) => gate
            .findings
            .into_iter()
            .filter(|one| one.kind < FindingKind::Accepted)
            .map(|one| one.job)
            .collect(),
        // Without a gate, a job failed if it got worse.
        None => {
            let worse = |verdict: Verdict| verdict < Verdict::Inconclusive;
            comparison
                .jobs
                .iter()
                .filter(|entry| worse(entry.verdict))
                .map(|entry| entry.id.clone())
                .collect()
        }
    };
    ids.sort();
    ids.dedup();
    ids.retain(|id| !id.is_empty());
    ids
}

/// Refuses an earlier check if the scenario has none of its jobs any more.
pub(super) fn check_jobs(before: &Comparison, jobs: &[Job]) -> Result<(), CommandError> {
    let failed = list_failed(before);
    // `failed` is sorted by id.
    if jobs.iter().any(|job| failed.binary_search(&job.id).is_ok()) {
        return Ok(());
    }
    Err(CommandError::input(format!(
        "--only: none of the jobs that failed in {} is in the scenario: {}",
        before.id,
        orch_core::format::listed(&failed)
    ))
    .with_hint("leave out --only to check the jobs of the scenario"))
}

/// Returns the name of the baseline of an earlier check. Its jobs are compared with the same
/// baseline again; compared with another one they could appear to be fixed.
pub(super) fn name_baseline(before: &Comparison) -> String {
    commit_of(before).unwrap_or(&before.a.name).to_owned()
}

fn commit_of(before: &Comparison) -> Option<&str> {
    let git = before
        .a
        .git
        .as_ref()
        .filter(|_| before.a.kind == SideKind::Revision)?;
    git.commit.as_deref()
}

/// Refuses a baseline other than that of the earlier check.
pub(super) fn check_baseline(
    before: &Comparison,
    asked: &str,
    found: &CompareTarget,
) -> Result<(), CommandError> {
    let same = match found {
        CompareTarget::Revision(revision) => commit_of(before) == Some(&revision.commit),
        _ => asked == before.a.name,
    };
    if same {
        return Ok(());
    }
    Err(CommandError::input(format!(
        "--only {}: its baseline was {}; against {asked}, failed jobs could appear to be fixed",
        before.id, before.a.name
    ))
    .with_hint(format!(
        "leave out --baseline, or check everything against {asked} without --only"
    )))
}

/// Lists the jobs that the gate judged, apart from open verdicts that the scenario lets pass.
/// Without a gate, lists all jobs.
fn kept_from_passing(before: &Comparison) -> Option<HashSet<String>> {
    let gate: GateResult = before
        .gate
        .clone()
        .and_then(|gate| serde_json::from_value(gate).ok())?;
    let failing = gate
        .findings
        .into_iter()
        .filter(|one| one.kind.outcome(gate.open_fails) != GateOutcome::Passed);
    Some(failing.map(|one| one.job).collect())
}

/// Returns the states of the jobs that had failed. The check cannot pass while one of them is not
/// measured again, or is undecided and kept the earlier check from passing.
pub(super) fn compare_states(
    before: &Comparison,
    now: &Comparison,
    gate: &mut GateResult,
) -> Vec<(String, &'static str)> {
    let mut states = Vec::new();
    let kept = kept_from_passing(before);
    let measured: HashSet<&str> = now.jobs.iter().map(|entry| entry.id.as_str()).collect();
    let mut kinds: HashMap<String, Vec<FindingKind>> = HashMap::new();
    gate.findings
        .iter()
        .for_each(|one| kinds.entry(one.job.clone()).or_default().push(one.kind));
    for id in list_failed(before) {
        let own = |is: &dyn Fn(FindingKind) -> bool| {
            kinds
                .get(&id)
                .is_some_and(|kinds| kinds.iter().any(|kind| is(*kind)))
        };
        let state = if own(&|kind| kind == FindingKind::Dropped) {
            "not fixed"
        } else if !measured.contains(id.as_str()) && own(&|kind| kind == FindingKind::Accepted) {
            "fixed"
        } else if !measured.contains(id.as_str()) {
            let message = "it failed in the earlier check and was not measured again".to_owned();
            gate.findings.push(GateFinding {
                kind: FindingKind::Missing,
                job: id.clone(),
                metric: String::new(),
                message,
            });
            gate.outcome = if gate.outcome == GateOutcome::Failed {
                GateOutcome::Failed
            } else {
                GateOutcome::Incomplete
            };
            "not measured"
        } else if own(&|kind| kind <= FindingKind::TargetMissed) {
            "not fixed"
        } else if own(&|kind| {
            matches!(
                kind,
                FindingKind::Missing | FindingKind::Inconclusive | FindingKind::TargetOpen
            )
        }) {
            if gate.outcome == GateOutcome::Passed
                && kept.as_ref().is_none_or(|kept| kept.contains(&id))
            {
                gate.outcome = GateOutcome::Open;
            }
            "cannot tell"
        } else {
            "fixed"
        };
        states.push((id, state));
    }
    gate.findings.sort_by_key(|finding| finding.kind);
    states
}
