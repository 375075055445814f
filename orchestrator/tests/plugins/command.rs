//! Programs as workloads (`plugins/command`), measured by the whole program.

use crate::support::{Project, crate_of, job};

#[test]
fn programs_are_timed_and_charged() {
    let project = Project::new();
    project.write("my/notes.txt", "a\nb\n");
    project.write("words.txt", "b\na\nb\n");
    let (record, ran) = project.record(&format!(
        "
plugins:
  command: {{ crate: '{}' }}
defaults: {{ time: 20ms, rounds: 2, timeout: 60s }}
workloads:
  - {{ id: sort, workload: command/run, params: {{ command: [sort, -u], stdin: words.txt }} }}
  - {{ id: same, workload: command/run, params: {{ command: 'printf \"a\\nb\\n\"' }} }}
  - id: other
    workload: command/run
    params: {{ command: 'date +%N; exit 2', expect_exit: 2 }}
  - {{ id: word, workload: command/run, params: {{ command: 'cat notes.txt', cwd: my }} }}
  - {{ id: slash, workload: command/run, params: {{ command: 'cat notes.txt', cwd: my/ }} }}
  - {{ id: wrong, workload: command/run, params: {{ command: 'echo no luck; exit 2' }} }}
",
        crate_of("command")
    ));
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let sort = job(&record, "sort");
    assert_eq!(sort["outcome"], "measured", "{sort}");
    // Something ran in another process: a shell or sort needs at least this much memory.
    assert!(
        sort["metrics"]["max_rss"].as_f64().unwrap() > 100e3,
        "{}",
        sort["metrics"]
    );
    let cpu = |name: &str| sort["metrics"][name].as_f64().unwrap();
    assert!(cpu("user_ms") + cpu("system_ms") > 0.0);
    assert_eq!(sort["scopes"][0]["name"], "program");
    assert_eq!(
        sort["digest"]["value"],
        job(&record, "same")["digest"]["value"],
        "both print the same"
    );
    assert!(
        !sort["warnings"].to_string().contains("counter"),
        "times may differ: {}",
        sort["warnings"]
    );
    for id in ["word", "slash"] {
        let named = job(&record, id);
        assert_eq!(
            named["outcome"], "measured",
            "a folder is named with a slash and without: {named}"
        );
        assert_eq!(
            named["digest"]["value"],
            job(&record, "same")["digest"]["value"],
            "{id}"
        );
    }
    let other = job(&record, "other");
    assert!(
        other["warnings"].to_string().contains("digest"),
        "a different output is said: {}",
        other["warnings"]
    );
    let wrong = job(&record, "wrong");
    assert_eq!(
        (wrong["outcome"].as_str(), wrong["phase"].as_str()),
        (Some("failed"), Some("run"))
    );
    let message = wrong["message"].as_str().unwrap();
    assert!(
        message.contains("`sh` ended with exit code 2 instead of 0; its last words: no luck"),
        "{message}"
    );

    // Relative paths start at the project's root, in whatever folder orch is started.
    project.write("below/notes.txt", "");
    let mut command = project.command();
    command
        .args(["run", "../s.yaml", "--filter", "sort", "--json"])
        .current_dir(project.path().join("below"));
    let out = command.output().unwrap();
    assert_eq!(
        out.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn command_is_part_of_orch() {
    let project = Project::new();
    let (record, ran) = project.record(
        "
plugins:
  command: { builtin: command }
defaults: { time: 20ms, rounds: 2, timeout: 60s }
workloads:
  - { id: sort, workload: command/run, params: { command: [sort] } }
  - { id: wrong, workload: command/run, params: { command: [no-such-program] } }
",
    );
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert_eq!(job(&record, "sort")["outcome"], "measured", "{record}");
    let message = job(&record, "wrong")["message"].as_str().unwrap();
    assert!(
        message.contains("cannot start `no-such-program`"),
        "{message}"
    );
    let list = project.orch(&["list", "command/run", "--scenario", "s.yaml"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    assert!(list.stdout.starts_with("command/run\n"), "{}", list.stdout);
    // The record has a workload that fails, and so has each side of a comparison.
    let arguments = ["compare", ".", ".", "--scenario", "s.yaml", "--pairs", "2"];
    let found = project.orch(&arguments);
    assert_eq!(found.code, 201, "{}{}", found.stdout, found.stderr);
    assert!(
        found.stdout.contains("1 missing"),
        "{}{}",
        found.stdout,
        found.stderr
    );
}
