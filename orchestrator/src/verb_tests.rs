//! Tests of the verbs as library calls: requests in, results and errors out, without a process or a
//! terminal.

use crate::bisect::commit_builds::BisectContext;
use crate::bisect::replay::CommitProbe;
use crate::bisect::{BisectDirection, BisectObserver, BisectRequest, bisect};
use crate::cache;
use crate::check::{CheckRequest, check};
use crate::compare::{CompareRequest, compare};
use crate::comparison::{SideKind, Verdict};
use crate::context::CommandContext;
use crate::error::ErrorKind;
use crate::git::Revision;
use crate::git::sample_repository::SampleRepository;
use crate::import::{ImportRequest, import_results};
use crate::project::report_names::ReportMatch;
use crate::run::{RunRequest, run};
use crate::runner::event::{ProgressEvent, ProgressObserver};
use crate::runner::interrupt::Interrupt;
use crate::runner::pair_series::PairRecord;
use crate::scale;
use orch_core::search::SectionView;
use std::path::{Path, PathBuf};

mod special_files;

struct IgnoredProgress;

impl ProgressObserver for IgnoredProgress {
    fn see(&mut self, _: ProgressEvent<'_>) {}
}

impl BisectObserver for IgnoredProgress {
    fn begin_probe(&mut self, _: &Revision, _: bool) {}
    fn end_probe(&mut self, _: &Revision, _: &CommitProbe, _: f64) {}
    fn end_pair(&mut self, _: &Revision, _: &[f64]) {}
    fn end_batch(&mut self, _: &Revision, _: &Revision, _: &[PairRecord]) {}
    fn begin_confirmation(&mut self, _: &Revision, _: &Revision) {}
    fn show_search(&mut self, _: &SectionView<'_>, _: &BisectContext, _: f64, _: f64) {}
    fn show_candidates(&mut self, _: usize, _: f64, _: f64) {}
    fn end(&mut self) {}
}

fn request_compare(names: [String; 2], results: &Path) -> CompareRequest {
    CompareRequest {
        names,
        scenario: None,
        filter: None,
        set: None,
        plugin: None,
        repo: None,
        results: Some(results.to_owned()),
        pairs: 10,
        time: "1s".to_owned(),
        control: false,
        seed: Some(1),
    }
}

#[test]
fn compare_judges_two_records() {
    let folder = tempfile::tempdir().unwrap();
    let names = [("before", 1), ("after", 2)].map(|(name, allocations)| {
        let path = folder.path().join(format!("{name}.json"));
        let record = scale::large_record(4, allocations);
        std::fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
        path.display().to_string()
    });
    let interrupt = Interrupt::without_signals().unwrap();
    let context = CommandContext::begin(&interrupt);
    let request = request_compare(names, &folder.path().join("results"));
    let result = compare(
        &request,
        &|_, _| ReportMatch::Known,
        &context,
        &mut IgnoredProgress,
    )
    .unwrap();
    let comparison = result.comparison;
    assert_eq!(comparison.a.kind, SideKind::Record);
    assert_eq!(comparison.workloads.len(), 4);
    assert_eq!(comparison.verdict, Verdict::Regressed);
    assert_eq!(result.results, folder.path().join("results"));
}

#[test]
fn compare_refuses_names_without_a_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::without_signals().unwrap();
    let context = CommandContext::begin(&interrupt);
    let names = ["no-such-thing", "nor-this"].map(str::to_owned);
    let request = request_compare(names, folder.path());
    let error = compare(
        &request,
        &|_, _| ReportMatch::Known,
        &context,
        &mut IgnoredProgress,
    )
    .err()
    .unwrap();
    assert_eq!(error.kind(), ErrorKind::Input);
    let text = error.to_string();
    assert!(text.contains("'no-such-thing' is not a file"), "{text}");
    assert!(text.contains("\nhint: name a revision such as"), "{text}");
}

#[test]
fn run_and_check_refuse_a_missing_scenario() {
    let interrupt = Interrupt::without_signals().unwrap();
    let context = CommandContext::begin(&interrupt);
    let scenario = Some(PathBuf::from("/nonexistent/s.yaml"));
    let request = RunRequest {
        scenario: scenario.clone(),
        filter: None,
        results: None,
        resume: false,
        seed: Some(1),
    };
    let ran = run(
        &request,
        &|_, _| ReportMatch::Known,
        &context,
        &mut IgnoredProgress,
    )
    .err();
    let request = CheckRequest {
        scenario,
        baseline: None,
        for_git_bisect: false,
        only: None,
        filter: None,
        budget: None,
        repo: None,
        results: None,
        seed: Some(1),
    };
    let checked = check(
        &request,
        &|_, _| ReportMatch::Known,
        &context,
        &mut IgnoredProgress,
    )
    .err();
    for error in [ran.unwrap(), checked.unwrap()] {
        assert_eq!(error.kind(), ErrorKind::Input);
        let text = error.to_string();
        assert!(text.contains("cannot read the scenario"), "{text}");
    }
}

#[test]
fn import_lists_what_contradicts_itself() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = package.join("tests/fixtures/comparison-2026-02-04.csv");
    let import = |first: &Path| {
        let first = first.to_owned();
        import_results(&ImportRequest {
            first,
            second: None,
        })
    };
    let comparison = import(&table).unwrap();
    assert_eq!(comparison.a.kind, SideKind::Imported);
    assert!(!comparison.contradictions.is_empty());
    assert_eq!(
        import(Path::new("/nonexistent.csv")).err().unwrap().kind(),
        ErrorKind::Input
    );
}

#[test]
fn bisect_refuses_what_cannot_be_searched() {
    let sample = SampleRepository::new();
    let scenario = "plugins: { p: { dir: plugin, build: 'false' } }\n\
        workloads: [{ id: w, workload: p/w }]\n";
    sample.commit_files("c0", &[("s.yaml", scenario), ("plugin/x.c", "0")]);
    sample.commit_files("c1", &[("plugin/x.c", "1")]);
    cache::OF_THIS_TEST.set(Some(sample.path_beside("cache")));
    let interrupt = Interrupt::without_signals().unwrap();
    let context = CommandContext::begin(&interrupt);
    let request = BisectRequest {
        scenario: Some(sample.path().join("s.yaml")),
        workload: Some("w".to_owned()),
        good: Some("HEAD~1".to_owned()),
        bad: Some("HEAD".to_owned()),
        metric: None,
        direction: BisectDirection::Worse,
        all: false,
        first: false,
        verify_revert: false,
        resume: false,
        retry_failed: false,
        pairs: 10,
        repo: None,
        results: None,
        seed: Some(1),
    };
    let refuse = |change: &dyn Fn(&mut BisectRequest)| {
        let mut wrong = request.clone();
        change(&mut wrong);
        let error = bisect(&wrong, &context, &mut IgnoredProgress)
            .err()
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        error.to_string()
    };
    let nowhere = refuse(&|request| request.good = Some("nowhere".to_owned()));
    assert!(nowhere.contains("does not name a revision of"), "{nowhere}");
    let none = refuse(&|request| request.workload = Some("x".to_owned()));
    assert!(none.contains("has no job 'x'"), "{none}");
    let nothing = refuse(&|request| request.pairs = 0);
    assert!(nothing.contains("measures nothing"), "{nothing}");
    let left = refuse(&|request| request.resume = true);
    assert!(left.contains("no stopped bisect of"), "{left}");
    assert!(!sample.path().join("results").exists());
}
