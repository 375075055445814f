//! Compiles the C library that one workload calls, as `-sys` crates do.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=c/pieces.c");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    let (object, archive) = (
        Path::new(&out).join("pieces.o"),
        Path::new(&out).join("libpieces.a"),
    );
    run(Command::new("cc")
        .args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fPIC",
            "-c",
            "c/pieces.c",
            "-o",
        ])
        .arg(&object));
    // `ar` adds to an archive that is there.
    let _ = std::fs::remove_file(&archive);
    run(Command::new("ar").arg("crs").arg(&archive).arg(&object));
    println!(
        "cargo:rustc-link-search=native={}",
        Path::new(&out).display()
    );
    println!("cargo:rustc-link-lib=static=pieces");
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}"
    );
}
