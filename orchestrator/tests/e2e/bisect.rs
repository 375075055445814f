//! `orch bisect` in the whole program: the named commits and their values, the untouched files, the
//! skipped commits, and the effects of a kill.

use crate::history::{History, asked, culprits, report, states, texts, tree};
use crate::support::waiting::{wait_until, wait_while_running};
use crate::support::{Project, Ran, marked_processes, workspace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const FAST: &str = "-DSTEPS=20000";
const SLOW: &str = "-DSTEPS=200000";

/// Returns whether a search by time named these culprits. On a busy machine the search may stay
/// open, but it must not name any other commit.
fn names_culprits(found: &Value, ran: &Ran, expected: &[Vec<&str>]) -> bool {
    if ran.code == 125 {
        assert_eq!(found["outcome"], "undecided", "{}", ran.stderr);
        assert!(
            culprits(found).iter().all(|one| expected.contains(one)),
            "{found}"
        );
        return false;
    }
    assert_eq!(
        (ran.code, &culprits(found)[..]),
        (1, expected),
        "{}",
        ran.stderr
    );
    true
}
const ALLOCATIONS: [&str; 2] = ["--metric", "allocations"];

fn start(history: &History, arguments: &[&str]) -> Child {
    let mut command = history.project.plain_command();
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: &str) {
    assert!(
        Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Returns whether no process of this project is left, neither a worker nor a compiler.
fn is_quiet(history: &History) -> bool {
    let folder = history.project.path().display().to_string();
    let marks = [
        format!("XDG_CACHE_HOME={folder}/cache"),
        format!("ORCH_TEST={folder}"),
    ];
    marks.iter().all(|mark| marked_processes(mark).is_empty())
}

/// Copies the SDK into a separate workspace, because a change in this workspace would cause all
/// commits to be built again.
fn sdk(project: &Project) -> PathBuf {
    let root = project.path().join("sdk");
    std::fs::create_dir_all(root.join("plugins")).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(workspace().join("plugins/sdk"))
        .arg(root.join("plugins"))
        .status();
    assert!(copied.unwrap().success());
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let (_, shared) = manifest.split_once("[workspace.package]").unwrap();
    let own = r#"members = ["plugins/sdk", "plugins/sdk/derive"]"#;
    std::fs::write(
        root.join("Cargo.toml"),
        format!("[workspace]\n{own}\n[workspace.package]{shared}"),
    )
    .unwrap();
    root.join("plugins/sdk")
}

#[test]
fn bisect_of_a_time_leaves_the_tree_as_it_is() {
    let project = Project::new();
    let user = project.path().join("user");
    let made = Command::new("python3")
        .arg(workspace().join("scripts/experiments/history.py"))
        .arg(&user)
        .args([
            "--commits",
            "8",
            "--at",
            "5",
            "--broken",
            "0.3",
            "--seed",
            "3",
            "--sdk",
        ])
        .arg(sdk(&project))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(made["broken"].as_u64().unwrap() >= 1, "{made}");
    let before = tree(&user);
    let bisect = || {
        let range = [
            "bisect",
            "scenarios/bench.yaml",
            "--workload",
            "sum",
            "--good",
            "good",
            "--bad",
            "bad",
            "--json",
        ];
        let output = project
            .plain_command()
            .args(range)
            .current_dir(&user)
            .output()
            .unwrap();
        let code = output.status.code();
        assert!(
            [Some(0), Some(1), Some(125)].contains(&code),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report = serde_json::from_slice::<Value>(&output.stdout).unwrap();
        // Which commit is named follows from the times. Scripted times test that it is the right
        // one (`bisect_scripted.rs`), and `bisect_whole.py` measures how often it is.
        let named = report["culprits"].as_array().unwrap();
        assert_eq!(code == Some(1), !named.is_empty(), "{report}");
        report
    };
    let first = bisect();
    if first["outcome"] == "first" {
        assert!(
            first["builds"].as_u64().unwrap() >= 4,
            "both ends, the culprit and its parent"
        );
    }
    let folder = user.join("results").join(first["id"].as_str().unwrap());
    let mut names: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["bisect.json", "bisect.md", "bisect.txt"]);

    let again = bisect();
    // If the first bisect stayed open, other pairs may lead to a commit that it did not examine.
    if first["outcome"] == "first" && again["outcome"] == "first" {
        assert_eq!(again["builds"], 0);
    }
    assert!(tree(&user) == before, "the user's files or git's changed");
}

#[test]
fn latest_comparison_gives_the_bisect_its_subject() {
    let history = History::of(&["", "", "-DALLOCATIONS=2", "-DALLOCATIONS=2"]);
    let ran = history.project.orch(&[
        "compare",
        "c0",
        "c3",
        "--scenario",
        "scenarios/s.yaml",
        "--pairs",
        "1",
    ]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    let ran = history.project.orch(&["bisect", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(culprits(&report(&ran)), [["c2"]]);
    let shown = history.shown(&ran);
    let taken = shown
        .lines()
        .find(|line| line.starts_with("taken from comparison "))
        .unwrap();
    assert!(
        taken.contains(": allocations of work +100 % ") && taken.ends_with("(<c0> to <c3>)"),
        "{taken}"
    );
    let words = "equivalent command: orch bisect scenarios/s.yaml --workload work --good <c0> \
        --bad <c3> --metric allocations\n";
    assert!(shown.contains(words), "{shown}");
}

#[test]
fn ends_without_a_change_have_no_culprit() {
    let history = History::of(&[FAST, FAST, "-DSTEPS=20001"]);
    let (same, ran) = history.report("c0", "c1", &[]);
    assert_eq!(
        (ran.code, &same["outcome"], &same["pairs"]),
        (0, &"none".into(), &0.into()),
        "{}",
        ran.stderr
    );
    assert!(
        same["reason"]
            .as_str()
            .unwrap()
            .starts_with("both ends run the same machine code"),
        "{}",
        same["reason"]
    );
    let (alike, ran) = history.report("c0", "c2", &[]);
    // Whether times differ is a matter of times; the outcome and the exit code agree.
    let code = match alike["outcome"].as_str().unwrap() {
        "none" => 0,
        "undecided" => 125,
        _ => 1,
    };
    assert_eq!(ran.code, code, "{}", ran.stderr);
    assert!(alike["pairs"].as_u64().unwrap() > 0);
    // `c2` may seem faster, which is no change for the worse.
    let reason = alike["reason"].as_str().unwrap();
    assert!(ran.code != 0 || !reason.is_empty(), "{alike}");
    for report in [same, alike] {
        if report["outcome"] != "none" {
            continue;
        }
        assert_eq!(
            (&report["culprits"], &report["undecided"]),
            (&json!([]), &json!([]))
        );
    }
}

#[test]
fn counted_metrics_are_bisected_without_pairs() {
    let history = History::of(&[
        "",
        "",
        "-DALLOCATIONS=2",
        "-DALLOCATIONS=2",
        "-DALLOCATIONS=2 -DOUTPUT=8",
    ]);
    for (metric, bad, culprit, before, after) in [
        ("allocations", "c3", "c2", 1.0, 2.0),
        ("bytes", "c3", "c2", 64.0, 128.0),
        ("digest", "c4", "c4", 7.0, 8.0),
    ] {
        let (found, ran) = history.report("c0", bad, &["--metric", metric]);
        assert_eq!(
            (ran.code, culprits(&found)),
            (1, vec![vec![culprit]]),
            "{metric}: {}",
            ran.stderr
        );
        let one = &found["culprits"][0];
        assert_eq!(
            [&one["before"], &one["after"]].map(Value::as_f64),
            [Some(before), Some(after)],
            "{metric}"
        );
        assert_eq!(
            (&found["pairs"], &found["outcome"], &one["other_way"]),
            (&0.into(), &"first".into(), &false.into())
        );
    }
    let (better, ran) = history.report(
        "c0",
        "c3",
        &["--metric", "allocations", "--direction", "better"],
    );
    assert_eq!((ran.code, &better["outcome"]), (0, &"none".into()));
    let reason = "the bad end is not better, but changed in the opposite direction: 1 to 2; \
                  --direction worse finds the commit";
    assert_eq!(better["reason"], reason);
    assert_eq!(
        history.built().len(),
        5,
        "each commit once, whatever was asked: {:?}",
        history.built()
    );
    // The costs of a commit with another output are not compared.
    let ran = history.bisect("c0", "c4", &ALLOCATIONS);
    assert_eq!(ran.code, 201);
    assert!(
        ran.stderr.contains("the bad end ") && ran.stderr.contains("its output differs"),
        "{}",
        ran.stderr
    );
}

#[test]
fn improvement_is_found_in_the_direction_better() {
    let history = History::of(&[SLOW, SLOW, FAST, FAST]);
    let (found, ran) = history.report("c0", "c3", &["--direction", "better"]);
    assert_eq!(found["direction"], "better");
    if names_culprits(&found, &ran, &[vec!["c2"]]) {
        let change = found["culprits"][0]["change"]["estimate"].as_f64().unwrap();
        assert!(change < 0.0, "{change}");
    }
}

#[test]
fn later_fix_is_a_culprit_of_the_other_direction() {
    // Each metric has its own history: an additional allocation moves the loop, and this alone can
    // double its time.
    let times = [FAST, FAST, "-DSTEPS=2000000", "-DSTEPS=2000000", SLOW, SLOW];
    let counts = [
        "",
        "",
        "-DALLOCATIONS=4",
        "-DALLOCATIONS=4",
        "-DALLOCATIONS=2",
        "-DALLOCATIONS=2",
    ];
    for (macros, more) in [(times, &[][..]), (counts, &ALLOCATIONS)] {
        let history = History::of(&macros);
        let (found, ran) = history.report("c0", "c5", more);
        if !names_culprits(&found, &ran, &[vec!["c2"], vec!["c4"]]) {
            assert!(
                more.is_empty(),
                "what is counted is never open: {}",
                ran.stderr
            );
            continue;
        }
        let ways = [0, 1].map(|index| found["culprits"][index]["other_way"].as_bool().unwrap());
        assert_eq!(
            (ways, &found["outcome"]),
            ([false, true], &"first".into()),
            "{more:?}"
        );
    }
}

#[test]
fn culprit_among_commits_that_do_not_build_is_one_of_a_range() {
    let times = [FAST, FAST, "-DSTEPS=(", "-DSTEPS=(", SLOW, SLOW];
    let counts = [
        "",
        "",
        "-DSTEPS=(",
        "-DSTEPS=(",
        "-DALLOCATIONS=2",
        "-DALLOCATIONS=2",
    ];
    for (macros, more) in [(times, &[][..]), (counts, &ALLOCATIONS)] {
        let history = History::of(&macros);
        let (found, ran) = history.report("c0", "c5", more);
        if !names_culprits(&found, &ran, &[vec!["c2", "c3", "c4"]]) {
            assert!(
                more.is_empty(),
                "what is counted is never open: {}",
                ran.stderr
            );
            continue;
        }
        assert_eq!(
            (
                &found["outcome"],
                &found["culprits"][0]["parent"]["subject"]
            ),
            (&"range".into(), &"c1".into())
        );
        assert_eq!(texts(&found["skipped"], "subject"), ["c2", "c3"]);
        let reasons = texts(&found["skipped"], "reason");
        assert!(
            reasons
                .iter()
                .all(|reason| reason.starts_with("does not build: ")),
            "{reasons:?}"
        );
    }
}

#[test]
fn unmeasurable_commits_are_skipped_with_the_reason() {
    let late = format!("{SLOW} -DFAULT=1");
    let history = History::of(&[FAST, FAST, "-DRENAMED", "-DOUTPUT=8", &late, SLOW, SLOW]);
    let (found, ran) = history.report("c0", "c6", &[]);
    if names_culprits(&found, &ran, &[vec!["c2", "c3", "c4", "c5"]]) {
        assert_eq!(found["outcome"], "range");
    }
    assert_eq!(texts(&found["skipped"], "subject"), ["c2", "c3", "c4"]);
    let reasons = texts(&found["skipped"], "reason");
    assert_eq!(
        reasons[0],
        "the workload is missing: plugin `sides` has no workload `work`"
    );
    assert_eq!(
        reasons[1],
        "its output differs from the good end's (--metric digest finds the commit that changed it)"
    );
    assert!(
        reasons[2].starts_with("it failed in ") && reasons[2].contains("SIGABRT"),
        "{}",
        reasons[2]
    );
    assert!(
        (1..=3).all(|index: usize| found["commits"][index]["state"] == "skipped"),
        "{}",
        found["commits"]
    );
}

#[test]
fn culprit_is_reverted_unless_later_commits_conflict() {
    let history = History::of(&["", "-DALLOCATIONS=3"]);
    history.project.write("notes", "of later");
    history.git(&["add", "."]);
    history.git(&["commit", "-q", "-m", "notes"]);
    history.git(&["tag", "clean"]);
    history.commit("later", "-DALLOCATIONS=3 ");
    let before = tree(&history.project.path().join(".git"));
    let more = [
        "--metric",
        "allocations",
        "--verify-revert",
        "--pairs",
        "400",
    ];
    let (clean, ran) = history.report("c0", "clean", &more);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    // The command that repeats the bisect has all options that affect its result.
    let command = clean["command"].as_str().unwrap();
    assert!(
        command.contains(" --verify-revert --pairs 400 --seed "),
        "{command}"
    );
    let reverted = &clean["reverted"];
    assert_eq!(
        (&reverted["failed"], &reverted["culprit"]),
        (&Value::Null, &clean["culprits"][0]["commits"][0])
    );
    let entry = reverted["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["metric"] == "allocations")
        .unwrap();
    let values = [&entry["a"], &entry["b"]].map(Value::as_f64);
    assert_eq!(
        (entry["verdict"].as_str(), values),
        (Some("improved"), [Some(3.0), Some(1.0)])
    );

    let (conflict, ran) = history.report("c0", "later", &more);
    assert_eq!(
        (ran.code, culprits(&conflict)),
        (1, vec![vec!["c1"]]),
        "{}",
        ran.stderr
    );
    let reason = conflict["reverted"]["failed"].as_str().unwrap();
    assert!(
        reason.contains("later commits changed the same lines of plugin/flags"),
        "{reason}"
    );
    assert!(
        tree(&history.project.path().join(".git")) == before,
        "reverts are made outside of the repository"
    );
}

/// Creates a merge of a branch with the commits side1 to side3, the second of which allocates more.
/// With `own`, the other line also has commits after the branch was created.
fn merged(own: bool) -> History {
    let history = History::of(&["", ""]);
    history.git(&["checkout", "-q", "-b", "side"]);
    for (subject, macros) in [
        ("side1", ""),
        ("side2", "-DALLOCATIONS=2"),
        ("side3", "-DALLOCATIONS=2"),
    ] {
        history.commit(subject, macros);
    }
    history.git(&["checkout", "-q", "main"]);
    if own {
        history.project.write("notes", "of the main line");
        history.git(&["add", "."]);
        history.git(&["commit", "-q", "-m", "own"]);
    }
    history.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    history.git(&["tag", "merge"]);
    history.commit("after", "-DALLOCATIONS=2");
    history
}

/// Runs a command exactly as it was printed.
fn as_printed(history: &History, command: &str) -> Value {
    let words = command.strip_prefix("orch ").unwrap();
    let mut shell = Command::new("sh");
    for (name, value) in history.project.plain_command().get_envs() {
        shell.env(name, value.unwrap());
    }
    let line = format!(
        "'{}' {words} --json",
        assert_cmd::cargo::cargo_bin("orch").display()
    );
    let output = shell
        .args(["-c", &line])
        .current_dir(history.project.path())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn merge_is_named_with_the_command_that_looks_inside() {
    let history = merged(false);
    let (outer, ran) = history.report("c0", "after", &ALLOCATIONS);
    assert_eq!(
        (ran.code, culprits(&outer)),
        (1, vec![vec!["merge"]]),
        "{}",
        ran.stderr
    );
    let next = outer["next"].as_str().unwrap();
    assert!(next.ends_with(" --all"), "{next}");
    assert_eq!(culprits(&as_printed(&history, next)), [["side2"]]);
    // A merge whose parents are both in the range has no change of its own to measure.
    let (all, ran) = history.report("c0", "after", &["--metric", "allocations", "--all"]);
    assert_eq!(
        (ran.code, culprits(&all), &all["next"]),
        (1, vec![vec!["side2"]], &Value::Null),
        "{}",
        ran.stderr
    );
    assert_eq!(texts(&all["skipped"], "subject"), ["merge"]);
    assert_eq!(
        texts(&all["skipped"], "reason"),
        ["a merge that only joins commits of the range"]
    );
}

#[test]
fn next_command_names_the_commit_inside_a_merge_of_an_older_branch() {
    let history = merged(true);
    let (outer, ran) = history.report("c0", "after", &ALLOCATIONS);
    assert_eq!(
        (ran.code, culprits(&outer)),
        (1, vec![vec!["merge"]]),
        "{}",
        ran.stderr
    );
    assert_eq!(
        culprits(&as_printed(&history, outer["next"].as_str().unwrap())),
        [["side2"]]
    );
}

/// Returns the numbers of the commits that the journal lists as examined.
fn looked(history: &History) -> Vec<u64> {
    let lines = history.journal();
    lines
        .iter()
        .filter_map(|line| line["look"]["position"].as_u64())
        .collect()
}

#[test]
fn killed_bisect_resumes_and_builds_nothing_twice() {
    let history = History::of(&[FAST, "-DSTEPS=(", FAST, FAST, SLOW, SLOW, SLOW]);
    let before = tree(&history.project.path());
    let arguments = asked("c0", "c6");
    let mut child = start(&history, &arguments);
    // The bisect is stopped in the first build, after an end was examined, twice during the pairs
    // of the ends, and after another commit.
    for (lines, signal) in [
        (1, "-KILL"),
        (2, "-KILL"),
        (7, "-INT"),
        (12, "-KILL"),
        (19, "-KILL"),
    ] {
        wait_while_running(&mut child, "the journal to grow", || {
            history.journal().len() >= lines
        });
        send(&child, signal);
        let expected = if signal == "-INT" { Some(130) } else { None };
        assert_eq!(child.wait().unwrap().code(), expected);
        assert_eq!(states(&history.project.path().join("cache")).len(), 1);
        let (known, built) = (looked(&history), history.built());
        for position in known.iter().filter(|position| **position != 1) {
            let times = built
                .iter()
                .filter(|subject| **subject == format!("c{position}"))
                .count();
            assert_eq!(times, 1, "c{position} was built once in {built:?}");
        }
        // The journal looks as if the machine had failed in the middle of a line.
        let journal = states(&history.project.path().join("cache"))[0].join("journal.jsonl");
        let kept = std::fs::read_to_string(&journal).unwrap();
        std::fs::write(&journal, format!("{kept}{{\"pair\": {{")).unwrap();
        child = start(&history, &["bisect", "--resume", "--json"]);
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("resuming the bisect of work that started "),
        "{said}"
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let code = output.status.code().unwrap();
    let ran = Ran {
        code,
        stdout: String::new(),
        stderr: said.into_owned(),
    };
    names_culprits(&found, &ran, &[vec!["c4"]]);
    let built = history.built();
    let mut once = built.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), built.len(), "{built:?}");
    assert_eq!(
        states(&history.project.path().join("cache")),
        Vec::<PathBuf>::new()
    );
    assert!(
        tree(&history.project.path()) == before,
        "the user's files or git's changed"
    );
    wait_until("everybody to leave", || is_quiet(&history));
}

#[test]
fn resume_takes_stopped_bisects_and_no_running_one() {
    let history = History::of(&["", "", "-DALLOCATIONS=2"]);
    history.hold(true);
    let mut child = start(&history, &[&asked("c0", "c2")[..], &ALLOCATIONS].concat());
    wait_while_running(&mut child, "the journal", || !history.journal().is_empty());
    let ran = history.project.orch(&["bisect", "--resume"]);
    assert_eq!(ran.code, 200);
    assert!(ran.stderr.contains("is still running"), "{}", ran.stderr);
    assert_eq!(history.journal().len(), 1);

    send(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("`orch bisect --resume` continues this bisect"),
        "{said}"
    );
    assert_eq!(output.stdout, b"", "{said}");
    wait_until("the build to end", || is_quiet(&history));
    history.hold(false);

    let ran = history.project.orch(&["bisect", "--resume", "--json"]);
    assert_eq!(
        (ran.code, culprits(&report(&ran))),
        (1, vec![vec!["c2"]]),
        "{}",
        ran.stderr
    );
    assert_eq!(history.built(), ["c0", "c2", "c1"]);
    let ran = history.project.orch(&["bisect", "--resume"]);
    assert_eq!(ran.code, 200, "{}", ran.stderr);
}

#[test]
fn concurrent_bisects_share_builds_and_name_the_same_commit() {
    let history = History::of(&["", "", "-DALLOCATIONS=2", "-DALLOCATIONS=2"]);
    history.hold(true);
    let arguments = [&asked("c0", "c3")[..], &ALLOCATIONS, &["--json"]].concat();
    let both = [start(&history, &arguments), start(&history, &arguments)];
    wait_until("both journals", || history.journal().len() == 2);
    history.hold(false);
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(culprits(&found), [["c2"]]);
    }
    let mut built = history.built();
    built.sort();
    assert_eq!(built, ["c0", "c1", "c2", "c3"]);
    assert_eq!(history.project.results().len(), 2);
}

#[test]
fn bisect_is_not_resumed_after_its_scenario_changed() {
    let history = History::of(&["", "-DALLOCATIONS=2"]);
    history.hold(true);
    let mut child = start(&history, &[&asked("c0", "c1")[..], &ALLOCATIONS].concat());
    wait_while_running(&mut child, "the journal", || !history.journal().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    history.hold(false);
    let scenario = history.project.path().join("scenarios/s.yaml");
    let text = std::fs::read_to_string(&scenario).unwrap();
    std::fs::write(&scenario, format!("{text}# a remark\n")).unwrap();
    let ran = history.project.orch(&["bisect", "--resume"]);
    insta::assert_snapshot!(history.shown(&ran), @r"
    exit 200
    error: cannot resume the bisect of work: the scenario changed after it was stopped
    hint: leave out --resume to start a new bisect; it reuses the builds
    ");
    assert_eq!(history.journal().len(), 1, "nothing is lost");
    std::fs::write(&scenario, text).unwrap();
    assert_eq!(history.project.orch(&["bisect", "--resume"]).code, 1);
}

#[test]
fn dry_run_of_a_bisect_prints_its_plan() {
    let history = History::of(&["", "", "-DALLOCATIONS=2", "", "-DALLOCATIONS=2"]);
    let dates = [(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE")];
    let ran = history.bisect("c0", "c4", &["--dry-run"]);
    insta::with_settings!({ filters => dates }, { insta::assert_snapshot!(history.shown(&ran), @r"
    exit 0
    time of work, margin 20 %
    good: <c0> (c0, Test, DATE)
    bad:  <c4> (c4, Test, DATE)
    4 commits, first parents
    about 4 builds, 0 of the commits are already built; the time is unknown until
      the first build has ended
    "); });
    assert_eq!(
        (history.built(), history.project.results()),
        (Vec::new(), Vec::new())
    );
    assert_eq!(
        states(&history.project.path().join("cache")),
        Vec::<PathBuf>::new()
    );
    let merged = merged(false);
    let ran = merged.bisect(
        "c0",
        "after",
        &["--dry-run", "--all", "--metric", "allocations"],
    );
    insta::with_settings!({ filters => dates }, { insta::assert_snapshot!(merged.shown(&ran), @r"
    exit 0
    allocations of work
    good: <c0> (c0, Test, DATE)
    bad:  <after> (after, Test, DATE)
    6 commits, 1 of them merges that are not built, all ancestors
    about 5 builds, 0 of the commits are already built; the time is unknown until
      the first build has ended
    "); });
}

/// Scripts rely on these field names.
#[test]
fn bisect_report_keeps_its_field_names() {
    let history = History::of(&["", "-DSTEPS=(", "-DALLOCATIONS=2"]);
    let (found, ran) = history.report("c0", "c2", &ALLOCATIONS);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(found["schema"], "orch/bisect/1");
    let kept = |path: &Path| {
        serde_json::from_slice::<Value>(&std::fs::read(path.join("bisect.json")).unwrap()).unwrap()
    };
    assert_eq!(kept(&history.project.results()[0]), found);
    insta::assert_snapshot!(names(&found), @"schema id started ended outcome reason orch command \
        next seed scenario machine toolchain workload params threads metric direction margin tau \
        good bad all ends commits culprits undecided skipped builds pairs measured reverted \
        warnings warning_kinds resumed wall_ns stopped first rest nothing_else_beyond");
    insta::assert_snapshot!(names(&found["culprits"][0]), @"commits about parent probability \
        change before after other_way cause entries comparison");
    insta::assert_snapshot!(names(&found["commits"][0]), @"commit subject author committed state \
        probability pairs change value same_code_as");
    insta::assert_snapshot!(names(&found["skipped"][0]), @"commit subject reason reason_kind \
        details");
    for text in [
        &found["good"],
        &found["bad"],
        &found["culprits"][0]["about"][0],
        &found["culprits"][0]["parent"],
    ] {
        assert_eq!(names(text), "commit subject author committed");
    }
}

#[test]
fn culprit_that_takes_other_packages_names_them() {
    let history = History::new();
    let lock = |version: &str| {
        let source = "source = \"registry+https://example.org/index\"";
        let text = format!(
            "version = 4\n\n[[package]]\nname = \"memchr\"\nversion = \"{version}\"\n{source}\n"
        );
        history.project.write("Cargo.lock", text);
    };
    lock("2.5.0");
    history.commit("c0", "");
    history.commit("c1", "");
    lock("2.6.0");
    history.commit("c2", "-DALLOCATIONS=2");
    let (found, ran) = history.report("c0", "c2", &ALLOCATIONS);
    assert_eq!(
        (ran.code, culprits(&found)),
        (1, vec![vec!["c2"]]),
        "{}",
        ran.stderr
    );
    let change = json!([{ "package": "memchr", "before": "2.5.0", "after": "2.6.0" }]);
    assert_eq!(found["culprits"][0]["cause"]["dependencies"], change);
    let folder = history
        .project
        .path()
        .join("results")
        .join(found["id"].as_str().unwrap());
    let text = std::fs::read_to_string(folder.join("bisect.txt")).unwrap();
    assert!(
        text.contains("\n  packages: memchr 2.5.0 -> 2.6.0\n"),
        "{text}"
    );
    let report = std::fs::read_to_string(folder.join("bisect.md")).unwrap();
    assert!(report.contains("| memchr | 2.5.0 | 2.6.0 |"), "{report}");
}
