//! A loaded plugin. Only this module calls through the plugin ABI.

use super::host;
use crate::protocol::PluginErrorKind;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use orch_sdk::abi::{
    self, CodeExt, DigestExt, ElapsedExt, Host, Instance, Plugin, PrepareExt, ResetExt, Status, Str,
};
use std::ffi::CStr;
use std::mem::{ManuallyDrop, offset_of};
use std::path::Path;
use std::ptr::null_mut;

/// Keeps the library mapped forever, because its code may still be on the stack of a thread.
const RTLD_NODELETE: i32 = libc::RTLD_NODELETE;

/// Maximum number of entry points, for a plugin that never reports the end of its list.
const MOST_BEGINNINGS: u32 = 64;

/// Failure of a call into a plugin.
#[derive(Debug)]
pub(crate) struct CallError {
    pub kind: PluginErrorKind,
    pub message: String,
}

impl CallError {
    pub fn load(message: impl Into<String>) -> Self {
        Self {
            kind: PluginErrorKind::Load,
            message: message.into(),
        }
    }
}

/// Function table of a plugin. Functions that an older or newer plugin lacks are left out.
pub(crate) struct LoadedPlugin {
    host: &'static Host,
    table: Plugin,
    /// Address of the symbol, from which the mapping of its file is found.
    pub symbol: *const Plugin,
    /// The loaded file; `None` for a plugin that is part of `orch`.
    _library: Option<ManuallyDrop<Library>>,
}

impl LoadedPlugin {
    /// Loads a library and checks its table. This runs the library's constructors. The path of this
    /// program stands for the plugin that it contains.
    pub fn open(path: &Path, host: &'static Host) -> Result<Self, CallError> {
        if std::env::current_exe().is_ok_and(|program| program == path) {
            let symbol = command::plugin_table();
            return Ok(Self {
                host,
                table: read_table(symbol)?,
                symbol,
                _library: None,
            });
        }
        // SAFETY: loading runs foreign constructors, which is the purpose of this worker process.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }
            .map_err(|error| CallError::load(join_causes(&error)))?;
        // SAFETY: only the address is taken here; the data at it are checked below.
        let symbol = unsafe { library.get::<*const Plugin>(abi::PLUGIN_SYMBOL.as_bytes()) }
            .map_err(|error| CallError::load(join_causes(&error)))?
            .into_raw()
            .cast_const()
            .cast::<Plugin>();
        let table = read_table(symbol)?;
        Ok(Self {
            host,
            table,
            symbol,
            _library: Some(ManuallyDrop::new(library)),
        })
    }

    /// Returns the plugin's describe document.
    pub fn describe(&self) -> Result<String, CallError> {
        let describe = required(self.table.describe, "describe")?;
        host::begin_document(host::PluginDocument::Description);
        // SAFETY: the function comes from a checked table and gets the host table, which lives
        // forever.
        check_status(unsafe { describe(self.host) })?;
        host::end_document().map_err(CallError::load)
    }

    /// Creates an instance of a workload.
    pub fn create(&self, workload: &str, params: &str) -> Result<LiveInstance<'_>, CallError> {
        let create = required(self.table.create, "create")?;
        let run = required(self.table.run, "run")?;
        let mut instance = null_mut();
        // SAFETY: as for describe; the texts and the place for the instance outlive the call.
        check_status(unsafe {
            create(
                self.host,
                Str::new(workload),
                Str::new(params),
                &raw mut instance,
            )
        })?;
        if instance.is_null() {
            return Err(CallError {
                kind: PluginErrorKind::Error,
                message: "create returned ORCH_OK but no instance".to_owned(),
            });
        }
        Ok(LiveInstance {
            plugin: self,
            instance,
            run,
            digest: self.digest_extension(),
            reset: self.reset_extension(),
            prepare: self.prepare_extension(),
            elapsed: self.elapsed_extension(),
        })
    }

    fn digest_extension(
        &self,
    ) -> Option<unsafe extern "C" fn(*mut Instance, *const Host) -> Status> {
        let extension = self.extension(abi::DIGEST_EXT).cast::<DigestExt>();
        // SAFETY: a plugin that returns a pointer for this id promises a constant struct of this
        // type that lives forever. Its size is read first.
        unsafe {
            let covers = offset_of!(DigestExt, digest) + size_of::<usize>();
            (!extension.is_null() && (*extension).struct_size as usize >= covers)
                .then(|| (*extension).digest)?
        }
    }

    fn reset_extension(&self) -> Option<unsafe extern "C" fn(*mut Instance) -> Status> {
        let extension = self.extension(abi::RESET_EXT).cast::<ResetExt>();
        // SAFETY: as for the digest.
        unsafe {
            let covers = offset_of!(ResetExt, reset) + size_of::<usize>();
            (!extension.is_null() && (*extension).struct_size as usize >= covers)
                .then(|| (*extension).reset)?
        }
    }

    fn prepare_extension(
        &self,
    ) -> Option<unsafe extern "C" fn(*mut Instance, u64, *mut u64) -> Status> {
        let extension = self.extension(abi::PREPARE_EXT).cast::<PrepareExt>();
        // SAFETY: as for the digest.
        unsafe {
            let covers = offset_of!(PrepareExt, prepare) + size_of::<usize>();
            (!extension.is_null() && (*extension).struct_size as usize >= covers)
                .then(|| (*extension).prepare)?
        }
    }

    fn elapsed_extension(&self) -> Option<unsafe extern "C" fn(*mut Instance, *mut u64) -> Status> {
        let extension = self.extension(abi::ELAPSED_EXT).cast::<ElapsedExt>();
        // SAFETY: as for the digest.
        unsafe {
            let covers = offset_of!(ElapsedExt, elapsed) + size_of::<usize>();
            (!extension.is_null() && (*extension).struct_size as usize >= covers)
                .then(|| (*extension).elapsed)?
        }
    }

    /// Returns the entry points of a workload's code; empty if the plugin does not provide them.
    pub fn code(&self, workload: &str) -> Vec<u64> {
        let extension = self.extension(abi::CODE_EXT).cast::<CodeExt>();
        // SAFETY: as for the digest; the name outlives the call.
        unsafe {
            let covers = offset_of!(CodeExt, begin) + size_of::<usize>();
            if extension.is_null() || ((*extension).struct_size as usize) < covers {
                return Vec::new();
            }
            let Some(begin) = (*extension).begin else {
                return Vec::new();
            };
            let addresses =
                (0..MOST_BEGINNINGS).map(|index| begin(Str::new(workload), index).addr() as u64);
            addresses.take_while(|address| *address != 0).collect()
        }
    }

    fn extension(&self, id: &CStr) -> *const std::ffi::c_void {
        match self.table.get_extension {
            // SAFETY: the function comes from a checked table; the id is NUL-terminated.
            Some(get) => unsafe { get(id.as_ptr()) },
            None => std::ptr::null(),
        }
    }
}

/// An instance of a workload, until it is destroyed.
pub(crate) struct LiveInstance<'a> {
    plugin: &'a LoadedPlugin,
    instance: *mut Instance,
    run: unsafe extern "C" fn(*mut Instance, u64) -> Status,
    digest: Option<unsafe extern "C" fn(*mut Instance, *const Host) -> Status>,
    reset: Option<unsafe extern "C" fn(*mut Instance) -> Status>,
    prepare: Option<unsafe extern "C" fn(*mut Instance, u64, *mut u64) -> Status>,
    elapsed: Option<unsafe extern "C" fn(*mut Instance, *mut u64) -> Status>,
}

impl LiveInstance<'_> {
    pub fn setup(&mut self) -> Result<(), CallError> {
        self.plugin.table.setup.map_or(Ok(()), |setup| {
            // SAFETY: the instance comes from create, and all calls come from this one thread.
            check_status(unsafe { setup(self.instance) })
        })
    }

    /// Prepares the inputs of the next [`Self::run`], if the plugin supports it. Returns the number
    /// of iterations that are prepared: at most `wanted`, and at least one if any is wanted.
    pub fn prepare(&mut self, wanted: u64) -> Result<u64, CallError> {
        if let Some(prepare) = self.prepare {
            let mut granted = wanted;
            // SAFETY: as for setup; the place for the number outlives the call.
            check_status(unsafe { prepare(self.instance, wanted, &raw mut granted) })?;
            if granted > wanted || (granted == 0 && wanted > 0) {
                return Err(CallError {
                    kind: PluginErrorKind::Error,
                    message: format!(
                        "prepare granted {granted} iterations of {wanted}; grant at least one and \
                         at most as many as are wanted"
                    ),
                });
            }
            return Ok(granted);
        }
        if let Some(reset) = self.reset {
            // SAFETY: as for setup.
            check_status(unsafe { reset(self.instance) })?;
        }
        Ok(wanted)
    }

    /// Returns for how many iterations the workload has inputs, at most `wanted`.
    pub fn grant(&mut self, wanted: u64) -> Result<u64, CallError> {
        match self.limits_iterations() {
            true => self.prepare(wanted),
            false => Ok(wanted),
        }
    }

    /// Returns whether the workload may have inputs for fewer iterations than are wanted.
    pub fn limits_iterations(&self) -> bool {
        self.prepare.is_some()
    }

    /// Prepares and runs one iteration.
    pub fn run_once(&mut self) -> Result<(), CallError> {
        self.prepare(1)?;
        self.run(1)
    }

    /// Returns the time of the last [`Self::run`] as the workload measured it; `None` if the time
    /// of the whole call counts.
    pub fn own_time_ns(&mut self) -> Result<Option<u64>, CallError> {
        let Some(elapsed) = self.elapsed else {
            return Ok(None);
        };
        let mut ns = u64::MAX;
        // SAFETY: as for setup; the place for the number outlives the call.
        check_status(unsafe { elapsed(self.instance, &raw mut ns) })?;
        Ok((ns != u64::MAX).then_some(ns))
    }

    /// Runs some iterations. No code of orch runs between them.
    #[inline(always)]
    pub fn run(&mut self, iterations: u64) -> Result<(), CallError> {
        // SAFETY: as for setup.
        let status = unsafe { (self.run)(self.instance, iterations) };
        if status == abi::OK {
            Ok(())
        } else {
            check_status(status)
        }
    }

    pub fn has_digest(&self) -> bool {
        self.digest.is_some()
    }

    /// Returns the digest document; empty if the plugin has none.
    pub fn digest(&mut self) -> Result<String, CallError> {
        let Some(digest) = self.digest else {
            return Ok(String::new());
        };
        host::begin_document(host::PluginDocument::Digest);
        // SAFETY: as for setup, and the host table lives forever.
        check_status(unsafe { digest(self.instance, self.plugin.host) })?;
        host::end_document().map_err(|message| CallError {
            kind: PluginErrorKind::Error,
            message,
        })
    }

    pub fn teardown(&mut self) -> Result<(), CallError> {
        self.plugin.table.teardown.map_or(Ok(()), |teardown| {
            // SAFETY: as for setup.
            check_status(unsafe { teardown(self.instance) })
        })
    }

    pub fn destroy(self) {
        if let Some(destroy) = self.plugin.table.destroy {
            // SAFETY: the instance is not used afterwards: `self` is consumed.
            unsafe { destroy(self.instance) };
        }
    }
}

/// Copies the part of a plugin's table that both sides know.
fn read_table(symbol: *const Plugin) -> Result<Plugin, CallError> {
    if symbol.is_null() {
        return Err(CallError::load("the plugin symbol is at address 0"));
    }
    // SAFETY: before loading, the file was checked to have at least the 16 bytes up to and
    // including `flags` at this symbol.
    let (magic, abi_major, abi_minor, struct_size, flags) = unsafe {
        (
            (*symbol).magic,
            (*symbol).abi_major,
            (*symbol).abi_minor,
            (*symbol).struct_size,
            (*symbol).flags,
        )
    };
    if magic != abi::MAGIC || abi_major != abi::ABI_MAJOR {
        return Err(CallError::load(format!(
            "the plugin symbol changed while loading: magic {magic:#x}, ABI {abi_major}"
        )));
    }
    let known = struct_size as usize;
    /// Reads a field if the plugin's struct is large enough for it.
    macro_rules! field {
        ($name:ident) => {
            if offset_of!(Plugin, $name) + size_of::<usize>() <= known {
                // SAFETY: according to its size, the plugin's struct covers this field. An Option
                // of a function pointer is valid for null and for any function.
                unsafe { (*symbol).$name }
            } else {
                None
            }
        };
    }
    Ok(Plugin {
        magic,
        abi_major,
        abi_minor,
        struct_size,
        flags,
        describe: field!(describe),
        create: field!(create),
        setup: field!(setup),
        run: field!(run),
        teardown: field!(teardown),
        destroy: field!(destroy),
        get_extension: field!(get_extension),
    })
}

fn required<T>(function: Option<T>, name: &str) -> Result<T, CallError> {
    function.ok_or_else(|| {
        CallError::load(format!(
            "the plugin's table has no `{name}`: its pointer is NULL or struct_size is too small \
             to hold it"
        ))
    })
}

fn check_status(status: Status) -> Result<(), CallError> {
    let (kind, fallback) = match status {
        abi::OK => return Ok(()),
        abi::ERR => (
            PluginErrorKind::Error,
            "the plugin reported an error without a message".to_owned(),
        ),
        abi::ERR_PANIC => (
            PluginErrorKind::Panic,
            "the plugin panicked without a message".to_owned(),
        ),
        abi::ERR_PARAMS => (
            PluginErrorKind::Params,
            "the plugin refused its parameters without a message".to_owned(),
        ),
        abi::ERR_UNKNOWN_WORKLOAD => (
            PluginErrorKind::UnknownWorkload,
            "the plugin has no such workload".to_owned(),
        ),
        abi::ERR_UNSUPPORTED => (
            PluginErrorKind::Unsupported,
            "not supported on this machine".to_owned(),
        ),
        other => (
            PluginErrorKind::Error,
            format!("the plugin returned the unknown status {other}"),
        ),
    };
    let text = host::take_error();
    Err(CallError {
        kind,
        message: if text.is_empty() { fallback } else { text },
    })
}

/// Joins an error with all its causes, because libloading's own text is only "dlopen failed".
fn join_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
