//! The workload and the range to bisect, from the command line. What it does not name comes from
//! the latest stored comparison.

use super::BisectRequest;
use crate::bisect::BisectDirection;
use crate::comparison::{self, Comparison, MetricEntry, Verdict};
use crate::error::CommandError;
use crate::file;
use crate::git::{self, Revision};
use crate::model::metric::Metric;
use crate::project::{self, LoadedScenario};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use std::path::{Path, PathBuf};

/// The workload and the range, known before the first build.
pub(super) struct BisectTarget {
    pub(super) loaded: LoadedScenario,
    pub(super) workload: String,
    pub(super) metric: Metric,
    pub(super) direction: BisectDirection,
    pub(super) good: Revision,
    pub(super) bad: Revision,
    pub(super) results: PathBuf,
}

fn log_note(observer: &mut dyn ProgressObserver, text: &str) {
    observer.see(ProgressEvent::Note { text });
}

/// A workload and two ends, still as text.
struct TargetTexts {
    scenario: PathBuf,
    workload: String,
    metric: Metric,
    good: String,
    bad: String,
}

/// Determines the workload and the range from the command line and the stored comparisons.
pub(super) fn find_target(
    request: &BisectRequest,
    observer: &mut dyn ProgressObserver,
) -> Result<BisectTarget, CommandError> {
    let direction = request.direction;
    let here = std::env::current_dir()
        .map_err(|error| CommandError::system_while("cannot find the current folder", &error))?;
    let place = request
        .scenario
        .as_ref()
        .and_then(|path| path.canonicalize().ok())
        .unwrap_or_else(|| here.join("x"));
    let results = project::results_folder(request.results.as_deref(), &project::root_of(&place));
    let texts = match (&request.workload, &request.good) {
        (Some(workload), Some(good)) => TargetTexts {
            scenario: project::named_or_default(
                request.scenario.as_deref(),
                "name a scenario: `orch bisect FILE`",
            )?,
            workload: workload.clone(),
            metric: request.metric.clone().unwrap_or(Metric::Time),
            good: good.clone(),
            bad: request.bad.clone().unwrap_or_else(|| "HEAD".to_owned()),
        },
        _ => take_latest(request, direction, &results, observer)?,
    };
    let loaded = project::load_over(&texts.scenario, request.repo.as_deref())?;
    let good = resolve_revision(&loaded.repository, "--good", &texts.good)?;
    let bad = resolve_revision(&loaded.repository, "--bad", &texts.bad)?;
    Ok(BisectTarget {
        loaded,
        workload: texts.workload,
        metric: texts.metric,
        direction,
        good,
        bad,
        results,
    })
}

fn resolve_revision(root: &Path, option: &str, text: &str) -> Result<Revision, CommandError> {
    match git::revision::resolve_revision(root, text) {
        Ok(Some(revision)) => Ok(revision),
        Ok(None) if git::read_state(root).state == git::GitKind::Empty => {
            Err(CommandError::input(format!(
                "{} has no commit yet, so there is nothing to bisect",
                root.display()
            )))
        }
        Ok(None) => Err(CommandError::input(format!(
            "{option} '{text}' does not name a revision of {}",
            root.display()
        ))
        .with_hint("name a commit, tag or branch, such as v1.2 or HEAD~20")),
        Err(error) => Err(CommandError::input(format!("{option}: {error}"))),
    }
}

/// A change that the bisect may search for, with its comparison.
struct SuspectedChange {
    comparison: Comparison,
    entry: MetricEntry,
}

/// Fills in what the command line leaves out, from the latest comparison with a change in the given
/// direction.
fn take_latest(
    request: &BisectRequest,
    direction: BisectDirection,
    results: &Path,
    observer: &mut dyn ProgressObserver,
) -> Result<TargetTexts, CommandError> {
    let Some(SuspectedChange { comparison, entry }) = find_latest(request, direction, results)
    else {
        return Err(report_missing(request, direction, results));
    };
    let commit = |side: &comparison::ComparedSide| {
        side.git
            .as_ref()
            .and_then(|git| git.commit.clone())
            .unwrap_or_default()
    };
    let (good, bad) = (commit(&comparison.a), commit(&comparison.b));
    let stored = comparison
        .scenario
        .as_ref()
        .map(|scenario| PathBuf::from(&scenario.path))
        .unwrap_or_default();
    // The stored path is relative to the folder in which the comparison was started.
    let from_root = results.parent().unwrap_or(results).join(&stored);
    let scenario = if !stored.exists() && from_root.exists() {
        from_root
    } else {
        stored
    };
    let texts = TargetTexts {
        scenario: request.scenario.clone().unwrap_or(scenario),
        workload: entry.id.clone(),
        metric: entry.metric.clone(),
        good: request.good.clone().unwrap_or(good),
        bad: request.bad.clone().unwrap_or(bad),
    };
    let change = entry
        .size()
        .map_or_else(String::new, |size| format!("{size} "));
    // A file that someone else wrote may contain any text instead of a commit.
    let short = |commit: &str| commit.chars().take(10).collect::<String>();
    log_note(
        observer,
        &format!(
            "taken from comparison {}: {} of {} {change}({} to {})",
            comparison.id,
            texts.metric,
            texts.workload,
            short(&texts.good),
            short(&texts.bad)
        ),
    );
    log_note(
        observer,
        &format!(
            "equivalent command: orch bisect {} --workload {} --good {} --bad {}{}{}{}",
            project::quoted(&texts.scenario.display().to_string()),
            project::quoted(&texts.workload),
            project::quoted(&texts.good),
            project::quoted(&texts.bad),
            if texts.metric == Metric::Time {
                String::new()
            } else {
                format!(" --metric {}", project::quoted(&texts.metric.to_string()))
            },
            if direction == BisectDirection::Better {
                " --direction better"
            } else {
                ""
            },
            request
                .repo
                .as_ref()
                .map(|repo| format!(" --repo {}", repo.display()))
                .unwrap_or_default(),
        ),
    );
    Ok(texts)
}

fn find_latest(
    request: &BisectRequest,
    direction: BisectDirection,
    results: &Path,
) -> Option<SuspectedChange> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(results)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    // Names begin with the time.
    folders.sort();
    folders.into_iter().rev().find_map(|folder| {
        let path = folder.join(comparison::FILE);
        let text = file::read_bytes(&path, file::MOST_RESULT_BYTES).ok()?;
        let comparison: Comparison = serde_json::from_slice(&text).ok()?;
        let known = |side: &comparison::ComparedSide| {
            side.git
                .as_ref()
                .is_some_and(|git| git.commit.is_some() && !git.dirty)
        };
        let apart = comparison.a.git.as_ref().map(|git| &git.commit)
            != comparison.b.git.as_ref().map(|git| &git.commit);
        // `--set` varied parameters, which no commit contains.
        let plain = comparison.a.set.is_empty() && comparison.b.set.is_empty();
        if comparison.schema != comparison::SCHEMA
            || !known(&comparison.a)
            || !known(&comparison.b)
            || !apart
            || !plain
        {
            return None;
        }
        // An imported table belongs to no commits of this repository.
        if comparison.imported.is_some() {
            return None;
        }
        let entry = find_worst(&comparison, request, direction)?.clone();
        Some(SuspectedChange { comparison, entry })
    })
}

/// Returns the largest change of time, else the largest change of a count, else a changed output.
fn find_worst<'a>(
    comparison: &'a Comparison,
    request: &BisectRequest,
    direction: BisectDirection,
) -> Option<&'a MetricEntry> {
    let wanted = match direction {
        BisectDirection::Worse => Verdict::Regressed,
        BisectDirection::Better => Verdict::Improved,
    };
    let fits = |entry: &&MetricEntry| {
        // Metrics that are computed from time repeat the verdict of the time.
        let own = entry.pairs == 0 || entry.metric == Metric::Time;
        let changed = entry.verdict == wanted
            || (entry.verdict == Verdict::OutputDiffers && entry.metric == Metric::Digest);
        own && changed
            && request
                .workload
                .as_ref()
                .is_none_or(|workload| *workload == entry.id)
            && request
                .metric
                .as_ref()
                .is_none_or(|metric| *metric == entry.metric)
    };
    let size = |entry: &MetricEntry| {
        entry
            .change
            .map_or(f64::INFINITY, |change| change.estimate.abs())
    };
    let rank = |entry: &MetricEntry| match entry.metric {
        Metric::Time => 3,
        Metric::Allocations => 2,
        Metric::Digest => 0,
        _ => 1,
    };
    comparison.jobs.iter().filter(fits).max_by(|one, other| {
        rank(one)
            .cmp(&rank(other))
            .then(size(one).total_cmp(&size(other)))
    })
}

fn report_missing(
    request: &BisectRequest,
    direction: BisectDirection,
    results: &Path,
) -> CommandError {
    let missing = match (request.workload.is_none(), request.good.is_none()) {
        (true, true) => "neither --workload nor --good was given",
        (true, false) => "--workload was not given",
        (false, _) => "--good was not given",
    };
    let kind = if direction == BisectDirection::Better {
        "improvement"
    } else {
        "regression"
    };
    let of = request
        .workload
        .as_ref()
        .map(|workload| format!(" of {workload}"))
        .unwrap_or_default();
    CommandError::input(format!(
        "{missing}, and no comparison of two commits in {} has a \
        {kind}{of}",
        results.display()
    ))
    .with_hint(
        "run `orch bisect scenarios/nightly.yaml --workload ID --good REV [--bad REV]`, or `orch \
         compare REV REV` first",
    )
}
