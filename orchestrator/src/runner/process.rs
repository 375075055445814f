//! One worker process from spawn to burial: request, output, deadline, interrupt, cause of death.

use super::interrupt::Interrupt;
use super::reap;
use crate::plugin::elf::{self, CodePlace};
use crate::protocol::{self, Farewell, Phase, PluginError, PluginErrorKind, Reply, Request};
use crate::worker::page::Page;
use crate::worker::{ARGUMENT, MARK};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A worker that was asked to end has this long to say where it was.
const GRACE: Duration = Duration::from_millis(200);
/// How much of a plugin's output is kept: its last words.
const TAIL: usize = 4 << 10;
/// What a pipe holds. A plugin that writes more waits for orch to read, and that waiting is in its times.
const NOISE_LIMIT: u64 = 64 << 10;

/// What a worker is started with.
pub(crate) struct Launch<'a> {
    pub(crate) request: &'a Request,
    pub(crate) timeout: Duration,
    pub(crate) threads: usize,
    /// Variables that the scenario gives to the plugin.
    pub(crate) env: &'a [(String, String)],
    /// The run's mark, by which its processes are recognised.
    pub(crate) mark: &'a str,
}

/// How a pass ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) result: Result<Reply, PassFailure>,
    pub(crate) warnings: Vec<String>,
    pub(crate) wall: Duration,
}

/// Why a pass gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PassFailure {
    /// The plugin failed.
    Failed { phase: Phase, message: String },
    /// The plugin says that it cannot run here.
    Skipped { phase: Phase, message: String },
    /// The user stopped the run.
    Interrupted,
}

/// Runs one pass in a fresh worker process.
pub(crate) fn run(launch: &Launch, interrupt: &Interrupt) -> io::Result<Ended> {
    let started = Instant::now();
    let (page, page_file) = Page::create()?;
    let (ours, theirs) = UnixStream::pair()?;
    let child = spawn(launch, theirs)?;
    let mut watch = Watch::new(child, ours, started + launch.timeout)?;
    watch.hand_over(launch.request, &page_file)?;
    let end = watch.attend(interrupt)?;
    let wall = started.elapsed();
    let left_behind = reap::sweep(watch.pid, launch.mark);
    let mut warnings = Vec::new();
    if left_behind > 0 {
        warnings.push(format!("the plugin left {left_behind} process(es) running; they were ended"));
    }
    let verdict = Verdict { launch, watch: &watch, page: &page, end };
    let result = verdict.judge(&mut warnings);
    Ok(Ended { result, warnings, wall })
}

fn spawn(launch: &Launch, socket: UnixStream) -> io::Result<Child> {
    let threads = launch.threads.to_string();
    let mut command = Command::new("/proc/self/exe");
    command.arg(ARGUMENT).env_clear();
    // A small, fixed environment: its size shifts the stack, and its content is no plugin's business.
    for name in ["PATH", "HOME", "USER", "TMPDIR", "LANG", "TZ", "GLIBC_TUNABLES"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("MALLOC_")) {
            command.env(name, value);
        }
    }
    for name in ["ORCH_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
        command.env(name, &threads);
    }
    command.envs(launch.env.iter().map(|(name, value)| (name, value))).env(MARK, launch.mark);
    command
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Why waiting for a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Gone,
    TimedOut,
    Interrupted,
}

/// A worker and everything that comes from it.
struct Watch {
    child: Child,
    pid: Pid,
    pidfd: OwnedFd,
    channel: UnixStream,
    incoming: Vec<u8>,
    junk: Option<String>,
    reply: Option<Reply>,
    farewell: Option<Farewell>,
    stdout: Output,
    stderr: Output,
    deadline: Instant,
    status: Option<ExitStatus>,
}

/// The tail of an output stream and how much there was.
struct Output {
    pipe: Option<OwnedFd>,
    tail: Vec<u8>,
    bytes: u64,
}

impl Output {
    fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, tail: Vec::new(), bytes: 0 })
    }

    /// Reads what is there, without waiting.
    fn drain(&mut self) {
        let mut buffer = [0u8; 16 << 10];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    self.bytes += count as u64;
                    self.tail.extend_from_slice(&buffer[..count]);
                    let extra = self.tail.len().saturating_sub(TAIL);
                    self.tail.drain(..extra);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    /// The last line that says something; notes on how to get a backtrace do not.
    fn last_words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("note: "))?;
        let clean: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
        (!clean.is_empty()).then_some(clean)
    }
}

impl Watch {
    fn new(mut child: Child, channel: UnixStream, deadline: Instant) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the worker has no process id"))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let stdout = Output::new(child.stdout.take().map(OwnedFd::from))?;
        let stderr = Output::new(child.stderr.take().map(OwnedFd::from))?;
        Ok(Self {
            child,
            pid,
            pidfd,
            channel,
            incoming: Vec::new(),
            junk: None,
            reply: None,
            farewell: None,
            stdout,
            stderr,
            deadline,
            status: None,
        })
    }

    /// Sends the shared page's descriptor and the request. A worker that is already dead shows later.
    fn hand_over(&mut self, request: &Request, page: &OwnedFd) -> io::Result<()> {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let descriptors = [page.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = sendmsg(&self.channel, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)
            .map_err(io::Error::from)
            .and_then(|_| protocol::send(&mut self.channel, request));
        match sent {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => self.channel.set_nonblocking(true),
        }
    }

    /// Waits until the worker is gone, ending it when its time is up or the user wants to stop.
    fn attend(&mut self, interrupt: &Interrupt) -> io::Result<End> {
        let mut end = End::Gone;
        let mut kill_at = None;
        loop {
            let now = Instant::now();
            if kill_at.is_none() && (now >= self.deadline || interrupt.requested()) {
                end = if interrupt.requested() { End::Interrupted } else { End::TimedOut };
                let _ = kill_process_group(self.pid, Signal::TERM);
                kill_at = Some(now + GRACE);
            }
            if kill_at.is_some_and(|at| now >= at) {
                let _ = kill_process_group(self.pid, Signal::KILL);
                kill_at = Some(now + GRACE);
            }
            let until = kill_at.unwrap_or(self.deadline).saturating_duration_since(now);
            let gone = self.wait(until, kill_at.is_none().then_some(interrupt))?;
            self.read();
            if gone {
                self.status = Some(self.child.wait()?);
                // What the process wrote last is still in the pipes.
                self.read();
                return Ok(end);
            }
        }
    }

    /// Waits for anything to happen; true if the process ended.
    fn wait(&self, until: Duration, interrupt: Option<&Interrupt>) -> io::Result<bool> {
        let mut list = vec![
            PollFd::new(&self.pidfd, PollFlags::IN),
            PollFd::new(&self.channel, if self.farewell.is_some() { PollFlags::empty() } else { PollFlags::IN }),
        ];
        list.extend(
            [&self.stdout, &self.stderr]
                .into_iter()
                .filter_map(|output| output.pipe.as_ref())
                .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
        );
        if let Some(interrupt) = interrupt {
            list.push(PollFd::new(interrupt.descriptor(), PollFlags::IN));
        }
        let timeout = Timespec::try_from(until + Duration::from_millis(1)).ok();
        match poll(&mut list, timeout.as_ref()) {
            Ok(_) => Ok(!list[0].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self) {
        self.stdout.drain();
        self.stderr.drain();
        let mut buffer = [0u8; 16 << 10];
        loop {
            match self.channel.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) if self.junk.is_none() => self.incoming.extend_from_slice(&buffer[..count]),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if let Err(error) = self.parse() {
            self.junk = Some(error.to_string());
            self.incoming.clear();
        }
    }

    fn parse(&mut self) -> io::Result<()> {
        if self.reply.is_none() {
            self.reply = protocol::take(&mut self.incoming)?;
        }
        if self.reply.is_some() && self.farewell.is_none() {
            self.farewell = protocol::take(&mut self.incoming)?;
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.status.is_none() {
            // Only after an error of ours: the worker must not outlive the run.
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Turns what is left of a worker into a result.
struct Verdict<'a> {
    launch: &'a Launch<'a>,
    watch: &'a Watch,
    page: &'a Page,
    end: End,
}

impl Verdict<'_> {
    fn judge(&self, warnings: &mut Vec<String>) -> Result<Reply, PassFailure> {
        let page = self.page.get();
        if self.end == End::Interrupted {
            return Err(PassFailure::Interrupted);
        }
        if self.end == End::TimedOut {
            let limit = self.launch.timeout;
            return Err(self.failed(format!("still running after its timeout of {limit:?}{}", self.place())));
        }
        if let Some(Reply::Failed(error)) = &self.watch.reply {
            return Err(self.reported(error));
        }
        if let Some(Farewell { error: Some(error) }) = &self.watch.farewell {
            return Err(self.reported(error));
        }
        let status = self.watch.status.unwrap_or_default();
        if let Some(signal) = status.signal() {
            return Err(self.failed(self.death(signal)));
        }
        match (&self.watch.reply, &self.watch.farewell) {
            (Some(reply), Some(_)) => {
                self.output(warnings)?;
                Ok(reply.clone())
            }
            _ if self.watch.junk.is_some() => {
                Err(self.failed(format!("{}{}", self.watch.junk.as_deref().unwrap_or_default(), self.place())))
            }
            _ if page.phase() == Phase::Start => {
                Err(self.failed(format!("the worker could not begin (exit code {})", status.code().unwrap_or(-1))))
            }
            _ => Err(self.failed(format!(
                "the plugin ended the process with exit code {}{}",
                status.code().unwrap_or(-1),
                self.place()
            ))),
        }
    }

    /// Output beyond what a pipe holds fails the pass; less is only said.
    fn output(&self, warnings: &mut Vec<String>) -> Result<(), PassFailure> {
        let bytes = self.watch.stdout.bytes + self.watch.stderr.bytes;
        if bytes > NOISE_LIMIT {
            let size = crate::render::format::bytes(bytes as f64);
            return Err(PassFailure::Failed {
                phase: Phase::Run,
                message: format!(
                    "wrote {size} to its standard output or error: more than a pipe holds, so its times are those of \
                     waiting for a reader; print less, or only in setup"
                ) + &self.words(),
            });
        }
        if bytes > 0 {
            warnings.push(format!("the plugin wrote {bytes} bytes to its standard output or error{}", self.words()));
        }
        Ok(())
    }

    fn reported(&self, error: &PluginError) -> PassFailure {
        let mut message = match error.kind {
            PluginErrorKind::Panic if !error.message.starts_with("panicked") => format!("panicked: {}", error.message),
            _ => error.message.clone(),
        };
        message.push_str(&place(&error.scope, error.iteration));
        if error.kind == PluginErrorKind::Unsupported {
            return PassFailure::Skipped { phase: error.phase, message };
        }
        PassFailure::Failed { phase: error.phase, message }
    }

    fn failed(&self, message: String) -> PassFailure {
        PassFailure::Failed { phase: self.page.get().phase(), message: message + &self.words() }
    }

    /// What a signal means, from the notes that the worker's handler left.
    fn death(&self, signal: i32) -> String {
        let page = self.page.get();
        let name = signal_name(signal);
        let mut text = match signal {
            libc::SIGSEGV | libc::SIGBUS if page.near_stack.load(Relaxed) != 0 => {
                format!("{name}: stack overflow")
            }
            libc::SIGSEGV | libc::SIGBUS if page.signal() == signal => {
                format!("{name} at address {:#x}", page.address.load(Relaxed))
            }
            _ => name,
        };
        text.push_str(&self.place());
        if page.signal() == signal {
            text.push_str(&self.instruction(page.instruction.load(Relaxed)));
        }
        let refused = page.refused.load(Relaxed);
        if refused > 0 {
            text.push_str(&format!(
                "; an allocation of {} had been refused: the memory limit of the job is {}",
                crate::render::format::bytes(refused as f64),
                crate::render::format::bytes(self.launch.request.memory as f64)
            ));
        }
        text
    }

    fn place(&self) -> String {
        let page = self.page.get();
        place(&page.scope(), page.iteration.load(Relaxed))
    }

    /// The function of an instruction inside the plugin's file; nothing for one elsewhere.
    fn instruction(&self, address: u64) -> String {
        let base = self.page.get().library_base.load(Relaxed);
        let library = &self.launch.request.library;
        if base == 0 || address < base {
            return String::new();
        }
        let offset = address - base;
        match elf::code_at(library, offset) {
            CodePlace::Function(name) => format!(", in function {name} (plugin+{offset:#x})"),
            CodePlace::Unnamed => format!(", at plugin+{offset:#x}"),
            CodePlace::Elsewhere => String::new(),
        }
    }

    fn words(&self) -> String {
        match self.watch.stderr.last_words().or_else(|| self.watch.stdout.last_words()) {
            Some(words) => format!("; its last words: {words}"),
            None => String::new(),
        }
    }
}

fn place(scope: &str, iteration: u64) -> String {
    let mut text = String::new();
    if !scope.is_empty() {
        text.push_str(&format!(", in scope {scope}"));
    }
    if iteration > 0 {
        text.push_str(&format!(", iteration {iteration}"));
    }
    text
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL (an instruction that this CPU lacks, or a trap)",
        libc::SIGFPE => "SIGFPE (division by zero or overflow)",
        libc::SIGABRT => "SIGABRT (abort)",
        libc::SIGKILL => "SIGKILL (killed from outside, perhaps for want of memory)",
        libc::SIGTERM => "SIGTERM (somebody ended it)",
        libc::SIGXCPU => "SIGXCPU",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
