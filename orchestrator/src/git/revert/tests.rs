//! Tests of undoing commits, compared with the result of `git revert`.

use super::super::commit::CommitFiles;
use super::super::history::{find_first_parent, list_between, list_changed_files};
use super::super::revision::resolve_revision;
use super::super::sample_repository::{SampleRepository, read_tree};
use super::super::worktree;
use super::*;
use std::os::unix::fs::PermissionsExt;

fn resolve_commit(sample: &SampleRepository, commit: &str) -> Revision {
    resolve_revision(sample.path(), commit)
        .expect("readable")
        .expect("there")
}

fn find_place(sample: &SampleRepository) -> PathBuf {
    worktree::locate_place(
        &sample.path_beside("cache"),
        &resolve_commit(sample, "HEAD"),
    )
    .expect("a place")
}

fn undo_commit(
    sample: &SampleRepository,
    culprit: &str,
    onto: &str,
) -> Result<Revision, RevertError> {
    let before = sample.read_everything();
    let undone = create_revert(
        &resolve_commit(sample, culprit),
        &resolve_commit(sample, onto),
        &find_place(sample),
    );
    assert_eq!(
        sample.read_everything(),
        before,
        "the user's repository was touched"
    );
    undone
}

fn check_out_commit(
    sample: &SampleRepository,
    commit: &Revision,
) -> std::collections::BTreeMap<PathBuf, String> {
    // A process that another test has just started may briefly hold a copy of the lock.
    let held = BuildWorktree::lock(&find_place(sample), || {}, || false)
        .expect("a worktree")
        .expect("free");
    held.check_out(commit).expect("checked out");
    read_tree(&held.root(), &[".git"])
}

/// Undoes a commit at HEAD, checks out the result, and compares it with git's result in a clone.
fn check_revert(sample: &SampleRepository, culprit: &str, arguments: &[&str]) -> Revision {
    let [culprit, onto] = [culprit, "HEAD"].map(|text| resolve_commit(sample, text).commit);
    let undone = undo_commit(sample, &culprit, &onto).expect("undone");
    let before = sample.read_everything();
    let files = check_out_commit(sample, &undone);
    let clone = sample.path_beside(&format!("clone-{culprit}"));
    let to = clone.display().to_string();
    sample.run_git(&[
        "clone",
        "-q",
        "--no-hardlinks",
        &sample.path().display().to_string(),
        &to,
    ]);
    sample.run_git(&[&["-C", &to, "revert", "--no-edit"], arguments, &[&culprit]].concat());
    assert_eq!(files, read_tree(&clone, &[".git"]));
    assert_eq!(
        sample.read_everything(),
        before,
        "the user's repository was touched"
    );
    let git = |argument| {
        sample.run_git(&[
            "-C",
            &worktree::locate_files(&find_place(sample))
                .display()
                .to_string(),
            "log",
            "-1",
            argument,
        ])
    };
    assert_eq!(
        git("--format=%T"),
        sample.run_git(&["-C", &to, "rev-parse", "HEAD^{tree}"])
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
    sample.commit_files(
        "first",
        &[
            ("a", LINES),
            ("gone/x", "1"),
            ("b-c", "1"),
            ("b/c", "1"),
            ("b.c", "1"),
        ],
    );
    sample.run_git(&["rm", "-q", "-r", "gone"]);
    let culprit = sample.commit_files(
        "culprit",
        &[
            ("a", &LINES.replace("\n2\n", "\ntwo\n")),
            ("b/new", "1"),
            ("b/c", "2"),
        ],
    );
    let later = sample.commit_files(
        "later",
        &[(
            "a",
            &LINES
                .replace("\n2\n", "\ntwo\n")
                .replace("11\n", "eleven\n"),
        )],
    );
    let undone = check_revert(&sample, &culprit, &[]);
    assert_eq!(
        (undone.subject.as_str(), undone.author.as_str()),
        ("Revert \"culprit\"", "orch")
    );
    assert_eq!(undone.committed, resolve_commit(&sample, &later).committed);
    let contents = CommitFiles::open(&undone).expect("readable");
    assert_eq!(
        contents.read_text(Path::new("a")),
        Some(LINES.replace("11\n", "eleven\n"))
    );
    assert!(contents.has_folder(Path::new("gone")));
    let expected = ["a", "b/c", "b/new", "gone/x"].map(PathBuf::from);
    assert_eq!(
        list_changed_files(&resolve_commit(&sample, &later), &undone).expect("readable"),
        expected
    );
    assert_eq!(
        find_first_parent(&undone)
            .expect("readable")
            .expect("one")
            .commit,
        later
    );
    assert_eq!(
        undo_commit(&sample, &culprit, &later).expect("undone"),
        undone,
        "the same revert is the same commit"
    );
    // A revert is an ordinary commit: it can be undone, and so can the commit that it undid.
    let both = create_revert(
        &resolve_commit(&sample, &later),
        &undone,
        &find_place(&sample),
    )
    .expect("undone");
    assert_eq!(
        CommitFiles::open(&both)
            .expect("readable")
            .read_text(Path::new("a"))
            .as_deref(),
        Some(LINES)
    );
    check_out_commit(&sample, &both);
    for all in [false, true] {
        let history = list_between(&resolve_commit(&sample, &culprit), &both, all).expect("a way");
        let listed: Vec<_> = history
            .candidates
            .into_iter()
            .map(|candidate| candidate.revision)
            .collect();
        assert_eq!(
            listed,
            [
                resolve_commit(&sample, &later),
                undone.clone(),
                both.clone()
            ],
            "each can be made again"
        );
    }
}

#[test]
fn newest_and_first_commit_are_undone() {
    let sample = SampleRepository::new();
    let first = sample.commit_files("first", &[("a", "1"), ("b/c", "1")]);
    sample.commit_files("more", &[("d", "1")]);
    check_revert(&sample, &first, &[]);
    let newest = sample.commit_files("newest", &[("d", "2")]);
    // The tree already exists, and even its time stamp must not change.
    std::thread::sleep(std::time::Duration::from_millis(20));
    check_revert(&sample, &newest, &[]);
}

#[test]
fn merge_is_undone_with_its_branch() {
    let sample = SampleRepository::new();
    sample.commit_files("first", &[("a", LINES)]);
    sample.run_git(&["checkout", "-q", "-b", "side"]);
    sample.commit_files(
        "side",
        &[("a", &LINES.replace("\n2\n", "\ntwo\n")), ("new", "1")],
    );
    sample.run_git(&["checkout", "-q", "main"]);
    sample.commit_files("main", &[("b", "1")]);
    sample.run_git(&["merge", "-q", "--no-ff", "-m", "join", "side"]);
    let merge = sample.run_git(&["rev-parse", "HEAD"]);
    sample.commit_files("later", &[("b", "2")]);
    check_revert(&sample, &merge, &["-m", "1"]);
}

#[test]
fn renames_are_followed() {
    let sample = SampleRepository::new();
    sample.commit_files("first", &[("a", LINES), ("r", &LINES.replace('1', "x"))]);
    sample.run_git(&["mv", "r", "renamed"]);
    let culprit = sample.commit_files("culprit", &[("a", &LINES.replace("\n2\n", "\ntwo\n"))]);
    sample.run_git(&["mv", "a", "moved"]);
    sample.commit_files(
        "later",
        &[("renamed", &LINES.replace('1', "x").replace("9\n", "nine\n"))],
    );
    check_revert(&sample, &culprit, &[]);
    // The culprit renames a file that later commits change.
    sample.run_git(&["mv", "moved", "deep"]);
    let culprit = sample.commit_files("renames", &[]);
    sample.commit_files("changes", &[("deep", &LINES.replace("\n7\n", "\nseven\n"))]);
    check_revert(&sample, &culprit, &[]);
    // A later commit renames a file that the culprit adds. That file must be kept.
    let culprit = sample.commit_files("brings", &[("brought", &LINES.replace('2', "y"))]);
    sample.run_git(&["mv", "brought", "kept"]);
    sample.commit_files("keeps", &[]);
    let error = undo_commit(&sample, &culprit, "HEAD")
        .expect_err("renamed")
        .to_string();
    assert!(error.contains("of kept;"), "{error}");
}

#[test]
fn revert_error_names_what_cannot_be_undone() {
    let sample = SampleRepository::new();
    sample.commit_files(
        "first",
        &[("a", LINES), ("bin", "\0a"), ("gone", "1\n"), ("free", "1")],
    );
    sample.run_git(&["rm", "-q", "free"]);
    let files = [
        ("a", LINES.replace("\n2\n", "\ntwo\n")),
        ("bin", "\0b".to_owned()),
        ("gone", "2\n".to_owned()),
    ];
    let culprit = sample.commit_files(
        "culprit",
        &files.each_ref().map(|(name, text)| (*name, text.as_str())),
    );
    sample.run_git(&["rm", "-q", "gone"]);
    sample.commit_files(
        "later",
        &[
            ("a", &LINES.replace("\n2\n", "\nzwei\n")),
            ("bin", "\0c"),
            ("free/now", "1"),
        ],
    );
    let error = undo_commit(&sample, &culprit, "HEAD")
        .expect_err("conflicts")
        .to_string();
    assert!(
        error.contains("the same lines of a, bin, free, gone; run `git revert"),
        "{error}"
    );
    // The user has undone the commit already.
    sample.run_git(&["reset", "-q", "--hard", &culprit]);
    sample.run_git(&["revert", "--no-edit", &culprit]);
    let error = undo_commit(&sample, &culprit, "HEAD")
        .expect_err("nothing left")
        .to_string();
    assert!(error.contains("changes nothing"), "{error}");
    let empty = sample.commit_files("empty", &[]);
    assert!(matches!(
        undo_commit(&sample, &empty, "HEAD"),
        Err(RevertError::Nothing { .. })
    ));
    // The parent of a shallow clone's oldest commit is unknown.
    let clone = sample.path_beside("clone");
    let url = format!("file://{}", sample.path().display());
    sample.run_git(&[
        "clone",
        "-q",
        "--depth",
        "1",
        &url,
        &clone.display().to_string(),
    ]);
    let head = resolve_revision(&clone, "HEAD")
        .expect("readable")
        .expect("there");
    let error = create_revert(&head, &head, &find_place(&sample))
        .expect_err("cut off")
        .to_string();
    assert!(error.contains("git fetch --unshallow"), "{error}");
}

#[test]
fn worktree_that_lost_the_revert_gets_it_again() {
    let sample = SampleRepository::new();
    sample.commit_files("first", &[("a", "1"), ("deep/er/b", "1")]);
    let culprit = sample.commit_files("culprit", &[("deep/er/b", "2")]);
    sample.commit_files("later", &[("a", "2")]);
    let undone = undo_commit(&sample, &culprit, "HEAD").expect("undone");
    let files = check_out_commit(&sample, &undone);
    let root = worktree::locate_files(&find_place(&sample));
    let (head, tail) = undone.commit.split_at(2);
    let object = root.join(".git/objects").join(head).join(tail);
    assert!(object.is_file(), "it lies in the worktree's repository");
    let tree_id = sample.run_git(&[
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
        &|| std::fs::remove_dir_all(find_place(&sample)).expect("removed"),
        &|| std::fs::remove_dir_all(root.join(".git")).expect("removed"),
        &|| std::fs::remove_file(&object).expect("removed"),
        &|| emptied(&object),
        &|| emptied(&tree_object),
    ];
    for harm in harms {
        harm();
        assert!(
            CommitFiles::open(&undone)
                .expect("readable")
                .has_folder(Path::new("deep/er"))
        );
        assert_eq!(check_out_commit(&sample, &undone), files);
        harm();
        assert_eq!(
            undo_commit(&sample, &culprit, "HEAD").expect("undone"),
            undone
        );
        assert_eq!(check_out_commit(&sample, &undone), files);
        check_out_commit(&sample, &resolve_commit(&sample, &culprit));
        assert_eq!(check_out_commit(&sample, &undone), files);
    }
}

#[test]
fn mode_and_text_are_merged() {
    let sample = SampleRepository::new();
    sample.commit_files("first", &[("run", LINES), ("link", LINES)]);
    let executable = |name: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(sample.path().join(name), permissions).expect("changed");
    };
    executable("run", 0o755);
    let culprit = sample.commit_files("culprit", &[("link", &LINES.replace("\n2\n", "\ntwo\n"))]);
    executable("link", 0o755);
    sample.commit_files("later", &[("run", &LINES.replace("11\n", "eleven\n"))]);
    check_revert(&sample, &culprit, &[]);
}

#[test]
fn merged_file_that_exists_already_keeps_its_time() {
    let sample = SampleRepository::new();
    let [two, eleven] = [("\n2\n", "\ntwo\n"), ("11\n", "eleven\n")];
    sample.commit_files("first", &[("a", LINES)]);
    sample.commit_files("merged", &[("a", &LINES.replace(eleven.0, eleven.1))]);
    sample.commit_files("first again", &[("a", LINES)]);
    let changed = LINES.replace(two.0, two.1);
    let culprit = sample.commit_files("culprit", &[("a", &changed)]);
    sample.commit_files("later", &[("a", &changed.replace(eleven.0, eleven.1))]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    check_revert(&sample, &culprit, &[]);
}
