//! Packages of registries, compiled once per machine, toolchain and set of flags.
//!
//! Each repository and each build worktree has a target folder of its own, and cargo would compile
//! the dependencies of the SDK in all of them. A registry never changes a package, and cargo names
//! its results by a hash of everything that determines them. The files of one target folder can
//! therefore be used in the next one. Cargo itself checks them there, and compiles again if they do
//! not fit.

use super::package_index::PackageIndex;
use crate::cache;
use crate::file::{self, UnfinishedFile, UnfinishedFolder};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use toml::Table;

/// Maximum size of the store, in bytes. The set that was not lent for the longest time is removed
/// first.
const SIZE_LIMIT: u64 = 1 << 30;
/// Folders of a target folder's profile that hold files of a unit. Fingerprints come last, because
/// cargo uses the other files only if there is a fingerprint.
const FOLDERS: [&str; 3] = ["deps", "build", ".fingerprint"];

/// One compilation of a package: its library, its build script, or the run of its build script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CompiledUnit {
    package: String,
    version: String,
    /// Cargo's hash, with 16 hexadecimal digits.
    hash: String,
}

impl CompiledUnit {
    fn folder_name(&self) -> String {
        format!("{}@{}@{}", self.package, self.version, self.hash)
    }

    fn parse(folder_name: &str) -> Option<Self> {
        let mut parts = folder_name.split('@').map(str::to_owned);
        let unit = Self {
            package: parts.next()?,
            version: parts.next()?,
            hash: parts.next()?,
        };
        (parts.next().is_none() && unit.hash.len() == 16).then_some(unit)
    }
}

/// Compiled packages for one set of compiler flags.
///
/// They are stored in sets, and each set comes from one build. The compiler's own hash of a library
/// depends on more than cargo's hash, for example on the name of the folder of generated sources.
/// Libraries of two builds may therefore not fit each other.
pub(super) struct PackageStore {
    folder: PathBuf,
    size_limit: u64,
}

impl PackageStore {
    /// Opens the store for these flags in the cache.
    pub(super) fn open(flags: &[String]) -> io::Result<Self> {
        let identity = crate::hash::text(&flags.join("\n"));
        Ok(Self {
            folder: cache::subfolder(&format!("packages/{}", &identity[..16]))?,
            size_limit: SIZE_LIMIT,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list_sets().is_empty()
    }

    /// Lists the folders of the complete sets.
    fn list_sets(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let paths = entries.flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_none()).collect()
    }

    /// Copies packages of a Cargo.lock to a profile's folder, from the set that has most of them.
    /// Cargo compiles the rest. Returns the damaged files because of which sets were removed.
    pub(super) fn lend_packages(&self, lock: &str, profile: &Path) -> Vec<PathBuf> {
        let locked = read_locked(lock);
        let is_locked =
            |unit: &CompiledUnit| locked.contains(&(unit.package.clone(), unit.version.clone()));
        let wanted = |set: &PathBuf| {
            let units = list_units(set);
            units.into_iter().filter(is_locked).collect::<Vec<_>>()
        };
        let all = self.list_sets().into_iter().map(|set| (wanted(&set), set));
        let mut all: Vec<_> = all.filter(|(units, _)| !units.is_empty()).collect();
        all.sort_by_key(|(units, _)| std::cmp::Reverse(units.len()));
        let mut damaged = Vec::new();
        for (units, set) in all {
            let folders: Vec<String> = units.iter().map(CompiledUnit::folder_name).collect();
            match PackageIndex::read(&set).map(|index| index.find_damaged(&set, &folders)) {
                Some(None) => {
                    lend_units(&set, &folders, profile);
                    break;
                }
                Some(Some(file)) => damaged.push(file),
                // Earlier versions wrote no index.
                None => {}
            }
            // A set that cannot be removed is found again, and not lent either.
            let _ = file::remove_folder(&set);
        }
        damaged
    }

    /// Adds the packages of a build in a profile's folder as a set, if cargo's messages show that
    /// some of them were compiled there. Removes the oldest sets if the store exceeds its size
    /// limit.
    pub(super) fn add_packages(&self, messages: &str, profile: &Path) -> io::Result<()> {
        let (units, has_compiled) = read_units(messages);
        let names: Vec<String> = units.iter().map(CompiledUnit::folder_name).collect();
        let set = self
            .folder
            .join(&crate::hash::text(&names.join("\n"))[..16]);
        if !has_compiled || PackageIndex::read(&set).is_some() {
            return Ok(());
        }
        if set.exists() {
            file::remove_folder(&set)?;
        }
        let written = UnfinishedFolder::create(&set)?;
        if fill_set(units, profile, written.path())? {
            // Another build may have added the same set.
            let _ = written.finish();
        }
        self.remove_oldest()
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut all: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for set in self.list_sets() {
            let size = cache::size(&set);
            all.push((set.metadata()?.modified()?, set, size));
        }
        all.sort();
        let mut total: u64 = all.iter().map(|(_, _, size)| size).sum();
        for (_, set, size) in all {
            if total <= self.size_limit {
                break;
            }
            file::remove_folder(&set)?;
            total -= size;
        }
        Ok(())
    }
}

/// Copies the folders of units from a set to a profile's folder.
fn lend_units(set: &Path, folders: &[String], profile: &Path) {
    for folder in folders {
        for name in FOLDERS {
            let from = set.join(folder).join(name);
            if copy_missing(&from, &profile.join(name)).is_err() {
                break;
            }
        }
    }
    let _ = std::fs::File::open(set).and_then(|set| set.set_modified(SystemTime::now()));
}

/// Copies the files of units into an empty folder. Returns whether there are any.
fn fill_set(units: BTreeSet<CompiledUnit>, profile: &Path, set: &Path) -> io::Result<bool> {
    let files = list_by_hash(profile);
    for unit in units {
        for name in files.get(&unit.hash).into_iter().flatten() {
            let copy = set.join(unit.folder_name()).join(name);
            copy_missing(&profile.join(name), &copy)?;
        }
    }
    if std::fs::read_dir(set)?.next().is_none() {
        return Ok(false);
    }
    PackageIndex::create(set)?.store(set)?;
    Ok(true)
}

/// Lists the units in a set's folder.
fn list_units(set: &Path) -> BTreeSet<CompiledUnit> {
    let entries = std::fs::read_dir(set).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| CompiledUnit::parse(entry.file_name().to_str()?))
        .collect()
}

/// Reads the names and versions of the packages of a Cargo.lock that come from a registry.
fn read_locked(lock: &str) -> BTreeSet<(String, String)> {
    let Ok(lock) = lock.parse::<Table>() else {
        return BTreeSet::new();
    };
    let text = |package: &toml::Value, name: &str| package.get(name)?.as_str().map(str::to_owned);
    let packages = lock
        .get("package")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten();
    packages
        .filter(|package| text(package, "source").is_some_and(|source| is_registry(&source)))
        .filter_map(|package| Some((text(package, "name")?, text(package, "version")?)))
        .collect()
}

fn is_registry(source: &str) -> bool {
    source.starts_with("registry+") || source.starts_with("sparse+")
}

/// Reads the units of registries' packages from cargo's messages, and whether any of them was
/// compiled.
fn read_units(messages: &str) -> (BTreeSet<CompiledUnit>, bool) {
    let mut found = BTreeSet::new();
    let mut has_compiled = false;
    let lines = messages.lines();
    for message in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let id = message["package_id"].as_str().filter(|id| is_registry(id));
        let name = id.and_then(|id| id.rsplit_once('#')?.1.split_once('@'));
        let Some((package, version)) = name else {
            continue;
        };
        has_compiled |= message["fresh"].as_bool() == Some(false);
        let files = message["filenames"].as_array().into_iter().flatten();
        let files = files.chain(message.get("out_dir"));
        for hash in files
            .filter_map(Value::as_str)
            .filter_map(|file| find_hash_in_path(Path::new(file)))
        {
            found.insert(CompiledUnit {
                package: package.to_owned(),
                version: version.to_owned(),
                hash,
            });
        }
    }
    (found, has_compiled)
}

/// Finds the hash in a file's name, or in the name of its folder for files of build scripts.
fn find_hash_in_path(file: &Path) -> Option<String> {
    let name = |path: &Path| path.file_name()?.to_str().and_then(find_hash_in_name);
    name(file).or_else(|| name(file.parent()?))
}

/// Finds cargo's hash in a name such as `libserde-0123456789abcdef.rlib` or
/// `serde-0123456789abcdef`.
fn find_hash_in_name(name: &str) -> Option<String> {
    let (_, end) = name.rsplit_once('-')?;
    let hash = end.split('.').next()?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash.to_owned())
}

/// Lists the files and folders of a profile's folder by the hash in their names. The paths are
/// relative to that folder, in the order in which they are copied.
fn list_by_hash(profile: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(profile.join(folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Some(hash) = entry.file_name().to_str().and_then(find_hash_in_name) {
                found
                    .entry(hash)
                    .or_default()
                    .push(Path::new(folder).join(entry.file_name()));
            }
        }
    }
    found
}

/// Copies a file, or a folder with everything in it, together with the times, which cargo checks.
/// Existing files stay.
fn copy_missing(from: &Path, to: &Path) -> io::Result<()> {
    let about = match from.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        about => about?,
    };
    if about.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_missing(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if !about.is_file() || to.exists() {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut copy = UnfinishedFile::create(to)?;
    copy.copy_from(&file::open_regular(from)?)?;
    copy.finish()
}

#[cfg(test)]
mod tests;
