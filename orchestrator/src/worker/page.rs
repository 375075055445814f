//! The page that `orch` and a worker share: where the worker is, and what killed it. Survives the
//! worker's death.

use crate::protocol::Phase;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

const SIZE: usize = 4096;
const SCOPE_BYTES: usize = 1024;
/// From abort() to the code that called for it there are some functions of the C library and of a
/// language in between.
const CALLERS: usize = 32;

/// The layout of the page. All zero is a worker that has not begun.
#[repr(C)]
pub(crate) struct PageLayout {
    phase: AtomicU32,
    signal: AtomicI32,
    pub(crate) iteration: AtomicU64,
    /// Address whose access failed.
    pub(crate) address: AtomicU64,
    /// Address of the instruction that failed.
    pub(crate) instruction: AtomicU64,
    /// The fault lies next to the stack pointer.
    pub(crate) near_stack: AtomicU32,
    /// One more than the phase in which a process that the plugin forked came back from its call; 0
    /// if none did.
    pub(crate) forked: AtomicU32,
    /// Size of the last allocation that was refused.
    pub(crate) refused: AtomicU64,
    /// Of the page that two workers share: the place in their common order that is next.
    pub(crate) turn: AtomicU32,
    /// Address where the plugin's file is mapped.
    pub(crate) library_base: AtomicU64,
    /// Where the functions go on that had called each other when an abort came, innermost first; 0
    /// ends the list.
    callers: [AtomicU64; CALLERS],
    scope_length: AtomicU32,
    scope: [AtomicU8; SCOPE_BYTES],
}

const _: () = assert!(size_of::<PageLayout>() <= SIZE);

/// A mapping of the page.
pub(crate) struct SharedPage {
    at: NonNull<PageLayout>,
}

impl SharedPage {
    /// Makes a page and the descriptor by which a worker maps it too.
    pub(crate) fn create() -> rustix::io::Result<(Self, OwnedFd)> {
        let file = rustix::fs::memfd_create("orch-page", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, SIZE as u64)?;
        Ok((Self::map(&file)?, file))
    }

    pub(crate) fn map(file: &impl AsFd) -> rustix::io::Result<Self> {
        // SAFETY: a new shared mapping of the whole file, at an address of the kernel's choice.
        let at = unsafe {
            mmap(
                std::ptr::null_mut(),
                SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )?
        };
        NonNull::new(at.cast())
            .map(|at| Self { at })
            .ok_or(rustix::io::Errno::NOMEM)
    }

    pub(crate) fn get(&self) -> &PageLayout {
        // SAFETY: the mapping is SIZE bytes, page aligned, lives as long as `self`, and has atomic
        // fields only, for which every bit pattern is valid whoever writes it.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: made by `map` with this size; `get` borrows from `self`, so no reference is left.
        // A failure would only leave the page mapped.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), SIZE) };
    }
}

impl PageLayout {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u32, Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::from_number(self.phase.load(Relaxed))
    }

    /// The signal that a handler noted; 0 if none did.
    pub(crate) fn signal(&self) -> i32 {
        self.signal.load(Relaxed)
    }

    pub(crate) fn set_signal(&self, signal: i32) {
        self.signal.store(signal, Relaxed);
    }

    /// Stores the open scopes, outermost first. Safe in a signal handler: it only stores bytes.
    pub(crate) fn set_scope<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        let separator: &[u8] = b" > ";
        let mut length = 0;
        for (index, name) in names.enumerate() {
            let parts = [if index == 0 { &[] } else { separator }, name];
            for byte in parts.into_iter().flatten() {
                let Some(place) = self.scope.get(length) else {
                    break;
                };
                place.store(*byte, Relaxed);
                length += 1;
            }
        }
        // At most SCOPE_BYTES.
        self.scope_length.store(length as u32, Relaxed);
    }

    /// Stores where a function goes on; false when there is no place for more. Safe in a signal
    /// handler.
    pub(crate) fn set_caller(&self, index: usize, address: u64) -> bool {
        let place = self.callers.get(index);
        if let Some(place) = place {
            place.store(address, Relaxed);
        }
        place.is_some()
    }

    pub(crate) fn callers(&self) -> impl Iterator<Item = u64> {
        self.callers
            .iter()
            .map(|address| address.load(Relaxed))
            .take_while(|address| *address != 0)
    }

    pub(crate) fn scope(&self) -> String {
        let length = (self.scope_length.load(Relaxed) as usize).min(SCOPE_BYTES);
        let bytes: Vec<u8> = self.scope[..length]
            .iter()
            .map(|byte| byte.load(Relaxed))
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
