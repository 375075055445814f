//! Input that `orch bisect` refuses with place, value and remedy, and unusual input that works.

use crate::history::{History, asked, culprits, report, states};
use crate::support::{Project, git};
use std::process::Stdio;
use std::time::Duration;

const ALLOCATIONS: [&str; 2] = ["--metric", "allocations"];

/// Creates three commits, the last of which allocates more.
fn plain() -> History {
    History::of(&["", "", "-DALLOCATIONS=2"])
}

/// Returns the error of a refusal after the first build, without the note about `--resume`, which
/// another test checks.
fn refused_late(history: &History, metric: &str, [good, bad]: [&str; 2]) -> String {
    let ran = history.bisect(good, bad, &["--metric", metric]);
    history
        .shown(&ran)
        .replace("`orch bisect --resume` continues this bisect\n", "")
}

/// Returns the error of a refusal before anything is built.
fn refused(history: &History, arguments: &[&str]) -> String {
    let ran = history.project.orch(arguments);
    assert_eq!(ran.code, 200, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    assert_eq!(
        (history.built(), history.project.results()),
        (Vec::new(), Vec::new()),
        "{arguments:?}"
    );
    assert_eq!(
        history.journal().len(),
        0,
        "{arguments:?}: there is nothing to resume"
    );
    history.shown(&ran)
}

#[test]
fn revision_must_exist() {
    let history = plain();
    insta::assert_snapshot!(refused(&history, &asked("nowhere", "c2")), @r"
    exit 200
    error: --good 'nowhere' does not name a revision of PROJECT
    hint: name a commit, tag or branch, such as v1.2 or HEAD~20
    ");
    insta::assert_snapshot!(refused(&history, &asked("c0", "plugin/flags")), @r"
    exit 200
    error: --bad 'plugin/flags' does not name a revision of PROJECT
    hint: name a commit, tag or branch, such as v1.2 or HEAD~20
    ");
    insta::assert_snapshot!(refused(&history, &asked("c0", "c2:plugin/flags")), @r"
    exit 200
    error: --bad: 'c2:plugin/flags' is a blob in PROJECT, not a commit; name the commit that contains it
    ");
    insta::assert_snapshot!(refused(&history, &asked("c0", "")), @r"
    exit 200
    error: --bad '' does not name a revision of PROJECT
    hint: name a commit, tag or branch, such as v1.2 or HEAD~20
    ");
}

#[test]
fn range_must_lead_from_the_good_end_to_the_bad_one() {
    let history = plain();
    insta::assert_snapshot!(refused(&history, &asked("c2", "c0")), @r"
    exit 200
    error: the good end <c2> (c2) is newer than the bad end <c0> (c0); swap --good and --bad (to find an improvement, use --direction better)
    ");
    insta::assert_snapshot!(refused(&history, &asked("HEAD", "c2")), @r"
    exit 200
    error: the good and the bad end are both <c2> (c2), so the range is empty; name an older commit with --good or a newer one with --bad
    ");
    history.git(&["checkout", "-q", "-b", "side", "c1"]);
    history.commit("side1", "");
    insta::assert_snapshot!(refused(&history, &asked("c2", "side")), @r"
    exit 200
    error: the good end <c2> (c2) is not an ancestor of the bad end <side1> (side1): their branches parted at <c1>; if that commit is good, use --good <c1>
    ");
    history.git(&["merge", "-q", "-s", "ours", "-m", "merge", "c2"]);
    insta::assert_snapshot!(refused(&history, &asked("c2", "side")), @r"
    exit 200
    error: the good end <c2> (c2) entered the history of <merge> (merge) through the merge <merge> and is not on its line of first parents; use --good <merge>^1 to begin before the merge, or --all to search branches too
    ");
    history.git(&["checkout", "-q", "--orphan", "alone"]);
    history.commit("alone1", "");
    insta::assert_snapshot!(refused(&history, &asked("c0", "alone")), @r"
    exit 200
    error: <c0> (c0) and <alone1> (alone1) have no commit in common; name two commits of one history
    ");
}

#[test]
fn shallow_clone_gets_the_command_that_deepens_it() {
    let history = plain();
    let clone = history.project.path().join("cache/clone");
    let url = format!("file://{}", history.project.path().display());
    history.git(&[
        "clone",
        "-q",
        "--depth",
        "2",
        "--no-tags",
        &url,
        &clone.display().to_string(),
    ]);
    let said = |good: &str| {
        let ran = history
            .project
            .command()
            .args(asked(good, "HEAD"))
            .current_dir(&clone)
            .output()
            .unwrap();
        let text = String::from_utf8(ran.stderr).unwrap();
        history.shown(&crate::support::Ran {
            code: ran.status.code().unwrap(),
            stdout: String::new(),
            stderr: text,
        })
    };
    insta::assert_snapshot!(said("HEAD~2"), @r"
    exit 200
    error: --good: revision 'HEAD~2' is not in PROJECT/cache/clone, a shallow clone; fetch its history with `git fetch --unshallow`
    ");
    git(
        &clone,
        &[
            "fetch",
            "-q",
            "--depth",
            "1",
            "origin",
            &history.git(&["rev-parse", "c0"]),
        ],
    );
    insta::assert_snapshot!(said("FETCH_HEAD"), @r"
    exit 200
    error: PROJECT/cache/clone is a shallow clone that lacks commits between <c0> (c0) and <c2> (c2); fetch them with `git fetch --unshallow`
    ");
}

#[test]
fn workload_and_metric_must_exist() {
    let history = plain();
    let wrong = |id: &'static str| {
        [
            "bisect",
            "scenarios/s.yaml",
            "--workload",
            id,
            "--good",
            "c0",
            "--bad",
            "c2",
        ]
    };
    insta::assert_snapshot!(refused(&history, &wrong("wrok")), @r"
    exit 200
    error: scenarios/s.yaml has no job 'wrok'
    hint: did you mean work?
    ");
    insta::assert_snapshot!(refused(&history, &wrong("matmul")), @r"
    exit 200
    error: scenarios/s.yaml has no job 'matmul'
    hint: its jobs are work
    ");
    insta::assert_snapshot!(refused(&history, &[&asked("c0", "c2")[..], &["--direction", "slower"]].concat()), @r"
    exit 200
    error: invalid value 'slower' for '--direction <DIRECTION>'
      [possible values: worse, better]

    For more information, try '--help'.
    ");
    // Only a build shows which metrics a plugin has.
    insta::assert_snapshot!(refused_late(&history, "alocations", ["c0", "c2"]), @r"
    exit 200
    built <c0> (c0)
    error: work has no metric 'alocations'
    hint: its metrics are time, allocations, bytes, peak_bytes, digest
    ");
}

/// Gives the plugin metrics of its own: `items` without a direction, `done`, and `rate`, which is
/// computed from the time.
fn with_metrics(history: &History) {
    let source = history.project.path().join("plugin/sides.c");
    let replacements = [
        (
            r#"\"" NAME "\","#,
            r#"\"" NAME "\", \"metrics\": [{\"id\": \"items\", \"counter\": \"items\"},\
               {\"id\": \"done\", \"counter\": \"items\", \"better\": \"higher\"},\
               {\"id\": \"rate\", \"counter\": \"items\", \"better\": \"higher\", \"per\": \"second\"}],"#,
        ),
        (
            "for (int a",
            r#"self->host->counter_add(self->host, self->host->intern(self->host, ORCH_STR("items")), ALLOCATIONS);
               for (int a"#,
        ),
    ];
    let mut text = std::fs::read_to_string(&source).unwrap();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(&source, text).unwrap();
}

#[test]
fn metric_needs_a_direction() {
    let history = plain();
    with_metrics(&history);
    history.commit("from", "");
    history.commit("to", "-DALLOCATIONS=2");
    insta::assert_snapshot!(refused_late(&history, "items", ["from", "to"]), @r"
    exit 200
    built <from> (from)
    error: the plugin does not declare whether more or less of 'items' is better, so no change is a regression
    hint: set `better` in its describe document
    ");
}

#[test]
fn metric_of_the_plugin_is_bisected_in_what_is_worse_for_it() {
    let history = plain();
    with_metrics(&history);
    history.commit("from", "-DALLOCATIONS=2");
    history.commit("to", "-DALLOCATIONS=1");
    let (found, ran) = history.report("from", "to", &["--metric", "done"]);
    assert_eq!(
        (ran.code, culprits(&found)),
        (1, vec![vec!["to"]]),
        "{}",
        ran.stderr
    );
    let one = &found["culprits"][0];
    assert_eq!(
        [&one["before"], &one["after"]].map(serde_json::Value::as_f64),
        [Some(2.0), Some(1.0)]
    );
}

#[test]
fn rate_is_bisected_by_time_and_its_change_is_that_of_the_rate() {
    let history = plain();
    with_metrics(&history);
    history.commit("from", "-DSTEPS=20000");
    history.commit("to", "-DSTEPS=200000");
    let ran = history.bisect("from", "to", &["--metric", "rate"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    // The rate falls as the time grows. The amount depends on the load of the machine.
    let falls = ["  rate -", "  rate 1/"];
    assert!(
        falls.iter().any(|text| ran.stdout.contains(text)),
        "less of the rate: {}",
        ran.stdout
    );
}

#[test]
fn plugin_that_is_the_same_at_every_commit_is_no_suspect() {
    let history = plain();
    let scenario = |plugin: &str| {
        let text =
            format!("plugins: {{ sides: {plugin} }}\nworkloads: [{{ workload: sides/work }}]\n");
        history.project.write("scenarios/s.yaml", text);
    };
    std::fs::write(history.project.path().join("lib.so"), "").unwrap();
    scenario("{ path: lib.so }");
    insta::assert_snapshot!(refused(&history, &asked("c0", "c2")), @r"
    exit 200
    error: plugin `sides` is the file PROJECT/lib.so: it is the same at every commit
    hint: name the repository of the code under test with `--repo PATH`, and set `overlay: true` on the plugin to lay it over every commit; a library given by `path:` needs `crate:` or `build:` instead
    ");
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().canonicalize().unwrap().display().to_string();
    scenario(&format!("{{ dir: {folder}, build: 'true' }}"));
    insta::assert_snapshot!(refused(&history, &asked("c0", "c2")).replace(&folder, "OUTSIDE"), @r"
    exit 200
    error: plugin `sides` is in OUTSIDE, outside of the repository PROJECT: it is the same at every commit
    hint: name the repository of the code under test with `--repo PATH`, and set `overlay: true` on the plugin to lay it over every commit; a library given by `path:` needs `crate:` or `build:` instead
    ");
}

#[test]
fn unmeasurable_ends_are_reported_with_the_reason() {
    let history = History::new();
    history.git(&["commit", "-q", "--allow-empty", "-m", "bare"]);
    history.git(&["tag", "bare"]);
    for (subject, macros) in [
        ("fine", ""),
        ("broken", "-DSTEPS=("),
        ("crashes", "-DALLOCATIONS=(abort(),1)"),
        ("late", "-DFAULT=1"),
        ("last", "-DALLOCATIONS=2"),
    ] {
        history.commit(subject, macros);
    }
    let said = |good: &str, bad: &str, more: &[&str]| {
        let ran = history.bisect(good, bad, more);
        assert_eq!(
            (ran.code, history.project.results().len()),
            (201, 0),
            "{}",
            ran.stderr
        );
        // The compiler chooses the position of a function.
        let text = history.shown(&ran);
        match text.split_once("plugin+0x") {
            Some((before, rest)) => {
                format!(
                    "{before}plugin+OFFSET{}",
                    rest.trim_start_matches(|c: char| c.is_ascii_hexdigit())
                )
            }
            None => text,
        }
    };
    let broken = said("fine", "broken", &ALLOCATIONS);
    let beginning = "error: the bad end <broken> cannot be measured: plugin at <broken> (broken): ";
    assert!(
        broken.contains(beginning) && broken.contains("STEPS") && !broken.contains("skipped"),
        "{broken}"
    );
    insta::assert_snapshot!(said("bare", "last", &ALLOCATIONS), @r"
    exit 201
    error: the good end <bare> cannot be measured: plugin at <bare> (bare): plugin does not exist at <bare>; name a commit that contains it, or leave out the plugin
    ");
    insta::assert_snapshot!(said("crashes", "last", &ALLOCATIONS), @r"
    exit 201
    error: the good end <crashes> cannot be measured: it failed in run: SIGABRT (abort), in scope steps, iteration 1, called from function run (plugin+OFFSET)
    ");
    // A fast machine makes more calls during warm-up, so the phase of the 51st call varies.
    let late = said("late", "last", &[]);
    let beginning = "exit 201\nerror: the good end <late> cannot be measured: it failed in ";
    assert!(
        late.starts_with(beginning)
            && late.contains(": SIGABRT (abort), ")
            && late
                .trim_end()
                .ends_with(", called from function run (plugin+OFFSET)"),
        "{late}"
    );
}

#[test]
fn bisect_needs_a_repository() {
    let project = Project::new();
    project.write(
        "scenarios/s.yaml",
        "plugins: { a: { dir: '.', build: 'true' } }\nworkloads: [{ workload: a/work }]\n",
    );
    let said = |arguments: &[&str]| {
        let ran = project.orch(arguments);
        let text = format!("exit {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        text.replace(&project.path().display().to_string(), "PROJECT")
    };
    insta::assert_snapshot!(said(&asked("c0", "c2")), @r"
    exit 200
    error: --good: revision 'c0': PROJECT is not in a git repository; create one with `git init` and a commit
    ");
    insta::assert_snapshot!(said(&["bisect", "--resume"]), @r"
    exit 200
    error: PROJECT is not in a git repository, so there is no bisect to resume
    ");
    git(&project.path(), &["init", "-q"]);
    insta::assert_snapshot!(said(&asked("HEAD~1", "HEAD")), @r"
    exit 200
    error: PROJECT has no commit yet, so there is nothing to bisect
    ");
}

#[test]
fn missing_arguments_are_asked_for() {
    let history = plain();
    insta::assert_snapshot!(refused(&history, &["bisect"]), @r"
    exit 200
    error: neither --workload nor --good was given, and no comparison of two commits in PROJECT/results has a regression
    hint: run `orch bisect scenarios/nightly.yaml --workload ID --good REV [--bad REV]`, or `orch compare REV REV` first
    ");
    insta::assert_snapshot!(refused(&history, &["bisect", "--workload", "work"]), @r"
    exit 200
    error: --good was not given, and no comparison of two commits in PROJECT/results has a regression of work
    hint: run `orch bisect scenarios/nightly.yaml --workload ID --good REV [--bad REV]`, or `orch compare REV REV` first
    ");
    insta::assert_snapshot!(refused(&history, &["bisect", "scenarios/none.yaml", "--workload", "work", "--good", "c0", "--bad", "c2"]), @r"
    exit 200
    error: cannot read the scenario scenarios/none.yaml: No such file or directory (os error 2)
    hint: name a scenario file, such as scenarios/nightly.yaml or bench.yaml
    ");
    insta::assert_snapshot!(refused(&history, &["bisect", "--resume", "--good", "c0"]), @r"
    exit 200
    error: the argument '--resume' cannot be used with '--good <REV>'

    Usage: orch bisect --resume [SCENARIO]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused(&history, &["bisect", "--resume"]), @r"
    exit 200
    error: no stopped bisect of PROJECT to resume
    hint: leave out --resume to start a new bisect
    ");
}

/// Adds a repository at `library` inside the history's repository as a submodule.
fn submodule(history: &History) {
    let other = history.project.path().join("cache/library");
    std::fs::create_dir_all(&other).unwrap();
    git(&other, &["init", "-q"]);
    git(&other, &["commit", "-q", "--allow-empty", "-m", "library"]);
    history.git(&[
        "submodule",
        "--quiet",
        "add",
        &other.display().to_string(),
        "library",
    ]);
}

#[test]
fn submodule_skips_a_commit_and_stops_at_an_end() {
    let history = plain();
    submodule(&history);
    history.commit("with", "-DALLOCATIONS=2");
    let ran = history.bisect("c0", "with", &ALLOCATIONS);
    insta::assert_snapshot!(history.shown(&ran), @r"
    exit 201
    built <c0> (c0)
    error: the bad end <with> cannot be measured: plugin at <with> (with): commit <with> contains the submodule library, whose files are not part of it; include the files (git subtree), or build such commits yourself and compare the libraries
    ");
    history.git(&["rm", "-q", "-f", "library"]);
    history.commit("without", "-DALLOCATIONS=3");
    let (found, ran) = history.report("c2", "without", &ALLOCATIONS);
    assert_eq!(
        (ran.code, culprits(&found)),
        (1, vec![vec!["with", "without"]]),
        "{}",
        ran.stderr
    );
    let reason = found["skipped"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("contains the submodule library"),
        "{reason}"
    );
}

#[test]
fn uncommitted_changes_and_a_detached_head_are_no_obstacles() {
    let history = plain();
    history.git(&["checkout", "-q", "c1"]);
    history.project.write("plugin/flags", "-DSTEPS=(");
    let (found, ran) = history.report("c0", "main", &ALLOCATIONS);
    assert_eq!(
        (ran.code, culprits(&found)),
        (1, vec![vec!["c2"]]),
        "{}",
        ran.stderr
    );
    insta::assert_snapshot!(found["warnings"].as_array().unwrap().len(), @"1");
    insta::assert_snapshot!(found["warnings"][0].as_str().unwrap(), @"the working tree has \
        uncommitted changes; they are in no commit, so the bisect does not measure them, but it \
        uses the working tree's scenario and input files");
    assert_eq!(
        std::fs::read_to_string(history.project.path().join("plugin/flags")).unwrap(),
        "-DSTEPS=("
    );
    assert_eq!(history.git(&["status", "--porcelain"]), "M plugin/flags");
    assert_eq!(
        history.git(&["rev-parse", "HEAD"]),
        history.git(&["rev-parse", "c1"])
    );
}

/// A bisect that can never succeed leaves nothing for `--resume`.
#[test]
fn unusable_end_leaves_nothing_to_resume() {
    let history = History::of(&["", "-DSTEPS=("]);
    assert_eq!(history.bisect("c0", "c1", &ALLOCATIONS).code, 201);
    assert_eq!(
        states(&history.project.path().join("cache")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn unknown_metric_leaves_nothing_to_resume() {
    let history = plain();
    let ran = history.bisect("c0", "c2", &["--metric", "alocations"]);
    assert_eq!(ran.code, 200);
    assert!(!ran.stderr.contains("--resume"), "{}", ran.stderr);
    assert_eq!(
        states(&history.project.path().join("cache")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn failed_bisect_does_not_hide_a_resumable_one() {
    let history = History::of(&["", "-DALLOCATIONS=2", "-DSTEPS=("]);
    history.hold(true);
    let arguments = [&asked("c0", "c1")[..], &ALLOCATIONS].concat();
    let mut child = history
        .project
        .plain_command()
        .args(arguments)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while history.journal().is_empty() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    history.hold(false);
    assert_eq!(history.bisect("c0", "c2", &ALLOCATIONS).code, 201);
    let ran = history.project.orch(&["bisect", "--resume", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(culprits(&report(&ran)), [["c1"]]);
}

#[test]
fn resume_refuses_options_without_effect() {
    let history = plain();
    for option in [
        &["--direction", "better"][..],
        &["--pairs", "20"],
        &["--verify-revert"],
        &["--retry-failed"],
    ] {
        let said = refused(&history, &[&["bisect", "--resume"], option].concat());
        assert!(said.contains("cannot be used with"), "{option:?}: {said}");
    }
}

#[test]
fn comparison_is_bisected_from_any_folder_of_the_project() {
    let history = plain();
    let ran = history.project.orch(&[
        "compare",
        "c0",
        "c2",
        "--scenario",
        "scenarios/s.yaml",
        "--pairs",
        "1",
    ]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let mut command = history.project.command();
    let output = command
        .args(["bisect", "--dry-run"])
        .current_dir(history.project.path().join("plugin"))
        .output();
    let output = output.unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn zero_pairs_are_refused() {
    let history = plain();
    let said = refused(
        &history,
        &[&asked("c0", "c2")[..], &["--pairs", "0"]].concat(),
    );
    assert!(said.contains("--pairs"), "{said}");
}

#[test]
fn dry_run_refuses_what_the_bisect_refuses() {
    let history = History::of(&["-DMETRIC", "-DMETRIC ", "-DMETRIC -DALLOCATIONS=2"]);
    let scenario =
        std::fs::read_to_string(history.project.path().join("scenarios/s.yaml")).unwrap();
    let said = |more: &[&str]| {
        let ran = history.bisect("c0", "c2", more);
        let refused = [200, 201].contains(&ran.code) && history.project.results().is_empty();
        assert!(refused, "{}: {}{}", ran.code, ran.stdout, ran.stderr);
        ran.stderr
    };
    let both = |more: &[&str]| (said(more), said(&[more, &["--dry-run"]].concat()));
    let (real, dry) = both(&["--metric", "tiem"]);
    assert!(
        real.contains("work has no metric 'tiem'") && dry.contains("work has no metric 'tiem'"),
        "{real}{dry}"
    );
    assert_eq!(
        history
            .bisect("c0", "c2", &["--metric", "steps", "--dry-run"])
            .code,
        0
    );
    history.project.write(
        "scenarios/s.yaml",
        scenario.replace("time: 20ms", "time: 20ms, threads: 1000"),
    );
    let dry = said(&["--dry-run"]);
    assert!(dry.contains("work needs 1000 CPUs"), "{dry}");
    history.project.write(
        "scenarios/s.yaml",
        scenario.replace(
            "workload: sides/work",
            "workload: sides/work, params: { x: 1 }",
        ),
    );
    let (real, dry) = both(&["--metric", "steps"]);
    assert!(
        real.contains("parameter `x`") && dry.contains("parameter `x`"),
        "{real}{dry}"
    );
}
