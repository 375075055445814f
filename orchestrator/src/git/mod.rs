//! All queries to git: the commit and state of a folder, its history, and whether a file is
//! tracked.

pub(crate) mod baseline;
pub(crate) mod commit;
pub(crate) mod history;
pub(crate) mod obstacle;
pub(crate) mod revert;
pub(crate) mod revision;
#[cfg(test)]
pub(crate) mod sample_repository;
mod tree;
mod undone;
pub(crate) mod worktree;

use obstacle::GitObstacle;
pub(crate) use revision::Revision;

use crate::file;
use git2::{
    ErrorClass, ErrorCode, Index, IndexEntryExtendedFlag, Repository, RepositoryOpenFlags, Status,
    StatusOptions,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// State of a folder in git. `state` determines which of the other fields can be present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GitState {
    pub(crate) state: GitKind,
    /// Full hash of HEAD.
    pub(crate) commit: Option<String>,
    /// Branch of HEAD; `None` if HEAD is detached.
    pub(crate) branch: Option<String>,
    /// Whether there are tracked changes, or untracked files that git does not ignore, outside
    /// `results/`.
    pub(crate) dirty: bool,
    /// SHA-256 over those changes, if there are any.
    pub(crate) diff_hash: Option<String>,
    /// Date of the commit, UTC.
    pub(crate) committed: Option<String>,
    /// First line of the commit's message.
    pub(crate) subject: Option<String>,
    /// Description of a problem and its remedy, if there is a problem.
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GitKind {
    /// A repository with at least one commit.
    Commit,
    /// The same, but cloned without its history.
    Shallow,
    /// A repository without a commit.
    Empty,
    /// The folder is not in a repository.
    Outside,
    /// Git refuses to read a repository of another user.
    OtherOwner,
    /// Git could not read the repository.
    Unreadable,
}

impl GitState {
    fn without_commit(state: GitKind, message: String) -> Self {
        Self {
            state,
            commit: None,
            branch: None,
            dirty: false,
            diff_hash: None,
            committed: None,
            subject: None,
            message: Some(message),
        }
    }

    /// Returns the state of a folder that contains exactly the files of a commit.
    pub(crate) fn from_revision(revision: &Revision) -> Self {
        Self {
            state: GitKind::Commit,
            commit: Some(revision.commit.clone()),
            branch: None,
            dirty: false,
            diff_hash: None,
            committed: Some(revision.committed.clone()),
            subject: Some(revision.subject.clone()),
            message: None,
        }
    }

    /// Returns the first ten digits of the commit, or a word for the reason why there is none.
    pub(crate) fn short(&self) -> String {
        match &self.commit {
            Some(commit) => commit.chars().take(10).collect(),
            None => "nogit".to_owned(),
        }
    }
}

fn open_repository(folder: &Path) -> Result<Repository, git2::Error> {
    if let Some(obstacle) = obstacle::find_special_file(folder) {
        let (code, class) = (ErrorCode::Invalid, ErrorClass::Os);
        return Err(git2::Error::new(code, class, obstacle.to_string()));
    }
    Repository::open_ext(
        folder,
        RepositoryOpenFlags::empty(),
        std::iter::empty::<&OsStr>(),
    )
}

/// Reads the state of the repository around `folder`. Never fails: a repository that cannot be read
/// has a state of its own.
pub(crate) fn read_state(folder: &Path) -> GitState {
    let repository = match open_repository(folder) {
        Ok(repository) => repository,
        Err(error) => return explain_refusal(folder, &error),
    };
    read_repository_state(&repository).unwrap_or_else(|error| explain_refusal(folder, &error))
}

fn explain_refusal(folder: &Path, error: &git2::Error) -> GitState {
    let place = folder.display();
    if let Some(obstacle) = obstacle::find_obstacle(folder, error) {
        let owned = matches!(obstacle, GitObstacle::OtherOwner { .. });
        let kind = if owned {
            GitKind::OtherOwner
        } else {
            GitKind::Unreadable
        };
        return GitState::without_commit(kind, obstacle.to_string());
    }
    match error.code() {
        ErrorCode::NotFound => GitState::without_commit(
            GitKind::Outside,
            format!(
                "{place} is not in a git repository, so the record names no commit; create one \
                 with `git init` and a commit"
            ),
        ),
        _ => GitState::without_commit(
            GitKind::Unreadable,
            format!("git cannot read {place}: {}", error.message()),
        ),
    }
}

fn read_repository_state(repository: &Repository) -> Result<GitState, git2::Error> {
    let head = match repository.head() {
        Ok(head) => head,
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
            return Ok(GitState::without_commit(
                GitKind::Empty,
                "the repository has no commit yet, so the record names none".to_owned(),
            ));
        }
        Err(error) => return Err(error),
    };
    let commit = head.peel_to_commit()?;
    let diff_hash = hash_changes(repository)?;
    let shallow = repository.is_shallow();
    Ok(GitState {
        state: if shallow {
            GitKind::Shallow
        } else {
            GitKind::Commit
        },
        commit: Some(commit.id().to_string()),
        branch: head
            .is_branch()
            .then(|| head.shorthand().map(str::to_owned).ok())
            .flatten(),
        dirty: diff_hash.is_some(),
        diff_hash,
        committed: format_date(&commit),
        subject: commit.summary().ok().flatten().map(str::to_owned),
        message: shallow.then(|| {
            "the clone is shallow, but comparing and bisecting need history; fetch it with `git \
             fetch --unshallow`"
                .to_owned()
        }),
    })
}

/// Formats the date of a commit, UTC.
fn format_date(commit: &git2::Commit) -> Option<String> {
    jiff::Timestamp::from_second(commit.time().seconds())
        .ok()
        .map(|time| time.to_string())
}

/// Computes a hash over everything outside `results/` that git reports as changed; `None` without
/// changes.
fn hash_changes(repository: &Repository) -> Result<Option<String>, git2::Error> {
    let Some(workdir) = repository.workdir() else {
        return Ok(None);
    };
    let mut hash = Sha256::new();
    let mut dirty = false;
    let index = repository.index()?;
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(false);
    for entry in repository.statuses(Some(&mut options))?.iter() {
        let path = PathBuf::from(OsStr::from_bytes(entry.path_bytes()));
        let left_out = entry.status() == Status::WT_DELETED && is_left_out(&index, &path);
        if entry.status().intersects(Status::IGNORED) || left_out || is_in_results(&path) {
            continue;
        }
        dirty = true;
        add_file(&mut hash, workdir, &path);
    }
    Ok(dirty.then(|| crate::hash::hex(&hash.finalize())))
}

/// Returns whether a sparse checkout leaves a file out of the working tree. libgit2 reports such a
/// file as deleted.
fn is_left_out(index: &Index, path: &Path) -> bool {
    let flags = index
        .get_path(path, 0)
        .map(|entry| IndexEntryExtendedFlag::from_bits_truncate(entry.flags_extended));
    flags.is_some_and(|flags| flags.contains(IndexEntryExtendedFlag::SKIP_WORKTREE))
}

fn is_in_results(path: &Path) -> bool {
    path.starts_with("results")
}

fn add_file(hash: &mut Sha256, workdir: &Path, path: &Path) {
    hash.update(path.as_os_str().as_bytes());
    hash.update([0]);
    let file = workdir.join(path);
    let mode = file
        .symlink_metadata()
        .map_or(0, |about| about.permissions().mode());
    hash.update(mode.to_le_bytes());
    // A deleted file has a name and no content. The same holds for an unreadable file.
    if let Ok(content) = file::open_regular(&file) {
        let length = content.metadata().map_or(0, |about| about.len());
        hash.update(length.to_le_bytes());
        let _ = crate::hash::add_content(hash, &content);
    }
}

/// Returns whether git tracks a file. Returns false outside a repository.
pub(crate) fn is_tracked(file: &Path) -> bool {
    let tracked = || {
        let file = file.canonicalize().ok()?;
        let repository = open_repository(file.parent()?).ok()?;
        let workdir = repository.workdir()?.canonicalize().ok()?;
        let inside = file.strip_prefix(workdir).ok()?.to_owned();
        let index = repository.index().ok()?;
        Some(index.get_path(&inside, 0).is_some())
    };
    tracked().unwrap_or(false)
}

/// Returns the root of the repository around a folder; `None` outside a repository. The folder
/// itself may no longer exist.
pub(crate) fn find_root(folder: &Path) -> Option<PathBuf> {
    let existing = folder.ancestors().find(|folder| folder.exists())?;
    open_repository(existing)
        .ok()?
        .workdir()?
        .canonicalize()
        .ok()
}
