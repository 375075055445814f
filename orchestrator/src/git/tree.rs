//! The files of a tree, by name.

use git2::{ObjectType, Oid, Repository};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Mode and object of each of a commit's files.
pub(super) type FileEntries = BTreeMap<PathBuf, (i32, Oid)>;

/// Returns everything in a tree except folders. git2's own walk is not used, because it returns
/// folders as text.
pub(super) fn list_files(repository: &Repository, tree: Oid) -> Result<FileEntries, git2::Error> {
    let mut found = BTreeMap::new();
    let mut open = vec![(PathBuf::new(), tree)];
    while let Some((folder, tree)) = open.pop() {
        for entry in repository.find_tree(tree)?.iter() {
            let name = folder.join(OsStr::from_bytes(entry.name_bytes()));
            match entry.kind() {
                Some(ObjectType::Tree) => open.push((name, entry.id())),
                _ => drop(found.insert(name, (entry.filemode(), entry.id()))),
            }
        }
    }
    Ok(found)
}
