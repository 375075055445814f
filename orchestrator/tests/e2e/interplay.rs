//! Effects of other events on a run: Ctrl-C, a second orch, a reader that closes the pipe, and a
//! killed run.

use crate::support::waiting::{wait_until, wait_while_running};
use crate::support::{Project, crate_of, job, marked_processes};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

/// Writes a scenario that runs long enough to be disturbed: it has many short jobs, and the first
/// ones finish soon.
fn scenario(project: &Project, jobs: usize) -> String {
    let mut text = format!(
        "defaults: {{ time: 200ms, rounds: 1 }}
plugins: {{ faulty: {{ crate: {}, env: {{ ORCH_TEST: '{}' }} }} }}
workloads:
",
        crate_of("faulty"),
        project.path().display()
    );
    for index in 0..jobs {
        text.push_str(&format!(
            "  - {{ id: good-{index}, workload: faulty/good }}\n"
        ));
    }
    text
}

fn send(child: &Child, signal: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Counts the timing passes in the journal of the only run.
fn timed_passes(project: &Project) -> usize {
    let journal = project
        .results()
        .first()
        .map(|folder| folder.join("journal.jsonl"));
    let text = journal
        .and_then(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    text.lines()
        .filter(|line| line.contains(r#""pass":"time""#))
        .count()
}

#[test]
fn ctrl_c_stores_complete_jobs_and_exits_130() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 60));
    let mut command = project.plain_command();
    let mut child = command
        .args(["run", "s.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_while_running(&mut child, "two timed jobs", || timed_passes(&project) >= 2);
    send(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let folder = &project.results()[0];
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("record.json")).unwrap()).unwrap();
    assert_eq!(record["outcome"], "interrupted");
    let outcomes: Vec<&str> = record["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["outcome"].as_str().unwrap())
        .collect();
    assert!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == "measured")
            .count()
            >= 2,
        "{outcomes:?}"
    );
    assert!(outcomes.contains(&"skipped"), "{outcomes:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("interrupted"));
    // Measurements of unfinished jobs are not lost either.
    let lines = std::fs::read_to_string(folder.join("journal.jsonl"))
        .unwrap()
        .lines()
        .count();
    assert!(lines > 2, "{lines}");
    assert_eq!(
        marked_processes(&format!("ORCH_TEST={}", project.path().display())),
        Vec::<i32>::new()
    );
}

/// `timeout` and CI systems send a second signal immediately after the first.
#[test]
fn signals_in_a_row_are_one_request_to_stop() {
    for signals in [
        [libc::SIGTERM, libc::SIGTERM],
        [libc::SIGINT, libc::SIGTERM],
        [libc::SIGTERM, libc::SIGHUP],
    ] {
        let project = Project::new();
        project.write("s.yaml", scenario(&project, 60));
        let mut command = project.plain_command();
        let mut child = command
            .args(["run", "s.yaml"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_while_running(&mut child, "a timed job", || timed_passes(&project) >= 1);
        for signal in signals {
            // SAFETY: sends a signal to a child process that has not been reaped.
            assert_eq!(unsafe { libc::kill(child.id().cast_signed(), signal) }, 0);
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{signals:?}: {said}");
        assert!(
            said.contains("stopping; completed measurements are kept"),
            "{signals:?}: {said}"
        );
        let record = std::fs::read(project.results()[0].join("record.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["outcome"], "interrupted", "{signals:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("interrupted"),
            "{signals:?}"
        );
    }
}

#[test]
fn run_stops_with_its_terminal_unless_under_nohup() {
    for (handler, jobs, wanted) in [(libc::SIG_DFL, 60, 130), (libc::SIG_IGN, 8, 0)] {
        let project = Project::new();
        project.write("s.yaml", scenario(&project, jobs));
        let mut command = project.plain_command();
        command
            .args(["run", "s.yaml"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // The test itself may run under nohup, and children inherit ignored signals.
        let set_handler = move || {
            // SAFETY: signal(2) may be called between fork and exec.
            unsafe { libc::signal(libc::SIGHUP, handler) };
            Ok(())
        };
        // SAFETY: the closure calls nothing else.
        let mut child = unsafe { command.pre_exec(set_handler) }.spawn().unwrap();
        wait_while_running(&mut child, "a timed job", || timed_passes(&project) >= 1);
        send(&child, "-HUP");
        assert_eq!(child.wait().unwrap().code(), Some(wanted));
    }
}

#[test]
fn runs_measure_one_after_the_other() {
    let project = Project::new();
    project.write("long.yaml", scenario(&project, 40));
    project.write("short.yaml", scenario(&project, 1));
    let mut command = project.plain_command();
    let mut first = command
        .args(["run", "long.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_while_running(&mut first, "the first to measure", || {
        timed_passes(&project) >= 1
    });
    let mut command = project.plain_command();
    let mut second = command
        .args(["run", "short.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let said = lines
        .by_ref()
        .map(|line| line.unwrap())
        .find(|line| line.contains("waiting"));
    assert!(said.is_some(), "the second says that it waits");
    assert!(second.try_wait().unwrap().is_none());
    send(&first, "-INT");
    let _ = first.wait_with_output().unwrap();
    lines.for_each(drop);
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

#[test]
fn closed_output_is_no_error() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 1));
    let mut command = project.plain_command();
    let mut child = command
        .args(["run", "s.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(project.results()[0].join("record.json").is_file());
}

#[test]
fn interrupted_run_resumes_to_a_complete_record() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 8));
    let mut command = project.plain_command();
    let mut child = command
        .args(["run", "s.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_while_running(&mut child, "two timed jobs", || timed_passes(&project) >= 2);
    send(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("to resume: orch run s.yaml --resume"),
        "{said}"
    );
    let folder = project.results().remove(0);
    assert!(folder.join("record.json").exists());
    let done = timed_passes(&project);
    let ran = project.orch(&["run", "s.yaml", "--resume", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(project.results().first(), Some(&folder), "the same folder");
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(record["outcome"], "complete");
    assert!(done >= 2 && !folder.join("journal.jsonl").exists());
    let stored = std::fs::read(folder.join("record.json")).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&stored).unwrap(),
        record
    );
}

#[test]
fn killed_run_leaves_its_journal_and_no_worker() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 60));
    let mut command = project.plain_command();
    let mut child = command
        .args(["run", "s.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_while_running(&mut child, "a timed job", || timed_passes(&project) >= 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(timed_passes(&project) >= 1);
    let mark = format!("ORCH_TEST={}", project.path().display());
    wait_until("the worker to notice", || {
        marked_processes(&mark).is_empty()
    });
}

#[test]
fn killed_run_resumes_and_loses_only_the_pass_in_flight() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 12));
    let mut command = project.plain_command();
    let mut child = command
        .args(["run", "s.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_while_running(&mut child, "three timed jobs", || {
        timed_passes(&project) >= 3
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = project.results().remove(0);
    let journal = folder.join("journal.jsonl");
    let kept = std::fs::read_to_string(&journal).unwrap();
    let done: Vec<serde_json::Value> = kept
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // This is what a failure of the machine in the middle of a line leaves.
    let torn = format!("{kept}{{\"pass\": {{\"job\": \"good-0\", \"pass\"");
    // This is what another version of orch would have written.
    let other = torn.replacen("orch/journal/", "orch/journal/9", 1);
    std::fs::write(&journal, &other).unwrap();
    let ran = project.orch(&["run", "s.yaml", "--resume"]);
    assert_eq!(ran.code, 200, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("was written by another version of orch: its schema is orch/journal/9"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("hint: resume with the version of orch that started the run"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        std::fs::read_to_string(&journal).unwrap(),
        other,
        "nothing is lost"
    );
    std::fs::write(&journal, torn).unwrap();

    let ran = project.orch(&["run", "s.yaml", "--resume", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(project.results(), [folder], "the same folder");
    assert!(!journal.exists());
    let record: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(record["outcome"], "complete");
    let timed: Vec<&serde_json::Value> = done
        .iter()
        .map(|line| &line["pass"])
        .filter(|end| end["pass"] == "time")
        .collect();
    assert!(timed.len() >= 3, "{timed:?}");
    for end in timed {
        let samples = &end["result"]["reply"]["timed"]["samples_ns"];
        let id = end["job"].as_str().unwrap();
        assert_eq!(
            &job(&record, id)["time"]["processes"][0]["samples_ns"],
            samples,
            "{id} was not measured again"
        );
    }
    assert_eq!(record["jobs"].as_array().unwrap().len(), 12);

    let ran = project.orch(&["run", "s.yaml", "--resume"]);
    assert_eq!(ran.code, 200);
    assert!(ran.stderr.contains("nothing to resume"), "{}", ran.stderr);
}

#[test]
fn run_is_not_resumed_after_something_changed() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 12));
    let mut command = project.plain_command();
    let mut child = command
        .args(["run", "s.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_while_running(&mut child, "a timed job", || timed_passes(&project) >= 1);
    child.kill().unwrap();
    child.wait().unwrap();
    project.write("s.yaml", scenario(&project, 13));
    let ran = project.orch(&["run", "s.yaml", "--resume"]);
    assert_eq!(ran.code, 200);
    assert!(
        ran.stderr
            .contains("the scenario changed after this run started"),
        "{}",
        ran.stderr
    );
    assert!(
        project.results()[0].join("journal.jsonl").exists(),
        "nothing is lost"
    );
}

#[test]
fn dry_run_measures_nothing() {
    let project = Project::new();
    project.write("s.yaml", scenario(&project, 2));
    let ran = project.orch(&["run", "s.yaml", "--dry-run", "--seed", "5"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("2 jobs, 8 passes"), "{}", ran.stdout);
    assert_eq!(project.results(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn dry_run_refuses_and_lists_what_the_run_would() {
    let project = Project::new();
    let told = |rules: &str, arguments: &[&str]| {
        project.write("s.yaml", format!("{}{rules}", scenario(&project, 2)));
        project.orch(&[&["run", "s.yaml", "--filter", "good-1"], arguments].concat())
    };
    let job = "targets: [{ job: nowhere, metric: time, is: '<= 1s' }]\n";
    let metric = "accept: [{ job: 'good-*', metric: tiem, reason: x, until: 2999-12-31 }]\n";
    for (rules, part) in [
        (job, "names the job 'nowhere', which does not exist"),
        (metric, "names the metric 'tiem'"),
    ] {
        for arguments in [&["--dry-run"][..], &[]] {
            let ran = told(rules, arguments);
            assert_eq!(ran.code, 200, "{}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains(part), "{}", ran.stderr);
        }
    }
    let text = scenario(&project, 2).replace("rounds: 1", "rounds: 1, threads: 1000");
    project.write("s.yaml", text);
    for arguments in [&["--dry-run"][..], &[]] {
        let ran = project.orch(&[&["run", "s.yaml"], arguments].concat());
        assert_eq!(ran.code, 201, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("needs 1000 CPUs"), "{}", ran.stdout);
    }
}

#[test]
fn filter_chooses_jobs_and_a_users_template_overrides() {
    let project = Project::new();
    project.write(
        "templates/summary.txt",
        "mine: {{ record.jobs | map(attribute='id') | join(',') }}\n",
    );
    project.write("templates/extra.html", "{{ '<b>' }}");
    project.write(
        "s.yaml",
        format!("{}reports: [extra.html]\n", scenario(&project, 12)),
    );
    let ran = project.orch(&["run", "s.yaml", "--filter", "good-1*"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("mine: good-1,good-10,good-11\n"),
        "{}",
        ran.stdout
    );
    let html = std::fs::read_to_string(project.results()[0].join("extra.html")).unwrap();
    assert_eq!(html, "&lt;b&gt;");
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(project.results()[0].join("record.json")).unwrap())
            .unwrap();
    assert_eq!(job(&record, "good-10")["outcome"], "measured");

    project.write("templates/extra.html", "{{ record.nothing_of_that_name }}");
    let ran = project.orch(&["run", "s.yaml", "--filter", "good-1"]);
    assert_eq!(ran.code, 202);
    assert!(
        ran.stderr.contains("the result itself is stored in") && ran.stderr.contains("extra.html"),
        "{}",
        ran.stderr
    );
}
