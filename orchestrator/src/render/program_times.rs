//! The view of the times of programs: a row for each program, and each comparison as a sentence.

use super::tone::Tone;
use crate::comparison::RelativeChange;
use crate::time::measured::{
    LineShell, ProgramComparison, ProgramCosts, ProgramFinding, ProgramTimes, TimeResult,
};
use orch_core::format;
use orch_core::judge::verdict::FEWEST_PAIRS;
use serde::Serialize;

/// Time below which the start of a shell is a notable part of a run.
const SHORT_NS: f64 = 5e6;

/// The view that a template gets.
#[derive(Serialize)]
pub(super) struct TimesView<'a> {
    /// The result.
    times: &'a TimeResult,
    rows: Vec<ProgramRow<'a>>,
    findings: Vec<ProgramFindingLine>,
    /// Sentences about programs and helpers that failed.
    failures: Vec<String>,
    /// Sentences about the measurement.
    notes: Vec<String>,
    /// Columns of the table: their titles, and the members of a row that they show.
    titles: Vec<&'static str>,
    cells: Vec<&'static str>,
    /// Indices of the columns with numbers, and of those that a narrow terminal lacks.
    right: Vec<usize>,
    narrow: Vec<usize>,
}

/// A program with its texts.
#[derive(Serialize)]
struct ProgramRow<'a> {
    program: &'a ProgramTimes,
    /// Tone of the row: good for the fastest program.
    tone: Option<Tone>,
    text: ProgramText,
}

#[derive(Serialize)]
struct ProgramText {
    rank: String,
    time: String,
    interval: String,
    user: String,
    system: String,
    memory: String,
    runs: String,
}

/// A comparison of two programs as a sentence.
#[derive(Serialize)]
struct ProgramFindingLine {
    line: String,
    tone: Option<Tone>,
}

/// Columns of the table, each with its title, its member of a row, and whether it has numbers.
const COLUMNS: [(&str, &str, bool); 8] = [
    ("", "text.rank", true),
    ("program", "program.name", false),
    ("time", "text.time", true),
    ("interval", "text.interval", true),
    ("user", "text.user", true),
    ("system", "text.system", true),
    ("memory", "text.memory", true),
    ("runs", "text.runs", true),
];
/// Columns that a narrow terminal lacks, the last one first.
const NARROW: [&str; 4] = ["text.user", "text.system", "text.memory", "text.runs"];

/// Makes the view.
pub(super) fn view(result: &TimeResult) -> TimesView<'_> {
    // Programs in the order of speed, those without a time last.
    let mut programs: Vec<&ProgramTimes> = result.programs.iter().collect();
    programs.sort_by(|one, other| {
        let ns = |program: &ProgramTimes| program.time_ns.unwrap_or(f64::INFINITY);
        ns(one).total_cmp(&ns(other))
    });
    let is_alone = programs.len() == 1;
    let shown = COLUMNS.iter().filter(|(_, member, _)| match *member {
        "text.rank" => !is_alone,
        "text.interval" => is_alone,
        _ => true,
    });
    let shown: Vec<_> = shown.collect();
    let places = |wanted: &dyn Fn(&(&str, &str, bool)) -> bool| {
        let places = shown
            .iter()
            .enumerate()
            .filter(|(_, column)| wanted(column));
        places.map(|(place, _)| place).collect()
    };
    TimesView {
        times: result,
        rows: programs
            .iter()
            .map(|program| row(program, is_alone))
            .collect(),
        findings: result
            .comparisons
            .iter()
            .map(|one| finding_line(one, result.margin))
            .collect(),
        failures: result
            .programs
            .iter()
            .filter_map(failure_line)
            .chain(result.problems.iter().map(|problem| format::brief(problem)))
            .collect(),
        notes: list_notes(result),
        titles: shown.iter().map(|(title, ..)| *title).collect(),
        cells: shown.iter().map(|(_, member, _)| *member).collect(),
        right: places(&|column| column.2),
        narrow: places(&|column| NARROW.contains(&column.1)),
    }
}

fn row(program: &ProgramTimes, is_alone: bool) -> ProgramRow<'_> {
    let rank = program.rank;
    let interval = match (program.low_ns, program.high_ns) {
        (Some(low), Some(high)) => format!("{} to {}", format::time(low), format::time(high)),
        _ => String::new(),
    };
    let time = |of: fn(&ProgramCosts) -> f64| {
        program
            .costs
            .map_or(String::new(), |costs| format::time(of(&costs)))
    };
    let tone = match rank {
        Some(1) if !is_alone => Some(Tone::Good),
        None if program.failure.is_some() => Some(Tone::Bad),
        _ => None,
    };
    ProgramRow {
        program,
        tone,
        text: ProgramText {
            rank: rank.map_or(String::new(), |rank| rank.to_string()),
            time: match (program.time_ns, &program.failure) {
                (Some(ns), _) => format::time(ns),
                (None, Some(_)) => "failed".to_owned(),
                (None, None) => "-".to_owned(),
            },
            interval,
            user: time(|costs| costs.user_ns),
            system: time(|costs| costs.system_ns),
            memory: program.costs.map_or(String::new(), |costs| memory(&costs)),
            runs: program.runs.to_string(),
        },
    }
}

/// Formats the peak of memory, or its upper bound.
fn memory(costs: &ProgramCosts) -> String {
    if costs.peak_bytes <= costs.own_bytes {
        format!("< {}", format::bytes(costs.own_bytes))
    } else {
        format::bytes(costs.peak_bytes)
    }
}

fn finding_line(compared: &ProgramComparison, margin: f64) -> ProgramFindingLine {
    let (base, other) = (&compared.base, &compared.other);
    let factors = FactorRange::of(compared.change);
    let pairs = format::counted(compared.pairs.len(), "pair");
    match compared.finding {
        ProgramFinding::Slower => ProgramFindingLine {
            line: factors.describe("is", &format!("as fast as `{other}`"), base),
            tone: None,
        },
        ProgramFinding::Faster => ProgramFindingLine {
            line: factors
                .invert()
                .describe("is", &format!("as fast as `{base}`"), other),
            tone: None,
        },
        ProgramFinding::Equivalent => ProgramFindingLine {
            line: format!(
                "`{base}` and `{other}` are equally fast: they differ by less than {}",
                format::percent(margin)
            ),
            tone: None,
        },
        ProgramFinding::Undecided => ProgramFindingLine {
            line: format!(
                "undecided after {pairs}: {}; {}",
                factors.describe("takes", &format!("as long as `{base}`"), other),
                if compared.pairs.len() < FEWEST_PAIRS {
                    "a longer `--time` allows more pairs"
                } else {
                    "a longer `--time` or a quieter machine may decide"
                }
            ),
            tone: Some(Tone::Open),
        },
    }
}

/// A factor with the ends of its interval, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FactorRange {
    estimate: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl FactorRange {
    fn of(change: RelativeChange) -> Self {
        Self {
            estimate: 1.0 + change.estimate,
            low: change.low.map(|low| 1.0 + low),
            high: change.high.map(|high| 1.0 + high),
        }
    }

    fn invert(self) -> Self {
        Self {
            estimate: 1.0 / self.estimate,
            low: self.high.map(f64::recip),
            high: self.low.map(f64::recip),
        }
    }

    /// Formats a sentence about a program: "`sort` is 1.42 times as fast as `ls` (1.38 to 1.47)".
    fn describe(self, verb: &str, than: &str, program: &str) -> String {
        let decimals = match self.estimate {
            factor if factor < 1.1 => 3,
            factor if factor < 10.0 => 2,
            factor if factor < 100.0 => 1,
            _ => 0,
        };
        let number = |factor: f64| format!("{factor:.decimals$}");
        let interval = match (self.low, self.high) {
            (Some(low), Some(high)) => format!(" ({} to {})", number(low), number(high)),
            (Some(low), None) => format!(" (at least {})", number(low)),
            (None, Some(high)) => format!(" (at most {})", number(high)),
            (None, None) => String::new(),
        };
        let factor = number(self.estimate);
        format!("`{program}` {verb} {factor} times {than}{interval}")
    }
}

fn failure_line(program: &ProgramTimes) -> Option<String> {
    let failure = program.failure.as_ref()?;
    let name = &program.program.name;
    Some(format!("`{name}`: {}", format::brief(failure)))
}

fn list_notes(result: &TimeResult) -> Vec<String> {
    let times = result.programs.iter().filter_map(|program| program.time_ns);
    let shortest = times.fold(f64::INFINITY, f64::min);
    let mut notes = Vec::new();
    if result.shell == LineShell::Sh && shortest < SHORT_NS {
        notes.push(
            "note: each time includes the start of `sh`; `--shell none` leaves it out".to_owned(),
        );
    }
    notes.extend(result.load.and_then(|load| load.message()));
    if result.interrupted {
        notes.push("interrupted: the measurement is incomplete".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_have_the_digits_that_tell_them_from_one() {
        for (estimate, low, high, words) in [
            (
                1.4204,
                Some(1.38),
                Some(1.471),
                "1.42 times as fast (1.38 to 1.47)",
            ),
            (
                1.0042,
                Some(1.001),
                Some(1.0061),
                "1.004 times as fast (1.001 to 1.006)",
            ),
            (
                12.34,
                Some(11.0),
                Some(13.5),
                "12.3 times as fast (11.0 to 13.5)",
            ),
            (250.0, Some(200.0), None, "250 times as fast (at least 200)"),
            (
                0.987,
                None,
                Some(1.2),
                "0.987 times as fast (at most 1.200)",
            ),
            (2.0, None, None, "2.00 times as fast"),
        ] {
            let range = FactorRange {
                estimate,
                low,
                high,
            };
            assert_eq!(
                range.describe("is", "as fast", "a"),
                format!("`a` is {words}")
            );
        }
        let inverted = FactorRange::of(RelativeChange {
            estimate: -0.5,
            low: Some(-0.6),
            high: Some(-0.375),
        })
        .invert();
        let words = inverted.describe("is", "as fast as `b`", "a");
        assert_eq!(words, "`a` is 2.00 times as fast as `b` (1.60 to 2.50)");
    }
}
