//! One bisect before its first build: the workload, the commits, and facts that are known already.

use super::BisectRequest;
use super::target::BisectTarget;
use crate::bisect::BisectDirection;
use crate::bisect::cause;
use crate::bisect::state::BisectHeader;
use crate::calibration::MachineCalibration;
use crate::compare;
use crate::compare::sides;
use crate::error::CommandError;
use crate::git::{self, history, history::CommitRange};
use crate::machine::Machine;
use crate::model::metric::Metric;
use crate::model::warning::{JobWarning, SidedWarning};
use crate::plugin::{PluginSpec, revision};
use crate::project::LoadedScenario;
use crate::scenario::Job;
use crate::scenario::problem::nearest_name;
use orch_core::format;
use orch_core::judge::verdict;
use std::path::PathBuf;
use std::time::Duration;

/// Smallest step that is searched for. With a margin of 0.5 % at a build effect of 0.2 %, the
/// search named a culprit in 14 % of simulated histories without a step.
const SMALLEST_MARGIN: f64 = 0.01;
/// Most commits whose changed files are read. For more commits, reading takes longer than it saves.
const MOST_LISTED: usize = 2000;
/// Builds beyond log2(N) that a search takes.
const MORE_BUILDS: f64 = 2.0;

/// The bisected workload and range.
pub(super) struct BisectTask {
    pub(super) loaded: LoadedScenario,
    /// Index of the workload's entry in the scenario.
    pub(super) entry: usize,
    pub(super) key: String,
    pub(super) spec: PluginSpec,
    pub(super) job: Job,
    pub(super) metric: Metric,
    pub(super) direction: BisectDirection,
    pub(super) history: CommitRange,
    pub(super) all: bool,
    pub(super) tau: Option<f64>,
    /// Relative change that matters.
    pub(super) margin: f64,
    pub(super) results: PathBuf,
    /// Notes for the reader of the result.
    pub(super) notes: Vec<SidedWarning>,
}

impl BisectTask {
    pub(super) fn new(ask: BisectTarget, all: bool) -> Result<Self, CommandError> {
        let BisectTarget {
            loaded,
            workload,
            metric,
            direction,
            good,
            bad,
            results,
        } = ask;
        let (entry, job) = find_job(&loaded, &workload)?;
        let spec = loaded
            .scenario
            .plugins
            .iter()
            .find(|(key, _)| *key == job.plugin)
            .map(|(_, spec)| spec.clone());
        let spec = spec.ok_or_else(|| {
            CommandError::input(format!("the scenario has no plugin '{}'", job.plugin))
        })?;
        require_history(&loaded, &job.plugin, &spec, &good)?;
        let history = history::list_between(&good, &bad, all)
            .map_err(|error| CommandError::input(format!("{error}")))?;
        let tau = compare::build_effect(&loaded, &MachineCalibration::load(&Machine::read()), &job);
        let margin = verdict::equivalence_margin(job.settings.tolerance, tau.unwrap_or(0.0))
            .max(SMALLEST_MARGIN);
        let mut notes = Vec::new();
        if git::read_state(&loaded.repository).dirty {
            notes.push(SidedWarning::of_both(JobWarning::UncommittedChanges));
        }
        let key = job.plugin.clone();
        Ok(Self {
            loaded,
            entry,
            key,
            spec,
            job,
            metric,
            direction,
            history,
            all,
            tau,
            margin,
            results,
            notes,
        })
    }

    /// Returns the number of candidates, including the bad end.
    pub(super) fn candidates(&self) -> usize {
        self.history.candidates.len()
    }

    /// Returns the parents by position, for the search.
    pub(super) fn parents(&self) -> Vec<Vec<usize>> {
        let own = self
            .history
            .candidates
            .iter()
            .map(|candidate| candidate.parents.clone());
        std::iter::once(Vec::new()).chain(own).collect()
    }

    /// Returns for each position whether it is never built.
    pub(super) fn never(&self) -> Vec<bool> {
        let own = self
            .history
            .candidates
            .iter()
            .map(|candidate| candidate.only_joins);
        std::iter::once(false).chain(own).collect()
    }

    /// Returns everything that determines the search's requests.
    pub(super) fn header(&self, request: &BisectRequest) -> BisectHeader {
        let loaded = &self.loaded;
        let revisions = std::iter::once(&self.history.good)
            .chain(self.history.candidates.iter().map(|each| &each.revision));
        let kept: Vec<usize> = revisions
            .enumerate()
            .filter(|(_, revision)| {
                revision::is_kept(&self.key, &self.spec, &loaded.root, revision)
                    || (!request.retry_failed
                        && revision::find_known_failure(
                            &self.key,
                            &self.spec,
                            &loaded.root,
                            revision,
                        )
                        .is_some())
            })
            .map(|(position, _)| position)
            .collect();
        let took =
            |revision| revision::find_build_time(&self.key, &self.spec, &loaded.root, revision);
        let times: Vec<f64> = kept
            .iter()
            .filter_map(|position| match position {
                0 => took(&self.history.good),
                position => took(&self.history.candidates[position - 1].revision),
            })
            .map(|time| time.as_secs_f64())
            .collect();
        BisectHeader {
            schema: BisectHeader::schema(),
            started: jiff::Timestamp::now().to_string(),
            seed: request.seed.unwrap_or_else(orch_core::random::draw_seed),
            repository: self.history.good.repository.clone(),
            scenario: loaded.file.clone(),
            shown: loaded.shown.clone(),
            scenario_hash: crate::hash::text(&loaded.text),
            workload: self.job.id.clone(),
            metric: self.metric.clone(),
            direction: self.direction,
            good: self.history.good.commit.clone(),
            bad: self.bad().commit.clone(),
            all: self.all,
            first: request.first,
            most_pairs: request.pairs,
            verify_revert: request.verify_revert,
            retry_failed: request.retry_failed,
            results: request
                .results
                .as_ref()
                .and_then(|path| std::path::absolute(path).ok()),
            machine_class: Machine::read().class,
            tau: self.tau,
            build_seconds: orch_core::judge::estimate::median(&times),
            kept,
            prior: self.prior(),
        }
    }

    pub(super) fn bad(&self) -> &git::Revision {
        self.history
            .candidates
            .last()
            .map_or(&self.history.good, |candidate| &candidate.revision)
    }

    /// Returns the weights of the positions. A commit that touches only documents is a less likely
    /// culprit.
    fn prior(&self) -> Vec<f64> {
        if self.candidates() > MOST_LISTED {
            return vec![1.0; self.candidates() + 1];
        }
        let weight = |candidate: &history::CandidateCommit| {
            let parent = match candidate.parents.first() {
                Some(position) if *position > 0 => &self.history.candidates[position - 1].revision,
                _ => &self.history.good,
            };
            let files = history::list_changed_files(parent, &candidate.revision).ok();
            cause::weight(files.as_deref())
        };
        std::iter::once(1.0)
            .chain(self.history.candidates.iter().map(weight))
            .collect()
    }

    /// Formats the plan of a dry run.
    pub(super) fn dry_run(&self, header: &BisectHeader) -> String {
        let candidates = self.candidates();
        let joins = self
            .history
            .candidates
            .iter()
            .filter(|candidate| candidate.only_joins)
            .count();
        let kept = header.kept.len();
        let builds = ((candidates as f64).log2() + MORE_BUILDS)
            .ceil()
            .min(candidates as f64 + 1.0);
        let line = |revision: &git::Revision| {
            let (short, subject) = (revision.short(), &revision.subject);
            format!(
                "{short} ({subject}, {}, {})",
                revision.author,
                format::utc(&revision.committed)
            )
        };
        let time = match header.build_seconds {
            Some(seconds) => {
                let new = (builds - kept.min(builds as usize) as f64).max(0.0);
                let whole = Duration::from_secs_f64(new * seconds + 30.0);
                format!(
                    "a build took {} before; about {} in total",
                    format::time(seconds * 1e9),
                    format::time(whole.as_nanos() as f64)
                )
            }
            None => "the time is unknown until the first build has ended".to_owned(),
        };
        // Counted metrics have no margin.
        let margin = if self.metric.is_counted() {
            String::new()
        } else {
            format!(", margin {}", format::percent(self.margin))
        };
        let plural = if candidates == 1 { "" } else { "s" };
        let mut text = format!(
            "{} of {}{margin}\n{}\n{}\n{candidates} commit{plural}{}, {}\n",
            self.metric,
            self.job.id,
            format::wrap(&format!("good: {}", line(&self.history.good)), 80, 6),
            format::wrap(&format!("bad:  {}", line(self.bad())), 80, 6),
            if joins > 0 {
                format!(", {joins} of them merges that are not built")
            } else {
                String::new()
            },
            if self.all {
                "all ancestors"
            } else {
                "first parents"
            },
        );
        let work =
            format!("about {builds} builds, {kept} of the commits are already built; {time}");
        text.push_str(&format!("{}\n", format::wrap(&work, 80, 2)));
        for note in &self.notes {
            text.push_str(&format!(
                "{}\n",
                format::wrap(&format!("note: {note}"), 80, 2)
            ));
        }
        text
    }
}

/// Returns the entry and the job with an id.
fn find_job(loaded: &LoadedScenario, id: &str) -> Result<(usize, Job), CommandError> {
    let mut known = Vec::new();
    for entry in 0..loaded.scenario.entries.len() {
        let jobs = sides::expand_entry(&loaded.scenario, entry, |_| None)
            .map_err(|problems| loaded.refuse(problems))?;
        for job in jobs {
            if job.id == id {
                return Ok((entry, job));
            }
            known.push(job.id);
        }
    }
    let hint = match nearest_name(id, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("its jobs are {}", format::listed(&known)),
    };
    Err(CommandError::input(format!("{} has no job '{id}'", loaded.shown)).with_hint(hint))
}

/// Refuses a plugin that is the same at every commit.
fn require_history(
    loaded: &LoadedScenario,
    key: &str,
    spec: &PluginSpec,
    at: &git::Revision,
) -> Result<(), CommandError> {
    match revision::explain_independence(spec, &loaded.root, at) {
        None => Ok(()),
        Some(why) => Err(
            CommandError::input(format!("plugin `{key}` {why}")).with_hint(
                "name the repository of the code under test with `--repo PATH`, and set `overlay: \
                 true` on the plugin to lay it over every commit; a library given by `path:` \
                 needs `crate:` or `build:` instead",
            ),
        ),
    }
}
