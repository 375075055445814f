//! The example plugin in C (`plugins/hello-c`) compiles without warnings and behaves like a Rust
//! plugin.

#[expect(
    dead_code,
    reason = "the C plugin has no setup and no teardown to drive"
)]
mod support;

use orch_sdk::abi::{self, Plugin};
use orch_sdk::serde_json::{self, Value};
use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use support::Driver;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}
const RTLD_NOW: c_int = 2;

/// Compiles and loads the plugin; `None` without a C compiler.
fn hello(library: &str) -> Option<&'static Plugin> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(library);
    let mut cc = Command::new("cc");
    cc.args([
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        "-I",
    ]);
    cc.arg(sdk.join("include"))
        .arg(sdk.join("../hello-c/hello.c"))
        .arg("-o")
        .arg(&library);
    let Ok(output) = cc.output() else {
        eprintln!("skipped: there is no `cc`");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = CString::new(library.as_os_str().as_bytes()).expect("no NUL in a path");
    let name = CString::new(abi::PLUGIN_SYMBOL).expect("no NUL in the name");
    // SAFETY: the library only has the constructors of the C runtime.
    let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW) };
    assert!(!library.is_null(), "the library loads");
    // SAFETY: the library was just loaded and is never closed.
    let symbol = unsafe { dlsym(library, name.as_ptr()) };
    // SAFETY: the symbol is null or an `orch_plugin`, whose layout `header.rs` proves.
    unsafe { symbol.cast::<Plugin>().as_ref() }
}

#[test]
fn plugin_describes_itself() {
    let Some(plugin) = hello("hello-describe.so") else {
        return;
    };
    assert_eq!(
        (plugin.magic, plugin.abi_major, plugin.struct_size as usize),
        (abi::MAGIC, abi::ABI_MAJOR, size_of::<Plugin>())
    );
    let driver = Driver::new(plugin);
    assert_eq!(driver.describe(), abi::OK);
    let document: Value = serde_json::from_str(&driver.take().document).expect("JSON");
    assert_eq!(document["workloads"][0]["id"], "sum");
    assert_eq!(
        document["workloads"][0]["params"]["properties"]["n"]["default"],
        1000
    );
}

#[test]
fn it_runs() {
    let Some(plugin) = hello("hello-run.so") else {
        return;
    };
    for (params, digest) in [
        ("{}", r#"{"value": 499500}"#),
        (r#"{"n": 5}"#, r#"{"value": 10}"#),
        ("", r#"{"value": 499500}"#),
    ] {
        let driver = Driver::with(plugin, "sum", params);
        assert_eq!(
            (driver.reset(), driver.run(1), driver.digest()),
            (abi::OK, abi::OK, abi::OK)
        );
        let heard = driver.take();
        assert_eq!(heard.document, digest);
        assert_eq!(
            (
                heard.events.len(),
                heard.events[0].as_str(),
                heard.events[2].as_str()
            ),
            (3, "+sum", "-sum")
        );
    }
}

#[test]
fn plugin_refuses_unknown_names() {
    let Some(plugin) = hello("hello-refuse.so") else {
        return;
    };
    let mut driver = Driver::new(plugin);
    assert_eq!(driver.create("sun", "{}"), abi::ERR_UNKNOWN_WORKLOAD);
    assert_eq!(driver.take().error, "hello-c has one workload, 'sum'");
    for params in [r#"{"n": 0}"#, r#"{"n": "x"}"#, r#"{"n": 1000001}"#] {
        assert_eq!(driver.create("sum", params), abi::ERR_PARAMS, "{params}");
    }
}
