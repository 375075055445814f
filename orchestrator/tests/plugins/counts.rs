//! Compares the counting allocator with valgrind, to the byte: the difference of two numbers of
//! iterations must agree.

use crate::support::{Project, crate_of, job, workspace};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Returns the allocations and bytes of a whole program, as valgrind's memcheck totals them.
fn valgrind(project: &Project, host: &Path, job: &Value, iterations: u64) -> (u64, u64) {
    let (_, workload) = job["workload"].as_str().unwrap().split_once('/').unwrap();
    let output = Command::new("valgrind")
        .args(["--tool=memcheck", "--leak-check=no", "--error-exitcode=0"])
        .arg(host)
        .arg(project.path().join(job["plugin"]["path"].as_str().unwrap()))
        .args([
            workload,
            &job["params"].to_string(),
            &iterations.to_string(),
        ])
        .env("ORCH_THREADS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let line = text
        .lines()
        .find(|line| line.contains("total heap usage:"))
        .unwrap_or_else(|| panic!("{text}"));
    let number = |before: &str, after: &str| -> u64 {
        let (_, rest) = line.split_once(before).unwrap();
        let digits: String = rest
            .split(after)
            .next()
            .unwrap()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    };
    (number("usage:", " allocs"), number("frees,", " bytes"))
}

#[test]
fn counts_equal_valgrinds() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        crate::support::skipped("counts against valgrind's: it is not installed");
        return;
    }
    let project = Project::new();
    let host = project.path().join("count_host");
    let built = Command::new("cc")
        .args(["-O1", "-w", "-I"])
        .arg(workspace().join("plugins/sdk/include"))
        .arg(workspace().join("orchestrator/tests/fixtures/count_host.c"))
        .args(["-ldl", "-o"])
        .arg(&host)
        .status()
        .unwrap();
    assert!(built.success());
    // Valgrind before 3.26 does not support AVX-512, so the Rust plugin is built without it. Its
    // allocations are the same.
    let scenario = format!(
        "defaults: {{ time: 5ms, rounds: 1, timeout: 60s }}
plugins:
  hello: {{ dir: '{}', build: 'cc -O2 -shared -fPIC -I\"$ORCH_INCLUDE\" hello.c -o \"$ORCH_OUT\"' }}
  kernels: {{ crate: '{}', cpu: x86-64-v3 }}
  counted:
    dir: '{}'
    build: 'c++ -std=c++17 -O1 -shared -fPIC -I\"$ORCH_INCLUDE\" counted.cpp -o \"$ORCH_OUT\"'
  faulty: {{ crate: '{}', cpu: x86-64-v3 }}
workloads:
  - workload: hello/sum
  - id: allocating
    workload: kernels/in_place
    params: {{ form: allocating, pool: 'off', adds: 50 }}
  - {{ id: passes, workload: kernels/layer_norm, params: {{ form: passes, pool: 'off' }} }}
  - {{ id: matmul, workload: kernels/matmul, params: {{ m: 33, n: 17, k: 9, pool: 'off' }} }}
  - {{ id: pooled, workload: kernels/matmul, params: {{ m: 33, n: 17, k: 9, pool: 'on' }} }}
  - workload: counted/containers
  - workload: faulty/c_library
",
        workspace().join("plugins/hello-c").display(),
        crate_of("kernels"),
        workspace().join("orchestrator/tests/fixtures").display(),
        crate_of("faulty")
    );
    let (record, ran) = project.record(&scenario);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for id in [
        "sum",
        "allocating",
        "passes",
        "matmul",
        "pooled",
        "containers",
        "c_library",
    ] {
        let job = job(&record, id);
        let ours = &job["allocations"];
        assert_eq!(ours["exact"], true, "{id}");
        let (few, many) = (
            valgrind(&project, &host, job, 4),
            valgrind(&project, &host, job, 12),
        );
        let theirs = ((many.0 - few.0) as f64 / 8.0, (many.1 - few.1) as f64 / 8.0);
        assert_eq!(
            (
                ours["count"].as_f64().unwrap(),
                ours["bytes"].as_f64().unwrap()
            ),
            theirs,
            "{id}"
        );
        eprintln!(
            "{id}: {} allocations of {} bytes, as valgrind counts",
            theirs.0, theirs.1
        );
    }
}
