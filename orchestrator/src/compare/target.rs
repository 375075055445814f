//! The meaning of A and B on the command line: a record, a library, a revision, or the working
//! tree.

use crate::comparison::SideKind;
use crate::error::CommandError;
use crate::file;
use crate::git::{self, Revision};
use crate::plugin::elf;
use crate::record::{self, Record, store};
use orch_core::format::{self, clean};
use std::path::{Path, PathBuf};

/// A resolved side of a comparison.
pub(crate) enum CompareTarget {
    Record(Box<Record>),
    Library(PathBuf),
    Revision(Revision),
    /// The project as it is now.
    WorkingTree,
}

impl CompareTarget {
    pub(crate) fn kind(&self) -> SideKind {
        match self {
            Self::Record(_) => SideKind::Record,
            Self::Library(_) => SideKind::Library,
            Self::Revision(_) => SideKind::Revision,
            Self::WorkingTree => SideKind::WorkingTree,
        }
    }
}

/// Finds what `name` means: a file or folder, the id of a record in `results`, a revision of the
/// project at `root`. A name that means two things is refused.
pub(crate) fn find_target(
    name: &str,
    root: &Path,
    results: &Path,
) -> Result<CompareTarget, CommandError> {
    let path = Path::new(name);
    let file = path.exists().then(|| path.to_owned());
    let stored = Some(results.join(name))
        .filter(|folder| !name.is_empty() && folder.join(store::FILE).is_file());
    // A record's id and the path of its folder mean the same.
    let stored =
        stored.filter(|folder| file.as_ref().is_none_or(|file| !is_same_file(file, folder)));
    let revision = git::revision::resolve_revision(root, name);
    let revision = match revision {
        Ok(found) => found,
        // A name that is no revision may still be a file or a record. If it is neither, the error
        // is reported.
        Err(_) if file.is_some() || stored.is_some() => None,
        Err(error) => return Err(CommandError::input(format!("{error}"))),
    };
    match (file, stored, revision) {
        (Some(file), None, None) => of_path(&file, root),
        (None, Some(folder), None) => record(&folder.join(store::FILE)),
        (None, None, Some(revision)) => Ok(CompareTarget::Revision(revision)),
        (None, None, None) => Err(CommandError::input(format!(
            "'{name}' is not a file, not a record in {}, and not a revision of {}",
            results.display(),
            root.display()
        ))
        .with_hint(
            "name a revision such as HEAD~1, the id of a folder in the results, or the path of a \
             shared library",
        )),
        (file, stored, revision) => {
            let meanings: Vec<String> = [
                file.map(|file| format!("the path {}", file.display())),
                stored.map(|folder| format!("the record {}", folder.display())),
                revision.map(|revision| {
                    format!("the commit {} ({})", revision.short(), revision.subject)
                }),
            ]
            .into_iter()
            .flatten()
            .collect();
            Err(CommandError::input(format!(
                "'{name}' is ambiguous: {}",
                meanings.join(", and ")
            ))
            .with_hint(format!(
                "use ./{name} for the path, or refs/heads/{name} for the branch"
            )))
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn of_path(path: &Path, root: &Path) -> Result<CompareTarget, CommandError> {
    if path.is_dir() {
        let inside = path.join(store::FILE);
        if inside.is_file() {
            return record(&inside);
        }
        if is_same_file(path, root) {
            return Ok(CompareTarget::WorkingTree);
        }
        return Err(CommandError::input(format!(
            "{} is a folder without a {}",
            path.display(),
            store::FILE
        ))
        .with_hint(format!(
            "the working tree is {}; a results folder names a record",
            root.display()
        )));
    }
    if path.extension().is_some_and(|ending| ending == "json") {
        return record(path);
    }
    let is_library = file::open_regular(path).and_then(|mut file| {
        let mut magic = [0; elf::MAGIC.len()];
        std::io::Read::read_exact(&mut file, &mut magic).map(|()| magic == elf::MAGIC)
    });
    if !is_library.unwrap_or(false) {
        return Err(
            CommandError::input(format!("{} is not a shared library", path.display())).with_hint(
                "A and B are revisions, shared libraries (.so), records (.json), or the project's \
             folder; name the scenario with --scenario",
            ),
        );
    }
    Ok(CompareTarget::Library(path.to_owned()))
}

fn record(path: &Path) -> Result<CompareTarget, CommandError> {
    let shown = path.display();
    let text = file::read_text(path, file::MOST_RESULT_BYTES)
        .map_err(|error| CommandError::input(format!("cannot read the record {shown}: {error}")))?;
    let wrong = |what: String| {
        CommandError::input(format!(
            "{shown} is not a record that this version of orch reads: {what}"
        ))
        .with_hint("name a record.json file of `orch run`")
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let schema = value["schema"].as_str().unwrap_or("absent").to_owned();
    if schema != record::SCHEMA {
        return Err(wrong(format!(
            "its schema is {schema}, expected {}",
            record::SCHEMA
        )));
    }
    let record: Record = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    // Reports name a record by its id, which is the name of its folder.
    if clean::has_control(&record.id) || record.id.contains('/') {
        let id = format::shortened(&record.id);
        return Err(wrong(format!(
            "its id, {id:?}, cannot be the name of a folder"
        )));
    }
    Ok(CompareTarget::Record(Box::new(record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_whose_id_names_no_folder_is_refused() {
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports/record-full.json");
        let text = std::fs::read_to_string(fixture).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(store::FILE);
        let mut read = |id: &str| {
            value["id"] = id.into();
            std::fs::write(&path, value.to_string()).unwrap();
            record(&path).err().map(|error| error.to_string())
        };
        assert_eq!(read("20261130T091012Z-nightly-aaaaaaaaaa"), None);
        for (id, shown) in [
            (
                "../../x",
                r#"its id, "../../x", cannot be the name of a folder"#,
            ),
            (
                "a\x1b]0;x",
                r#"its id, "a\u{1b}]0;x", cannot be the name of a folder"#,
            ),
        ] {
            let message = read(id).unwrap_or_default();
            assert!(message.contains(shown), "{message}");
        }
    }
}
