//! Plugins that disturb orch without crashing: each affects at most its own job, and leaves
//! nothing.

use crate::support::{Project, find_processes, job, marked_processes};

/// Source of a C plugin with a workload for each kind of disturbance.
const NASTY: &str = include_str!("../fixtures/zoo/nasty.c");

/// Returns the processes whose command line contains a word.
fn running(word: &str) -> Vec<i32> {
    find_processes("cmdline", word)
}

#[test]
fn nasty_plugins_cost_their_own_jobs_at_most() {
    let project = Project::new();
    project.c_plugin("nasty", NASTY);
    let mut scenario = format!(
        "defaults: {{ time: 10ms, rounds: 2, timeout: 60s, memory: 256MiB }}
plugins: {{ nasty: {{ path: libnasty.so, env: {{ ORCH_TEST: '{}' }} }} }}
workloads:
  - {{ id: leaves_group, workload: nasty/leaves_group, timeout: 2s }}
",
        project.path().display()
    );
    let rest = [
        "good",
        "cleared_daemon",
        "unclosed",
        "crossed",
        "stale_error",
        "slow_reset",
        "chatty_setup",
        "sets_error",
        "threads_count",
        "whole_digest",
        "no_work",
        "closes_all",
    ];
    for id in rest {
        scenario.push_str(&format!("  - workload: nasty/{id}\n"));
    }
    let (record, ran) = project.record(&scenario);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let message = |id: &str| {
        job(&record, id)["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let warns = |id: &str, words: &str| {
        let warnings = job(&record, id)["warnings"].as_array().unwrap();
        assert!(
            warnings
                .iter()
                .any(|warning| warning.as_str().unwrap().contains(words)),
            "{id}: {warnings:?}"
        );
    };
    let measured = [
        "good",
        "cleared_daemon",
        "unclosed",
        "crossed",
        "slow_reset",
        "chatty_setup",
        "sets_error",
        "threads_count",
        "whole_digest",
    ];
    for id in measured {
        assert_eq!(
            job(&record, id)["outcome"],
            "measured",
            "{id}: {}",
            message(id)
        );
    }
    assert!(
        message("leaves_group").contains("timeout of 2s"),
        "{}",
        message("leaves_group")
    );
    assert!(
        message("stale_error").contains("without a message"),
        "{}",
        message("stale_error")
    );
    assert!(
        message("no_work").contains("does no work"),
        "{}",
        message("no_work")
    );
    // Its message depends on which descriptor orch misses first.
    assert_eq!(job(&record, "closes_all")["outcome"], "failed");
    warns("cleared_daemon", "left running: 1");
    warns("unclosed", "never closed");
    warns("crossed", "closed out of order");
    warns("whole_digest", "output differs");

    // One such error affects that call and no later one.
    let profiled = job(&record, "unclosed")["profile"]["iterations"]
        .as_u64()
        .unwrap();
    let top = job(&record, "unclosed")["scopes"].as_array().unwrap();
    let b = top.iter().find(|scope| scope["name"] == "B").unwrap();
    assert!(b["calls"].as_u64().unwrap() >= profiled - 1, "{top:?}");
    assert_eq!(
        job(&record, "sets_error")["allocations"]["count"],
        0,
        "orch's own bookkeeping is not the plugin's"
    );
    assert_eq!(
        job(&record, "threads_count")["metrics"]["items"],
        10.0,
        "short-lived threads count too"
    );

    assert_eq!(running("98761"), Vec::<i32>::new());
    assert_eq!(
        marked_processes(&format!("ORCH_TEST={}", project.path().display())),
        Vec::<i32>::new()
    );
}

#[test]
fn build_ends_with_its_command() {
    let project = Project::new();
    project.c_plugin("nasty", NASTY);
    let scenario = "defaults: { time: 5ms, rounds: 1 }
plugins: { nasty: { dir: ., build: 'sleep 98762 & cp libnasty.so \"$ORCH_OUT\"' } }
workloads: [{ workload: nasty/good }]
";
    // Waiting for the child would take a day.
    let (_, ran) = project.record(scenario);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let left = running("98762");
    assert_eq!(left.len(), 1, "a build server is none of orch's business");
    for pid in left {
        let _ = std::process::Command::new("kill")
            .arg(pid.to_string())
            .status();
    }
}

#[test]
fn file_that_changes_while_it_is_measured_is_noticed() {
    let project = Project::new();
    let plugin = project.c_plugin("nasty", NASTY);
    // The plugin replaces its own file during the run, as a build command that runs at the wrong
    // time would.
    let other = project.c_plugin("other", &NASTY.replace("i < 200", "i < 300"));
    let hurry = format!(
        "if (!s->sum && rename(\"{}\", \"{}\")) s->n = 0;",
        other.display(),
        plugin.display()
    );
    let source = NASTY.replace("  s->n++;\n", &format!("  s->n++;\n  {hurry}\n"));
    project.c_plugin("nasty", &source);
    let scenario = "defaults: { time: 5ms, rounds: 1, sandbox: off }
plugins: { nasty: { path: libnasty.so } }
workloads: [{ workload: nasty/good }]
";
    let (record, ran) = project.record(scenario);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let message = job(&record, "good")["message"].as_str().unwrap();
    assert!(message.contains("changed during the run"), "{message}");
}
