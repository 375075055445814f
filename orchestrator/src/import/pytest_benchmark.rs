//! The format of `pytest --benchmark-json`: one benchmark per test, times in seconds, with the
//! machine and the commit.

use super::json_text::JsonNode;
use super::measured_file::{
    self, FieldReader, FigureScale, MeasuredRow, MeasuredSide, PlacedObject,
};
use super::problem::ImportProblem;
use crate::comparison::imported::ImportedFormat;
use crate::contradiction::session::{ClaimedSession, ShortestSpan};

/// Time of a few readings of Python's clock.
const CLOCK_READING_NS: f64 = 1e3;
/// Properties of the machine that make times comparable.
const MACHINE: [&str; 5] = ["node", "machine", "processor", "system", "release"];
/// Settings of a benchmark that change what is measured.
const SETTINGS: [&str; 5] = ["timer", "disable_gc", "warmup", "min_rounds", "min_time"];

/// Reads a file. `file` is its name in messages.
pub(super) fn read(
    file: &str,
    text: &str,
    root: &JsonNode,
) -> Result<MeasuredSide, Vec<ImportProblem>> {
    let mut reader = FieldReader::new(ImportedFormat::PytestBenchmark);
    let mut side = MeasuredSide::new(file, text, ShortestSpan::ClockReading(CLOCK_READING_NS));
    let root = PlacedObject::new(root, "");
    read_source(&mut reader, &root, &mut side);
    for benchmark in reader.objects(&root, "benchmarks") {
        // Tests of two files may have the same name.
        let field = match benchmark.get("fullname") {
            Some(_) => "fullname",
            None => "name",
        };
        let name = reader.name(&benchmark, field).unwrap_or_default();
        let session = read_session(&mut reader, &benchmark);
        side.add(&name, MeasuredRow::of_function(&name, session));
    }
    if reader.problems.is_empty() {
        Ok(side)
    } else {
        Err(reader.problems)
    }
}

fn read_source(reader: &mut FieldReader, root: &PlacedObject, side: &mut MeasuredSide) {
    let source = &mut side.source;
    source.date = reader.fact(root, "datetime");
    let version = reader.fact(root, "version");
    source
        .versions
        .extend(version.map(|version| ("pytest-benchmark".to_owned(), version)));
    if let Some(commit) = reader.object(root, "commit_info") {
        source.commit = reader.fact(&commit, "id");
        source.is_dirty = reader.flag(&commit, "dirty");
    }
    let Some(machine) = reader.object(root, "machine_info") else {
        return;
    };
    for name in MACHINE {
        let fact = reader.fact(&machine, name);
        source
            .machine
            .extend(fact.map(|fact| (name.to_owned(), fact)));
    }
    if let Some(cpu) = reader.object(&machine, "cpu") {
        let brand = reader.fact(&cpu, "brand_raw");
        source
            .machine
            .extend(brand.map(|brand| ("CPU".to_owned(), brand)));
        let count = reader.count(&cpu, "count");
        let count = count.map(|count| ("CPUs".to_owned(), count.to_string()));
        source.machine.extend(count);
    }
    for (name, field) in [
        ("Python", "python_version"),
        ("implementation", "python_implementation"),
        ("compiler", "python_compiler"),
    ] {
        let fact = reader.fact(&machine, field);
        source
            .versions
            .extend(fact.map(|fact| (name.to_owned(), fact)));
    }
}

fn read_session(reader: &mut FieldReader, benchmark: &PlacedObject) -> ClaimedSession {
    let mut session = ClaimedSession::default();
    if let Some(parameters) = reader.object(benchmark, "params") {
        session.parameters = measured_file::list_parameters(&parameters);
    }
    if let Some(options) = reader.object(benchmark, "options") {
        let settings = SETTINGS.into_iter().filter_map(|name| {
            let value = options.get(name)?.print();
            Some((name.to_owned(), measured_file::clean_fact(&value)))
        });
        session.parameters.extend(settings);
    }
    let Some(stats) = reader.object(benchmark, "stats") else {
        if benchmark.get("stats").is_none() {
            reader.refuse_missing(benchmark, "stats");
        }
        return session;
    };
    let mut defects = Vec::new();
    let mut time = |reader: &mut FieldReader, name| {
        reader.figure(&stats, name, FigureScale::SECONDS, &mut defects)
    };
    session.mean = time(reader, "mean");
    session.median = time(reader, "median");
    session.deviation = time(reader, "stddev");
    session.min = time(reader, "min");
    session.max = time(reader, "max");
    session.count = reader.count(&stats, "rounds");
    session.samples = reader.samples(&stats, "data", FigureScale::SECONDS, &mut defects);
    let iterations = reader.count(&stats, "iterations").unwrap_or(1);
    session.shortest_span = session
        .min
        .as_ref()
        .map(|min| min.value * iterations as f64);
    if stats.get("mean").is_none() && stats.get("median").is_none() {
        reader.refuse_missing(&stats, "mean");
    }
    session.defects = defects;
    session
}
