//! `orch verify`: computes the figures of a stored result again.

use super::args::VerifyOptions;
use super::exit::Exit;
use super::{CommandResult, output};
use crate::render::tone::Tone;
use crate::verify::{FigureCheck, VerifyRequest, verify};
use orch_core::format;

/// Most differences that are printed.
const MOST_SHOWN: usize = 50;

/// Verifies a result, and prints what was computed again and what differs.
pub(super) fn run_verify(options: &VerifyOptions) -> CommandResult {
    let found = verify(&VerifyRequest {
        result: options.result.clone(),
        results: options.results.clone(),
    })?;
    let check = &found.check;
    let mut text = String::new();
    for difference in check.differences.iter().take(MOST_SHOWN) {
        text.push_str(&Tone::Bad.mark(&output::fit_lines(&format!("{difference}\n"))));
    }
    let more = check.differences.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        text.push_str(&format!("and {more} more\n"));
    }
    let tone = if check.differences.is_empty() {
        Tone::Good
    } else {
        Tone::Bad
    };
    text.push_str(&tone.mark(&output::fit_lines(&summarise_check(check))));
    if !check.differences.is_empty() && found.stored_by != env!("CARGO_PKG_VERSION") {
        text.push_str(&format!(
            "the result was stored by orch {}, which may compute some of them differently\n",
            found.stored_by
        ));
    }
    output::print(&text)?;
    Ok(if check.differences.is_empty() {
        Exit::Fine
    } else {
        Exit::Regressed
    })
}

fn summarise_check(check: &FigureCheck) -> String {
    let [figures, verdicts, samples, pairs] = [
        (check.figures, "figure"),
        (check.verdicts, "verdict"),
        (check.samples, "sample"),
        (check.pairs, "pair"),
    ]
    .map(|(count, noun)| format::counted(count, noun));
    let from = match (check.samples, check.pairs) {
        (0, 0) => "no samples and no pairs are stored".to_owned(),
        (_, 0) => format!("from {samples}"),
        _ => format!("from {samples}, {pairs}"),
    };
    let differing = check.differences.len();
    format!(
        "{figures} and {verdicts} computed again, {from}: {}\n\
         counts, digests and scopes are stored as totals, so they are not computed again\n",
        match differing {
            0 => "all agree".to_owned(),
            _ => format!("{differing} differ"),
        }
    )
}
