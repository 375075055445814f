//! Plugins that exist but do not build, load or describe: their jobs fail by phase, all others are measured.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::{Project, job};

/// A complete little plugin whose parts can be replaced.
fn source(describe: &str, extra: &str) -> String {
    format!(
        r#"
#include "orch_plugin.h"
#include <stdlib.h>
#include <unistd.h>
static orch_status describe(const orch_host *host) {{ {describe}; return ORCH_OK; }}
static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {{
  static int instance;
  *out = (orch_instance *)&instance;
  return ORCH_OK;
}}
static orch_status run(orch_instance *instance, uint64_t iterations) {{
  for (volatile uint64_t i = 0; i < iterations * 100; i++) {{}}
  return ORCH_OK;
}}
{extra}
"#
    )
}

const DESCRIBE: &str = r#"host->write(host, ORCH_STR("{\"plugin\":\"p\",\"workloads\":[{\"id\":\"work\"}]}"))"#;
const TABLE: &str = "ORCH_EXPORT const orch_plugin orch_plugin_v1 = { ORCH_MAGIC, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, \
                     sizeof(orch_plugin), 0, describe, create, 0, run, 0, 0, 0 };";

#[test]
fn each_failure_has_its_phase_and_the_good_plugin_is_measured() {
    let project = Project::new();
    let table = |change: &str| TABLE.replace("ORCH_ABI_MAJOR, ORCH_ABI_MINOR", change);
    let c = |name: &str, describe: &str, extra: &str| {
        project.c_plugin(name, &source(describe, extra));
    };
    c("good", DESCRIBE, TABLE);
    c("other_abi", DESCRIBE, &table("2, 0"));
    c("newer_minor", DESCRIBE, &table("1, 7"));
    c("bad_magic", DESCRIBE, &TABLE.replace("ORCH_MAGIC", "0x12345678"));
    c("small_struct", DESCRIBE, &TABLE.replace("sizeof(orch_plugin)", "32"));
    c("null_run", DESCRIBE, &TABLE.replace("create, 0, run", "create, 0, 0"));
    c("no_symbol", DESCRIBE, "");
    c("other_version", DESCRIBE, &TABLE.replace("orch_plugin_v1", "orch_plugin_v2"));
    let cpu = r#"ORCH_EXPORT const char orch_plugin_cpu_features[] = "sse2,unheard-of";"#;
    c("other_cpu", DESCRIBE, &format!("{TABLE}\n{}", cpu.replace("sse2,", "")));
    c("undefined_symbol", "extern void nowhere(void); nowhere()", TABLE);
    c("constructor_crashes", DESCRIBE, &format!("{TABLE}\n__attribute__((constructor)) void c(void) {{ abort(); }}"));
    c("constructor_exits", DESCRIBE, &format!("{TABLE}\n__attribute__((constructor)) void c(void) {{ _exit(0); }}"));
    c("describe_crashes", "*(volatile int *)0 = 1", TABLE);
    c("describe_errs", r#"host->set_error(host, ORCH_STR("no idea")); return ORCH_ERR"#, TABLE);
    c("describe_junk", r#"host->write(host, ORCH_STR("{]"))"#, TABLE);
    c("describe_nothing", "", TABLE);
    project.write("libtext.so", "this is no library\n");
    project.write("libempty.so", "");
    let whole = std::fs::read(project.path().join("libgood.so")).unwrap();
    project.write("libtruncated.so", &whole[..whole.len() / 3]);
    std::fs::create_dir(project.path().join("libfolder.so")).unwrap();
    project.write(
        "broken/Cargo.toml",
        "[package]\nname = \"broken\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n",
    );
    project.write("broken/src/lib.rs", "pub fn broken() -> u32 { \"text\" }\n");
    project.write("rlib/Cargo.toml", "[package]\nname = \"rlib\"\nedition = \"2024\"\n[workspace]\n");
    project.write("rlib/src/lib.rs", "");

    let files = [
        "good",
        "other_abi",
        "newer_minor",
        "bad_magic",
        "small_struct",
        "null_run",
        "no_symbol",
        "other_version",
        "other_cpu",
        "undefined_symbol",
        "constructor_crashes",
        "constructor_exits",
        "describe_crashes",
        "describe_errs",
        "describe_junk",
        "describe_nothing",
        "text",
        "empty",
        "truncated",
        "folder",
    ];
    let mut scenario = "defaults: { time: 10ms, rounds: 2, timeout: 10s }\nplugins:\n".to_owned();
    for name in files {
        scenario.push_str(&format!("  {name}: {{ path: lib{name}.so }}\n"));
    }
    scenario.push_str("  broken: { crate: broken }\n  rlib: { crate: rlib }\n");
    scenario.push_str("  command: { dir: ., build: 'echo building >&2; exit 3' }\n");
    scenario.push_str("  silent: { dir: ., build: 'true' }\n");
    scenario.push_str("workloads:\n");
    for name in files.into_iter().chain(["broken", "rlib", "command", "silent"]) {
        scenario.push_str(&format!("  - {{ id: {name}, workload: {name}/work }}\n"));
    }
    let (record, ran) = project.record(&scenario);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert!(ran.stderr.contains("mismatched types"), "the compiler's own words are shown: {}", ran.stderr);
    for id in ["good", "newer_minor"] {
        assert_eq!(job(&record, id)["outcome"], "measured", "{id}: {}", job(&record, id)["message"]);
    }
    let mut text = String::new();
    for job in record["jobs"].as_array().unwrap() {
        let part = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
        // Compilers change their wording: the first line is ours.
        let message = part("message");
        let first = message.lines().next().unwrap_or_default();
        text.push_str(&format!("{}: {} in {}: {first}\n", part("id"), part("outcome"), part("phase")));
    }
    let root = project.path().display().to_string();
    insta::with_settings!({ filters => [
        (root.as_str(), "PROJECT"), (r"plugin\+0x[0-9a-f]+", "plugin+OFFSET"),
    ]}, {
        insta::assert_snapshot!("plugins_that_fail", text);
    });
}
