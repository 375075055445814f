//! Results folders: one per run. A record is written under another name, synced and renamed. Only
//! resuming an interrupted run replaces a record.

use super::anchored::AnchorRecord;
use super::{Record, RunOutcome, ScenarioRecord};
use crate::file;
use crate::machine::Machine;
use crate::sentinel::SentinelResult;
use orch_core::format::clean;
use rustix::fs::Access;
use serde::Deserialize;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the record in its folder.
pub(crate) const FILE: &str = crate::runner::journal::RECORD;

/// Makes a new folder `<utc>-<scenario>-<short commit>`; a number is appended if that name is
/// taken. The names may come from a record of someone else, so they choose no folder.
pub(crate) fn new_folder(
    results: &Path,
    stamp: &str,
    scenario: &str,
    commit: &str,
) -> io::Result<(String, PathBuf)> {
    fs::create_dir_all(results)?;
    let [scenario, commit] = [scenario, commit].map(clean::name_file);
    let base = format!("{stamp}-{scenario}-{commit}");
    for attempt in 1.. {
        let id = if attempt == 1 {
            base.clone()
        } else {
            format!("{base}-{attempt}")
        };
        let folder = results.join(&id);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok((id, folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no free name for a results folder"))
}

/// Makes a folder if needed, and checks that results can be stored in it.
pub(crate) fn check_folder(results: &Path) -> io::Result<()> {
    fs::create_dir_all(results)?;
    rustix::fs::access(results, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(())
}

/// The part of a record that later runs need. The rest, which is most of it, is not deserialized,
/// because there may be a record for every night of several years.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EarlierRun {
    pub(crate) id: String,
    pub(crate) outcome: RunOutcome,
    pub(crate) scenario: ScenarioRecord,
    pub(crate) machine: Machine,
    #[serde(default)]
    pub(crate) anchors: Vec<AnchorRecord>,
    #[serde(default)]
    pub(crate) sentinel: Option<SentinelResult>,
}

/// Returns the newest record of a scenario that `wanted` accepts. Skips records that cannot be
/// read.
pub(crate) fn newest(
    results: &Path,
    scenario: &str,
    wanted: impl Fn(&EarlierRun) -> bool,
) -> Option<EarlierRun> {
    let part = format!("-{}-", clean::name_file(scenario));
    let mut names: Vec<std::ffi::OsString> = fs::read_dir(results)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    // Names begin with the time, so their order is the order of the runs.
    names.sort();
    names
        .iter()
        .rev()
        .filter(|name| name.to_str().is_some_and(|name| name.contains(&part)))
        .filter_map(|name| {
            let path = results.join(name).join(FILE);
            let text = file::read_bytes(&path, file::MOST_RESULT_BYTES).ok()?;
            serde_json::from_slice::<EarlierRun>(&text).ok()
        })
        .find(|record| record.scenario.name == scenario && wanted(record))
}

/// Stores a record permanently.
pub(crate) fn store(folder: &Path, record: &Record) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    write_whole(&folder.join(FILE), &text)
}

/// Writes a file so that it exists completely or not at all, even after a crash of the machine.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    file::write_whole(path, content)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_people_choose_no_folder() {
        let results = tempfile::tempdir().unwrap();
        let (id, folder) = new_folder(results.path(), "T", "../../x\n", "a/b").unwrap();
        assert_eq!(id, "T-..-..-x--a-b");
        assert_eq!(folder, results.path().join(&id));
        assert!(folder.is_dir());
    }
}
