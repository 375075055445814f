//! Commits that orch creates: one with an earlier commit undone.
//!
//! Such a commit is a function of the two commits and is recreated whenever it is needed: in memory
//! for reading it, among the build worktree's objects for checking it out. Nothing is ever written
//! to the user's repository. Not even the times of its objects change, which libgit2 would renew if
//! it wrote an existing object.

use super::revision::UndoneCommit;
use super::tree::list_files;
use super::{Revision, open_repository};
use git2::{Commit, Delta, Index, MergeOptions, ObjectType, Odb, Oid, Repository};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Priority above all folders of objects, so that written objects stay in memory.
const IN_MEMORY: i32 = 1000;
/// Number of files among which renames are searched for.
const MOST_RENAMES: u32 = 1000;

/// Opens the repository that contains a commit, even if orch created the commit.
pub(super) fn open_repository_for(revision: &Revision) -> Result<Repository, git2::Error> {
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
        keep_in_memory(repository)?;
        restore_commit(repository, revision)?;
    }
    Ok(())
}

pub(super) fn keep_in_memory(repository: &Repository) -> Result<(), git2::Error> {
    repository
        .odb()?
        .add_new_mempack_backend(IN_MEMORY)
        .map(drop)
}

/// Recreates a commit that orch created, if the commit or one of its folders is missing.
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
    let made = write_commit(repository, undone).map_err(UndoProblem::into_git)?;
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

/// Reason why a commit cannot be undone, without the names of the commits.
pub(super) enum UndoProblem {
    Git(git2::Error),
    Conflict(Vec<PathBuf>),
    Nothing,
    Shallow,
}

impl From<git2::Error> for UndoProblem {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

impl UndoProblem {
    /// Converts the error for a commit that orch created before. Only git's own failures are
    /// possible for such a commit.
    fn into_git(self) -> git2::Error {
        match self {
            Self::Git(error) => error,
            _ => git2::Error::from_str("cannot recreate a commit that orch made earlier"),
        }
    }
}

/// Writes the missing objects of the commit.
///
/// libgit2 merges in a repository of its own that is only in memory. Where it finds an object that
/// it would write, it renews the time of that object's file, which must not happen to the user's.
pub(super) fn write_commit(
    repository: &Repository,
    undone: &UndoneCommit,
) -> Result<Oid, UndoProblem> {
    let culprit = repository.find_commit(Oid::from_str(&undone.culprit)?)?;
    let onto = repository.find_commit(Oid::from_str(&undone.onto.commit)?)?;
    let before = match culprit.parent(0) {
        Ok(parent) => Some(parent),
        Err(_) if repository.is_shallow() => return Err(UndoProblem::Shallow),
        // The first commit is undone by removing its files.
        Err(_) if culprit.parent_count() == 0 => None,
        Err(error) => return Err(error.into()),
    };
    let merging = copy_commits(repository, &culprit, before.as_ref(), &onto)?;
    let mut merged = merge_undoing(&merging, culprit.id(), onto.id())?;
    if merged.has_conflicts() {
        return Err(UndoProblem::Conflict(list_conflicts(&merged)?));
    }
    let tree = merged.write_tree_to(&merging)?;
    if tree == onto.tree_id() {
        return Err(UndoProblem::Nothing);
    }
    let odb = repository.odb()?;
    copy_tree(&merging, &odb, tree, &|blob| !odb.exists(blob))?;
    Ok(write_object(
        &odb,
        ObjectType::Commit,
        &format_commit(&culprit, &onto, tree),
    )?)
}

/// Merges the undoing of a commit into another commit. The commit before a merge is its first
/// parent.
fn merge_undoing(merging: &Repository, culprit: Oid, onto: Oid) -> Result<Index, git2::Error> {
    let [culprit, onto] = [merging.find_commit(culprit)?, merging.find_commit(onto)?];
    let mainline = u32::from(culprit.parent_count() > 1);
    let mut options = MergeOptions::new();
    // The user's settings must not decide the result.
    options.find_renames(true).target_limit(MOST_RENAMES);
    merging.revert_commit(&culprit, &onto, mainline, Some(&options))
}

/// Lists the files that both the undoing and later commits changed, by their names in `onto`.
fn list_conflicts(merged: &Index) -> Result<Vec<PathBuf>, git2::Error> {
    let conflicts = merged.conflicts()?.collect::<Result<Vec<_>, _>>()?;
    let names: BTreeSet<PathBuf> = conflicts
        .into_iter()
        // A conflict of neither side is the earlier name of a file that was renamed.
        .filter_map(|conflict| conflict.our.or(conflict.their))
        .map(|entry| PathBuf::from(OsString::from_vec(entry.path)))
        .collect();
    Ok(names.into_iter().collect())
}

/// Copies everything that merging the three commits needs into a new repository in memory: the
/// commits, their folders, the files that the culprit changed, and those that may have been renamed
/// since.
fn copy_commits(
    repository: &Repository,
    culprit: &Commit,
    before: Option<&Commit>,
    onto: &Commit,
) -> Result<Repository, git2::Error> {
    // The new repository does not have the other files, to which its folders refer.
    git2::opts::strict_object_creation(false);
    let odb = Odb::new()?;
    odb.add_new_mempack_backend(IN_MEMORY)?;
    let merging = Repository::from_odb(odb)?;
    let (odb, tree) = (repository.odb()?, culprit.tree()?);
    let before_tree = before.map(Commit::tree).transpose()?;
    let undoing = repository.diff_tree_to_tree(Some(&tree), before_tree.as_ref(), None)?;
    let later = repository.diff_tree_to_tree(Some(&tree), Some(&onto.tree()?), None)?;
    let changed: BTreeSet<_> = undoing
        .deltas()
        .map(|delta| delta.new_file().path_bytes())
        .collect();
    let moved = later.deltas().filter(|delta| {
        delta.status() != Delta::Modified || changed.contains(&delta.new_file().path_bytes())
    });
    let blobs: BTreeSet<Oid> = undoing
        .deltas()
        .chain(moved)
        .flat_map(|delta| [delta.old_file().id(), delta.new_file().id()])
        .collect();
    for commit in [Some(culprit), before, Some(onto)].into_iter().flatten() {
        let wanted = |blob| blobs.contains(&blob);
        copy_tree(repository, &merging.odb()?, commit.tree_id(), &wanted)?;
        copy_object(&odb, &merging.odb()?, commit.id())?;
    }
    Ok(merging)
}

/// Copies a folder, the folders in it, and those of its files that are wanted.
fn copy_tree(
    from: &Repository,
    to: &Odb,
    id: Oid,
    wanted: &dyn Fn(Oid) -> bool,
) -> Result<(), git2::Error> {
    let odb = from.odb()?;
    for entry in from.find_tree(id)?.iter() {
        match entry.kind() {
            Some(ObjectType::Tree) => copy_tree(from, to, entry.id(), wanted)?,
            Some(ObjectType::Blob) if wanted(entry.id()) => copy_object(&odb, to, entry.id())?,
            // The commit of a submodule is in another repository.
            _ => {}
        }
    }
    copy_object(&odb, to, id)
}

fn copy_object(from: &Odb, to: &Odb, id: Oid) -> Result<(), git2::Error> {
    let object = from.read(id)?;
    write_object(to, object.kind(), object.data()).map(drop)
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

/// Returns the commit in git's format, with orch as the author and the time of its parent.
fn format_commit(culprit: &Commit, onto: &Commit, tree: Oid) -> Vec<u8> {
    let who = format!("orch <orch@localhost> {} +0000", onto.time().seconds());
    let head = format!(
        "tree {tree}\nparent {}\nauthor {who}\ncommitter {who}\n\nRevert \"",
        onto.id()
    );
    let subject = culprit.summary_bytes().unwrap_or_default();
    let rest = format!("\"\n\nThis reverts commit {}.\n", culprit.id());
    [head.as_bytes(), subject, rest.as_bytes()].concat()
}
