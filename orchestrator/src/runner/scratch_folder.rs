//! The folder that a sandboxed worker may write to: its own, and gone when it is. What a killed
//! orch left behind is removed by the next one.

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A worker's scratch folder. It is claimed by a lock for as long as this lives, so that no other
/// orch takes it for one that was left behind.
#[derive(Debug)]
pub(super) struct ScratchFolder {
    path: PathBuf,
    claim: File,
}

impl ScratchFolder {
    /// Makes an empty folder with a name of the same length each time: it stands in the worker's
    /// environment, which lies above its stack.
    pub(super) fn create() -> io::Result<Self> {
        let all = scratch_root()?;
        // Nobody clears up between the making and the claiming.
        flock(&all.lock, FlockOperation::LockShared)?;
        let made = Self::create_in(&all.folder);
        flock(&all.lock, FlockOperation::Unlock)?;
        made.map_err(|error| explain_error(&all.folder, &error))
    }

    fn create_in(folder: &Path) -> io::Result<Self> {
        loop {
            let path = folder.join(format!("{:016x}", fastrand::u64(..)));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let claim = File::open(&path)?;
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
        // What cannot be removed now is left behind, and tried again by the next orch.
        let _ = remove_tree(&self.path, &self.claim);
    }
}

/// The folder of all scratch folders of this user, and the lock that is held while one is made or
/// looked at.
struct ScratchRoot {
    folder: PathBuf,
    lock: File,
}

/// Finds the folder of all; the first time, what others left there is removed.
fn scratch_root() -> io::Result<&'static ScratchRoot> {
    static ALL: OnceLock<ScratchRoot> = OnceLock::new();
    if let Some(all) = ALL.get() {
        return Ok(all);
    }
    let uid = rustix::process::getuid().as_raw();
    let folder = std::path::absolute(std::env::temp_dir())?.join(format!("orch-scratch-{uid}"));
    let made = DirBuilder::new().mode(0o700).create(&folder);
    if let Err(error) = made
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(explain_error(&folder, &error));
    }
    // In a folder that everybody can write to, somebody else may have been there first.
    let is_ours = |data: Metadata| data.is_dir() && data.uid() == uid;
    if !is_ours(std::fs::symlink_metadata(&folder)?) {
        return Err(explain_error(
            &folder,
            &io::Error::other("it is no folder of this user; remove it"),
        ));
    }
    let lock = File::open(&folder).map_err(|error| explain_error(&folder, &error))?;
    clear_unclaimed(&folder, &lock);
    Ok(ALL.get_or_init(|| ScratchRoot { folder, lock }))
}

fn explain_error(folder: &Path, error: &io::Error) -> io::Error {
    let message = format!(
        "cannot make a scratch folder for a worker in {}: {error} (TMPDIR names another place; \
         `sandbox: off` needs none)",
        folder.display()
    );
    io::Error::new(error.kind(), message)
}

/// Removes all folders that nobody claims. Another orch may be at it just now; then it is left to
/// that.
fn clear_unclaimed(folder: &Path, lock: &File) {
    if flock(lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(left) = File::open(entry.path()) else {
            continue;
        };
        if flock(&left, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = remove_tree(&entry.path(), &left);
        }
    }
    let _ = flock(lock, FlockOperation::Unlock);
}

/// Removes a folder with all that is in it, however deep that is: what lies in a folder of it is
/// brought up before that folder is removed, so neither the stack nor the number of open files is
/// at the mercy of a plugin.
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

/// Names that are given to folders which are brought up.
struct MovedNames(u64);

/// Removes the files of a folder inside `top`, and moves its folders to `top`.
fn empty_into(top: BorrowedFd, name: &std::ffi::CStr, names: &mut MovedNames) -> io::Result<()> {
    // A plugin may have taken its own rights to it away. This follows no link: it was seen to be a
    // folder, and nobody else is there to exchange it any more.
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
        // To move a folder one needs rights to it, of which a plugin may have taken its own away.
        let _ = rustix::fs::chmodat(&inside, &inner, Mode::RWXU, AtFlags::empty());
        loop {
            names.0 += 1;
            match renameat(&inside, &inner, top, format!("up-{}", names.0)) {
                // Renaming onto an empty folder replaces it; one with something in it is in the
                // way.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                result => break result?,
            }
        }
    }
    Ok(())
}

/// The entries of a folder, without itself and the one above.
fn read_entries(folder: BorrowedFd) -> io::Result<Vec<(std::ffi::CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say.
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
    fn a_folder_goes_with_all_that_is_in_it_and_nothing_else_does() {
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
    fn a_tree_that_is_deeper_than_any_stack_is_removed() {
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
    fn what_nobody_claims_is_cleared_and_what_somebody_does_is_left() {
        let place = tempfile::tempdir().unwrap();
        let lock = File::open(place.path()).unwrap();
        let claimed = ScratchFolder::create_in(place.path()).unwrap();
        let left = ScratchFolder::create_in(place.path()).unwrap();
        std::fs::write(left.path().join("file"), "x").unwrap();
        let gone = left.path().to_owned();
        // As if orch had been killed: the lock goes with the process, the folder stays.
        flock(&left.claim, FlockOperation::Unlock).unwrap();
        clear_unclaimed(place.path(), &lock);
        assert!(!gone.exists());
        assert!(claimed.path().exists());
    }
}
