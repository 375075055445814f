//! Phrases that the rules for English in docs/STYLE.md forbid.

use crate::sources::read_files;

/// Phrases that give programs human actions, or that have an unusual word order. In lower case.
const BANNED: [&str; 12] = [
    "accuse",
    "cannot be told",
    "go on with",
    "goes on with",
    "hang on to",
    "hangs on",
    "is no more",
    "needs it not",
    "nobody knows",
    "somebody else",
    "tells of",
    "whoever",
];

#[test]
fn banned_phrases_appear_nowhere() {
    let mut found = Vec::new();
    let endings = [
        ".rs", ".md", ".txt", ".html", ".snap", ".yaml", ".toml", ".hpp", ".cpp", ".c", ".py",
    ];
    for (path, text) in read_files("", &endings) {
        // The page with the rules quotes the forbidden phrases, and so does this file.
        if path.ends_with("docs/STYLE.md") || path.ends_with("repo/words.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let phrases = BANNED.iter().filter(|phrase| line.contains(**phrase));
            found.extend(
                phrases.map(|phrase| format!("{}:{}: {phrase}", path.display(), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
