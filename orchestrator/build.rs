//! Makes the linker keep the allocator entry points of `core/src/counting/entry.rs` and export
//! them from the executable, so that plugins and the C library call them instead of the C
//! library's own. Leaves the table of symbols out of the release program; plugins keep theirs,
//! because crash reports name their functions. Lists the files that `orch plugin new` writes, so
//! that an installed `orch` needs no checkout.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in [
        "malloc",
        "free",
        "calloc",
        "realloc",
        "reallocarray",
        "memalign",
        "aligned_alloc",
        "posix_memalign",
        "valloc",
        "pvalloc",
    ] {
        println!("cargo::rustc-link-arg-bins=-Wl,-u,{name}");
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={name}");
    }
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
    let plugins = Path::new("../plugins");
    let mut text = String::new();
    for (name, folder) in [
        ("SDK", "sdk"),
        ("RUST", "starter"),
        ("C", "starter-c"),
        ("CPP", "starter-cpp"),
    ] {
        list(name, &plugins.join(folder), &mut text);
    }
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("starter_files.rs"), text).expect("cargo made the folder");
}

/// What running, building and testing leave in a folder, and what users of the SDK do not need.
const LEFT_OUT: [&str; 5] = ["target", "results", "build", "vendor", "tests"];

/// Writes a constant with the files of a folder: their names and contents.
fn list(name: &str, folder: &Path, text: &mut String) {
    let folder = folder.canonicalize().expect("a folder of this repository");
    let mut open = vec![folder.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(inner) = open.pop() {
        println!("cargo::rerun-if-changed={}", inner.display());
        for entry in std::fs::read_dir(&inner).expect("the folder is readable") {
            let path = entry.expect("the folder is readable").path();
            let left_out = path
                .file_name()
                .is_some_and(|name| LEFT_OUT.iter().any(|left_out| name == *left_out));
            match (path.is_dir(), left_out) {
                (_, true) => {}
                (true, _) => open.push(path),
                (false, _) => files.push(path),
            }
        }
    }
    files.sort();
    let _ = writeln!(
        text,
        "/// The files of `{}`.",
        folder.file_name().unwrap_or_default().display()
    );
    let _ = writeln!(text, "const {name}: &[(&str, &str)] = &[");
    for file in files {
        let inside = file.strip_prefix(&folder).expect("found below it");
        let _ = writeln!(text, "    ({inside:?}, include_str!({file:?})),");
    }
    let _ = writeln!(text, "];");
}
