//! The protocol between `orch` and its worker processes: one request, one reply, one farewell, as
//! framed JSON.

mod bounded;
mod checked;
mod measured;

pub use bounded::MOST_SAMPLES;
pub use checked::{CallWork, InstanceCheck};
pub use measured::{
    AllocationCounts, CounterSum, PairReady, PairStart, ResourceUsage, ScopeComplaint, ScopeNode,
    ScopeProfile, SentinelReading, TimedSamples, TurnSamples, WarmUp, WarmUpEnd,
};

use crate::measure::clock::ScopeClock;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// First bytes of a frame, so that arbitrary data that a plugin writes to the descriptor is not
/// taken for an answer.
const FRAME: [u8; 4] = *b"orcF";
/// Maximum length of a frame. 10 000 samples and a full scope tree are far smaller.
const FRAME_LIMIT: usize = 64 << 20;

/// Task of a worker; sent once, right after the worker was spawned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerRequest {
    /// Plugin to load.
    pub library: PathBuf,
    /// Pass to carry out.
    pub pass: Pass,
    /// Id of the workload.
    pub workload: String,
    /// Parameters as the JSON object that the plugin reads.
    pub params: String,
    /// CPUs to which the worker pins itself before it loads anything.
    pub cpus: Vec<usize>,
    /// Bytes of address space beyond the worker's own mappings.
    pub memory: u64,
    /// Clock that times scopes.
    pub clock: ScopeClock,
    /// Position of the plugin's memory, so that both workers of a pair have it at the same
    /// addresses.
    pub shift: MemoryShift,
    /// Working folder of the worker, where relative paths in the parameters begin.
    pub folder: PathBuf,
    /// Grants of the sandbox; `None` without a sandbox.
    pub sandbox: Option<SandboxGrants>,
}

/// Files of a sandboxed worker: those that every program needs, and the granted ones. All paths
/// exist and are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxGrants {
    /// Files and folders that it may read and execute.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may also write.
    pub write: Vec<PathBuf>,
    /// The worker's own scratch folder, removed after its end.
    pub scratch: Option<PathBuf>,
}

/// Distance by which a worker moves its heap and its mappings before it loads the plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryShift {
    /// Unused bytes at the beginning of the heap.
    pub heap: usize,
    /// Pages that are mapped before any part of the plugin.
    pub pages: usize,
}

/// Kinds of pass. Timing, profiling and counting are separate, so that none disturbs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Reads the plugin's describe document.
    Describe,
    /// Records the scope tree with times and allocations.
    Profile {
        /// Time inside `run` after which to stop.
        budget_ns: u64,
        /// Number of iterations after which to stop.
        most_iterations: u64,
    },
    /// Counts allocations, leaks and counters over a fixed number of iterations.
    Count {
        /// Number of iterations, after one for warming up.
        iterations: u64,
    },
    /// Takes samples with scopes and counting off.
    Time {
        /// Total time of the samples.
        budget_ns: u64,
        /// Minimum time of a sample, unless one iteration takes longer.
        sample_ns: u64,
        /// Time at which warm-up ends, steady or not.
        warm_up_ns: u64,
    },
    /// Reads the sentinel kernels; no plugin is loaded.
    Sentinel,
    /// Checks the life of an instance, for `orch plugin check`.
    Check {
        /// Whether to compare calls of `run` with each other.
        thorough: bool,
        /// Number of instances, one after the other. The answer is about the last one.
        lives: u32,
    },
    /// Takes samples in turns with another worker: sends `PairReady`, receives `PairStart`, sends
    /// `TurnSamples`.
    Pair {
        /// Minimum time of a sample, unless one iteration takes longer.
        sample_ns: u64,
        /// Time at which warm-up ends, steady or not.
        warm_up_ns: u64,
    },
}

impl Pass {
    /// Returns the name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Profile { .. } => "profile",
            Self::Count { .. } => "count",
            Self::Time { .. } => "timing",
            Self::Check { .. } => "check",
            Self::Pair { .. } => "paired timing",
            Self::Sentinel => "sentinel",
        }
    }
}

/// Result of a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerReply {
    /// The describe document, as the plugin wrote it.
    Described {
        /// JSON text.
        document: String,
    },
    /// Reply to a profile pass.
    Profiled(ScopeProfile),
    /// Reply to a count pass.
    Counted(AllocationCounts),
    /// Reply to a timing pass.
    Timed(TimedSamples),
    /// Reply to a check pass.
    Checked(InstanceCheck),
    /// Reply of a worker of a pair that has warmed up and waits for its turns; another reply
    /// follows.
    Ready(PairReady),
    /// Samples of a worker of a pair.
    Turned(TurnSamples),
    /// Reply to a sentinel pass.
    Sentinel(SentinelReading),
    /// The pass failed.
    Failed(PluginError),
}

impl WorkerReply {
    /// Returns whether this reply can end the given pass.
    pub fn answers(&self, pass: Pass) -> bool {
        matches!(
            (self, pass),
            (Self::Failed(_), _)
                | (Self::Described { .. }, Pass::Describe)
                | (Self::Profiled(_), Pass::Profile { .. })
                | (Self::Counted(_), Pass::Count { .. })
                | (Self::Timed(_), Pass::Time { .. })
                | (Self::Turned(_), Pass::Pair { .. })
                | (Self::Sentinel(_), Pass::Sentinel)
                | (Self::Checked(_), Pass::Check { .. })
        )
    }

    /// Returns the time that the reply reports as spent in the plugin.
    pub fn measured_time(&self) -> Duration {
        let sum = |samples: &[u64]| {
            samples
                .iter()
                .fold(0, |sum: u64, ns| sum.saturating_add(*ns))
        };
        Duration::from_nanos(match self {
            Self::Timed(timing) => sum(&timing.samples_ns).saturating_add(timing.warm_up.ns),
            Self::Turned(turned) => sum(&turned.samples_ns),
            Self::Profiled(profile) => profile.run_ns,
            _ => 0,
        })
    }

    /// Returns the counts, if the reply contains counts.
    pub fn as_count(&self) -> Option<&AllocationCounts> {
        match self {
            Self::Counted(count) => Some(count),
            _ => None,
        }
    }
}

/// A status other than OK that the plugin returned, or a failure to load it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginError {
    /// Phase in which it happened.
    pub phase: Phase,
    /// Status of the plugin, or `Load`.
    pub kind: PluginErrorKind,
    /// Text of the plugin, or the reason why it was not loaded.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_ERROR }>")]
    pub message: String,
    /// Open scopes at that moment, outermost first; empty if none was recorded.
    #[serde(deserialize_with = "bounded::text::<_, { bounded::MOST_ERROR }>")]
    pub scope: String,
    /// Iteration in which it happened, from 0.
    pub iteration: u64,
}

/// Kinds of plugin errors: the statuses of the ABI, and a failure to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginErrorKind {
    /// The plugin returned an error.
    Error,
    /// The plugin panicked.
    Panic,
    /// The plugin refused the parameters.
    Params,
    /// The plugin has no such workload.
    UnknownWorkload,
    /// The plugin does not support the call or the version.
    Unsupported,
    /// The library could not be loaded.
    Load,
}

/// Phase of a plugin's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Phase {
    /// Before any code of the plugin ran.
    Start,
    /// The library is being built.
    Build,
    /// The library is being loaded.
    Load,
    /// The plugin describes itself.
    Describe,
    /// The instance is being created.
    Create,
    /// The instance prepares its inputs.
    Setup,
    /// The digest of the previous iteration.
    Digest,
    /// Untimed iterations before the samples.
    WarmUp,
    /// The measured iterations.
    Run,
    /// The instance releases its inputs.
    Teardown,
    /// The instance is being destroyed.
    Destroy,
}

impl Phase {
    const ALL: [Self; 11] = [
        Self::Start,
        Self::Build,
        Self::Load,
        Self::Describe,
        Self::Create,
        Self::Setup,
        Self::Digest,
        Self::WarmUp,
        Self::Run,
        Self::Teardown,
        Self::Destroy,
    ];

    /// Returns the phase of a number that another process wrote.
    pub fn from_number(number: u32) -> Self {
        Self::ALL
            .into_iter()
            .find(|phase| *phase as u32 == number)
            .unwrap_or(Self::Start)
    }

    /// Returns the name in records and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Build => "build",
            Self::Load => "load",
            Self::Describe => "describe",
            Self::Create => "create",
            Self::Setup => "setup",
            Self::Digest => "digest",
            Self::WarmUp => "warm_up",
            Self::Run => "run",
            Self::Teardown => "teardown",
            Self::Destroy => "destroy",
        }
    }
}

/// Message after the plugin's teardown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerFarewell {
    /// Error of teardown or destroy.
    pub error: Option<PluginError>,
}

/// Writes one frame.
pub fn send_frame<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("message too large"))?;
    let mut frame = Vec::with_capacity(body.len() + 8);
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    to.write_all(&frame)
}

/// Reads one frame, and waits for it.
pub(crate) fn receive_frame<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let length = frame_length(&head).ok_or_else(|| io::Error::other("not a message of orch"))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Removes the first complete frame from `buffer`. Returns `None` if no frame has arrived
/// completely, and an error for invalid data.
pub fn take_frame<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = buffer.first_chunk::<8>() else {
        return Ok(None);
    };
    let length =
        frame_length(head).ok_or_else(|| io::Error::other("it is not a message of orch"))?;
    if buffer.len() < 8 + length {
        return Ok(None);
    }
    let message = serde_json::from_slice(&buffer[8..8 + length])
        .map_err(|error| io::Error::other(format!("it is not a message of orch ({error})")))?;
    buffer.drain(..8 + length);
    Ok(Some(message))
}

fn frame_length(head: &[u8; 8]) -> Option<usize> {
    let [a, b, c, d, l0, l1, l2, l3] = *head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    ([a, b, c, d] == FRAME && length <= FRAME_LIMIT).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_may_arrive_in_any_pieces() {
        let mut wire = Vec::new();
        send_frame(&mut wire, &WorkerFarewell { error: None }).unwrap();
        let mut buffer = Vec::new();
        for byte in &wire[..wire.len() - 1] {
            buffer.push(*byte);
            assert!(take_frame::<WorkerFarewell>(&mut buffer).unwrap().is_none());
        }
        buffer.push(wire[wire.len() - 1]);
        assert!(take_frame::<WorkerFarewell>(&mut buffer).unwrap().is_some());
        assert!(buffer.is_empty());
    }

    #[test]
    fn invalid_frame_is_an_error_and_not_a_long_wait() {
        assert!(take_frame::<WorkerFarewell>(&mut b"JUNKJUNKJUNK".to_vec()).is_err());
        let mut huge = FRAME.to_vec();
        huge.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(take_frame::<WorkerFarewell>(&mut huge).is_err());
    }

    #[test]
    fn phase_survives_conversion_to_a_number() {
        for phase in Phase::ALL {
            assert_eq!(Phase::from_number(phase as u32), phase);
        }
        assert_eq!(Phase::from_number(999), Phase::Start);
    }
}
