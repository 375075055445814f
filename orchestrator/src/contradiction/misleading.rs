//! Claims that may be true but suggest something else.

use super::claims::{self, ClaimSide, ClaimedRow, Claims, SIDES};
use super::figure::{Figure, FigureRange};
use super::names;
use super::rules::FoundContradiction;
use indexmap::IndexMap;
use orch_core::format;
use orch_core::format::change;
use std::cmp::Ordering;

/// Share of all time above which a single call makes the mean meaningless.
const DOMINANT_CALL: f64 = 0.5;
/// Fewest calls for a meaningful mean.
const ENOUGH_CALLS: f64 = 10.0;
/// Share of its exponent below which the growth of a kernel's time shows that it spends the time on
/// something else.
const FLAT: f64 = 1.0 / 3.0;
/// Length of a side below which the cost of a call may be most of a product's time.
const LEAST_SIDE: f64 = 64.0;
/// Factor by which parts have to change, against the whole, to contradict it.
const AGAINST: f64 = 1.25;

/// Finds sums of nested rows, which count time more than once.
pub(super) fn find_nested_total(claims: &Claims) -> Vec<FoundContradiction> {
    let inner: Vec<String> = claims
        .rows
        .iter()
        .filter(|row| row.parent.is_some())
        .map(|row| row.name.clone())
        .collect();
    let sides: Vec<ClaimSide> = SIDES
        .into_iter()
        .filter(|side| sums_everything(claims, *side))
        .collect();
    if inner.is_empty() || sides.is_empty() {
        return Vec::new();
    }
    let sum_rows = |outermost: bool| {
        let rows = || {
            claims
                .rows
                .iter()
                .filter(|row| !outermost || row.parent.is_none())
        };
        let sums = sides
            .iter()
            .filter_map(|side| claims::sum(rows().map(|row| row.time(*side))));
        sums.map(|(value, _)| claims.computed(value))
            .collect::<Vec<String>>()
            .join(" -> ")
            .replacen(" ms ->", " ->", 1)
    };
    let message = format!(
        "{} of {} rows are inside other rows: the sum of all, {}, counts their time more than \
         once; the {} outermost rows sum to {}",
        inner.len(),
        claims.rows.len(),
        sum_rows(false),
        claims.outermost().count(),
        sum_rows(true)
    );
    vec![FoundContradiction::new(inner, message)]
}

/// Returns whether the rows of a side are, or seem to be, meant to be added up: a total is their
/// sum, or they stand in a flat list.
fn sums_everything(claims: &Claims, side: ClaimSide) -> bool {
    let all = claims::sum(claims.rows.iter().map(|row| row.time(side)));
    let outermost = claims::sum(claims.outermost().map(|row| row.time(side)));
    let (Some((_, all)), Some((_, outermost))) = (all, outermost) else {
        return false;
    };
    match claims.totals.iter().find(|total| total.side == side) {
        Some(total) => !total.figure.reach.is_apart(all) && total.figure.reach.is_apart(outermost),
        None => claims.flat,
    }
}

/// Finds a sum and a geometric mean of the outermost rows that change in opposite directions, so
/// that there is no common sign.
pub(super) fn find_overall_sign(claims: &Claims) -> Vec<FoundContradiction> {
    let rows: Vec<(&ClaimedRow, FigureRange)> = claims
        .outermost()
        .filter_map(|row| Some((row, known_ratio(row)?)))
        .collect();
    let both: Vec<(&Figure, &Figure)> = rows
        .iter()
        .filter_map(|(row, _)| row.both_times())
        .collect();
    let (Some((before, before_reach)), Some((after, after_reach))) = (
        claims::sum(both.iter().map(|(before, _)| Some(*before))),
        claims::sum(both.iter().map(|(_, after)| Some(*after))),
    ) else {
        return Vec::new();
    };
    let count = rows.len() as f64;
    let (same, nothing) = (FigureRange::exact(1.0), FigureRange::exact(0.0));
    let Some(sum) = after_reach.over(before_reach) else {
        return Vec::new();
    };
    let log = rows
        .iter()
        .map(|(_, ratio)| ratio.through(f64::ln))
        .sum::<FigureRange>()
        .through(|log| log / count);
    let opposite = (same.is_below(sum) && log.is_below(nothing))
        || (sum.is_below(same) && nothing.is_below(log));
    if !opposite {
        return Vec::new();
    }
    let mean = both
        .iter()
        .map(|(before, after)| (after.value / before.value).ln())
        .sum::<f64>()
        / count;
    let ways = |way: Ordering| {
        both.iter()
            .filter(|(before, after)| after.value.total_cmp(&before.value) == way)
            .count()
    };
    let largest = rows
        .iter()
        .filter_map(|(row, _)| {
            row.both_times()
                .map(|(before, after)| (&row.name, after.value - before.value))
        })
        .max_by(|one, other| one.1.abs().total_cmp(&other.1.abs()));
    let most = largest.map_or_else(String::new, |(name, change)| {
        format!(
            "; {name} alone is {:.0} % of the sum's change",
            100.0 * change / (after - before)
        )
    });
    let message = format!(
        "the {count} outermost rows have no common sign: their sum is {}, their geometric mean \
         {}; {} took longer, {} took less time, {} did not change{most}",
        change::claimed(after / before - 1.0),
        change::claimed(mean.exp_m1()),
        ways(Ordering::Greater),
        ways(Ordering::Less),
        ways(Ordering::Equal),
    );
    vec![FoundContradiction::new(
        rows.iter().map(|(row, _)| row.name.clone()).collect(),
        message,
    )]
}

/// Finds shares of one whole that sum to more than the whole, so that they overlap.
pub(super) fn find_shares(claims: &Claims) -> Vec<FoundContradiction> {
    let rows: Vec<&ClaimedRow> = claims
        .outermost()
        .filter(|row| row.share.is_some())
        .collect();
    let Some((value, reach)) = claims::sum(rows.iter().map(|row| row.share.as_ref())) else {
        return Vec::new();
    };
    if !FigureRange::exact(100.0).is_below(reach) {
        return Vec::new();
    }
    let message = format!(
        "the shares of {} rows sum to {value:.2} %: nested rows are added as if they were \
         separate parts",
        rows.len()
    );
    vec![FoundContradiction::new(
        rows.iter().map(|row| row.name.clone()).collect(),
        message,
    )]
}

/// A row of a family with its size and its time on a side.
pub(super) type SizedMember<'a> = (f64, &'a ClaimedRow, &'a Figure);

/// Returns the rows of each family that were timed on a side, the smallest first.
pub(super) fn list_families(claims: &Claims, side: ClaimSide) -> Vec<Vec<SizedMember<'_>>> {
    let mut groups: IndexMap<&str, Vec<SizedMember>> = IndexMap::new();
    for row in &claims.rows {
        let (Some(family), Some(time)) = (&row.family, row.time_of_one(side)) else {
            continue;
        };
        groups
            .entry(&family.group)
            .or_default()
            .push((family.size(), row, time));
    }
    for members in groups.values_mut() {
        members.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    groups
        .into_values()
        .filter(|members| !is_numbered(members))
        .collect()
}

/// Returns a row's ratio, unless one of its times may be zero, because the logarithm would then be
/// infinite.
fn known_ratio(row: &ClaimedRow) -> Option<FigureRange> {
    row.ratio()
        .filter(|ratio| ratio.low > 0.0 && ratio.high.is_finite())
}

/// Returns whether the sizes of a family are rather consecutive numbers of things.
fn is_numbered(members: &[SizedMember]) -> bool {
    let is_number = |row: &ClaimedRow| {
        row.family
            .as_ref()
            .is_some_and(|family| family.side == Some(family.size()))
    };
    members
        .windows(2)
        .any(|two| is_number(two[0].1) && is_number(two[1].1) && two[1].0 - two[0].0 == 1.0)
}

/// Finds known kernels whose time hardly grows with their size.
pub(super) fn find_flat_growth(claims: &Claims) -> Vec<FoundContradiction> {
    let mut found = Vec::new();
    for side in SIDES {
        for members in list_families(claims, side) {
            for two in members.windows(2) {
                let [(_, small, short), (_, large, long)] = two else {
                    continue;
                };
                let sides =
                    [small, large].map(|row| row.family.as_ref().and_then(|family| family.side));
                let ([Some(a), Some(b)], Some(theory)) = (sides, names::exponent(&large.name))
                else {
                    continue;
                };
                let Some(ratio) = long.reach.over(short.reach) else {
                    continue;
                };
                let exponent = |ratio: f64| ratio.ln() / (b / a).ln();
                // A falling time is reported by another rule.
                if a < LEAST_SIDE
                    || a >= b
                    || ratio.low < 1.0
                    || exponent(ratio.high) >= FLAT * theory
                {
                    continue;
                }
                let message = format!(
                    "{} {} and {} {}{} grow with the exponent {:.2}, but the work grows with \
                     {theory}: the time is not that of the kernel alone",
                    small.name,
                    claims.printed(short),
                    large.name,
                    claims.printed(long),
                    side.label(),
                    exponent(long.value / short.value)
                );
                found.push(FoundContradiction::new(
                    vec![small.name.clone(), large.name.clone()],
                    message,
                ));
            }
        }
    }
    found
}

/// Finds rows in which one call is most of the total, so that the mean is not typical.
pub(super) fn find_dominant_call(claims: &Claims) -> Vec<FoundContradiction> {
    let describe_call = |row: &ClaimedRow| {
        let (calls, total, max) = (row.calls?, row.total.as_ref()?, row.max.as_ref()?);
        let share = max.reach.over(total.reach)?;
        (calls >= ENOUGH_CALLS && share.low > DOMINANT_CALL).then(|| {
            let share = 100.0 * max.value / total.value;
            format!(
                "{}: one of {calls} calls takes {share:.0} % of the total time: the mean is not \
                 typical of a call",
                row.name
            )
        })
    };
    claims
        .rows
        .iter()
        .filter_map(|row| Some(FoundContradiction::of(row, describe_call(row)?)))
        .collect()
}

/// Finds rows that newly allocate memory, with a word for the change that is about time only.
pub(super) fn find_new_allocation(claims: &Claims) -> Vec<FoundContradiction> {
    let about_memory = |row: &&ClaimedRow| {
        row.status.as_ref().is_none_or(|status| {
            let words = names::split_words(status);
            words
                .iter()
                .any(|word| word.starts_with("alloc") || word.starts_with("mem") || word == "bytes")
        })
    };
    let appeared: Vec<(&ClaimedRow, String)> = claims
        .rows
        .iter()
        .filter(|row| !about_memory(row))
        .filter_map(|row| {
            let (before, after) = (row.memory_before.as_ref()?, row.memory_after.as_ref()?);
            let new = before.value == 0.0 && before.reach.is_below(after.reach);
            new.then(|| {
                (
                    row,
                    format!("{} {} -> {} MB", row.name, before.printed, after.printed),
                )
            })
        })
        .collect();
    if appeared.is_empty() {
        return Vec::new();
    }
    let (rows, texts): (Vec<&ClaimedRow>, Vec<String>) = appeared.into_iter().unzip();
    let message = format!(
        "allocates where nothing was allocated before, while the reported status is about time \
         only: {}",
        claims::listed(&texts)
    );
    vec![FoundContradiction::new(
        rows.into_iter().map(|row| row.name.clone()).collect(),
        message,
    )]
}

/// Finds models that get faster while their parts get slower, or the other way round.
pub(super) fn find_part_and_whole(claims: &Claims) -> Vec<FoundContradiction> {
    let products: Vec<(&ClaimedRow, f64, FigureRange)> = claims
        .outermost()
        .filter(|row| row.family.is_some() && names::is_product(&row.name))
        .filter_map(|row| {
            Some((
                row,
                row.after.as_ref()?.value / row.before.as_ref()?.value,
                known_ratio(row)?,
            ))
        })
        .collect();
    let mean = (products.iter().map(|(_, ratio, _)| ratio.ln()).sum::<f64>()
        / products.len().max(1) as f64)
        .exp();
    let same = FigureRange::exact(1.0);
    let parts = |is_against: &dyn Fn(FigureRange) -> bool| -> (Vec<&ClaimedRow>, Vec<String>) {
        let own = products.iter().filter(|(_, _, part)| is_against(*part));
        own.map(|(row, ratio, _)| {
            (
                *row,
                format!("{} {}", row.name, change::claimed(ratio - 1.0)),
            )
        })
        .unzip()
    };
    let (slower, faster) = (
        parts(&|part| same.is_below(part)),
        parts(&|part| part.is_below(same)),
    );
    let mut found = Vec::new();
    for whole in claims
        .outermost()
        .filter(|row| names::is_made_of_products(&row.name))
    {
        let (Some(ratio), Some((before, after))) = (whole.ratio(), whole.both_times()) else {
            continue;
        };
        let slower_parts = ratio.is_below(same) && mean > AGAINST;
        let faster_parts = same.is_below(ratio) && mean < 1.0 / AGAINST;
        if !slower_parts && !faster_parts {
            continue;
        }
        let (rows, texts) = if slower_parts { &slower } else { &faster };
        let message = format!(
            "{} is {}, while the matrix products that it consists of are {}: one of them does not \
             measure what its name says",
            whole.name,
            change::claimed(after.value / before.value - 1.0),
            claims::listed(texts)
        );
        // Each whole consists of all products. A list of all names for each whole would grow with
        // the square of the number of names.
        let shown = rows
            .iter()
            .take(format::MOST_NAMES)
            .map(|row| row.name.clone());
        let names = std::iter::once(whole.name.clone()).chain(shown);
        found.push(FoundContradiction::new(names.collect(), message));
    }
    found
}
