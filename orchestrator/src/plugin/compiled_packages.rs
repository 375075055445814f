//! Packages of registries, compiled once per machine, toolchain and set of flags.
//!
//! Each repository and each build worktree has a target folder of its own, and cargo would compile
//! what the SDK depends on in all of them. A registry never changes a package, and cargo names what
//! it compiles by a hash of everything that decides about it, so the files of one target folder
//! serve in the next. Cargo itself checks them there: what does not fit is compiled.

use crate::cache;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use toml::Table;

/// Largest size of the store, in bytes. What was not lent for the longest time is removed first.
const SIZE_LIMIT: u64 = 1 << 30;
/// Folders of a target folder's profile that hold files of a unit. Fingerprints come last: they
/// make the others count.
const FOLDERS: [&str; 3] = ["deps", "build", ".fingerprint"];

/// One compilation of a package: its library, its build script, or the run of that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unit {
    package: String,
    version: String,
    /// Cargo's hash, 16 hexadecimal digits.
    hash: String,
}

impl Unit {
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

/// The compiled packages of one set of compiler flags.
pub(super) struct PackageStore {
    folder: PathBuf,
    size_limit: u64,
}

impl PackageStore {
    /// Opens the store in the cache for these flags.
    pub(super) fn open(flags: &[String]) -> io::Result<Self> {
        let identity = crate::hash::text(&flags.join("\n"));
        Ok(Self {
            folder: cache::subfolder(&format!("packages/{}", &identity[..16]))?,
            size_limit: SIZE_LIMIT,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units().is_empty()
    }

    fn units(&self) -> BTreeSet<Unit> {
        let entries = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| Unit::parse(entry.file_name().to_str()?))
            .collect()
    }

    /// Copies the units of the packages in a Cargo.lock to a profile's folder. What cannot be
    /// copied is compiled there.
    pub(super) fn lend(&self, lock: &str, profile: &Path) {
        let locked = read_locked(lock);
        for unit in self
            .units()
            .iter()
            .filter(|unit| locked.contains(&(unit.package.clone(), unit.version.clone())))
        {
            let folder = self.folder.join(unit.folder_name());
            if FOLDERS
                .iter()
                .try_for_each(|name| copy_missing(&folder.join(name), &profile.join(name)))
                .is_ok()
            {
                let _ = std::fs::File::open(&folder)
                    .and_then(|folder| folder.set_modified(SystemTime::now()));
            }
        }
    }

    /// Adds what a build compiled in a profile's folder, by cargo's messages, and removes what the
    /// limit has no room for.
    pub(super) fn add(&self, messages: &str, profile: &Path) -> io::Result<()> {
        let known = self.units();
        let new: Vec<Unit> = read_units(messages)
            .into_iter()
            .filter(|unit| !known.contains(unit))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let files = list_by_hash(profile);
        for unit in new {
            let written =
                self.folder
                    .join(format!("{}.{}.tmp", unit.folder_name(), std::process::id()));
            for name in files.get(&unit.hash).into_iter().flatten() {
                copy_missing(&profile.join(name), &written.join(name))?;
            }
            if written.exists()
                && std::fs::rename(&written, self.folder.join(unit.folder_name())).is_err()
            {
                // Another build has added the same.
                std::fs::remove_dir_all(&written)?;
            }
        }
        self.remove_oldest()
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut all: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
        for entry in std::fs::read_dir(&self.folder)?.flatten() {
            all.push((
                entry.metadata()?.modified()?,
                entry.path(),
                cache::size(&entry.path()),
            ));
        }
        all.sort();
        let mut total: u64 = all.iter().map(|(_, _, size)| size).sum();
        for (_, folder, size) in all {
            if total <= self.size_limit {
                break;
            }
            std::fs::remove_dir_all(folder)?;
            total -= size;
        }
        Ok(())
    }
}

/// Names and versions of a Cargo.lock's packages that come from a registry.
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

/// The units of registries' packages in cargo's messages.
fn read_units(messages: &str) -> BTreeSet<Unit> {
    let mut found = BTreeSet::new();
    for message in messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let id = message["package_id"].as_str().filter(|id| is_registry(id));
        let Some((package, version)) = id.and_then(|id| id.rsplit_once('#')?.1.split_once('@'))
        else {
            continue;
        };
        let files = message["filenames"]
            .as_array()
            .into_iter()
            .flatten()
            .chain(message.get("out_dir"));
        for hash in files
            .filter_map(Value::as_str)
            .filter_map(|file| hash_in_path(Path::new(file)))
        {
            found.insert(Unit {
                package: package.to_owned(),
                version: version.to_owned(),
                hash,
            });
        }
    }
    found
}

/// The hash in a file's name, or in the name of its folder, as build scripts have it.
fn hash_in_path(file: &Path) -> Option<String> {
    let name = |path: &Path| path.file_name()?.to_str().and_then(hash_in_name);
    name(file).or_else(|| name(file.parent()?))
}

/// Cargo's hash in `libserde-0123456789abcdef.rlib` or `serde-0123456789abcdef`.
fn hash_in_name(name: &str) -> Option<String> {
    let (_, end) = name.rsplit_once('-')?;
    let hash = end.split('.').next()?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash.to_owned())
}

/// Files and folders of a profile's folder by the hash in their names, relative to it, in the order
/// in which they are copied.
fn list_by_hash(profile: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(profile.join(folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Some(hash) = entry.file_name().to_str().and_then(hash_in_name) {
                found
                    .entry(hash)
                    .or_default()
                    .push(Path::new(folder).join(entry.file_name()));
            }
        }
    }
    found
}

/// Copies a file, or a folder with everything in it, with the times that cargo looks at. What is
/// there stays.
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
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let written = to.with_file_name(name);
    std::fs::copy(from, &written)?;
    std::fs::File::options()
        .write(true)
        .open(&written)?
        .set_modified(about.modified()?)?;
    std::fs::rename(written, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HASHES: [&str; 3] = ["00000000000000aa", "00000000000000bb", "00000000000000cc"];

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// A profile's folder with a package of a registry, its build script, and a package of a
    /// folder; cargo's messages.
    fn profile(root: &Path) -> String {
        let [library, script, local] = HASHES;
        for file in [
            format!("deps/libserde-{library}.rlib"),
            format!("deps/serde-{library}.d"),
            format!(".fingerprint/serde-{library}/lib-serde"),
            format!("build/serde-{script}/out/private.rs"),
            format!(".fingerprint/serde-{script}/run-build-script-build-script-build"),
            format!("deps/libserde-{local}.rlib"),
            format!(".fingerprint/serde-{local}/lib-serde"),
        ] {
            write(&root.join(&file), &file);
        }
        let id = "registry+https://example.org/index#serde@1.2.3";
        let file = |hash: &str| format!("{}/deps/libserde-{hash}.rlib", root.display());
        format!(
            "{{\"reason\":\"compiler-artifact\",\"package_id\":\"{id}\",\"filenames\":[\"{}\"]}}\n\
             {{\"reason\":\"build-script-executed\",\"package_id\":\"{id}\",\"out_dir\":\"{}/build/serde-{script}/out\"}}\n\
             {{\"reason\":\"compiler-artifact\",\"package_id\":\"path+file:///p#serde@1.2.3\",\"filenames\":[\"{}\"]}}\n",
            file(library),
            root.display(),
            file(local)
        )
    }

    fn list(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![root.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    open.push(entry.path());
                } else {
                    found.push(
                        entry
                            .path()
                            .strip_prefix(root)
                            .expect("inside")
                            .display()
                            .to_string(),
                    );
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn packages_of_registries_are_lent_with_their_times_and_no_others() {
        let folder = tempfile::tempdir().expect("a folder");
        cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let store = PackageStore::open(&["-Cone".to_owned()]).expect("opened");
        assert!(store.is_empty());
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let messages = profile(&first);
        let old = SystemTime::now() - Duration::from_secs(1000);
        let library = format!("deps/libserde-{}.rlib", HASHES[0]);
        std::fs::File::options()
            .write(true)
            .open(first.join(&library))
            .expect("there")
            .set_modified(old)
            .expect("set");
        store.add(&messages, &first).expect("added");
        store.add(&messages, &first).expect("added once");
        let lock = |version: &str, source: &str| {
            format!("version = 4\n[[package]]\nname = \"serde\"\nversion = \"{version}\"\n{source}")
        };
        let registry = "source = \"registry+https://example.org/index\"\n";
        for (version, source) in [("1.2.4", registry), ("1.2.3", "")] {
            store.lend(&lock(version, source), &second);
            assert_eq!(list(&second), Vec::<String>::new(), "{version} {source}");
        }
        store.lend(&lock("1.2.3", registry), &second);
        let mut expected = list(&first);
        expected.retain(|name| !name.contains(HASHES[2]));
        assert_eq!(expected.len(), 5);
        assert_eq!(list(&second), expected);
        assert_eq!(
            second
                .join(&library)
                .metadata()
                .and_then(|about| about.modified())
                .expect("a time"),
            old
        );
        assert!(
            PackageStore::open(&["-Cother".to_owned()])
                .expect("opened")
                .is_empty()
        );
    }

    #[test]
    fn store_removes_what_was_not_lent_for_the_longest_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = PackageStore {
            folder: folder.path().to_owned(),
            size_limit: 20 << 10,
        };
        for (number, age) in [(1, 30), (2, 10), (3, 20)] {
            let unit = folder
                .path()
                .join(format!("p@1.0.{number}@00000000000000aa"));
            write(&unit.join("deps/file"), &"x".repeat(8 << 10));
            let time = SystemTime::now() - Duration::from_secs(age);
            std::fs::File::open(&unit)
                .and_then(|unit| unit.set_modified(time))
                .expect("set");
        }
        store.remove_oldest().expect("removed");
        let left: Vec<String> = store.units().into_iter().map(|unit| unit.version).collect();
        assert_eq!(left, ["1.0.2", "1.0.3"]);
    }
}
