//! A Cargo.lock that orch lends, for the duration of a build, to a workspace that has none. It is
//! stored in the cache, so that builds are repeatable and the user's tree stays unchanged.

use crate::cache;
use crate::file;
use std::io;
use std::path::{Path, PathBuf};
use toml::Table;

/// A Cargo.lock that is lent until this is dropped, if the workspace has none of its own.
pub(super) struct LentLock {
    place: PathBuf,
    kept: PathBuf,
    lent: bool,
}

/// Returns the path in the cache of the Cargo.lock for a workspace that has none.
pub(super) fn locate_kept_lock(root: &Path) -> io::Result<PathBuf> {
    let name = &crate::hash::text(&root.display().to_string())[..32];
    Ok(cache::subfolder("locks")?.join(format!("{name}.lock")))
}

/// Returns the path in the cache of the Cargo.lock for a workspace that orch wrote, whose versions
/// are those of `seed`.
pub(super) fn locate_seeded_lock(root: &Path, seed: Option<&str>) -> io::Result<PathBuf> {
    let seed = seed.unwrap_or_default();
    locate_kept_lock(&root.join(crate::hash::text(seed)))
}

/// Reads a stored Cargo.lock. One that is damaged counts as missing, because cargo would refuse it
/// in every build.
pub(super) fn read_kept_lock(kept: &Path) -> Option<String> {
    let text = file::read_text(kept, file::MOST_TEXT_BYTES).ok()?;
    let has_version = |lock: Table| lock.contains_key("version");
    text.parse().is_ok_and(has_version).then_some(text)
}

/// Stores a Cargo.lock in the cache.
pub(super) fn keep_lock(lock: &Path, kept: &Path) -> io::Result<()> {
    let text = file::read_bytes(lock, file::MOST_TEXT_BYTES)?;
    file::write_whole(kept, &text)
}

impl LentLock {
    /// Lends a Cargo.lock to a workspace that orch wrote. `seed` is the user's, if there is one: it
    /// is completed for this workspace, and each seed has a completed one of its own.
    pub(super) fn lend_seeded(root: &Path, seed: Option<&str>) -> io::Result<Self> {
        let place = root.join("Cargo.lock");
        let kept = locate_seeded_lock(root, seed)?;
        match read_kept_lock(&kept).or_else(|| seed.map(str::to_owned)) {
            Some(text) => file::write_whole(&place, text.as_bytes())?,
            None => {
                let _ = std::fs::remove_file(&place);
            }
        }
        let lent = true;
        Ok(Self { place, kept, lent })
    }

    pub(super) fn lend(root: &Path) -> io::Result<Self> {
        let place = root.join("Cargo.lock");
        let kept = locate_kept_lock(root)?;
        let lent = !place.exists();
        if lent && let Some(text) = read_kept_lock(&kept) {
            std::fs::write(&place, text)?;
        }
        Ok(Self { place, kept, lent })
    }
}

impl Drop for LentLock {
    fn drop(&mut self) {
        // The file is copied and removed, because the cache may be on another file system. A lock
        // that stays behind does no harm.
        if self.lent && keep_lock(&self.place, &self.kept).is_ok() {
            let _ = std::fs::remove_file(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_lent_taken_back_and_not_used_if_it_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let root = folder.path().join("workspace");
        std::fs::create_dir(&root).expect("a folder");
        let place = root.join("Cargo.lock");
        let text = "version = 4\n\n[[package]]\nname = \"p\"\nversion = \"0.1.0\"\n";
        let lent = LentLock::lend(&root).expect("lent");
        assert!(!place.exists(), "none is stored");
        std::fs::write(&place, text).expect("written");
        drop(lent);
        assert!(!place.exists());
        let kept = locate_kept_lock(&root).expect("a place");
        assert_eq!(read_kept_lock(&kept).as_deref(), Some(text));
        let lent = LentLock::lend(&root).expect("lent");
        assert_eq!(std::fs::read_to_string(&place).expect("lent"), text);
        drop(lent);
        for damaged in ["", "version = 4\n\n[[package]]\nname = \"p", "\0\0\0\0"] {
            std::fs::write(&kept, damaged).expect("written");
            let lent = LentLock::lend(&root).expect("lent");
            assert!(!place.exists(), "{damaged:?}");
            drop(lent);
        }
        // The user's own file stays as it is.
        std::fs::write(&place, "own").expect("written");
        drop(LentLock::lend(&root).expect("lent"));
        assert_eq!(std::fs::read_to_string(&place).expect("there"), "own");
    }
}
