//! Counts that are called exact are exact: sums within rounding, and memory that bypasses the
//! counting allocator.

use crate::history::{History, culprits};
use crate::support::Project;
use serde_json::Value;

const SOURCE: &str = include_str!("../fixtures/precise.c");

/// Compiles a library with the given macros of the fixture.
fn library(project: &Project, name: &str, macros: &str) -> String {
    project
        .c_plugin(name, &format!("{macros}\n{SOURCE}"))
        .display()
        .to_string()
}

/// Returns the entries of a comparison of two libraries.
fn compared(project: &Project, [a, b]: [&str; 2]) -> Value {
    let text = format!(
        "defaults: {{ time: 20ms, rounds: 2 }}\nplugins: {{ precise: {{ path: {a} }} }}\n\
         workloads: [{{ workload: precise/work }}]\nreports: []\n"
    );
    project.write("scenarios/s.yaml", text);
    let ran = project.orch(&["compare", a, b, "--json", "--seed", "1", "--pairs", "1"]);
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.stdout, ran.stderr))
}

fn of<'a>(comparison: &'a Value, metric: &str) -> (&'a str, &'a str) {
    let jobs = comparison["jobs"].as_array().unwrap();
    let entry = jobs
        .iter()
        .find(|entry| entry["metric"] == metric)
        .unwrap_or_else(|| panic!("no {metric}: {jobs:#?}"));
    (
        entry["verdict"].as_str().unwrap(),
        entry["reason"].as_str().unwrap(),
    )
}

#[test]
fn sums_that_differ_by_rounding_are_equal() {
    let project = Project::new();
    let one = library(&project, "one", "#define ADD 1.0");
    let tenths = library(&project, "tenths", "#define ADD 0.1\n#define TIMES 10");
    let more = library(&project, "more", "#define ADD 0.1\n#define TIMES 11");
    for (a, b) in [(&one, &tenths), (&tenths, &one)] {
        assert_eq!(
            of(&compared(&project, [a, b]), "units"),
            ("equivalent", "equal within rounding")
        );
    }
    assert_eq!(
        of(&compared(&project, [&tenths, &more]), "units"),
        ("regressed", "counted exactly")
    );
    let (zero, negative) = (
        library(&project, "zero", "#define ADD 0.0"),
        library(&project, "minus", "#define ADD -0.0"),
    );
    assert_eq!(
        of(&compared(&project, [&negative, &zero]), "units"),
        ("equivalent", "counted exactly")
    );
}

#[test]
fn bisect_names_no_commit_for_rounding() {
    let counting = |amount: &str| format!("-DMETRIC -DCOUNTER={amount}");
    let history = History::of(
        &[
            counting("0.3"),
            counting("(0.1+0.2)"),
            counting("0.3"),
            counting("0.6"),
        ]
        .each_ref()
        .map(String::as_str),
    );
    let (alike, _) = history.report("c0", "c1", &["--metric", "steps"]);
    assert_eq!(alike["outcome"], "none", "{}", alike["reason"]);
    let (found, _) = history.report("c0", "c3", &["--metric", "steps"]);
    assert_eq!(culprits(&found), [["c3"]]);
}

/// Returns the record of the only job of a run of a library.
fn job(project: &Project, library: &str) -> Value {
    let scenario = format!(
        "defaults: {{ time: 20ms, rounds: 1 }}\nplugins: {{ precise: {{ path: {library} }} }}\n\
         workloads: [{{ workload: precise/work }}]\nreports: []\n"
    );
    project.record(&scenario).0["jobs"][0].clone()
}

#[test]
fn memory_past_the_allocator_revokes_exact() {
    let project = Project::new();
    let plain = job(&project, &library(&project, "plain", "#define SLEEP 0"));
    assert_eq!(plain["allocations"]["exact"], true, "{plain:#}");
    let told = plain["warnings"].to_string();
    assert!(!told.contains("counts are not exact"), "{told}");
    for way in ["NEXT_MALLOC", "HANDLE_REALLOC", "INTERNAL_CALLOC"] {
        let job = job(
            &project,
            &library(&project, way, &format!("#define WAY {way}")),
        );
        assert_eq!(job["allocations"]["exact"], false, "{way}: {job:#}");
        let kinds = job["warning_kinds"].as_array().unwrap();
        assert!(kinds.contains(&"foreign_blocks".into()), "{way}: {kinds:?}");
        let warnings = job["warnings"].to_string();
        assert!(
            warnings.contains("without a counted allocation"),
            "{way}: {warnings}"
        );
    }
}

#[test]
fn allocator_inside_the_plugin_revokes_exact_and_is_named() {
    let project = Project::new();
    for (name, source) in [
        (
            "mi_malloc",
            "void *mi_malloc(unsigned long size) { static char arena[4096]; return arena; }",
        ),
        (
            "mi_malloc_aligned",
            "static __attribute__((used)) void *mi_malloc_aligned(unsigned long size) \
             { return 0; }",
        ),
    ] {
        let job = job(
            &project,
            &library(&project, name, &format!("{source}\n#define WAY OWN_BUMP")),
        );
        assert_eq!(job["allocations"]["exact"], false, "{job:#}");
        assert!(
            job["warning_kinds"]
                .as_array()
                .unwrap()
                .contains(&"own_allocator".into()),
            "{job:#}"
        );
        let warnings = job["warnings"].to_string();
        assert!(
            warnings.contains(&format!("an allocator of its own (`{name}`)")),
            "{warnings}"
        );
    }
}

#[test]
fn memory_past_the_allocator_gives_no_exact_verdict() {
    let project = Project::new();
    let plain = library(&project, "plain", "#define SLEEP 0");
    let next = library(&project, "next", "#define WAY NEXT_MALLOC");
    let compared = compared(&project, [&plain, &next]);
    let (verdict, reason) = of(&compared, "allocations");
    assert_eq!(
        verdict, "inconclusive",
        "fewer, but only because they are not seen"
    );
    assert!(reason.starts_with("not exact"), "{reason}");
}

#[test]
fn sides_count_the_same_number_of_iterations() {
    let project = Project::new();
    // Long iterations are counted once, and every fourth iteration allocates more. Separate counts
    // of the sides would give different means.
    let (long, short) = (
        library(&project, "long", "#define SLEEP 550"),
        library(&project, "short", "#define SLEEP 1"),
    );
    for pair in [[&*long, &short], [&short, &long]] {
        let compared = compared(&project, pair);
        assert_eq!(
            of(&compared, "allocations"),
            ("equivalent", "counted exactly")
        );
        assert_eq!(of(&compared, "bytes"), ("equivalent", "counted exactly"));
    }
}
