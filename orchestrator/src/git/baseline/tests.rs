//! Tests of the choice for all combinations of facts, and of the facts for all kinds of clones,
//! positions of HEAD and changes that git supports.

use super::super::sample_repository::SampleRepository;
use super::*;
use std::path::PathBuf;
use std::process::Command;

fn make_revision(name: &str) -> Revision {
    Revision {
        repository: PathBuf::from("/r"),
        commit: name.repeat(40),
        subject: name.to_owned(),
        committed: String::new(),
        author: String::new(),
        undone: None,
    }
}

fn make_cut_off_error() -> RevisionError {
    RevisionError::Shallow {
        text: "HEAD^".to_owned(),
        folder: PathBuf::from("/r"),
    }
}

#[test]
fn choice_never_takes_head_for_a_tree_that_builds_the_same_plugins() {
    use ChangeReach::{Nothing, Plugin, Unchanged, Unknown};
    let heads = [None, Some(make_revision("h"))];
    let parents = [
        HeadParent::Commit(make_revision("p")),
        HeadParent::None,
        HeadParent::Unreachable(make_cut_off_error()),
    ];
    let meetings = [
        None,
        Some(MeetingPoint::At(make_revision("h"))),
        Some(MeetingPoint::At(make_revision("b"))),
        Some(MeetingPoint::Unrelated),
        Some(MeetingPoint::CutOff),
    ];
    let mut cases = 0;
    for (head, parent) in heads
        .iter()
        .flat_map(|head| parents.iter().map(move |parent| (head, parent)))
    {
        for (meeting, changed) in meetings
            .iter()
            .flat_map(|meeting| [false, true].map(|changed| (meeting, changed)))
        {
            for reach in [Unchanged, Unknown, Nothing, Plugin] {
                let facts = BaselineFacts {
                    head: head.clone(),
                    parent: parent.clone(),
                    default_branch: meeting.clone().map(|meeting| ("main".to_owned(), meeting)),
                    changed,
                };
                let chosen = choose_baseline(&facts, reach);
                let name = chosen.as_ref().map(|found| found.revision.subject.as_str());
                let reaches = changed && matches!(reach, Plugin | Unknown);
                let expected = match (head, meeting, parent) {
                    (None, ..) => Err(BaselineError::Empty),
                    (_, None, _) => Err(BaselineError::NoBranch),
                    (_, Some(MeetingPoint::Unrelated), _) => Err(BaselineError::Unrelated {
                        branch: "main".into(),
                    }),
                    (_, Some(MeetingPoint::CutOff), _) => Err(BaselineError::CutOff {
                        branch: "main".into(),
                    }),
                    (_, Some(MeetingPoint::At(point)), _) if point.subject == "b" => Ok("b"),
                    _ if reaches => Ok("h"),
                    (_, _, HeadParent::Commit(_)) => Ok("p"),
                    (_, _, HeadParent::None) => Err(BaselineError::First),
                    _ if changed && reach == Nothing => {
                        Err(BaselineError::BeforeHead(make_cut_off_error()))
                    }
                    _ => Err(make_cut_off_error().into()),
                };
                assert_eq!(
                    name,
                    expected.as_ref().map(|name| *name),
                    "{facts:?} {reach:?}"
                );
                if name == Ok("h") {
                    assert!(matches!(
                        chosen,
                        Ok(Baseline {
                            reason: BaselineReason::HeadWithChanges { .. },
                            ..
                        })
                    ));
                }
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 240);
}

/// Kind of clone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum CloneKind {
    Full,
    Shallow,
    Sparse,
    /// A clone without the contents of files that were not checked out.
    Partial,
    LinkedWorktree,
    WithSubmodule,
}

/// Position of HEAD in the clone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum HeadPosition {
    DefaultBranch,
    Branch,
    Detached,
    /// The merge of a branch into the default branch, as CI checks it out.
    MergeRef,
}

/// Changes to the files, each with a name.
const CHANGES: [(&str, &[&str]); 13] = [
    ("nothing", &[]),
    ("a tracked file is modified", &["echo 2 > notes"]),
    ("a tracked file is deleted", &["rm notes"]),
    ("a tracked file is executable", &["chmod +x notes"]),
    (
        "a modified file is staged",
        &["echo 2 > notes", "git add notes"],
    ),
    ("a new file is staged", &["echo 2 > new", "git add new"]),
    ("a new file is untracked", &["mkdir -p d", "echo 2 > d/new"]),
    ("a file is ignored", &["echo 2 > x.ignored"]),
    (
        "a tracked file is a link",
        &["rm notes", "ln -s plugin notes"],
    ),
    (
        "a staged change is put back in the working tree",
        &["echo 2 > notes", "git add notes", "echo 1 > notes"],
    ),
    (
        "a staged deletion leaves the file",
        &["git rm -q --cached notes"],
    ),
    (
        "a file is to be added later",
        &["echo 2 > new", "git add -N new"],
    ),
    (
        "a file has the same content and another time",
        &["touch -d 2020-01-01 notes"],
    ),
];

fn run_shell(folder: &Path, line: &str) -> String {
    let settings = [
        "user.name=Test",
        "user.email=test@example.org",
        "commit.gpgsign=false",
        "init.defaultBranch=main",
    ];
    let mut command = Command::new("sh");
    command
        .args(["-ec", line])
        .current_dir(folder)
        .env("GIT_CONFIG_COUNT", "5");
    for (index, setting) in settings
        .iter()
        .chain(&["protocol.file.allow=always"])
        .enumerate()
    {
        let (key, value) = setting.split_once('=').expect("a setting");
        command
            .env(format!("GIT_CONFIG_KEY_{index}"), key)
            .env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    let output = command.output().expect("sh is installed");
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

/// Returns a clone of the sample with HEAD at the given position. Main has the commits m1, m2 and
/// m3; the branch left main at m2.
fn create_clone(sample: &SampleRepository, kind: CloneKind, position: HeadPosition) -> PathBuf {
    let folder = sample.path_beside(&format!("{kind:?}-{position:?}"));
    let url = format!("file://{}", sample.path().display());
    let depth = match kind {
        CloneKind::Shallow => "--depth 1 --no-single-branch",
        CloneKind::Sparse => "--sparse",
        CloneKind::Partial => "--filter=blob:none",
        _ => "",
    };
    let target = match position {
        HeadPosition::DefaultBranch => "main",
        HeadPosition::Branch => "topic",
        HeadPosition::Detached => "--detach origin/main",
        HeadPosition::MergeRef => "--detach origin/merged",
    };
    let shown = folder.display();
    if kind == CloneKind::LinkedWorktree {
        let main = folder.with_extension("main");
        run_shell(
            sample.path(),
            &format!("git clone -q {url} {}", main.display()),
        );
        run_shell(
            &main,
            "git checkout -q --detach && git branch -f topic origin/topic",
        );
        let detach = if target.starts_with("--detach") {
            "--detach"
        } else {
            ""
        };
        let name = target.trim_start_matches("--detach ");
        run_shell(
            &main,
            &format!("git worktree add -q {detach} {shown} {name}"),
        );
        return folder;
    }
    run_shell(
        sample.path(),
        &format!("git clone -q {depth} {url} {shown}"),
    );
    run_shell(&folder, &format!("git checkout -q {target}"));
    if kind == CloneKind::WithSubmodule {
        run_shell(&folder, "git submodule -q update --init");
    }
    folder
}

#[test]
fn facts_match_git_in_every_clone_position_and_change() {
    let other = SampleRepository::new();
    other.commit_files("s1", &[("file", "1")]);
    let plain = SampleRepository::new();
    let with_submodule = SampleRepository::new();
    for sample in [&plain, &with_submodule] {
        sample.run_git(&["checkout", "-q", "-B", "main"]);
        sample.commit_files(
            "m1",
            &[
                ("notes", "1\n"),
                ("plugin/code", "1\n"),
                ("deep/file", "1\n"),
                (".gitignore", "*.ignored\n"),
            ],
        );
        if sample.path() == with_submodule.path() {
            sample.run_git(&[
                "submodule",
                "--quiet",
                "add",
                &other.path().display().to_string(),
                "sub",
            ]);
        }
        sample.commit_files("m2", &[("plugin/code", "2\n")]);
        sample.run_git(&["checkout", "-q", "-b", "topic"]);
        sample.commit_files("t1", &[("plugin/code", "3\n")]);
        sample.run_git(&["checkout", "-q", "main"]);
        sample.commit_files("m3", &[("deep/file", "2\n")]);
        sample.run_git(&["checkout", "-q", "-b", "merged"]);
        sample.run_git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
        sample.run_git(&["checkout", "-q", "main"]);
        sample.run_git(&["config", "uploadpack.allowFilter", "true"]);
    }
    let mut cases = 0;
    for kind in [
        CloneKind::Full,
        CloneKind::Shallow,
        CloneKind::Sparse,
        CloneKind::Partial,
        CloneKind::LinkedWorktree,
        CloneKind::WithSubmodule,
    ] {
        let sample = if kind == CloneKind::WithSubmodule {
            &with_submodule
        } else {
            &plain
        };
        use HeadPosition::{Branch, DefaultBranch, Detached, MergeRef};
        for position in [DefaultBranch, Branch, Detached, MergeRef] {
            let folder = create_clone(sample, kind, position);
            for (change, lines) in CHANGES {
                lines.iter().for_each(|line| drop(run_shell(&folder, line)));
                let status = run_shell(&folder, "git status --porcelain");
                let case = format!("{kind:?}, {position:?}, {change}: {status:?}");
                let state = read_state(&folder);
                assert_eq!(state.dirty, !status.is_empty(), "{case}, {state:?}");
                assert_eq!(state.diff_hash.is_some(), state.dirty, "{case}");
                let facts = read_facts(&folder).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(facts.changed, !status.is_empty(), "{case}");
                for reach in [
                    ChangeReach::Unknown,
                    ChangeReach::Nothing,
                    ChangeReach::Plugin,
                ] {
                    let chosen = choose_baseline(&facts, reach).map(|found| found.revision.subject);
                    let on_main = matches!(position, DefaultBranch | Detached);
                    let expected = match (kind, on_main) {
                        (_, true) if !status.is_empty() && reach != ChangeReach::Nothing => {
                            Ok("m3")
                        }
                        (CloneKind::Shallow, _) => Err(()),
                        (_, true) => Ok("m2"),
                        (_, false) if position == Branch => Ok("m2"),
                        (_, false) => Ok("m3"),
                    };
                    match (chosen, expected) {
                        (Ok(chosen), Ok(expected)) => {
                            assert_eq!(chosen, expected, "{case}, {reach:?}")
                        }
                        (Err(error), Err(())) => {
                            assert!(
                                error.to_string().contains("--unshallow"),
                                "{case}, {reach:?}: {error}"
                            );
                        }
                        (chosen, _) => panic!("{case}, {reach:?}: {chosen:?}"),
                    }
                }
                run_shell(&folder, "git reset -q --hard && git clean -qfdx");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 6 * 4 * CHANGES.len());
}

fn choose_usual_baseline(root: &Path) -> Result<String, BaselineError> {
    let facts = read_facts(root)?;
    choose_baseline(&facts, ChangeReach::Unknown).map(|found| found.revision.subject)
}

#[test]
fn baseline_of_a_branch_is_the_commit_at_which_it_began() {
    let sample = SampleRepository::new();
    assert_eq!(
        choose_usual_baseline(sample.path()),
        Err(BaselineError::Empty)
    );
    sample.commit_files("first", &[("a", "1")]);
    assert_eq!(
        choose_usual_baseline(sample.path()),
        Err(BaselineError::First)
    );
    sample.write_file("a", "2");
    assert_eq!(choose_usual_baseline(sample.path()).expect("HEAD"), "first");
    let facts = read_facts(sample.path()).expect("facts");
    assert_eq!(
        choose_baseline(&facts, ChangeReach::Nothing),
        Err(BaselineError::First)
    );
    sample.commit_files("second", &[]);
    assert_eq!(
        choose_usual_baseline(sample.path()).expect("the commit before"),
        "first"
    );
    sample.run_git(&["checkout", "-q", "-b", "topic"]);
    sample.commit_files("third", &[("a", "3")]);
    sample.commit_files("fourth", &[("a", "4")]);
    assert_eq!(
        choose_usual_baseline(sample.path()).expect("where it began"),
        "second"
    );
    sample.run_git(&["branch", "-q", "-m", "main", "trunk"]);
    assert_eq!(
        choose_usual_baseline(sample.path()),
        Err(BaselineError::NoBranch)
    );
    std::fs::write(sample.path().join(".git/index"), "no index").expect("written");
    assert!(
        matches!(
            choose_usual_baseline(sample.path()),
            Err(BaselineError::Git(_))
        ),
        "a tree that git cannot read"
    );
}

#[test]
fn known_good_under_git_bisect_is_the_newest_good_commit() {
    let sample = SampleRepository::new();
    let first = sample.commit_files("first", &[("a", "1")]);
    let second = sample.commit_files("second", &[("a", "2")]);
    sample.commit_files("third", &[("a", "3")]);
    assert_eq!(find_known_good(sample.path()), Err(BaselineError::NoGood));
    for commit in [&first, &second] {
        sample.run_git(&["update-ref", &format!("refs/bisect/good-{commit}"), commit]);
    }
    let subject = || {
        find_known_good(sample.path())
            .expect("a good commit")
            .revision
            .subject
    };
    assert_eq!(subject(), "second");
    sample.run_git(&["checkout", "-q", &first]);
    assert_eq!(subject(), "first", "HEAD does not descend from the second");
}
