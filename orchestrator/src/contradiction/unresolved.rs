//! Claims for which the printed figures are too coarse.

use super::claims::{self, ClaimedRow, ClaimedRun, Claims};
use super::figure::{Figure, FigureRange};
use super::rules::FoundContradiction;
use indexmap::IndexMap;
use orch_core::format::change;

/// Relative spread of a ratio above which its percentage has no meaning.
const COARSE: f64 = 0.1;

/// Finds changes that the printed digits leave open.
pub(super) fn find_below_resolution(claims: &Claims) -> Vec<FoundContradiction> {
    let open = |row: &ClaimedRow| {
        let ((before, after), ratio) = (row.both_times()?, row.ratio()?);
        let coarse =
            before.reach.low > 0.0 && ratio.width() > COARSE * (ratio.low + ratio.high) / 2.0;
        coarse.then(|| {
            let claimed = row.percent.as_ref().map_or_else(String::new, |claimed| {
                format!(" (reported as {} %)", claimed.printed)
            });
            format!(
                "{} {}{claimed} is {}",
                row.name,
                claims.pair(before, after),
                change::claimed_range(ratio.low - 1.0, ratio.high - 1.0)
            )
        })
    };
    claims::list_rows(claims, open, "below the resolution of the figures")
}

/// Finds times of zero.
pub(super) fn find_zero_time(claims: &Claims) -> Vec<FoundContradiction> {
    let is_zero = |figure: &&Figure| figure.value == 0.0;
    let zero = |row: &ClaimedRow| {
        let own = [&row.before, &row.after, &row.total, &row.mean];
        own.into_iter()
            .flatten()
            .find(is_zero)
            .map(|figure| format!("{} {}", row.name, claims.printed(figure)))
    };
    claims::list_rows(claims, zero, "no time at all, so no change can be computed")
}

/// Finds runs against one baseline that disagree in sign.
pub(super) fn find_flips(claims: &Claims) -> Vec<FoundContradiction> {
    let nothing = FigureRange::exact(0.0);
    let mut changes: IndexMap<&String, Vec<(&ClaimedRun, &Figure)>> = IndexMap::new();
    for run in &claims.runs {
        for (name, change) in &run.changes {
            changes.entry(name).or_default().push((run, change));
        }
    }
    let describe_flip = |name: &String, of: &[(&ClaimedRun, &Figure)]| {
        let up = of
            .iter()
            .find(|(_, change)| nothing.is_below(change.reach))?;
        let down = of
            .iter()
            .find(|(_, change)| change.reach.is_below(nothing))?;
        Some(format!(
            "{name} {} % in {} and {} % in {}",
            up.1.printed, up.0.name, down.1.printed, down.0.name
        ))
    };
    let found: Vec<(String, String)> = changes
        .iter()
        .filter_map(|(name, of)| Some(((*name).clone(), describe_flip(name, of)?)))
        .collect();
    let (names, texts): (Vec<String>, Vec<String>) = found.into_iter().unzip();
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "runs against one baseline disagree in sign, so neither is a finding: {}",
        claims::listed(&texts)
    );
    vec![FoundContradiction::new(names, message)]
}
