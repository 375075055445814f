//! Unrelated code before a plugin's own code: it moves the same functions to other addresses, to
//! show how layout alone affects times.

use super::cargo::{self, BuildError};
use super::rustc_wrapper;
use crate::cache;
use crate::file;
use std::path::PathBuf;

/// Returns a linker that puts `bytes` of unused code before everything else. It is a script named
/// `cc`, because the compiler derives the kind of arguments from a linker's name.
pub(super) fn write_linker(bytes: usize) -> Result<PathBuf, BuildError> {
    let folder = cache::subfolder(&format!("padding/{bytes}"))?;
    let (script, object, source) = (
        folder.join("cc"),
        folder.join("padding.o"),
        folder.join("padding.s"),
    );
    // The section is retained; otherwise the linker would drop unused code.
    let assembly = format!(
        "\t.section .text.orch_padding,\"axR\",%progbits\n\t.p2align 6\n\t.globl \
         orch_padding\n\t.hidden orch_padding\n\t.type orch_padding, \
         %function\norch_padding:\n\t.fill {bytes}, 1, 0\n\t.size orch_padding, \
         {bytes}\n\t.section .note.GNU-stack,\"\",%progbits\n"
    );
    file::write_whole(&source, assembly.as_bytes())?;
    cargo::query_compiler(
        "cc",
        &[
            "-c",
            &source.display().to_string(),
            "-o",
            &object.display().to_string(),
        ],
        &folder,
    )?;
    let object = rustc_wrapper::quote_for_shell(&object.display().to_string());
    Ok(rustc_wrapper::write_script(
        &script,
        &format!("#!/bin/sh\nexec cc {object} \"$@\"\n"),
    )?)
}
