//! The folders of a crate's path dependencies, read from its manifests without running cargo.
//!
//! `cargo metadata` would need a checkout of the commit, fails if a dependency is missing, and does
//! not report lines.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A dependency on a folder that is not part of the commit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PathError {
    #[error(
        "{manifest}:{line}: the path dependency '{path}' leaves the repository, so no commit \
         contains it; use its absolute path, or move it into the repository",
        manifest = .manifest.display()
    )]
    Leaves {
        manifest: PathBuf,
        line: usize,
        path: String,
    },
    #[error(
        "{manifest}:{line}: the path dependency '{path}' names the repository's working tree, \
         which is at another commit; use a path relative to the manifest",
        manifest = .manifest.display()
    )]
    WorkingTree {
        manifest: PathBuf,
        line: usize,
        path: String,
    },
}

/// Finds the path dependencies outside `repository` of the crate in `folder`, which is inside the
/// repository. Dependencies inside it are followed. The result is in the order of the names. `read`
/// returns the text of a file by its absolute path.
pub(crate) fn find_outside(
    repository: &Path,
    folder: &Path,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<BTreeSet<PathBuf>, PathError> {
    let mut walk = ManifestWalk {
        repository,
        read,
        seen: BTreeSet::new(),
        open: vec![folder.to_owned()],
    };
    while let Some(folder) = walk.open.pop() {
        if walk.seen.insert(folder.clone()) {
            walk.follow_manifest(&folder)?;
        }
    }
    Ok(walk
        .seen
        .into_iter()
        .filter(|folder| !folder.starts_with(repository))
        .collect())
}

struct ManifestWalk<'a> {
    repository: &'a Path,
    read: &'a dyn Fn(&Path) -> Option<String>,
    seen: BTreeSet<PathBuf>,
    open: Vec<PathBuf>,
}

/// Folder and text of a manifest, for finding lines in it.
struct ManifestSource<'a> {
    folder: &'a Path,
    text: &'a str,
}

impl ManifestWalk<'_> {
    fn read_text(&self, folder: &Path) -> Option<String> {
        (self.read)(&folder.join("Cargo.toml"))
    }

    /// Follows the dependencies of one manifest. A manifest that cannot be read is left to cargo,
    /// whose message is better.
    fn follow_manifest(&mut self, folder: &Path) -> Result<(), PathError> {
        let Some(text) = self.read_text(folder) else {
            return Ok(());
        };
        let Ok(manifest) = DeTable::parse(&text) else {
            return Ok(());
        };
        let manifest = manifest.get_ref();
        let source = ManifestSource {
            folder,
            text: &text,
        };
        let mut inherited = Vec::new();
        for (name, dependency) in list_dependencies(manifest) {
            match dependency.get("path") {
                Some(path) => self.follow_path(&source, path)?,
                None if dependency.get("workspace").is_some() => inherited.push(name),
                None => {}
            }
        }
        let Some(root) = self.find_workspace(folder, manifest) else {
            return Ok(());
        };
        // Of a workspace outside the repository, only the parts that the crate inherits matter. The
        // rest may change at any time.
        if root != folder && root.starts_with(self.repository) {
            self.open.push(root.clone());
        }
        let Some(text) = self.read_text(&root) else {
            return Ok(());
        };
        let Ok(manifest) = DeTable::parse(&text) else {
            return Ok(());
        };
        let shared = manifest
            .get_ref()
            .get("workspace")
            .and_then(|workspace| workspace.get_ref().get("dependencies"));
        for name in inherited {
            let path = shared
                .and_then(|shared| shared.get_ref().get(name))
                .and_then(|entry| entry.get_ref().get("path"));
            if let Some(path) = path {
                self.follow_path(
                    &ManifestSource {
                        folder: &root,
                        text: &text,
                    },
                    path,
                )?;
            }
        }
        Ok(())
    }

    /// Finds the folder of the workspace to which a manifest belongs.
    fn find_workspace(&self, folder: &Path, manifest: &DeTable) -> Option<PathBuf> {
        if manifest.contains_key("workspace") {
            return Some(folder.to_owned());
        }
        let named = manifest
            .get("package")
            .and_then(|package| package.get_ref().get("workspace"));
        if let Some(named) = named.and_then(|named| named.get_ref().as_str()) {
            return Some(normalise_path(&folder.join(named)));
        }
        let is_root = |folder: &&Path| {
            let text = self.read_text(folder).unwrap_or_default();
            DeTable::parse(&text).is_ok_and(|manifest| manifest.get_ref().contains_key("workspace"))
        };
        // Folders above the repository are not visible to the commit's files.
        let inside = folder.starts_with(self.repository);
        let above = folder
            .ancestors()
            .skip(1)
            .take_while(|above| !inside || above.starts_with(self.repository));
        above.into_iter().find(is_root).map(Path::to_owned)
    }

    fn follow_path(
        &mut self,
        source: &ManifestSource,
        path: &Spanned<DeValue>,
    ) -> Result<(), PathError> {
        let Some(text) = path.get_ref().as_str() else {
            return Ok(());
        };
        let folder = normalise_path(&source.folder.join(text));
        let from_inside = source.folder.starts_with(self.repository);
        let to_inside = folder.starts_with(self.repository);
        let relative = !Path::new(text).is_absolute();
        let place = || {
            let name = source.folder.join("Cargo.toml");
            let manifest = name
                .strip_prefix(self.repository)
                .unwrap_or(&name)
                .to_owned();
            let line = 1 + source.text[..path.span().start].matches('\n').count();
            (manifest, line, text.to_owned())
        };
        if from_inside && relative && !to_inside {
            let (manifest, line, path) = place();
            return Err(PathError::Leaves {
                manifest,
                line,
                path,
            });
        }
        if to_inside && !(from_inside && relative) {
            let (manifest, line, path) = place();
            return Err(PathError::WorkingTree {
                manifest,
                line,
                path,
            });
        }
        self.open.push(folder);
        Ok(())
    }
}

/// Lists all entries of a manifest that may have a path, with their names.
fn list_dependencies<'a, 'i>(manifest: &'a DeTable<'i>) -> Vec<(&'a str, &'a DeValue<'i>)> {
    const KINDS: [&str; 5] = [
        "dependencies",
        "dev-dependencies",
        "dev_dependencies",
        "build-dependencies",
        "build_dependencies",
    ];
    let inner = |table: &'a DeTable<'i>, name: &str| {
        table.get(name).and_then(|value| value.get_ref().as_table())
    };
    let mut tables: Vec<&DeTable> = KINDS
        .iter()
        .filter_map(|kind| inner(manifest, kind))
        .collect();
    for target in inner(manifest, "target")
        .into_iter()
        .flat_map(|targets| targets.values())
    {
        let target = target.get_ref().as_table();
        tables.extend(
            target
                .into_iter()
                .flat_map(|target| KINDS.iter().filter_map(|kind| inner(target, kind))),
        );
    }
    tables.extend(inner(manifest, "replace"));
    let patches = inner(manifest, "patch")
        .into_iter()
        .flat_map(|patches| patches.values());
    tables.extend(patches.filter_map(|patch| patch.get_ref().as_table()));
    let entries = tables.into_iter().flat_map(|table| table.iter());
    entries
        .map(|(name, value)| (name.get_ref().as_ref(), value.get_ref()))
        .collect()
}

/// Removes `.` and `..` from a path textually.
pub(crate) fn normalise_path(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Computes a hash over the files of a folder, without those of cargo and git, and over the
/// manifests above it.
pub(crate) fn hash_content(folder: &Path) -> std::io::Result<String> {
    let mut list = String::new();
    for above in folder
        .ancestors()
        .skip(1)
        .map(|above| above.join("Cargo.toml"))
        .filter(|file| file.is_file())
    {
        list.push_str(&format!(
            "{}\0{}\n",
            above.display(),
            crate::hash::file(&above)?
        ));
    }
    let mut open = vec![folder.to_owned()];
    let mut files = BTreeSet::new();
    while let Some(folder) = open.pop() {
        let is_crate = folder.join("Cargo.toml").is_file();
        for entry in std::fs::read_dir(&folder)? {
            let (path, kind, name) = entry
                .and_then(|entry| Ok((entry.path(), entry.file_type()?, entry.file_name())))?;
            if kind.is_dir() && name != ".git" && !(is_crate && name == "target") {
                open.push(path);
            } else if !kind.is_dir() {
                files.insert((path, kind.is_symlink()));
            }
        }
    }
    for (path, is_link) in files {
        let what = match is_link {
            true => std::fs::read_link(&path)?.display().to_string(),
            false if path.is_file() => crate::hash::file(&path)?,
            // A socket or a pipe is no input, and reading it might never end.
            false => continue,
        };
        list.push_str(&format!("{}\0{what}\n", path.display()));
    }
    Ok(crate::hash::text(&list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn check_outside(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let files: BTreeMap<PathBuf, String> = files
            .iter()
            .map(|(name, text)| (Path::new(name).join("Cargo.toml"), (*text).to_owned()))
            .collect();
        let read = |path: &Path| files.get(path).cloned();
        let found = find_outside(Path::new("/r"), Path::new("/r/plugins/p"), &read)
            .map_err(|error| error.to_string())?;
        Ok(found
            .iter()
            .map(|folder| folder.display().to_string())
            .collect())
    }

    #[test]
    fn paths_inside_are_followed_and_absolute_ones_outside_listed() {
        let found = check_outside(&[
            (
                "/r/plugins/p",
                "[dependencies]\nn = { path = '../n' }\n[target.'cfg(unix)'.dependencies]\ny.path \
                 = '/y'\n",
            ),
            (
                "/r/plugins/n",
                "[build-dependencies.x]\npath = '/x/sub/..'\n[dependencies]\np = \
                 { path = '../p' }\n",
            ),
            ("/x", "[dependencies]\nz = { path = '../z' }\n"),
        ]);
        assert_eq!(
            found,
            Ok(vec!["/x".to_owned(), "/y".to_owned(), "/z".to_owned()])
        );
    }

    #[test]
    fn path_out_of_the_repository_is_refused_with_its_line() {
        let leaves = |place: &str, path: &str| {
            Err(format!(
                "{place}: the path dependency '{path}' leaves the repository, so no commit \
                 contains it; use its absolute path, or move it into the repository"
            ))
        };
        let own = check_outside(&[(
            "/r/plugins/p",
            "[package]\nname = 'p'\n[dependencies]\nq = { path = '../../../q' }\n",
        )]);
        assert_eq!(own, leaves("plugins/p/Cargo.toml:4", "../../../q"));
        let inherited = [
            ("/r/plugins/p", "[dependencies]\nq.workspace = true\n"),
            (
                "/r",
                "[workspace]\n\n[workspace.dependencies]\nunused = { path = '../u' }\nq = \
                 { path = '../q' }\n",
            ),
        ];
        assert_eq!(check_outside(&inherited), leaves("Cargo.toml:5", "../q"));
        let patched = [
            ("/r/plugins/p", ""),
            (
                "/r",
                "[workspace]\n[patch.crates-io]\nq = { path = '../q' }\n",
            ),
        ];
        assert_eq!(check_outside(&patched), leaves("Cargo.toml:3", "../q"));
    }

    #[test]
    fn working_tree_is_no_dependency_of_a_commit() {
        let error = check_outside(&[(
            "/r/plugins/p",
            "[dependencies]\nn = { path = '/r/plugins/n' }\n",
        )])
        .expect_err("refused");
        assert!(
            error.starts_with("plugins/p/Cargo.toml:2:") && error.contains("working tree"),
            "{error}"
        );
    }
}
