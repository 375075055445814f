//! Rendering in a process of its own, for templates that others wrote. A template can loop without
//! an end, or double a text until the memory is used up; only a process can be stopped then.

use super::place::ReportPlace;
use super::{RenderError, render_here};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Argument with which orch starts itself to render a template.
pub(crate) const ARGUMENT: &str = "__render";

/// Most time on a CPU. A report of 3000 jobs takes less than one second.
const MOST_CPU_S: u64 = 5;
/// Most address space. A report of 3000 jobs needs less than 200 MiB.
const MOST_MEMORY: u64 = 1 << 30;
/// Most bytes of a report.
const MOST_OUTPUT: usize = 64 << 20;

/// First byte of the answer.
const REPORT: u8 = b'R';
const FAULT: u8 = b'F';
const TOO_LONG: u8 = b'L';

/// Limit that a template exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateExcess {
    #[error("took more than {MOST_CPU_S} s")]
    Time,
    #[error("needed more than {} GiB of memory", MOST_MEMORY >> 30)]
    Memory,
    #[error("wrote more than {} MiB", MOST_OUTPUT >> 20)]
    Output,
}

#[derive(Serialize)]
struct RenderRequest<'a> {
    name: &'a str,
    folder: &'a Path,
    view: &'a Value,
    place: ReportPlace,
}

/// A request as the new process reads it.
#[derive(Deserialize)]
struct ReceivedRequest {
    name: String,
    folder: PathBuf,
    view: Value,
    place: ReportPlace,
}

/// Renders a view in a process of its own.
pub(super) fn render(
    name: &str,
    folder: &Path,
    view: &Value,
    place: ReportPlace,
) -> Result<String, RenderError> {
    let request = serde_json::to_vec(&RenderRequest {
        name,
        folder,
        view,
        place,
    });
    let run = || exchange(&request?);
    let process_error = |source| RenderError::Process {
        name: name.to_owned(),
        source,
    };
    let (answer, status) = run().map_err(process_error)?;
    let exceeded = |limit| RenderError::Exceeded {
        name: name.to_owned(),
        limit,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(match (answer.split_first(), status.signal()) {
        (Some((&REPORT, report)), None) if report.len() <= MOST_OUTPUT => return Ok(text(report)),
        (Some((&FAULT, fault)), None) => RenderError::Worded(text(fault)),
        (Some((&TOO_LONG, _)), None) => exceeded(TemplateExcess::Output),
        (_, Some(libc::SIGXCPU | libc::SIGKILL)) => exceeded(TemplateExcess::Time),
        (_, Some(libc::SIGABRT | libc::SIGSEGV)) => exceeded(TemplateExcess::Memory),
        _ => process_error(io::Error::other(format!(
            "its process ended early: {status}"
        ))),
    })
}

/// Sends the request to a new process, and returns its answer and its end.
fn exchange(request: &[u8]) -> io::Result<(Vec<u8>, ExitStatus)> {
    let mut child = Command::new("/proc/self/exe")
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // The process reads the whole request before it writes. If it is dead, its end tells why.
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(request);
    }
    let mut answer = Vec::new();
    let read = match child.stdout.take() {
        Some(output) => output.take(MOST_OUTPUT as u64 + 2).read_to_end(&mut answer),
        None => Ok(0),
    };
    // Closing the pipe ends a process that still writes.
    let status = child.wait()?;
    read?;
    Ok((answer, status))
}

/// Answers a request: limits this process, and renders.
pub(crate) fn answer_request(request: &[u8]) -> Vec<u8> {
    let (first, text) = match limit_and_render(request) {
        Ok(report) => (REPORT, report),
        Err(RenderError::Exceeded { .. }) => (TOO_LONG, String::new()),
        Err(fault) => (FAULT, fault.to_string()),
    };
    [&[first], text.as_bytes()].concat()
}

fn limit_and_render(request: &[u8]) -> Result<String, RenderError> {
    let unable = |error: String| RenderError::Worded(format!("cannot render a template: {error}"));
    let limit = |resource, most| {
        setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )
    };
    limit(Resource::As, MOST_MEMORY)
        .and_then(|()| limit(Resource::Cpu, MOST_CPU_S))
        .and_then(|()| limit(Resource::Core, 0))
        .map_err(|error| unable(error.to_string()))?;
    let received: ReceivedRequest = serde_json::from_slice(request)
        .map_err(|_| unable(format!("only orch itself starts `orch {ARGUMENT}`")))?;
    let ReceivedRequest {
        name,
        folder,
        view,
        place,
    } = received;
    render_here(&name, &folder, &view, place, MOST_OUTPUT)
}
