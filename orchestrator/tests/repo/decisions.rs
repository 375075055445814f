//! No code decides by the wording of a sentence: decisions use types, and texts follow from types.

use crate::sources::{code_before_tests, read_files};
use std::path::Path;

/// Names of variables and fields that hold texts for readers.
const TEXTS: [&str; 7] = [
    "finding", "hint", "message", "note", "output", "reason", "warning",
];
/// Ways to test the wording of a text.
const QUESTIONS: [&str; 8] = [
    ".contains(",
    ".ends_with(",
    ".find(",
    ".starts_with(",
    ".split_once(",
    ".strip_prefix(",
    " == \"",
    " != \"",
];
/// Files that may test the wording, because a text of another program has no other form, with the
/// source of the text.
const READERS: [(&str, &str); 6] = [
    ("scenario/yaml.rs", "errors of the YAML library"),
    (
        "scenario/job_matrix.rs",
        "the end mark of a hint, to join another one",
    ),
    ("runner/worker_exit.rs", "errors that a plugin reports"),
    ("runner/output_tail.rs", "output of a plugin"),
    ("plugin/advice.rs", "output of cargo and rustup"),
    (
        "plugin/revision/failure.rs",
        "output of compilers and shells",
    ),
];

fn is_test_file(path: &Path) -> bool {
    path.iter().any(|part| part == "tests")
        || path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().ends_with("tests.rs"))
        || path
            .iter()
            .any(|part| part == "verb_tests" || part == "mutation_tests")
}

/// Lists the places at which code tests the wording of a text.
fn find_decisions(code: &str) -> Vec<&str> {
    // A call may begin on the line after its receiver.
    let mut found = Vec::new();
    for question in QUESTIONS {
        for (at, _) in code.match_indices(question) {
            let before = code[..at].trim_end();
            let start = before
                .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
                .map_or(0, |last| last + 1);
            let subject = &before[start..];
            if TEXTS
                .iter()
                .any(|text| subject == *text || subject.ends_with(&format!("_{text}")))
            {
                let line = code[start..].lines().next().unwrap_or_default();
                found.push(line);
            }
        }
    }
    found
}

#[test]
fn code_decides_by_types_and_not_by_words() {
    let mut found = Vec::new();
    let mut sources = read_files("orchestrator/src", &[".rs"]);
    sources.extend(read_files("orchestrator/core/src", &[".rs"]));
    for (path, source) in sources {
        let is_exempt = READERS.iter().any(|(file, _)| path.ends_with(file));
        if is_exempt || is_test_file(&path) {
            continue;
        }
        for line in find_decisions(code_before_tests(&source)) {
            found.push(format!("{}: {line}", path.display()));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn decisions_by_words_are_recognised() {
    for code in [
        "if job.reason.starts_with(\"layout\") {}",
        "let is_old = side_warning\n    .contains(\"old\");",
        "match message == \"gone\" {}",
    ] {
        assert_eq!(find_decisions(code).len(), 1, "{code}");
    }
    for code in [
        "reasons.len()",
        "self.warnings_of(x).contains(y)",
        "kind == Kind::Gone",
    ] {
        assert_eq!(find_decisions(code), [""; 0], "{code}");
    }
}
