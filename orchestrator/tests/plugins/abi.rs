//! Plugins of ABI 1.0 always load: tests with a frozen header, a frozen binary, and newer plugins
//! and headers.

use crate::support::{Project, fixture, job, workspace};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn today() -> PathBuf {
    workspace().join("plugins/sdk/include")
}

fn frozen() -> PathBuf {
    fixture("abi-1.0")
}

/// Returns what a header defines: lines of `size`, `field`, `number` or `text`, with a name and
/// figures.
fn layout(project: &Project, include: &Path) -> BTreeMap<String, String> {
    let program = project.path().join("layout");
    // The source is in a folder of its own, because a header in the same folder would take
    // precedence.
    let source = project.write(
        "layout.c",
        std::fs::read(frozen().join("layout.c")).unwrap(),
    );
    let built = Command::new("cc")
        .arg("-I")
        .arg(include)
        .arg(source)
        .arg("-o")
        .arg(&program)
        .status()
        .unwrap();
    assert!(built.success());
    let said = String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap();
    let split = |line: &str| {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (name, figures) = rest.split_once(' ').unwrap();
        (format!("{kind} {name}"), figures.to_owned())
    };
    said.lines().map(split).collect()
}

#[test]
fn frozen_header_has_not_moved() {
    let project = Project::new();
    let (then, now) = (layout(&project, &frozen()), layout(&project, &today()));
    assert_eq!(then.len(), 54);
    for (name, figures) in &then {
        let now = &now[name];
        // A minor version appends fields to tables that state their size; nothing else may grow.
        let grows = [
            "orch_host",
            "orch_plugin",
            "orch_digest",
            "orch_reset",
            "orch_code",
        ];
        match name.strip_prefix("size ") {
            Some(table) if grows.contains(&table) => {
                let size = |text: &str| text.parse::<u64>().unwrap();
                assert!(size(now) >= size(figures), "{name}: {figures}, now {now}");
            }
            _ => assert_eq!(now, figures, "{name}"),
        }
    }
}

/// Runs all workloads of the frozen plugin, built as `library`, and checks all of their results.
fn every_feature_works(project: &Project, library: &Path) {
    let mut scenario = format!(
        "defaults: {{ time: 5ms, rounds: 2 }}\nplugins: {{ every: {{ path: '{}' }} }}\nworkloads:\n\
         \x20 - {{ workload: every/every, params: {{ n: 50 }} }}\n",
        library.display()
    );
    let others = [
        "errs",
        "panics",
        "refuses",
        "cannot",
        "disowned",
        "wrong",
        "text_digest",
        "score_digest",
        "no_digest",
    ];
    for id in others {
        scenario.push_str(&format!("  - workload: every/{id}\n"));
    }
    let (record, ran) = project.record(&scenario);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let every = job(&record, "every");
    assert_eq!(every["outcome"], "measured", "{}", every["message"]);
    assert_eq!(every["digest"]["value"], 49 * 50 / 2);
    assert_eq!(every["digest"]["tolerance"], 1e-9);
    assert_eq!(
        (
            &every["allocations"]["exact"],
            &every["allocations"]["count"],
            &every["allocations"]["bytes"]
        ),
        (&true.into(), &2.into(), &410.into())
    );
    let metrics = &every["metrics"];
    assert_eq!(
        (&metrics["items"], &metrics["memory"]),
        (&50.0.into(), &8.2.into())
    );
    let (rate, cost) = (
        metrics["rate"].as_f64().unwrap(),
        metrics["cost"].as_f64().unwrap(),
    );
    assert!((rate * cost / 1e9 - 1.0).abs() < 1e-9, "{metrics}");
    let outer = &every["scopes"][0];
    assert_eq!(
        (&outer["name"], &outer["children"][0]["name"]),
        (&"outer".into(), &"inner".into())
    );
    assert_eq!(outer["calls"], outer["children"][0]["calls"]);
    assert!(
        every["warnings"].to_string().contains("[info] torn down"),
        "{}",
        every["warnings"]
    );
    let said = |id: &str| {
        let job = job(&record, id);
        let part = |name: &str| job[name].as_str().unwrap_or("-");
        format!(
            "{} in {}: {}",
            part("outcome"),
            part("phase"),
            part("message")
        )
    };
    for (id, expected) in [
        ("errs", "failed in run: failed on purpose, iteration 3"),
        ("panics", "failed in run: panicked on purpose, iteration 3"),
        ("refuses", "failed in create: these parameters will not do"),
        ("cannot", "skipped in create: needs another machine"),
        (
            "disowned",
            "failed in create: there is no such workload after all",
        ),
        (
            "wrong",
            "failed in digest: the output is wrong, iteration 1",
        ),
        ("text_digest", "measured in -: -"),
        ("score_digest", "measured in -: -"),
        ("no_digest", "measured in -: -"),
    ] {
        assert_eq!(said(id), expected);
    }
    assert_eq!(job(&record, "text_digest")["digest"]["value"], "sha:1234");
    assert_eq!(job(&record, "score_digest")["digest"]["score"], 0.5);
    assert_eq!(job(&record, "no_digest")["digest"], Value::Null);

    let listed = project.orch(&["list", "every/every", "--scenario", "s.yaml"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    for part in [
        "Adds n numbers",
        "n additions, two allocations",
        "items/s",
        "frozen",
        "100",
    ] {
        assert!(listed.stdout.contains(part), "{part}: {}", listed.stdout);
    }
}

#[test]
fn plugin_compiled_with_the_frozen_header_works() {
    let project = Project::new();
    let library = project.compiled("cc", "every", &frozen().join("every.c"), &frozen(), &[]);
    every_feature_works(&project, &library);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn binary_of_abi_1_0_works() {
    every_feature_works(&Project::new(), &frozen().join("every-x86_64.so"));
}

/// Compiles the frozen plugin with a header.
fn with_header(project: &Project, name: &str, header: &str, source: &str) -> PathBuf {
    let folder = project.path().join(name);
    project.write(&format!("{name}/orch_plugin.h"), header);
    let source = project.write(&format!("{name}/{name}.c"), source);
    project.compiled("cc", name, &source, &folder, &[])
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

/// Returns a header as version 1.1 may have it, with functions appended to the tables of both sides
/// and to an extension.
fn newer_header() -> String {
    let mut header = std::fs::read_to_string(today().join("orch_plugin.h")).unwrap();
    for (from, to) in [
        ("#define ORCH_ABI_MINOR 0", "#define ORCH_ABI_MINOR 1"),
        (
            "  const void *(*get_extension)(const orch_host *host, const char *id);\n};",
            "  const void *(*get_extension)(const orch_host *host, const char *id);\n  void \
             (*later)(const orch_host *host);\n};",
        ),
        (
            "} orch_plugin;",
            "  orch_status (*later)(orch_instance *self);\n  uint64_t more[8];\n} orch_plugin;",
        ),
        (
            "} orch_digest;",
            "  orch_status (*later)(orch_instance *self);\n} orch_digest;",
        ),
    ] {
        header = replaced(&header, from, to);
    }
    header
}

/// A plugin of a later minor version runs under this orch. Features that only the plugin has are
/// not called, requested or read.
#[test]
fn plugin_of_a_newer_minor_version_works() {
    let project = Project::new();
    let mut source = std::fs::read_to_string(frozen().join("every.c")).unwrap();
    for (from, to) in [
        // The plugin checks its newer features before it uses them, and has everything that 1.0
        // had.
        (
            "host->struct_size < sizeof(orch_host)) return ORCH_ERR;",
            "!ORCH_HOST_HAS(host, get_extension)) return ORCH_ERR;\n  if (ORCH_HOST_HAS(host, \
             later)) host->later(host);",
        ),
        (
            "static const void *get_extension(",
            "static orch_status later(orch_instance *self) { abort(); }\nstatic const void \
             *get_extension(",
        ),
        (
            "run, teardown, destroy, get_extension,\n",
            "run, teardown, destroy, get_extension, later, {1, 2, 3},\n",
        ),
        (
            "{sizeof digest_table, digest}",
            "{sizeof digest_table, digest, later}",
        ),
        (
            "  return NULL;\n}\n\nORCH_EXPORT",
            "  return strcmp(id, \"orch.of-the-future/1\") ? NULL : (const void \
             *)later;\n}\n\nORCH_EXPORT",
        ),
        // Its describe document has more fields too.
        (
            "\\\"version\\\": \\\"1.0\\\"",
            "\\\"version\\\": \\\"1.0\\\", \\\"later\\\": {\\\"a\\\": [1]}",
        ),
        ("\\\"tags\\\": [", "\\\"later\\\": null, \\\"tags\\\": ["),
        (
            "\\\"about\\\": \\\"added\\\"",
            "\\\"about\\\": \\\"added\\\", \\\"later\\\": 3",
        ),
    ] {
        source = replaced(&source, from, to);
    }
    let library = with_header(&project, "newer", &newer_header(), &source);
    every_feature_works(&project, &library);
}

/// The table of this plugin ends early. The missing functions are treated as NULL.
#[test]
fn table_that_ends_after_run_is_enough() {
    let project = Project::new();
    let source = std::fs::read_to_string(frozen().join("every.c")).unwrap();
    let short = "ORCH_MAGIC, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, (uint32_t)offsetof(orch_plugin, \
        teardown), 0, describe";
    let source = replaced(&source, "ORCH_PLUGIN_INIT, describe", short);
    let header = std::fs::read_to_string(frozen().join("orch_plugin.h")).unwrap();
    let library = with_header(&project, "short", &header, &source);
    let (record, ran) = project.record(&format!(
        "defaults: {{ time: 5ms, rounds: 1 }}\nplugins: {{ every: {{ path: '{}' }} }}\nworkloads: \
         [{{ workload: every/every }}]\n",
        library.display()
    ));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let every = job(&record, "every");
    assert_eq!(
        (
            &every["digest"],
            every["warnings"].to_string().contains("torn down")
        ),
        (&Value::Null, false)
    );
}

/// The sample plugin is compiled with a later header, so the host is the older side.
#[test]
fn sample_in_c_compiled_with_a_newer_header_works_here() {
    let project = Project::new();
    let source = std::fs::read_to_string(workspace().join("plugins/hello-c/hello.c")).unwrap();
    let library = with_header(&project, "hello", &newer_header(), &source);
    let (record, ran) = project.record(&format!(
        "defaults: {{ time: 5ms, rounds: 1 }}\nplugins: {{ hello: {{ path: '{}' }} }}\nworkloads: \
         [{{ workload: hello/sum }}]\n",
        library.display()
    ));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(job(&record, "sum")["digest"]["value"], 999 * 1000 / 2);
}

/// Runs the sample plugin under hosts of other versions: `fixtures/count_host.c` with other tables.
#[test]
fn sample_in_c_looks_at_the_version_and_size_of_its_host() {
    let project = Project::new();
    let plugin = project.compiled(
        "cc",
        "hello",
        &workspace().join("plugins/hello-c/hello.c"),
        &today(),
        &[],
    );
    let host = std::fs::read_to_string(fixture("count_host.c")).unwrap();
    let table = "{ sizeof(orch_host), ORCH_ABI_MAJOR, ORCH_ABI_MINOR, NULL";
    for (name, other, works) in [
        ("same", table, true),
        (
            "newer",
            "{ sizeof(orch_host) + 64, ORCH_ABI_MAJOR, ORCH_ABI_MINOR + 7, NULL",
            true,
        ),
        (
            "major",
            "{ sizeof(orch_host), ORCH_ABI_MAJOR + 1, 0, NULL",
            false,
        ),
        ("small", "{ 32, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, NULL", false),
    ] {
        let source = project.write(&format!("{name}.c"), replaced(&host, table, other));
        let program = project.path().join(name);
        let mut cc = Command::new("cc");
        let built = cc
            .args(["-w", "-I"])
            .arg(today())
            .arg(source)
            .args(["-ldl", "-o"])
            .arg(&program)
            .status();
        assert!(built.unwrap().success());
        let ran = Command::new(&program)
            .arg(&plugin)
            .args(["sum", "{}", "3"])
            .output()
            .unwrap();
        assert_eq!(
            ran.status.code(),
            Some(i32::from(!works)),
            "{name}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

/// A workload that grants inputs for few iterations, and whose own clock says that its first call
/// is slow and the others are fast.
const GRANTS: &str = r#"#include "orch_plugin.h"
#include <stdlib.h>
#include <unistd.h>
struct orch_instance { uint64_t granted, last, calls; };
static orch_status describe(const orch_host *host) {
  host->write(host, ORCH_STR("{\"plugin\": \"grants\", \"workloads\": [{\"id\": \"work\"}]}"));
  return ORCH_OK;
}
static orch_status create(const orch_host *host, orch_str workload, orch_str params,
                          orch_instance **out) {
  (void)host, (void)workload, (void)params;
  *out = calloc(1, sizeof **out);
  return ORCH_OK;
}
static orch_status prepare(orch_instance *self, uint64_t wanted, uint64_t *granted) {
  *granted = self->granted = wanted < MOST ? wanted : MOST;
  return ORCH_OK;
}
static orch_status run(orch_instance *self, uint64_t iters) {
  if (iters > self->granted) abort();
  self->last = iters;
  self->calls += 1;
  if (SLOW && self->calls == 2) usleep(20000);
  for (volatile uint64_t step = 0; step < 4 * iters; step++) {}
  return ORCH_OK;
}
static orch_status elapsed(orch_instance *self, uint64_t *ns) {
  *ns = SLOW && self->calls == 2 ? 20000000 : self->last;
  return ORCH_OK;
}
static const void *get_extension(const char *id) {
  static const orch_prepare prepare_table = {sizeof prepare_table, prepare};
  static const orch_elapsed elapsed_table = {sizeof elapsed_table, elapsed};
  if (id[5] == 'p') return &prepare_table;
  return id[5] == 'e' ? (const void *)&elapsed_table : NULL;
}
ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_PLUGIN_INIT, describe, create, NULL, run, NULL, NULL, get_extension,
};
"#;

/// No sample has more iterations than the workload granted, whenever the number of iterations was
/// chosen. The workload would abort.
#[test]
fn samples_have_as_many_iterations_as_were_granted() {
    let project = Project::new();
    let library = |name: &str, most: u64, slow: u8| {
        let source = format!("#define MOST {most}\n#define SLOW {slow}\n{GRANTS}");
        project.c_plugin(name, &source).display().to_string()
    };
    // 1 iteration, then 1000, then more than are granted.
    let (many, few) = (library("many", 2000, 1), library("few", 17, 1));
    let scenario = |library: &str| {
        format!(
            "defaults: {{ time: 1s, rounds: 1 }}\nplugins: {{ grants: {{ path: {library} }} }}\n\
             workloads: [{{ workload: grants/work }}]\n"
        )
    };
    for (library, most) in [(&many, 2000), (&few, 17)] {
        let (record, ran) = project.record(&scenario(library));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let process = &job(&record, "work")["time"]["processes"][0];
        assert_eq!(process["iterations"], most, "{process}");
        let samples = process["samples_ns"].as_array().unwrap();
        assert!(samples.iter().all(|ns| *ns == most), "{samples:?}");
    }
    let (many, few) = (library("many-fast", 2000, 0), library("few-fast", 17, 0));
    project.write("s.yaml", scenario(&many));
    let ran = project.orch(&["compare", &many, &few, "--scenario", "s.yaml", "--json"]);
    let found: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let jobs = found["jobs"].as_array().unwrap();
    assert!(
        jobs.iter().all(|job| job["verdict"] != "missing"),
        "{jobs:#?}"
    );
    let pairs = found["workloads"][0]["pairs"].as_array().unwrap();
    assert!(
        pairs.iter().all(|pair| pair["iterations"] == 17),
        "{pairs:#?}"
    );
}
