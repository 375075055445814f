//! The host of this process, and safe calls of its functions.

use crate::abi::{self, Host, Str};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Null until the first `describe` or `create`, and in unit tests of a library that has no host.
static HOST: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());

/// Size of the host's table in version 1.0, up to its last field.
const VERSION_1_0: usize = std::mem::offset_of!(Host, get_extension) + size_of::<usize>();

/// A host whose ABI has been checked.
#[derive(Clone, Copy)]
pub struct HostRef(&'static Host);

/// Keeps the host for callbacks, if its ABI is this one.
///
/// # Safety
/// As [`HostRef::new`].
pub unsafe fn adopt(host: *const Host) -> Option<HostRef> {
    // SAFETY: the caller's promise.
    let checked = unsafe { HostRef::new(host) }?;
    HOST.store(host.cast_mut(), Ordering::Release);
    Some(checked)
}

/// Returns the adopted host, if there is one.
#[inline(always)]
pub fn current() -> Option<HostRef> {
    let host = HOST.load(Ordering::Acquire);
    // SAFETY: only `adopt` stores here, and the stored host stays valid for the rest of the
    // process.
    unsafe { host.cast_const().as_ref() }.map(HostRef)
}

impl HostRef {
    /// Refuses null, a host of another major version, and one that lacks a field of version 1.0.
    /// Before the use of a field that a later minor version appends, `struct_size` has to be
    /// checked for it.
    ///
    /// # Safety
    /// `host` is null or points to a [`Host`] that stays valid for the rest of the process, as the
    /// ABI promises.
    pub unsafe fn new(host: *const Host) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { host.as_ref() }
            .filter(|host| {
                host.abi_major == abi::ABI_MAJOR && host.struct_size as usize >= VERSION_1_0
            })
            .map(Self)
    }

    pub fn set_error(self, text: &str) {
        // SAFETY: the function belongs to this host; the text is valid for the call.
        unsafe { (self.0.set_error)(self.0, Str::new(text)) }
    }

    pub fn log(self, level: u32, text: &str) {
        // SAFETY: as in `set_error`.
        unsafe { (self.0.log)(self.0, level, Str::new(text)) }
    }

    pub fn write(self, text: &str) {
        // SAFETY: as in `set_error`; the boundary calls this only inside describe and digest.
        unsafe { (self.0.write)(self.0, Str::new(text)) }
    }

    pub fn intern(self, name: &str) -> u32 {
        // SAFETY: as in `set_error`.
        unsafe { (self.0.intern)(self.0, Str::new(name)) }
    }

    #[inline(always)]
    pub fn scope_enter(self, id: u32) {
        // SAFETY: the function belongs to this host and takes any id that its `intern` returned.
        unsafe { (self.0.scope_enter)(self.0, id) }
    }

    #[inline(always)]
    pub fn scope_exit(self, id: u32) {
        // SAFETY: as in `scope_enter`.
        unsafe { (self.0.scope_exit)(self.0, id) }
    }

    #[inline(always)]
    pub fn counter_add(self, id: u32, amount: f64) {
        // SAFETY: as in `scope_enter`.
        unsafe { (self.0.counter_add)(self.0, id, amount) }
    }
}
