//! The process in which `orch` renders a project's own templates.

use crate::render::confined;
use std::io::{Read, Write};
use std::process::ExitCode;

/// Answers the request on standard input.
pub(crate) fn main() -> ExitCode {
    let mut request = Vec::new();
    let answered = std::io::stdin()
        .read_to_end(&mut request)
        .map(|_| confined::answer_request(&request))
        .and_then(|answer| std::io::stdout().write_all(&answer));
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
