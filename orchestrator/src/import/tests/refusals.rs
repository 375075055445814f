//! Tests of texts that no tool writes: each is refused with its place, its value and a remedy.

use super::*;

#[test]
fn unknown_json_is_refused_with_its_names() {
    insta::assert_snapshot!(refused("\n{\"a\": 1, \"b\": []}"), @r"
    error: a.json:2: is JSON of an unknown format: an object with `a`, `b`
    hint: name a file of `hyperfine --export-json`, `--benchmark_out` of Google Benchmark, `pytest --benchmark-json` or criterion's `estimates.json`
    1 problem in a.json; nothing was imported
    ");
    assert!(refused("[1]").contains("unknown format: a list"));
}

#[test]
fn wrong_fields_are_refused_with_their_places() {
    insta::assert_snapshot!(refused(
        r#"{"results": [
            {"command": 1, "mean": "fast", "times": [1.0, null], "exit_codes": 0},
            {"mean": 1.2.3},
            {"command": "b", "parameters": []},
            7
        ]}"#
    ), @r"
    error: a.json:2: `results[0].command`: is a number, not a text
    hint: export the file again with `hyperfine --export-json`
    error: a.json:2: `results[0].mean`: is a text, not a number
    hint: export the file again with `hyperfine --export-json`
    error: a.json:2: `results[0].times[1]`: is null, not a number
    hint: export the file again with `hyperfine --export-json`
    error: a.json:2: `results[0].exit_codes`: is a number, not a list
    hint: export the file again with `hyperfine --export-json`
    error: a.json:3: `results[1].command`: is missing
    hint: export the file again with `hyperfine --export-json`
    error: a.json:3: `results[1].mean`: `1.2.3` is not a number
    hint: export the file again with `hyperfine --export-json`
    error: a.json:4: `results[2].parameters`: is a list, not an object
    hint: export the file again with `hyperfine --export-json`
    error: a.json:4: `results[2].mean`: is missing
    hint: export the file again with `hyperfine --export-json`
    error: a.json:5: `results[3]`: is a number, not an object
    hint: export the file again with `hyperfine --export-json`
    9 problems in a.json; nothing was imported
    ");
    insta::assert_snapshot!(refused(
        r#"{"machine_info": {"node": 1}, "commit_info": {"dirty": "no"}, "benchmarks": [
            {"name": "a"},
            {"name": "b", "stats": {"mean": 1, "rounds": 1.5, "data": {}}}
        ]}"#
    ), @r"
    error: a.json:1: `commit_info.dirty`: is a text, not true or false
    hint: export the file again with `pytest --benchmark-json`
    error: a.json:1: `machine_info.node`: is a number, not a text
    hint: export the file again with `pytest --benchmark-json`
    error: a.json:2: `benchmarks[0].stats`: is missing
    hint: export the file again with `pytest --benchmark-json`
    error: a.json:3: `benchmarks[1].stats.rounds`: `1.5` is not a whole number
    hint: export the file again with `pytest --benchmark-json`
    error: a.json:3: `benchmarks[1].stats.data`: is an object, not a list
    hint: export the file again with `pytest --benchmark-json`
    5 problems in a.json; nothing was imported
    ");
    insta::assert_snapshot!(refused(
        r#"{"context": [], "benchmarks": [
            {"name": "a", "run_type": "iteration"},
            {"name": "b", "real_time": "1", "cpu_time": 1, "time_unit": "ns"},
            {"real_time": 1}
        ]}"#
    ), @r"
    error: a.json:1: `context`: is a list, not an object
    hint: export the file again with `--benchmark_out`
    error: a.json:2: `benchmarks[0].real_time`: is missing
    hint: export the file again with `--benchmark_out`
    error: a.json:3: `benchmarks[1].real_time`: is a text, not a number
    hint: export the file again with `--benchmark_out`
    error: a.json:4: `benchmarks[2].name`: is missing
    hint: export the file again with `--benchmark_out`
    4 problems in a.json; nothing was imported
    ");
    insta::assert_snapshot!(refused(
        r#"{"mean": {"point_estimate": 0.1}, "median": {"point_estimate": 0.1}}"#
    ), @r"
    error: a.json:1: `std_dev`: is missing, as in a file of relative changes
    hint: name the `estimates.json` below `new` or `base`
    1 problem in a.json; nothing was imported
    ");
}

#[test]
fn files_without_results_are_refused() {
    for text in [
        r#"{"results": []}"#,
        r#"{"context": {}, "benchmarks": []}"#,
        r#"{"machine_info": {}, "benchmarks": []}"#,
    ] {
        assert!(refused(text).contains("the file has no results"), "{text}");
    }
}

#[test]
fn sides_of_two_tools_are_refused() {
    let of = |first: &str, second: &str| {
        let both = of_texts(("a", first), Some(("b", second)));
        both.err().map(|error| error.to_string())
    };
    let hyperfine = r#"{"results": [{"command": "a", "mean": 1.0}]}"#;
    let google = r#"{"benchmarks": [{"name": "a", "real_time": 1.0, "time_unit": "ns"}]}"#;
    assert_eq!(
        of(hyperfine, google).unwrap(),
        "error: a comes from hyperfine, but b comes from Google Benchmark\nhint: name two files \
            of one tool"
    );
    for (first, second, file) in [
        ("method,previous_ms,current_ms\nA,1,2\n", google, "a"),
        (google, "method,previous_ms,current_ms\nA,1,2\n", "b"),
    ] {
        let expected = format!("error: {file} is a table, which contains both sides");
        assert!(of(first, second).unwrap().starts_with(&expected));
    }
}

/// A file that is cut off anywhere is refused, or read if nothing is missing.
#[test]
fn files_that_are_cut_off_end_in_an_error() {
    for name in [
        "hyperfine-before.json",
        "google-before.json",
        "pytest-before.json",
        "criterion/fib_20/new/estimates.json",
    ] {
        let text = text_of(name);
        let whole = text.trim_end().len();
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let result = of_texts((name, &text[..end]), None);
            assert_eq!(result.is_ok(), end >= whole, "{name} at {end}");
        }
    }
}

#[test]
fn control_characters_in_names_are_cleaned() {
    let text = r#"{"results": [{"command": "a\n\u001b[2Jb", "mean": 1.0,
        "parameters": {"x\u202e": "\u0007"}}]}"#;
    let comparison = of(text, None);
    assert_eq!(names(&comparison), ["a  [2Jb"]);
    let session = rows(&comparison)[0].before.as_ref().unwrap();
    let texts = session.parameters.iter().next().unwrap();
    assert!(!format!("{texts:?}").contains("\\u"), "{texts:?}");
}
