//! The folder in which a command stores its result with the reports on it.

use super::store;
use crate::error::CommandError;
use crate::file::UnfinishedFolder;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of one result. What cannot be stored is printed all the same, so a failure is kept
/// until the command has printed its result.
pub(crate) struct ResultFolder {
    folder: PathBuf,
    /// Where files are written: a folder that is not finished yet, or the folder itself.
    written: PathBuf,
    /// Whether anything can be stored: the folder exists, and the result was not refused.
    is_usable: bool,
    /// Whether the result itself is in the folder.
    is_stored: bool,
    failure: Option<CommandError>,
}

impl ResultFolder {
    /// Makes a new folder in `results`, lets `fill` store a result and its reports there, and gives
    /// it a name that is free. A command that is killed leaves nothing with such a name.
    ///
    /// `fill` gets the id of the result, which is the name of the folder. It is called again with
    /// the next id if another process took the name, and with an empty id and an unusable folder if
    /// there is none.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn create(
        results: &Path,
        parts: [&str; 3],
        mut fill: impl FnMut(&str, &mut Self) -> Result<(), CommandError>,
    ) -> Result<Self, CommandError> {
        let [stamp, name, commit] = parts;
        let mut refusal = store::no_free_name();
        for id in store::list_folder_names(stamp, name, commit) {
            let place = results.join(&id);
            if place.exists() {
                continue;
            }
            let begun = std::fs::create_dir_all(results);
            let unfinished = match begun.and_then(|()| UnfinishedFolder::create(&place)) {
                Ok(unfinished) => unfinished,
                Err(error) => {
                    refusal = error;
                    break;
                }
            };
            let mut folder = Self::open(place);
            folder.written = unfinished.path().to_owned();
            fill(&id, &mut folder)?;
            if !folder.is_stored {
                return Ok(folder);
            }
            match store::finish_folder(unfinished, results) {
                Ok(true) => return Ok(folder),
                Ok(false) => {}
                Err(error) => {
                    folder.is_stored = false;
                    folder.keep_failure(CommandError::system_while(
                        &format!("cannot store {}", folder.folder.display()),
                        &error,
                    ));
                    return Ok(folder);
                }
            }
        }
        let mut folder = Self::open(results.to_owned());
        folder.is_usable = false;
        folder.keep_failure(CommandError::system_while(
            &format!("cannot make a folder in {}", results.display()),
            &refusal,
        ));
        fill("", &mut folder)?;
        Ok(folder)
    }

    /// Takes a folder that exists.
    pub(crate) fn open(folder: PathBuf) -> Self {
        Self {
            written: folder.clone(),
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
        match write(&self.written.join(name)) {
            Ok(()) => self.is_stored = true,
            Err(error) => {
                self.is_usable = false;
                self.keep_failure(CommandError::system_while(
                    &format!("cannot store {}", self.folder.join(name).display()),
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
        if let Err(error) = store::write_whole(&self.written.join(name), text.as_bytes()) {
            self.keep_failure(CommandError::system_while(
                &format!("cannot write {}", self.folder.join(name).display()),
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

    /// Appends a line to a text: a label, and the path of a file of the result as the user would
    /// write it. There is no such line if nothing was stored.
    pub(crate) fn show_with_place(&self, text: &str, label: &str, name: &str) -> String {
        if !self.is_stored {
            return text.to_owned();
        }
        let here = std::env::current_dir().unwrap_or_default();
        let shown = self.folder.strip_prefix(&here).unwrap_or(&self.folder);
        format!("{text}{label}: {}\n", shown.join(name).display())
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const PARTS: [&str; 3] = ["T", "../../x\n", "a/b"];

    fn create(results: &Path) -> (Vec<String>, ResultFolder) {
        let mut ids = Vec::new();
        let folder = ResultFolder::create(results, PARTS, |id, folder| {
            ids.push(id.to_owned());
            folder.store_result("r.json", |file| std::fs::write(file, "{}"));
            folder.store_report("r.txt", "text");
            Ok(())
        });
        (ids, folder.unwrap())
    }

    fn list(results: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(results).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn names_of_other_people_choose_no_folder() {
        let results = tempfile::tempdir().unwrap();
        let (ids, folder) = create(results.path());
        assert_eq!(ids, ["T-..-..-x--a-b"]);
        let place = results.path().join(&ids[0]);
        assert_eq!(folder.path(), Some(place.as_path()));
        assert_eq!(list(&place), ["r.json", "r.txt"]);
        folder.finish("").unwrap();
    }

    #[test]
    fn taken_name_gets_a_number_at_any_moment() {
        let results = tempfile::tempdir().unwrap();
        create(results.path());
        assert_eq!(create(results.path()).0, ["T-..-..-x--a-b-2"]);
        let mut ids = Vec::new();
        let folder = ResultFolder::create(results.path(), PARTS, |id, folder| {
            ids.push(id.to_owned());
            folder.store_result("r.json", |file| std::fs::write(file, id));
            if ids.len() == 1 {
                create(results.path());
            }
            Ok(())
        });
        assert_eq!(ids, ["T-..-..-x--a-b-3", "T-..-..-x--a-b-4"]);
        let file = folder.unwrap().path().unwrap().join("r.json");
        assert_eq!(std::fs::read_to_string(file).unwrap(), ids[1]);
        assert_eq!(list(results.path()).len(), 4);
    }

    #[test]
    fn refused_result_leaves_no_folder() {
        let results = tempfile::tempdir().unwrap();
        let folder = ResultFolder::create(results.path(), PARTS, |_, folder| {
            folder.store_report("before.txt", "text");
            folder.store_result("r.json", |_| Err(io::ErrorKind::StorageFull.into()));
            folder.store_report("after.txt", "text");
            Ok(())
        });
        let folder = folder.unwrap();
        assert_eq!(folder.path(), None);
        let error = folder.finish("it is printed").unwrap_err().to_string();
        assert!(error.starts_with("error: cannot store "), "{error}");
        assert!(error.ends_with("hint: it is printed"), "{error}");
        assert_eq!(list(results.path()), [] as [&str; 0]);
    }

    #[test]
    fn result_without_a_folder_is_still_filled() {
        let results = tempfile::tempdir().unwrap();
        let file = results.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (ids, folder) = create(&file.join("results"));
        assert_eq!(ids, [""]);
        let error = folder.finish("it is printed").unwrap_err().to_string();
        assert!(
            error.starts_with("error: cannot make a folder in "),
            "{error}"
        );
    }
}
