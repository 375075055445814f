//! The wrapper of every call from the host: panics are caught, and errors become a status and a
//! text.

use crate::host;
use crate::{Result, abi};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Maximum number of panics in one call that are reported separately.
const PANICS_KEPT: usize = 8;

/// Number of calls from the host that are under way.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// Panics of all threads since the last report, in order. A panic of a pool thread explains that of
/// the driver.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread is inside a call from the host.
    static DRIVER: Cell<bool> = const { Cell::new(false) };
}

/// Result of [`catch_unwind`] for a workload method.
type CaughtResult = std::thread::Result<Result<()>>;

/// Runs `body` for the host. No panic leaves it, and every result except `Ok` is explained through
/// `set_error`.
#[inline(always)]
pub fn call(body: impl FnOnce() -> Result<()>) -> abi::Status {
    match guard(body) {
        Ok(Ok(())) if panics().is_empty() => abi::OK,
        outcome => report(outcome),
    }
}

#[inline(always)]
fn guard(body: impl FnOnce() -> Result<()>) -> CaughtResult {
    CALLS.fetch_add(1, Ordering::Relaxed);
    DRIVER.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    DRIVER.set(false);
    CALLS.fetch_sub(1, Ordering::Relaxed);
    outcome
}

/// Installs a hook that keeps the place of a panic for the report; done once per library.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| on_panic(info, &previous)));
    });
}

fn on_panic(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    if CALLS.load(Ordering::Relaxed) == 0 {
        previous(info);
        return;
    }
    let text = describe(info);
    let mut panics = panics();
    if !can_unwind(info) {
        // The process ends before any report, so the panics are printed to stderr.
        for earlier in panics.iter() {
            eprintln!("{earlier}");
        }
        previous(info);
    }
    if panics.len() == PANICS_KEPT {
        panics.pop();
    }
    panics.push(text);
}

/// Whether the panic will reach [`guard`] (or the end of its thread) instead of aborting. On stable
/// Rust, only the `Debug` output shows this. If it no longer does, the answer is no, and the panic
/// is printed as well as reported.
fn can_unwind(info: &PanicHookInfo<'_>) -> bool {
    cfg!(panic = "unwind") && format!("{info:?}").contains("can_unwind: true")
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let thread = if DRIVER.get() {
        String::new()
    } else {
        format!(
            "thread '{}' ",
            std::thread::current().name().unwrap_or("<unnamed>")
        )
    };
    let place = info
        .location()
        .map_or(String::new(), |place| format!(" at {place}"));
    format!("{thread}panicked{place}: {}", message(info.payload()))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(the payload is not a text)"
    }
}

/// Runs `body` for a function that has no status; errors go to the log.
pub fn call_logged(what: &str, body: impl FnOnce() -> Result<()>) {
    let outcome = guard(body);
    if let Err((_, text)) = settle(outcome) {
        log(1, &format!("{what}: {text}"));
    }
}

#[cold]
fn report(outcome: CaughtResult) -> abi::Status {
    let Err((status, text)) = settle(outcome) else {
        return abi::OK;
    };
    if let Some(host) = host::current() {
        host.set_error(&text);
    }
    status
}

/// Returns the status and text of a call that failed. Panics that did not fail the call are logged.
fn settle(outcome: CaughtResult) -> std::result::Result<(), (abi::Status, String)> {
    let panics = std::mem::take(&mut *panics());
    let story = panics.join("; then ");
    match outcome {
        Ok(Ok(())) if panics.is_empty() => Ok(()),
        Ok(Ok(())) => {
            log(2, &format!("the workload continued after a panic: {story}"));
            Ok(())
        }
        Ok(Err(error)) if panics.is_empty() => Err((error.status(), error.to_string())),
        Ok(Err(error)) => Err((error.status(), format!("{error} (after: {story})"))),
        Err(payload) => {
            let text = if panics.is_empty() {
                format!("panicked: {}", message(&*payload))
            } else {
                story
            };
            // Dropping a payload runs code of the workload, which may panic again.
            std::mem::forget(payload);
            Err((abi::ERR_PANIC, text))
        }
    }
}

/// Logs a line, if there is a host.
fn log(level: u32, text: &str) {
    if let Some(host) = host::current() {
        host.log(level, text);
    }
}

fn panics() -> MutexGuard<'static, Vec<String>> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner)
}
