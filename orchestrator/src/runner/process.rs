//! One worker process from spawn to burial: request, output, deadline, interrupt, cause of death.

use super::interrupt::Interrupt;
use super::reap;
use super::remains::{End, PassFailure, Remains};
use crate::protocol::{self, Farewell, Phase, Reply, Request};
use crate::worker::page::Page;
use crate::worker::{ARGUMENT, MARK};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A worker that was asked to end has this long to say where it was. It takes microseconds, but a virtual machine may
/// stand still for some hundred milliseconds; only a plugin that ignores SIGTERM ever costs all of it.
const GRACE: Duration = Duration::from_secs(1);
/// From closing its files to being gone an ending process takes much less.
const MOMENT: Duration = Duration::from_millis(50);
/// How much of a plugin's output is kept: its last words.
const TAIL: usize = 4 << 10;
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

/// Runs one pass in a fresh worker process.
pub(crate) fn run(launch: &Launch, interrupt: &Interrupt) -> io::Result<Ended> {
    let started = Instant::now();
    let (page, page_file) = Page::create()?;
    let (ours, theirs) = UnixStream::pair()?;
    let child = spawn(launch, theirs)?;
    let mut watch = Watch::new(child, ours, page, started + launch.timeout)?;
    watch.hand_over(launch.request, &page_file)?;
    let end = watch.attend(interrupt)?;
    let wall = started.elapsed();
    let left_behind = reap::sweep(watch.pid);
    let mut warnings = Vec::new();
    if left_behind > 0 {
        warnings.push(format!("the plugin left {left_behind} process(es) running; they were ended"));
    }
    let remains = Remains {
        page: watch.page.get(),
        reply: watch.reply.as_ref(),
        farewell: watch.farewell.as_ref(),
        junk: watch.junk.as_deref(),
        closed_channel: watch.closed_channel,
        status: watch.status.unwrap_or_default(),
        end,
        output_bytes: watch.stdout.bytes + watch.stderr.bytes,
        measured_bytes: watch.stdout.measured_bytes + watch.stderr.measured_bytes,
        last_words: watch.stderr.last_words().or_else(|| watch.stdout.last_words()),
    };
    let result = remains.judge(launch, &mut warnings);
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

/// A worker and everything that comes from it.
struct Watch {
    child: Child,
    page: Page,
    pid: Pid,
    pidfd: OwnedFd,
    channel: UnixStream,
    incoming: Vec<u8>,
    junk: Option<String>,
    /// When the other end of the channel was closed.
    hung_up: Option<Instant>,
    /// It was closed well before the worker was gone.
    closed_channel: bool,
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
    /// Of those, what came when the plugin had been set up.
    measured_bytes: u64,
}

impl Output {
    fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, tail: Vec::new(), bytes: 0, measured_bytes: 0 })
    }

    /// Reads what is there, without waiting.
    fn drain(&mut self, while_measuring: bool) {
        let mut buffer = [0u8; 16 << 10];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    self.bytes += count as u64;
                    if while_measuring {
                        self.measured_bytes += count as u64;
                    }
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
    fn new(mut child: Child, channel: UnixStream, page: Page, deadline: Instant) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the worker has no process id"))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let stdout = Output::new(child.stdout.take().map(OwnedFd::from))?;
        let stderr = Output::new(child.stderr.take().map(OwnedFd::from))?;
        Ok(Self {
            child,
            page,
            pid,
            pidfd,
            channel,
            incoming: Vec::new(),
            junk: None,
            hung_up: None,
            closed_channel: false,
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
                self.signal(Signal::TERM);
                kill_at = Some(now + GRACE);
            }
            if kill_at.is_some_and(|at| now >= at) {
                self.signal(Signal::KILL);
                kill_at = Some(now + GRACE);
            }
            let until = kill_at.unwrap_or(self.deadline).saturating_duration_since(now);
            let gone = self.wait(until, kill_at.is_none().then_some(interrupt))?;
            self.read();
            if gone {
                // A process that ends closes its files a moment before it is gone.
                self.closed_channel = self.hung_up.is_some_and(|at| at.elapsed() > MOMENT);
                self.status = Some(self.child.wait()?);
                // What the process wrote last is still in the pipes.
                self.read();
                return Ok(end);
            }
        }
    }

    /// Signals the worker, which may have left its group, and the group.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits for anything to happen; true if the process ended.
    fn wait(&self, until: Duration, interrupt: Option<&Interrupt>) -> io::Result<bool> {
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
        let measuring = self.page.get().phase() as u32 > Phase::Setup as u32;
        self.stdout.drain(measuring);
        self.stderr.drain(measuring);
        let mut buffer = [0u8; 16 << 10];
        loop {
            match self.channel.read(&mut buffer) {
                Ok(0) => {
                    self.hung_up.get_or_insert_with(Instant::now);
                    break;
                }
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
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
