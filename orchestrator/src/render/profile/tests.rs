//! Tests of rows and insights.

use super::insights::{ProfileInsight, all_insights};
use super::rows::{ProfileRow, ScopeCaller, gather, rows};
use super::*;
use crate::record::{ScopeRecord, ScopeThread};
use indexmap::IndexMap;
use serde_json::json;

fn scope(name: &str, calls: u64, total_ns: u64, children: Vec<ScopeRecord>) -> ScopeRecord {
    let inside: u64 = children.iter().map(|child| child.total_ns).sum();
    ScopeRecord {
        name: name.into(),
        thread: ScopeThread::Driver,
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
fn unreliable_median_supports_no_conclusion() {
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
    let view_warnings = |kinds: &[&str]| {
        let jobs = [job("sound", &[]), job("spoilt", kinds)];
        let scopes: Vec<ProfileRow> = jobs.iter().flat_map(rows).collect();
        let by_job = shown::grouped(scopes.iter().map(|row| (row.job.as_str(), row)));
        let insights = all_insights(&jobs, &scopes, &by_job);
        let sentences = insights.iter().map(ProfileInsight::sentence);
        sentences.collect::<Vec<String>>()
    };
    let of = |texts: &[String], id: &str| {
        texts
            .iter()
            .filter(|text| text.contains(id) && !text.starts_with("no conclusions"))
            .count()
    };
    let sound = view_warnings(&["few_samples", "leak"]);
    assert!(
        of(&sound, "spoilt") > 0 && of(&sound, "spoilt") == of(&sound, "sound"),
        "{sound:?}"
    );
    let gathered =
        "C has more self time than any other scope in 2 jobs: sound (10 %), spoilt (10 %)";
    assert!(sound.iter().any(|text| text == gathered), "{sound:?}");
    for kind in [
        "scattered",
        "scattered_threads",
        "growing",
        "slow_start",
        "unsteady",
    ] {
        let texts = view_warnings(&[kind]);
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
