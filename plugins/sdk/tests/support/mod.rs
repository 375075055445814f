//! A host for tests: it calls a plugin through its exported table and records the plugin's calls.

use orch_sdk::abi::{self, Host, Instance, Plugin, Status, Str};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Calls of the plugin since the last [`Driver::take`].
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub error: String,
    pub document: String,
    pub log: Vec<String>,
    /// `+name`, `-name` for scopes and `name=amount` for counters, in order.
    pub events: Vec<String>,
}

static HEARD: Mutex<Heard> = Mutex::new(Heard {
    error: String::new(),
    document: String::new(),
    log: Vec::new(),
    events: Vec::new(),
});
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The ABI has one driver thread, so tests that drive a plugin take turns.
static DRIVER: Mutex<()> = Mutex::new(());

pub static HOST: Host = HOST_TEMPLATE;

pub const HOST_TEMPLATE: Host = Host {
    struct_size: size_of::<Host>() as u32,
    abi_major: abi::ABI_MAJOR,
    abi_minor: abi::ABI_MINOR,
    ctx: null_mut(),
    set_error,
    log,
    write,
    intern,
    scope_enter,
    scope_exit,
    counter_add,
    get_extension,
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(text: Str) -> String {
    // SAFETY: the plugin passes a text that is valid for the call.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len) };
    String::from_utf8(bytes.to_vec()).expect("texts are UTF-8")
}

fn name(id: u32) -> String {
    lock(&NAMES)[id as usize - 1].clone()
}

unsafe extern "C" fn set_error(_: *const Host, error: Str) {
    lock(&HEARD).error = text(error);
}

unsafe extern "C" fn log(_: *const Host, level: u32, line: Str) {
    lock(&HEARD).log.push(format!("{level} {}", text(line)));
}

unsafe extern "C" fn write(_: *const Host, piece: Str) {
    lock(&HEARD).document.push_str(&text(piece));
}

unsafe extern "C" fn intern(_: *const Host, word: Str) -> u32 {
    let (word, mut names) = (text(word), lock(&NAMES));
    let place = names
        .iter()
        .position(|known| *known == word)
        .unwrap_or_else(|| {
            names.push(word);
            names.len() - 1
        });
    place as u32 + 1
}

unsafe extern "C" fn scope_enter(_: *const Host, id: u32) {
    lock(&HEARD).events.push(format!("+{}", name(id)));
}

unsafe extern "C" fn scope_exit(_: *const Host, id: u32) {
    lock(&HEARD).events.push(format!("-{}", name(id)));
}

unsafe extern "C" fn counter_add(_: *const Host, id: u32, amount: f64) {
    lock(&HEARD).events.push(format!("{}={amount}", name(id)));
}

unsafe extern "C" fn get_extension(_: *const Host, _: *const c_char) -> *const c_void {
    null()
}

/// Drives one plugin. It keeps its turn until it is dropped.
pub struct Driver {
    plugin: &'static Plugin,
    instance: *mut Instance,
    _turn: MutexGuard<'static, ()>,
}

impl Driver {
    pub fn new(plugin: &'static Plugin) -> Self {
        let driver = Self {
            plugin,
            instance: null_mut(),
            _turn: lock(&DRIVER),
        };
        driver.take();
        driver
    }

    /// Takes the plugin's calls since the last time. This is a method, so that the record cannot be
    /// read after the turn has passed to another test.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut *lock(&HEARD))
    }

    /// Creates a driver with an instance.
    pub fn with(plugin: &'static Plugin, workload: &str, params: &str) -> Self {
        let mut driver = Self::new(plugin);
        let status = driver.create(workload, params);
        assert_eq!(status, abi::OK, "{}", driver.take().error);
        driver
    }

    pub fn describe(&self) -> Status {
        let describe = self.plugin.describe.expect("required");
        // SAFETY: the host outlives the process.
        unsafe { describe(&HOST) }
    }

    pub fn create(&mut self, workload: &str, params: &str) -> Status {
        let create = self.plugin.create.expect("required");
        // SAFETY: the texts are valid for the call, and the place for the instance is a local
        // variable.
        unsafe {
            create(
                &HOST,
                Str::new(workload),
                Str::new(params),
                &raw mut self.instance,
            )
        }
    }

    pub fn setup(&self) -> Status {
        let setup = self.plugin.setup.expect("the SDK has it");
        // SAFETY: the instance is alive, and all calls come from the test that has the turn.
        unsafe { setup(self.instance) }
    }

    pub fn run(&self, iters: u64) -> Status {
        let run = self.plugin.run.expect("required");
        // SAFETY: as in `setup`.
        unsafe { run(self.instance, iters) }
    }

    pub fn teardown(&self) -> Status {
        let teardown = self.plugin.teardown.expect("the SDK has it");
        // SAFETY: as in `setup`.
        unsafe { teardown(self.instance) }
    }

    pub fn reset(&self) -> Status {
        // SAFETY: a table of this id is a `ResetExt` and is valid forever.
        let table = unsafe { &*self.extension(abi::RESET_EXT).cast::<abi::ResetExt>() };
        let reset = table.reset.expect("the SDK has it");
        // SAFETY: as in `setup`.
        unsafe { reset(self.instance) }
    }

    pub fn digest(&self) -> Status {
        // SAFETY: a table of this id is a `DigestExt` and is valid forever.
        let table = unsafe { &*self.extension(abi::DIGEST_EXT).cast::<abi::DigestExt>() };
        let digest = table.digest.expect("the SDK has it");
        // SAFETY: as in `setup`.
        unsafe { digest(self.instance, &HOST) }
    }

    pub fn destroy(&mut self) {
        let destroy = self.plugin.destroy.expect("the SDK has it");
        // SAFETY: the instance is alive or null, and forgotten here.
        unsafe { destroy(std::mem::replace(&mut self.instance, null_mut())) }
    }

    pub fn extension(&self, id: &CStr) -> *const c_void {
        let get_extension = self.plugin.get_extension.expect("the SDK has it");
        // SAFETY: the id is a C string.
        unsafe { get_extension(id.as_ptr()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.destroy();
    }
}
