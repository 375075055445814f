//! `orch init`: finds the code in a folder, and writes a project around it once.

use crate::support::Project;

#[test]
fn project_of_c_is_written_once() {
    let project = Project::new();
    project.write("code/src/filter.c", "int filter(void) { return 1; }\n");
    let first = project.orch(&["init", "code"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    insta::assert_snapshot!("init_c", first.stdout);
    // The scenario is valid, and its plugin is built from the folder that was written.
    let ran = project
        .command()
        .current_dir(project.path().join("code"))
        .args(["run", "bench.yaml", "--filter", "short", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{said}");

    project.write("code/bench.yaml", "my own text");
    let second = project.orch(&["init", "code"]);
    assert_eq!(second.code, 0, "{}", second.stderr);
    insta::assert_snapshot!("init_again", second.stdout);
    let kept = std::fs::read_to_string(project.path().join("code/bench.yaml")).unwrap();
    assert_eq!(kept, "my own text");
}

#[test]
fn folder_without_code_is_greeted_with_the_next_steps() {
    let project = Project::new();
    let ran = project.orch(&["init"]);
    assert_eq!(ran.code, 200);
    insta::with_settings!({ filters => [(r"error: \S+", "error: FOLDER")] }, {
        insta::assert_snapshot!("init_empty", ran.stderr);
    });
    assert!(!project.path().join("bench.yaml").exists());
    project.write("Cargo.toml", "[package\n");
    let ran = project.orch(&["init"]);
    assert_eq!(ran.code, 200);
    assert!(ran.stderr.contains("Cargo.toml"), "{}", ran.stderr);
}
