//! The C functions between the host and the benchmarks.

use crate::bench_code;
use crate::fiber::BenchFiber;
use crate::listing;
use crate::walk::{self, WantedBench};
use orch_sdk::abi::{self, CodeExt, ElapsedExt, Host, Instance, Plugin, PrepareExt, Status, Str};
use orch_sdk::boundary::{self, install_panic_hook};
use orch_sdk::host::{self, HostRef};
use orch_sdk::{Error, Result};
use std::ffi::{CStr, c_char, c_void};
use std::time::Duration;

/// Facts about a bench file that `criterion_main!` provides.
pub trait Benches: 'static {
    /// Name of the crate.
    const NAME: &'static str;
    /// Version of the crate.
    const VERSION: &'static str;

    /// Visits all benchmarks, in the order of their definition.
    fn visit_all();
}

/// Returns the table that the plugin exports.
pub const fn table<B: Benches>() -> Plugin {
    Plugin {
        magic: abi::MAGIC,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        struct_size: size_of::<Plugin>() as u32,
        flags: 0,
        describe: Some(describe::<B>),
        create: Some(create::<B>),
        setup: Some(setup),
        run: Some(run),
        teardown: Some(teardown),
        destroy: Some(destroy),
        get_extension: Some(get_extension),
    }
}

static CODE: CodeExt = CodeExt {
    struct_size: size_of::<CodeExt>() as u32,
    begin: Some(begin),
};
static PREPARE: PrepareExt = PrepareExt {
    struct_size: size_of::<PrepareExt>() as u32,
    prepare: Some(prepare),
};
static ELAPSED: ElapsedExt = ElapsedExt {
    struct_size: size_of::<ElapsedExt>() as u32,
    elapsed: Some(elapsed),
};

/// One benchmark, and its coroutine from `setup` to `teardown`.
struct BenchInstance {
    visit_all: fn(),
    wanted: WantedBench,
    fiber: Option<BenchFiber>,
    /// Time of the last `run`, if the benchmark measured it.
    own_time: Option<Duration>,
}

impl BenchInstance {
    fn fiber(&mut self) -> Result<&mut BenchFiber> {
        let fiber = self.fiber.as_mut();
        fiber.ok_or_else(|| Error::msg("the benchmark was not set up"))
    }
}

unsafe extern "C" fn describe<B: Benches>(host: *const Host) -> Status {
    // SAFETY: the host passes itself.
    let Some(host) = (unsafe { adopt(host) }) else {
        return abi::ERR;
    };
    boundary::call(|| {
        let listing = walk::list_benches(B::visit_all);
        if listing.found.is_empty() {
            let problems = match listing.problems.is_empty() {
                true => "no function of `criterion_group!` defines one".to_owned(),
                false => listing.problems.join("; "),
            };
            return Err(Error::msg(format_args!(
                "the file has no benchmark that can be listed: {problems}"
            )));
        }
        host.write(&listing::describe(B::NAME, B::VERSION, &listing)?);
        Ok(())
    })
}

unsafe extern "C" fn create<B: Benches>(
    host: *const Host,
    workload: Str,
    params: Str,
    out: *mut *mut Instance,
) -> Status {
    // SAFETY: the host passes itself.
    if unsafe { adopt(host) }.is_none() || out.is_null() {
        return abi::ERR;
    }
    boundary::call(|| {
        // SAFETY: both texts are borrowed from the host for this call.
        let (workload, params) = unsafe { (read_text(&workload)?, read_text(&params)?) };
        let instance = Box::new(BenchInstance {
            visit_all: B::visit_all,
            wanted: WantedBench {
                workload: workload.to_owned(),
                input: listing::read_input(params)?,
            },
            fiber: None,
            own_time: None,
        });
        // SAFETY: `out` is not null, and the host passes a place for one pointer.
        unsafe { *out = Box::into_raw(instance).cast() };
        Ok(())
    })
}

unsafe extern "C" fn setup(instance: *mut Instance) -> Status {
    boundary::call(|| {
        // SAFETY: the host passes the instance from `create`, alive and on the driver thread.
        let bench = unsafe { bench(instance) }?;
        bench.fiber = Some(BenchFiber::start(bench.visit_all, bench.wanted.clone())?);
        Ok(())
    })
}

unsafe extern "C" fn run(instance: *mut Instance, iterations: u64) -> Status {
    boundary::call(|| {
        // SAFETY: as in `setup`.
        let bench = unsafe { bench(instance) }?;
        bench.own_time = bench.fiber()?.run(iterations)?;
        Ok(())
    })
}

unsafe extern "C" fn prepare(instance: *mut Instance, wanted: u64, granted: *mut u64) -> Status {
    boundary::call(|| {
        // SAFETY: as in `setup`.
        let number = unsafe { bench(instance) }?.fiber()?.prepare(wanted)?;
        // SAFETY: the host passes a place for one number.
        unsafe { *granted = number };
        Ok(())
    })
}

unsafe extern "C" fn elapsed(instance: *mut Instance, ns: *mut u64) -> Status {
    boundary::call(|| {
        // SAFETY: as in `setup`.
        if let Some(time) = unsafe { bench(instance) }?.own_time {
            let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1);
            // SAFETY: the host passes a place for one number.
            unsafe { *ns = time };
        }
        Ok(())
    })
}

unsafe extern "C" fn teardown(instance: *mut Instance) -> Status {
    boundary::call(|| {
        // Dropping the coroutine unwinds it, so that the values of the benchmark are dropped.
        // SAFETY: as in `setup`.
        unsafe { bench(instance) }?.fiber = None;
        Ok(())
    })
}

unsafe extern "C" fn destroy(instance: *mut Instance) {
    if instance.is_null() {
        return;
    }
    boundary::call_logged("dropping the benchmark", || {
        // SAFETY: the host passes the pointer that `create` made with `Box::into_raw`, and never
        // uses it again.
        drop(unsafe { Box::from_raw(instance.cast::<BenchInstance>()) });
        Ok(())
    });
}

/// Returns the functions of the benchmark that is set up.
unsafe extern "C" fn begin(_workload: Str, index: u32) -> *const c_void {
    bench_code::find_beginning(index)
}

unsafe extern "C" fn get_extension(id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the host passes a C string.
    let id = unsafe { CStr::from_ptr(id) };
    if id == abi::CODE_EXT {
        (&raw const CODE).cast()
    } else if id == abi::PREPARE_EXT {
        (&raw const PREPARE).cast()
    } else if id == abi::ELAPSED_EXT {
        (&raw const ELAPSED).cast()
    } else {
        std::ptr::null()
    }
}

/// # Safety
/// As [`host::adopt`].
unsafe fn adopt(host: *const Host) -> Option<HostRef> {
    install_panic_hook();
    // SAFETY: the caller's promise.
    unsafe { host::adopt(host) }
}

/// # Safety
/// `instance` is null, or was returned by [`create`], is not destroyed, and no other reference to
/// it is in use.
unsafe fn bench<'a>(instance: *mut Instance) -> Result<&'a mut BenchInstance> {
    // SAFETY: `create` made it from a `Box<BenchInstance>`; nothing else refers to it.
    let bench = unsafe { instance.cast::<BenchInstance>().as_mut() };
    bench.ok_or_else(|| Error::msg("the host passed no instance"))
}

/// # Safety
/// The bytes are valid for as long as `text` is borrowed.
unsafe fn read_text(text: &Str) -> Result<&str> {
    if text.len == 0 {
        return Ok("");
    }
    // SAFETY: the caller's promise; a text with bytes has a pointer to them.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len) };
    std::str::from_utf8(bytes)
        .map_err(|error| Error::params(format_args!("a text of the host is not UTF-8: {error}")))
}
