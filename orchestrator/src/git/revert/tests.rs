//! Tests of undoing commits, against the result of `git revert`.

use super::super::commit::CommitFiles;
use super::super::history::{changed_files, first_parent, list_between};
use super::super::revision::resolve;
use super::super::sample_repository::{SampleRepository, tree};
use super::super::worktree;
use super::*;
use std::os::unix::fs::PermissionsExt;

fn revision(sample: &SampleRepository, commit: &str) -> Revision {
    resolve(sample.path(), commit)
        .expect("readable")
        .expect("there")
}

fn place(sample: &SampleRepository) -> PathBuf {
    worktree::locate(&sample.beside("cache"), &revision(sample, "HEAD")).expect("a place")
}

fn undo(sample: &SampleRepository, culprit: &str, onto: &str) -> Result<Revision, RevertError> {
    let before = sample.everything();
    let undone = revert(
        &revision(sample, culprit),
        &revision(sample, onto),
        &place(sample),
    );
    assert_eq!(
        sample.everything(),
        before,
        "the user's repository was touched"
    );
    undone
}

fn check_out(
    sample: &SampleRepository,
    commit: &Revision,
) -> std::collections::BTreeMap<PathBuf, String> {
    // A process that another test is just starting may hold a copy of the lock for a moment.
    let held = BuildWorktree::lock(&place(sample), || {}, || false)
        .expect("a worktree")
        .expect("free");
    held.check_out(commit).expect("checked out");
    tree(&held.root(), &[".git"])
}

/// Undoes a commit at HEAD, checks it out, and does the same with git in a clone.
fn check(sample: &SampleRepository, culprit: &str, arguments: &[&str]) -> Revision {
    let [culprit, onto] = [culprit, "HEAD"].map(|text| revision(sample, text).commit);
    let undone = undo(sample, &culprit, &onto).expect("undone");
    let before = sample.everything();
    let files = check_out(sample, &undone);
    let clone = sample.beside(&format!("clone-{culprit}"));
    let to = clone.display().to_string();
    sample.git(&[
        "clone",
        "-q",
        "--no-hardlinks",
        &sample.path().display().to_string(),
        &to,
    ]);
    sample.git(&[&["-C", &to, "revert", "--no-edit"], arguments, &[&culprit]].concat());
    assert_eq!(files, tree(&clone, &[".git"]));
    assert_eq!(
        sample.everything(),
        before,
        "the user's repository was touched"
    );
    let git = |argument| {
        sample.git(&[
            "-C",
            &worktree::files(&place(sample)).display().to_string(),
            "log",
            "-1",
            argument,
        ])
    };
    assert_eq!(
        git("--format=%T"),
        sample.git(&["-C", &to, "rev-parse", "HEAD^{tree}"])
    );
    assert_eq!(
        (git("--format=%H"), git("--format=%P")),
        (undone.commit.clone(), onto)
    );
    assert_eq!(git("--format=%an %ae %cn"), "orch orch@localhost orch");
    undone
}

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";

#[test]
fn commit_is_undone_below_later_ones() {
    let sample = SampleRepository::new();
    sample.commit(
        "first",
        &[
            ("a", LINES),
            ("gone/x", "1"),
            ("b-c", "1"),
            ("b/c", "1"),
            ("b.c", "1"),
        ],
    );
    sample.git(&["rm", "-q", "-r", "gone"]);
    let culprit = sample.commit(
        "culprit",
        &[
            ("a", &LINES.replace("\n2\n", "\ntwo\n")),
            ("b/new", "1"),
            ("b/c", "2"),
        ],
    );
    let later = sample.commit(
        "later",
        &[(
            "a",
            &LINES
                .replace("\n2\n", "\ntwo\n")
                .replace("11\n", "eleven\n"),
        )],
    );
    let undone = check(&sample, &culprit, &[]);
    assert_eq!(
        (undone.subject.as_str(), undone.author.as_str()),
        ("Revert \"culprit\"", "orch")
    );
    assert_eq!(undone.committed, revision(&sample, &later).committed);
    let contents = CommitFiles::of(&undone).expect("readable");
    assert_eq!(
        contents.text(Path::new("a")),
        Some(LINES.replace("11\n", "eleven\n"))
    );
    assert!(contents.has_folder(Path::new("gone")));
    let expected = ["a", "b/c", "b/new", "gone/x"].map(PathBuf::from);
    assert_eq!(
        changed_files(&revision(&sample, &later), &undone).expect("readable"),
        expected
    );
    assert_eq!(
        first_parent(&undone)
            .expect("readable")
            .expect("one")
            .commit,
        later
    );
    assert_eq!(
        undo(&sample, &culprit, &later).expect("undone"),
        undone,
        "the same revert is the same commit"
    );
    // A revert is a commit like any other: it can be undone, and so can the commit that it undid.
    let both = revert(&revision(&sample, &later), &undone, &place(&sample)).expect("undone");
    assert_eq!(
        CommitFiles::of(&both)
            .expect("readable")
            .text(Path::new("a"))
            .as_deref(),
        Some(LINES)
    );
    check_out(&sample, &both);
    for all in [false, true] {
        let history = list_between(&revision(&sample, &culprit), &both, all).expect("a way");
        let listed: Vec<_> = history
            .candidates
            .into_iter()
            .map(|candidate| candidate.revision)
            .collect();
        assert_eq!(
            listed,
            [revision(&sample, &later), undone.clone(), both.clone()],
            "each can be made again"
        );
    }
}

#[test]
fn newest_and_first_commit_are_undone() {
    let sample = SampleRepository::new();
    let first = sample.commit("first", &[("a", "1"), ("b/c", "1")]);
    sample.commit("more", &[("d", "1")]);
    check(&sample, &first, &[]);
    let newest = sample.commit("newest", &[("d", "2")]);
    // The tree exists already, and not even its time may change.
    std::thread::sleep(std::time::Duration::from_millis(20));
    check(&sample, &newest, &[]);
}

#[test]
fn merge_is_undone_with_its_branch() {
    let sample = SampleRepository::new();
    sample.commit("first", &[("a", LINES)]);
    sample.git(&["checkout", "-q", "-b", "side"]);
    sample.commit(
        "side",
        &[("a", &LINES.replace("\n2\n", "\ntwo\n")), ("new", "1")],
    );
    sample.git(&["checkout", "-q", "main"]);
    sample.commit("main", &[("b", "1")]);
    sample.git(&["merge", "-q", "--no-ff", "-m", "join", "side"]);
    let merge = sample.git(&["rev-parse", "HEAD"]);
    sample.commit("later", &[("b", "2")]);
    check(&sample, &merge, &["-m", "1"]);
}

#[test]
fn renames_are_followed() {
    let sample = SampleRepository::new();
    sample.commit("first", &[("a", LINES), ("r", &LINES.replace('1', "x"))]);
    sample.git(&["mv", "r", "renamed"]);
    let culprit = sample.commit("culprit", &[("a", &LINES.replace("\n2\n", "\ntwo\n"))]);
    sample.git(&["mv", "a", "moved"]);
    sample.commit(
        "later",
        &[("renamed", &LINES.replace('1', "x").replace("9\n", "nine\n"))],
    );
    check(&sample, &culprit, &[]);
    // A commit that renames a file, which was changed since.
    sample.git(&["mv", "moved", "deep"]);
    let culprit = sample.commit("renames", &[]);
    sample.commit("changes", &[("deep", &LINES.replace("\n7\n", "\nseven\n"))]);
    check(&sample, &culprit, &[]);
    // A file of the culprit that was renamed since must be kept.
    let culprit = sample.commit("brings", &[("brought", &LINES.replace('2', "y"))]);
    sample.git(&["mv", "brought", "kept"]);
    sample.commit("keeps", &[]);
    let error = undo(&sample, &culprit, "HEAD")
        .expect_err("renamed")
        .to_string();
    assert!(error.contains("of kept;"), "{error}");
}

#[test]
fn revert_error_names_what_cannot_be_undone() {
    let sample = SampleRepository::new();
    sample.commit(
        "first",
        &[("a", LINES), ("bin", "\0a"), ("gone", "1\n"), ("free", "1")],
    );
    sample.git(&["rm", "-q", "free"]);
    let files = [
        ("a", LINES.replace("\n2\n", "\ntwo\n")),
        ("bin", "\0b".to_owned()),
        ("gone", "2\n".to_owned()),
    ];
    let culprit = sample.commit(
        "culprit",
        &files.each_ref().map(|(name, text)| (*name, text.as_str())),
    );
    sample.git(&["rm", "-q", "gone"]);
    sample.commit(
        "later",
        &[
            ("a", &LINES.replace("\n2\n", "\nzwei\n")),
            ("bin", "\0c"),
            ("free/now", "1"),
        ],
    );
    let error = undo(&sample, &culprit, "HEAD")
        .expect_err("conflicts")
        .to_string();
    assert!(
        error.contains("the same lines of a, bin, free, gone; run `git revert"),
        "{error}"
    );
    // The user has undone the commit already.
    sample.git(&["reset", "-q", "--hard", &culprit]);
    sample.git(&["revert", "--no-edit", &culprit]);
    let error = undo(&sample, &culprit, "HEAD")
        .expect_err("nothing left")
        .to_string();
    assert!(error.contains("changes nothing"), "{error}");
    let empty = sample.commit("empty", &[]);
    assert!(matches!(
        undo(&sample, &empty, "HEAD"),
        Err(RevertError::Nothing { .. })
    ));
    // The parent of a shallow clone's oldest commit is unknown.
    let clone = sample.beside("clone");
    let url = format!("file://{}", sample.path().display());
    sample.git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        &url,
        &clone.display().to_string(),
    ]);
    let head = resolve(&clone, "HEAD").expect("readable").expect("there");
    let error = revert(&head, &head, &place(&sample))
        .expect_err("cut off")
        .to_string();
    assert!(error.contains("git fetch --unshallow"), "{error}");
}

#[test]
fn worktree_that_lost_the_revert_gets_it_again() {
    let sample = SampleRepository::new();
    sample.commit("first", &[("a", "1"), ("deep/er/b", "1")]);
    let culprit = sample.commit("culprit", &[("deep/er/b", "2")]);
    sample.commit("later", &[("a", "2")]);
    let undone = undo(&sample, &culprit, "HEAD").expect("undone");
    let files = check_out(&sample, &undone);
    let root = worktree::files(&place(&sample));
    let (head, tail) = undone.commit.split_at(2);
    let object = root.join(".git/objects").join(head).join(tail);
    assert!(object.is_file(), "it lies in the worktree's repository");
    let tree_id = sample.git(&[
        "-C",
        &root.display().to_string(),
        "rev-parse",
        "HEAD^{tree}",
    ]);
    let tree_object = root
        .join(".git/objects")
        .join(&tree_id[..2])
        .join(&tree_id[2..]);
    let emptied = |file: &Path| {
        std::fs::remove_file(file).expect("removed");
        std::fs::write(file, "").expect("written");
    };
    let harms: [&dyn Fn(); 5] = [
        &|| std::fs::remove_dir_all(place(&sample)).expect("removed"),
        &|| std::fs::remove_dir_all(root.join(".git")).expect("removed"),
        &|| std::fs::remove_file(&object).expect("removed"),
        &|| emptied(&object),
        &|| emptied(&tree_object),
    ];
    for harm in harms {
        harm();
        assert!(
            CommitFiles::of(&undone)
                .expect("readable")
                .has_folder(Path::new("deep/er"))
        );
        assert_eq!(check_out(&sample, &undone), files);
        harm();
        assert_eq!(undo(&sample, &culprit, "HEAD").expect("undone"), undone);
        assert_eq!(check_out(&sample, &undone), files);
        check_out(&sample, &revision(&sample, &culprit));
        assert_eq!(check_out(&sample, &undone), files);
    }
}

#[test]
fn mode_and_text_are_merged() {
    let sample = SampleRepository::new();
    sample.commit("first", &[("run", LINES), ("link", LINES)]);
    let executable = |name: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(sample.path().join(name), permissions).expect("changed");
    };
    executable("run", 0o755);
    let culprit = sample.commit("culprit", &[("link", &LINES.replace("\n2\n", "\ntwo\n"))]);
    executable("link", 0o755);
    sample.commit("later", &[("run", &LINES.replace("11\n", "eleven\n"))]);
    check(&sample, &culprit, &[]);
}

#[test]
fn merged_file_that_exists_already_keeps_its_time() {
    let sample = SampleRepository::new();
    let [two, eleven] = [("\n2\n", "\ntwo\n"), ("11\n", "eleven\n")];
    sample.commit("first", &[("a", LINES)]);
    sample.commit("merged", &[("a", &LINES.replace(eleven.0, eleven.1))]);
    sample.commit("first again", &[("a", LINES)]);
    let changed = LINES.replace(two.0, two.1);
    let culprit = sample.commit("culprit", &[("a", &changed)]);
    sample.commit("later", &[("a", &changed.replace(eleven.0, eleven.1))]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    check(&sample, &culprit, &[]);
}
