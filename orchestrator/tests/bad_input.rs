//! Bad input: every finding at once with its place and remedy, exit code 200, and nothing measured.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::Project;

/// A C plugin that needs no building by orch, with one workload `w` and two parameters.
const PLUGIN: &str = r#"
#include "orch_plugin.h"
static orch_status describe(const orch_host *host) {
  host->write(host, ORCH_STR("{\"plugin\":\"tiny\",\"workloads\":[{\"id\":\"work\",\"params\":{\"type\":\"object\","
    "\"properties\":{\"size\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":64},"
    "\"mode\":{\"type\":\"string\",\"enum\":[\"fast\",\"slow\"]}},"
    "\"required\":[\"size\"],\"additionalProperties\":false}}]}"));
  return ORCH_OK;
}
static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  static int instance;
  *out = (orch_instance *)&instance;
  return ORCH_OK;
}
static orch_status run(orch_instance *instance, uint64_t iterations) { return ORCH_OK; }
ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_MAGIC, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, sizeof(orch_plugin), 0, describe, create, 0, run, 0, 0, 0 };
"#;

fn check(name: &str, scenario: &str, arguments: &[&str]) {
    let project = Project::new();
    if scenario.contains("libtiny.so") {
        project.c_plugin("tiny", PLUGIN);
    }
    project.write("s.yaml", scenario);
    let mut all = vec!["run", "s.yaml"];
    all.extend(arguments);
    let ran = project.orch(&all);
    assert_eq!(ran.code, 200, "{name}: {}", ran.stderr);
    assert_eq!(ran.stdout, "", "{name}");
    assert_eq!(project.results(), Vec::<std::path::PathBuf>::new(), "{name}: nothing is measured");
    let root = project.path().display().to_string();
    insta::with_settings!({ snapshot_suffix => name, filters => [(root.as_str(), "PROJECT")] }, {
        insta::assert_snapshot!("bad_input", ran.stderr);
    });
}

const TINY: &str = "plugins: { tiny: { path: libtiny.so } }\n";

#[test]
fn everything_wrong_with_a_file_is_said_at_once() {
    check(
        "many_at_once",
        "nam: nightly
plugins:
  tiny: { path: libtiny.so, colour: blue }
defaults: { rounds: 0, time: 5 }
workloads:
  - { workload: tiny, params: [] }
",
        &[],
    );
    check(
        "many_quantities",
        "plugins:
  a: { crate: nowhere }
  b: { path: missing.so }
  c: { dir: . }
  d: { path: libtiny.so, cpu: native }
defaults: { time: soon, memory: 2gb, tolerance: 1 }
workloads:
  - { workload: tiny/work }
  - { workload: d/work, params: { size: 1 }, matrix: { size: [1], mode: [] } }
",
        &[],
    );
}

#[test]
fn workloads_and_parameters_are_checked_against_the_plugin() {
    check(
        "workloads_and_parameters",
        &format!(
            "{TINY}workloads:
  - workload: tiny/wrok
  - workload: tiny/work
    params: {{ siez: 3 }}
  - {{ id: b, workload: tiny/work, params: {{ size: 65 }} }}
  - {{ id: c, workload: tiny/work, params: {{ mode: fats, size: 1.5 }} }}
  - {{ id: d, workload: tiny/work, matrix: {{ size: [1, 2, big] }} }}
  - {{ id: e, workload: tiny/work, params: {{ size: 1 }} }}
  - {{ id: e, workload: tiny/work, params: {{ size: 2 }} }}
"
        ),
        &[],
    );
}

#[test]
fn yaml_is_read_strictly() {
    check("duplicate_key", "plugins: {}\nname: a\nname: b\n", &[]);
    check("syntax", "plugins: { a: { path: x\nworkloads: []\n", &[]);
    check("empty", "", &[]);
    check("no_workloads", &format!("{TINY}workloads: []\n"), &[]);
    check("not_a_map", "- a\n- b\n", &[]);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..8 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    check("alias_bomb", &bomb, &[]);
    check("unicode", "näme: ü\nplugins: { ä: { path: ö.so } }\nworkloads: [{ workload: ß }]\n", &[]);
}

#[test]
fn the_rest_of_the_command_line_is_checked_before_measuring() {
    let good = format!("{TINY}workloads: [{{ workload: tiny/work, params: {{ size: 1 }} }}]\n");
    check("filter_matches_nothing", &good, &["--filter", "wrok*"]);
    check("unknown_report", &format!("{good}reports: [summary.txt, sumary.txt]\n"), &[]);
    check("unknown_flag", &good, &["--frobnicate"]);
}

#[test]
fn a_missing_scenario_is_bad_input() {
    let ran = Project::new().orch(&["run", "nowhere.yaml"]);
    assert_eq!(ran.code, 200);
    insta::assert_snapshot!("missing_scenario", ran.stderr);
}
