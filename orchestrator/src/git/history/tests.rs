//! Tests of the commits between two commits, compared with the output of `git`.

use super::super::revision::resolve_revision;
use super::super::sample_repository::SampleRepository;
use super::*;

fn resolve_commit(sample: &SampleRepository, commit: &str) -> Revision {
    resolve_revision(sample.path(), commit)
        .expect("readable")
        .expect("there")
}

fn expect_refusal(sample: &SampleRepository, good: &str, bad: &str, all: bool) -> String {
    list_between(
        &resolve_commit(sample, good),
        &resolve_commit(sample, bad),
        all,
    )
    .expect_err("refused")
    .to_string()
}

/// Returns the range after checking its invariants and comparing it with git's list of the same
/// commits.
fn check_range(sample: &SampleRepository, good: &str, bad: &str, all: bool) -> CommitRange {
    let history = list_between(
        &resolve_commit(sample, good),
        &resolve_commit(sample, bad),
        all,
    )
    .expect("a way");
    let range = format!("{good}..{bad}");
    let kind = if all {
        "--ancestry-path"
    } else {
        "--first-parent"
    };
    let listed = sample.run_git(&["rev-list", kind, &range]);
    let of = |candidate: &CandidateCommit| candidate.revision.commit.clone();
    assert_eq!(
        history.candidates.iter().map(of).collect::<BTreeSet<_>>(),
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    );
    assert_eq!(history.good, resolve_commit(sample, good));
    assert_eq!(
        history.candidates.last().expect("one").revision,
        resolve_commit(sample, bad)
    );
    for (index, candidate) in history.candidates.iter().enumerate() {
        assert!(!candidate.parents.is_empty());
        let parents = sample.run_git(&["rev-parse", &format!("{}^@", candidate.revision.commit)]);
        assert_eq!(candidate.merge, parents.lines().count() > 1);
        for parent in &candidate.parents {
            assert!(*parent <= index, "a parent comes first");
            let commit = parent
                .checked_sub(1)
                .map_or(&history.good, |index| &history.candidates[index].revision);
            assert!(parents.contains(&commit.commit));
        }
    }
    history
}

fn list_subjects(history: &CommitRange) -> Vec<&str> {
    history
        .candidates
        .iter()
        .map(|candidate| candidate.revision.subject.as_str())
        .collect()
}

/// Returns the candidate that has this subject.
fn find_candidate<'a>(history: &'a CommitRange, subject: &str) -> &'a CandidateCommit {
    let is_it = |candidate: &&CandidateCommit| candidate.revision.subject == subject;
    history.candidates.iter().find(is_it).expect("a candidate")
}

/// Creates `root - a - c - join - end`, with `side` and `side2` from `a` to `join`, and `old` from
/// `root` to the merge `late`.
fn create_branches() -> SampleRepository {
    let sample = SampleRepository::new();
    sample.commit_files("root", &[("root", "1")]);
    sample.run_git(&["branch", "old"]);
    sample.commit_files("a", &[("a", "1")]);
    sample.run_git(&["tag", "a"]);
    sample.run_git(&["checkout", "-q", "-b", "side"]);
    sample.commit_files("side", &[("side", "1")]);
    sample.run_git(&["tag", "side1"]);
    sample.commit_files("side2", &[("side", "2")]);
    sample.run_git(&["checkout", "-q", "main"]);
    sample.commit_files("c", &[("a", "2")]);
    sample.run_git(&["merge", "-q", "--no-ff", "-m", "join", "side"]);
    sample.run_git(&["checkout", "-q", "old"]);
    sample.commit_files("old", &[("old", "1")]);
    sample.run_git(&["checkout", "-q", "main"]);
    sample.run_git(&["merge", "-q", "--no-ff", "-m", "late", "old"]);
    sample.commit_files("end", &[("a", "3")]);
    sample
}

#[test]
fn line_of_commits_is_listed_from_the_oldest() {
    let sample = SampleRepository::new();
    for subject in ["1", "2", "3", "4"] {
        sample.commit_files(subject, &[("a", subject)]);
    }
    for all in [false, true] {
        let history = check_range(&sample, "HEAD~3", "HEAD", all);
        assert_eq!(list_subjects(&history), ["2", "3", "4"]);
        for (index, candidate) in history.candidates.iter().enumerate() {
            assert_eq!(
                (
                    &candidate.parents[..],
                    candidate.only_joins,
                    candidate.merge
                ),
                (&[index][..], false, false)
            );
        }
    }
}

#[test]
fn merge_stands_for_its_branch_along_first_parents() {
    let sample = create_branches();
    let history = check_range(&sample, "a", "HEAD", false);
    assert_eq!(list_subjects(&history), ["c", "join", "late", "end"]);
    assert!(
        history
            .candidates
            .iter()
            .all(|candidate| !candidate.only_joins)
    );
    assert_eq!(find_candidate(&history, "late").parents, [2]);
}

#[test]
fn range_lists_all_paths_and_marks_merges_that_only_join() {
    let sample = create_branches();
    let history = check_range(&sample, "a", "HEAD", true);
    assert_eq!(
        history.candidates.len(),
        6,
        "without `old`, which does not descend from the good end"
    );
    let joins = |subject| {
        (
            find_candidate(&history, subject).only_joins,
            find_candidate(&history, subject).parents.len(),
        )
    };
    assert_eq!(joins("join"), (true, 2));
    assert_eq!(joins("late"), (false, 1));
    assert_eq!((joins("c"), joins("side")), ((false, 1), (false, 1)));
    assert_eq!(
        (
            &find_candidate(&history, "c").parents[..],
            &find_candidate(&history, "side").parents[..]
        ),
        (&[0][..], &[0][..])
    );
    // The good end is older than both branches, so everything is in the range.
    assert!(find_candidate(&check_range(&sample, "HEAD~4^", "HEAD", true), "late").only_joins);
    // A branch that was merged immediately joins the good end itself.
    sample.run_git(&["checkout", "-q", "-b", "short"]);
    sample.commit_files("short", &[("short", "1")]);
    sample.run_git(&["checkout", "-q", "main"]);
    sample.run_git(&["merge", "-q", "--no-ff", "-m", "at once", "short"]);
    let history = check_range(&sample, "HEAD^1", "HEAD", true);
    assert_eq!(
        (
            &history.candidates[1].parents[..],
            history.candidates[1].only_joins
        ),
        (&[0, 1][..], true)
    );
}

#[test]
fn good_end_inside_a_branch_names_its_merge() {
    let sample = create_branches();
    let merge = sample.run_git(&["rev-parse", "HEAD~2"]);
    let error = expect_refusal(&sample, "side1", "HEAD", false);
    assert!(
        error.contains(&format!("--good {}^1", &merge[..10])) && error.contains("--all"),
        "{error}"
    );
    check_range(&sample, &format!("{}^1", &merge[..10]), "HEAD", false);
    let history = check_range(&sample, "side1", "HEAD", true);
    assert_eq!(list_subjects(&history), ["side2", "join", "late", "end"]);
    assert!(
        !find_candidate(&history, "join").only_joins,
        "it brought c, which is not in the range"
    );
    // The merge itself may be the bad end.
    let error = expect_refusal(&sample, "side1", "HEAD~2", false);
    assert!(
        error.contains(&format!("--good {}^1", &merge[..10])),
        "{error}"
    );
}

#[test]
fn ends_without_a_path_between_them_are_refused_with_a_remedy() {
    let sample = create_branches();
    for all in [false, true] {
        assert!(expect_refusal(&sample, "a", "a", all).contains("the range is empty"));
        let error = expect_refusal(&sample, "HEAD", "a", all);
        assert!(
            error.contains("is newer than the bad end") && error.contains("--direction better"),
            "{error}"
        );
        let base = &sample.run_git(&["rev-parse", "a"])[..10];
        let error = expect_refusal(&sample, "side", "HEAD~3", all);
        assert!(
            error.contains(&format!("if that commit is good, use --good {base}")),
            "{error}"
        );
        check_range(&sample, base, "HEAD~3", all);
    }
    sample.run_git(&["checkout", "-q", "--orphan", "other"]);
    sample.commit_files("alone", &[("x", "1")]);
    assert!(expect_refusal(&sample, "a", "HEAD", true).contains("no commit in common"));
}

#[test]
fn shallow_clone_is_reported() {
    let sample = create_branches();
    let url = format!("file://{}", sample.path().display());
    let clone = sample.path_beside("clone");
    let to = clone.display().to_string();
    sample.run_git(&["clone", "-q", "--no-tags", "--depth", "3", &url, &to]);
    sample.run_git(&[
        "-C", &to, "fetch", "-q", "--depth", "1", "origin", "tag", "a",
    ]);
    let at = |text: &str| {
        resolve_revision(&clone, text)
            .expect("readable")
            .expect("there")
    };
    for all in [false, true] {
        let error = list_between(&at("a"), &at("HEAD"), all)
            .expect_err("cut off")
            .to_string();
        assert!(error.contains("git fetch --unshallow"), "{error}");
    }
    let history = list_between(&at("HEAD~2"), &at("HEAD"), false).expect("a way");
    assert_eq!(list_subjects(&history), ["late", "end"]);
    // `old` is merged after the good end. The commits that would show whether it descends from the
    // good end are beyond the edge of the shallow clone.
    let error = list_between(&at("HEAD~2"), &at("HEAD"), true).expect_err("cut off");
    assert!(matches!(error, HistoryError::Shallow { .. }), "{error:?}");
    let history = list_between(&at("HEAD~1"), &at("HEAD"), true).expect("a way");
    assert_eq!(list_subjects(&history), ["end"]);
}

#[test]
fn range_of_three_hundred_commits_is_read_whole() {
    let sample = SampleRepository::new();
    let first = sample.commit_files("first", &[("a", "0")]);
    let mut stream = String::new();
    for number in 1..=300 {
        let from = if number == 1 {
            format!("from {first}\n")
        } else {
            String::new()
        };
        stream += &format!(
            "commit refs/heads/long\ncommitter T <t@x> {} +0000\n",
            1_700_000_000 + number
        );
        stream += &format!(
            "data {}\nn{number}\n{from}M 644 inline a\ndata 4\n{number:04}\n",
            format!("n{number}").len()
        );
    }
    sample.import_commits(&stream);
    for all in [false, true] {
        let history = list_between(
            &resolve_commit(&sample, &first),
            &resolve_commit(&sample, "long"),
            all,
        )
        .expect("a way");
        assert_eq!(history.candidates.len(), 300);
        assert_eq!(
            (list_subjects(&history)[0], list_subjects(&history)[299]),
            ("n1", "n300")
        );
    }
}

#[test]
fn changed_files_are_named_with_both_names_of_a_rename() {
    let sample = SampleRepository::new();
    let first = sample.commit_files(
        "first",
        &[("b", "1\n2\n3\n4\n"), ("c/d", "1"), ("same", "1")],
    );
    sample.run_git(&["mv", "b", "a"]);
    let second = sample.commit_files("second", &[("c/d", "2"), ("c/ä", "1")]);
    let [first, second] = [first, second].map(|commit| resolve_commit(&sample, &commit));
    let expected = ["a", "b", "c/d", "c/ä"].map(PathBuf::from);
    assert_eq!(
        list_changed_files(&first, &second).expect("readable"),
        expected
    );
    assert_eq!(
        list_changed_files(&second, &first).expect("readable"),
        expected
    );
    assert_eq!(
        list_changed_files(&first, &first).expect("readable"),
        Vec::<PathBuf>::new()
    );
}
