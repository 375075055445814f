//! Acceptances of `orch check` in the whole program: their bounds, and acceptances that make no
//! sense.

use crate::history::History;
use crate::support::Ran;

/// Runs a check with no time for verdicts on times. These rules concern counts, so the times do not
/// matter.
fn check(history: &History, more: &[&str]) -> Ran {
    history.project.orch(
        &[
            &[
                "check",
                "scenarios/s.yaml",
                "--seed",
                "1",
                "--budget",
                "1ms",
            ],
            more,
        ]
        .concat(),
    )
}

/// Returns the line of the gate about the allocations.
fn allocations(ran: &Ran) -> &str {
    let (_, gate) = ran
        .stdout
        .split_once("\ncheck ")
        .unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr));
    let mut lines = gate.lines().map(str::trim);
    lines
        .find(|line| line.starts_with("work, allocations: "))
        .unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr))
}

#[test]
fn bounds_hold_from_nothing_and_above_a_doubling() {
    let said = |bound: &str, macros: [&str; 2]| {
        let rule = |fields: &str| format!("  - {{ job: work, {fields}, until: 2999-12-31 }}\n");
        let others = ["time", "bytes", "peak_bytes"]
            .map(|metric| rule(&format!("metric: {metric}, reason: not asked")));
        let bounded = rule(&format!("metric: allocations, {bound}, reason: known"));
        let history = History::with(&format!("accept:\n{bounded}{}", others.concat()), &macros);
        let ran = check(&history, &[]);
        (ran.code, allocations(&ran).to_owned())
    };
    let (none, one, four) = ("-DALLOCATIONS=0", "-DALLOCATIONS=1", "-DALLOCATIONS=4");
    let (code, line) = said("to: 1", [none, one]);
    assert_eq!(
        (code, &line[..]),
        (
            0,
            "work, allocations: accepted: 0 -> 1; accepted until 2999-12-31: known"
        )
    );
    let (code, line) = said("to: 3", [none, four]);
    assert!(
        code == 1 && line.contains("0 -> 4; more than the acceptance `to: 3` covers"),
        "{code} {line}"
    );
    let (code, line) = said("up_to: 4x", [one, four]);
    assert!(
        code == 0 && line.starts_with("work, allocations: accepted: 1 -> 4"),
        "{code} {line}"
    );
    let (code, line) = said("up_to: 3x", [one, four]);
    assert!(
        code == 1 && line.contains("1 -> 4; more than the acceptance `up_to: 3x`"),
        "{code} {line}"
    );
}

#[test]
fn bound_with_a_wrong_value_is_refused_with_its_place() {
    let history = History::of(&["", ""]);
    let path = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let rule =
        |fields: &str| format!("  - {{ job: work, {fields}, reason: x, until: 2999-12-31 }}\n");
    let wrong = [
        (
            "metric: time, up_to: 0.5x",
            "up_to: `0.5x` accepts no change: a factor must be more than 1x",
        ),
        (
            "metric: time, up_to: 150%",
            "up_to: `150%` is more than 100%; write it as a factor: 2.5x",
        ),
        (
            "metric: allocations, up_to: 3x, to: 1",
            "`up_to` and `to` both limit the accepted change",
        ),
        (
            "metric: digest, to: 8",
            "`to` limits a value, but an output (metric `digest`)",
        ),
        (
            "metric: digest, up_to: 3x",
            "`up_to` limits a value, but an output (metric `digest`)",
        ),
        (
            "metric: allocations, to: 1ms",
            "to: `1ms` is not a number; write allocations as a number, such as 40",
        ),
        ("metric: allocations, to: [1]", "`to` is a list"),
    ];
    let rules: String = wrong.iter().map(|(fields, _)| rule(fields)).collect();
    std::fs::write(&path, format!("{text}accept:\n{rules}")).unwrap();
    let ran = check(&history, &[]);
    assert_eq!(
        (ran.code, history.built()),
        (200, Vec::new()),
        "{}",
        ran.stderr
    );
    for (fields, said) in wrong {
        assert!(ran.stderr.contains(said), "{fields}: {}", ran.stderr);
    }
    assert!(
        ran.stderr
            .contains(&format!("{} problems in ", wrong.len())),
        "{}",
        ran.stderr
    );
}

/// Returns the exit code and the gate's text.
fn gate(history: &History, more: &[&str]) -> (i32, String) {
    let ran = check(history, more);
    let (_, gate) = ran
        .stdout
        .split_once("\ncheck ")
        .unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr));
    let lines: Vec<&str> = gate.lines().map(str::trim).collect();
    (ran.code, lines.join(" "))
}

fn edit(history: &History, from: &str, to: &str) {
    let path = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn new_job_passes_where_it_is_accepted_and_measured() {
    let history = History::of(&[""]);
    edit(
        &history,
        "{ workload: sides/work }",
        "{ workload: sides/work }, { workload: sides/second }",
    );
    history.commit("c1", "-DSECOND");
    let (code, said) = gate(&history, &[]);
    assert_eq!(code, 201, "{said}");
    assert!(
        said.contains(
            "second, time: missing: the baseline does not have this job (A does not have this job: "
        ),
        "{said}"
    );
    assert!(
        said.contains(
            "to let it pass, add `accept: [{ job: 'second', new: true, reason: ..., until: ... }]`"
        ),
        "{said}"
    );
    let rule = "accept: [{ job: second, new: true, reason: a new format, until: 2999-12-31 }]\n";
    edit(&history, "plugins:", &format!("{rule}plugins:"));
    history.commit("c2", "-DSECOND");
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("second, time: accepted: the baseline does not have this job"),
        "{said}"
    );
    // B's counts are judged although A has none to compare.
    edit(
        &history,
        "{ workload: sides/second }",
        "{ workload: sides/second, max_allocations: 0 }",
    );
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert!(
        code == 1 && said.contains("second, allocations: too many allocations: 1 per iteration"),
        "{code} {said}"
    );
    edit(&history, ", max_allocations: 0 }", " }");
    // Once the baseline has the job, the acceptance has no use.
    let (code, said) = gate(&history, &["--baseline", "c1"]);
    assert!(
        code == 0
            && said.contains(
                "second, not needed: accepted (a new format), but the baseline contains the job"
            ),
        "{said}"
    );
    edit(&history, "2999-12-31", "2000-01-01");
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert!(
        code == 1 && said.contains("second, time: no longer accepted: "),
        "{code} {said}"
    );
    // A new job that fails is not accepted, because it was not measured.
    edit(&history, "2000-01-01", "2999-12-31");
    history.commit("c3", "-DSECOND -DALLOCATIONS=(abort(),1)");
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert!(
        code == 201 && said.contains("second, time: missing: "),
        "{code} {said}"
    );
}

#[test]
fn baseline_that_equals_the_tree_is_reported() {
    let history = History::of(&["", "-DALLOCATIONS=2"]);
    let note = "the working tree has no changes against it";
    for (baseline, is_noted) in [("HEAD", true), ("c0", false)] {
        let ran = check(&history, &["--baseline", baseline]);
        assert_eq!(ran.stderr.contains(note), is_noted, "{}", ran.stderr);
        assert_eq!(ran.code, i32::from(!is_noted), "{}", ran.stdout);
    }
}

#[test]
fn dropped_job_of_a_renamed_scenario_fails() {
    for is_staged in [false, true] {
        let history = History::new();
        edit(
            &history,
            "{ workload: sides/work }",
            "{ workload: sides/work }, { id: other, workload: sides/work }",
        );
        history.commit("c0", "");
        edit(&history, ", { id: other, workload: sides/work }", "");
        let scenarios = history.project.path().join("scenarios");
        std::fs::rename(scenarios.join("s.yaml"), scenarios.join("renamed.yaml")).unwrap();
        if is_staged {
            history.git(&["add", "."]);
        }
        let ran = history.project.orch(&[
            "check",
            "scenarios/renamed.yaml",
            "--baseline",
            "c0",
            "--budget",
            "1ms",
        ]);
        assert_eq!(ran.code, 201, "{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stdout.contains("other, dropped"),
            "{is_staged}: {}",
            ran.stdout
        );
    }
}

#[test]
fn dropped_job_fails_unless_it_is_accepted() {
    let history = History::new();
    edit(
        &history,
        "{ workload: sides/work }",
        "{ workload: sides/work }, { id: other, workload: sides/work }",
    );
    history.commit("c0", "");
    edit(&history, ", { id: other, workload: sides/work }", "");
    history.commit("c1", " ");
    let (code, said) = gate(&history, &[]);
    assert_eq!(code, 201, "{said}");
    assert!(
        said.contains(
            "other, dropped: the baseline measures this job, but the scenario no longer contains it"
        ),
        "{said}"
    );
    let id = history.project.results().pop().unwrap();
    // A check of one job does not judge the other jobs.
    assert_eq!(gate(&history, &["--filter", "work"]).0, 0);
    let ran = check(&history, &["--only", id.to_str().unwrap()]);
    assert!(
        ran.code == 200 && ran.stderr.contains("none of the jobs that failed"),
        "{}",
        ran.stderr
    );
    let rule =
        "accept: [{ job: 'oth*', dropped: true, reason: no caller is left, until: 2999-12-31 }]\n";
    edit(&history, "plugins:", &format!("{rule}plugins:"));
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert!(
        code == 0 && said.contains("other, accepted: the baseline measures this job"),
        "{code} {said}"
    );
    history.commit("c2", "");
    let (code, said) = gate(&history, &[]);
    assert!(
        code == 0
            && said.contains(
                "oth*, not needed: accepted (no caller is left), but no such job was dropped"
            ),
        "{said}"
    );
    // A scenario that names another job instead drops this one too.
    edit(
        &history,
        "{ workload: sides/work }",
        "{ id: renamed, workload: sides/work }",
    );
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert!(
        code == 201 && said.contains("work, dropped: "),
        "{code} {said}"
    );
}

#[test]
fn job_that_measures_something_else_under_its_old_id_is_listed() {
    let history = History::of(&[""]);
    edit(
        &history,
        "{ workload: sides/work }",
        "{ workload: sides/work, params: { steps: 1 } }",
    );
    let (code, said) = gate(&history, &["--baseline", "c0"]);
    assert!(
        code == 0 && said.contains("work, loosened: parameter steps: none -> 1"),
        "{code} {said}"
    );
    history.commit("c1", "-DSECOND");
    edit(
        &history,
        "{ workload: sides/work, params: { steps: 1 } }",
        "{ id: work, workload: sides/second }",
    );
    let (_, said) = gate(&history, &["--baseline", "c1"]);
    assert!(
        said.contains("work, loosened: workload sides/work -> sides/second"),
        "{said}"
    );
}

#[test]
fn job_rules_that_name_a_metric_are_refused() {
    let rule =
        |fields: &str| format!("  - {{ job: work, {fields}, reason: x, until: 2999-12-31 }}\n");
    let wrong = [
        (
            "new: true, metric: time",
            "`metric` applies to a metric, but `new: true` to the whole job",
        ),
        (
            "dropped: true, up_to: 3x",
            "`up_to` applies to a metric, but `dropped: true` to the whole job",
        ),
        (
            "new: true, dropped: true",
            "`new` and `dropped` exclude each other",
        ),
    ];
    let rules: String = wrong.iter().map(|(fields, _)| rule(fields)).collect();
    let ran = check(&History::with(&format!("accept:\n{rules}"), &["", ""]), &[]);
    assert!(
        ran.code == 200 && ran.stderr.contains("3 problems in "),
        "{}",
        ran.stderr
    );
    wrong
        .iter()
        .for_each(|(fields, said)| assert!(ran.stderr.contains(said), "{fields}: {}", ran.stderr));
}
