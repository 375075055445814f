//! Causes of a change by kind, derived from the names of the files that a commit touched.

use crate::plugin::dependencies::DependencyChange;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Files that a commit touched, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeCause {
    pub(crate) kind: CauseKind,
    /// Relative to the repository.
    pub(crate) files: Vec<String>,
    /// Packages whose versions the commit changes.
    #[serde(default)]
    pub(crate) dependencies: Vec<DependencyChange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CauseKind {
    /// Only Cargo.lock: other versions of dependencies.
    Dependencies,
    /// Only the choice of the compiler.
    Toolchain,
    /// Only those two and cargo's manifests and settings.
    BuildSettings,
    Sources,
    /// The files could not be listed.
    Unknown,
}

/// Returns the cause that the changed files show; `None` for `files` means that they are not known.
/// The caller adds the packages whose versions changed.
pub(crate) fn of(files: Option<&[PathBuf]>) -> ChangeCause {
    let Some(files) = files.filter(|files| !files.is_empty()) else {
        return ChangeCause {
            kind: CauseKind::Unknown,
            files: Vec::new(),
            dependencies: Vec::new(),
        };
    };
    let kinds: Vec<CauseKind> = files.iter().map(|file| kind(file)).collect();
    let first = kinds[0];
    let kind = if kinds.iter().all(|kind| *kind == first) {
        first
    } else if kinds.contains(&CauseKind::Sources) {
        CauseKind::Sources
    } else {
        CauseKind::BuildSettings
    };
    ChangeCause {
        kind,
        files: files
            .iter()
            .map(|file| file.display().to_string())
            .collect(),
        dependencies: Vec::new(),
    }
}

/// Returns the prior weight of a commit as the culprit, relative to others. A commit that touches
/// only documents has a small weight.
pub(crate) fn weight(files: Option<&[PathBuf]>) -> f64 {
    const DOCUMENTS: f64 = 0.1;
    match files {
        Some(files) if files.iter().all(|file| is_document(file)) => DOCUMENTS,
        _ => 1.0,
    }
}

fn is_document(file: &Path) -> bool {
    let text = file.extension().is_some_and(|ending| {
        ["md", "rst", "adoc", "txt"]
            .iter()
            .any(|known| ending == *known)
    });
    let first = file
        .iter()
        .next()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    text || ["docs", "doc", ".github", "LICENSE", "CHANGELOG"].contains(&first)
}

fn kind(file: &Path) -> CauseKind {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let folder = file
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    match name {
        "Cargo.lock" => CauseKind::Dependencies,
        "rust-toolchain" | "rust-toolchain.toml" => CauseKind::Toolchain,
        "Cargo.toml" => CauseKind::BuildSettings,
        "config.toml" | "config" if folder == Some(".cargo") => CauseKind::BuildSettings,
        _ => CauseKind::Sources,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(files: &[&str]) -> CauseKind {
        of(Some(&files.iter().map(PathBuf::from).collect::<Vec<_>>())).kind
    }

    #[test]
    fn documents_weigh_less() {
        let weight_of =
            |files: &[&str]| weight(Some(&files.iter().map(PathBuf::from).collect::<Vec<_>>()));
        assert!(weight_of(&["README.md", "docs/a.svg"]) < 1.0);
        assert_eq!(weight_of(&["README.md", "src/lib.rs"]), 1.0);
        assert_eq!(weight(None), 1.0);
    }

    #[test]
    fn cause_has_a_kind_of_its_own_only_if_there_is_nothing_else() {
        assert_eq!(kind_of(&["Cargo.lock"]), CauseKind::Dependencies);
        assert_eq!(
            kind_of(&["a/Cargo.lock", "Cargo.lock"]),
            CauseKind::Dependencies
        );
        assert_eq!(kind_of(&["rust-toolchain.toml"]), CauseKind::Toolchain);
        assert_eq!(
            kind_of(&["Cargo.lock", "Cargo.toml"]),
            CauseKind::BuildSettings
        );
        assert_eq!(
            kind_of(&[".cargo/config.toml", "rust-toolchain"]),
            CauseKind::BuildSettings
        );
        assert_eq!(kind_of(&["Cargo.lock", "src/lib.rs"]), CauseKind::Sources);
        assert_eq!(kind_of(&["docs/config.toml"]), CauseKind::Sources);
        assert_eq!(kind_of(&[]), CauseKind::Unknown);
        assert_eq!(of(None).kind, CauseKind::Unknown);
    }
}
