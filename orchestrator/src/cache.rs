//! The folder of files that orch can make again: built plugins and the C header. It is never inside
//! a repository.

use crate::file::{self, LinkRule, UnfinishedFile};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

pub(crate) mod artefact;

#[cfg(test)]
thread_local! {
    /// Cache of the test that runs on this thread. The user's own cache must not influence tests.
    pub(crate) static OF_THIS_TEST: std::cell::RefCell<Option<PathBuf>> =
        const { std::cell::RefCell::new(None) };
}

/// Returns the cache folder and makes it if needed: `$XDG_CACHE_HOME/orch`, `~/.cache/orch`, or
/// `orch-<uid>` among temporary files.
pub(crate) fn folder() -> io::Result<PathBuf> {
    #[cfg(test)]
    if let Some(folder) = OF_THIS_TEST.with_borrow(Clone::clone) {
        make_private(&folder)?;
        return Ok(folder);
    }
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let uid = rustix::process::getuid().as_raw();
    let (folder, links) = match home {
        Some(home) => (home.join("orch"), LinkRule::Follow),
        None => {
            let name = format!("orch-{uid}");
            (std::env::temp_dir().join(name), LinkRule::Refuse)
        }
    };
    make_private(&folder)
        .and_then(|()| check_owner(&folder, links))
        .map_err(|error| explain_unusable(&folder, &error))?;
    Ok(folder)
}

/// Checks that a folder belongs to this user.
fn check_owner(folder: &Path, links: LinkRule) -> io::Result<()> {
    // In a world-writable folder, another user may have made this folder first, or a link to any
    // folder of this user.
    let about = match links {
        LinkRule::Follow => std::fs::metadata(folder)?,
        LinkRule::Refuse => std::fs::symlink_metadata(folder)?,
    };
    if !about.is_dir() {
        return Err(io::Error::other("it is a link; remove it"));
    }
    if about.uid() != rustix::process::getuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    Ok(())
}

/// Refusal of the cache, with its place and the variable that moves it.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the cache {}: {reason}; set XDG_CACHE_HOME to a folder that allows writing and \
     execution",
    place.display()
)]
struct CacheRefusal {
    place: PathBuf,
    reason: String,
}

/// Returns an error of the cache, or of one of its folders or files.
pub(crate) fn explain_unusable(place: &Path, reason: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(CacheRefusal {
        place: place.to_owned(),
        reason: reason.to_string(),
    })
}

/// Returns an error about a file of the cache as one of the cache, unless it is one.
pub(crate) fn explain_refusal(error: io::Error) -> io::Error {
    match folder() {
        Ok(place) if !is_refusal(&error) => explain_unusable(&place, &error),
        _ => error,
    }
}

/// Returns whether the cache itself could not be used, whatever was to be stored in it.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<CacheRefusal>())
}

/// Checks that the cache accepts files, and that libraries can be loaded from it. Removes what
/// killed processes left unfinished in its folders.
pub(crate) fn check() -> io::Result<()> {
    let folder = folder()?;
    // Worktrees, bisects and packages have folders of their own inside the cache's folders. Nothing
    // is written by name at a deeper level.
    for outer in list_folders(&folder)? {
        file::remove_leftovers(&outer);
        for inner in list_folders(&outer).unwrap_or_default() {
            file::remove_leftovers(&inner);
        }
    }
    // On a full disk, an empty file could still be created. The trial is removed at once.
    UnfinishedFile::create(&folder.join("trial"))
        .and_then(|mut trial| trial.write_all(&[0; 4096]))
        .map_err(|error| explain_unusable(&folder, &error))?;
    if is_noexec(&folder)? {
        return Err(explain_unusable(
            &folder,
            &"its file system is mounted noexec, so libraries cannot be loaded from it",
        ));
    }
    Ok(())
}

/// Lists the folders inside a folder; links are no folders.
fn list_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}

/// Returns whether the file system of a folder forbids running code.
fn is_noexec(folder: &Path) -> io::Result<bool> {
    Ok(rustix::fs::statvfs(folder)?
        .f_flag
        .contains(rustix::fs::StatVfsMountFlags::NOEXEC))
}

fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Returns the bytes on disk of the files in a folder, without following links.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        // The file system counts in units of 512 bytes, whatever its own block size is.
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// Returns the bytes that a user can still write to the file system of a folder.
pub(crate) fn free(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail * found.f_frsize)
}

/// Returns a folder inside the cache and makes it if needed.
pub(crate) fn subfolder(name: &str) -> io::Result<PathBuf> {
    let folder = folder()?.join(name);
    make_private(&folder).map_err(|error| explain_unusable(&folder, &error))?;
    Ok(folder)
}

/// Returns the folder with `orch_plugin.h`, for `$ORCH_INCLUDE`.
pub(crate) fn include_folder() -> io::Result<PathBuf> {
    const HEADER: &str = include_str!("../../plugins/sdk/include/orch_plugin.h");
    let folder = subfolder(&format!("include-{}", &crate::hash::text(HEADER)[..16]))?;
    let header = folder.join("orch_plugin.h");
    let there = file::read_text(&header, file::MOST_TEXT_BYTES);
    if !there.is_ok_and(|there| there == HEADER) {
        file::write_whole(&header, HEADER.as_bytes())
            .map_err(|error| explain_unusable(&folder, &error))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_the_cache_belongs_to_this_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).expect("a link");
        assert!(check_owner(&link, LinkRule::Follow).is_ok());
        assert!(check_owner(folder.path(), LinkRule::Refuse).is_ok());
        let error = check_owner(&link, LinkRule::Refuse).expect_err("a link");
        assert_eq!(error.to_string(), "it is a link; remove it");
        let is_root = rustix::process::getuid().is_root();
        assert_eq!(
            check_owner(Path::new("/"), LinkRule::Refuse).is_ok(),
            is_root
        );
    }

    #[test]
    fn leftovers_are_removed_on_every_level_of_the_cache() {
        let folder = tempfile::tempdir().expect("a folder");
        OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let outer = subfolder("artefacts").expect("a folder").join("x");
        let inner = subfolder("worktrees/0123")
            .expect("a folder")
            .join("newest");
        for path in [outer, inner] {
            let left = file::name_unfinished(&path);
            std::fs::write(&left, "half").expect("written");
            check().expect("usable");
            assert!(!left.exists(), "{}", left.display());
        }
    }

    #[test]
    fn damaged_header_is_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let header = include_folder().expect("a folder").join("orch_plugin.h");
        let text = std::fs::read_to_string(&header).expect("there");
        std::fs::write(&header, "").expect("written");
        include_folder().expect("a folder");
        assert_eq!(std::fs::read_to_string(&header).expect("there"), text);
    }

    #[test]
    fn noexec_is_read_from_the_mount_table() {
        let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut seen = 0;
        for line in table.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, place, _, options, ..] = fields[..] else {
                continue;
            };
            // A later mount at the same place hides an earlier one.
            let is_hidden = table
                .lines()
                .filter(|line| line.split(' ').nth(1) == Some(place))
                .count()
                > 1;
            let Ok(found) = is_noexec(Path::new(place)) else {
                continue;
            };
            if !is_hidden {
                assert_eq!(
                    found,
                    options.split(',').any(|option| option == "noexec"),
                    "{line}"
                );
                seen += 1;
            }
        }
        assert!(seen > 0, "{table}");
    }
}
