//! Rights that a sandboxed worker gives up without a filter: capabilities and descriptors.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::io;
use std::os::fd::RawFd;

/// Capabilities that root keeps. The sandbox's own rules cover the files of other users, and locked
/// memory counts towards the job's limit.
const KEPT: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::IPC_LOCK);

/// Gives up the capabilities of root that no workload needs. Other users have none.
pub(super) fn drop_capabilities() -> io::Result<()> {
    let now = capabilities(None)?;
    if now.permitted.is_empty() && now.inheritable.is_empty() {
        return Ok(());
    }
    // Because of no_new_privs, a program that root starts gets at most the capabilities of this
    // process.
    let kept = now.permitted & KEPT;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    match rustix::thread::clear_ambient_capability_set() {
        Err(Errno::INVAL) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Closes the descriptors that orch inherited. A descriptor gives access to a file, and landlock
/// checks only when a file is opened.
pub(super) fn close_inherited(channel: RawFd) -> io::Result<()> {
    let channel = u32::try_from(channel).map_err(io::Error::other)?;
    for (first, last) in [(3, channel.saturating_sub(1)), (channel + 1, u32::MAX)] {
        // SAFETY: this process has just begun, and nothing in it uses a descriptor in these ranges.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        let error = io::Error::last_os_error();
        // The call is missing before Linux 5.9, which has no landlock either.
        if closed != 0 && error.raw_os_error() != Some(libc::ENOSYS) {
            return Err(error);
        }
    }
    Ok(())
}
