//! Plugins that exist but do not build, load or describe: their jobs fail in that phase, and all
//! others are measured.

use crate::support::{PLACES, Project, job, marked_processes, workspace};

/// Returns a complete small plugin with two given parts.
fn source(describe: &str, extra: &str) -> String {
    include_str!("../fixtures/zoo/skeleton.c")
        .replace("{ DESCRIBE;", &format!("{{ {describe};"))
        .replace("EXTRA", extra)
}

const DESCRIBE: &str =
    r#"host->write(host, ORCH_STR("{\"plugin\":\"p\",\"workloads\":[{\"id\":\"work\"}]}"))"#;
const TABLE: &str = "ORCH_EXPORT const orch_plugin orch_plugin_v1 = { ORCH_MAGIC, \
                     ORCH_ABI_MAJOR, ORCH_ABI_MINOR, sizeof(orch_plugin), 0, describe, create, 0, \
                     run, 0, 0, 0 };";

#[test]
fn failures_have_a_phase_and_the_good_plugin_is_measured() {
    let project = Project::new();
    let table = |change: &str| TABLE.replace("ORCH_ABI_MAJOR, ORCH_ABI_MINOR", change);
    let c = |name: &str, describe: &str, extra: &str| {
        project.c_plugin(name, &source(describe, extra));
    };
    c("good", DESCRIBE, TABLE);
    c("other_abi", DESCRIBE, &table("2, 0"));
    c("newer_minor", DESCRIBE, &table("1, 7"));
    c(
        "bad_magic",
        DESCRIBE,
        &TABLE.replace("ORCH_MAGIC", "0x12345678"),
    );
    c(
        "small_struct",
        DESCRIBE,
        &TABLE.replace("sizeof(orch_plugin)", "32"),
    );
    c(
        "null_run",
        DESCRIBE,
        &TABLE.replace("create, 0, run", "create, 0, 0"),
    );
    c("no_symbol", DESCRIBE, "");
    c(
        "other_version",
        DESCRIBE,
        &TABLE.replace("orch_plugin_v1", "orch_plugin_v2"),
    );
    let cpu = r#"ORCH_EXPORT const char orch_plugin_cpu_features[] = "sse2,unheard-of";"#;
    c(
        "other_cpu",
        DESCRIBE,
        &format!("{TABLE}\n{}", cpu.replace("sse2,", "")),
    );
    c(
        "undefined_symbol",
        "extern void nowhere(void); nowhere()",
        TABLE,
    );
    c(
        "constructor_crashes",
        DESCRIBE,
        &format!("{TABLE}\n__attribute__((constructor)) void c(void) {{ abort(); }}"),
    );
    c(
        "constructor_exits",
        DESCRIBE,
        &format!("{TABLE}\n__attribute__((constructor)) void c(void) {{ _exit(0); }}"),
    );
    c("describe_crashes", "*(volatile int *)0 = 1", TABLE);
    c(
        "describe_errs",
        r#"host->set_error(host, ORCH_STR("no idea")); return ORCH_ERR"#,
        TABLE,
    );
    c(
        "describe_junk",
        r#"host->write(host, ORCH_STR("{]"))"#,
        TABLE,
    );
    c("describe_nothing", "", TABLE);
    let hangs = "__attribute__((constructor)) void c(void) { for (;;) pause(); }";
    c("constructor_hangs", DESCRIBE, &format!("{TABLE}\n{hangs}"));
    c("describe_hangs", "for (;;) pause()", TABLE);
    c("describe_exits", "_exit(0)", TABLE);
    c("describe_status", "return 99", TABLE);
    c(
        "describe_bytes",
        r#"host->write(host, ORCH_STR("\xff\xfe{}"))"#,
        TABLE,
    );
    c(
        "describe_long",
        r#"for (int i = 0; i < 20000; i++) { static char page[1024]; host->write(host, (orch_str){page, 1024}); }"#,
        TABLE,
    );
    c(
        "describe_deep",
        r#"host->write(host, ORCH_STR("{\"plugin\":\"p\",\"build\":")); for (int i = 0; i < 100000; i++) host->write(host, ORCH_STR("[")) "#,
        TABLE,
    );
    // This schema refers to itself.
    let looping = DESCRIBE.replace(r#"\"work\"}"#, r##"\"work\",\"params\":{\"$ref\":\"#\"}}"##);
    assert_ne!(looping, DESCRIBE);
    c("describe_loops", &looping, TABLE);
    let chain = |count: usize, link: &str| {
        let begin = r##"{\"plugin\":\"p\",\"workloads\":[{\"id\":\"work\",\"params\":{\"$ref\":\"#/$defs/d0\",\"$defs\":{"##;
        let numbers = ", i + 1".repeat(link.matches("%d").count());
        format!(
            r#"char text[200]; host->write(host, ORCH_STR("{begin}")); for (int i = 0; i < {count}; i++) {{ int n = snprintf(text, sizeof text, "\"d%d\":{{\"allOf\":[{link}]}},", i{numbers}); host->write(host, (orch_str){{text, n}}); }} host->write(host, ORCH_STR("\"d{count}\":{{}}}}}}}}]}}"))"#
        )
    };
    let next = r##"{\"$ref\":\"#/$defs/d%d\"}"##;
    c(
        "describe_doubles",
        &chain(40, &format!("{next},{next}")),
        TABLE,
    );
    c("describe_chains", &chain(200_000, next), TABLE);
    c(
        "describe_many",
        r#"char text[200]; host->write(host, ORCH_STR("{\"plugin\":\"p\",\"workloads\":[{\"id\":\"work\"}")); for (int i = 0; i < 100000; i++) { int n = snprintf(text, sizeof text, ",{\"id\":\"w%d\"}", i); host->write(host, (orch_str){text, n}); } host->write(host, ORCH_STR("]}"))"#,
        TABLE,
    );
    c(
        "describe_names",
        r#"static char name[1 << 20]; memset(name, 'n', sizeof name); host->write(host, ORCH_STR("{\"plugin\":\"p\",\"workloads\":[{\"id\":\"work\",\"tags\":[\"")); host->write(host, (orch_str){name, sizeof name}); host->write(host, ORCH_STR("\"]}]}"))"#,
        TABLE,
    );
    let nothing = "static orch_status nothing(const orch_host *h, orch_str w, orch_str p, \
                   orch_instance **o) { return ORCH_OK; }\n";
    let table_of_nothing = TABLE.replace("describe, create", "describe, nothing");
    c(
        "null_instance",
        DESCRIBE,
        &format!("{nothing}{table_of_nothing}"),
    );
    c(
        "zeroed",
        DESCRIBE,
        "ORCH_EXPORT const orch_plugin orch_plugin_v1;",
    );
    let object = project.path().join("libobject.so");
    let compiled = std::process::Command::new("cc")
        .args(["-c", "-w", "-I"])
        .arg(workspace().join("plugins/sdk/include"))
        .arg(project.path().join("good.c"))
        .arg("-o")
        .arg(&object)
        .status();
    assert!(compiled.unwrap().success());
    project.write("libtext.so", "this is no library\n");
    project.write("libempty.so", "");
    let whole = std::fs::read(project.path().join("libgood.so")).unwrap();
    project.write("libtruncated.so", &whole[..whole.len() / 3]);
    std::fs::create_dir(project.path().join("libfolder.so")).unwrap();
    // This field names the processor; it now names another one.
    let mut other = whole;
    other[18] = if cfg!(target_arch = "x86_64") {
        183
    } else {
        62
    };
    project.write("libother_machine.so", &other);
    project.write(
        "broken/Cargo.toml",
        "[package]\nname = \"broken\"\nedition = \"2024\"\n[lib]\ncrate-type = \
         [\"cdylib\"]\n[workspace]\n",
    );
    project.write("broken/src/lib.rs", "pub fn broken() -> u32 { \"text\" }\n");
    project.write(
        "rlib/Cargo.toml",
        "[package]\nname = \"rlib\"\nedition = \"2024\"\n[workspace]\n",
    );
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
        "constructor_hangs",
        "describe_hangs",
        "describe_exits",
        "describe_status",
        "describe_bytes",
        "describe_long",
        "describe_deep",
        "describe_loops",
        "describe_doubles",
        "describe_chains",
        "describe_many",
        "describe_names",
        "null_instance",
        "zeroed",
        "object",
        "other_machine",
        "text",
        "empty",
        "truncated",
        "folder",
    ];
    let mut scenario = "defaults: { time: 10ms, rounds: 2, timeout: 60s }\nplugins:\n".to_owned();
    let mark = project.path().display().to_string();
    for name in files {
        scenario.push_str(&format!(
            "  {name}: {{ path: lib{name}.so, env: {{ ORCH_TEST: '{mark}' }} }}\n"
        ));
    }
    scenario.push_str("  broken: { crate: broken }\n  rlib: { crate: rlib }\n");
    scenario.push_str("  command: { dir: ., build: 'echo building >&2; exit 3' }\n");
    scenario.push_str("  silent: { dir: ., build: 'true' }\n");
    scenario.push_str("workloads:\n");
    for name in files
        .into_iter()
        .chain(["broken", "rlib", "command", "silent"])
    {
        let settings = if name.ends_with("hangs") {
            ", timeout: 2s"
        } else {
            ""
        };
        scenario.push_str(&format!(
            "  - {{ id: {name}, workload: {name}/work{settings} }}\n"
        ));
    }
    let (record, ran) = project.record(&scenario);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("mismatched types"),
        "the compiler's own words are shown: {}",
        ran.stderr
    );
    for id in ["good", "newer_minor"] {
        assert_eq!(
            job(&record, id)["outcome"],
            "measured",
            "{id}: {}",
            job(&record, id)["message"]
        );
    }
    assert_eq!(
        marked_processes(&format!("ORCH_TEST={mark}")),
        Vec::<i32>::new()
    );
    let mut text = String::new();
    for job in record["jobs"].as_array().unwrap() {
        let part = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
        // Compilers change their wording, but the first line comes from orch.
        let message = part("message");
        let first = message.lines().next().unwrap_or_default();
        text.push_str(&format!(
            "{}: {} in {}: {first}\n",
            part("id"),
            part("outcome"),
            part("phase")
        ));
    }
    let root = project.path().display().to_string();
    insta::with_settings!({ filters => [
        (root.as_str(), "PROJECT"), PLACES,
    ]}, {
        insta::assert_snapshot!("plugins_that_fail", text);
    });
}

/// A file with wrong bits is refused, fails in its own process, or works. orch itself always
/// continues.
#[test]
fn corrupted_file_cannot_hurt_the_run() {
    let project = Project::new();
    let plugin = project.c_plugin("whole", &source(DESCRIBE, TABLE));
    let whole = std::fs::read(&plugin).unwrap();
    let mark = project.path().display().to_string();
    let mut scenario = "defaults: { time: 1ms, rounds: 1, timeout: 2s }\nplugins:\n".to_owned();
    let mut workloads = "workloads:\n".to_owned();
    let mut random = 7_u64;
    for index in 0..60 {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let mut file = whole.clone();
        // Every second wrong bit is in the headers, where a bit matters most.
        let most = if index % 2 == 0 { 700 } else { file.len() };
        file[4 + (random >> 33) as usize % (most - 4)] ^= 1 << (random >> 29 & 7);
        project.write(&format!("lib{index}.so"), file);
        scenario.push_str(&format!(
            "  p{index}: {{ path: lib{index}.so, env: {{ ORCH_TEST: '{mark}' }} }}\n"
        ));
        workloads.push_str(&format!(
            "  - {{ id: w{index}, workload: p{index}/work }}\n"
        ));
    }
    project.write("s.yaml", scenario + &workloads);
    let ran = project.orch(&["run", "s.yaml", "--dry-run"]);
    assert!(
        [0, 200, 201].contains(&ran.code),
        "{}: {}",
        ran.code,
        ran.stderr
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(
        marked_processes(&format!("ORCH_TEST={mark}")),
        Vec::<i32>::new()
    );
}
