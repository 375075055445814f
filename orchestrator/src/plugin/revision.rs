//! Plugins at a commit: built in the build worktree, or taken from the cache.

use super::artefacts::{self, ArtefactLookup, BuildIngredients, CachedArtefact, CompilerLookup};
use super::build::{self, FailureCause, PluginFailure, PreparedPlugin};
use super::cargo::{self, BuildError, BuildWatcher, CrateSource, PathOrigin};
use super::command::{self, BuildCommand, CommandBuilt};
use super::overlay::Overlay;
use super::{PluginSource, PluginSpec, advice, bench_crate, build_group, elf, lent_lock, manifest};
use crate::cache;
use crate::cache::artefact;
use crate::file;
use crate::git::commit::CommitFiles;
use crate::git::worktree::{self, BuildWorktree};
use crate::git::{self, GitState, Revision};
use crate::model::warning::BuildNote;
use obstacle::BuildObstacle;
use orch_core::protocol::Phase;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod failure;
mod obstacle;

/// Prepares a plugin at a commit. `root` is the project's folder, where relative paths begin. A
/// plugin outside the commit's repository, or one that is given as a file, is taken in its present
/// state; [`PreparedPlugin::at`] shows which case applies.
pub(crate) fn prepare_at_commit(
    key: &str,
    spec: &PluginSpec,
    root: &Path,
    revision: &Revision,
    watch: &mut BuildWatcher,
) -> Result<PreparedPlugin, PluginFailure> {
    let Some(place) = find_source(spec, root, revision) else {
        return build::prepare_plugin(key, spec, watch);
    };
    let within = place.shown_folder();
    let failed = |obstacle: BuildObstacle| {
        let message = match obstacle.cause {
            FailureCause::Plugin => explain_failure(&within, revision, &obstacle.message),
            FailureCause::Cache => obstacle.message,
        };
        PluginFailure::new(Phase::Build, message).with_cause(obstacle.cause)
    };
    let order =
        BuildOrder::new(key, spec, revision, place, CompilerLookup::Anew).map_err(failed)?;
    let cached = order.find_cached().map_err(|error| failed(error.into()))?;
    let (entry, library) = match cached {
        ArtefactLookup::Found(entry, library) => (entry, library),
        ArtefactLookup::Absent => order.build(watch).map_err(failed)?,
        ArtefactLookup::Damaged(damaged) => {
            (watch.show)(&format!("{damaged}; the plugin is built again"));
            order.build(watch).map_err(failed)?
        }
    };
    let refused = |message: String| PluginFailure::new(Phase::Load, message);
    let inspected = elf::inspect_library(&library).map_err(|message| {
        refused(format!(
            "{} at {}: {message}",
            within.display(),
            revision.short()
        ))
    })?;
    let note = order
        .is_named_in(&library)
        .then_some(BuildNote::WorktreePath);
    let sandbox = spec.sandbox.clone().resolve_paths().with_linked(&library);
    Ok(PreparedPlugin {
        note,
        path: library.clone(),
        library,
        hash: entry.hash,
        builtin: None,
        flags: entry.flags,
        cpu_features: inspected.cpu_features,
        own_allocator: inspected.own_allocator,
        git: GitState::from_revision(revision),
        at: Some(revision.commit.clone()),
        env: spec.env.clone(),
        sandbox,
        named_are_open: true,
        params: std::collections::HashMap::new(),
        folder: spec.folder.clone(),
    })
}

/// Returns whether [`prepare_at_commit`] would find the plugin in the cache. This query and the
/// next two are fast enough for hundreds of commits, because they use the compiler versions that
/// this process looked up last.
pub(crate) fn is_kept(key: &str, spec: &PluginSpec, root: &Path, revision: &Revision) -> bool {
    let Some(place) = find_source(spec, root, revision) else {
        return true;
    };
    let order = BuildOrder::new(key, spec, revision, place, CompilerLookup::Remembered);
    order.is_ok_and(|order| matches!(order.find_cached(), Ok(ArtefactLookup::Found(..))))
}

/// Finds the message of [`prepare_at_commit`] if the last build failed and a new one would fail
/// again. A long message is shortened.
pub(crate) fn find_known_failure(
    key: &str,
    spec: &PluginSpec,
    root: &Path,
    revision: &Revision,
) -> Option<String> {
    let place = find_source(spec, root, revision)?;
    let within = place.shown_folder();
    let order = BuildOrder::new(key, spec, revision, place, CompilerLookup::Remembered).ok()?;
    let message = failure::find_message(&order.compute_cache_key().ok()?)?;
    Some(explain_failure(&within, revision, &message))
}

/// Finds the duration of the checkout and the build, if there was a build.
pub(crate) fn find_build_time(
    key: &str,
    spec: &PluginSpec,
    root: &Path,
    revision: &Revision,
) -> Option<Duration> {
    let place = find_source(spec, root, revision)?;
    let order = BuildOrder::new(key, spec, revision, place, CompilerLookup::Remembered).ok()?;
    let entry = artefacts::read_entry(&order.compute_cache_key().ok()?).ok()??;
    entry.took_ms.map(Duration::from_millis)
}

/// Adds the plugin's folder and the commit to a message.
fn explain_failure(within: &Path, revision: &Revision, message: &str) -> String {
    let name = if within.as_os_str().is_empty() {
        Path::new(".")
    } else {
        within
    };
    format!(
        "{} at {} ({}): {message}",
        name.display(),
        revision.short(),
        revision.subject
    )
}

/// Explains why a plugin is the same at every commit; returns `None` if its source is in the
/// commit's repository.
pub(crate) fn explain_independence(
    spec: &PluginSpec,
    root: &Path,
    revision: &Revision,
) -> Option<String> {
    if find_source(spec, root, revision).is_some() {
        return None;
    }
    let source = &spec.source;
    let (folder, own) = (root.join(source.folder()), &revision.repository);
    let why = match (source, git::find_root(&folder)) {
        (PluginSource::File(path), _) => format!("is the file {}", path.display()),
        (PluginSource::Builtin { .. }, _) => "is part of orch".to_owned(),
        (_, Some(other)) if folder.starts_with(own) => {
            format!(
                "is in the repository {}, inside of {}",
                other.display(),
                own.display()
            )
        }
        _ => format!(
            "is in {}, outside of the repository {}",
            folder.display(),
            own.display()
        ),
    };
    Some(format!("{why}: it is the same at every commit"))
}

/// Place of a plugin's source at a commit.
#[derive(Debug, Clone)]
enum SourcePlace {
    /// This folder of the commit.
    Commit(PathBuf),
    /// The present state of this folder, laid over the commit.
    Overlay(PathBuf),
}

impl SourcePlace {
    fn shown_folder(&self) -> PathBuf {
        match self {
            Self::Commit(within) => within.clone(),
            Self::Overlay(folder) => folder.clone(),
        }
    }
}

/// Finds the place of a plugin's source at a commit; `None` if the commit does not affect it.
fn find_source(spec: &PluginSpec, root: &Path, revision: &Revision) -> Option<SourcePlace> {
    if spec.overlay.is_some() && spec.source.is_built() {
        return Some(SourcePlace::Overlay(
            std::path::absolute(root.join(spec.source.folder())).ok()?,
        ));
    }
    find_folder_within(&spec.source, root, revision).map(SourcePlace::Commit)
}

/// Finds the folder of a plugin inside the commit's repository; `None` if it is outside.
fn find_folder_within(source: &PluginSource, root: &Path, revision: &Revision) -> Option<PathBuf> {
    if !source.is_built() {
        return None;
    }
    let folder = manifest::normalise_path(&std::path::absolute(root.join(source.folder())).ok()?);
    // The folder may have been removed since then, but one of the folders above it exists.
    let existing = folder.ancestors().find(|folder| folder.exists())?;
    let folder = existing
        .canonicalize()
        .ok()?
        .join(folder.strip_prefix(existing).ok()?);
    // A repository inside this one has commits of its own.
    let same = git::find_root(&folder).as_deref() == Some(&revision.repository);
    same.then(|| {
        folder
            .strip_prefix(&revision.repository)
            .ok()
            .map(Path::to_owned)
    })?
}

/// Finds the folder of the build worktree of a commit's repository.
pub(crate) fn find_place(revision: &Revision) -> io::Result<PathBuf> {
    let cached = cache::subfolder("worktrees")?.canonicalize()?;
    worktree::locate_place(&cached, revision).map_err(io::Error::other)
}

/// One plugin to be built at one commit.
struct BuildOrder<'a> {
    key: &'a str,
    source: &'a PluginSource,
    revision: &'a Revision,
    /// The plugin's folder inside the repository; for an overlay the repository's root, which
    /// determines the toolchain.
    within: PathBuf,
    overlay: Option<Overlay>,
    contents: CommitFiles,
    /// Folder of the worktree and of the files that belong to it.
    place: PathBuf,
    /// Everything that determines the library, except for lent Cargo.locks.
    ingredients: BuildIngredients,
}

impl<'a> BuildOrder<'a> {
    /// Returns whether a library contains the path of the folder in which it was built, which will
    /// later hold the files of another commit.
    fn is_named_in(&self, library: &Path) -> bool {
        let files = worktree::locate_files(&self.place).display().to_string();
        elf::read_library(library).is_ok_and(|bytes| elf::loads_text(&bytes, files.as_bytes()))
    }

    fn new(
        key: &'a str,
        spec: &'a PluginSpec,
        revision: &'a Revision,
        source: SourcePlace,
        asking: CompilerLookup,
    ) -> Result<Self, BuildObstacle> {
        let (within, overlay) = match source {
            SourcePlace::Commit(within) => (within, None),
            SourcePlace::Overlay(folder) => (
                PathBuf::new(),
                Some(Overlay::read(&folder, &revision.repository)?),
            ),
        };
        let contents =
            CommitFiles::open(revision).map_err(|error| format!("git: {}", error.message()))?;
        if !contents.has_folder(&within) {
            let message = format!(
                "{} does not exist at {}; name a commit that contains it, or leave out the plugin",
                within.display(),
                revision.short()
            );
            return Err(message.into());
        }
        let place = find_place(revision)?;
        std::fs::create_dir_all(&place)?;
        let ingredients = BuildIngredients::new();
        let mut order = Self {
            key,
            source: &spec.source,
            revision,
            within,
            overlay,
            contents,
            place,
            ingredients,
        };
        order.gather_ingredients(asking)?;
        Ok(order)
    }

    fn gather_ingredients(&mut self, asking: CompilerLookup) -> Result<(), BuildObstacle> {
        self.ingredients.add("commit", &self.revision.commit);
        self.ingredients
            .add("folder", &self.within.to_string_lossy());
        if let Some(overlay) = &self.overlay {
            self.ingredients.add("overlay", &overlay.hash_content()?);
        }
        let (toolchain, file) = self.prepare_toolchain_folder()?;
        let explained = |error: BuildError| match (&error, &file) {
            (BuildError::Failed { output, .. }, Some(file)) if advice::lacks_toolchain(output) => {
                format!(
                    "{error}\nhint: {}",
                    advice::advise_toolchain(&file.display().to_string())
                )
            }
            _ => error.to_string(),
        };
        match self.source {
            PluginSource::Crate { cpu, bench, .. } => {
                if let Some(bench) = bench {
                    self.ingredients.add("bench", &bench.to_string_lossy());
                    self.ingredients.add("criterion", bench_crate::hash_shim());
                }
                let outside = self.find_outside()?;
                self.ingredients.add(
                    "crate",
                    &cargo::list_flags(
                        PathOrigin::Folder {
                            source: &worktree::locate_files(&self.place),
                            plugin: &self.place,
                        },
                        cpu,
                    )
                    .join("\n"),
                );
                self.ingredients.add("profile", "release");
                self.ingredients.add(
                    "rust",
                    &artefacts::look_up_rust_versions(&toolchain, cpu, asking, explained)?,
                );
                for folder in outside {
                    let read = || {
                        Ok(manifest::hash_content(&folder)
                            .unwrap_or_else(|error| error.to_string()))
                    };
                    let content = artefacts::remember_answer("content", &folder, asking, read)?;
                    self.ingredients.add(&folder.to_string_lossy(), &content);
                }
            }
            PluginSource::Command { command, .. } => {
                self.ingredients.add("command", command);
                self.ingredients.add(
                    "flags",
                    &command::format_compiler_flags(Path::new("/source"), Path::new("/plugin")),
                );
                let header = cache::include_folder()?;
                self.ingredients.add("header", &header.to_string_lossy());
                // The command may or may not call cargo.
                self.ingredients.add(
                    "rust",
                    &artefacts::look_up_rust_versions(&toolchain, "native", asking, explained)
                        .unwrap_or_default(),
                );
            }
            PluginSource::File(_) | PluginSource::Builtin { .. } => {}
        }
        self.ingredients
            .add("c", &artefacts::look_up_c_version(&toolchain, asking));
        Ok(())
    }

    /// Finds the path dependencies outside the repository. Fails if the commit lacks a file that it
    /// should contain.
    fn find_outside(&self) -> Result<std::collections::BTreeSet<PathBuf>, String> {
        if let Some(overlay) = &self.overlay {
            return overlay.find_outside();
        }
        let repository = &self.revision.repository;
        let read = |path: &Path| match path.strip_prefix(repository) {
            Ok(name) => self.contents.read_text(name),
            Err(_) => file::read_text(path, file::MOST_TEXT_BYTES).ok(),
        };
        manifest::find_outside(repository, &repository.join(&self.within), &read)
            .map_err(|error| error.to_string())
    }

    /// Prepares a folder in which rustup chooses the commit's compiler. Returns it with the file of
    /// the commit that selects the compiler. With this folder, the result of a build can be looked
    /// up without a checkout.
    fn prepare_toolchain_folder(&self) -> io::Result<(PathBuf, Option<PathBuf>)> {
        for file in self
            .within
            .ancestors()
            .flat_map(|folder| advice::TOOLCHAIN_FILES.map(|name| folder.join(name)))
        {
            let Some(text) = self.contents.read_text(&file) else {
                continue;
            };
            let name = file.file_name().unwrap_or_default();
            let folder = self
                .place
                .join(format!("toolchain-{}", &crate::hash::text(&text)[..16]));
            let there = file::read_text(&folder.join(name), file::MOST_TEXT_BYTES);
            if there.is_ok_and(|there| there == text) {
                return Ok((folder, Some(file)));
            }
            std::fs::create_dir_all(&folder)?;
            file::write_whole(&folder.join(name), text.as_bytes())?;
            return Ok((folder, Some(file)));
        }
        Ok((self.place.clone(), None))
    }

    /// Lists the folders, from the plugin's own upwards, that may be a workspace without a
    /// Cargo.lock in the commit.
    fn list_unlocked_folders(&self) -> impl Iterator<Item = PathBuf> {
        let own = self.overlay.is_none();
        let unlocked = move |folder: &&Path| {
            own && self
                .contents
                .read_text(&folder.join("Cargo.lock"))
                .is_none()
        };
        self.within
            .ancestors()
            .filter(unlocked)
            .map(|folder| worktree::locate_files(&self.place).join(folder))
    }

    /// Lists the places in the cache where the completed Cargo.lock of a bench file may be: one for
    /// each folder that may be the root of the package's workspace.
    fn list_bench_locks(&self, bench: &Path) -> io::Result<Vec<PathBuf>> {
        let files = worktree::locate_files(&self.place);
        let package = manifest::normalise_path(&files.join(&self.within));
        let locate = |folder: &Path| {
            let workspace = manifest::normalise_path(&files.join(folder));
            let (root, _) = bench_crate::locate_bench_crate(&workspace, &package, bench);
            let seed = self.contents.read_text(&folder.join("Cargo.lock"));
            lent_lock::locate_seeded_lock(&root, seed.as_deref())
        };
        self.within.ancestors().map(locate).collect()
    }

    /// Computes the key of the artefact in the cache. The lent Cargo.locks are part of the key,
    /// because they depend on earlier builds.
    fn compute_cache_key(&self) -> io::Result<String> {
        let mut all = self.ingredients.clone();
        if let PluginSource::Crate { bench, .. } = self.source {
            if let Some(bench) = bench {
                for lock in self.list_bench_locks(bench)? {
                    all.add("lock", &crate::hash::file(&lock).unwrap_or_default());
                }
            }
            for folder in self.list_unlocked_folders() {
                // Joining the empty name of the root would add a slash, which cargo's names do not
                // have.
                let lock = crate::hash::file(&lent_lock::locate_kept_lock(
                    &manifest::normalise_path(&folder),
                )?);
                all.add("lock", &lock.unwrap_or_default());
            }
        }
        Ok(all.key())
    }

    fn find_cached(&self) -> io::Result<ArtefactLookup> {
        let found = artefacts::find_artefact(&self.compute_cache_key()?)?;
        // Sources outside the repository belong to no commit, so they are not part of the key.
        let is_current = |entry: &CachedArtefact| {
            entry
                .outside
                .iter()
                .all(|(path, content)| command::read_content(path) == *content)
        };
        Ok(match found {
            ArtefactLookup::Found(entry, _) if !is_current(&entry) => ArtefactLookup::Absent,
            found => found,
        })
    }

    fn build(&self, watch: &mut BuildWatcher) -> Result<(CachedArtefact, PathBuf), BuildObstacle> {
        let waiting = || (watch.show)("waiting: another orch builds a commit of this repository");
        let Some(held) = BuildWorktree::lock(&self.place, waiting, watch.stop)? else {
            return Err("stopped while waiting for another build".to_owned().into());
        };
        // The process that held the lock may have built the same artefact.
        if let ArtefactLookup::Found(entry, library) = self.find_cached()? {
            return Ok((entry, library));
        }
        build_group::end_leftover_build(&self.place);
        let began = Instant::now();
        held.check_out(self.revision)?;
        for folder in self.list_unlocked_folders() {
            // orch may have been killed during a build before it took a lent lock back.
            let _ = std::fs::remove_file(folder.join("Cargo.lock"));
        }
        let before = self.compute_cache_key()?;
        let mut watch = BuildWatcher {
            show: &mut *watch.show,
            stop: watch.stop,
            note: Some(&self.place),
        };
        let built = self.run_build(&held.root(), &mut watch);
        // The build may have changed the lent Cargo.lock. Either version leads to this artefact.
        let keys = [before, self.compute_cache_key()?];
        let (built, outside) = built.inspect_err(|error| {
            // A build that was stopped looks like one that failed.
            if !(watch.stop)() && failure::is_permanent(error) {
                // If the entry cannot be stored, the only consequence is another build.
                let _ = keys
                    .iter()
                    .try_for_each(|key| failure::store_failure(key, &error.to_string()));
            }
        })?;
        let hash = crate::hash::file(&built.library)?;
        let library = std::path::absolute(artefact::keep(&built.library, &hash)?.path)?;
        let entry = CachedArtefact {
            hash,
            bytes: library.metadata()?.len(),
            flags: built.flags,
            outside,
            took_ms: u64::try_from(began.elapsed().as_millis()).ok(),
        };
        for key in keys {
            artefacts::store_entry(&key, &entry)?;
            failure::forget_failure(&key)?;
        }
        Ok((entry, library))
    }

    fn run_build(
        &self,
        root: &Path,
        watch: &mut BuildWatcher,
    ) -> Result<(cargo::BuiltLibrary, BTreeMap<PathBuf, String>), BuildError> {
        let folder = match &self.overlay {
            Some(overlay) => {
                let identity =
                    crate::hash::text(&format!("{}\0{}", self.key, self.source.folder().display()));
                let folder = self.place.join("overlay").join(&identity[..16]);
                overlay
                    .copy_into(&folder, root)
                    .map_err(BuildError::Nothing)?;
                folder
            }
            None => manifest::normalise_path(&root.join(&self.within)),
        };
        let origin = PathOrigin::Folder {
            source: root,
            plugin: &folder,
        };
        match self.source {
            PluginSource::Crate { cpu, bench, .. } => {
                let source = CrateSource {
                    folder: &folder,
                    bench: bench.as_deref(),
                    cpu,
                };
                let built = cargo::build_crate(source, origin, None, watch)?;
                if let Some(overlay) = &self.overlay {
                    overlay.keep_lock(&folder)?;
                }
                Ok((built, BTreeMap::new()))
            }
            PluginSource::Command { command, .. } => {
                let out = self.place.join("commands");
                std::fs::create_dir_all(&out)?;
                let identity = crate::hash::text(&format!(
                    "{}\0{}\0{command}",
                    self.key,
                    self.within.display()
                ));
                let out = out.join(format!("{}.so", &identity[..32]));
                let include = cache::include_folder()?;
                let order = BuildCommand {
                    folder: &folder,
                    source: root,
                    line: command,
                    out: &out,
                    include: &include,
                };
                let CommandBuilt { built, outside, .. } =
                    command::build_with_command(&order, watch)?;
                Ok((built, outside))
            }
            PluginSource::File(path) => Ok((
                cargo::BuiltLibrary {
                    library: path.clone(),
                    lock: None,
                    flags: Vec::new(),
                },
                BTreeMap::new(),
            )),
            PluginSource::Builtin { .. } => {
                Err(BuildError::Nothing("it is part of orch".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
