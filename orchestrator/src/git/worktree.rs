//! The build worktree: one folder per repository, outside it, in which commits are checked out one
//! after the other.
//!
//! It is a repository of its own that borrows the objects of the user's, of which nothing is
//! written to. What git ignores stays from commit to commit, so that builds find what earlier ones
//! left.

use super::commit::{CommitFiles, FileEntries};
use super::{Revision, open_repository, revert};
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

/// How deep git follows repositories that borrow from others.
const ALTERNATES_DEPTH: usize = 5;

/// Why a commit cannot be had as files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorktreeError {
    #[error(
        "commit {commit} holds the submodule {path}, whose files are not part of it; take the \
         files in (git subtree), or build such commits yourself and compare the libraries",
        path = .path.display()
    )]
    Submodule { commit: String, path: PathBuf },
    #[error("commit {commit}: {path} is kept by git-lfs, and only the note where to fetch it is in \
        the commit; build that commit yourself and name the library with `path:`, or keep the file \
        in git itself", path = .path.display())]
    Lfs { commit: String, path: PathBuf },
    #[error(
        "cannot check out {commit} of {repository}: {message}; `git fsck` there tells whether \
         objects are missing (git fetch --refetch, where it is a partial clone)",
        repository = .repository.display()
    )]
    Git {
        commit: String,
        repository: PathBuf,
        message: String,
    },
    #[error(
        "the build worktree {path}: {source}; it may be removed, it is made again",
        path = .path.display()
    )]
    Io { path: PathBuf, source: io::Error },
}

/// The worktree of a repository, held: nobody else checks out or builds there.
#[derive(Debug)]
pub(crate) struct BuildWorktree {
    place: PathBuf,
    _lock: File,
}

/// The folder of a repository's worktree, and of what belongs to it, inside `cache`.
pub(crate) fn locate(cache: &Path, revision: &Revision) -> Result<PathBuf, WorktreeError> {
    let repository =
        open_repository(&revision.repository).map_err(|error| refused(revision, &error))?;
    let shared = repository
        .commondir()
        .canonicalize()
        .unwrap_or_else(|_| repository.commondir().to_owned());
    Ok(cache.join(&crate::hash::text(&shared.display().to_string())[..16]))
}

/// Where the files of a commit lie, given the worktree's place.
pub(crate) fn files(place: &Path) -> PathBuf {
    place.join("files")
}

fn refused(revision: &Revision, error: &git2::Error) -> WorktreeError {
    WorktreeError::Git {
        commit: revision.short().to_owned(),
        repository: revision.repository.clone(),
        message: error.message().to_owned(),
    }
}

impl BuildWorktree {
    /// Takes the worktree at `place`, calling `waiting` once if somebody else has it. `None`:
    /// `stop` ended the waiting.
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
        // Close-on-exec, as all descriptors of Rust's: what a build leaves running does not hold
        // the lock.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let lock = options.open(place.join("lock")).map_err(failed)?;
        let mut said = false;
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
                    if !std::mem::replace(&mut said, true) {
                        waiting();
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// The root of the files.
    pub(crate) fn root(&self) -> PathBuf {
        files(&self.place)
    }

    /// Makes the files those of a commit. Ignored files stay, all others go.
    pub(crate) fn check_out(&self, revision: &Revision) -> Result<(), WorktreeError> {
        let git = |error: git2::Error| refused(revision, &error);
        let contents = CommitFiles::of(revision).map_err(git)?;
        if let Some(path) = contents.find_submodule().map_err(git)? {
            return Err(WorktreeError::Submodule {
                commit: revision.short().to_owned(),
                path,
            });
        }
        // What was there may be damaged in ways that only show when it is used. A new one is not.
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

    /// Exchanges the files. If it fails, the next one begins anew.
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
        revert::restore_commit(&repository, revision).map_err(|error| refused(revision, &error))?;
        let names = contents
            .list_entries()
            .map_err(|error| refused(revision, &error))?;
        let switched = CheckoutClock::read(&self.place)
            .map_err(SwitchError::from)
            .and_then(|clock| self.switch_files(&repository, revision, &names, &clock));
        switched.map_err(|error| match error {
            SwitchError::Git(error) => refused(revision, &error),
            SwitchError::Io(error) => io(error),
        })?;
        std::fs::remove_file(&mark).map_err(io)?;
        Ok(repository)
    }

    /// Writes a commit that orch made, so that it lies among the worktree's objects.
    pub(super) fn write_revert(&self, revision: &Revision) -> Result<(), WorktreeError> {
        let write = || {
            let repository = self.open_repository(revision)?;
            revert::restore_commit(&repository, revision).map_err(|error| refused(revision, &error))
        };
        write().or_else(|_| {
            // Objects that are damaged are only written again where there are none.
            std::fs::write(self.unfinished_mark(), &revision.commit).map_err(|source| {
                WorktreeError::Io {
                    path: self.place.clone(),
                    source,
                }
            })?;
            write()
        })
    }

    /// Lies there while files are being exchanged: one who finds it at the start cannot know what
    /// the files are.
    fn unfinished_mark(&self) -> PathBuf {
        self.place.join("unfinished")
    }

    /// The repository around the files, made if it is not there or not whole.
    fn open_repository(&self, revision: &Revision) -> Result<Repository, WorktreeError> {
        let git = |error: git2::Error| refused(revision, &error);
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
            // What the user's own settings would do to the files is no part of the commit.
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
        let folders = make_way(&root, names)?;
        remove_tracked(&root, &gone)?;
        // As if the commit were there and its files damaged: libgit2 then compares every file by
        // content, for the index knows no sizes and times, which one that a build changed could
        // have right. What it does on its own when files and folders take each other's places
        // fails.
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

    /// Gives all files that were just written one time, later than that of anything built before:
    /// cargo and make take a file for unchanged that is not newer than what they made from it.
    /// Deletions touch the crate's manifest, because a build script that looks at its whole crate
    /// would not notice them.
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
    /// Notes the time at which the last build ended, while the lock is still held.
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

/// The folder of objects and those that it borrows from. All are named, because libgit2 takes
/// relative names only in the first.
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
            let list = std::fs::read(folder.join("info/alternates")).unwrap_or_default();
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

/// Removes what lies in the place of a commit's folder, file or link and is of another kind.
/// Returns the commit's folders.
fn make_way(root: &Path, names: &FileEntries) -> io::Result<BTreeSet<PathBuf>> {
    let folders = names
        .keys()
        .flat_map(|name| name.ancestors().skip(1))
        .map(Path::to_owned)
        .collect();
    // In the order of names the outer ones come first, so that no link is followed.
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

/// Removes what the last commit had and the next one has not, ignored or not.
fn remove_tracked(root: &Path, gone: &[PathBuf]) -> io::Result<()> {
    for name in gone {
        let is_folder = |folder: &Path| {
            root.join(folder)
                .symlink_metadata()
                .is_ok_and(|found| found.is_dir())
        };
        // Not through a link that a build or the next commit put in a folder's place.
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

/// Removes from a folder what is neither the commit's nor ignored, and folders that become empty;
/// notes what in `gone`. Not by git's list of untracked files, in which repositories that a build
/// has cloned may be missing.
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
        // A rule may be for folders only, which git tells by the slash.
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
                // Something ignored is in it.
                continue;
            }
        }
        gone.push(name);
    }
    Ok(())
}

/// The times of one checkout, by the file system's own clock, which need not be the machine's.
struct CheckoutClock {
    /// Files that are not older were written by this checkout.
    start: SystemTime,
    /// The time that they get.
    stamp: SystemTime,
}

impl CheckoutClock {
    const FILE: &str = "newest";

    fn read(place: &Path) -> io::Result<Self> {
        let probe = place.join("clock");
        std::fs::write(&probe, "")?;
        let start = probe.metadata()?.modified()?;
        // A file system that keeps whole seconds only needs a longer step to tell before from
        // after.
        let fraction = start + Duration::from_nanos(1_001_001);
        set_modified(&probe, fraction)?;
        let fine = probe.metadata()?.modified()? == fraction;
        let step = if fine {
            Duration::from_millis(20)
        } else {
            Duration::from_secs(2)
        };
        // The clock may have been set back since the last build.
        let newest = std::fs::read_to_string(place.join(Self::FILE))
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
        let beside = place.join("newest.tmp");
        std::fs::write(&beside, since.as_nanos().to_string())?;
        std::fs::rename(beside, place.join(Self::FILE))
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
