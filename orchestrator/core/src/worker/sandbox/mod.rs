//! The sandbox of a worker. It is entered once, before any code of the plugin runs, and cannot be
//! left. It also holds for all processes that the plugin starts.
//!
//! docs/design/sandbox.md lists what each part protects, and why.

mod calls;
mod files;
mod rights;

use crate::protocol::SandboxGrants;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::OnceLock;

/// Landlock version from which signals are confined to the sandbox.
const SIGNALS_SCOPED: u32 = 6;
/// Landlock version from which truncating is a separate right, and denied.
const TRUNCATE_DENIED: u32 = 3;
/// Landlock version from which commands to devices are a separate right.
const DEVICES_DENIED: u32 = 5;

pub use files::system_paths;

/// Features of the kernel from which a sandbox is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxSupport {
    /// Version of the landlock interface; `None` if the kernel lacks it or it is not active.
    pub landlock: Option<u32>,
    /// Whether the kernel offers seccomp filters.
    pub seccomp: bool,
}

/// Queries the kernel once.
pub fn read_support() -> SandboxSupport {
    static OFFERED: OnceLock<SandboxSupport> = OnceLock::new();
    *OFFERED.get_or_init(|| SandboxSupport {
        landlock: files::landlock_version(),
        seccomp: calls::are_offered(),
    })
}

impl SandboxSupport {
    /// Returns the text for a record of a plugin in such a sandbox.
    pub fn describe(self) -> String {
        match (self.landlock, self.seccomp) {
            (Some(version), true) => format!("landlock {version} and seccomp"),
            (Some(version), false) => format!("landlock {version}; no seccomp"),
            (None, true) => "seccomp; no landlock".to_owned(),
            (None, false) => "none: no landlock, no seccomp".to_owned(),
        }
    }

    /// Lists in words the protections that such a sandbox lacks; empty if it is complete.
    pub fn missing_protections(self) -> Vec<&'static str> {
        let mut missing = match self.landlock {
            None => {
                vec!["this kernel has no landlock: plugins can read and write all of your files"]
            }
            Some(_) => self.missing_of_landlock(),
        };
        if !self.seccomp {
            missing.push(
                "this kernel has no seccomp filters: plugins can use the network and all system \
                 calls",
            );
            if self.landlock.is_none_or(|version| version < SIGNALS_SCOPED) {
                missing.push("no protection against signals: a plugin can end orch");
            }
        }
        missing
    }

    /// Lists the protections that an older version of landlock lacks.
    pub fn missing_of_landlock(self) -> Vec<&'static str> {
        let older = [
            (
                TRUNCATE_DENIED,
                "before version 3 of landlock, plugins can truncate files",
            ),
            (
                DEVICES_DENIED,
                "before version 5 of landlock, plugins can send commands to devices",
            ),
        ];
        let version = self.landlock.unwrap_or(0);
        older
            .into_iter()
            .filter(|(since, _)| version < *since)
            .map(|(_, words)| words)
            .collect()
    }
}

/// Confines the calling thread, and with it all threads and programs that it starts. The process
/// must not have another thread yet. `channel` is the one descriptor that this process keeps and
/// that the plugin's own programs do not get.
pub(super) fn enter(grants: &SandboxGrants, library: &Path, channel: RawFd) -> io::Result<()> {
    let part = |name: &str, result: io::Result<()>| {
        result
            .map_err(|error| io::Error::other(format!("cannot enter the sandbox: {name}: {error}")))
    };
    let offered = read_support();
    part("descriptors", rights::close_inherited(channel))?;
    rustix::thread::set_no_new_privs(true)?;
    if offered.landlock.is_some() {
        part("landlock", files::restrict_files(grants, library))?;
    }
    part("capabilities", rights::drop_capabilities())?;
    if offered.seccomp {
        let signals_scoped = offered
            .landlock
            .is_some_and(|version| version >= SIGNALS_SCOPED);
        part("seccomp", calls::restrict_calls(signals_scoped))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandbox_lists_its_missing_protections() {
        let missing = |landlock, seccomp| {
            SandboxSupport { landlock, seccomp }
                .missing_protections()
                .len()
        };
        assert_eq!(missing(Some(6), true), 0);
        assert_eq!(missing(Some(9), true), 0);
        assert_eq!(missing(Some(4), true), 1);
        assert_eq!(missing(Some(1), true), 2);
        assert_eq!(missing(None, true), 1);
        assert_eq!(missing(Some(6), false), 1);
        assert_eq!(missing(None, false), 3);
        assert_eq!(
            SandboxSupport {
                landlock: Some(7),
                seccomp: true
            }
            .describe(),
            "landlock 7 and seccomp"
        );
    }
}
