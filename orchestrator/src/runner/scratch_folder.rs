//! The scratch folder of a sandboxed worker, removed when the worker ends. A folder that a killed
//! orch left behind is removed by the next orch.

use crate::file;
use orch_core::random;
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Scratch folder of a worker. It is locked for as long as this value lives, so that no other orch
/// takes it for a leftover.
#[derive(Debug)]
pub(super) struct ScratchFolder {
    path: PathBuf,
    claim: File,
}

impl ScratchFolder {
    /// Creates an empty folder. Its name always has the same length, because it is part of the
    /// worker's environment, which lies above the stack.
    pub(super) fn create() -> io::Result<Self> {
        let all = open_scratch_root()?;
        // The lock keeps other processes from cleaning up between the creation and the claim.
        flock(&all.lock, FlockOperation::LockShared)?;
        let made = Self::create_in(&all.folder);
        flock(&all.lock, FlockOperation::Unlock)?;
        made.map_err(|error| explain_error(&all.folder, &error))
    }

    fn create_in(folder: &Path) -> io::Result<Self> {
        loop {
            let path = folder.join(format!("{:016x}", random::draw_system_bits()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let claim = file::open_folder(&path)?;
                    flock(&claim, FlockOperation::NonBlockingLockExclusive)?;
                    return Ok(Self { path, claim });
                }
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // A folder that cannot be removed now is left for the next orch.
        let _ = remove_tree(&self.path, &self.claim);
    }
}

/// Parent of all scratch folders of this user, and the lock that is held while a folder is created
/// or inspected.
struct ScratchRoot {
    folder: PathBuf,
    lock: File,
}

/// Opens the parent of all scratch folders. The first call removes the folders that other processes
/// left behind.
fn open_scratch_root() -> io::Result<&'static ScratchRoot> {
    static ALL: OnceLock<ScratchRoot> = OnceLock::new();
    if let Some(all) = ALL.get() {
        return Ok(all);
    }
    let uid = rustix::process::getuid().as_raw();
    let folder = std::path::absolute(std::env::temp_dir())?.join(format!("orch-scratch-{uid}"));
    let lock = open_own_folder(&folder).map_err(|error| explain_error(&folder, &error))?;
    clear_unclaimed(&folder, &lock);
    Ok(ALL.get_or_init(|| ScratchRoot { folder, lock }))
}

/// Opens a folder of this user, and creates it if needed.
fn open_own_folder(folder: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // In a folder that is writable for all users, another user may have created something else
    // under this name, such as a link to a folder of this user.
    let opened = match file::open_folder(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotADirectory => return Err(error),
        opened => opened.ok(),
    };
    let is_ours = |opened: &File| {
        let owner = opened.metadata().map(|about| about.uid());
        owner.is_ok_and(|owner| owner == rustix::process::getuid().as_raw())
    };
    opened
        .filter(is_ours)
        .ok_or_else(|| io::Error::other("it is not a folder of this user; remove it"))
}

fn explain_error(folder: &Path, error: &io::Error) -> io::Error {
    let message = format!(
        "cannot create a scratch folder for a worker in {}: {error} (set TMPDIR to another \
         folder; with `sandbox: off`, none is needed)",
        folder.display()
    );
    io::Error::new(error.kind(), message)
}

/// Removes all folders without a claim. Does nothing if another orch is cleaning up.
fn clear_unclaimed(folder: &Path, lock: &File) {
    if flock(lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(left) = file::open_folder(&entry.path()) else {
            continue;
        };
        if flock(&left, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = remove_tree(&entry.path(), &left);
        }
    }
    let _ = flock(lock, FlockOperation::Unlock);
}

/// Removes a folder and its contents at any depth. The contents of a subfolder are moved up before
/// it is removed, so a plugin can exhaust neither the stack nor the open files.
fn remove_tree(path: &Path, folder: &File) -> io::Result<()> {
    match rustix::fs::rmdir(path) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        result => return Ok(result?),
    }
    let mut names = MovedNames(0);
    loop {
        let mut found_any = false;
        for (name, kind) in read_entries(folder.as_fd())? {
            found_any = true;
            if kind != FileType::Directory {
                unlinkat(folder, &name, AtFlags::empty())?;
            } else if unlinkat(folder, &name, AtFlags::REMOVEDIR).is_err() {
                empty_into(folder.as_fd(), &name, &mut names)?;
                unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
            }
        }
        if !found_any {
            return Ok(rustix::fs::rmdir(path)?);
        }
    }
}

/// Counter for the names of folders that are moved up.
struct MovedNames(u64);

/// Removes the files of a folder inside `top`, and moves its subfolders to `top`.
fn empty_into(top: BorrowedFd, name: &std::ffi::CStr, names: &mut MovedNames) -> io::Result<()> {
    // A plugin may have removed its own permissions. chmodat follows no link here: the entry is a
    // folder, and no process is left that could exchange it.
    rustix::fs::chmodat(top, name, Mode::RWXU, AtFlags::empty())?;
    let inside = openat(
        top,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    for (inner, kind) in read_entries(inside.as_fd())? {
        if kind != FileType::Directory {
            unlinkat(&inside, &inner, AtFlags::empty())?;
            continue;
        }
        // Moving a folder requires permissions on it, which a plugin may have removed.
        let _ = rustix::fs::chmodat(&inside, &inner, Mode::RWXU, AtFlags::empty());
        loop {
            names.0 += 1;
            match renameat(&inside, &inner, top, format!("up-{}", names.0)) {
                // Renaming onto an empty folder replaces it. Any other folder of that name blocks
                // the rename.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                result => break result?,
            }
        }
    }
    Ok(())
}

/// Reads the entries of a folder without `.` and `..`.
fn read_entries(folder: BorrowedFd) -> io::Result<Vec<(std::ffi::CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not report the type.
            FileType::Unknown => FileType::from_raw_mode(
                rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode,
            ),
            kind => kind,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn scratch_folder_is_removed_with_its_contents_only() {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        let scratch = ScratchFolder::create_in(place.path()).unwrap();
        let path = scratch.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        symlink(&outside, path.join("link")).unwrap();
        std::fs::create_dir_all(path.join("up-1/up-1/up-2/empty")).unwrap();
        symlink(&outside, path.join("up-1/up-1/link")).unwrap();
        std::fs::write(path.join("up-1/up-1/up-2/file"), "x").unwrap();
        std::fs::set_permissions(
            path.join("up-1/up-1"),
            std::fs::Permissions::from_mode(0o000),
        )
        .unwrap();
        drop(scratch);
        assert!(!path.exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn tree_deeper_than_any_stack_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let scratch = ScratchFolder::create_in(place.path()).unwrap();
        let path = scratch.path().to_owned();
        let mut at = openat(&scratch.claim, c".", OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, c"d", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(&at, c"e", Mode::RWXU).unwrap();
            at = openat(&at, c"d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn scratch_root_is_a_folder_and_no_link() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        symlink(at("folder"), at("link")).unwrap();
        let mode = Mode::RWXU;
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();
        for (name, expected) in [
            ("new", true),
            ("folder", true),
            ("link", false),
            ("pipe", false),
        ] {
            assert_eq!(open_own_folder(&at(name)).is_ok(), expected, "{name}");
        }
        // A named pipe among the scratch folders is skipped.
        let lock = file::open_folder(place.path()).unwrap();
        clear_unclaimed(place.path(), &lock);
        assert!(at("pipe").exists() && !at("folder").exists());
    }

    #[test]
    fn unclaimed_folders_are_removed_and_claimed_ones_kept() {
        let place = tempfile::tempdir().unwrap();
        let lock = File::open(place.path()).unwrap();
        let claimed = ScratchFolder::create_in(place.path()).unwrap();
        let left = ScratchFolder::create_in(place.path()).unwrap();
        std::fs::write(left.path().join("file"), "x").unwrap();
        let gone = left.path().to_owned();
        // This is the state after orch was killed: the lock ends with the process, and the folder
        // stays.
        flock(&left.claim, FlockOperation::Unlock).unwrap();
        clear_unclaimed(place.path(), &lock);
        assert!(!gone.exists());
        assert!(claimed.path().exists());
    }
}
