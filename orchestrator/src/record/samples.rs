//! Owns the check of a job's samples: whether their median represents them. Pure.

use super::{ProcessTimes, TimeSummary};
use crate::model::warning::JobWarning;
use crate::scenario::JobSettings;
use orch_core::judge::estimate::median;
use orch_core::protocol::WarmUpEnd;

/// Factor above the median from which a sample counts as disturbed.
const SLOW: f64 = 2.0;
/// Share of disturbed samples above which a job gets a warning.
const SLOW_SHARE: f64 = 0.05;
/// Relative difference between the processes of a job above which it gets a warning, if the
/// difference also exceeds ten tolerances.
const DISAGREE: f64 = 0.20;

/// Factor between the first and the last samples of a process without a steady state.
const MOVED: f64 = 1.2;
/// Fewest processes for a finding. Of fewer processes, the machine may have disturbed each one.
const FEWEST_PROCESSES: usize = 3;
/// Fewest samples that have separate first and last ones.
const FEWEST_SAMPLES: usize = 8;
/// Number of samples from which a tenth of them is compared. Below it, a quarter is compared.
const MANY_SAMPLES: usize = 50;

/// Returns the warnings of a job's timing passes.
pub(super) fn list_warnings(time: &TimeSummary, settings: &JobSettings) -> Vec<JobWarning> {
    let processes: Vec<ProcessSamples> = time
        .processes
        .iter()
        .map(|process| (&process.samples_ns[..], process.iterations))
        .collect();
    let unsettled = find_trend(&processes).or_else(|| find_unsteady(time));
    [
        find_scatter(time, settings),
        find_few_samples(time),
        find_slow_samples(time),
        unsettled,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The samples of a process, in the order taken, with the iterations of each.
pub(crate) type ProcessSamples<'a> = (&'a [u64], u64);

/// Returns a warning if the time moves in one direction inside at least nine tenths of the
/// processes. The machine may have disturbed one or two of them.
pub(crate) fn find_trend(processes: &[ProcessSamples]) -> Option<JobWarning> {
    let ends: Vec<[f64; 2]> = processes
        .iter()
        .filter_map(|process| measure_ends(*process))
        .collect();
    if ends.len() < FEWEST_PROCESSES || ends.len() < processes.len() {
        return None;
    }
    let count =
        |is: &dyn Fn(f64) -> bool| ends.iter().filter(|[first, last]| is(last / first)).count();
    let enough = (0.9 * ends.len() as f64).ceil() as usize;
    let [first_ns, last_ns] =
        [0, 1].map(|end| median(&ends.iter().map(|ends| ends[end]).collect::<Vec<_>>()));
    let (first_ns, last_ns) = (first_ns?, last_ns?);
    if count(&|ratio| ratio >= MOVED) >= enough {
        return Some(JobWarning::Growing { first_ns, last_ns });
    }
    (count(&|ratio| ratio <= 1.0 / MOVED) >= enough)
        .then_some(JobWarning::SlowStart { first_ns, last_ns })
}

/// Returns the median times of an iteration (ns) over the first and over the last samples of a
/// process; `None` if there are too few samples.
fn measure_ends((samples, iterations): ProcessSamples) -> Option<[f64; 2]> {
    let parts = split_parts(samples, iterations);
    Some([*parts.first()?, *parts.last()?])
}

/// Returns the median times of an iteration (ns) over successive parts of a process; empty if there
/// are too few samples.
fn split_parts(samples: &[u64], iterations: u64) -> Vec<f64> {
    let part = match samples.len() {
        0..FEWEST_SAMPLES => return Vec::new(),
        few @ FEWEST_SAMPLES..MANY_SAMPLES => few / 4,
        many => many / 10,
    };
    let of = |part: &[u64]| {
        median(
            &part
                .iter()
                .map(|ns| *ns as f64 / iterations.max(1) as f64)
                .collect::<Vec<_>>(),
        )
    };
    // The parts are formed from the end, so that the last samples are in a whole part.
    let mut parts: Vec<f64> = samples.rchunks_exact(part).filter_map(of).collect();
    parts.reverse();
    parts
}

/// Returns a warning if in no process two warm-up windows agreed, and the parts of most processes
/// lie apart.
fn find_unsteady(time: &TimeSummary) -> Option<JobWarning> {
    let is_settled = time
        .processes
        .iter()
        .any(|process| process.warm_up.ended == WarmUpEnd::Steady);
    if is_settled || time.processes.len() < FEWEST_PROCESSES {
        return None;
    }
    let apart = |process: &ProcessTimes| {
        let parts = split_parts(&process.samples_ns, process.iterations);
        let low = parts.iter().copied().reduce(f64::min)?;
        Some(parts.iter().copied().reduce(f64::max)? / low - 1.0)
    };
    let apart = median(&time.processes.iter().filter_map(apart).collect::<Vec<_>>())?;
    (apart >= MOVED - 1.0).then_some(JobWarning::Unsteady { apart })
}

fn find_scatter(time: &TimeSummary, settings: &JobSettings) -> Option<JobWarning> {
    let width = (time.high_ns - time.low_ns) / time.median_ns;
    (width > DISAGREE.max(10.0 * settings.tolerance)).then_some(JobWarning::Scattered {
        width,
        low_ns: time.low_ns,
        high_ns: time.high_ns,
        threads: settings.threads > 1,
    })
}

fn find_few_samples(time: &TimeSummary) -> Option<JobWarning> {
    let (samples, processes) = (count_samples(time), time.processes.len());
    (samples < 5 * processes).then_some(JobWarning::FewSamples { samples, processes })
}

fn find_slow_samples(time: &TimeSummary) -> Option<JobWarning> {
    let slow = time.processes.iter().flat_map(|process| {
        let own = median(
            &process
                .samples_ns
                .iter()
                .map(|ns| *ns as f64)
                .collect::<Vec<_>>(),
        )
        .unwrap_or(f64::INFINITY);
        process
            .samples_ns
            .iter()
            .filter(move |ns| **ns as f64 > SLOW * own)
    });
    let share = slow.count() as f64 / count_samples(time).max(1) as f64;
    (share > SLOW_SHARE).then_some(JobWarning::SlowSamples { share, times: SLOW })
}

fn count_samples(time: &TimeSummary) -> usize {
    time.processes
        .iter()
        .map(|process| process.samples_ns.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::warning::WarningKind;
    use orch_core::protocol::{ResourceUsage, WarmUp};

    /// Returns a time of these processes, each with its samples (ns, of two iterations).
    fn time(processes: &[Vec<u64>], ended: WarmUpEnd) -> TimeSummary {
        let process = |(round, samples_ns): (u32, &Vec<u64>)| ProcessTimes {
            round,
            seed: 1,
            cpu: 1,
            cpus: vec![1],
            iterations: 2,
            samples_ns: samples_ns.clone(),
            resolution_ns: 1,
            warm_up: WarmUp {
                ns: 5,
                iterations: 1,
                ended,
            },
            usage: ResourceUsage::default(),
            wall_ns: 10,
        };
        let processes = (0..).zip(processes).map(process).collect();
        TimeSummary {
            median_ns: 100.0,
            low_ns: 100.0,
            high_ns: 100.0,
            confidence: 0.9,
            processes,
        }
    }

    fn found(processes: &[Vec<u64>], ended: WarmUpEnd) -> Vec<WarningKind> {
        list_warnings(&time(processes, ended), &JobSettings::default())
            .iter()
            .map(JobWarning::kind)
            .collect()
    }

    fn steady(processes: &[Vec<u64>]) -> Vec<WarningKind> {
        found(processes, WarmUpEnd::Steady)
    }

    /// Returns samples with a little scatter, of which sample i of n takes `shape(i / n)` times 200
    /// ns.
    fn samples(count: u64, shape: impl Fn(f64) -> f64) -> Vec<u64> {
        (0..count)
            .map(|i| (200.0 * shape(i as f64 / count as f64)) as u64 + i * 7 % 5)
            .collect()
    }

    #[test]
    fn time_that_grows_inside_each_process_is_reported() {
        let growing = |count: u64| samples(count, |at| 1.0 + at / 2.0);
        for count in [12, 40, 100, 3000] {
            assert_eq!(
                steady(&vec![growing(count); 5]),
                [WarningKind::Growing],
                "{count} samples"
            );
        }
        let warnings = list_warnings(
            &time(&vec![growing(100); 5], WarmUpEnd::Steady),
            &JobSettings::default(),
        )[0]
        .to_string();
        assert!(
            warnings.starts_with("no steady state: its time grows inside each process, +4"),
            "{warnings}"
        );
        assert!(
            warnings.contains(" ns -> 1"),
            "of one iteration: {warnings}"
        );
        let flat = || samples(100, |_| 1.0);
        assert_eq!(steady(&vec![flat(); 5]), []);
        assert_eq!(
            steady(&[
                growing(100),
                growing(100),
                flat(),
                growing(100),
                growing(100)
            ]),
            [],
            "not in each"
        );
        assert_eq!(
            steady(&[growing(100), growing(100)]),
            [],
            "two may have been disturbed"
        );
        assert_eq!(
            steady(&vec![growing(6); 5]),
            [],
            "too few samples have no ends"
        );
        assert_eq!(
            steady(&vec![samples(100, |at| 1.0 + at / 8.0); 5]),
            [],
            "an eighth is no half"
        );
    }

    #[test]
    fn slower_first_phase_is_reported_wherever_it_ends() {
        for end in [0.15, 0.5, 0.88] {
            let slow = samples(200, |at| if at < end { 10.0 } else { 1.0 });
            assert!(
                steady(&vec![slow; 4]).contains(&WarningKind::SlowStart),
                "until {end}"
            );
        }
        let start = samples(200, |at| if at < 0.6 { 9.7 } else { 1.0 });
        let warnings: Vec<String> = list_warnings(
            &time(&vec![start; 4], WarmUpEnd::Steady),
            &JobSettings::default(),
        )
        .iter()
        .map(JobWarning::to_string)
        .collect();
        assert!(
            warnings
                .iter()
                .any(|text| text.contains("9.6 times as fast from the first to the last samples")),
            "{warnings:?}"
        );
        let first_one = samples(200, |at| if at == 0.0 { 50.0 } else { 1.0 });
        assert_eq!(
            steady(&vec![first_one; 4]),
            [],
            "one cold sample moves no median"
        );
    }

    #[test]
    fn endless_warm_up_is_reported_where_parts_differ() {
        let wave = |count: u64| {
            samples(count, |at| {
                1.0 + 0.3 * (at * 8.0 * std::f64::consts::PI).cos()
            })
        };
        assert_eq!(
            found(&vec![wave(200); 3], WarmUpEnd::Budget),
            [WarningKind::Unsteady]
        );
        assert_eq!(
            found(&vec![wave(200); 3], WarmUpEnd::Steady),
            [],
            "two windows agreed"
        );
        assert_eq!(
            found(&vec![samples(200, |_| 1.0); 3], WarmUpEnd::Budget),
            [],
            "noise of a percent ends no warm-up"
        );
        assert_eq!(found(&vec![wave(200); 2], WarmUpEnd::Budget), []);
    }

    #[test]
    fn unreliable_medians_are_recognised_by_their_kinds() {
        let spoilt: Vec<WarningKind> = [
            WarningKind::Scattered,
            WarningKind::Growing,
            WarningKind::SlowStart,
            WarningKind::Unsteady,
            WarningKind::FewSamples,
            WarningKind::SlowSamples,
            WarningKind::Leak,
        ]
        .into_iter()
        .filter(|kind| kind.spoils_median())
        .collect();
        assert_eq!(spoilt.len(), 4);
        let mut scattered = time(&vec![samples(100, |_| 1.0); 3], WarmUpEnd::Steady);
        (scattered.low_ns, scattered.high_ns) = (90.0, 120.0);
        let kinds: Vec<WarningKind> = list_warnings(&scattered, &JobSettings::default())
            .iter()
            .map(JobWarning::kind)
            .collect();
        assert_eq!(kinds, [WarningKind::Scattered]);
    }
}
