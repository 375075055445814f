//! What the state of a working tree is held against when nobody says: where its branch began, or the commit before it.

use super::revision::{RevisionError, describe, resolve};
use super::{Revision, open, state_of};
use git2::{ErrorCode, Oid};
use std::path::Path;

/// Names of default branches, the remote's own word for it first.
const BRANCHES: [&str; 5] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

/// A baseline with the reason why it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Baseline {
    pub(crate) revision: Revision,
    pub(crate) because: String,
    /// The commit before HEAD, where HEAD is the baseline only because of files that git does not know.
    pub(crate) before: Option<Revision>,
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BaselineError {
    #[error(transparent)]
    Revision(#[from] RevisionError),
    #[error(
        "HEAD is the first commit, and nothing was changed since: there is nothing to compare with; name one with --baseline"
    )]
    First,
    #[error(
        "there is no default branch (origin/HEAD, main or master) to find the baseline on; name one with --baseline"
    )]
    NoBranch,
    #[error("HEAD and {branch} have no commit in common; name the baseline with --baseline")]
    Unrelated { branch: String },
    #[error("there is no commit yet, so nothing to compare with")]
    Empty,
    #[error(
        "no `git bisect` with a good commit is going on in this repository (refs/bisect/good-*); `git bisect start BAD GOOD` begins one, or name the good commit with --baseline"
    )]
    NoGood,
    #[error("git cannot tell the baseline: {0}")]
    Git(String),
}

impl From<git2::Error> for BaselineError {
    fn from(error: git2::Error) -> Self {
        Self::Git(error.message().to_owned())
    }
}

/// The commit at which HEAD left the default branch; on that branch itself HEAD where the working tree differs from it, else
/// the commit before.
pub(crate) fn usual(root: &Path) -> Result<Baseline, BaselineError> {
    let head = resolve(root, "HEAD")?.ok_or(BaselineError::Empty)?;
    let branch = BRANCHES.iter().find_map(|name| Some((*name, resolve(root, name).ok()??)));
    let (name, tip) = branch.ok_or(BaselineError::NoBranch)?;
    let name = name.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/").to_owned();
    let base = merge_base(&head, &tip)?.ok_or_else(|| BaselineError::Unrelated { branch: name.clone() })?;
    if base.commit != head.commit {
        return Ok(Baseline { revision: base, because: format!("where this branch left {name}"), before: None });
    }
    let before = super::revision::first_parent(&head);
    if state_of(root).dirty {
        return Ok(Baseline {
            revision: head,
            because: format!("HEAD, which is on {name}; the working tree has changes"),
            // A shallow clone may not have it, and it is perhaps not needed.
            before: before.ok().flatten().filter(|_| !has_edits(root).unwrap_or(true)),
        });
    }
    let before = before?;
    let because = format!("the commit before HEAD, which is on {name}");
    Ok(Baseline { revision: before.ok_or(BaselineError::First)?, because, before: None })
}

/// Whether a file that git knows differs from HEAD, in the working tree or in the index.
fn has_edits(root: &Path) -> Result<bool, git2::Error> {
    let mut options = git2::StatusOptions::new();
    options.include_untracked(false).include_ignored(false);
    Ok(!open(root)?.statuses(Some(&mut options))?.is_empty())
}

/// The newest commit that the `git bisect` which is going on was told to be good, if HEAD descends from it.
pub(crate) fn known_good(root: &Path) -> Result<Baseline, BaselineError> {
    let head = resolve(root, "HEAD")?.ok_or(BaselineError::Empty)?;
    let repository = open(root)?;
    let own = Oid::from_str(&head.commit)?;
    let mut newest: Option<git2::Commit> = None;
    for reference in repository.references_glob("refs/bisect/good-*")? {
        let commit = reference?.peel_to_commit()?;
        let contained = commit.id() == own || repository.graph_descendant_of(own, commit.id())?;
        // By descent and not by date: two commits of one second have the same.
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
    let revision = describe(head.repository.clone(), &newest);
    Ok(Baseline { revision, because: "known to be good by `git bisect`".to_owned(), before: None })
}

/// The best commit that two have in common.
fn merge_base(one: &Revision, other: &Revision) -> Result<Option<Revision>, BaselineError> {
    let repository = open(&one.repository)?;
    match repository.merge_base(Oid::from_str(&one.commit)?, Oid::from_str(&other.commit)?) {
        Ok(base) => Ok(Some(describe(one.repository.clone(), &repository.find_commit(base)?))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use super::*;

    fn subject(found: Result<Baseline, BaselineError>) -> String {
        found.expect("a baseline").revision.subject
    }

    #[test]
    fn a_branch_is_held_against_where_it_began() {
        let sample = Sample::new();
        assert_eq!(usual(sample.path()), Err(BaselineError::Empty));
        sample.commit("first", &[("a", "1")]);
        assert_eq!(usual(sample.path()), Err(BaselineError::First));
        sample.write("a", "2");
        assert_eq!(subject(usual(sample.path())), "first", "with changes, HEAD is the baseline");
        sample.commit("second", &[]);
        assert_eq!(subject(usual(sample.path())), "first", "without, the commit before it");
        sample.git(&["checkout", "-q", "-b", "topic"]);
        sample.commit("third", &[("a", "3")]);
        sample.commit("fourth", &[("a", "4")]);
        assert_eq!(subject(usual(sample.path())), "second");
        sample.git(&["branch", "-q", "-m", "main", "trunk"]);
        assert_eq!(usual(sample.path()), Err(BaselineError::NoBranch));
    }

    #[test]
    fn under_git_bisect_the_newest_good_commit_counts() {
        let sample = Sample::new();
        let first = sample.commit("first", &[("a", "1")]);
        let second = sample.commit("second", &[("a", "2")]);
        sample.commit("third", &[("a", "3")]);
        assert_eq!(known_good(sample.path()), Err(BaselineError::NoGood));
        for commit in [&first, &second] {
            sample.git(&["update-ref", &format!("refs/bisect/good-{commit}"), commit]);
        }
        assert_eq!(subject(known_good(sample.path())), "second");
        sample.git(&["checkout", "-q", &first]);
        assert_eq!(subject(known_good(sample.path())), "first", "what HEAD does not contain is no baseline of it");
    }
}
