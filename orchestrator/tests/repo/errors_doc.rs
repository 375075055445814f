//! Compares docs/ERRORS.md with the messages in the code.

use crate::sources::{code_before_tests, read_files, root};
use wildmatch::WildMatch;

/// Constructors of errors, and the text that each appends to its literal.
const CONSTRUCTORS: [(&str, &str); 3] = [
    ("CommandError::input(", ""),
    ("CommandError::system(", ""),
    ("CommandError::system_while(", ": x"),
];
/// Files with messages that are shown unchanged, and the code before each message.
const OTHER_MESSAGES: [(&str, &str); 11] = [
    ("runner/journal.rs", "#[error("),
    ("src/cache.rs", "#[error("),
    ("git/obstacle.rs", "write!("),
    ("src/git/mod.rs", "GitState::without_commit("),
    ("git/baseline.rs", "#[error("),
    ("git/history.rs", "#[error("),
    ("git/revert.rs", "#[error("),
    ("git/revision.rs", "#[error("),
    ("git/worktree.rs", "#[error("),
    ("plugin/manifest.rs", "#[error("),
    ("runner/shell_limits.rs", "Err(format!("),
];

/// Replaces placeholders, whose values differ between errors, with a single letter.
fn fill_placeholders(literal: &str) -> String {
    let mut filled = String::new();
    let mut rest = literal;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        filled.push('x');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    filled.push_str(rest);
    filled.replace(['`', '\\'], "")
}

/// Returns the part of an argument list after its first argument if that argument is a name.
fn skip_name(arguments: &str) -> &str {
    let is_name = |name: &str| {
        name.chars()
            .all(|c| c.is_alphanumeric() || ": \n".contains(c))
    };
    match arguments.split_once(',') {
        Some((name, rest)) if is_name(name) => rest,
        _ => arguments,
    }
}

/// Returns the first string literal of an argument list that begins with a literal, or with a
/// `format!` of one.
fn first_literal(arguments: &str) -> Option<String> {
    let arguments = arguments.trim_start().trim_start_matches('&');
    let arguments = arguments.strip_prefix("format!(").unwrap_or(arguments);
    let literal = arguments.trim_start().strip_prefix('"')?;
    let mut text = String::new();
    let mut letters = literal.chars();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => match letters.next()? {
                // The literal continues on the next line.
                '\n' => {
                    let rest = letters.as_str().trim_start();
                    letters = rest.chars();
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

/// Returns the messages that the code can print, with placeholders filled.
fn list_messages() -> Vec<String> {
    let mut messages = Vec::new();
    for (path, text) in read_files("orchestrator/src", &[".rs"]) {
        let code = code_before_tests(&text);
        let is_own = |(file, _): &&(&str, &str)| path.ends_with(file);
        let own = OTHER_MESSAGES.iter().filter(is_own);
        let own = own.map(|(_, constructor)| (*constructor, ""));
        for (constructor, suffix) in CONSTRUCTORS.into_iter().chain(own) {
            for arguments in code.split(constructor).skip(1) {
                let literal =
                    first_literal(arguments).or_else(|| first_literal(skip_name(arguments)));
                if let Some(literal) = literal {
                    let message = fill_placeholders(&literal) + suffix;
                    let words = message.chars().filter(|letter| letter.is_alphabetic());
                    // The literal has only placeholders, so the sentence comes from elsewhere.
                    if words.filter(|letter| *letter != 'x').count() > 2 {
                        messages.push(message);
                    }
                }
            }
        }
    }
    assert!(
        messages.len() > 80,
        "the messages were found: {}",
        messages.len()
    );
    messages
}

/// Returns the messages of the page as patterns.
fn list_patterns() -> Vec<WildMatch> {
    let page = std::fs::read_to_string(root().join("docs/ERRORS.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let is_placeholder = |word: &str| {
        word.len() > 1
            && word
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter == '_')
    };
    let mut patterns = Vec::new();
    for message in cells.flat_map(|cell| cell.split("`, `")) {
        let message = message.trim_end_matches('`').replace('\\', "");
        let mut pattern = String::new();
        for word in message.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let name = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if is_placeholder(name) {
                pattern.push('*');
                pattern.push_str(&word[name.len()..]);
            } else {
                pattern.push_str(word);
            }
        }
        patterns.push(WildMatch::new(&pattern));
    }
    patterns
}

#[test]
fn errors_page_lists_every_message() {
    let patterns = list_patterns();
    let mut missing = list_messages();
    missing.retain(|message| !patterns.iter().any(|pattern| pattern.matches(message)));
    assert_eq!(missing, Vec::<String>::new(), "add them to docs/ERRORS.md");
}

#[test]
fn errors_page_lists_no_other_message() {
    let messages = list_messages();
    let mut gone = list_patterns();
    gone.retain(|pattern| !messages.iter().any(|message| pattern.matches(message)));
    let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
    assert_eq!(
        gone,
        Vec::<String>::new(),
        "remove them from docs/ERRORS.md"
    );
}
