//! The sentinel: the same fixed work in every run. If its times move, the machine has changed, and
//! changed times of that run have little to do with the code. The code is pure: readings come from
//! workers.

mod cause;

pub(crate) use cause::{SentinelCause, find_causes};

use orch_core::format::change::{ChangedQuantity, SizedChange};
use orch_core::judge::estimate::median;
use orch_core::judge::student_t;
use orch_core::protocol::SentinelReading;
use serde::{Deserialize, Serialize};

/// Id of the readings among the passes of a run. No job's id has a slash.
pub(crate) const JOB: &str = "orch/sentinel";

/// Results of a run's readings of the sentinel kernels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SentinelResult {
    /// Build of orch that holds the kernels: the SHA-256 of its file. Readings of different builds
    /// do not compare.
    pub(crate) kernel: String,
    /// Readings, spread over the run, in the order taken.
    pub(crate) readings: Vec<SentinelReading>,
    /// Share of all CPUs' time that the host gave to others during the run; null where the system
    /// does not report it.
    pub(crate) steal: Option<f64>,
    /// Earlier readings for comparison: those of the first run with the same anchor on this class
    /// of machine.
    pub(crate) anchor: Option<EarlierLevels>,
    /// Kernels that moved against the anchor.
    pub(crate) moved: Vec<KernelMove>,
    /// Possible causes of the move; empty if no kernel moved.
    pub(crate) causes: Vec<SentinelCause>,
    /// Moves and causes in a sentence, which begins with "the machine changed"; null if no kernel
    /// moved.
    pub(crate) message: Option<String>,
}

/// The levels of an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EarlierLevels {
    /// Id of the run's record.
    pub(crate) record: String,
    pub(crate) levels: KernelLevels,
}

/// One number per reading and kernel, in nanoseconds of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KernelLevels {
    pub(crate) compute_ns: Vec<f64>,
    pub(crate) memory_ns: Vec<f64>,
}

/// A kernel whose time differs from before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KernelMove {
    pub(crate) kernel: SentinelKernel,
    /// Relative changes: 0.02 is 2 % slower.
    pub(crate) change: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The sentinel kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SentinelKernel {
    /// A chain of dependent multiplications.
    Compute,
    /// A walk through memory.
    Memory,
}

impl SentinelKernel {
    pub(crate) const ALL: [Self; 2] = [Self::Compute, Self::Memory];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Memory => "memory",
        }
    }

    /// Returns the relative change above which the machine is in another state. The chain stayed
    /// within 0.6 % while four builds ran on two CPUs. The walk moves by a quarter when a neighbour
    /// begins to use the memory.
    pub(crate) fn margin(self) -> f64 {
        match self {
            Self::Compute => 0.02,
            Self::Memory => 0.25,
        }
    }
}

impl KernelLevels {
    /// Returns the levels. The level of a reading is the shortest sample of the chain, which has a
    /// floor, and the median sample of the walk, which has none.
    pub(crate) fn of(readings: &[SentinelReading]) -> Self {
        let shortest = |samples: &[u64]| samples.iter().min().map(|ns| *ns as f64);
        let middle =
            |samples: &[u64]| median(&samples.iter().map(|ns| *ns as f64).collect::<Vec<_>>());
        Self {
            compute_ns: readings
                .iter()
                .filter_map(|reading| shortest(&reading.compute_ns))
                .collect(),
            memory_ns: readings
                .iter()
                .filter_map(|reading| middle(&reading.memory_ns))
                .collect(),
        }
    }

    pub(crate) fn of_kernel(&self, kernel: SentinelKernel) -> &[f64] {
        match kernel {
            SentinelKernel::Compute => &self.compute_ns,
            SentinelKernel::Memory => &self.memory_ns,
        }
    }
}

impl SentinelResult {
    pub(crate) fn levels(&self) -> KernelLevels {
        KernelLevels::of(&self.readings)
    }

    /// Compares the readings with earlier ones.
    pub(crate) fn compare_with(&mut self, earlier: EarlierLevels) {
        self.moved = find_moves(&earlier.levels, &self.levels());
        self.anchor = Some(earlier);
        if !self.moved.is_empty() {
            self.causes = find_causes(&self.readings, self.steal);
            self.message = Some(describe_change(&self.moved, &self.causes));
        }
    }
}

/// Returns the kernels whose levels certainly differ by more than their margins.
pub(crate) fn find_moves(before: &KernelLevels, now: &KernelLevels) -> Vec<KernelMove> {
    let logs = |levels: &KernelLevels, kernel: SentinelKernel| -> Vec<f64> {
        levels
            .of_kernel(kernel)
            .iter()
            .filter(|ns| **ns > 0.0)
            .map(|ns| ns.ln())
            .collect()
    };
    SentinelKernel::ALL
        .into_iter()
        .filter_map(|kernel| {
            let shift = student_t::compare_groups(&logs(before, kernel), &logs(now, kernel))?;
            let margin = kernel.margin().ln_1p();
            (shift.low > margin || shift.high < -margin).then(|| KernelMove {
                kernel,
                change: shift.estimate.exp_m1(),
                low: shift.low.exp_m1(),
                high: shift.high.exp_m1(),
            })
        })
        .collect()
}

/// Returns the sentence about a changed machine.
pub(crate) fn describe_change(moved: &[KernelMove], causes: &[SentinelCause]) -> String {
    let each = |one: &KernelMove| {
        let (low, high) = (Some(one.low), Some(one.high));
        let change = SizedChange {
            quantity: ChangedQuantity::Time,
            estimate: one.change,
            low,
            high,
        };
        format!(
            "the sentinel's {} kernel takes {}",
            one.kernel.name(),
            change.with_interval()
        )
    };
    let moved: Vec<String> = moved.iter().map(each).collect();
    let causes: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}; {}", cause.evidence, cause.advice))
        .collect();
    let why = if causes.is_empty() {
        String::new()
    } else {
        format!(": {}", causes.join("; "))
    };
    format!("the machine changed: {}{why}", moved.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn reading(compute_ns: u64, memory_ns: u64) -> SentinelReading {
        SentinelReading {
            compute_ns: vec![compute_ns + 40, compute_ns, compute_ns + 7],
            memory_ns: vec![memory_ns - 9, memory_ns, memory_ns + 90],
            usage: Default::default(),
        }
    }

    fn readings(compute_ns: u64, memory_ns: u64) -> Vec<SentinelReading> {
        (0..5)
            .map(|n| reading(compute_ns + 30 * n, memory_ns + 500 * (n % 3)))
            .collect()
    }

    fn held(now: Vec<SentinelReading>) -> SentinelResult {
        let levels = KernelLevels::of(&readings(100_000, 200_000));
        let mut sentinel = SentinelResult {
            readings: now,
            ..SentinelResult::default()
        };
        sentinel.compare_with(EarlierLevels {
            record: "first".to_owned(),
            levels,
        });
        sentinel
    }

    #[test]
    fn levels_are_the_floor_of_the_chain_and_the_middle_of_the_walk() {
        let levels = KernelLevels::of(&[reading(100, 200)]);
        assert_eq!(
            (levels.compute_ns, levels.memory_ns),
            (vec![100.0], vec![200.0])
        );
    }

    #[test]
    fn noise_and_small_changes_are_the_same_machine() {
        assert_eq!(held(readings(100_000, 200_000)).message, None);
        assert_eq!(
            held(readings(101_000, 230_000)).message,
            None,
            "1 % and 15 %"
        );
        assert_eq!(
            held(vec![reading(150_000, 200_000)]).message,
            None,
            "one reading is no evidence"
        );
        assert_eq!(held(Vec::new()).message, None);
    }

    #[test]
    fn changed_machine_is_reported_with_kernel_size_and_cause() {
        let slower = held(readings(112_000, 200_000));
        assert_eq!(
            slower
                .moved
                .iter()
                .map(|one| one.kernel)
                .collect::<Vec<_>>(),
            [SentinelKernel::Compute]
        );
        let text = slower.message.unwrap_or_default();
        assert!(
            text.starts_with(
                "the machine changed: the sentinel's compute kernel takes +12.0 % \
                (+11.9 % to +12.1 %): "
            ),
            "{text}"
        );
        assert!(text.contains("orch doctor"), "{text}");
        let both = held(readings(80_000, 300_000));
        assert_eq!(both.moved.len(), 2);
        assert!(
            both.moved[0].change < 0.0,
            "a faster machine is another machine too"
        );
        assert_eq!(
            both.anchor.as_ref().map(|earlier| earlier.record.as_str()),
            Some("first")
        );
    }
}
