//! Owns what a job's samples say of themselves: whether their median stands for them. Pure.

use super::Time;
use super::warning::JobWarning;
use crate::judge::estimate::median;
use crate::scenario::Settings;

/// A sample this many times as long as the median was disturbed.
const SLOW: f64 = 2.0;
/// More disturbed samples than this are said.
const SLOW_SHARE: f64 = 0.05;
/// Processes of one job that differ by more than this, and by more than ten tolerances, are said.
const DISAGREE: f64 = 0.20;

/// The warnings of a job's timing passes.
pub(super) fn warnings(time: &Time, settings: &Settings) -> Vec<JobWarning> {
    [scattered(time, settings), few_samples(time), slow_samples(time)].into_iter().flatten().collect()
}

fn scattered(time: &Time, settings: &Settings) -> Option<JobWarning> {
    let width = (time.high_ns - time.low_ns) / time.median_ns;
    (width > DISAGREE.max(10.0 * settings.tolerance)).then_some(JobWarning::Scattered {
        width,
        low_ns: time.low_ns,
        high_ns: time.high_ns,
        threads: settings.threads > 1,
    })
}

fn few_samples(time: &Time) -> Option<JobWarning> {
    let (samples, processes) = (count(time), time.processes.len());
    (samples < 5 * processes).then_some(JobWarning::FewSamples { samples, processes })
}

fn slow_samples(time: &Time) -> Option<JobWarning> {
    let slow = time.processes.iter().flat_map(|process| {
        let own = median(&process.samples_ns.iter().map(|ns| *ns as f64).collect::<Vec<_>>()).unwrap_or(f64::INFINITY);
        process.samples_ns.iter().filter(move |ns| **ns as f64 > SLOW * own)
    });
    let share = slow.count() as f64 / count(time).max(1) as f64;
    (share > SLOW_SHARE).then_some(JobWarning::SlowSamples { share, times: SLOW })
}

fn count(time: &Time) -> usize {
    time.processes.iter().map(|process| process.samples_ns.len()).sum()
}
