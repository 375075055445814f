//! Counted metrics of a commit, which one exact reading decides.

use super::commit_builds::BisectStop;
use super::evidence::CommitEvidence;
use super::skip_reason::{SkipKind, SkipReason};
use crate::bisect::state::ProbeRecord;
use crate::comparison::entries::{self, WorkloadFacts};
use crate::comparison::{CodeRelation, MetricEntry, Verdict};
use crate::model::metric::Metric;
use crate::model::reason::UnpairedCause;
use crate::plugin::catalog::MetricInfo;
use orch_core::search::{ExactProgress, ExactReadings};
use serde_json::Value;

impl CommitEvidence<'_> {
    /// Returns the metric's value at a commit that can be measured.
    pub(super) fn value(&self, position: usize) -> Value {
        let entry = self
            .find_probe(position)
            .and_then(|probe| self.judged(probe, probe));
        entry.map_or(Value::Null, |entry| entry.a)
    }

    /// Returns the plugin's metrics, as its description at the good end lists them.
    pub(super) fn described(&mut self) -> Result<Vec<MetricInfo>, BisectStop> {
        self.ensure_built(0)?;
        Ok(self
            .ready
            .get(&0)
            .map(|ready| ready.info.metrics.clone())
            .unwrap_or_default())
    }

    /// Judges the metric, with the reference as A.
    fn judged(&self, reference: &ProbeRecord, probe: &ProbeRecord) -> Option<MetricEntry> {
        let facts = WorkloadFacts {
            id: self.ground.id,
            sides: [&reference.record, &probe.record],
            code: &CodeRelation::Different,
            margin: 0.0,
            paired: None,
            unpaired: UnpairedCause::CountsAlone,
            through: None,
            output_accepted: false,
            more: "",
        };
        entries::judge_workload(&facts)
            .into_iter()
            .find(|entry| entry.metric == self.metric)
    }
}

impl ExactReadings for CommitEvidence<'_> {
    type Stop = BisectStop;
    type Value = Box<ProbeRecord>;

    fn read(&mut self, commit: usize) -> Result<Option<Box<ProbeRecord>>, BisectStop> {
        if !self.examine_commit(commit)? {
            return Ok(None);
        }
        let Some(probe) = self.find_probe(commit).cloned() else {
            return Ok(None);
        };
        // The probe is compared with itself: a number that is not exact does not even equal itself.
        match self.judged(&probe, &probe).map(|entry| entry.verdict) {
            Some(Verdict::Inconclusive) => {
                let text = format!(
                    "its {} is not exact: it differs between processes of the same build",
                    self.metric
                );
                self.note_failure(commit, SkipReason::new(SkipKind::MetricUnusable, text));
                Ok(None)
            }
            None => {
                let text = format!("it has no {}", self.metric);
                self.note_failure(commit, SkipReason::new(SkipKind::MetricUnusable, text));
                Ok(None)
            }
            Some(_) => Ok(Some(Box::new(probe))),
        }
    }

    fn is_beyond(&self, reference: &Box<ProbeRecord>, value: &Box<ProbeRecord>) -> bool {
        let wanted = if self.wish.better {
            Verdict::Improved
        } else {
            Verdict::Regressed
        };
        let verdict = self.judged(reference, value).map(|entry| entry.verdict);
        verdict == Some(wanted)
            || (self.metric == Metric::Digest && verdict == Some(Verdict::OutputDiffers))
    }

    fn differs(&self, reference: &Box<ProbeRecord>, value: &Box<ProbeRecord>) -> bool {
        let verdict = self.judged(reference, value).map(|entry| entry.verdict);
        matches!(
            verdict,
            Some(Verdict::Regressed | Verdict::Improved | Verdict::OutputDiffers)
        )
    }

    fn distance(&self, one: &Box<ProbeRecord>, other: &Box<ProbeRecord>) -> f64 {
        let value =
            |probe: &ProbeRecord| self.judged(probe, probe).and_then(|entry| entry.a.as_f64());
        match (value(one), value(other)) {
            (Some(one), Some(other)) => (other - one).abs(),
            // A value without a size, such as a digest, is either the same or different.
            _ => f64::from(u8::from(self.differs(one, other))),
        }
    }

    fn show_progress(&mut self, view: &ExactProgress<'_>) {
        self.observer
            .show_candidates(view.candidates.len(), view.reads_left, self.build_time());
    }
}
