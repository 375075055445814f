//! Times that are wrong on purpose: they show which tests depend on measured times. Only builds for
//! tests contain this, and only the variable `ORCH_SCRAMBLE` switches it on.
//!
//! - `builds:SEED` makes every library faster or slower by a factor of its own, so that comparisons
//!   of different builds find changes that do not exist.
//! - `noise:SEED` gives every worker and every sample a factor of its own, so that nothing is
//!   decided.
//! - `drift:SEED` lets the times change during each worker, so that no job has a steady state. They
//!   grow if the seed divided by 3 leaves 0, fall if it leaves 1, and change at random if it
//!   leaves 2.

use orch_core::protocol::{ScopeNode, WarmUpEnd, WorkerReply};
use orch_core::random::{SeededRandom, draw_system_bits};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;

const VARIABLE: &str = "ORCH_SCRAMBLE";
/// Largest factor of a library or a worker, up or down, as a logarithm.
const LARGEST: f64 = 1.0;
/// Number of parts of a worker's samples between which the times jump.
const PARTS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScrambleMode {
    Builds { seed: u64 },
    Noise,
    Drift(TimeDrift),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeDrift {
    Grows,
    Falls,
    Jumps,
}

/// Changes the times in a worker's reply if the variable asks for it.
pub(super) fn scramble_reply(mut reply: WorkerReply, library: &Path) -> WorkerReply {
    static MODE: OnceLock<Option<ScrambleMode>> = OnceLock::new();
    let read = || parse_mode(&std::env::var(VARIABLE).ok()?);
    match MODE.get_or_init(read) {
        None => {}
        Some(ScrambleMode::Builds { seed }) => {
            let mut hasher = DefaultHasher::new();
            (seed, library).hash(&mut hasher);
            let factor = draw_factor(&mut SeededRandom::from_seed(hasher.finish()));
            change_times(&mut reply, || factor);
        }
        Some(ScrambleMode::Noise) => {
            let mut random = SeededRandom::from_seed(draw_system_bits());
            let factor = draw_factor(&mut random);
            change_times(&mut reply, || factor * draw_factor(&mut random));
        }
        Some(ScrambleMode::Drift(drift)) => drift_times(&mut reply, *drift),
    }
    reply
}

fn parse_mode(text: &str) -> Option<ScrambleMode> {
    let (mode, seed) = text.split_once(':')?;
    let seed = seed.parse().ok()?;
    match mode {
        "builds" => Some(ScrambleMode::Builds { seed }),
        "noise" => Some(ScrambleMode::Noise),
        "drift" => Some(ScrambleMode::Drift(match seed % 3 {
            0 => TimeDrift::Grows,
            1 => TimeDrift::Falls,
            _ => TimeDrift::Jumps,
        })),
        _ => None,
    }
}

fn draw_factor(random: &mut SeededRandom) -> f64 {
    (LARGEST * (2.0 * random.draw_fraction() - 1.0)).exp()
}

/// Multiplies each sample by a factor. All times of a profile have one whole factor, because the
/// parts sum to the whole.
fn change_times(reply: &mut WorkerReply, mut draw: impl FnMut() -> f64) {
    match reply {
        WorkerReply::Timed(timed) => {
            let samples = timed.samples_ns.iter_mut();
            samples.for_each(|ns| *ns = scale_time(*ns, draw()));
        }
        WorkerReply::Turned(turned) => {
            let samples = turned.samples_ns.iter_mut();
            samples.for_each(|ns| *ns = scale_time(*ns, draw()));
        }
        WorkerReply::Profiled(profile) => {
            let factor = draw().ceil();
            profile.run_ns = scale_time(profile.run_ns, factor);
            profile.iteration_ns *= factor;
            let scopes = profile.scopes.iter_mut();
            scopes.for_each(|scope| scale_scope(scope, &|ns| scale_time(ns, factor)));
        }
        _ => {}
    }
}

/// Multiplies the samples of a worker by factors that change from the first to the last one.
fn drift_times(reply: &mut WorkerReply, drift: TimeDrift) {
    let samples = match reply {
        WorkerReply::Timed(timed) => {
            timed.warm_up.ended = WarmUpEnd::Budget;
            &mut timed.samples_ns
        }
        WorkerReply::Turned(turned) => &mut turned.samples_ns,
        _ => return,
    };
    let mut random = SeededRandom::from_seed(draw_system_bits());
    let last = samples.len().saturating_sub(1).max(1) as f64;
    let jumps: [f64; PARTS] = std::array::from_fn(|_| random.draw_fraction());
    for (index, ns) in samples.iter_mut().enumerate() {
        let progress = index as f64 / last;
        let moved = match drift {
            TimeDrift::Grows => progress,
            TimeDrift::Falls => 1.0 - progress,
            TimeDrift::Jumps => jumps[(progress * (PARTS - 1) as f64) as usize],
        };
        *ns = scale_time(*ns, (LARGEST * moved).exp());
    }
}

fn scale_time(ns: u64, factor: f64) -> u64 {
    ((ns as f64 * factor) as u64).max(1)
}

fn scale_scope(scope: &mut ScopeNode, scale: &impl Fn(u64) -> u64) {
    let times = [
        &mut scope.total_ns,
        &mut scope.self_ns,
        &mut scope.min_ns,
        &mut scope.max_ns,
    ];
    for ns in times.into_iter().chain(&mut scope.series_min_ns) {
        *ns = scale(*ns);
    }
    for inner in &mut scope.children {
        scale_scope(inner, scale);
    }
}
