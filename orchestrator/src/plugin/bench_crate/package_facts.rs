//! Facts about a package and one of its bench targets, from the output of `cargo metadata`.

use orch_core::format;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The package in whose place another one stands.
pub(super) const CRITERION: &str = "criterion";

/// A package and the bench target that is built.
#[derive(Debug, Clone)]
pub(super) struct PackageFacts {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) has_library: bool,
    pub(super) target: BenchTarget,
    /// Dependencies and dev-dependencies that are in use.
    pub(super) dependencies: Vec<MetadataDependency>,
    /// Names of all features, and of those that are on.
    pub(super) features: BTreeSet<String>,
    pub(super) active: BTreeSet<String>,
}

/// What the packages in a folder offer for benchmarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageSurvey {
    /// Name of the package in the folder itself, if it has a library.
    pub(crate) library: Option<String>,
    /// Bench files, relative to the folder, of the packages that depend on criterion.
    pub(crate) benches: Vec<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

impl Metadata {
    fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("the output of `cargo metadata` is unreadable: {error}"))
    }
}

#[derive(Debug, Deserialize)]
struct MetadataPackage {
    name: String,
    version: String,
    manifest_path: PathBuf,
    dependencies: Vec<MetadataDependency>,
    targets: Vec<BenchTarget>,
    features: BTreeMap<String, Vec<String>>,
}

/// A target of a package.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct BenchTarget {
    kind: Vec<String>,
    src_path: PathBuf,
    pub(super) edition: String,
    #[serde(default, rename = "required-features")]
    pub(super) required_features: Vec<String>,
}

/// A dependency as `cargo metadata` states it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct MetadataDependency {
    pub(super) name: String,
    pub(super) source: Option<String>,
    pub(super) req: String,
    kind: Option<String>,
    pub(super) rename: Option<String>,
    optional: bool,
    pub(super) uses_default_features: bool,
    pub(super) features: Vec<String>,
    pub(super) target: Option<String>,
    pub(super) path: Option<PathBuf>,
}

impl MetadataDependency {
    /// Returns the name by which the package's code knows the dependency.
    pub(super) fn key(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.name)
    }
}

impl BenchTarget {
    fn is_bench(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bench")
    }

    fn is_library(&self) -> bool {
        let kinds = ["lib", "rlib", "dylib", "proc-macro"];
        self.kind.iter().any(|kind| kinds.contains(&kind.as_str()))
    }

    /// Returns the path of the file relative to the package's folder.
    pub(super) fn required_source(&self, package: &Path) -> Result<PathBuf, String> {
        let inside = self.src_path.strip_prefix(package).map(Path::to_owned);
        inside.map_err(|_| {
            format!(
                "the bench file {} is outside of its package; move it into {}",
                self.src_path.display(),
                package.display()
            )
        })
    }
}

impl PackageFacts {
    /// Reads the facts about the package in a folder, and about its bench target with a file or a
    /// name.
    pub(super) fn read(metadata: &str, package: &Path, bench: &Path) -> Result<Self, String> {
        let metadata = Metadata::parse(metadata)?;
        let manifest = package.join("Cargo.toml");
        let found = metadata
            .packages
            .into_iter()
            .find(|found| found.manifest_path == manifest);
        let found = found
            .ok_or_else(|| format!("`cargo metadata` does not list {}", manifest.display()))?;
        let file = package.join(bench);
        let benches: Vec<&BenchTarget> = found
            .targets
            .iter()
            .filter(|target| target.is_bench())
            .collect();
        let target = benches
            .iter()
            .find(|target| target.src_path == file)
            .ok_or_else(|| {
                let known = |target: &&BenchTarget| target.required_source(package).ok();
                let known: Vec<String> = benches
                    .iter()
                    .filter_map(known)
                    .map(|path| path.display().to_string())
                    .collect();
                let known = match known.is_empty() {
                    true => "it has none".to_owned(),
                    false => format!("it has {}", format::listed(&known)),
                };
                format!(
                    "{} is not a bench target of the package `{}`: {known}",
                    bench.display(),
                    found.name
                )
            })?;
        let (active, used) = close_features(&found, &target.required_features);
        let is_used = |dependency: &&MetadataDependency| match dependency.kind.as_deref() {
            None => !dependency.optional || used.contains(dependency.key()),
            Some(kind) => kind == "dev",
        };
        let names = found.features.keys().cloned().collect();
        Ok(Self {
            dependencies: found.dependencies.iter().filter(is_used).cloned().collect(),
            has_library: found.targets.iter().any(BenchTarget::is_library),
            target: (*target).clone(),
            features: names,
            name: found.name,
            version: found.version,
            active,
        })
    }
}

impl PackageSurvey {
    pub(super) fn read(metadata: &str, folder: &Path) -> Result<Self, String> {
        let metadata = Metadata::parse(metadata)?;
        let manifest = folder.join("Cargo.toml");
        let has_library = |package: &&MetadataPackage| {
            package.manifest_path == manifest && package.targets.iter().any(BenchTarget::is_library)
        };
        let library = metadata.packages.iter().find(has_library);
        let uses_criterion = |package: &&MetadataPackage| {
            let mut dependencies = package.dependencies.iter();
            dependencies.any(|dependency| dependency.name == CRITERION)
        };
        let packages = metadata.packages.iter().filter(uses_criterion);
        let targets = packages.flat_map(|package| &package.targets);
        let mut benches: Vec<PathBuf> = targets
            .filter(|target| target.is_bench())
            .filter_map(|target| target.src_path.strip_prefix(folder).ok())
            .map(Path::to_owned)
            .collect();
        benches.sort();
        Ok(Self {
            library: library.map(|package| package.name.clone()),
            benches,
        })
    }
}

/// Returns the features that are on, and the optional dependencies that they switch on.
fn close_features(
    package: &MetadataPackage,
    required: &[String],
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut active, mut used) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&str> = required.iter().map(String::as_str).collect();
    open.push("default");
    while let Some(entry) = open.pop() {
        // `dep:x`, `x/f` and `x?/f` concern a dependency. `x/f` also switches on a feature `x`.
        if let Some(dependency) = entry.strip_prefix("dep:") {
            used.insert(dependency.to_owned());
        } else if let Some((dependency, _)) = entry.split_once('/') {
            if !dependency.ends_with('?') {
                used.insert(dependency.to_owned());
                open.extend(
                    package
                        .features
                        .contains_key(dependency)
                        .then_some(dependency),
                );
            }
        } else if active.insert(entry.to_owned()) {
            let more = package.features.get(entry);
            open.extend(more.into_iter().flatten().map(String::as_str));
        }
    }
    (active, used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata() -> String {
        let dependency = |name: &str, kind: Option<&str>, optional: bool| {
            json!({ "name": name, "source": null, "req": "1", "kind": kind, "rename": null,
                "optional": optional, "uses_default_features": true, "features": [],
                "target": null })
        };
        let target = |name: &str, kind: &str, path: &str| {
            json!({ "name": name, "kind": [kind], "src_path": path, "edition": "2021",
                "required-features": if kind == "bench" { vec!["fast"] } else { vec![] } })
        };
        json!({ "packages": [{
            "name": "p", "version": "1.2.3", "manifest_path": "/p/Cargo.toml",
            "dependencies": [
                dependency("always", None, false),
                dependency("unused", None, true),
                dependency("simd", None, true),
                dependency("criterion", Some("dev"), false),
                dependency("cc", Some("build"), false),
            ],
            "targets": [
                target("p", "lib", "/p/src/lib.rs"),
                target("parse", "bench", "/p/benches/parse.rs"),
                target("sort", "bench", "/p/benches/sort.rs"),
            ],
            "features": { "default": ["std"], "std": [], "fast": ["dep:simd"], "other": [] },
        }]})
        .to_string()
    }

    #[test]
    fn package_is_read_with_the_dependencies_in_use() {
        let bench = Path::new("benches/parse.rs");
        let facts = PackageFacts::read(&metadata(), Path::new("/p"), bench).expect("facts");
        let names: Vec<&str> = facts
            .dependencies
            .iter()
            .map(MetadataDependency::key)
            .collect();
        assert_eq!(names, ["always", "simd", "criterion"]);
        assert!(facts.has_library);
        let active: Vec<&str> = facts.active.iter().map(String::as_str).collect();
        assert_eq!(active, ["default", "fast", "std"]);
    }

    #[test]
    fn missing_bench_is_refused_with_those_that_exist() {
        let read = |bench: &str| {
            PackageFacts::read(&metadata(), Path::new("/p"), Path::new(bench)).expect_err(bench)
        };
        insta::assert_snapshot!(read("benches/pars.rs"), @"benches/pars.rs is not a bench target \
            of the package `p`: it has benches/parse.rs, benches/sort.rs");
    }
}
