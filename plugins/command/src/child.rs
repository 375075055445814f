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
        let child = call_with_random_addresses(|| command.spawn())?;
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

/// Calls `spawn` with address randomisation on for the program that it starts. Workers of a pair
/// have it off, and a program would inherit that. Each of its runs would then have the same layout,
/// and a layout that happens to be fast or slow would look like a property of the program. If the
/// sandbox refuses the call, addresses stay fixed.
fn call_with_random_addresses<T>(spawn: impl FnOnce() -> T) -> T {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: personality only reads or sets flags of the calling thread, which its children
    // inherit.
    let before = unsafe { libc::personality(ASK) };
    let is_fixed = before >= 0 && before & libc::ADDR_NO_RANDOMIZE != 0;
    if is_fixed {
        // SAFETY: as above.
        unsafe { libc::personality((before & !libc::ADDR_NO_RANDOMIZE) as libc::c_ulong) };
    }
    let spawned = spawn();
    if is_fixed {
        // SAFETY: as above.
        unsafe { libc::personality(before as libc::c_ulong) };
    }
    spawned
}

/// Returns the peak resident memory of this process in bytes.
pub(crate) fn read_own_peak() -> io::Result<f64> {
    // SAFETY: all-zero bytes are a valid rusage, and getrusage only writes to it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the place is valid for the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // Linux reports it in KiB.
    Ok(usage.ru_maxrss as f64 * 1024.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs programs that print where their stack is, and counts the different places.
    fn count_places(runs: usize) -> usize {
        let mut places = std::collections::HashSet::new();
        for _ in 0..runs {
            let output = OutputFile::new().unwrap();
            let mut command = Command::new("grep");
            command.args(["stack", "/proc/self/maps"]);
            command.stdout(output.writer().unwrap());
            let cost = RunningProgram::start(&mut command).unwrap().wait().unwrap();
            assert_eq!(cost.exit, Some(0));
            places.insert(output.all().unwrap());
        }
        places.len()
    }

    #[test]
    fn addresses_of_programs_are_random_even_if_those_of_the_caller_are_not() {
        // Containers may forbid random addresses, or the call that changes them.
        if count_places(4) == 1 {
            return;
        }
        let fixed = std::thread::spawn(|| {
            // SAFETY: personality changes flags of this thread only, which ends right after.
            unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
            count_places(4)
        });
        assert!(fixed.join().unwrap() > 1);
    }
}
