//! The files that the numbers of a run come from: for now orch itself.

use super::output::Failure;
use std::path::Path;

/// The build of orch, which the sentinel's kernels are part of. Version and target are the same for every commit and
/// compiler, so its file is what tells builds apart; `/proc/self/exe` is that file even where another lies there by now.
pub(super) fn orch() -> Result<String, Failure> {
    let optimised = if cfg!(debug_assertions) { "debug" } else { "release" };
    let hash = crate::hash::file(Path::new("/proc/self/exe"))
        .map_err(|error| Failure::system("cannot read the program of orch itself", &error))?;
    Ok(format!("orch {} {optimised} {} {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, &hash[..16]))
}
