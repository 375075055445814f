//! The end of the driver's stack for exceptions: an exception that the plugin does not catch stops
//! here.
//!
//! Without this barrier, a foreign exception would reach Rust's own `catch_unwind`, which aborts
//! with a message about Rust. An unwinder that finds no handler does not start. Instead, the
//! language's runtime prints what was thrown and aborts at the place of the throw, with all scopes
//! still open.

/// Calls `work` from a function without unwinding information, so that no unwinder looks beyond it.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) extern "C" fn call_without_unwinding(work: extern "C-unwind" fn() -> !) -> ! {
    std::arch::naked_asm!("sub rsp, 8", "call rdi", "ud2")
}

/// Calls `work` from a function without unwinding information, so that no unwinder looks beyond it.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) extern "C" fn call_without_unwinding(work: extern "C-unwind" fn() -> !) -> ! {
    std::arch::naked_asm!("blr x0", "brk #1")
}
