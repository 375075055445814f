//! Answers to the search's requests, from builds and processes, or from an earlier part of the same
//! bisect.

use super::BisectObserver;
use super::commit_builds::{BisectContext, BisectStop, QuietObserver, ReadyCommit};
use super::replay::{CommitProbe, ConfirmedSuspect, EarlierSteps};
use super::skip_reason::{SkipKind, SkipReason};
use crate::bisect::state::{BisectState, BisectStep, ProbeRecord, is_same};
use crate::comparison::{CodeRelation, Verdict, exact};
use crate::error::CommandError;
use crate::model::metric::Metric;
use crate::model::warning::SidedWarning;
use crate::plugin::catalog::CounterBasis;
use crate::plugin::revision;
use crate::runner::pair::{A, B};
use crate::runner::pair_series::{self, PairRecord, PairSeries, PairSides, PairUnit};
use crate::runner::paired_workloads::PairLimits;
use crate::versus::{self, MeasureTerms, WorkloadPair, side};
use orch_core::judge::verdict;
use orch_core::random::SeededRandom;
use orch_core::search::{Confirmation, Evidence, SectionStage, SectionView};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Limits of the pairs that confirm a suspect.
const CONFIRMING: PairLimits = PairLimits {
    pairs: 256,
    time: Duration::from_secs(300),
    total: None,
};
/// Number of recent pairs whose wall time predicts the next ones.
const RECENT: usize = 64;
/// Time for a commit that is already built: lookup, description and exact passes.
const KEPT_SECONDS: f64 = 0.5;
/// Assumed times of a build and of a pair before the first one is measured.
const FIRST_BUILD_SECONDS: f64 = 20.0;
const FIRST_PAIR_SECONDS: f64 = 0.06;

/// Options of the request that determine answers.
pub(super) struct EvidenceOptions {
    pub(super) better: bool,
    pub(super) tau: Option<f64>,
    pub(super) retry_failed: bool,
    /// Positions that had been built before the bisect began.
    pub(super) kept: Vec<usize>,
    pub(super) build_seconds: Option<f64>,
}

/// The answers so far.
pub(super) struct CommitEvidence<'a> {
    pub(super) ground: &'a BisectContext<'a>,
    pub(super) wish: &'a EvidenceOptions,
    pub(super) observer: &'a mut dyn BisectObserver,
    /// Metric of the search: the requested one, or the time from which it is computed.
    pub(super) metric: Metric,
    /// Basis on which a metric of the plugin is computed from its counter and the time.
    pub(super) per: Option<CounterBasis>,
    /// Probability of each position, for the first search over the whole range.
    pub(super) posterior: Vec<f64>,
    random: SeededRandom,
    state: &'a mut BisectState,
    before: EarlierSteps,
    pub(super) looks: BTreeMap<usize, CommitProbe>,
    pub(super) measured: BTreeMap<(usize, usize), Vec<PairRecord>>,
    pub(super) codes: BTreeMap<(usize, usize), bool>,
    pub(super) confirmed: BTreeMap<(usize, usize), ConfirmedSuspect>,
    pub(super) warnings: Vec<SidedWarning>,
    pub(super) resumed: bool,
    pub(super) ready: HashMap<usize, ReadyCommit>,
    series: HashMap<(usize, usize), PairSeries>,
    build_seconds: Vec<f64>,
    pair_seconds: VecDeque<f64>,
}

impl<'a> CommitEvidence<'a> {
    pub(super) fn new(
        ground: &'a BisectContext<'a>,
        wish: &'a EvidenceOptions,
        observer: &'a mut dyn BisectObserver,
        state: &'a mut BisectState,
        steps: Vec<BisectStep>,
        seed: u64,
    ) -> Self {
        Self {
            ground,
            wish,
            observer,
            metric: Metric::Time,
            per: None,
            posterior: Vec::new(),
            random: SeededRandom::from_seed(seed ^ steps.len() as u64),
            state,
            resumed: !steps.is_empty(),
            before: EarlierSteps::new(steps),
            looks: BTreeMap::new(),
            measured: BTreeMap::new(),
            codes: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            warnings: Vec::new(),
            ready: HashMap::new(),
            series: HashMap::new(),
            build_seconds: Vec::new(),
            pair_seconds: VecDeque::new(),
        }
    }

    fn store_step(&mut self, step: &BisectStep) -> Result<(), BisectStop> {
        self.state.add(step).map_err(|error| {
            CommandError::system_while("cannot store the bisect's state", &error).into()
        })
    }

    /// Returns the number of commits that were built or failed to build.
    pub(super) fn count_builds(&self) -> usize {
        self.looks.values().filter(|look| look.built).count()
    }

    pub(super) fn find_probe(&self, position: usize) -> Option<&ProbeRecord> {
        self.looks
            .get(&position)?
            .result
            .as_ref()
            .ok()
            .map(|probe| &**probe)
    }

    /// Returns the number of iterations over which a commit was counted.
    fn counted(&self, position: usize) -> Option<u64> {
        self.find_probe(position).and_then(counted)
    }

    /// Returns the reason why a commit cannot be measured.
    pub(super) fn skip_reason(&self, position: usize) -> Option<&SkipReason> {
        self.looks.get(&position)?.result.as_ref().err()
    }

    /// Builds a commit and runs its exact passes. The result holds the reason if the commit cannot
    /// be measured.
    fn examine(&mut self, position: usize) -> Result<(f64, CommitProbe), BisectStop> {
        let ground = self.ground;
        let revision = ground.revision(position);
        let (key, spec, root) = (ground.key, ground.spec, &ground.loaded.root);
        if !self.wish.retry_failed
            && let Some(message) = revision::find_known_failure(key, spec, root, revision)
        {
            let text = format!("{message} (from an earlier attempt; --retry-failed tries again)");
            let result = Err(SkipReason::new(SkipKind::BuildFailed, text));
            return Ok((
                0.0,
                CommitProbe {
                    built: false,
                    result,
                },
            ));
        }
        let built = !revision::is_kept(key, spec, root, revision);
        self.observer.begin_probe(revision, built);
        let begun = Instant::now();
        let ready = ground.ready(revision, self.observer)?;
        let seconds = begun.elapsed().as_secs_f64();
        let result = match ready {
            Err(reason) => Err(reason),
            Ok(ready) => {
                let probe = ground.probe(&ready, self.counted(0), self.observer)?;
                self.ready.insert(position, ready);
                probe
                    .and_then(|probe| self.require_comparable(probe))
                    .map(Box::new)
            }
        };
        Ok((seconds, CommitProbe { built, result }))
    }

    /// Refuses a commit whose output differs from the good end's, because it is neither faster nor
    /// slower. Also refuses a commit whose iterations are too long to count as many as at the good
    /// end.
    fn require_comparable(&self, probe: ProbeRecord) -> Result<ProbeRecord, SkipReason> {
        match self.find_probe(0) {
            Some(_) if !self.is_time() && self.counted(0) != counted(&probe) => {
                Err(SkipReason::new(
                    SkipKind::IterationTooLong,
                    "an iteration takes too long to run as many as at the good end",
                ))
            }
            Some(good)
                if self.metric != Metric::Digest
                    && exact::output_differs([&good.record, &probe.record]) =>
            {
                Err(SkipReason::new(
                    SkipKind::OutputDiffers,
                    "its output differs from the good end's (--metric digest finds the commit that \
                     changed it)",
                ))
            }
            _ => Ok(probe),
        }
    }

    /// Examines a commit unless it was examined before. Returns whether it can be measured.
    pub(super) fn examine_commit(&mut self, position: usize) -> Result<bool, BisectStop> {
        if !self.looks.contains_key(&position) {
            let (seconds, look) = match self.before.looks.remove(&position) {
                Some(known) => known,
                None => {
                    let (seconds, look) = self.examine(position)?;
                    let CommitProbe { built, result } = &look;
                    self.store_step(&BisectStep::Look {
                        position,
                        seconds,
                        built: *built,
                        result: result.clone(),
                    })?;
                    (seconds, look)
                }
            };
            if look.built {
                self.build_seconds.push(seconds);
            }
            // An end that cannot be measured is not reported as a skipped commit, because it ends
            // the bisect and is reported then.
            let is_end = position == 0 || position == self.ground.history.candidates.len();
            if look.result.is_ok() || !is_end {
                self.observer
                    .end_probe(self.ground.revision(position), &look, seconds);
            }
            self.looks.insert(position, look);
        }
        Ok(self.find_probe(position).is_some())
    }

    /// Prepares a commit if it is not ready. A commit that was examined before the bisect was
    /// killed is in the cache.
    pub(super) fn ensure_built(&mut self, position: usize) -> Result<(), BisectStop> {
        if self.ready.contains_key(&position) {
            return Ok(());
        }
        let ready = self
            .ground
            .ready(self.ground.revision(position), self.observer)?;
        let ready = ready.map_err(|reason| BisectStop::Unmeasurable {
            position,
            reason: reason.text,
        })?;
        self.ready.insert(position, ready);
        Ok(())
    }

    fn compare_code(&mut self, one: usize, other: usize) -> Result<bool, BisectStop> {
        let (Some(a), Some(b)) = (self.find_probe(one), self.find_probe(other)) else {
            return Ok(false);
        };
        if a.hash == b.hash {
            return Ok(true);
        }
        let beginnings = [a.beginnings.clone(), b.beginnings.clone()];
        self.ensure_built(one)?;
        self.ensure_built(other)?;
        let (Some(a), Some(b)) = (self.ready.get(&one), self.ready.get(&other)) else {
            return Ok(false);
        };
        let code = side::compare_machine_code(
            [&a.prepared, &b.prepared],
            [&beginnings[0], &beginnings[1]],
        );
        Ok(is_same(code.as_ref()) && a.job.params == b.job.params)
    }

    /// Measures one more pair. Returns `None` if the commit fails.
    fn measure_pair(
        &mut self,
        reference: usize,
        position: usize,
    ) -> Result<Option<PairRecord>, BisectStop> {
        self.ensure_built(reference)?;
        self.ensure_built(position)?;
        let held = self.ground.measuring(self.observer)?;
        let (Some(a), Some(b)) = (self.ready.get(&reference), self.ready.get(&position)) else {
            return Ok(None);
        };
        let sides = PairSides {
            jobs: [&a.job, &b.job],
            prepared: [&a.prepared, &b.prepared],
            unit: PairUnit::Workers,
        };
        let ground = pair_series::PairContext {
            cpus: self.ground.cpus,
            clock: self.ground.clock,
            mark: self.ground.mark,
        };
        let series = self.series.entry((reference, position)).or_default();
        series
            .measure_pair(&sides, &ground, &mut self.random, self.ground.interrupt)
            .map_err(|error| CommandError::system_while("a pair cannot be measured", &error))?;
        drop(held);
        for warning in std::mem::take(&mut series.warnings) {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        match &series.failed {
            None => {}
            Some(failure) if failure.side == B => {
                let text = format!("it failed in {}: {}", failure.phase.name(), failure.message);
                let reason = SkipReason::new(SkipKind::RunFailed, text);
                self.store_step(&BisectStep::PairFailed {
                    reference,
                    position,
                    reason: reason.clone(),
                })?;
                self.note_failure(position, reason);
                return Ok(None);
            }
            Some(failure) => {
                let reason = format!("failed in {}: {}", failure.phase.name(), failure.message);
                return Err(BisectStop::Unmeasurable {
                    position: [reference, position][A],
                    reason,
                });
            }
        }
        // There is no new pair if the user stopped the measurement.
        let pair = series.pairs.pop().ok_or_else(BisectStop::interrupted)?;
        self.store_step(&BisectStep::Pair {
            reference,
            position,
            pair: Box::new(pair.clone()),
        })?;
        Ok(Some(pair))
    }

    pub(super) fn note_failure(&mut self, position: usize, reason: SkipReason) {
        if let Some(look) = self.looks.get_mut(&position) {
            look.result = Err(reason);
        }
    }

    /// Compares two builds with each other, in all metrics.
    pub(super) fn compare_commits(
        &mut self,
        jobs: [&ReadyCommit; 2],
        limits: PairLimits,
    ) -> Result<ConfirmedSuspect, BisectStop> {
        let tolerance = jobs[A].job.settings.tolerance;
        let one = WorkloadPair {
            jobs: jobs.map(|ready| ready.job.clone()),
            sides: jobs.map(|ready| Ok(ready.prepared.clone())),
            info: jobs.map(|ready| Some(ready.info.clone())),
            unknown: [None, None],
            margin: verdict::equivalence_margin(tolerance, self.wish.tau.unwrap_or(0.0)),
            timed: false,
            output_accepted: false,
            notes: Vec::new(),
        };
        let ground = self.ground;
        let (cpus, clock, mark) = (ground.cpus, ground.clock, ground.mark);
        let terms = MeasureTerms {
            cpus,
            clock,
            mark,
            limits,
            more: "",
            control: false,
        };
        let held = ground.measuring(self.observer)?;
        let mut quiet = QuietObserver(self.observer);
        let outcome = versus::measure(
            &[one],
            &terms,
            &mut self.random,
            ground.interrupt,
            &mut quiet,
        )
        .map_err(|error| CommandError::system_while("the comparison ended early", &error))?;
        drop(held);
        match outcome.workloads.into_iter().next() {
            Some(workload) if !outcome.interrupted => Ok(ConfirmedSuspect {
                entries: outcome.entries,
                workload,
            }),
            Some(_) => Err(BisectStop::interrupted()),
            None if outcome.interrupted => Err(BisectStop::interrupted()),
            None => Err(BisectStop::defect(
                "a comparison of one workload has no workload",
            )),
        }
    }

    /// Returns the comparison of a suspect with the commit before it, in all metrics.
    pub(super) fn explain_change(
        &mut self,
        parent: usize,
        position: usize,
    ) -> Result<&ConfirmedSuspect, BisectStop> {
        if !self.confirmed.contains_key(&(parent, position)) {
            let confirmed = match self.before.confirmed.remove(&(parent, position)) {
                Some(known) => known,
                None => self.measure_confirmation(parent, position)?,
            };
            self.confirmed.insert((parent, position), confirmed);
        }
        self.confirmed
            .get(&(parent, position))
            .ok_or_else(|| BisectStop::defect("the comparison of a suspect is missing"))
    }

    /// Returns whether the comparison of a suspect with the commit before it is known.
    pub(super) fn is_explained(&self, parent: usize, position: usize) -> bool {
        let key = (parent, position);
        self.confirmed.contains_key(&key) || self.before.confirmed.contains_key(&key)
    }

    fn measure_confirmation(
        &mut self,
        parent: usize,
        position: usize,
    ) -> Result<ConfirmedSuspect, BisectStop> {
        self.observer
            .begin_confirmation(self.ground.revision(parent), self.ground.revision(position));
        self.ensure_built(parent)?;
        self.ensure_built(position)?;
        let (Some(a), Some(b)) = (self.ready.remove(&parent), self.ready.remove(&position)) else {
            return Err(BisectStop::defect("a prepared commit is missing"));
        };
        // Counted metrics need no pairs.
        let pairs = if self.is_time() { CONFIRMING.pairs } else { 0 };
        let confirmed = self.compare_commits(
            [&a, &b],
            PairLimits {
                pairs,
                ..CONFIRMING
            },
        );
        self.ready.extend([(parent, a), (position, b)]);
        let confirmed = confirmed?;
        self.store_step(&BisectStep::Confirmed {
            parent,
            position,
            entries: confirmed.entries.clone(),
            workload: Box::new(confirmed.workload.clone()),
        })?;
        Ok(confirmed)
    }

    pub(super) fn is_time(&self) -> bool {
        self.metric == Metric::Time
    }
}

/// Returns the number of iterations over which a probe was counted.
fn counted(probe: &ProbeRecord) -> Option<u64> {
    probe
        .record
        .allocations
        .as_ref()
        .map(|allocations| allocations.iterations)
}

impl Evidence for CommitEvidence<'_> {
    type Stop = BisectStop;

    fn prepare_commit(&mut self, commit: usize) -> Result<bool, BisectStop> {
        self.examine_commit(commit)
    }

    fn same_code(&mut self, one: usize, other: usize) -> Result<bool, BisectStop> {
        let same = match self.before.codes.remove(&(one, other)) {
            Some(known) => known,
            None => {
                let same = self.compare_code(one, other)?;
                self.store_step(&BisectStep::Code { one, other, same })?;
                same
            }
        };
        self.codes.insert((one, other), same);
        Ok(same)
    }

    fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        count: usize,
    ) -> Result<Option<Vec<f64>>, BisectStop> {
        let key = (reference, commit);
        let mut differences = Vec::with_capacity(count);
        while differences.len() < count {
            let known = self
                .before
                .pairs
                .get_mut(&key)
                .and_then(VecDeque::pop_front);
            let pair = match known {
                Some(pair) => Some(pair),
                None => match self.before.failed.remove(&key) {
                    Some(reason) => {
                        self.note_failure(commit, reason);
                        None
                    }
                    None => self.measure_pair(reference, commit)?,
                },
            };
            let Some(pair) = pair else { return Ok(None) };
            self.pair_seconds.push_back(pair.wall_ns as f64 / 1e9);
            if self.pair_seconds.len() > RECENT {
                self.pair_seconds.pop_front();
            }
            differences.push(pair.difference);
            let all = self.measured.entry(key).or_default();
            all.push(pair);
            let so_far: Vec<f64> = all.iter().map(|pair| pair.difference).collect();
            self.observer
                .end_pair(self.ground.revision(commit), &so_far);
        }
        self.observer.end_batch(
            self.ground.revision(reference),
            self.ground.revision(commit),
            &self.measured[&key],
        );
        Ok(Some(differences))
    }

    fn confirm(&mut self, parent: usize, commit: usize) -> Result<Confirmation, BisectStop> {
        let ConfirmedSuspect { entries, workload } = self.explain_change(parent, commit)?;
        if matches!(
            workload.code,
            CodeRelation::OnlyLayout | CodeRelation::Identical
        ) {
            return Ok(Confirmation::Layout);
        }
        let Some(time) = entries.iter().find(|entry| entry.metric == Metric::Time) else {
            return Ok(Confirmation::Open);
        };
        let estimate = time.change.map_or(0.0, |change| change.estimate.ln_1p());
        Ok(match time.verdict {
            Verdict::Regressed | Verdict::Improved => Confirmation::Changed { estimate },
            Verdict::Equivalent => Confirmation::Below,
            _ => Confirmation::Open,
        })
    }

    fn build_seconds(&self, commit: usize) -> f64 {
        if self.looks.contains_key(&commit) {
            return 0.0;
        }
        if self.wish.kept.contains(&commit) {
            KEPT_SECONDS
        } else {
            self.build_time()
        }
    }

    fn pair_seconds(&self) -> f64 {
        if self.pair_seconds.is_empty() {
            return FIRST_PAIR_SECONDS;
        }
        self.pair_seconds.iter().sum::<f64>() / self.pair_seconds.len() as f64
    }

    fn show_progress(&mut self, view: &SectionView<'_>) {
        let whole = view.reference == 0 && view.end == self.ground.history.candidates.len();
        if whole && view.stage != SectionStage::CompareEnds {
            self.posterior = view.posterior.to_vec();
        }
        let (build_seconds, pair_seconds) = (self.build_time(), self.pair_seconds());
        self.observer
            .show_search(view, self.ground, pair_seconds, build_seconds);
    }
}

impl CommitEvidence<'_> {
    /// Returns the expected seconds of a build: the mean of the measured builds, else an earlier
    /// build's time, else an assumed time.
    pub(super) fn build_time(&self) -> f64 {
        let known = self.build_seconds.iter().sum::<f64>() / self.build_seconds.len() as f64;
        let known = Some(known).filter(|seconds| seconds.is_finite());
        known
            .or(self.wish.build_seconds)
            .unwrap_or(FIRST_BUILD_SECONDS)
            .max(KEPT_SECONDS)
    }

    /// Returns an earlier commit that runs the same code.
    pub(super) fn find_twin(&self, position: usize) -> Option<usize> {
        self.codes.iter().find_map(|(&(one, other), same)| {
            let (earlier, later) = (one.min(other), one.max(other));
            (*same && later == position).then_some(earlier)
        })
    }
}
