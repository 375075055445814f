//! Remarkable facts in a profile, each with its sentence.

use super::RowsByJob;
use super::rows::ProfileRow;
use crate::record::JobRecord;
use orch_core::format;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Share of all time of a scope above which a single call makes the average meaningless.
const DOMINANT_CALL: f64 = 0.5;
/// Fewest calls for a meaningful average.
const ENOUGH_CALLS: u64 = 10;
/// Share of a scope outside the scopes inside it above which it is reported.
const UNSEEN: f64 = 0.2;
/// Slowdown of iterations by recording above which it distorts the scopes' times.
const HEAVY_RECORDING: f64 = 0.2;
const LARGE_ALLOCATION: f64 = 1_048_576.0;

/// A remarkable fact in a profile. Shares are relative: 0.1 = 10 %.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum ProfileInsight {
    /// The inner scope with the most self time, as a share of the outermost scopes.
    HottestScope {
        job: String,
        scope: String,
        share: f64,
    },
    /// Several jobs have the same hottest scope. The job with the largest share is first.
    HottestScopeOfJobs { scope: String, jobs: Vec<JobShare> },
    /// A large share of a scope's time is in no scope inside it.
    OutsideInnerScopes {
        job: String,
        scope: String,
        share: f64,
    },
    /// One call of a scope takes this share of all its time.
    UntypicalAverage {
        job: String,
        scope: String,
        calls: f64,
        share: f64,
    },
    /// Recording slowed down an iteration.
    HeavyRecording { job: String, overhead: f64 },
    /// Number of scopes with large allocations.
    LargeAllocators { scopes: usize },
    /// Jobs whose times allow no conclusions.
    UnreliableMedians { jobs: Vec<String> },
}

/// Share of a scope in the time of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct JobShare {
    job: String,
    share: f64,
}

impl ProfileInsight {
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::HottestScope { job, scope, share } => format!(
                "{job}: {scope} accounts for {} of the time (self time), more than any other scope",
                format::percent(*share)
            ),
            Self::HottestScopeOfJobs { scope, jobs } => {
                let named = jobs
                    .iter()
                    .map(|one| format!("{} ({})", one.job, format::percent(one.share)));
                let named: Vec<String> = named.collect();
                format!(
                    "{scope} has more self time than any other scope in {} jobs: {}",
                    jobs.len(),
                    format::listed(&named)
                )
            }
            Self::OutsideInnerScopes { job, scope, share } => format!(
                "{job}: {} of {scope} is outside of its inner scopes",
                format::percent(*share)
            ),
            Self::UntypicalAverage {
                job,
                scope,
                calls,
                share,
            } => format!(
                "{job}: one of {calls:.0} calls of {scope} takes {} of its total time: the average \
                 is not typical",
                format::percent(*share)
            ),
            Self::HeavyRecording { job, overhead } => format!(
                "{job}: recording slowed down an iteration by {}, which is included in the times \
                 of its scopes",
                format::percent(*overhead)
            ),
            Self::LargeAllocators { scopes } => {
                format!("{scopes} scopes allocate more than 1 MiB per call on average")
            }
            Self::UnreliableMedians { jobs } => format!(
                "no conclusions are drawn from the times of {}: see the warnings of the run",
                format::listed(jobs)
            ),
        }
    }
}

/// Returns the insights about all jobs whose medians represent them.
pub(super) fn all_insights(
    jobs: &[JobRecord],
    scopes: &[ProfileRow],
    by_job: &RowsByJob,
) -> Vec<ProfileInsight> {
    let (spoilt, sound): (Vec<&JobRecord>, Vec<&JobRecord>) =
        jobs.iter().partition(|job| is_spoilt(job));
    let own = |job: &JobRecord| {
        by_job
            .get(job.id.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let insights = sound.into_iter().flat_map(|job| insights(job, own(job)));
    gather_hottest(insights.collect())
        .into_iter()
        .chain(large_allocators(scopes))
        .chain(without_insights(&spoilt))
        .collect()
}

/// Merges the insights of jobs that share their hottest scope, at the place of the first one.
fn gather_hottest(insights: Vec<ProfileInsight>) -> Vec<ProfileInsight> {
    let mut jobs_of: HashMap<String, Vec<JobShare>> = HashMap::new();
    for insight in &insights {
        if let ProfileInsight::HottestScope { job, scope, share } = insight {
            let (job, share) = (job.clone(), *share);
            let jobs = jobs_of.entry(scope.clone()).or_default();
            jobs.push(JobShare { job, share });
        }
    }
    let gather = |insight: ProfileInsight| {
        let ProfileInsight::HottestScope { scope, .. } = &insight else {
            return Some(insight);
        };
        // Later insights about the scope find nothing here.
        let mut jobs = jobs_of.remove(scope)?;
        if jobs.len() == 1 {
            return Some(insight);
        }
        jobs.sort_by(|one, other| other.share.total_cmp(&one.share));
        let scope = scope.clone();
        Some(ProfileInsight::HottestScopeOfJobs { scope, jobs })
    };
    insights.into_iter().filter_map(gather).collect()
}

/// Returns whether the job's own warnings make its median unreliable.
pub(in super::super) fn is_spoilt(job: &JobRecord) -> bool {
    job.warning_kinds.iter().any(|kind| kind.spoils_median())
}

/// Returns the insight about jobs whose times allow no conclusions.
fn without_insights(spoilt: &[&JobRecord]) -> Option<ProfileInsight> {
    let jobs: Vec<String> = spoilt.iter().map(|job| job.id.clone()).collect();
    (!jobs.is_empty()).then_some(ProfileInsight::UnreliableMedians { jobs })
}

fn insights(job: &JobRecord, rows: &[&ProfileRow]) -> Vec<ProfileInsight> {
    let callers: HashSet<&str> = rows
        .iter()
        .flat_map(|row| row.callers.iter().map(|caller| caller.scope.as_str()))
        .collect();
    let profile = job.profile.as_ref();
    let iterations = profile.map_or(1, |profile| profile.iterations.max(1)) as f64;
    let mut found: Vec<ProfileInsight> = hottest_scope(job, rows).into_iter().collect();
    for row in rows {
        let is_around = callers.contains(row.scope.as_str());
        found.extend(outside_inner_scopes(row).filter(|_| is_around));
        found.extend(untypical_average(row, iterations));
    }
    let overhead = profile.and_then(|profile| profile.overhead);
    let overhead = overhead.filter(|overhead| *overhead > HEAVY_RECORDING);
    found.extend(overhead.map(|overhead| ProfileInsight::HeavyRecording {
        job: job.id.clone(),
        overhead,
    }));
    found
}

fn hottest_scope(job: &JobRecord, rows: &[&ProfileRow]) -> Option<ProfileInsight> {
    let is_outermost = |row: &&&ProfileRow| row.outermost;
    let outermost: f64 = rows
        .iter()
        .filter(is_outermost)
        .map(|row| row.total_ns)
        .sum();
    let hottest = rows
        .iter()
        .filter(|row| !row.outermost)
        .max_by(|a, b| a.self_ns.total_cmp(&b.self_ns))?;
    (rows.len() > 3 && outermost > 0.0).then(|| ProfileInsight::HottestScope {
        job: job.id.clone(),
        scope: hottest.scope.clone(),
        share: hottest.self_ns / outermost,
    })
}

fn outside_inner_scopes(row: &ProfileRow) -> Option<ProfileInsight> {
    let is_large = row.self_ns > UNSEEN * row.total_ns && row.share > UNSEEN;
    is_large.then(|| ProfileInsight::OutsideInnerScopes {
        job: row.job.clone(),
        scope: row.scope.clone(),
        share: row.self_ns / row.total_ns,
    })
}

fn untypical_average(row: &ProfileRow, iterations: f64) -> Option<ProfileInsight> {
    let (calls, total) = (row.calls * iterations, row.total_ns * iterations);
    let is_dominant = calls >= ENOUGH_CALLS as f64 && row.max_ns as f64 > DOMINANT_CALL * total;
    is_dominant.then(|| ProfileInsight::UntypicalAverage {
        job: row.job.clone(),
        scope: row.scope.clone(),
        calls,
        share: row.max_ns as f64 / total,
    })
}

fn large_allocators(rows: &[ProfileRow]) -> Option<ProfileInsight> {
    let scopes = rows
        .iter()
        .filter(|row| row.bytes / row.calls.max(1e-9) > LARGE_ALLOCATION)
        .count();
    (scopes > 0).then_some(ProfileInsight::LargeAllocators { scopes })
}
