//! The crate that orch writes around a bench file for criterion, so that cargo builds the unchanged
//! file as a plugin.

mod manifest_text;
mod package_facts;
mod shim;

use super::cargo::{self, BuildError, BuildWatcher};
use super::manifest::normalise_path;
use crate::file;
use package_facts::PackageFacts;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use package_facts::PackageSurvey;
pub(super) use shim::hash_shim;

/// File that the build script reads: the package's own variables.
const VARIABLES: &str = "variables";

/// A crate around a bench file, written and ready to be built.
pub(super) struct BenchCrate {
    /// Folder of the crate.
    pub(super) folder: PathBuf,
    /// The user's Cargo.lock, whose versions the crate uses.
    pub(super) seed: Option<String>,
}

/// Returns the root and the folder of the crate around a bench file. `workspace` is the root of the
/// user's workspace, `package` the folder of the package, `bench` the file relative to it.
pub(super) fn locate_bench_crate(
    workspace: &Path,
    package: &Path,
    bench: &Path,
) -> (PathBuf, PathBuf) {
    let inside = package.strip_prefix(workspace).unwrap_or(package);
    let name = match inside.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "package".to_owned(),
    };
    let identity = crate::hash::text(&inside.to_string_lossy());
    let root = workspace
        .join("target/orch/benches")
        .join(format!("{name}-{}", &identity[..8]));
    let stem = bench.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "-");
    let identity = crate::hash::text(&bench.to_string_lossy());
    let folder = root.join(format!("{stem}-{}", &identity[..8]));
    (root, folder)
}

/// Writes the crate around a bench file. Nothing outside of the target folder changes.
pub(super) fn write_bench_crate(
    workspace: &Path,
    package: &Path,
    bench: &Path,
    watch: &mut BuildWatcher,
) -> Result<BenchCrate, BuildError> {
    let package = normalise_path(package);
    let metadata = query_metadata(&package, watch)?;
    let facts = PackageFacts::read(&metadata, &package, bench).map_err(BuildError::Nothing)?;
    let (root, folder) = locate_bench_crate(workspace, &package, bench);
    let source = facts
        .target
        .required_source(&package)
        .map_err(BuildError::Nothing)?;
    let user_root = read_manifest(&workspace.join("Cargo.toml"))?;
    let shim = shim::write_shim()?;
    let place = manifest_text::CratePlace {
        folder: &folder,
        package: &package,
        workspace,
        shim: &shim,
        source: &source,
    };
    std::fs::create_dir_all(&folder)?;
    let member = folder.file_name().unwrap_or_default().to_string_lossy();
    write_changed(
        &root.join("Cargo.toml"),
        &manifest_text::compose_root(&member, &user_root, workspace, &facts.target.edition),
    )?;
    write_changed(
        &folder.join("Cargo.toml"),
        &manifest_text::compose_crate(&facts, &place),
    )?;
    write_changed(
        &folder.join(VARIABLES),
        &manifest_text::compose_variables(&facts, &package),
    )?;
    let seed = file::read_text(&workspace.join("Cargo.lock"), file::MOST_TEXT_BYTES).ok();
    Ok(BenchCrate { folder, seed })
}

/// Finds the library and the bench files for criterion of a package, or of all packages of a
/// workspace.
///
/// # Errors
/// Cargo cannot read the manifests.
pub(crate) fn survey_packages(folder: &Path) -> Result<PackageSurvey, BuildError> {
    let folder = normalise_path(folder);
    let metadata = query_metadata(&folder, &mut BuildWatcher::silent(&mut |_| {}))?;
    PackageSurvey::read(&metadata, &folder).map_err(BuildError::Nothing)
}

/// Queries the packages of a workspace from cargo, as JSON.
fn query_metadata(package: &Path, watch: &mut BuildWatcher) -> Result<String, BuildError> {
    let manifest = package.join("Cargo.toml");
    let mut command = cargo::create_clean_command("cargo");
    command
        .args([
            "metadata",
            "--no-deps",
            "--format-version=1",
            "--manifest-path",
        ])
        .arg(&manifest)
        .current_dir(package);
    let name = format!("cargo metadata for {}", manifest.display());
    cargo::run_build(command, &name, watch)
}

fn read_manifest(path: &Path) -> Result<toml::Table, BuildError> {
    let text = file::read_text(path, file::MOST_TEXT_BYTES)?;
    text.parse()
        .map_err(|error| BuildError::Nothing(format!("{}: {error}", path.display())))
}

/// Writes a file unless it has this content, because cargo compiles again what has a newer time.
fn write_changed(path: &Path, text: &str) -> io::Result<()> {
    if file::read_text(path, file::MOST_TEXT_BYTES).is_ok_and(|there| there == text) {
        return Ok(());
    }
    file::write_whole(path, text.as_bytes())
}
