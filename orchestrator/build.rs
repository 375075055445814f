//! Makes the linker keep the allocator entry points of `core/src/counting/entry.rs` and export
//! them from the executable, so that plugins and the C library call them instead of the C
//! library's own. Leaves the table of symbols out of the release program; plugins keep theirs,
//! because crash reports name their functions. Composes the text of `orch --version`. Lists the
//! files that `orch plugin new` writes, so that an installed `orch` needs no checkout.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
    println!(
        "cargo::rustc-env=ORCH_VERSION={}",
        compose_version(is_release)
    );
    let plugins = Path::new("../plugins");
    let mut text = String::new();
    for (name, folder) in [
        ("SDK", "sdk"),
        ("CRITERION", "criterion"),
        ("RUST", "starter"),
        ("C", "starter-c"),
        ("CPP", "starter-cpp"),
    ] {
        list(name, &plugins.join(folder), &mut text);
    }
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("starter_files.rs"), text).expect("cargo made the folder");
}

/// Composes the version with the commit, its date and the compiler. Other builds than those for
/// release lack the commit, so that a commit does not compile them again.
fn compose_version(is_release: bool) -> String {
    let number = env!("CARGO_PKG_VERSION");
    let compiler = std::env::var("RUSTC").ok();
    let compiler = compiler.and_then(|rustc| read_output(&rustc, &["--version"]));
    let compiler = compiler.and_then(|text| text.split(' ').nth(1).map(str::to_owned));
    let mut facts = Vec::new();
    // In a copy inside another repository, the commit would be that of the other one.
    if is_release && read_output("git", &["ls-files", "build.rs"]).is_some() {
        if let Some(log) = read_output("git", &["rev-parse", "--git-path", "logs/HEAD"])
            && Path::new(&log).exists()
        {
            println!("cargo::rerun-if-changed={log}");
        }
        facts.extend(read_output("git", &["log", "-1", "--format=%h %cs"]));
    }
    facts.extend(compiler.map(|version| format!("rustc {version}")));
    if facts.is_empty() {
        number.to_owned()
    } else {
        format!("{number} ({})", facts.join(", "))
    }
}

/// Returns what a program prints, or nothing if it fails.
fn read_output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
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
