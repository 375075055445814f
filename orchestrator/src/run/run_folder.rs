//! The folder of a run: a new one in the results, or that of a killed or interrupted run.

use crate::error::CommandError;
use crate::file::UnfinishedFolder;
use crate::pass::PassEnd;
use crate::record::store;
use crate::runner::anchor_pairs::AnchorPair;
use crate::runner::journal::{self, JournalError, RunIdentity, RunJournal};
use std::io;
use std::path::{Path, PathBuf};

/// A run whose folder and journal are open.
pub(super) struct StartedRun {
    pub(super) id: String,
    pub(super) folder: PathBuf,
    pub(super) journal: RunJournal,
    /// When it began, UTC.
    pub(super) at: jiff::Timestamp,
    pub(super) seed: u64,
    /// Passes done before the run was resumed; empty for a new run.
    pub(super) done: Vec<PassEnd>,
    /// Pairs with anchors measured before the run was resumed.
    pub(super) pairs: Vec<AnchorPair>,
}

/// Begins a new run.
pub(super) fn create_run(
    results: &Path,
    scenario: &str,
    commit: &str,
    at: jiff::Timestamp,
    seed: u64,
    identity: RunIdentity,
) -> Result<StartedRun, CommandError> {
    let stamp = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let begun = begin_folder(results, [&stamp, scenario, commit], |folder| {
        RunJournal::create(folder, at.to_string(), seed, identity.clone())
    });
    let (id, journal) = begun.map_err(|error| {
        CommandError::system_while(
            &format!("cannot make a folder in {}", results.display()),
            &error,
        )
    })?;
    let folder = results.join(&id);
    Ok(StartedRun {
        id,
        folder,
        journal,
        at,
        seed,
        done: Vec::new(),
        pairs: Vec::new(),
    })
}

/// Makes a folder with a journal. The folder gets its name when the journal has its header, so that
/// every journal that is found can be read.
fn begin_folder(
    results: &Path,
    [stamp, scenario, commit]: [&str; 3],
    create_journal: impl Fn(&Path) -> io::Result<RunJournal>,
) -> io::Result<(String, RunJournal)> {
    std::fs::create_dir_all(results)?;
    for id in store::list_folder_names(stamp, scenario, commit) {
        let place = results.join(&id);
        if place.exists() {
            continue;
        }
        let unfinished = UnfinishedFolder::create(&place)?;
        let journal = create_journal(unfinished.path())?;
        if store::finish_folder(unfinished, results)? {
            return Ok((id, journal));
        }
    }
    Err(store::no_free_name())
}

/// Resumes the newest run that was killed or interrupted, if it is the same run.
pub(super) fn resume_run(
    results: &Path,
    identity: &RunIdentity,
) -> Result<StartedRun, CommandError> {
    let shown = results.display();
    let left = journal::find_newest_run(results)
        .map_err(explain_journal_error)?
        .ok_or_else(|| {
            CommandError::input(format!(
                "nothing to resume: {shown} contains no interrupted run"
            ))
        })?;
    let folder = left.folder.display().to_string();
    let differences = left.header.identity.list_differences(identity);
    if !differences.is_empty() {
        return Err(CommandError::input(format!(
            "cannot resume {folder}: {} changed after this run started",
            orch_core::format::listed(&differences)
        ))
        .with_hint(
            "leave out --resume to start a new run; a record describes one state of the code and \
             the machine",
        ));
    }
    let at = left
        .header
        .started
        .parse()
        .map_err(|error| CommandError::system_while(&folder, &error))?;
    let journal =
        RunJournal::reopen(&left).map_err(|error| CommandError::system_while(&folder, &error))?;
    let id = left
        .folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(StartedRun {
        id,
        folder: left.folder,
        journal,
        at,
        seed: left.header.seed,
        done: left.ends,
        pairs: left.pairs,
    })
}

/// Words why a journal cannot be read. Its file is kept, because another version may read it.
fn explain_journal_error(error: JournalError) -> CommandError {
    match error {
        JournalError::Io(error) => CommandError::system_while("cannot read the journal", &error),
        JournalError::Other { .. } => CommandError::input(format!("{error}")).with_hint(
            "resume with the version of orch that started the run, or leave out --resume to start \
             a new run; the file is kept",
        ),
        JournalError::Broken { .. } => CommandError::input(format!("{error}"))
            .with_hint("leave out --resume to start a new run; the file is kept"),
    }
}
