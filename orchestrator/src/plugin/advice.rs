//! Advice about a failed build, derived from its output.

use super::cargo::BuildError;
use std::path::{Path, PathBuf};

/// Names of the files in which rustup looks for a folder's toolchain, in order of precedence.
pub(crate) const TOOLCHAIN_FILES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];

/// Returns advice for a program of the Rust toolchain that cannot be started.
pub(super) fn advise_missing_program(command: &str, error: &std::io::Error) -> &'static str {
    let of_rust = command.starts_with("cargo ") || command.starts_with("rustc ");
    if of_rust && error.kind() == std::io::ErrorKind::NotFound {
        "; Rust is not installed or not in PATH: see https://rustup.rs"
    } else {
        ""
    }
}

/// Adds advice to the end of a failure's output.
pub(super) fn add_advice(error: BuildError, folder: &Path) -> BuildError {
    match error {
        BuildError::Failed {
            command,
            status,
            output,
        } => {
            let output = match find_advice(&output, folder) {
                // Cargo's own advice is for users who passed the flags themselves.
                Some(advice) => format!("{}\nhint: {advice}", strip_cargo_help(&output)),
                None => output,
            };
            BuildError::Failed {
                command,
                status,
                output,
            }
        }
        other => other,
    }
}

fn find_advice(output: &str, folder: &Path) -> Option<String> {
    if output.contains("--locked was passed") {
        return Some(
            "git tracks Cargo.lock, so orch builds with --locked, but this Cargo.lock does not fit \
             the manifests beside it; update it with `cargo update --workspace` and commit it (a \
             commit without this update does not build)"
                .to_owned(),
        );
    }
    let file = lacks_toolchain(output).then(|| find_toolchain_file(folder))??;
    Some(advise_toolchain(&file.display().to_string()))
}

fn strip_cargo_help(output: &str) -> String {
    output
        .lines()
        .filter(|line| !line.starts_with("help: "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns whether rustup reports that a requested toolchain or component is not installed.
pub(super) fn lacks_toolchain(output: &str) -> bool {
    output.contains("toolchain") && output.contains("is not installed")
}

/// Returns advice for a missing toolchain that a file names.
pub(super) fn advise_toolchain(file: &str) -> String {
    format!("{file} names the toolchain; install it with `rustup toolchain install NAME`")
}

fn find_toolchain_file(folder: &Path) -> Option<PathBuf> {
    let named = folder
        .ancestors()
        .flat_map(|folder| TOOLCHAIN_FILES.map(|name| folder.join(name)));
    named.into_iter().find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_what_went_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("a folder");
        let missing = "error: toolchain '1.2.3-x86_64-unknown-linux-gnu' is not installed";
        assert_eq!(find_advice(missing, &inner), None);
        std::fs::write(folder.path().join("a/rust-toolchain.toml"), "").expect("written");
        let hint = find_advice(missing, &inner).expect("advice");
        assert!(
            hint.contains("a/rust-toolchain.toml names the toolchain"),
            "{hint}"
        );
        let locked = "error: cannot update the lock file /x/Cargo.lock because --locked was passed \
            to prevent this";
        assert!(
            find_advice(locked, &inner)
                .expect("advice")
                .contains("does not fit")
        );
        assert_eq!(find_advice("error[E0425]: cannot find value", &inner), None);
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(
            advise_missing_program("cargo build --release in /x", &error)
                .contains("https://rustup.rs")
        );
        assert_eq!(advise_missing_program("build command in /x", &error), "");
    }
}
