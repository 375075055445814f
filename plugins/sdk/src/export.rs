//! The C functions between the host and [`Workload`]s, and the macro that exports them.

use crate::abi::{self, CodeExt, DigestExt, Host, Instance, Plugin, ResetExt, Status, Str};
use crate::host::{self, HostRef};
use crate::nearest::hint;
use crate::{Digest, Error, Result, Workload, boundary, describe, params};
use serde_json::Value;
use std::ffi::{CStr, c_char, c_void};

/// Exports workloads as a plugin: `export_plugin!(Matmul, Softmax);`. Write it once per library.
///
/// The macro defines the two data symbols of the ABI, `orch_plugin_v1` and
/// `orch_plugin_cpu_features`. Two workloads with the same id do not compile.
#[macro_export]
macro_rules! export_plugin {
    ($($workload:ty),+ $(,)?) => {
        const _: () = {
            struct Exported;

            impl $crate::export::Exports for Exported {
                const NAME: &'static str = env!("CARGO_PKG_NAME");
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");
                const WORKLOADS: &'static [$crate::export::Entry] =
                    &[$($crate::export::Entry::of::<$workload>()),+];
            }

            #[unsafe(no_mangle)]
            pub static orch_plugin_v1: $crate::abi::Plugin = $crate::export::plugin::<Exported>();

            #[unsafe(no_mangle)]
            pub static orch_plugin_cpu_features: [u8; $crate::cpu::LIST_LEN] = $crate::cpu::LIST;
        };
    };
}

/// Facts about a plugin that [`export_plugin!`] provides.
pub trait Exports: 'static {
    /// Name of the crate.
    const NAME: &'static str;
    /// Version of the crate.
    const VERSION: &'static str;
    /// The workloads, in the order of the list.
    const WORKLOADS: &'static [Entry];
}

/// One workload of a plugin.
pub struct Entry {
    id: &'static str,
    describe: fn() -> Value,
    create: fn(&str) -> Result<Box<dyn DrivenWorkload>>,
    /// Entry points of the workload's own code. Reading the parameters is left out: it is the same
    /// for all workloads, and the compiler changes it whenever a workload is added.
    code: [*const c_void; 4],
}

impl Entry {
    /// Returns the entry of a workload type.
    pub const fn of<W: Workload>() -> Self {
        let code = [
            <W as DrivenWorkload>::run as fn(&mut W, u64) -> Result<()> as *const c_void,
            W::create as fn(W::Params) -> Result<W> as *const c_void,
            <W as DrivenWorkload>::setup as fn(&mut W) -> Result<()> as *const c_void,
            <W as DrivenWorkload>::reset as fn(&mut W) -> Result<()> as *const c_void,
        ];
        Self {
            id: W::ID,
            describe: describe::workload::<W>,
            create: create_boxed::<W>,
            code,
        }
    }
}

/// Returns the table that the plugin exports.
pub const fn plugin<E: Exports>() -> Plugin {
    assert_ids(E::WORKLOADS);
    Plugin {
        magic: abi::MAGIC,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        struct_size: size_of::<Plugin>() as u32,
        flags: 0,
        describe: Some(describe_plugin::<E>),
        create: Some(create::<E>),
        setup: Some(setup),
        run: Some(run),
        teardown: Some(teardown),
        destroy: Some(destroy),
        get_extension: Some(get_extension::<E>),
    }
}

static DIGEST: DigestExt = DigestExt {
    struct_size: size_of::<DigestExt>() as u32,
    digest: Some(digest),
};
static RESET: ResetExt = ResetExt {
    struct_size: size_of::<ResetExt>() as u32,
    reset: Some(reset),
};

/// A [`Workload`] behind a pointer; the loop of `run` is compiled for each type.
trait DrivenWorkload {
    fn setup(&mut self) -> Result<()>;
    fn reset(&mut self) -> Result<()>;
    fn run(&mut self, iters: u64) -> Result<()>;
    fn digest(&mut self) -> Result<Option<Digest>>;
    fn teardown(&mut self) -> Result<()>;
}

impl<W: Workload> DrivenWorkload for W {
    fn setup(&mut self) -> Result<()> {
        Workload::setup(self)
    }

    fn reset(&mut self) -> Result<()> {
        Workload::reset(self)
    }

    fn run(&mut self, iters: u64) -> Result<()> {
        for _ in 0..iters {
            // Without the black box, the compiler may merge iterations into one.
            Workload::run(std::hint::black_box(&mut *self))?;
        }
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Workload::digest(self)
    }

    fn teardown(&mut self) -> Result<()> {
        Workload::teardown(self)
    }
}

/// Target of an [`Instance`] pointer of this SDK: a thin pointer to the wide one.
type OwnedWorkload = Box<dyn DrivenWorkload>;

fn create_boxed<W: Workload>(params: &str) -> Result<OwnedWorkload> {
    Ok(Box::new(W::create(params::parse(params)?)?))
}

unsafe extern "C" fn describe_plugin<E: Exports>(host: *const Host) -> Status {
    // SAFETY: the host passes itself.
    let Some(host) = (unsafe { adopt(host) }) else {
        return abi::ERR;
    };
    boundary::call(|| {
        let workloads = E::WORKLOADS
            .iter()
            .map(|entry| (entry.describe)())
            .collect();
        host.write(&describe::plugin(E::NAME, E::VERSION, workloads).to_string());
        Ok(())
    })
}

unsafe extern "C" fn create<E: Exports>(
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
        let (workload, params) = unsafe {
            (
                text(&workload, "the name")?,
                text(&params, "the parameters")?,
            )
        };
        let entry = E::WORKLOADS
            .iter()
            .find(|entry| entry.id == workload)
            .ok_or_else(|| unknown::<E>(workload))?;
        let owned = Box::new((entry.create)(params)?);
        // SAFETY: `out` is not null, and the host passes a place for one pointer.
        unsafe { *out = Box::into_raw(owned).cast() };
        Ok(())
    })
}

unsafe extern "C" fn setup(instance: *mut Instance) -> Status {
    // SAFETY: the host passes the instance from `create`, alive and on the driver thread.
    boundary::call(|| unsafe { driven(instance) }?.setup())
}

unsafe extern "C" fn reset(instance: *mut Instance) -> Status {
    // SAFETY: as in `setup`.
    boundary::call(|| unsafe { driven(instance) }?.reset())
}

unsafe extern "C" fn run(instance: *mut Instance, iters: u64) -> Status {
    // SAFETY: as in `setup`.
    boundary::call(|| unsafe { driven(instance) }?.run(iters))
}

unsafe extern "C" fn teardown(instance: *mut Instance) -> Status {
    // SAFETY: as in `setup`.
    boundary::call(|| unsafe { driven(instance) }?.teardown())
}

unsafe extern "C" fn digest(instance: *mut Instance, host: *const Host) -> Status {
    // SAFETY: the host passes itself.
    let Some(host) = (unsafe { HostRef::new(host) }) else {
        return abi::ERR;
    };
    boundary::call(|| {
        // SAFETY: as in `setup`.
        if let Some(digest) = unsafe { driven(instance) }?.digest()? {
            host.write(&digest.to_json()?.to_string());
        }
        Ok(())
    })
}

unsafe extern "C" fn destroy(instance: *mut Instance) {
    if instance.is_null() {
        return;
    }
    boundary::call_logged("dropping the workload", || {
        // SAFETY: the host passes the pointer that `create` made with `Box::into_raw`, and never
        // uses it again.
        drop(unsafe { Box::from_raw(instance.cast::<OwnedWorkload>()) });
        Ok(())
    });
}

/// The extension that depends on the plugin.
struct CodeExtension<E>(std::marker::PhantomData<E>);

impl<E: Exports> CodeExtension<E> {
    const EXT: &'static CodeExt = &CodeExt {
        struct_size: size_of::<CodeExt>() as u32,
        begin: Some(begin::<E>),
    };
}

/// Returns the methods of a workload, one after the other.
unsafe extern "C" fn begin<E: Exports>(workload: Str, index: u32) -> *const c_void {
    // SAFETY: the text is borrowed from the host for this call.
    let name = unsafe { text(&workload, "the name") };
    let entry = E::WORKLOADS
        .iter()
        .find(|entry| name.as_ref().is_ok_and(|name| entry.id == *name));
    entry
        .and_then(|entry| entry.code.get(index as usize))
        .copied()
        .unwrap_or(std::ptr::null())
}

unsafe extern "C" fn get_extension<E: Exports>(id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the host passes a C string.
    let id = unsafe { CStr::from_ptr(id) };
    if id == abi::DIGEST_EXT {
        (&raw const DIGEST).cast()
    } else if id == abi::RESET_EXT {
        (&raw const RESET).cast()
    } else if id == abi::CODE_EXT {
        std::ptr::from_ref(CodeExtension::<E>::EXT).cast()
    } else {
        std::ptr::null()
    }
}

/// # Safety
/// As [`host::adopt`].
unsafe fn adopt(host: *const Host) -> Option<HostRef> {
    boundary::install_panic_hook();
    // SAFETY: the caller's promise.
    unsafe { host::adopt(host) }
}

/// # Safety
/// `instance` is null, or was returned by [`create`], is not destroyed, and no other reference to
/// it is in use.
unsafe fn driven<'a>(instance: *mut Instance) -> Result<&'a mut dyn DrivenWorkload> {
    // SAFETY: `create` made it from a `Box<OwnedWorkload>`; nothing else refers to it.
    match unsafe { instance.cast::<OwnedWorkload>().as_mut() } {
        Some(owned) => Ok(&mut **owned),
        None => Err(Error::msg("the host passed no instance")),
    }
}

/// # Safety
/// The bytes are valid for as long as `text` is borrowed.
unsafe fn text<'a>(text: &'a Str, what: &str) -> Result<&'a str> {
    if text.len == 0 {
        return Ok("");
    }
    // SAFETY: the caller's promise; a text with bytes has a pointer to them.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len) };
    std::str::from_utf8(bytes)
        .map_err(|error| Error::params(format_args!("{what} is not UTF-8: {error}")))
}

#[cold]
fn unknown<E: Exports>(workload: &str) -> Error {
    let known: Vec<&str> = E::WORKLOADS.iter().map(|entry| entry.id).collect();
    Error::unknown_workload(format_args!(
        "plugin '{}' has no workload '{workload}': {}",
        E::NAME,
        hint(workload, &known)
    ))
}

const fn assert_ids(workloads: &[Entry]) {
    let mut i = 0;
    while i < workloads.len() {
        let id = workloads[i].id.as_bytes();
        assert!(!id.is_empty(), "the ID of a workload is empty");
        let mut at = 0;
        while at < id.len() {
            assert!(
                matches!(id[at], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'),
                "the ID of a workload may contain only lowercase letters, digits, '_' and '-'"
            );
            at += 1;
        }
        let mut j = 0;
        while j < i {
            assert!(
                !same(id, workloads[j].id.as_bytes()),
                "two workloads have the same ID"
            );
            j += 1;
        }
        i += 1;
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}
