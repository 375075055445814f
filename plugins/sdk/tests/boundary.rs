//! Tests of a plugin that uses the SDK, from the host's side of the ABI.

mod support;

use orch_sdk::abi;
use orch_sdk::prelude::*;
use orch_sdk::serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::Driver;

/// Number of live [`Counter`]s.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

#[derive(Params)]
struct CounterParams {
    /// How far one iteration counts
    #[param(default = 3, range = 1..=10, unit = "steps")]
    steps: u32,
    start: Option<u64>,
}

/// Counts, and reports through scopes and counters.
struct Counter {
    steps: u32,
    start: u64,
    total: u64,
}

impl Workload for Counter {
    const ID: &'static str = "counter";
    const ABOUT: &'static str = "Counts";
    const ITERATION: &'static str = "`steps` steps";
    const METRICS: &'static [Metric] = &[
        Metric::time_per("ns_per_step", "ns", "steps", 1e9).about("Cost of a step"),
        Metric::rate("steps_per_s", "steps/s", "steps", 1.0),
        Metric::count("steps", "steps").better(Better::Higher),
    ];
    const TAGS: &'static [&'static str] = &["test"];
    type Params = CounterParams;

    fn create(params: CounterParams) -> Result<Self> {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            steps: params.steps,
            start: params.start.unwrap_or(0),
            total: 0,
        })
    }

    fn reset(&mut self) -> Result<()> {
        self.total = self.start;
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        scope!("outer");
        {
            scope!("inner");
            self.total += u64::from(self.steps);
            count!("steps", self.steps);
        }
        count!("flop", 2.0 * f64::from(self.steps));
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(self.total)))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Params)]
enum Way {
    Error,
    Io,
    Unsupported,
    Panic,
    ThreadPanic,
    ForgottenThreadPanic,
    Payload,
    Foreign,
    Drop,
    Nan,
    None,
}

#[derive(Params)]
struct FailParams {
    way: Way,
}

/// Fails in every way in which an SDK workload can fail.
struct Fail(Way);

impl Workload for Fail {
    const ID: &'static str = "fail";
    type Params = FailParams;

    fn create(params: FailParams) -> Result<Self> {
        Ok(Self(params.way))
    }

    fn run(&mut self) -> Result<()> {
        scope!("failing");
        match self.0 {
            Way::Error => Err(Error::msg("no luck")),
            Way::Io => Ok(std::fs::metadata("/no/such/file").map(drop)?),
            Way::Unsupported => Err(Error::unsupported("needs a GPU")),
            Way::Panic => panic!("lost {}", 7),
            Way::ThreadPanic => {
                spawn_panic().join().expect("the pool works");
                Ok(())
            }
            Way::ForgottenThreadPanic => {
                let _ = spawn_panic().join();
                Ok(())
            }
            Way::Payload => std::panic::panic_any(7_u8),
            Way::Foreign => {
                no_way_out();
                Ok(())
            }
            Way::Drop | Way::Nan | Way::None => Ok(()),
        }
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(matches!(self.0, Way::Nan).then(|| Digest::number(f64::NAN)))
    }
}

impl Drop for Fail {
    fn drop(&mut self) {
        assert!(!matches!(self.0, Way::Drop), "dropped badly");
    }
}

fn spawn_panic() -> std::thread::JoinHandle<()> {
    std::thread::Builder::new()
        .name("pool-1".to_owned())
        .spawn(|| panic!("a worker died"))
        .expect("threads")
}

/// A panic cannot unwind out of this function, so the process is aborted.
extern "C" fn no_way_out() {
    panic!("inside a callback");
}

/// A workload without parameters.
struct Plain;

impl Workload for Plain {
    const ID: &'static str = "plain";
    type Params = ();

    fn create((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn run(&mut self) -> Result<()> {
        Ok(())
    }
}

export_plugin!(Counter, Fail, Plain);

mod table {
    unsafe extern "C" {
        /// The exported table of the macro, as the host finds it.
        pub safe static orch_plugin_v1: orch_sdk::abi::Plugin;
        pub safe static orch_plugin_cpu_features: [u8; orch_sdk::cpu::LIST_LEN];
    }
}

fn driver(workload: &str, params: &str) -> Driver {
    Driver::with(&table::orch_plugin_v1, workload, params)
}

#[test]
fn table_is_of_this_version() {
    let plugin = &table::orch_plugin_v1;
    assert_eq!(
        (plugin.magic, plugin.abi_major, plugin.abi_minor),
        (abi::MAGIC, abi::ABI_MAJOR, abi::ABI_MINOR)
    );
    assert_eq!(
        (plugin.struct_size as usize, plugin.flags),
        (size_of::<abi::Plugin>(), 0)
    );
    assert_eq!(table::orch_plugin_cpu_features, orch_sdk::cpu::LIST);
}

#[test]
fn describe_writes_the_document() {
    let driver = Driver::new(&table::orch_plugin_v1);
    assert_eq!(driver.describe(), abi::OK);
    let document: Value = orch_sdk::serde_json::from_str(&driver.take().document).expect("JSON");
    assert_eq!(document["plugin"], "orch-sdk");
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["sdk"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        document["build"]["debug_assertions"],
        cfg!(debug_assertions)
    );
    assert!(document["build"]["target_features"].is_array());
    let expected = json!({
        "id": "counter",
        "about": "Counts",
        "iteration": "`steps` steps",
        "params": {
            "type": "object",
            "properties": {
                "steps": {
                    "description": "How far one iteration counts", "type": "integer",
                    "minimum": 1, "maximum": 10,
                    "default": 3, "x-unit": "steps",
                },
                "start": { "type": "integer", "minimum": 0 },
            },
            "additionalProperties": false,
        },
        "metrics": [
            {
                "id": "ns_per_step", "unit": "ns", "better": "lower", "about": "Cost of a step",
                "counter": "steps", "per": "unit", "scale": 1e9
            },
            {
                "id": "steps_per_s", "unit": "steps/s", "better": "higher",
                "counter": "steps", "per": "second", "scale": 1.0
            },
            {
                "id": "steps", "unit": "steps", "better": "higher",
                "counter": "steps", "per": "iteration", "scale": 1.0
            },
        ],
        "tags": ["test"],
    });
    assert_eq!(document["workloads"][0].to_string(), expected.to_string());
    let ids: Vec<&Value> = document["workloads"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|w| &w["id"])
        .collect();
    assert_eq!(ids, ["counter", "fail", "plain"]);
}

#[test]
fn create_refuses_unknown_names() {
    let cases = [
        (
            "countre",
            "{}",
            abi::ERR_UNKNOWN_WORKLOAD,
            "plugin 'orch-sdk' has no workload 'countre': did you mean 'counter'?",
        ),
        (
            "counter",
            r#"{"stesp": 1}"#,
            abi::ERR_PARAMS,
            "unknown parameter 'stesp': did you mean 'steps'?",
        ),
        (
            "counter",
            r#"{"steps": 11}"#,
            abi::ERR_PARAMS,
            "parameter 'steps': 11 is out of range (allowed: 1 to 10)",
        ),
        (
            "counter",
            "{",
            abi::ERR_PARAMS,
            "the parameters are not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "counter",
            "[]",
            abi::ERR_PARAMS,
            "expected an object of parameters, got []",
        ),
        ("fail", "{}", abi::ERR_PARAMS, "parameter 'way' is required"),
        (
            "plain",
            r#"{"a": 1}"#,
            abi::ERR_PARAMS,
            "unknown parameter 'a': no names are known",
        ),
    ];
    let mut driver = Driver::new(&table::orch_plugin_v1);
    for (workload, params, status, error) in cases {
        assert_eq!(
            driver.create(workload, params),
            status,
            "{workload} {params}"
        );
        assert_eq!(driver.take().error, error);
    }
}

#[test]
fn parameters_may_be_an_empty_text() {
    for params in ["", "null", "{}", " \n"] {
        assert_eq!(driver("plain", params).run(1), abi::OK, "{params:?}");
    }
}

#[test]
fn whole_life() {
    let mut driver = driver("counter", r#"{"steps": 4, "start": 100}"#);
    assert_eq!(
        (driver.setup(), driver.reset(), driver.run(2)),
        (abi::OK, abi::OK, abi::OK)
    );
    let iteration = ["+outer", "+inner", "steps=4", "-inner", "flop=8", "-outer"];
    assert_eq!(driver.take().events, [iteration, iteration].concat());
    assert_eq!(
        (driver.digest(), driver.take().document.as_str()),
        (abi::OK, r#"{"value":108}"#)
    );
    assert_eq!((driver.reset(), driver.digest()), (abi::OK, abi::OK));
    assert_eq!(driver.take().document, r#"{"value":100}"#);
    assert_eq!(driver.teardown(), abi::OK);
    assert_eq!(ALIVE.load(Ordering::Relaxed), 1);
    driver.destroy();
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    assert_eq!(driver.take(), support::Heard::default());
}

#[test]
fn run_of_zero_iterations_does_nothing() {
    let driver = driver("fail", r#"{"way": "panic"}"#);
    assert_eq!(driver.run(0), abi::OK);
    assert_eq!(driver.take(), support::Heard::default());
}

#[test]
fn workload_without_a_digest_writes_nothing() {
    let driver = driver("plain", "{}");
    assert_eq!((driver.digest(), driver.reset()), (abi::OK, abi::OK));
    assert_eq!(driver.take().document, "");
}

#[test]
fn unknown_extensions_are_null() {
    let driver = Driver::new(&table::orch_plugin_v1);
    assert!(driver.extension(c"orch.digest/2").is_null());
    assert!(!driver.extension(abi::DIGEST_EXT).is_null());
}

/// Runs one failing iteration. Returns its status and its text, with line numbers replaced.
fn failure(way: &str) -> (abi::Status, String) {
    let driver = driver("fail", &json!({ "way": way }).to_string());
    let status = driver.run(2);
    let heard = driver.take();
    assert_eq!(
        heard.events,
        ["+failing", "-failing"],
        "{way}: scopes are balanced, and the loop ends"
    );
    (status, without_places(&heard.error))
}

fn without_places(text: &str) -> String {
    let mut rest = text;
    let mut replaced = String::new();
    while let Some(at) = rest.find(".rs:") {
        let (before, after) = rest.split_at(at + 4);
        let place = after
            .find(": ")
            .expect("file:line:column, then the message");
        assert!(
            after[..place]
                .chars()
                .all(|c| c.is_ascii_digit() || c == ':'),
            "{text}"
        );
        replaced += before;
        replaced += "LINE";
        rest = &after[place..];
    }
    replaced + rest
}

#[test]
fn errors_have_a_text() {
    assert_eq!(failure("error"), (abi::ERR, "no luck".to_owned()));
    assert_eq!(
        failure("io"),
        (
            abi::ERR,
            "No such file or directory (os error 2)".to_owned()
        )
    );
    assert_eq!(
        failure("unsupported"),
        (abi::ERR_UNSUPPORTED, "needs a GPU".to_owned())
    );
}

#[test]
fn panics_have_a_place() {
    let file = file!();
    assert_eq!(
        failure("panic"),
        (abi::ERR_PANIC, format!("panicked at {file}:LINE: lost 7"))
    );
    assert_eq!(
        failure("payload"),
        (
            abi::ERR_PANIC,
            format!("panicked at {file}:LINE: (the payload is not a text)")
        )
    );
}

#[test]
fn panic_of_another_thread_is_named_first() {
    let (status, text) = failure("thread_panic");
    let file = file!();
    let expected = format!(
        "thread 'pool-1' panicked at {file}:LINE: a worker died; then panicked at {file}:LINE: the \
         pool works: Any {{ .. }}"
    );
    assert_eq!((status, text), (abi::ERR_PANIC, expected));
}

#[test]
fn forgotten_panic_is_logged() {
    let driver = driver("fail", r#"{"way": "forgotten_thread_panic"}"#);
    assert_eq!(driver.run(1), abi::OK);
    let log: Vec<String> = driver
        .take()
        .log
        .iter()
        .map(|line| without_places(line))
        .collect();
    let file = file!();
    assert_eq!(
        log,
        [format!(
            "2 the workload continued after a panic: thread 'pool-1' panicked at {file}:LINE: a \
             worker died"
        )]
    );
    // The error does not affect the next call.
    assert_eq!(driver.run(0), abi::OK);
    assert_eq!(driver.take(), support::Heard::default());
}

#[test]
fn panic_while_dropping_is_logged() {
    let mut driver = driver("fail", r#"{"way": "drop"}"#);
    driver.destroy();
    let heard = driver.take();
    assert_eq!(
        without_places(&heard.log.join("\n")),
        format!(
            "1 dropping the workload: panicked at {}:LINE: dropped badly",
            file!()
        )
    );
}

/// Such a panic is never reported, so its text has to be on standard error. The test runs in a
/// process of its own.
#[test]
fn panic_that_cannot_unwind_is_printed() {
    const CHILD: &str = "ORCH_SDK_TEST_ABORTS";
    if std::env::var_os(CHILD).is_some() {
        driver("fail", r#"{"way": "foreign"}"#).run(1);
        return;
    }
    let test = std::env::current_exe().expect("it is running");
    let mut child = std::process::Command::new(test);
    child
        .args([
            "--exact",
            "panic_that_cannot_unwind_is_printed",
            "--nocapture",
        ])
        .env(CHILD, "1");
    let output = child.output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("inside a callback"), "{stderr}");
    assert!(stderr.contains("cannot unwind"), "{stderr}");
}

#[test]
fn digest_that_is_not_finite_is_an_error() {
    let driver = driver("fail", r#"{"way": "nan"}"#);
    assert_eq!(driver.digest(), abi::ERR);
    let heard = driver.take();
    assert_eq!(
        heard.error,
        "the digest's value is NaN: the output holds a number that is not finite"
    );
    assert_eq!(heard.document, "");
}

#[test]
fn host_of_another_version_is_refused() {
    let driver = Driver::new(&table::orch_plugin_v1);
    let describe = table::orch_plugin_v1.describe.expect("required");
    let other = Box::leak(Box::new(abi::Host {
        abi_major: abi::ABI_MAJOR + 1,
        ..support::HOST_TEMPLATE
    }));
    // SAFETY: the host is leaked, so it outlives the process.
    assert_eq!(unsafe { describe(other) }, abi::ERR);
    // SAFETY: a null host is refused before it is used.
    assert_eq!(unsafe { describe(std::ptr::null()) }, abi::ERR);
    let small = Box::leak(Box::new(abi::Host {
        struct_size: 79,
        ..support::HOST_TEMPLATE
    }));
    // SAFETY: as above.
    assert_eq!(unsafe { describe(small) }, abi::ERR);
    assert_eq!(driver.take(), support::Heard::default());
}

/// The host has a later minor version: its table is longer, and the SDK ignores the unknown fields.
#[test]
fn host_of_a_newer_minor_version_is_accepted() {
    #[repr(C)]
    struct Newer {
        known: abi::Host,
        later: [usize; 4],
    }
    let driver = Driver::new(&table::orch_plugin_v1);
    let describe = table::orch_plugin_v1.describe.expect("required");
    let known = abi::Host {
        struct_size: size_of::<Newer>() as u32,
        abi_minor: abi::ABI_MINOR + 1,
        ..support::HOST_TEMPLATE
    };
    let newer = Box::leak(Box::new(Newer {
        known,
        later: [1; 4],
    }));
    // SAFETY: the host is leaked, so it outlives the process.
    assert_eq!(unsafe { describe(&raw const newer.known) }, abi::OK);
    assert_eq!(newer.later, [1; 4]);
    assert!(driver.take().document.contains("workloads"));
}
