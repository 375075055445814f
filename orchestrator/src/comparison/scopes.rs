//! The places of a change: the scope trees of both sides, compared place by place and ranked by
//! contribution.

use super::{MetricEntry, entries};
use crate::model::metric::Metric;
use crate::record::{JobRecord, ScopeRecord};
use serde::{Deserialize, Serialize};

/// Contribution of one place of the scope tree to the difference of an iteration. The contributions
/// of all places sum to the whole difference, because each excludes the scopes inside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeChange {
    /// Names from the outermost scope on; empty for the time outside of all scopes.
    pub(crate) path: Vec<String>,
    /// Calls per iteration.
    pub(crate) a_calls: f64,
    pub(crate) b_calls: f64,
    /// Time per iteration with the scopes inside, in nanoseconds.
    pub(crate) a_total_ns: f64,
    pub(crate) b_total_ns: f64,
    /// Time per iteration without the scopes inside: the difference is the contribution.
    pub(crate) a_self_ns: f64,
    pub(crate) b_self_ns: f64,
    pub(crate) contribution_ns: f64,
    /// The contribution as a share of the whole difference; negative if it goes the other way.
    /// `None` if the profiles do not show the judged change, because a difference in the other
    /// direction is no part of it.
    pub(crate) share: Option<f64>,
    /// Bytes allocated per iteration without the scopes inside.
    pub(crate) a_self_bytes: f64,
    pub(crate) b_self_bytes: f64,
    pub(crate) a_self_allocations: f64,
    pub(crate) b_self_allocations: f64,
}

/// One side's costs at one place, per iteration.
#[derive(Debug, Clone, Default)]
struct ScopePlace {
    path: Vec<String>,
    calls: f64,
    total_ns: f64,
    self_ns: f64,
    self_bytes: f64,
    self_allocations: f64,
}

/// Lists all places in which the profiles of both sides differ. The places that contribute most to
/// the change in `judged` come first.
pub(crate) fn changes(a: &JobRecord, b: &JobRecord, judged: &[MetricEntry]) -> Vec<ScopeChange> {
    let (Some(a_places), Some(b_places)) = (places(a), places(b)) else {
        return Vec::new();
    };
    let mut paths: Vec<&Vec<String>> = Vec::new();
    for place in a_places.iter().chain(&b_places) {
        if !paths.contains(&&place.path) {
            paths.push(&place.path);
        }
    }
    let at = |places: &[ScopePlace], path: &[String]| {
        places
            .iter()
            .find(|place| place.path == path)
            .cloned()
            .unwrap_or_default()
    };
    let whole: f64 = b_places.iter().map(|place| place.self_ns).sum::<f64>()
        - a_places.iter().map(|place| place.self_ns).sum::<f64>();
    let time = judged
        .iter()
        .find(|entry| entry.metric == Metric::Time && entries::is_change(entry));
    let time = time
        .and_then(|entry| entry.change)
        .map(|change| change.estimate);
    let is_shown = whole != 0.0 && time.is_none_or(|time| time * whole > 0.0);
    let mut changes: Vec<ScopeChange> = paths
        .into_iter()
        .map(|path| {
            let (a, b) = (at(&a_places, path), at(&b_places, path));
            let contribution_ns = b.self_ns - a.self_ns;
            ScopeChange {
                path: path.clone(),
                a_calls: a.calls,
                b_calls: b.calls,
                a_total_ns: a.total_ns,
                b_total_ns: b.total_ns,
                a_self_ns: a.self_ns,
                b_self_ns: b.self_ns,
                contribution_ns,
                share: is_shown.then(|| contribution_ns / whole),
                a_self_bytes: a.self_bytes,
                b_self_bytes: b.self_bytes,
                a_self_allocations: a.self_allocations,
                b_self_allocations: b.self_allocations,
            }
        })
        .collect();
    // A change of allocations is ranked by allocations, whatever the times of the profiles did.
    let counted = [Metric::Allocations, Metric::Bytes].map(|metric| {
        judged
            .iter()
            .any(|one| one.metric == metric && entries::is_change(one))
    });
    let is_counted = time.is_none() && counted != [false, false];
    let size = |place: &ScopeChange| match is_counted {
        true => [
            (place.b_self_allocations - place.a_self_allocations).abs(),
            (place.b_self_bytes - place.a_self_bytes).abs(),
            place.contribution_ns.abs(),
        ],
        false => [place.contribution_ns.abs(), 0.0, 0.0],
    };
    changes.sort_by(|one, other| {
        let pairs = size(other).into_iter().zip(size(one));
        pairs
            .map(|(other, one)| other.total_cmp(&one))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    changes
}

/// Returns the change (b / a - 1) of an iteration that all places together show; `None` if nothing
/// was profiled.
pub(crate) fn whole_change(changes: &[ScopeChange]) -> Option<f64> {
    let sum = |of: fn(&ScopeChange) -> f64| changes.iter().map(of).sum::<f64>();
    let change = sum(|place| place.b_self_ns) / sum(|place| place.a_self_ns) - 1.0;
    change.is_finite().then_some(change)
}

/// Returns the driver's places of a profile, and the rest of the iteration as a place without a
/// name.
fn places(job: &JobRecord) -> Option<Vec<ScopePlace>> {
    let profile = job.profile.as_ref()?;
    let iterations = profile.iterations.max(1) as f64;
    let mut places = Vec::new();
    let mut inside: u64 = 0;
    for scope in job.scopes.iter().filter(|scope| scope.is_on_driver()) {
        inside = inside.saturating_add(scope.total_ns);
        walk(scope, &mut Vec::new(), iterations, &mut places);
    }
    let outside = profile.run_ns.saturating_sub(inside) as f64 / iterations;
    places.push(ScopePlace {
        self_ns: outside,
        total_ns: profile.run_ns as f64 / iterations,
        ..ScopePlace::default()
    });
    Some(places)
}

fn walk(
    scope: &ScopeRecord,
    above: &mut Vec<String>,
    iterations: f64,
    places: &mut Vec<ScopePlace>,
) {
    above.push(scope.name.clone());
    let inner =
        |of: fn(&ScopeRecord) -> u64| scope.children.iter().map(of).fold(0, u64::saturating_add);
    places.push(ScopePlace {
        path: above.clone(),
        calls: scope.calls as f64 / iterations,
        total_ns: scope.total_ns as f64 / iterations,
        self_ns: scope.self_ns as f64 / iterations,
        self_bytes: scope.bytes.saturating_sub(inner(|child| child.bytes)) as f64 / iterations,
        self_allocations: scope
            .allocations
            .saturating_sub(inner(|child| child.allocations)) as f64
            / iterations,
    });
    for child in &scope.children {
        walk(child, above, iterations, places);
    }
    above.pop();
}
