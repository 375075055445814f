//! The code in a folder.

use crate::error::CommandError;
use crate::plugin::{self, PackageSurvey};
use std::path::{Path, PathBuf};

/// Code that was found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundCode {
    pub(crate) language: CodeLanguage,
    /// Name of the package in Rust that a plugin can depend on.
    pub(crate) library: Option<String>,
    /// Bench files for criterion, relative to the folder.
    pub(crate) benches: Vec<PathBuf>,
}

/// Language of the code in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeLanguage {
    Rust,
    C,
    Cpp,
}

/// Endings of source files, by language.
const ENDINGS: [(CodeLanguage, &[&str]); 2] = [
    (CodeLanguage::Cpp, &["cpp", "cc", "cxx", "hpp", "hh"]),
    (CodeLanguage::C, &["c", "h"]),
];
/// Folders in which sources of C and C++ are looked for.
const SOURCE_FOLDERS: [&str; 4] = ["", "src", "source", "lib"];

/// Finds the code in a folder.
///
/// # Errors
/// There is none, or cargo cannot read the manifest.
pub(super) fn find_code(root: &Path) -> Result<FoundCode, CommandError> {
    if root.join("Cargo.toml").is_file() {
        let PackageSurvey { library, benches } = plugin::survey_packages(root)
            .map_err(|error| CommandError::input(error.to_string()))?;
        return Ok(FoundCode {
            language: CodeLanguage::Rust,
            library,
            benches,
        });
    }
    let language = find_sources(root).ok_or_else(|| {
        CommandError::input(format!(
            "{} contains neither Cargo.toml nor sources of C or C++",
            root.display()
        ))
        .with_hint("go to the folder of your code")
        .with_hint("a plugin without other code: orch plugin new NAME")
        .with_hint("programs need no project: orch time 'COMMAND' 'COMMAND'")
    })?;
    Ok(FoundCode {
        language,
        library: None,
        benches: Vec::new(),
    })
}

/// Returns the language of the source files of C or C++ in a folder; C++ if there are both.
fn find_sources(root: &Path) -> Option<CodeLanguage> {
    let entries = SOURCE_FOLDERS
        .iter()
        .filter_map(|name| std::fs::read_dir(root.join(name)).ok());
    let paths: Vec<PathBuf> = entries
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .collect();
    let has_ending = |endings: &[&str]| {
        let mut found = paths.iter().filter_map(|path| path.extension()?.to_str());
        found.any(|ending| endings.contains(&ending))
    };
    let mut languages = ENDINGS.iter().filter(|(_, endings)| has_ending(endings));
    languages.next().map(|(language, _)| *language)
}
