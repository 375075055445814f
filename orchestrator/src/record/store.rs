//! Results folders: one per run. A record is written under another name, synced and renamed. Only
//! resuming an interrupted run replaces a record.

use super::anchored::AnchorRecord;
use super::{Record, ScenarioRecord};
use crate::file::{self, UnfinishedFolder};
use crate::machine::Machine;
use crate::model::run_outcome::RunOutcome;
use crate::sentinel::SentinelResult;
use orch_core::format::clean;
use rustix::fs::Access;
use serde::Deserialize;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Name of the record in its folder.
pub(crate) const FILE: &str = crate::runner::journal::RECORD;

/// Most results of one scenario and commit that begin in the same second.
const MOST_EQUAL_NAMES: usize = 1000;

/// Lists names for a folder: `<utc>-<scenario>-<short commit>`, then the same with numbers, in case
/// a name is taken. The parts may come from a record of someone else, so they choose no folder.
pub(crate) fn list_folder_names(
    stamp: &str,
    scenario: &str,
    commit: &str,
) -> impl Iterator<Item = String> + use<> {
    let [scenario, commit] = [scenario, commit].map(clean::name_file);
    let base = format!("{stamp}-{scenario}-{commit}");
    (1..=MOST_EQUAL_NAMES).map(move |attempt| match attempt {
        1 => base.clone(),
        _ => format!("{base}-{attempt}"),
    })
}

/// Gives a filled folder its name in `results`. Returns whether the name was free.
pub(crate) fn finish_folder(folder: UnfinishedFolder, results: &Path) -> io::Result<bool> {
    match folder.finish() {
        // A folder of results is never empty, so none is replaced.
        Err(error) if is_taken(&error) => Ok(false),
        Err(error) => Err(error),
        Ok(()) => File::open(results)?.sync_all().map(|()| true),
    }
}

fn is_taken(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::DirectoryNotEmpty || kind == io::ErrorKind::AlreadyExists
}

/// Returns the error of results in which no name is free.
pub(crate) fn no_free_name() -> io::Error {
    io::Error::other("no name is free")
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
