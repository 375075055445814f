//! The parameters of `command/run`.

use orch_sdk::prelude::*;
use orch_sdk::serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Params)]
pub(crate) struct RunParams {
    /// Program and its arguments as a list; or a text for `sh -c`, whose start is then measured
    /// too
    pub(crate) command: CommandLine,
    /// File that the program reads as its standard input; empty by default
    pub(crate) stdin: Option<PathBuf>,
    /// Program that runs before each measured run, untimed; as `command`
    pub(crate) prepare: Option<CommandLine>,
    /// Expected exit code
    #[param(default = 0, range = 0..=255)]
    pub(crate) expect_exit: i32,
    /// Whether every exit code is expected, and the end by a signal too
    #[param(default = false)]
    pub(crate) any_exit: bool,
    /// Working directory; by default the project's root
    pub(crate) cwd: Option<PathBuf>,
    /// Environment variables in addition to those of the job, as a map of names and texts
    pub(crate) env: EnvVariables,
    /// Whether the standard output is part of the result, so that different output differs;
    /// otherwise it goes to /dev/null
    #[param(default = true)]
    pub(crate) digest: bool,
}

/// A command to run.
#[derive(Debug)]
pub(crate) enum CommandLine {
    /// A command line for `sh -c`.
    Shell(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

impl CommandLine {
    /// Returns the program to start; `None` for an empty list.
    pub(crate) fn program(&self) -> Option<&str> {
        match self {
            Self::Shell(text) if text.trim().is_empty() => None,
            Self::Shell(_) => Some("sh"),
            Self::Words(words) => words.first().map(String::as_str),
        }
    }
}

impl ParamValue for CommandLine {
    fn schema() -> Value {
        json!({ "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "type": "string" }
        ] })
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let expected = || format!("expected a list of words, or a text for the shell, got {value}");
        match value {
            Value::String(text) => Ok(Self::Shell(text.clone())),
            Value::Array(_) => Vec::from_json(value)
                .map(Self::Words)
                .map_err(|_| expected()),
            _ => Err(expected()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Shell(text) => text.to_json(),
            Self::Words(words) => words.to_json(),
        }
    }
}

/// Names and values of environment variables.
#[derive(Debug, Default)]
pub(crate) struct EnvVariables(pub(crate) BTreeMap<String, String>);

impl ParamValue for EnvVariables {
    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": { "type": "string" } })
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let map = value
            .as_object()
            .ok_or_else(|| format!("expected a map of names and texts, got {value}"))?;
        let entry = |(name, value): (&String, &Value)| {
            let text = value
                .as_str()
                .ok_or_else(|| format!("the value of '{name}' must be a text, got {value}"))?;
            Ok((name.clone(), text.to_owned()))
        };
        map.iter()
            .map(entry)
            .collect::<Result<_, String>>()
            .map(Self)
    }

    fn to_json(&self) -> Value {
        Value::Object(
            self.0
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect::<Map<_, _>>(),
        )
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
