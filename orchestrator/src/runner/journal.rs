//! The journal of a run: one line per finished pass, on disk before the next one begins.

use crate::pass::PassEnd;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Name of the journal in a results folder; it is removed once the record is on disk.
pub(crate) const FILE: &str = "journal.jsonl";

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
