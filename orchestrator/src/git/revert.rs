//! Undoing a commit: the result is a commit that orch creates.

use super::Revision;
use super::revision::{UndoneCommit, read_commit};
use super::undone::{self, UndoProblem};
use super::worktree::{BuildWorktree, WorktreeError};
use std::path::{Path, PathBuf};

/// Reason why a commit cannot be undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevertError {
    #[error(
        "{culprit} cannot be reverted at {onto}, because later commits changed the same lines of \
         {files}; run `git revert {culprit}` in a branch of your own, and compare that commit",
        files = join_names(.files)
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

impl RevertError {
    fn from_problem(problem: UndoProblem, culprit: &Revision, onto: &Revision) -> Self {
        let repository = onto.repository.clone();
        let (culprit, onto) = (culprit.short().to_owned(), onto.short().to_owned());
        match problem {
            UndoProblem::Git(error) => Self::Unreadable {
                culprit,
                onto,
                repository,
                message: error.message().to_owned(),
            },
            UndoProblem::Conflict(files) => Self::Conflict {
                culprit,
                onto,
                files,
            },
            UndoProblem::Nothing => Self::Nothing { culprit, onto },
            UndoProblem::Shallow => Self::Shallow {
                culprit,
                repository,
            },
        }
    }
}

fn join_names(files: &[PathBuf]) -> String {
    files
        .iter()
        .map(|file| file.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Creates the commit `onto` with `culprit` undone. For a merge, the changes that it brought into
/// its first parent are undone. The commit is always the same, whenever it is created. `place` is
/// the folder of the build worktree. The function waits for the lock of the worktree, so the caller
/// must not hold it.
pub(crate) fn create_revert(
    culprit: &Revision,
    onto: &Revision,
    place: &Path,
) -> Result<Revision, RevertError> {
    let undone = UndoneCommit {
        culprit: culprit.commit.clone(),
        onto: Box::new(onto.clone()),
    };
    let refused = |problem: UndoProblem| RevertError::from_problem(problem, culprit, onto);
    let repository = undone::open_repository_for(onto).map_err(|error| refused(error.into()))?;
    undone::keep_in_memory(&repository).map_err(|error| refused(error.into()))?;
    let made = undone::write_commit(&repository, &undone).map_err(refused)?;
    let commit = repository
        .find_commit(made)
        .map_err(|error| refused(error.into()))?;
    let revision = Revision {
        undone: Some(undone),
        ..read_commit(onto.repository.clone(), &commit)
    };
    if let Some(held) = BuildWorktree::lock(place, || {}, || false)? {
        held.write_revert(&revision)?;
    }
    Ok(revision)
}

#[cfg(test)]
mod tests;
