//! Tests of the values that are read from each format.

use super::*;

#[test]
fn hyperfine_is_read() {
    let comparison = of(
        r#"{"results": [
            {"command": "sort a", "mean": 0.0305, "stddev": 0.0178, "median": 0.0224,
             "user": 0.011, "system": 0.002, "min": 0.0201, "max": 0.0571,
             "times": [0.0571, 0.0201, 0.0212, 0.0236], "exit_codes": [0, 0, 1, null],
             "parameters": {"file": "a"}},
            {"command": "true", "mean": 0.0012, "stddev": null, "median": 0.0012, "user": 0.0,
             "system": 0.0, "min": 0.0012, "max": 0.0012, "exit_codes": [0]}
        ]}"#,
        None,
    );
    check_unjudged(&comparison);
    assert_eq!(names(&comparison), ["sort a", "true"]);
    let session = rows(&comparison)[0].before.as_ref().unwrap();
    assert_eq!((session.samples, session.failed), (Some(4), 2));
    assert_eq!(session.median_ns, Some(22_400_000.0));
    assert_eq!(session.parameters["file"], "a");
    assert_eq!(session.counters["user"], 11_000_000.0);
    assert_eq!(
        broken_rules(&comparison),
        ["mean-off-median", "failed-runs", "short-samples"]
    );
    assert!(message(&comparison, "mean-off-median").contains("the first of 4 runs took 57.1"));
    assert!(message(&comparison, "failed-runs").contains("sort a 2 of 4 runs (exit code 1)"));
    assert!(message(&comparison, "short-samples").contains("true 1.20 ms"));
    let time = comparison
        .jobs
        .iter()
        .find(|entry| entry.id == "true")
        .unwrap();
    assert_eq!(
        time.reason,
        "one session of 1 sample, and none to compare it with"
    );
}

#[test]
fn google_benchmark_is_read() {
    let comparison = of(
        r#"{"context": {"host_name": "h", "num_cpus": 2, "cpu_scaling_enabled": true,
             "library_build_type": "debug", "caches": [{"type": "Data", "level": 1, "size": 32768}]},
            "benchmarks": [
            {"name": "BM_a", "run_name": "BM_a", "run_type": "iteration", "repetitions": 2,
             "repetition_index": 0, "threads": 1, "iterations": 1000, "real_time": 1.50e+03,
             "cpu_time": 1.40e+03, "time_unit": "us", "items_per_second": 2.5e+01, "label": "x"},
            {"name": "BM_a", "run_name": "BM_a", "run_type": "iteration", "repetitions": 2,
             "repetition_index": 1, "threads": 1, "iterations": 1000, "real_time": 1.70e+03,
             "cpu_time": 1.40e+03, "time_unit": "us"},
            {"name": "BM_a_mean", "run_name": "BM_a", "run_type": "aggregate", "repetitions": 2,
             "aggregate_name": "mean", "aggregate_unit": "time", "iterations": 2,
             "real_time": 2.60e+03, "cpu_time": 1.40e+03, "time_unit": "us"},
            {"name": "BM_a_cv", "run_name": "BM_a", "run_type": "aggregate", "repetitions": 2,
             "aggregate_name": "cv", "aggregate_unit": "percentage", "iterations": 2,
             "real_time": 8.84e-02, "cpu_time": 0.0, "time_unit": "us"},
            {"name": "BM_b_BigO", "run_name": "BM_b", "run_type": "aggregate",
             "aggregate_name": "BigO", "cpu_coefficient": 1.0, "real_coefficient": 1.0,
             "big_o": "N", "time_unit": "ns"},
            {"name": "BM_b_RMS", "run_name": "BM_b", "run_type": "aggregate",
             "aggregate_name": "RMS", "rms": 4.5e-03},
            {"name": "BM_c", "run_name": "BM_c", "run_type": "iteration", "repetitions": 1,
             "repetition_index": 0, "threads": 1, "error_occurred": true,
             "error_message": "no file", "iterations": 0, "real_time": 0.0, "cpu_time": 0.0,
             "time_unit": "ns"},
            {"name": "BM_d", "iterations": 1, "real_time": NaN, "cpu_time": Infinity,
             "time_unit": "ns"},
            {"name": "BM_e", "iterations": 1, "real_time": 7, "cpu_time": 7, "time_unit": "min"}
        ]}"#,
        None,
    );
    check_unjudged(&comparison);
    assert_eq!(names(&comparison), ["BM_a", "BM_c", "BM_d", "BM_e"]);
    let table = comparison.imported.as_ref().unwrap();
    assert_eq!(table.ignored, ["BM_b_BigO", "BM_b_RMS"]);
    let source = &table.sources[0];
    assert_eq!(source.machine["caches"], "L1 Data 32768");
    assert_eq!(
        (source.cpu_scaling, source.debug_library),
        (Some(true), Some(true))
    );
    let session = table.rows[0].before.as_ref().unwrap();
    assert_eq!(
        (session.samples, session.mean_ns),
        (Some(2), Some(2_600_000.0))
    );
    assert_eq!(session.counters["items_per_second"], 25.0);
    assert_eq!(
        broken_rules(&comparison),
        [
            "statistics-and-samples",
            "not-finite",
            "failed-runs",
            "cpu-scaling",
            "debug-library",
            "unknown-unit"
        ]
    );
    assert_eq!(
        message(&comparison, "statistics-and-samples"),
        "BM_a: the 2 listed samples have mean 1.6 ms, not 2.6 ms"
    );
    assert!(message(&comparison, "failed-runs").contains("BM_c 1 of 1 run (no file)"));
    assert!(message(&comparison, "not-finite").contains("BM_d real_time NaN"));
    assert!(message(&comparison, "unknown-unit").contains("BM_e `min`"));
}

/// Before 1.5, only the names of entries identify aggregates.
#[test]
fn old_google_benchmark_is_read() {
    let entry = |name: &str, time: f64| {
        format!(
            r#"{{"name": "{name}", "iterations": 9, "real_time": {time}, "cpu_time": {time},
                "time_unit": "ms"}}"#
        )
    };
    let entries = [
        entry("BM_x/8", 1.0),
        entry("BM_x/8", 3.0),
        entry("BM_x/8_mean", 2.0),
        entry("BM_x/8_stddev", 1.414),
    ];
    let text = format!(
        "{{\"context\": {{}}, \"benchmarks\": [{}]}}",
        entries.join(",")
    );
    let comparison = of(&text, None);
    assert_eq!(names(&comparison), ["BM_x/8"]);
    let session = rows(&comparison)[0].before.as_ref().unwrap();
    assert_eq!(
        (session.samples, session.deviation_ns),
        (Some(2), Some(1_414_000.0))
    );
    assert_eq!(broken_rules(&comparison), Vec::<&str>::new());
}

#[test]
fn pytest_benchmark_is_read() {
    let side = |version: &str, host: &str, mean: &str, n: u32| {
        format!(
            r#"{{"machine_info": {{"node": "{host}", "python_version": "{version}",
                 "cpu": {{"brand_raw": "CPU", "count": 2}}}},
                "commit_info": {{"id": "abc", "dirty": true}}, "version": "5.1.0",
                "datetime": "2026-01-01T00:00:00+00:00",
                "benchmarks": [{{"name": "test_a", "fullname": "t.py::test_a",
                "params": {{"n": {n}}}, "options": {{"timer": "perf_counter"}},
                "stats": {{"min": 0.0900, "max": 0.1300, "mean": {mean}, "stddev": 0.0155,
                "rounds": 5, "median": 0.1000, "iterations": 1}}}}]}}"#
        )
    };
    let comparison = of(
        &side("3.11", "x", "0.101", 1),
        Some(&side("3.12", "y", "0.201", 2)),
    );
    check_unjudged(&comparison);
    assert_eq!(
        broken_rules(&comparison),
        [
            "min-mean-max",
            "mean-off-median",
            "other-parameters",
            "other-machine",
            "other-version",
            "dirty-commit"
        ]
    );
    assert!(message(&comparison, "other-parameters").contains("t.py::test_a (n 1 -> 2)"));
    assert!(message(&comparison, "other-version").contains("Python 3.11 -> 3.12"));
    assert_eq!(
        comparison.jobs[0].reason,
        "one session of 5 samples per side, one after the other: a change of the machine looks \
         like a change of the code"
    );
}

#[test]
fn criterion_is_read() {
    let estimate = |value: f64| {
        format!(
            r#"{{"confidence_interval": {{"confidence_level": 0.95, "lower_bound": 1.0,
                "upper_bound": 2.0}}, "point_estimate": {value}, "standard_error": 0.1}}"#
        )
    };
    let text = format!(
        r#"{{"mean": {0}, "median": {1}, "median_abs_dev": {2}, "slope": null, "std_dev": {2}}}"#,
        estimate(1500.5),
        estimate(1490.25),
        estimate(20.5)
    );
    let comparison = of(&text, Some(&text));
    check_unjudged(&comparison);
    let session = rows(&comparison)[0].after.as_ref().unwrap();
    assert_eq!(
        (session.mean_ns, session.median_ns),
        (Some(1500.5), Some(1490.25))
    );
    assert_eq!(session.samples, None);
    assert_eq!(
        comparison.jobs[0].reason,
        "one session per side, one after the other: a change of the machine looks like a change \
         of the code"
    );
}

fn import(first: &Path, second: Option<&Path>) -> Result<Comparison, CommandError> {
    import_results(&ImportRequest {
        first: first.to_owned(),
        second: second.map(Path::to_owned),
    })
}

#[test]
fn folder_of_criterion_has_both_sides() {
    let folder = fixture("criterion");
    let comparison = import(&folder, None).unwrap();
    check_unjudged(&comparison);
    for row in rows(&comparison) {
        assert!(row.before.is_some() && row.after.is_some(), "{}", row.name);
    }
    let single = folder.join("fib_20/new/estimates.json");
    let single = import(&single, None).unwrap();
    let whole = rows(&comparison)
        .iter()
        .find(|row| row.name == "fib 20")
        .unwrap();
    assert_eq!(rows(&single)[0].name, "fib 20");
    assert_eq!(rows(&single)[0].before, whole.after);
    let two = import(&folder, Some(&folder)).unwrap();
    assert_eq!(rows(&two)[0].before, rows(&two)[0].after);
    assert_eq!(rows(&two)[0].after, rows(&comparison)[0].after);
}

#[test]
fn saved_baseline_of_criterion_is_the_first_side() {
    let copy = tempfile::tempdir().unwrap();
    let sides = [("new", "new"), ("new", "base"), ("base", "main")];
    for (from, to) in sides {
        let target = copy.path().join("fib_20").join(to);
        std::fs::create_dir_all(&target).unwrap();
        let source = fixture("criterion/fib_20").join(from);
        std::fs::copy(source.join("estimates.json"), target.join("estimates.json")).unwrap();
    }
    let comparison = import(copy.path(), None).unwrap();
    assert!(
        comparison.a.name.ends_with("(main)"),
        "{}",
        comparison.a.name
    );
    assert_eq!(
        comparison.imported.as_ref().unwrap().ignored,
        ["baseline base"]
    );
    assert_eq!(names(&comparison), ["fib_20"]);
    std::fs::remove_dir_all(copy.path().join("fib_20/main")).unwrap();
    let comparison = import(copy.path(), None).unwrap();
    assert_eq!(broken_rules(&comparison)[0], "same-session");
}

#[test]
fn rows_of_two_files_meet_by_name() {
    let file = |commands: &[&str]| {
        let results: Vec<String> = commands
            .iter()
            .map(|command| format!(r#"{{"command": "{command}", "mean": 1.500}}"#))
            .collect();
        format!("{{\"results\": [{}]}}", results.join(","))
    };
    let comparison = of(&file(&["a", "b", "a"]), Some(&file(&["a", "c", "a", "a"])));
    assert_eq!(names(&comparison), ["a", "b", "a #2", "c", "a #3"]);
    assert_eq!(
        broken_rules(&comparison),
        ["repeated-row", "only-in-one-file"]
    );
    assert!(message(&comparison, "repeated-row").contains("a 2 times before, a 3 times after"));
    let alone: Vec<&str> = comparison
        .contradictions
        .iter()
        .filter(|one| one.id == "only-in-one-file")
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(alone, ["only in a.json: b", "only in b.json: c, a #3"]);
    let reason = |id: &str| {
        let mut entries = comparison.jobs.iter();
        entries.find(|entry| entry.id == id).unwrap().reason.clone()
    };
    assert_eq!(reason("b"), "one session, only in a.json");
    assert_eq!(reason("c"), "one session, only in b.json");
    let json = serde_json::to_string(&comparison).unwrap();
    let again: Comparison = serde_json::from_str(&json).unwrap();
    assert_eq!(again.imported, comparison.imported);
}
