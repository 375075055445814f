//! What `orch doctor` found, as text.

use super::place::ReportPlace;
use super::tone::Tone;
use crate::doctor::{FindingState, MachineFinding};
use orch_core::format;

/// Most columns of a line.
const COLUMNS: usize = 80;
/// Columns of the longest state and of the longest name of a check.
const STATE_COLUMNS: usize = 13;
const NAME_COLUMNS: usize = 17;

/// Formats a line for each finding: state, check, value; below it the reason and the remedy.
pub(crate) fn describe_findings(found: &[MachineFinding], place: ReportPlace) -> String {
    let columns = place.limit_paragraph(COLUMNS);
    let margin = " ".repeat(STATE_COLUMNS);
    let mut text = String::new();
    for finding in found {
        let (state, check) = (finding.state.name(), finding.check);
        let line = format!(
            "{state:STATE_COLUMNS$}{check:NAME_COLUMNS$}{}",
            finding.value
        );
        let line = format::wrap(&line, columns, STATE_COLUMNS + NAME_COLUMNS);
        text.push_str(&match tone(finding.state) {
            Some(tone) => tone.mark(&line),
            None => line,
        });
        text.push('\n');
        for line in format::wrap(finding.why, columns - STATE_COLUMNS, 0).lines() {
            text.push_str(&format!("{margin}{line}\n"));
        }
        // A command is not wrapped, so that it can be copied.
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("{margin}fix: {fix}\n"));
        }
    }
    let count = |state| {
        found
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let [attention, unknown, fine] = [
        FindingState::Attention,
        FindingState::CannotTell,
        FindingState::Ok,
    ]
    .map(count);
    text + &format!("\n{attention} attention, {unknown} cannot tell, {fine} ok\n")
}

fn tone(state: FindingState) -> Option<Tone> {
    match state {
        FindingState::Attention => Some(Tone::Open),
        FindingState::CannotTell => None,
        FindingState::Ok => Some(Tone::Good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tone::show_tones;
    use orch_core::format::clean;

    #[test]
    fn lines_are_aligned_and_stay_within_80_columns() {
        let finding = |state, value: &str, fix: Option<&str>| MachineFinding {
            check: "busy processes",
            state,
            value: value.to_owned(),
            why: "They are what pairs are disturbed by, and this is a reason that needs another \
                line.",
            fix: fix.map(str::to_owned),
        };
        let long = "cargo (12) 99 %, rustc (13) 98 %, a name that is long (4194304) 7 %, 3 more";
        let found = [
            finding(FindingState::Attention, long, Some("ps -p 12")),
            finding(FindingState::Ok, "none", None),
        ];
        let text = describe_findings(&found, ReportPlace::FILE);
        assert_eq!(
            show_tones(&text, false, clean::clean_lines),
            "attention    busy processes   cargo (12) 99 %, rustc (13) 98 %, a name that is\n\
             \x20                             long (4194304) 7 %, 3 more\n\
             \x20            They are what pairs are disturbed by, and this is a reason that\n\
             \x20            needs another line.\n\
             \x20            fix: ps -p 12\n\
             ok           busy processes   none\n\
             \x20            They are what pairs are disturbed by, and this is a reason that\n\
             \x20            needs another line.\n\
             \n1 attention, 0 cannot tell, 1 ok\n"
        );
    }
}
