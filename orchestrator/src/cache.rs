//! Where orch keeps what it can make again: built plugins and the C header. Never inside a
//! repository.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

#[cfg(test)]
thread_local! {
    /// The cache of the test that runs on this thread, for the user's own must not tell it what to
    /// expect.
    pub(crate) static OF_THIS_TEST: std::cell::RefCell<Option<PathBuf>> = const { std::cell::RefCell::new(None) };
}

/// The cache folder, made if needed: `$XDG_CACHE_HOME/orch`, `~/.cache/orch`, or `orch-<uid>` among
/// temporary files.
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
    // In a folder that everybody can write to, somebody else may have been there first.
    if std::fs::metadata(&folder)?.uid() != uid {
        return Err(io::Error::other(format!(
            "{} belongs to another user; remove it",
            folder.display()
        )));
    }
    Ok(folder)
}

/// An error of the cache with its place and the variable that moves it.
fn unusable(folder: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!(
        "the cache {} cannot be used: {error}; set XDG_CACHE_HOME to a folder that can be written \
         and run from",
        folder.display()
    ))
}

/// Checks that files can be written to the cache and that libraries can be loaded from there.
pub(crate) fn check() -> io::Result<()> {
    let folder = folder()?;
    let trial = folder.join(format!("trial-{}.tmp", std::process::id()));
    std::fs::write(&trial, "")
        .and_then(|()| std::fs::remove_file(&trial))
        .map_err(|error| unusable(&folder, &error))?;
    if is_noexec(&folder)? {
        return Err(unusable(
            &folder,
            &"its file system is mounted noexec, so no library is loaded from there",
        ));
    }
    Ok(())
}

/// Whether the file system of a folder lets no code run.
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

/// Bytes that the files in a folder take, without following links.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        // Counted by the file system in units of 512 bytes, whatever its own blocks are.
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// Bytes that a user can still write where a folder lies.
pub(crate) fn free(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail * found.f_frsize)
}

/// A folder inside the cache, made if needed.
pub(crate) fn subfolder(name: &str) -> io::Result<PathBuf> {
    let folder = folder()?.join(name);
    make_private(&folder)?;
    Ok(folder)
}

/// Where the library of this content is kept.
pub(crate) fn artefact(hash: &str) -> io::Result<PathBuf> {
    Ok(subfolder("artefacts")?.join(format!("{hash}.so")))
}

/// Copies a file into the cache under the name of its content, so that nobody's rebuild changes it
/// while it is being measured. The copy appears whole or not at all.
pub(crate) fn keep(file: &Path, hash: &str) -> io::Result<PathBuf> {
    let kept = artefact(hash)?;
    if !kept.is_file() {
        let beside = kept.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::copy(file, &beside)?;
        std::fs::rename(&beside, &kept)?;
    }
    Ok(kept)
}

/// The folder with `orch_plugin.h`, for `$ORCH_INCLUDE`.
pub(crate) fn include_folder() -> io::Result<PathBuf> {
    const HEADER: &str = include_str!("../../plugins/sdk/include/orch_plugin.h");
    let folder = subfolder(&format!("include-{}", &crate::hash::text(HEADER)[..16]))?;
    let header = folder.join("orch_plugin.h");
    if !header.is_file() {
        let beside = folder.join(format!("{}.tmp", std::process::id()));
        std::fs::write(&beside, HEADER)?;
        std::fs::rename(&beside, &header)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noexec_is_what_the_mount_table_has() {
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
