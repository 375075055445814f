//! The step from finished passes to the record of a job. Pure: no clock, no process, no file.

use super::{
    AllocationSummary, Digest, JobOutcome, JobRecord, JobWall, PluginFile, ProcessTimes,
    ProfileRecord, ScopeRecord, ScopeThread, SettingsRecord, TimeSummary, metrics, samples,
};
use crate::model::warning::JobWarning;
use crate::pass::{EXACT_RUNS, PassEnd, PassName, PassResult, is_exact, median_of_samples};
use crate::plugin::catalog::{CounterBasis, IterationCost, MetricInfo, WorkloadInfo};
use crate::scenario::Job;
use indexmap::IndexMap;
use orch_core::judge::estimate::median;
use orch_core::measure::interval::{MedianInterval, median_interval};
use orch_core::measure::rounding;
use orch_core::protocol::{AllocationCounts, ScopeNode, ScopeProfile, WorkerReply};
use std::time::Duration;

/// Growth of resident memory, beyond what malloc returned, above which the memory has another
/// source.
const UNSEEN: i64 = 4 << 20;
/// Inputs of a job's record.
pub(crate) struct JobFacts<'a> {
    pub(crate) job: &'a Job,
    pub(crate) info: Option<&'a WorkloadInfo>,
    pub(crate) plugin: PluginFile,
    /// Name of the allocator inside the plugin's library, if there is one.
    pub(crate) own_allocator: Option<&'a str>,
    pub(crate) ends: Vec<&'a PassEnd>,
    pub(crate) seed: u64,
    /// Time of one iteration if it was not measured by timing passes.
    pub(crate) iteration_ns: Option<f64>,
    /// Whether the user stopped the run.
    pub(crate) interrupted: bool,
}

/// Assembles the record of one job.
pub(crate) fn assemble_job(facts: JobFacts) -> JobRecord {
    let JobFacts {
        job,
        info,
        plugin,
        own_allocator,
        ends,
        seed,
        iteration_ns,
        interrupted,
    } = facts;
    let mut warnings: Vec<JobWarning> = Vec::new();
    for end in &ends {
        for warning in &end.warnings {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
    }
    let profile = ends.iter().find_map(|end| match find_reply(end) {
        Some(WorkerReply::Profiled(profile)) => Some(profile),
        _ => None,
    });
    let counts: Vec<&AllocationCounts> = ends
        .iter()
        .filter_map(|end| find_reply(end)?.as_count())
        .collect();
    let time = summarise_time(&ends, seed);
    let (digest, digest_differs) = agree_on_digest(&ends, &mut warnings);
    let mut allocations = summarise_allocations(&counts, time.as_ref(), &mut warnings);
    if let (Some(name), Some(counted)) = (own_allocator, &mut allocations) {
        counted.exact = false;
        warnings.push(JobWarning::OwnAllocator {
            name: name.to_owned(),
        });
    }
    warn_of_complaints(profile, &counts, &mut warnings);
    if let Some(info) = info {
        metrics::check_counters(info, &counts, &mut warnings);
    }
    if let Some(time) = &time {
        warnings.extend(samples::list_warnings(time, &job.settings));
    }
    let iteration_ns = time.as_ref().map(|time| time.median_ns).or(iteration_ns);
    let values = info
        .map(|info| metrics::compute_values(info, &counts, iteration_ns))
        .unwrap_or_default();
    let infos = info.map_or(&[][..], |info| &info.metrics);
    let timing_is_whole =
        time.as_ref().map_or(0, |time| time.processes.len()) == job.settings.rounds as usize;
    let (outcome, phase, message) = match ends.iter().find_map(|end| find_failure(end)) {
        Some(found) => found,
        // A job without rounds is complete when it was profiled and counted.
        None if timing_is_whole && (time.is_some() || counts.len() >= EXACT_RUNS as usize) => {
            (JobOutcome::Measured, None, None)
        }
        None if interrupted => (
            JobOutcome::Skipped,
            None,
            Some("the run was interrupted before this job was complete".to_owned()),
        ),
        None => (
            JobOutcome::Failed,
            None,
            Some("some passes of this job did not run".to_owned()),
        ),
    };
    JobRecord {
        id: job.id.clone(),
        workload: format!("{}/{}", job.plugin, job.workload),
        about: info.map(|info| info.about.clone()),
        iteration: info.map(|info| info.iteration.clone()),
        params: job.params.clone(),
        tags: job.tags.clone(),
        settings: record_settings(job),
        plugin,
        outcome,
        phase,
        message,
        warning_kinds: warnings.iter().map(JobWarning::kind).collect(),
        warnings: warnings.iter().map(JobWarning::to_string).collect(),
        digest,
        digest_differs,
        metrics_range: info
            .map(|info| metrics::find_ranges(info, &counts))
            .unwrap_or_default(),
        metrics_rounding: info
            .map(|info| metrics::bound_roundings(info, &counts))
            .unwrap_or_default(),
        metrics_info: infos
            .iter()
            .filter(|metric| values.contains_key(&metric.id))
            .map(metrics::describe_metric)
            .collect(),
        metrics: values,
        profile: profile.map(|profile| ProfileRecord {
            iterations: profile.iterations,
            run_ns: profile.run_ns,
            overhead: time
                .as_ref()
                .and_then(|time| recording_overhead(profile, time)),
        }),
        scopes: profile
            .map(|profile| {
                profile
                    .scopes
                    .iter()
                    .map(|node| convert_scope(node, infos))
                    .collect()
            })
            .unwrap_or_default(),
        inputs: IndexMap::new(),
        anchored: Vec::new(),
        wall: sum_wall(&ends),
        time,
        allocations,
    }
}

fn find_reply(end: &PassEnd) -> Option<&WorkerReply> {
    match &end.result {
        PassResult::Reply(reply) => Some(reply),
        _ => None,
    }
}

fn find_failure(
    end: &PassEnd,
) -> Option<(
    JobOutcome,
    Option<orch_core::protocol::Phase>,
    Option<String>,
)> {
    match &end.result {
        PassResult::Reply(_) => None,
        PassResult::Failed { phase, message } => {
            Some((JobOutcome::Failed, Some(*phase), Some(message.clone())))
        }
        PassResult::Skipped { phase, message } => {
            Some((JobOutcome::Skipped, Some(*phase), Some(message.clone())))
        }
    }
}

fn record_settings(job: &Job) -> SettingsRecord {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    SettingsRecord {
        time_ns: nanos(job.settings.time),
        rounds: job.settings.rounds,
        timeout_ns: nanos(job.settings.timeout),
        memory_bytes: job.settings.memory,
        threads: job.settings.threads,
        tolerance: job.settings.tolerance,
    }
}

/// Returns the median over processes of their medians (ns per iteration), with its interval; `None`
/// without samples.
pub(crate) fn summarise_processes(processes: &[ProcessTimes]) -> Option<MedianInterval> {
    let medians: Vec<f64> = processes
        .iter()
        .filter_map(|process| median_of_samples(&process.samples_ns, process.iterations))
        .collect();
    median_interval(&medians)
}

fn summarise_time(ends: &[&PassEnd], seed: u64) -> Option<TimeSummary> {
    let mut processes = Vec::new();
    for end in ends {
        let Some(WorkerReply::Timed(timing)) = find_reply(end) else {
            continue;
        };
        processes.push(ProcessTimes {
            round: end.round,
            seed,
            cpu: end.cpus.first().copied().unwrap_or(0),
            cpus: end.cpus.clone(),
            iterations: timing.iterations,
            samples_ns: timing.samples_ns.clone(),
            resolution_ns: timing.resolution_ns,
            warm_up: timing.warm_up,
            usage: timing.usage,
            wall_ns: end.wall_ns,
        });
    }
    let interval = summarise_processes(&processes)?;
    Some(TimeSummary {
        median_ns: interval.median,
        low_ns: interval.low,
        high_ns: interval.high,
        confidence: interval.confidence,
        processes,
    })
}

fn summarise_allocations(
    counts: &[&AllocationCounts],
    time: Option<&TimeSummary>,
    warnings: &mut Vec<JobWarning>,
) -> Option<AllocationSummary> {
    let iterations = counts.first()?.iterations.max(1);
    let range = |quantity: &dyn Fn(&AllocationCounts) -> f64| {
        let values: Vec<f64> = counts.iter().map(|count| quantity(count)).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (median(&values).unwrap_or(0.0), [low, high])
    };
    let each = iterations as f64;
    let (count, count_range) = range(&|count| count.allocations as f64 / each);
    let (bytes, bytes_range) = range(&|count| count.bytes as f64 / each);
    let (peak_bytes, peak_bytes_range) = range(&|count| count.peak_bytes as f64);
    let (other_threads_events, _) = range(&|count| count.elsewhere as f64 / each);
    let (leaked_bytes, _) = range(&|count| count.leaked_bytes as f64 / each);
    let exact = is_exact(counts);
    let is_untracked = counts.iter().any(|count| count.untracked);
    let foreign_blocks = counts
        .iter()
        .map(|count| count.foreign_blocks)
        .max()
        .unwrap_or(0);
    // The C library keeps freed blocks resident, so growth up to the peak of an iteration is
    // expected.
    let explained = |count: &AllocationCounts| {
        count
            .leaked_bytes
            .saturating_add(i64::try_from(count.peak_bytes).unwrap_or(i64::MAX))
    };
    let unseen = counts
        .iter()
        .map(|count| count.resident_growth.saturating_sub(explained(count)))
        .min()
        .unwrap_or(0);
    let is_uneven = counts.iter().any(|count| count.uneven);
    let found = [
        is_untracked.then_some(JobWarning::Untracked),
        // A block that did not fit into the table is unknown too when it is freed.
        (foreign_blocks > 0 && !is_untracked).then_some(JobWarning::ForeignBlocks {
            blocks: foreign_blocks,
        }),
        (unseen > UNSEEN).then_some(JobWarning::Uncounted {
            bytes: unseen as f64,
        }),
        is_uneven.then_some(JobWarning::UnevenIterations { iterations }),
        (exact && leaked_bytes > 0.0).then_some(JobWarning::Leak {
            bytes: leaked_bytes,
        }),
    ];
    warnings.extend(found.into_iter().flatten());
    Some(AllocationSummary {
        exact,
        count,
        bytes,
        peak_bytes,
        leaked_bytes,
        count_range,
        bytes_range,
        peak_bytes_range,
        other_threads_events,
        iterations,
        processes: counts.len(),
        page_faults: time.and_then(page_faults),
    })
}

fn page_faults(time: &TimeSummary) -> Option<f64> {
    let per_iteration = |process: &ProcessTimes| {
        let iterations = process.iterations as f64 * process.samples_ns.len() as f64;
        (process.usage.minor_faults + process.usage.major_faults) as f64 / iterations.max(1.0)
    };
    median(&time.processes.iter().map(per_iteration).collect::<Vec<_>>())
}

/// Returns the digest, if the plugin has one. Returns an example and a warning if its processes
/// disagree.
fn agree_on_digest(
    ends: &[&PassEnd],
    warnings: &mut Vec<JobWarning>,
) -> (Option<Digest>, Option<[serde_json::Value; 2]>) {
    let mut first: Option<Digest> = None;
    let mut differs = None;
    for end in ends {
        let text = match find_reply(end) {
            Some(WorkerReply::Profiled(profile)) => &profile.digest,
            Some(WorkerReply::Counted(count)) => &count.digest,
            Some(WorkerReply::Timed(timing)) => &timing.digest,
            _ => continue,
        };
        if text.trim().is_empty() {
            continue;
        }
        let digest: Digest = match serde_json::from_str(text) {
            Ok(digest) => digest,
            Err(error) => {
                push_once(
                    warnings,
                    JobWarning::DigestUnreadable {
                        error: error.to_string(),
                    },
                );
                continue;
            }
        };
        match &first {
            None => first = Some(digest),
            Some(known) if known.agrees(&digest) => {}
            Some(known) if differs.is_none() => differs = Some([known.value.clone(), digest.value]),
            Some(_) => {}
        }
    }
    if let Some(values) = &differs {
        let digests = values
            .each_ref()
            .map(|value| orch_core::format::shortened(&value.to_string()));
        warnings.push(JobWarning::OutputDiffers { digests });
    }
    (first, differs)
}

impl Digest {
    /// Returns whether two digests belong to the same output. Scores are compared if there are any,
    /// else values. The tolerance is relative to the largest of 1 and both (the rule of the plugin
    /// header).
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let tolerance = self.tolerance.unwrap_or(0.0);
        let near = |a: f64, b: f64| (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0);
        match (
            self.score,
            other.score,
            self.value.as_f64(),
            other.value.as_f64(),
        ) {
            (Some(a), Some(b), _, _) => near(a, b),
            // Equality as written is checked first, because floats do not distinguish whole numbers
            // beyond 2^53.
            _ if self.value == other.value => true,
            // 5 and 5.0, or 0.0 and -0.0, are the same number.
            (_, _, Some(a), Some(b)) if a == b && a.abs() < rounding::EXACT => true,
            (_, _, Some(a), Some(b)) => tolerance > 0.0 && near(a, b),
            _ => self.value == other.value,
        }
    }
}

pub(super) fn push_once(warnings: &mut Vec<JobWarning>, warning: JobWarning) {
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

fn warn_of_complaints(
    profile: Option<&ScopeProfile>,
    counts: &[&AllocationCounts],
    warnings: &mut Vec<JobWarning>,
) {
    let complaints = profile
        .iter()
        .flat_map(|profile| &profile.complaints)
        .chain(counts.iter().flat_map(|count| &count.complaints));
    for complaint in complaints {
        push_once(warnings, JobWarning::Recording(complaint.clone()));
    }
}

fn recording_overhead(profile: &ScopeProfile, time: &TimeSummary) -> Option<f64> {
    let overhead = profile.iteration_ns / time.median_ns - 1.0;
    overhead.is_finite().then_some(overhead)
}

fn convert_scope(node: &ScopeNode, metrics: &[MetricInfo]) -> ScopeRecord {
    let children: Vec<ScopeRecord> = node
        .children
        .iter()
        .map(|child| convert_scope(child, metrics))
        .collect();
    let cost = IterationCost {
        seconds: node.total_ns as f64 * 1e-9,
        bytes: node.bytes as f64,
    };
    let of_scope = |metric: &MetricInfo| {
        let work = sum_work(node, &metric.counter)?;
        // Rates and times per unit use this scope's own work and time. Plain counts belong to the
        // job only.
        (metric.per != CounterBasis::Iteration)
            .then(|| metric.compute_value(work, cost))
            .flatten()
    };
    ScopeRecord {
        name: node.name.clone(),
        thread: if node.pool {
            ScopeThread::Pool
        } else {
            ScopeThread::Driver
        },
        calls: node.calls,
        total_ns: node.total_ns,
        self_ns: node.self_ns,
        min_ns: node.min_ns,
        max_ns: node.max_ns,
        allocations: node.allocations,
        bytes: node.bytes,
        series_min_ns: node.series_min_ns.clone(),
        counters: node
            .counters
            .iter()
            .map(|counter| (counter.name.clone(), counter.sum))
            .collect(),
        metrics: metrics
            .iter()
            .filter_map(|metric| Some((metric.id.clone(), of_scope(metric)?)))
            .collect(),
        children,
    }
}

/// Returns the sum of a counter over a scope and the scopes inside it; `None` if none of them
/// counted it.
fn sum_work(node: &ScopeNode, counter: &str) -> Option<f64> {
    let own = node
        .counters
        .iter()
        .find(|found| found.name == counter)
        .map(|found| found.sum);
    let inside = node
        .children
        .iter()
        .filter_map(|child| sum_work(child, counter));
    own.into_iter().chain(inside).reduce(|a, b| a + b)
}

fn sum_wall(ends: &[&PassEnd]) -> JobWall {
    let mut wall = JobWall::default();
    for end in ends {
        match end.pass {
            PassName::None | PassName::Sentinel => {}
            PassName::Profile => wall.profile_ns += end.wall_ns,
            PassName::Count => wall.count_ns += end.wall_ns,
            PassName::Time => wall.time_ns += end.wall_ns,
        }
        if let Some(WorkerReply::Timed(timing)) = find_reply(end) {
            wall.samples_ns += timing.samples_ns.iter().sum::<u64>();
            wall.warm_up_ns += timing.warm_up.ns;
        }
    }
    wall
}
