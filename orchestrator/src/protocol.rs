//! What `orch` and its worker processes say to each other: one request, one reply, one farewell, as
//! framed JSON.

mod checked;
mod measured;

pub(crate) use checked::{CallWork, InstanceCheck};
pub(crate) use measured::{
    AllocationCounts, CounterSum, PairReady, PairStart, ResourceUsage, ScopeNode, ScopeProfile,
    SentinelReading, TimedSamples, TurnSamples, WarmUp, WarmUpEnd,
};

use crate::measure::clock::ScopeClock;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// First bytes of a frame: junk that a plugin writes into the descriptor is not taken for an
/// answer.
const FRAME: [u8; 4] = *b"orcF";
/// No honest reply is larger: 10 000 samples and a full scope tree stay far below.
const FRAME_LIMIT: usize = 64 << 20;

/// What a worker is asked to do; sent once, right after it was spawned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkerRequest {
    pub(crate) library: PathBuf,
    pub(crate) pass: Pass,
    pub(crate) workload: String,
    /// The parameters as the JSON object that the plugin will read.
    pub(crate) params: String,
    /// CPUs the worker pins itself to before anything is loaded.
    pub(crate) cpus: Vec<usize>,
    /// Bytes of address space beyond what the worker itself has mapped.
    pub(crate) memory: u64,
    pub(crate) clock: ScopeClock,
    /// Where the plugin's memory begins, so that both workers of a pair have it in the same place.
    pub(crate) shift: MemoryShift,
    /// Where the worker runs: relative paths in the parameters begin there.
    pub(crate) folder: PathBuf,
    /// What the sandbox lets through; none: there is no sandbox.
    pub(crate) sandbox: Option<SandboxGrants>,
}

/// What a sandboxed worker may use: what every program needs, and what is named. Everything exists,
/// and paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SandboxGrants {
    /// Files and folders that it may read and execute.
    pub(crate) read: Vec<PathBuf>,
    /// Those that it may also write.
    pub(crate) write: Vec<PathBuf>,
    /// The folder that it has for itself, gone after its end.
    pub(crate) scratch: Option<PathBuf>,
}

/// How far a worker moves its heap and its mappings before it loads the plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemoryShift {
    /// Bytes of the heap that are left unused at its beginning.
    pub(crate) heap: usize,
    /// Pages that are mapped before anything of the plugin is.
    pub(crate) pages: usize,
}

/// Timing, profiling and counting are apart, so that none disturbs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pass {
    /// Reads the plugin's describe document.
    Describe,
    /// Scope tree with times and allocations.
    Profile {
        /// Stop after this much time inside `run`.
        budget_ns: u64,
        /// Stop after this many iterations.
        most_iterations: u64,
    },
    /// Allocations, leaks, counters over a fixed number of iterations.
    Count {
        /// How many iterations, after one for warming up.
        iterations: u64,
    },
    /// Samples with scopes and counting off.
    Time {
        /// Timed samples to gather.
        budget_ns: u64,
        /// A sample lasts at least this long, unless one iteration does.
        sample_ns: u64,
        /// Warm-up ends here, steady or not.
        warm_up_ns: u64,
    },
    /// Reads the sentinel kernels; no plugin is loaded.
    Sentinel,
    /// The life of an instance, for `orch plugin check`.
    Check {
        /// Also compares calls of `run` with each other.
        thorough: bool,
        /// So many instances, one after the other; what is answered is of the last one.
        lives: u32,
    },
    /// Samples in turns with another worker: answers `PairReady`, gets `PairStart`, answers `TurnSamples`.
    Pair {
        /// A sample lasts at least this long, unless one iteration does.
        sample_ns: u64,
        /// Warm-up ends here, steady or not.
        warm_up_ns: u64,
    },
}

impl Pass {
    pub(crate) fn name(self) -> &'static str {
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

/// What a worker learned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkerReply {
    Described {
        document: String,
    },
    Profiled(ScopeProfile),
    Counted(AllocationCounts),
    Timed(TimedSamples),
    Checked(InstanceCheck),
    /// A worker of a pair is warm and waits for its turns; another reply follows.
    Ready(PairReady),
    Turned(TurnSamples),
    Sentinel(SentinelReading),
    Failed(PluginError),
}

impl WorkerReply {
    /// Whether a pass can end with it.
    pub(crate) fn answers(&self, pass: Pass) -> bool {
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

    /// The time that it says was spent in the plugin.
    pub(crate) fn measured_time(&self) -> Duration {
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

    /// The counts, if this is what it holds.
    pub(crate) fn as_count(&self) -> Option<&AllocationCounts> {
        match self {
            Self::Counted(count) => Some(count),
            _ => None,
        }
    }
}

/// The plugin returned a status other than OK, or could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginError {
    pub(crate) phase: Phase,
    pub(crate) kind: PluginErrorKind,
    pub(crate) message: String,
    /// Open scopes at that moment, outermost first; empty where none was recorded.
    pub(crate) scope: String,
    pub(crate) iteration: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PluginErrorKind {
    Error,
    Panic,
    Params,
    UnknownWorkload,
    Unsupported,
    Load,
}

/// Where in a plugin's life a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub(crate) enum Phase {
    /// Before any code of the plugin ran.
    Start,
    Build,
    Load,
    Describe,
    Create,
    Setup,
    /// The digest of what was just run.
    Digest,
    WarmUp,
    Run,
    Teardown,
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

    /// The phase of a number that another process wrote.
    pub(crate) fn from_number(number: u32) -> Self {
        Self::ALL
            .into_iter()
            .find(|phase| *phase as u32 == number)
            .unwrap_or(Self::Start)
    }

    pub(crate) fn name(self) -> &'static str {
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

/// Sent when the plugin has been torn down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkerFarewell {
    pub(crate) error: Option<PluginError>,
}

/// Writes one frame.
pub(crate) fn send_frame<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("message too large"))?;
    let mut frame = Vec::with_capacity(body.len() + 8);
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    to.write_all(&frame)
}

/// Reads one frame, waiting for it.
pub(crate) fn receive_frame<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let length = frame_length(&head).ok_or_else(|| io::Error::other("not a message of orch"))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Takes the first whole frame out of `buffer`. `None`: not all of it has arrived. Junk is an
/// error.
pub(crate) fn take_frame<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = buffer.first_chunk::<8>() else {
        return Ok(None);
    };
    let length = frame_length(head).ok_or_else(|| io::Error::other("it is no message of orch"))?;
    if buffer.len() < 8 + length {
        return Ok(None);
    }
    let message = serde_json::from_slice(&buffer[8..8 + length])
        .map_err(|error| io::Error::other(format!("it is no message of orch ({error})")))?;
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
    fn a_frame_arrives_in_any_pieces() {
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
    fn junk_is_an_error_and_not_a_long_wait() {
        assert!(take_frame::<WorkerFarewell>(&mut b"JUNKJUNKJUNK".to_vec()).is_err());
        let mut huge = FRAME.to_vec();
        huge.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(take_frame::<WorkerFarewell>(&mut huge).is_err());
    }

    #[test]
    fn every_phase_survives_its_number() {
        for phase in Phase::ALL {
            assert_eq!(Phase::from_number(phase as u32), phase);
        }
        assert_eq!(Phase::from_number(999), Phase::Start);
    }
}
