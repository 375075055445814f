//! Contradictions that a run reports in its own numbers, and runs in which it reports none.

use crate::support::Project;
use serde_json::Value;

/// A workload whose loop makes `TIME` turns for its parameter `size`.
const PLUGIN: &str = r#"
#include "orch_plugin.h"
#include <stdlib.h>
#include <string.h>
struct orch_instance { long size; };
static orch_status describe(const orch_host *host) {
  host->write(host, ORCH_STR("{\"plugin\":\"odd\",\"workloads\":[{\"id\":\"work\",\"params\":{\"type\":\"object\","
    "\"properties\":{\"size\":{\"type\":\"integer\"}},\"additionalProperties\":false}}]}"));
  return ORCH_OK;
}
static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  char json[64] = {0};
  memcpy(json, params.ptr, params.len < sizeof json - 1 ? params.len : sizeof json - 1);
  *out = malloc(sizeof **out);
  (*out)->size = atol(strchr(json, ':') + 1);
  return ORCH_OK;
}
static orch_status run(orch_instance *self, uint64_t iterations) {
  for (uint64_t i = 0; i < iterations; i++)
    for (volatile long step = 0; step < TIME; step++) {}
  return ORCH_OK;
}
ORCH_EXPORT const orch_plugin orch_plugin_v1 = { ORCH_PLUGIN_INIT, describe, create, 0, run, 0, 0, 0 };
"#;

/// Returns the record and the summary of sizes 1 and 64.
fn measured(time: &str) -> (Value, String) {
    let project = Project::new();
    project.c_plugin("odd", &format!("#define TIME {time}\n{PLUGIN}"));
    let (record, ran) = project.record(
        "plugins: { odd: { path: libodd.so } }\ndefaults: { time: 20ms, rounds: 2 }\n\
         workloads: [{ id: w, workload: odd/work, matrix: { size: [1, 64] } }]\n",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let folder = project.results().pop().unwrap();
    (
        record,
        std::fs::read_to_string(folder.join("summary.txt")).unwrap(),
    )
}

#[test]
fn contradiction_of_more_work_in_less_time_is_reported() {
    let (record, summary) = measured("(400000 / self->size)");
    let found = record["contradictions"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["id"], "more-work-less-time");
    assert_eq!(
        found[0]["rows"],
        serde_json::json!(["w[size=1]", "w[size=64]"])
    );
    assert!(
        summary.contains("\nContradictions\n  more work in less time: w[size=1] "),
        "{summary}"
    );
    assert!(
        summary.lines().all(|line| line.chars().count() <= 80),
        "{summary}"
    );
}

#[test]
fn consistent_record_has_no_contradictions() {
    let (record, summary) = measured("(1000 * self->size)");
    assert_eq!(record["contradictions"], serde_json::json!([]));
    assert!(!summary.contains("\nContradictions\n"), "{summary}");
}
