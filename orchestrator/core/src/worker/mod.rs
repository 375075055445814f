//! The worker process: loads one plugin, runs one pass of one job, reports the result and exits.
//!
//! `orch` starts its own executable with one hidden argument. Standard input is the socket to
//! `orch`; the worker moves it to another descriptor before any plugin code runs.

mod check;
mod fault;
mod fork_guard;
mod host;
mod library;
mod names;
mod overflow;
pub mod page;
mod passes;
mod recorder;
pub mod sandbox;
mod scopes;
mod threads;
mod turns;
mod unwind_barrier;

use crate::counting;
use crate::protocol::{
    self, MemoryShift, PairReady, PairStart, Pass, Phase, PluginError, PluginErrorKind,
    WorkerFarewell, WorkerReply, WorkerRequest,
};
use host::RecordingMode;
use library::{CallError, LiveInstance, LoadedPlugin};
use page::{OtherPage, PageLayout, SharedPage};
use rustix::fd::OwnedFd;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// The hidden argument that makes `orch` a worker.
pub const ARGUMENT: &str = "__worker";
/// Variable in the environment of a worker and of all processes that its plugin starts. Its value
/// identifies the run.
pub const MARK: &str = "ORCH_WORKER";

/// Serves one request and ends the process without running the plugin's exit handlers.
pub fn main() -> ! {
    // A panic of the worker's own code is not caught: see `unwind_barrier`.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("orch worker: a defect of orch: {panic}");
        std::process::abort();
    }));
    unwind_barrier::call_without_unwinding(work)
}

extern "C-unwind" fn work() -> ! {
    let code = match serve() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("orch worker: {error}");
            1
        }
    };
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

fn serve() -> io::Result<()> {
    // If the run is killed, the kernel kills its worker too, whatever the plugin is doing.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let (mut channel, page, other) = open_channel()?;
    let page: &'static PageLayout = Box::leak(Box::new(page)).get();
    let request: WorkerRequest = protocol::receive_frame(&mut channel)?;
    move_memory(request.shift)?;
    threads::pin_process(&request.cpus)?;
    let recording = recording_of(request.pass);
    if recording != RecordingMode::Off
        && !(counting::start() && scopes::become_driver(request.clock))
    {
        return Err(io::Error::other(
            "not enough memory for the tables of the counting allocator",
        ));
    }
    host::become_driver();
    fork_guard::note_worker();
    fault::install_handlers(page);
    limit_memory(request.memory)?;
    std::env::set_current_dir(&request.folder).map_err(|error| {
        io::Error::other(format!(
            "cannot work in {}: {error}",
            request.folder.display()
        ))
    })?;
    if let Some(grants) = &request.sandbox {
        sandbox::enter(grants, &request.library, channel.as_raw_fd())?;
    }
    let (reply, farewell) = serve_pass(
        &request,
        PhaseTracker {
            page,
            other: other.as_ref(),
        },
        &mut channel,
    );
    if let Some(reply) = reply {
        protocol::send_frame(&mut channel, &reply)?;
    }
    protocol::send_frame(&mut channel, &WorkerFarewell { error: farewell })
}

/// Runs the pass. Returns the reply if it has not been sent yet, and the result of the end of the
/// plugin's life.
fn serve_pass(
    request: &WorkerRequest,
    stage: PhaseTracker,
    channel: &mut UnixStream,
) -> (Option<WorkerReply>, Option<PluginError>) {
    let mut line = ReplyChannel {
        channel,
        answered: false,
    };
    match stage.run_pass(request, &mut line) {
        Ok(()) => (None, None),
        Err(error) if line.answered => (None, Some(error)),
        Err(error) => (Some(WorkerReply::Failed(error)), None),
    }
}

/// The channel to `orch`.
struct ReplyChannel<'a> {
    channel: &'a mut UnixStream,
    /// Whether the result of the pass was sent.
    answered: bool,
}

impl ReplyChannel<'_> {
    fn send_reply(&mut self, reply: &WorkerReply) {
        self.answered = protocol::send_frame(self.channel, reply).is_ok();
    }

    /// Reports that this worker is ready for its turns, and waits for them.
    fn await_turns(&mut self, ready: PairReady) -> Result<PairStart, CallError> {
        let lost = |error: io::Error| CallError::load(format!("lost contact with orch: {error}"));
        protocol::send_frame(self.channel, &WorkerReply::Ready(ready)).map_err(lost)?;
        protocol::receive_frame(self.channel).map_err(lost)
    }
}

fn recording_of(pass: Pass) -> RecordingMode {
    match pass {
        Pass::Describe | Pass::Time { .. } | Pass::Pair { .. } | Pass::Sentinel => {
            RecordingMode::Off
        }
        Pass::Count { .. } | Pass::Check { .. } => RecordingMode::Counters,
        Pass::Profile { .. } => RecordingMode::Scopes,
    }
}

/// Takes a plugin through its phases and keeps the shared page up to date.
struct PhaseTracker<'a> {
    page: &'a PageLayout,
    /// Page that this worker shares with the other worker of a pair.
    other: Option<&'a OtherPage>,
}

impl PhaseTracker<'_> {
    fn run_pass(
        &self,
        request: &WorkerRequest,
        line: &mut ReplyChannel,
    ) -> Result<(), PluginError> {
        if request.pass == Pass::Sentinel {
            let reading = self.phase(Phase::Run, || Ok(passes::read_sentinel()))?;
            line.send_reply(&WorkerReply::Sentinel(reading));
            return Ok(());
        }
        let host = host::table(recording_of(request.pass));
        let plugin = self.phase(Phase::Load, || LoadedPlugin::open(&request.library, host))?;
        self.page.library_base.store(
            fault::base_of(plugin.symbol.cast()),
            std::sync::atomic::Ordering::Relaxed,
        );
        if request.pass == Pass::Describe {
            let document = self.phase(Phase::Describe, || plugin.describe())?;
            line.send_reply(&WorkerReply::Described { document });
            return Ok(());
        }
        if let Pass::Check { thorough, lives } = request.pass {
            for _ in 1..lives {
                self.check_instance(&plugin, request, thorough)?;
            }
            let checked = self.check_instance(&plugin, request, thorough)?;
            line.send_reply(&WorkerReply::Checked(checked));
            return Ok(());
        }
        let mut instance = self.phase(Phase::Create, || {
            plugin.create(&request.workload, &request.params)
        })?;
        self.phase(Phase::Setup, || instance.setup())?;
        let mut reply = self.measure(&mut instance, request.pass, &request.cpus, line)?;
        if let WorkerReply::Counted(count) = &mut reply {
            let base = self
                .page
                .library_base
                .load(std::sync::atomic::Ordering::Relaxed);
            count.code = plugin
                .code(&request.workload)
                .iter()
                .map(|address| address.saturating_sub(base))
                .collect();
        }
        line.send_reply(&reply);
        self.phase(Phase::Teardown, || instance.teardown())?;
        self.phase(Phase::Destroy, || {
            instance.destroy();
            Ok(())
        })
    }

    fn measure(
        &self,
        instance: &mut LiveInstance,
        pass: Pass,
        cpus: &[usize],
        line: &mut ReplyChannel,
    ) -> Result<WorkerReply, PluginError> {
        // Every pass begins with the iteration for the digest. Wrong output is thus noticed before
        // any sample counts, and lazy set-up work (interned names, thread pools) is completed
        // before anything is counted.
        self.phase(Phase::Run, || {
            self.page
                .iteration
                .store(1, std::sync::atomic::Ordering::Relaxed);
            instance.run_once()
        })?;
        let digest = self.phase(Phase::Digest, || instance.digest())?;
        threads::spread_threads(cpus);
        match pass {
            Pass::Describe | Pass::Check { .. } | Pass::Sentinel => {
                unreachable!("they do not measure")
            }
            Pass::Profile {
                budget_ns,
                most_iterations,
            } => self.phase(Phase::Run, || {
                passes::measure_profile(instance, self.page, digest, budget_ns, most_iterations)
            }),
            Pass::Count { iterations } => self.phase(Phase::Run, || {
                passes::measure_counts(instance, self.page, digest, iterations)
            }),
            Pass::Time {
                budget_ns,
                sample_ns,
                warm_up_ns,
            } => {
                let plan = passes::TimePlan {
                    budget_ns,
                    sample_ns,
                    warm_up_ns,
                };
                let warm =
                    self.phase(Phase::WarmUp, || passes::warm_up(instance, self.page, plan))?;
                self.phase(Phase::Run, || {
                    passes::measure_times(instance, self.page, digest, plan, warm)
                })
            }
            Pass::Pair {
                sample_ns,
                warm_up_ns,
            } => {
                let plan = passes::TimePlan {
                    budget_ns: 0,
                    sample_ns,
                    warm_up_ns,
                };
                let warm =
                    self.phase(Phase::WarmUp, || passes::warm_up(instance, self.page, plan))?;
                self.phase(Phase::Run, || {
                    let other = self
                        .other
                        .ok_or_else(|| CallError::load("a worker of a pair has no other page"))?;
                    let go = line.await_turns(PairReady {
                        digest,
                        iterations: warm.iterations_per_sample,
                        is_limited: instance.limits_iterations(),
                        iteration_ns: warm.iteration_ns,
                        stack: (&raw const line).addr() as u64,
                        warm_up: warm.report,
                    })?;
                    turns::take_turns(instance, self.page, other, &go)
                })
            }
        }
    }

    fn phase<T>(
        &self,
        phase: Phase,
        act: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, PluginError> {
        self.page.enter(phase);
        host::forget_error();
        let done = act();
        fork_guard::end_forked_child(self.page);
        done.inspect_err(|_| {
            self.page.refused.store(
                counting::refused_bytes() as u64,
                std::sync::atomic::Ordering::Relaxed,
            );
        })
        .map_err(|error| PluginError {
            phase: if error.kind == PluginErrorKind::Load && phase != Phase::Describe {
                Phase::Load
            } else {
                phase
            },
            kind: error.kind,
            message: error.message,
            scope: open_scopes(),
            iteration: self
                .page
                .iteration
                .load(std::sync::atomic::Ordering::Relaxed),
        })
    }
}

fn open_scopes() -> String {
    scopes::open_names()
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(" > ")
}

/// Moves heap and mappings, for the rest of the process.
fn move_memory(by: MemoryShift) -> io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    if by.heap > 0 {
        std::mem::forget(Vec::<u8>::with_capacity(std::hint::black_box(by.heap)));
    }
    if by.pages > 0 {
        let length = by.pages * rustix::param::page_size();
        // SAFETY: a new private mapping at an address of the kernel's choice, which no code uses.
        unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                length,
                ProtFlags::empty(),
                MapFlags::PRIVATE,
            )?
        };
    }
    Ok(())
}

/// Moves the socket away from standard input and maps the shared pages. Their descriptors came with
/// the first byte: this worker's own page, and the page that it shares with the other worker of a
/// pair.
fn open_channel() -> io::Result<(UnixStream, SharedPage, Option<OtherPage>)> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 64)?;
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )?;
    rustix::stdio::dup2_stdin(&null)?;
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut first = [0u8; 1];
    recvmsg(
        &socket,
        &mut [io::IoSliceMut::new(&mut first)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut pages = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => {
                Some(descriptors.collect::<Vec<OwnedFd>>())
            }
            _ => None,
        })
        .flatten();
    let own = pages.next().ok_or_else(|| {
        io::Error::other("started by hand: only orch itself uses `orch __worker`")
    })?;
    let other = pages.next().map(|page| OtherPage::map(&page)).transpose()?;
    Ok((UnixStream::from(socket), SharedPage::map(&own)?, other))
}

/// Memory that the worker itself still allocates after the limit is set.
const OWN_MEMORY: u64 = 4 << 20;

/// Limits address space and data to the present mappings plus `bytes`, and files to the same size:
/// a file in memory (memfd, tmpfs) takes memory that no other limit counts. If none of these limits
/// helps, the system ends this process first.
fn limit_memory(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let mapped = statm
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0);
    let wanted = bytes
        .saturating_add(mapped * rustix::param::page_size() as u64)
        .saturating_add(OWN_MEMORY);
    for resource in [Resource::As, Resource::Data] {
        // The parent of orch may have set a lower limit, which only root could raise.
        let limit = getrlimit(resource)
            .maximum
            .map_or(wanted, |most| most.min(wanted));
        setrlimit(
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        )?;
    }
    let limit = getrlimit(Resource::Fsize)
        .maximum
        .map_or(bytes, |most| most.min(bytes));
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        },
    )?;
    // Some containers forbid writing to this file.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
