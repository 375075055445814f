//! Reasons why the git library refuses a repository that git itself reads, each with the command
//! that helps. They are determined from the repository's own files and the environment, never from
//! the wording of an error.

use crate::file::{self, SpecialFile};
use git2::{Config, ErrorCode};
use std::fmt;
use std::path::{Path, PathBuf};

const GLOBAL_FILE: &str = "GIT_CONFIG_GLOBAL";

/// Files of a git folder that the library opens.
const GIT_FILES: [&str; 8] = [
    "HEAD",
    "config",
    "index",
    "packed-refs",
    "shallow",
    "commondir",
    "info/exclude",
    "info/attributes",
];
/// Files at the root of a working tree that the library opens. It opens those of other folders too;
/// finding them would take as long as the work itself.
const TREE_FILES: [&str; 3] = [".git", ".gitignore", ".gitattributes"];

/// Property of a repository that the git library does not support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GitObstacle {
    /// Object names are SHA-256 hashes.
    Sha256 { root: PathBuf },
    /// References are stored as a reftable.
    Reftable { root: PathBuf },
    /// The index of a sparse checkout holds folders as one entry.
    SparseIndex { root: PathBuf },
    /// A file that the library opens would block it or has no end.
    SpecialFile { file: PathBuf, kind: SpecialFile },
    /// The repository belongs to another user; `trust` names the place of a `safe.directory` that
    /// only git reads.
    OtherOwner {
        root: PathBuf,
        trust: Option<&'static str>,
    },
}

impl fmt::Display for GitObstacle {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let quoted =
            |root: &Path| format!("'{}'", root.display().to_string().replace('\'', "'\\''"));
        match self {
            Self::Sha256 { root } => write!(
                f,
                "orch cannot read {}: its object names are SHA-256 (extensions.objectFormat); \
                 make a SHA-1 copy: git init --object-format=sha1 COPY && git -C {} fast-export \
                 --all | git -C COPY fast-import",
                root.display(),
                quoted(root)
            ),
            Self::Reftable { root } => write!(
                f,
                "orch cannot read {}: its references are a reftable (extensions.refStorage); \
                 store them as files: git -C {} refs migrate --ref-format=files",
                root.display(),
                quoted(root)
            ),
            Self::SparseIndex { root } => write!(
                f,
                "orch cannot read {}: its sparse checkout has a sparse index (index.sparse); \
                 write a full one: git -C {} sparse-checkout reapply --no-sparse-index",
                root.display(),
                quoted(root)
            ),
            Self::SpecialFile { file, kind } => write!(
                f,
                "git reads {}, but it is {kind}, not a regular file; remove it",
                file.display()
            ),
            Self::OtherOwner { root, trust } => {
                let place = root.display();
                let why = trust.map_or(String::new(), |name| {
                    format!("orch does not read safe.directory from {name}; ")
                });
                // With this variable, `--global` would write to the file that the variable names.
                let command = if *trust == Some(GLOBAL_FILE) {
                    "env -u GIT_CONFIG_GLOBAL git"
                } else {
                    "git"
                };
                write!(
                    f,
                    "{place} belongs to another user; {why}if you trust it, run: {command} config \
                     --global --add safe.directory {}",
                    quoted(root)
                )
            }
        }
    }
}

/// Finds the obstacle because of which the git library refused the repository around a folder with
/// this error; `None` if no known obstacle explains the error.
pub(crate) fn find_obstacle(folder: &Path, error: &git2::Error) -> Option<GitObstacle> {
    let (root, git) = find_repository(folder)?;
    if let Some(obstacle) = find_special_file(folder) {
        return Some(obstacle);
    }
    if error.code() == ErrorCode::Owner {
        let trust = find_trusting_variable(|name| std::env::var(name).ok());
        return Some(GitObstacle::OtherOwner { root, trust });
    }
    let config = Config::open(&find_common_folder(&git).join("config")).ok()?;
    let is = |name: &str, wanted: &str| {
        config
            .get_string(name)
            .is_ok_and(|value| value.eq_ignore_ascii_case(wanted))
    };
    if is("extensions.objectformat", "sha256") {
        return Some(GitObstacle::Sha256 { root });
    }
    if is("extensions.refstorage", "reftable") {
        return Some(GitObstacle::Reftable { root });
    }
    has_sparse_index(&git.join("index")).then_some(GitObstacle::SparseIndex { root })
}

/// Finds a named pipe or another special file in the place of a file that the git library opens. It
/// would wait there without an end, and nothing can stop it.
pub(super) fn find_special_file(folder: &Path) -> Option<GitObstacle> {
    let (root, git) = find_repository(folder)?;
    let common = find_common_folder(&git);
    let git_files = GIT_FILES
        .iter()
        .flat_map(|name| [git.join(name), common.join(name)]);
    let tree_files = TREE_FILES.iter().map(|name| root.join(name));
    git_files.chain(tree_files).find_map(|file| {
        let kind = file::find_special_kind(&file).filter(|kind| *kind != SpecialFile::Folder)?;
        Some(GitObstacle::SpecialFile { file, kind })
    })
}

/// Returns the git folder that all worktrees of a repository share.
fn find_common_folder(git: &Path) -> PathBuf {
    match file::read_text(&git.join("commondir"), file::MOST_TEXT_BYTES) {
        Ok(text) => git.join(text.trim_end()),
        Err(_) => git.to_owned(),
    }
}

/// Finds the root of the repository around a folder, and its git folder.
fn find_repository(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let folder = folder.canonicalize().ok()?;
    let root = folder
        .ancestors()
        .find(|folder| folder.join(".git").exists())?;
    let git = root.join(".git");
    let git = match file::read_text(&git, file::MOST_TEXT_BYTES) {
        // In a worktree or submodule, `.git` is a file with the text `gitdir: PATH`.
        Ok(text) => root.join(text.trim_end().strip_prefix("gitdir: ")?),
        Err(_) => git,
    };
    Some((root.to_owned(), git))
}

/// Returns whether the index has the extension `sdir` at its end, which holds no data: entries,
/// then extensions, then a hash of 20 bytes.
fn has_sparse_index(index: &Path) -> bool {
    const EXTENSION: &[u8] = b"sdir\0\0\0\0";
    let Ok(bytes) = file::read_bytes(index, file::MOST_RESULT_BYTES) else {
        return false;
    };
    bytes.starts_with(b"DIRC")
        && bytes
            .windows(EXTENSION.len())
            .any(|window| window == EXTENSION)
}

/// Returns the environment variable that gives git a `safe.directory`: a count of keys, the
/// parameters of `git -c`, or a global file.
fn find_trusting_variable(read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    const NAME: &str = "safe.directory";
    let count = read("GIT_CONFIG_COUNT")
        .and_then(|count| count.parse::<usize>().ok())
        .unwrap_or(0);
    let is_key = |index| {
        read(&format!("GIT_CONFIG_KEY_{index}")).is_some_and(|key| key.eq_ignore_ascii_case(NAME))
    };
    let is_parameter =
        read("GIT_CONFIG_PARAMETERS").is_some_and(|text| text.to_lowercase().contains(NAME));
    let file = read(GLOBAL_FILE).and_then(|file| Config::open(Path::new(&file)).ok());
    let is_in_file = file.is_some_and(|config| config.get_entry(NAME).is_ok());
    let variables = [
        ("GIT_CONFIG_COUNT", (0..count.min(1000)).any(is_key)),
        ("GIT_CONFIG_PARAMETERS", is_parameter),
        (GLOBAL_FILE, is_in_file),
    ];
    variables
        .into_iter()
        .find_map(|(name, is_there)| is_there.then_some(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::super::sample_repository::SampleRepository;
    use super::super::{GitKind, read_state, revision};
    use super::*;
    use std::collections::HashMap;
    use std::process::Command;

    fn run_git(folder: &Path, arguments: &[&str]) -> bool {
        let ended = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .output()
            .unwrap();
        ended.status.success()
    }

    /// Returns the messages for the repository's state and for a revision; both name the obstacle.
    fn read_messages(folder: &Path) -> String {
        let state = read_state(folder);
        assert_eq!(state.state, GitKind::Unreadable, "{state:?}");
        let message = state.message.unwrap();
        let error = revision::resolve_revision(folder, "HEAD")
            .unwrap_err()
            .to_string();
        assert!(error.ends_with(&message), "{error}\n{message}");
        message
    }

    #[test]
    fn format_that_the_library_does_not_read_is_named_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        for (format, part) in [
            (
                "--object-format=sha256",
                "its object names are SHA-256 (extensions.objectFormat)",
            ),
            (
                "--ref-format=reftable",
                "its references are a reftable (extensions.refStorage)",
            ),
        ] {
            let root = folder.path().join(format);
            let below = root.join("a folder");
            std::fs::create_dir_all(&below).unwrap();
            // An older git cannot create such a repository.
            if !run_git(&root, &["init", "-q", format, "."]) {
                continue;
            }
            let message = read_messages(&below);
            let real = root.canonicalize().unwrap();
            assert!(
                message.contains(part) && message.contains(&real.display().to_string()),
                "{message}"
            );
        }
    }

    #[test]
    fn sparse_index_is_named_and_its_remedy_helps() {
        let sample = SampleRepository::new();
        sample.commit_files("first", &[("in/a", "1"), ("out/b", "1")]);
        sample.run_git(&["sparse-checkout", "set", "--cone", "--sparse-index", "in"]);
        let message = match read_state(sample.path()).message {
            Some(message) => message,
            // The library supports the format by now, so there is no obstacle.
            None => return,
        };
        assert!(
            message.contains("has a sparse index (index.sparse)"),
            "{message}"
        );
        sample.run_git(&["sparse-checkout", "reapply", "--no-sparse-index"]);
        let state = read_state(sample.path());
        assert_eq!(
            (state.state, state.dirty),
            (GitKind::Commit, false),
            "{state:?}"
        );
    }

    #[test]
    fn trust_that_only_git_reads_is_found_in_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, "[safe]\n\tdirectory = *\n").unwrap();
        let file = file.display().to_string();
        for (variables, is_there) in [
            (
                vec![
                    ("GIT_CONFIG_COUNT", "1"),
                    ("GIT_CONFIG_KEY_0", "safe.directory"),
                ],
                true,
            ),
            (
                vec![
                    ("GIT_CONFIG_COUNT", "2"),
                    ("GIT_CONFIG_KEY_1", "Safe.Directory"),
                ],
                true,
            ),
            (
                vec![("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "user.name")],
                false,
            ),
            (vec![("GIT_CONFIG_KEY_0", "safe.directory")], false),
            (
                vec![("GIT_CONFIG_PARAMETERS", "'safe.directory'='*'")],
                true,
            ),
            (vec![("GIT_CONFIG_GLOBAL", file.as_str())], true),
            (vec![], false),
        ] {
            let map: HashMap<&str, &str> = variables.iter().copied().collect();
            let read = |name: &str| map.get(name).map(|value| (*value).to_owned());
            assert_eq!(
                find_trusting_variable(read).is_some(),
                is_there,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn named_pipe_that_git_would_wait_for_is_named() {
        let sample = SampleRepository::new();
        sample.commit_files("first", &[("a", "1")]);
        let root = sample.path().canonicalize().unwrap();
        let git_files = GIT_FILES.map(|name| root.join(".git").join(name));
        for file in git_files
            .into_iter()
            .chain(TREE_FILES.map(|name| root.join(name)))
        {
            let kept = root.with_file_name("kept");
            let was_there = file.exists();
            if was_there {
                std::fs::rename(&file, &kept).unwrap();
            }
            rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU).unwrap();
            let place = file.display();
            let message = read_messages(sample.path());
            let expected =
                format!("git reads {place}, but it is a named pipe, not a regular file; remove it");
            assert_eq!(message, expected);
            std::fs::remove_file(&file).unwrap();
            if was_there {
                std::fs::rename(&kept, &file).unwrap();
            }
        }
        assert_eq!(read_state(sample.path()).state, GitKind::Commit);
    }

    #[test]
    fn remedy_for_another_owner_names_the_root_and_not_a_folder_below() {
        let sample = SampleRepository::new();
        sample.commit_files("first", &[("sub folder/a", "1")]);
        let refused = git2::Error::new(ErrorCode::Owner, git2::ErrorClass::Config, "any words");
        let root = sample.path().canonicalize().unwrap();
        let found = find_obstacle(&sample.path().join("sub folder"), &refused)
            .unwrap()
            .to_string();
        assert!(
            found.ends_with(&format!(
                "git config --global --add safe.directory '{}'",
                root.display()
            )),
            "{found}"
        );
    }
}
