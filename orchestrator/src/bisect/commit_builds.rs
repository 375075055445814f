//! Builds of commits, and the allocations and output of the workload of each.

use crate::bisect::skip_reason::{SkipKind, SkipReason};
use crate::bisect::state::ProbeRecord;
use crate::compare::sides;
use crate::error::CommandError;
use crate::git::Revision;
use crate::git::history::CommitRange;
use crate::plan::{self, CountedIterations};
use crate::plugin::PluginSpec;
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::plugin::cargo::BuildWatcher;
use crate::plugin::catalog::WorkloadInfo;
use crate::plugin::revision;
use crate::project::{self, BuildWait, LoadedScenario};
use crate::record::JobOutcome;
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::lock::{LockGuard, LockPurpose};
use crate::runner::plan_execution::{self, ExecutionContext};
use crate::scenario::Job;
use crate::versus::side;
use orch_core::measure::clock::ScopeClock;
use orch_core::protocol::Phase;
use std::collections::HashMap;

/// The bisected workload and its history.
pub(crate) struct BisectContext<'a> {
    pub(crate) loaded: &'a LoadedScenario,
    /// Index of the workload's entry in the scenario.
    pub(crate) entry: usize,
    /// Key of its plugin.
    pub(crate) key: &'a str,
    pub(crate) spec: &'a PluginSpec,
    /// Id of the job.
    pub(crate) id: &'a str,
    pub(crate) history: &'a CommitRange,
    pub(crate) cpus: &'a [usize],
    pub(crate) clock: ScopeClock,
    pub(crate) mark: &'a str,
    pub(crate) interrupt: &'a Interrupt,
}

/// Reasons for which a bisect ends early.
pub(crate) enum BisectStop {
    /// The user stopped the bisect, or something that every commit needs failed.
    Failed(CommandError),
    /// An end, or a commit that others are measured against, cannot be measured.
    Unmeasurable { position: usize, reason: String },
}

impl BisectStop {
    pub(crate) fn interrupted() -> Self {
        Self::Failed(CommandError::interrupted())
    }

    pub(crate) fn defect(what: &str) -> Self {
        Self::Failed(CommandError::defect(what))
    }
}

impl From<CommandError> for BisectStop {
    fn from(failure: CommandError) -> Self {
        Self::Failed(failure)
    }
}

/// A commit that can be measured.
pub(crate) struct ReadyCommit {
    pub(crate) prepared: PreparedPlugin,
    pub(crate) job: Job,
    pub(crate) info: WorkloadInfo,
}

impl BisectContext<'_> {
    /// Returns the commit at a position; 0 is the good end.
    pub(crate) fn revision(&self, position: usize) -> &Revision {
        match position
            .checked_sub(1)
            .and_then(|index| self.history.candidates.get(index))
        {
            Some(candidate) => &candidate.revision,
            None => &self.history.good,
        }
    }

    /// Builds a commit or finds it in the cache. The inner error is the reason why it cannot be
    /// measured.
    pub(crate) fn ready(
        &self,
        revision: &Revision,
        observer: &mut dyn ProgressObserver,
    ) -> Result<Result<ReadyCommit, SkipReason>, BisectStop> {
        let build = |key: &str, spec: &PluginSpec, watch: &mut BuildWatcher| {
            revision::prepare_at_commit(key, spec, &self.loaded.root, revision, watch)
        };
        let scenario = &self.loaded.scenario;
        let has_work = |key: &str, spec: &PluginSpec| {
            !revision::is_kept(key, spec, &self.loaded.root, revision)
        };
        let wait = BuildWait::Where(&has_work);
        let is_ours = |key: &str| key == self.key;
        let mut plugins = project::prepare(
            scenario,
            is_ours,
            &build,
            wait,
            self.mark,
            self.interrupt,
            observer,
        )?;
        let prepared = match plugins.prepared.remove(self.key) {
            Some(Ok(prepared)) => prepared,
            Some(Err(failure)) => return Ok(Err(explain_failure(failure))),
            None => {
                let text = format!("plugin `{}` was not built", self.key);
                return Ok(Err(SkipReason::new(SkipKind::LoadFailed, text)));
            }
        };
        let jobs = match sides::expand_entry(scenario, self.entry, |key| plugins.described.get(key))
        {
            Ok(jobs) => jobs,
            Err(problems) => {
                let first = problems
                    .into_iter()
                    .next()
                    .map(|problem| problem.message)
                    .unwrap_or_default();
                let text = format!("the workload is missing: {first}");
                return Ok(Err(SkipReason::new(SkipKind::WorkloadMissing, text)));
            }
        };
        let job = jobs.into_iter().find(|job| job.id == self.id);
        let info = plugins
            .described
            .get(self.key)
            .zip(job.as_ref())
            .and_then(|(all, job)| all.find_workload(&job.workload));
        let info = info.cloned();
        match (job, info) {
            (Some(job), Some(info)) => Ok(Ok(ReadyCommit {
                prepared,
                job,
                info,
            })),
            _ => Ok(Err(SkipReason::new(
                SkipKind::WorkloadMissing,
                "the workload is missing",
            ))),
        }
    }

    /// Profiles and counts a commit's workload. `counted` is the number of iterations that the good
    /// end counted.
    pub(crate) fn probe(
        &self,
        ready: &ReadyCommit,
        counted: Option<u64>,
        observer: &mut dyn ProgressObserver,
    ) -> Result<Result<ProbeRecord, SkipReason>, BisectStop> {
        let mut job = ready.job.clone();
        job.settings.rounds = 0;
        let jobs = [job];
        let plugins = HashMap::from([(self.key.to_owned(), Ok(ready.prepared.clone()))]);
        let setting = ExecutionContext {
            jobs: &jobs,
            plugins: &plugins,
            cpus: self.cpus,
            clock: self.clock,
            mark: self.mark,
            sentinel: false,
            groups: &[],
            counted: counted.map_or(CountedIterations::Group, CountedIterations::Like),
        };
        let plan = plan::build_plan(&jobs, 0);
        let held = self.measuring(observer)?;
        let executed = plan_execution::execute_plan(
            &setting,
            &plan,
            Vec::new(),
            None,
            self.interrupt,
            &mut QuietObserver(observer),
        )
        .map_err(|error| CommandError::system_while("the workload cannot be examined", &error))?;
        drop(held);
        if executed.interrupted || self.interrupt.is_requested() {
            return Err(BisectStop::interrupted());
        }
        let beginnings = side::find_beginnings(&executed.ends);
        let record = side::assemble_record(
            &jobs[0],
            Ok(&ready.prepared),
            Some(&ready.info),
            executed.ends,
            None,
            false,
        );
        if record.outcome != JobOutcome::Measured {
            let phase = record.phase.map_or("run", |phase| phase.name());
            let message = record.message.unwrap_or_default();
            let text = format!("it failed in {phase}: {message}");
            return Ok(Err(SkipReason::new(SkipKind::RunFailed, text)));
        }
        let hash = ready.prepared.hash.clone();
        Ok(Ok(ProbeRecord {
            hash,
            record,
            beginnings: beginnings.unwrap_or_default(),
        }))
    }

    /// Takes the measuring lock and returns its guard.
    pub(crate) fn measuring(
        &self,
        observer: &mut dyn ProgressObserver,
    ) -> Result<LockGuard, BisectStop> {
        Ok(project::take_lock(
            LockPurpose::Measuring,
            self.interrupt,
            observer,
        )?)
    }
}

/// Converts the failure of a plugin to the reason why its commit cannot be measured.
fn explain_failure(failure: PluginFailure) -> SkipReason {
    let kind = match failure.phase {
        Phase::Build => SkipKind::BuildFailed,
        _ => SkipKind::LoadFailed,
    };
    SkipReason::new(kind, failure.message)
}

/// Observer that only passes on that orch waits for the lock, because passes of one workload need
/// no progress bar.
pub(crate) struct QuietObserver<'a>(pub(crate) &'a mut dyn ProgressObserver);

impl ProgressObserver for QuietObserver<'_> {
    fn see(&mut self, event: ProgressEvent<'_>) {
        if matches!(event, ProgressEvent::WaitingForLock { .. }) {
            self.0.see(event);
        }
    }
}
