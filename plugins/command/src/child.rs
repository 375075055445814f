//! One run of a program: its output in memory, and its cost as the kernel reports it.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

/// Number of bytes at the end of an output that are searched for its last line.
const TAIL: u64 = 4096;
/// Maximum length of a last line.
const LONGEST_LINE: usize = 300;

/// A started program.
pub(crate) struct RunningProgram {
    pid: libc::pid_t,
}

/// Cost of a program, and how it ended.
#[derive(Debug)]
pub(crate) struct ProgramCost {
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    /// Bytes. On Linux this includes the resident memory of the process that started the program,
    /// so it is never less than the caller's own.
    pub(crate) max_rss: f64,
    pub(crate) exit: Option<i32>,
    pub(crate) signal: Option<i32>,
}

impl RunningProgram {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        // `wait` reaps the child and reads its cost. Dropping the handle of the standard library
        // does nothing.
        Ok(Self {
            pid: libc::pid_t::try_from(child.id()).map_err(io::Error::other)?,
        })
    }

    /// Waits for the end of the program.
    pub(crate) fn wait(self) -> io::Result<ProgramCost> {
        let mut status = 0;
        // SAFETY: all-zero bytes are a valid rusage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both places are valid for the call, which only writes to them.
        while unsafe { libc::wait4(self.pid, &raw mut status, 0, &raw mut usage) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
        Ok(ProgramCost {
            user_seconds: seconds(usage.ru_utime),
            system_seconds: seconds(usage.ru_stime),
            // Linux reports it in KiB.
            max_rss: usage.ru_maxrss as f64 * 1024.0,
            exit: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        })
    }
}

/// Output of a program: a file in memory, so that the program never waits for a reader, whose time
/// would be measured.
pub(crate) struct OutputFile {
    file: File,
}

impl OutputFile {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the name is a text that ends with a NUL.
        let descriptor = unsafe { libc::memfd_create(c"output".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: the descriptor is new and not used elsewhere.
            file: unsafe { File::from_raw_fd(descriptor) },
        })
    }

    /// Discards the output.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(0)?;
        self.file.rewind()
    }

    /// Returns the end to which a program writes.
    pub(crate) fn writer(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// Returns the whole output.
    pub(crate) fn all(&self) -> io::Result<Vec<u8>> {
        self.from(0)
    }

    /// Returns the last line that is not empty.
    pub(crate) fn last_line(&self) -> io::Result<Option<String>> {
        let tail = self.from(self.file.metadata()?.len().saturating_sub(TAIL))?;
        let text = String::from_utf8_lossy(&tail);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        Ok(line.map(|line| {
            line.chars()
                .filter(|c| !c.is_control())
                .take(LONGEST_LINE)
                .collect()
        }))
    }

    fn from(&self, start: u64) -> io::Result<Vec<u8>> {
        let length = self.file.metadata()?.len().saturating_sub(start);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }
}
