//! `orch report`: every stored result can be rendered again, with any template.

use crate::support::{Project, fixture};
use serde_json::Value;
use std::path::Path;

/// Creates a project with stored results.
fn project_with_results() -> Project {
    let project = Project::new();
    for (stored, folder, file) in [
        ("record-full.json", "one", "record.json"),
        ("comparison-full.json", "two", "comparison.json"),
        ("bisect-full.json", "three", "bisect.json"),
    ] {
        let text = std::fs::read(fixture("reports").join(stored)).unwrap();
        project.write(&format!("results/{folder}/{file}"), text);
    }
    project
}

fn render(project: &Project, arguments: &[&str]) -> String {
    let ran = project.orch(&[&["report"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

#[test]
fn report_of_a_run_is_the_one_that_the_run_printed() {
    let project = Project::new();
    let sides = std::fs::read_to_string(fixture("sides.c")).unwrap();
    let library = project.c_plugin("sides", &sides);
    project.write(
        "s.yaml",
        format!(
            "defaults: {{ time: 2ms, rounds: 1 }}\nplugins: {{ sides: {{ path: {} }} }}\n\
             workloads: [{{ workload: sides/work }}]\n",
            library.display()
        ),
    );
    let ran = project.orch(&["run", "s.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let folder = project.results().pop().unwrap();
    let id = folder.file_name().unwrap().to_str().unwrap();
    let printed = ran.stdout.split("record: ").next().unwrap();
    for name in [
        id,
        folder.to_str().unwrap(),
        &format!("results/{id}/record.json"),
    ] {
        assert_eq!(render(&project, &[name]), printed, "{name}");
    }
    let profile = render(&project, &[id, "--template", "profile.md"]);
    assert!(profile.starts_with("# Profile of s"), "{profile}");
}

#[test]
fn every_kind_of_result_has_a_report_and_takes_a_template_of_the_users() {
    let project = project_with_results();
    project.write("mine/mark.txt", "!");
    for (result, heading, own) in [
        ("one", "jobs measured", "{{ record.scenario.name }}"),
        ("two", "regressed", "{{ comparison.verdict }}"),
        ("three", "bisect", "{{ report.outcome }}"),
    ] {
        let text = render(&project, &[result]);
        assert!(text.contains(heading), "{result}: {text}");
        let template = project.write(
            "mine/own.txt",
            format!("<{own}>{{% include 'mark.txt' %}}\n"),
        );
        let out = project.path().join(format!("{result}.txt"));
        let shown = out.to_str().unwrap();
        let printed = render(
            &project,
            &[
                result,
                "--template",
                template.to_str().unwrap(),
                "-o",
                shown,
            ],
        );
        assert_eq!(printed, "");
        let text = std::fs::read_to_string(&out).unwrap();
        assert!(text.starts_with('<') && text.ends_with(">!"), "{text}");
        assert!(text.len() > "<>!".len(), "{text}");
    }
}

#[test]
fn unusable_results_and_templates_are_refused_with_a_remedy() {
    let project = project_with_results();
    project.write("results/four/record.json", "{");
    project.write("wrong.txt", "{{ recrd.id }}");
    project.write("deep.txt", "{% include 'inner.txt' %}");
    project.write("inner.txt", "\n{{ record.scenario.nmae | line }}");
    let missing = Path::new("mine").join("own.txt");
    for (arguments, code, message) in [
        (
            vec!["five"],
            200,
            "'five' is neither a file nor a result in ",
        ),
        (vec!["five"], 200, "hint: the newest result there is two"),
        (
            vec!["four"],
            200,
            "is not a result that this version of orch reads: EOF",
        ),
        (
            vec!["one", "--template", missing.to_str().unwrap()],
            200,
            "--template mine/own.txt: there is no such file",
        ),
        (
            vec!["one", "--template", ".."],
            200,
            "--template .. names no file",
        ),
        (
            vec!["one", "--template", "profil.md"],
            200,
            "no template `profil.md`: neither in ",
        ),
        (
            vec!["one", "--template", "profil.md"],
            200,
            "did you mean `profile.md`?",
        ),
        (
            vec!["one", "--template", "wrong.txt"],
            200,
            "there is no `recrd`; did you mean `record`?",
        ),
        (
            vec!["one", "--template", "deep.txt"],
            200,
            "(in inner.txt:2): there is no `nmae`; did you mean `name`?",
        ),
        (
            vec!["one", "--template", "nightly.md"],
            200,
            "no template `nightly.md`",
        ),
        (vec!["one", "--template", "wrong.txt"], 200, "wrong.txt:1"),
        (
            vec!["one", "-o", "nowhere/out.txt"],
            202,
            "cannot write nowhere/out.txt: No such file or directory",
        ),
    ] {
        let ran = project.orch(&[&["report"], &arguments[..]].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(message),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn results_are_exported_for_other_programs() {
    let project = project_with_results();
    let export = |result: &str, format: &str| render(&project, &[result, "--format", format]);
    let table = export("one", "csv");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("job,outcome,metric,unit,value,low,high,exact")
    );
    assert!(table.contains("\nsum,measured,time,ns,545.4,539.946,556.308,false\n"));
    let rows = |text: &str| text.lines().count();
    assert_eq!(rows(&export("one", "jsonl")), rows(&table) - 1);
    let samples = export("one", "samples-csv");
    assert!(
        samples.starts_with("job,round,sample,iterations,ns\n"),
        "{samples}"
    );
    assert!(rows(&samples) > 10);
    let changes = export("two", "csv");
    assert!(
        changes.starts_with("job,metric,unit,verdict,a,b,change,low,high,"),
        "{changes}"
    );
    for (result, format) in [("one", "jsonl"), ("one", "samples-jsonl"), ("two", "jsonl")] {
        for line in export(result, format).lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert!(row["job"].is_string(), "{line}");
        }
    }
    let bencher: Value = serde_json::from_str(&export("one", "bencher")).unwrap();
    assert_eq!(bencher["sum"]["latency"]["value"], 545.4);
    assert_eq!(bencher["sum"]["latency"]["lower_value"], 539.946);
    let points: Value = serde_json::from_str(&export("one", "github-action-benchmark")).unwrap();
    assert_eq!(points[0]["name"], "sum");
    assert_eq!(points[0]["unit"], "ns");
    for line in export("one", "folded").lines() {
        let (stack, number) = line.rsplit_once(' ').unwrap();
        assert!(
            stack.contains(';') && number.parse::<u64>().is_ok(),
            "{line}"
        );
    }
    let ran = project.orch(&["report", "two", "--format", "folded"]);
    assert_eq!(ran.code, 200);
    let message = "a comparison cannot be exported as `folded`; use csv, jsonl, samples-csv, \
        samples-jsonl, junit, github-comment";
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
    let suite = export("two", "junit");
    assert!(suite.contains("<failure type=\"regressed\""), "{suite}");
    let comment = export("two", "github-comment");
    assert!(
        comment.starts_with("<!-- orch comparison: nightly -->\n"),
        "{comment}"
    );
    let own = project.write("templates/github-comment.md", "{{ comment.marker }} mine\n");
    assert_eq!(
        export("two", "github-comment"),
        "<!-- orch comparison: nightly --> mine\n",
        "{}",
        own.display()
    );
}

/// Returns the names of the files in the only folder of results.
fn stored_names(project: &Project) -> Vec<String> {
    let folder = project.results().pop().unwrap();
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn formats_of_a_scenario_are_stored_with_its_results() {
    let project = Project::new();
    let sides = std::fs::read_to_string(fixture("sides.c")).unwrap();
    let library = project.c_plugin("sides", &sides).display().to_string();
    let write = |reports: &str| {
        project.write(
            "s.yaml",
            format!(
                "defaults: {{ time: 2ms, rounds: 1 }}\n\
                 plugins: {{ sides: {{ path: {library} }} }}\n\
                 workloads: [{{ workload: sides/work }}]\nreports: [{reports}]\n"
            ),
        );
    };
    write("profile.md, junit, speedscope, prometheus, github-comment");
    let ran = project.orch(&["run", "s.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        stored_names(&project),
        [
            "junit.xml",
            "metrics.prom",
            "profile.md",
            "record.json",
            "speedscope.json",
            "summary.txt"
        ]
    );
    std::fs::remove_dir_all(project.path().join("results")).unwrap();
    let other = project.c_plugin("other", &sides).display().to_string();
    let compare = [
        "compare",
        &library,
        &other,
        "--scenario",
        "s.yaml",
        "--pairs",
        "5",
    ];
    let ran = project.orch(&compare);
    assert!(ran.code <= 1, "{}", ran.stderr);
    assert_eq!(
        stored_names(&project),
        [
            "comparison.json",
            "comparison.md",
            "comparison.txt",
            "github-comment.md",
            "junit.xml"
        ]
    );
    write("junti");
    for arguments in [&["run", "s.yaml"][..], &compare] {
        let ran = project.orch(arguments);
        assert_eq!(ran.code, 200, "{}", ran.stderr);
        let message = "no template and no format `junti`";
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("did you mean `junit`?"),
            "{}",
            ran.stderr
        );
    }
}
