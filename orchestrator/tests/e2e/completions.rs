//! `orch completions` and `orch --version`.

use crate::support::Project;

#[test]
fn scripts_for_shells_know_the_commands_and_their_options() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = project.orch(&["completions", shell]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        for word in ["bisect", "baseline"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    let ran = project.orch(&["completions", "tcsh"]);
    assert_eq!(ran.code, 200, "{}", ran.stderr);
}

#[test]
fn bash_completes_a_command_with_the_script() {
    let project = Project::new();
    let script = project.orch(&["completions", "bash"]).stdout;
    project.write("orch.bash", script);
    let complete = "source ./orch.bash; COMP_WORDS=(orch bis); COMP_CWORD=1; \
        _orch orch bis orch; echo ${COMPREPLY[@]}";
    let output = std::process::Command::new("bash")
        .args(["-c", complete])
        .current_dir(project.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "bisect\n");
}

#[test]
fn version_names_the_compiler() {
    let ran = Project::new().orch(&["--version"]);
    assert!(ran.stdout.starts_with("orch 0.1.0 ("), "{}", ran.stdout);
    assert!(ran.stdout.contains("rustc 1."), "{}", ran.stdout);
}
