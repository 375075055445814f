//! A plugin of the working tree that is laid over commits without it: a plugin written after the
//! commits, or one in another repository.
//!
//! The plugin's files are copied into a folder beside the build worktree. Paths of its manifest
//! into the repository under test then refer to the files of the commit. The copy is a workspace of
//! its own, so that no manifest of the commit has to list it.

use super::freshness::list_files;
use super::lent_lock;
use super::manifest::normalise_path;
use crate::file;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The present folder of a plugin, and the repository whose commits it is laid over.
pub(super) struct Overlay {
    /// The plugin's folder, without symbolic links.
    folder: PathBuf,
    /// Root of the repository under test, without symbolic links.
    repository: PathBuf,
    /// The plugin's files, relative to its folder.
    files: Vec<PathBuf>,
    workspace: Option<OverlayWorkspace>,
}

/// The workspace above a plugin's crate, from which it may inherit.
struct OverlayWorkspace {
    root: PathBuf,
    manifest: Table,
}

impl Overlay {
    pub(super) fn read(folder: &Path, repository: &Path) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("{}: {error}", folder.display());
        let folder = folder.canonicalize().map_err(unreadable)?;
        let nested = repository.starts_with(&folder) && *repository != folder;
        let files = list_files(&folder)
            .into_iter()
            .filter(|file| !(nested && file.starts_with(repository)));
        let files = files
            .filter_map(|file| file.strip_prefix(&folder).ok().map(Path::to_owned))
            .collect();
        let workspace = find_workspace(&folder)?;
        Ok(Self {
            folder,
            repository: repository.to_owned(),
            files,
            workspace,
        })
    }

    /// Computes one hash of everything that the plugin contributes to a build.
    pub(super) fn hash_content(&self) -> io::Result<String> {
        let mut list = String::new();
        for file in &self.files {
            list.push_str(&format!(
                "{}\0{}\n",
                file.display(),
                crate::hash::file(&self.folder.join(file))?
            ));
        }
        if let Some(workspace) = &self.workspace {
            list.push_str(&workspace.manifest.to_string());
        }
        let lock = self
            .find_lock()?
            .map(|lock| crate::hash::file(&lock))
            .transpose()?;
        list.push_str(&lock.unwrap_or_default());
        Ok(crate::hash::text(&list))
    }

    /// Finds the Cargo.lock with which every build begins: the plugin's own one, or else that of an
    /// earlier build.
    fn find_lock(&self) -> io::Result<Option<PathBuf>> {
        let own = self
            .workspace
            .as_ref()
            .map_or(&self.folder, |workspace| &workspace.root)
            .join("Cargo.lock");
        if own.is_file() {
            return Ok(Some(own));
        }
        let kept = lent_lock::locate_kept_lock(&self.folder)?;
        Ok(lent_lock::read_kept_lock(&kept).map(|_| kept))
    }

    /// Finds the folders that the plugin's manifest names and that belong neither to the plugin nor
    /// to the repository.
    pub(super) fn find_outside(&self) -> Result<BTreeSet<PathBuf>, String> {
        let mut found = BTreeSet::new();
        self.resolve_manifest(&mut |path| {
            if !path.starts_with(&self.repository) {
                found.insert(path.to_owned());
            }
            path.to_owned()
        })?;
        Ok(found)
    }

    /// Copies the plugin into `target`, a separate folder. `commit` is the folder with the commit's
    /// files.
    pub(super) fn copy_into(&self, target: &Path, commit: &Path) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", target.display());
        std::fs::create_dir_all(target).map_err(failed)?;
        let own: BTreeSet<&Path> = self.files.iter().map(PathBuf::as_path).collect();
        for old in list_files(target) {
            let name = old.strip_prefix(target).unwrap_or(&old);
            if !own.contains(name) && name != Path::new("Cargo.lock") {
                std::fs::remove_file(&old).map_err(failed)?;
            }
        }
        for file in &self.files {
            let content = read_content(&self.folder.join(file)).map_err(failed)?;
            write_changed(&target.join(file), &content).map_err(failed)?;
        }
        for name in super::advice::TOOLCHAIN_FILES {
            // rustup searches above the folder in which cargo runs, and the commit's files are not
            // there.
            if let (false, Ok(text)) = (
                own.contains(Path::new(name)),
                read_content(&commit.join(name)),
            ) {
                write_changed(&target.join(name), &text).map_err(failed)?;
            }
        }
        if own.contains(Path::new("Cargo.toml")) {
            let relocated = |path: &Path| match path.strip_prefix(&self.repository) {
                Ok(inside) => normalise_path(&commit.join(inside)),
                Err(_) => path.to_owned(),
            };
            let manifest = self.resolve_manifest(&mut |path| relocated(path))?;
            write_changed(&target.join("Cargo.toml"), manifest.to_string().as_bytes())
                .map_err(failed)?;
            let lock = target.join("Cargo.lock");
            match self.find_lock().map_err(failed)? {
                Some(base) => {
                    write_changed(&lock, &read_content(&base).map_err(failed)?).map_err(failed)?
                }
                None => drop(std::fs::remove_file(lock)),
            }
        }
        Ok(())
    }

    /// Stores the Cargo.lock of a build if the plugin has none, so that later builds begin with
    /// that file.
    pub(super) fn keep_lock(&self, target: &Path) -> io::Result<()> {
        let lock = target.join("Cargo.lock");
        if lock.is_file() && self.find_lock()?.is_none() {
            let kept = lent_lock::locate_kept_lock(&self.folder)?;
            lent_lock::keep_lock(&lock, &kept)?;
        }
        Ok(())
    }

    /// Returns a self-contained manifest of the plugin: it inherits nothing, and `relocate` has
    /// replaced each absolute path outside the plugin.
    fn resolve_manifest(
        &self,
        relocate: &mut dyn FnMut(&Path) -> PathBuf,
    ) -> Result<Table, String> {
        let file = self.folder.join("Cargo.toml");
        let Ok(text) = file::read_text(&file, file::MOST_TEXT_BYTES) else {
            return Ok(Table::new());
        };
        let mut manifest: Table = parse_manifest(&text, &file)?;
        if let Some(workspace) = &self.workspace {
            inherit_fields(&mut manifest, &workspace.manifest);
            for name in ["profile", "patch"] {
                if let Some(part) = workspace.manifest.get(name) {
                    manifest.insert(
                        name.to_owned(),
                        make_absolute(part.clone(), &workspace.root),
                    );
                }
            }
            manifest.insert("workspace".to_owned(), Table::new().into());
            inherit_dependencies(&mut manifest, workspace);
        }
        // Only the library is built, so the dependencies of tests must not affect the versions.
        manifest.remove("dev-dependencies");
        manifest
            .entry("workspace")
            .or_insert_with(|| Table::new().into());
        let own = |path: &Path| {
            let is_nested =
                self.repository.starts_with(&self.folder) && path.starts_with(&self.repository);
            path.starts_with(&self.folder) && (!is_nested || self.repository == self.folder)
        };
        for_each_dependency(&mut manifest, &mut |dependency| {
            let Some(path) = dependency.get("path").and_then(Value::as_str) else {
                return;
            };
            let path = normalise_path(&self.folder.join(path));
            if own(&path) {
                return;
            }
            let moved = relocate(&path);
            if moved != path {
                // The version is determined by the commit.
                dependency.remove("version");
            }
            dependency.insert("path".to_owned(), moved.display().to_string().into());
        });
        Ok(manifest)
    }
}

fn parse_manifest(text: &str, file: &Path) -> Result<Table, String> {
    text.parse()
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Finds the workspace to which a crate belongs, unless the crate is a workspace itself.
fn find_workspace(folder: &Path) -> Result<Option<OverlayWorkspace>, String> {
    let read = |folder: &Path| {
        let file = folder.join("Cargo.toml");
        file::read_text(&file, file::MOST_TEXT_BYTES)
            .ok()
            .map(|text| parse_manifest(&text, &file))
            .transpose()
    };
    let Some(own) = read(folder)? else {
        return Ok(None);
    };
    if own.contains_key("workspace") {
        return Ok(None);
    }
    for above in folder.ancestors().skip(1) {
        // A broken manifest further up does not belong to the plugin.
        if let Ok(Some(manifest)) = read(above)
            && manifest.contains_key("workspace")
        {
            return Ok(Some(OverlayWorkspace {
                root: above.to_owned(),
                manifest,
            }));
        }
    }
    Ok(None)
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Fills in the fields that the package inherits from its workspace, and removes lints.
fn inherit_fields(manifest: &mut Table, workspace: &Table) {
    let shared = workspace
        .get("workspace")
        .and_then(|shared| shared.get("package"));
    if let Some(package) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        package.remove("workspace");
        let names: Vec<String> = package
            .iter()
            .filter(|(_, value)| is_inherited(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            match shared.and_then(|shared| shared.get(&name)) {
                Some(value) => package.insert(name, value.clone()),
                None => package.remove(&name),
            };
        }
    }
    manifest.remove("lints");
}

/// Replaces inherited dependencies by those of the workspace.
fn inherit_dependencies(manifest: &mut Table, workspace: &OverlayWorkspace) {
    let shared = workspace
        .manifest
        .get("workspace")
        .and_then(|shared| shared.get("dependencies"));
    for_each_entry(manifest, &mut |name, entry| {
        if !is_inherited(entry) {
            return;
        }
        let Some(base) = shared.and_then(|shared| shared.get(name)) else {
            return;
        };
        let mut merged = match make_absolute(base.clone(), &workspace.root) {
            Value::Table(table) => table,
            version => Table::from_iter([("version".to_owned(), version)]),
        };
        for (key, value) in entry
            .as_table()
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != "workspace")
        {
            match (merged.get_mut(key), value) {
                (Some(Value::Array(all)), Value::Array(more)) => all.extend(more.iter().cloned()),
                _ => drop(merged.insert(key.clone(), value.clone())),
            }
        }
        *entry = merged.into();
    });
}

/// Makes the relative path of a dependency absolute.
fn make_absolute(mut value: Value, base: &Path) -> Value {
    match &mut value {
        Value::Table(table) => {
            let names: Vec<String> = table.keys().cloned().collect();
            for name in names {
                let Some(inner) = table.get_mut(&name) else {
                    continue;
                };
                match inner.as_str().filter(|_| name == "path") {
                    Some(path) => {
                        *inner = normalise_path(&base.join(path))
                            .display()
                            .to_string()
                            .into()
                    }
                    None => *inner = make_absolute(inner.clone(), base),
                }
            }
            value
        }
        _ => value,
    }
}

/// Calls `then` with the name and value of each dependency, including those of platforms and
/// patches.
fn for_each_entry(manifest: &mut Table, then: &mut dyn FnMut(&str, &mut Value)) {
    const TABLES: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];
    let mut visit = |table: &mut Table| {
        for name in TABLES {
            for (name, entry) in table
                .get_mut(name)
                .and_then(Value::as_table_mut)
                .into_iter()
                .flatten()
            {
                then(name, entry);
            }
        }
    };
    visit(manifest);
    if let Some(shared) = manifest.get_mut("workspace").and_then(Value::as_table_mut) {
        visit(shared);
    }
    for (_, platform) in manifest
        .get_mut("target")
        .and_then(Value::as_table_mut)
        .into_iter()
        .flatten()
    {
        platform.as_table_mut().map(&mut visit);
    }
    for (_, registry) in manifest
        .get_mut("patch")
        .and_then(Value::as_table_mut)
        .into_iter()
        .flatten()
    {
        for (name, entry) in registry.as_table_mut().into_iter().flatten() {
            then(name, entry);
        }
    }
}

fn for_each_dependency(manifest: &mut Table, then: &mut dyn FnMut(&mut Table)) {
    for_each_entry(manifest, &mut |_, entry| {
        if let Some(dependency) = entry.as_table_mut() {
            then(dependency);
        }
    });
}

/// Reads a file of a plugin, which may be data.
fn read_content(path: &Path) -> io::Result<Vec<u8>> {
    file::read_bytes(path, file::MOST_RESULT_BYTES)
}

/// Writes a file unless it already has this content, because build tools compare times.
fn write_changed(path: &Path, content: &[u8]) -> io::Result<()> {
    if read_content(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_files(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
    }

    /// Returns the plugin's manifest over a commit at /c; `{root}` stands for the common parent
    /// folder.
    fn lay_over_commit(root: &Path, plugin: &str, repository: &str) -> String {
        let overlay = Overlay::read(&root.join(plugin), &root.join(repository)).expect("readable");
        let commit = root.join("commit");
        overlay
            .copy_into(&root.join("copy"), &commit)
            .expect("laid");
        let text = std::fs::read_to_string(root.join("copy/Cargo.toml")).expect("there");
        text.replace(&root.display().to_string(), "{root}")
    }

    fn create_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        crate::cache::OF_THIS_TEST.set(Some(root.join("cache")));
        (folder, root)
    }

    #[test]
    fn manifest_of_an_overlay_names_the_files_of_the_commit() {
        let (_folder, root) = create_folder();
        let manifest = "[package]\nname = 'bench'\n[dependencies]\nlib = \
            { path = '../lib', version = '2' }\nsdk = { path = 'vendor/sdk' }\nother = \
            { path = '../other' }\nserde = '1'\n[target.'cfg(unix)'.dependencies]\npart = \
            { path = '../lib/part' }\n[dev-dependencies]\ncriterion = \
            '0.5'\n[patch.crates-io]\npart = { path = '../lib/part' }\n";
        write_files(
            &root,
            &[
                ("bench/Cargo.toml", manifest),
                ("bench/src/lib.rs", ""),
                ("bench/vendor/sdk/x", ""),
                ("lib/x", ""),
                ("other/x", ""),
            ],
        );
        insta::assert_snapshot!(lay_over_commit(&root, "bench", "lib"), @r#"
        [dependencies]
        serde = "1"

        [dependencies.lib]
        path = "{root}/commit"

        [dependencies.other]
        path = "{root}/other"

        [dependencies.sdk]
        path = "vendor/sdk"

        [package]
        name = "bench"

        [patch.crates-io.part]
        path = "{root}/commit/part"

        [target."cfg(unix)".dependencies.part]
        path = "{root}/commit/part"

        [workspace]
        "#);
        let overlay = Overlay::read(&root.join("bench"), &root.join("lib")).expect("readable");
        assert_eq!(
            overlay.find_outside().expect("readable"),
            BTreeSet::from([root.join("other")])
        );
    }

    #[test]
    fn manifest_of_an_overlay_inherits_nothing() {
        let (_folder, root) = create_folder();
        let workspace = "[workspace]\nmembers = ['bench', 'core']\n[workspace.package]\nedition = \
            '2024'\n[workspace.dependencies]\ncore = { path = 'core', features = ['a'] }\nserde = \
            '1'\n[profile.release]\ndebug = true\n";
        let manifest = "[package]\nname = 'bench'\nedition.workspace = true\n[dependencies]\ncore \
            = { workspace = true, features = ['b'] }\nserde.workspace = true\n[lints]\nworkspace = \
            true\n";
        write_files(
            &root,
            &[
                ("r/Cargo.toml", workspace),
                ("r/Cargo.lock", "a lock"),
                ("r/bench/Cargo.toml", manifest),
                ("r/core/x", ""),
            ],
        );
        insta::assert_snapshot!(lay_over_commit(&root, "r/bench", "r"), @r#"
        [dependencies.core]
        features = ["a", "b"]
        path = "{root}/commit/core"

        [dependencies.serde]
        version = "1"

        [package]
        edition = "2024"
        name = "bench"

        [profile.release]
        debug = true

        [workspace]
        "#);
        assert_eq!(
            std::fs::read_to_string(root.join("copy/Cargo.lock")).expect("there"),
            "a lock"
        );
    }

    #[test]
    fn copy_follows_the_plugin_and_leaves_unchanged_files_alone() {
        let (_folder, root) = create_folder();
        write_files(
            &root,
            &[
                ("p/a", "1"),
                ("p/d/b", "1"),
                ("p/repo/x", ""),
                ("p/target/y", ""),
            ],
        );
        let overlay =
            |root: &Path| Overlay::read(&root.join("p"), &root.join("p/repo")).expect("readable");
        let lay = |root: &Path| {
            overlay(root)
                .copy_into(&root.join("copy"), &root.join("commit"))
                .expect("laid")
        };
        lay(&root);
        let first = overlay(&root).hash_content().expect("readable");
        let time = std::fs::metadata(root.join("copy/a"))
            .expect("there")
            .modified()
            .expect("a time");
        write_files(
            &root,
            &[("copy/target/kept", ""), ("p/d/b", "2"), ("p/c", "")],
        );
        std::fs::remove_file(root.join("p/d/b")).expect("removed");
        lay(&root);
        let names = |folder: &str| {
            let files = list_files(&root.join(folder)).into_iter();
            files
                .map(|file| {
                    file.strip_prefix(&root)
                        .expect("inside")
                        .display()
                        .to_string()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(names("copy"), ["copy/a", "copy/c"]);
        assert!(
            root.join("copy/target/kept").exists(),
            "what was built stays"
        );
        assert_eq!(
            std::fs::metadata(root.join("copy/a"))
                .expect("there")
                .modified()
                .expect("a time"),
            time
        );
        assert_ne!(overlay(&root).hash_content().expect("readable"), first);
    }
}
