//! `orch plugin check`: each fault of a plugin is found, reported and graded, and good plugins have
//! no findings.

use crate::support::{Project, crate_of, workspace};
use serde_json::Value;

/// Source of a plugin without faults. Each case replaces a part of it.
const GOOD: &str = r#"
#include "orch_plugin.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
struct orch_instance { const orch_host *host; uint32_t scope, items; uint64_t n, sum; void *kept; };
static orch_str text_of(const char *text) { return (orch_str){text, strlen(text)}; }
static const char *DOCUMENT =
  "{'plugin': 'p', 'workloads': [{'id': 'sum', 'about': 'a sum', 'iteration': 'one sum',"
  " 'params': {'type': 'object', 'additionalProperties': false, 'properties': {"
  "   'n': {'type': 'integer', 'minimum': 1, 'maximum': 1000, 'default': 100, 'description': 'numbers'}}},"
  " 'metrics': [{'id': 'rate', 'unit': '1/s', 'better': 'higher', 'counter': 'items', 'per': 'second'}]}]}";
static orch_status describe(const orch_host *host) {
  char text[2048];
  size_t length = strlen(DOCUMENT);
  for (size_t i = 0; i <= length; i++) text[i] = DOCUMENT[i] == '\'' ? '"' : DOCUMENT[i];
  host->write(host, text_of(text));
  return ORCH_OK;
}
static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  orch_instance *self = calloc(1, sizeof *self);
  self->host = host;
  self->scope = host->intern(host, ORCH_STR("sum"));
  self->items = host->intern(host, ORCH_STR("items"));
  const char *colon = memchr(params.ptr, ':', params.len);
  self->n = colon ? strtoull(colon + 1, NULL, 10) : 100;
  /* create */
  *out = self;
  return ORCH_OK;
}
static void *waits(void *ignored) { for (;;) pause(); return ignored; }
static orch_status setup(orch_instance *self) { /* setup */ return ORCH_OK; }
static orch_status teardown(orch_instance *self) { /* teardown */ return ORCH_OK; }
static orch_status run(orch_instance *self, uint64_t iters) {
  /* once */
  for (uint64_t i = 0; i < iters; i++) {
    self->host->scope_enter(self->host, self->scope);
    self->sum = 0;
    for (uint64_t j = 0; j < self->n; j++) self->sum += j;
    /* iteration */
    self->host->counter_add(self->host, self->items, (double)self->n);
    self->host->scope_exit(self->host, self->scope);
  }
  return ORCH_OK;
}
static void destroy(orch_instance *self) { free(self); }
static orch_status digest(orch_instance *self, const orch_host *host) {
  char text[64];
  snprintf(text, sizeof text, "{\"value\": %llu}", (unsigned long long)self->sum);
  host->write(host, text_of(text));
  return ORCH_OK;
}
static const void *get_extension(const char *id) {
  static const orch_digest table = {sizeof table, digest};
  return strcmp(id, ORCH_DIGEST_EXT) == 0 ? &table : NULL;
}
ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_PLUGIN_INIT, describe, create, setup, run, teardown, destroy, get_extension };
ORCH_DECLARE_CPU_FEATURES;
"#;

/// A fault: the replaced text and its replacement; the level of the finding, its place and a part
/// of its message.
struct Case(
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const CASES: [Case; 35] = [
    // Faults of the file.
    Case(
        "ORCH_DECLARE_CPU_FEATURES;",
        "",
        "warning",
        "file",
        "CPU features that it was compiled for",
    ),
    Case(
        "orch_plugin_v1 =",
        "orch_plugin_v2 =",
        "error",
        "file",
        "no data symbol",
    ),
    Case(
        "ORCH_PLUGIN_INIT",
        "ORCH_MAGIC, 2, 0, sizeof(orch_plugin), 0",
        "error",
        "file",
        "built for plugin ABI 2.0",
    ),
    Case(
        "ORCH_PLUGIN_INIT",
        "1234, 1, 0, sizeof(orch_plugin), 0",
        "error",
        "file",
        "magic number",
    ),
    Case(
        "ORCH_PLUGIN_INIT",
        "ORCH_MAGIC, 1, 4, sizeof(orch_plugin), 0",
        "note",
        "file",
        "ABI 1.4",
    ),
    Case(
        "ORCH_PLUGIN_INIT",
        "ORCH_MAGIC, 1, 0, sizeof(orch_plugin), 8",
        "warning",
        "file",
        "flags is 0x8",
    ),
    Case(
        "ORCH_PLUGIN_INIT, describe",
        "ORCH_PLUGIN_INIT, NULL",
        "error",
        "describe",
        "no `describe`",
    ),
    Case(
        "setup, run, teardown",
        "setup, NULL, teardown",
        "error",
        "sum",
        "no `run`",
    ),
    Case(
        "describe, create, setup",
        "describe, NULL, setup",
        "error",
        "sum",
        "no `create`",
    ),
    // Faults of the document.
    Case(
        "'plugin': 'p'",
        "'plugin': 'p', 'x': ",
        "error",
        "describe",
        "document is invalid",
    ),
    Case(
        "host->write(host, text_of(text));\n  return ORCH_OK;\n}\nstatic orch_status create",
        "host->write(host, text_of(text)); for (int i = 0; i < 31; i++) host->write(host, getpid() \
         >> i & 1 ? ORCH_STR(\" \") : ORCH_STR(\"\\t\"));\nreturn ORCH_OK;\n}\nstatic orch_status \
         create",
        "error",
        "describe",
        "two processes wrote different documents",
    ),
    Case(
        "'default': 100",
        "'default': 0",
        "error",
        "sum",
        "`n` is 0, but must be at least 1",
    ),
    Case(
        "'type': 'object'",
        "'type': 3",
        "error",
        "describe",
        "not a JSON Schema",
    ),
    Case(
        "'iteration': 'one sum',",
        "",
        "warning",
        "sum",
        "does not define an iteration",
    ),
    Case(
        "'counter': 'items'",
        "'counter': 'item'",
        "error",
        "sum",
        "nothing was added to its counter `item`",
    ),
    // Faults in the life of an instance.
    Case(
        "/* create */",
        "host->set_error(host, ORCH_STR(\"no luck\")); return ORCH_ERR;",
        "error",
        "sum",
        "no luck",
    ),
    Case(
        "/* create */",
        "return ORCH_ERR_UNSUPPORTED;",
        "note",
        "sum",
        "cannot run here",
    ),
    Case(
        "/* create */",
        "if (self->n == 1000) return ORCH_ERR_PARAMS;",
        "note",
        "sum, n=1000",
        "create refuses it",
    ),
    Case(
        "/* iteration */",
        "if (self->n == 1) *(volatile int *)0 = 1;",
        "error",
        "sum, n=1",
        "SIGSEGV",
    ),
    Case(
        "/* setup */",
        "if (self->n == 1000) pause();",
        "note",
        "sum, n=1000",
        "longer than 5 s",
    ),
    Case(
        "/* setup */",
        "if (self->n == 1000 && !malloc(3ull << 30)) return ORCH_ERR;",
        "note",
        "sum, n=1000",
        "asked for 3 GiB",
    ),
    Case(
        "strcmp(id, ORCH_DIGEST_EXT) == 0",
        "0",
        "warning",
        "sum",
        "no digest",
    ),
    Case(
        "\"{\\\"value\\\": %llu}\"",
        "\"%llu,\"",
        "error",
        "sum",
        "digest is invalid",
    ),
    Case(
        "self->sum = 0;",
        "",
        "error",
        "sum",
        "computes a different result: first 4950, then 9900",
    ),
    Case(
        "/* iteration */",
        "self->sum += getpid();",
        "error",
        "sum",
        "output differs between processes",
    ),
    Case(
        "i < iters; i++",
        "i < 1; i++",
        "error",
        "sum",
        "run(0) adds 100 to counter `items`",
    ),
    Case(
        "i < iters; i++",
        "i < (iters > 0); i++",
        "error",
        "sum",
        "run(3) does the work of run(1)",
    ),
    Case(
        "/* once */",
        "if (iters > 50) return ORCH_ERR;",
        "error",
        "sum",
        "without a message",
    ),
    // Faults that leave something behind.
    Case(
        "/* iteration */",
        "self->kept = malloc(100);",
        "warning",
        "sum",
        "leaks 100 B per iteration",
    ),
    Case(
        "free(self);",
        "",
        "warning",
        "sum",
        "of an instance are still allocated after destroy",
    ),
    Case(
        "/* iteration */",
        "self->host->scope_enter(self->host, self->scope);",
        "error",
        "sum",
        "never closed",
    ),
    Case(
        "/* setup */",
        "static pthread_t t; pthread_create(&t, NULL, waits, NULL);",
        "warning",
        "sum",
        "still run after destroy",
    ),
    Case(
        "/* once */",
        "static pthread_t t; if (!t) pthread_create(&t, NULL, waits, NULL);",
        "warning",
        "sum",
        "run leaves 1 thread(s)",
    ),
    Case(
        "/* setup */",
        "memset(self->kept = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | \
         MAP_ANONYMOUS, -1, 0), 1, 32 << 20);",
        "warning",
        "sum",
        "resident memory grew by 32",
    ),
    Case(
        "/* setup */",
        "puts(\"hello\"); fflush(stdout);",
        "warning",
        "sum",
        "wrote 6 bytes to its standard output",
    ),
];

/// Compiles a plugin and checks it. Returns its findings as JSON, and the exit code.
fn check(project: &Project, name: &str, source: &str) -> (Vec<Value>, i32) {
    // An instance that nothing frees is larger than what may be left behind.
    let source = source.replace("void *kept; }", "void *kept; char room[4096]; }");
    let library = project.c_plugin(name, &source);
    let ran = project.orch(&["plugin", "check", &library.display().to_string(), "--json"]);
    let document: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
    assert_eq!(document["schema"], "orch/plugin-check/1");
    (
        document["plugins"][0]["findings"]
            .as_array()
            .unwrap()
            .clone(),
        ran.code,
    )
}

#[test]
fn plugin_check_finds_each_fault() {
    let project = Project::new();
    assert_eq!(check(&project, "good", GOOD), (Vec::new(), 0));
    let mut wrong = Vec::new();
    for (index, Case(from, to, level, place, part)) in CASES.into_iter().enumerate() {
        assert!(GOOD.contains(from), "{from}");
        let (found, code) = check(&project, &format!("case{index}"), &GOOD.replace(from, to));
        let is_it = |finding: &&Value| {
            finding["level"] == level
                && finding["place"] == place
                && finding["what"].as_str().unwrap().contains(part)
        };
        let remedy = found
            .iter()
            .find(is_it)
            .map(|finding| finding["remedy"].as_str().unwrap().to_owned());
        let has_errors = found.iter().any(|finding| finding["level"] == "error");
        if remedy.is_none_or(|remedy| remedy.is_empty()) || code != if has_errors { 201 } else { 0 }
        {
            wrong.push(format!("{from} -> {to}: exit code {code}, {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The findings as they are printed, in 80 columns.
#[test]
fn plugin_check_prints_findings_with_remedies() {
    let project = Project::new();
    let source = GOOD
        .replace("ORCH_DECLARE_CPU_FEATURES;", "")
        .replace("'default': 100", "'default': 100000")
        .replace("'about': 'a sum', ", "")
        .replace("'description': 'numbers'", "'unit': 'none'")
        .replace("/* setup */", "if (self->n == 1000) pause();")
        .replace(
            "/* iteration */",
            "if (self->n == 1) *(volatile int *)0 = 1;",
        )
        .replace("self->sum = 0;", "");
    let library = project.c_plugin("many", &source);
    let ran = project.orch(&["plugin", "check", &library.display().to_string()]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);
    let folder = project.path().display().to_string();
    insta::with_settings!({ filters => vec![
        (folder.as_str(), "[folder]"),
        (r"[0-9.]+ (ns|µs|ms)", "[time]"),
        (r"plugin\+0x[0-9a-f]+", "plugin+[place]"),
    ] }, {
        insta::assert_snapshot!("plugin_check", ran.stdout);
    });
}

/// A plugin's own document cannot make the check open a file, and no number of values is too large
/// for the check.
#[test]
fn document_opens_no_file_and_is_checked_in_bounded_time() {
    let project = Project::new();
    project.write("secret/key", "secret");
    let key = project.path().join("secret/key").display().to_string();
    let options: Vec<String> = (0..200).map(|index| format!("'{index}'")).collect();
    let more = format!(
        "'description': 'numbers'}}, 'file': {{'type': 'string', 'default': '{key}'}}, 'o': \
         {{'enum': [{}]}}",
        options.join(", ")
    );
    let opens = format!(
        "self->n = 100; int file = open(\"{key}\", 0); \
         if (file >= 0) {{ host->set_error(host, ORCH_STR(\"it was opened\")); return ORCH_ERR; }}"
    );
    let source = GOOD
        .replace(
            "#include <stdio.h>",
            "#include <fcntl.h>\n#include <stdio.h>",
        )
        .replace("text[2048]", "text[8192]")
        .replace("'description': 'numbers'}", &more)
        .replace("/* create */", &opens);
    let (found, _) = check(&project, "curious", &source);
    let told: Vec<&str> = found
        .iter()
        .map(|finding| finding["what"].as_str().unwrap())
        .collect();
    assert!(
        told.iter().any(|what| what.contains("sets of parameters")),
        "{told:?}"
    );
    let opened = told.iter().any(|what| what.contains("it was opened"));
    assert_eq!(
        opened,
        !crate::support::has_landlock(),
        "without landlock every file is open: {told:?}"
    );
}

#[test]
fn plugin_check_runs_only_the_named_workloads() {
    let project = Project::new();
    let source = GOOD.replace("'workloads': [", "'workloads': [{'id': 'other'}, ");
    let library = project.c_plugin("two", &source).display().to_string();
    let ran = project.orch(&["plugin", "check", &library, "--workload", "s*", "--json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let workloads = document["plugins"][0]["workloads"].as_array().unwrap();
    assert_eq!(workloads.len(), 1);
    assert_eq!(
        (workloads[0]["id"].as_str(), workloads[0]["trials"].as_u64()),
        (Some("sum"), Some(3))
    );
    assert!(
        workloads[0]["setup_ns"].as_u64().is_some()
            && workloads[0]["iteration_ns"].as_u64().is_some()
    );
}

#[test]
fn plugin_check_of_another_file_is_bad_input() {
    let project = Project::new();
    std::fs::create_dir(project.path().join("folder")).unwrap();
    let library = project.c_plugin("good", GOOD).display().to_string();
    let mut said = String::new();
    for arguments in [
        &["nothing.so"][..],
        &["folder"],
        &[&library, "--workload", "x*"],
    ] {
        let ran = project.orch(&[&["plugin", "check"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (200, ""), "{arguments:?}");
        said.push_str(&ran.stderr);
    }
    insta::assert_snapshot!("plugin_check_refused", said);
}

#[test]
fn good_plugins_have_no_findings() {
    let project = Project::new();
    let hello = "plugins:\n  hello:\n    dir: HELLO\n    \
                 build: 'cc -O2 $ORCH_CFLAGS -shared -fPIC -I\"$ORCH_INCLUDE\" hello.c \
                 -o \"$ORCH_OUT\"'\n\
                 workloads:\n  - workload: hello/sum\n";
    project.write(
        "hello.yaml",
        hello.replace(
            "HELLO",
            &workspace().join("plugins/hello-c").display().to_string(),
        ),
    );
    for language in ["c", "cpp"] {
        assert_eq!(
            project
                .orch(&[
                    "plugin",
                    "new",
                    &format!("new-{language}"),
                    "--lang",
                    language
                ])
                .code,
            0
        );
    }
    for subject in [
        "hello.yaml",
        "new-c",
        "new-cpp",
        &crate_of("starter"),
        &crate_of("kernels"),
    ] {
        let ran = project.orch(&["plugin", "check", subject]);
        assert_eq!(ran.code, 0, "{subject}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stdout.contains("\n0 errors, 0 warnings, "),
            "{subject}: {}",
            ran.stdout
        );
        // On a busy machine, the largest parameters may take too long to be tried.
        let mut notes = ran.stdout.lines().filter(|line| line.starts_with("note "));
        assert!(
            notes.all(|note| note.contains(": not checked: an iteration takes")),
            "{subject}: {}",
            ran.stdout
        );
    }
}
