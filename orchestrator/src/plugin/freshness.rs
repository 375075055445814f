//! Check that the libraries of a target folder were compiled from the present sources.
//!
//! Cargo relies on time stamps. A source that `cp -p`, `rsync -a`, tar or a restored cache put in
//! place may have new content and an old time, and cargo then takes the old library for the new
//! one. The ledger in the target folder therefore holds the content of every file that was
//! compiled. If the content differs and the time does not show it, cargo is made to compile again.

use crate::file;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Size above which a file is not a source. Reading larger files at every build would take too
/// long.
const MOST_BYTES: u64 = 64 << 20;
/// Name of the ledger in a target folder.
const FILE: &str = "orch-sources.json";

/// Size, times and content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SourceState {
    size: u64,
    inode: u64,
    modified_ns: i128,
    /// Time of the last change of the inode, which no program can set back.
    changed_ns: i128,
    hash: String,
}

fn to_nanoseconds(seconds: i64, rest: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

fn to_epoch_nanoseconds(time: SystemTime) -> i128 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

/// Reads the present time, in nanoseconds since 1970.
pub(super) fn read_clock_ns() -> i128 {
    to_epoch_nanoseconds(SystemTime::now())
}

impl SourceState {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let about = path.metadata()?;
        Ok(Self {
            size: about.size(),
            inode: about.ino(),
            modified_ns: to_nanoseconds(about.mtime(), about.mtime_nsec()),
            changed_ns: to_nanoseconds(about.ctime(), about.ctime_nsec()),
            hash: crate::hash::file(path)?,
        })
    }

    /// Reads the state of a file. If an earlier state is known and the file is untouched, the file
    /// is not read again. Returns `None` for a file that cannot be read, or that is too large to be
    /// a source.
    pub(super) fn reread(path: &Path, known: Option<&Self>) -> Option<Self> {
        if let Some(known) =
            known.filter(|known| !known.hash.is_empty() && known.is_untouched(path))
        {
            return Some(known.clone());
        }
        if path.metadata().ok()?.size() > MOST_BYTES {
            return None;
        }
        Self::read(path).ok()
    }

    /// Returns whether the file changed, or may have changed, since `time`.
    pub(super) fn is_changed_since(&self, time: SystemTime) -> bool {
        // A file system's clock is a few milliseconds behind the system's; a file system without
        // fractions counts in steps of 2 s.
        let step = if self.changed_ns % 1_000_000_000 == 0 {
            2000
        } else {
            20
        };
        self.changed_ns >= to_epoch_nanoseconds(time - Duration::from_millis(step))
    }

    /// Returns whether the file has the same inode and times, so that nothing can have written to
    /// it.
    pub(super) fn is_untouched(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|about| {
            about.size() == self.size
                && about.ino() == self.inode
                && to_nanoseconds(about.mtime(), about.mtime_nsec()) == self.modified_ns
                && to_nanoseconds(about.ctime(), about.ctime_nsec()) == self.changed_ns
        })
    }

    /// Returns whether the file has new content, but a time that a build which ended at
    /// `finished_ns` considers up to date. A removed file needs no check, because every build tool
    /// notices it.
    pub(super) fn is_stale(&self, path: &Path, finished_ns: i128) -> bool {
        let Ok(about) = path.metadata() else {
            return false;
        };
        let modified_ns = to_nanoseconds(about.mtime(), about.mtime_nsec());
        let is_known = !self.hash.is_empty() && self.is_untouched(path);
        if is_known || modified_ns > finished_ns {
            return false;
        }
        crate::hash::file(path).map_or(true, |hash| hash != self.hash)
    }
}

/// Packages that were compiled in a target folder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct TargetLedger {
    /// End of the last build, in nanoseconds since 1970.
    finished_ns: i128,
    /// Flags by which the compiler replaced names of folders. Cargo does not take them into
    /// account.
    #[serde(default)]
    name_flags: Vec<String>,
    /// Compiled files by cargo's package id.
    packages: BTreeMap<String, BTreeMap<PathBuf, SourceState>>,
}

/// Ledger of a target folder, with its path.
pub(super) struct SourceLedger {
    path: PathBuf,
    ledger: TargetLedger,
}

/// A package of a folder, from cargo's messages after a build.
struct LocalPackage {
    id: String,
    root: PathBuf,
    /// Whether cargo compiled nothing of the package.
    fresh: bool,
    has_build_script: bool,
}

impl SourceLedger {
    /// Reads the ledger of a target folder. A missing or damaged ledger counts as empty.
    pub(super) fn read(target: &Path) -> Self {
        let path = target.join(FILE);
        let text = file::read_bytes(&path, file::MOST_RESULT_BYTES).unwrap_or_default();
        Self {
            path,
            ledger: serde_json::from_slice(&text).unwrap_or_default(),
        }
    }

    /// Finds the ids of the packages that cargo would consider up to date although a source has new
    /// content, or although they were compiled with other flags for names of folders.
    pub(super) fn find_stale(&self, name_flags: &[String]) -> Vec<String> {
        if self.ledger.name_flags != name_flags {
            return self.ledger.packages.keys().cloned().collect();
        }
        let finished = self.ledger.finished_ns;
        let is_stale = |files: &BTreeMap<PathBuf, SourceState>| {
            files
                .iter()
                .any(|(path, state)| state.is_stale(path, finished))
        };
        self.ledger
            .packages
            .iter()
            .filter(|(_, files)| is_stale(files))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Returns whether the crate in a folder was compiled here, and no file of this target folder
    /// has changed since.
    pub(super) fn is_current(&self, folder: &Path) -> bool {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let own = format!("path+file://{}#", folder.display());
        let mut files = self.ledger.packages.values().flatten();
        self.ledger.packages.keys().any(|id| id.starts_with(&own))
            && files.all(|(path, state)| state.is_untouched(path))
    }

    /// Finds the ids of the packages that cargo did not compile in a build with these messages and
    /// whose sources are not in the ledger.
    pub(super) fn find_unproved(&self, messages: &str) -> Vec<String> {
        let packages = read_packages(messages).into_iter();
        packages
            .filter(|one| one.fresh && !self.ledger.packages.contains_key(&one.id))
            .map(|one| one.id)
            .collect()
    }

    /// Records the sources that a build compiled. The build began at `begun`, and its result is
    /// `library`. Cargo lists the sources beside it.
    pub(super) fn record(
        &mut self,
        messages: &str,
        library: &Path,
        begun: SystemTime,
        name_flags: Vec<String>,
    ) -> io::Result<()> {
        let packages = read_packages(messages);
        let listed = file::read_text(&library.with_extension("d"), file::MOST_RESULT_BYTES);
        let mut files = parse_sources(&listed.unwrap_or_default());
        for package in packages.iter().filter(|package| package.has_build_script) {
            // Without a declaration of its own, a build script depends on all files of its package.
            files.extend(list_files(&package.root));
        }
        let before = self.ledger.packages.clone();
        for package in &packages {
            self.ledger
                .packages
                .insert(package.id.clone(), BTreeMap::new());
            // The manifests of the workspace are in the folders above.
            files.extend(
                package
                    .root
                    .ancestors()
                    .flat_map(|folder| ["Cargo.toml", "Cargo.lock"].map(|name| folder.join(name))),
            );
        }
        for path in files {
            let known = before.values().find_map(|files| files.get(&path));
            let Some(mut state) = SourceState::reread(&path, known) else {
                continue;
            };
            if state.is_changed_since(begun) {
                // The file may have changed before or after the compiler read it, so it counts as
                // changed from now on.
                state.hash.clear();
            }
            // A file belongs to the package with the innermost folder; a file in no package's
            // folder belongs to all packages.
            let owner = packages
                .iter()
                .filter(|one| path.starts_with(&one.root))
                .max_by_key(|one| one.root.components().count());
            let owners: Vec<&LocalPackage> =
                owner.map_or_else(|| packages.iter().collect(), |one| vec![one]);
            for owner in owners {
                let own = self.ledger.packages.entry(owner.id.clone()).or_default();
                own.insert(path.clone(), state.clone());
            }
        }
        self.ledger.finished_ns = read_clock_ns();
        self.ledger.name_flags = name_flags;
        file::write_whole(&self.path, &serde_json::to_vec(&self.ledger)?)
    }
}

/// Reads the packages in cargo's messages that are in a folder of this machine and may therefore
/// change.
fn read_packages(messages: &str) -> Vec<LocalPackage> {
    let mut found: Vec<LocalPackage> = Vec::new();
    for message in messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let id = message["package_id"]
            .as_str()
            .filter(|id| id.starts_with("path+file://"));
        let (Some(id), Some(manifest)) = (id, message["manifest_path"].as_str()) else {
            continue;
        };
        let Some(root) = Path::new(manifest).parent() else {
            continue;
        };
        let fresh = message["fresh"].as_bool().unwrap_or(true);
        let has_build_script = message["target"]["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "custom-build"));
        match found.iter_mut().find(|known| known.id == id) {
            Some(known) => {
                known.fresh &= fresh;
                known.has_build_script |= has_build_script;
            }
            None => found.push(LocalPackage {
                id: id.to_owned(),
                root: root.to_owned(),
                fresh,
                has_build_script,
            }),
        }
    }
    found
}

/// Parses the sources of a dependency file in make's format: `library: source source`, with escaped
/// blanks.
fn parse_sources(text: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let Some((_, sources)) = line.split_once(": ") else {
            continue;
        };
        let mut word = String::new();
        let mut rest = sources.chars().peekable();
        while let Some(char) = rest.next() {
            match char {
                '\\' if matches!(rest.peek(), Some(' ' | '\\' | '#')) => word.extend(rest.next()),
                ' ' => found
                    .extend((!word.is_empty()).then(|| PathBuf::from(std::mem::take(&mut word)))),
                other => word.push(other),
            }
        }
        found.extend((!word.is_empty()).then(|| PathBuf::from(word)));
    }
    found
}

/// Maximum number of files of a folder that are considered.
const MOST_FILES: usize = 20_000;

/// Lists the files of a folder in the order of their names, without those of git and build tools.
pub(super) fn list_files(root: &Path) -> Vec<PathBuf> {
    const OTHERS: [&str; 4] = [".git", "target", "results", "node_modules"];
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind)
                    if kind.is_dir() && OTHERS.iter().any(|other| entry.file_name() == *other) => {}
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) if path.is_file() => found.push(path),
                _ => {}
            }
        }
        if found.len() > MOST_FILES {
            break;
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_time(path: &Path, time: SystemTime) {
        std::fs::File::options()
            .write(true)
            .open(path)
            .expect("there")
            .set_modified(time)
            .expect("set");
    }

    #[test]
    fn state_is_stale_if_new_content_has_an_old_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lib.rs");
        let (early, late) = (
            SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            SystemTime::now() + Duration::from_secs(60),
        );
        let finished = to_epoch_nanoseconds(SystemTime::now() + Duration::from_secs(30));
        let begun = SystemTime::now();
        std::fs::write(&path, "one").expect("written");
        let state = SourceState::read(&path).expect("readable");
        let cases: [(&str, SystemTime, bool); 4] = [
            ("two", early, true),
            ("two", late, false),
            ("one", early, false),
            ("longer", early, true),
        ];
        for (content, time, stale) in cases {
            std::fs::write(&path, content).expect("written");
            set_time(&path, time);
            assert_eq!(state.is_stale(&path, finished), stale, "{content}");
        }
        // Replaces the file with another one, as rsync and tar do.
        std::fs::write(folder.path().join("beside"), "two").expect("written");
        set_time(&folder.path().join("beside"), early);
        std::fs::rename(folder.path().join("beside"), &path).expect("renamed");
        assert!(state.is_stale(&path, finished));
        std::fs::remove_file(&path).expect("removed");
        assert!(
            !state.is_stale(&path, finished),
            "cargo notices that by itself"
        );
        assert!(state.is_changed_since(begun) && !state.is_changed_since(late));
    }

    #[test]
    fn sources_of_a_dependency_file_are_read_with_blanks() {
        let text = "/t/libx.so: /r/src/lib.rs /r/with\\ blank/x.rs\n\n/t/libx.rlib: /r/src/lib.rs \
            /r/back\\\\slash\n";
        let expected = ["/r/back\\slash", "/r/src/lib.rs", "/r/with blank/x.rs"].map(PathBuf::from);
        assert_eq!(
            parse_sources(text).into_iter().collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn packages_of_folders_are_read_from_cargo_messages() {
        let line = |id: &str, kind: &str, fresh: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"{id}","manifest_path":"/r/p/Cargo.toml","target":{{"kind":["{kind}"]}},"fresh":{fresh}}}"#
            )
        };
        let (own, other) = (
            "path+file:///r/p#0.1.0",
            "registry+https://example.org#serde@1.0.0",
        );
        let text = [
            line(own, "custom-build", true),
            line(own, "cdylib", false),
            line(other, "lib", true),
        ]
        .join("\n");
        let packages = read_packages(&text);
        let shown: Vec<_> = packages
            .iter()
            .map(|one| {
                (
                    one.id.as_str(),
                    one.fresh,
                    one.has_build_script,
                    one.root.as_path(),
                )
            })
            .collect();
        assert_eq!(shown, [(own, false, true, Path::new("/r/p"))]);
        let ledger = SourceLedger {
            path: PathBuf::new(),
            ledger: TargetLedger::default(),
        };
        assert!(ledger.find_unproved(&text).is_empty(), "it was compiled");
        let text = line(own, "cdylib", true);
        assert_eq!(
            ledger.find_unproved(&text),
            [own],
            "it was not, and no reason is known of it"
        );
    }
}
