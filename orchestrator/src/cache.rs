//! The folder of files that orch can make again: built plugins and the C header. It is never inside
//! a repository.

use crate::file::{self, UnfinishedFile};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

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
    let folder = match home {
        Some(home) => home.join("orch"),
        None => std::env::temp_dir().join(format!("orch-{uid}")),
    };
    make_private(&folder).map_err(|error| unusable(&folder, &error))?;
    // In a world-writable folder, another user may have made this folder first.
    if std::fs::metadata(&folder)?.uid() != uid {
        return Err(io::Error::other(format!(
            "{} belongs to another user; remove it",
            folder.display()
        )));
    }
    Ok(folder)
}

/// Returns an error of the cache, with its place and the variable that moves it.
fn unusable(folder: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!(
        "cannot use the cache {}: {error}; set XDG_CACHE_HOME to a folder that allows writing and \
         execution",
        folder.display()
    ))
}

/// Checks that the cache accepts files, and that libraries can be loaded from it.
pub(crate) fn check() -> io::Result<()> {
    let folder = folder()?;
    // On a full disk, an empty file could still be created. The trial is removed at once.
    UnfinishedFile::create(&folder.join("trial"))
        .and_then(|mut trial| trial.write_all(&[0; 4096]))
        .map_err(|error| unusable(&folder, &error))?;
    if is_noexec(&folder)? {
        return Err(unusable(
            &folder,
            &"its file system is mounted noexec, so libraries cannot be loaded from it",
        ));
    }
    Ok(())
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
    make_private(&folder)?;
    Ok(folder)
}

/// Returns the path of the library with this content.
pub(crate) fn artefact(hash: &str) -> io::Result<PathBuf> {
    Ok(subfolder("artefacts")?.join(format!("{hash}.so")))
}

/// Copies a file into the cache under its hash, so that no rebuild changes it during a measurement.
/// The copy appears completely or not at all.
pub(crate) fn keep(file: &Path, hash: &str) -> io::Result<PathBuf> {
    let kept = artefact(hash)?;
    if !kept.is_file() {
        file::remove_leftovers(&subfolder("artefacts")?);
        let mut copy = UnfinishedFile::create(&kept)?;
        io::copy(&mut file::open_regular(file)?, &mut copy)?;
        copy.sync()?;
        copy.finish()?;
    }
    Ok(kept)
}

/// Returns the folder with `orch_plugin.h`, for `$ORCH_INCLUDE`.
pub(crate) fn include_folder() -> io::Result<PathBuf> {
    const HEADER: &str = include_str!("../../plugins/sdk/include/orch_plugin.h");
    let folder = subfolder(&format!("include-{}", &crate::hash::text(HEADER)[..16]))?;
    let header = folder.join("orch_plugin.h");
    if !header.is_file() {
        file::write_whole(&header, HEADER.as_bytes())?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

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
