//! Claims that cannot be true: figures that exclude each other, whatever was measured.

use super::claims::{self, ClaimSide, ClaimedRow, Claims, SIDES};
use super::figure::{Figure, FigureRange};
use super::names;
use super::rules::FoundContradiction;
use super::scatter;
use indexmap::IndexSet;
use orch_core::format::change;

/// Returns the total, mean, minimum and maximum of a row, as far as it has them.
fn figures(row: &ClaimedRow) -> [(&'static str, Option<&Figure>); 4] {
    [
        ("total", row.total.as_ref()),
        ("mean", row.mean.as_ref()),
        ("minimum", row.min.as_ref()),
        ("maximum", row.max.as_ref()),
    ]
}

/// Finds rows that break minimum <= mean <= maximum.
pub(super) fn find_disorder(claims: &Claims) -> Vec<FoundContradiction> {
    let ordered = |row: &ClaimedRow| {
        let [_, (_, mean), (_, min), (_, max)] = figures(row);
        [
            ("minimum", min, "mean", mean),
            ("mean", mean, "maximum", max),
            ("minimum", min, "maximum", max),
        ]
        .into_iter()
        .filter_map(|(small, low, large, high)| Some((small, low?, large, high?)))
        .filter(|(_, low, _, high)| high.reach.is_below(low.reach))
        .map(|(small, low, large, high)| {
            format!(
                "{small} {} is above {large} {}",
                claims.printed(low),
                claims.printed(high)
            )
        })
        .collect::<Vec<String>>()
    };
    let mut found = find_in_rows(claims, |row| {
        let wrong = ordered(row);
        (!wrong.is_empty()).then(|| format!("{}: {}", row.name, wrong.join("; ")))
    });
    found.extend(scatter::find_disorder(claims));
    found
}

/// Finds rows with one call whose total, mean, minimum and maximum are not the same time.
pub(super) fn find_single_call(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_rows(claims, |row| {
        let figures_of_row: Vec<(&str, &Figure)> = figures(row)
            .into_iter()
            .filter_map(|(name, figure)| Some((name, figure?)))
            .collect();
        let apart = figures_of_row.iter().any(|(_, one)| {
            figures_of_row
                .iter()
                .any(|(_, other)| one.reach.is_apart(other.reach))
        });
        let texts: Vec<String> = figures_of_row
            .iter()
            .map(|(name, figure)| format!("{name} {}", claims.printed(figure)))
            .collect();
        (row.calls == Some(1.0) && apart).then(|| {
            format!(
                "{}: the times of one call must be equal, but {}",
                row.name,
                texts.join(", ")
            )
        })
    })
}

/// Finds rows whose total is not calls times mean, or is outside the limits that the shortest and
/// the longest call set.
pub(super) fn find_calls_and_total(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_rows(claims, |row| {
        let (calls, total) = (row.calls.filter(|calls| *calls > 0.0)?, row.total.as_ref()?);
        let times = |figure: &Figure, count: f64| figure.reach * FigureRange::exact(count);
        if let Some(mean) = row
            .mean
            .as_ref()
            .filter(|mean| times(mean, calls).is_apart(total.reach))
        {
            let product = claims.computed(mean.value * calls);
            return Some(format!(
                "{}: {calls} calls of {} on average are {product}, not {}",
                row.name,
                claims.printed(mean),
                claims.printed(total)
            ));
        }
        let shortest = row.min.as_ref().map(|min| {
            let longest = row.max.as_ref().map_or(min.reach, |max| max.reach);
            times(min, calls - 1.0) + longest
        });
        let longest = row.max.as_ref().map(|max| {
            let shortest = row.min.as_ref().map_or(max.reach, |min| min.reach);
            times(max, calls - 1.0) + shortest
        });
        let outside = shortest.is_some_and(|least| total.reach.is_below(least))
            || longest.is_some_and(|most| most.is_below(total.reach));
        outside.then(|| {
            format!(
                "{}: {calls} calls between the minimum and the maximum cannot sum to {}",
                row.name,
                claims.printed(total)
            )
        })
    })
}

/// Finds totals that are shorter than the outermost rows together.
pub(super) fn find_parts_and_whole(claims: &Claims) -> Vec<FoundContradiction> {
    claims
        .totals
        .iter()
        .filter_map(|total| {
            let parts: Vec<&ClaimedRow> = claims
                .outermost()
                .filter(|row| row.time(total.side).is_some())
                .collect();
            let (value, reach) = claims::sum(parts.iter().map(|row| row.time(total.side)))?;
            total.figure.reach.is_below(reach).then(|| {
                let names: Vec<String> = parts.iter().map(|row| row.name.clone()).collect();
                FoundContradiction::new(
                    names.clone(),
                    format!(
                        "{} sum to {}{}, more than the total of {}: a nesting that is not shown, \
                         or a wrong total",
                        claims::listed(&names),
                        claims.computed(value),
                        total.side.label(),
                        claims.printed(&total.figure)
                    ),
                )
            })
        })
        .collect()
}

/// Finds rows that are shorter than the rows inside them together.
pub(super) fn find_children_and_parent(claims: &Claims) -> Vec<FoundContradiction> {
    let mut found = Vec::new();
    for (parent, inside) in claims.rows.iter().zip(claims.rows_inside()) {
        for side in SIDES {
            let children: Vec<&ClaimedRow> = inside
                .iter()
                .copied()
                .filter(|row| row.time(side).is_some())
                .collect();
            let (Some(whole), Some((value, reach))) = (
                parent.time(side),
                claims::sum(children.iter().map(|row| row.time(side))),
            ) else {
                continue;
            };
            if whole.reach.is_below(reach) {
                let names: Vec<String> = children.iter().map(|row| row.name.clone()).collect();
                let message = format!(
                    "{} inside {}: {}{}, longer than the enclosing {}",
                    claims::listed(&names),
                    parent.name,
                    claims.computed(value),
                    side.label(),
                    claims.printed(whole)
                );
                found.push(FoundContradiction::new(
                    [vec![parent.name.clone()], names].concat(),
                    message,
                ));
            }
        }
    }
    found
}

/// Finds rows whose rate is not the row's own work over the row's own time.
pub(super) fn find_rate_and_time(claims: &Claims) -> Vec<FoundContradiction> {
    let mut found = Vec::new();
    for (row, side) in claims
        .rows
        .iter()
        .flat_map(|row| SIDES.map(|side| (row, side)))
    {
        let (Some(work), Some(rate), Some(time)) =
            (row.work, row.rate(side), row.time_of_one(side))
        else {
            continue;
        };
        let of = |seconds: f64| work / seconds / 1e9;
        let seconds = time.reach.not_negative() * FigureRange::exact(claims.seconds());
        let reachable = FigureRange {
            low: of(seconds.high),
            high: of(seconds.low),
        };
        // A printed zero allows no conclusion about the rate.
        if time.value > 0.0 && reachable.is_apart(rate.reach) {
            let true_rate = of(time.value * claims.seconds());
            found.push(FoundContradiction::of(
                row,
                format!(
                    "{}: {} in {}{} are {true_rate:.2} GFLOP/s, not {} ({:.1} times {})",
                    row.name,
                    operations(work),
                    claims.printed(time),
                    side.label(),
                    rate.printed,
                    (true_rate / rate.value).max(rate.value / true_rate),
                    if true_rate > rate.value {
                        "too low"
                    } else {
                        "too high"
                    }
                ),
            ));
        }
    }
    found
}

fn operations(work: f64) -> String {
    match work {
        work if work >= 1e9 => format!("{:.2} GFLOP", work / 1e9),
        work if work >= 1e6 => format!("{:.2} MFLOP", work / 1e6),
        work => format!("{work} FLOP"),
    }
}

/// Finds rows whose rate and time changed differently. With the same work, a rate changes as the
/// inverse of the time.
pub(super) fn find_rate_and_change(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_rows(claims, |row| {
        let inverse = row.before.as_ref()?.reach.over(row.after.as_ref()?.reach)?;
        let expected =
            change::claimed(row.before.as_ref()?.value / row.after.as_ref()?.value - 1.0);
        let times = claims.pair(row.before.as_ref()?, row.after.as_ref()?);
        if let Some(claimed) = row.rate_percent.as_ref() {
            let reachable = inverse.through(|ratio| (ratio - 1.0) * 100.0);
            if reachable.is_apart(claimed.reach) {
                return Some(format!(
                    "{}: the time {times} changes the rate by {expected}, not {} %",
                    row.name, claimed.printed
                ));
            }
        }
        let (before, after) = (row.rate_before.as_ref()?, row.rate_after.as_ref()?);
        let rates = after.reach.over(before.reach)?;
        rates.is_apart(inverse).then(|| {
            format!(
                "{}: the time {times} changes the rate by {expected}, but the table states a \
                 change from {} to {} GFLOP/s",
                row.name, before.printed, after.printed
            )
        })
    })
}

/// Finds rows that compute faster than the machine can.
pub(super) fn find_above_peak(claims: &Claims) -> Vec<FoundContradiction> {
    let Some(peak) = &claims.peak else {
        return Vec::new();
    };
    let above = |row: &ClaimedRow, side: ClaimSide| {
        let rate = row
            .rate(side)
            .filter(|rate| peak.reach.is_below(rate.reach))?;
        Some(format!(
            "{} with {} GFLOP/s{}",
            row.name,
            rate.printed,
            side.label()
        ))
    };
    let found: Vec<(String, String)> = claims
        .rows
        .iter()
        .filter_map(|row| {
            Some((
                row.name.clone(),
                SIDES.into_iter().find_map(|side| above(row, side))?,
            ))
        })
        .collect();
    let (names, texts): (Vec<String>, Vec<String>) = found.into_iter().unzip();
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "faster than the machine's {} GFLOP/s: {}",
        peak.printed,
        claims::listed(&texts)
    );
    vec![FoundContradiction::new(names, message)]
}

/// Finds rows whose claimed difference or percent does not follow from both times.
pub(super) fn find_unreachable_change(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_rows(claims, |row| {
        let (before, after) = row.both_times()?;
        let mut wrong = Vec::new();
        let difference = after.reach - before.reach;
        if let Some(delta) = row
            .delta
            .as_ref()
            .filter(|delta| delta.reach.is_apart(difference))
        {
            wrong.push(format!(
                "{}, not {}",
                claims.computed(after.value - before.value),
                claims.printed(delta)
            ));
        }
        let percents = row
            .ratio()
            .map(|ratio| ratio.through(|ratio| (ratio - 1.0) * 100.0));
        let claimed = row
            .percent
            .as_ref()
            .zip(percents)
            .filter(|(claimed, reach)| claimed.reach.is_apart(*reach));
        if let Some((claimed, _)) = claimed {
            wrong.push(format!(
                "{}, not {} %",
                change::claimed(after.value / before.value - 1.0),
                claimed.printed
            ));
        }
        let pair = claims.pair(before, after);
        (!wrong.is_empty())
            .then(|| format!("{}: {pair} is a change of {}", row.name, wrong.join(", ")))
    })
}

/// Factor of a change that no tool's tolerance can call unchanged.
const UNCHANGED: f64 = 1.25;

/// Finds rows whose word for better, worse or the same disagrees with the times.
pub(super) fn find_word_and_change(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_rows(claims, |row| {
        let (status, ratio) = (row.status.as_deref()?, row.ratio()?);
        let words = names::split_words(status);
        // `not improved` has another meaning.
        let plain = !words
            .iter()
            .any(|word| ["no", "not", "none"].contains(&word.as_str()));
        let has = |known: [&str; 3]| {
            plain
                && words
                    .iter()
                    .any(|word| known.iter().any(|known| word.starts_with(known)))
        };
        let same = FigureRange::exact(1.0);
        let is_unchanged = has(["unchanged", "stable", "same"]) || words == ["no", "change"];
        let (low, high) = (
            FigureRange::exact(1.0 / UNCHANGED),
            FigureRange::exact(UNCHANGED),
        );
        let against = (has(["regress", "slower", "worse"]) && ratio.is_below(same))
            || (has(["improve", "faster", "better"]) && same.is_below(ratio))
            || (is_unchanged && (ratio.is_below(low) || high.is_below(ratio)));
        let (before, after) = row.both_times()?;
        against.then(|| {
            format!(
                "{}: reported as {status} with {}",
                row.name,
                claims.pair(before, after)
            )
        })
    })
}

/// Finds negative times and memory.
pub(super) fn find_negative(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_rows(claims, |row| {
        let own = [
            &row.before,
            &row.after,
            &row.total,
            &row.mean,
            &row.min,
            &row.max,
            &row.memory_before,
            &row.memory_after,
        ];
        let nothing = FigureRange::exact(0.0);
        let sessions = row.sessions.iter();
        let of_sessions = sessions.flat_map(|(_, session)| session.amounts().map(|(_, it)| it));
        // A time of a session is also the time of the row.
        let wrong: IndexSet<&str> = own
            .into_iter()
            .map(Option::as_ref)
            .chain(of_sessions)
            .flatten()
            .filter(|figure| figure.reach.is_below(nothing))
            .map(|figure| figure.printed.as_str())
            .collect();
        let wrong: Vec<&str> = wrong.into_iter().collect();
        (!wrong.is_empty()).then(|| {
            format!(
                "{}: a negative time or size: {}",
                row.name,
                wrong.join(", ")
            )
        })
    })
}

/// Finds at most one contradiction per row.
fn find_in_rows(
    claims: &Claims,
    of: impl Fn(&ClaimedRow) -> Option<String>,
) -> Vec<FoundContradiction> {
    claims
        .rows
        .iter()
        .filter_map(|row| Some(FoundContradiction::of(row, of(row)?)))
        .collect()
}
