//! The host's side of the ABI: the callback table that a plugin gets, and its state.

use super::{names, scopes};
use crate::format::clean;
use orch_sdk::abi::{ABI_MAJOR, ABI_MINOR, Host, Str};
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::io::Write;
use std::ptr::null;
use std::sync::{Mutex, PoisonError};

/// Maximum length of an error text. A longer one is cut, because the beginning is the informative
/// part.
const ERROR_LIMIT: usize = 4 << 10;
/// Kind of document that a plugin writes during a call, which determines the maximum size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PluginDocument {
    Description,
    /// The digest of a pass. Every pass of every job has one, and orch keeps all of them.
    Digest,
}

impl PluginDocument {
    fn limit(self) -> usize {
        match self {
            Self::Description => 16 << 20,
            Self::Digest => 64 << 10,
        }
    }
}

/// State left by callbacks. It is in a mutex because callbacks come from any thread. It is never
/// locked on a hot path.
struct CallbackState {
    /// The text is stored in place and not on the heap, because a plugin may set an error while its
    /// allocations are counted.
    error: [u8; ERROR_LIMIT],
    /// Length of the plugin's text, of which at most ERROR_LIMIT bytes were kept.
    error_length: usize,
    document: Option<Vec<u8>>,
    kind: PluginDocument,
    overflow: bool,
}

static STATE: Mutex<CallbackState> = Mutex::new(CallbackState {
    error: [0; ERROR_LIMIT],
    error_length: 0,
    document: None,
    kind: PluginDocument::Description,
    overflow: false,
});

thread_local! {
    /// Whether this thread calls the plugin.
    static DRIVER: Cell<bool> = const { Cell::new(false) };
}

/// Makes the calling thread the driver. Only the driver's error texts count.
pub(crate) fn become_driver() {
    DRIVER.set(true);
}

/// Effect of scopes and counters in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingMode {
    /// Both do nothing, as fast as possible.
    Off,
    /// Counters are summed, scopes do nothing.
    Counters,
    /// Both are recorded.
    Scopes,
}

/// Returns a callback table that lives for the rest of the process.
pub fn table(recording: RecordingMode) -> &'static Host {
    Box::leak(Box::new(Host {
        struct_size: size_of::<Host>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        ctx: std::ptr::null_mut(),
        set_error,
        log,
        write,
        intern,
        scope_enter: if recording == RecordingMode::Scopes {
            scope_enter
        } else {
            ignore_scope
        },
        scope_exit: if recording == RecordingMode::Scopes {
            scope_exit
        } else {
            ignore_scope
        },
        counter_add: if recording == RecordingMode::Off {
            ignore_count
        } else {
            counter_add
        },
        get_extension,
    }))
}

/// Takes the driver's last error text; empty if the plugin has set none since [`forget_error`].
pub(crate) fn take_error() -> String {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let length = std::mem::take(&mut state.error_length);
    let kept = &state.error[..length.min(ERROR_LIMIT)];
    let mut text = clean::clean_lines(&String::from_utf8_lossy(kept)).into_owned();
    text.truncate(text.trim_end().len());
    if length > ERROR_LIMIT {
        text.push_str(&format!(" [... {} bytes cut]", length - ERROR_LIMIT));
    }
    text
}

/// Discards an error text that belongs to an earlier call.
pub(crate) fn forget_error() {
    STATE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .error_length = 0;
}

/// Opens the document that `write` appends to.
pub(crate) fn begin_document(kind: PluginDocument) {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    state.document = Some(Vec::new());
    state.kind = kind;
    state.overflow = false;
}

/// Closes the document and returns it, or the reason why it is unusable.
pub(crate) fn end_document() -> Result<String, String> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = state.document.take().unwrap_or_default();
    if state.overflow {
        let limit = crate::format::bytes(state.kind.limit() as f64);
        return Err(match state.kind {
            PluginDocument::Description => format!("the document is longer than {limit}"),
            PluginDocument::Digest => {
                format!("the digest is longer than {limit}; write a checksum of the output instead")
            }
        });
    }
    String::from_utf8(bytes).map_err(|error| format!("the document is not UTF-8: {error}"))
}

/// Borrows the bytes of a plugin's text for the duration of the call.
fn bytes<'a>(text: Str) -> &'a [u8] {
    if text.ptr.is_null() || text.len == 0 || text.len > isize::MAX as usize {
        return &[];
    }
    // SAFETY: the ABI guarantees that the text is readable for `len` bytes until the callback
    // returns, and no caller in this file keeps it longer.
    unsafe { std::slice::from_raw_parts(text.ptr, text.len) }
}

unsafe extern "C" fn set_error(_: *const Host, text: Str) {
    if !DRIVER.get() {
        return;
    }
    let bytes = bytes(text);
    let kept = bytes.len().min(ERROR_LIMIT);
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    state.error[..kept].copy_from_slice(&bytes[..kept]);
    state.error_length = bytes.len();
}

unsafe extern "C" fn log(_: *const Host, level: u32, text: Str) {
    let level = match level {
        1 => "error",
        2 => "warning",
        3 => "info",
        _ => "debug",
    };
    // `orch` captures standard error. A plugin that has closed it has no log.
    let mut line = [0u8; 1024];
    let mut rest = &mut line[..];
    let _ = write!(rest, "[{level}] ");
    let text = bytes(text);
    let room = rest.len() - 1;
    let _ = rest.write_all(&text[..text.len().min(room)]);
    let _ = rest.write_all(b"\n");
    let length = 1024 - rest.len();
    let _ = rustix::io::write(rustix::stdio::stderr(), &line[..length]);
}

unsafe extern "C" fn write(_: *const Host, text: Str) {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = bytes(text);
    let limit = state.kind.limit();
    if let Some(document) = &mut state.document {
        if document.len() + text.len() > limit {
            state.overflow = true;
        } else {
            document.extend_from_slice(text);
        }
    }
}

unsafe extern "C" fn intern(_: *const Host, text: Str) -> u32 {
    // Lossy conversion could allocate inside a counted iteration. A name that is not UTF-8 is cut
    // at its first invalid byte.
    let bytes = bytes(text);
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    names::intern(valid)
}

unsafe extern "C" fn scope_enter(_: *const Host, id: u32) {
    scopes::enter(id);
}

unsafe extern "C" fn scope_exit(_: *const Host, id: u32) {
    scopes::exit(id);
}

unsafe extern "C" fn counter_add(_: *const Host, id: u32, amount: f64) {
    scopes::count(id, amount);
}

unsafe extern "C" fn ignore_scope(_: *const Host, _: u32) {}

unsafe extern "C" fn ignore_count(_: *const Host, _: u32, _: f64) {}

unsafe extern "C" fn get_extension(_: *const Host, _: *const c_char) -> *const c_void {
    // The host offers no extension yet. The plugin may query at any time.
    null()
}
