//! Tests of the build worktree, compared with the files that `git` checks out for the same commits.

use super::super::revision::resolve_revision;
use super::super::sample_repository::{SampleRepository, read_tree};
use super::*;
use std::os::unix::fs::symlink;

fn resolve_commit(sample: &SampleRepository, commit: &str) -> Revision {
    resolve_revision(sample.path(), commit)
        .expect("readable")
        .expect("there")
}

fn lock_worktree(sample: &SampleRepository) -> BuildWorktree {
    let head = resolve_commit(sample, "HEAD");
    let place = locate_place(&sample.path_beside("cache"), &head).expect("a place");
    BuildWorktree::lock(&place, || {}, || false)
        .expect("a worktree")
        .expect("free")
}

/// Returns the files that git itself checks out.
fn check_out_with_git(
    sample: &SampleRepository,
    commit: &str,
) -> std::collections::BTreeMap<PathBuf, String> {
    let clone = sample.path_beside(&format!("clone-{commit}"));
    if !clone.exists() {
        let (from, to) = (
            sample.path().display().to_string(),
            clone.display().to_string(),
        );
        sample.run_git(&["clone", "-q", "--no-checkout", &from, &to]);
        sample.run_git(&["-C", &to, "checkout", "-q", "--detach", commit]);
    }
    read_tree(&clone, &[".git"])
}

fn check_files(sample: &SampleRepository, held: &BuildWorktree, commit: &str) {
    held.check_out(&resolve_commit(sample, commit))
        .expect("checked out");
    assert_eq!(
        read_tree(&held.root(), &[".git", "kept"]),
        check_out_with_git(sample, commit),
        "{commit}"
    );
}

/// Creates three commits in which files, folders, links and modes replace each other.
fn commit_shapes(sample: &SampleRepository) -> [String; 3] {
    use std::os::unix::fs::PermissionsExt;
    sample.write_file("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(
        sample.path().join("run.sh"),
        std::fs::Permissions::from_mode(0o755),
    )
    .expect("mode");
    symlink("run.sh", sample.path().join("link")).expect("a link");
    let first = sample.commit_files(
        "first",
        &[
            ("a/x", "1"),
            ("b", "1"),
            ("c/d/e", "1"),
            (".gitignore", "kept\n"),
        ],
    );
    sample.run_git(&["rm", "-q", "-r", "a", "b", "c", "link"]);
    let second = sample.commit_files(
        "second",
        &[
            ("a", "2"),
            ("b/x", "2"),
            ("link/x", "2"),
            ("crlf", "1\r\n2\r\n"),
        ],
    );
    sample.run_git(&["rm", "-q", "-r", "a", "link"]);
    std::fs::set_permissions(
        sample.path().join("run.sh"),
        std::fs::Permissions::from_mode(0o644),
    )
    .expect("mode");
    symlink("nowhere", sample.path().join("a")).expect("a link");
    let third = sample.commit_files("third", &[("link", "3"), ("b/x", "3"), ("ä/ö", "3")]);
    [first, second, third]
}

#[test]
fn commits_follow_each_other_and_the_users_files_stay() {
    let sample = SampleRepository::new();
    let [first, second, third] = commit_shapes(&sample);
    // The user has uncommitted work of all kinds.
    sample.write_file("staged", "x");
    sample.run_git(&["add", "staged"]);
    sample.write_file("b/x", "changed");
    sample.write_file("untracked", "x");
    let before = sample.read_everything();
    let held = lock_worktree(&sample);
    check_files(&sample, &held, &first);
    std::fs::write(held.root().join("kept"), "x").expect("written");
    for commit in [
        &third, &first, &second, &first, &third, &second, &third, &third,
    ] {
        check_files(&sample, &held, commit);
    }
    assert!(
        held.root().join("kept").is_file(),
        "ignored files stay: nothing went wrong and was made again"
    );
    assert_eq!(sample.read_everything(), before);
}

#[test]
fn leftovers_of_builds_are_harmless() {
    let sample = SampleRepository::new();
    let [first, second, _] = commit_shapes(&sample);
    let held = lock_worktree(&sample);
    check_files(&sample, &held, &first);
    let root = held.root();
    // The size and the time stamp stay the same, so that only the content differs.
    let time = root
        .join("b")
        .metadata()
        .expect("there")
        .modified()
        .expect("a time");
    std::fs::write(root.join("b"), "9").expect("written");
    set_modified(&root.join("b"), time).expect("set");
    std::fs::write(root.join("new"), "x").expect("written");
    std::fs::create_dir_all(root.join("c/out/deep")).expect("a folder");
    std::fs::write(root.join("c/out/deep/file"), "x").expect("written");
    std::fs::remove_file(root.join("run.sh")).expect("removed");
    Repository::init(root.join("cloned")).expect("a repository");
    check_files(&sample, &held, &first);
    std::fs::write(root.join("kept"), "x").expect("written");
    held.check_out(&resolve_commit(&sample, &second))
        .expect("checked out");
    assert!(root.join("kept").is_file(), "ignored files stay");
}

#[test]
fn incomplete_worktree_is_created_again() {
    let sample = SampleRepository::new();
    let [first, second, third] = commit_shapes(&sample);
    let held = lock_worktree(&sample);
    let git = held.root().join(".git");
    let harms: [&dyn Fn(); 6] = [
        &|| std::fs::write(git.join("HEAD"), "junk").expect("written"),
        &|| std::fs::write(git.join("index"), "junk").expect("written"),
        &|| std::fs::write(git.join("index.lock"), "").expect("written"),
        &|| std::fs::remove_file(git.join("objects/info/alternates")).expect("removed"),
        &|| std::fs::remove_dir_all(&git).expect("removed"),
        // orch was killed between two commits: the ignored name was a file of the commit that was
        // being checked out.
        &|| {
            std::fs::write(held.unfinished_mark(), &second).expect("written");
            std::fs::write(held.root().join("kept"), "half").expect("written");
        },
    ];
    for harm in harms {
        check_files(&sample, &held, &first);
        harm();
        check_files(&sample, &held, &third);
    }
}

#[test]
fn checked_out_files_are_newer_than_everything_built() {
    let sample = SampleRepository::new();
    let first = sample.commit_files(
        "first",
        &[
            ("Cargo.toml", ""),
            ("src/a", "1"),
            ("src/same", "1"),
            ("src/gone", "1"),
        ],
    );
    std::fs::remove_file(sample.path().join("src/gone")).expect("removed");
    let second = sample.commit_files("second", &[("src/a", "2")]);
    let place = lock_worktree(&sample).place.clone();
    let modified = |name: &str| {
        locate_files(&place)
            .join(name)
            .metadata()
            .expect("there")
            .modified()
            .expect("a time")
    };
    let newest = || {
        let text = std::fs::read_to_string(place.join(CheckoutClock::FILE)).expect("there");
        SystemTime::UNIX_EPOCH + Duration::from_nanos(text.parse().expect("a number"))
    };
    for commit in [&first, &second, &first] {
        lock_worktree(&sample)
            .check_out(&resolve_commit(&sample, commit))
            .expect("checked out");
        assert!(newest() >= modified("src/a"));
        std::thread::sleep(Duration::from_millis(50));
    }
    // The clock was set back: an hour ago, it was an hour ahead.
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    CheckoutClock {
        start: ahead,
        stamp: ahead,
    }
    .store(&place)
    .expect("kept");
    let unchanged = modified("src/same");
    lock_worktree(&sample)
        .check_out(&resolve_commit(&sample, &second))
        .expect("checked out");
    assert!(
        modified("src/a") > ahead && modified("Cargo.toml") > ahead,
        "changed, or of a crate that lost a file"
    );
    assert_eq!(modified("src/same"), unchanged);
}

#[test]
fn commit_error_names_missing_submodules_and_lfs_files() {
    let sample = SampleRepository::new();
    let plain = sample.commit_files(
        "plain",
        &[("a", "1"), (".gitattributes", "*.bin filter=lfs\n")],
    );
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
    // The second file only looks like a pointer.
    let lfs = sample.commit_files("lfs", &[("data/w.bin", pointer), ("data/doc.txt", pointer)]);
    let id = format!("160000,{plain},deps/sub");
    sample.run_git(&["update-index", "--add", "--cacheinfo", &id]);
    sample.run_git(&["commit", "-q", "-m", "submodule"]);
    let held = lock_worktree(&sample);
    check_files(&sample, &held, &plain);
    let error = held
        .check_out(&resolve_commit(&sample, "HEAD"))
        .expect_err("a submodule")
        .to_string();
    assert!(
        error.contains("the submodule deps/sub") && error.contains("git subtree"),
        "{error}"
    );
    let error = held
        .check_out(&resolve_commit(&sample, &lfs))
        .expect_err("a pointer")
        .to_string();
    assert!(
        error.contains("data/w.bin is stored with git-lfs"),
        "{error}"
    );
    check_files(&sample, &held, &plain);
}

#[test]
fn borrowed_objects_are_followed() {
    let sample = SampleRepository::new();
    let [first, second, _] = commit_shapes(&sample);
    // There are two levels. The second level is named relative to the folder of objects.
    let (near, far) = (sample.path_beside("near"), sample.path_beside("far"));
    for (from, to) in [(sample.path(), &near), (&near, &far)] {
        let (from, to) = (from.display().to_string(), to.display().to_string());
        sample.run_git(&["clone", "-q", "--shared", &from, &to]);
    }
    std::fs::write(
        near.join(".git/objects/info/alternates"),
        "../../../user/.git/objects\n",
    )
    .expect("written");
    let head = resolve_revision(&far, "HEAD")
        .expect("readable")
        .expect("there");
    let place = locate_place(&sample.path_beside("cache"), &head).expect("a place");
    let held = BuildWorktree::lock(&place, || {}, || false)
        .expect("a worktree")
        .expect("free");
    for commit in [&first, &second] {
        held.check_out(&Revision {
            commit: commit.clone(),
            ..head.clone()
        })
        .expect("checked out");
        assert_eq!(
            read_tree(&held.root(), &[".git"]),
            check_out_with_git(&sample, commit)
        );
    }
}

#[test]
fn worktree_has_one_user_at_a_time() {
    let sample = SampleRepository::new();
    sample.commit_files("first", &[("a", "1")]);
    let first = lock_worktree(&sample);
    let (waited, asked) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let stop = || asked.replace(asked.get() + 1) == 1;
    let second =
        BuildWorktree::lock(&first.place, || waited.set(waited.get() + 1), stop).expect("no error");
    assert!(second.is_none(), "held by another");
    assert_eq!(waited.get(), 1);
    let place = first.place.clone();
    drop(first);
    // A process that another test has just started may briefly hold the descriptor.
    asked.set(0);
    let stop = || asked.replace(asked.get() + 1) == 50;
    assert!(
        BuildWorktree::lock(&place, || {}, stop)
            .expect("no error")
            .is_some()
    );
}

#[test]
fn newly_ignored_file_of_the_last_commit_is_removed() {
    let sample = SampleRepository::new();
    let first = sample.commit_files("first", &[("made/by/hand", "1"), ("a", "1")]);
    sample.run_git(&["rm", "-q", "-r", "made"]);
    let second = sample.commit_files("second", &[(".gitignore", "hand\n")]);
    let held = lock_worktree(&sample);
    check_files(&sample, &held, &first);
    check_files(&sample, &held, &second);
}

#[test]
fn linked_checkout_shares_the_worktree() {
    let sample = SampleRepository::new();
    let [first, second, _] = commit_shapes(&sample);
    let linked = sample.path_beside("linked");
    sample.run_git(&[
        "worktree",
        "add",
        "-q",
        "--detach",
        &linked.display().to_string(),
        &first,
    ]);
    let head = resolve_revision(&linked, "HEAD")
        .expect("readable")
        .expect("there");
    assert_eq!((&head.repository, &head.commit), (&linked, &first));
    let place = locate_place(&sample.path_beside("cache"), &head).expect("a place");
    let held = lock_worktree(&sample);
    assert_eq!(place, held.place);
    held.check_out(&head).expect("checked out");
    check_files(&sample, &held, &second);
}
