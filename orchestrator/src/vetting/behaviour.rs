//! Findings from the workers of a plugin's workload.

use super::warning_grade::grade_warning;
use super::{FindingLevel, PluginFinding};
use crate::record::{Digest, JobOutcome, JobRecord};
use crate::runner::process::LimitsMet;
use orch_core::format;
use orch_core::protocol::{CallWork, InstanceCheck, Phase, PluginErrorKind};

/// Growth of resident memory, beyond malloc's blocks, above which the memory has another source.
const UNSEEN: i64 = 4 << 20;
/// Memory that a second instance may leave behind without counting as a leak.
const KEPT: i64 = 1 << 10;
/// Setup time above which short jobs mostly wait for setup.
const LONG_SETUP_NS: u64 = 1_000_000_000;

/// Worker limits of a trial.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrialBounds {
    pub(crate) seconds: u64,
    pub(crate) memory: u64,
}

/// End of a pass without an answer.
#[derive(Debug, Clone)]
pub(crate) struct PassEnding<'a> {
    pub(crate) phase: Phase,
    pub(crate) message: &'a str,
    pub(crate) skipped: bool,
    pub(crate) limits: LimitsMet,
}

/// Judges a pass without a result. At the end of a parameter's range, a trial that is too slow or
/// too large is no fault of the plugin.
pub(crate) fn judge_failure(
    place: &str,
    ending: &PassEnding,
    bounds: TrialBounds,
    at_an_end: bool,
) -> PluginFinding {
    let (phase, message) = (ending.phase.name(), ending.message);
    if ending.skipped {
        return PluginFinding::new(
            FindingLevel::Note,
            place,
            format!("not checked: the plugin reports that it cannot run here: {message}"),
            "check it on a machine that meets its requirements",
        );
    }
    if at_an_end && ending.limits.timed_out {
        let what = format!(
            "not checked: {} takes longer than {} s",
            describe_phase(ending.phase),
            bounds.seconds
        );
        return PluginFinding::new(
            FindingLevel::Note,
            place,
            what,
            "allow a smaller range, if larger values are not measured",
        );
    }
    if at_an_end && ending.limits.refused_bytes > 0 {
        let (asked, limit) = (ending.limits.refused_bytes as f64, bounds.memory as f64);
        let what = format!(
            "not checked: {} asked for {}, but the limit is {}",
            describe_phase(ending.phase),
            format::bytes(asked),
            format::bytes(limit)
        );
        return PluginFinding::new(
            FindingLevel::Note,
            place,
            what,
            "allow a smaller range, if larger values are not measured",
        );
    }
    if at_an_end
        && ending.phase == Phase::Create
        && ending.limits.reported == Some(PluginErrorKind::Params)
    {
        return PluginFinding::new(
            FindingLevel::Note,
            place,
            format!("the schema allows it, but create refuses it: {message}"),
            "express the limit in the schema if possible",
        );
    }
    let remedy = if ending.limits.timed_out {
        "choose a default that takes less time: a longer job can have a `timeout` of its own"
    } else {
        remedy(ending.phase)
    };
    PluginFinding::new(
        FindingLevel::Error,
        place,
        format!("failed in {phase}: {message}"),
        remedy,
    )
}

/// Returns the remedy for a failure in a phase.
pub(crate) fn remedy(phase: Phase) -> &'static str {
    match phase {
        Phase::Start => "make every workload measurable without further preparation",
        Phase::Build => "read the compiler's output above",
        Phase::Load => "provide the plugin symbol, its functions and the libraries that it needs",
        Phase::Describe => "let describe return its document in any process, at any time",
        Phase::Create | Phase::Setup => {
            "make the defaults work, and all parameters that the schema allows"
        }
        Phase::Digest => "make digest work after any number of iterations",
        Phase::WarmUp | Phase::Run => "make every iteration repeatable",
        Phase::Teardown | Phase::Destroy => {
            "let an instance end cleanly after any number of iterations"
        }
    }
}

/// Describes the plugin's activity in a phase, for its author.
fn describe_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Digest | Phase::WarmUp | Phase::Run => "an iteration",
        other => other.name(),
    }
}

/// Judges the life of one instance.
pub(crate) fn judge_life(place: &str, checked: &InstanceCheck) -> Vec<PluginFinding> {
    let mut found = Vec::new();
    let mut add = |level, what: String, remedy: &str| {
        found.push(PluginFinding::new(level, place, what, remedy))
    };
    judge_digests(checked, &mut add);
    judge_work(&checked.work, &mut add);
    judge_threads(checked, &mut add);
    let counted = i64::try_from(checked.counted_peak).unwrap_or(i64::MAX);
    if checked.resident_growth - counted > UNSEEN {
        let [grew, counted] = [checked.resident_growth as f64, counted as f64].map(format::bytes);
        let what = format!(
            "resident memory grew by {grew} in setup and the first iterations; malloc returned \
             {counted} of it"
        );
        add(
            FindingLevel::Warning,
            what,
            "mapped memory, and memory of an allocator of its own, is not counted: mention it in \
             `about`",
        );
    }
    if checked.setup_ns > LONG_SETUP_NS {
        let what = format!(
            "create and setup take {}, in each of a job's processes",
            format::time(checked.setup_ns as f64)
        );
        add(
            FindingLevel::Note,
            what,
            "use smaller inputs, or inputs from a file, for shorter runs",
        );
    }
    found
}

/// Judges a second instance in one process. The memory that it leaves cannot be a cache that the
/// first instance filled.
pub(crate) fn judge_second_life(place: &str, checked: &InstanceCheck) -> Option<PluginFinding> {
    let what = format!(
        "{} of an instance are still allocated after destroy",
        format::bytes(checked.kept_bytes as f64)
    );
    let remedy = "free in teardown and destroy what create and setup allocated";
    (checked.kept_bytes > KEPT)
        .then(|| PluginFinding::new(FindingLevel::Warning, place, what, remedy))
}

fn judge_digests(checked: &InstanceCheck, add: &mut impl FnMut(FindingLevel, String, &str)) {
    let read = |text: &str| match text.trim() {
        "" => None,
        text => Some(serde_json::from_str::<Digest>(text).map_err(|error| error.to_string())),
    };
    let first = match read(&checked.first) {
        Some(Ok(digest)) => digest,
        Some(Err(error)) => {
            let what = format!("its digest is invalid: {error}: {}", checked.first.trim());
            return add(
                FindingLevel::Error,
                what,
                "write {\"value\": number or text}, or nothing",
            );
        }
        None => {
            let why = if checked.has_digest {
                "its digest is empty"
            } else {
                "it has no digest"
            };
            let what = format!("{why}: a faster but wrong result would not be noticed");
            return add(
                FindingLevel::Warning,
                what,
                "summarise the output in `digest` (extension orch.digest/1)",
            );
        }
    };
    match read(&checked.again) {
        Some(Ok(again)) if first.agrees(&again) => {}
        Some(Ok(again)) => {
            let what = format!(
                "after reset, the same iteration computes a different result: first {}, then {}",
                first.value, again.value
            );
            return add(
                FindingLevel::Error,
                what,
                "restore in `reset` (extension orch.reset/1) what an iteration changes",
            );
        }
        _ => {
            return add(
                FindingLevel::Error,
                "its second digest cannot be read".to_owned(),
                "write the same document each time",
            );
        }
    }
    if let Some(Ok(further)) = read(&checked.further)
        && !first.agrees(&further)
    {
        let what = format!(
            "without reset, a further iteration computes a different result: {} instead of {}",
            further.value, first.value
        );
        add(
            FindingLevel::Note,
            what,
            "samples contain several iterations: make sure that later ones do as much work",
        );
    }
}

/// Checks that `run(n)` does n iterations.
fn judge_work(work: &[CallWork], add: &mut impl FnMut(FindingLevel, String, &str)) {
    const REMEDY: &str = "loop `iters` times in `run`, and do nothing for 0";
    let of = |iterations: u64| work.iter().find(|work| work.iterations == iterations);
    let (Some(none), Some(one), Some(three)) = (of(0), of(1), of(3)) else {
        return;
    };
    if let Some(counter) = none.counters.iter().find(|counter| counter.sum != 0.0) {
        let what = format!("run(0) adds {} to counter `{}`", counter.sum, counter.name);
        return add(FindingLevel::Error, what, REMEDY);
    }
    let counted = one
        .counters
        .iter()
        .filter(|counter| counter.sum != 0.0)
        .find_map(|counter| {
            let same = three
                .counters
                .iter()
                .find(|other| other.name == counter.name)?;
            (same.sum == counter.sum)
                .then(|| format!("{} to counter `{}`", counter.sum, counter.name))
        });
    if let Some(counted) = counted {
        return add(
            FindingLevel::Error,
            format!("run(3) does the work of run(1): both add {counted}"),
            REMEDY,
        );
    }
    if one.counters.is_empty() && one.allocations > 0 && one.allocations == three.allocations {
        let what = format!(
            "run(3) does the work of run(1): both allocate {} times",
            one.allocations
        );
        add(FindingLevel::Error, what, REMEDY);
    }
}

fn judge_threads(checked: &InstanceCheck, add: &mut impl FnMut(FindingLevel, String, &str)) {
    let InstanceCheck {
        setup_threads,
        run_threads,
        end_threads,
        ..
    } = *checked;
    if setup_threads > 0 {
        let what = format!(
            "setup leaves {setup_threads} thread(s) beside the driver, although ORCH_THREADS is 1"
        );
        add(
            FindingLevel::Warning,
            what,
            "start as many threads as ORCH_THREADS allows; counts of several threads are ranges",
        );
    }
    if run_threads > setup_threads {
        let more = run_threads - setup_threads;
        let what = format!("run leaves {more} thread(s) running");
        add(
            FindingLevel::Warning,
            what,
            "start thread pools in setup: threads that run between samples disturb them",
        );
    }
    if end_threads > 0 {
        let what = format!("{end_threads} thread(s) still run after destroy");
        add(
            FindingLevel::Warning,
            what,
            "end them in teardown or destroy",
        );
    }
}

/// Judges the record of the workload with its defaults.
pub(crate) fn judge_record(place: &str, record: &JobRecord) -> Vec<PluginFinding> {
    let warnings = record.warnings.iter().zip(&record.warning_kinds);
    warnings
        .map(|(warning, kind)| {
            let (level, remedy) = grade_warning(*kind);
            PluginFinding::new(level, place, warning.clone(), remedy)
        })
        .collect()
}

/// Returns whether a record belongs to a workload that could be measured.
pub(crate) fn is_measured(record: &JobRecord) -> bool {
    record.outcome == JobOutcome::Measured
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use orch_core::protocol::CounterSum;

    fn checked() -> InstanceCheck {
        let work = |iterations: u64| CallWork {
            iterations,
            allocations: iterations,
            counters: vec![CounterSum {
                name: "c".to_owned(),
                sum: 2.0 * iterations as f64,
                rounding: 0.0,
            }],
        };
        let digest = r#"{"value": 1}"#.to_owned();
        InstanceCheck {
            setup_ns: 1,
            iteration_ns: 1,
            has_digest: true,
            first: digest.clone(),
            again: digest.clone(),
            further: digest,
            work: [0, 1, 3].map(work).into(),
            setup_threads: 0,
            run_threads: 0,
            end_threads: 0,
            resident_growth: UNSEEN,
            counted_peak: 0,
            kept_bytes: KEPT,
        }
    }

    #[test]
    fn good_life_has_no_findings_and_each_fault_one() {
        assert_eq!(judge_life("w", &checked()), []);
        let check = |change: fn(&mut InstanceCheck), level: FindingLevel, part: &str| {
            let mut checked = checked();
            change(&mut checked);
            let found = judge_life("w", &checked);
            assert!(
                found.len() == 1 && found[0].level == level && found[0].what.contains(part),
                "{part}: {found:?}"
            );
        };
        check(|c| c.first = "x".into(), FindingLevel::Error, "is invalid");
        check(
            |c| c.first.clear(),
            FindingLevel::Warning,
            "digest is empty",
        );
        check(
            |c| (c.has_digest, c.first) = (false, String::new()),
            FindingLevel::Warning,
            "has no digest",
        );
        check(
            |c| c.again = r#"{"value": 2}"#.into(),
            FindingLevel::Error,
            "first 1, then 2",
        );
        check(|c| c.again.clear(), FindingLevel::Error, "second digest");
        check(
            |c| c.further = r#"{"value": 2}"#.into(),
            FindingLevel::Note,
            "2 instead of 1",
        );
        check(
            |c| c.work[0].counters[0].sum = 1.0,
            FindingLevel::Error,
            "run(0) adds 1 to counter `c`",
        );
        check(
            |c| c.work[2].counters[0].sum = 2.0,
            FindingLevel::Error,
            "both add 2 to counter `c`",
        );
        check(
            |c| {
                c.work.iter_mut().for_each(|work| work.counters.clear());
                c.work[2].allocations = 1;
            },
            FindingLevel::Error,
            "both allocate 1 times",
        );
        check(
            |c| (c.setup_threads, c.run_threads) = (1, 1),
            FindingLevel::Warning,
            "ORCH_THREADS",
        );
        check(
            |c| c.run_threads = 2,
            FindingLevel::Warning,
            "run leaves 2 thread(s)",
        );
        check(
            |c| c.end_threads = 1,
            FindingLevel::Warning,
            "after destroy",
        );
        check(
            |c| c.resident_growth += 1 << 20,
            FindingLevel::Warning,
            "malloc returned 0 B of it",
        );
        check(
            |c| c.setup_ns = 2_000_000_000,
            FindingLevel::Note,
            "take 2 s",
        );
    }

    #[test]
    fn memory_kept_by_a_second_instance_is_reported() {
        assert_eq!(judge_second_life("w", &checked()), None);
        let leaks = InstanceCheck {
            kept_bytes: 1 << 20,
            ..checked()
        };
        assert!(
            judge_second_life("w", &leaks)
                .is_some_and(|found| found.what.starts_with("1 MiB of an instance"))
        );
    }

    #[test]
    fn slow_and_large_trials_are_notes_only_at_the_ends() {
        let ending = |limits| PassEnding {
            phase: Phase::Run,
            message: "m",
            skipped: false,
            limits,
        };
        let level = |limits, at_an_end| {
            judge_failure(
                "w",
                &ending(limits),
                TrialBounds {
                    seconds: 5,
                    memory: 1 << 30,
                },
                at_an_end,
            )
            .level
        };
        let slow = LimitsMet {
            timed_out: true,
            ..LimitsMet::default()
        };
        let large = LimitsMet {
            refused_bytes: 1 << 40,
            ..LimitsMet::default()
        };
        assert_eq!(
            [slow, large, LimitsMet::default()].map(|limits| level(limits, true)),
            [FindingLevel::Note, FindingLevel::Note, FindingLevel::Error]
        );
        assert_eq!(
            [slow, large].map(|limits| level(limits, false)),
            [FindingLevel::Error, FindingLevel::Error]
        );
    }

    #[test]
    fn warnings_of_a_record_are_graded_by_kind_and_not_by_words() {
        let record = |texts: [&str; 3]| -> JobRecord {
            serde_json::from_value(serde_json::json!({
                "id": "w", "workload": "p/w", "about": null, "iteration": null, "params": {},
                "tags": [], "plugin": { "path": "p.so" }, "outcome": "measured",
                "settings": {
                    "time_ns": 1, "rounds": 0, "timeout_ns": 1, "memory_bytes": 1, "threads": 1,
                    "tolerance": 0.01,
                },
                "warnings": texts,
                "warning_kinds": ["output_differs", "uneven_iterations", "left_processes"],
                "metrics": {}, "metrics_info": {}, "scopes": [],
                "wall": {
                    "profile_ns": 0, "count_ns": 0, "time_ns": 0, "samples_ns": 0, "warm_up_ns": 0,
                },
            }))
            .unwrap()
        };
        let levels = |texts| -> Vec<FindingLevel> {
            judge_record("w", &record(texts))
                .into_iter()
                .map(|found| found.level)
                .collect()
        };
        let expected = [
            FindingLevel::Error,
            FindingLevel::Note,
            FindingLevel::Warning,
        ];
        assert_eq!(levels(["a", "b", "c"]), expected);
        assert_eq!(
            levels([
                "leaks 8 B per iteration",
                "output differs between processes",
                "no steady state"
            ]),
            expected
        );
    }
}
