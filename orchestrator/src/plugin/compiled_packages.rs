//! Packages of registries, compiled once per machine, toolchain and set of flags.
//!
//! Each repository and each build worktree has a target folder of its own, and cargo would compile
//! the dependencies of the SDK in all of them. A registry never changes a package, and cargo names
//! its results by a hash of everything that determines them. The files of one target folder can
//! therefore be used in the next one. Cargo itself checks them there, and compiles again if they do
//! not fit.

use crate::cache;
use crate::file::{self, UnfinishedFile};
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
    /// Cargo compiles the rest.
    pub(super) fn lend_packages(&self, lock: &str, profile: &Path) {
        let locked = read_locked(lock);
        let is_locked =
            |unit: &CompiledUnit| locked.contains(&(unit.package.clone(), unit.version.clone()));
        let wanted = |set: &PathBuf| {
            let units = list_units(set);
            units.into_iter().filter(is_locked).collect::<Vec<_>>()
        };
        let all = self.list_sets().into_iter().map(|set| (wanted(&set), set));
        let Some((units, set)) = all.max_by_key(|(units, _)| units.len()) else {
            return;
        };
        for unit in units {
            let folder = set.join(unit.folder_name());
            for name in FOLDERS {
                if copy_missing(&folder.join(name), &profile.join(name)).is_err() {
                    break;
                }
            }
        }
        let _ = std::fs::File::open(&set).and_then(|set| set.set_modified(SystemTime::now()));
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
        if !has_compiled || set.exists() {
            return Ok(());
        }
        // Sets that killed builds began, or began to remove.
        file::remove_leftovers(&self.folder);
        let written = file::name_unfinished(&set);
        std::fs::create_dir(&written)?;
        // Held until the set has its name.
        let claim = file::open_folder(&written)?;
        if !file::claim_unfinished(&claim) {
            // Another build took the folder for a leftover before it was claimed.
            return Ok(());
        }
        let added = self.fill_set(units, profile, &written, &set);
        if added.is_err() {
            std::fs::remove_dir_all(&written)?;
        }
        added?;
        self.remove_oldest()
    }

    fn fill_set(
        &self,
        units: BTreeSet<CompiledUnit>,
        profile: &Path,
        written: &Path,
        set: &Path,
    ) -> io::Result<()> {
        let files = list_by_hash(profile);
        for unit in units {
            for name in files.get(&unit.hash).into_iter().flatten() {
                let copy = written.join(unit.folder_name()).join(name);
                copy_missing(&profile.join(name), &copy)?;
            }
        }
        let is_empty = std::fs::read_dir(written)?.next().is_none();
        if is_empty || std::fs::rename(written, set).is_err() {
            // Without files there is no set, and another build may have added the same set.
            std::fs::remove_dir_all(written)?;
        }
        Ok(())
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
            // Under another name, no build takes the set for a complete one.
            let removed = file::name_unfinished(&set);
            std::fs::rename(&set, &removed)?;
            // Another build may remove the same files as leftovers.
            match std::fs::remove_dir_all(removed) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            total -= size;
        }
        Ok(())
    }
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
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    const HASHES: [&str; 3] = ["00000000000000aa", "00000000000000bb", "00000000000000cc"];

    fn write_file(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// Writes a profile's folder with a package of a registry, its build script, and a package of a
    /// folder. Returns cargo's messages.
    fn write_profile(root: &Path, fresh: bool) -> String {
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
            write_file(&root.join(&file), &file);
        }
        let id = "registry+https://example.org/index#serde@1.2.3";
        let file = |hash: &str| format!("{}/deps/libserde-{hash}.rlib", root.display());
        let artifact = |id: &str, hash: &str| {
            let reason = "compiler-artifact";
            json!({ "reason": reason, "package_id": id, "fresh": fresh, "filenames": [file(hash)] })
        };
        let out = format!("{}/build/serde-{script}/out", root.display());
        let lines = [
            artifact(id, library),
            json!({ "reason": "build-script-executed", "package_id": id, "out_dir": out }),
            artifact("path+file:///p#serde@1.2.3", local),
        ];
        lines.map(|line| line.to_string() + "\n").concat()
    }

    fn list_paths(root: &Path) -> Vec<String> {
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
        let messages = write_profile(&first, false);
        let old = SystemTime::now() - Duration::from_secs(1000);
        let library = format!("deps/libserde-{}.rlib", HASHES[0]);
        std::fs::File::options()
            .write(true)
            .open(first.join(&library))
            .expect("there")
            .set_modified(old)
            .expect("set");
        store.add_packages(&messages, &first).expect("added");
        store.add_packages(&messages, &first).expect("added once");
        let lock = |version: &str, source: &str| {
            format!("version = 4\n[[package]]\nname = \"serde\"\nversion = \"{version}\"\n{source}")
        };
        let registry = "source = \"registry+https://example.org/index\"\n";
        for (version, source) in [("1.2.4", registry), ("1.2.3", "")] {
            store.lend_packages(&lock(version, source), &second);
            assert_eq!(
                list_paths(&second),
                Vec::<String>::new(),
                "{version} {source}"
            );
        }
        store.lend_packages(&lock("1.2.3", registry), &second);
        let mut expected = list_paths(&first);
        expected.retain(|name| !name.contains(HASHES[2]));
        assert_eq!(expected.len(), 5);
        assert_eq!(list_paths(&second), expected);
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
    fn sets_of_two_builds_are_not_mixed() {
        let folder = tempfile::tempdir().expect("a folder");
        cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let store = PackageStore::open(&[]).expect("opened");
        let root = |name: &str| folder.path().join(name);
        let messages = write_profile(&root("first"), false);
        store
            .add_packages(&messages, &root("first"))
            .expect("added");
        // Another build compiled the same package and one more.
        let more = messages
            .replace("serde@1.2.3", "other@1.0.0")
            .replace("serde", "other");
        let more = more.replace("00000000000000aa", "00000000000000dd");
        let second = write_profile(&root("second"), false).replace("first", "second") + &more;
        write_file(
            &root("second/deps/libother-00000000000000dd.rlib"),
            "other of the second",
        );
        write_file(
            &root("second/deps/libserde-00000000000000aa.rlib"),
            "serde of the second",
        );
        store.add_packages(&second, &root("second")).expect("added");
        assert_eq!(store.list_sets().len(), 2);
        let package = |name: &str, version: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
                 source = \"registry+https://example.org/index\"\n"
            )
        };
        let lock = package("serde", "1.2.3") + &package("other", "1.0.0");
        store.lend_packages(&lock, &root("third"));
        let read = |name: &str| std::fs::read_to_string(root("third/deps").join(name)).expect(name);
        assert_eq!(
            read("libother-00000000000000dd.rlib"),
            "other of the second"
        );
        assert_eq!(
            read("libserde-00000000000000aa.rlib"),
            "serde of the second"
        );
    }

    #[test]
    fn builds_that_compiled_no_package_add_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let store = PackageStore::open(&[]).expect("opened");
        let messages = write_profile(&folder.path().join("first"), true);
        store
            .add_packages(&messages, &folder.path().join("first"))
            .expect("looked at");
        assert!(store.is_empty());
    }

    #[test]
    fn sets_that_killed_builds_left_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let store = PackageStore::open(&[]).expect("opened");
        let left = file::name_unfinished(&store.folder.join("set"));
        write_file(&left.join("p@1.0.0@00000000000000aa/deps/file"), "half");
        let in_use = file::name_unfinished(&store.folder.join("set"));
        write_file(&in_use.join("file"), "half");
        let claim = file::open_folder(&in_use).expect("there");
        assert!(file::claim_unfinished(&claim));
        assert!(store.is_empty(), "neither is a complete set");
        let first = folder.path().join("first");
        let messages = write_profile(&first, false);
        store.add_packages(&messages, &first).expect("added");
        assert!(!left.exists() && in_use.exists());
        let entries = std::fs::read_dir(&store.folder).expect("a folder");
        assert_eq!(entries.count(), 2, "one set, and one that is being written");
        // A build that fails midway leaves nothing.
        let second = folder.path().join("second");
        let messages = write_profile(&second, false).replace("1.2.3", "1.2.4");
        let profile = second.join("deps/libserde-00000000000000aa.rlib");
        std::fs::remove_file(&profile).expect("removed");
        std::fs::create_dir(&profile).expect("a folder");
        std::os::unix::fs::symlink("/nowhere/x", profile.join("link")).expect("a link");
        store.add_packages(&messages, &second).expect("added");
        let entries = std::fs::read_dir(&store.folder).expect("a folder");
        assert_eq!(entries.count(), 3);
    }

    #[test]
    fn store_removes_the_set_that_was_not_lent_for_the_longest_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = PackageStore {
            folder: folder.path().to_owned(),
            size_limit: 20 << 10,
        };
        for (number, age) in [(1, 30), (2, 10), (3, 20)] {
            let set = folder.path().join(format!("set{number}"));
            write_file(
                &set.join("p@1.0.0@00000000000000aa/deps/file"),
                &"x".repeat(8 << 10),
            );
            let time = SystemTime::now() - Duration::from_secs(age);
            std::fs::File::open(&set)
                .and_then(|set| set.set_modified(time))
                .expect("set");
        }
        store.remove_oldest().expect("removed");
        let mut left = store.list_sets();
        left.sort();
        assert_eq!(left, ["set2", "set3"].map(|name| folder.path().join(name)));
    }
}
