//! Execution of a plan: each step runs in a fresh worker, and its end is written to the journal.

use super::event::{ProgressEvent, ProgressObserver};
use super::interrupt::Interrupt;
use super::journal::RunJournal;
use super::pass_ends::PassEnds;
use super::process::{self, WorkerLaunch};
use super::sandbox_grants;
use super::worker_exit::PassFailure;
use crate::pass::{EXACT_RUNS, PassEnd, PassName, PassResult, is_exact, process_median};
use crate::plan::{self, CountedIterations, Plan, PlanStep, StepKind};
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::scenario::Job;
use crate::sentinel;
use orch_core::measure::clock::ScopeClock;
use orch_core::protocol::{AllocationCounts, MemoryShift, Pass, Phase, WorkerReply, WorkerRequest};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Timeout of a reading, which takes milliseconds. The limit is generous because a virtual machine
/// may be suspended for a while.
const SENTINEL_TIMEOUT: Duration = Duration::from_secs(20);
const SENTINEL_MEMORY: u64 = 64 << 20;

/// Everything that a run needs besides its plan.
pub(crate) struct ExecutionContext<'a> {
    pub(crate) jobs: &'a [Job],
    /// Prepared plugins, by plugin key.
    pub(crate) plugins: &'a HashMap<String, Result<PreparedPlugin, PluginFailure>>,
    /// CPUs that this process may use, in ascending order.
    pub(crate) cpus: &'a [usize],
    pub(crate) clock: ScopeClock,
    /// Mark of the run's processes.
    pub(crate) mark: &'a str,
    /// Whether to read the sentinel between rounds.
    pub(crate) sentinel: bool,
    /// Groups of jobs whose counts are compared; the jobs of a group count the same number of
    /// iterations. A job in no group stands alone.
    pub(crate) groups: &'a [Vec<usize>],
    pub(crate) counted: CountedIterations,
}

/// Result of executing a plan.
pub(crate) struct ExecutionResult {
    pub(crate) ends: Vec<PassEnd>,
    pub(crate) interrupted: bool,
}

/// Executes all steps except those in `done`. A failure becomes an end of its job; only errors of
/// the system end the run itself.
pub(crate) fn execute_plan(
    context: &ExecutionContext,
    plan: &Plan,
    done: Vec<PassEnd>,
    journal: Option<&mut RunJournal>,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> io::Result<ExecutionResult> {
    let done = PassEnds::new(done);
    let mut run = PlanExecution {
        context,
        journal,
        interrupt,
        observer,
        lost: context
            .jobs
            .iter()
            .enumerate()
            .filter(|(_, job)| is_lost(&job.id, &done))
            .map(|(job, _)| job)
            .collect(),
        groups: context
            .groups
            .iter()
            .flat_map(|group| group.iter().map(move |&job| (job, &group[..])))
            .collect(),
        ends: done,
        pace: RunPace::new(plan, context.jobs),
    };
    run.observer.see(ProgressEvent::Begin {
        passes: plan.steps.len(),
        estimate: run.pace.estimate_time_left(),
    });
    let finished = run.run_steps(plan)?;
    let ends = run.ends.into_all();
    observer.see(ProgressEvent::End);
    Ok(ExecutionResult {
        ends,
        interrupted: !finished,
    })
}

struct PlanExecution<'a> {
    context: &'a ExecutionContext<'a>,
    /// `None` for a run that starts from the beginning if it is killed.
    journal: Option<&'a mut RunJournal>,
    interrupt: &'a Interrupt,
    observer: &'a mut dyn ProgressObserver,
    ends: PassEnds,
    /// Jobs that failed or were skipped.
    lost: HashSet<usize>,
    /// Group of each job that is in one.
    groups: HashMap<usize, &'a [usize]>,
    pace: RunPace,
}

impl PlanExecution<'_> {
    /// Executes all steps; returns false if the user stopped the run.
    fn run_steps(&mut self, plan: &Plan) -> io::Result<bool> {
        let mut readings = if self.context.sentinel {
            plan::place_readings(plan, self.context.jobs)
        } else {
            Vec::new()
        };
        readings.dedup();
        let mut rounds = (0..).zip(readings).peekable();
        for place in 0..=plan.steps.len() {
            if let Some((round, _)) = rounds.next_if(|(_, due)| *due == place)
                && !self.read_sentinel(round)?
            {
                return Ok(false);
            }
            let Some(&step) = plan.steps.get(place) else {
                break;
            };
            if self.interrupt.is_requested() {
                return Ok(false);
            }
            if self.lost.contains(&step.job) {
                self.pace.skip_step(step, self.context.jobs);
                self.observer.see(ProgressEvent::PassesChanged { by: -1 });
                continue;
            }
            if !self.run_step(step)? {
                return Ok(false);
            }
            if step.kind
                == (StepKind::Count {
                    run: EXACT_RUNS - 1,
                })
                && !self.repeat_counts(step.job)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a reading of the sentinel; returns false if the user stopped the run. A reading that
    /// fails is left out, and the machine is judged by the others.
    fn read_sentinel(&mut self, round: u32) -> io::Result<bool> {
        if self.interrupt.is_requested() {
            return Ok(false);
        }
        if self
            .ends
            .find_by_job(sentinel::JOB)
            .any(|end| end.pass == PassName::Sentinel && end.round == round)
        {
            return Ok(true);
        }
        let cpus = choose_cpus(self.context.cpus, 1);
        let request = WorkerRequest {
            library: PathBuf::new(),
            pass: Pass::Sentinel,
            workload: String::new(),
            params: String::new(),
            cpus: cpus.clone(),
            memory: SENTINEL_MEMORY,
            clock: self.context.clock,
            shift: MemoryShift::default(),
            folder: PathBuf::from("/"),
            // This worker needs no sandbox, because it runs only orch's own code.
            sandbox: None,
        };
        let launch = WorkerLaunch {
            request: &request,
            timeout: SENTINEL_TIMEOUT,
            threads: 1,
            env: &[],
            mark: self.context.mark,
            stack: None,
        };
        let ended = process::run_pass(&launch, self.interrupt)?;
        let result = match ended.result {
            Ok(reply) => PassResult::Reply(Box::new(reply)),
            Err(
                PassFailure::Failed { phase, message } | PassFailure::Skipped { phase, message },
            ) => PassResult::Failed { phase, message },
            Err(PassFailure::Interrupted) => return Ok(false),
        };
        let wall_ns = u64::try_from(ended.wall.as_nanos()).unwrap_or(u64::MAX);
        let job = sentinel::JOB.to_owned();
        let end = PassEnd {
            job,
            pass: PassName::Sentinel,
            round,
            cpus,
            wall_ns,
            result,
            warnings: ended.warnings,
        };
        if let Some(journal) = &mut self.journal {
            journal.add_pass(&end)?;
        }
        self.ends.push(end);
        Ok(true)
    }

    /// Counts again if the first counts of a job are not exact; returns false if the user stopped
    /// the run.
    fn repeat_counts(&mut self, job: usize) -> io::Result<bool> {
        if self.lost.contains(&job) || is_exact(&self.list_counts(job)) {
            return Ok(true);
        }
        self.observer.see(ProgressEvent::PassesChanged {
            by: i64::from(plan::RANGE_RUNS - EXACT_RUNS),
        });
        for run in EXACT_RUNS..plan::RANGE_RUNS {
            if !self.lost.contains(&job)
                && !self.run_step(PlanStep {
                    job,
                    kind: StepKind::Count { run },
                })?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn list_counts(&self, job: usize) -> Vec<&AllocationCounts> {
        self.list_replies(&self.context.jobs[job].id)
            .filter_map(WorkerReply::as_count)
            .collect()
    }

    /// Executes one step; returns false if the user stopped it.
    fn run_step(&mut self, step: PlanStep) -> io::Result<bool> {
        let job = &self.context.jobs[step.job];
        let (pass, round) = match step.kind {
            StepKind::Profile => (PassName::Profile, 0),
            StepKind::Count { run } => (PassName::Count, run),
            StepKind::Time { round } => (PassName::Time, round),
        };
        if self
            .ends
            .find_by_job(&job.id)
            .any(|end| end.pass == pass && end.round == round)
        {
            // The step was completed before the run was killed.
            self.pace.skip_step(step, self.context.jobs);
            self.observer.see(ProgressEvent::PassesChanged { by: -1 });
            return Ok(true);
        }
        let prepared = match find_plugin(self.context, job) {
            Ok(prepared) => prepared,
            Err(result) => {
                self.pace.skip_step(step, self.context.jobs);
                self.finish_step(step, PassEnd::without_worker(&job.id, result))?;
                return Ok(true);
            }
        };
        self.observer.see(ProgressEvent::PassBegins {
            job: &job.id,
            pass,
            round,
            left: self.pace.estimate_time_left(),
        });
        let cpus = choose_cpus(self.context.cpus, job.settings.threads);
        let request = build_request(
            job,
            prepared,
            self.choose_pass(step),
            cpus.clone(),
            self.context.clock,
        );
        let launch = WorkerLaunch {
            request: &request,
            timeout: job.settings.timeout,
            threads: job.settings.threads,
            env: &prepared.env,
            mark: self.context.mark,
            stack: None,
        };
        let begun = Instant::now();
        let ended = process::run_pass(&launch, self.interrupt)?;
        self.pace
            .record_step(step, self.context.jobs, begun.elapsed());
        let result = match ended.result {
            Ok(reply) => PassResult::Reply(Box::new(reply)),
            Err(PassFailure::Failed { phase, message }) => PassResult::Failed { phase, message },
            Err(PassFailure::Skipped { phase, message }) => PassResult::Skipped { phase, message },
            Err(PassFailure::Interrupted) => return Ok(false),
        };
        let wall_ns = u64::try_from(ended.wall.as_nanos()).unwrap_or(u64::MAX);
        let end = PassEnd {
            job: job.id.clone(),
            pass,
            round,
            cpus,
            wall_ns,
            result,
            warnings: ended.warnings,
        };
        self.finish_step(step, end)?;
        Ok(true)
    }

    /// Chooses the pass that the worker of a step carries out.
    fn choose_pass(&self, step: PlanStep) -> Pass {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let job = &self.context.jobs[step.job];
        match step.kind {
            StepKind::Profile => Pass::Profile {
                budget_ns: nanos(plan::PROFILE_TIME),
                most_iterations: plan::PROFILE_ITERATIONS,
            },
            StepKind::Count { .. } => {
                let own = [step.job];
                let group = self.groups.get(&step.job).copied().unwrap_or(&own);
                let profiled: Vec<Duration> = group
                    .iter()
                    .filter_map(|&job| self.find_profiled_time(job))
                    .collect();
                Pass::Count {
                    iterations: self
                        .context
                        .counted
                        .choose_iterations(&profiled, job.settings.timeout),
                }
            }
            StepKind::Time { .. } => Pass::Time {
                budget_ns: nanos(plan::time_per_process(job)),
                sample_ns: nanos(plan::SAMPLE_TIME),
                warm_up_ns: nanos(plan::warm_up_limit(job)),
            },
        }
    }

    /// Finds the time of an iteration in the profile of a job.
    fn find_profiled_time(&self, job: usize) -> Option<Duration> {
        self.list_replies(&self.context.jobs[job].id)
            .find_map(|reply| match reply {
                WorkerReply::Profiled(profile) => Some(Duration::from_nanos(
                    profile.run_ns / profile.iterations.max(1),
                )),
                _ => None,
            })
    }

    /// Lists the results of the passes of a job so far.
    fn list_replies(&self, id: &str) -> impl Iterator<Item = &WorkerReply> {
        self.ends
            .find_by_job(id)
            .filter_map(|end| match &end.result {
                PassResult::Reply(reply) => Some(&**reply),
                _ => None,
            })
    }

    fn finish_step(&mut self, step: PlanStep, end: PassEnd) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.add_pass(&end)?;
        }
        match &end.result {
            PassResult::Reply(reply) => {
                let median_ns = match &**reply {
                    WorkerReply::Timed(timing) => process_median(timing),
                    _ => None,
                };
                self.observer.see(ProgressEvent::PassEnds {
                    job: &end.job,
                    median_ns,
                });
            }
            PassResult::Failed { phase, message } | PassResult::Skipped { phase, message } => {
                let failed = matches!(end.result, PassResult::Failed { .. });
                let lost = if failed { "failed" } else { "skipped" };
                self.observer.see(ProgressEvent::JobLost {
                    job: &end.job,
                    lost,
                    phase: phase.name(),
                    message,
                });
                self.lost.insert(step.job);
            }
        }
        self.ends.push(end);
        Ok(())
    }
}

/// Returns whether a job failed or was skipped.
fn is_lost(id: &str, ends: &PassEnds) -> bool {
    ends.find_by_job(id)
        .any(|end| !matches!(end.result, PassResult::Reply(_)))
}

/// Finds the plugin of a job. The error is the reason why the job cannot be started.
fn find_plugin<'a>(
    context: &ExecutionContext<'a>,
    job: &Job,
) -> Result<&'a PreparedPlugin, PassResult> {
    let prepared = match context.plugins.get(&job.plugin) {
        Some(Ok(prepared)) => prepared,
        Some(Err(failure)) => {
            return Err(PassResult::Failed {
                phase: failure.phase,
                message: failure.message.clone(),
            });
        }
        None => {
            let message = format!("plugin `{}` was not prepared", job.plugin);
            return Err(PassResult::Failed {
                phase: Phase::Build,
                message,
            });
        }
    };
    match describe_missing_cpus(job, context.cpus) {
        Some(message) => Err(PassResult::Skipped {
            phase: Phase::Start,
            message,
        }),
        None => Ok(prepared),
    }
}

/// Explains why a job is skipped on this machine: it needs more threads than there are CPUs.
pub(crate) fn describe_missing_cpus(job: &Job, cpus: &[usize]) -> Option<String> {
    let (wanted, there) = (job.settings.threads, cpus.len());
    (wanted > there).then(|| format!("needs {wanted} CPUs, but orch may use {there} here"))
}

fn build_request(
    job: &Job,
    prepared: &PreparedPlugin,
    pass: Pass,
    cpus: Vec<usize>,
    clock: ScopeClock,
) -> WorkerRequest {
    WorkerRequest {
        library: prepared.library.clone(),
        pass,
        workload: job.workload.clone(),
        params: serde_json::Value::Object(job.params.clone()).to_string(),
        cpus,
        memory: job.settings.memory,
        clock,
        shift: MemoryShift::default(),
        folder: prepared.folder.clone(),
        sandbox: sandbox_grants::find_grants(prepared, &job.workload, &job.params),
    }
}

/// Chooses the CPUs of a worker: the last ones, because the first one serves most interrupts.
pub(super) fn choose_cpus(all: &[usize], threads: usize) -> Vec<usize> {
    all[all.len().saturating_sub(threads)..].to_vec()
}

/// Estimate of the remaining time: the estimates of the steps to come, corrected by the ratio of
/// actual to estimated time of the completed steps.
struct RunPace {
    ahead: Duration,
    planned: Duration,
    taken: Duration,
}

impl RunPace {
    fn new(plan: &Plan, jobs: &[Job]) -> Self {
        let ahead = plan
            .steps
            .iter()
            .map(|step| plan::estimate_step(*step, jobs))
            .sum();
        Self {
            ahead,
            planned: Duration::ZERO,
            taken: Duration::ZERO,
        }
    }

    fn skip_step(&mut self, step: PlanStep, jobs: &[Job]) {
        self.ahead = self.ahead.saturating_sub(plan::estimate_step(step, jobs));
    }

    fn record_step(&mut self, step: PlanStep, jobs: &[Job], taken: Duration) {
        self.skip_step(step, jobs);
        self.planned += plan::estimate_step(step, jobs);
        self.taken += taken;
    }

    fn estimate_time_left(&self) -> Duration {
        if self.planned.is_zero() {
            return self.ahead;
        }
        self.ahead
            .mul_f64((self.taken.as_secs_f64() / self.planned.as_secs_f64()).clamp(0.01, 1000.0))
    }
}
