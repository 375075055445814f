//! All kinds of results of a comparison, with their exit codes and texts. A result that was not
//! measured never passes.

use crate::history::{History, TIME_ACCEPTED};
use crate::support::waiting::wait_while_running;
use crate::support::{Project, Ran};
use serde_json::Value;
use std::path::Path;

/// A rule with which open verdicts fail a check.
const OPEN_FAILS: &str = "gate: { inconclusive: fail }\n";

fn check(history: &History, more: &[&str]) -> Ran {
    history
        .project
        .orch(&[&["check", "scenarios/s.yaml", "--seed", "1"], more].concat())
}

/// Returns the exit code and the gate's text without figures of time, which differ between
/// machines.
fn said(history: &History, ran: &Ran) -> String {
    let shown = history.shown(ran);
    let (_, rest) = shown
        .split_once("\ncheck ")
        .unwrap_or_else(|| panic!("no gate: {shown}"));
    let lines = rest
        .lines()
        .take_while(|line| !line.starts_with("check: ") && !line.starts_with("baseline: "));
    let text = format!(
        "exit {}\ncheck {}",
        ran.code,
        lines.collect::<Vec<_>>().join("\n")
    );
    // A sentence may be wrapped anywhere.
    text.replace("\n    ", " ").trim_end().to_owned()
}

fn filters() -> Vec<(&'static str, &'static str)> {
    vec![
        (r"[+-]?\d[\d.]* %", "N %"),
        (r"\d[\d.]* times as (long|fast)", "N %"),
        (r"\d[\d.]* (ns|µs|ms|s)\b", "T"),
        (r"after \d+ pairs?", "after N pairs"),
        (r"plugin\+0x[0-9a-f]+", "plugin+OFFSET"),
        (r"iteration \d+", "iteration I"),
        (r"\([^()]*:\d+, plugin", "(plugin"),
    ]
}

macro_rules! outcome {
    ($history:expr, $ran:expr, @$literal:literal) => {
        insta::with_settings!({ filters => filters() }, {
            insta::assert_snapshot!(said($history, $ran), @$literal);
        });
    };
}

#[test]
fn comparison_without_results_is_incomplete() {
    let crashes = History::with(
        "",
        &["-DALLOCATIONS=(abort(),1)", "-DALLOCATIONS=(abort(),2)"],
    );
    outcome!(&crashes, &check(&crashes, &[]), @r"
    exit 201
    check incomplete: not everything was measured
      work, time: missing: A failed in run: SIGABRT (abort), in scope steps, iteration I, called from function run (plugin+OFFSET); B failed in run: SIGABRT (abort), in scope steps, iteration I, called from function run (plugin+OFFSET)
    ");
    let unknown = History::with("", &["", " "]);
    let ran = check(&unknown, &["--filter", "nothing*"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (200, ""), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("no job of scenarios/s.yaml matches --filter 'nothing*'"),
        "{}",
        ran.stderr
    );
}

#[test]
fn half_failed_comparison_is_incomplete() {
    let history = History::with("", &[]);
    let path = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let source = std::fs::read_to_string(history.project.path().join("plugin/sides.c")).unwrap();
    history.project.write("other/sides.c", source);
    // The scenario has the same plugin again, in a folder of its own.
    let (before, rest) = text.split_once("plugins:\n").unwrap();
    let (plugin, rest) = rest.split_once("workloads:").unwrap();
    let other = plugin
        .replace("  sides:", "  other:")
        .replace("dir: plugin", "dir: other");
    let rest = rest.replace("}]", "}, { id: half, workload: other/work }]");
    std::fs::write(
        path,
        format!("{before}plugins:\n{plugin}{other}workloads:{rest}"),
    )
    .unwrap();
    history.project.write("other/flags", "-DONE\n");
    history.commit("c0", "");
    history
        .project
        .write("other/flags", "-DALLOCATIONS=(abort(),1)\n");
    history.commit("c1", " ");
    let ran = check(&history, &[]);
    outcome!(&history, &ran, @r"
    exit 201
    check incomplete: not everything was measured
      half, time: missing: B failed in run: SIGABRT (abort), in scope steps, iteration I, called from function run (plugin+OFFSET)
    ");
    assert!(
        ran.stdout.contains("2 workloads: 1 missing, 1 equivalent"),
        "{}",
        ran.stdout
    );
    let same = |line: &str| line.starts_with("work ") && line.contains("same code");
    assert!(
        ran.stdout.lines().any(same),
        "why there are no times: {}",
        ran.stdout
    );
}

#[test]
fn different_output_is_reported() {
    let history = History::with("", &["-DSTEPS=8000", "-DOUTPUT=8"]);
    outcome!(&history, &check(&history, &[]), @r"
    exit 1
    check failed
      work, digest: output differs: 7 -> 8

    next:
      orch bisect scenarios/s.yaml --workload work --good <c0> --bad <c1> --metric digest
    ");
}

#[test]
fn allocations_of_other_threads_are_a_range() {
    let history = History::with(TIME_ACCEPTED, &["-DPOOL", "-DPOOL -DALLOCATIONS=2"]);
    let ran = check(&history, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let comparison: Value = serde_json::from_str(&ran.stdout).unwrap();
    let entry = |metric: &str| {
        comparison["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["metric"] == metric)
            .unwrap()
            .clone()
    };
    let allocations = entry("allocations");
    assert_eq!(
        allocations["verdict"], "inconclusive",
        "one allocation more is lost in the ranges: {allocations}"
    );
    insta::with_settings!({ filters => vec![(r"\d[\d.]*( to \d[\d.]*)?", "N")] }, {
        insta::assert_snapshot!(allocations["reason"].as_str().unwrap(), @r"not exact: N in A's processes, N in B's; other threads allocate too");
    });
}

#[test]
fn allocation_ranges_that_lie_apart_are_open() {
    let macros = [
        "-DPOOL -DELSEWHERE=(1+getpid()%3)",
        "-DPOOL -DELSEWHERE=(9+getpid()%3)",
    ];
    let history = History::with(TIME_ACCEPTED, &macros);
    let ran = check(&history, &[]);
    let open = said(&history, &ran);
    assert!(open.starts_with("exit 0\ncheck passed\n"), "{open}");
    assert!(
        open.contains("  work, allocations: inconclusive: not exact: "),
        "{open}"
    );
    assert!(
        ran.stdout.contains("\n  allocations: inconclusive: "),
        "{}",
        ran.stdout
    );
    assert_eq!(
        check(&history, &["--for-git-bisect", "--baseline", "c0"]).code,
        125
    );
    let history = History::with(&format!("{OPEN_FAILS}{TIME_ACCEPTED}"), &macros);
    assert_eq!(check(&history, &[]).code, 125);
}

#[test]
fn counter_differs_within_its_side() {
    let shaky = "-DMETRIC -DCOUNTER=getpid()";
    let history = History::with(
        &format!("{OPEN_FAILS}{TIME_ACCEPTED}"),
        &[shaky, &format!("{shaky} -DSTEPS=2001")],
    );
    let open = said(&history, &check(&history, &[]));
    assert!(
        open.starts_with("exit 125\n")
            && open.contains("work, steps: inconclusive: A differs between its own processes: "),
        "{open}"
    );
    assert!(
        open.contains("; B differs between its own processes: ") && !open.contains("regressed"),
        "{open}"
    );
}

#[test]
fn output_differs_within_its_side() {
    let history = History::with(
        "",
        &["-DOUTPUT=getpid()", "-DOUTPUT=getpid() -DALLOCATIONS=1+1"],
    );
    let said = said(&history, &check(&history, &[]));
    assert!(
        said.contains("\n  work, digest: inconclusive: A differs between its own processes: "),
        "{said}"
    );
    // The steady metrics are judged, regardless of the time.
    let judged = said
        .lines()
        .any(|line| line.starts_with("  work, allocations: ") && line.contains("+100 %, 1 -> 2"));
    assert!(judged && said.starts_with("exit 1\n"), "{said}");
}

#[test]
fn missing_metric_is_reported() {
    let history = History::with(TIME_ACCEPTED, &["-DMETRIC -DCOUNTER=7", "-DMETRIC"]);
    let text = said(&history, &check(&history, &[]));
    let is_steady = |line: &&str| !line.starts_with("  work, time: ");
    let steady: Vec<&str> = text.lines().filter(is_steady).collect();
    insta::assert_snapshot!(steady.join("\n"), @r"
    exit 201
    check incomplete: not everything was measured
      work, steps: missing: only A has this metric: B adds nothing to its counter, or no longer describes the metric
    ");
    history.commit("c2", "-DMETRIC -DCOUNTER=7");
    assert_eq!(check(&history, &[]).code, 0, "what is new is no finding");
}

#[test]
fn weaker_rules_than_at_the_baseline_are_listed() {
    let history = History::with("gate: { inconclusive: fail }\n", &[""]);
    let path = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = text
        .replace("tolerance: 20%", "tolerance: 10%, max_allocations: 1")
        .replace(
            "{ workload: sides/work }",
            "{ workload: sides/work }, { id: other, workload: sides/work }",
        );
    std::fs::write(&path, more).unwrap();
    history.commit("asked", "");
    std::fs::write(
        &path,
        text.replace("inconclusive: fail", "inconclusive: pass"),
    )
    .unwrap();
    outcome!(&history, &check(&history, &[]), @r"
    exit 0
    check passed
      work, loosened: tolerance N % -> N %
      work, loosened: max_allocations 1 -> none
      other, loosened: measured at HEAD, but no longer in the scenario
      loosened: open verdicts failed at the baseline, but pass now
    ");
}

#[test]
fn records_of_other_threads_are_not_comparable() {
    let history = History::with("", &[""]);
    let ran = history.project.orch(&["run", "scenarios/s.yaml", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // The record looks as if it had been measured with two threads, which would need two CPUs.
    let other = ran.stdout.replace(r#""threads": 1"#, r#""threads": 2"#);
    assert_ne!(other, ran.stdout);
    history.project.write("cache/one.json", &ran.stdout);
    history.project.write("cache/two.json", other);
    let ran = history
        .project
        .orch(&["compare", "cache/one.json", "cache/two.json"]);
    assert_eq!(ran.code, 201, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout
            .contains("not comparable: threads 1 in A, 2 in B"),
        "{}",
        ran.stdout
    );
}

#[test]
fn missing_workload_is_reported() {
    let history = History::with("", &["", "-DRENAMED"]);
    outcome!(&history, &check(&history, &[]), @r"
    exit 201
    check incomplete: not everything was measured
      work, time: missing: B does not have this job: plugin `sides` has no workload `work`
    ");
}

#[test]
fn target_is_missed() {
    let history = History::with(
        "targets: [{ job: work, metric: time, is: '<= 1ns' }]\n",
        &["", " "],
    );
    outcome!(&history, &check(&history, &[]), @r"
    exit 1
    check failed
      work, time: target <= 1ns missed: T (T to T)
    ");
}

#[test]
fn trade_off_is_faster_with_more_allocations() {
    let macros = ["-DSTEPS=8000", "-DALLOCATIONS=2"];
    let history = History::with("", &macros);
    outcome!(&history, &check(&history, &[]), @r"
    exit 1
    check failed
      work, allocations: regressed, trade-off: N %, 1 -> 2; better in time (N %)
      work, bytes: regressed, trade-off: N %, 64 B -> 128 B; better in time (N %)

    next:
      orch bisect scenarios/s.yaml --workload work --good <c0> --bad <c1> --metric allocations
    ");
    let accept = "accept: \
        [{ job: work, metric: allocations, reason: a cache, until: 2999-12-31 },\n         \
        { job: work, metric: bytes, reason: a cache, until: 2999-12-31 }]\n";
    let history = History::with(accept, &macros);
    outcome!(&history, &check(&history, &[]), @r"
    exit 0
    check passed
      work, allocations: accepted: N %, 1 -> 2; better in time (N %); accepted until 2999-12-31: a cache
      work, bytes: accepted: N %, 64 B -> 128 B; better in time (N %); accepted until 2999-12-31: a cache
    ");
}

#[test]
fn expired_acceptance_fails() {
    let accept =
        "accept: [{ job: work, metric: digest, reason: a better rounding, until: 2020-12-31 }]\n";
    let history = History::with(accept, &["", "-DOUTPUT=8"]);
    outcome!(&history, &check(&history, &[]), @r"
    exit 1
    check failed
      work, digest: no longer accepted: 7 -> 8; its acceptance until 2020-12-31 (a better rounding) has expired
    ");
}

#[test]
fn acceptance_of_output_does_not_cover_its_costs() {
    let accept =
        "accept: [{ job: work, metric: digest, reason: a better rounding, until: 2999-12-31 }]\n";
    let history = History::with(accept, &["", "-DOUTPUT=8 -DSTEPS=8000 -DALLOCATIONS=2"]);
    let ran = check(&history, &[]);
    let said = said(&history, &ran);
    assert!(said.starts_with("exit 1\ncheck failed\n"), "{said}");
    for finding in [
        "work, time: regressed: ",
        "work, allocations: regressed: +100 %, 1 -> 2",
        "work, digest: accepted: 7 -> 8",
    ] {
        assert!(
            said.contains(&format!("\n  {finding}")),
            "{finding}: {said}"
        );
    }
    assert!(
        ran.stdout.contains("\n  time: regressed: "),
        "the table says so too: {}",
        ran.stdout
    );
}

#[test]
fn inconclusive_result_follows_the_policy() {
    let macros = ["", "-DSTEPS=2001"];
    let history = History::with("budget: 1ms\n", &macros);
    outcome!(&history, &check(&history, &[]), @r"
    exit 0
    check passed
      work, time: inconclusive: undecided after N pairs, at the end of its time; a verdict needs at least 11: a longer --budget allows more pairs
    ");
    let history = History::with("budget: 1ms\ngate: { inconclusive: fail }\n", &macros);
    outcome!(&history, &check(&history, &[]), @r"
    exit 125
    check open: the scenario does not let open verdicts pass
      work, time: inconclusive: undecided after N pairs, at the end of its time; a verdict needs at least 11: a longer --budget allows more pairs
    ");
}

#[test]
fn interrupted_comparison_is_reported_as_such() {
    // The difference is too small to decide and the budget has no end, so the comparison measures
    // until it is stopped.
    let history = History::with("", &["-DSTEPS=20000", "-DSTEPS=20300"]);
    let path = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("tolerance: 20%", "tolerance: 1.5%")).unwrap();
    let mut command = history.project.plain_command();
    command.args(["check", "scenarios/s.yaml", "--baseline", "c0"]);
    let out = history.project.path().join("cache/out");
    command
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let id = child.id();
    // Two concurrent workers are a pair.
    wait_while_running(&mut child, "a pair", || workers(id) >= 2);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130));
    let ran = Ran {
        code: 130,
        stdout: std::fs::read_to_string(out).unwrap(),
        stderr: String::new(),
    };
    outcome!(&history, &ran, @r"
    exit 130
    check incomplete: not everything was measured
      missing: the user stopped the check before everything was decided
      work, time: inconclusive: interrupted after N pairs
    ");
    assert!(history.git(&["status", "--porcelain", "plugin"]).is_empty());
}

#[test]
fn github_gets_annotations_a_summary_and_outputs() {
    let history = History::with("", &["", "-DALLOCATIONS=2 -DOUTPUT=8"]);
    let summary = history.project.path().join("cache/summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let outputs = history.project.path().join("cache/outputs");
    std::fs::write(&outputs, "other=1\n").unwrap();
    let mut command = history.project.command();
    command
        .args(["check", "scenarios/s.yaml"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_OUTPUT", &outputs);
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(
        text.contains("\n::error title=orch work::digest 7 -> 8\n"),
        "{text}"
    );
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.starts_with("before\n```\ncheck failed\n"),
        "what others wrote stays: {summary}"
    );
    assert!(summary.contains("# "), "the report follows: {summary}");
    let outputs = std::fs::read_to_string(outputs).unwrap();
    let lines: Vec<&str> = outputs.lines().collect();
    assert_eq!(lines[..2], ["other=1", "outcome=failed"], "{outputs}");
    let count = lines[2].strip_prefix("regressed=").unwrap();
    assert!(count.parse::<usize>().unwrap() >= 1, "{outputs}");
    let report = Path::new(lines[3].strip_prefix("report=").unwrap());
    assert!(
        report.is_file() && report.ends_with("comparison.md"),
        "{outputs}"
    );
    // No annotations are printed elsewhere.
    assert!(!check(&history, &[]).stdout.contains("::error"));
}

#[test]
fn github_gets_the_lines_of_problems() {
    let project = Project::new();
    project.write("scenarios/s.yaml", "plugins: {}\nworkload: []\n");
    let mut command = project.command();
    command
        .args(["run", "scenarios/s.yaml"])
        .env("GITHUB_ACTIONS", "true");
    let out = command.output().unwrap();
    assert_eq!(out.status.code(), Some(200));
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(
        text.contains("\n::error title=orch,file=scenarios/s.yaml,line=2::"),
        "{text}"
    );
}

/// Counts the present worker processes of a process.
fn workers(of: u32) -> usize {
    let children =
        std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let is_worker = |pid: &&str| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.windows(8).any(|part| part == b"__worker"))
    };
    children.split_whitespace().filter(is_worker).count()
}
