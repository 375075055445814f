//! The plugin ABI, version 1: the same structs as `include/orch_plugin.h`, which holds the full
//! contract.
//!
//! Names follow the header (`orch_host` is [`Host`], and so on). Function pointers that a plugin
//! fills in are `Option`s, because a C plugin may leave any of them NULL and the host has to
//! notice.

use std::ffi::{c_char, c_void};

/// First field of every plugin symbol: the bytes `ORCH`.
pub const MAGIC: u32 = 0x4843_524F;
/// Major version of the ABI. The host refuses plugins of another one.
pub const ABI_MAJOR: u16 = 1;
/// Minor version of the ABI. A minor version only appends fields, and each side reads the fields
/// that both have.
pub const ABI_MINOR: u16 = 0;
/// Name of the exported data symbol, a [`Plugin`].
pub const PLUGIN_SYMBOL: &str = "orch_plugin_v1";
/// Name of the optional exported data symbol with the CPU features for which a plugin was compiled.
pub const CPU_FEATURES_SYMBOL: &str = "orch_plugin_cpu_features";
/// Extension id of [`DigestExt`].
pub const DIGEST_EXT: &std::ffi::CStr = c"orch.digest/1";
/// Extension id of [`ResetExt`].
pub const RESET_EXT: &std::ffi::CStr = c"orch.reset/1";
/// Extension id of [`CodeExt`].
pub const CODE_EXT: &std::ffi::CStr = c"orch.code/1";
/// Extension id of [`PrepareExt`].
pub const PREPARE_EXT: &std::ffi::CStr = c"orch.prepare/1";
/// Extension id of [`ElapsedExt`].
pub const ELAPSED_EXT: &std::ffi::CStr = c"orch.elapsed/1";

/// Status of a plugin function: one of the `ORCH_*` constants of the header.
pub type Status = i32;
/// Status of a call that succeeded.
pub const OK: Status = 0;
/// Status of a call that failed; the text is the last one that the plugin passed to `set_error`.
pub const ERR: Status = 1;
/// Status of a call whose panic was caught at the boundary.
pub const ERR_PANIC: Status = 2;
/// Status of a `create` with wrong parameters.
pub const ERR_PARAMS: Status = 3;
/// Status of a `create` with the name of no workload of the plugin.
pub const ERR_UNKNOWN_WORKLOAD: Status = 4;
/// Status of a workload that cannot run on this machine; the job is skipped.
pub const ERR_UNSUPPORTED: Status = 5;

/// Borrowed UTF-8 text without a terminating NUL, valid for the call to which it is passed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// First byte; may be dangling when `len` is 0.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

impl Str {
    /// Borrows `text`; the caller keeps it alive for the call.
    pub const fn new(text: &str) -> Self {
        Self {
            ptr: text.as_ptr(),
            len: text.len(),
        }
    }
}

/// One instance of a workload; owned by the plugin, opaque to the host.
#[repr(C)]
pub struct Instance {
    _opaque: [u8; 0],
}

/// The host's functions for plugins. Outlives every plugin call.
#[repr(C)]
pub struct Host {
    /// Size in bytes of the host's version of this struct.
    pub struct_size: u32,
    /// [`ABI_MAJOR`] of the host.
    pub abi_major: u16,
    /// [`ABI_MINOR`] of the host.
    pub abi_minor: u16,
    /// Context of the host; opaque to plugins.
    pub ctx: *mut c_void,
    /// Sets the error text of the calling thread; the last text counts.
    pub set_error: unsafe extern "C" fn(*const Host, Str),
    /// Logs a line; level 1 error, 2 warning, 3 info, 4 debug.
    pub log: unsafe extern "C" fn(*const Host, u32, Str),
    /// Appends to the document of the current `describe` or `digest` call.
    pub write: unsafe extern "C" fn(*const Host, Str),
    /// Returns the id of a name, never 0.
    pub intern: unsafe extern "C" fn(*const Host, Str) -> u32,
    /// Opens a scope on the calling thread.
    pub scope_enter: unsafe extern "C" fn(*const Host, u32),
    /// Closes the scope that the calling thread opened last.
    pub scope_exit: unsafe extern "C" fn(*const Host, u32),
    /// Adds to a counter of the calling thread's current scope.
    pub counter_add: unsafe extern "C" fn(*const Host, u32, f64),
    /// Looks up a host extension by id; NULL if the host has none of that name.
    pub get_extension: unsafe extern "C" fn(*const Host, *const c_char) -> *const c_void,
}

/// The function table that a plugin exports as the constant data symbol [`PLUGIN_SYMBOL`].
#[repr(C)]
pub struct Plugin {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`ABI_MAJOR`] with which the plugin was built.
    pub abi_major: u16,
    /// [`ABI_MINOR`] with which the plugin was built.
    pub abi_minor: u16,
    /// Size in bytes of the plugin's version of this struct.
    pub struct_size: u32,
    /// Always 0, because no flags are defined.
    pub flags: u32,
    /// Writes the describe document (JSON). Required.
    pub describe: Option<unsafe extern "C" fn(*const Host) -> Status>,
    /// Creates an instance of a workload from its name and its parameters (a JSON object).
    /// Required.
    pub create: Option<unsafe extern "C" fn(*const Host, Str, Str, *mut *mut Instance) -> Status>,
    /// Prepares inputs, once, untimed.
    pub setup: Option<unsafe extern "C" fn(*mut Instance) -> Status>,
    /// Runs a number of iterations. Required.
    pub run: Option<unsafe extern "C" fn(*mut Instance, u64) -> Status>,
    /// Undoes setup.
    pub teardown: Option<unsafe extern "C" fn(*mut Instance) -> Status>,
    /// Frees the instance.
    pub destroy: Option<unsafe extern "C" fn(*mut Instance)>,
    /// Looks up a plugin extension by id: [`DIGEST_EXT`] and the others.
    pub get_extension: Option<unsafe extern "C" fn(*const c_char) -> *const c_void>,
}

/// Extension [`DIGEST_EXT`]: a checksum of the output of one iteration.
#[repr(C)]
pub struct DigestExt {
    /// Size in bytes of the plugin's version of this struct.
    pub struct_size: u32,
    /// Writes `{"value": number|string, "score"?: number, "tolerance"?: number}`, or nothing if
    /// there is no digest.
    pub digest: Option<unsafe extern "C" fn(*mut Instance, *const Host) -> Status>,
}

/// Extension [`RESET_EXT`]: restores the inputs to their state after setup.
#[repr(C)]
pub struct ResetExt {
    /// Size in bytes of the plugin's version of this struct.
    pub struct_size: u32,
    /// Restores the inputs. The host calls it untimed, before each sample and before the iteration
    /// of the digest.
    pub reset: Option<unsafe extern "C" fn(*mut Instance) -> Status>,
}

/// Extension [`CODE_EXT`]: entry points of a workload's own code.
#[repr(C)]
pub struct CodeExt {
    /// Size in bytes of the plugin's version of this struct.
    pub struct_size: u32,
    /// Returns the address of the function with that index, from which code of the workload is
    /// reached; NULL after the last one.
    pub begin: Option<unsafe extern "C" fn(Str, u32) -> *const c_void>,
}

/// Extension [`PREPARE_EXT`]: inputs for the iterations of the next call of `run`.
#[repr(C)]
pub struct PrepareExt {
    /// Size in bytes of the plugin's version of this struct.
    pub struct_size: u32,
    /// Prepares inputs for at most that many iterations, and stores for how many. The host calls
    /// it, untimed, in place of `reset`; the next `run` gets the stored number.
    pub prepare: Option<unsafe extern "C" fn(*mut Instance, u64, *mut u64) -> Status>,
}

/// Extension [`ELAPSED_EXT`]: the time of a `run` as the workload measured it.
#[repr(C)]
pub struct ElapsedExt {
    /// Size in bytes of the plugin's version of this struct.
    pub struct_size: u32,
    /// Stores the nanoseconds of the last `run`, or leaves the place alone if the host's clock is
    /// right. The host calls it after each timed `run`.
    pub elapsed: Option<unsafe extern "C" fn(*mut Instance, *mut u64) -> Status>,
}

// SAFETY: the tables hold plain numbers and function pointers and are never written after their
// creation; `Host::ctx` is only followed by the host itself, which keeps it valid on every thread.
unsafe impl Sync for Host {}
// SAFETY: as above; `Plugin` has no pointer to data at all.
unsafe impl Sync for Plugin {}
// SAFETY: as above.
unsafe impl Sync for DigestExt {}
// SAFETY: as above.
unsafe impl Sync for ResetExt {}
// SAFETY: as above.
unsafe impl Sync for CodeExt {}
// SAFETY: as above.
unsafe impl Sync for PrepareExt {}
// SAFETY: as above.
unsafe impl Sync for ElapsedExt {}

// The layout that the C header promises on every 64-bit target.
const _: () = {
    assert!(size_of::<Str>() == 16);
    assert!(size_of::<Host>() == 80);
    assert!(size_of::<Plugin>() == 72);
    assert!(size_of::<DigestExt>() == 16);
    assert!(size_of::<ResetExt>() == 16);
    assert!(size_of::<CodeExt>() == 16);
    assert!(size_of::<PrepareExt>() == 16);
    assert!(size_of::<ElapsedExt>() == 16);
};
