//! What stands out in a profile, in sentences.

use super::RowsByJob;
use super::rows::ProfileRow;
use crate::record::JobRecord;
use orch_core::format;
use std::collections::HashSet;

/// One call that is more than this of all time of its scope makes the average meaningless.
const DOMINANT_CALL: f64 = 0.5;
/// Fewer calls than this say nothing about an average.
const ENOUGH_CALLS: u64 = 10;
/// This share of a scope outside the scopes inside it is worth a look.
const UNSEEN: f64 = 0.2;
/// Recording that slows iterations by more than this is in the scopes' times.
const HEAVY_RECORDING: f64 = 0.2;
const LARGE_ALLOCATION: f64 = 1_048_576.0;

/// What stands out in all jobs whose medians stand for them.
pub(super) fn all_insights(
    jobs: &[JobRecord],
    scopes: &[ProfileRow],
    by_job: &RowsByJob,
) -> Vec<String> {
    let (spoilt, sound): (Vec<&JobRecord>, Vec<&JobRecord>) =
        jobs.iter().partition(|job| is_spoilt(job));
    let own = |job: &JobRecord| {
        by_job
            .get(job.id.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let insights = sound.into_iter().flat_map(|job| insights(job, own(job)));
    insights
        .chain(large_allocators(scopes))
        .chain(without_insights(&spoilt))
        .collect()
}

/// Whether the job's own warnings say that its median says little.
pub(super) fn is_spoilt(job: &JobRecord) -> bool {
    job.warning_kinds.iter().any(|kind| kind.spoils_median())
}

/// Jobs from whose times nothing is concluded.
fn without_insights(spoilt: &[&JobRecord]) -> Option<String> {
    let ids: Vec<&str> = spoilt.iter().map(|job| job.id.as_str()).collect();
    let named = format::listed(&ids);
    (!ids.is_empty()).then(|| {
        format!("no conclusions are drawn from the times of {named}: see the warnings of the run")
    })
}

fn insights(job: &JobRecord, rows: &[&ProfileRow]) -> Vec<String> {
    let mut found = Vec::new();
    let callers: HashSet<&str> = rows
        .iter()
        .flat_map(|row| row.callers.iter().map(|caller| caller.scope.as_str()))
        .collect();
    let iterations = job
        .profile
        .as_ref()
        .map_or(1, |profile| profile.iterations.max(1)) as f64;
    let outermost: f64 = rows
        .iter()
        .filter(|row| row.outermost)
        .map(|row| row.total_ns)
        .sum();
    let hottest = rows
        .iter()
        .filter(|row| !row.outermost)
        .max_by(|a, b| a.self_ns.total_cmp(&b.self_ns));
    if let Some(hottest) = hottest.filter(|_| rows.len() > 3 && outermost > 0.0) {
        found.push(format!(
            "{}: {} accounts for {} of the time (self time), more than any other scope",
            job.id,
            hottest.scope,
            format::percent(hottest.self_ns / outermost)
        ));
    }
    for row in rows {
        if callers.contains(row.scope.as_str())
            && row.self_ns > UNSEEN * row.total_ns
            && row.share > UNSEEN
        {
            found.push(format!(
                "{}: {} of {} is outside of its inner scopes",
                job.id,
                format::percent(row.self_ns / row.total_ns),
                row.scope
            ));
        }
        let (calls, total) = (row.calls * iterations, row.total_ns * iterations);
        if calls >= ENOUGH_CALLS as f64 && row.max_ns as f64 > DOMINANT_CALL * total {
            found.push(format!(
                "{}: one of {calls:.0} calls of {} takes {} of its total time: the average is not \
                 typical",
                job.id,
                row.scope,
                format::percent(row.max_ns as f64 / total)
            ));
        }
    }
    let overhead = job
        .profile
        .as_ref()
        .and_then(|profile| profile.overhead)
        .unwrap_or(0.0);
    if overhead > HEAVY_RECORDING {
        found.push(format!(
            "{}: recording slowed down an iteration by {}, which is included in the times of its \
             scopes",
            job.id,
            format::percent(overhead)
        ));
    }
    found
}

fn large_allocators(rows: &[ProfileRow]) -> Option<String> {
    let large = rows
        .iter()
        .filter(|row| row.bytes / row.calls.max(1e-9) > LARGE_ALLOCATION)
        .count();
    (large > 0).then(|| format!("{large} scopes allocate more than 1 MiB per call on average"))
}
