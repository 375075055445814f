//! The content of every file in a set of compiled packages. Neither cargo nor the compiler notices
//! that such a file was cut by a power failure, and every build with it would fail.

use crate::file;
use crate::hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the index in the folder of its set.
const FILE: &str = "index.json";

/// SHA-256 of each file of a set, by its path in the set.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackageIndex {
    files: BTreeMap<PathBuf, String>,
}

impl PackageIndex {
    /// Reads all files of a set that was just written.
    pub(super) fn create(set: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut open = vec![set.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(set).map_err(io::Error::other)?;
                    files.insert(name.to_owned(), hash::file(&path)?);
                }
            }
        }
        Ok(Self { files })
    }

    /// Reads the index of a set; `None` if there is none, or it is damaged itself.
    pub(super) fn read(set: &Path) -> Option<Self> {
        let text = file::read_bytes(&set.join(FILE), file::MOST_RESULT_BYTES).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Stores the index in the folder of its set.
    pub(super) fn store(&self, set: &Path) -> io::Result<()> {
        file::write_whole(&set.join(FILE), &serde_json::to_vec(self)?)
    }

    /// Finds a file below one of these folders of the set that is missing or has other content.
    pub(super) fn find_damaged(&self, set: &Path, folders: &[String]) -> Option<PathBuf> {
        let is_asked = |name: &Path| folders.iter().any(|folder| name.starts_with(folder));
        let asked = self.files.iter().filter(|(name, _)| is_asked(name));
        asked
            .map(|(name, content)| (set.join(name), content))
            .find(|(path, content)| hash::file(path).ok().as_ref() != Some(*content))
            .map(|(path, _)| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_file_is_found_if_it_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let set = folder.path();
        let at = |name: &str| set.join(name);
        for name in ["a/deps/one", "a/deps/two", "b/deps/one"] {
            std::fs::create_dir_all(at(name).parent().expect("a folder")).expect("made");
            std::fs::write(at(name), name).expect("written");
        }
        assert_eq!(PackageIndex::read(set), None);
        let index = PackageIndex::create(set).expect("readable");
        index.store(set).expect("stored");
        assert_eq!(PackageIndex::read(set).as_ref(), Some(&index));
        let find = |name: &str| index.find_damaged(set, &[name.to_owned()]);
        assert_eq!((find("a"), find("b")), (None, None));
        std::fs::write(at("a/deps/two"), "").expect("written");
        std::fs::remove_file(at("b/deps/one")).expect("removed");
        assert_eq!(find("a"), Some(at("a/deps/two")));
        assert_eq!(find("b"), Some(at("b/deps/one")));
        std::fs::write(at(FILE), "{").expect("written");
        assert_eq!(PackageIndex::read(set), None);
    }
}
