//! The texts of the crate around a bench file. Pure.

use super::package_facts::{CRITERION, MetadataDependency, PackageFacts};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use toml::{Table, Value};

/// The package that stands in for criterion.
const SHIM: &str = "orch-criterion";
/// The build script, a file of that package.
const BUILD_SCRIPT: &str = "bench-build.rs";
/// Profile settings that are taken over from the user's workspace.
const PROFILE_SETTINGS: [&str; 9] = [
    "opt-level",
    "debug",
    "debug-assertions",
    "overflow-checks",
    "lto",
    "codegen-units",
    "incremental",
    "package",
    "build-override",
];

/// Folders of the crate and of what it depends on.
pub(super) struct CratePlace<'a> {
    pub(super) folder: &'a Path,
    pub(super) package: &'a Path,
    pub(super) workspace: &'a Path,
    /// Folder of the crate that stands in for criterion.
    pub(super) shim: &'a Path,
    /// The bench file, relative to the package.
    pub(super) source: &'a Path,
}

/// Returns the manifest of the workspace around the crate: with the user's patches and profile.
/// If the user's workspace names no resolver, the edition of the bench file decides.
pub(super) fn compose_root(member: &str, user: &Table, workspace: &Path, edition: &str) -> String {
    let mut own = Table::new();
    own.insert("members".to_owned(), vec![member.to_owned()].into());
    let resolver = inner(user, "workspace").and_then(|table| table.get("resolver"));
    let resolver = resolver.or_else(|| inner(user, "package")?.get("resolver"));
    let resolver = match (resolver, edition) {
        (Some(resolver), _) => resolver.clone(),
        (None, "2015" | "2018") => "1".into(),
        (None, "2021") => "2".into(),
        (None, _) => "3".into(),
    };
    own.insert("resolver".to_owned(), resolver);
    let mut manifest = Table::new();
    manifest.insert("workspace".to_owned(), own.into());
    if let Some(patches) = user.get("patch") {
        let mut patches = patches.clone();
        make_paths_absolute(&mut patches, workspace);
        manifest.insert("patch".to_owned(), patches);
    }
    let mut profile = Table::new();
    profile.insert("debug".to_owned(), "line-tables-only".into());
    for name in ["release", "bench"] {
        let settings = inner(user, "profile").and_then(|profiles| inner(profiles, name));
        let settings = settings.into_iter().flatten();
        let taken = settings.filter(|(name, _)| PROFILE_SETTINGS.contains(&name.as_str()));
        profile.extend(taken.map(|(name, value)| (name.clone(), value.clone())));
    }
    // A bench function is unwound when its measurement ends.
    profile.insert("panic".to_owned(), "unwind".into());
    let profiles = Table::from_iter([("release".to_owned(), Value::from(profile))]);
    manifest.insert("profile".to_owned(), profiles.into());
    render(&manifest)
}

/// Returns the manifest of the crate.
pub(super) fn compose_crate(facts: &PackageFacts, place: &CratePlace) -> String {
    let text = |text: &str| Value::from(text.to_owned());
    let member = place
        .folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let package = Table::from_iter([
        (
            "name".to_owned(),
            text(&format!("{}-bench-{member}", facts.name)),
        ),
        ("version".to_owned(), text(&facts.version)),
        ("edition".to_owned(), text(&facts.target.edition)),
        ("publish".to_owned(), false.into()),
        (
            "build".to_owned(),
            text(&place.shim.join(BUILD_SCRIPT).to_string_lossy()),
        ),
    ]);
    let library = Table::from_iter([
        (
            "path".to_owned(),
            text(&relate(place.folder, &place.package.join(place.source))),
        ),
        ("crate-type".to_owned(), vec![text("cdylib")].into()),
    ]);
    let mut manifest = Table::from_iter([
        ("package".to_owned(), package.into()),
        ("lib".to_owned(), library.into()),
    ]);
    let shim = Table::from_iter([
        ("package".to_owned(), text(SHIM)),
        ("path".to_owned(), text(&place.shim.to_string_lossy())),
    ]);
    let mut plain = Table::new();
    if facts.has_library {
        let mut own = Table::from_iter([(
            "path".to_owned(),
            text(&relate(place.folder, place.package)),
        )]);
        let features: BTreeSet<&String> = facts.target.required_features.iter().collect();
        if !features.is_empty() {
            let features: Vec<Value> = features.into_iter().map(|name| text(name)).collect();
            own.insert("features".to_owned(), features.into());
        }
        plain.insert(facts.name.clone(), own.into());
    }
    let mut by_target: Table = Table::new();
    let mut criterion = CRITERION.to_owned();
    for dependency in &facts.dependencies {
        if dependency.name == CRITERION {
            criterion = dependency.key().to_owned();
            continue;
        }
        let entry = describe_dependency(dependency, place);
        match &dependency.target {
            None => unite(&mut plain, dependency.key(), entry),
            Some(target) => {
                let table = by_target.entry(target.clone()).or_insert_with(|| {
                    Table::from_iter([("dependencies".to_owned(), Table::new().into())]).into()
                });
                if let Some(Value::Table(table)) = table.get_mut("dependencies") {
                    unite(table, dependency.key(), entry);
                }
            }
        }
    }
    plain.insert(criterion, shim.into());
    manifest.insert("dependencies".to_owned(), plain.into());
    if !by_target.is_empty() {
        manifest.insert("target".to_owned(), by_target.into());
    }
    if !facts.features.is_empty() {
        manifest.insert("features".to_owned(), list_features(facts).into());
    }
    render(&manifest)
}

/// Returns the package's variables, which `env!` in a bench file reads, one per line.
pub(super) fn compose_variables(facts: &PackageFacts, package: &Path) -> String {
    format!(
        "CARGO_MANIFEST_DIR={}\nCARGO_MANIFEST_PATH={}\nCARGO_PKG_NAME={}\n",
        package.display(),
        package.join("Cargo.toml").display(),
        facts.name
    )
}

/// Returns the features of the package, without effect: for `cfg(feature = ..)` in the bench file.
fn list_features(facts: &PackageFacts) -> Table {
    let is_on = |name: &&String| *name != "default" && facts.active.contains(*name);
    let active: Vec<Value> = facts
        .features
        .iter()
        .filter(is_on)
        .map(|name| Value::from(name.clone()))
        .collect();
    let mut features: Table = facts
        .features
        .iter()
        .map(|name| (name.clone(), Vec::<Value>::new().into()))
        .collect();
    features.insert("default".to_owned(), active.into());
    features
}

/// Returns the entry of a dependency.
fn describe_dependency(dependency: &MetadataDependency, place: &CratePlace) -> Table {
    let text = |text: &str| Value::from(text.to_owned());
    let mut entry = Table::new();
    let source = dependency.source.as_deref().unwrap_or_default();
    if let Some(path) = &dependency.path {
        let path = match path.starts_with(place.workspace) {
            true => relate(place.folder, path),
            false => path.to_string_lossy().into_owned(),
        };
        entry.insert("path".to_owned(), text(&path));
    } else if let Some(git) = source.strip_prefix("git+") {
        let git = git.split('#').next().unwrap_or_default();
        let (url, query) = git.split_once('?').unwrap_or((git, ""));
        entry.insert("git".to_owned(), text(url));
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            entry.insert(name.to_owned(), text(value));
        }
    } else {
        entry.insert("version".to_owned(), text(&dependency.req));
        let index = source
            .strip_prefix("registry+")
            .or_else(|| source.strip_prefix("sparse+"));
        if let Some(index) = index.filter(|index| !index.contains("crates.io")) {
            let index = match source.starts_with("sparse+") {
                true => source.to_owned(),
                false => index.to_owned(),
            };
            entry.insert("registry-index".to_owned(), text(&index));
        }
    }
    if dependency.rename.is_some() {
        entry.insert("package".to_owned(), text(&dependency.name));
    }
    if !dependency.uses_default_features {
        entry.insert("default-features".to_owned(), false.into());
    }
    let features: Vec<Value> = dependency.features.iter().map(|name| text(name)).collect();
    if !features.is_empty() {
        entry.insert("features".to_owned(), features.into());
    }
    entry
}

/// Adds a dependency. If it is both a dependency and a dev-dependency, the features of both count.
fn unite(table: &mut Table, key: &str, entry: Table) {
    let Some(Value::Table(there)) = table.get_mut(key) else {
        table.insert(key.to_owned(), entry.into());
        return;
    };
    if !entry.contains_key("default-features") {
        there.remove("default-features");
    }
    if let Some(Value::Array(more)) = entry.get("features") {
        let features = there
            .entry("features".to_owned())
            .or_insert_with(|| Vec::<Value>::new().into());
        if let Value::Array(features) = features {
            features.extend(more.iter().cloned());
        }
    }
}

fn inner<'a>(table: &'a Table, name: &str) -> Option<&'a Table> {
    table.get(name)?.as_table()
}

/// Makes each `path` inside a value absolute.
fn make_paths_absolute(value: &mut Value, folder: &Path) {
    let Value::Table(table) = value else { return };
    for (name, value) in table.iter_mut() {
        match value {
            Value::String(path) if name == "path" => {
                *path = folder.join(&*path).to_string_lossy().into_owned();
            }
            inner => make_paths_absolute(inner, folder),
        }
    }
}

/// Returns a path as seen from a folder. Both are absolute.
fn relate(folder: &Path, path: &Path) -> String {
    let (from, to): (Vec<Component>, Vec<Component>) =
        (folder.components().collect(), path.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - common);
    let related: PathBuf = up.chain(to[common..].iter().copied()).collect();
    related.to_string_lossy().into_owned()
}

fn render(manifest: &Table) -> String {
    // Tables that were parsed or built here always have a text.
    let text = toml::to_string(manifest).unwrap_or_default();
    format!("# Written by orch for each build.\n{text}")
}
