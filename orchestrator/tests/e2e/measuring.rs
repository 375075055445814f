//! Values that a run measures and stores: allocations, scopes, metrics, digests, provenance.

use crate::support::{Project, crate_of, job};
use serde_json::Value;

/// A workload of known work: it makes three blocks per iteration, the largest two of which are
/// alive together, and has two scopes and one counter.
const KNOWN: &str = r#"
#include "orch_plugin.h"
#include <stdlib.h>
static const orch_host *host;
static uint32_t outer, inner, work;
static void *volatile kept;
static orch_status describe(const orch_host *h) {
  h->write(h, ORCH_STR("{\"plugin\":\"known\",\"workloads\":[{\"id\":\"known\",\"iteration\":\"three blocks\","
    "\"metrics\":[{\"id\":\"units\",\"unit\":\"units\",\"counter\":\"work\",\"per\":\"iteration\"},"
    "{\"id\":\"rate\",\"unit\":\"units/s\",\"counter\":\"work\",\"per\":\"second\",\"better\":\"higher\"}]}]}"));
  return ORCH_OK;
}
static orch_status create(const orch_host *h, orch_str workload, orch_str params, orch_instance **out) {
  host = h;
  outer = h->intern(h, ORCH_STR("Outer"));
  inner = h->intern(h, ORCH_STR("Inner"));
  work = h->intern(h, ORCH_STR("work"));
  static int instance;
  *out = (orch_instance *)&instance;
  return ORCH_OK;
}
static orch_status run(orch_instance *instance, uint64_t iterations) {
  for (uint64_t i = 0; i < iterations; i++) {
    host->scope_enter(host, outer);
    kept = malloc(100);
    free(kept);
    host->scope_enter(host, inner);
    void *volatile a = malloc(1000);
    kept = calloc(10, 30);
    kept = realloc(kept, 500);
    free(kept);
    free(a);
    host->counter_add(host, work, 7);
    host->scope_exit(host, inner);
    host->scope_exit(host, outer);
  }
  return ORCH_OK;
}
static orch_status digest(orch_instance *instance, const orch_host *h) {
  h->write(h, ORCH_STR("{\"value\": 42}"));
  return ORCH_OK;
}
static const orch_digest digest_extension = { sizeof(orch_digest), digest };
static int same(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
static const void *extension(const char *id) { return same(id, "orch.digest/1") ? &digest_extension : 0; }
ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_MAGIC, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, sizeof(orch_plugin), 0, describe, create, 0, run, 0, 0, extension };
"#;

const SCENARIO: &str = "name: known
defaults: { time: 30ms, rounds: 3, timeout: 60s, memory: 256MiB }
plugins: { known: { path: libknown.so } }
workloads: [{ workload: known/known }]
";

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn record_of_known_work_has_the_right_numbers() {
    let project = Project::new();
    project.c_plugin("known", KNOWN);
    let (record, ran) = project.record(SCENARIO);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        (&record["schema"], &record["outcome"]),
        (&"orch/record/1".into(), &"complete".into())
    );
    let job = job(&record, "known");

    let allocations = &job["allocations"];
    assert_eq!(allocations["exact"], true);
    // malloc 100, malloc 1000, calloc 300 and realloc to 500 are four allocations. The peak is 1000
    // + 500.
    assert_eq!(allocations["count"], 4);
    assert_eq!(allocations["bytes"], 1900);
    assert_eq!(allocations["peak_bytes"], 1500);
    assert_eq!(allocations["leaked_bytes"], 0);

    assert_eq!(job["digest"], serde_json::json!({ "value": 42 }));
    assert_eq!(number(&job["metrics"]["units"]), 7.0);
    let median_ns = number(&job["time"]["median_ns"]);
    assert!((number(&job["metrics"]["rate"]) * median_ns * 1e-9 - 7.0).abs() < 1e-6);

    let iterations = number(&job["profile"]["iterations"]);
    let outer = &job["scopes"][0];
    let inner = &outer["children"][0];
    assert_eq!(
        (&outer["name"], &inner["name"]),
        (&"Outer".into(), &"Inner".into())
    );
    assert_eq!(number(&outer["calls"]), iterations);
    assert_eq!(number(&outer["allocations"]), 4.0 * iterations);
    assert_eq!(number(&outer["bytes"]), 1900.0 * iterations);
    assert_eq!(number(&inner["allocations"]), 3.0 * iterations);
    assert_eq!(number(&inner["counters"]["work"]), 7.0 * iterations);
    // The rate of a scope is relative to the scope's own time.
    let rate = number(&inner["counters"]["work"]) / (number(&inner["total_ns"]) * 1e-9);
    assert!((number(&inner["metrics"]["rate"]) / rate - 1.0).abs() < 1e-9);
}

#[test]
fn samples_are_all_kept_and_figures_follow_from_them() {
    let project = Project::new();
    project.c_plugin("known", KNOWN);
    let (record, _) = project.record(SCENARIO);
    let time = &job(&record, "known")["time"];
    let processes = time["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 3);
    let mut medians: Vec<f64> = processes
        .iter()
        .map(|process| {
            let iterations = number(&process["iterations"]);
            let mut samples: Vec<f64> = process["samples_ns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|ns| number(ns) / iterations)
                .collect();
            samples.sort_by(f64::total_cmp);
            let middle = samples.len() / 2;
            if samples.len() % 2 == 1 {
                samples[middle]
            } else {
                f64::midpoint(samples[middle - 1], samples[middle])
            }
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    assert!((number(&time["median_ns"]) - medians[1]).abs() < 1e-9);
    assert!((number(&time["low_ns"]) - medians[0]).abs() < 1e-9);
    assert!((number(&time["high_ns"]) - medians[2]).abs() < 1e-9);
    assert_eq!(
        number(&time["confidence"]),
        0.75,
        "three processes cover no more"
    );
}

/// Checks that a scope tree is consistent: children fit into parents, self >= 0, min <= average <=
/// max.
fn check_tree(scope: &Value) {
    let (calls, total) = (number(&scope["calls"]), number(&scope["total_ns"]));
    let children = scope["children"].as_array().unwrap();
    let inside: f64 = children
        .iter()
        .map(|child| number(&child["total_ns"]))
        .sum();
    assert!(inside <= total, "{scope}");
    assert_eq!(number(&scope["self_ns"]), total - inside, "{scope}");
    assert!(
        number(&scope["min_ns"]) <= total / calls && total / calls <= number(&scope["max_ns"]),
        "{scope}"
    );
    children.iter().for_each(check_tree);
}

#[test]
fn smoke_scenario_measures_everything_consistently() {
    let project = Project::new();
    let text =
        std::fs::read_to_string(crate::support::workspace().join("scenarios/smoke.yaml")).unwrap();
    let text = text.replace(
        "plugins/",
        &format!("{}/plugins/", crate::support::workspace().display()),
    );
    let two = crate::support::has_two_cpus("the jobs with two threads of scenarios/smoke.yaml");
    let fits = |line: &&str| two || !line.contains("threads: 2");
    let text = text
        .lines()
        .filter(fits)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let (record, ran) = project.record(&text);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut names = std::collections::BTreeSet::new();
    for job in record["jobs"].as_array().unwrap() {
        assert_eq!(job["outcome"], "measured", "{job}");
        assert!(number(&job["time"]["low_ns"]) <= number(&job["time"]["median_ns"]));
        assert!(number(&job["time"]["median_ns"]) <= number(&job["time"]["high_ns"]));
        assert!(
            !job["scopes"].as_array().unwrap().is_empty(),
            "{}",
            job["id"]
        );
        job["scopes"]
            .as_array()
            .unwrap()
            .iter()
            .for_each(check_tree);
        let one_thread = job["settings"]["threads"] == 1;
        assert_eq!(
            job["allocations"]["exact"], one_thread,
            "{}: {}",
            job["id"], job["allocations"]
        );
        job["scopes"]
            .as_array()
            .unwrap()
            .iter()
            .for_each(|scope| gather_names(scope, &mut names));
        let whole = |warning: &&Value| {
            warning
                .as_str()
                .is_some_and(|text| text.contains("differs"))
        };
        assert_eq!(
            job["warnings"].as_array().unwrap().iter().find(whole),
            None,
            "{}",
            job["id"]
        );
    }
    // Readers of the profiles of models rely on this call hierarchy.
    for name in [
        "Creation",
        "BuilderSetup",
        "Inference",
        "PrepareInput",
        "GenerateToken",
        "Forward",
        "SampleToken",
        "ApplyTemperature",
        "Softmax",
        "MultinomialSample",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
}

fn gather_names(scope: &Value, names: &mut std::collections::BTreeSet<String>) {
    names.insert(scope["name"].as_str().unwrap().to_owned());
    scope["children"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(|child| gather_names(child, names));
}

#[test]
fn work_on_other_threads_is_a_range_and_never_exact() {
    if !crate::support::has_two_cpus("allocations of two threads") {
        return;
    }
    let project = Project::new();
    let (record, ran) = project.record(&format!(
        "defaults: {{ time: 20ms, rounds: 2 }}
plugins: {{ faulty: {{ crate: {} }} }}
workloads:
  - {{ workload: faulty/pool, threads: 2 }}
  - {{ id: too-many, workload: faulty/good, threads: 4000 }}
",
        crate_of("faulty")
    ));
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let allocations = &job(&record, "pool")["allocations"];
    assert_eq!(allocations["exact"], false);
    assert_eq!(allocations["processes"], 5);
    assert!(
        number(&allocations["other_threads_events"]) >= 2.0,
        "the pool's own are listed apart: {allocations}"
    );
    assert!(number(&allocations["count_range"][0]) <= number(&allocations["count_range"][1]));
    let skipped = job(&record, "too-many");
    assert_eq!(
        (&skipped["outcome"], &skipped["phase"]),
        (&"skipped".into(), &"start".into())
    );
}
