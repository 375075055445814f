//! The scenario as it was at the baseline: jobs dropped since, and rules that are weaker now.

use crate::compare::sides;
use crate::comparison::Comparison;
use crate::gate::weaker_rules::GateDemands;
use crate::gate::{self, FindingKind};
use crate::git;
use crate::project::LoadedScenario;
use crate::scenario::{self, Job, Scenario, ScenarioContext};
use std::path::Path;
use wildmatch::WildMatch;

/// Reads the scenario of a commit, under its old name if it was renamed since. `None` if the commit
/// lacks it or is not found, an error if this version of orch cannot read it.
fn scenario_at(loaded: &LoadedScenario, commit: &str) -> Option<Result<Scenario, ()>> {
    let revision = git::revision::resolve_revision(&loaded.repository, commit).ok()??;
    let name = loaded.file.strip_prefix(&revision.repository).ok()?;
    let files = git::commit::CommitFiles::open(&revision).ok()?;
    let text = files
        .read_text(name)
        .or_else(|| files.read_text(&files.find_old_name(name)?))?;
    let around = ScenarioContext {
        root: &loaded.root,
        stem: "",
        exists: &|_| true,
        real: &Path::to_owned,
    };
    Some(scenario::read_scenario(&text, &around).map_err(|_| ()))
}

fn baseline_commit(comparison: &Comparison) -> Option<&str> {
    comparison
        .a
        .git
        .as_ref()
        .and_then(|git| git.commit.as_deref())
}

/// Lists the jobs of the baseline's scenario; the list is empty if the commit lacks the scenario.
/// `None` if the baseline is no commit or if its scenario cannot be read, which is a finding.
pub(super) fn find_baseline_jobs(
    loaded: &LoadedScenario,
    comparison: &Comparison,
) -> (Option<Vec<Job>>, Option<gate::GateFinding>) {
    let Some(commit) = baseline_commit(comparison) else {
        return (None, None);
    };
    match scenario_at(loaded, commit) {
        None => (Some(Vec::new()), None),
        Some(Ok(scenario)) => (Some(expand_scenario(&scenario)), None),
        Some(Err(())) => {
            let message = format!(
                "this version of orch cannot read the baseline's {}, so jobs that were dropped \
                 since then are not reported",
                loaded.shown
            );
            (
                None,
                Some(gate::GateFinding {
                    kind: FindingKind::Loosened,
                    job: String::new(),
                    metric: String::new(),
                    message,
                }),
            )
        }
    }
}

/// Lists the ids of jobs that the baseline's scenario has and the working tree's lacks, within the
/// selection of the check.
pub(super) fn list_dropped_jobs(
    before: Option<&[Job]>,
    now: &[Job],
    filter: Option<&str>,
    only: Option<&[String]>,
) -> Vec<String> {
    let pattern = filter.map(WildMatch::new);
    let is_asked = |id: &String| {
        pattern.as_ref().is_none_or(|pattern| pattern.matches(id))
            && only.is_none_or(|only| only.contains(id))
    };
    let gone = before
        .unwrap_or_default()
        .iter()
        .filter(|old| now.iter().all(|job| job.id != old.id));
    gone.map(|job| job.id.clone()).filter(is_asked).collect()
}

/// Lists rules of the scenario that are weaker than at the baseline or at HEAD. HEAD is included
/// because uncommitted edits may weaken rules too. The list is empty if this version of orch cannot
/// read the commit's scenario. `dropped` has the ids that the gate judges.
pub(super) fn find_weaker_rules(
    loaded: &LoadedScenario,
    comparison: &Comparison,
    dropped: &[String],
) -> Vec<gate::GateFinding> {
    let read = |commit: &str| scenario_at(loaded, commit)?.ok();
    let baseline = baseline_commit(comparison);
    let new = expand_jobs(loaded);
    let mut found: Vec<gate::GateFinding> = Vec::new();
    for before in ["HEAD"].into_iter().chain(baseline).filter_map(read) {
        let mut old = expand_scenario(&before);
        old.retain(|job| !dropped.contains(&job.id));
        let then = GateDemands {
            jobs: &old,
            open_fails: before.gate.open_fails,
        };
        let now = GateDemands {
            jobs: &new,
            open_fails: loaded.scenario.gate.open_fails,
        };
        let weaker = gate::weaker_rules::find_loosened(&then, &now);
        let weaker: Vec<gate::GateFinding> = weaker
            .into_iter()
            .filter(|finding| !found.contains(finding))
            .collect();
        found.extend(weaker);
    }
    found
}

/// Expands the scenario's jobs as far as they are known before anything is built.
pub(super) fn expand_jobs(loaded: &LoadedScenario) -> Vec<Job> {
    expand_scenario(&loaded.scenario)
}

pub(super) fn list_ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

fn expand_scenario(scenario: &Scenario) -> Vec<Job> {
    let entries = 0..scenario.entries.len();
    entries
        .flat_map(|entry| sides::expand_entry(scenario, entry, |_| None).unwrap_or_default())
        .collect()
}
