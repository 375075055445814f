//! The journal of a run: one line per finished pass, on disk before the next one begins.

use crate::protocol::{Phase, Reply};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Name of the journal in a results folder; it is removed once the record is on disk.
pub(crate) const FILE: &str = "journal.jsonl";

/// A finished pass and all that is known of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PassEnd {
    /// Id of the job.
    pub(crate) job: String,
    pub(crate) pass: PassName,
    pub(crate) round: u32,
    pub(crate) cpus: Vec<usize>,
    pub(crate) wall_ns: u64,
    pub(crate) result: PassResult,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PassName {
    /// Nothing was started: the plugin had failed, or the machine is too small.
    None,
    Profile,
    Count,
    Time,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PassResult {
    Reply(Box<Reply>),
    Failed { phase: Phase, message: String },
    Skipped { phase: Phase, message: String },
}

/// An open journal.
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create_new(folder.join(FILE))? })
    }

    /// Appends a line. The kernel has it when this returns, so that a killed run loses nothing of it.
    pub(crate) fn add(&mut self, end: &PassEnd) -> io::Result<()> {
        let mut line = serde_json::to_vec(end)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}
