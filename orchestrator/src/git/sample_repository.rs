//! A git repository for one test, created by the program `git` and not by the library under test.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct SampleRepository {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl SampleRepository {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("a path").join("user");
        std::fs::create_dir(&root).expect("a folder");
        let sample = Self {
            _folder: folder,
            root,
        };
        sample.run_git(&["init", "-q"]);
        sample
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a folder beside the repository.
    pub(crate) fn path_beside(&self, name: &str) -> PathBuf {
        self.root.with_file_name(name)
    }

    pub(crate) fn run_git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=Test",
                "-c",
                "user.email=test@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args([
                "-c",
                "init.defaultBranch=main",
                "-c",
                "protocol.file.allow=always",
                "-c",
                "gc.auto=0",
            ])
            .args(arguments)
            .current_dir(&self.root)
            .output()
            .expect("git is installed");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }

    pub(crate) fn write_file(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// Commits these files and all present changes.
    pub(crate) fn commit_files(&self, subject: &str, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            self.write_file(name, text);
        }
        self.run_git(&["add", "-A"]);
        self.run_git(&["commit", "-q", "--allow-empty", "-m", subject]);
        self.run_git(&["rev-parse", "HEAD"])
    }

    /// Creates commits from the input of `git fast-import`, which is fast even for hundreds of
    /// commits.
    pub(crate) fn import_commits(&self, stream: &str) {
        let file = self.path_beside("stream");
        std::fs::write(&file, stream).expect("written");
        let input = std::fs::File::open(&file).expect("there");
        let mut command = Command::new("git");
        command
            .args(["fast-import", "--quiet"])
            .current_dir(&self.root)
            .stdin(input);
        assert!(command.status().expect("git is installed").success());
    }

    /// Returns content, mode and modification time of everything under the root, `.git` included.
    pub(crate) fn read_everything(&self) -> BTreeMap<PathBuf, (String, i64, i64)> {
        let time = |path: &Path| self.root.join(path).symlink_metadata().expect("there");
        let files = read_tree(&self.root, &[]).into_iter();
        files
            .map(|(path, what)| {
                (
                    path.clone(),
                    (what, time(&path).mtime(), time(&path).mtime_nsec()),
                )
            })
            .collect()
    }
}

/// Returns content and mode of everything in a folder except for the entries in `without`.
pub(crate) fn read_tree(root: &Path, without: &[&str]) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(root).expect("inside").to_owned();
        if without.iter().any(|without| name == Path::new(without)) {
            continue;
        }
        let about = path.symlink_metadata().expect("there");
        let content = if about.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
            String::new()
        } else if about.is_symlink() {
            std::fs::read_link(&path)
                .expect("a link")
                .display()
                .to_string()
        } else {
            crate::hash::file(&path).expect("readable")
        };
        found.insert(name, format!("{:o} {content}", about.mode()));
    }
    found
}
