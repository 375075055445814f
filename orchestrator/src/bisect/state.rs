//! The results of a bisect so far, stored on disk after every step, so that a killed bisect can
//! resume.
//!
//! The search repeats its requests if it gets the same answers. So the answers are stored.

use super::BisectDirection;
use super::skip_reason::SkipReason;
use crate::cache;
use crate::comparison::{CodeRelation, ComparedWorkload, MetricEntry};
use crate::file::{self, UnfinishedFolder};
use crate::journal::{self, JournalFile};
use crate::model::metric::Metric;
use crate::record::JobRecord;
use crate::runner::pair_series::PairRecord;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

const SCHEMA: &str = "orch/bisect-state/2";
const FILE: &str = "journal.jsonl";

/// The bisected range, and everything else that determines the search's requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BisectHeader {
    pub(crate) schema: String,
    /// Start of the bisect, UTC.
    pub(crate) started: String,
    pub(crate) seed: u64,
    pub(crate) repository: PathBuf,
    /// The scenario's file, as the user wrote it, and the SHA-256 of its text.
    pub(crate) scenario: PathBuf,
    pub(crate) shown: String,
    pub(crate) scenario_hash: String,
    pub(crate) workload: String,
    pub(crate) metric: Metric,
    pub(crate) direction: BisectDirection,
    /// Full hashes of both ends.
    pub(crate) good: String,
    pub(crate) bad: String,
    pub(crate) all: bool,
    #[serde(default)]
    pub(crate) first: bool,
    pub(crate) most_pairs: usize,
    pub(crate) verify_revert: bool,
    pub(crate) retry_failed: bool,
    pub(crate) results: Option<PathBuf>,
    pub(crate) machine_class: String,
    pub(crate) tau: Option<f64>,
    /// Positions of commits that had been built before the bisect.
    pub(crate) kept: Vec<usize>,
    /// Seconds that an earlier build took.
    pub(crate) build_seconds: Option<f64>,
    /// Weights of the positions.
    pub(crate) prior: Vec<f64>,
}

/// One answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BisectStep {
    /// A commit was built and its exact passes ran, or it could not be measured.
    Look {
        position: usize,
        seconds: f64,
        built: bool,
        result: Result<Box<ProbeRecord>, SkipReason>,
    },
    /// The machine code of two commits was compared.
    Code {
        one: usize,
        other: usize,
        same: bool,
    },
    /// A pair of processes was measured, with the reference as A.
    Pair {
        reference: usize,
        position: usize,
        pair: Box<PairRecord>,
    },
    /// A commit failed in a pair.
    PairFailed {
        reference: usize,
        position: usize,
        reason: SkipReason,
    },
    /// A suspect was compared with the commit before it.
    Confirmed {
        parent: usize,
        position: usize,
        entries: Vec<MetricEntry>,
        workload: Box<ComparedWorkload>,
    },
}

/// Result of a commit alone, without pairs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProbeRecord {
    /// Hash of the library.
    pub(crate) hash: String,
    pub(crate) record: JobRecord,
    /// Addresses at which the workload's code begins.
    pub(crate) beginnings: Vec<u64>,
}

/// Returns whether the machine code of two probes is certainly the same. Unknown code counts as
/// different.
pub(crate) fn is_same(code: Option<&CodeRelation>) -> bool {
    matches!(
        code,
        Some(CodeRelation::Identical | CodeRelation::OnlyLayout)
    )
}

/// An open state.
#[derive(Debug)]
pub(crate) struct BisectState {
    folder: PathBuf,
    lines: JournalFile,
}

/// A state that a stopped bisect left.
pub(crate) struct StoppedBisect {
    pub(crate) header: BisectHeader,
    pub(crate) steps: Vec<BisectStep>,
    pub(crate) kept: BisectState,
}

impl BisectHeader {
    pub(crate) fn schema() -> String {
        SCHEMA.to_owned()
    }
}

impl BisectState {
    /// Creates the folder and the journal of a new bisect.
    pub(crate) fn create(stamp: &str, header: &BisectHeader) -> io::Result<Self> {
        Self::create_in(&cache::subfolder("bisect")?, stamp, header).map_err(cache::explain_refusal)
    }

    fn create_in(all: &Path, stamp: &str, header: &BisectHeader) -> io::Result<Self> {
        let folder = all.join(format!("{stamp}-{}", std::process::id()));
        // The folder gets its name after the header is written, so that every state found is whole.
        let unfinished = UnfinishedFolder::create(&folder)?;
        let mut lines = JournalFile::create(&unfinished.path().join(FILE))?;
        lines.claim();
        lines.append(header)?;
        unfinished.finish()?;
        Ok(Self { folder, lines })
    }

    pub(crate) fn add(&mut self, step: &BisectStep) -> io::Result<()> {
        let explain = |error| io::Error::other(format!("{}: {error}", self.folder.display()));
        self.lines.append(step).map_err(explain)
    }

    /// Removes the state after the bisect has ended and its report is on disk.
    pub(crate) fn remove(self) -> io::Result<()> {
        file::remove_folder(&self.folder)
    }
}

/// A bisect that can be resumed, or the reason why there is none.
pub(crate) enum NewestBisect {
    Left(Box<StoppedBisect>),
    /// There are bisects, and a process is working on each of them.
    AtWork,
    None,
}

/// Returns the newest state of a repository that no process is using.
pub(crate) fn newest(repository: &Path) -> io::Result<NewestBisect> {
    let mut newest = NewestBisect::None;
    for folder in list_folders()?.into_iter().rev() {
        match read_state(&folder, repository)? {
            NewestBisect::Left(left) => return Ok(NewestBisect::Left(left)),
            NewestBisect::AtWork => newest = NewestBisect::AtWork,
            NewestBisect::None => {}
        }
    }
    Ok(newest)
}

fn list_folders() -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(cache::subfolder("bisect")?)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !file::is_unfinished(path))
        .collect();
    // Names begin with the time.
    folders.sort();
    Ok(folders)
}

/// Describes the stopped bisects of all repositories, oldest first.
pub(crate) fn stopped() -> io::Result<Vec<String>> {
    let about = |folder: PathBuf| {
        let path = folder.join(FILE);
        let header =
            journal::read_lines::<BisectHeader, serde_json::Value>(&read_text(&path).ok()?)
                .ok()?
                .header;
        let is_left = JournalFile::open(&path).ok()?.claim();
        is_left.then(|| format!("{} of {}", header.workload, header.repository.display()))
    };
    Ok(list_folders()?.into_iter().filter_map(about).collect())
}

fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    file::read_bytes(path, file::MOST_RESULT_BYTES)
}

/// Reads a state. Returns `NewestBisect::None` if it is unreadable, or belongs to another
/// repository or version of orch.
fn read_state(folder: &Path, repository: &Path) -> io::Result<NewestBisect> {
    let path = folder.join(FILE);
    let Ok(text) = read_text(&path) else {
        return Ok(NewestBisect::None);
    };
    let Ok(found) = journal::read_lines::<BisectHeader, BisectStep>(&text) else {
        return Ok(NewestBisect::None);
    };
    if found.header.repository != repository || found.header.schema != SCHEMA {
        return Ok(NewestBisect::None);
    }
    let lines = JournalFile::open(&path)?;
    if !lines.claim() {
        return Ok(NewestBisect::AtWork);
    }
    // The file is read again, because another process may have added lines before it released the
    // lock.
    let text = read_text(&path)?;
    let Ok(found) = journal::read_lines::<BisectHeader, BisectStep>(&text) else {
        return Ok(NewestBisect::None);
    };
    lines.cut_at(found.whole)?;
    let kept = BisectState {
        folder: folder.to_owned(),
        lines,
    };
    Ok(NewestBisect::Left(Box::new(StoppedBisect {
        header: found.header,
        steps: found.lines,
        kept,
    })))
}
