//! Revisions: the commits that texts such as `HEAD~3`, `v1.2` or `1f0c9ab` denote in a repository.

use super::obstacle::{self, GitObstacle};
use super::{format_date, open_repository};
use git2::{ErrorClass, ErrorCode, Repository};
use orch_core::format::clean;
use std::path::{Path, PathBuf};

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// Root of the user's working tree, without symbolic links.
    pub(crate) repository: PathBuf,
    /// Full hash.
    pub(crate) commit: String,
    /// First line of the message.
    pub(crate) subject: String,
    /// Date of the commit, UTC.
    pub(crate) committed: String,
    pub(crate) author: String,
    /// Origin of a commit that orch created and that is in no repository of the user.
    pub(crate) undone: Option<UndoneCommit>,
}

impl Revision {
    /// Returns the first ten digits of the commit.
    pub(crate) fn short(&self) -> &str {
        self.commit.get(..10).unwrap_or(&self.commit)
    }

    /// Lists this commit and the commits from which orch created it. Each of them is needed to
    /// recreate it.
    pub(super) fn list_with_origins(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |made| {
            made.undone.as_ref().map(|undone| undone.onto.as_ref())
        })
    }
}

/// Origin of a commit that orch created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UndoneCommit {
    /// Full hash of the commit that is undone.
    pub(crate) culprit: String,
    /// Parent, which may itself be a commit that orch created.
    pub(crate) onto: Box<Revision>,
}

/// Reason why a revision cannot be looked up. A name that does not exist is no error.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub(crate) enum RevisionError {
    #[error("revision '{text}': {folder} is not in a git repository; \
        create one with `git init` and a commit", folder = .folder.display())]
    Outside { text: String, folder: PathBuf },
    #[error("revision '{text}': {obstacle}")]
    Refused { text: String, obstacle: GitObstacle },
    #[error(
        "revision '{text}' is not in {folder}, a shallow clone; fetch its history with `git fetch \
         --unshallow`",
        folder = .folder.display()
    )]
    Shallow { text: String, folder: PathBuf },
    #[error("revision '{text}' is ambiguous: several objects in \
        {folder} have a hash that begins so; give more digits", folder = .folder.display())]
    Ambiguous { text: String, folder: PathBuf },
    #[error(
        "'{text}' is a {kind} in {folder}, not a commit; name the commit that contains it",
        folder = .folder.display()
    )]
    NoCommit {
        text: String,
        kind: &'static str,
        folder: PathBuf,
    },
    #[error(
        "{folder} has no working tree (a bare repository); use a clone of it",
        folder = .folder.display()
    )]
    Bare { folder: PathBuf },
    #[error(
        "revision '{text}': git cannot read {folder}: {message}; `git fsck` there reports details",
        folder = .folder.display()
    )]
    Unreadable {
        text: String,
        folder: PathBuf,
        message: String,
    },
}

/// Returns the commit that `text` denotes in the repository around `folder`; `None` if it denotes
/// none.
pub(crate) fn resolve_revision(
    folder: &Path,
    text: &str,
) -> Result<Option<Revision>, RevisionError> {
    let place = RevisionQuery { folder, text };
    let repository = open_repository(folder).map_err(|error| place.explain_refusal(&error))?;
    let root = read_root(&repository)?;
    let object = match repository.revparse_single(text) {
        Ok(object) => object,
        Err(error) if is_unknown_revision(&error) => {
            return if repository.is_shallow() {
                Err(place.explain_shallow())
            } else {
                Ok(None)
            };
        }
        Err(error) => return Err(place.explain_refusal(&error)),
    };
    let kind = object.kind().map_or("thing", |kind| kind.str());
    let commit = object
        .peel_to_commit()
        .map_err(|_| RevisionError::NoCommit {
            text: text.to_owned(),
            kind,
            folder: folder.to_owned(),
        })?;
    Ok(Some(read_commit(root, &commit)))
}

fn read_root(repository: &Repository) -> Result<PathBuf, RevisionError> {
    let bare = || RevisionError::Bare {
        folder: repository.path().to_owned(),
    };
    repository
        .workdir()
        .and_then(|folder| folder.canonicalize().ok())
        .ok_or_else(bare)
}

/// Reads the fields of a commit of the repository with this root.
pub(super) fn read_commit(repository: PathBuf, commit: &git2::Commit) -> Revision {
    Revision {
        repository,
        commit: commit.id().to_string(),
        subject: clean_bytes(commit.summary_bytes().unwrap_or_default()),
        committed: format_date(commit).unwrap_or_default(),
        author: clean_bytes(commit.author().name_bytes()),
        undone: None,
    }
}

/// Cleans a text, so that the author of a commit cannot control the user's terminal.
fn clean_bytes(bytes: &[u8]) -> String {
    clean::clean_line(&String::from_utf8_lossy(bytes)).into_owned()
}

/// Returns whether an error only means that there is no such revision. Invalid texts count as such
/// too.
fn is_unknown_revision(error: &git2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::UnbornBranch
    ) || error.class() == ErrorClass::Regex
}

/// Text and place of a lookup, for error messages.
pub(super) struct RevisionQuery<'a> {
    pub(super) folder: &'a Path,
    pub(super) text: &'a str,
}

impl RevisionQuery<'_> {
    pub(super) fn explain_shallow(&self) -> RevisionError {
        RevisionError::Shallow {
            text: self.text.to_owned(),
            folder: self.folder.to_owned(),
        }
    }

    pub(super) fn explain_refusal(&self, error: &git2::Error) -> RevisionError {
        let (text, folder) = (self.text.to_owned(), self.folder.to_owned());
        if let Some(obstacle) = obstacle::find_obstacle(&folder, error) {
            return RevisionError::Refused { text, obstacle };
        }
        match error.code() {
            ErrorCode::NotFound if error.class() == ErrorClass::Repository => {
                RevisionError::Outside { text, folder }
            }
            ErrorCode::Ambiguous => RevisionError::Ambiguous { text, folder },
            _ => RevisionError::Unreadable {
                text,
                folder,
                message: error.message().to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::find_first_parent;
    use super::super::sample_repository::SampleRepository;
    use super::*;

    #[test]
    fn revision_of_any_form_is_a_commit() {
        let sample = SampleRepository::new();
        let first = sample.commit_files("first", &[("a", "1")]);
        let second = sample.commit_files("second", &[("a", "2")]);
        sample.run_git(&["tag", "-a", "v1", "-m", "a tag", &first]);
        for (text, commit) in [
            ("HEAD", &second),
            ("HEAD~1", &first),
            ("v1", &first),
            (&second[..9], &second),
        ] {
            let found = resolve_revision(sample.path(), text)
                .expect("readable")
                .expect("there");
            assert_eq!(&found.commit, commit, "{text}");
            assert_eq!(found.repository, sample.path());
            assert_eq!(found.author, "Test");
            assert!(found.committed.ends_with('Z'), "{}", found.committed);
        }
        let head = resolve_revision(sample.path(), "HEAD")
            .expect("readable")
            .expect("there");
        assert_eq!(
            (head.subject.as_str(), head.short()),
            ("second", &second[..10])
        );
        let parent = find_first_parent(&head).expect("readable").expect("there");
        assert_eq!(parent.commit, first);
        assert_eq!(find_first_parent(&parent), Ok(None));
    }

    #[test]
    fn revision_without_a_commit_is_none_and_a_file_is_an_error() {
        let sample = SampleRepository::new();
        sample.commit_files("first", &[("a", "1")]);
        for text in [
            "nope",
            "HEAD~7",
            "deadbeef",
            "results/x.json",
            "",
            "a..",
            "@{-9}",
            "HEAD^{/[}",
            "x y",
        ] {
            assert_eq!(resolve_revision(sample.path(), text), Ok(None), "{text:?}");
        }
        let error = resolve_revision(sample.path(), "HEAD:a").expect_err("a file");
        assert!(error.to_string().contains("'HEAD:a' is a blob"), "{error}");
    }

    #[test]
    fn missing_history_and_missing_repository_are_reported() {
        let sample = SampleRepository::new();
        sample.commit_files("first", &[("a", "1")]);
        sample.commit_files("second", &[("a", "2")]);
        let other = tempfile::tempdir().expect("a folder");
        let clone = other.path().join("clone");
        let url = format!("file://{}", sample.path().display());
        sample.run_git(&[
            "clone",
            "-q",
            "--depth",
            "1",
            &url,
            &clone.display().to_string(),
        ]);
        let head = resolve_revision(&clone, "HEAD")
            .expect("readable")
            .expect("there");
        for error in [
            resolve_revision(&clone, "HEAD~1").expect_err("cut off"),
            find_first_parent(&head).expect_err("cut off"),
        ] {
            assert!(
                error.to_string().contains("git fetch --unshallow"),
                "{error}"
            );
        }
        let error = resolve_revision(other.path(), "HEAD").expect_err("no repository");
        assert!(matches!(error, RevisionError::Outside { .. }), "{error:?}");
    }
}
