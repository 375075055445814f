//! The build worktree: one folder per repository, outside of it, in which commits are checked out
//! one after the other.
//!
//! It is a separate repository that borrows the objects of the user's repository, to which nothing
//! is written. Ignored files stay from commit to commit, so that builds can reuse the results of
//! earlier ones.

use super::commit::CommitFiles;
use super::tree::FileEntries;
use super::{Revision, open_repository, undone};
use crate::file::{self, LinkRule};
use git2::build::CheckoutBuilder;
use git2::{AttrCheckFlags, Delta, FileMode, Oid, Repository, RepositoryInitOptions};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Maximum depth to which git follows repositories that borrow from others.
const ALTERNATES_DEPTH: usize = 5;

/// Reason why the files of a commit cannot be checked out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorktreeError {
    #[error(
        "commit {commit} contains the submodule {path}, whose files are not part of it; include \
         the files (git subtree), or build such commits yourself and compare the libraries",
        path = .path.display()
    )]
    Submodule { commit: String, path: PathBuf },
    #[error("commit {commit}: {path} is stored with git-lfs, and the \
        commit contains only a pointer to it; build that commit yourself \
        and name the library with `path:`, or store the file in git \
        itself", path = .path.display())]
    Lfs { commit: String, path: PathBuf },
    #[error(
        "cannot check out {commit} of {repository}: {message}; `git fsck` there reports missing \
         objects (for a partial clone, run git fetch --refetch)",
        repository = .repository.display()
    )]
    Git {
        commit: String,
        repository: PathBuf,
        message: String,
    },
    #[error(
        "the build worktree {path}: {source}; you can remove the folder, orch creates it again",
        path = .path.display()
    )]
    Io { path: PathBuf, source: io::Error },
}

/// The locked worktree of a repository: no other process checks out or builds in it.
#[derive(Debug)]
pub(crate) struct BuildWorktree {
    place: PathBuf,
    _lock: File,
}

/// Returns the folder inside `cache` for a repository's worktree and the files that belong to it.
pub(crate) fn locate_place(cache: &Path, revision: &Revision) -> Result<PathBuf, WorktreeError> {
    let repository =
        open_repository(&revision.repository).map_err(|error| explain_refusal(revision, &error))?;
    let shared = repository
        .commondir()
        .canonicalize()
        .unwrap_or_else(|_| repository.commondir().to_owned());
    Ok(cache.join(&crate::hash::text(&shared.display().to_string())[..16]))
}

/// Returns the folder of a commit's files in the worktree's folder.
pub(crate) fn locate_files(place: &Path) -> PathBuf {
    place.join("files")
}

fn explain_refusal(revision: &Revision, error: &git2::Error) -> WorktreeError {
    WorktreeError::Git {
        commit: revision.short().to_owned(),
        repository: revision.repository.clone(),
        message: error.message().to_owned(),
    }
}

impl BuildWorktree {
    /// Locks the worktree at `place`. If another process has it, `waiting` is called once. Returns
    /// `None` if `stop` ended the waiting.
    pub(crate) fn lock(
        place: &Path,
        mut waiting: impl FnMut(),
        stop: impl Fn() -> bool,
    ) -> Result<Option<Self>, WorktreeError> {
        let failed = |source| WorktreeError::Io {
            path: place.to_owned(),
            source,
        };
        std::fs::create_dir_all(place).map_err(failed)?;
        // Rust opens files as close-on-exec, so processes that a build leaves running do not hold
        // the lock.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let lock = file::open_regular_with(&place.join("lock"), LinkRule::Follow, &mut options)
            .map_err(failed)?;
        let mut is_announced = false;
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Some(Self {
                        place: place.to_owned(),
                        _lock: lock,
                    }));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if stop() => return Ok(None),
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut is_announced, true) {
                        waiting();
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// Returns the root of the files.
    pub(crate) fn root(&self) -> PathBuf {
        locate_files(&self.place)
    }

    /// Checks out the files of a commit. Ignored files stay; all other files are removed.
    pub(crate) fn check_out(&self, revision: &Revision) -> Result<(), WorktreeError> {
        let git = |error: git2::Error| explain_refusal(revision, &error);
        let contents = CommitFiles::open(revision).map_err(git)?;
        if let Some(path) = contents.find_submodule().map_err(git)? {
            return Err(WorktreeError::Submodule {
                commit: revision.short().to_owned(),
                path,
            });
        }
        // An existing repository may be damaged in ways that only show when it is used. A new one
        // is not.
        let repository = self
            .exchange_files(revision, &contents)
            .or_else(|_| self.exchange_files(revision, &contents))?;
        let by_lfs = |path: &Path| {
            repository
                .get_attr(path, "filter", AttrCheckFlags::FILE_THEN_INDEX)
                .ok()
                .flatten()
                == Some("lfs")
        };
        match contents.find_lfs_pointer(by_lfs).map_err(git)? {
            Some(path) => Err(WorktreeError::Lfs {
                commit: revision.short().to_owned(),
                path,
            }),
            None => Ok(()),
        }
    }

    /// Exchanges the files. If this fails, the next checkout starts from scratch.
    fn exchange_files(
        &self,
        revision: &Revision,
        contents: &CommitFiles,
    ) -> Result<Repository, WorktreeError> {
        let io = |source| WorktreeError::Io {
            path: self.place.clone(),
            source,
        };
        let repository = self.open_repository(revision)?;
        let mark = self.unfinished_mark();
        std::fs::write(&mark, &revision.commit).map_err(io)?;
        undone::restore_commit(&repository, revision)
            .map_err(|error| explain_refusal(revision, &error))?;
        let names = contents
            .list_entries()
            .map_err(|error| explain_refusal(revision, &error))?;
        let switched = CheckoutClock::read(&self.place)
            .map_err(SwitchError::from)
            .and_then(|clock| self.switch_files(&repository, revision, &names, &clock));
        switched.map_err(|error| match error {
            SwitchError::Git(error) => explain_refusal(revision, &error),
            SwitchError::Io(error) => io(error),
        })?;
        std::fs::remove_file(&mark).map_err(io)?;
        Ok(repository)
    }

    /// Writes a commit that orch created to the objects of the worktree.
    pub(super) fn write_revert(&self, revision: &Revision) -> Result<(), WorktreeError> {
        let write = || {
            let repository = self.open_repository(revision)?;
            undone::restore_commit(&repository, revision)
                .map_err(|error| explain_refusal(revision, &error))
        };
        write().or_else(|_| {
            // Damaged objects are rewritten only in an empty repository.
            std::fs::write(self.unfinished_mark(), &revision.commit).map_err(|source| {
                WorktreeError::Io {
                    path: self.place.clone(),
                    source,
                }
            })?;
            write()
        })
    }

    /// Returns the path of the mark that exists while files are exchanged. If it exists before an
    /// exchange, the state of the files is unknown.
    fn unfinished_mark(&self) -> PathBuf {
        self.place.join("unfinished")
    }

    /// Opens the repository around the files, and creates it if it is missing or incomplete.
    fn open_repository(&self, revision: &Revision) -> Result<Repository, WorktreeError> {
        let git = |error: git2::Error| explain_refusal(revision, &error);
        let io = |source| WorktreeError::Io {
            path: self.place.clone(),
            source,
        };
        let root = self.root();
        let whole = !self.unfinished_mark().exists()
            && Repository::open(&root).is_ok_and(|found| found.head().is_ok());
        if !whole {
            match std::fs::remove_dir_all(&root) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
            let mut options = RepositoryInitOptions::new();
            options.external_template(false).mkpath(true);
            let made = Repository::init_opts(&root, &options).map_err(git)?;
            // The user's own settings must not affect the files of the commit.
            let mut config = made
                .config()
                .and_then(|config| config.open_level(git2::ConfigLevel::Local))
                .map_err(git)?;
            for name in ["core.filemode", "core.symlinks"] {
                config.set_bool(name, true).map_err(git)?;
            }
            for (name, value) in [("core.autocrlf", "false"), ("core.eol", "lf")] {
                config.set_str(name, value).map_err(git)?;
            }
        }
        let borrowed = open_repository(&revision.repository)
            .map_err(git)?
            .commondir()
            .join("objects");
        let mut list = Vec::new();
        for folder in find_lenders(&borrowed) {
            list.extend_from_slice(folder.as_os_str().as_bytes());
            list.push(b'\n');
        }
        let info = root.join(".git/objects/info");
        std::fs::create_dir_all(&info)
            .and_then(|()| std::fs::write(info.join("alternates"), list))
            .map_err(io)?;
        for leftover in ["index.lock", "HEAD.lock", "config.lock"] {
            let _ = std::fs::remove_file(root.join(".git").join(leftover));
        }
        Repository::open(&root).map_err(git)
    }

    fn switch_files(
        &self,
        repository: &Repository,
        revision: &Revision,
        names: &FileEntries,
        clock: &CheckoutClock,
    ) -> Result<(), SwitchError> {
        let id = Oid::from_str(&revision.commit)?;
        let target = repository.find_commit(id)?;
        let root = self.root();
        let mut gone = Vec::new();
        if let Ok(head) = repository.head() {
            let diff = repository.diff_tree_to_tree(
                Some(&head.peel_to_tree()?),
                Some(&target.tree()?),
                None,
            )?;
            let deleted = diff
                .deltas()
                .filter(|delta| delta.status() == Delta::Deleted);
            gone.extend(deleted.filter_map(|delta| delta.old_file().path().map(Path::to_owned)));
        }
        let folders = clear_places(&root, names)?;
        remove_tracked(&root, &gone)?;
        // This state looks as if the commit were checked out and its files damaged. libgit2 then
        // compares every file by content, because the index has no sizes and times, which might
        // match a file that a build changed. libgit2 itself fails if files and folders take each
        // other's places.
        repository.set_head_detached(id)?;
        let mut index = repository.index()?;
        index.clear()?;
        index.read_tree(&target.tree()?)?;
        index.write()?;
        let mut options = CheckoutBuilder::new();
        options.force().recreate_missing(true);
        repository.checkout_tree(target.as_object(), Some(&mut options))?;
        remove_untracked(repository, Path::new(""), names, &folders, &mut gone)?;
        self.stamp_files(names, &gone, clock)
    }

    /// Sets one time on all files that were just written. The time is later than that of anything
    /// built before: cargo and make consider a file unchanged if it is not newer than their
    /// results. Deletions touch the crate's manifest, because otherwise a build script that reads
    /// its whole crate would not be run again.
    fn stamp_files(
        &self,
        names: &FileEntries,
        gone: &[PathBuf],
        clock: &CheckoutClock,
    ) -> Result<(), SwitchError> {
        let root = self.root();
        for name in names.keys() {
            let path = root.join(name);
            if path.symlink_metadata()?.modified()? >= clock.start {
                set_modified(&path, clock.stamp)?;
            }
        }
        for path in gone {
            let manifest = path
                .ancestors()
                .skip(1)
                .map(|folder| root.join(folder).join("Cargo.toml"));
            if let Some(manifest) = manifest.into_iter().find(|manifest| manifest.is_file()) {
                set_modified(&manifest, clock.stamp)?;
            }
        }
        Ok(clock.store(&self.place)?)
    }
}

impl Drop for BuildWorktree {
    /// Stores the time at which the last build ended, while the lock is still held.
    fn drop(&mut self) {
        let _ = CheckoutClock::read(&self.place).and_then(|clock| clock.store(&self.place));
    }
}

enum SwitchError {
    Git(git2::Error),
    Io(io::Error),
}

impl From<git2::Error> for SwitchError {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

impl From<io::Error> for SwitchError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Returns the folder of objects and the folders from which it borrows. All are listed, because
/// libgit2 supports relative names only in the first one.
fn find_lenders(objects: &Path) -> Vec<PathBuf> {
    let mut found = vec![
        objects
            .canonicalize()
            .unwrap_or_else(|_| objects.to_owned()),
    ];
    let mut level = found.clone();
    for _ in 0..ALTERNATES_DEPTH {
        let mut next = Vec::new();
        for folder in &level {
            let list = folder.join("info/alternates");
            let list = file::read_bytes(&list, file::MOST_TEXT_BYTES).unwrap_or_default();
            let names = list
                .split(|byte| *byte == b'\n')
                .filter(|name| !name.is_empty() && !name.starts_with(b"#"));
            next.extend(
                names.filter_map(|name| folder.join(OsStr::from_bytes(name)).canonicalize().ok()),
            );
        }
        next.retain(|folder| !found.contains(folder));
        found.extend(next.iter().cloned());
        level = next;
    }
    found
}

/// Removes entries of another kind from the places of a commit's folders, files and links. Returns
/// the commit's folders.
fn clear_places(root: &Path, names: &FileEntries) -> io::Result<BTreeSet<PathBuf>> {
    let folders = names
        .keys()
        .flat_map(|name| name.ancestors().skip(1))
        .map(Path::to_owned)
        .collect();
    // In the order of names, outer folders come first, so that no link is followed.
    for folder in &folders {
        let path = root.join(folder);
        if path.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            std::fs::remove_file(path)?;
        }
    }
    for (name, (mode, _)) in names {
        let path = root.join(name);
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        if found.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else if found.is_symlink() != (*mode == i32::from(FileMode::Link)) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(folders)
}

/// Removes the files of the last commit that the next one does not have, ignored or not.
fn remove_tracked(root: &Path, gone: &[PathBuf]) -> io::Result<()> {
    for name in gone {
        let is_folder = |folder: &Path| {
            root.join(folder)
                .symlink_metadata()
                .is_ok_and(|found| found.is_dir())
        };
        // Links that a build or the next commit put in the place of a folder are not followed.
        if !name.ancestors().skip(1).all(is_folder) {
            continue;
        }
        let path = root.join(name);
        if path.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes from a folder everything that is neither in the commit nor ignored, and folders that
/// become empty; adds the removed files to `gone`. Git's list of untracked files is not used,
/// because repositories that a build has cloned may be missing from it.
fn remove_untracked(
    repository: &Repository,
    folder: &Path,
    names: &FileEntries,
    folders: &BTreeSet<PathBuf>,
    gone: &mut Vec<PathBuf>,
) -> Result<(), SwitchError> {
    let Some(root) = repository.workdir() else {
        return Ok(());
    };
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = folder.join(entry.file_name());
        if names.contains_key(&name) || name == Path::new(".git") {
            continue;
        }
        let is_folder = entry.file_type()?.is_dir();
        if folders.contains(&name) {
            remove_untracked(repository, &name, names, folders, gone)?;
            continue;
        }
        // A rule may apply to folders only, which git recognises by the slash.
        let asked = if is_folder {
            name.join("")
        } else {
            name.clone()
        };
        if repository.is_path_ignored(&asked)? {
            continue;
        }
        if !is_folder {
            std::fs::remove_file(entry.path())?;
        } else if entry.path().join(".git").symlink_metadata().is_ok() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            remove_untracked(repository, &name, names, folders, gone)?;
            if std::fs::remove_dir(entry.path()).is_err() {
                // The folder contains ignored files.
                continue;
            }
        }
        gone.push(name);
    }
    Ok(())
}

/// Times of one checkout, from the clock of the file system, which may differ from the machine's
/// clock.
struct CheckoutClock {
    /// Files that are at least this new were written by this checkout.
    start: SystemTime,
    /// Time that these files get.
    stamp: SystemTime,
}

impl CheckoutClock {
    const FILE: &str = "newest";

    fn read(place: &Path) -> io::Result<Self> {
        let probe = place.join("clock");
        std::fs::write(&probe, "")?;
        let start = probe.metadata()?.modified()?;
        // A file system with whole seconds needs a longer step to distinguish before from after.
        let fraction = start + Duration::from_nanos(1_001_001);
        set_modified(&probe, fraction)?;
        let fine = probe.metadata()?.modified()? == fraction;
        let step = if fine {
            Duration::from_millis(20)
        } else {
            Duration::from_secs(2)
        };
        // The clock may have been set back since the last build.
        let newest = file::read_text(&place.join(Self::FILE), file::MOST_TEXT_BYTES)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let newest = SystemTime::UNIX_EPOCH + Duration::from_nanos(newest.unwrap_or(0));
        let stamp = start.max(SystemTime::now()).max(newest + step);
        Ok(Self {
            start: start - step,
            stamp,
        })
    }

    fn store(&self, place: &Path) -> io::Result<()> {
        let since = self
            .stamp
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let text = since.as_nanos().to_string();
        file::write_whole(&place.join(Self::FILE), text.as_bytes())
    }
}

/// Sets the modification time of a file, or of a symbolic link itself.
fn set_modified(path: &Path, time: SystemTime) -> io::Result<()> {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs().try_into().map_err(io::Error::other)?;
    let modified = Timespec {
        tv_sec: seconds,
        tv_nsec: since.subsec_nanos().into(),
    };
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: modified,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests;
