//! `orch check` in the whole program: its choice of the baseline, and all kinds of results with
//! their exit codes and texts.

use crate::history::{History, TIME_ACCEPTED};
use crate::support::Ran;
use serde_json::Value;

/// Returns the gate's lines from its verdict on, without the hashes in the command and without the
/// folder's name.
fn gate(history: &History, ran: &Ran) -> String {
    let shown = history.shown(ran);
    let (_, rest) = shown
        .split_once("\ncheck ")
        .unwrap_or_else(|| panic!("no gate: {shown}"));
    let lines = rest
        .lines()
        .take_while(|line| !line.starts_with("check: ") && !line.starts_with("baseline: "));
    format!(
        "exit {}\ncheck {}",
        ran.code,
        lines.collect::<Vec<_>>().join("\n")
    )
}

/// Returns a gate's text without the findings about times, which may have several lines.
fn remove_times(text: &str) -> String {
    let mut is_time = false;
    let lines = text.lines().filter(|line| {
        let continues = line.starts_with("    ");
        is_time = line.starts_with("  work, time: ") || (is_time && continues);
        !is_time
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check(history: &History, more: &[&str]) -> Ran {
    history
        .project
        .orch(&[&["check", "scenarios/s.yaml", "--seed", "1"], more].concat())
}

#[test]
fn baseline_follows_from_the_branch_or_is_named() {
    let history = History::with(TIME_ACCEPTED, &["", "-DALLOCATIONS=2", "-DALLOCATIONS=3"]);
    let baseline = |more: &[&str]| {
        let ran = check(&history, more);
        let shown = history.shown(&ran);
        let line = shown
            .lines()
            .find(|line| line.starts_with("baseline: "))
            .unwrap_or_else(|| panic!("{shown}"));
        (ran.code, line.to_owned())
    };
    let on_main = "baseline: <c1> (c1), the commit before HEAD, which is on main";
    assert_eq!(baseline(&[]), (1, on_main.to_owned()));
    assert_eq!(baseline(&["--baseline", "c0"]).1, "baseline: <c0> (c0)");
    history.project.write("plugin/flags", "-DALLOCATIONS=4\n");
    let changed = "baseline: <c2> (c2), HEAD, which is on main; the working tree has changes";
    assert_eq!(
        baseline(&[]),
        (1, changed.to_owned()),
        "the change is compared, not the commit"
    );
    history.git(&["checkout", "-q", "--", "plugin/flags"]);
    history.git(&["checkout", "-q", "-b", "topic", "c1"]);
    history.commit("t1", "-DALLOCATIONS=1");
    history.commit("t2", "-DALLOCATIONS=1 -DOTHER");
    assert_eq!(
        baseline(&[]),
        (
            0,
            "baseline: <c1> (c1), the commit at which this branch left main".to_owned()
        )
    );
    assert!(history.git(&["status", "--porcelain"]).is_empty());
}

#[test]
fn check_of_a_regression_fails_with_the_next_command() {
    let history = History::with("", &["", "-DALLOCATIONS=2"]);
    let ran = check(&history, &[]);
    let said = gate(&history, &ran);
    assert!(said.starts_with("exit 1\ncheck failed\n"), "{said}");
    // The second allocation moves the hot loop, so it depends on the machine whether the time gets
    // better or worse.
    let allocations = said
        .lines()
        .find(|line| line.starts_with("  work, allocations: "))
        .unwrap_or_else(|| panic!("{said}"));
    // If the time got better, the trade-off follows.
    assert!(allocations.contains(": +100 %, 1 -> 2"), "{said}");
    // The machine also decides which finding is the largest.
    let next = "  orch bisect scenarios/s.yaml --workload work --good <c0> --bad <c1>";
    assert!(said.contains(next), "{said}");
    let stored = history.project.results().pop().unwrap();
    let comparison: Value =
        serde_json::from_slice(&std::fs::read(stored.join("comparison.json")).unwrap()).unwrap();
    assert_eq!(comparison["gate"]["outcome"], "failed");
    let places = comparison["workloads"][0]["scopes"].as_array().unwrap();
    let steps = places
        .iter()
        .find(|place| place["path"] == serde_json::json!(["steps"]))
        .unwrap();
    assert_eq!(
        (&steps["a_self_allocations"], &steps["b_self_allocations"]),
        (&1.0.into(), &2.0.into())
    );
    let text = std::fs::read_to_string(stored.join("gate.txt")).unwrap();
    assert!(text.starts_with("check failed"), "{text}");
    // The stored check contains everything that was printed.
    let again = history.project.orch(&["report", stored.to_str().unwrap()]);
    let printed = ran.stdout.split("check: ").next().unwrap();
    assert_eq!(again.stdout, printed, "{}", again.stderr);
    let gate = ["report", stored.to_str().unwrap(), "--template", "gate.txt"];
    assert_eq!(history.project.orch(&gate).stdout, text);
    // The printed command finds the commit.
    let command = ran
        .stdout
        .lines()
        .find(|line| line.contains("orch bisect"))
        .unwrap();
    let (command, _) = command.split_once(" --metric").unwrap_or((command, ""));
    let words: Vec<&str> = command
        .split_whitespace()
        .skip(1)
        .chain(["--metric", "allocations"])
        .collect();
    assert_eq!(history.project.orch(&words).code, 1);
}

#[test]
fn acceptance_of_other_output_ends_on_its_day() {
    let history = History::with("", &["", "-DOUTPUT=8"]);
    insta::assert_snapshot!(gate(&history, &check(&history, &[])).lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    exit 1
    check failed
      work, digest: output differs: 7 -> 8
    ");
    let accept = |until: &str| {
        format!(
            "{TIME_ACCEPTED}  - \
             {{ job: work, metric: digest, reason: a better rounding, until: {until} }}\n"
        )
    };
    let history = History::with(&accept("2999-12-31"), &["", "-DOUTPUT=8"]);
    insta::assert_snapshot!(remove_times(&gate(&history, &check(&history, &[]))), @r"
    exit 0
    check passed
      work, digest: accepted: 7 -> 8; accepted until 2999-12-31: a better rounding
    ");
    let history = History::with(&accept("2000-01-01"), &["", "-DOUTPUT=8"]);
    let said = remove_times(&gate(&history, &check(&history, &[])));
    assert!(
        said.starts_with("exit 1\ncheck failed\n  work, digest: no longer accepted: "),
        "{said}"
    );
}

#[test]
fn accepted_level_is_a_commit_that_the_project_keeps() {
    let history = History::with("", &["", "-DALLOCATIONS=2", "-DALLOCATIONS=2 "]);
    let against = || check(&history, &["--baseline", "accepted"]);
    let ran = against();
    assert_eq!(ran.code, 200);
    assert!(
        ran.stderr.contains("does not exist") && ran.stderr.contains("`commit: v1.2`"),
        "{}",
        ran.stderr
    );
    // No single step is a change, but there is a change against the accepted level.
    assert_eq!(check(&history, &[]).code, 0);
    history.project.write(
        "results/accepted.yaml",
        "commit: c0\nreason: the last release\n",
    );
    let ran = against();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let shown = history.shown(&ran);
    assert!(
        shown.contains("baseline: <c0> (c0), accepted: the last release"),
        "{shown}"
    );
    history
        .project
        .write("results/accepted.yaml", "commit: nowhere\nreason: x\n");
    assert!(
        against()
            .stderr
            .contains("'nowhere' does not name a revision of ")
    );
    history
        .project
        .write("results/accepted.yaml", "comit: c0\nreason: x\n");
    let ran = against();
    assert_eq!(ran.code, 200);
    assert!(
        ran.stderr.contains("accepted.yaml:1:1") && ran.stderr.contains("`commit`"),
        "{}",
        ran.stderr
    );
    let level = history.project.path().join("results/accepted.yaml");
    std::fs::remove_file(&level).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &level).unwrap();
    let ran = against();
    assert_eq!(ran.code, 200);
    let words = "accepted.yaml: is a device, not a regular file";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn limits_and_targets_are_judged_on_what_was_measured() {
    let rules = "targets:\n  - { job: work, metric: allocations, is: '<= 2' }\n  - \
        { job: work, metric: time, is: '<= 1h' }\n  - { job: work, metric: bytes, is: hold }\n";
    let history = History::with(rules, &["", " "]);
    let ran = check(&history, &[]);
    let said = gate(&history, &ran);
    assert_eq!(ran.code, 0, "{said}");
    assert!(
        said.contains("  work, allocations: target <= 2 met: 1\n"),
        "{said}"
    );
    assert!(
        said.contains("  work, time: target <= 1h met: "),
        "same code, and measured all the same: {said}"
    );
    assert!(
        said.contains("  work, bytes: target hold met: same code"),
        "{said}"
    );
    let history = History::with(
        "targets: [{ job: work, metric: allocations, is: '<= 0' }]\n",
        &["", " "],
    );
    insta::assert_snapshot!(gate(&history, &check(&history, &[])), @r"
    exit 1
    check failed
      work, allocations: target <= 0 missed: 1
    ");
    let history = History::new();
    let text = std::fs::read_to_string(history.project.path().join("scenarios/s.yaml")).unwrap();
    history.project.write(
        "scenarios/s.yaml",
        text.replace("tolerance: 20%", "tolerance: 20%, max_allocations: 0"),
    );
    history.commit("c0", "");
    history.commit("c1", " ");
    insta::assert_snapshot!(gate(&history, &check(&history, &[])), @r"
    exit 1
    check failed
      work, allocations: too many allocations: 1 per iteration, at most 0 allowed
    ");
}

#[test]
fn check_without_a_measurement_never_passes() {
    let history = History::with("", &["", "-DRENAMED"]);
    let ran = check(&history, &[]);
    let said = gate(&history, &ran);
    assert_eq!(ran.code, 201, "{said}");
    assert!(
        said.contains("check incomplete: not everything was measured\n  work, time: missing: "),
        "{said}"
    );
    assert_eq!(
        check(&history, &["--for-git-bisect", "--baseline", "c0"]).code,
        125
    );
    let history = History::with("", &["", "-DSTEPS=("]);
    let ran = check(&history, &[]);
    assert_eq!(ran.code, 201, "{}{}", ran.stdout, ran.stderr);
    let history = History::with("", &["", "-DALLOCATIONS=(abort(),1)"]);
    assert_eq!(check(&history, &[]).code, 201);
}

#[test]
fn open_verdicts_pass_with_a_warning_or_fail_by_the_scenario() {
    // There is no time for a verdict: a quarter of a millisecond is one pair.
    let changed = ["", "-DSTEPS=2001"];
    let history = History::with("", &changed);
    let ran = check(&history, &["--budget", "1ms"]);
    let said = gate(&history, &ran);
    assert!(
        said.starts_with(
            "exit 0\ncheck passed\n  work, time: inconclusive: undecided after 1 pair,"
        ),
        "{said}"
    );
    assert_eq!(
        check(
            &history,
            &["--budget", "1ms", "--for-git-bisect", "--baseline", "c0"]
        )
        .code,
        125
    );
    let history = History::with("gate: { inconclusive: fail }\nbudget: 1ms\n", &changed);
    let ran = check(&history, &[]);
    let said = gate(&history, &ran);
    assert!(
        said.starts_with("exit 125\ncheck open: the scenario does not let open verdicts pass\n"),
        "{said}"
    );
}

#[test]
fn baseline_of_changes_that_reach_no_plugin_is_the_commit_before_head() {
    let changes: [&[&str]; 8] = [
        &["echo changed > notes.md"],
        &["echo changed > new.md"],
        &["echo changed > new.md", "git add new.md"],
        &["rm notes.md"],
        &["chmod +x notes.md"],
        &["echo '-DALLOCATIONS=2 -DC_c1 -DNOTHING' > plugin/flags"],
        &["git sparse-checkout set plugin scenarios"],
        &[
            "git sparse-checkout set plugin scenarios",
            "echo changed > new.md",
        ],
    ];
    let history = History::new();
    history.project.write("notes.md", "as it was\n");
    history.project.write("docs/page.md", "as it was\n");
    history.commit("c0", "");
    history.commit("c1", "-DALLOCATIONS=2");
    let root = history.project.path();
    let shell = |line: &str| {
        let done = std::process::Command::new("sh")
            .args(["-ec", line])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    for lines in changes {
        lines.iter().for_each(|line| shell(line));
        let clean = history.git(&["status", "--porcelain"]).is_empty();
        let ran = check(&history, &["--budget", "100ms"]);
        assert_eq!(ran.code, 1, "{lines:?}: {}{}", ran.stdout, ran.stderr);
        let shown = history.shown(&ran);
        let reason = if clean {
            ""
        } else {
            "; the uncommitted changes reach no plugin"
        };
        let line =
            format!("baseline: <c0> (c0), the commit before HEAD, which is on main{reason}\n");
        assert!(shown.contains(&line), "{lines:?}: {shown}");
        shell("git sparse-checkout disable && git reset -q --hard && git clean -qfd");
    }
}

#[test]
fn baseline_out_of_reach_is_refused_whatever_the_changes_are() {
    let history = History::of(&["", "-DALLOCATIONS=2"]);
    let root = history.project.path();
    let clone = root.join("cache/clone");
    history.git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        &format!("file://{}", root.display()),
        &clone.display().to_string(),
    ]);
    let refused = |case: &str| {
        let mut command = history.project.command();
        let output = command
            .args(["check", "scenarios/s.yaml"])
            .current_dir(&clone)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(200), "{case}: {said}");
        assert!(said.contains("git fetch --unshallow"), "{case}: {said}");
    };
    refused("no change");
    std::fs::write(clone.join("new"), "").unwrap();
    refused("an untracked file");
    std::fs::write(clone.join(".gitignore"), "cache/\n").unwrap();
    refused("a tracked file");
}

#[test]
fn plugin_that_no_commit_changes_is_not_compared_with_itself() {
    let history = History::with("", &["", "-DALLOCATIONS=2"]);
    let library = history
        .project
        .c_plugin("prebuilt", include_str!("../fixtures/sides.c"));
    let scenario = format!(
        "defaults: {{ tolerance: 20%, time: 20ms }}\nplugins: \
         {{ sides: {{ path: {} }} }}\nworkloads: [{{ workload: sides/work }}]\n",
        library.display()
    );
    history.project.write("scenarios/s.yaml", scenario);
    let ran = check(&history, &["--baseline", "c0"]);
    let said = gate(&history, &ran);
    assert_eq!(ran.code, 201, "{said}{}", ran.stderr);
    assert!(said.contains("it is the same at every commit"), "{said}");
}

#[test]
fn rerun_measures_only_what_failed() {
    let history = History::with("  ", &["", "-DALLOCATIONS=2"]);
    assert_eq!(check(&history, &[]).code, 1);
    let id = history
        .project
        .results()
        .pop()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let again = gate(&history, &check(&history, &["--only", &id]));
    assert!(
        again.contains("since the earlier check:\n  work: not fixed"),
        "{again}"
    );
    // The baseline stays the same, regardless of HEAD and the working tree.
    history.project.write("notes.md", "changed\n");
    let again = gate(&history, &check(&history, &["--only", &id]));
    assert!(
        again.starts_with("exit 1") && again.contains("  work: not fixed"),
        "{again}"
    );
    let ran = check(&history, &["--only", &id, "--baseline", "HEAD"]);
    assert!(
        ran.code == 200 && ran.stderr.contains("could appear to be fixed"),
        "{}",
        ran.stderr
    );
    let scenario = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&scenario).unwrap();
    history.project.write(
        "scenarios/s.yaml",
        text.replace(
            "{ workload: sides/work }",
            "{ id: other, workload: sides/work }",
        ),
    );
    let ran = check(&history, &["--only", &id]);
    assert!(
        ran.code == 200 && ran.stderr.contains("none of the jobs that failed"),
        "{}",
        ran.stderr
    );
    history.project.write("scenarios/s.yaml", text);
    history.project.write("plugin/flags", "-DALLOCATIONS=1\n");
    let fixed = gate(&history, &check(&history, &["--only", &id]));
    assert!(
        fixed.starts_with("exit 0") && fixed.contains("  work: fixed"),
        "{fixed}"
    );
    let fixed = gate(
        &history,
        &check(&history, &["--only", &id, "--baseline", "c0"]),
    );
    assert!(
        fixed.starts_with("exit 0") && fixed.contains("  work: fixed"),
        "{fixed}"
    );
    history
        .project
        .write("results/accepted.yaml", "commit: c0\nreason: the first\n");
    let named = gate(
        &history,
        &check(&history, &["--only", &id, "--baseline", "accepted"]),
    );
    assert!(
        named.starts_with("exit 0") && named.contains("  work: fixed"),
        "the same commit by another name: {named}"
    );
    let ran = check(&history, &["--only", "nothing"]);
    assert_eq!(ran.code, 200);
    assert!(
        ran.stderr
            .contains("--only nothing: there is no such comparison"),
        "{}",
        ran.stderr
    );
}

#[test]
fn wrong_rules_are_reported_before_building() {
    let said = |rules: &str| {
        let history = History::with(rules, &["", ""]);
        let ran = check(&history, &[]);
        assert_eq!(
            (ran.code, history.built()),
            (200, Vec::new()),
            "{}",
            ran.stderr
        );
        ran.stderr
    };
    let unknown_job = said("targets: [{ job: wrok, metric: time, is: '<= 1ms' }]\n");
    assert!(
        unknown_job.contains("`targets` names the job 'wrok', which does not exist"),
        "{unknown_job}"
    );
    let no_target = said("targets: [{ job: work, metric: time, is: fast }]\n");
    assert!(
        no_target.contains("`fast` is not a target; write `>= 40`"),
        "{no_target}"
    );
    let no_day = said("accept: [{ job: work, reason: x, until: 2026-13-01 }]\n");
    assert!(
        no_day.contains("`2026-13-01` is not a day of the calendar"),
        "{no_day}"
    );
    let no_reason = said("accept: [{ job: work, until: 2026-12-01 }]\n");
    assert!(no_reason.contains("reason"), "{no_reason}");
}

#[test]
fn rule_for_an_unknown_metric_is_refused() {
    let refused = |rules: &str| {
        let history = History::with(rules, &["-DMETRIC", "-DMETRIC "]);
        let ran = check(&history, &[]);
        assert_eq!(
            (ran.code, history.project.results().len()),
            (200, 0),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
        ran.stderr
    };
    let accepted = refused("accept: [{ job: 'w*', metric: tiem, reason: x, until: 2999-12-31 }]\n");
    let said = "`accept` names the metric 'tiem', which 'w*' does not have\nhint: its metrics are \
        time, allocations, bytes, peak_bytes, digest, steps\n";
    assert!(accepted.contains(said), "{accepted}");
    let target = refused("targets: [{ job: work, metric: tokens, is: '>= 3' }]\n");
    assert!(
        target.contains("`targets` names the metric 'tokens', which 'work' does not have"),
        "{target}"
    );
}

#[test]
fn git_bisect_run_ends_at_the_planted_commit() {
    let history = History::of(&[
        "",
        " ",
        "-DSTEPS=(",
        "-DALLOCATIONS=2",
        "-DALLOCATIONS=2 ",
        "-DSTEPS=(",
    ]);
    history.commit("c6", "-DALLOCATIONS=2  ");
    let without = check(&history, &["--for-git-bisect"]);
    assert_eq!(without.code, 200, "{}", without.stderr);
    assert!(
        without
            .stderr
            .contains("no `git bisect` with a good commit is running"),
        "{}",
        without.stderr
    );
    history.git(&["bisect", "start", "c6", "c0"]);
    let orch = assert_cmd::cargo::cargo_bin("orch").display().to_string();
    let root = history.project.path();
    let out = std::process::Command::new("git")
        .args([
            "bisect",
            "run",
            &orch,
            "check",
            "scenarios/s.yaml",
            "--for-git-bisect",
        ])
        .current_dir(&root)
        .env("XDG_CACHE_HOME", root.join("cache"))
        .env("ORCH_LOCK_FILE", root.join("lock"))
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let named = history.git(&["bisect", "log"]);
    // c2 does not build, so it cannot be distinguished from c3, and git names both.
    assert!(
        named.contains("only skipped commits left to test")
            || said.contains("is the first bad commit"),
        "{said}"
    );
    let culprit = history.git(&["rev-parse", "c3"]);
    assert!(
        named.contains(&format!("# possible first bad commit: [{culprit}]"))
            || said.contains(&format!("{culprit} is the first")),
        "{named}{said}"
    );
    for neighbour in ["c1", "c4", "c6"] {
        let commit = history.git(&["rev-parse", neighbour]);
        assert!(
            !said.contains(&format!("{commit} is the first bad commit")),
            "{said}"
        );
    }
}
