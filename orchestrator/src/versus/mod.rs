//! Owns the comparison of two builds, workload by workload: exact passes first, then pairs of
//! processes, then the verdicts.

pub(crate) mod side;

use crate::comparison::entries::{self, WorkloadFacts};
use crate::comparison::exact;
use crate::comparison::{
    CodeRelation, ComparedWorkload, ComparisonOutcome, MetricEntry, scopes, totals,
};
use crate::model::metric::Metric;
use crate::model::reason::{Reason, UnpairedCause};
use crate::model::warning::{SidedKind, SidedWarning, WarnedSide};
use crate::pass::{self, PassEnd, PassResult};
use crate::plan::{self, CountedIterations, Plan, PlanStep, StepKind};
use crate::plugin::build::{PluginFailure, PreparedPlugin};
use crate::plugin::catalog::WorkloadInfo;
use crate::record::samples::{self, ProcessSamples};
use crate::record::{JobOutcome, JobRecord};
use crate::runner::event::ProgressObserver;
use crate::runner::interrupt::Interrupt;
use crate::runner::pair_series::{PairContext, PairSides, PairUnit};
use crate::runner::paired_workloads::{self, PairLimits, PairedResult};
use crate::runner::plan_execution::{self, ExecutionContext};
use crate::scenario::Job;
use orch_core::judge::verdict::PairFinding;
use orch_core::measure::clock::ScopeClock;
use orch_core::random::SeededRandom;
use std::collections::HashMap;
use std::io;

/// Number of profiles of each side, the fastest of which explains a change.
const PROFILES: u32 = 5;

/// One workload, with the job and the plugin of each side.
pub(crate) struct WorkloadPair {
    pub(crate) jobs: [Job; 2],
    pub(crate) sides: [Result<PreparedPlugin, PluginFailure>; 2],
    pub(crate) info: [Option<WorkloadInfo>; 2],
    /// Reason why a side does not have the workload.
    pub(crate) unknown: [Option<String>; 2],
    /// Relative difference of time that matters.
    pub(crate) margin: f64,
    /// Whether its time is measured even if the code of both sides is the same.
    pub(crate) timed: bool,
    /// Whether its output may differ, so that its costs are measured nevertheless.
    pub(crate) output_accepted: bool,
    /// Notes for the reader of the verdict.
    pub(crate) notes: Vec<SidedWarning>,
}

/// Terms that are the same for all workloads.
pub(crate) struct MeasureTerms<'a> {
    pub(crate) cpus: &'a [usize],
    pub(crate) clock: ScopeClock,
    pub(crate) mark: &'a str,
    pub(crate) limits: PairLimits,
    /// Option that gives a workload more time; empty if there is none.
    pub(crate) more: &'a str,
    /// Whether identical code is measured like other code.
    pub(crate) control: bool,
}

/// Measures and judges all workloads.
pub(crate) fn measure(
    workloads: &[WorkloadPair],
    terms: &MeasureTerms,
    random: &mut SeededRandom,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> io::Result<ComparisonOutcome> {
    let mut versus = PairedMeasurement {
        workloads,
        terms,
        random,
        interrupt,
        observer,
        ends: HashMap::new(),
    };
    versus.run_exact_passes()?;
    let codes: Vec<CodeRelation> = workloads.iter().map(compare_files).collect();
    let records: Vec<[JobRecord; 2]> = (0..workloads.len())
        .map(|index| versus.assemble_records(index, None))
        .collect();
    let chosen: Vec<usize> = (0..workloads.len())
        .filter(|&index| {
            let sides = [&records[index][0], &records[index][1]];
            let same = codes[index] == CodeRelation::Identical && !terms.control;
            let compares = workloads[index].output_accepted || !exact::output_differs(sides);
            (!same || workloads[index].timed)
                && entries::describe_unmeasured(sides).is_none()
                && compares
        })
        .collect();
    let mut codes = codes;
    let results = versus.measure_pairs(&chosen, &mut codes)?;
    let codes = versus.compare_open_code(codes, &results);
    versus.profile_changed(&results)?;
    let mut outcome = ComparisonOutcome {
        entries: Vec::new(),
        workloads: Vec::new(),
        interrupted: interrupt.is_requested(),
    };
    for (index, (each, code)) in workloads.iter().zip(codes).enumerate() {
        let (entries, workload) = versus.judge_measured(index, each, code, results.get(&index));
        outcome.entries.extend(entries);
        outcome.workloads.push(workload);
    }
    Ok(outcome)
}

struct PairedMeasurement<'a> {
    workloads: &'a [WorkloadPair],
    terms: &'a MeasureTerms<'a>,
    random: &'a mut SeededRandom,
    interrupt: &'a Interrupt,
    observer: &'a mut dyn ProgressObserver,
    /// Ends of the exact passes of each workload and side.
    ends: HashMap<(usize, usize), Vec<PassEnd>>,
}

/// Returns the relation of both sides that follows from the files alone. If file, path and
/// parameters are the same, the libraries and input files are the same too, because both sides load
/// them from there now.
fn compare_files(each: &WorkloadPair) -> CodeRelation {
    let [Ok(a), Ok(b)] = &each.sides else {
        return CodeRelation::Unknown("a side was not built".to_owned());
    };
    let [a_job, b_job] = &each.jobs;
    if a.hash == b.hash && a.library == b.library && a_job.params == b_job.params && a.env == b.env
    {
        return CodeRelation::Identical;
    }
    if a_job.params != b_job.params {
        return CodeRelation::Unknown("the sides have different parameters".to_owned());
    }
    CodeRelation::Different
}

/// Compares the machine code of both sides' libraries; returns `None` if a library cannot be read.
fn compare_machine_code(
    each: &WorkloadPair,
    index: usize,
    ends: &HashMap<(usize, usize), Vec<PassEnd>>,
) -> Option<CodeRelation> {
    let [Ok(a), Ok(b)] = &each.sides else {
        return None;
    };
    let beginnings = |side: usize| {
        side::find_beginnings(
            ends.get(&(index, side))
                .map(Vec::as_slice)
                .unwrap_or_default(),
        )
    };
    side::compare_machine_code([a, b], [&beginnings(0)?, &beginnings(1)?])
}

impl PairedMeasurement<'_> {
    /// Profiles and counts every workload on both sides. Identical code is profiled and counted
    /// once.
    fn run_exact_passes(&mut self) -> io::Result<()> {
        let mut jobs = Vec::new();
        let mut places = Vec::new();
        for (index, each) in self.workloads.iter().enumerate() {
            let sides = if compare_files(each) == CodeRelation::Identical {
                0..1
            } else {
                0..2
            };
            for side in sides.filter(|side| each.unknown[*side].is_none()) {
                jobs.push(build_exact_job(each, index, side));
                places.push((index, side));
            }
        }
        let groups = group_jobs(&places);
        let plan = plan::build_grouped_plan(&jobs, groups.clone(), self.random.draw_bits());
        let ends = self.execute(&jobs, &groups, &plan)?;
        let by_job = pass::group_by_job(&ends);
        for (job, place) in jobs.iter().zip(places) {
            let own = by_job.get(job.id.as_str()).cloned().unwrap_or_default();
            let own: Vec<PassEnd> = own.into_iter().cloned().collect();
            if compare_files(&self.workloads[place.0]) == CodeRelation::Identical {
                self.ends.insert((place.0, 1), own.clone());
            }
            self.ends.insert(place, own);
        }
        Ok(())
    }

    fn execute(
        &mut self,
        jobs: &[Job],
        groups: &[Vec<usize>],
        plan: &Plan,
    ) -> io::Result<Vec<PassEnd>> {
        let mut plugins = HashMap::new();
        for (index, each) in self.workloads.iter().enumerate() {
            for side in 0..2 {
                plugins.insert(name_plugin(index, side), each.sides[side].clone());
            }
        }
        let setting = ExecutionContext {
            jobs,
            plugins: &plugins,
            cpus: self.terms.cpus,
            clock: self.terms.clock,
            mark: self.terms.mark,
            // Pairs need no sentinel, because the state of the machine affects both sides.
            sentinel: false,
            groups,
            counted: CountedIterations::Group,
        };
        Ok(plan_execution::execute_plan(
            &setting,
            plan,
            Vec::new(),
            None,
            self.interrupt,
            self.observer,
        )?
        .ends)
    }

    fn assemble_records(&self, index: usize, paired: Option<&PairedResult>) -> [JobRecord; 2] {
        let typical = paired.map(paired_workloads::compute_typical_times);
        [0, 1].map(|side| {
            self.assemble_record(index, side, typical.and_then(|typical| typical[side]))
        })
    }

    fn assemble_record(&self, index: usize, side: usize, iteration_ns: Option<f64>) -> JobRecord {
        let each = &self.workloads[index];
        let ends = self.ends.get(&(index, side)).cloned().unwrap_or_default();
        let interrupted = self.interrupt.is_requested();
        side::assemble_record(
            &each.jobs[side],
            each.sides[side].as_ref(),
            each.info[side].as_ref(),
            ends,
            iteration_ns,
            interrupted,
        )
    }

    /// Measures pairs of the chosen workloads, which `chosen` lists by index. A change by layout
    /// alone is no finding, so the machine code is compared as soon as a change appears.
    fn measure_pairs(
        &mut self,
        chosen: &[usize],
        codes: &mut [CodeRelation],
    ) -> io::Result<HashMap<usize, PairedResult>> {
        let (mut places, mut pairs, mut margins) = (Vec::new(), Vec::new(), Vec::new());
        for &index in chosen {
            let each = &self.workloads[index];
            if let [Ok(a), Ok(b)] = &each.sides {
                places.push(index);
                pairs.push(PairSides {
                    jobs: each.jobs.each_ref(),
                    prepared: [a, b],
                    unit: PairUnit::of_plugins([a, b]),
                });
                margins.push(each.margin);
            }
        }
        let ground = PairContext {
            cpus: self.terms.cpus,
            clock: self.terms.clock,
            mark: self.terms.mark,
        };
        let (workloads, ends) = (self.workloads, &self.ends);
        let mut only_layout = |place: usize| {
            let index = places[place];
            if codes[index] == CodeRelation::Different {
                codes[index] = compare_machine_code(&workloads[index], index, ends)
                    .unwrap_or(CodeRelation::Different);
            }
            codes[index] == CodeRelation::OnlyLayout
        };
        let results = paired_workloads::measure_workloads(
            (&pairs, &margins),
            &ground,
            self.terms.limits,
            &mut only_layout,
            self.random,
            self.interrupt,
            self.observer,
        )?;
        Ok(places.iter().copied().zip(results).collect())
    }

    /// Compares the machine code of workloads that are not equivalent. The same code at other
    /// places is no finding.
    fn compare_open_code(
        &self,
        codes: Vec<CodeRelation>,
        results: &HashMap<usize, PairedResult>,
    ) -> Vec<CodeRelation> {
        let look = |(index, code): (usize, CodeRelation)| {
            let open = results
                .get(&index)
                .is_some_and(|paired| paired.finding != PairFinding::Equivalent);
            if open && code == CodeRelation::Different {
                compare_machine_code(&self.workloads[index], index, &self.ends).unwrap_or(code)
            } else {
                code
            }
        };
        codes.into_iter().enumerate().map(look).collect()
    }

    /// Profiles changed workloads again, with the sides in turns, because one profile is one cold
    /// process.
    fn profile_changed(&mut self, results: &HashMap<usize, PairedResult>) -> io::Result<()> {
        let mut changed: Vec<usize> = results
            .iter()
            .filter(|(_, paired)| {
                matches!(paired.finding, PairFinding::Higher | PairFinding::Lower)
            })
            .map(|(index, _)| *index)
            .collect();
        changed.sort_unstable();
        let jobs: Vec<Job> = changed
            .iter()
            .flat_map(|&index| {
                [0, 1].map(|side| build_exact_job(&self.workloads[index], index, side))
            })
            .collect();
        for _ in 1..PROFILES {
            let steps = (0..jobs.len())
                .map(|job| PlanStep {
                    job,
                    kind: StepKind::Profile,
                })
                .collect();
            let ends = self.execute(&jobs, &[], &Plan { seed: 0, steps })?;
            let by_job = pass::group_by_job(&ends);
            for (place, index) in changed.iter().enumerate() {
                for side in 0..2 {
                    let id = &jobs[2 * place + side].id;
                    let own = by_job
                        .get(id.as_str())
                        .cloned()
                        .unwrap_or_default()
                        .into_iter();
                    let own = own.filter(|end| matches!(end.result, PassResult::Reply(_)));
                    self.ends
                        .entry((*index, side))
                        .or_default()
                        .extend(own.cloned());
                }
            }
        }
        Ok(())
    }

    /// Judges a workload from all its measurements.
    fn judge_measured(
        &self,
        index: usize,
        each: &WorkloadPair,
        code: CodeRelation,
        paired: Option<&PairedResult>,
    ) -> (Vec<MetricEntry>, ComparedWorkload) {
        let id = &each.jobs[0].id;
        let records = self.assemble_records(index, paired);
        let sides = [&records[0], &records[1]];
        let missing = describe_absence(each).or_else(|| entries::describe_unmeasured(sides));
        // In a control, the same code is judged like different code.
        let judged = if self.terms.control && code == CodeRelation::Identical {
            CodeRelation::Different
        } else {
            code.clone()
        };
        let facts = WorkloadFacts {
            id,
            sides,
            code: &judged,
            margin: each.margin,
            paired,
            unpaired: UnpairedCause::StoppedEarly,
            through: None,
            output_accepted: each.output_accepted,
            more: self.terms.more,
        };
        let is_measured = |side: usize| {
            each.unknown[side].is_none() && records[side].outcome == JobOutcome::Measured
        };
        let only_b = is_measured(1) && !is_measured(0);
        let entries = match missing.clone().map(Reason::NotMeasured) {
            Some(reason) if only_b => entries::judge_new_job(&facts, &reason),
            Some(reason) => vec![entries::build_missing_entry(id, each.margin, &reason)],
            None => entries::judge_workload(&facts),
        };
        let verdict = totals::of_workload(&entries);
        let changed = entries.iter().any(entries::is_change);
        let time_changed = entries
            .iter()
            .any(|entry| entry.metric == Metric::Time && entries::is_change(entry));
        let warnings = collect_warnings(each, &records, paired, time_changed);
        let (warning_kinds, warnings) = warnings.into_iter().unzip();
        let workload = ComparedWorkload {
            id: id.clone(),
            workload: records[0].workload.clone(),
            params: each.jobs[0].params.clone(),
            threads: Some(each.jobs[0].settings.threads),
            verdict,
            trade_off: entries.iter().any(|entry| entry.trade_off),
            code,
            missing,
            only_b,
            warnings,
            warning_kinds,
            scopes: if changed {
                scopes::changes(sides[0], sides[1], &entries)
            } else {
                Vec::new()
            },
            pairs: paired
                .map(|paired| paired.pairs.clone())
                .unwrap_or_default(),
            wall_ns: paired.map_or(0, |paired| {
                u64::try_from(paired.wall.as_nanos()).unwrap_or(u64::MAX)
            }),
        };
        (entries, workload)
    }
}

/// Collects the warnings of both sides and of their comparison, each with its kind and its text.
fn collect_warnings(
    each: &WorkloadPair,
    records: &[JobRecord; 2],
    paired: Option<&PairedResult>,
    time_changed: bool,
) -> Vec<(SidedKind, String)> {
    let mut warnings: Vec<(SidedKind, String)> = Vec::new();
    let worded = |one: &SidedWarning| (one.kind(), one.to_string());
    warnings.extend(each.notes.iter().map(worded));
    for (record, side) in records.iter().zip([WarnedSide::A, WarnedSide::B]) {
        let own = record.warnings.iter().zip(&record.warning_kinds);
        warnings.extend(own.map(|(text, kind)| {
            let sided = SidedKind {
                kind: *kind,
                side: Some(side),
            };
            (sided, format!("{}: {text}", side.name()))
        }));
    }
    warnings.extend(
        paired
            .iter()
            .flat_map(|paired| paired.warnings.iter().map(worded)),
    );
    if let ([Ok(a), Ok(b)], true) = (&each.sides, time_changed) {
        warnings.extend(side::warn_of_layout([a, b]).iter().map(worded));
    }
    let trends = paired.iter().flat_map(|paired| find_trends(paired));
    warnings.extend(trends.map(|one| worded(&one)));
    warnings
}

/// Warns about sides whose time grows or falls inside their processes.
fn find_trends(paired: &PairedResult) -> Vec<SidedWarning> {
    let pairs = &paired.pairs;
    let a: Vec<ProcessSamples> = pairs
        .iter()
        .map(|pair| (&pair.a_ns[..], pair.iterations))
        .collect();
    let b: Vec<ProcessSamples> = pairs
        .iter()
        .map(|pair| (&pair.b_ns[..], pair.iterations))
        .collect();
    let of = |(side, turns): (WarnedSide, &[ProcessSamples])| {
        Some(SidedWarning {
            side: Some(side),
            warning: samples::find_trend(turns)?,
        })
    };
    [(WarnedSide::A, &a[..]), (WarnedSide::B, &b[..])]
        .into_iter()
        .filter_map(of)
        .collect()
}

fn describe_absence(each: &WorkloadPair) -> Option<String> {
    let lost: Vec<String> = each
        .unknown
        .iter()
        .zip(["A", "B"])
        .filter_map(|(reason, name)| {
            Some(format!(
                "{name} does not have this job: {}",
                reason.as_ref()?
            ))
        })
        .collect();
    (!lost.is_empty()).then(|| lost.join("; "))
}

/// Groups the jobs of each workload, both sides together. A place is a pair of a workload and a
/// side.
fn group_jobs(places: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (job, (index, _)) in places.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if places[group[0]].0 == *index => group.push(job),
            _ => groups.push(vec![job]),
        }
    }
    groups
}

/// Returns the key of a workload's plugin on one side.
fn name_plugin(index: usize, side: usize) -> String {
    format!("{index}/{side}")
}

/// Returns the job of the exact passes of one side, with an id of its own and without timing.
fn build_exact_job(each: &WorkloadPair, index: usize, side: usize) -> Job {
    let mut job = each.jobs[side].clone();
    job.plugin = name_plugin(index, side);
    job.id = format!("{} ({})", job.id, ["A", "B"][side]);
    job.settings.rounds = 0;
    job
}
