//! Packages whose versions differ between two states of a repository, from lock files and
//! manifests.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A package whose version differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DependencyChange {
    pub(crate) package: String,
    /// Versions before the change: the built versions for a Cargo.lock, the requirement for a
    /// Cargo.toml. `None` if the package was absent.
    pub(crate) before: Option<String>,
    /// Versions after the change.
    pub(crate) after: Option<String>,
}

/// Versions by package.
type PackageVersions = BTreeMap<String, BTreeSet<String>>;
/// Extracts the versions from a lock file or a manifest.
type VersionReader = fn(&Table) -> PackageVersions;

/// Compares the lock files and manifests among `files`. `before` and `after` return the text of a
/// file on each side. The version in a lock file takes precedence over the requirement in a
/// manifest. Packages that a manifest names come first.
pub(crate) fn find_changes(
    files: &[PathBuf],
    before: &dyn Fn(&Path) -> Option<String>,
    after: &dyn Fn(&Path) -> Option<String>,
) -> Vec<DependencyChange> {
    let mut found: Vec<DependencyChange> = Vec::new();
    let mut direct = BTreeSet::new();
    let readers: [(&str, VersionReader); 2] = [
        ("Cargo.lock", read_locked),
        ("Cargo.toml", read_requirements),
    ];
    for (name, read) in readers {
        for file in files
            .iter()
            .filter(|file| file.file_name().is_some_and(|own| own == name))
        {
            let versions = |text: Option<String>| {
                text.and_then(|text| text.parse::<Table>().ok())
                    .map(|table| read(&table))
                    .unwrap_or_default()
            };
            for change in list_differences(&versions(before(file)), &versions(after(file))) {
                if name == "Cargo.toml" {
                    direct.insert(change.package.clone());
                }
                if !found.iter().any(|known| known.package == change.package) {
                    found.push(change);
                }
            }
        }
    }
    // Requested packages come first, then other changed versions, then packages that were added or
    // removed with them.
    let is_new_or_gone =
        |change: &DependencyChange| change.before.is_none() || change.after.is_none();
    found.sort_by_key(|change| (!direct.contains(&change.package), is_new_or_gone(change)));
    found
}

fn list_differences(before: &PackageVersions, after: &PackageVersions) -> Vec<DependencyChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let only = |own: &PackageVersions, other: &PackageVersions, name: &String| {
        let all = own.get(name)?;
        let rest: Vec<&str> = all
            .iter()
            .filter(|version| {
                !other
                    .get(name)
                    .is_some_and(|other| other.contains(*version))
            })
            .map(String::as_str)
            .collect();
        (!rest.is_empty()).then(|| rest.join(", "))
    };
    names
        .into_iter()
        .map(|name| DependencyChange {
            package: name.clone(),
            before: only(before, after, name),
            after: only(after, before, name),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

/// Reads the packages of a Cargo.lock that have a source. Packages of the workspace are left out,
/// because their versions change with the code.
fn read_locked(lock: &Table) -> PackageVersions {
    let mut found = PackageVersions::new();
    for package in lock
        .get("package")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |name: &str| package.get(name).and_then(Value::as_str);
        let (Some(name), Some(version), Some(source)) =
            (text("name"), text("version"), text("source"))
        else {
            continue;
        };
        // In a git source, the commit follows a hash sign.
        let commit = source
            .split_once('#')
            .map(|(_, commit)| format!(" ({})", commit.chars().take(10).collect::<String>()));
        found
            .entry(name.to_owned())
            .or_default()
            .insert(format!("{version}{}", commit.unwrap_or_default()));
    }
    found
}

/// Reads the dependency requirements of a Cargo.toml.
fn read_requirements(manifest: &Table) -> PackageVersions {
    let mut found = PackageVersions::new();
    let mut read = |table: &Table| {
        for name in ["dependencies", "build-dependencies"] {
            for (name, wanted) in table
                .get(name)
                .and_then(Value::as_table)
                .into_iter()
                .flatten()
            {
                let part = |key: &str| wanted.get(key).and_then(Value::as_str);
                let version = wanted
                    .as_str()
                    .or(part("version"))
                    .or(part("rev"))
                    .or(part("tag"))
                    .or(part("branch"));
                if let Some(version) = version {
                    let package = part("package").unwrap_or(name);
                    found
                        .entry(package.to_owned())
                        .or_default()
                        .insert(version.to_owned());
                }
            }
        }
    };
    read(manifest);
    manifest
        .get("workspace")
        .and_then(Value::as_table)
        .map(&mut read);
    for (_, platform) in manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
    {
        platform.as_table().map(&mut read);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_changes(files: &[(&str, &str, &str)]) -> Vec<String> {
        let names: Vec<PathBuf> = files.iter().map(|(name, ..)| PathBuf::from(name)).collect();
        let text = |side: usize| {
            move |path: &Path| {
                let file = files.iter().find(|(name, ..)| Path::new(name) == path)?;
                Some([file.1, file.2][side].to_owned())
            }
        };
        let changes = find_changes(&names, &text(0), &text(1)).into_iter();
        changes
            .map(|one| {
                format!(
                    "{} {} -> {}",
                    one.package,
                    one.before.unwrap_or_default(),
                    one.after.unwrap_or_default()
                )
            })
            .collect()
    }

    fn format_lock(packages: &[(&str, &str, &str)]) -> String {
        let one = |(name, version, source): &(&str, &str, &str)| {
            let source = if source.is_empty() {
                String::new()
            } else {
                format!("source = '{source}'\n")
            };
            format!("[[package]]\nname = '{name}'\nversion = '{version}'\n{source}")
        };
        format!(
            "version = 4\n{}",
            packages.iter().map(one).collect::<String>()
        )
    }

    #[test]
    fn packages_of_a_lock_file_are_named_with_their_versions() {
        let registry = "registry+https://example.org/index";
        let before = format_lock(&[
            ("own", "0.1.0", ""),
            ("memchr", "2.5.0", registry),
            ("syn", "1.0.0", registry),
            ("syn", "2.0.0", registry),
            ("gone", "1.0.0", registry),
            (
                "forked",
                "0.3.0",
                "git+https://example.org/f#aaaaaaaaaaaaaaaa",
            ),
        ]);
        let after = format_lock(&[
            ("own", "0.2.0", ""),
            ("memchr", "2.6.0", registry),
            ("syn", "1.0.0", registry),
            ("syn", "2.1.0", registry),
            ("new", "3.0.0", registry),
            (
                "forked",
                "0.3.0",
                "git+https://example.org/f#bbbbbbbbbbbbbbbb",
            ),
        ]);
        assert_eq!(
            format_changes(&[("Cargo.lock", &before, &after)]),
            [
                "forked 0.3.0 (aaaaaaaaaa) -> 0.3.0 (bbbbbbbbbb)",
                "memchr 2.5.0 -> 2.6.0",
                "syn 2.0.0 -> 2.1.0",
                "gone 1.0.0 -> ",
                "new  -> 3.0.0"
            ]
        );
    }

    #[test]
    fn manifests_fill_in_versions_missing_from_lock_files() {
        let before = "[dependencies]\nmemchr = '2.5'\nserde = \
            { version = '1.0', features = [] }\n[dev-dependencies]\nx = '1'\n";
        let after = "[dependencies]\nmemchr = '=2.6.0'\nserde = { version = '1.0' }\nlocal = \
            { path = '..' }\n[target.'cfg(unix)'.dependencies]\nrenamed = \
            { package = 'libc', version = '0.2' }\n[dev-dependencies]\nx = '2'\n";
        assert_eq!(
            format_changes(&[("a/Cargo.toml", before, after)]),
            ["memchr 2.5 -> =2.6.0", "libc  -> 0.2"]
        );
        let registry = "registry+https://example.org/index";
        let locks = (
            format_lock(&[("memchr", "2.5.0", registry)]),
            format_lock(&[("memchr", "2.6.0", registry)]),
        );
        let both = format_changes(&[
            ("Cargo.lock", &locks.0, &locks.1),
            ("a/Cargo.toml", before, after),
        ]);
        assert_eq!(both, ["memchr 2.5.0 -> 2.6.0", "libc  -> 0.2"]);
        assert_eq!(
            format_changes(&[
                ("Cargo.lock", "no toml [", "= either"),
                ("src/lib.rs", "a", "b")
            ]),
            Vec::<String>::new()
        );
    }
}
