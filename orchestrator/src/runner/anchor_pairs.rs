//! The pairs of each job with its anchors: a fixed number per job, measured in rounds. The journal
//! gets one line per pair.

use super::event::{ProgressEvent, ProgressObserver};
use super::interrupt::Interrupt;
use super::journal::RunJournal;
use super::pair_series::{PairContext, PairRecord, PairSeries, PairSides, SideFailure};
use crate::model::warning::SidedWarning;
use orch_core::judge::estimate::median;
use orch_core::random::SeededRandom;
use serde::{Deserialize, Serialize};
use std::io;

/// Pairs of a job with an anchor. The number is fixed, because stopping early on the size of the
/// effect would bias the effect.
pub(crate) const PAIRS: usize = 5;

/// One job and one anchor. Side A is the anchor's build.
pub(crate) struct AnchorJob<'a> {
    /// Commit of the anchor.
    pub(crate) anchor: &'a str,
    pub(crate) sides: PairSides<'a>,
}

/// One pair of a job with its anchor, or the reason why there are no more pairs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AnchorPair {
    /// Commit of the anchor.
    pub(crate) anchor: String,
    /// Id of the job.
    pub(crate) job: String,
    pub(crate) pair: Option<PairRecord>,
    pub(crate) failed: Option<SideFailure>,
    pub(crate) digests: Option<[String; 2]>,
    pub(crate) warnings: Vec<SidedWarning>,
}

/// All pairs of a job with one anchor.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnchorSeries {
    pub(crate) pairs: Vec<PairRecord>,
    pub(crate) failed: Option<SideFailure>,
    /// Digests of both sides.
    pub(crate) digests: Option<[String; 2]>,
    pub(crate) warnings: Vec<SidedWarning>,
}

impl AnchorSeries {
    fn add_pair(&mut self, one: AnchorPair) {
        self.pairs.extend(one.pair);
        self.failed = self.failed.take().or(one.failed);
        self.digests = self.digests.take().or(one.digests);
        for warning in one.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.failed.is_some() || self.pairs.len() >= PAIRS
    }
}

/// Measures the pairs of all jobs, except for the pairs in `done`. Returns one series per job, in
/// the order of `jobs`; an interrupted run has fewer pairs.
pub(crate) fn measure_pairs(
    jobs: &[AnchorJob],
    context: &PairContext,
    done: Vec<AnchorPair>,
    journal: &mut RunJournal,
    random: &mut SeededRandom,
    interrupt: &Interrupt,
    observer: &mut dyn ProgressObserver,
) -> io::Result<Vec<AnchorSeries>> {
    let mut found: Vec<AnchorSeries> = jobs.iter().map(|_| AnchorSeries::default()).collect();
    for one in done {
        let place = jobs
            .iter()
            .position(|job| job.anchor == one.anchor && job.sides.jobs[1].id == one.job);
        if let Some(place) = place {
            found[place].add_pair(one);
        }
    }
    let mut series: Vec<PairSeries> = jobs.iter().map(|_| PairSeries::default()).collect();
    observer.see(ProgressEvent::BeginPairs {
        workloads: jobs.len(),
    });
    loop {
        let mut open: Vec<usize> = (0..jobs.len())
            .filter(|place| !found[*place].is_done())
            .collect();
        observer.see(ProgressEvent::StillOpen {
            workloads: open.len(),
        });
        if open.is_empty() || interrupt.is_requested() {
            break;
        }
        random.shuffle_items(&mut open);
        for place in open {
            let (job, series) = (&jobs[place], &mut series[place]);
            let before = series.pairs.len();
            series.measure_pair(&job.sides, context, random, interrupt)?;
            if interrupt.is_requested() {
                break;
            }
            let one = AnchorPair {
                anchor: job.anchor.to_owned(),
                job: job.sides.jobs[1].id.clone(),
                pair: series.pairs.get(before).cloned(),
                failed: series.failed.clone(),
                digests: series.digests.clone(),
                warnings: series.warnings.clone(),
            };
            journal.add_pair(&one)?;
            found[place].add_pair(one);
            let differences: Vec<f64> = found[place]
                .pairs
                .iter()
                .map(|pair| pair.difference)
                .collect();
            let estimate = median(&differences).unwrap_or(0.0);
            observer.see(ProgressEvent::Pair {
                job: &job.sides.jobs[1].id,
                pairs: differences.len(),
                estimate,
            });
        }
    }
    observer.see(ProgressEvent::End);
    Ok(found)
}
