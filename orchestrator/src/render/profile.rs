//! The scope trees of a record as flat rows: what templates need for hot paths, allocators, callers
//! and insights.
//!
//! Everything is per iteration, because a profile runs as many iterations as fit its time: sums
//! over it would rank jobs by that budget. A scope's share is of the outermost scopes of its own
//! job; nested shares overlap and are never added.

use super::shown::{self, MOST_ROWS, MOST_TEXTS, ShownList};
use crate::format;
use crate::record::{JobRecord, Record, ScopeRecord};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
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
/// Jobs whose tree of scopes is shown.
const MOST_TREES: usize = 20;

/// What templates see as `profile`.
#[derive(Debug, Serialize)]
pub(super) struct ProfileView<'a> {
    /// Longest per iteration first.
    pub(super) scopes: Vec<ProfileRow>,
    pub(super) insights: Vec<String>,
    pub(super) models: Vec<ModelProfile>,
    pub(super) scaling: Vec<ModelScaling>,
    /// Insights, models and pairs that are not in those lists.
    pub(super) more_insights: usize,
    pub(super) more_models: usize,
    pub(super) more_scaling: usize,
    /// Jobs with scopes inside scopes.
    pub(super) trees: ShownList<JobTree<'a>>,
}

/// A job whose scopes are shown as a tree.
#[derive(Debug, Serialize)]
pub(super) struct JobTree<'a> {
    job: &'a JobRecord,
    /// Scopes that others call.
    called: ShownList<ProfileRow>,
}

/// A scope of a job, wherever in its tree; figures of one iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ProfileRow {
    pub(super) job: String,
    pub(super) scope: String,
    pub(super) outermost: bool,
    pub(super) calls: f64,
    /// Time, without calls nested in a call of the same name.
    pub(super) total_ns: f64,
    pub(super) self_ns: f64,
    /// Of the outermost scopes of the job; 0.1 = 10 %.
    pub(super) share: f64,
    /// Of one call.
    pub(super) average_ns: f64,
    pub(super) min_ns: u64,
    pub(super) max_ns: u64,
    pub(super) allocations: f64,
    pub(super) bytes: f64,
    pub(super) callers: Vec<ScopeCaller>,
    /// The first, second, ... call of an iteration, of scopes in one place of the tree.
    pub(super) series_min_ns: Vec<u64>,
}

/// Who opened a scope, and how often per iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ScopeCaller {
    pub(super) scope: String,
    pub(super) calls: f64,
}

/// A job that says how large its model is.
#[derive(Debug, Serialize)]
pub(super) struct ModelProfile {
    pub(super) job: String,
    pub(super) parameters: f64,
    pub(super) tensors: Option<f64>,
    pub(super) weight_bytes: Option<f64>,
    pub(super) time_ns: f64,
    pub(super) tokens_per_s: Option<f64>,
    pub(super) ns_per_token: Option<f64>,
    pub(super) bytes_per_token: Option<f64>,
    pub(super) allocations: Option<f64>,
    pub(super) bytes: Option<f64>,
}

/// Two jobs that differ in their model alone.
#[derive(Debug, Serialize)]
pub(super) struct ModelScaling {
    pub(super) small: String,
    pub(super) large: String,
    /// Ratios large / small.
    pub(super) parameters: f64,
    pub(super) time: f64,
}

/// Makes the view of a record.
pub(super) fn view(record: &Record) -> ProfileView<'_> {
    let mut scopes: Vec<ProfileRow> = record.jobs.iter().flat_map(rows).collect();
    scopes.sort_by(|a, b| {
        b.total_ns
            .total_cmp(&a.total_ns)
            .then_with(|| a.job.cmp(&b.job))
    });
    let by_job = shown::grouped(scopes.iter().map(|row| (row.job.as_str(), row)));
    let insights = ShownList::first(MOST_TEXTS, all_insights(&record.jobs, &scopes, &by_job));
    let models = ShownList::first(MOST_ROWS, record.jobs.iter().filter_map(model));
    let scaling = ShownList::first(MOST_TEXTS, scaling(record));
    let is_tree = |job: &&JobRecord| {
        job.profile.is_some() && job.scopes.iter().any(|scope| !scope.children.is_empty())
    };
    let trees = ShownList::first(MOST_TREES, record.jobs.iter().filter(is_tree)).map(|job| {
        let own = by_job.get(job.id.as_str()).into_iter().flatten();
        let called = own.copied().filter(|row| !row.callers.is_empty()).cloned();
        JobTree {
            job,
            called: ShownList::first(MOST_TEXTS, called),
        }
    });
    ProfileView {
        insights: insights.items,
        more_insights: insights.more,
        models: models.items,
        more_models: models.more,
        scaling: scaling.items,
        more_scaling: scaling.more,
        trees,
        scopes,
    }
}

/// The rows of each job, by its id.
type RowsByJob<'a> = IndexMap<&'a str, Vec<&'a ProfileRow>>;

/// What stands out in all jobs whose medians stand for them.
fn all_insights(jobs: &[JobRecord], scopes: &[ProfileRow], by_job: &RowsByJob) -> Vec<String> {
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
fn is_spoilt(job: &JobRecord) -> bool {
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

/// The scopes of one job by name, in the order of the tree.
fn rows(job: &JobRecord) -> Vec<ProfileRow> {
    let Some(profile) = &job.profile else {
        return Vec::new();
    };
    let outermost: u64 = driver_scopes(job).map(|scope| scope.total_ns).sum();
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
    job.scopes.iter().filter(|scope| scope.thread == "driver")
}

fn gather<'a>(
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
        // A second place in the tree: the calls of both are in no order that is known.
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

fn model(job: &JobRecord) -> Option<ModelProfile> {
    let metric = |id: &str| job.metrics.get(id).copied();
    Some(ModelProfile {
        job: job.id.clone(),
        parameters: metric("parameters")?,
        tensors: metric("tensors"),
        weight_bytes: metric("weight_bytes"),
        time_ns: job.time.as_ref()?.median_ns,
        tokens_per_s: metric("tokens_per_s"),
        ns_per_token: metric("ns_per_token"),
        bytes_per_token: metric("bytes_per_token"),
        allocations: job
            .allocations
            .as_ref()
            .map(|allocations| allocations.count),
        bytes: job
            .allocations
            .as_ref()
            .map(|allocations| allocations.bytes),
    })
}

fn scaling(record: &Record) -> Vec<ModelScaling> {
    let key = |job: &JobRecord| {
        format!(
            "{} {} {}",
            job.workload,
            job.settings.threads,
            without_model(job)
        )
    };
    let of = |name: &'static str| {
        record
            .jobs
            .iter()
            .filter(move |job| model_name(job) == Some(name) && !is_spoilt(job))
    };
    let larger = shown::grouped(of("medium").filter_map(|job| Some((key(job), model(job)?))));
    let mut found = Vec::new();
    for one in of("small") {
        let Some(small) = model(one) else { continue };
        // A second job of the same model says nothing more.
        let Some(large) = larger.get(&key(one)).and_then(|models| models.first()) else {
            continue;
        };
        found.push(ModelScaling {
            small: small.job.clone(),
            large: large.job.clone(),
            parameters: large.parameters / small.parameters,
            time: large.time_ns / small.time_ns,
        });
    }
    found
}

fn model_name(job: &JobRecord) -> Option<&str> {
    job.params.get("model").and_then(Value::as_str)
}

fn without_model(job: &JobRecord) -> Value {
    let mut params = job.params.clone();
    params.shift_remove("model");
    Value::Object(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use indexmap::IndexMap;
    use serde_json::json;

    fn scope(name: &str, calls: u64, total_ns: u64, children: Vec<ScopeRecord>) -> ScopeRecord {
        let inside: u64 = children.iter().map(|child| child.total_ns).sum();
        ScopeRecord {
            name: name.into(),
            thread: "driver".into(),
            calls,
            total_ns,
            self_ns: total_ns - inside,
            min_ns: total_ns / calls,
            max_ns: total_ns / calls,
            allocations: calls,
            bytes: 10 * calls,
            series_min_ns: Vec::new(),
            counters: IndexMap::new(),
            metrics: IndexMap::new(),
            children,
        }
    }

    #[test]
    fn scopes_are_gathered_by_name_and_recursion_counts_once() {
        let inner = scope("Norm", 4, 40, vec![]);
        let again = scope("Block", 2, 100, vec![scope("Norm", 2, 10, vec![])]);
        let tree = scope(
            "Forward",
            2,
            1000,
            vec![scope("Block", 4, 800, vec![inner, again])],
        );
        let mut rows = Vec::new();
        gather("job", &tree, &mut Vec::new(), &mut rows);
        let row = |name: &str| rows.iter().find(|row| row.scope == name).unwrap();
        assert_eq!((row("Block").calls, row("Block").total_ns), (6.0, 800.0));
        assert_eq!(row("Block").self_ns, 660.0 + 90.0);
        assert_eq!((row("Norm").calls, row("Norm").total_ns), (6.0, 50.0));
        assert_eq!(
            row("Norm").callers,
            [ScopeCaller {
                scope: "Block".into(),
                calls: 6.0
            }]
        );
        assert!(row("Forward").outermost && !row("Norm").outermost);
        let all: f64 = rows.iter().map(|row| row.self_ns).sum();
        assert_eq!(all, 1000.0, "self times add up to the outermost total");
    }

    #[test]
    fn nothing_is_concluded_from_a_median_that_says_little() {
        let job = |id: &str, kinds: &[&str]| -> JobRecord {
            let wall = json!({
                "profile_ns": 0, "count_ns": 0, "time_ns": 0, "samples_ns": 0, "warm_up_ns": 0,
            });
            let settings = json!({
                "time_ns": 1, "rounds": 5, "timeout_ns": 1, "memory_bytes": 1, "threads": 1,
                "tolerance": 0.01,
            });
            let inner: Vec<ScopeRecord> = ["A", "B", "C"]
                .map(|name| scope(name, 1, 100, vec![]))
                .into();
            serde_json::from_value(json!({
                "id": id, "workload": "p/w", "params": {}, "tags": [], "settings": settings,
                "plugin": { "path": "p.so" }, "outcome": "measured",
                "warnings": [], "warning_kinds": kinds,
                "metrics": {}, "metrics_info": {}, "wall": wall,
                "profile": { "iterations": 1, "run_ns": 1000, "overhead": 0.5 },
                "scopes": [scope("Outer", 1, 1000, inner)],
            }))
            .unwrap()
        };
        let told = |kinds: &[&str]| {
            let jobs = [job("sound", &[]), job("spoilt", kinds)];
            let scopes: Vec<ProfileRow> = jobs.iter().flat_map(rows).collect();
            let by_job = shown::grouped(scopes.iter().map(|row| (row.job.as_str(), row)));
            all_insights(&jobs, &scopes, &by_job)
        };
        let of = |texts: &[String], id: &str| {
            texts
                .iter()
                .filter(|text| text.starts_with(&format!("{id}: ")))
                .count()
        };
        let sound = told(&["few_samples", "leak"]);
        assert!(
            of(&sound, "spoilt") > 0 && of(&sound, "spoilt") == of(&sound, "sound"),
            "{sound:?}"
        );
        for kind in ["scattered", "growing", "slow_start", "unsteady"] {
            let texts = told(&[kind]);
            assert_eq!(
                (of(&texts, "spoilt"), of(&texts, "sound")),
                (0, of(&sound, "sound")),
                "{texts:?}"
            );
            assert!(
                texts
                    .iter()
                    .any(|text| text.contains("no conclusions are drawn from the times of spoilt")),
                "{texts:?}"
            );
        }
    }
}
