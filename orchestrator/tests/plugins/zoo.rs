//! The worst faults of plugins in one run: the good jobs between them are measured, each fault is
//! reported, and nothing is left.

use crate::support::{PLACES, Project, fixture, job, marked_processes, told, workspace};
use std::path::{Path, PathBuf};

/// Workloads of `fixtures/zoo` that need settings of their own. The others use the settings of the
/// scenario.
const ROWS: [(&str, &str); 58] = [
    ("zoo/illegal", ""),
    ("zoo/divide", ""),
    ("zoo/double_free", ""),
    ("zoo/overrun", ""),
    ("zoo/thread_overflow", ""),
    ("zoo/takes_all", "memory: 64MiB"),
    ("zoo/leaves", ""),
    ("zoo/good", "id: good-1"),
    ("zoo/thread_exits", ""),
    ("zoo/ends_driver", ""),
    ("zoo/alarm", ""),
    ("zoo/steals_and_crashes", ""),
    ("zoo/shrugs_off", "timeout: 2s"),
    ("zoo/hides_crash", ""),
    ("zoo/ignores_all", "timeout: 2s"),
    ("zoo/stops", "timeout: 2s"),
    ("zoo/deadlock", "timeout: 2s"),
    ("zoo/good", "id: good-2"),
    ("zoo/spinning_threads", ""),
    ("zoo/mmap_bomb", "memory: 64MiB"),
    ("zoo/memfd_bomb", "memory: 64MiB"),
    ("zoo/first_to_die", ""),
    ("zoo/own_malloc", ""),
    ("zoo/own_brk", ""),
    ("zoo/junk_everywhere", ""),
    ("zoo/spews", "timeout: 2s"),
    ("zoo/spewing_daemon", ""),
    ("zoo/good", "id: good-3"),
    ("zoo/floods_channel", ""),
    ("zoo/answers_twice", ""),
    ("zoo/answers_otherwise", ""),
    ("zoo/forges_times", ""),
    ("zoo/forges_all", ""),
    ("zoo/forges_many", ""),
    ("zoo/half_a_message", ""),
    ("zoo/raises_sigsys", ""),
    ("zoo/fork_returns", ""),
    ("zoo/double_fork", ""),
    ("zoo/many_children", ""),
    ("zoo/hydra", ""),
    ("zoo/short_child", ""),
    ("zoo/good", "id: good-4"),
    ("zoo/deep_scopes", ""),
    ("zoo/bad_ids", ""),
    ("zoo/many_names", ""),
    ("zoo/not_numbers", ""),
    ("zoo/huge_counter", ""),
    ("zoo/long_error", "memory: 512MiB"),
    ("zoo/bytes_error", ""),
    ("zoo/lost_text", ""),
    ("zoo/unknown_status", ""),
    ("zoo/rude_scope", ""),
    ("zoo/slow_destroy", "timeout: 2s"),
    ("zoo/long_digest", ""),
    ("zoo/good", "id: good-5"),
    ("thrown/thrown", ""),
    ("thrown/thread_throws", ""),
    ("thrown/throws_number", ""),
];

fn scenario(project: &Project, rows: &[(&str, &str)]) -> String {
    let mark = format!("env: {{ ORCH_TEST: '{}' }}", project.path().display());
    let mut text = format!(
        "defaults: {{ time: 5ms, rounds: 1, timeout: 60s, memory: 256MiB }}
plugins: {{ zoo: {{ path: libzoo.so, {mark} }}, thrown: {{ path: libthrown.so, {mark} }} }}
workloads:
"
    );
    for (workload, settings) in rows {
        text.push_str(&format!("  - {{ workload: {workload}, {settings} }}\n"));
    }
    text
}

/// Lists all files below a folder. Links are not followed, because one of them leads to the
/// packages that all tests share, and another test may be compiling packages.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

#[test]
fn zoo_cannot_hurt_the_run() {
    let project = Project::new();
    let include = workspace().join("plugins/sdk/include");
    project.compiled("cc", "zoo", &fixture("zoo/zoo.c"), &include, &["-lm"]);
    project.compiled("c++", "thrown", &fixture("zoo/thrown.cpp"), &include, &[]);
    let temporary = project.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let run = |rows: &[(&str, &str)]| {
        project.write("s.yaml", scenario(&project, rows));
        let mut command = project.command();
        let output = command
            .args(["run", "s.yaml", "--seed", "1"])
            .env("TMPDIR", &temporary)
            .output()
            .unwrap();
        let folder = project.results().into_iter().max().unwrap();
        let record = std::fs::read(folder.join("record.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        (
            record,
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            folder,
        )
    };
    let (alone, code, said, _) = run(&ROWS[7..8]);
    assert_eq!(code, Some(0), "{said}");
    let alone = job(&alone, "good-1");
    let before = files(&project.path());

    let (record, code, said, folder) = run(&ROWS);
    assert_eq!(code, Some(201), "{said}");
    assert_eq!(record["jobs"].as_array().unwrap().len(), ROWS.len());
    for id in ["good-1", "good-2", "good-3", "good-4", "good-5"] {
        let good = job(&record, id);
        assert_eq!(good["outcome"], "measured", "{id}: {}", good["message"]);
        assert_eq!(good["digest"], alone["digest"], "{id}");
        assert_eq!(good["allocations"]["exact"], true, "{id}");
        assert_eq!(
            (&good["allocations"]["count"], &good["allocations"]["bytes"]),
            (&1.into(), &100.into()),
            "{id}"
        );
    }

    for id in ["short_child", "spinning_threads"] {
        assert_eq!(
            job(&record, id)["outcome"],
            "measured",
            "{id}: {}",
            job(&record, id)["message"]
        );
        assert!(
            told(&record).iter().all(|(of, _)| of != id),
            "there is nothing to tell of {id}"
        );
    }

    // Nothing is left: there is no process and no file other than the results, and the lock is
    // free.
    assert_eq!(
        marked_processes(&format!("ORCH_TEST={}", project.path().display())),
        Vec::<i32>::new()
    );
    let mut after = files(&project.path());
    after.retain(|path| !path.starts_with(&folder));
    assert_eq!(after, before);
    std::fs::File::open(project.path().join("lock"))
        .unwrap()
        .try_lock()
        .unwrap();

    // The time decides how much was written, or how often something was forged.
    let busy = [
        "slow_destroy",
        "spews",
        "spewing_daemon",
        "hydra",
        "double_fork",
        "bad_ids",
        "huge_counter",
        "forges_all",
        "forges_times",
    ];
    let mut text = String::new();
    for (id, line) in told(&record) {
        let line = if busy.contains(&id.as_str()) {
            without_numbers(&line)
        } else {
            line
        };
        // The time also decides how much of a daemon's output came before the worker's end.
        let line = format!("{id}: {line}\n");
        // Two passes may have reported the same thing with different numbers.
        if (id != "spewing_daemon" || !line.contains("wrote")) && !text.contains(&line) {
            text.push_str(&line);
        }
    }
    insta::with_settings!({ filters => [
        PLACES,
        // The effect of overwritten memory depends on what the memory contains.
        (r"overrun: failed in run: SIG.*", "overrun: failed in run: [a signal]"),
        (r"its last words: (free|malloc|double free|munmap_chunk|corrupted).*", "its last words: \
            [of the C library]"),
        (r"jjjj+", "jjj"),
        // On a busy machine, the note of the scope may be late.
        (r"(spews: .* pass), in scope zoo", "$1"),
        (r"grew by [0-9.]+ MiB", "grew by N MiB"),
        (r"failed in (run|warm_up): the plugin wrote into orch's own channel: an answer", "failed \
            in PHASE: the plugin wrote into orch's own channel: an answer"),
    ]}, {
        insta::assert_snapshot!("zoo", text);
    });
}

/// Returns the line with each sequence of digits replaced by one N.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        let digit = c.is_ascii_digit() || (c == '.' && text.ends_with('N'));
        if !digit {
            text.push(c);
        } else if !text.ends_with('N') {
            text.push('N');
        }
    }
    text
}
