//! Faults that end the job: errors, panics, signals, exits.

use crate::trigger::fault;
use orch_sdk::prelude::*;
use std::hint::black_box;

fault! {
    /// Returns an error
    "error" Fails {
        #[param(default = "failed on purpose")]
        message: String,
    }
    |fault| Err(Error::msg(&fault.message))
}

fault! {
    /// Reports that it cannot run on this machine
    "unsupported" Unsupported {}
    |_fault| Err(Error::unsupported("needs a machine that does not exist"))
}

fault! {
    /// Panics
    "panic" Panics {
        #[param(default = "panicked on purpose")]
        message: String,
    }
    |fault| panic!("{}", fault.message)
}

fault! {
    /// Panics on a separate thread, and joins it
    "thread_panic" ThreadPanics {}
    |_fault| {
        let thread = std::thread::Builder::new().name("faulty-thread".to_owned());
        match thread.spawn(|| panic!("a thread panicked on purpose"))?.join() {
            Ok(()) => Ok(()),
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }
}

fault! {
    /// Reads from an address that is not mapped
    "segfault" Segfaults {
        /// Address; 0 is the null pointer
        #[param(default = 0)]
        address: usize,
    }
    |fault| {
        read_byte(fault.address);
        Ok(())
    }
}

/// In assembly where it can be: debug builds of Rust check pointers for null before they are used.
fn read_byte(address: usize) {
    // SAFETY: none; the read is the fault.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("mov {0}, byte ptr [{1}]", out(reg_byte) _, in(reg) address);
    }
    // SAFETY: none; the read is the fault.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("ldrb {byte:w}, [{address}]", address = in(reg) address, byte = out(reg) _);
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    // SAFETY: none; the read is the fault.
    black_box(unsafe {
        std::ptr::with_exposed_provenance::<u8>(black_box(address)).read_volatile()
    });
}

fault! {
    /// Recurses until the stack is used up
    "stack_overflow" OverflowsStack {}
    |_fault| {
        black_box(descend(u64::MAX));
        Ok(())
    }
}

/// Uses some kilobytes of stack per level.
#[inline(never)]
fn descend(levels: u64) -> u64 {
    let frame = black_box([levels; 512]);
    if black_box(levels) == 0 {
        0
    } else {
        descend(levels - 1) + frame[7]
    }
}

fault! {
    /// Aborts the process
    "abort" Aborts {}
    |_fault| std::process::abort()
}

fault! {
    /// Ends the process
    "exit" Exits {
        #[param(default = 0, range = 0..=255)]
        code: i32,
    }
    |fault| std::process::exit(fault.code)
}
