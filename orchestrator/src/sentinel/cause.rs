//! Possible causes of a moved sentinel, as far as they are visible from inside: each with its
//! evidence and a remedy.

use super::{KernelLevels, SentinelKernel};
use orch_core::format::{
    self,
    change::{self, ChangedQuantity},
};
use orch_core::judge::student_t;
use orch_core::protocol::{ResourceUsage, SentinelReading};
use serde::{Deserialize, Serialize};

/// One cause that the readings show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentinelCause {
    pub(crate) id: CauseId,
    pub(crate) evidence: String,
    pub(crate) advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CauseId {
    Steal,
    ContextSwitches,
    PageFaults,
    Bimodality,
    Drift,
    /// All readings are steady, but at another level.
    Level,
}

/// Share of the CPUs' time that the host takes above which samples are affected.
const STOLEN: f64 = 0.005;
/// Minor faults above which a reading is suspicious. Its memory was touched long before.
const FAULTS: u64 = 16;

/// Returns all visible causes, or one entry that states that no cause is visible.
pub(crate) fn find_causes(readings: &[SentinelReading], steal: Option<f64>) -> Vec<SentinelCause> {
    let levels = KernelLevels::of(readings);
    let mut found: Vec<SentinelCause> = [
        find_stolen_time(steal),
        find_context_switches(readings),
        find_page_faults(readings),
    ]
    .into_iter()
    .flatten()
    .collect();
    for kernel in SentinelKernel::ALL {
        let cause = find_drift(kernel, levels.of_kernel(kernel))
            .or_else(|| find_two_states(kernel, levels.of_kernel(kernel)));
        found.extend(cause);
    }
    if found.is_empty() {
        let evidence =
            "no cause is visible from inside this machine: all readings of the run agree"
                .to_owned();
        let advice =
            "possible causes are another clock rate, host or setting; run `orch doctor`".to_owned();
        found.push(SentinelCause {
            id: CauseId::Level,
            evidence,
            advice,
        });
    }
    found
}

fn find_stolen_time(steal: Option<f64>) -> Option<SentinelCause> {
    let steal = steal.filter(|steal| *steal > STOLEN)?;
    let evidence = format!(
        "the host gave {} of the CPUs' time to other virtual machines (steal)",
        format::percent(steal)
    );
    let advice = "measure while the host is quiet, or on a host that is not shared".to_owned();
    Some(SentinelCause {
        id: CauseId::Steal,
        evidence,
        advice,
    })
}

fn find_context_switches(readings: &[SentinelReading]) -> Option<SentinelCause> {
    let count = sum(readings, |usage| usage.involuntary_switches);
    // An occasional kernel thread runs on every machine.
    (count >= readings.len() as u64 && count > 1).then(|| SentinelCause {
        id: CauseId::ContextSwitches,
        evidence: format!(
            "other programs took the CPU {count} times in {} readings",
            readings.len()
        ),
        advice: "end the other programs; `orch doctor` lists them".to_owned(),
    })
}

fn find_page_faults(readings: &[SentinelReading]) -> Option<SentinelCause> {
    let (major, minor) = (
        sum(readings, |usage| usage.major_faults),
        sum(readings, |usage| usage.minor_faults),
    );
    (major > 0 || minor > FAULTS * readings.len() as u64).then(|| SentinelCause {
        id: CauseId::PageFaults,
        evidence: format!(
            "pages of memory that was in use had to be fetched again: {major} major and {minor} \
             minor page faults"
        ),
        advice: "memory is short: end programs that use it, or lower the jobs' `memory:`"
            .to_owned(),
    })
}

fn sum(readings: &[SentinelReading], part: impl Fn(&ResourceUsage) -> u64) -> u64 {
    readings.iter().map(|reading| part(&reading.usage)).sum()
}

/// Returns a cause if the second half of the run differs from the first.
fn find_drift(kernel: SentinelKernel, levels: &[f64]) -> Option<SentinelCause> {
    let logs: Vec<f64> = levels.iter().map(|ns| ns.ln()).collect();
    let (early, late) = logs.split_at(logs.len() / 2);
    let shift = student_t::compare_groups(early, late)?;
    let margin = kernel.margin().ln_1p() / 2.0;
    (shift.low > margin || shift.high < -margin).then(|| SentinelCause {
        id: CauseId::Drift,
        evidence: format!(
            "{} drifted ({}) from the first to the second half of the run",
            kernel.name(),
            change::size(ChangedQuantity::Time, shift.estimate.exp_m1())
        ),
        advice: "the cause may be heat or a program that started meanwhile: let the machine \
            settle, and run again"
            .to_owned(),
    })
}

/// Returns a cause if the readings fall into two groups, each narrower than the gap between the
/// groups.
fn find_two_states(kernel: SentinelKernel, levels: &[f64]) -> Option<SentinelCause> {
    let mut logs: Vec<f64> = levels.iter().map(|ns| ns.ln()).collect();
    logs.sort_by(f64::total_cmp);
    let (least, most) = (2, logs.len().checked_sub(2)?);
    let at = (least..=most).max_by(|one, other| {
        (logs[*one] - logs[one - 1]).total_cmp(&(logs[*other] - logs[other - 1]))
    })?;
    let gap = logs[at] - logs[at - 1];
    let inside = (logs[at - 1] - logs[0]).max(logs[logs.len() - 1] - logs[at]);
    (gap > 2.0 * inside && gap > kernel.margin().ln_1p()).then(|| SentinelCause {
        id: CauseId::Bimodality,
        evidence: format!(
            "{} has two states {} apart: {} and {} readings",
            kernel.name(),
            format::percent(gap.exp_m1()),
            at,
            logs.len() - at
        ),
        advice:
            "two clock rates, or a busy sibling thread: fix the clock rate, keep the sibling idle"
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::reading;
    use super::*;

    fn ids(readings: &[SentinelReading], steal: Option<f64>) -> Vec<CauseId> {
        let found = find_causes(readings, steal);
        assert!(
            found
                .iter()
                .all(|cause| !cause.evidence.is_empty() && !cause.advice.is_empty())
        );
        found.iter().map(|cause| cause.id).collect()
    }

    fn at(levels: &[u64]) -> Vec<SentinelReading> {
        levels.iter().map(|ns| reading(*ns, 200_000)).collect()
    }

    #[test]
    fn each_cause_is_found_from_its_evidence() {
        let steady = at(&[100_000, 100_100, 100_050, 100_020, 100_080, 100_000]);
        assert_eq!(ids(&steady, None), [CauseId::Level]);
        assert_eq!(ids(&steady, Some(0.001)), [CauseId::Level]);
        assert_eq!(ids(&steady, Some(0.07)), [CauseId::Steal]);
        let mut switched = steady.clone();
        switched
            .iter_mut()
            .for_each(|reading| reading.usage.involuntary_switches = 3);
        assert_eq!(ids(&switched, None), [CauseId::ContextSwitches]);
        let mut faulted = steady.clone();
        faulted[2].usage.major_faults = 1;
        assert_eq!(ids(&faulted, None), [CauseId::PageFaults]);
        assert_eq!(
            ids(
                &at(&[100_000, 100_100, 100_050, 110_000, 110_100, 110_050]),
                None
            ),
            [CauseId::Drift]
        );
        assert_eq!(
            ids(
                &at(&[100_000, 112_000, 112_050, 100_050, 100_020, 112_010]),
                None
            ),
            [CauseId::Bimodality]
        );
        assert_eq!(ids(&[], None), [CauseId::Level]);
    }

    #[test]
    fn one_outlier_is_neither_drift_nor_a_second_state() {
        assert_eq!(
            ids(
                &at(&[100_000, 100_100, 150_000, 100_050, 100_020, 100_080]),
                None
            ),
            [CauseId::Level]
        );
    }
}
