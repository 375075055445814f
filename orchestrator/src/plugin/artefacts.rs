//! Cache of artefacts. The key of an artefact is a hash of everything that determines it.

use super::cargo::{self, BuildError};
use crate::cache;
use crate::cache::artefact::{self, ArtefactState, DamagedArtefact};
use crate::file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the cache's folder of all entries.
pub(super) const ENTRIES_FOLDER: &str = "builds";

/// Variables that affect compilers and build scripts. PATH is left out, because the versions of the
/// compilers are part of the key.
const VARIABLES: [&str; 16] = [
    "AR",
    "CC",
    "CFLAGS",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "C_INCLUDE_PATH",
    "LDFLAGS",
    "LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "RUSTC",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
];

/// Everything that determines the library, gathered as text and identified by its hash.
#[derive(Clone)]
pub(super) struct BuildIngredients(String);

impl BuildIngredients {
    /// Creates the list with the ingredients that are the same for all builds of this user on this
    /// machine.
    pub(super) fn new() -> Self {
        let mut ingredients = Self("version 2\n".to_owned());
        for name in VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                ingredients.add(name, &value.to_string_lossy());
            }
        }
        for name in ["config.toml", "config"] {
            let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
            let home = home
                .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
            let read = |path: PathBuf| file::read_text(&path, file::MOST_TEXT_BYTES).ok();
            if let Some(text) = home.and_then(|home| read(home.join(name))) {
                ingredients.add(name, &text);
            }
        }
        ingredients
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        // The length prevents a value from being read as the next ingredient.
        let _ = writeln!(self.0, "{name} {} {value}", value.len());
    }

    pub(super) fn key(&self) -> String {
        crate::hash::text(&self.0)
    }
}

/// An artefact in the cache. Its entry is a file named after the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CachedArtefact {
    pub(super) hash: String,
    /// Length of the library.
    pub(super) bytes: u64,
    /// Flags of the compiler, for the record.
    pub(super) flags: Vec<String>,
    /// Hashes of the sources outside the repository, by path.
    #[serde(default)]
    pub(super) outside: BTreeMap<PathBuf, String>,
    /// Duration of the checkout and the build.
    #[serde(default)]
    pub(super) took_ms: Option<u64>,
}

/// Answer of the cache to a key.
pub(super) enum ArtefactLookup {
    Found(CachedArtefact, PathBuf),
    Absent,
    /// The library was stored, and its file is something else now.
    Damaged(DamagedArtefact),
}

/// Finds the artefact of a key with its library, whose content is verified.
pub(super) fn find_artefact(key: &str) -> io::Result<ArtefactLookup> {
    let Some(entry) = read_entry(key)? else {
        return Ok(ArtefactLookup::Absent);
    };
    let state = artefact::check_artefact(&entry.hash, Some(entry.bytes))?;
    Ok(match state {
        ArtefactState::Whole(library) => ArtefactLookup::Found(entry, library),
        ArtefactState::Absent => ArtefactLookup::Absent,
        ArtefactState::Damaged(damaged) => ArtefactLookup::Damaged(damaged),
    })
}

/// Contents of the file of an entry. It repeats the key, so that the entry of another key is not
/// used under this one.
#[derive(Serialize, Deserialize)]
struct CacheEntry<Artefact> {
    key: String,
    artefact: Artefact,
}

/// Reads the entry of a key. The file of the artefact may be missing. An entry that is damaged
/// counts as missing.
pub(super) fn read_entry(key: &str) -> io::Result<Option<CachedArtefact>> {
    let text = file::read_bytes(&locate_entry(key)?, file::MOST_TEXT_BYTES).ok();
    let entry = text.and_then(|text| serde_json::from_slice(&text).ok());
    let entry = entry.filter(|entry: &CacheEntry<CachedArtefact>| entry.key == key);
    Ok(entry.map(|entry| entry.artefact))
}

/// Stores the entry of a key.
pub(super) fn store_entry(key: &str, artefact: &CachedArtefact) -> io::Result<()> {
    let entry = CacheEntry {
        key: key.to_owned(),
        artefact,
    };
    let path = locate_entry(key)?;
    file::write_whole(&path, &serde_json::to_vec(&entry)?)
        .map_err(|error| cache::explain_unusable(&path, &error))
}

fn locate_entry(key: &str) -> io::Result<PathBuf> {
    Ok(cache::subfolder(ENTRIES_FOLDER)?.join(format!("{key}.json")))
}

/// Whether compilers are called for their version, or an earlier answer is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompilerLookup {
    /// For builds: the toolchain may have been updated, and an artefact must not be stored under
    /// the name of another compiler. The answer is remembered.
    Anew,
    /// For looking up hundreds of commits: the last answer in this process, if there is one.
    Remembered,
}

type CompilerAnswer = Result<String, String>;

/// Answers by question and folder. A refusal costs as much as an answer, so it is remembered too.
static ANSWERS: Mutex<BTreeMap<(String, PathBuf), CompilerAnswer>> = Mutex::new(BTreeMap::new());

/// Answers a question about a folder, with `ask` or with the remembered answer.
pub(super) fn remember_answer(
    question: &str,
    folder: &Path,
    asking: CompilerLookup,
    ask: impl FnOnce() -> CompilerAnswer,
) -> CompilerAnswer {
    let answers = || ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    let name = (question.to_owned(), folder.to_owned());
    let known = (asking == CompilerLookup::Remembered)
        .then(|| answers().get(&name).cloned())
        .flatten();
    known.unwrap_or_else(|| {
        let answer = ask();
        answers().insert(name, answer.clone());
        answer
    })
}

/// Looks up the versions of the Rust compilers, and the CPU features that `target-cpu` stands for.
pub(super) fn look_up_rust_versions(
    folder: &Path,
    cpu: &str,
    asking: CompilerLookup,
    explained: impl FnOnce(BuildError) -> String,
) -> Result<String, String> {
    remember_answer(&format!("rust {cpu}"), folder, asking, || {
        query_rust(folder, cpu).map_err(explained)
    })
}

fn query_rust(folder: &Path, cpu: &str) -> Result<String, BuildError> {
    let version = cargo::query_compiler("rustc", &["-vV"], folder)?;
    let facts = cargo::query_compiler(
        "rustc",
        &["--print", "cfg", "-C", &format!("target-cpu={cpu}")],
        folder,
    )?;
    let mut features: Vec<&str> = facts
        .lines()
        .filter(|line| line.starts_with("target_feature="))
        .collect();
    features.sort_unstable();
    Ok(format!("{version}\n{}", features.join("\n")))
}

/// Looks up the version of the C compiler; empty if there is none.
pub(super) fn look_up_c_version(folder: &Path, asking: CompilerLookup) -> String {
    let ask = || {
        cargo::query_compiler("sh", &["-c", "\"${CC:-cc}\" --version"], folder)
            .map_err(|error| error.to_string())
    };
    remember_answer("c", folder, asking, ask).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_answer_is_remembered_per_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let asked = std::cell::Cell::new(0);
        let check = |question: &str, name: &str, asking, expected: i32| {
            let ask = || {
                asked.set(asked.get() + 1);
                if asked.get() % 2 == 0 {
                    Err(asked.get().to_string())
                } else {
                    Ok(asked.get().to_string())
                }
            };
            let answer = remember_answer(question, &folder.path().join(name), asking, ask);
            assert_eq!(answer.unwrap_or_else(|error| error), expected.to_string());
        };
        check("rust native", "a", CompilerLookup::Remembered, 1);
        check("rust native", "a", CompilerLookup::Remembered, 1);
        check("rust native", "b", CompilerLookup::Remembered, 2);
        check("rust native", "b", CompilerLookup::Remembered, 2);
        check("rust x86-64-v3", "a", CompilerLookup::Remembered, 3);
        check("rust native", "a", CompilerLookup::Anew, 4);
        check("rust native", "a", CompilerLookup::Remembered, 4);
    }
}
