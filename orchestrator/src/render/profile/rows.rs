//! The scope trees of a record as flat rows.
//!
//! All figures are per iteration, because a profile runs as many iterations as fit its time: sums
//! would rank jobs by that budget. A scope's share relates to the outermost scopes of its own job.
//! Nested shares overlap and are never added.

use crate::record::{JobRecord, ScopeRecord};
use orch_core::format::{self, clean};
use serde::Serialize;

/// Most callers of a scope that are named.
const MOST_CALLERS: usize = 20;

/// A scope of a job, over all its places in the tree; figures of one iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in super::super) struct ProfileRow {
    pub(in super::super) job: String,
    pub(in super::super) scope: String,
    pub(in super::super) outermost: bool,
    pub(in super::super) calls: f64,
    /// Time, without calls nested in a call of the same name.
    pub(in super::super) total_ns: f64,
    pub(in super::super) self_ns: f64,
    /// Share of the time of the job's outermost scopes; 0.1 = 10 %.
    pub(in super::super) share: f64,
    /// Average time of one call.
    pub(in super::super) average_ns: f64,
    pub(in super::super) min_ns: u64,
    pub(in super::super) max_ns: u64,
    pub(in super::super) allocations: f64,
    pub(in super::super) bytes: f64,
    pub(in super::super) callers: Vec<ScopeCaller>,
    /// Times of the first, second, ... call of an iteration; empty for a scope with several places
    /// in the tree.
    pub(in super::super) series_min_ns: Vec<u64>,
}

/// The scope that opened another one, and the calls per iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in super::super) struct ScopeCaller {
    pub(super) scope: String,
    pub(super) calls: f64,
}

/// A row with its cells.
#[derive(Debug, Serialize)]
pub(in super::super) struct ShownScope {
    #[serde(flatten)]
    row: ProfileRow,
    text: ProfileText,
}

/// The cells of a row.
#[derive(Debug, Serialize)]
struct ProfileText {
    calls: String,
    total: String,
    #[serde(rename = "self")]
    own: String,
    share: String,
    average: String,
    min: String,
    max: String,
    allocations: String,
    bytes: String,
    bytes_per_call: String,
    /// The scopes that call it, as Markdown.
    callers: String,
    /// Some calls of an iteration in their order: the first, the second, those at a quarter, half
    /// and three quarters, and the last; empty if their order is not known.
    series: Vec<String>,
}

impl ShownScope {
    pub(in super::super) fn of(row: &ProfileRow) -> Self {
        let text = ProfileText {
            calls: format::number(row.calls),
            total: format::time(row.total_ns),
            own: format::time(row.self_ns),
            share: format::percent(row.share),
            average: format::time(row.average_ns),
            min: format::time(row.min_ns as f64),
            max: format::time(row.max_ns as f64),
            allocations: format::number(row.allocations),
            bytes: format::bytes(row.bytes),
            bytes_per_call: format::bytes(row.bytes / row.calls),
            callers: callers(&row.callers),
            series: series(&row.series_min_ns),
        };
        Self {
            row: row.clone(),
            text,
        }
    }
}

fn callers(callers: &[ScopeCaller]) -> String {
    let named = callers.iter().take(MOST_CALLERS).map(|caller| {
        let scope = clean::clean_code(&caller.scope);
        let times = match format::number(caller.calls).as_str() {
            "1" => "once".to_owned(),
            calls => format!("{calls} times"),
        };
        format!("`{scope}` ({times})")
    });
    let named = named.collect::<Vec<String>>().join(", ");
    match callers.len().saturating_sub(MOST_CALLERS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn series(calls: &[u64]) -> Vec<String> {
    let count = calls.len();
    let places = [
        0,
        1,
        count / 4,
        count / 2,
        count * 3 / 4,
        count.saturating_sub(1),
    ];
    let shown = places.iter().filter_map(|place| calls.get(*place));
    shown.map(|ns| format::time(*ns as f64)).collect()
}

/// Returns the scopes of one job by name, in the order of the tree.
pub(super) fn rows(job: &JobRecord) -> Vec<ProfileRow> {
    let Some(profile) = &job.profile else {
        return Vec::new();
    };
    let outermost: u64 = driver_scopes(job)
        .map(|scope| scope.total_ns)
        .fold(0, u64::saturating_add);
    let mut rows = Vec::new();
    for scope in driver_scopes(job) {
        gather(&job.id, scope, &mut Vec::new(), &mut rows);
    }
    let iterations = profile.iterations.max(1) as f64;
    for row in &mut rows {
        row.average_ns = row.total_ns / row.calls.max(1.0);
        row.share = row.total_ns / (outermost.max(1) as f64);
        for quantity in [
            &mut row.calls,
            &mut row.total_ns,
            &mut row.self_ns,
            &mut row.allocations,
            &mut row.bytes,
        ] {
            *quantity /= iterations;
        }
        row.callers
            .iter_mut()
            .for_each(|caller| caller.calls /= iterations);
    }
    rows
}

fn driver_scopes(job: &JobRecord) -> impl Iterator<Item = &ScopeRecord> {
    job.scopes.iter().filter(|scope| scope.is_on_driver())
}

pub(super) fn gather<'a>(
    job: &str,
    scope: &'a ScopeRecord,
    above: &mut Vec<&'a str>,
    rows: &mut Vec<ProfileRow>,
) {
    let index = rows
        .iter()
        .position(|row| row.scope == scope.name)
        .unwrap_or_else(|| {
            rows.push(ProfileRow {
                job: job.to_owned(),
                scope: scope.name.clone(),
                outermost: false,
                calls: 0.0,
                total_ns: 0.0,
                self_ns: 0.0,
                share: 0.0,
                average_ns: 0.0,
                min_ns: u64::MAX,
                max_ns: 0,
                allocations: 0.0,
                bytes: 0.0,
                callers: Vec::new(),
                series_min_ns: scope.series_min_ns.clone(),
            });
            rows.len() - 1
        });
    let row = &mut rows[index];
    if row.calls > 0.0 {
        // The calls of two places in the tree have no known common order.
        row.series_min_ns.clear();
    }
    let nested = above.contains(&scope.name.as_str());
    row.calls += scope.calls as f64;
    row.self_ns += scope.self_ns as f64;
    row.min_ns = row.min_ns.min(scope.min_ns);
    row.max_ns = row.max_ns.max(scope.max_ns);
    if !nested {
        row.total_ns += scope.total_ns as f64;
        row.allocations += scope.allocations as f64;
        row.bytes += scope.bytes as f64;
    }
    match above.last() {
        None => row.outermost = true,
        Some(caller) => match row.callers.iter_mut().find(|known| known.scope == *caller) {
            Some(known) => known.calls += scope.calls as f64,
            None => row.callers.push(ScopeCaller {
                scope: (*caller).to_owned(),
                calls: scope.calls as f64,
            }),
        },
    }
    above.push(&scope.name);
    for child in &scope.children {
        gather(job, child, above, rows);
    }
    above.pop();
}
