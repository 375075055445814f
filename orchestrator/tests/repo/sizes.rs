//! Sizes: lines of the sources, and the command line as a whole.

use crate::sources::{raw_lines, read_files};

/// Longest line of a source, in characters.
const SOURCE_COLUMNS: usize = 100;
/// Most lines of the command line, which parses, calls and prints.
const CLI_LINES: usize = 2_500;

#[test]
fn source_lines_are_short() {
    let mut long = Vec::new();
    for folder in ["orchestrator", "plugins"] {
        for (path, text) in read_files(folder, &[".rs"]) {
            let raw = raw_lines(&text);
            for (number, line) in text.lines().enumerate() {
                if line.chars().count() > SOURCE_COLUMNS && !raw.contains(&number) {
                    long.push(format!("{}:{}", path.display(), number + 1));
                }
            }
        }
    }
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn command_line_is_small() {
    let files = read_files("orchestrator/src/cli", &[".rs"]);
    let lines: usize = files.iter().map(|(_, text)| text.lines().count()).sum();
    assert!(lines < CLI_LINES, "{lines} lines");
}
