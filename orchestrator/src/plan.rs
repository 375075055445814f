//! The plan: the passes of all jobs in their order. The code is pure: the same jobs and seed give
//! the same plan.

use crate::pass::EXACT_RUNS;
use crate::scenario::Job;
use orch_core::random::SeededRandom;
use std::time::Duration;

/// Number of workers whose counts form the range of a count that is not exact.
pub(crate) const RANGE_RUNS: u32 = 5;
/// Iterations of a count pass. All jobs have the same number, so that their counts compare.
const COUNTED_ITERATIONS: u64 = 8;
/// Time of an iteration above which a workload is counted over one iteration only.
const LONG_ITERATION: Duration = Duration::from_millis(500);
/// Time inside `run` after which a profile ends.
pub(crate) const PROFILE_TIME: Duration = Duration::from_millis(100);
/// Number of iterations after which a profile ends.
pub(crate) const PROFILE_ITERATIONS: u64 = 1_000;
/// Least time of a sample, unless a single iteration takes longer.
pub(crate) const SAMPLE_TIME: Duration = Duration::from_micros(200);
/// Estimated time to spawn, load, set up and end a worker.
const PROCESS_TIME: Duration = Duration::from_millis(12);

/// A pass of one job in a worker process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlanStep {
    /// Index of the job.
    pub(crate) job: usize,
    pub(crate) kind: StepKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    Profile,
    Count { run: u32 },
    Time { round: u32 },
}

/// An ordered list of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) steps: Vec<PlanStep>,
}

/// Orders the passes. First each job is profiled and counted, which also shows whether it works at
/// all. Then come rounds of timing. In each round every job has one process, in an order of its
/// own, so that drift of the machine affects all jobs alike.
pub(crate) fn build_plan(jobs: &[Job], seed: u64) -> Plan {
    build_grouped_plan(jobs, (0..jobs.len()).map(|job| vec![job]).collect(), seed)
}

/// Orders the passes of jobs of which some belong together, such as both sides of a workload. All
/// jobs of a group are profiled before any of them is counted, so that one number of counted
/// iterations can be chosen for the group. Each job belongs to exactly one group.
pub(crate) fn build_grouped_plan(jobs: &[Job], mut groups: Vec<Vec<usize>>, seed: u64) -> Plan {
    let mut random = SeededRandom::from_seed(seed);
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    let mut steps = Vec::new();
    random.shuffle_items(&mut groups);
    for group in &groups {
        steps.extend(group.iter().map(|&job| PlanStep {
            job,
            kind: StepKind::Profile,
        }));
        for &job in group {
            steps.extend((0..EXACT_RUNS).map(|run| PlanStep {
                job,
                kind: StepKind::Count { run },
            }));
        }
    }
    let rounds = jobs
        .iter()
        .map(|job| job.settings.rounds)
        .max()
        .unwrap_or(0);
    for round in 0..rounds {
        random.shuffle_items(&mut order);
        let now = order
            .iter()
            .filter(|&&job| round < jobs[job].settings.rounds);
        steps.extend(now.map(|&job| PlanStep {
            job,
            kind: StepKind::Time { round },
        }));
    }
    Plan { seed, steps }
}

/// Approximate time between readings of the sentinel. A run has three to nine readings.
const READING_EVERY: Duration = Duration::from_millis(250);

/// Returns the indices of the steps before which the sentinel is read, spread evenly over the run.
/// An index equal to the number of steps means the end of the run.
pub(crate) fn place_readings(plan: &Plan, jobs: &[Job]) -> Vec<usize> {
    let whole: Duration = plan
        .steps
        .iter()
        .map(|step| estimate_step(*step, jobs))
        .sum();
    let count = (whole.as_nanos() / READING_EVERY.as_nanos()).clamp(3, 9) as usize;
    (0..count)
        .map(|number| number * plan.steps.len() / (count - 1))
        .collect()
}

/// Rule for the number of iterations of a count pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountedIterations {
    /// 8 iterations, or 1 if an iteration took long in any profile of the group.
    Group,
    /// As many iterations as another count had, or 1 if they would take more than half of the
    /// timeout.
    Like(u64),
}

impl CountedIterations {
    /// Returns the number of iterations. `profiled` holds the times of an iteration in the profiles
    /// of the group.
    pub(crate) fn choose_iterations(self, profiled: &[Duration], timeout: Duration) -> u64 {
        let longest = profiled.iter().copied().max().unwrap_or_default();
        match self {
            Self::Group if longest > LONG_ITERATION => 1,
            Self::Group => COUNTED_ITERATIONS,
            Self::Like(iterations)
                if longest * u32::try_from(iterations).unwrap_or(u32::MAX) > timeout / 2 =>
            {
                1
            }
            Self::Like(iterations) => iterations,
        }
    }
}

/// Returns the sample time of one job in one process.
pub(crate) fn time_per_process(job: &Job) -> Duration {
    job.settings.time / job.settings.rounds.max(1)
}

/// Returns the longest warm-up of a pass: half of its sample time, but long enough for ten samples.
pub(crate) fn warm_up_limit(job: &Job) -> Duration {
    (time_per_process(job) / 2).max(SAMPLE_TIME * 12)
}

/// Estimates the time of a step as the longest that it takes if its iterations are short. No better
/// estimate exists before the step runs.
pub(crate) fn estimate_step(step: PlanStep, jobs: &[Job]) -> Duration {
    let job = &jobs[step.job];
    PROCESS_TIME
        + match step.kind {
            StepKind::Profile => PROFILE_TIME,
            StepKind::Count { .. } => Duration::ZERO,
            StepKind::Time { .. } => time_per_process(job) + warm_up_limit(job) / 4,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::JobSettings;
    use proptest::prelude::*;

    fn jobs(rounds: &[u32]) -> Vec<Job> {
        let job = |(index, rounds): (usize, &u32)| Job {
            id: format!("job{index}"),
            plugin: "p".into(),
            workload: "w".into(),
            params: Default::default(),
            tags: Vec::new(),
            settings: JobSettings {
                rounds: *rounds,
                ..JobSettings::default()
            },
        };
        rounds.iter().enumerate().map(job).collect()
    }

    proptest! {
        #[test]
        fn every_job_gets_every_pass_once_and_is_profiled_first(
            rounds in prop::collection::vec(1u32..7, 1..12), seed in any::<u64>()
        ) {
            let jobs = jobs(&rounds);
            let plan = build_plan(&jobs, seed);
            prop_assert_eq!(&plan, &build_plan(&jobs, seed));
            for (job, rounds) in rounds.iter().enumerate() {
                let own: Vec<StepKind> = plan
                    .steps
                    .iter()
                    .filter(|step| step.job == job)
                    .map(|step| step.kind)
                    .collect();
                let mut expected = vec![
                    StepKind::Profile,
                    StepKind::Count { run: 0 },
                    StepKind::Count { run: 1 },
                ];
                expected.extend((0..*rounds).map(|round| StepKind::Time { round }));
                prop_assert_eq!(own, expected);
            }
        }
    }

    #[test]
    fn sentinel_is_read_first_and_last_and_in_between() {
        let steps = |rounds: &[u32]| {
            let jobs = jobs(rounds);
            let plan = build_plan(&jobs, 1);
            (place_readings(&plan, &jobs), plan.steps.len())
        };
        let (long, steps_of_long) = steps(&[5; 12]);
        assert_eq!((long.len(), long[0], long[8]), (9, 0, steps_of_long));
        assert!(long.windows(2).all(|places| places[0] < places[1]));
        assert!(steps(&[1]).0.len() >= 3);
    }

    #[test]
    fn groups_are_profiled_before_they_are_counted() {
        let jobs = jobs(&[0; 6]);
        let groups = vec![vec![0, 1], vec![2], vec![3, 4], vec![5]];
        for seed in 0..20 {
            let plan = build_grouped_plan(&jobs, groups.clone(), seed);
            assert_eq!(plan.steps.len(), 6 * 3);
            let at = |job: usize, kind: StepKind| {
                plan.steps
                    .iter()
                    .position(|step| *step == PlanStep { job, kind })
                    .expect("every job has every pass")
            };
            for group in &groups {
                let profiled = group.iter().map(|job| at(*job, StepKind::Profile)).max();
                let counted = group
                    .iter()
                    .map(|job| at(*job, StepKind::Count { run: 0 }))
                    .min();
                assert!(profiled < counted, "{group:?} {:?}", plan.steps);
            }
        }
    }

    #[test]
    fn group_counts_one_number_of_iterations() {
        let ms = Duration::from_millis;
        let of = |counted: CountedIterations, profiled: &[u64]| {
            counted.choose_iterations(
                &profiled.iter().copied().map(ms).collect::<Vec<_>>(),
                ms(60_000),
            )
        };
        assert_eq!(
            of(CountedIterations::Group, &[510, 490]),
            1,
            "both sides, whichever is the slower one"
        );
        assert_eq!(of(CountedIterations::Group, &[490, 510]), 1);
        assert_eq!(of(CountedIterations::Group, &[490, 480]), 8);
        assert_eq!(of(CountedIterations::Group, &[]), 8);
        assert_eq!(
            of(CountedIterations::Like(8), &[510]),
            8,
            "as the good end of a bisect"
        );
        assert_eq!(of(CountedIterations::Like(1), &[5]), 1);
        assert_eq!(
            of(CountedIterations::Like(8), &[20_000]),
            1,
            "the timeout would end it"
        );
    }

    #[test]
    fn order_differs_between_rounds_and_seeds() {
        let jobs = jobs(&[5; 12]);
        let round = |plan: &Plan, wanted: u32| -> Vec<usize> {
            let in_round = |step: &&PlanStep| step.kind == StepKind::Time { round: wanted };
            plan.steps
                .iter()
                .filter(in_round)
                .map(|step| step.job)
                .collect()
        };
        let plan = build_plan(&jobs, 1);
        assert_ne!(round(&plan, 0), round(&plan, 1));
        assert_ne!(build_plan(&jobs, 1).steps, build_plan(&jobs, 2).steps);
    }
}
