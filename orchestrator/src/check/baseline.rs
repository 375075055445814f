//! The baseline of `orch check`: the commit that the user names, or the one that follows from the
//! state of git.

use super::{CheckRequest, rerun};
use crate::compare::target::{self, CompareTarget};
use crate::comparison::{CodeRelation, Comparison};
use crate::error::CommandError;
use crate::file;
use crate::git;
use crate::git::baseline::{
    self, Baseline, BaselineError, BaselineFacts, BaselineReason, ChangeReach,
};
use crate::project::{LoadedScenario, PluginSet};
use crate::scenario::accepted_level;
use crate::versus::side;
use std::path::Path;

/// Value of `--baseline` for the level that the project accepted.
const ACCEPTED: &str = "accepted";

/// The baseline of a check.
pub(super) struct CheckBaseline {
    pub(super) target: CompareTarget,
    /// Commit and reason, for the user.
    pub(super) shown: String,
    /// Facts for the final choice once both sides are built, if HEAD is only a proposal.
    pub(super) proposal: Option<BaselineFacts>,
}

impl CheckBaseline {
    fn of_request(target: CompareTarget, shown: String) -> Self {
        Self {
            target,
            shown,
            proposal: None,
        }
    }

    fn of_history(found: Baseline, facts: Option<BaselineFacts>) -> Self {
        let shown = format!(
            "{} ({}), {}",
            found.revision.short(),
            found.revision.subject,
            found.reason
        );
        let proposal =
            facts.filter(|_| matches!(found.reason, BaselineReason::HeadWithChanges { .. }));
        Self {
            target: CompareTarget::Revision(found.revision),
            shown,
            proposal,
        }
    }
}

/// Makes the final choice from the plugins of the proposed baseline and of the working tree. `None`
/// keeps the first choice.
pub(super) fn settle(
    proposal: Option<&BaselineFacts>,
    plugins: &[PluginSet; 2],
) -> Result<Option<CheckBaseline>, CommandError> {
    let Some(facts) = proposal.filter(|_| compare_plugins(plugins) == ChangeReach::Nothing) else {
        return Ok(None);
    };
    let found =
        baseline::choose_baseline(facts, ChangeReach::Nothing).map_err(|error| refuse(&error))?;
    Ok(Some(CheckBaseline::of_history(found, None)))
}

fn refuse(error: &BaselineError) -> CommandError {
    CommandError::input(format!("{error}"))
}

/// Whether the machine code of any plugin differs between the sides.
fn compare_plugins([a, b]: &[PluginSet; 2]) -> ChangeReach {
    let is_same = |key: &String| match (a.prepared.get(key), b.prepared.get(key)) {
        (Some(Ok(a)), Some(Ok(b))) => {
            a.hash == b.hash
                || side::compare_machine_code([a, b], [&[], &[]]) == Some(CodeRelation::OnlyLayout)
        }
        (Some(Err(_)), Some(Err(_))) | (None, None) => true,
        _ => false,
    };
    if a.prepared.keys().chain(b.prepared.keys()).all(is_same) {
        ChangeReach::Nothing
    } else {
        ChangeReach::Plugin
    }
}

/// Finds the baseline: that of the earlier check, the one that the user names, or the default.
pub(super) fn find_baseline(
    request: &CheckRequest,
    loaded: &LoadedScenario,
    results: &Path,
    before: Option<&Comparison>,
) -> Result<CheckBaseline, CommandError> {
    let named = match (before, &request.baseline) {
        (Some(before), None) => Some(rerun::name_baseline(before)),
        (_, named) => named.clone(),
    };
    let Some(name) = &named else {
        if request.for_git_bisect {
            let found =
                baseline::find_known_good(&loaded.repository).map_err(|error| refuse(&error))?;
            return Ok(CheckBaseline::of_history(found, None));
        }
        let facts = baseline::read_facts(&loaded.repository).map_err(|error| refuse(&error))?;
        let found = baseline::choose_baseline(&facts, ChangeReach::Unknown)
            .map_err(|error| refuse(&error))?;
        return Ok(CheckBaseline::of_history(found, Some(facts)));
    };
    if name == ACCEPTED
        && let Some(found) = read_accepted_level(loaded, results)?
    {
        return Ok(found);
    }
    match target::find_target(name, &loaded.repository, results)? {
        CompareTarget::Revision(revision) => {
            let because = format!(
                "{} ({}){}",
                revision.short(),
                revision.subject,
                note_equal_tree(loaded, &revision)
            );
            Ok(CheckBaseline::of_request(
                CompareTarget::Revision(revision),
                because,
            ))
        }
        CompareTarget::Library(path) => {
            let because = path.display().to_string();
            Ok(CheckBaseline::of_request(
                CompareTarget::Library(path),
                because,
            ))
        }
        CompareTarget::Record(record) => {
            // A record holds no build, but its commit can be built again.
            let commit = record.git.commit.as_deref().filter(|_| !record.git.dirty);
            let revision = commit.and_then(|commit| {
                git::revision::resolve_revision(&loaded.repository, commit).ok()?
            });
            let Some(revision) = revision else {
                return Err(CommandError::input(format!(
                    "record {} has no commit of this repository, so its build cannot be repeated",
                    record.id
                ))
                .with_hint("name a commit with --baseline REV"));
            };
            let because = format!(
                "{} ({}), the commit of record {}{}",
                revision.short(),
                revision.subject,
                record.id,
                note_equal_tree(loaded, &revision)
            );
            Ok(CheckBaseline::of_request(
                CompareTarget::Revision(revision),
                because,
            ))
        }
        CompareTarget::WorkingTree => Err(CommandError::input(
            "the working tree cannot be its own baseline",
        )
        .with_hint("to compare with the last commit, add `--baseline HEAD`")),
    }
}

/// Words the note that the working tree equals the baseline, so that no regression can be found.
/// The note is empty if they differ.
fn note_equal_tree(loaded: &LoadedScenario, baseline: &git::Revision) -> &'static str {
    let tree = git::read_state(&loaded.repository);
    if !tree.dirty && tree.commit.as_ref() == Some(&baseline.commit) {
        "; the working tree has no changes against it"
    } else {
        ""
    }
}

/// Reads the commit of the project's accepted level; `None` if the file does not exist and
/// `accepted` names a revision.
fn read_accepted_level(
    loaded: &LoadedScenario,
    results: &Path,
) -> Result<Option<CheckBaseline>, CommandError> {
    let path = results.join(accepted_level::FILE);
    let shown = path.display().to_string();
    let text = match file::read_text(&path, file::MOST_TEXT_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Ok(Some(_)) = git::revision::resolve_revision(&loaded.repository, ACCEPTED) {
                return Ok(None);
            }
            return Err(CommandError::input(format!(
                "--baseline {ACCEPTED}: {shown} does not exist"
            ))
            .with_hint(
                "create it with two lines and keep it in git: `commit: v1.2` and `reason: the \
                 last release`",
            ));
        }
        Err(error) => {
            return Err(CommandError::input(format!("cannot read {shown}: {error}")));
        }
    };
    let level = accepted_level::read_accepted_level(&text)
        .map_err(|problems| CommandError::problems(&shown, &text, problems))?;
    let found = git::revision::resolve_revision(&loaded.repository, &level.commit)
        .map_err(|error| CommandError::input(format!("{shown}: {error}")))?;
    let Some(revision) = found else {
        return Err(CommandError::input(format!(
            "{shown}: '{}' does not name a revision of {}",
            level.commit,
            loaded.repository.display()
        ))
        .with_hint("name the hash or tag of a commit in this clone"));
    };
    let because = format!(
        "{} ({}), accepted: {}",
        revision.short(),
        revision.subject,
        level.reason
    );
    Ok(Some(CheckBaseline::of_request(
        CompareTarget::Revision(revision),
        because,
    )))
}
