//! The stored measurements of this machine: build effects for later verdicts, noise and false
//! alarms for users.

use crate::cache;
use crate::file;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The machine's calibration, as stored. Values that an older orch did not measure are missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MachineCalibration {
    /// Build effects by crate folder, workload, parameters and threads.
    build_effects: BTreeMap<String, BuildEffect>,
    /// Noise by the same key.
    noise: BTreeMap<String, PairNoise>,
    memory: Option<MemorySpeed>,
    arithmetic: Option<ArithmeticSpeed>,
}

/// Difference between builds of the same code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BuildEffect {
    /// Standard deviation over builds, relative.
    pub(crate) tau: f64,
    /// The largest difference of a rebuild (relative).
    pub(crate) largest: f64,
    pub(crate) rebuilds: usize,
    /// Time of the measurement, UTC.
    pub(crate) measured: String,
}

/// Results of comparing one build of a workload with itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PairNoise {
    /// Spread of the pair differences (log ratio): 1.4826 MAD.
    pub(crate) spread: f64,
    /// The smallest change (relative) that this number of pairs would have distinguished from none;
    /// null where too few pairs were measured.
    pub(crate) detectable_at_16: Option<f64>,
    pub(crate) detectable_at_64: Option<f64>,
    /// Number of comparisons, pairs per comparison, and comparisons that called the same code
    /// changed.
    pub(crate) comparisons: usize,
    pub(crate) pairs: usize,
    pub(crate) false_findings: usize,
    /// Number of comparisons that would have called it changed if every difference mattered.
    pub(crate) false_without_margin: usize,
    /// The relative difference that mattered.
    pub(crate) margin: f64,
    /// Seed of all coins.
    pub(crate) seed: u64,
    /// Time of the measurement, UTC.
    pub(crate) measured: String,
}

/// Speed at which one thread copies memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemorySpeed {
    /// Bytes read and written together.
    pub(crate) bytes_per_second: f64,
    /// Size of the buffer.
    pub(crate) buffer_bytes: usize,
    pub(crate) measured: String,
}

/// Speed at which one thread computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ArithmeticSpeed {
    /// A lower bound of the peak.
    pub(crate) flop_per_second: f64,
    /// The job that reached it.
    pub(crate) job: String,
    pub(crate) measured: String,
}

/// Frequency with which the same code was called changed, on machines of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FalseAlarms {
    pub(crate) found: usize,
    pub(crate) comparisons: usize,
    /// Day of the newest comparison, UTC.
    pub(crate) calibrated: String,
}

/// Key of a calibration value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CalibrationKey<'a> {
    /// The plugin's crate; other crates have other layouts.
    pub(crate) folder: &'a Path,
    pub(crate) workload: &'a str,
    /// The parameters as JSON.
    pub(crate) params: &'a str,
    pub(crate) threads: usize,
}

impl CalibrationKey<'_> {
    fn key(&self) -> String {
        let folder = self
            .folder
            .canonicalize()
            .unwrap_or_else(|_| self.folder.to_owned());
        format!(
            "{} {} {} threads {}",
            folder.display(),
            self.workload,
            self.params,
            self.threads
        )
    }
}

impl MachineCalibration {
    /// Reads the calibration of this machine's class. It is empty if nothing was measured or the
    /// stored file cannot be read.
    pub(crate) fn load(machine: &Machine) -> Self {
        let read = || {
            let text = file::read_bytes(&locate_file(machine).ok()?, file::MOST_TEXT_BYTES);
            serde_json::from_slice(&text.ok()?).ok()
        };
        read().unwrap_or_default()
    }

    pub(crate) fn build_effect(&self, subject: CalibrationKey) -> Option<&BuildEffect> {
        self.build_effects.get(&subject.key())
    }

    pub(crate) fn set_build_effect(&mut self, subject: CalibrationKey, effect: BuildEffect) {
        self.build_effects.insert(subject.key(), effect);
    }

    pub(crate) fn set_noise(&mut self, subject: CalibrationKey, noise: PairNoise) {
        self.noise.insert(subject.key(), noise);
    }

    /// Stores a memory speed unless the stored one is faster: other users of the memory can only
    /// slow down a copy.
    pub(crate) fn set_memory(&mut self, found: MemorySpeed) {
        let kept = self
            .memory
            .as_ref()
            .map_or(0.0, |kept| kept.bytes_per_second);
        if found.bytes_per_second > kept {
            self.memory = Some(found);
        }
    }

    /// Stores an arithmetic speed unless the stored one is higher: both are lower bounds.
    pub(crate) fn set_arithmetic(&mut self, found: ArithmeticSpeed) {
        let kept = self
            .arithmetic
            .as_ref()
            .map_or(0.0, |kept| kept.flop_per_second);
        if found.flop_per_second > kept {
            self.arithmetic = Some(found);
        }
    }

    /// Returns the sum over all workloads, or `None` if no workload was calibrated.
    pub(crate) fn false_alarms(&self) -> Option<FalseAlarms> {
        let newest = self
            .noise
            .values()
            .map(|noise| noise.measured.as_str())
            .max()?;
        Some(FalseAlarms {
            found: self.noise.values().map(|noise| noise.false_findings).sum(),
            comparisons: self.noise.values().map(|noise| noise.comparisons).sum(),
            calibrated: newest.chars().take_while(|c| *c != 'T').collect(),
        })
    }

    pub(crate) fn store(&self, machine: &Machine) -> io::Result<PathBuf> {
        let path = locate_file(machine)?;
        file::write_whole(&path, &serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

fn locate_file(machine: &Machine) -> io::Result<PathBuf> {
    Ok(cache::subfolder("calibration")?
        .join(format!("{}.json", &crate::hash::text(&machine.class)[..16])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(threads: usize) -> CalibrationKey<'static> {
        CalibrationKey {
            folder: Path::new("/nowhere/p"),
            workload: "w",
            params: "{}",
            threads,
        }
    }

    fn noise(found: usize, measured: &str) -> PairNoise {
        PairNoise {
            spread: 0.001,
            detectable_at_16: Some(0.01),
            detectable_at_64: None,
            comparisons: 30,
            pairs: 16,
            false_findings: found,
            false_without_margin: found,
            margin: 0.01,
            seed: 1,
            measured: measured.to_owned(),
        }
    }

    #[test]
    fn file_of_an_older_orch_keeps_its_build_effects() {
        let old = r#"{"build_effects": {"/nowhere/p w {} threads 1":
            {"tau": 0.001, "largest": -0.002, "rebuilds": 8, "measured": "2026-02-03T04:05:06Z"}}}"#;
        let mut kept: MachineCalibration = serde_json::from_str(old).expect("still read");
        assert_eq!(
            kept.build_effect(subject(1)).map(|effect| effect.rebuilds),
            Some(8)
        );
        assert_eq!(
            kept.false_alarms(),
            None,
            "build effects are no comparisons"
        );
        kept.set_noise(subject(1), noise(0, "2026-02-04T00:00:00Z"));
        let text = serde_json::to_string(&kept).expect("written");
        assert_eq!(
            serde_json::from_str::<MachineCalibration>(&text).expect("read"),
            kept
        );
    }

    #[test]
    fn false_alarms_sum_all_workloads_and_have_the_newest_day() {
        let mut kept = MachineCalibration::default();
        kept.set_noise(subject(1), noise(9, "2026-01-01T00:00:00Z"));
        kept.set_noise(subject(1), noise(1, "2026-02-03T04:05:06.7Z"));
        kept.set_noise(subject(2), noise(0, "2026-02-01T00:00:00Z"));
        let expected = FalseAlarms {
            found: 1,
            comparisons: 60,
            calibrated: "2026-02-03".to_owned(),
        };
        assert_eq!(kept.false_alarms(), Some(expected));
    }

    #[test]
    fn arithmetic_keeps_the_higher_lower_bound() {
        let reached = |flop_per_second: f64| ArithmeticSpeed {
            flop_per_second,
            job: "j".into(),
            measured: String::new(),
        };
        let mut kept = MachineCalibration::default();
        for rate in [2e9, 3e9, 1e9] {
            kept.set_arithmetic(reached(rate));
        }
        assert_eq!(kept.arithmetic, Some(reached(3e9)));
    }
}
