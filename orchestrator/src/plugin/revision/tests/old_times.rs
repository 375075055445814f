//! Tests of sources whose content changes while their time stamps stay the same.

use super::*;

/// Writes a file with a time stamp long before any build.
fn write_old(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
    let file = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("there");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000))
        .expect("set");
}

/// Builds the plugin of the working tree and looks for the answer in its library.
fn check_tree(spec: &PluginSpec, answer: &str) -> PreparedPlugin {
    let mut show = |_: &str| {};
    let mut watch = BuildWatcher {
        show: &mut show,
        stop: &|| false,
        note: None,
    };
    let prepared = build::prepare_plugin("p", spec, &mut watch).expect("builds");
    assert!(
        has_text(&prepared.library, &format!("answer-is-{answer}")),
        "an old library instead of {answer}"
    );
    prepared
}

fn make_spec_of(folder: &Path) -> PluginSpec {
    make_crate_spec(&folder.display().to_string())
}

/// Returns the source of a library whose answer is the value of an expression.
fn make_computed_source(expression: &str) -> String {
    make_crate_source("XXXX").replace("*b\"answer-is-XXXX\"", expression)
}

#[test]
fn old_source_of_a_crate_is_compiled() {
    let sample = create_sample();
    let folder = sample.path().join("p");
    write_old(&folder.join("Cargo.toml"), MANIFEST);
    for answer in ["1111", "2222", "1111"] {
        write_old(&folder.join("src/lib.rs"), &make_crate_source(answer));
        check_tree(&make_spec_of(&folder), answer);
    }
}

#[test]
fn old_file_that_a_crate_includes_is_compiled() {
    let sample = create_sample();
    let folder = sample.path().join("p");
    write_old(&folder.join("Cargo.toml"), MANIFEST);
    write_old(
        &folder.join("src/lib.rs"),
        &make_computed_source("*include_bytes!(\"../../data/answer\")"),
    );
    for answer in ["1111", "2222"] {
        write_old(
            &sample.path().join("data/answer"),
            &format!("answer-is-{answer}"),
        );
        check_tree(&make_spec_of(&folder), answer);
    }
}

#[test]
fn old_input_of_a_build_script_is_read() {
    let sample = create_sample();
    let folder = sample.path().join("p");
    write_old(&folder.join("Cargo.toml"), MANIFEST);
    let script = "use std::io::{Write, stdout as output};
fn main() {
    let answer = std::fs::read_to_string(\"answer\").unwrap();
    let line = format!(\"cargo::rustc-env=ANSWER={answer}\\n\");
    output().write_all(line.as_bytes()).unwrap();
}
";
    write_old(&folder.join("build.rs"), script);
    let bytes = "*match env!(\"ANSWER\").as_bytes().first_chunk::<14>() \
        { Some(found) => found, None => panic!() }";
    write_old(&folder.join("src/lib.rs"), &make_computed_source(bytes));
    for answer in ["1111", "2222"] {
        write_old(&folder.join("answer"), &format!("answer-is-{answer}"));
        check_tree(&make_spec_of(&folder), answer);
    }
}

#[test]
fn old_dependency_of_two_crates_is_compiled_for_both() {
    let sample = create_sample();
    let root = sample.path();
    write_old(
        &root.join("Cargo.toml"),
        "[workspace]\nmembers = ['p', 'q', 'n']\nresolver = '3'\n",
    );
    for name in ["p", "q"] {
        let manifest = MANIFEST
            .replace("'p'", &format!("'{name}'"))
            .replace("[workspace]\n", "");
        write_old(
            &root.join(name).join("Cargo.toml"),
            &format!("{manifest}[dependencies]\nn = {{ path = '../n' }}\n"),
        );
        write_old(
            &root.join(name).join("src/lib.rs"),
            &make_computed_source("n::ANSWER"),
        );
    }
    write_old(
        &root.join("n/Cargo.toml"),
        "[package]\nname = 'n'\nversion = '0.1.0'\nedition = '2024'\n",
    );
    let dependency = |answer: &str| {
        write_old(
            &root.join("n/src/lib.rs"),
            &format!("pub const ANSWER: [u8; 14] = *b\"answer-is-{answer}\";"),
        );
    };
    dependency("1111");
    check_tree(&make_spec_of(&root.join("p")), "1111");
    dependency("2222");
    check_tree(&make_spec_of(&root.join("q")), "2222");
    check_tree(&make_spec_of(&root.join("p")), "2222");
}

#[test]
fn restored_target_folder_proves_nothing() {
    let sample = create_sample();
    let folder = sample.path().join("p");
    write_old(&folder.join("Cargo.toml"), MANIFEST);
    write_old(&folder.join("src/lib.rs"), &make_crate_source("1111"));
    check_tree(&make_spec_of(&folder), "1111");
    std::fs::remove_file(folder.join("target/orch/orch-sources.json")).expect("there");
    write_old(&folder.join("src/lib.rs"), &make_crate_source("2222"));
    check_tree(&make_spec_of(&folder), "2222");
}

#[test]
fn old_dependency_outside_the_repository_is_compiled_for_a_commit() {
    let sample = create_sample();
    let outside = sample.path_beside("n");
    write_old(
        &outside.join("Cargo.toml"),
        "[package]\nname = 'n'\nversion = '0.1.0'\nedition = '2024'\n",
    );
    let manifest = format!(
        "{MANIFEST}[dependencies]\nn = {{ path = '{}' }}\n",
        outside.display()
    );
    let commit = sample.commit_files(
        "one",
        &[
            ("p/Cargo.toml", &manifest),
            ("p/src/lib.rs", &make_computed_source("n::ANSWER")),
        ],
    );
    for answer in ["1111", "2222", "1111"] {
        write_old(
            &outside.join("src/lib.rs"),
            &format!("pub const ANSWER: [u8; 14] = *b\"answer-is-{answer}\";"),
        );
        check_builds(&sample, &make_crate_spec("p"), &[(&commit, answer)]);
    }
}

#[test]
fn old_source_of_make_is_compiled_and_doubted() {
    let sample = create_sample();
    let folder = sample.path().join("p");
    let rules = "all: p.o\n\tcc -shared p.o -o \"$(ORCH_OUT)\"\np.o: p.c\n\tcc -O1 -fPIC \
        -I\"$(ORCH_INCLUDE)\" -c p.c -o p.o\n";
    write_old(&folder.join("Makefile"), rules);
    let spec = make_command_spec(&folder.display().to_string(), "make");
    let mut notes = Vec::new();
    for answer in ["1111", "2222", "2222"] {
        write_old(&folder.join("p.c"), &make_c_source(answer));
        notes.push(check_tree(&spec, answer).note);
    }
    assert_eq!((&notes[0], &notes[2]), (&None, &None));
    let note = notes[1].as_ref().expect("a note").to_string();
    assert!(
        note.contains("p/p.c has new content, but a time before the last build"),
        "{note}"
    );
    // The objects are still there, but the record of the build is gone.
    std::fs::remove_dir_all(cache::subfolder("commands").expect("a folder")).expect("removed");
    write_old(&folder.join("p.c"), &make_c_source("3333"));
    check_tree(&spec, "3333");
}

#[test]
fn sources_outside_the_repository_belong_to_the_artefact_of_a_command() {
    let sample = create_sample();
    let outside = sample.path_beside("outside");
    let include = format!(
        "#include \"{}\"\n{}",
        outside.join("answer.h").display(),
        make_c_source("XXXX")
    )
    .replace("\"answer-is-XXXX\"", "ANSWER");
    let commit = sample.commit_files(
        "one",
        &[
            ("p/p.c", &include),
            ("p/sub/Makefile", "all:\n\tcd .. && sh build.sh\n"),
            ("p/build.sh", COMMAND),
        ],
    );
    let script = outside.join("build.sh");
    let commands = [
        COMMAND.to_owned(),
        "make -C sub".to_owned(),
        format!("sh {}", script.display()),
    ];
    for command in commands {
        for answer in ["1111", "2222", "2222"] {
            write_old(
                &outside.join("answer.h"),
                &format!("#define ANSWER \"answer-is-{answer}\"\n"),
            );
            write_old(&script, COMMAND);
            check_builds(
                &sample,
                &make_command_spec("p", &command),
                &[(&commit, answer)],
            );
        }
    }
    // Files that the command names count even if no compiler reports reading them.
    let generator = outside.join("generate");
    let command = format!("sh {} > p.c && {COMMAND}", generator.display());
    for answer in ["1111", "2222"] {
        write_old(
            &generator,
            &format!("cat <<'END'\n{}END\n", make_c_source(answer)),
        );
        check_builds(
            &sample,
            &make_command_spec("p", &command),
            &[(&commit, answer)],
        );
    }
}

#[test]
fn command_builds_the_same_library_in_every_folder() {
    let sample = create_sample();
    let command =
        "cc -g -O1 $ORCH_CFLAGS -shared -fPIC -I\"$ORCH_INCLUDE\" \"$PWD/p.c\" -o \"$ORCH_OUT\"";
    let source = format!(
        "{}const char *place(void) {{ return __FILE__; }}\n",
        make_c_source("1111")
    );
    let commit = sample.commit_files("one", &[("p/p.c", &source)]);
    let at_commit = check_builds(
        &sample,
        &make_command_spec("p", command),
        &[(&commit, "1111")],
    )
    .remove(0);
    let in_tree = check_tree(
        &make_command_spec(&sample.path().join("p").display().to_string(), command),
        "1111",
    );
    assert_eq!(in_tree.hash, at_commit);
}
