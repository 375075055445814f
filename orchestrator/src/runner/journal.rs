//! The journal of a run: a header, then one line per finished pass or pair. Each line is on disk
//! before the next pass begins.

use super::anchor_pairs::AnchorPair;
use crate::file;
use crate::journal::{self, JournalFile};
use crate::model::run_outcome::RunOutcome;
use crate::pass::PassEnd;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the journal in a results folder. The journal is removed once the record of the whole run
/// is on disk.
pub(crate) const FILE: &str = "journal.jsonl";
/// Name of the record in a results folder.
pub(crate) const RECORD: &str = "record.json";
/// Version of the format. It changes with every change of the lines: otherwise lines of an older
/// journal that do not parse would be taken for the torn end of this one and be cut off.
const SCHEMA: &str = "orch/journal/3";

/// First line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalHeader {
    schema: String,
    /// Start of the run, UTC.
    pub(crate) started: String,
    pub(crate) seed: u64,
    pub(crate) identity: RunIdentity,
}

/// The part of the first line that all versions have.
#[derive(Deserialize)]
struct JournalSchema {
    schema: String,
}

/// The inputs that must be unchanged for a run to be resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunIdentity {
    /// Build of orch. Readings of the sentinel by another build do not compare.
    pub(crate) orch: String,
    /// SHA-256 of the scenario file.
    pub(crate) scenario: String,
    pub(crate) filter: Option<String>,
    pub(crate) commit: Option<String>,
    pub(crate) diff_hash: Option<String>,
    pub(crate) machine_class: String,
    /// Commits with which the jobs are paired.
    pub(crate) anchors: Vec<String>,
    /// SHA-256 of each plugin's library; `None` for a plugin that failed.
    pub(crate) plugins: BTreeMap<String, Option<String>>,
    /// SHA-256 of each file that parameters name, by path.
    pub(crate) inputs: BTreeMap<String, String>,
}

impl RunIdentity {
    /// Lists the names of the inputs that differ.
    pub(crate) fn list_differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |differs: bool, what: &str| {
            if differs {
                found.push(what.to_owned());
            }
        };
        note(self.orch != other.orch, "orch itself");
        note(self.scenario != other.scenario, "the scenario");
        note(self.filter != other.filter, "the filter");
        note(self.commit != other.commit, "the commit");
        note(self.diff_hash != other.diff_hash, "the uncommitted changes");
        note(self.machine_class != other.machine_class, "the machine");
        note(self.anchors != other.anchors, "the anchor");
        for (key, hash) in &self.plugins {
            note(
                other.plugins.get(key) != Some(hash),
                &format!("plugin {key}"),
            );
        }
        let files: BTreeSet<&String> = self.inputs.keys().chain(other.inputs.keys()).collect();
        for file in files {
            note(
                self.inputs.get(file) != other.inputs.get(file),
                &format!("the input file {file}"),
            );
        }
        found
    }
}

/// A line after the header.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum JournalLine {
    Pass(Box<PassEnd>),
    Pair(Box<AnchorPair>),
}

/// Borrowed form of [`JournalLine`], for writing.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum JournalLineRef<'a> {
    Pass(&'a PassEnd),
    Pair(&'a AnchorPair),
}

/// Reason why a killed run cannot be resumed from its journal. The journal is left unchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "{} was written by another version of orch: its schema is {schema}, expected {SCHEMA}",
        file.display()
    )]
    Other { file: PathBuf, schema: String },
    #[error("{} is not a journal: {error}", file.display())]
    Broken {
        file: PathBuf,
        error: serde_json::Error,
    },
}

/// A journal that is open for writing.
pub(crate) struct RunJournal {
    lines: JournalFile,
}

/// Contents of a journal that a killed run left behind.
pub(crate) struct UnfinishedRun {
    pub(crate) folder: PathBuf,
    pub(crate) header: JournalHeader,
    pub(crate) ends: Vec<PassEnd>,
    pub(crate) pairs: Vec<AnchorPair>,
    /// Length in bytes of the complete lines.
    whole: u64,
}

impl RunJournal {
    pub(crate) fn create(
        folder: &Path,
        started: String,
        seed: u64,
        identity: RunIdentity,
    ) -> io::Result<Self> {
        let mut lines = JournalFile::create(&folder.join(FILE))?;
        lines.append(&JournalHeader {
            schema: SCHEMA.to_owned(),
            started,
            seed,
            identity,
        })?;
        Ok(Self { lines })
    }

    /// Continues a journal, and cuts off the incomplete last line of the killed run.
    pub(crate) fn reopen(left: &UnfinishedRun) -> io::Result<Self> {
        Ok(Self {
            lines: JournalFile::reopen(&left.folder.join(FILE), left.whole)?,
        })
    }

    /// Appends the end of a pass.
    pub(crate) fn add_pass(&mut self, end: &PassEnd) -> io::Result<()> {
        self.lines.append(&JournalLineRef::Pass(end))
    }

    /// Appends a pair with an anchor.
    pub(crate) fn add_pair(&mut self, pair: &AnchorPair) -> io::Result<()> {
        self.lines.append(&JournalLineRef::Pair(pair))
    }
}

/// Finds the newest journal in a results folder from which a run can be resumed; `None` if there is
/// none. The caller holds the measuring lock, because a run in progress has a journal too.
pub(crate) fn find_newest_run(results: &Path) -> Result<Option<UnfinishedRun>, JournalError> {
    let Some(folder) = find_open_runs(results)?.pop() else {
        return Ok(None);
    };
    let text = file::read_bytes(&folder.join(FILE), file::MOST_RESULT_BYTES)?;
    read_journal(folder, &text).map(Some)
}

/// Finds the results folders of the runs that can be resumed, the newest last.
pub(crate) fn find_open_runs(results: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = match std::fs::read_dir(results) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| !file::is_unfinished(path) && is_open(path))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // The names begin with the time.
    folders.sort();
    Ok(folders)
}

/// Returns whether a run has no record, or the record of an interrupted run. A run that was killed
/// between storing its record and removing its journal is not open.
fn is_open(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct RecordOutcome {
        outcome: RunOutcome,
    }
    if !folder.join(FILE).is_file() {
        return false;
    }
    // Only the outcome is read, because the type of the record belongs to a higher layer.
    match file::read_bytes(&folder.join(RECORD), file::MOST_RESULT_BYTES) {
        Ok(text) => serde_json::from_slice::<RecordOutcome>(&text)
            .is_ok_and(|record| record.outcome == RunOutcome::Interrupted),
        Err(_) => true,
    }
}

fn read_journal(folder: PathBuf, text: &[u8]) -> Result<UnfinishedRun, JournalError> {
    let file = folder.join(FILE);
    // The schema is checked first, because the header of another version may have other fields.
    let schema = match journal::read_lines::<JournalSchema, serde::de::IgnoredAny>(text) {
        Ok(found) => found.header.schema,
        Err(error) => return Err(JournalError::Broken { file, error }),
    };
    if schema != SCHEMA {
        return Err(JournalError::Other { file, schema });
    }
    let journal::JournalLines {
        header,
        lines,
        whole,
    } = journal::read_lines(text).map_err(|error| JournalError::Broken { file, error })?;
    let (mut ends, mut pairs) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            JournalLine::Pass(end) => ends.push(*end),
            JournalLine::Pair(pair) => pairs.push(*pair),
        }
    }
    Ok(UnfinishedRun {
        folder,
        header,
        ends,
        pairs,
        whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_identity() -> RunIdentity {
        RunIdentity {
            orch: "o".into(),
            scenario: "a".into(),
            filter: None,
            commit: None,
            diff_hash: None,
            machine_class: "m".into(),
            anchors: Vec::new(),
            plugins: [("p".to_owned(), Some("h".to_owned()))].into(),
            inputs: BTreeMap::new(),
        }
    }

    #[test]
    fn identity_names_what_changed() {
        let other = RunIdentity {
            scenario: "b".into(),
            plugins: BTreeMap::new(),
            ..make_identity()
        };
        let built = RunIdentity {
            orch: "p".into(),
            ..make_identity()
        };
        let file = |hash: &str| RunIdentity {
            inputs: [("/in".to_owned(), hash.to_owned())].into(),
            ..make_identity()
        };
        assert_eq!(
            make_identity().list_differences(&make_identity()),
            Vec::<String>::new()
        );
        assert_eq!(
            make_identity().list_differences(&other),
            ["the scenario", "plugin p"]
        );
        assert_eq!(make_identity().list_differences(&built), ["orch itself"]);
        for (left, now) in [
            (file("1"), file("2")),
            (file("1"), make_identity()),
            (make_identity(), file("1")),
        ] {
            assert_eq!(left.list_differences(&now), ["the input file /in"]);
        }
    }

    #[test]
    fn journal_of_another_version_is_refused_and_kept() {
        let results = tempfile::tempdir().expect("a folder");
        let folder = results.path().join("20261121T200000Z-s-nogit");
        std::fs::create_dir(&folder).expect("made");
        RunJournal::create(
            &folder,
            "2026-11-21T20:00:00Z".to_owned(),
            7,
            make_identity(),
        )
        .expect("written");
        let file = folder.join(FILE);
        let mine = std::fs::read_to_string(&file).expect("there");
        assert_eq!(
            find_newest_run(results.path())
                .expect("readable")
                .expect("a journal")
                .header
                .identity,
            make_identity()
        );
        // In the first format, the header had no anchors, and no name enclosed a pass.
        let older = mine
            .replace(SCHEMA, "orch/journal/1")
            .replace(r#""anchors":[],"#, "");
        assert!(older.len() < mine.len() - 1, "{older}");
        let older = older + "{\"job\":\"a\",\"pass\":\"time\"}\n";
        std::fs::write(&file, &older).expect("written");
        let refused = find_newest_run(results.path())
            .err()
            .expect("refused")
            .to_string();
        assert!(refused.ends_with(&format!(
            "another version of orch: its schema is orch/journal/1, expected {SCHEMA}"
        )));
        std::fs::write(&file, mine.replace(r#""anchors":[],"#, "")).expect("written");
        assert!(
            matches!(
                find_newest_run(results.path()),
                Err(JournalError::Broken { .. })
            ),
            "no header of this format"
        );
        std::fs::write(&file, "").expect("written");
        assert!(
            matches!(
                find_newest_run(results.path()),
                Err(JournalError::Broken { .. })
            ),
            "killed before the first line"
        );
    }
}
