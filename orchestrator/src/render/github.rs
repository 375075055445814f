//! A check or an error for GitHub: annotations for the log, and the summary of a step, within
//! GitHub's limits.

use crate::comparison;
use crate::error::ErrorPlace;
use crate::file::{self, LinkRule};
use crate::gate::{FindingKind, GateFinding, GateOutcome, GateResult};
use orch_core::format::{self, clean};
use std::io::Write;
use std::path::Path;

/// Most annotations of each level that GitHub shows for a step.
const MOST_ANNOTATIONS: usize = 10;
/// Size of a step's summary above which GitHub drops the whole summary.
const MOST_SUMMARY_BYTES: usize = 1 << 20;
/// Bytes of the summary's own parts around both reports.
const AROUND: usize = 1 << 10;

/// Appends both reports to the summary, which other commands of the step may have begun.
pub(crate) fn append_summary(path: &Path, text: &str, report: &str) -> std::io::Result<()> {
    let mut append = std::fs::OpenOptions::new();
    let mut file =
        file::open_regular_with(path, LinkRule::Follow, append.append(true).create(true))?;
    let taken = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all(summary(text, report, MOST_SUMMARY_BYTES.saturating_sub(taken)).as_bytes())
}

/// Appends the outputs of a step, which later steps of the workflow read: `outcome`, `regressed`
/// (number of metrics that regressed and of outputs that differ), and `report` (the comparison in
/// Markdown; empty if it was not stored).
pub(crate) fn append_outputs(
    path: &Path,
    gate: &GateResult,
    report: Option<&Path>,
) -> std::io::Result<()> {
    let mut append = std::fs::OpenOptions::new();
    let mut file =
        file::open_regular_with(path, LinkRule::Follow, append.append(true).create(true))?;
    file.write_all(outputs(gate, report).as_bytes())
}

fn outputs(gate: &GateResult, report: Option<&Path>) -> String {
    let outcome = match gate.outcome {
        GateOutcome::Failed => "failed",
        GateOutcome::Incomplete => "incomplete",
        GateOutcome::Open => "open",
        GateOutcome::Passed => "passed",
    };
    let is_worse = |finding: &&GateFinding| {
        use FindingKind::{OutputDiffers, Regressed, TradeOff};
        matches!(finding.kind, Regressed | TradeOff | OutputDiffers)
    };
    let regressed = gate.findings.iter().filter(is_worse).count();
    let report = report.map(|path| path.display().to_string());
    let report = report.unwrap_or_default();
    // A line break would end the value.
    let report = clean::clean_line(&report);
    format!("outcome={outcome}\nregressed={regressed}\nreport={report}\n")
}

/// Returns both reports in at most `room` bytes, or an empty text if there is no room for a line.
fn summary(text: &str, report: &str, room: usize) -> String {
    let Some(room) = room.checked_sub(AROUND) else {
        return String::new();
    };
    // A name in the text must not end the block.
    let text = text.replace("```", "'''");
    let text = format::cut(text, room / 2, comparison::FILE);
    let report = format::cut(report.to_owned(), room - text.len(), comparison::FILE);
    format!("```\n{text}```\n\n{report}\n")
}

/// Lists the findings that certainly or possibly keep a check from passing: as many of each level
/// as GitHub shows, and one line that counts the others.
pub(crate) fn annotations(gate: &GateResult) -> Vec<String> {
    let mut lines = Vec::new();
    let mut more = Vec::new();
    for level in [AnnotationLevel::Error, AnnotationLevel::Warning] {
        let all = gate
            .findings
            .iter()
            .filter(|finding| AnnotationLevel::of(finding) == Some(level));
        lines.extend(
            all.clone()
                .take(MOST_ANNOTATIONS)
                .map(|finding| annotation(finding, level)),
        );
        if let Some(left @ 1..) = all.count().checked_sub(MOST_ANNOTATIONS) {
            more.push(format::counted(left, &format!("more {}", level.word())));
        }
    }
    if !more.is_empty() {
        let left = more.join(" and ");
        lines.push(format!(
            "::notice title=orch::{left}: {} has all findings",
            comparison::FILE
        ));
    }
    lines
}

/// GitHub's level of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnnotationLevel {
    Error,
    Warning,
}

impl AnnotationLevel {
    /// Returns the level; `None` for a finding that needs no attention.
    fn of(finding: &GateFinding) -> Option<Self> {
        let level = if finding.kind <= FindingKind::Missing {
            Self::Error
        } else {
            Self::Warning
        };
        (finding.kind < FindingKind::Accepted).then_some(level)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Formats a finding as one of GitHub's workflow commands. In a property, such as the title, more
/// characters are escaped than in the message.
fn annotation(finding: &GateFinding, level: AnnotationLevel) -> String {
    format!(
        "::{} title=orch {}::{} {}",
        level.word(),
        clean::escape_property(&format::brief(&finding.job)),
        clean::escape_message(&format::brief(&finding.metric)),
        clean::escape_message(&format::brief(&finding.message)),
    )
}

/// Formats a place of an error as one of GitHub's workflow commands, so that GitHub shows the
/// message at the line of the file.
pub(crate) fn annotate_place(place: &ErrorPlace) -> String {
    format!(
        "::error title=orch,file={},line={}::{}",
        clean::escape_property(&place.file),
        place.line,
        clean::escape_message(&format::brief(&place.message)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateOutcome;

    fn finding(kind: FindingKind, job: &str, message: &str) -> GateFinding {
        GateFinding {
            kind,
            job: job.to_owned(),
            metric: "time".to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn characters_that_would_end_a_title_are_escaped() {
        let line = annotation(
            &finding(FindingKind::Regressed, "w[n=1,m=2]: 5%", "1, 2: 3%\nand"),
            AnnotationLevel::Error,
        );
        assert_eq!(
            line,
            "::error title=orch w[n=1%2Cm=2]%3A 5%25::time 1, 2: 3%25%0Aand"
        );
    }

    #[test]
    fn annotations_are_as_many_as_github_shows() {
        let of = |kind: FindingKind, count: usize| -> Vec<GateFinding> {
            (0..count)
                .map(|job| finding(kind, &format!("job {job}"), &"é".repeat(5000)))
                .collect()
        };
        let gate = |findings: Vec<GateFinding>| GateResult {
            outcome: GateOutcome::Failed,
            findings,
            open_fails: false,
        };
        let few = annotations(&gate(
            [
                of(FindingKind::Regressed, 10),
                of(FindingKind::Inconclusive, 10),
            ]
            .concat(),
        ));
        assert_eq!(few.len(), 20, "nothing is left out");
        let findings = [
            of(FindingKind::Regressed, 1500),
            of(FindingKind::Missing, 1500),
            of(FindingKind::Inconclusive, 11),
        ]
        .concat();
        let lines = annotations(&gate([findings, of(FindingKind::Accepted, 3000)].concat()));
        let count = |level: &str| lines.iter().filter(|line| line.starts_with(level)).count();
        assert_eq!(
            (
                count("::error "),
                count("::warning "),
                count("::notice "),
                lines.len()
            ),
            (10, 10, 1, 21)
        );
        let last = "::notice title=orch::2990 more errors and 1 more warning: comparison.json has \
            all findings";
        assert_eq!(lines.last().map(String::as_str), Some(last));
        assert!(lines.iter().all(|line| line.len() < 4096), "each is short");
    }

    #[test]
    fn summary_fits_whatever_the_step_wrote_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let (text, report) = (
            "finding: é\n".repeat(200_000),
            "| é | row |\n".repeat(200_000),
        );
        for taken in [
            0,
            500_000,
            MOST_SUMMARY_BYTES - 1500,
            MOST_SUMMARY_BYTES,
            2 * MOST_SUMMARY_BYTES,
        ] {
            let path = folder.path().join(taken.to_string());
            std::fs::write(&path, "x".repeat(taken)).expect("written");
            append_summary(&path, &text, &report).expect("appended");
            let whole = std::fs::read_to_string(&path).expect("whole characters");
            assert!(
                whole.len() <= MOST_SUMMARY_BYTES.max(taken),
                "{taken}: {}",
                whole.len()
            );
            let is_room = taken + AROUND < MOST_SUMMARY_BYTES;
            assert_eq!(
                whole.contains("more bytes are left out; comparison.json has everything"),
                is_room,
                "{taken}"
            );
            assert_eq!(
                whole.matches("```\n").count() % 2,
                0,
                "{taken}: the code block ends"
            );
        }
        assert_eq!(
            summary("gate\n", "report\n", MOST_SUMMARY_BYTES),
            "```\ngate\n```\n\nreport\n\n"
        );
        assert_eq!(
            summary("a\n```\n<b>\n", "report\n", MOST_SUMMARY_BYTES),
            "```\na\n'''\n<b>\n```\n\nreport\n\n",
            "a text does not end its block"
        );
    }
}
