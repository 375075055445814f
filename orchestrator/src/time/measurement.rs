//! The measurement of programs: one alone in several workers, or several in pairs that take turns.

use super::TimeRequest;
use super::measured::{ProgramComparison, ProgramCosts, ProgramTimes};
use super::program_list::TimedProgram;
use super::ranking::{self, RankedPair};
use crate::comparison::RelativeChange;
use crate::context::CommandContext;
use crate::error::CommandError;
use crate::pass::{PassEnd, PassResult, median_of_samples};
use crate::plan::{CountedIterations, Plan, PlanStep, StepKind};
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::runner::event::ProgressObserver;
use crate::runner::pair_series::{LONG_RUN_NS, PairContext, PairSides, PairUnit};
use crate::runner::paired_workloads::{self, PairLimits, PairStopReason, PairedResult};
use crate::runner::plan_execution::{self, ExecutionContext};
use crate::scenario::Job;
use orch_core::judge::estimate::median;
use orch_core::measure::clock::ScopeClock;
use orch_core::measure::interval::{MedianInterval, median_interval};
use orch_core::protocol::{AllocationCounts, WorkerReply};
use orch_core::random::SeededRandom;
use std::collections::HashMap;
use std::time::Duration;

/// Most pairs of two programs. The time limit usually ends the measurement earlier.
const MOST_PAIRS: usize = 256;
/// Time over which the costs of a run are averaged, and the most runs for it.
const COSTS_TIME: Duration = Duration::from_millis(500);
const COSTS_RUNS: u64 = 8;

/// A measurement at work.
pub(super) struct ProgramMeasurement<'a> {
    request: &'a TimeRequest,
    jobs: &'a [Job],
    prepared: &'a PreparedPlugin,
    plugins: HashMap<String, Result<PreparedPlugin, PluginFailure>>,
    cpus: &'a [usize],
    clock: ScopeClock,
    random: SeededRandom,
    context: &'a CommandContext<'a>,
    observer: &'a mut dyn ProgressObserver,
}

/// Measurements of all programs, in the order of the request.
pub(super) struct MeasuredPrograms {
    programs: Vec<MeasuredProgram>,
    pairs: Vec<MeasuredPair>,
}

#[derive(Debug, Clone, Default)]
struct MeasuredProgram {
    time_ns: Option<f64>,
    interval: Option<MedianInterval>,
    samples_ns: Vec<Vec<u64>>,
    runs: usize,
    costs: Option<ProgramCosts>,
    failure: Option<String>,
}

/// Pairs of two programs, by index.
struct MeasuredPair {
    base: usize,
    other: usize,
    result: PairedResult,
}

impl<'a> ProgramMeasurement<'a> {
    pub(super) fn begin(
        request: &'a TimeRequest,
        jobs: &'a [Job],
        prepared: &'a PreparedPlugin,
        cpus: &'a [usize],
        seed: u64,
        context: &'a CommandContext<'a>,
        observer: &'a mut dyn ProgressObserver,
    ) -> Self {
        let plugins = HashMap::from([(super::PLUGIN.to_owned(), Ok(prepared.clone()))]);
        Self {
            request,
            jobs,
            prepared,
            plugins,
            cpus,
            clock: context.clock(),
            random: SeededRandom::from_seed(seed),
            context,
            observer,
        }
    }

    /// Measures all programs. Only errors of the system end the measurement early.
    pub(super) fn measure(mut self) -> Result<MeasuredPrograms, CommandError> {
        let mut found = MeasuredPrograms {
            programs: vec![MeasuredProgram::default(); self.jobs.len()],
            pairs: Vec::new(),
        };
        self.warm_up(&mut found)?;
        // A program that fails is left out, and so are its comparisons.
        while !self.context.interrupt.is_requested() {
            let failed = found.count_failures();
            found.pairs.clear();
            found
                .programs
                .iter_mut()
                .for_each(|program| program.runs = 0);
            match found.list_working()[..] {
                [] => break,
                [only] => self.measure_alone(only, &mut found)?,
                [base, ref others @ ..] => self.measure_in_pairs(base, others, &mut found)?,
            }
            let base_failed = found.count_failures() > failed && !found.has_times();
            if !base_failed {
                break;
            }
        }
        self.add_costs(&mut found)?;
        found.drop_failed();
        Ok(found)
    }

    /// Runs each program as often as the user asked, without measuring it.
    fn warm_up(&mut self, found: &mut MeasuredPrograms) -> Result<(), CommandError> {
        let runs = self.request.warm_up_runs;
        if runs > 0 {
            let all: Vec<usize> = (0..self.jobs.len()).collect();
            let ends = self.count_runs(&all, runs)?;
            self.note_failures(&ends, found);
        }
        Ok(())
    }

    /// Notes the programs that failed in a pass.
    fn note_failures(&self, ends: &[PassEnd], found: &mut MeasuredPrograms) {
        for end in ends {
            let index = self.jobs.iter().position(|job| job.id == end.job);
            if let (Some(index), Some(failure)) = (index, find_failure(end)) {
                found.programs[index].failure.get_or_insert(failure);
            }
        }
    }

    /// Measures a program by itself. If a run is long, it is a unit of its own, and the runs share
    /// one worker. Otherwise several workers measure, and each of them is a unit.
    fn measure_alone(
        &mut self,
        index: usize,
        found: &mut MeasuredPrograms,
    ) -> Result<(), CommandError> {
        let total = self.request.time.unwrap_or(super::TIME_ALONE);
        let mut job = self.jobs[index].clone();
        job.settings.time = total;
        job.settings.rounds = super::WORKERS;
        let first = self.time_alone(&job, 0..1)?;
        let spent: u64 = first.samples_ns.iter().flatten().sum();
        let left = total.saturating_sub(Duration::from_nanos(spent));
        let is_long = first.medians.iter().any(|ns| *ns >= LONG_RUN_NS);
        let mut all = first;
        if all.failure.is_none() && is_long && !left.is_zero() {
            job.settings.time = left;
            job.settings.rounds = 1;
            all.append(self.time_alone(&job, 1..2)?);
        } else if all.failure.is_none() && !is_long {
            all.append(self.time_alone(&job, 1..super::WORKERS)?);
        }
        let units = if is_long {
            all.samples_ns
                .iter()
                .flatten()
                .map(|ns| *ns as f64)
                .collect()
        } else {
            all.medians
        };
        let program = &mut found.programs[index];
        program.interval = median_interval(&units);
        program.time_ns = program.interval.map(|interval| interval.median);
        program.runs = all.runs;
        program.samples_ns = all.samples_ns;
        program.failure = program.failure.take().or(all.failure);
        Ok(())
    }

    /// Times a job in one worker for each round.
    fn time_alone(
        &mut self,
        job: &Job,
        rounds: std::ops::Range<u32>,
    ) -> Result<TimedAlone, CommandError> {
        let steps = rounds.map(|round| PlanStep {
            job: 0,
            kind: StepKind::Time { round },
        });
        let jobs = std::slice::from_ref(job);
        let ends = self.execute(jobs, steps.collect(), CountedIterations::Group)?;
        let mut timed_alone = TimedAlone {
            failure: ends.iter().find_map(find_failure),
            ..TimedAlone::default()
        };
        for end in &ends {
            if let PassResult::Reply(reply) = &end.result
                && let WorkerReply::Timed(timed) = &**reply
            {
                let iterations = timed.iterations.max(1);
                let medians = median_of_samples(&timed.samples_ns, timed.iterations);
                timed_alone.medians.extend(medians);
                let each = timed.samples_ns.iter().map(|ns| ns / iterations);
                timed_alone.samples_ns.push(each.collect());
                timed_alone.runs += timed.samples_ns.len() * iterations as usize;
            }
        }
        Ok(timed_alone)
    }

    /// Measures a program against each of the others, and then those of the others that are
    /// neighbours in the order of speed against each other.
    fn measure_in_pairs(
        &mut self,
        base: usize,
        others: &[usize],
        found: &mut MeasuredPrograms,
    ) -> Result<(), CommandError> {
        let against_base: Vec<(usize, usize)> = others.iter().map(|&other| (base, other)).collect();
        found.pairs = self.measure_pairs(&against_base)?;
        found.note_failures();
        found.compute_times(base);
        let times: Vec<Option<f64>> = found.programs.iter().map(|one| one.time_ns).collect();
        let order = ranking::order_programs(&times);
        let neighbours: Vec<(usize, usize)> = order
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|pair| pair.0 != base && pair.1 != base)
            .collect();
        if !neighbours.is_empty() && !self.context.interrupt.is_requested() {
            found.pairs.extend(self.measure_pairs(&neighbours)?);
            found.note_failures();
        }
        found.count_runs();
        Ok(())
    }

    fn measure_pairs(
        &mut self,
        pairs: &[(usize, usize)],
    ) -> Result<Vec<MeasuredPair>, CommandError> {
        let sides: Vec<PairSides> = pairs
            .iter()
            .map(|&(base, other)| PairSides {
                jobs: [&self.jobs[base], &self.jobs[other]],
                prepared: [self.prepared; 2],
                unit: PairUnit::of_plugins([self.prepared; 2]),
            })
            .collect();
        let margins = vec![self.request.tolerance; pairs.len()];
        let shared = PairContext {
            cpus: self.cpus,
            clock: self.clock,
            mark: &self.context.mark,
        };
        let limits = PairLimits {
            pairs: MOST_PAIRS,
            time: self.request.time.unwrap_or(super::TIME_OF_PAIRS),
            total: None,
        };
        let results = paired_workloads::measure_workloads(
            (&sides, &margins),
            &shared,
            limits,
            &mut |_| false,
            &mut self.random,
            self.context.interrupt,
            self.observer,
        )
        .map_err(|error| CommandError::system_while("the measurement ended early", &error))?;
        let measured = pairs.iter().zip(results);
        Ok(measured
            .map(|(&(base, other), result)| MeasuredPair {
                base,
                other,
                result,
            })
            .collect())
    }

    /// Adds the costs of a run of each measured program.
    fn add_costs(&mut self, found: &mut MeasuredPrograms) -> Result<(), CommandError> {
        let measured: Vec<usize> = found
            .list_working()
            .into_iter()
            .filter(|&index| found.programs[index].time_ns.is_some())
            .collect();
        let times = measured
            .iter()
            .filter_map(|&index| found.programs[index].time_ns);
        let slowest = times.fold(0.0, f64::max);
        if measured.is_empty() || self.context.interrupt.is_requested() {
            return Ok(());
        }
        // The quotient is limited right away.
        let runs = (COSTS_TIME.as_nanos() as f64 / slowest.max(1.0)) as u64;
        let ends = self.count_runs(&measured, runs.clamp(1, COSTS_RUNS))?;
        self.note_failures(&ends, found);
        for end in &ends {
            let index = self.jobs.iter().position(|job| job.id == end.job);
            if let (Some(index), PassResult::Reply(reply)) = (index, &end.result) {
                found.programs[index].costs = reply.as_count().and_then(read_costs);
            }
        }
        Ok(())
    }

    /// Runs each of the programs `runs` times in a worker of its own, with counters.
    fn count_runs(&mut self, programs: &[usize], runs: u64) -> Result<Vec<PassEnd>, CommandError> {
        let steps = programs
            .iter()
            .map(|&job| PlanStep {
                job,
                kind: StepKind::Count { run: 0 },
            })
            .collect();
        self.execute(self.jobs, steps, CountedIterations::Like(runs))
    }

    fn execute(
        &mut self,
        jobs: &[Job],
        steps: Vec<PlanStep>,
        counted: CountedIterations,
    ) -> Result<Vec<PassEnd>, CommandError> {
        let setting = ExecutionContext {
            jobs,
            plugins: &self.plugins,
            cpus: self.cpus,
            clock: self.clock,
            mark: &self.context.mark,
            sentinel: false,
            groups: &[],
            counted,
        };
        let executed = plan_execution::execute_plan(
            &setting,
            &Plan { seed: 0, steps },
            Vec::new(),
            None,
            self.context.interrupt,
            self.observer,
        )
        .map_err(|error| CommandError::system_while("the measurement ended early", &error))?;
        Ok(executed.ends)
    }
}

/// Times of a program by itself.
#[derive(Default)]
struct TimedAlone {
    /// Median of each worker, in nanoseconds.
    medians: Vec<f64>,
    /// Times of the runs, by worker.
    samples_ns: Vec<Vec<u64>>,
    runs: usize,
    failure: Option<String>,
}

impl TimedAlone {
    fn append(&mut self, later: Self) {
        self.medians.extend(later.medians);
        self.samples_ns.extend(later.samples_ns);
        self.runs += later.runs;
        self.failure = self.failure.take().or(later.failure);
    }
}

impl MeasuredPrograms {
    /// Lists the programs that have not failed.
    fn list_working(&self) -> Vec<usize> {
        let programs = self.programs.iter().enumerate();
        let working = programs.filter(|(_, program)| program.failure.is_none());
        working.map(|(index, _)| index).collect()
    }

    fn count_failures(&self) -> usize {
        self.programs.len() - self.list_working().len()
    }

    fn has_times(&self) -> bool {
        self.programs
            .iter()
            .any(|program| program.time_ns.is_some())
    }

    /// Removes the times and comparisons of programs that failed.
    fn drop_failed(&mut self) {
        for program in &mut self.programs {
            if let Some(failure) = program.failure.take() {
                *program = MeasuredProgram {
                    failure: Some(failure),
                    runs: program.runs,
                    ..MeasuredProgram::default()
                };
            }
        }
        let programs = &self.programs;
        let works = |index: usize| programs[index].failure.is_none();
        self.pairs
            .retain(|pair| works(pair.base) && works(pair.other));
    }

    /// Notes the programs that failed in pairs.
    fn note_failures(&mut self) {
        for pair in &self.pairs {
            if let PairStopReason::Failed { side, message, .. } = &pair.result.stopped {
                let failed = [pair.base, pair.other][*side];
                self.programs[failed].failure.get_or_insert(message.clone());
            }
        }
    }

    /// Computes the times of all programs from the pairs with `base`, so that the quotients of the
    /// times are the estimates.
    fn compute_times(&mut self, base: usize) {
        if self.programs[base].failure.is_some() {
            return;
        }
        let fitted = self
            .pairs
            .iter()
            .filter_map(|pair| paired_workloads::compute_fitted_times(&pair.result));
        let levels: Vec<f64> = fitted.map(|[base, _]| base).collect();
        let Some(base_ns) = median(&levels) else {
            return;
        };
        self.programs[base].time_ns = Some(base_ns);
        for pair in &self.pairs {
            let program = &mut self.programs[pair.other];
            if program.failure.is_none() && pair.result.assessment.pairs > 0 {
                program.time_ns = Some(base_ns * pair.result.assessment.estimate.exp());
            }
        }
    }

    fn count_runs(&mut self) {
        for measured in &self.pairs {
            for pair in &measured.result.pairs {
                let iterations = pair.iterations as usize;
                self.programs[measured.base].runs += pair.a_ns.len() * iterations;
                self.programs[measured.other].runs += pair.b_ns.len() * iterations;
            }
        }
    }

    /// Returns the measurements as parts of the result.
    pub(super) fn name_programs(
        self,
        programs: &[TimedProgram],
    ) -> (Vec<ProgramTimes>, Vec<ProgramComparison>, Vec<RankedPair>) {
        let ranked = self.pairs.iter().map(|pair| RankedPair {
            base: pair.base,
            other: pair.other,
            finding: pair.result.finding,
        });
        let ranked = ranked.collect();
        let times = programs.iter().zip(self.programs);
        let times = times.map(|(program, measured)| ProgramTimes {
            program: program.clone(),
            rank: None,
            time_ns: measured.time_ns,
            low_ns: measured.interval.map(|interval| interval.low),
            high_ns: measured.interval.map(|interval| interval.high),
            confidence: measured.interval.map(|interval| interval.confidence),
            runs: measured.runs,
            samples_ns: measured.samples_ns,
            costs: measured.costs,
            failure: measured.failure,
        });
        let times = times.collect();
        let is_measured = |pair: &MeasuredPair| pair.result.assessment.pairs > 0;
        let comparisons = self.pairs.into_iter().filter(is_measured);
        let comparisons = comparisons.map(|pair| {
            let assessment = pair.result.assessment;
            let bound = |log: f64| log.is_finite().then(|| log.exp_m1());
            ProgramComparison {
                base: programs[pair.base].name.clone(),
                other: programs[pair.other].name.clone(),
                finding: pair.result.finding.into(),
                change: RelativeChange {
                    estimate: assessment.estimate.exp_m1(),
                    low: bound(assessment.low),
                    high: bound(assessment.high),
                },
                pairs: pair.result.pairs,
            }
        });
        (times, comparisons.collect(), ranked)
    }
}

fn find_failure(end: &PassEnd) -> Option<String> {
    match &end.result {
        PassResult::Reply(_) => None,
        PassResult::Failed { message, .. } | PassResult::Skipped { message, .. } => {
            Some(message.clone())
        }
    }
}

/// Reads the costs of a run from the counters of the plugin.
fn read_costs(counts: &AllocationCounts) -> Option<ProgramCosts> {
    let runs = counts.iterations.max(1);
    let mean = |name: &str| {
        let counter = counts
            .counters
            .iter()
            .find(|counter| counter.name == name)?;
        Some(counter.sum / runs as f64)
    };
    Some(ProgramCosts {
        user_ns: 1e6 * mean("user_ms")?,
        system_ns: 1e6 * mean("system_ms")?,
        peak_bytes: mean("max_rss")?,
        own_bytes: mean("own_rss")?,
        runs,
    })
}
