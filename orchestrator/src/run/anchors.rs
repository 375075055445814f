//! The anchors of a run: the meaning of the scenario's `anchor:`, its build, its pairs, and the
//! previous anchor.

use crate::calibration::MachineCalibration;
use crate::compare::build_effect;
use crate::compare::sides::{self, SideContext, SideJobs};
use crate::compare::target::CompareTarget;
use crate::error::CommandError;
use crate::git::{self, Revision};
use crate::machine::Machine;
use crate::model::reason::Reason;
use crate::model::run_outcome::RunOutcome;
use crate::pass::{PassEnd, PassResult};
use crate::plugin::build::PreparedPlugin;
use crate::project::{LoadedScenario, PluginSet};
use crate::record::anchored::{AnchorRecord, AnchorRole, AnchorTerms, AnchoredJob};
use crate::record::store::{self, EarlierRun};
use crate::runner::anchor_pairs::{self, AnchorJob, AnchorPair, AnchorSeries};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::journal::RunJournal;
use crate::runner::pair_series::{PairContext, PairSides, PairUnit};
use crate::sentinel::EarlierLevels;
use orch_core::judge::verdict;
use orch_core::random::SeededRandom;
use std::collections::HashMap;
use std::io;
use std::path::Path;

fn note(observer: &mut dyn ProgressObserver, text: &str) {
    observer.see(ProgressEvent::Note { text });
}

/// A pinned build and its jobs.
pub(super) struct Anchor {
    pub(super) record: AnchorRecord,
    plugins: PluginSet,
    jobs: Vec<SideJobs>,
}

/// Inputs for preparing and measuring anchors.
pub(super) struct AnchorContext<'a> {
    pub(super) loaded: &'a LoadedScenario,
    pub(super) filter: Option<&'a str>,
    pub(super) mark: &'a str,
    pub(super) interrupt: &'a Interrupt,
    /// Plugins of the run.
    pub(super) plugins: &'a PluginSet,
}

/// Finds the commit of the scenario's anchor, before anything is built.
pub(super) fn find_revision(
    loaded: &LoadedScenario,
    observer: &mut dyn ProgressObserver,
) -> Result<Option<Revision>, CommandError> {
    let Some(name) = &loaded.scenario.anchor else {
        return Ok(None);
    };
    let hint = "name a tag, a branch or a commit, such as v1.2; each job is paired with its build"
        .to_owned();
    let problem = match git::revision::resolve_revision(&loaded.root, name) {
        Ok(Some(revision)) => {
            if ["HEAD", "~", "^", "@"]
                .iter()
                .any(|part| name.contains(part))
            {
                note(
                    observer,
                    &format!(
                        "anchor: {name} names a different commit after each new commit; use a tag \
                         or a hash"
                    ),
                );
            }
            return Ok(Some(revision));
        }
        Ok(None) => format!(
            "anchor: '{name}' does not name a revision of {}",
            loaded.root.display()
        ),
        Err(error) => format!("anchor: {error}"),
    };
    Err(loaded.refuse(vec![loaded.scenario.anchor_problem(problem, Some(hint))]))
}

/// Builds the anchor and, in the first run with a new one, the one before it.
pub(super) fn prepare_anchors(
    revision: &Revision,
    nights: &EarlierRuns,
    around: &AnchorContext,
    observer: &mut dyn ProgressObserver,
) -> Result<Vec<Anchor>, CommandError> {
    let name = around.loaded.scenario.anchor.clone().unwrap_or_default();
    let mut wanted = vec![(
        AnchorRecord::new(&name, revision, AnchorRole::Anchor),
        revision.clone(),
    )];
    if let Some(old) = nights.anchor().filter(|old| old.commit != revision.commit) {
        match git::revision::resolve_revision(&around.loaded.root, &old.commit) {
            Ok(Some(revision)) => {
                note(
                    observer,
                    &format!(
                        "new anchor: this run is also paired with the previous anchor ({})",
                        old.name
                    ),
                );
                wanted.push((
                    AnchorRecord::new(&old.name, &revision, AnchorRole::Overlap),
                    revision,
                ));
            }
            _ => note(
                observer,
                &format!(
                    "the previous anchor ({}, {}) is no longer in the repository, so runs before \
                     and after this one cannot be compared",
                    old.name, old.commit
                ),
            ),
        }
    }
    let mut anchors = Vec::new();
    for (mut record, revision) in wanted {
        let common = SideContext {
            loaded: around.loaded,
            variation: None,
            replaced: None,
            filter: around.filter,
            only: None,
            mark: around.mark,
            interrupt: around.interrupt,
        };
        let plugins = sides::build_plugins(&CompareTarget::Revision(revision), &common, observer)?;
        let jobs = sides::expand_jobs(&common, [&plugins, around.plugins], observer)?;
        for (key, _) in &around.loaded.scenario.plugins {
            if let Some(prepared) = plugins.prepared.get(key) {
                record.artefacts.insert(
                    key.clone(),
                    prepared.as_ref().ok().map(|prepared| prepared.hash.clone()),
                );
            }
        }
        anchors.push(Anchor {
            record,
            plugins,
            jobs,
        });
    }
    Ok(anchors)
}

/// Earlier runs of the scenario, with which later runs are compared.
pub(super) struct EarlierRuns<'a> {
    pub(super) results: &'a Path,
    pub(super) scenario: &'a str,
    pub(super) machine: &'a Machine,
}

impl EarlierRuns<'_> {
    /// Returns the anchor of the newest run that had one. Runs without an anchor do not interrupt
    /// the series.
    fn anchor(&self) -> Option<AnchorRecord> {
        own_anchor(&self.newest(|night| own_anchor(night).is_some())?).cloned()
    }

    /// Returns the reference for the sentinel's readings: those of the first run with the same
    /// anchor and the same kernels, whatever ran in between.
    pub(super) fn levels(&self, anchors: &[Anchor], kernel: &str) -> Option<EarlierLevels> {
        let own = anchors
            .iter()
            .find(|anchor| anchor.record.role == AnchorRole::Anchor)?;
        let read = |night: &EarlierRun| {
            night
                .sentinel
                .as_ref()
                .is_some_and(|one| one.kernel == kernel && !one.readings.is_empty())
        };
        let same = |night: &EarlierRun| {
            own_anchor(night).is_some_and(|anchor| anchor.commit == own.record.commit)
        };
        let night = self.newest(|night| same(night) && read(night))?;
        let sentinel = night.sentinel?;
        // Each run stores the reference that it was compared with.
        let first = EarlierLevels {
            record: night.id,
            levels: sentinel.levels(),
        };
        Some(sentinel.anchor.unwrap_or(first))
    }

    /// Whether a run is complete, has all jobs, and is of this class of machine.
    fn newest(&self, wanted: impl Fn(&EarlierRun) -> bool) -> Option<EarlierRun> {
        let whole = |night: &EarlierRun| {
            night.machine.class == self.machine.class
                && night.scenario.filter.is_none()
                && night.outcome != RunOutcome::Interrupted
        };
        store::newest(self.results, self.scenario, |night| {
            whole(night) && wanted(night)
        })
    }
}

/// Returns the anchor of a record's own scenario, if it could be built.
fn own_anchor(night: &EarlierRun) -> Option<&AnchorRecord> {
    let built = |anchor: &AnchorRecord| anchor.artefacts.values().any(Option::is_some);
    night
        .anchors
        .iter()
        .find(|anchor| anchor.role == AnchorRole::Anchor && built(anchor))
}

/// Measurements of each job with each anchor, indexed by both.
pub(super) type AnchorSeriesByPlace = HashMap<(usize, usize), AnchorSeries>;

/// Measures pairs of all jobs that the run measured and that the anchor has too.
pub(super) fn measure_anchors(
    anchors: &[Anchor],
    around: &AnchorContext,
    ends: &[PassEnd],
    ground: &PairContext,
    (done, journal): (Vec<AnchorPair>, &mut RunJournal),
    seed: u64,
    observer: &mut dyn ProgressObserver,
) -> io::Result<AnchorSeriesByPlace> {
    let (mut ties, mut places) = (Vec::new(), Vec::new());
    for (place, anchor) in anchors.iter().enumerate() {
        for (index, side_jobs) in anchor.jobs.iter().enumerate() {
            if let Ok(prepared) = pair_builds(anchor, side_jobs, around.plugins, ends) {
                let [a, b] = &side_jobs.jobs;
                ties.push(AnchorJob {
                    anchor: &anchor.record.commit,
                    sides: PairSides {
                        jobs: [a, b],
                        prepared,
                        unit: PairUnit::Workers,
                    },
                });
                places.push((place, index));
            }
        }
    }
    // A resumed run makes new random choices instead of repeating the first ones.
    let mut random = SeededRandom::from_seed(seed ^ (0x616e_6368 + done.len() as u64));
    let tied = anchor_pairs::measure_pairs(
        &ties,
        ground,
        done,
        journal,
        &mut random,
        around.interrupt,
        observer,
    )?;
    Ok(places.into_iter().zip(tied).collect())
}

/// Returns the builds of both sides of a job, or the reason why it cannot be paired.
fn pair_builds<'a>(
    anchor: &'a Anchor,
    side_jobs: &SideJobs,
    plugins: &'a PluginSet,
    ends: &[PassEnd],
) -> Result<[&'a PreparedPlugin; 2], String> {
    let job = &side_jobs.jobs[1];
    if let Some(reason) = &side_jobs.unknown[0] {
        return Err(format!("the anchor does not have this job: {reason}"));
    }
    let lost = |end: &&PassEnd| end.job == job.id && !matches!(end.result, PassResult::Reply(_));
    if ends.iter().any(|end| lost(&end)) || !ends.iter().any(|end| end.job == job.id) {
        return Err("not measured in this run".to_owned());
    }
    let of = |plugins: &'a PluginSet, whose: &str| match plugins.prepared.get(&job.plugin) {
        Some(Ok(prepared)) => Ok(prepared),
        Some(Err(failure)) => Err(format!(
            "{whose} failed in {}: {}",
            failure.phase.name(),
            failure.message
        )),
        None => Err(format!("{whose} has no plugin `{}`", job.plugin)),
    };
    Ok([of(&anchor.plugins, "the anchor")?, of(plugins, "the run")?])
}

/// Judges the pairs of each job with its anchors. The keys of the result are ids of jobs.
pub(super) fn judge_anchors(
    anchors: &[Anchor],
    around: &AnchorContext,
    ends: &[PassEnd],
    measured: &AnchorSeriesByPlace,
    machine: &Machine,
    changed: Option<&str>,
) -> HashMap<String, Vec<AnchoredJob>> {
    let kept = MachineCalibration::load(machine);
    let mut found: HashMap<String, Vec<AnchoredJob>> = HashMap::new();
    for (place, anchor) in anchors.iter().enumerate() {
        let together = measured.keys().filter(|(of, _)| *of == place).count();
        let terms = AnchorTerms {
            anchor: &anchor.record,
            together,
            changed,
        };
        for (index, side_jobs) in anchor.jobs.iter().enumerate() {
            let job = &side_jobs.jobs[1];
            let tau = build_effect(around.loaded, &kept, job).unwrap_or(0.0);
            let margin = verdict::equivalence_margin(job.settings.tolerance, tau);
            if let Some(reason) = &side_jobs.unknown[0] {
                found
                    .entry(job.id.clone())
                    .or_default()
                    .push(AnchoredJob::absent(&anchor.record, margin, reason));
                continue;
            }
            let one = match (
                pair_builds(anchor, side_jobs, around.plugins, ends),
                measured.get(&(place, index)),
            ) {
                (Ok(prepared), Some(tied)) => AnchoredJob::judged(
                    tied,
                    prepared.map(|prepared| prepared.hash.as_str()),
                    margin,
                    &terms,
                ),
                (Err(reason), _) => {
                    AnchoredJob::missing(&anchor.record, margin, &Reason::NotMeasured(reason))
                }
                (Ok(_), None) => AnchoredJob::missing(
                    &anchor.record,
                    margin,
                    &Reason::NotMeasured("the run was interrupted before".to_owned()),
                ),
            };
            found.entry(job.id.clone()).or_default().push(one);
        }
    }
    found
}
