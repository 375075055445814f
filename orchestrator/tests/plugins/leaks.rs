//! A long run holds no more at its end than at its beginning: descriptors, processes, files, the
//! lock.

use crate::support::{Project, fixture, marked_processes, workspace};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const JOBS: usize = 100;

/// Resources that a running process holds.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    descriptors: usize,
    children: usize,
}

fn held(pid: u32) -> Option<Held> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .ok()?
        .split_whitespace()
        .count();
    Some(Held {
        descriptors,
        children,
    })
}

fn most(samples: &[Held], of: impl Fn(&Held) -> usize) -> usize {
    samples.iter().map(of).max().unwrap()
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn hundred_jobs_leave_nothing_behind() {
    let project = Project::new();
    let include = workspace().join("plugins/sdk/include");
    project.compiled("cc", "zoo", &fixture("zoo/zoo.c"), &include, &["-lm"]);
    let mark = project.path().display().to_string();
    let mut scenario = format!(
        "defaults: {{ time: 2ms, rounds: 1, timeout: 60s, memory: 128MiB }}
plugins: {{ zoo: {{ path: libzoo.so, env: {{ ORCH_TEST: '{mark}' }} }} }}
workloads:
"
    );
    let ways = [
        "good",
        "illegal",
        "leaves",
        "many_children",
        "junk_everywhere",
    ];
    for index in 0..JOBS {
        let way = ways[index % ways.len()];
        scenario.push_str(&format!(
            "  - {{ id: {way}-{index}, workload: zoo/{way} }}\n"
        ));
    }
    project.write("s.yaml", scenario);
    let temporary = project.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();

    let mut command = project.plain_command();
    command
        .args(["run", "s.yaml", "--seed", "1"])
        .env("TMPDIR", &temporary);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut samples, mut locked) = (Vec::new(), 0);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        samples.extend(held(child.id()));
        // The lock is released immediately, because holding it would disturb the measurement.
        locked += usize::from(
            std::fs::File::open(project.path().join("lock"))
                .is_ok_and(|file| file.try_lock().is_err()),
        );
        std::thread::sleep(Duration::from_millis(3));
    };
    assert_eq!(status.code(), Some(201));
    assert!(samples.len() > 100, "{} samples", samples.len());
    // Each job could leave something. A single descriptor per job would add fifty descriptors in
    // the second half.
    let (early, late) = samples.split_at(samples.len() / 2);
    for (what, of) in [
        (
            "descriptors",
            (|held| held.descriptors) as fn(&Held) -> usize,
        ),
        ("children", |held| held.children),
    ] {
        let (early, late) = (most(early, of), most(late, of));
        eprintln!("{what}: at most {early} in the first half of the run, {late} in the second");
        // Some resources may be visible in one half only, such as the fifty children of one job's
        // worker.
        let spare = if what == "children" { 60 } else { 10 };
        assert!(late <= early + spare, "{what}: {early}, later {late}");
    }
    assert!(
        2 * locked > samples.len(),
        "the lock was held in {locked} of {} samples",
        samples.len()
    );

    assert_eq!(
        marked_processes(&format!("ORCH_TEST={mark}")),
        Vec::<i32>::new()
    );
    // The folder of scratch folders remains, and is empty.
    assert_eq!(entries(&temporary).len(), 1);
    assert_eq!(
        entries(&temporary.join(&entries(&temporary)[0])),
        Vec::<String>::new()
    );
    assert_eq!(
        entries(&project.results()[0]),
        ["record.json", "summary.txt"]
    );
    std::fs::File::open(project.path().join("lock"))
        .unwrap()
        .try_lock()
        .unwrap();
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(project.results()[0].join("record.json")).unwrap())
            .unwrap();
    for job in record["jobs"].as_array().unwrap() {
        let id = job["id"].as_str().unwrap();
        let measured = id.starts_with("good") || id.starts_with("many_children");
        assert_eq!(
            job["outcome"] == "measured",
            measured,
            "{id}: {}",
            job["message"]
        );
    }
}
