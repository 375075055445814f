//! What `orch` and its worker processes say to each other: one request, one reply, one farewell, as framed JSON.

use crate::measure::clock::ScopeClock;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

/// First bytes of a frame: junk that a plugin writes into the descriptor is not taken for an answer.
const FRAME: [u8; 4] = *b"orcF";
/// No honest reply is larger: 10 000 samples and a full scope tree stay far below.
const FRAME_LIMIT: usize = 64 << 20;

/// What a worker is asked to do; sent once, right after it was spawned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
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
    pub(crate) shift: Shift,
}

/// How far a worker moves its heap and its mappings before it loads the plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shift {
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
    /// Samples in turns with another worker: answers `Ready`, gets `Go`, answers `Turned`.
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
            Self::Pair { .. } => "paired timing",
            Self::Sentinel => "sentinel",
        }
    }
}

/// What a worker learned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Described {
        document: String,
    },
    Profiled(Profile),
    Counted(Count),
    Timed(Timing),
    /// A worker of a pair is warm and waits for its turns; another reply follows.
    Ready(Ready),
    Turned(Turned),
    Sentinel(Reading),
    Failed(PluginError),
}

impl Reply {
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
        )
    }

    /// The time that it says was spent in the plugin.
    pub(crate) fn measured(&self) -> Duration {
        let sum = |samples: &[u64]| samples.iter().fold(0, |sum: u64, ns| sum.saturating_add(*ns));
        Duration::from_nanos(match self {
            Self::Timed(timing) => sum(&timing.samples_ns).saturating_add(timing.warm_up.ns),
            Self::Turned(turned) => sum(&turned.samples_ns),
            Self::Profiled(profile) => profile.run_ns,
            _ => 0,
        })
    }

    /// The counts, if this is what it holds.
    pub(crate) fn as_count(&self) -> Option<&Count> {
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
    /// Reset and the one iteration that the digest is taken of.
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
        Self::ALL.into_iter().find(|phase| *phase as u32 == number).unwrap_or(Self::Start)
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

/// One process's timed samples.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// The digest document as the plugin wrote it; empty if it has none.
    pub(crate) digest: String,
    /// Iterations in each sample.
    pub(crate) iterations: u64,
    /// Durations of the samples, in the order they were taken.
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) warm_up: WarmUp,
    pub(crate) usage: Usage,
    /// Smallest step of the clock on this machine.
    pub(crate) resolution_ns: u64,
}

/// One worker of a pair before its first turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) digest: String,
    /// Iterations that make a sample long enough.
    pub(crate) iterations: u64,
    /// Median over the last window of warming up.
    pub(crate) iteration_ns: f64,
    /// Where its stack is: the same on both sides, unless the system insists on random addresses.
    pub(crate) stack: u64,
    pub(crate) warm_up: WarmUp,
}

/// What both workers of a pair are told when they are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Go {
    /// Iterations in each sample, the same for both.
    pub(crate) iterations: u64,
    /// An untimed sample after each hand-over fills the caches again.
    pub(crate) untimed: bool,
    /// The places in the common order at which this worker runs.
    pub(crate) places: Vec<u32>,
}

/// One worker's part of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Turned {
    /// Durations of the samples, in the order they were taken.
    pub(crate) samples_ns: Vec<u64>,
    pub(crate) usage: Usage,
}

/// One reading of the sentinel kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Durations of the samples of the chain of multiplications, in the order taken.
    pub(crate) compute_ns: Vec<u64>,
    /// The same of the walk through memory.
    pub(crate) memory_ns: Vec<u64>,
    pub(crate) usage: Usage,
}

/// How warming up went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WarmUp {
    pub(crate) ns: u64,
    pub(crate) iterations: u64,
    pub(crate) ended: WarmUpEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WarmUpEnd {
    /// Two consecutive windows agreed.
    Steady,
    /// Its time was up first.
    Budget,
}

/// What the operating system saw while the samples were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

/// The scope trees of some iterations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) digest: String,
    pub(crate) iterations: u64,
    /// Time inside `run` over all iterations, with scopes and counting on.
    pub(crate) run_ns: u64,
    pub(crate) scopes: Vec<ScopeNode>,
    pub(crate) complaints: Vec<String>,
}

/// A scope in its place in the tree, summed over all iterations of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeNode {
    pub(crate) name: String,
    /// Opened on a thread other than the driver's: in no total.
    pub(crate) pool: bool,
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    pub(crate) self_ns: u64,
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    /// Shortest duration of the first, second, ... call of an iteration; empty where iterations differ in calls.
    pub(crate) series_min_ns: Vec<u64>,
    pub(crate) counters: Vec<Counter>,
    pub(crate) children: Vec<ScopeNode>,
}

/// The sum of a named counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counter {
    pub(crate) name: String,
    pub(crate) sum: f64,
}

/// One process's allocations over a fixed number of iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) digest: String,
    pub(crate) iterations: u64,
    /// Successful allocations inside the iterations, on all threads.
    pub(crate) allocations: u64,
    /// Requested bytes of those.
    pub(crate) bytes: u64,
    /// The highest rise of live bytes within one iteration.
    pub(crate) peak_bytes: u64,
    /// Live bytes after the last iteration minus before the first (resets included).
    pub(crate) leaked_bytes: i64,
    /// Allocation events (allocations and frees) of threads other than the driver.
    pub(crate) elsewhere: u64,
    /// Iterations differed in allocations or bytes.
    pub(crate) uneven: bool,
    /// The process had one thread from beginning to end.
    pub(crate) single_threaded: bool,
    /// More blocks lived than the table holds: bytes and counts are right, peak and leak are not.
    pub(crate) untracked: bool,
    /// Growth of resident memory over the iterations, to notice allocators that go around malloc.
    pub(crate) resident_growth: i64,
    pub(crate) counters: Vec<Counter>,
    pub(crate) complaints: Vec<String>,
    /// Where the workload's code begins, as addresses within the library; empty if the plugin does not say.
    #[serde(default)]
    pub(crate) code: Vec<u64>,
}

/// Sent when the plugin has been torn down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Farewell {
    pub(crate) error: Option<PluginError>,
}

/// Writes one frame.
pub(crate) fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("message too large"))?;
    let mut frame = Vec::with_capacity(body.len() + 8);
    frame.extend_from_slice(&FRAME);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    to.write_all(&frame)
}

/// Reads one frame, waiting for it.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let length = frame_length(&head).ok_or_else(|| io::Error::other("not a message of orch"))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Takes the first whole frame out of `buffer`. `None`: not all of it has arrived. Junk is an error.
pub(crate) fn take<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = buffer.first_chunk::<8>() else { return Ok(None) };
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
        send(&mut wire, &Farewell { error: None }).unwrap();
        let mut buffer = Vec::new();
        for byte in &wire[..wire.len() - 1] {
            buffer.push(*byte);
            assert!(take::<Farewell>(&mut buffer).unwrap().is_none());
        }
        buffer.push(wire[wire.len() - 1]);
        assert!(take::<Farewell>(&mut buffer).unwrap().is_some());
        assert!(buffer.is_empty());
    }

    #[test]
    fn junk_is_an_error_and_not_a_long_wait() {
        assert!(take::<Farewell>(&mut b"JUNKJUNKJUNK".to_vec()).is_err());
        let mut huge = FRAME.to_vec();
        huge.extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(take::<Farewell>(&mut huge).is_err());
    }

    #[test]
    fn every_phase_survives_its_number() {
        for phase in Phase::ALL {
            assert_eq!(Phase::from_number(phase as u32), phase);
        }
        assert_eq!(Phase::from_number(999), Phase::Start);
    }
}
