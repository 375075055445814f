//! A script through which cargo calls the compiler. It makes names of folders relative without
//! affecting cargo's hashes.
//!
//! The same flags in `RUSTFLAGS` would give every registry crate another hash in every folder, and
//! cargo would compile all of them again for each repository. The flags do not change the code of
//! these crates, because none of their paths match.

use crate::cache;
use crate::file;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Maximum time for which a new script may still count as open for writing.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// Name of the variable that holds a compiler wrapper, the user's or orch's.
pub(super) const VARIABLE: &str = "RUSTC_WRAPPER";

/// Writes the script that adds `flags` to every call of the compiler. The script calls the user's
/// own wrapper, if there is one.
pub(super) fn write_wrapper(flags: &[String], user_wrapper: Option<&Path>) -> io::Result<PathBuf> {
    let added: String = flags
        .iter()
        .map(|flag| format!(" {}", quote_for_shell(flag)))
        .collect();
    let wrapper = user_wrapper
        .map(|path| format!("{} ", quote_for_shell(&path.display().to_string())))
        .unwrap_or_default();
    let script = format!("#!/bin/sh\nexec {wrapper}\"$@\"{added}\n");
    let folder = cache::subfolder(&format!("rustc/{}", &crate::hash::text(&script)[..16]))?;
    write_script(&folder.join("rustc"), &script)
}

/// Writes a script that can be executed immediately. An existing script with the same text is kept,
/// because cargo queries the compiler's version again after each change of a wrapper.
pub(super) fn write_script(path: &Path, script: &str) -> io::Result<PathBuf> {
    if file::read_text(path, file::MOST_TEXT_BYTES).is_ok_and(|text| text == script) {
        return Ok(path.to_owned());
    }
    let written = file::name_unfinished(path);
    let write = || {
        // The file is closed before it is executed.
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o700);
        options.open(&written)?.write_all(script.as_bytes())?;
        wait_until_executable(&written)?;
        std::fs::rename(&written, path)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&written);
    })?;
    Ok(path.to_owned())
}

/// Waits until no process has the script open for writing. A process that another thread forked
/// keeps the script open until it executes its program, and Linux does not execute a file that is
/// open for writing.
fn wait_until_executable(script: &Path) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let mut command = Command::new(script);
        command
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.status() {
            Ok(_) => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && begun.elapsed() < BUSY_LIMIT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Quotes a text for a shell.
pub(super) fn quote_for_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapper_adds_its_flags_at_the_end_of_each_call() {
        let folder = tempfile::tempdir().expect("a folder");
        cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let flags = [
            "--remap-path-prefix=/it's here=.".to_owned(),
            "two words".to_owned(),
        ];
        let run = |wrapper: &Path| {
            let output = Command::new(wrapper)
                .args(["printf", "<%s>", "one arg"])
                .output()
                .expect("started");
            String::from_utf8(output.stdout).expect("text")
        };
        let plain = write_wrapper(&flags, None).expect("written");
        assert_eq!(
            run(&plain),
            "<one arg><--remap-path-prefix=/it's here=.><two words>"
        );
        assert_eq!(write_wrapper(&flags, None).expect("written"), plain);
        let nested = write_wrapper(&[], Some(&plain)).expect("written");
        assert_ne!(nested, plain);
        assert_eq!(run(&nested), run(&plain));
    }
}
