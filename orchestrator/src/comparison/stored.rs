//! Comparison of two stored records. Counts are judged directly, times only through an anchor that
//! both records were paired with.

use super::entries::{self, AnchorVerdict, WorkloadFacts};
use super::{CodeRelation, ComparedWorkload, ComparisonOutcome, RelativeChange, scopes, totals};
use crate::model::reason::{ComparisonObstacle, NextMeasurement, Reason, UnpairedCause};
use crate::record::anchored::{self, SharedAnchor};
use crate::record::{JobRecord, Record};
use std::collections::HashMap;
use wildmatch::WildMatch;

/// Compares all jobs of two records that match a filter.
pub(crate) fn compare_records(a: &Record, b: &Record, filter: Option<&str>) -> ComparisonOutcome {
    let pattern = filter.map(WildMatch::new);
    let wanted = |job: &&JobRecord| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches(&job.id))
    };
    let mut outcome = ComparisonOutcome {
        entries: Vec::new(),
        workloads: Vec::new(),
        interrupted: false,
    };
    let by_id = |record: &'_ Record| -> HashMap<String, usize> {
        record
            .jobs
            .iter()
            .enumerate()
            .map(|(at, job)| (job.id.clone(), at))
            .collect()
    };
    let (of_a, of_b) = (by_id(a), by_id(b));
    let in_b = |id: &str| of_b.get(id).map(|at| &b.jobs[*at]);
    let shared = |job: &&JobRecord| {
        wanted(job) && in_b(&job.id).is_some_and(|other| SharedAnchor::of(job, other).is_some())
    };
    let ground = RecordContext {
        elsewhere: find_record_obstacle(a, b),
        together: a.jobs.iter().filter(shared).count(),
        changed: anchored::machine_changed(a, b),
        remedy: find_next_measurement(a, b),
    };
    for job in a.jobs.iter().filter(wanted) {
        compare_job(&mut outcome, Some(job), in_b(&job.id), &ground);
    }
    for job in b
        .jobs
        .iter()
        .filter(wanted)
        .filter(|job| !of_a.contains_key(&job.id))
    {
        compare_job(&mut outcome, None, Some(job), &ground);
    }
    outcome
}

/// Returns the dimension in which two whole records are not comparable.
fn find_record_obstacle(a: &Record, b: &Record) -> Option<ComparisonObstacle> {
    if a.machine.class != b.machine.class {
        let classes = [a, b].map(|record| record.machine.class.clone());
        return Some(ComparisonObstacle::MachineClass(classes));
    }
    let shown = |record: &Record| {
        record
            .toolchain
            .as_deref()
            .map_or("unknown", |text| text.lines().next().unwrap_or_default())
            .to_owned()
    };
    (a.toolchain != b.toolchain).then(|| ComparisonObstacle::Toolchain([a, b].map(shown)))
}

/// Returns the measurement that decides what the records cannot: a comparison of both commits, if
/// both are known, clean and different.
fn find_next_measurement(a: &Record, b: &Record) -> NextMeasurement {
    let commit = |record: &Record| record.git.commit.clone().filter(|_| !record.git.dirty);
    match (commit(a), commit(b)) {
        (Some(a), Some(b)) if a != b => {
            let short = |commit: String| commit[..10.min(commit.len())].to_owned();
            NextMeasurement::Compare([short(a), short(b)])
        }
        (Some(a), Some(b)) if a == b => NextMeasurement::SameCommit,
        _ => NextMeasurement::Unknown,
    }
}

/// Facts about both records that every job's comparison needs.
struct RecordContext {
    /// Reason why nothing compares.
    elsewhere: Option<ComparisonObstacle>,
    /// Number of jobs that were paired with the same artefact.
    together: usize,
    /// Message about a changed machine, in which case no time compares.
    changed: Option<String>,
    /// Measurement that decides more than the records can.
    remedy: NextMeasurement,
}

/// Judges the time of a job through the anchor that both sides share.
fn judge_through_anchor(
    a: &JobRecord,
    b: &JobRecord,
    ground: &RecordContext,
) -> Option<AnchorVerdict> {
    let common = SharedAnchor::of(a, b)?;
    let (verdict, reason) =
        common.verdict(ground.together, ground.changed.as_deref(), &ground.remedy);
    let [estimate, low, high] =
        [common.shift.estimate, common.shift.low, common.shift.high].map(f64::exp_m1);
    let change = RelativeChange {
        estimate,
        low: Some(low),
        high: Some(high),
    };
    Some(AnchorVerdict {
        verdict,
        change,
        pairs: common.pairs,
        margin: common.margin,
        reason,
    })
}

/// Relates the code of two jobs by the hashes of their files. Equal plugin files do not prove equal
/// code, because a plugin may load other libraries.
fn compare_hashes(a: &JobRecord, b: &JobRecord) -> CodeRelation {
    match [&a.plugin.hash, &b.plugin.hash] {
        [Some(a), Some(b)] if a != b => CodeRelation::Different,
        [Some(_), Some(_)] => CodeRelation::Unknown(
            "the same file, but records do not contain the hashes of the libraries that it links to"
                .to_owned(),
        ),
        _ => CodeRelation::Unknown(
            "a record does not contain the hash of the plugin's file".to_owned(),
        ),
    }
}

fn compare_job(
    outcome: &mut ComparisonOutcome,
    a: Option<&JobRecord>,
    b: Option<&JobRecord>,
    ground: &RecordContext,
) {
    let Some(known) = a.or(b) else { return };
    let margin = known.settings.tolerance;
    let code = match (a, b) {
        (Some(a), Some(b)) => compare_hashes(a, b),
        _ => CodeRelation::Unknown("only one record has this job".to_owned()),
    };
    let (mut missing, mut places) = (None, Vec::new());
    let found = match (a, b) {
        (Some(a), Some(b)) => match ground
            .elsewhere
            .clone()
            .or_else(|| entries::find_obstacle(a, b))
        {
            Some(obstacle) => vec![entries::build_refused_entry(&known.id, margin, obstacle)],
            None => {
                missing = entries::describe_unmeasured([a, b]);
                let found = entries::judge_workload(&WorkloadFacts {
                    id: &known.id,
                    sides: [a, b],
                    code: &code,
                    margin,
                    paired: None,
                    unpaired: UnpairedCause::NoCommonAnchor,
                    through: judge_through_anchor(a, b, ground),
                    output_accepted: false,
                    more: "",
                });
                if found.iter().any(entries::is_change) {
                    places = scopes::changes(a, b, &found);
                }
                found
            }
        },
        _ => {
            let side = if a.is_some() { "A" } else { "B" };
            let reason = Reason::OnlyOneRecord { side };
            missing = Some(reason.to_string());
            vec![entries::build_missing_entry(&known.id, margin, &reason)]
        }
    };
    outcome.workloads.push(ComparedWorkload {
        id: known.id.clone(),
        workload: known.workload.clone(),
        params: known.params.clone(),
        threads: Some(known.settings.threads),
        verdict: totals::of_workload(&found),
        trade_off: found.iter().any(|entry| entry.trade_off),
        code,
        missing,
        only_b: false,
        warnings: Vec::new(),
        warning_kinds: Vec::new(),
        scopes: places,
        pairs: Vec::new(),
        wall_ns: 0,
    });
    outcome.entries.extend(found);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::Verdict;
    use super::super::tests::{paired_result, side};
    use super::*;
    use crate::model::reason::ReasonKind;
    use crate::record::anchored::{AnchorRecord, AnchorRole, AnchorTerms, AnchoredJob};
    use crate::runner::anchor_pairs::AnchorSeries;
    use serde_json::json;

    /// Returns a job with so many allocations, so much slower than the anchor (a log ratio), with a
    /// margin of its own.
    fn night(library: &str, allocations: f64, slower: f64, margin: f64) -> JobRecord {
        let anchor = AnchorRecord {
            name: "v1".into(),
            commit: "0123456789abcdef".into(),
            subject: String::new(),
            committed: String::new(),
            role: AnchorRole::Anchor,
            artefacts: [("p".to_owned(), Some("anchor".to_owned()))].into(),
        };
        let terms = AnchorTerms {
            anchor: &anchor,
            together: 1,
            changed: None,
        };
        let tied = AnchorSeries {
            pairs: paired_result(slower, 5).pairs,
            ..AnchorSeries::default()
        };
        let mut job = side(allocations, json!(1));
        job.plugin.hash = Some(library.to_owned());
        job.anchored = vec![AnchoredJob::judged(
            &tied,
            ["anchor", library],
            margin,
            &terms,
        )];
        job
    }

    fn entry(a: &JobRecord, b: &JobRecord, metric: &str) -> super::super::MetricEntry {
        let mut outcome = ComparisonOutcome {
            entries: Vec::new(),
            workloads: Vec::new(),
            interrupted: false,
        };
        compare_job(
            &mut outcome,
            Some(a),
            Some(b),
            &RecordContext {
                elsewhere: None,
                together: 1,
                changed: None,
                remedy: NextMeasurement::Unknown,
            },
        );
        outcome
            .entries
            .into_iter()
            .find(|entry| entry.metric.name() == metric)
            .expect("an entry")
    }

    #[test]
    fn larger_margin_of_both_runs_applies_through_an_anchor() {
        let time = |margins: [f64; 2]| {
            let entry = entry(
                &night("a", 1.0, 0.0, margins[0]),
                &night("b", 1.0, 0.03, margins[1]),
                "time",
            );
            (entry.verdict, entry.margin)
        };
        assert_eq!(time([0.01, 0.01]), (Verdict::Regressed, 0.01));
        for margins in [[0.05, 0.01], [0.01, 0.05]] {
            assert_eq!(
                time(margins),
                (Verdict::Equivalent, 0.05),
                "a build effect that one of the runs knew"
            );
        }
    }

    #[test]
    fn same_library_is_the_same_code_and_its_counts_are_still_judged() {
        let (a, mut b) = (night("a", 3.0, 0.0, 0.01), night("a", 4.0, 0.05, 0.01));
        let time = entry(&a, &b, "time");
        assert_eq!(
            (time.verdict, time.reason_kind),
            (Verdict::Equivalent, Some(ReasonKind::SameCode))
        );
        assert_eq!(entry(&a, &b, "allocations").verdict, Verdict::Regressed);
        b.inputs.insert("in.bin".to_owned(), "hash".to_owned());
        assert_eq!(
            entry(&a, &b, "time").verdict,
            Verdict::Regressed,
            "whether A had the same file is unknown"
        );
    }

    #[test]
    fn series_that_a_crash_ended_is_no_way_from_record_to_record() {
        let (a, mut b) = (night("a", 1.0, 0.0, 0.01), night("b", 1.0, 0.05, 0.01));
        assert_eq!(entry(&a, &b, "time").verdict, Verdict::Regressed);
        b.anchored[0].verdict = Verdict::Missing;
        for time in [entry(&a, &b, "time"), entry(&b, &a, "time")] {
            assert_eq!((time.verdict, time.pairs), (Verdict::Inconclusive, 0));
            assert_eq!(time.reason_kind, Some(ReasonKind::Unpaired));
        }
    }

    #[test]
    fn libraries_are_distinguished_where_both_hashes_are_known() {
        let with = |hash: Option<&str>| {
            let mut job = side(1.0, json!(1));
            job.plugin.hash = hash.map(str::to_owned);
            job
        };
        let found = |a, b| compare_hashes(&with(a), &with(b));
        assert_eq!(found(Some("a"), Some("b")), CodeRelation::Different);
        assert!(
            matches!(found(Some("a"), Some("a")), CodeRelation::Unknown(why)
                if why.starts_with("the same file, "))
        );
        assert!(matches!(found(Some("a"), None), CodeRelation::Unknown(why)
                if why.starts_with("a record does not contain ")));
    }

    #[test]
    fn records_with_other_input_files_are_not_comparable() {
        let with = |hash: &str| {
            let mut job = side(1.0, json!(null));
            job.inputs.insert("data/in.bin".to_owned(), hash.to_owned());
            job
        };
        assert_eq!(entries::find_obstacle(&with("1"), &with("1")), None);
        let refused = entries::find_obstacle(&with("1"), &with("2"));
        assert_eq!(
            refused.as_ref(),
            Some(&ComparisonObstacle::InputFile {
                name: "data/in.bin".to_owned()
            })
        );
        assert_eq!(
            refused
                .map(Reason::NotComparable)
                .map(|reason| reason.to_string()),
            Some("not comparable: the input file data/in.bin differs in B".to_owned())
        );
    }

    #[test]
    fn entry_of_an_older_comparison_has_a_reason_without_a_kind() {
        let entry = entries::build_refused_entry("job", 0.01, ComparisonObstacle::Threads([1, 2]));
        let mut older = serde_json::to_value(&entry).unwrap();
        assert_eq!(older["reason_kind"], json!("not_comparable"));
        older.as_object_mut().unwrap().remove("reason_kind");
        let read: super::super::MetricEntry = serde_json::from_value(older).unwrap();
        assert_eq!(
            (read.reason.as_str(), read.reason_kind),
            ("not comparable: threads 1 in A, 2 in B", None)
        );
    }
}
