//! Sizes: lines of the sources and of the documents, and the command line as a whole.

use crate::sources::{raw_lines, read_files};

/// Maximum length of a line of source or of prose, in characters.
const SOURCE_COLUMNS: usize = 100;
/// Maximum number of lines of the command line, which parses, calls and prints.
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

/// Tables, code, headings and addresses may have longer lines.
#[test]
fn lines_of_prose_are_short() {
    let mut long = Vec::new();
    for (path, text) in read_files("", &[".md"]) {
        // Templates and stored outputs are not prose.
        let is_readme = path.ends_with("templates/README.md");
        let is_output = |folder: &std::ffi::OsStr| folder == "templates" || folder == "fixtures";
        if path.iter().any(is_output) && !is_readme {
            continue;
        }
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            let start = line.trim_start();
            if start.starts_with("```") {
                is_code = !is_code;
            }
            let is_exempt = is_code || start.starts_with(['|', '#', '<', '!']);
            let is_long = line.chars().count() > SOURCE_COLUMNS;
            if is_long && !is_exempt && start.contains(' ') {
                long.push(format!("{}:{}", path.display(), number + 1));
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
