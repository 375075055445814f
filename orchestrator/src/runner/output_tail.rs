//! Output of a worker on its standard output or error: its amount and its last lines.

use orch_core::format::clean;
use std::io;
use std::os::fd::OwnedFd;

/// Number of bytes of a plugin's output that are kept, from the end.
const TAIL: usize = 4 << 10;
/// Maximum number of reads before the time is checked, because a plugin may write without end.
pub(super) const READS: usize = 64;

/// The last part of an output stream, and the total amount.
pub(super) struct OutputTail {
    pub(super) pipe: Option<OwnedFd>,
    tail: Vec<u8>,
    pub(super) bytes: u64,
    /// The part of `bytes` that came after setup.
    pub(super) measured_bytes: u64,
}

impl OutputTail {
    pub(super) fn new(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self {
            pipe,
            tail: Vec::new(),
            bytes: 0,
            measured_bytes: 0,
        })
    }

    /// Reads the available output without waiting.
    pub(super) fn drain(&mut self, while_measuring: bool) {
        let mut buffer = [0u8; 16 << 10];
        for _ in 0..READS {
            let Some(pipe) = &self.pipe else { return };
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

    /// Finds the last informative line. Notes on how to get a backtrace are skipped.
    pub(super) fn find_last_words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("note: "));
        let line = lines.next_back()?;
        // C++ prints the name of the exception in the line before.
        let before = lines
            .next_back()
            .filter(|_| line.starts_with("what():"))
            .unwrap_or_default();
        let words = format!("{before} {line}");
        let clean = clean::clean_line(&words);
        let clean: String = clean.trim().chars().take(300).collect();
        (!clean.is_empty()).then_some(clean)
    }
}
