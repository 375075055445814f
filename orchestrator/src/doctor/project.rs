//! The project and orch's own files: git, tools, the cache, and remains of earlier commands.

use super::{CacheFacts, MachineCheck, MachineFinding};
use crate::git::{GitKind, GitState};
use orch_core::format;
use std::path::{Path, PathBuf};

const OWNER: MachineCheck = MachineCheck {
    name: "git",
    why: "Records name the commit; `orch compare` and `orch bisect` build commits.",
};
const HISTORY: MachineCheck = MachineCheck {
    name: "git history",
    why: "Without older commits there is no baseline to compare with.",
};
pub(super) const RUSTC: NeededTool = NeededTool {
    check: MachineCheck {
        name: "rustc",
        why: "Plugin crates are built with it, and its version is part of every artefact's key.",
    },
    fix: "curl -sSf https://sh.rustup.rs | sh",
};
pub(super) const CARGO: NeededTool = NeededTool {
    check: MachineCheck {
        name: "cargo",
        why: "Plugin crates are built with it.",
    },
    fix: "curl -sSf https://sh.rustup.rs | sh",
};
pub(super) const CC: NeededTool = NeededTool {
    check: MachineCheck {
        name: "cc",
        why: "rustc links with it, and plugins in C are built with it.",
    },
    fix: "sudo apt-get install gcc libc6-dev",
};
pub(super) const VALGRIND: NeededTool = NeededTool {
    check: MachineCheck {
        name: "valgrind",
        why: "orch's own tests check the counted allocations against it; measuring does not need \
            it.",
    },
    fix: "sudo apt-get install valgrind",
};
const PINNED: MachineCheck = MachineCheck {
    name: "rust-toolchain",
    why: "Without it, an update of the compiler changes times, which looks like the effect of a \
        commit.",
};
const FREE_SPACE: MachineCheck = MachineCheck {
    name: "space",
    why: "The cache contains a build worktree with its target folder, and each artefact.",
};
const CACHE_SIZE: MachineCheck = MachineCheck {
    name: "cache",
    why: "Everything in it except the calibration can be created again.",
};
const BISECTS: MachineCheck = MachineCheck {
    name: "stopped bisects",
    why: "Their state is in the cache; they can be resumed.",
};
const JOURNALS: MachineCheck = MachineCheck {
    name: "unfinished runs",
    why: "Their journals are in the results folder; they can be resumed.",
};

/// Approximate size of a worktree of a Rust project with its dependencies.
const ROOM: u64 = 2 << 30;
const LARGE: u64 = 10 << 30;

/// A program that orch starts, and the way to install it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeededTool {
    check: MachineCheck,
    fix: &'static str,
}

pub(super) fn check_owner(git: &GitState, root: &Path) -> MachineFinding {
    match git.state {
        GitKind::Commit | GitKind::Shallow => {
            let dirty = if git.dirty {
                ", with uncommitted changes"
            } else {
                ""
            };
            OWNER.ok(format!("commit {}{dirty}", git.short()))
        }
        GitKind::OtherOwner => OWNER
            .attention(format!("{} belongs to another user", root.display()))
            .with_fix(format!(
                "git config --global --add safe.directory {}",
                root.display()
            )),
        GitKind::Outside => OWNER
            .attention(format!("{} is not in a repository", root.display()))
            .with_fix("git init"),
        GitKind::Empty => OWNER.attention("no commit yet").with_fix("git commit"),
        GitKind::Unreadable => OWNER.cannot_tell(git.message.clone().unwrap_or_default()),
    }
}

pub(super) fn check_history(git: &GitState) -> MachineFinding {
    match git.state {
        GitKind::Commit => HISTORY.ok("whole"),
        GitKind::Shallow => HISTORY
            .attention("a shallow clone")
            .with_fix("git fetch --unshallow"),
        _ => HISTORY.cannot_tell("no commit can be read"),
    }
}

pub(super) fn check_tool(tool: NeededTool, version: Option<&str>) -> MachineFinding {
    match version {
        Some(version) => tool.check.ok(version),
        None => tool.check.attention("cannot be started").with_fix(tool.fix),
    }
}

pub(super) fn check_pinned(file: Option<&Path>, rustc: Option<&str>) -> MachineFinding {
    if let Some(file) = file {
        return PINNED.ok(file.file_name().unwrap_or_default().to_string_lossy());
    }
    let found = PINNED.attention("missing");
    // The first line has the form `rustc 1.89.0 (..)`.
    match rustc.and_then(|text| text.split_whitespace().nth(1)) {
        Some(version) => found.with_fix(format!("echo {version} > rust-toolchain")),
        None => found,
    }
}

pub(super) fn check_free_space(cache: &CacheFacts) -> MachineFinding {
    let (Some(folder), Some(free)) = (&cache.folder, cache.free_bytes) else {
        return FREE_SPACE.cannot_tell("the space of the cache folder cannot be read");
    };
    let value = format!(
        "{} free in {}",
        format::bytes(free as f64),
        folder.display()
    );
    if free < ROOM {
        FREE_SPACE.attention(value).with_fix(empty_command(folder))
    } else {
        FREE_SPACE.ok(value)
    }
}

pub(super) fn check_cache_size(cache: &CacheFacts) -> MachineFinding {
    let (Some(folder), Some(bytes)) = (&cache.folder, cache.bytes) else {
        return CACHE_SIZE.cannot_tell("the cache folder cannot be read");
    };
    let value = format::bytes(bytes as f64);
    if bytes > LARGE {
        CACHE_SIZE.attention(value).with_fix(empty_command(folder))
    } else {
        CACHE_SIZE.ok(value)
    }
}

/// Returns the command that deletes the largest part of the cache. Making it again only costs time.
fn empty_command(folder: &Path) -> String {
    format!("rm -r {0}/artefacts {0}/worktrees", folder.display())
}

pub(super) fn check_bisects(left: &[String]) -> MachineFinding {
    match left {
        [] => BISECTS.ok("none"),
        [only] => BISECTS
            .attention(only.clone())
            .with_fix("orch bisect --resume"),
        [.., newest] => BISECTS
            .attention(format!("{}, the newest {newest}", left.len()))
            .with_fix("orch bisect --resume"),
    }
}

pub(super) fn check_journals(left: &[PathBuf]) -> MachineFinding {
    match left {
        [] => JOURNALS.ok("none"),
        [.., newest] => JOURNALS
            .attention(format!("{}, the newest {}", left.len(), newest.display()))
            .with_fix("orch run SCENARIO --resume"),
    }
}
