//! The error of all workload methods: a text, and its status at the boundary.

use crate::abi;
use std::fmt;

/// Result of a workload method.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Failure of a workload method, with a text for the author of the scenario.
///
/// The record of the job stores the text and the phase. The text should name the wrong file or
/// value. The constructor decides what becomes of the job:
///
/// ```
/// use orch_sdk::prelude::*;
///
/// fn open(path: &str, threads: usize) -> Result<String> {
///     if threads > 64 {
///         // The scenario is wrong.
///         let text = format!("parameter 'threads': at most 64, got {threads}");
///         return Err(Error::params(text));
///     }
///     if cfg!(not(target_os = "linux")) {
///         // The job is skipped.
///         return Err(Error::unsupported("needs Linux"));
///     }
///     // The job fails on any std::error::Error.
///     Ok(std::fs::read_to_string(path)?)
/// }
/// assert_eq!(open("/", 65).unwrap_err().to_string(), "parameter 'threads': at most 64, got 65");
/// ```
///
/// The operator `?` makes this error from any [`std::error::Error`], and the constructors make it
/// from a text. It is one pointer wide, so that a loop over
/// [`Workload::run`](crate::Workload::run) tests a register.
pub struct Error(Box<ErrorParts>);

struct ErrorParts {
    status: abi::Status,
    text: String,
}

impl Error {
    /// Creates an error that fails the job.
    pub fn msg(text: impl fmt::Display) -> Self {
        Self::new(abi::ERR, &text)
    }

    /// Creates an error for a workload that cannot run on this machine. Its job is skipped and does
    /// not fail.
    pub fn unsupported(text: impl fmt::Display) -> Self {
        Self::new(abi::ERR_UNSUPPORTED, &text)
    }

    /// Creates an error for wrong parameters: the job fails, and the scenario has to change. Use it
    /// in [`create`](crate::Workload::create). Conditions that a range can express belong in the
    /// schema.
    pub fn params(text: impl fmt::Display) -> Self {
        Self::new(abi::ERR_PARAMS, &text)
    }

    #[cfg(feature = "workloads")]
    pub(crate) fn unknown_workload(text: impl fmt::Display) -> Self {
        Self::new(abi::ERR_UNKNOWN_WORKLOAD, &text)
    }

    pub(crate) fn status(&self) -> abi::Status {
        self.0.status
    }

    fn new(status: abi::Status, text: &dyn fmt::Display) -> Self {
        Self(Box::new(ErrorParts {
            status,
            text: text.to_string(),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: std::error::Error> From<E> for Error {
    /// Keeps the text of the error and of all its sources, joined by `": "`.
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Some errors already print their source.
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self::msg(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Layer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_ref().map(|inner| inner.as_ref() as _)
        }
    }

    #[test]
    fn chain_of_sources_is_kept_once() {
        let chain = Layer(
            "load failed: no file",
            Some(Box::new(Layer(
                "no file",
                Some(Box::new(Layer("ENOENT", None))),
            ))),
        );
        assert_eq!(
            Error::from(chain).to_string(),
            "load failed: no file: ENOENT"
        );
    }

    #[test]
    fn iteration_result_is_one_pointer() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
