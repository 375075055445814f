//! The files of a new plugin project, made from the files of `plugins/starter*` and the SDK, which
//! are embedded in the program. The code is pure.
//!
//! The repository is the single source: vendored files are unchanged files of the SDK, and the
//! starters are changed only in the places of [`project_files`].

include!(concat!(env!("OUT_DIR"), "/starter_files.rs"));

/// The language of a new plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PluginLanguage {
    Rust,
    C,
    Cpp,
}

/// Licences of the vendored SDK.
const LICENCES: [(&str, &str); 3] = [
    ("LICENSE", include_str!("../../LICENSE")),
    ("LICENSE-APACHE", include_str!("../../LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("../../LICENSE-MIT")),
];
/// Name of the starters in all their files.
const STARTER: &str = "starter";
/// Path of the SDK, as seen from the Rust starter and from a project.
const SDK_PATH: [&str; 2] = ["path = \"../sdk\"", "path = \"vendor/orch-sdk\""];
/// Sections that only the root of a workspace may contain. The starter is not a root.
const ROOT: &str = "
# A workspace of its own, wherever this folder lies.
[workspace]
exclude = [\"vendor\"]

# orch builds in release mode; profiles and crash reports name lines.
[profile.release]
debug = \"line-tables-only\"
";
/// Longest name. Longer names make unreadable paths and job ids.
const LONGEST_NAME: usize = 64;

/// Folder of the crate with criterion's API among [`criterion_files`].
pub(crate) const CRITERION_FOLDER: &str = "criterion";

/// Returns the files of the crate with criterion's API, and of the SDK beside it.
pub(crate) fn criterion_files() -> Vec<StarterFile> {
    let embedded = |(path, text): &(&str, &str)| StarterFile {
        path: (*path).to_owned(),
        text: (*text).to_owned(),
    };
    let own = place_below(CRITERION_FOLDER, CRITERION.iter().map(embedded));
    own.chain(place_below("sdk", SDK.iter().map(embedded)))
        .collect()
}

/// A file of a project: its path inside the project, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StarterFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns all files of a project, ordered by path within each part.
pub(crate) fn project_files(name: &str, language: PluginLanguage) -> Vec<StarterFile> {
    let starter = match language {
        PluginLanguage::Rust => RUST,
        PluginLanguage::C => C,
        PluginLanguage::Cpp => CPP,
    };
    let mut files: Vec<StarterFile> = starter
        .iter()
        .map(|(path, text)| from_starter(name, path, text))
        .collect();
    let vendored = |(path, text): &(&str, &str)| StarterFile {
        path: (*path).to_owned(),
        text: (*text).to_owned(),
    };
    let sdk = SDK.iter().map(vendored);
    match language {
        PluginLanguage::Rust => files.extend(place_below(
            "vendor/orch-sdk",
            sdk.chain(LICENCES.iter().map(vendored)),
        )),
        // A single file that states its own licence.
        PluginLanguage::C | PluginLanguage::Cpp => {
            let header = sdk.filter_map(|file| {
                let path = file.path.strip_prefix("include/")?.to_owned();
                Some(StarterFile {
                    path,
                    text: file.text,
                })
            });
            files.extend(place_below(
                "vendor",
                header.chain(LICENCES.iter().map(vendored)),
            ));
        }
    }
    files
}

fn place_below(
    folder: &str,
    files: impl Iterator<Item = StarterFile>,
) -> impl Iterator<Item = StarterFile> {
    files.map(move |file| StarterFile {
        path: format!("{folder}/{}", file.path),
        text: file.text,
    })
}

fn from_starter(name: &str, path: &str, text: &str) -> StarterFile {
    let mut text = text.replace(STARTER, name);
    if path == "Cargo.toml" {
        text = text.replace(SDK_PATH[0], SDK_PATH[1]) + ROOT;
    }
    if path == "Cargo.lock" {
        text = sort_lock(&text);
    }
    StarterFile {
        path: path.to_owned(),
        text,
    }
}

/// Sorts a lock file into cargo's own order, because `--locked` treats another order as another
/// lock.
fn sort_lock(text: &str) -> String {
    const PACKAGE: &str = "[[package]]\n";
    let (head, packages) = text.split_once(PACKAGE).unwrap_or((text, ""));
    let mut packages: Vec<&str> = packages.split(PACKAGE).map(str::trim_end).collect();
    packages.sort_by_key(|package| package.lines().next());
    format!(
        "{head}{PACKAGE}{}\n",
        packages.join(&format!("\n\n{PACKAGE}"))
    )
}

/// Reason why a name is invalid for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameProblem {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl NameProblem {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Finds the reason why a name is invalid for a plugin. The name also has to be valid for a crate.
pub(crate) fn find_name_problem(name: &str) -> Option<NameProblem> {
    let taken = |names: &[&str]| names.contains(&name.replace('-', "_").as_str());
    let suggestion = suggest_name(name);
    if name.is_empty() {
        let hint = "name it after what it measures, such as `sorting`";
        return Some(NameProblem::new("the name is empty", hint));
    }
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Some(NameProblem {
            message: format!("the name has {length} characters, more than {LONGEST_NAME}"),
            hint: None,
        });
    }
    if name != suggestion {
        let example = if suggestion.is_empty() {
            "such as `sorting`".to_owned()
        } else {
            format!("try `{suggestion}`")
        };
        return Some(NameProblem::new(
            format!("`{name}` is not a valid name of a plugin"),
            format!("use small letters, digits, `_` and `-`, beginning with a letter; {example}"),
        ));
    }
    let other = format!("try `{name}-bench`");
    if taken(&KEYWORDS) {
        return Some(NameProblem::new(
            format!("`{name}` is a keyword of Rust, so it cannot be the name of a crate"),
            other,
        ));
    }
    let in_lock_file = format!("name = \"{name}\"");
    let brought_along = || {
        RUST.iter().any(|(path, text)| {
            *path == "Cargo.lock" && text.lines().any(|line| line == in_lock_file)
        })
    };
    // The lock file also lists the starter's own name, which is allowed.
    if taken(&TAKEN) || (name != STARTER && brought_along()) {
        return Some(NameProblem::new(
            format!("`{name}` is the name of a crate that plugins build on"),
            other,
        ));
    }
    None
}

/// Returns the nearest valid name.
fn suggest_name(name: &str) -> String {
    let mapped: String = name
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let start = mapped
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(mapped.len());
    let end = mapped
        .rfind(|c: char| c.is_ascii_alphanumeric())
        .map_or(start, |last| last + 1);
    mapped.get(start..end).unwrap_or_default().to_owned()
}

const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "union",
];
/// Names of the compiler's own crates, and of the SDK.
const TAKEN: [&str; 7] = [
    "test",
    "core",
    "std",
    "alloc",
    "proc_macro",
    "orch_sdk",
    "orch_sdk_derive",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(files: &'a [StarterFile], path: &str) -> &'a str {
        files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
            .expect(path)
    }

    #[test]
    fn rust_project_depends_on_its_own_copy_of_the_sdk() {
        let files = project_files("sorting", PluginLanguage::Rust);
        let manifest = text(&files, "Cargo.toml");
        assert!(
            manifest.contains("name = \"sorting\"")
                && manifest.contains("orch-sdk = { path = \"vendor/orch-sdk\" }")
        );
        assert!(text(&files, "Cargo.lock").contains("name = \"sorting\"\n"));
        assert!(text(&files, "bench.yaml").contains("workload: sorting/moving_average"));
        let copied = include_str!("../../plugins/sdk/derive/src/lib.rs");
        assert_eq!(text(&files, "vendor/orch-sdk/derive/src/lib.rs"), copied);
        for manifest in [
            "vendor/orch-sdk/Cargo.toml",
            "vendor/orch-sdk/derive/Cargo.toml",
        ] {
            let text = text(&files, manifest);
            assert!(
                !text.contains("workspace = true"),
                "{manifest} inherits from a workspace that is not there"
            );
            assert!(
                text.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))),
                "{manifest}"
            );
        }
    }

    #[test]
    fn project_does_not_mention_the_starter() {
        for language in [PluginLanguage::Rust, PluginLanguage::C, PluginLanguage::Cpp] {
            let files = project_files("sorting", language);
            for file in files
                .iter()
                .filter(|file| !file.path.starts_with("vendor/"))
            {
                assert!(!file.text.contains(STARTER), "{}", file.path);
            }
            for name in ["README.md", "bench.yaml", "orch.yaml", ".gitignore"] {
                assert!(!text(&files, name).is_empty());
            }
            let header = if language == PluginLanguage::Rust {
                "vendor/orch-sdk/include/"
            } else {
                "vendor/"
            };
            assert!(text(&files, &format!("{header}orch_plugin.h")).contains("orch_plugin_v1"));
        }
    }

    /// The versions in the project equal those with which this repository is tested.
    #[test]
    fn lock_file_holds_tested_versions() {
        let tested: Vec<&str> = include_str!("../../Cargo.lock")
            .split("[[package]]")
            .collect();
        let fields = |package: &str| {
            ["name", "version", "source", "checksum"].map(|field| {
                package
                    .lines()
                    .find(|line| line.starts_with(&format!("{field} = ")))
                    .map(str::to_owned)
            })
        };
        let tested: Vec<_> = tested.into_iter().map(fields).collect();
        let shipped = text(&project_files(STARTER, PluginLanguage::Rust), "Cargo.lock").to_owned();
        let packages: Vec<&str> = shipped.split("[[package]]").skip(1).collect();
        assert!(packages.len() > 5, "{shipped}");
        assert_eq!(
            shipped,
            include_str!("../../plugins/starter/Cargo.lock"),
            "as cargo wrote it"
        );
        for package in packages {
            assert!(
                tested.contains(&fields(package)),
                "not a version of this repository's Cargo.lock:{package}"
            );
        }
    }

    #[test]
    fn invalid_crate_names_are_refused_with_a_suggestion() {
        for (name, part) in [
            ("", "is empty"),
            ("Sorting", "try `sorting`"),
            ("my plugin", "try `my-plugin`"),
            ("3d-", "try `d`"),
            ("../up", "try `up`"),
            ("\u{fc}ber", "try `ber`"),
            ("123", "such as `sorting`"),
            ("match", "keyword of Rust"),
            ("orch-sdk", "plugins build on"),
            ("serde_json", "plugins build on"),
            ("memchr", "plugins build on"),
            (&"a".repeat(65), "65 characters"),
        ] {
            let NameProblem { message, hint } = find_name_problem(name).expect(name);
            let text = message + &hint.unwrap_or_default();
            assert!(text.contains(part), "{name}: {text}");
        }
        for name in ["sorting", "fft_2", "my-lib"] {
            assert_eq!(find_name_problem(name), None, "{name}");
        }
    }
}
