//! The three measuring passes: profile, count and time. No code of orch allocates or logs inside
//! them.

use super::fork_guard;
use super::library::{CallError, LiveInstance};
use super::page::PageLayout;
use super::scopes;
use crate::counting;
use crate::judge::estimate::median;
use crate::measure::{clock, sentinel};
use crate::protocol::{
    AllocationCounts, MOST_SAMPLES, PluginErrorKind, ResourceUsage, ScopeProfile, SentinelReading,
    TimedSamples, WarmUp, WarmUpEnd, WorkerReply,
};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Number of samples in each of the two windows that are compared to find the end of the warm-up.
const WINDOW: usize = 5;
/// Relative difference below which the medians of two windows agree.
const STEADY: f64 = 0.01;
/// Maximum number of iterations of a sample. No real loop completes more within a sample's time.
const MOST_ITERATIONS: u64 = 1 << 40;
/// Minimum length of a sample in steps of the clock, so that a step is at most 0.1 % of it.
const CLOCK_STEPS: u64 = 1_000;

/// The budgets of a timing pass, in nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct TimePlan {
    pub(super) budget_ns: u64,
    pub(super) sample_ns: u64,
    pub(super) warm_up_ns: u64,
}

/// Result of warming up.
pub(super) struct WarmedUp {
    pub(super) iterations_per_sample: u64,
    /// Median of an iteration in the last window.
    pub(super) iteration_ns: f64,
    pub(super) report: WarmUp,
    resolution_ns: u64,
}

/// Runs single iterations with scopes and counting on.
pub(super) fn measure_profile(
    instance: &mut LiveInstance,
    page: &PageLayout,
    digest: String,
    budget_ns: u64,
    most_iterations: u64,
) -> Result<WorkerReply, CallError> {
    scopes::forget();
    let most = usize::try_from(most_iterations)
        .unwrap_or(MOST_SAMPLES)
        .min(MOST_SAMPLES);
    let (mut run_ns, mut iterations, mut each_ns) = (0, 0, Vec::with_capacity(most));
    let wall = WallLimit::new(budget_ns);
    while iterations == 0 || (run_ns < budget_ns && iterations < most_iterations && !wall.is_up()) {
        scopes::next_iteration();
        let ns = take_sample(instance, page, 1)?.ns;
        scopes::close_open();
        run_ns += ns;
        each_ns.push(ns as f64);
        iterations += 1;
    }
    let collected = scopes::collect();
    Ok(WorkerReply::Profiled(ScopeProfile {
        digest,
        iterations,
        run_ns,
        iteration_ns: median(&each_ns).unwrap_or_default(),
        scopes: collected.scopes,
        complaints: collected.complaints,
    }))
}

/// Runs a fixed number of single iterations with counting on.
pub(super) fn measure_counts(
    instance: &mut LiveInstance,
    page: &PageLayout,
    digest: String,
    iterations: u64,
) -> Result<WorkerReply, CallError> {
    scopes::forget();
    let resident_before = resident_bytes();
    let (live_before, foreign_before) = (counting::live_bytes(), counting::foreign_blocks());
    let (mut inside, mut elsewhere, mut peak) = (counting::AllocationTotals::default(), 0, 0);
    let (mut first, mut uneven) = (None, false);
    for _ in 0..iterations {
        instance.prepare(1)?;
        page.iteration.fetch_add(1, Relaxed);
        counting::restart_peak();
        let (live, all_threads, driver) = (
            counting::live_bytes(),
            counting::sum_all_threads(),
            counting::driver(),
        );
        instance.run(1)?;
        fork_guard::end_forked_child(page);
        let window = counting::sum_all_threads().since(all_threads);
        let own = counting::driver().since(driver);
        let each = (window.allocations, window.bytes);
        uneven |= *first.get_or_insert(each) != each;
        inside.allocations += window.allocations;
        inside.bytes += window.bytes;
        elsewhere += window.allocations + window.frees - own.allocations - own.frees;
        // Another thread may have allocated while the peak was being reset.
        peak = peak.max(counting::peak_bytes().saturating_sub(live));
    }
    let leaked = signed(counting::live_bytes()) - signed(live_before);
    let collected = scopes::collect();
    Ok(WorkerReply::Counted(AllocationCounts {
        digest,
        iterations,
        allocations: inside.allocations,
        bytes: inside.bytes,
        peak_bytes: peak,
        leaked_bytes: leaked,
        elsewhere,
        uneven,
        single_threaded: counting::single_threaded(),
        untracked: counting::untracked(),
        foreign_blocks: counting::foreign_blocks() - foreign_before,
        resident_growth: signed(resident_bytes()) - signed(resident_before),
        counters: collected.counters,
        complaints: collected.complaints,
        code: Vec::new(),
    }))
}

/// Chooses the iterations of a sample. It runs until two windows of samples agree or the time is
/// up.
pub(super) fn warm_up(
    instance: &mut LiveInstance,
    page: &PageLayout,
    plan: TimePlan,
) -> Result<WarmedUp, CallError> {
    let resolution_ns = u64::try_from(clock::measure_resolution().as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    let target = plan.sample_ns.max(CLOCK_STEPS * resolution_ns);
    let mut warm = WarmUp {
        ns: 0,
        iterations: 0,
        ended: WarmUpEnd::Budget,
    };
    let wall = WallLimit::new(plan.warm_up_ns);
    let (mut iterations, mut most) = (1, MOST_ITERATIONS);
    let mut last = timed(instance, page, iterations, &mut warm)?.ns;
    while last < target && iterations < most && warm.ns < plan.warm_up_ns && !wall.is_up() {
        let wanted = grow_iterations(iterations, last, target);
        let sample = timed(instance, page, wanted, &mut warm)?;
        (iterations, last) = (sample.iterations, sample.ns);
        if iterations < wanted {
            most = iterations;
        }
    }
    let is_open = warm.ns < plan.warm_up_ns && !wall.is_up();
    if last < target && iterations == MOST_ITERATIONS && is_open {
        return Err(CallError {
            kind: PluginErrorKind::Error,
            message: format!(
                "run({iterations}) took only {last} ns: it does no work, or fewer iterations than \
                 requested"
            ),
        });
    }
    let mut next = iterations;
    let mut before = None;
    let mut iteration_ns = last as f64 / iterations as f64;
    while warm.ns < plan.warm_up_ns && !wall.is_up() {
        iterations = next;
        let mut window = [0; WINDOW];
        for place in &mut window {
            let sample = timed(instance, page, iterations, &mut warm)?;
            if sample.iterations < iterations {
                (iterations, most) = (sample.iterations, sample.iterations);
            }
            *place = sample.ns;
        }
        window.sort_unstable();
        let median = window[WINDOW / 2];
        let per_iteration = median as f64 / iterations as f64;
        iteration_ns = per_iteration;
        // A first guess on cold caches is too short, so the length of a sample is chosen with warm
        // caches.
        next = if median < target {
            grow_iterations(iterations, median, target).min(most)
        } else {
            iterations
        };
        if before.is_some_and(|before: f64| (per_iteration - before).abs() <= STEADY * before) {
            warm.ended = WarmUpEnd::Steady;
            break;
        }
        before = Some(per_iteration);
    }
    // The workload may not have inputs for a number that no window used.
    let iterations = match next {
        untried if untried != iterations => instance.grant(untried)?,
        tried => tried,
    };
    Ok(WarmedUp {
        iterations_per_sample: iterations,
        iteration_ns,
        report: warm,
        resolution_ns,
    })
}

/// Takes samples until their sum reaches the budget, but at least one.
pub(super) fn measure_times(
    instance: &mut LiveInstance,
    page: &PageLayout,
    digest: String,
    plan: TimePlan,
    warm: WarmedUp,
) -> Result<WorkerReply, CallError> {
    let mut samples_ns = Vec::with_capacity(MOST_SAMPLES);
    let before = usage();
    let mut total = 0;
    let wall = WallLimit::new(plan.budget_ns);
    while samples_ns.is_empty()
        || (total < plan.budget_ns && samples_ns.len() < MOST_SAMPLES && !wall.is_up())
    {
        let ns = take_whole_sample(instance, page, warm.iterations_per_sample)?;
        total += ns;
        samples_ns.push(ns);
    }
    Ok(WorkerReply::Timed(TimedSamples {
        digest,
        iterations: warm.iterations_per_sample,
        samples_ns,
        warm_up: warm.report,
        usage: usage().since(before),
        resolution_ns: warm.resolution_ns,
    }))
}

/// Reads the sentinel kernels.
pub(super) fn read_sentinel() -> SentinelReading {
    let kernels = sentinel::PreparedKernels::new();
    let before = usage();
    let sentinel::KernelSamples {
        compute_ns,
        memory_ns,
    } = kernels.read();
    SentinelReading {
        compute_ns,
        memory_ns,
        usage: usage().since(before),
    }
}

fn timed(
    instance: &mut LiveInstance,
    page: &PageLayout,
    iterations: u64,
    warm: &mut WarmUp,
) -> Result<SampleTime, CallError> {
    let sample = take_sample(instance, page, iterations)?;
    warm.ns += sample.ns;
    warm.iterations += sample.iterations;
    Ok(sample)
}

/// Time of one sample, and the iterations in it, which are fewer than wanted if the workload did
/// not prepare inputs for more.
#[derive(Debug, Clone, Copy)]
struct SampleTime {
    ns: u64,
    iterations: u64,
}

/// Takes one sample of exactly `iterations`, and returns its time in nanoseconds.
#[inline(always)]
pub(super) fn take_whole_sample(
    instance: &mut LiveInstance,
    page: &PageLayout,
    iterations: u64,
) -> Result<u64, CallError> {
    let sample = take_sample(instance, page, iterations)?;
    if sample.iterations == iterations {
        return Ok(sample.ns);
    }
    Err(CallError {
        kind: PluginErrorKind::Error,
        message: format!(
            "prepare granted {} iterations of {iterations}, which it granted before; grant the \
             same number whenever the same is wanted",
            sample.iterations
        ),
    })
}

/// Takes one sample: untimed preparation, then the iterations.
#[inline(always)]
fn take_sample(
    instance: &mut LiveInstance,
    page: &PageLayout,
    wanted: u64,
) -> Result<SampleTime, CallError> {
    let iterations = instance.prepare(wanted)?;
    page.iteration.fetch_add(1, Relaxed);
    let start = Instant::now();
    let result = instance.run(iterations);
    let elapsed = start.elapsed();
    page.iteration.fetch_add(iterations - 1, Relaxed);
    fork_guard::end_forked_child(page);
    result?;
    let whole_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    let ns = instance.own_time_ns()?.unwrap_or(whole_ns);
    if ns > whole_ns {
        return Err(CallError {
            kind: PluginErrorKind::Error,
            message: format!(
                "the workload measured {ns} ns for a call of run that took {whole_ns} ns; a time \
                 of its own is a part of the call's"
            ),
        });
    }
    Ok(SampleTime { ns, iterations })
}

/// Returns the number of iterations that should last an eighth longer than `target`: at least one
/// more, and at most a thousand times the present number.
fn grow_iterations(iterations: u64, ns: u64, target: u64) -> u64 {
    let wanted = u128::from(iterations) * u128::from(target) / u128::from(ns.max(1));
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    wanted
        .saturating_add(wanted / 8)
        .clamp(
            iterations.saturating_add(1),
            iterations.saturating_mul(1000),
        )
        .min(MOST_ITERATIONS)
}

/// Limit for the time of resets: a part of a pass ends after this multiple of its budget by the
/// wall clock.
struct WallLimit {
    begun: Instant,
    most: Duration,
}

impl WallLimit {
    fn new(budget_ns: u64) -> Self {
        Self {
            begun: Instant::now(),
            most: Duration::from_nanos(budget_ns.saturating_mul(4)),
        }
    }

    fn is_up(&self) -> bool {
        self.begun.elapsed() > self.most
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn resident_bytes() -> u64 {
    // The buffer is on the stack, because the plugin's allocations are being counted.
    let mut buffer = [0u8; 256];
    let read = rustix::fs::open(
        "/proc/self/statm",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .and_then(|file| rustix::io::read(&file, &mut buffer))
    .unwrap_or(0);
    let text = std::str::from_utf8(&buffer[..read]).unwrap_or_default();
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

pub(super) fn usage() -> ResourceUsage {
    // SAFETY: all-zero bytes are a valid rusage, and getrusage only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    ResourceUsage {
        minor_faults: count(usage.ru_minflt),
        major_faults: count(usage.ru_majflt),
        voluntary_switches: count(usage.ru_nvcsw),
        involuntary_switches: count(usage.ru_nivcsw),
    }
}

impl ResourceUsage {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            minor_faults: self.minor_faults - earlier.minor_faults,
            major_faults: self.major_faults - earlier.major_faults,
            voluntary_switches: self.voluntary_switches - earlier.voluntary_switches,
            involuntary_switches: self.involuntary_switches - earlier.involuntary_switches,
        }
    }
}
