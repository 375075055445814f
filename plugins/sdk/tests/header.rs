//! `include/orch_plugin.h` describes the same ABI as `orch_sdk::abi`: a C compiler checks sizes,
//! offsets and constants.

use orch_sdk::abi;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, mem};

/// A statement that must be true in C.
struct Claim(String);

/// Makes one claim about the size of a struct, and for each of its fields one claim about the
/// offset and one about the size.
macro_rules! layout {
    ($claims:ident, $rust:ty = $c:literal { $($field:ident),* }) => {
        $claims.push(Claim(format!("sizeof({}) == {}", $c, size_of::<$rust>())));
        $claims.push(Claim(format!("ORCH_ALIGNOF({}) == {}", $c, align_of::<$rust>())));
        $(
            $claims.push(Claim(format!(
                "offsetof({}, {}) == {}", $c, stringify!($field), mem::offset_of!($rust, $field)
            )));
            let size = field_size(|value: &$rust| &raw const value.$field);
            $claims.push(Claim(format!("sizeof((({} *)0)->{}) == {size}", $c, stringify!($field))));
        )*
        // A field that is missing from this list would leave a gap.
        let covered: usize =
            [$(field_size(|value: &$rust| &raw const value.$field)),*].iter().sum();
        assert!(size_of::<$rust>() - covered < align_of::<$rust>(), "{}: a field is missing in \
            this test", $c);
    };
}

fn field_size<S, F>(_: impl Fn(&S) -> *const F) -> usize {
    size_of::<F>()
}

fn claims() -> Vec<Claim> {
    let mut claims = Vec::new();
    layout!(claims, abi::Str = "orch_str" { ptr, len });
    layout!(claims, abi::Host = "orch_host" {
        struct_size, abi_major, abi_minor, ctx, set_error, log, write, intern, scope_enter,
        scope_exit, counter_add, get_extension
    });
    layout!(claims, abi::Plugin = "orch_plugin" {
        magic, abi_major, abi_minor, struct_size, flags, describe, create, setup, run, teardown,
        destroy, get_extension
    });
    layout!(claims, abi::DigestExt = "orch_digest" { struct_size, digest });
    layout!(claims, abi::ResetExt = "orch_reset" { struct_size, reset });
    layout!(claims, abi::CodeExt = "orch_code" { struct_size, begin });
    layout!(claims, abi::PrepareExt = "orch_prepare" { struct_size, prepare });
    layout!(claims, abi::ElapsedExt = "orch_elapsed" { struct_size, elapsed });
    let constants = [
        ("ORCH_MAGIC", i64::from(abi::MAGIC)),
        ("ORCH_ABI_MAJOR", abi::ABI_MAJOR.into()),
        ("ORCH_ABI_MINOR", abi::ABI_MINOR.into()),
        ("ORCH_OK", abi::OK.into()),
        ("ORCH_ERR", abi::ERR.into()),
        ("ORCH_ERR_PANIC", abi::ERR_PANIC.into()),
        ("ORCH_ERR_PARAMS", abi::ERR_PARAMS.into()),
        (
            "ORCH_ERR_UNKNOWN_WORKLOAD",
            abi::ERR_UNKNOWN_WORKLOAD.into(),
        ),
        ("ORCH_ERR_UNSUPPORTED", abi::ERR_UNSUPPORTED.into()),
    ];
    claims.extend(constants.map(|(name, value)| Claim(format!("{name} == {value}"))));
    let texts = [
        ("ORCH_DIGEST_EXT", abi::DIGEST_EXT),
        ("ORCH_RESET_EXT", abi::RESET_EXT),
        ("ORCH_CODE_EXT", abi::CODE_EXT),
        ("ORCH_PREPARE_EXT", abi::PREPARE_EXT),
        ("ORCH_ELAPSED_EXT", abi::ELAPSED_EXT),
    ];
    claims.extend(
        texts.map(|(name, text)| Claim(format!("sizeof({name}) == {}", text.count_bytes() + 1))),
    );
    claims.push(Claim(format!(
        "sizeof(orch_status) == {}",
        size_of::<abi::Status>()
    )));
    claims.push(Claim("(orch_status)-1 < 0".to_owned()));
    claims
}

/// Returns a file that includes the header, uses its macros and makes each claim.
fn source(claims: &[Claim]) -> String {
    let mut source = String::from(
        r#"#include "orch_plugin.h"
#ifdef __cplusplus
#define ORCH_ASSERT static_assert
#define ORCH_ALIGNOF alignof
#else
#define ORCH_ASSERT _Static_assert
#define ORCH_ALIGNOF _Alignof
#endif
static orch_status describe(const orch_host *host) { host->write(host, ORCH_STR("{}")); return ORCH_OK; }
static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  (void)host; (void)workload; (void)params; (void)out; return ORCH_ERR_UNKNOWN_WORKLOAD;
}
static orch_status run(orch_instance *self, uint64_t iters) { (void)self; (void)iters; return ORCH_OK; }
ORCH_EXPORT const orch_plugin orch_plugin_v1 = {ORCH_PLUGIN_INIT, describe, create, 0, run, 0, 0, 0};
ORCH_DECLARE_CPU_FEATURES;
"#,
    );
    for Claim(claim) in claims {
        let _ = writeln!(source, "ORCH_ASSERT({claim}, {claim:?});");
    }
    source
}

/// Result of an attempt to compile.
enum Outcome {
    Compiled,
    Refused(String),
    NoCompiler,
}

fn compile(compiler: &str, standard: &str, file_name: &str, source: &str) -> Outcome {
    let flags = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"].map(OsStr::new);
    compile_with(compiler, standard, file_name, source, &flags)
}

fn compile_with(
    compiler: &str,
    standard: &str,
    file_name: &str,
    source: &str,
    flags: &[&OsStr],
) -> Outcome {
    let file = scratch(file_name);
    fs::write(&file, source).expect("the test's folder is writable");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let result = Command::new(compiler)
        .arg(standard)
        .args(flags)
        .arg("-I")
        .arg(include)
        .arg(file)
        .stdin(Stdio::null())
        .output();
    match result {
        Ok(output) if output.status.success() => Outcome::Compiled,
        Ok(output) => Outcome::Refused(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(_) => Outcome::NoCompiler,
    }
}

fn scratch(file_name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(file_name)
}

fn expect_compiled(outcome: Outcome, compiler: &str) {
    match outcome {
        Outcome::Compiled => {}
        Outcome::Refused(errors) => panic!("{errors}"),
        Outcome::NoCompiler => eprintln!("skipped: there is no `{compiler}`"),
    }
}

#[test]
fn c11_agrees() {
    expect_compiled(
        compile("cc", "-std=c11", "claims.c", &source(&claims())),
        "cc",
    );
}

#[test]
fn cpp11_agrees() {
    expect_compiled(
        compile("c++", "-std=c++11", "claims.cpp", &source(&claims())),
        "c++",
    );
}

#[test]
fn wrong_claim_is_refused() {
    let wrong = "offsetof(orch_plugin, run) == 41";
    match compile(
        "cc",
        "-std=c11",
        "wrong.c",
        &source(&[Claim(wrong.to_owned())]),
    ) {
        Outcome::Compiled => {
            panic!("the C compiler accepted `{wrong}`: the other tests prove nothing")
        }
        Outcome::Refused(errors) => assert!(
            errors.contains(wrong),
            "refused for another reason:\n{errors}"
        ),
        Outcome::NoCompiler => eprintln!("skipped: there is no `cc`"),
    }
}

/// The list in a C plugin has names that the host can check. Where a Rust plugin has the same
/// features, the names are equal.
#[cfg(target_arch = "x86_64")]
#[test]
fn cpu_features_have_the_names_of_rustc() {
    let library = scratch("features.so");
    let flags = [
        "-O0",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        "-march=x86-64-v3",
        "-o",
    ]
    .map(OsStr::new);
    let flags: Vec<&OsStr> = flags.into_iter().chain([library.as_os_str()]).collect();
    match compile_with("cc", "-std=c11", "features.c", &source(&[]), &flags) {
        Outcome::Compiled => {}
        Outcome::Refused(errors) => panic!("{errors}"),
        Outcome::NoCompiler => return eprintln!("skipped: there is no `cc`"),
    }
    let file = fs::read(&library).expect("the compiler wrote it");
    let text = String::from_utf8_lossy(&file);
    let list = text
        .split('\0')
        .find(|text| text.starts_with("sse,"))
        .expect("the list is in the file");
    for name in list.split(',') {
        assert!(orch_sdk::cpu::detected(name).is_some(), "{name} in {list}");
    }
    for name in [
        "avx2", "fma", "bmi1", "bmi2", "f16c", "lzcnt", "movbe", "popcnt",
    ] {
        assert!(
            list.split(',').any(|listed| listed == name),
            "{name} is missing in {list}"
        );
    }
}

/// Returns the tables of docs/ABI.md as claims: each row of a struct's table gives one about the
/// offset and one about the size.
fn documented() -> Vec<String> {
    let page = include_str!("../../../docs/ABI.md");
    let mut claims = Vec::new();
    let mut of = String::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let Some((name, size)) = line
            .strip_suffix(" bytes:")
            .and_then(|line| line.split_once(", "))
        {
            of = name.trim_matches('`').to_owned();
            claims.push(format!("sizeof({of}) == {size}"));
        } else if let ["", offset, size, field, ..] = cells[..]
            && field.starts_with('`')
            && offset.parse::<usize>().is_ok()
        {
            let field = field.trim_matches('`');
            claims.push(format!("offsetof({of}, {field}) == {offset}"));
            claims.push(format!("sizeof((({of} *)0)->{field}) == {size}"));
        } else if let ["", status, value, ..] = cells[..]
            && status.starts_with("`ORCH_")
        {
            claims.push(format!("{} == {value}", status.trim_matches('`')));
        }
    }
    claims
}

/// docs/ABI.md describes the structs completely and correctly. The compilers confirm the same
/// claims above.
#[test]
fn page_has_every_field_and_status() {
    let documented = documented();
    // Alignments, constants and extension ids are elsewhere on the page, or are not on it.
    let elsewhere = ["ALIGNOF", "_EXT", "orch_status", "ABI_M", "MAGIC"];
    let is_layout = |claim: &&String| !elsewhere.iter().any(|part| claim.contains(part));
    let real: Vec<String> = claims().into_iter().map(|Claim(claim)| claim).collect();
    let mut wanted: Vec<&String> = real.iter().filter(is_layout).collect();
    let mut found: Vec<&String> = documented.iter().collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
    let page = include_str!("../../../docs/ABI.md");
    for id in [
        abi::DIGEST_EXT,
        abi::RESET_EXT,
        abi::CODE_EXT,
        abi::PREPARE_EXT,
        abi::ELAPSED_EXT,
    ] {
        assert!(
            page.contains(&format!("| `{}` |", id.to_str().expect("ASCII"))),
            "{id:?}"
        );
    }
    assert!(page.contains(&format!("{:#X}", abi::MAGIC).replace("0X", "0x")));
    assert!(page.contains(abi::PLUGIN_SYMBOL) && page.contains(abi::CPU_FEATURES_SYMBOL));
}

/// Every name in the header is a feature name of rustc.
#[cfg(target_arch = "x86_64")]
#[test]
fn x86_names_of_the_header_are_known() {
    let header = include_str!("../include/orch_plugin.h");
    let defined = header
        .lines()
        .filter(|line| line.starts_with("#define ORCH_CPU_") && !line.contains("_ARM_"));
    let names: Vec<&str> = defined
        .filter_map(|line| line.split('"').nth(1))
        .map(|name| name.trim_start_matches(','))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(orch_sdk::cpu::detected(name).is_some(), "{name}");
    }
}
