//! Tests pass on a slow, busy or frozen machine: no test asserts a duration, and no job of a test
//! reaches its timeout only because it did not get the CPU.

use crate::sources::read_files;

/// Minimum timeout of a job in a test, in seconds. A worker that is meant to hang needs some time
/// before it does.
const LEAST_TIMEOUT_S: u64 = 2;

#[test]
fn tests_assert_nothing_about_durations() {
    let mut found = Vec::new();
    let mut sources = read_files("orchestrator", &[".rs"]);
    sources.extend(read_files("plugins", &[".rs"]));
    for (path, source) in sources {
        // This limit only ends a test that would otherwise never end.
        if path.ends_with("support/waiting.rs") {
            continue;
        }
        for assertion in source.split("assert!(").skip(1) {
            let end = assertion.find(';').unwrap_or(assertion.len());
            if assertion[..end].contains(".elapsed() <") {
                found.push(format!("{}: {}", path.display(), &assertion[..end]));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn timeouts_in_tests_leave_time_to_reach_the_fault() {
    let mut found = Vec::new();
    let mut count = 0;
    let mut sources = read_files("orchestrator/tests", &[".rs"]);
    sources.extend(read_files("scenarios", &[".yaml"]));
    for (path, source) in sources {
        for text in source.split("timeout: ").skip(1) {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
            let Ok(number) = text[..digits].parse::<u64>() else {
                continue;
            };
            count += 1;
            let is_long = text[digits..].starts_with('s') && number >= LEAST_TIMEOUT_S;
            if !is_long {
                let line = text.lines().next().unwrap_or_default();
                found.push(format!("{}: timeout: {line}", path.display()));
            }
        }
    }
    assert!(count > 20, "{count} timeouts");
    assert_eq!(found, [""; 0]);
}
