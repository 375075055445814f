//! Files of JSON lines that survive a kill: the results of expensive work so far, one line per
//! step.

use crate::file::{self, LinkRule};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file to which lines are appended.
#[derive(Debug)]
pub(crate) struct JournalFile {
    file: File,
}

impl JournalFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::create_new(path)?,
        })
    }

    /// Continues a file of which only the first `whole` bytes are valid, and cuts off the rest.
    pub(crate) fn reopen(path: &Path, whole: u64) -> io::Result<Self> {
        let lines = Self::open(path)?;
        lines.cut_at(whole)?;
        Ok(lines)
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: file::open_regular_with(path, LinkRule::Follow, OpenOptions::new().append(true))?,
        })
    }

    /// Cuts off the bytes after the first `whole` ones.
    pub(crate) fn cut_at(&self, whole: u64) -> io::Result<()> {
        self.file.set_len(whole)
    }

    /// Appends a line. On return the kernel has the line, so it survives if the process is killed.
    pub(crate) fn append(&mut self, content: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(content)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Claims the file until this process ends. Returns `false` if another process has claimed it.
    pub(crate) fn claim(&self) -> bool {
        self.file.try_lock().is_ok()
    }
}

/// Contents of such a file.
pub(crate) struct JournalLines<Header, Line> {
    pub(crate) header: Header,
    pub(crate) lines: Vec<Line>,
    /// Length of the complete lines in bytes.
    pub(crate) whole: u64,
}

/// Reads the text of such a file. The machine may have stopped while it wrote a line, so nothing
/// after an unreadable line is used.
pub(crate) fn read_lines<Header: DeserializeOwned, Line: DeserializeOwned>(
    text: &[u8],
) -> Result<JournalLines<Header, Line>, serde_json::Error> {
    let mut all = text
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"));
    let first = all.next().unwrap_or_default();
    let header = serde_json::from_slice(first)?;
    let mut whole = first.len();
    let mut lines = Vec::new();
    for line in all {
        let Ok(parsed) = serde_json::from_slice(line) else {
            break;
        };
        lines.push(parsed);
        whole += line.len();
    }
    Ok(JournalLines {
        header,
        lines,
        whole: whole as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_last_line_is_left_out_and_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.jsonl");
        let mut lines = JournalFile::create(&path).expect("new");
        for line in ["header", "one"] {
            lines.append(&line).expect("written");
        }
        lines.file.write_all(b"\"tw").expect("written");
        let found: JournalLines<String, String> =
            read_lines(&std::fs::read(&path).expect("there")).expect("a header");
        assert_eq!(
            (found.header.as_str(), found.lines, found.whole),
            ("header", vec!["one".to_owned()], 15)
        );
        JournalFile::reopen(&path, found.whole)
            .expect("there")
            .append(&"two")
            .expect("written");
        let found: JournalLines<String, String> =
            read_lines(&std::fs::read(&path).expect("there")).expect("a header");
        assert_eq!(found.lines, ["one", "two"]);
        assert!(read_lines::<String, String>(b"").is_err());
    }
}
