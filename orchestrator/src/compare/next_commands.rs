//! Commands that go on from a comparison: find the commit behind a change, or measure more pairs.

use crate::comparison::{ComparedSide, Comparison, SideKind};
use crate::git::GitKind;
use crate::model::metric::Metric;
use crate::project::quoted;
use std::path::Path;

/// Returns the command that finds the commit behind a change of a job. `repo` is the repository of
/// the code under test, if it is not the scenario's. Returns `None` if the sides are not two
/// commits with the parameters of the scenario.
pub(crate) fn write_bisect(
    comparison: &Comparison,
    job: &str,
    metric: &Metric,
    repo: Option<&Path>,
) -> Option<String> {
    let scenario = quoted(&comparison.scenario.as_ref()?.path);
    let [good, bad] = [find_commit(&comparison.a)?, find_commit(&comparison.b)?];
    let is_varied = [&comparison.a, &comparison.b]
        .iter()
        .any(|side| !side.set.is_empty());
    if good == bad || is_varied {
        return None;
    }
    let metric = match metric {
        Metric::Time => String::new(),
        metric => format!(" --metric {}", quoted(metric.name())),
    };
    let repo = repo
        .map(|repo| format!(" --repo {}", quoted(&repo.display().to_string())))
        .unwrap_or_default();
    let job = quoted(job);
    Some(format!(
        "orch bisect {scenario} --workload {job} --good {good} --bad {bad}{metric}{repo}"
    ))
}

/// Returns the command that measures `pairs` pairs of one job. Returns `None` if a side is not a
/// revision or the working tree.
pub(crate) fn write_comparison(comparison: &Comparison, job: &str, pairs: usize) -> Option<String> {
    let scenario = quoted(&comparison.scenario.as_ref()?.path);
    let sides = [&comparison.a, &comparison.b];
    let is_built =
        |side: &&ComparedSide| matches!(side.kind, SideKind::Revision | SideKind::WorkingTree);
    if !sides.iter().all(is_built) {
        return None;
    }
    let set = match (
        comparison.a.set.iter().next(),
        comparison.b.set.iter().next(),
    ) {
        (Some((name, a)), Some((_, b))) => {
            let [a, b] = [a, b].map(|value| match value.as_str() {
                Some(text) => text.to_owned(),
                None => value.to_string(),
            });
            format!(" --set {}", quoted(&format!("{name}={a},{b}")))
        }
        _ => String::new(),
    };
    // The name of the working tree is for people.
    let [a, b] = sides.map(|side| match side.kind {
        SideKind::WorkingTree => ".".to_owned(),
        _ => name_commit(side).unwrap_or_else(|| quoted(&side.name)),
    });
    let job = quoted(job);
    Some(format!(
        "orch compare {a} {b} --scenario {scenario} --filter {job}{set} --pairs {pairs} --time 30m"
    ))
}

/// Returns the first digits of the commit of a side that is a revision: a name such as HEAD is
/// another commit tomorrow.
pub(crate) fn name_commit(side: &ComparedSide) -> Option<String> {
    (side.kind == SideKind::Revision)
        .then(|| find_commit(side))
        .flatten()
}

/// Returns the first digits of a side's commit, if the side is one without changes.
fn find_commit(side: &ComparedSide) -> Option<String> {
    let git = side
        .git
        .as_ref()
        .filter(|git| git.state == GitKind::Commit && !git.dirty)?;
    Some(git.commit.as_ref()?.chars().take(10).collect())
}
