//! A worker process from spawn to reaping: its request, its output, its answers and its end.

use super::cpu_starvation;
use super::interrupt::Interrupt;
use super::output_tail::{OutputTail, READS};
use super::sandbox_grants;
use super::scratch_folder::ScratchFolder;
use super::worker_exit::{WaitEnd, WorkerExit};
use orch_core::protocol::{
    self, PairReady, PairStart, Phase, WorkerFarewell, WorkerReply, WorkerRequest,
};
use orch_core::worker::page::SharedPage;
use orch_core::worker::{ARGUMENT, MARK};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::Serialize;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

/// Time for a worker to report its place after a request to end. The report takes microseconds;
/// only a plugin that ignores SIGTERM uses up all of this time.
const GRACE: Duration = Duration::from_secs(1);
/// Maximum extension of that time if the worker got no CPU, as in a suspended virtual machine.
const STALL: Duration = Duration::from_secs(10);
/// Time within which an ending process disappears after its files are closed.
const MOMENT: Duration = Duration::from_millis(50);
/// Name of a variable of which only the length matters: the environment lies above the stack.
const STACK: &str = "ORCH_STACK";

/// Parameters for starting a worker.
pub(crate) struct WorkerLaunch<'a> {
    pub(crate) request: &'a WorkerRequest,
    pub(crate) timeout: Duration,
    pub(crate) threads: usize,
    /// Variables that the scenario sets for the plugin.
    pub(crate) env: &'a [(String, String)],
    /// Mark of the run, by which its processes are recognised.
    pub(crate) mark: &'a str,
    /// Set for the workers of a pair: addresses are not randomised, and the stack begins this many
    /// bytes lower, so that both workers have all memory at the same addresses.
    pub(crate) stack: Option<usize>,
}

fn spawn_process(
    launch: &WorkerLaunch,
    socket: UnixStream,
    scratch: Option<&ScratchFolder>,
) -> io::Result<Child> {
    let threads = launch.threads.to_string();
    let mut command = Command::new("/proc/self/exe");
    command.arg(ARGUMENT).env_clear();
    // The environment is small and fixed, because its size shifts the stack, and plugins do not
    // need the rest.
    for name in [
        "PATH",
        "HOME",
        "USER",
        "TMPDIR",
        "LANG",
        "TZ",
        "GLIBC_TUNABLES",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("MALLOC_"))
        {
            command.env(name, value);
        }
    }
    for name in ["ORCH_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
        command.env(name, &threads);
    }
    command
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env(MARK, launch.mark);
    if let Some(scratch) = scratch {
        command.env("TMPDIR", scratch.path());
    }
    if let Some(bytes) = launch.stack {
        command.env(STACK, "-".repeat(bytes));
    }
    command
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if launch.stack.is_some() {
        call_with_fixed_addresses(|| command.spawn())
    } else {
        command.spawn()
    }
}

/// Calls `spawn` with address randomisation off for the process that it starts. If the system
/// forbids this, addresses stay random, and pairs scatter more.
fn call_with_fixed_addresses<T>(spawn: impl FnOnce() -> T) -> T {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: personality only reads or sets flags of the calling thread, which its children
    // inherit.
    let before = unsafe { libc::personality(ASK) };
    let flag = libc::ADDR_NO_RANDOMIZE;
    if before >= 0 {
        // SAFETY: as above.
        unsafe { libc::personality((before | flag) as libc::c_ulong) };
    }
    let spawned = spawn();
    if before >= 0 {
        // SAFETY: as above.
        unsafe { libc::personality(before as libc::c_ulong) };
    }
    spawned
}

/// Returns whether the system allows workers without random addresses; `None` if /proc does not
/// show the setting.
pub(crate) fn can_fix_addresses() -> Option<bool> {
    let personality =
        call_with_fixed_addresses(|| std::fs::read_to_string("/proc/thread-self/personality"));
    let flags = i32::from_str_radix(personality.ok()?.trim(), 16).ok()?;
    Some(flags & libc::ADDR_NO_RANDOMIZE != 0)
}

/// A worker, and everything that was received from it.
pub(super) struct WatchedWorker {
    child: Child,
    page: SharedPage,
    page_file: OwnedFd,
    pid: Pid,
    pidfd: OwnedFd,
    channel: UnixStream,
    incoming: Vec<u8>,
    /// Phase in which the first bytes came over the channel.
    heard: Option<Phase>,
    /// Defect of data that orch's own code did not send.
    junk: Option<String>,
    /// Time of the spawn.
    begun: Instant,
    /// Lifetime of the worker.
    lived: Duration,
    /// Time at which the other end of the channel was closed.
    hung_up: Option<Instant>,
    /// Whether the channel was closed well before the worker ended.
    closed_channel: bool,
    ready: Option<PairReady>,
    reply: Option<WorkerReply>,
    farewell: Option<WorkerFarewell>,
    stdout: OutputTail,
    stderr: OutputTail,
    deadline: Instant,
    end: WaitEnd,
    /// Time at which the worker is killed, after a request to end.
    kill_at: Option<Instant>,
    /// Time up to which a worker without a CPU is not killed.
    patience_ends: Instant,
    status: Option<ExitStatus>,
    /// Removed when this value is dropped, after all processes that could write to it are gone.
    scratch: Option<ScratchFolder>,
}

impl WatchedWorker {
    /// Spawns a worker. Its time begins now.
    pub(super) fn spawn(launch: &WorkerLaunch) -> io::Result<Self> {
        let begun = Instant::now();
        let deadline = begun + launch.timeout;
        let (page, page_file) = SharedPage::create()?;
        let (channel, theirs) = UnixStream::pair()?;
        channel.set_nonblocking(true)?;
        let scratch = launch
            .request
            .sandbox
            .as_ref()
            .map(|_| ScratchFolder::create())
            .transpose()?;
        let mut child = spawn_process(launch, theirs, scratch.as_ref())?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the worker has no process id"))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let stdout = OutputTail::new(child.stdout.take().map(OwnedFd::from))?;
        let stderr = OutputTail::new(child.stderr.take().map(OwnedFd::from))?;
        Ok(Self {
            child,
            page,
            page_file,
            pid,
            pidfd,
            channel,
            incoming: Vec::new(),
            heard: None,
            junk: None,
            begun,
            lived: Duration::ZERO,
            hung_up: None,
            closed_channel: false,
            ready: None,
            reply: None,
            farewell: None,
            stdout,
            stderr,
            deadline,
            end: WaitEnd::Gone,
            kill_at: None,
            patience_ends: deadline,
            status: None,
            scratch,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns the report of a worker of a pair before its turns.
    pub(super) fn ready(&self) -> Option<&PairReady> {
        self.ready.as_ref()
    }

    /// Returns whether the worker has sent its result, which may be a failure.
    pub(super) fn has_answered(&self) -> bool {
        self.reply.is_some()
    }

    /// Returns whether the worker cannot give a result any more: it reported a failure, or it ended
    /// without a result.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.reply, Some(WorkerReply::Failed(_)))
            || self.junk.is_some()
            || (self.is_over() && self.reply.is_none())
    }

    /// Returns whether the worker reached its timeout.
    pub(super) fn is_late(&self) -> bool {
        self.end == WaitEnd::TimedOut
    }

    /// Returns whether the worker is dead and reaped.
    pub(super) fn is_over(&self) -> bool {
        self.status.is_some()
    }

    /// Opens the worker's page for the other worker of a pair, which can only read it.
    pub(super) fn open_page(&self) -> io::Result<OwnedFd> {
        Ok(SharedPage::open_for_reading(&self.page_file)?)
    }

    /// Returns the number of turns that a worker of a pair has taken.
    pub(super) fn count_turns(&self) -> u32 {
        self.page.get().turns_taken.load(Acquire)
    }

    /// Returns whether a worker of a pair neither has answered nor waits for the other one.
    pub(super) fn is_on_turn(&self) -> bool {
        !self.has_answered() && self.page.get().waits_for_turn.load(Acquire) == 0
    }

    /// Sends the descriptors of the shared pages and the request. `other` is the page of the other
    /// worker of a pair. If the worker is already dead,
    /// [`Self::read_and_reap`] detects this later.
    pub(super) fn send_request(
        &mut self,
        request: &WorkerRequest,
        other: Option<BorrowedFd>,
    ) -> io::Result<()> {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let descriptors: Vec<BorrowedFd> = [Some(self.page_file.as_fd()), other]
            .into_iter()
            .flatten()
            .collect();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        match sendmsg(
            &self.channel,
            &[IoSlice::new(&[0])],
            &mut control,
            SendFlags::NOSIGNAL,
        ) {
            Ok(_) => {
                self.send_message(&sandbox_grants::add_scratch(request, self.scratch.as_ref()))
            }
            Err(rustix::io::Errno::PIPE) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts the turns of a worker of a pair.
    pub(super) fn start_turns(&mut self, go: &PairStart) -> io::Result<()> {
        self.send_message(go)
    }

    /// Sends a whole message of any length.
    fn send_message(&mut self, message: &impl Serialize) -> io::Result<()> {
        self.channel.set_nonblocking(false)?;
        match protocol::send_frame(&mut self.channel, message) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => self.channel.set_nonblocking(true),
        }
    }

    /// Requests the end of the worker when its time is up or the user requested a stop, and kills
    /// it if it does not end. Returns the time until the next action is due.
    pub(super) fn enforce_limits(&mut self, interrupt: &Interrupt) -> Duration {
        let now = Instant::now();
        if self.kill_at.is_none() && (now >= self.deadline || interrupt.is_requested()) {
            self.request_end(if interrupt.is_requested() {
                WaitEnd::Interrupted
            } else {
                WaitEnd::TimedOut
            });
        }
        if let Some(at) = self.kill_at.filter(|at| now >= *at) {
            if !self.is_stalled(at, now) {
                self.send_signal(Signal::KILL);
            }
            self.kill_at = Some(now + GRACE);
        }
        self.kill_at
            .unwrap_or(self.deadline)
            .saturating_duration_since(now)
    }

    /// Requests the end of the worker, for the given reason.
    pub(super) fn request_end(&mut self, end: WaitEnd) {
        self.end = end;
        self.send_signal(Signal::TERM);
        let now = Instant::now();
        self.patience_ends = now + GRACE + STALL;
        self.kill_at = Some(now + GRACE);
    }

    /// Returns whether a worker may still run after a request to end: it got no CPU, or `orch`
    /// itself got none and checks later than `at`.
    fn is_stalled(&self, at: Instant, now: Instant) -> bool {
        let is_starved =
            || cpu_starvation::is_starved_of_cpu(self.pid.as_raw_nonzero().get(), libc::SIGTERM);
        now < self.patience_ends && (now - at > MOMENT || is_starved())
    }

    /// Reads the available data, and reaps the worker if it has ended.
    pub(super) fn read_and_reap(&mut self) -> io::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        let gone = self.is_gone()?;
        self.read_pipes();
        if gone {
            // A process closes its files a moment before it ends.
            self.closed_channel = self.hung_up.is_some_and(|at| at.elapsed() > MOMENT);
            self.status = Some(self.child.wait()?);
            self.lived = self.begun.elapsed();
            // The last output of the process is still in the pipes.
            self.read_pipes();
        }
        Ok(())
    }

    fn is_gone(&self) -> io::Result<bool> {
        let mut list = [PollFd::new(&self.pidfd, PollFlags::IN)];
        match poll(&mut list, Some(&Timespec::default())) {
            Ok(_) => Ok(!list[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the descriptors on which the worker may send something.
    fn poll_descriptors(&self) -> Vec<PollFd<'_>> {
        if self.is_over() {
            return Vec::new();
        }
        let mut list = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
        if self.farewell.is_none() && self.hung_up.is_none() {
            list.push(PollFd::new(&self.channel, PollFlags::IN));
        }
        list.extend(
            [&self.stdout, &self.stderr]
                .into_iter()
                .filter_map(|output| output.pipe.as_ref())
                .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
        );
        list
    }

    /// Returns everything that is left of a worker that has ended.
    pub(super) fn read_exit(&self) -> WorkerExit<'_> {
        WorkerExit {
            page: self.page.get(),
            reply: self.reply.as_ref(),
            farewell: self.farewell.as_ref(),
            junk: self.heard.zip(self.junk.as_deref()),
            lived: self.lived,
            has_half_message: !self.incoming.is_empty(),
            closed_channel: self.closed_channel,
            status: self.status.unwrap_or_default(),
            end: self.end,
            output_bytes: self.stdout.bytes + self.stderr.bytes,
            measured_bytes: self.stdout.measured_bytes + self.stderr.measured_bytes,
            last_words: self
                .stderr
                .find_last_words()
                .or_else(|| self.stdout.find_last_words()),
        }
    }

    /// Signals the worker and its group. The worker itself may have left the group.
    fn send_signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    fn read_pipes(&mut self) {
        let measuring = self.page.get().phase() as u32 > Phase::Setup as u32;
        self.stdout.drain(measuring);
        self.stderr.drain(measuring);
        let mut buffer = [0u8; 16 << 10];
        for _ in 0..READS {
            match self.channel.read(&mut buffer) {
                Ok(0) => {
                    self.hung_up.get_or_insert_with(Instant::now);
                    break;
                }
                Ok(count) if self.junk.is_none() => {
                    self.heard.get_or_insert(self.page.get().phase());
                    self.incoming.extend_from_slice(&buffer[..count]);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if let Err(error) = self.parse_messages() {
            self.junk = Some(error.to_string());
            self.incoming.clear();
            // Nothing that the worker sends after this can be trusted.
            if self.kill_at.is_none() && !self.is_over() {
                self.request_end(WaitEnd::Gone);
            }
        }
    }

    fn parse_messages(&mut self) -> io::Result<()> {
        if self.reply.is_none() {
            match protocol::take_frame(&mut self.incoming)? {
                Some(WorkerReply::Ready(ready)) if self.ready.is_none() => {
                    self.ready = Some(ready);
                    self.reply = protocol::take_frame(&mut self.incoming)?;
                }
                other => self.reply = other,
            }
        }
        if self.reply.is_some() && self.farewell.is_none() {
            self.farewell = protocol::take_frame(&mut self.incoming)?;
        }
        if self.farewell.is_some() && !self.incoming.is_empty() {
            return Err(io::Error::other("a message arrived after the end"));
        }
        Ok(())
    }
}

impl Drop for WatchedWorker {
    fn drop(&mut self) {
        if !self.is_over() {
            // This happens only after an error in orch. The worker must not outlive the run.
            self.send_signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Waits until one of the workers sends something or the user requests a stop, for at most `until`.
pub(super) fn wait_for_any(
    watches: &[&WatchedWorker],
    until: Duration,
    interrupt: &Interrupt,
) -> io::Result<()> {
    let mut list: Vec<PollFd> = watches
        .iter()
        .flat_map(|watch| watch.poll_descriptors())
        .collect();
    // The descriptor of the interrupt stays readable, so after a request to end it would keep the
    // wait from blocking.
    if watches.iter().all(|watch| watch.kill_at.is_none()) {
        list.push(PollFd::new(interrupt.descriptor(), PollFlags::IN));
    }
    let timeout = Timespec::try_from(until + Duration::from_millis(1)).ok();
    match poll(&mut list, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
