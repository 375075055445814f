//! Tests of builds at other commits: with a crate, with a C compiler, and with commits that cannot
//! be built.

use super::*;
use crate::git::revision::resolve_revision;
use crate::git::sample_repository::SampleRepository;
use crate::plugin::SandboxSpec;

mod memory;
mod old_times;

/// Creates a repository, and sets a separate cache for this thread.
fn create_sample() -> SampleRepository {
    let sample = SampleRepository::new();
    cache::OF_THIS_TEST.set(Some(sample.path_beside("cache")));
    sample
}

const MANIFEST: &str = "[package]\nname = 'p'\nversion = '0.1.0'\nedition = \
    '2024'\n[lib]\ncrate-type = ['cdylib']\n[workspace]\n";

/// Returns the source of a crate whose library `elf::inspect_library` accepts. The library's file
/// contains the answer.
fn make_crate_source(answer: &str) -> String {
    format!(
        "#[repr(C)] pub struct Plugin {{ magic: u32, major: u16, minor: u16, size: u32, \
         flags: u32, rest: [usize; 7] }}
#[unsafe(no_mangle)] #[allow(non_upper_case_globals)]
pub static orch_plugin_v1: Plugin =
    Plugin {{ magic: 0x4843_524F, major: 1, minor: 0, size: 72, flags: 0, rest: [0; 7] }};
#[unsafe(no_mangle)] pub static ANSWER: [u8; 14] = *b\"answer-is-{answer}\";
"
    )
}

const COMMAND: &str = "cc -O1 -shared -fPIC -I\"$ORCH_INCLUDE\" p.c -o \"$ORCH_OUT\"";

fn make_c_source(answer: &str) -> String {
    format!(
        "#include \"orch_plugin.h\"\nORCH_EXPORT const char answer[] = \
         \"answer-is-{answer}\";\nORCH_EXPORT const orch_plugin orch_plugin_v1 = \
         {{ORCH_MAGIC, 1, 0, sizeof(orch_plugin), 0, 0, 0, 0, 0, 0, 0, 0}};\n"
    )
}

fn make_crate_spec(folder: &str) -> PluginSpec {
    PluginSpec {
        source: PluginSource::Crate {
            folder: folder.into(),
            cpu: "native".to_owned(),
            bench: None,
        },
        env: Vec::new(),
        sandbox: SandboxSpec::default(),
        overlay: None,
        folder: PathBuf::from("/"),
    }
}

fn make_command_spec(folder: &str, command: &str) -> PluginSpec {
    let source = PluginSource::Command {
        folder: folder.into(),
        command: command.to_owned(),
    };
    PluginSpec {
        source,
        env: Vec::new(),
        sandbox: SandboxSpec::default(),
        overlay: None,
        folder: PathBuf::from("/"),
    }
}

fn prepare_commit(
    sample: &SampleRepository,
    spec: &PluginSpec,
    commit: &str,
) -> Result<(PreparedPlugin, usize), String> {
    let (prepared, lines) = prepare_with_lines(sample, spec, commit)?;
    Ok((prepared, lines.len()))
}

fn prepare_with_lines(
    sample: &SampleRepository,
    spec: &PluginSpec,
    commit: &str,
) -> Result<(PreparedPlugin, Vec<String>), String> {
    let revision = resolve_revision(sample.path(), commit)
        .expect("readable")
        .expect("there");
    let mut lines = Vec::new();
    let mut show = |line: &str| lines.push(line.to_owned());
    let mut watch = BuildWatcher {
        show: &mut show,
        stop: &|| false,
        note: None,
    };
    let prepared = prepare_at_commit("p", spec, sample.path(), &revision, &mut watch)
        .map_err(|failure| failure.message)?;
    Ok((prepared, lines))
}

fn has_text(library: &Path, text: &str) -> bool {
    let bytes = std::fs::read(library).expect("readable");
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// Builds commits one after the other and looks for the answer in each library.
fn check_builds(
    sample: &SampleRepository,
    spec: &PluginSpec,
    order: &[(&str, &str)],
) -> Vec<String> {
    let build = |(commit, answer): &(&str, &str)| {
        let (prepared, _) = prepare_commit(sample, spec, commit).expect("builds");
        assert!(
            has_text(&prepared.library, &format!("answer-is-{answer}")),
            "{commit} gives another's library"
        );
        assert_eq!(prepared.at.as_deref(), Some(*commit));
        assert_eq!(prepared.git.commit.as_deref(), Some(*commit));
        assert!(!prepared.git.dirty);
        prepared.hash
    };
    order.iter().map(build).collect()
}

/// Clears the cache of artefacts, but keeps the worktree.
fn clear_artefacts() {
    std::fs::remove_dir_all(cache::subfolder("builds").expect("a folder")).expect("removed");
    std::fs::remove_dir_all(cache::subfolder("artefacts").expect("a folder")).expect("removed");
}

fn check_both_orders(sample: &SampleRepository, spec: &PluginSpec, a: &str, b: &str) {
    let before = sample.read_everything();
    let first = check_builds(sample, spec, &[(a, "1111"), (b, "2222"), (a, "1111")]);
    assert_eq!(first[0], first[2]);
    assert_ne!(first[0], first[1], "two commits, one library");
    // The library comes from the cache. Nothing is checked out, so the worktree is unchanged.
    let place = std::fs::read_dir(cache::subfolder("worktrees").expect("a folder"))
        .expect("there")
        .next();
    let head = place
        .expect("one worktree")
        .expect("an entry")
        .path()
        .join("files/.git/HEAD");
    let held = std::fs::read_to_string(&head).expect("there");
    assert_eq!(
        check_builds(sample, spec, &[(b, "2222"), (a, "1111")]),
        [first[1].clone(), first[0].clone()]
    );
    assert_eq!(std::fs::read_to_string(&head).expect("there"), held);
    // The builds are repeated without the cache, alternating in the same folder, and in a new
    // folder.
    clear_artefacts();
    let again = check_builds(sample, spec, &[(b, "2222"), (a, "1111")]);
    assert_eq!(again, [first[1].clone(), first[0].clone()]);
    clear_artefacts();
    assert_eq!(
        check_builds(sample, spec, &[(b, "2222")]),
        [first[1].clone()]
    );
    clear_artefacts();
    std::fs::remove_dir_all(cache::subfolder("worktrees").expect("a folder")).expect("removed");
    assert_eq!(
        check_builds(sample, spec, &[(b, "2222"), (a, "1111")]),
        again
    );
    assert_eq!(
        sample.read_everything(),
        before,
        "the user's files were touched"
    );
}

#[test]
fn crate_is_built_from_its_commit_in_any_order() {
    let sample = create_sample();
    let a = sample.commit_files(
        "a",
        &[
            ("plugins/p/Cargo.toml", MANIFEST),
            ("plugins/p/src/lib.rs", &make_crate_source("1111")),
        ],
    );
    let b = sample.commit_files("b", &[("plugins/p/src/lib.rs", &make_crate_source("2222"))]);
    let spec = make_crate_spec("plugins/p");
    check_both_orders(&sample, &spec, &a, &b);
    // An unchanged working tree gives the same library as its commit. A changed one does not affect
    // the commit.
    let mut watch = BuildWatcher {
        show: &mut |_| {},
        stop: &|| false,
        note: None,
    };
    let absolute = make_crate_spec(&sample.path().join("plugins/p").display().to_string());
    let (commit, lines) = prepare_commit(&sample, &absolute, &b).expect("builds");
    assert_eq!(lines, 0, "found in the cache");
    let today = build::prepare_plugin("p", &absolute, &mut watch).expect("builds");
    assert_eq!(today.at, None);
    assert_eq!(
        (today.hash, today.flags.len()),
        (commit.hash.clone(), commit.flags.len())
    );
    sample.write_file("plugins/p/src/lib.rs", &make_crate_source("3333"));
    assert_eq!(
        check_builds(&sample, &spec, &[(&b, "2222")])[0],
        commit.hash
    );
}

/// Replaces a library with something else, given the path of another library.
type Damage<'a> = &'a dyn Fn(&Path, &Path);

#[test]
fn damaged_artefact_is_built_again_and_reported_in_one_line() {
    let sample = create_sample();
    let a = sample.commit_files("a", &[("c/p.c", &make_c_source("1111"))]);
    let b = sample.commit_files("b", &[("c/p.c", &make_c_source("2222"))]);
    let spec = make_command_spec("c", COMMAND);
    let (other, _) = prepare_commit(&sample, &spec, &a).expect("builds");
    let (first, lines) = prepare_with_lines(&sample, &spec, &b).expect("builds");
    assert_eq!(lines, Vec::<String>::new());
    let damages: [(&str, Damage); 4] = [
        ("is empty", &|path, _| {
            std::fs::write(path, "").expect("written");
        }),
        ("instead of", &|path, _| {
            let file = std::fs::File::options().write(true).open(path);
            file.and_then(|file| file.set_len(1000)).expect("cut");
        }),
        ("has other content", &|path, other| {
            std::fs::copy(other, path).expect("copied");
        }),
        ("has other content", &|path, _| {
            let mut bytes = std::fs::read(path).expect("readable");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).expect("written");
        }),
    ];
    for (words, damage) in damages {
        damage(&first.library, &other.library);
        let (again, lines) = prepare_with_lines(&sample, &spec, &b).expect("builds");
        let [line] = &lines[..] else {
            panic!("{words}: {lines:?}");
        };
        let shown = format!("the cached library {} ", first.library.display());
        assert!(
            line.starts_with(&shown)
                && line.contains(words)
                && line.ends_with("; the plugin is built again"),
            "{line}"
        );
        assert_eq!(again.hash, first.hash);
        assert!(has_text(&again.library, "answer-is-2222"), "{words}");
        let (_, lines) = prepare_with_lines(&sample, &spec, &b).expect("there");
        assert_eq!(lines, Vec::<String>::new(), "it is whole again");
    }
    // A working tree builds the same library, and does not use the damaged one either.
    sample.write_file("c/p.c", &make_c_source("2222"));
    std::fs::write(&first.library, "junk").expect("written");
    let tree = make_command_spec(&sample.path().join("c").display().to_string(), COMMAND);
    let mut lines = Vec::new();
    let mut watch = BuildWatcher {
        show: &mut |line: &str| lines.push(line.to_owned()),
        stop: &|| false,
        note: None,
    };
    let today = build::prepare_plugin("p", &tree, &mut watch).expect("builds");
    assert!(has_text(&today.library, "answer-is-2222"));
    assert_eq!(today.hash, first.hash);
    assert!(
        lines.len() == 1 && lines[0].ends_with("; it was replaced"),
        "{lines:?}"
    );
}

#[test]
fn entry_of_another_key_or_half_an_entry_is_not_used() {
    let sample = create_sample();
    let a = sample.commit_files("a", &[("c/p.c", &make_c_source("1111"))]);
    let spec = make_command_spec("c", COMMAND);
    check_builds(&sample, &spec, &[(&a, "1111")]);
    let builds = cache::subfolder("builds").expect("a folder");
    let entry = std::fs::read_dir(builds).expect("a folder").next();
    let entry = entry.expect("one").expect("an entry").path();
    let b = sample.commit_files("b", &[("c/p.c", &make_c_source("2222"))]);
    check_builds(&sample, &spec, &[(&b, "2222")]);
    let builds = std::fs::read_dir(entry.parent().expect("a folder")).expect("a folder");
    let others = builds.map(|other| other.expect("an entry").path());
    for other in others.filter(|other| *other != entry) {
        std::fs::copy(&entry, other).expect("copied");
    }
    check_builds(&sample, &spec, &[(&b, "2222"), (&a, "1111")]);
    let text = std::fs::read(&entry).expect("readable");
    std::fs::write(&entry, &text[..text.len() / 2]).expect("written");
    let left = crate::file::name_unfinished(&entry);
    std::fs::write(&left, "half").expect("written");
    check_builds(&sample, &spec, &[(&a, "1111")]);
    assert!(!left.exists(), "a killed process left it");
}

#[test]
fn command_builds_the_sources_of_its_commit() {
    let sample = create_sample();
    let a = sample.commit_files("a", &[("c/p.c", &make_c_source("1111"))]);
    let b = sample.commit_files("b", &[("c/p.c", &make_c_source("2222"))]);
    check_both_orders(&sample, &make_command_spec("c", COMMAND), &a, &b);
    // Another command gives another library.
    let hash = check_builds(&sample, &make_command_spec("c", COMMAND), &[(&a, "1111")]);
    let other = format!("{COMMAND} -DX -g");
    assert_ne!(
        check_builds(&sample, &make_command_spec("c", &other), &[(&a, "1111")]),
        hash
    );
}

#[test]
fn commit_is_built_after_the_clock_was_set_back() {
    let sample = create_sample();
    let a = sample.commit_files(
        "a",
        &[
            ("p/Cargo.toml", MANIFEST),
            ("p/src/lib.rs", &make_crate_source("1111")),
        ],
    );
    let b = sample.commit_files("b", &[("p/src/lib.rs", &make_crate_source("2222"))]);
    check_builds(&sample, &make_crate_spec("p"), &[(&a, "1111")]);
    // This is the state after a change that was made an hour later.
    let hour = std::time::Duration::from_secs(3600);
    let place = std::fs::read_dir(cache::subfolder("worktrees").expect("a folder"))
        .expect("there")
        .next();
    let place = place.expect("one worktree").expect("an entry").path();
    let newest = std::fs::read_to_string(place.join("newest"))
        .expect("there")
        .parse::<u128>()
        .expect("a number");
    std::fs::write(place.join("newest"), (newest + hour.as_nanos()).to_string()).expect("written");
    let mut open = vec![place.join("files")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else if let Ok(file) = std::fs::OpenOptions::new().append(true).open(&path) {
            let time = file
                .metadata()
                .and_then(|about| about.modified())
                .expect("a time");
            file.set_modified(time + hour).expect("set");
        }
    }
    check_builds(
        &sample,
        &make_crate_spec("p"),
        &[(&b, "2222"), (&a, "1111")],
    );
}

#[test]
fn build_after_a_failed_one_is_correct() {
    let sample = create_sample();
    let broken = |text: String| text.replace("*b", "*c");
    let a = sample.commit_files(
        "a",
        &[
            ("p/Cargo.toml", MANIFEST),
            ("p/src/lib.rs", &make_crate_source("1111")),
        ],
    );
    let b = sample.commit_files("b", &[("p/src/lib.rs", &broken(make_crate_source("2222")))]);
    let spec = make_crate_spec("p");
    check_builds(&sample, &spec, &[(&a, "1111")]);
    let error = prepare_commit(&sample, &spec, &b).expect_err("does not compile");
    assert!(
        error.starts_with(&format!("p at {} (b): ", &b[..10])) && error.contains("src/lib.rs:5"),
        "{error}"
    );
    clear_artefacts();
    check_builds(&sample, &spec, &[(&a, "1111")]);
}

#[test]
fn plugin_outside_the_repository_is_used_unchanged() {
    let sample = create_sample();
    let a = sample.commit_files("a", &[("c/p.c", &make_c_source("1111"))]);
    let outside = sample.path_beside("other");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("p.c"), make_c_source("5555")).expect("written");
    let (prepared, _) = prepare_commit(
        &sample,
        &make_command_spec(&outside.display().to_string(), COMMAND),
        &a,
    )
    .expect("builds");
    assert_eq!(prepared.at, None);
    assert!(has_text(&prepared.library, "answer-is-5555"));
    let file = PluginSpec {
        source: PluginSource::File(prepared.library.clone()),
        env: Vec::new(),
        sandbox: SandboxSpec::default(),
        overlay: None,
        folder: PathBuf::from("/"),
    };
    let (as_file, _) = prepare_commit(&sample, &file, &a).expect("loads");
    assert_eq!((as_file.at, as_file.library), (None, prepared.library));
}

#[test]
fn dependency_outside_is_part_of_the_key() {
    let sample = create_sample();
    let outside = sample.path_beside("dep");
    std::fs::create_dir_all(outside.join("src")).expect("a folder");
    std::fs::write(
        outside.join("Cargo.toml"),
        "[package]\nname = 'dep'\nversion = '0.1.0'\nedition = '2024'\n",
    )
    .expect("written");
    let answer = |text: &str| {
        let code =
            format!("#[macro_export] macro_rules! answer {{ () => {{ *b\"answer-is-{text}\" }} }}");
        std::fs::write(outside.join("src/lib.rs"), code).expect("written");
    };
    let manifest = format!(
        "{MANIFEST}[dependencies]\ndep = {{ path = '{}' }}\n",
        outside.display()
    );
    let code = make_crate_source("0000").replace("*b\"answer-is-0000\"", "dep::answer!()");
    let a = sample.commit_files("a", &[("p/Cargo.toml", &manifest), ("p/src/lib.rs", &code)]);
    for text in ["1111", "2222", "1111"] {
        answer(text);
        check_builds(&sample, &make_crate_spec("p"), &[(&a, text)]);
    }
}

#[test]
fn lock_is_lent_to_all_commits_and_a_tracked_one_has_to_fit() {
    let sample = create_sample();
    let dep = "[package]\nname = 'dep'\nversion = '0.1.0'\nedition = '2024'\n";
    let a = sample.commit_files(
        "a",
        &[
            ("p/Cargo.toml", MANIFEST),
            ("p/src/lib.rs", &make_crate_source("1111")),
        ],
    );
    let more = format!("{MANIFEST}[dependencies]\ndep = {{ path = 'dep' }}\n");
    let b = sample.commit_files(
        "b",
        &[
            ("p/Cargo.toml", &more),
            ("p/dep/Cargo.toml", dep),
            ("p/dep/src/lib.rs", ""),
        ],
    );
    let spec = make_crate_spec("p");
    // The two commits need different lock files, and both artefacts are still found in the cache.
    check_builds(
        &sample,
        &spec,
        &[(&a, "1111"), (&b, "1111"), (&a, "1111"), (&b, "1111")],
    );
    for commit in [&a, &b, &a] {
        assert_eq!(
            prepare_commit(&sample, &spec, commit).expect("builds").1,
            0,
            "found in the cache"
        );
    }
    let lock = "version = 4\n\n[[package]]\nname = \"p\"\nversion = \"0.1.0\"\n";
    let c = sample.commit_files("c", &[("p/Cargo.lock", lock)]);
    let error = prepare_commit(&sample, &spec, &c).expect_err("the lock lacks dep");
    assert!(
        error.contains("hint: git tracks Cargo.lock") && error.contains("--locked"),
        "{error}"
    );
}

#[test]
fn commit_that_cannot_be_built_is_refused_before_any_build() {
    let sample = create_sample();
    let leaves = format!("{MANIFEST}\n[dependencies]\nq = {{ path = '../../q' }}\n");
    let early = sample.commit_files("early", &[("other", "1")]);
    let late = sample.commit_files(
        "late",
        &[
            ("p/Cargo.toml", &leaves),
            ("p/src/lib.rs", &make_crate_source("1111")),
        ],
    );
    let error = prepare_commit(&sample, &make_crate_spec("p"), &early).expect_err("not there");
    assert!(
        error.contains(&format!("p does not exist at {}", &early[..10])),
        "{error}"
    );
    let error = prepare_commit(&sample, &make_crate_spec("p"), &late).expect_err("leaves");
    assert!(
        error.contains("p/Cargo.toml:10: the path dependency '../../q' leaves the repository"),
        "{error}"
    );
    // The working tree no longer contains the plugin, but the commit does.
    let there = sample.commit_files("there", &[("c/p.c", &make_c_source("1111"))]);
    sample.run_git(&["rm", "-q", "-r", "c"]);
    sample.commit_files("gone", &[]);
    check_builds(
        &sample,
        &make_command_spec("c", COMMAND),
        &[(&there, "1111")],
    );
}

#[test]
fn missing_toolchain_is_named_with_the_file_that_requires_it() {
    if std::process::Command::new("rustup")
        .arg("--version")
        .output()
        .is_err()
    {
        return; // Without rustup, the file has no effect.
    }
    let sample = create_sample();
    let toolchain = "[toolchain]\nchannel = 'orch-has-no-such'\n";
    let files = [
        ("rust-toolchain.toml", toolchain),
        ("p/Cargo.toml", MANIFEST),
        ("p/src/lib.rs", ""),
    ];
    let a = sample.commit_files("a", &files);
    let error = prepare_commit(&sample, &make_crate_spec("p"), &a).expect_err("missing");
    assert!(
        error.contains("hint: rust-toolchain.toml names the toolchain"),
        "{error}"
    );
}
