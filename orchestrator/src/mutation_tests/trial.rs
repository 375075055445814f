//! Trying the mutated inputs of a format: how many, which, and what is reported about them.
//!
//! | variable | content |
//! |---|---|
//! | `ORCH_MUTATIONS` | inputs of each format, or a duration such as `60s` |
//! | `ORCH_MUTATIONS_SEED` | the seed of an earlier run, to repeat it |
//! | `ORCH_MUTATIONS_REPORT` | file to which each format adds a line |

use super::mutate::mutate;
use orch_core::random::{self, SeededRandom};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Number of inputs of each format in a usual test run.
const USUAL: u64 = 300;
/// Time after which an input counts as endless. The process is then aborted.
const MOST_TIME: Duration = Duration::from_secs(300);

/// Condition that ends a trial.
#[derive(Clone, Copy)]
enum TrialLimit {
    Inputs(u64),
    Time(Duration),
}

impl TrialLimit {
    fn parse(text: &str) -> Self {
        match text.strip_suffix('s') {
            Some(seconds) => Self::Time(Duration::from_secs(seconds.parse().unwrap())),
            None => Self::Inputs(text.parse().unwrap()),
        }
    }

    fn is_reached(self, inputs: u64, begun: Instant) -> bool {
        match self {
            Self::Inputs(most) => inputs >= most,
            Self::Time(most) => begun.elapsed() >= most,
        }
    }
}

/// Results of the inputs of one format.
#[derive(Default)]
struct TrialOutcome {
    inputs: u64,
    accepted: u64,
    longest: Duration,
    /// Bytes of the input that took longest.
    longest_bytes: usize,
}

/// Tries mutated inputs of a format. `accepts` returns whether an input is valid. Every example has
/// to be valid, because otherwise no mutation would pass the first check.
pub(super) fn try_mutations(format: &str, corpus: &[Vec<u8>], accepts: impl Fn(&[u8]) -> bool) {
    assert!(!corpus.is_empty(), "{format} has no examples");
    for (number, example) in corpus.iter().enumerate() {
        assert!(accepts(example), "{format}: example {number} is not valid");
    }
    let variable = |name| std::env::var(name).ok();
    let asked = variable("ORCH_MUTATIONS").map(|text| TrialLimit::parse(&text));
    let seed = match (variable("ORCH_MUTATIONS_SEED"), asked) {
        (Some(seed), _) => seed.parse().unwrap(),
        (None, Some(_)) => random::draw_seed(),
        // Every test run has the same inputs.
        (None, None) => 1,
    };
    let Some(limit) = asked else {
        try_inputs(TrialLimit::Inputs(USUAL), format, seed, corpus, &accepts);
        return;
    };
    // The test harness captures the output of `print!`, and loses it if the process aborts. It does
    // not capture text that is written directly to standard error.
    writeln!(io::stderr(), "{format}: seed {seed}").unwrap();
    let outcome = try_inputs(limit, format, seed, corpus, &accepts);
    assert!(outcome.inputs > 0, "{format}: no input was tried");
    report(format, seed, &outcome);
}

fn try_inputs(
    limit: TrialLimit,
    format: &str,
    seed: u64,
    corpus: &[Vec<u8>],
    accepts: &impl Fn(&[u8]) -> bool,
) -> TrialOutcome {
    let begun = Instant::now();
    let mut random = SeededRandom::from_seed(seed);
    let mut outcome = TrialOutcome::default();
    let (progress, watched) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || abort_on_standstill(format, seed, &watched));
        // This is dropped at the end, and also on a panic. The watching thread then ends.
        let progress = progress;
        while !limit.is_reached(outcome.inputs, begun) {
            let example = &corpus[random.draw_from(0..corpus.len())];
            let input = mutate(example, corpus, &mut random);
            outcome.inputs += 1;
            progress.send(outcome.inputs).unwrap();
            let tried = Instant::now();
            let ended = panic::catch_unwind(AssertUnwindSafe(|| accepts(&input)));
            let Ok(is_valid) = ended else {
                panic!("{}", explain_failure(format, outcome.inputs, seed));
            };
            outcome.accepted += u64::from(is_valid);
            if tried.elapsed() > outcome.longest {
                (outcome.longest, outcome.longest_bytes) = (tried.elapsed(), input.len());
            }
        }
    });
    outcome
}

/// Aborts the process when one input takes too long, because a test cannot end its own endless
/// loop.
fn abort_on_standstill(format: &str, seed: u64, progress: &mpsc::Receiver<u64>) {
    let mut at = 0;
    loop {
        match progress.recv_timeout(MOST_TIME) {
            Ok(input) => at = input,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let _ = writeln!(io::stderr(), "{}", explain_failure(format, at, seed));
                std::process::abort();
            }
        }
    }
}

fn explain_failure(format: &str, input: u64, seed: u64) -> String {
    format!(
        "{format}: input {input} panicked or did not end; repeat it with ORCH_MUTATIONS={input} \
         ORCH_MUTATIONS_SEED={seed}"
    )
}

fn report(format: &str, seed: u64, outcome: &TrialOutcome) {
    let Some(file) = std::env::var_os("ORCH_MUTATIONS_REPORT") else {
        return;
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = format!(
        "{format}: {} inputs, {} valid, seed {seed}; longest {:?}, {} bytes; most memory of the \
         process {}\n",
        outcome.inputs,
        outcome.accepted,
        outcome.longest,
        outcome.longest_bytes,
        memory.unwrap_or("unknown").trim(),
    );
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}
