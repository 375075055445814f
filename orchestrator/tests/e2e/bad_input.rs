//! Bad input: all problems are reported together with their places and remedies, the exit code is
//! 200, and nothing is measured.

use crate::support::Project;

/// Source of a C plugin with one workload and two parameters. The test compiles it.
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
    assert_eq!(
        project.results(),
        Vec::<std::path::PathBuf>::new(),
        "{name}: nothing is measured"
    );
    let root = project.path().display().to_string();
    insta::with_settings!({ snapshot_suffix => name, filters => [(root.as_str(), "PROJECT")] }, {
        insta::assert_snapshot!("bad_input", ran.stderr);
    });
}

const TINY: &str = "plugins: { tiny: { path: libtiny.so } }\n";

#[test]
fn problems_of_a_file_are_reported_together() {
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
    check(
        "unicode",
        "näme: ü\nplugins: { ä: { path: ö.so } }\nworkloads: [{ workload: ß }]\n",
        &[],
    );
}

#[test]
fn command_line_is_checked_before_measuring() {
    let good = format!("{TINY}workloads: [{{ workload: tiny/work, params: {{ size: 1 }} }}]\n");
    check("filter_matches_nothing", &good, &["--filter", "wrok*"]);
    check(
        "unknown_report",
        &format!("{good}reports: [summary.txt, sumary.txt]\n"),
        &[],
    );
    check(
        "report_with_a_name_of_orch",
        &format!(
            "{good}reports: [record.json, journal.jsonl, Bisect.JSON, ../x.md, \"a\\e[2Jb.md\"]\n"
        ),
        &[],
    );
    check("unknown_flag", &good, &["--frobnicate"]);
}

#[test]
fn missing_scenario_is_bad_input() {
    let ran = Project::new().orch(&["run", "nowhere.yaml"]);
    assert_eq!(ran.code, 200);
    insta::assert_snapshot!("missing_scenario", ran.stderr);
}

/// Returns the standard error of a run that is refused.
fn refused(scenario: &str) -> String {
    let project = Project::new();
    project.c_plugin("tiny", PLUGIN);
    project.write("s.yaml", scenario);
    let ran = project.orch(&["run", "s.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (200, ""), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn wrong_workload_lines_are_reported_together() {
    // The scenario has a value of a wrong form, a missing value, a number, an unknown plugin, and
    // an acceptance without a job.
    let said = refused(&format!(
        "{TINY}workloads:\n  - {{ workload: tiny }}\n  - {{ id: a }}\n  - {{ workload: 3 }}\n  - \
         {{ workload: tinny/work }}\naccept: \
         [{{ metric: time, up_to: 0.5x, reason: x, until: 2999-12-31 }}]\n"
    ));
    for part in [
        "`workload` is \"tiny\", but must be PLUGIN/WORKLOAD",
        "`workload` is missing",
        "`workload` is 3, but must be PLUGIN/WORKLOAD",
        "no plugin `tinny` in this scenario",
        "`job` is missing",
        "up_to: `0.5x` accepts no change",
        "6 problems in s.yaml",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = refused(&format!(
        "{TINY}workloads:\n  - {{ workload: tiny/wrk }}\n  - {{ workload: tiny/owrk }}\n  - \
         {{ workload: tiny/none }}\n"
    ));
    assert!(said.contains("3 problems in s.yaml"), "{said}");
}

#[test]
fn second_yaml_document_is_named_with_its_place() {
    let one = format!("{TINY}workloads: [{{ workload: tiny/work, params: {{ size: 1 }} }}]\n");
    for (text, place) in [
        (format!("{one}---\n{one}"), "s.yaml:3:1"),
        (
            format!("---\n# first\n{one}--- # second\nname: x\n"),
            "s.yaml:5:1",
        ),
        (format!("{one}...\n{one}"), "s.yaml:3:1"),
    ] {
        let said = refused(&text);
        assert!(
            said.contains("a second YAML document begins here, but a scenario is one document"),
            "{said}"
        );
        assert!(said.contains(place), "{place}: {said}");
    }
    let project = Project::new();
    project.c_plugin("tiny", PLUGIN);
    // These texts have one document with its marker, and nothing after its end.
    for text in [
        format!("---\n{one}"),
        format!("%YAML 1.2\n---\n{one}"),
        format!("{one}...\n"),
    ] {
        project.write("s.yaml", &text);
        let ran = project.orch(&["run", "s.yaml", "--dry-run"]);
        assert_eq!(ran.code, 0, "{text}: {}", ran.stderr);
    }
}

#[test]
fn matrix_value_that_is_listed_twice_is_named() {
    let matrix = |values: &str| {
        refused(&format!(
            "{TINY}workloads: [{{ workload: tiny/work, matrix: {{ size: {values} }} }}]\n"
        ))
    };
    let said = matrix("[1, 2, 1]");
    assert!(
        said.contains("`size` lists 1 twice") && !said.contains("two jobs"),
        "{said}"
    );
    let said = matrix("[1, '1']");
    assert!(
        said.contains("`size` lists 1 and \"1\", whose jobs would have the same id"),
        "{said}"
    );
    let said = matrix("[[1, 2], [1, 2]]");
    assert!(said.contains("`size` lists [1,2] twice"), "{said}");
    let said = matrix("[2, 2, 3, 3]");
    assert!(said.contains("2 problems in s.yaml"), "{said}");
}

#[test]
fn commands_in_hints_work_when_they_are_pasted() {
    let project = Project::new();
    project.c_plugin("tiny", PLUGIN);
    let scenario = format!("{TINY}workloads: [{{ workload: tiny/work, params: {{ sise: 1 }} }}]\n");
    for name in ["s.yaml", "a b.yaml"] {
        project.write(name, &scenario);
        let said = project.orch(&["run", name]).stderr;
        let quoted = if name.contains(' ') {
            format!("'{name}'")
        } else {
            name.to_owned()
        };
        let command = format!("orch list tiny/work --scenario {quoted}");
        assert!(
            said.contains(&format!("`{command}` shows all parameters")),
            "{said}"
        );
        let listed = project.orch(&["list", "tiny/work", "--scenario", name]);
        assert!(
            listed.code == 0 && listed.stdout.contains("size"),
            "{}{}",
            listed.stdout,
            listed.stderr
        );
    }
}

#[test]
fn wrong_option_is_named_instead_of_the_scenario() {
    let project = Project::new();
    project.c_plugin("tiny", PLUGIN);
    project.write(
        "s.yaml",
        format!("{TINY}workloads: [{{ workload: tiny/work, params: {{ size: 1 }} }}]\n"),
    );
    let library = "libtiny.so";
    for (set, said) in [
        (
            "sise=3,4",
            "error: --set sise=3,4: workload `tiny/work`: unknown parameter `sise`\nhint: did you \
             mean `size`?",
        ),
        (
            "size=a,b",
            "error: --set size=a,b: workload `tiny/work`: `size` is \"a\", but must be a whole \
             number",
        ),
        (
            "size=99,98",
            "error: --set size=99,98: workload `tiny/work`: `size` is 99, but must be at most 64",
        ),
        (
            "mode=fats,slow",
            "error: --set mode=fats,slow: workload `tiny/work`: `mode` is \"fats\"",
        ),
    ] {
        let ran = project.orch(&[
            "compare",
            library,
            library,
            "--scenario",
            "s.yaml",
            "--set",
            set,
        ]);
        assert_eq!(ran.code, 200, "{set}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.contains(said) && !ran.stderr.contains("-->"),
            "{set}: {}",
            ran.stderr
        );
    }
}
