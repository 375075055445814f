//! The folder in which a command stores its result with the reports on it.

use super::store;
use crate::error::CommandError;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of one result. What cannot be stored is printed all the same, so a failure is kept
/// until the command has printed its result.
pub(crate) struct ResultFolder {
    folder: PathBuf,
    /// Whether anything can be stored: the folder exists, and the result was not refused.
    is_usable: bool,
    /// Whether the result itself is in the folder.
    is_stored: bool,
    failure: Option<CommandError>,
}

impl ResultFolder {
    /// Makes a new folder in `results`, and returns it with the id of the result, which is empty if
    /// there is no folder.
    pub(crate) fn create(results: &Path, stamp: &str, name: &str, commit: &str) -> (String, Self) {
        match store::new_folder(results, stamp, name, commit) {
            Ok((id, folder)) => (id, Self::open(folder)),
            Err(error) => {
                let mut folder = Self::open(results.to_owned());
                folder.is_usable = false;
                folder.keep_failure(CommandError::system_while(
                    &format!("cannot make a folder in {}", results.display()),
                    &error,
                ));
                (String::new(), folder)
            }
        }
    }

    /// Takes a folder that exists.
    pub(crate) fn open(folder: PathBuf) -> Self {
        Self {
            folder,
            is_usable: true,
            is_stored: false,
            failure: None,
        }
    }

    /// Stores the result itself. If it is refused, no report is stored after it.
    pub(crate) fn store_result(&mut self, name: &str, write: impl FnOnce(&Path) -> io::Result<()>) {
        if !self.is_usable {
            return;
        }
        let file = self.folder.join(name);
        match write(&file) {
            Ok(()) => self.is_stored = true,
            Err(error) => {
                self.is_usable = false;
                self.keep_failure(CommandError::system_while(
                    &format!("cannot store {}", file.display()),
                    &error,
                ));
            }
        }
    }

    /// Stores a report. The other reports may be right if one fails.
    pub(crate) fn store_report(&mut self, name: &str, text: &str) {
        if !self.is_usable {
            return;
        }
        let file = self.folder.join(name);
        if let Err(error) = store::write_whole(&file, text.as_bytes()) {
            self.keep_failure(CommandError::system_while(
                &format!("cannot write {}", file.display()),
                &error,
            ));
        }
    }

    /// Keeps the error of a report that could not be rendered.
    pub(crate) fn refuse_report(&mut self, error: &impl Display) {
        self.keep_failure(CommandError::system(error.to_string()));
    }

    /// Keeps the first failure.
    fn keep_failure(&mut self, failure: CommandError) {
        self.failure.get_or_insert(failure);
    }

    /// Returns the path of a file of a stored result as the user would write it.
    pub(crate) fn show_file(&self, name: &str) -> Option<PathBuf> {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = self.folder.strip_prefix(&here).unwrap_or(&self.folder);
        self.is_stored.then(|| shown.join(name))
    }

    /// Returns the folder of a stored result.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.is_stored.then_some(&self.folder)
    }

    /// Returns the first failure, after the result was printed. `remedy` is what the user can do if
    /// nothing was stored.
    pub(crate) fn finish(self, remedy: &str) -> Result<(), CommandError> {
        let Some(failure) = self.failure else {
            return Ok(());
        };
        Err(failure.with_hint(if self.is_stored {
            format!("the result itself is stored in {}", self.folder.display())
        } else {
            remedy.to_owned()
        }))
    }
}
