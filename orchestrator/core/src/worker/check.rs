//! The pass of `orch plugin check`: the whole life of an instance, with the state after each stage.

use super::PhaseTracker;
use super::library::{CallError, LiveInstance, LoadedPlugin};
use super::scopes;
use crate::counting;
use crate::protocol::{CallWork, InstanceCheck, Phase, PluginError, WorkerRequest};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Iterations of the calls of `run` whose work is compared: none, one and some.
const CALLS: [u64; 3] = [0, 1, 3];
/// Maximum time for which a thread may stay listed after it was joined.
const PATIENCE: Duration = Duration::from_millis(100);

impl PhaseTracker<'_> {
    /// Takes an instance from `create` to `destroy`, and records its state after each stage.
    pub(super) fn check_instance(
        &self,
        plugin: &LoadedPlugin,
        request: &WorkerRequest,
        thorough: bool,
    ) -> Result<InstanceCheck, PluginError> {
        let (resident, live) = (anonymous_bytes(), counting::live_bytes());
        counting::restart_peak();
        let begun = Instant::now();
        let mut instance = self.phase(Phase::Create, || {
            plugin.create(&request.workload, &request.params)
        })?;
        self.phase(Phase::Setup, || instance.setup())?;
        let setup_ns = nanos(begun);
        let setup_threads = other_threads();
        let has_digest = instance.has_digest();
        let iteration = |instance: &mut LiveInstance| {
            instance.prepare(1)?;
            self.page.iteration.fetch_add(1, Relaxed);
            let begun = Instant::now();
            instance.run(1)?;
            Ok::<u64, CallError>(nanos(begun))
        };
        let first_ns = self.phase(Phase::Run, || iteration(&mut instance))?;
        let first = self.phase(Phase::Digest, || instance.digest())?;
        let second_ns = self.phase(Phase::Run, || iteration(&mut instance))?;
        let again = self.phase(Phase::Digest, || instance.digest())?;
        let resident_growth = anonymous_bytes() - resident;
        let counted_peak = counting::peak_bytes().saturating_sub(live);
        let (mut work, mut further) = (Vec::new(), String::new());
        if thorough {
            work = self.phase(Phase::Run, || {
                CALLS
                    .into_iter()
                    .map(|calls| measure_call(&mut instance, calls))
                    .collect()
            })?;
            // A plugin may refuse to compute a digest without a reset before it.
            further = self.phase(Phase::Run, || {
                iteration(&mut instance)?;
                instance.run(1)?;
                Ok(instance.digest().unwrap_or_default())
            })?;
        }
        let run_threads = other_threads();
        self.phase(Phase::Teardown, || instance.teardown())?;
        self.phase(Phase::Destroy, || {
            instance.destroy();
            Ok(())
        })?;
        let waiting = Instant::now();
        while other_threads() > 0 && waiting.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(InstanceCheck {
            setup_ns,
            iteration_ns: first_ns.min(second_ns),
            has_digest,
            first,
            again,
            further,
            work,
            setup_threads,
            run_threads,
            end_threads: other_threads(),
            resident_growth,
            counted_peak,
            kept_bytes: signed(counting::live_bytes()) - signed(live),
        })
    }
}

/// Measures the counters and allocations of one call of `run`.
fn measure_call(instance: &mut LiveInstance, iterations: u64) -> Result<CallWork, CallError> {
    let iterations = instance.prepare(iterations)?;
    scopes::forget();
    let before = counting::sum_all_threads();
    instance.run(iterations)?;
    let allocations = counting::sum_all_threads().since(before).allocations;
    Ok(CallWork {
        iterations,
        allocations,
        counters: scopes::collect().counters,
    })
}

/// Returns the number of threads of the process besides this one.
fn other_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, |threads| threads.count().saturating_sub(1))
}

/// Returns the bytes of resident memory without a file behind it.
fn anonymous_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let field = |index: usize| {
        statm
            .split(' ')
            .nth(index)
            .and_then(|pages| pages.parse::<i64>().ok())
            .unwrap_or(0)
    };
    (field(1) - field(2)) * i64::try_from(rustix::param::page_size()).unwrap_or(0)
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
