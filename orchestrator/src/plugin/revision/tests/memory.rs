//! Tests of queries about a commit that do not build anything.

use super::*;
use crate::git::revert::create_revert;

struct KnownBuild {
    kept: bool,
    failure: Option<String>,
    time: Option<Duration>,
}

fn query_build(sample: &SampleRepository, spec: &PluginSpec, revision: &Revision) -> KnownBuild {
    let root = sample.path();
    KnownBuild {
        kept: is_kept("p", spec, root, revision),
        failure: find_known_failure("p", spec, root, revision),
        time: find_build_time("p", spec, root, revision),
    }
}

fn resolve_commit(sample: &SampleRepository, commit: &str) -> Revision {
    resolve_revision(sample.path(), commit)
        .expect("readable")
        .expect("there")
}

/// Checks that nothing is known before the build, and that everything is known after it until the
/// artefact is damaged.
fn check_kept(sample: &SampleRepository, spec: &PluginSpec, commit: &str, answer: &str) {
    let revision = resolve_commit(sample, commit);
    let nothing = query_build(sample, spec, &revision);
    assert!(!nothing.kept && nothing.failure.is_none() && nothing.time.is_none());
    let began = Instant::now();
    check_builds(sample, spec, &[(commit, answer)]);
    let all = query_build(sample, spec, &revision);
    assert!(all.kept && all.failure.is_none());
    assert!(all.time.expect("a time") <= began.elapsed());
    let (prepared, lines) = prepare_commit(sample, spec, commit).expect("there");
    assert_eq!(lines, 0, "what is kept is not built");
    std::fs::write(prepared.library, "junk").expect("written");
    assert!(
        !query_build(sample, spec, &revision).kept,
        "what is damaged is built again"
    );
}

#[test]
fn built_commit_is_known_with_its_build_time() {
    let sample = create_sample();
    let files = [
        ("p/Cargo.toml", MANIFEST),
        ("p/src/lib.rs", &make_crate_source("1111")),
        ("c/p.c", &make_c_source("2222")),
    ];
    let a = sample.commit_files("a", &files);
    check_kept(&sample, &make_crate_spec("p"), &a, "1111");
    check_kept(&sample, &make_command_spec("c", COMMAND), &a, "2222");
    // A plugin that belongs to no commit is used in its present state and needs no build for a
    // commit.
    let outside = make_command_spec(&sample.path_beside("other").display().to_string(), COMMAND);
    let known = query_build(&sample, &outside, &resolve_commit(&sample, &a));
    assert!(known.kept && known.failure.is_none() && known.time.is_none());
}

/// Checks that a commit that failed is reported as failed, with the original message.
fn check_failure(sample: &SampleRepository, spec: &PluginSpec, commit: &str) -> String {
    let revision = resolve_commit(sample, commit);
    assert_eq!(query_build(sample, spec, &revision).failure, None);
    let error = prepare_commit(sample, spec, commit).expect_err("does not build");
    let known = query_build(sample, spec, &revision);
    assert_eq!(known.failure.as_ref(), Some(&error));
    assert!(!known.kept && known.time.is_none());
    assert_eq!(
        prepare_commit(sample, spec, commit).expect_err("tried again"),
        error
    );
    error
}

#[test]
fn failure_of_a_commit_is_remembered_until_it_compiles() {
    let sample = create_sample();
    let broken = make_crate_source("1111").replace("*b", "*c");
    let a = sample.commit_files(
        "a",
        &[
            ("p/Cargo.toml", MANIFEST),
            ("p/src/lib.rs", &broken),
            ("c/p.c", "broken\n"),
        ],
    );
    let b = sample.commit_files("b", &[("c/p.c", &make_c_source("2222"))]);
    let error = check_failure(&sample, &make_crate_spec("p"), &a);
    assert!(error.contains("src/lib.rs:5"), "{error}");
    check_failure(&sample, &make_command_spec("c", COMMAND), &a);
    assert_eq!(
        query_build(
            &sample,
            &make_command_spec("c", COMMAND),
            &resolve_commit(&sample, &b)
        )
        .failure,
        None,
        "another commit's"
    );
    // The build depends on a file that is in no key, and the file exists now.
    let there = sample.path_beside("there");
    let command = format!("test -e '{}' && {COMMAND}", there.display());
    let spec = make_command_spec("c", &command);
    check_failure(&sample, &spec, &b);
    std::fs::write(there, "").expect("written");
    check_builds(&sample, &spec, &[(&b, "2222")]);
    let now = query_build(&sample, &spec, &resolve_commit(&sample, &b));
    assert!(now.kept && now.failure.is_none() && now.time.is_some());
}

#[test]
fn long_failure_message_is_shortened() {
    let sample = create_sample();
    let a = sample.commit_files("a", &[("c/p.c", "")]);
    let spec = make_command_spec(
        "c",
        "for i in $(seq 60); do echo error: $i: this is a line of some length >&2; done; exit 1",
    );
    let error = prepare_commit(&sample, &spec, &a).expect_err("fails");
    let kept = query_build(&sample, &spec, &resolve_commit(&sample, &a))
        .failure
        .expect("remembered");
    let (beginning, _) = kept.split_once(" [... build it again").expect("cut");
    assert!(error.starts_with(beginning) && kept.chars().count() < 1500);
    assert_eq!(
        orch_core::format::brief(&kept),
        kept,
        "reports show it whole"
    );
}

#[test]
fn failure_unrelated_to_the_commit_is_not_remembered() {
    let sample = create_sample();
    let a = sample.commit_files(
        "a",
        &[("c/p.c", &make_c_source("1111")), ("p/src/lib.rs", "")],
    );
    let revision = resolve_commit(&sample, &a);
    for command in ["no-such-compiler p.c", "kill -9 $$", "true"] {
        let spec = make_command_spec("c", command);
        prepare_commit(&sample, &spec, &a).expect_err("fails");
        assert_eq!(
            query_build(&sample, &spec, &revision).failure,
            None,
            "{command}"
        );
    }
    let spec = make_command_spec("c", "echo began >&2; sleep 60; exit 1");
    let seen = std::cell::Cell::new(false);
    let mut watch = BuildWatcher {
        show: &mut |_| seen.set(true),
        stop: &|| seen.get(),
        note: None,
    };
    prepare_at_commit("p", &spec, sample.path(), &revision, &mut watch).expect_err("stopped");
    assert!(seen.get());
    assert_eq!(
        query_build(&sample, &spec, &revision).failure,
        None,
        "stopped"
    );
    let missing = make_command_spec("nowhere", COMMAND);
    prepare_commit(&sample, &missing, &a).expect_err("no such folder");
    let known = query_build(&sample, &missing, &revision);
    assert!(!known.kept && known.failure.is_none());
}

#[test]
fn revert_is_built_like_a_commit() {
    let sample = create_sample();
    sample.commit_files("a", &[("c/p.c", &make_c_source("1111"))]);
    let culprit = sample.commit_files("b", &[("c/p.c", &make_c_source("2222"))]);
    sample.commit_files("later", &[("other", "1")]);
    let spec = make_command_spec("c", COMMAND);
    let place = find_place(&resolve_commit(&sample, "HEAD")).expect("a place");
    let before = sample.read_everything();
    let undone = create_revert(
        &resolve_commit(&sample, &culprit),
        &resolve_commit(&sample, "HEAD"),
        &place,
    )
    .expect("undone");
    let mut watch = BuildWatcher {
        show: &mut |_| {},
        stop: &|| false,
        note: None,
    };
    for again in [false, true] {
        let prepared =
            prepare_at_commit("p", &spec, sample.path(), &undone, &mut watch).expect("builds");
        assert!(has_text(&prepared.library, "answer-is-1111"));
        assert_eq!(prepared.at.as_ref(), Some(&undone.commit));
        assert!(query_build(&sample, &spec, &undone).kept);
        if !again {
            // Without the worktree, the failure is still known. Without the artefact, the commit is
            // built again.
            std::fs::remove_dir_all(&place).expect("removed");
            assert!(query_build(&sample, &spec, &undone).kept);
            clear_artefacts();
            assert!(!query_build(&sample, &spec, &undone).kept);
        }
    }
    assert_eq!(
        sample.read_everything(),
        before,
        "the user's files were touched"
    );
}

/// Checks all three queries for 300 commits, each with a library of 1 MB. They take half a second
/// or less; calls of compilers would take 20 s.
#[test]
fn queries_for_hundreds_of_commits_are_answered() {
    let sample = create_sample();
    let files = [("Cargo.toml", "[workspace]\nmembers = ['p']\n")];
    let first = sample.commit_files("first", &files);
    let member = MANIFEST.replace("[workspace]\n", "");
    let mut stream = String::new();
    for number in 1..=300 {
        let from = if number == 1 {
            format!("from {first}\n")
        } else {
            String::new()
        };
        let (code, subject) = (
            make_crate_source(&format!("{number:04}")),
            format!("n{number}"),
        );
        stream += &format!(
            "commit refs/heads/long\ncommitter T <t@x> {} +0000\n",
            1_700_000_000 + number
        );
        stream += &format!("data {}\n{subject}\n{from}", subject.len());
        stream += &format!(
            "M 644 inline p/Cargo.toml\ndata {}\n{member}\n",
            member.len()
        );
        stream += &format!("M 644 inline p/src/lib.rs\ndata {}\n{code}\n", code.len());
    }
    sample.import_commits(&stream);
    let (spec, bad) = (make_crate_spec("p"), resolve_commit(&sample, "long"));
    let history = crate::git::history::list_between(&resolve_commit(&sample, &first), &bad, false)
        .expect("a way");
    for (number, candidate) in history.candidates.iter().enumerate() {
        let order = BuildOrder::new(
            "p",
            &spec,
            &candidate.revision,
            SourcePlace::Commit("p".into()),
            CompilerLookup::Remembered,
        )
        .expect("there");
        let file = sample.path_beside("library.so");
        std::fs::write(
            &file,
            [number.to_le_bytes().as_slice(), &vec![7; 1 << 20]].concat(),
        )
        .expect("written");
        let hash = crate::hash::file(&file).expect("readable");
        artefact::keep(&file, &hash).expect("kept");
        let entry = CachedArtefact {
            hash,
            bytes: 8 + (1 << 20),
            flags: Vec::new(),
            outside: Default::default(),
            took_ms: Some(1000),
        };
        artefacts::store_entry(&order.compute_cache_key().expect("a key"), &entry).expect("noted");
    }
    type MemoryQuestion<'a> = (&'a str, &'a dyn Fn(&Revision) -> bool);
    let questions: [MemoryQuestion; 3] = [
        ("is_kept", &|revision| {
            is_kept("p", &spec, sample.path(), revision)
        }),
        ("known_failure", &|revision| {
            find_known_failure("p", &spec, sample.path(), revision).is_none()
        }),
        ("build_time", &|revision| {
            find_build_time("p", &spec, sample.path(), revision).is_some()
        }),
    ];
    for (name, question) in questions {
        assert!(
            history
                .candidates
                .iter()
                .all(|candidate| question(&candidate.revision)),
            "{name}"
        );
    }
}
