//! The format of Google Benchmark's `--benchmark_out`: one entry per repetition, then aggregates of
//! them, times in the unit of each entry.

use super::json_text::{JsonNode, JsonValue};
use super::measured_file::{
    self, FieldReader, FigureScale, MeasuredRow, MeasuredSide, PlacedObject,
};
use super::problem::ImportProblem;
use crate::comparison::imported::ImportedFormat;
use crate::contradiction::claims;
use crate::contradiction::figure::{Figure, FigureRange};
use crate::contradiction::scatter;
use crate::contradiction::session::{ClaimedSession, FigureDefect, RunEnding, ShortestSpan};
use indexmap::IndexMap;
use std::collections::HashMap;

/// Time of a few readings of the clock.
const CLOCK_READING_NS: f64 = 1e3;
/// Units of times, with their nanoseconds.
const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
/// Endings of the names of entries that are no repetitions.
const AGGREGATES: [&str; 6] = ["mean", "median", "stddev", "cv", "BigO", "RMS"];
/// Members of an entry that are no counters.
const FIELDS: [&str; 27] = [
    "name",
    "family_index",
    "per_family_instance_index",
    "run_name",
    "run_type",
    "repetitions",
    "repetition_index",
    "threads",
    "aggregate_name",
    "aggregate_unit",
    "error_occurred",
    "error_message",
    "skipped",
    "skip_message",
    "iterations",
    "real_time",
    "cpu_time",
    "time_unit",
    "cpu_coefficient",
    "real_coefficient",
    "big_o",
    "rms",
    "label",
    "allocs_per_iter",
    "max_bytes_used",
    "total_allocated_bytes",
    "net_heap_growth",
];

/// What is known of a benchmark while its entries are read.
#[derive(Default)]
struct BenchmarkEntries {
    session: ClaimedSession,
    /// Number of entries of each repetition.
    repetitions: HashMap<u64, usize>,
    runs: Vec<Option<RunEnding>>,
    /// The figures of the only repetition.
    single: Option<Figure>,
}

/// Kind of an entry.
enum EntryKind {
    Repetition,
    /// Figure over all repetitions, with the name of its statistic.
    Aggregate(String),
    /// Fitted growth of the times over several sizes.
    Complexity,
}

/// Reads a file. `file` is its name in messages.
pub(super) fn read(
    file: &str,
    text: &str,
    root: &JsonNode,
) -> Result<MeasuredSide, Vec<ImportProblem>> {
    let mut reader = FieldReader::new(ImportedFormat::GoogleBenchmark);
    let mut side = MeasuredSide::new(file, text, ShortestSpan::ClockReading(CLOCK_READING_NS));
    let root = PlacedObject::new(root, "");
    if let Some(context) = reader.object(&root, "context") {
        read_source(&mut reader, &context, &mut side);
    }
    let mut benchmarks: IndexMap<String, BenchmarkEntries> = IndexMap::new();
    for entry in reader.objects(&root, "benchmarks") {
        let Some(name) = reader.name(&entry, "name") else {
            continue;
        };
        let (run_name, kind) = classify(&mut reader, &entry, &name);
        let is_skipped = reader.flag(&entry, "skipped") == Some(true);
        if is_skipped || matches!(kind, EntryKind::Complexity) {
            side.ignored.push(name);
        } else {
            let own = benchmarks.entry(run_name).or_default();
            own.enter(&mut reader, &entry, kind, &mut side.ignored);
        }
    }
    for (name, entries) in benchmarks {
        let row = MeasuredRow::of_function(&name, entries.close());
        side.add(&name, row);
    }
    if reader.problems.is_empty() {
        Ok(side)
    } else {
        Err(reader.problems)
    }
}

fn read_source(reader: &mut FieldReader, context: &PlacedObject, side: &mut MeasuredSide) {
    let source = &mut side.source;
    source.date = reader.fact(context, "date");
    source.has_scaling = reader.flag(context, "cpu_scaling_enabled");
    let build = reader.fact(context, "library_build_type");
    source.is_debug = build.map(|build| build == "debug");
    let version = reader.fact(context, "library_version");
    source
        .versions
        .extend(version.map(|version| ("Google Benchmark".to_owned(), version)));
    let host = reader.fact(context, "host_name");
    source
        .machine
        .extend(host.map(|host| ("host".to_owned(), host)));
    let cpus = reader.count(context, "num_cpus");
    let cpus = cpus.map(|cpus| ("CPUs".to_owned(), cpus.to_string()));
    source.machine.extend(cpus);
    let caches = reader.list(context, "caches");
    let caches: Vec<String> = caches
        .iter()
        .map(|cache| {
            let part = |name| cache.get(name).map(JsonNode::print).unwrap_or_default();
            measured_file::clean_fact(&format!(
                "L{} {} {}",
                part("level"),
                part("type"),
                part("size")
            ))
        })
        .collect();
    if !caches.is_empty() {
        source
            .machine
            .push(("caches".to_owned(), caches.join(", ")));
    }
}

/// Returns the benchmark of an entry, and what the entry is. Before 1.5, only the name states it.
fn classify(reader: &mut FieldReader, entry: &PlacedObject, name: &str) -> (String, EntryKind) {
    let run_name = reader.fact(entry, "run_name");
    let run_type = reader.fact(entry, "run_type");
    let aggregate = reader.fact(entry, "aggregate_name");
    let by_name = AGGREGATES.into_iter().find_map(|aggregate| {
        let own = name.strip_suffix(aggregate)?.strip_suffix('_')?;
        Some((own, aggregate.to_owned()))
    });
    let is_fitted = entry.get("big_o").is_some() || entry.get("rms").is_some();
    let (own, statistic) = match (run_type.as_deref(), aggregate, by_name) {
        (Some("aggregate"), Some(statistic), _) => {
            let own = name.strip_suffix(&statistic);
            (own.and_then(|own| own.strip_suffix('_')), Some(statistic))
        }
        (Some("aggregate") | None, None, Some((own, statistic))) => (Some(own), Some(statistic)),
        _ => (None, None),
    };
    let run_name = run_name.unwrap_or_else(|| own.unwrap_or(name).to_owned());
    let kind = match statistic {
        _ if is_fitted => EntryKind::Complexity,
        Some(statistic) => EntryKind::Aggregate(statistic),
        None => EntryKind::Repetition,
    };
    (run_name, kind)
}

impl BenchmarkEntries {
    fn enter(
        &mut self,
        reader: &mut FieldReader,
        entry: &PlacedObject,
        kind: EntryKind,
        ignored: &mut Vec<String>,
    ) {
        if let Some(repetitions) = reader.count(entry, "repetitions") {
            self.session.count = Some(repetitions.max(1));
        }
        if self.session.parameters.is_empty() {
            let threads = reader.count(entry, "threads");
            let threads = threads.map(|threads| ("threads".to_owned(), threads.to_string()));
            self.session.parameters.extend(threads);
        }
        let is_failed = reader.flag(entry, "error_occurred") == Some(true);
        match kind {
            EntryKind::Repetition if is_failed => {
                let message = reader.fact(entry, "error_message").unwrap_or_default();
                self.runs.push(Some(RunEnding::Error(message)));
            }
            EntryKind::Repetition => self.enter_repetition(reader, entry),
            EntryKind::Aggregate(_) | EntryKind::Complexity if is_failed => {}
            EntryKind::Aggregate(statistic) => {
                self.enter_aggregate(reader, entry, &statistic, ignored);
            }
            EntryKind::Complexity => {}
        }
    }

    fn enter_repetition(&mut self, reader: &mut FieldReader, entry: &PlacedObject) {
        self.runs.push(None);
        // An older file has no numbers: each entry is a repetition of its own.
        let next = u64::try_from(self.repetitions.len()).unwrap_or(u64::MAX);
        let index = reader.count(entry, "repetition_index").unwrap_or(next);
        *self.repetitions.entry(index).or_default() += 1;
        let Some(time) = self.read_time(reader, entry, "real_time") else {
            return;
        };
        let iterations = reader.count(entry, "iterations").unwrap_or(1);
        let span = time.value * iterations as f64;
        let shortest = self.session.shortest_span;
        self.session.shortest_span = Some(shortest.map_or(span, |shortest| shortest.min(span)));
        self.session.samples.push(time.reach);
        self.single = Some(time);
        if self.runs.len() == 1 {
            self.enter_counters(reader, entry);
        }
    }

    fn enter_counters(&mut self, reader: &mut FieldReader, entry: &PlacedObject) {
        let cpu = self.read_time(reader, entry, "cpu_time");
        let cpu = cpu.map(|cpu| ("cpu_time".to_owned(), cpu));
        self.session.counters.extend(cpu);
        for (name, node) in entry.node.members() {
            if FIELDS.contains(&name.as_ref()) || node.digits().is_none() {
                continue;
            }
            let defects = &mut self.session.defects;
            let place = || entry.place_of(name);
            let figure = reader.number(node, place, name, FigureScale::Plain, defects);
            let name = measured_file::clean_fact(name);
            self.session
                .counters
                .extend(figure.map(|figure| (name, figure)));
        }
    }

    fn enter_aggregate(
        &mut self,
        reader: &mut FieldReader,
        entry: &PlacedObject,
        statistic: &str,
        ignored: &mut Vec<String>,
    ) {
        let is_share = reader.fact(entry, "aggregate_unit").as_deref() == Some("percentage");
        if statistic == "cv" {
            let defects = &mut self.session.defects;
            self.session.variation = reader.figure(entry, "real_time", FigureScale::Plain, defects);
            return;
        }
        let known = ["mean", "median", "stddev", "min", "max"].contains(&statistic);
        if is_share || !known {
            ignored.extend(reader.fact(entry, "name"));
            return;
        }
        let figure = self.read_time(reader, entry, "real_time");
        let place = match statistic {
            "mean" => &mut self.session.mean,
            "median" => &mut self.session.median,
            "stddev" => &mut self.session.deviation,
            "min" => &mut self.session.min,
            _ => &mut self.session.max,
        };
        *place = figure;
    }

    /// Reads a time in the unit of its entry.
    fn read_time(
        &mut self,
        reader: &mut FieldReader,
        entry: &PlacedObject,
        field: &str,
    ) -> Option<Figure> {
        let unit = reader.fact(entry, "time_unit").unwrap_or("ns".to_owned());
        let Some((_, ns)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
            let defect = FigureDefect::UnknownUnit { unit };
            if !self.session.defects.contains(&defect) {
                self.session.defects.push(defect);
            }
            return None;
        };
        if field == "real_time" && entry.get(field).is_none() {
            if entry.node.get(field).map(|node| &node.value) != Some(&JsonValue::Null) {
                reader.refuse_missing(entry, field);
            }
            return None;
        }
        let scale = FigureScale::Time(ns);
        reader.figure(entry, field, scale, &mut self.session.defects)
    }

    /// Returns the session after the last entry.
    fn close(mut self) -> ClaimedSession {
        let session = &mut self.session;
        if let (1, None) = (session.samples.len(), &session.mean) {
            session.mean = self.single;
        }
        session.repeats = self
            .repetitions
            .values()
            .max()
            .map_or(0, |most| most.saturating_sub(1));
        session.failures = measured_file::count_failures(&self.runs, Clone::clone);
        // A repetition that failed has no time.
        let failed = u64::try_from(session.failures.failed).unwrap_or(u64::MAX);
        let count = session.count.map(|count| count.saturating_sub(failed));
        session.count = count.filter(|count| *count > 0);
        if session.mean.is_none() && session.median.is_none() {
            session.median = compute_median(&session.samples);
        }
        self.session
    }
}

/// Returns the median of repetitions without aggregates.
fn compute_median(samples: &[FigureRange]) -> Option<Figure> {
    if samples.is_empty() {
        return None;
    }
    let reach = scatter::median_of(samples);
    let value = f64::midpoint(reach.low, reach.high);
    Some(Figure {
        printed: claims::print_time(value),
        value,
        reach,
    })
}
