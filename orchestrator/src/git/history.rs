//! The commits between two commits: the candidates for a change that was observed between them.

use super::Revision;
use super::revision::{RevisionError, RevisionQuery, read_commit};
use super::undone::{lend_objects, open_repository_for};
use crate::file;
use git2::{Commit, ErrorCode, Oid, Repository, Sort};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

/// Commits between two ends, oldest first. The last candidate is the bad end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitRange {
    pub(crate) good: Revision,
    pub(crate) candidates: Vec<CandidateCommit>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CandidateCommit {
    pub(crate) revision: Revision,
    /// Positions of the parents: 0 is the good end, i + 1 the i-th candidate. Never empty, and all
    /// smaller than the commit's own position.
    pub(crate) parents: Vec<usize>,
    /// Whether the commit only joins commits of the range, because all of its parents are in it. It
    /// has no change of its own to measure.
    pub(crate) only_joins: bool,
    /// Whether the commit has more than one parent in git.
    pub(crate) merge: bool,
}

/// Reason why there is no path from one commit to another.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum HistoryError {
    #[error(
        "the good and the bad end are both {end}, so the range is empty; name an older commit with \
         --good or a newer one with --bad"
    )]
    Same { end: String },
    #[error(
        "the good end {good} is newer than the bad end {bad}; swap --good and --bad (to find an \
         improvement, use --direction better)"
    )]
    Swapped { good: String, bad: String },
    #[error("the good end {good} is not an ancestor of the bad end {bad}: their \
        branches parted at {base}; if that commit is good, use --good {base}", base = .base)]
    Diverged {
        good: String,
        bad: String,
        base: String,
    },
    #[error("{good} and {bad} have no commit in common; name two commits of one history")]
    Unrelated { good: String, bad: String },
    #[error(
        "the good end {good} entered the history of {bad} through the merge {merge} and is not on \
         its line of first parents; use --good {merge}^1 to begin before the merge, or --all to \
         search branches too"
    )]
    Aside {
        good: String,
        bad: String,
        merge: String,
    },
    #[error("{repository} is a shallow clone that lacks \
        commits between {good} and {bad}; fetch them with \
        `git fetch --unshallow`", repository = .repository.display())]
    Shallow {
        good: String,
        bad: String,
        repository: PathBuf,
    },
    #[error("cannot read the history from {good} to {bad} in \
        {repository}: {message}; `git fsck` there reports \
        missing objects", repository = .repository.display())]
    Unreadable {
        good: String,
        bad: String,
        repository: PathBuf,
        message: String,
    },
}

/// Lists the commits after `good` up to `bad`. By default these are the first parents, where a
/// merge is the whole change of its branch; with `all` they are all commits that descend from
/// `good`.
pub(crate) fn list_between(
    good: &Revision,
    bad: &Revision,
    all: bool,
) -> Result<CommitRange, HistoryError> {
    let range = RangeEnds::open(good, bad)?;
    range.check_path()?;
    let candidates = if all {
        range.list_descendants()?
    } else {
        range.list_first_parents()?
    };
    Ok(CommitRange {
        good: good.clone(),
        candidates,
    })
}

/// Finds the commit at which the branches of a merge diverged; `None` if the commit does not merge
/// exactly two branches.
pub(crate) fn find_fork_point(merge: &Revision) -> Option<Revision> {
    let repository = open_repository_for(merge).ok()?;
    let commit = repository
        .find_commit(Oid::from_str(&merge.commit).ok()?)
        .ok()?;
    let base = repository
        .merge_base(commit.parent_id(0).ok()?, commit.parent_id(1).ok()?)
        .ok()?;
    Some(read_commit(
        merge.repository.clone(),
        &repository.find_commit(base).ok()?,
    ))
}

/// Lists the files that differ between two commits, in the order of their names, with both names of
/// a renamed file.
pub(crate) fn list_changed_files(
    from: &Revision,
    to: &Revision,
) -> Result<Vec<PathBuf>, HistoryError> {
    let range = RangeEnds::open(from, to)?;
    let differing = || {
        let tree = |id| range.repository.find_commit(id)?.tree();
        let diff = range.repository.diff_tree_to_tree(
            Some(&tree(range.first)?),
            Some(&tree(range.last)?),
            None,
        )?;
        let sides = diff.deltas().flat_map(|delta| {
            [delta.old_file().path(), delta.new_file().path()].map(|path| path.map(PathBuf::from))
        });
        Ok(sides.flatten().collect::<BTreeSet<_>>())
    };
    differing()
        .map(|files| files.into_iter().collect())
        .map_err(|error| range.explain_error(&error))
}

/// Two commits of one repository.
struct RangeEnds<'a> {
    good: &'a Revision,
    bad: &'a Revision,
    repository: Repository,
    first: Oid,
    last: Oid,
}

impl<'a> RangeEnds<'a> {
    fn open(good: &'a Revision, bad: &'a Revision) -> Result<Self, HistoryError> {
        let opened = || {
            let repository = open_repository_for(bad)?;
            lend_objects(&repository, good)?;
            Ok(Self {
                good,
                bad,
                repository,
                first: Oid::from_str(&good.commit)?,
                last: Oid::from_str(&bad.commit)?,
            })
        };
        opened().map_err(|error| explain_unreadable(good, bad, &error))
    }

    fn explain_error(&self, error: &git2::Error) -> HistoryError {
        // Objects beyond the edge of a shallow clone are missing without being damaged.
        if self.repository.is_shallow() && error.code() == ErrorCode::NotFound {
            return self.explain_shallow();
        }
        explain_unreadable(self.good, self.bad, error)
    }

    fn explain_shallow(&self) -> HistoryError {
        let repository = self.bad.repository.clone();
        HistoryError::Shallow {
            good: describe_commit(self.good),
            bad: describe_commit(self.bad),
            repository,
        }
    }

    /// Checks that a path leads from the good end to the bad end.
    fn check_path(&self) -> Result<(), HistoryError> {
        let (good, bad) = (describe_commit(self.good), describe_commit(self.bad));
        if self.first == self.last {
            return Err(HistoryError::Same { end: bad });
        }
        match self.repository.merge_base(self.first, self.last) {
            Ok(base) if base == self.first => Ok(()),
            Ok(base) if base == self.last => Err(HistoryError::Swapped { good, bad }),
            Ok(base) => Err(HistoryError::Diverged {
                good,
                bad,
                base: shorten_id(base),
            }),
            Err(error) if error.code() != ErrorCode::NotFound => Err(self.explain_error(&error)),
            Err(_) if self.repository.is_shallow() => Err(self.explain_shallow()),
            Err(_) => Err(HistoryError::Unrelated { good, bad }),
        }
    }

    fn find_commit(&self, id: Oid) -> Result<Commit<'_>, HistoryError> {
        self.repository
            .find_commit(id)
            .map_err(|error| self.explain_error(&error))
    }

    /// Lists the commits along the first parents.
    fn list_first_parents(&self) -> Result<Vec<CandidateCommit>, HistoryError> {
        let mut line = Vec::new();
        let mut next = self.find_commit(self.last)?;
        while next.id() != self.first {
            line.push(next.id());
            next = match next.parent(0) {
                Ok(parent) => parent,
                Err(_) if self.repository.is_shallow() => return Err(self.explain_shallow()),
                Err(_) if next.parent_count() == 0 => return Err(self.explain_off_line(&line)?),
                Err(error) => return Err(self.explain_error(&error)),
            };
        }
        line.iter()
            .rev()
            .enumerate()
            .map(|(before, id)| self.build_candidate(*id, vec![before], false))
            .collect()
    }

    fn build_candidate(
        &self,
        id: Oid,
        parents: Vec<usize>,
        all: bool,
    ) -> Result<CandidateCommit, HistoryError> {
        let commit = self.find_commit(id)?;
        let merge = commit.parent_count() > 1;
        let only_joins = all && merge && parents.len() == commit.parent_count();
        let made = self
            .bad
            .list_with_origins()
            .find(|made| made.commit == commit.id().to_string())
            .cloned();
        let revision = made.unwrap_or_else(|| read_commit(self.bad.repository.clone(), &commit));
        Ok(CandidateCommit {
            revision,
            parents,
            only_joins,
            merge,
        })
    }

    /// Explains that the good end is not on the line, which is newest first. The oldest commit of
    /// the line that contains the good end is the merge that brought it in.
    fn explain_off_line(&self, line: &[Oid]) -> Result<HistoryError, HistoryError> {
        let mut merge = self.last;
        let (mut newest, mut end) = (0, line.len());
        while newest < end {
            let middle = usize::midpoint(newest, end);
            let id = line[middle];
            let has = self
                .repository
                .graph_descendant_of(id, self.first)
                .map_err(|error| self.explain_error(&error))?;
            if has {
                merge = id;
                newest = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(HistoryError::Aside {
            good: describe_commit(self.good),
            bad: describe_commit(self.bad),
            merge: shorten_id(merge),
        })
    }

    /// Lists the commits on all paths from the good end to the bad end, each after its parents.
    fn list_descendants(&self) -> Result<Vec<CandidateCommit>, HistoryError> {
        let walk = || {
            let mut walk = self.repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
            walk.push(self.last)?;
            walk.hide(self.first)?;
            walk.collect::<Result<Vec<Oid>, git2::Error>>()
        };
        let edge = self.list_edge();
        let mut positions = HashMap::from([(self.first, 0)]);
        let mut candidates = Vec::new();
        for id in walk().map_err(|error| self.explain_error(&error))? {
            // The history of this commit is cut off, so it may or may not descend from the good
            // end.
            if edge.contains(&id) {
                return Err(self.explain_shallow());
            }
            let parents: Vec<usize> = self
                .find_commit(id)?
                .parent_ids()
                .filter_map(|id| positions.get(&id).copied())
                .collect();
            if !parents.is_empty() {
                candidates.push(self.build_candidate(id, parents, true)?);
                positions.insert(id, candidates.len());
            }
        }
        Ok(candidates)
    }

    /// Lists the commits at the edge of a shallow clone, whose parents are missing.
    fn list_edge(&self) -> HashSet<Oid> {
        let list = file::read_text(
            &self.repository.commondir().join("shallow"),
            file::MOST_RESULT_BYTES,
        )
        .unwrap_or_default();
        list.lines()
            .filter_map(|line| Oid::from_str(line).ok())
            .collect()
    }
}

fn explain_unreadable(good: &Revision, bad: &Revision, error: &git2::Error) -> HistoryError {
    HistoryError::Unreadable {
        good: describe_commit(good),
        bad: describe_commit(bad),
        repository: bad.repository.clone(),
        message: error.message().to_owned(),
    }
}

fn describe_commit(revision: &Revision) -> String {
    format!("{} ({})", revision.short(), revision.subject)
}

fn shorten_id(id: Oid) -> String {
    id.to_string().chars().take(10).collect()
}

/// Returns the first parent of a commit, which for a merge is the branch merged into; `None` for a
/// first commit.
pub(crate) fn find_first_parent(revision: &Revision) -> Result<Option<Revision>, RevisionError> {
    let text = format!("{}^", revision.commit);
    let place = RevisionQuery {
        folder: &revision.repository,
        text: &text,
    };
    let repository =
        open_repository_for(revision).map_err(|error| place.explain_refusal(&error))?;
    let of_commit = || repository.find_commit(git2::Oid::from_str(&revision.commit)?);
    let commit = of_commit().map_err(|error| place.explain_refusal(&error))?;
    match commit.parent(0) {
        Ok(parent) => Ok(Some(read_commit(revision.repository.clone(), &parent))),
        // At the edge of a shallow clone, a commit looks like a first one, or its parent is
        // missing.
        Err(_) if repository.is_shallow() => Err(place.explain_shallow()),
        Err(_) if commit.parent_count() == 0 => Ok(None),
        Err(error) => Err(place.explain_refusal(&error)),
    }
}

#[cfg(test)]
mod tests;
