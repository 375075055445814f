//! The crate that stands in for criterion, written into the cache.

use super::write_changed;
use crate::cache;
use crate::starter::{self, StarterFile};
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Returns a hash of all files of the crate.
pub(crate) fn hash_shim() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let files = starter::criterion_files().into_iter();
        let line = |file: StarterFile| format!("{}\0{}\0", file.path, file.text);
        crate::hash::text(&files.map(line).collect::<String>())
    })
}

/// Writes the crate into the cache, and returns its folder.
pub(super) fn write_shim() -> io::Result<PathBuf> {
    let folder = cache::subfolder(&format!("criterion-{}", &hash_shim()[..16]))?;
    for file in starter::criterion_files() {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        write_changed(&path, &file.text)?;
    }
    Ok(folder.join(starter::CRITERION_FOLDER))
}
