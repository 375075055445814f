//! The baseline of a working tree if the user names none.
//!
//! [`choose_baseline`] decides without reading anything; [`read_facts`] reads the facts for the
//! decision from git.

use super::history::find_first_parent;
use super::revision::{RevisionError, read_commit, resolve_revision};
use super::{GitKind, Revision, open_repository, read_state};
use git2::{ErrorCode, Oid};
use std::fmt;
use std::path::Path;

/// Names of default branches. The branch that the remote itself names comes first.
const BRANCHES: [&str; 5] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

/// A baseline and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Baseline {
    pub(crate) revision: Revision,
    pub(crate) reason: BaselineReason,
}

/// Reason why a commit is the baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BaselineReason {
    /// HEAD's branch began at this commit.
    BranchPoint { branch: String },
    /// HEAD is on the default branch, and changes of the working tree affect a plugin.
    HeadWithChanges { branch: String },
    /// The commit before HEAD, which is on the default branch.
    BeforeHead {
        branch: String,
        changes: ChangeReach,
    },
    /// A commit that a running `git bisect` marks as good.
    KnownGood,
}

impl fmt::Display for BaselineReason {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::BranchPoint { branch } => {
                write!(out, "the commit at which this branch left {branch}")
            }
            Self::HeadWithChanges { branch } => {
                write!(
                    out,
                    "HEAD, which is on {branch}; the working tree has changes"
                )
            }
            Self::BeforeHead {
                branch,
                changes: ChangeReach::Nothing,
            } => {
                write!(
                    out,
                    "the commit before HEAD, which is on {branch}; the uncommitted changes reach \
                     no plugin"
                )
            }
            Self::BeforeHead { branch, .. } => {
                write!(out, "the commit before HEAD, which is on {branch}")
            }
            Self::KnownGood => out.write_str("marked good by the running `git bisect`"),
        }
    }
}

/// Effect of the uncommitted changes of a working tree on the plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeReach {
    /// There are no changes.
    Unchanged,
    /// Unknown before HEAD and the working tree are built.
    Unknown,
    /// The plugins are the same with and without the changes.
    Nothing,
    /// At least one plugin differs.
    Plugin,
}

/// Point at which HEAD's history meets the default branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeetingPoint {
    At(Revision),
    /// The two histories have no commit in common.
    Unrelated,
    /// The clone is shallow, and its part of the history does not show the point.
    CutOff,
}

/// First parent of HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadParent {
    Commit(Revision),
    /// HEAD is the first commit.
    None,
    /// Git cannot read it, for example in a shallow clone.
    Unreachable(RevisionError),
}

/// The facts in git that determine the baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaselineFacts {
    /// `None` before the first commit.
    pub(crate) head: Option<Revision>,
    pub(crate) parent: HeadParent,
    /// Name of the default branch, and the point at which it meets HEAD; `None` without such a
    /// branch.
    pub(crate) default_branch: Option<(String, MeetingPoint)>,
    /// Whether the working tree differs from HEAD.
    pub(crate) changed: bool,
}

/// Reason why there is no baseline.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BaselineError {
    #[error(transparent)]
    Revision(#[from] RevisionError),
    #[error(
        "HEAD is the first commit, and no later change reaches a plugin, so there is no baseline; \
         name one with --baseline"
    )]
    First,
    #[error(
        "this clone has no default branch (origin/HEAD, main or master) from which to find the \
         baseline; fetch it, for example with `git fetch origin main:refs/remotes/origin/main`, or \
         name a baseline with --baseline"
    )]
    NoBranch,
    #[error("HEAD and {branch} have no commit in common; name the baseline with --baseline")]
    Unrelated { branch: String },
    #[error(
        "the clone is shallow and lacks the commit at which HEAD left {branch}; `git fetch \
         --unshallow` fetches it (in CI: check out the full history)"
    )]
    CutOff { branch: String },
    #[error(
        "the uncommitted changes reach no plugin, so the baseline is the commit before HEAD, but \
         it is not available: {0}"
    )]
    BeforeHead(RevisionError),
    #[error("the repository has no commit yet, so there is no baseline")]
    Empty,
    #[error(
        "no `git bisect` with a good commit is running in this repository (refs/bisect/good-*); \
         start one with `git bisect start BAD GOOD`, or name the good commit with --baseline"
    )]
    NoGood,
    #[error("git cannot find the baseline: {0}")]
    Git(String),
}

impl From<git2::Error> for BaselineError {
    fn from(error: git2::Error) -> Self {
        Self::Git(error.message().to_owned())
    }
}

/// Chooses the baseline of a working tree: the commit at which HEAD left the default branch. If
/// HEAD is on that branch, the baseline is HEAD if the changes of the working tree affect a plugin,
/// and otherwise the commit before HEAD.
///
/// HEAD is never the baseline of a tree that builds the same plugins: such a comparison would pass
/// whatever HEAD changed. While the reach is unknown, HEAD is a proposal; the caller builds both
/// and calls this again.
pub(crate) fn choose_baseline(
    facts: &BaselineFacts,
    reach: ChangeReach,
) -> Result<Baseline, BaselineError> {
    let head = facts.head.as_ref().ok_or(BaselineError::Empty)?;
    let (branch, meeting) = facts
        .default_branch
        .clone()
        .ok_or(BaselineError::NoBranch)?;
    let point = match meeting {
        MeetingPoint::At(point) => point,
        MeetingPoint::Unrelated => return Err(BaselineError::Unrelated { branch }),
        MeetingPoint::CutOff => return Err(BaselineError::CutOff { branch }),
    };
    if point.commit != head.commit {
        return Ok(Baseline {
            revision: point,
            reason: BaselineReason::BranchPoint { branch },
        });
    }
    let changes = if facts.changed {
        reach
    } else {
        ChangeReach::Unchanged
    };
    if matches!(changes, ChangeReach::Plugin | ChangeReach::Unknown) {
        return Ok(Baseline {
            revision: point,
            reason: BaselineReason::HeadWithChanges { branch },
        });
    }
    match (&facts.parent, changes) {
        (HeadParent::Commit(parent), _) => Ok(Baseline {
            revision: parent.clone(),
            reason: BaselineReason::BeforeHead { branch, changes },
        }),
        (HeadParent::None, _) => Err(BaselineError::First),
        (HeadParent::Unreachable(error), ChangeReach::Nothing) => {
            Err(BaselineError::BeforeHead(error.clone()))
        }
        (HeadParent::Unreachable(error), _) => Err(error.clone().into()),
    }
}

/// Reads the facts that determine the baseline of the working tree around `root`.
pub(crate) fn read_facts(root: &Path) -> Result<BaselineFacts, BaselineError> {
    let Some(head) = resolve_revision(root, "HEAD")? else {
        return Ok(BaselineFacts {
            head: None,
            parent: HeadParent::None,
            default_branch: None,
            changed: true,
        });
    };
    let tip = BRANCHES
        .iter()
        .find_map(|name| Some((*name, resolve_revision(root, name).ok()??)));
    let default_branch = tip
        .map(|(name, tip)| {
            let shown = name
                .trim_start_matches("refs/remotes/")
                .trim_start_matches("refs/heads/");
            Ok::<_, BaselineError>((shown.to_owned(), find_meeting_point(&head, &tip)?))
        })
        .transpose()?;
    let parent = match find_first_parent(&head) {
        Ok(Some(parent)) => HeadParent::Commit(parent),
        Ok(None) => HeadParent::None,
        Err(error) => HeadParent::Unreachable(error),
    };
    let state = read_state(root);
    // A tree that git cannot read must not be taken for one without changes.
    if !matches!(state.state, GitKind::Commit | GitKind::Shallow) {
        return Err(BaselineError::Git(state.message.unwrap_or_default()));
    }
    Ok(BaselineFacts {
        head: Some(head),
        parent,
        default_branch,
        changed: state.dirty,
    })
}

/// Returns the newest commit that the running `git bisect` marks as good, if HEAD descends from it.
pub(crate) fn find_known_good(root: &Path) -> Result<Baseline, BaselineError> {
    let head = resolve_revision(root, "HEAD")?.ok_or(BaselineError::Empty)?;
    let repository = open_repository(root)?;
    let own = Oid::from_str(&head.commit)?;
    let mut newest: Option<git2::Commit> = None;
    for reference in repository.references_glob("refs/bisect/good-*")? {
        let commit = reference?.peel_to_commit()?;
        let contained = commit.id() == own || repository.graph_descendant_of(own, commit.id())?;
        // Compared by descent and not by date, because two commits may have the same second.
        let later = match &newest {
            Some(known) if repository.graph_descendant_of(commit.id(), known.id())? => true,
            Some(known) if repository.graph_descendant_of(known.id(), commit.id())? => false,
            Some(known) => commit.time() > known.time(),
            None => true,
        };
        if contained && later {
            newest = Some(commit);
        }
    }
    let newest = newest.ok_or(BaselineError::NoGood)?;
    let revision = read_commit(head.repository.clone(), &newest);
    Ok(Baseline {
        revision,
        reason: BaselineReason::KnownGood,
    })
}

/// Finds the best common commit of two histories.
fn find_meeting_point(one: &Revision, other: &Revision) -> Result<MeetingPoint, BaselineError> {
    let repository = open_repository(&one.repository)?;
    match repository.merge_base(Oid::from_str(&one.commit)?, Oid::from_str(&other.commit)?) {
        Ok(base) => Ok(MeetingPoint::At(read_commit(
            one.repository.clone(),
            &repository.find_commit(base)?,
        ))),
        Err(error) if error.code() != ErrorCode::NotFound => Err(error.into()),
        Err(_) if repository.is_shallow() => Ok(MeetingPoint::CutOff),
        Err(_) => Ok(MeetingPoint::Unrelated),
    }
}

#[cfg(test)]
mod tests;
