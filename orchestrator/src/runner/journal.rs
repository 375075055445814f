//! The journal of a run: what it is, then one line per finished pass or pair, on disk before the
//! next one begins.

use super::anchor_pairs::AnchorPair;
use crate::journal::{self, Lines};
use crate::pass::PassEnd;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the journal in a results folder; it is removed once the record of the whole run is on
/// disk.
pub(crate) const FILE: &str = "journal.jsonl";
/// Name of the record in a results folder.
pub(crate) const RECORD: &str = "record.json";
/// Another number for every change of what a line holds: of an older journal, lines that do not
/// parse would be taken for the torn end of this one, and be cut off.
const SCHEMA: &str = "orch/journal/3";

/// The journal's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalHeader {
    schema: String,
    /// When the run began, UTC.
    pub(crate) started: String,
    pub(crate) seed: u64,
    pub(crate) identity: RunIdentity,
}

/// What every journal's first line says.
#[derive(Deserialize)]
struct JournalSchema {
    schema: String,
}

/// What has to be the same for two sessions to be one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunIdentity {
    /// The build of orch: readings of the sentinel by others do not compare.
    pub(crate) orch: String,
    /// SHA-256 of the scenario's file.
    pub(crate) scenario: String,
    pub(crate) filter: Option<String>,
    pub(crate) commit: Option<String>,
    pub(crate) diff_hash: Option<String>,
    pub(crate) machine_class: String,
    /// The commits that its jobs are paired with.
    pub(crate) anchors: Vec<String>,
    /// SHA-256 of each plugin's library; none for one that failed.
    pub(crate) plugins: BTreeMap<String, Option<String>>,
    /// SHA-256 of each file that parameters name, by its path.
    pub(crate) inputs: BTreeMap<String, String>,
}

impl RunIdentity {
    /// What differs, in words.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
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

/// A line after the first.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum JournalLine {
    Pass(Box<PassEnd>),
    Pair(Box<AnchorPair>),
}

/// The same, to be written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum JournalLineRef<'a> {
    Pass(&'a PassEnd),
    Pair(&'a AnchorPair),
}

/// Why a run that was killed cannot go on from its journal, which stays as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "{} was written by another orch: its schema is {schema}, this one's is {SCHEMA}",
        file.display()
    )]
    Other { file: PathBuf, schema: String },
    #[error("{} is no journal: {error}", file.display())]
    Broken {
        file: PathBuf,
        error: serde_json::Error,
    },
}

/// An open journal.
pub(crate) struct RunJournal {
    lines: Lines,
}

/// A journal that a killed run left.
pub(crate) struct UnfinishedRun {
    pub(crate) folder: PathBuf,
    pub(crate) header: JournalHeader,
    pub(crate) ends: Vec<PassEnd>,
    pub(crate) pairs: Vec<AnchorPair>,
    /// Bytes of the file that are whole lines.
    whole: u64,
}

impl RunJournal {
    pub(crate) fn create(
        folder: &Path,
        started: String,
        seed: u64,
        identity: RunIdentity,
    ) -> io::Result<Self> {
        let mut lines = Lines::create(&folder.join(FILE))?;
        lines.add(&JournalHeader {
            schema: SCHEMA.to_owned(),
            started,
            seed,
            identity,
        })?;
        Ok(Self { lines })
    }

    /// Goes on with a journal, cutting off the line that the killed run was writing.
    pub(crate) fn reopen(left: &UnfinishedRun) -> io::Result<Self> {
        Ok(Self {
            lines: Lines::reopen(&left.folder.join(FILE), left.whole)?,
        })
    }

    /// Appends a pass.
    pub(crate) fn add_pass(&mut self, end: &PassEnd) -> io::Result<()> {
        self.lines.add(&JournalLineRef::Pass(end))
    }

    /// Appends a pair with an anchor.
    pub(crate) fn add_pair(&mut self, pair: &AnchorPair) -> io::Result<()> {
        self.lines.add(&JournalLineRef::Pair(pair))
    }
}

/// The newest journal of a run in a results folder that can be gone on with; `None` if there is
/// none. Call it with the measuring lock held: a run that is still going on has a journal too.
pub(crate) fn find_newest(results: &Path) -> Result<Option<UnfinishedRun>, JournalError> {
    let Some(folder) = find_open(results)?.pop() else {
        return Ok(None);
    };
    let text = std::fs::read(folder.join(FILE))?;
    read_journal(folder, &text).map(Some)
}

/// The results folders with a journal, the newest last.
pub(crate) fn find_open(results: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = match std::fs::read_dir(results) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_open(path))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // Names begin with the time.
    folders.sort();
    Ok(folders)
}

/// Whether a run there has no record, or one of a run that was interrupted: it may also have been
/// killed between storing a record and removing its journal.
fn is_open(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct RecordOutcome {
        outcome: String,
    }
    if !folder.join(FILE).is_file() {
        return false;
    }
    // Only the outcome, and not as the record's own type, which belongs to a later layer.
    match std::fs::read(folder.join(RECORD)) {
        Ok(text) => serde_json::from_slice::<RecordOutcome>(&text)
            .is_ok_and(|record| record.outcome == "interrupted"),
        Err(_) => true,
    }
}

fn read_journal(folder: PathBuf, text: &[u8]) -> Result<UnfinishedRun, JournalError> {
    let file = folder.join(FILE);
    // Before all else: the header of another orch may have other fields.
    let schema = match journal::read::<JournalSchema, serde::de::IgnoredAny>(text) {
        Ok(found) => found.header.schema,
        Err(error) => return Err(JournalError::Broken { file, error }),
    };
    if schema != SCHEMA {
        return Err(JournalError::Other { file, schema });
    }
    let journal::Found {
        header,
        lines,
        whole,
    } = journal::read(text).map_err(|error| JournalError::Broken { file, error })?;
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

    fn identity() -> RunIdentity {
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
    fn what_changed_is_named() {
        let other = RunIdentity {
            scenario: "b".into(),
            plugins: BTreeMap::new(),
            ..identity()
        };
        let built = RunIdentity {
            orch: "p".into(),
            ..identity()
        };
        let file = |hash: &str| RunIdentity {
            inputs: [("/in".to_owned(), hash.to_owned())].into(),
            ..identity()
        };
        assert_eq!(identity().differences(&identity()), Vec::<String>::new());
        assert_eq!(identity().differences(&other), ["the scenario", "plugin p"]);
        assert_eq!(identity().differences(&built), ["orch itself"]);
        for (left, now) in [
            (file("1"), file("2")),
            (file("1"), identity()),
            (identity(), file("1")),
        ] {
            assert_eq!(left.differences(&now), ["the input file /in"]);
        }
    }

    #[test]
    fn a_journal_of_another_orch_is_refused_and_stays() {
        let results = tempfile::tempdir().expect("a folder");
        let folder = results.path().join("20261121T200000Z-s-nogit");
        std::fs::create_dir(&folder).expect("made");
        RunJournal::create(&folder, "2026-11-21T20:00:00Z".to_owned(), 7, identity())
            .expect("written");
        let file = folder.join(FILE);
        let mine = std::fs::read_to_string(&file).expect("there");
        assert_eq!(
            find_newest(results.path())
                .expect("readable")
                .expect("a journal")
                .header
                .identity,
            identity()
        );
        // As the first format was: no anchors in the header, and passes without a name around them.
        let older = mine
            .replace(SCHEMA, "orch/journal/1")
            .replace(r#""anchors":[],"#, "");
        assert!(older.len() < mine.len() - 1, "{older}");
        let older = older + "{\"job\":\"a\",\"pass\":\"time\"}\n";
        std::fs::write(&file, &older).expect("written");
        let refused = find_newest(results.path())
            .err()
            .expect("refused")
            .to_string();
        assert!(refused.ends_with(&format!(
            "another orch: its schema is orch/journal/1, this one's is {SCHEMA}"
        )));
        std::fs::write(&file, mine.replace(r#""anchors":[],"#, "")).expect("written");
        assert!(
            matches!(
                find_newest(results.path()),
                Err(JournalError::Broken { .. })
            ),
            "no header of this format"
        );
        std::fs::write(&file, "").expect("written");
        assert!(
            matches!(
                find_newest(results.path()),
                Err(JournalError::Broken { .. })
            ),
            "killed before the first line"
        );
    }
}
