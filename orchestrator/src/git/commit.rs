//! What a commit holds, read from the objects without checking it out.

use super::Revision;
use super::revert::open_for;
use git2::{FileMode, ObjectType, Odb, Oid, Repository};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The files of a commit.
pub(crate) struct CommitFiles {
    repository: Repository,
    tree: Oid,
}

impl CommitFiles {
    pub(crate) fn of(revision: &Revision) -> Result<Self, git2::Error> {
        let repository = open_for(revision)?;
        let tree = repository
            .find_commit(Oid::from_str(&revision.commit)?)?
            .tree_id();
        Ok(Self { repository, tree })
    }

    /// Whether there is a folder of this name; the empty name is the root.
    pub(crate) fn has_folder(&self, name: &Path) -> bool {
        name.as_os_str().is_empty()
            || self
                .find(name)
                .is_some_and(|(_, kind)| kind == Some(ObjectType::Tree))
    }

    /// The text of a file, if it is there and is text.
    pub(crate) fn text(&self, name: &Path) -> Option<String> {
        let (id, kind) = self.find(name)?;
        let blob =
            (kind == Some(ObjectType::Blob)).then(|| self.repository.find_blob(id).ok())??;
        String::from_utf8(blob.content().to_owned()).ok()
    }

    fn find(&self, name: &Path) -> Option<(Oid, Option<ObjectType>)> {
        let entry = self
            .repository
            .find_tree(self.tree)
            .ok()?
            .get_path(name)
            .ok()?;
        Some((entry.id(), entry.kind()))
    }

    /// All that the commit holds, folders apart, by name: mode and object.
    pub(super) fn list_entries(&self) -> Result<FileEntries, git2::Error> {
        list_files(&self.repository, self.tree)
    }

    /// The first submodule; its files are not part of the commit.
    pub(crate) fn find_submodule(&self) -> Result<Option<PathBuf>, git2::Error> {
        let is_submodule = |mode: i32| mode == i32::from(FileMode::Commit);
        Ok(self
            .list_entries()?
            .into_iter()
            .find(|(_, (mode, _))| is_submodule(*mode))
            .map(|(name, _)| name))
    }

    /// The first file of which the commit holds only git-lfs's note where to fetch it, among those
    /// for which `by_lfs` says that git-lfs keeps them.
    pub(crate) fn find_lfs_pointer(
        &self,
        by_lfs: impl Fn(&Path) -> bool,
    ) -> Result<Option<PathBuf>, git2::Error> {
        let odb = self.repository.odb()?;
        let files = self.list_entries()?;
        let is_list = |name: &Path| name.file_name() == Some(OsStr::new(".gitattributes"));
        let attributes = files
            .iter()
            .any(|(name, (_, id))| is_list(name) && holds(&odb, *id, b"filter=lfs"));
        if !attributes {
            return Ok(None);
        }
        Ok(files
            .into_iter()
            .find(|(name, (_, id))| is_pointer(&odb, *id) && by_lfs(name))
            .map(|(name, _)| name))
    }
}

/// A commit's files: mode and object of each.
pub(super) type FileEntries = BTreeMap<PathBuf, (i32, Oid)>;

/// What a tree holds, folders apart. Not git2's own walk, whose folders are text.
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

fn holds(odb: &Odb, id: Oid, word: &[u8]) -> bool {
    odb.read(id)
        .is_ok_and(|object| object.data().windows(word.len()).any(|part| part == word))
}

fn is_pointer(odb: &Odb, id: Oid) -> bool {
    // The format limits pointers to 1 KiB, so that no large file needs to be read.
    odb.read_header(id)
        .is_ok_and(|(size, kind)| size < 1024 && kind == ObjectType::Blob)
        && odb
            .read(id)
            .is_ok_and(|object| object.data().starts_with(b"version https://git-lfs"))
}
