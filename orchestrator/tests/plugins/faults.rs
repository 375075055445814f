//! Each fault of a plugin fails one job, and the jobs around it are measured.

use crate::support::{Project, crate_of, job, marked_processes, told};

/// Returns the scenario of the repository, with the plugin's path for this test and a variable that
/// identifies its processes.
fn scenario(project: &Project) -> String {
    let text =
        std::fs::read_to_string(crate::support::workspace().join("scenarios/faulty.yaml")).unwrap();
    let plugin = format!(
        "{{ crate: {}, env: {{ ORCH_TEST: '{}' }} }}",
        crate_of("faulty"),
        project.path().display()
    );
    text.replace("{ crate: plugins/faulty }", &plugin)
}

#[test]
fn faults_are_reported_and_cost_only_their_job() {
    if !crate::support::has_two_cpus("scenarios/faulty.yaml, which has a pool of two threads") {
        return;
    }
    let project = Project::new();
    project.write("faulty.yaml", scenario(&project));
    let ran = project.orch(&["run", "faulty.yaml", "--seed", "1"]);
    assert_eq!(ran.code, 201, "{}", ran.stderr);

    let folder = &project.results()[0];
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("record.json")).unwrap()).unwrap();
    for id in ["good-first", "good-between", "good-last"] {
        let good = job(&record, id);
        assert_eq!(good["outcome"], "measured", "{id}: {}", good["message"]);
        assert_eq!(good["allocations"]["exact"], true, "{id}");
        assert_eq!(good["digest"], job(&record, "good-first")["digest"], "{id}");
    }
    let kept: Vec<&str> = ["record.json", "summary.txt"].into();
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, kept, "no journal is left beside a record");

    let mark = format!("ORCH_TEST={}", project.path().display());
    assert_eq!(
        marked_processes(&mark),
        Vec::<i32>::new(),
        "no process is left"
    );

    insta::with_settings!({ filters => [
        (r"plugin\+0x[0-9a-f]+", "plugin+OFFSET"),
        (r"digest \d+ and \d+", "digest N and M"),
        // The position of the stack decides which instruction reaches its end first.
        (r"(descend \(plugins/faulty/src/ends\.rs:)\d+", "${1}N"),
    ]}, {
        let lines = told(&record).into_iter();
        let text: String = lines.map(|(id, line)| format!("{id}: {line}\n")).collect();
        insta::assert_snapshot!("faults", text);
    });
}
