//! Commits that orch creates: one with an earlier commit undone.
//!
//! Such a commit is a function of the two commits and is recreated whenever it is needed: in memory
//! for reading it, among the build worktree's objects for checking it out. Nothing is ever written
//! to the user's repository. Not even the times of its objects change, which libgit2 would renew if
//! it wrote an existing object.

use super::commit::{FileEntries, list_files};
use super::revision::describe;
use super::worktree::{BuildWorktree, WorktreeError};
use super::{Revision, open_repository};
use git2::{
    Commit, DiffFindOptions, FileMode, IndexEntry, IndexTime, ObjectType, Odb, Oid, Repository,
};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Priority above all folders of objects, so that written objects stay in memory.
const IN_MEMORY: i32 = 1000;
/// Number of bytes in which git searches for the zero byte of a binary file.
const TEXT_PROBE: usize = 8000;

/// Origin of a commit that orch created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UndoneCommit {
    /// Full hash of the commit that is undone.
    pub(crate) culprit: String,
    /// Parent, which may itself be a commit that orch created.
    pub(crate) onto: Box<Revision>,
}

/// Reason why a commit cannot be undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevertError {
    #[error(
        "{culprit} cannot be reverted at {onto}, because later commits changed the same lines of \
         {files}; run `git revert {culprit}` in a branch of your own, and compare that commit",
        files = listed(.files)
    )]
    Conflict {
        culprit: String,
        onto: String,
        files: Vec<PathBuf>,
    },
    #[error(
        "reverting {culprit} changes nothing at {onto}: its change is missing there or was \
         reverted already; name a commit whose change is still present"
    )]
    Nothing { culprit: String, onto: String },
    #[error("reverting {culprit} needs the commit before it, \
        but the clone at {repository} is shallow; fetch it \
        with `git fetch --unshallow`", repository = .repository.display())]
    Shallow {
        culprit: String,
        repository: PathBuf,
    },
    #[error("cannot revert {culprit} at {onto}: {message}; \
        `git fsck` in {repository} reports missing objects", repository = .repository.display())]
    Unreadable {
        culprit: String,
        onto: String,
        repository: PathBuf,
        message: String,
    },
    #[error(transparent)]
    Worktree(#[from] WorktreeError),
}

fn listed(files: &[PathBuf]) -> String {
    files
        .iter()
        .map(|file| file.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Creates the commit `onto` with `culprit` undone. For a merge, the changes that it brought into
/// its first parent are undone. The commit is always the same, whenever it is created. `place` is
/// that of the build worktree. This waits for its lock, so the caller must not hold it.
pub(crate) fn revert(
    culprit: &Revision,
    onto: &Revision,
    place: &Path,
) -> Result<Revision, RevertError> {
    let undone = UndoneCommit {
        culprit: culprit.commit.clone(),
        onto: Box::new(onto.clone()),
    };
    let refused = |problem: RevertProblem| problem.into_revert_error(culprit, onto);
    let repository = open_for(onto).map_err(|error| refused(error.into()))?;
    in_memory(&repository).map_err(|error| refused(error.into()))?;
    let made = write_commit(&repository, &undone).map_err(refused)?;
    let commit = repository
        .find_commit(made)
        .map_err(|error| refused(error.into()))?;
    let revision = Revision {
        undone: Some(undone),
        ..describe(onto.repository.clone(), &commit)
    };
    if let Some(held) = BuildWorktree::lock(place, || {}, || false)? {
        held.write_revert(&revision)?;
    }
    Ok(revision)
}

/// Opens the repository that contains a commit, even if orch created the commit.
pub(super) fn open_for(revision: &Revision) -> Result<Repository, git2::Error> {
    let repository = open_repository(&revision.repository)?;
    lend_objects(&repository, revision)?;
    Ok(repository)
}

/// Adds the objects of a commit to an open repository, if orch created the commit. They stay in
/// memory.
pub(super) fn lend_objects(
    repository: &Repository,
    revision: &Revision,
) -> Result<(), git2::Error> {
    if revision.undone.is_some() {
        in_memory(repository)?;
        restore_commit(repository, revision)?;
    }
    Ok(())
}

fn in_memory(repository: &Repository) -> Result<(), git2::Error> {
    repository
        .odb()?
        .add_new_mempack_backend(IN_MEMORY)
        .map(drop)
}

/// Recreates a commit that orch created, if it is not completely present.
pub(super) fn restore_commit(
    repository: &Repository,
    revision: &Revision,
) -> Result<(), git2::Error> {
    let Some(undone) = &revision.undone else {
        return Ok(());
    };
    let id = Oid::from_str(&revision.commit)?;
    if is_whole(repository, id) {
        return Ok(());
    }
    restore_commit(repository, &undone.onto)?;
    let made = write_commit(repository, undone).map_err(RevertProblem::into_git)?;
    if made == id && is_whole(repository, id) {
        return Ok(());
    }
    Err(git2::Error::from_str(
        "cannot recreate the commit that orch made",
    ))
}

fn is_whole(repository: &Repository, id: Oid) -> bool {
    repository
        .find_commit(id)
        .and_then(|commit| list_files(repository, commit.tree_id()))
        .is_ok()
}

enum RevertProblem {
    Git(git2::Error),
    Conflict(Vec<PathBuf>),
    Nothing,
    Shallow,
}

impl From<git2::Error> for RevertProblem {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

impl RevertProblem {
    fn into_revert_error(self, culprit: &Revision, onto: &Revision) -> RevertError {
        let repository = onto.repository.clone();
        let (culprit, onto) = (culprit.short().to_owned(), onto.short().to_owned());
        match self {
            Self::Git(error) => RevertError::Unreadable {
                culprit,
                onto,
                repository,
                message: error.message().to_owned(),
            },
            Self::Conflict(files) => RevertError::Conflict {
                culprit,
                onto,
                files,
            },
            Self::Nothing => RevertError::Nothing { culprit, onto },
            Self::Shallow => RevertError::Shallow {
                culprit,
                repository,
            },
        }
    }

    /// Converts the error for a commit that was created before, for which only git's own failures
    /// are possible.
    fn into_git(self) -> git2::Error {
        match self {
            Self::Git(error) => error,
            _ => git2::Error::from_str("cannot recreate a commit that orch made earlier"),
        }
    }
}

/// Writes the missing objects of the commit.
fn write_commit(repository: &Repository, undone: &UndoneCommit) -> Result<Oid, RevertProblem> {
    let culprit = repository.find_commit(Oid::from_str(&undone.culprit)?)?;
    let onto = repository.find_commit(Oid::from_str(&undone.onto.commit)?)?;
    let before = match culprit.parent(0) {
        Ok(parent) => list_files(repository, parent.tree_id())?,
        Err(_) if repository.is_shallow() => return Err(RevertProblem::Shallow),
        // The first commit is undone by removing its files.
        Err(_) if culprit.parent_count() == 0 => FileEntries::new(),
        Err(error) => return Err(error.into()),
    };
    let odb = repository.odb()?;
    let mut undo = RevertMerge {
        repository,
        odb: &odb,
        files: list_files(repository, onto.tree_id())?,
        conflicts: Vec::new(),
        culprit: &culprit,
    };
    let unchanged = undo.files.clone();
    undo.revert_files(&before, &onto)?;
    undo.find_clashes();
    if !undo.conflicts.is_empty() {
        undo.conflicts.sort();
        undo.conflicts.dedup();
        return Err(RevertProblem::Conflict(undo.conflicts));
    }
    if undo.files == unchanged {
        return Err(RevertProblem::Nothing);
    }
    let files: Vec<TreeFile> = undo
        .files
        .iter()
        .map(|(name, (mode, id))| (name.as_os_str().as_bytes(), *mode, *id))
        .collect();
    let tree = write_tree(&odb, &files, 0)?;
    Ok(write_object(
        &odb,
        ObjectType::Commit,
        &commit_text(&culprit, &onto, tree),
    )?)
}

/// Returns the commit in git's format, with orch as the author and the time of its parent.
fn commit_text(culprit: &Commit, onto: &Commit, tree: Oid) -> Vec<u8> {
    let who = format!("orch <orch@localhost> {} +0000", onto.time().seconds());
    let head = format!(
        "tree {tree}\nparent {}\nauthor {who}\ncommitter {who}\n\nRevert \"",
        onto.id()
    );
    let subject = culprit.summary_bytes().unwrap_or_default();
    let rest = format!("\"\n\nThis reverts commit {}.\n", culprit.id());
    [head.as_bytes(), subject, rest.as_bytes()].concat()
}

/// Writes an object unless it exists.
fn write_object(odb: &Odb, kind: ObjectType, data: &[u8]) -> Result<Oid, git2::Error> {
    let id = Oid::hash_object(kind, data)?;
    if odb.exists(id) {
        Ok(id)
    } else {
        odb.write(kind, data)
    }
}

/// Name, mode and object of a file.
type TreeFile<'a> = (&'a [u8], i32, Oid);

/// Writes the tree of files whose names agree in the first `depth` bytes and are sorted by bytes or
/// by path.
fn write_tree(odb: &Odb, files: &[TreeFile], depth: usize) -> Result<Oid, git2::Error> {
    let mut entries = Vec::new();
    let mut rest = files;
    while let Some((name, mode, id)) = rest.first() {
        let inner = &name[depth..];
        let Some(slash) = inner.iter().position(|byte| *byte == b'/') else {
            entries.push((inner.to_vec(), *mode, *id));
            rest = &rest[1..];
            continue;
        };
        let folder = &name[..=depth + slash];
        let count = rest
            .iter()
            .take_while(|(name, ..)| name.starts_with(folder))
            .count();
        let below = write_tree(odb, &rest[..count], folder.len())?;
        entries.push((inner[..slash].to_vec(), i32::from(FileMode::Tree), below));
        rest = &rest[count..];
    }
    // Git sorts names as if a folder's name ended in a slash.
    entries.sort_by_cached_key(|(name, mode, _)| {
        let mut name = name.clone();
        name.extend((*mode == i32::from(FileMode::Tree)).then_some(b'/'));
        name
    });
    let mut data = Vec::new();
    for (name, mode, id) in entries {
        data.extend_from_slice(format!("{mode:o} ").as_bytes());
        data.extend_from_slice(&name);
        data.push(0);
        data.extend_from_slice(id.as_bytes());
    }
    write_object(odb, ObjectType::Tree, &data)
}

/// Files of `onto` in which the culprit's change is being undone. libgit2's own merge is not used,
/// because it writes merged objects without checking whether they exist.
struct RevertMerge<'a> {
    repository: &'a Repository,
    odb: &'a Odb<'a>,
    culprit: &'a Commit<'a>,
    files: FileEntries,
    conflicts: Vec<PathBuf>,
}

/// Mode and object of a file at one commit.
type FileVersion = Option<(i32, Oid)>;

/// One file in the culprit and before it, and its names now.
struct FileChange {
    base: FileVersion,
    wanted: FileVersion,
    /// Name of the file in `onto`.
    here: PathBuf,
    /// New name of the file.
    there: PathBuf,
}

impl RevertMerge<'_> {
    fn revert_files(&mut self, before: &FileEntries, onto: &Commit) -> Result<(), git2::Error> {
        let after = list_files(self.repository, self.culprit.tree_id())?;
        let mut gone: Vec<_> = after
            .keys()
            .filter(|name| !before.contains_key(*name))
            .collect();
        let came: Vec<_> = before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .collect();
        // The culprit's own renames, from its names to the earlier ones, and later renames.
        let back = if gone.is_empty() || came.is_empty() {
            Vec::new()
        } else {
            self.renames_before()?
        };
        gone.retain(|name| !back.iter().any(|(from, _)| from == *name));
        let changed = after
            .iter()
            .filter(|(name, file)| before.get(*name).is_some_and(|earlier| earlier != *file));
        let kept: Vec<&PathBuf> = changed.map(|(name, _)| name).chain(gone).collect();
        let moved = |name: &PathBuf| !self.files.contains_key(name);
        let later = match kept
            .iter()
            .copied()
            .chain(back.iter().map(|(from, _)| from))
            .any(moved)
        {
            true => self.renames(self.culprit, onto)?,
            false => Vec::new(),
        };
        let now = |name: &PathBuf| {
            later
                .iter()
                .find(|(from, _)| from == name)
                .map_or(name, |(_, to)| to)
                .clone()
        };
        let mut changes = Vec::new();
        for name in kept {
            let here = now(name);
            let (base, wanted) = (after.get(name).copied(), before.get(name).copied());
            if wanted.is_none() && here != *name {
                // A later commit renamed the file on purpose. Git refuses this case too.
                self.conflicts.push(here);
                continue;
            }
            changes.push(FileChange {
                base,
                wanted,
                there: here.clone(),
                here,
            });
        }
        for (from, to) in &back {
            let (base, wanted) = (after.get(from).copied(), before.get(to).copied());
            changes.push(FileChange {
                base,
                wanted,
                here: now(from),
                there: to.clone(),
            });
        }
        for name in came
            .into_iter()
            .filter(|name| !back.iter().any(|(_, to)| to == *name))
        {
            let wanted = before.get(name).copied();
            changes.push(FileChange {
                base: None,
                wanted,
                here: name.clone(),
                there: name.clone(),
            });
        }
        // Removals come before additions, because a file may be added at the place of a removed
        // one.
        changes.sort_by_key(|change| change.here == change.there);
        changes
            .iter()
            .try_for_each(|change| self.revert_file(change))
    }

    fn renames_before(&self) -> Result<Vec<(PathBuf, PathBuf)>, git2::Error> {
        self.renames(self.culprit, &self.culprit.parent(0)?)
    }

    fn renames(&self, from: &Commit, to: &Commit) -> Result<Vec<(PathBuf, PathBuf)>, git2::Error> {
        let mut diff =
            self.repository
                .diff_tree_to_tree(Some(&from.tree()?), Some(&to.tree()?), None)?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
        let renamed = diff
            .deltas()
            .filter(|delta| delta.status() == git2::Delta::Renamed);
        Ok(renamed
            .filter_map(|delta| {
                Some((
                    delta.old_file().path()?.into(),
                    delta.new_file().path()?.into(),
                ))
            })
            .collect())
    }

    fn revert_file(&mut self, change: &FileChange) -> Result<(), git2::Error> {
        let ours = self.files.get(&change.here).copied();
        let renamed = change.here != change.there;
        if ours == change.wanted && !renamed {
            return Ok(());
        }
        let result = if ours == change.base {
            Some(change.wanted)
        } else {
            self.merge_file(change, ours)?
        };
        let occupied = renamed && self.files.contains_key(&change.there);
        let Some(result) = result.filter(|_| !occupied) else {
            self.conflicts.push(change.here.clone());
            return Ok(());
        };
        self.files.remove(&change.here);
        if let Some(file) = result {
            self.files.insert(change.there.clone(), file);
        }
        Ok(())
    }

    /// Merges a file that both the undoing and later commits changed; `None` if they changed the
    /// same lines.
    fn merge_file(
        &self,
        change: &FileChange,
        ours: FileVersion,
    ) -> Result<Option<FileVersion>, git2::Error> {
        let (Some(base), Some(ours), Some(wanted)) = (change.base, ours, change.wanted) else {
            return Ok(None);
        };
        let either = |base, ours, wanted| match (ours == base, ours == wanted || wanted == base) {
            (true, _) => Some(wanted),
            (false, true) => Some(ours),
            (false, false) => None,
        };
        let Some(mode) = either(base.0, ours.0, wanted.0) else {
            return Ok(None);
        };
        if ours.1 == base.1 || ours.1 == wanted.1 || wanted.1 == base.1 {
            let id = if ours.1 == base.1 { wanted.1 } else { ours.1 };
            return Ok(Some(Some((mode, id))));
        }
        for (mode, id) in [base, ours, wanted] {
            let is_file =
                mode == i32::from(FileMode::Blob) || mode == i32::from(FileMode::BlobExecutable);
            if !is_file || self.is_binary(id)? {
                return Ok(None);
            }
        }
        let [base, ours, wanted] = [base, ours, wanted].map(|file| entry(&change.there, file));
        let result = self
            .repository
            .merge_file_from_index(&base, &ours, &wanted, None)?;
        if !result.is_automergeable() {
            return Ok(None);
        }
        let id = write_object(self.odb, ObjectType::Blob, result.content())?;
        Ok(Some(Some((mode, id))))
    }

    fn is_binary(&self, id: Oid) -> Result<bool, git2::Error> {
        let object = self.odb.read(id)?;
        Ok(object.data().iter().take(TEXT_PROBE).any(|byte| *byte == 0))
    }

    /// Finds files that were added in the place of a folder, and folders in the place of a file.
    fn find_clashes(&mut self) {
        let is_file = |name: &&Path| self.files.contains_key(*name);
        let under = self
            .files
            .keys()
            .filter_map(|name| name.ancestors().skip(1).find(is_file));
        let found: Vec<PathBuf> = under.map(Path::to_owned).collect();
        self.conflicts.extend(found);
    }
}

fn entry(name: &Path, (mode, id): (i32, Oid)) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: mode.cast_unsigned(),
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: name.as_os_str().as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests;
