//! Tests of reading scenarios and making jobs. The input is text, and the output is jobs or
//! problems. They use no file, process or clock.

use super::*;
use crate::plugin::catalog::PluginDescription;
use crate::plugin::{PluginSource, SandboxSpec};
use std::path::Path;

const DESCRIPTION: &str = r#"{"plugin": "k", "workloads": [{"id": "work", "params": {
    "type": "object", "additionalProperties": false, "required": ["n"], "properties": {
        "n": {"type": "integer", "minimum": 1}, "list": {"type": "array", "items": {"type": "integer"}}}}}]}"#;

fn parse(text: &str) -> Result<Scenario, Vec<FileProblem>> {
    // All files exist, except those whose names contain `missing`.
    let exists = |path: &Path| !path.display().to_string().contains("missing");
    let real = |path: &Path| {
        path.strip_prefix("/alias").map_or_else(
            |_| path.to_owned(),
            |inside| Path::new("/project/out").join(inside),
        )
    };
    read_scenario(
        text,
        &ScenarioContext {
            root: Path::new("/project"),
            stem: "stem",
            exists: &exists,
            real: &real,
        },
    )
}

fn plan(text: &str) -> Result<Vec<Job>, Vec<FileProblem>> {
    let description = PluginDescription::parse(DESCRIPTION).unwrap();
    expand_jobs(&parse(text)?, |key| (key == "k").then_some(&description))
}

/// Formats problems as `line:column message`.
fn shown(text: &str, problems: &[FileProblem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            let before = &text[..problem.find_bytes(text).start];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            format!("{line}:{column} {}", problem.message)
        })
        .collect()
}

#[test]
fn settings_come_from_the_workload_then_the_defaults_then_orch() {
    let jobs = plan(
        "plugins: { k: { crate: here } }
defaults: { rounds: 7, memory: 1GiB }
workloads:
  - { workload: k/work, params: { n: 1 }, rounds: 3, time: 2s, tags: [a, b] }
",
    )
    .unwrap();
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let expected = JobSettings {
        rounds: 3,
        time: Duration::from_secs(2),
        memory: 1 << 30,
        ..JobSettings::default()
    };
    assert_eq!(job.settings, expected);
    assert_eq!(
        (job.id.as_str(), &job.tags[..]),
        ("work", &["a".to_owned(), "b".to_owned()][..])
    );
}

#[test]
fn matrix_is_expanded_in_the_order_of_the_file() {
    let jobs = plan(
        "plugins: { k: { crate: here } }
workloads:
  - { workload: k/work, matrix: { n: [1000, 10000], list: [[1], []] } }
  - { id: named, workload: k/work, matrix: { n: [2] } }
",
    )
    .unwrap();
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "work[n=1000,list=[1]]",
            "work[n=1000,list=[]]",
            "work[n=10000,list=[1]]",
            "work[n=10000,list=[]]",
            "named[n=2]"
        ]
    );
    assert_eq!(
        serde_json::to_string(&jobs[2].params).unwrap(),
        r#"{"n":10000,"list":[1]}"#
    );
}

#[test]
fn plugin_without_a_description_makes_unchecked_jobs() {
    let jobs = plan(
        "plugins: { other: { path: x.so } }\nworkloads: \
         [{ workload: other/any, params: { x: 1 } }]\n",
    );
    assert_eq!(jobs.unwrap().len(), 1);
}

#[test]
fn plugins_are_a_crate_a_file_or_a_command() {
    let scenario = parse(
        "plugins:
  a: { crate: plugins/a }
  b: { crate: /abs, cpu: x86-64-v3, env: { X: '1' } }
  c: { path: c.so }
  d: { dir: d, build: make }
workloads: [{ workload: a/w }]
",
    )
    .unwrap();
    let sources: Vec<&PluginSource> = scenario
        .plugins
        .iter()
        .map(|(_, spec)| &spec.source)
        .collect();
    let path = |text: &str| std::path::PathBuf::from(text);
    assert_eq!(
        sources,
        [
            &PluginSource::Crate {
                folder: path("/project/plugins/a"),
                cpu: "native".into(),
                bench: None,
            },
            &PluginSource::Crate {
                folder: path("/abs"),
                cpu: "x86-64-v3".into(),
                bench: None,
            },
            &PluginSource::File(path("/project/c.so")),
            &PluginSource::Command {
                folder: path("/project/d"),
                command: "make".into()
            },
        ]
    );
    assert_eq!(
        scenario.plugins[1].1.env,
        [("X".to_owned(), "1".to_owned())]
    );
    assert_eq!(scenario.name, "stem");
}

#[test]
fn sandbox_is_on_and_grants_the_named_paths() {
    let scenario = parse(
        "defaults: { sandbox: off }
plugins:
  a: { path: a.so }
  b: { path: b.so, sandbox: on, read: [data, /abs/file], write: [out] }
  c: { path: c.so, read: [data] }
workloads: [{ workload: a/w }]
",
    )
    .unwrap();
    let path = std::path::PathBuf::from;
    let sandboxes: Vec<SandboxSpec> = scenario
        .plugins
        .into_iter()
        .map(|(_, spec)| spec.sandbox)
        .collect();
    let named = SandboxSpec::On {
        read: vec![path("/project/data"), path("/abs/file")],
        write: vec![path("/project/out")],
    };
    assert_eq!(sandboxes, [SandboxSpec::Off, named, SandboxSpec::Off]);
    let scenario =
        parse("plugins: { a: { path: a.so } }\nworkloads: [{ workload: a/w }]\n").unwrap();
    assert_eq!(scenario.plugins[0].1.sandbox, SandboxSpec::default());
}

#[test]
fn sandbox_grants_have_to_exist_and_to_have_an_effect() {
    let text = "plugins:
  a: { path: a.so, read: [data, missing/x], write: [missing/y] }
  b: { path: b.so, sandbox: off, write: [out] }
  c: { path: c.so, sandbox: none }
workloads: [{ workload: a/w }]
";
    assert_eq!(
        shown(text, &parse(text).unwrap_err()),
        [
            "4:29 `sandbox` is \"none\", but must be one of \"on\", \"off\"",
            "2:33 `missing/x` does not exist",
            "2:53 `missing/y` does not exist",
            "3:41 `write` extends the sandbox, but `sandbox` is off",
        ]
    );
}

#[test]
fn loader_variables_that_run_code_before_the_sandbox_are_refused() {
    let text = "plugins:
  a: { path: a.so, write: [out], env: { LD_PRELOAD: x.so, LD_LIBRARY_PATH: '/lib:/project/out/x' } }
  b: { path: b.so, sandbox: off, env: { LD_PRELOAD: x.so } }
  c: { path: c.so, write: [out], env: { LD_LIBRARY_PATH: /lib, OTHER: out } }
  d: { path: d.so, write: [out], env: { LD_LIBRARY_PATH: '/lib;/project/out' } }
  e: { path: e.so, write: [out], env: { LD_LIBRARY_PATH: out } }
  f: { path: f.so, write: [out], env: { LD_LIBRARY_PATH: /alias/lib } }
workloads: [{ workload: a/w }]
";
    assert_eq!(
        shown(text, &parse(text).unwrap_err()),
        [
            "2:53 `LD_PRELOAD` would run code outside of the sandbox",
            "2:76 `LD_LIBRARY_PATH` names a folder that the plugin may write to, so the plugin \
             could put a library there",
            "5:58 `LD_LIBRARY_PATH` names a folder that the plugin may write to, so the plugin \
             could put a library there",
            "6:58 `LD_LIBRARY_PATH` names a relative folder, which depends on the folder in which \
             orch is started",
            "7:58 `LD_LIBRARY_PATH` names a folder that the plugin may write to, so the plugin \
             could put a library there",
        ]
    );
}

#[test]
fn problems_of_all_kinds_are_found_together_with_their_places() {
    let text = "naem: x
plugins:
  k: { crate: missing }
  l: { path: x.so, dir: y }
defaults: { rounds: none, timeout: never }
workloads:
  - { workload: m/work }
  - { workload: k/work, params: { n: 1 }, matrix: { n: [2] } }
";
    let mut found = shown(text, &parse(text).unwrap_err());
    found.sort();
    assert_eq!(
        found,
        [
            "1:1 unknown field `naem`",
            "3:15 `missing` does not exist",
            "4:6 a plugin needs exactly one of `crate`, `criterion`, `path`, `builtin`, or `dir` \
                with `build`",
            "5:21 `rounds` is \"none\", but must be a whole number",
            "5:36 timeout: `never` is not a duration; write for example 500ms, 60s or 2m",
            "7:17 no plugin `m` in this scenario",
            "8:56 `n` is in `params` and in `matrix`",
        ]
    );
}

#[test]
fn invalid_values_are_not_reported_twice() {
    let text = "plugins: { k: { path: 3 } }\nworkloads: [{ workload: k/work }]\n";
    assert_eq!(
        shown(text, &parse(text).unwrap_err()),
        ["1:23 `path` is 3, but must be text"]
    );
}

#[test]
fn names_have_no_control_characters() {
    let text = r#"name: "a\e]0;x"
about: "any \e text"
plugins: { k: { crate: here, env: { A: "\e" } }, "l\u202e": { path: "x\u009b.so" } }
workloads:
  - { id: "a\tb", workload: k/work, params: { n: "\e", "m\e": 1 }, tags: ["\e[2J"] }
  - { id: "a\u2066", workload: k/work, matrix: { n: ["\a"] } }
accept: [{ job: "*\e", reason: "\e", until: 2026-12-31 }]
"#;
    let mut found = shown(text, &parse(text).unwrap_err());
    found.sort();
    assert_eq!(
        found,
        [
            "1:7 `name` is \"a\\u001b]0;x\", but must be letters, digits, '.', '_' and '-', \
             because it names a folder",
            "3:50 \"l\\u{202e}\" has a control character",
            "3:69 \"x\\u{9b}.so\" has a control character",
            "5:11 `id` is \"a\\tb\", but must be a word without spaces, '/', '[' and ']'",
            "5:56 \"m\\u{1b}\" has a control character",
            "5:75 \"\\u{1b}[2J\" has a control character",
            "6:11 \"a\\u{2066}\" has a control character",
            "6:54 \"\\u{7}\" has a control character",
            "7:17 \"*\\u{1b}\" has a control character",
        ]
    );
}

#[test]
fn parameters_are_checked_where_they_were_written() {
    let text = "plugins: { k: { crate: here } }
workloads:
  - { workload: k/work, matrix: { n: [0, 1, x] } }
  - { workload: k/wrok }
  - { id: l, workload: k/work, params: { n: 1, list: [1, y], m: 2 } }
  - { id: l, workload: k/work, params: { n: 1 } }
";
    assert_eq!(
        shown(text, &plan(text).unwrap_err()),
        [
            "3:39 workload `k/work`: `n` is 0, but must be at least 1",
            "3:45 workload `k/work`: `n` is \"x\", but must be a whole number",
            "4:17 plugin `k` has no workload `wrok`",
            "5:58 workload `k/work`: `list` is \"y\", but must be a whole number",
            "5:62 workload `k/work`: unknown parameter `m`",
            "6:5 two jobs have the id `l`",
        ]
    );
}

#[test]
fn misspelled_choice_is_refused_with_the_known_ones() {
    for (field, message, hint) in [
        (
            "builtin: comand",
            "`builtin` is \"comand\", but must be \"command\"",
            "did you mean `command`?",
        ),
        (
            "crate: here, sandbox: offf",
            "`sandbox` is \"offf\", but must be one of \"on\", \"off\"",
            "did you mean `off`?",
        ),
    ] {
        let text = format!("plugins: {{ k: {{ {field} }} }}\nworkloads: [{{ workload: k/w }}]\n");
        let problems = parse(&text).unwrap_err();
        assert_eq!(problems[0].message, message);
        assert_eq!(problems[0].hint.as_deref(), Some(hint));
    }
}
