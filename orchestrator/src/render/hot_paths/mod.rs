//! The view of the hot paths of a run: the scopes with the most time of their own, with each job in
//! which they occur, the distribution of time and bytes, and the targets of the scenario.

mod distribution;
mod targets;

use super::profile::{ProfileRow, ShownScope, is_spoilt};
use super::shown::{self, MOST_ROWS, ShownList};
use crate::record::{JobRecord, Record};
use distribution::{ClassedSize, SizeClass};
use orch_core::format;
use serde::Serialize;
use targets::CheckedTarget;

/// Most scopes with a section of their own, and jobs that such a section lists.
const MOST_PATHS: usize = 10;
const MOST_JOBS: usize = 12;
/// Share of its time that a scope must spend itself so that it is more than a frame around others.
const OWN_SHARE: f64 = 0.05;
/// Ratio of the longest and the average call above which the calls differ.
const UNEVEN: f64 = 3.0;

/// The hot paths of a run.
#[derive(Debug, Serialize)]
pub(super) struct HotPaths {
    /// Scopes by name, the one with the most time of its own in any job first.
    paths: ShownList<HotPath>,
    /// Scopes by their own time and their own bytes, per iteration of a job.
    times: Vec<SizeClass>,
    bytes: Vec<SizeClass>,
    targets: Vec<CheckedTarget>,
    /// Jobs with their parameters and settings.
    jobs: ShownList<MeasuredJob>,
    text: HotPathsText,
}

/// Sentences about the whole run.
#[derive(Debug, Serialize)]
struct HotPathsText {
    /// Number of scopes, of jobs with scopes, and of calls.
    profiled: String,
    /// Wall time, and the share that was timed.
    wall: String,
    /// Largest slowdown by recording; null if it is not known.
    overhead: Option<String>,
}

/// A scope in all jobs in which it occurs.
#[derive(Debug, Serialize)]
struct HotPath {
    rank: usize,
    scope: String,
    /// The job in which it takes the most time itself.
    job: String,
    /// Its figures in that job.
    most: ShownScope,
    /// Its figures in every job, the longest first.
    jobs: ShownList<ShownScope>,
    /// Facts that follow from the figures, as sentences.
    findings: Vec<String>,
}

/// A job as it was measured.
#[derive(Debug, Serialize)]
struct MeasuredJob {
    id: String,
    workload: String,
    text: MeasuredText,
}

/// The cells of a job.
#[derive(Debug, Serialize)]
struct MeasuredText {
    params: String,
    threads: String,
    rounds: String,
    time: String,
    samples: String,
    recording: String,
}

impl HotPaths {
    /// Makes the view. `rows` are the scopes of all jobs.
    pub(super) fn of(record: &Record, rows: &[ProfileRow]) -> Self {
        let own_ns = record.jobs.iter().flat_map(distribution::own_times);
        let own_bytes = record.jobs.iter().flat_map(distribution::own_bytes);
        Self {
            paths: ShownList::first(MOST_PATHS, paths(rows)),
            times: distribution::classify(ClassedSize::Times, own_ns, format::time),
            bytes: distribution::classify(ClassedSize::Bytes, own_bytes, format::bytes),
            targets: targets::check(record),
            jobs: ShownList::first(MOST_ROWS, &record.jobs).map(measured_job),
            text: HotPathsText::of(record, rows),
        }
    }
}

fn paths(rows: &[ProfileRow]) -> Vec<HotPath> {
    let by_name = shown::grouped(rows.iter().map(|row| (row.scope.as_str(), row)));
    let mut groups: Vec<(&str, Vec<&ProfileRow>)> = by_name.into_iter().collect();
    for (_, rows) in &mut groups {
        rows.sort_by(|one, other| other.self_ns.total_cmp(&one.self_ns));
    }
    groups.sort_by(|(_, one), (_, other)| other[0].self_ns.total_cmp(&one[0].self_ns));
    groups
        .into_iter()
        .enumerate()
        .map(|(index, (scope, rows))| HotPath {
            rank: index + 1,
            scope: scope.to_owned(),
            job: rows[0].job.clone(),
            findings: findings(&rows),
            most: ShownScope::of(rows[0]),
            jobs: ShownList::first(MOST_JOBS, rows).map(ShownScope::of),
        })
        .collect()
}

/// Lists the facts that follow from the figures of one scope.
fn findings(rows: &[&ProfileRow]) -> Vec<String> {
    let most = rows[0];
    let mut findings = Vec::new();
    let own = most.self_ns / most.total_ns;
    if own < OWN_SHARE {
        findings.push(format!(
            "It is a frame around other scopes: {} of its time is its own.",
            format::percent(own)
        ));
    } else {
        findings.push(format!(
            "Its own code takes {} of the time of {}.",
            format::percent(most.share * own),
            most.job
        ));
    }
    if most.callers.len() > 1 {
        findings.push("Its figures are sums over all scopes that call it.".to_owned());
    }
    let longest = most.max_ns as f64;
    if most.calls > 1.0 && longest > UNEVEN * most.average_ns {
        findings.push(format!(
            "Its calls differ: the longest takes {} and the average one {}.",
            format::time(longest),
            format::time(most.average_ns)
        ));
    }
    if rows.iter().all(|row| row.bytes == 0.0) {
        findings.push("It allocates nothing in any job.".to_owned());
    } else if most.bytes > 0.0 {
        findings.push(format!(
            "Each call allocates {} on average, with the scopes inside.",
            format::bytes(most.bytes / most.calls)
        ));
    }
    findings
}

fn measured_job(job: &JobRecord) -> MeasuredJob {
    let params: Vec<String> = job
        .params
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let samples = job.time.as_ref().map(|time| {
        let samples = time
            .processes
            .iter()
            .map(|process| process.samples_ns.len());
        samples.sum::<usize>().to_string()
    });
    let profile = job.profile.as_ref();
    let overhead = profile.and_then(|profile| profile.overhead);
    MeasuredJob {
        id: job.id.clone(),
        workload: job.workload.clone(),
        text: MeasuredText {
            params: params.join(", "),
            threads: job.settings.threads.to_string(),
            rounds: job.settings.rounds.to_string(),
            time: format::time(job.settings.time_ns as f64),
            samples: samples.unwrap_or_default(),
            recording: overhead.map(format::percent).unwrap_or_default(),
        },
    }
}

impl HotPathsText {
    fn of(record: &Record, rows: &[ProfileRow]) -> Self {
        let names = shown::grouped(rows.iter().map(|row| (row.scope.as_str(), ())));
        let jobs = shown::grouped(rows.iter().map(|row| (row.job.as_str(), ())));
        let calls: f64 = rows.iter().map(|row| row.calls).sum();
        let sound = record.jobs.iter().filter(|job| !is_spoilt(job));
        let overheads = sound.filter_map(|job| {
            let overhead = job.profile.as_ref()?.overhead?;
            Some((overhead, job.id.as_str()))
        });
        let most = overheads.max_by(|(one, _), (other, _)| one.total_cmp(other));
        Self {
            profiled: format!(
                "{} of scopes in {}, with {} calls in one iteration of each",
                format::counted(names.len(), "name"),
                format::counted(jobs.len(), "job"),
                format::number(calls)
            ),
            wall: format!(
                "{} in all, of which {} were timed samples",
                format::time(record.wall.total_ns as f64),
                format::percent(record.wall.samples_share)
            ),
            overhead: most.map(|(overhead, job)| {
                format!(
                    "at most {} ({job}) among the jobs with a reliable median",
                    format::percent(overhead.max(0.0))
                )
            }),
        }
    }
}
