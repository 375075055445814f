//! Contents of a commit, read from the objects without a checkout.

use super::Revision;
use super::tree::{FileEntries, list_files};
use super::undone::open_repository_for;
use git2::{Delta, DiffFindOptions, DiffOptions, FileMode, ObjectType, Odb, Oid, Repository};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files of a commit.
pub(crate) struct CommitFiles {
    repository: Repository,
    tree: Oid,
}

impl CommitFiles {
    pub(crate) fn open(revision: &Revision) -> Result<Self, git2::Error> {
        let repository = open_repository_for(revision)?;
        let tree = repository
            .find_commit(Oid::from_str(&revision.commit)?)?
            .tree_id();
        Ok(Self { repository, tree })
    }

    /// Returns whether there is a folder of this name; the empty name is the root.
    pub(crate) fn has_folder(&self, name: &Path) -> bool {
        name.as_os_str().is_empty()
            || self
                .find_entry(name)
                .is_some_and(|(_, kind)| kind == Some(ObjectType::Tree))
    }

    /// Returns the text of a file, if the file exists and is text.
    pub(crate) fn read_text(&self, name: &Path) -> Option<String> {
        let (id, kind) = self.find_entry(name)?;
        let blob =
            (kind == Some(ObjectType::Blob)).then(|| self.repository.find_blob(id).ok())??;
        String::from_utf8(blob.content().to_owned()).ok()
    }

    /// Returns the name that a file of the working tree had in this commit, if git recognises it as
    /// a renamed one. Only files with the same ending are compared.
    pub(crate) fn find_old_name(&self, name: &Path) -> Option<PathBuf> {
        let ending = name.extension()?.to_str()?;
        let mut options = DiffOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .show_untracked_content(true)
            .pathspec(format!("*.{ending}"));
        let tree = self.repository.find_tree(self.tree).ok()?;
        let mut diff = self
            .repository
            .diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options))
            .ok()?;
        let mut similar = DiffFindOptions::new();
        similar.renames(true).for_untracked(true);
        diff.find_similar(Some(&mut similar)).ok()?;
        diff.deltas()
            .filter(|delta| delta.status() == Delta::Renamed)
            .find(|delta| delta.new_file().path() == Some(name))?
            .old_file()
            .path()
            .map(Path::to_owned)
    }

    fn find_entry(&self, name: &Path) -> Option<(Oid, Option<ObjectType>)> {
        let entry = self
            .repository
            .find_tree(self.tree)
            .ok()?
            .get_path(name)
            .ok()?;
        Some((entry.id(), entry.kind()))
    }

    /// Returns mode and object of everything in the commit except folders, by name.
    pub(super) fn list_entries(&self) -> Result<FileEntries, git2::Error> {
        list_files(&self.repository, self.tree)
    }

    /// Returns the first submodule. Its files are not part of the commit.
    pub(crate) fn find_submodule(&self) -> Result<Option<PathBuf>, git2::Error> {
        let is_submodule = |mode: i32| mode == i32::from(FileMode::Commit);
        Ok(self
            .list_entries()?
            .into_iter()
            .find(|(_, (mode, _))| is_submodule(*mode))
            .map(|(name, _)| name))
    }

    /// Returns the first file of which the commit contains only a git-lfs pointer, among the files
    /// that git-lfs manages according to `by_lfs`.
    pub(crate) fn find_lfs_pointer(
        &self,
        by_lfs: impl Fn(&Path) -> bool,
    ) -> Result<Option<PathBuf>, git2::Error> {
        let odb = self.repository.odb()?;
        let files = self.list_entries()?;
        let is_list = |name: &Path| name.file_name() == Some(OsStr::new(".gitattributes"));
        let attributes = files
            .iter()
            .any(|(name, (_, id))| is_list(name) && has_word(&odb, *id, b"filter=lfs"));
        if !attributes {
            return Ok(None);
        }
        Ok(files
            .into_iter()
            .find(|(name, (_, id))| is_pointer(&odb, *id) && by_lfs(name))
            .map(|(name, _)| name))
    }
}

fn has_word(odb: &Odb, id: Oid, word: &[u8]) -> bool {
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
