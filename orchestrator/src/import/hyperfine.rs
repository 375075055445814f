//! The format of `hyperfine --export-json`: one result per command, times in seconds.

use super::json_text::{JsonNode, JsonValue};
use super::measured_file::{
    self, FieldReader, FigureScale, MeasuredRow, MeasuredSide, PlacedObject,
};
use super::problem::ImportProblem;
use crate::comparison::imported::ImportedFormat;
use crate::contradiction::session::{ClaimedSession, RunEnding, ShortestSpan};

/// Time below which hyperfine itself warns: it cannot subtract the start of the shell more exactly.
const SHELL_START_NS: f64 = 5e6;

/// Reads a file. `file` is its name in messages.
pub(super) fn read(
    file: &str,
    text: &str,
    root: &JsonNode,
) -> Result<MeasuredSide, Vec<ImportProblem>> {
    let mut reader = FieldReader::new(ImportedFormat::Hyperfine);
    let mut side = MeasuredSide::new(file, text, ShortestSpan::ShellStart(SHELL_START_NS));
    for result in reader.objects(&PlacedObject::new(root, ""), "results") {
        let name = reader.name(&result, "command");
        let session = read_session(&mut reader, &result);
        // A command is no name of a function: a number in it is rarely a size.
        let family = None;
        side.add(&name.unwrap_or_default(), MeasuredRow { family, session });
    }
    if reader.problems.is_empty() {
        Ok(side)
    } else {
        Err(reader.problems)
    }
}

fn read_session(reader: &mut FieldReader, result: &PlacedObject) -> ClaimedSession {
    let mut session = ClaimedSession::default();
    let mut defects = Vec::new();
    let mut time = |reader: &mut FieldReader, name| {
        reader.figure(result, name, FigureScale::SECONDS, &mut defects)
    };
    session.mean = time(reader, "mean");
    session.median = time(reader, "median");
    session.deviation = time(reader, "stddev");
    session.min = time(reader, "min");
    session.max = time(reader, "max");
    for name in ["user", "system"] {
        let figure = time(reader, name);
        session
            .counters
            .extend(figure.map(|figure| (name.to_owned(), figure)));
    }
    session.samples = reader.samples(result, "times", FigureScale::SECONDS, &mut defects);
    session.shortest_span = session.min.as_ref().map(|min| min.value);
    let exits = reader.list(result, "exit_codes");
    session.failures = measured_file::count_failures(exits, |exit| match &exit.value {
        JsonValue::Null => Some(RunEnding::Signal),
        JsonValue::Number("0") => None,
        _ => Some(RunEnding::ExitCode(measured_file::clean_fact(
            &exit.print(),
        ))),
    });
    // Without the times, each run still has an exit code.
    session.count = u64::try_from(exits.len()).ok().filter(|count| *count > 0);
    if let Some(parameters) = reader.object(result, "parameters") {
        session.parameters = measured_file::list_parameters(&parameters);
    }
    if result.get("mean").is_none() && result.get("median").is_none() {
        reader.refuse_missing(result, "mean");
    }
    session.defects = defects;
    session
}
