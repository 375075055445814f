//! The reason why a commit's plugin could not be built: words for the user, and what they are
//! about.

use super::super::build::FailureCause;
use super::super::cargo::BuildError;
use crate::cache;
use crate::git::worktree::WorktreeError;
use std::io;

/// Obstacle on the way to a commit's plugin.
#[derive(Debug)]
pub(super) struct BuildObstacle {
    pub(super) message: String,
    pub(super) cause: FailureCause,
}

impl From<String> for BuildObstacle {
    fn from(message: String) -> Self {
        Self {
            message,
            cause: FailureCause::Plugin,
        }
    }
}

impl From<BuildError> for BuildObstacle {
    fn from(error: BuildError) -> Self {
        // Everything that orch writes for a commit is in the cache.
        let error = match error {
            BuildError::Io(error) if is_refusal_of_place(&error) => {
                BuildError::Io(cache::explain_refusal(error))
            }
            error => error,
        };
        Self {
            cause: FailureCause::of(&error),
            message: error.to_string(),
        }
    }
}

impl From<io::Error> for BuildObstacle {
    fn from(error: io::Error) -> Self {
        BuildError::Io(error).into()
    }
}

impl From<WorktreeError> for BuildObstacle {
    fn from(error: WorktreeError) -> Self {
        match &error {
            // The worktree is part of the cache. Other errors may be due to the commit's files.
            WorktreeError::Io { path, source } if is_refusal_of_place(source) => {
                cache::explain_unusable(path, source).into()
            }
            _ => error.to_string().into(),
        }
    }
}

/// Returns whether the disk or its owner refused, whatever the commit's files are.
fn is_refusal_of_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
    ) || error.raw_os_error() == Some(libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacle_is_the_cache_only_if_its_place_refuses() {
        let worktree = |kind: io::ErrorKind| WorktreeError::Io {
            path: "/c/worktrees/x".into(),
            source: kind.into(),
        };
        for (obstacle, expected) in [
            (
                BuildObstacle::from("words".to_owned()),
                FailureCause::Plugin,
            ),
            (io::Error::other("disk").into(), FailureCause::Plugin),
            (
                io::Error::from_raw_os_error(libc::EIO).into(),
                FailureCause::Cache,
            ),
            (
                io::Error::from_raw_os_error(libc::ENOSPC).into(),
                FailureCause::Cache,
            ),
            (
                cache::explain_unusable("/c".as_ref(), &"it is full").into(),
                FailureCause::Cache,
            ),
            (
                worktree(io::ErrorKind::StorageFull).into(),
                FailureCause::Cache,
            ),
            (
                worktree(io::ErrorKind::InvalidFilename).into(),
                FailureCause::Plugin,
            ),
        ] {
            assert_eq!(obstacle.cause, expected, "{}", obstacle.message);
            let names_cache = obstacle.message.contains("XDG_CACHE_HOME");
            assert_eq!(names_cache, expected == FailureCause::Cache);
        }
    }
}
