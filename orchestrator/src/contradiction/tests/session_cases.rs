//! Claims of benchmark tools with and without contradictions, by rule.

use super::fixtures::{RuleCase, figure};
use crate::contradiction::claims::{ClaimSide, ClaimedRow, Claims};
use crate::contradiction::session::{
    ClaimedSession, ClaimedSource, FigureDefect, RunEnding, ShortestSpan,
};

fn side_of(word: &str) -> ClaimSide {
    match word {
        "before" => ClaimSide::Before,
        "after" => ClaimSide::After,
        "only" => ClaimSide::Only,
        _ => panic!("no side {word}"),
    }
}

fn named(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap();
    (name.to_owned(), value.to_owned())
}

fn source(side: ClaimSide, facts: &str) -> ClaimedSource {
    let file = match side {
        ClaimSide::After => "b.json",
        _ => "a.json",
    };
    let mut source = ClaimedSource::new(
        side,
        file,
        file.to_owned(),
        ShortestSpan::ClockReading(0.001),
    );
    for fact in facts.split(", ") {
        let (key, value) = fact.split_once(' ').unwrap_or((fact, ""));
        match key {
            "hash" => value.clone_into(&mut source.hash),
            "dirty" => source.is_dirty = Some(true),
            "clean" => source.is_dirty = Some(false),
            "scaling" => source.has_scaling = Some(true),
            "steady" => source.has_scaling = Some(false),
            "debug" => source.is_debug = Some(true),
            "release" => source.is_debug = Some(false),
            "shell" => source.shortest = ShortestSpan::ShellStart(value.parse().unwrap()),
            "machine" => source.machine.push(named(value)),
            "version" => source.versions.push(named(value)),
            _ => panic!("no fact {fact}"),
        }
    }
    source
}

fn session(fields: &str) -> ClaimedSession {
    let mut session = ClaimedSession::default();
    for field in fields.split(", ") {
        let (key, value) = field.split_once(' ').unwrap();
        let amount = || Some(figure(value).of_amount());
        match key {
            "samples" => {
                let samples = value.split(' ').map(|sample| figure(sample).reach);
                session.samples = samples.collect();
            }
            "count" => session.count = Some(value.parse().unwrap()),
            "mean" => session.mean = amount(),
            "median" => session.median = amount(),
            "sd" => session.deviation = amount(),
            "cv" => session.variation = amount(),
            "min" => session.min = amount(),
            "max" => session.max = amount(),
            "span" => session.shortest_span = Some(value.parse().unwrap()),
            "exit" => {
                let numbers: Vec<usize> = value
                    .split(" of ")
                    .map(|text| text.parse().unwrap())
                    .collect();
                (session.failures.failed, session.failures.of) = (numbers[0], numbers[1]);
                let is_failed = numbers[0] > 0;
                session.failures.ending = is_failed.then(|| RunEnding::ExitCode("2".to_owned()));
            }
            "param" => session.parameters.push(named(value)),
            "repeats" => session.repeats = value.parse().unwrap(),
            "nan" => session.defects.push(FigureDefect::NotFinite {
                field: value.to_owned(),
                printed: "NaN".to_owned(),
            }),
            "unit" => session.defects.push(FigureDefect::UnknownUnit {
                unit: value.to_owned(),
            }),
            _ => panic!("no field {key}"),
        }
    }
    session
}

/// Returns a case of sessions, one `SIDE NAME: fields` per line, and of files, one `file SIDE:
/// facts` per line.
fn case(
    rule: &'static str,
    title: &'static str,
    says: Option<&'static str>,
    text: &str,
) -> RuleCase {
    let mut claims = Claims::default();
    for line in text.lines().map(str::trim) {
        let (head, fields) = line.split_once(": ").unwrap();
        let (word, name) = head.split_once(' ').unwrap();
        if word == "file" {
            claims.sources.push(source(side_of(name), fields));
            continue;
        }
        let (side, session) = (side_of(word), session(fields));
        let index = claims.rows.iter().position(|row| row.name == name);
        let index = index.unwrap_or_else(|| {
            claims.rows.push(ClaimedRow {
                name: name.to_owned(),
                ..ClaimedRow::default()
            });
            claims.rows.len() - 1
        });
        let row = &mut claims.rows[index];
        let time = session.time().cloned();
        match side {
            ClaimSide::Before => row.before = time,
            ClaimSide::After => row.after = time,
            ClaimSide::Only => row.total = time,
        }
        row.sessions.push((side, session));
    }
    RuleCase {
        rule,
        title,
        claims,
        says,
    }
}

/// Returns all cases.
pub(super) fn all() -> Vec<RuleCase> {
    let mut cases = impossible();
    cases.extend(misleading());
    cases.extend(unresolved());
    cases
}

fn impossible() -> Vec<RuleCase> {
    vec![
        case(
            "min-mean-max",
            "mean of a session above its maximum",
            Some("A before: mean 5.0 ms is above maximum 4.8 ms"),
            "before A: mean 5.0, median 4.5, max 4.8",
        ),
        case(
            "min-mean-max",
            "median of a session below its minimum",
            Some("A: minimum 2.0 ms is above median 1.5 ms"),
            "only A: median 1.5, min 2.0",
        ),
        case(
            "min-mean-max",
            "a session in order",
            None,
            "only A: mean 2.1, median 2.0, min 2.0, max 2.5",
        ),
        case(
            "negative-amount",
            "a session with a negative time",
            Some("A: a negative time or size: -1.0"),
            "only A: mean -1.0, min -1.0",
        ),
        case(
            "deviation-and-range",
            "more scatter than range",
            Some("2.0 ms is too large for samples between 9.00 ms and 11.00 ms"),
            "only A: count 10, mean 10.00, sd 2.0, min 9.00, max 11.00",
        ),
        case(
            "deviation-and-range",
            "less scatter than the ends alone have",
            Some("is too small"),
            "before A: count 3, sd 0.10, min 9.00, max 11.00",
        ),
        case(
            "deviation-and-range",
            "none at all between different ends",
            Some("a standard deviation of 0 ms is too small"),
            "before A: count 3, sd 0, min 9.00, max 11.00",
        ),
        case(
            "deviation-and-range",
            "none at all between equal ends",
            None,
            "before A: count 3, sd 0, min 9.00, max 9.00",
        ),
        case(
            "deviation-and-range",
            "an unknown number of samples",
            None,
            "only A: sd 1.41, min 9.00, max 11.00",
        ),
        case(
            "deviation-and-range",
            "two samples at the ends",
            None,
            "only A: count 2, sd 1.41, min 9.00, max 11.00",
        ),
        case(
            "statistics-and-samples",
            "another mean",
            Some("A after: the 3 listed samples have mean 2"),
            "after A: samples 1.00 2.00 3.00, mean 2.50, median 2.00, sd 1.00, min 1.00, max 3.00",
        ),
        case(
            "statistics-and-samples",
            "another median, minimum, maximum and deviation",
            Some("median"),
            "only A: samples 1.00 2.00 3.00, median 2.50, sd 2.00, min 1.10, max 2.90",
        ),
        case(
            "statistics-and-samples",
            "another share",
            Some("variation"),
            "only A: samples 1.00 2.00 3.00, cv 0.40",
        ),
        case(
            "statistics-and-samples",
            "rounded statistics",
            None,
            "only A: samples 1.00 2.00 3.01, mean 2.0, median 2, sd 1.0, cv 0.50, min 1, max 3.0",
        ),
        case(
            "statistics-and-samples",
            "a list that is not whole",
            None,
            "only A: count 9, samples 1.00 2.00, mean 9.0",
        ),
        case(
            "samples-and-count",
            "fewer than stated",
            Some("5 samples are stated, but 2 are listed"),
            "only A: count 5, samples 1.00 2.00",
        ),
        case(
            "samples-and-count",
            "as many as stated",
            None,
            "only A: count 2, samples 1.00 2.00, exit 1 of 3",
        ),
        case(
            "not-finite",
            "a mean",
            Some("no finite number: A mean NaN before"),
            "before A: nan mean, min 1.0",
        ),
        case("not-finite", "figures", None, "before A: mean 1.0"),
    ]
}

fn misleading() -> Vec<RuleCase> {
    vec![
        case(
            "mean-off-median",
            "a slow first run",
            Some("because the first of 5 runs took 9.00 ms (a cold cache, or no warm-up)"),
            "only A: samples 9.00 1.00 1.01 1.02 1.00, mean 2.61, median 1.01",
        ),
        case(
            "mean-off-median",
            "a slow run in between",
            Some("because run 3 of 4 took 9.00 ms"),
            "only A: samples 1.00 1.01 9.00 1.02, mean 3.01, median 1.02",
        ),
        case(
            "mean-off-median",
            "without samples",
            Some("the mean 3.01 ms is +197.0 % against"),
            "only A: count 100, mean 3.01, median 1.0134",
        ),
        case(
            "mean-off-median",
            "nearly equal",
            None,
            "only A: count 100, mean 1.05, median 1.00",
        ),
        case(
            "mean-off-median",
            "two samples have no median of their own",
            None,
            "only A: count 2, mean 2.00, median 1.00",
        ),
        case(
            "no-scatter",
            "several equal samples",
            Some("A: 10 samples with a standard deviation of 0"),
            "only A: count 10, mean 1.00, sd 0",
        ),
        case(
            "no-scatter",
            "one sample",
            None,
            "only A: count 1, mean 1.00, sd 0",
        ),
        case(
            "no-scatter",
            "samples that differ",
            None,
            "only A: count 9, sd 0, min 1.00, max 2.00",
        ),
        case(
            "failed-runs",
            "exit codes",
            Some("A 3 of 10 runs (exit code 2) before"),
            "before A: mean 1.0, exit 3 of 10",
        ),
        case(
            "failed-runs",
            "success",
            None,
            "before A: mean 1.0, exit 0 of 10",
        ),
        case(
            "repeated-row",
            "twice",
            Some("A 2 times after"),
            "after A: mean 1.0, repeats 1",
        ),
        case("repeated-row", "once", None, "after A: mean 1.0, repeats 0"),
        case(
            "same-session",
            "a copy",
            Some("a.json and b.json have the same content"),
            "file before: hash x\nfile after: hash x\nbefore A: mean 1.0\nafter A: mean 1.0",
        ),
        case(
            "same-session",
            "two files",
            None,
            "file before: hash x\nfile after: hash y\nbefore A: mean 1.0\nafter A: mean 1.0",
        ),
        case(
            "other-parameters",
            "another size",
            Some("A (n 1 -> 2)"),
            "before A: mean 1.0, param n=1, param k=3\nafter A: mean 2.0, param n=2, param k=3",
        ),
        case(
            "other-parameters",
            "the same size",
            None,
            "before A: mean 1.0, param n=1\nafter A: mean 2.0, param n=1, param k=1",
        ),
        case(
            "other-machine",
            "another host",
            Some("the machines differ: host a -> b"),
            "file before: machine host=a, machine CPUs=2\nfile after: machine host=b, machine \
             CPUs=2\nbefore A: mean 1.0",
        ),
        case(
            "other-machine",
            "a property of one side",
            None,
            "file before: machine CPUs=2\nfile after: machine CPUs=2, machine host=b\nbefore A: \
             mean 1.0",
        ),
        case(
            "other-version",
            "another version",
            Some("the versions differ: Python 3.11 -> 3.12"),
            "file before: version Python=3.11\nfile after: version Python=3.12\nbefore A: mean 1.0",
        ),
        case(
            "other-version",
            "the same version",
            None,
            "file before: version Python=3.11\nfile after: version Python=3.11\nbefore A: mean 1.0",
        ),
        case(
            "cpu-scaling",
            "on both sides",
            Some("a.json and b.json: CPU frequency scaling is on"),
            "file before: scaling\nfile after: scaling\nbefore A: mean 1.0",
        ),
        case(
            "cpu-scaling",
            "off",
            None,
            "file only: steady\nonly A: mean 1.0",
        ),
        case(
            "debug-library",
            "on one side",
            Some("b.json: the benchmark library is a debug build"),
            "file before: release\nfile after: debug\nbefore A: mean 1.0",
        ),
        case(
            "debug-library",
            "release",
            None,
            "file only: release\nonly A: mean 1.0",
        ),
        case(
            "dirty-commit",
            "changed files",
            Some("a.json: the files of the commit had been changed"),
            "file only: dirty\nonly A: mean 1.0",
        ),
        case(
            "dirty-commit",
            "clean",
            None,
            "file only: clean\nonly A: mean 1.0",
        ),
    ]
}

fn unresolved() -> Vec<RuleCase> {
    vec![
        case(
            "change-in-scatter",
            "a small change",
            Some("A 10.0 -> 10.5 ms (+5.0 %), deviation 1.20 ms"),
            "before A: mean 10.0, sd 1.20\nafter A: mean 10.5, sd 0.30",
        ),
        case(
            "change-in-scatter",
            "a large change",
            None,
            "before A: mean 10.0, sd 1.20\nafter A: mean 15.0, sd 0.30",
        ),
        case(
            "change-in-scatter",
            "no change",
            None,
            "before A: mean 10.00, sd 1.20\nafter A: mean 10.01, sd 1.20",
        ),
        case(
            "short-samples",
            "below a shell's start",
            Some("the start of the shell, which the tool subtracts, varies as much: A 2.00 ms"),
            "file only: shell 5\nonly A: mean 2.00, span 2.0",
        ),
        case(
            "short-samples",
            "below the clock",
            Some("reading the clock"),
            "file only: steady\nonly A: mean 0.0005, span 0.0005",
        ),
        case(
            "short-samples",
            "long enough",
            None,
            "file only: shell 5\nonly A: mean 7.00, span 6.5",
        ),
        case(
            "only-in-one-file",
            "both ways",
            Some("only in b.json: C"),
            "file before: clean\nfile after: clean\nbefore A: mean 1.0\nafter A: mean 1.0\n\
             before B: mean 1.0\nafter C: mean 1.0",
        ),
        case(
            "only-in-one-file",
            "one file",
            None,
            "file only: clean\nonly A: mean 1.0",
        ),
        case(
            "unknown-unit",
            "a unit of no tool",
            Some("A `xs` before"),
            "before A: unit xs, count 1",
        ),
        case("unknown-unit", "a known one", None, "before A: mean 1.0"),
    ]
}
