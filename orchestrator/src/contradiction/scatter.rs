//! Rules about the samples of a session and their statistics.

use super::claims::{self, ClaimSide, ClaimedRow, Claims};
use super::figure::{Figure, FigureRange};
use super::rules::FoundContradiction;
use super::session::{ClaimedSession, ShortestSpan};
use orch_core::format;
use orch_core::format::change;

/// Share by which a mean may differ from the median and still be typical.
const OFF_MEDIAN: f64 = 0.1;
/// Fewest samples for which mean and median are different things.
const ENOUGH_SAMPLES: usize = 3;
/// Relative change below which a row shows no change that could be doubted.
const SHOWN_CHANGE: f64 = 0.01;
/// Share of the square of the mean by which a variance may be wrong. Google Benchmark computes it
/// as the difference of two large numbers.
const CANCELLATION: f64 = 1e-12;

/// Formats `A before`, the name of a row with its side.
fn label(row: &ClaimedRow, side: ClaimSide) -> String {
    format!("{}{}", row.name, side.label())
}

/// Finds at most one contradiction per row and side. `find` words what follows the name.
fn find_in_sessions(
    claims: &Claims,
    find: impl Fn(&ClaimedSession) -> Option<String>,
) -> Vec<FoundContradiction> {
    let sessions = claims.rows.iter().flat_map(|row| {
        let own = row.sessions.iter();
        own.map(move |(side, session)| (row, *side, session))
    });
    sessions
        .filter_map(|(row, side, session)| {
            let message = format!("{}: {}", label(row, side), find(session)?);
            Some(FoundContradiction::of(row, message))
        })
        .collect()
}

/// Finds sessions that break minimum <= mean, median <= maximum.
pub(super) fn find_disorder(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_sessions(claims, |session| {
        let [mean, median, min, max, _] = session.amounts();
        let wrong: Vec<String> = [
            (min, mean),
            (min, median),
            (mean, max),
            (median, max),
            (min, max),
        ]
        .into_iter()
        .filter_map(|((small, low), (large, high))| Some((small, low?, large, high?)))
        .filter(|(_, low, _, high)| high.reach.is_below(low.reach))
        .map(|(small, low, large, high)| {
            format!(
                "{small} {} is above {large} {}",
                claims.printed(low),
                claims.printed(high)
            )
        })
        .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    })
}

/// Finds standard deviations that no samples between the minimum and the maximum have.
pub(super) fn find_impossible_deviation(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_sessions(claims, |session| {
        let deviation = session.deviation.as_ref()?;
        let (min, max) = (session.min.as_ref()?, session.max.as_ref()?);
        let range = (max.reach - min.reach).not_negative();
        let count = session.samples().filter(|count| *count > 1);
        // Half of the samples at each end scatter most, one sample at each end and all others in
        // the middle scatter least. Two samples are the widest case.
        let of = |count: f64| (count / (count - 1.0)).sqrt() / 2.0;
        let most = range.high * count.map_or(of(2.0), |count| of(count as f64));
        let least = count.map_or(0.0, |count| range.low / (2.0 * (count as f64 - 1.0)).sqrt());
        let reachable = FigureRange {
            low: least,
            high: most,
        };
        // A zero has no digits of its own, so it is as precise as the ends.
        let stated = if deviation.value == 0.0 {
            FigureRange {
                low: 0.0,
                high: deviation
                    .reach
                    .high
                    .min(min.reach.width() + max.reach.width()),
            }
        } else {
            deviation.reach
        };
        stated.is_apart(reachable).then(|| {
            let side = if reachable.is_below(stated) {
                "too large"
            } else {
                "too small"
            };
            format!(
                "a standard deviation of {} is {side} for samples between {} and {}",
                claims.printed(deviation),
                claims.printed(min),
                claims.printed(max)
            )
        })
    })
}

/// Finds statistics that do not follow from the listed samples.
pub(super) fn find_other_statistics(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_sessions(claims, |session| {
        let samples = &session.samples;
        let is_whole = session.samples() == u64::try_from(samples.len()).ok();
        if samples.is_empty() || !is_whole {
            return None;
        }
        let deviation = deviation_of(samples);
        let mean = mean_of(samples);
        let variation = deviation.and_then(|deviation| deviation.over(mean));
        let [mean_stated, median_stated, min, max, deviation_stated] = session.amounts();
        let times = [
            (mean_stated, Some(mean)),
            (median_stated, Some(median_of(samples))),
            (min, end_of(samples, f64::min)),
            (max, end_of(samples, f64::max)),
            (deviation_stated, deviation),
        ];
        let mut wrong: Vec<String> = times
            .into_iter()
            .filter_map(|((name, stated), computed)| {
                let (stated, computed) = find_apart(stated, computed)?;
                let [computed, stated] = [claims.precise(computed), claims.printed(stated)];
                Some(format!("{name} {computed}, not {stated}"))
            })
            .collect();
        if let Some((stated, computed)) = find_apart(session.variation.as_ref(), variation) {
            let [computed, stated] = [computed, stated.value].map(format::percent);
            wrong.push(format!("variation {computed}, not {stated}"));
        }
        let count = format::counted(samples.len(), "listed sample");
        (!wrong.is_empty()).then(|| format!("the {count} have {}", wrong.join("; ")))
    })
}

/// Returns a stated figure and the middle of its computed values, if it is none of them.
fn find_apart(stated: Option<&Figure>, computed: Option<FigureRange>) -> Option<(&Figure, f64)> {
    let (stated, computed) = (stated?, computed?);
    let is_apart = stated.reach.is_apart(computed);
    is_apart.then(|| (stated, middle(computed)))
}

/// Finds sessions that list another number of samples than they state.
pub(super) fn find_other_count(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_sessions(claims, |session| {
        let stated = session.count?;
        let listed = session.samples.len();
        let is_same = u64::try_from(listed).ok() == Some(stated);
        // A row with this name that is there twice has its own rule.
        (listed > 0 && !is_same && session.repeats == 0)
            .then(|| format!("{stated} samples are stated, but {listed} are listed"))
    })
}

/// Finds sessions of several samples without any scatter.
pub(super) fn find_no_scatter(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_sessions(claims, |session| {
        let count = session.samples().filter(|count| *count > 1)?;
        let is_zero = session.deviation.as_ref()?.value == 0.0;
        // Samples that certainly differ have a rule of their own.
        let ends = session.min.as_ref().zip(session.max.as_ref());
        let differ = ends.is_some_and(|(min, max)| min.reach.is_below(max.reach));
        (is_zero && !differ).then(|| {
            format!(
                "{count} samples with a standard deviation of 0: the clock is too coarse, or one \
                 value was stored several times"
            )
        })
    })
}

/// Finds means that are far from the median, with the sample that is the cause.
pub(super) fn find_mean_off_median(claims: &Claims) -> Vec<FoundContradiction> {
    find_in_sessions(claims, |session| {
        let (mean, median) = (session.mean.as_ref()?, session.median.as_ref()?);
        let count = session.samples()?;
        if usize::try_from(count).is_ok_and(|count| count < ENOUGH_SAMPLES) {
            return None;
        }
        let ratio = mean.reach.over(median.reach)?;
        let is_off = ratio.low > 1.0 + OFF_MEDIAN || ratio.high < 1.0 - OFF_MEDIAN;
        is_off.then(|| {
            format!(
                "the mean {} is {} against the median {}, so it is not typical of a sample{}",
                claims.printed(mean),
                change::claimed(mean.value / median.value - 1.0),
                claims.printed(median),
                explain_slow_sample(&session.samples, median.value, claims)
            )
        })
    })
}

/// Words the one slow sample without which the mean is near the median; empty if there is none.
fn explain_slow_sample(samples: &[FigureRange], median: f64, claims: &Claims) -> String {
    let values: Vec<f64> = samples.iter().map(|sample| middle(*sample)).collect();
    let slowest = values
        .iter()
        .enumerate()
        .max_by(|one, other| one.1.total_cmp(other.1));
    let Some((index, slow)) = slowest.filter(|_| values.len() >= ENOUGH_SAMPLES) else {
        return String::new();
    };
    let others = (values.iter().sum::<f64>() - slow) / (values.len() - 1) as f64;
    if others > median * (1.0 + OFF_MEDIAN) {
        return String::new();
    }
    let slow = claims.computed(*slow);
    let count = values.len();
    match index {
        0 => {
            format!(", because the first of {count} runs took {slow} (a cold cache, or no warm-up)")
        }
        index => format!(", because run {} of {count} took {slow}", index + 1),
    }
}

/// Finds changes that are smaller than the scatter of single samples.
pub(super) fn find_change_in_scatter(claims: &Claims) -> Vec<FoundContradiction> {
    let is_hidden = |row: &ClaimedRow| {
        let (before, after) = row.both_times()?;
        let change = after.reach - before.reach;
        let most = change.low.abs().max(change.high.abs());
        let deviation = row
            .sessions
            .iter()
            .filter_map(|(_, session)| session.deviation.as_ref())
            .max_by(|one, other| one.value.total_cmp(&other.value))
            .filter(|deviation| FigureRange::exact(most).is_below(deviation.reach))?;
        let relative = after.value / before.value - 1.0;
        (before.value > 0.0 && relative.abs() >= SHOWN_CHANGE).then(|| {
            format!(
                "{} {} ({}), deviation {}",
                row.name,
                claims.pair(before, after),
                change::claimed(relative),
                claims.printed(deviation)
            )
        })
    };
    claims::list_rows(
        claims,
        is_hidden,
        "the change is smaller than the standard deviation of the samples",
    )
}

/// Finds samples that are shorter than the tool measures well.
pub(super) fn find_short_samples(claims: &Claims) -> Vec<FoundContradiction> {
    let mut found = Vec::new();
    for source in &claims.sources {
        let (least, why) = match source.shortest {
            ShortestSpan::ShellStart(least) => (
                least,
                "the start of the shell, which the tool subtracts, varies as much",
            ),
            ShortestSpan::ClockReading(least) => {
                (least, "reading the clock takes part of that time")
            }
        };
        let short = |row: &ClaimedRow| {
            let span = row.session(source.side)?.shortest_span?;
            (span < least && span > 0.0).then(|| {
                let span = claims.computed(span);
                format!("{} {span}{}", row.name, source.side.label())
            })
        };
        let head = format!("samples below {}: {why}", claims.computed(least));
        found.extend(claims::list_rows(claims, short, &head));
    }
    found
}

fn middle(range: FigureRange) -> f64 {
    f64::midpoint(range.low, range.high)
}

fn mean_of(samples: &[FigureRange]) -> FigureRange {
    let count = samples.len() as f64;
    let sum: FigureRange = samples.iter().copied().sum();
    sum.through(|sum| sum / count)
}

/// Returns the median of at least one sample. The smallest possible one is the median of all lower
/// ends.
pub(crate) fn median_of(samples: &[FigureRange]) -> FigureRange {
    let median = |mut ends: Vec<f64>| {
        ends.sort_by(f64::total_cmp);
        let half = ends.len() / 2;
        if ends.len() % 2 == 1 {
            ends[half]
        } else {
            f64::midpoint(ends[half - 1], ends[half])
        }
    };
    FigureRange {
        low: median(samples.iter().map(|sample| sample.low).collect()),
        high: median(samples.iter().map(|sample| sample.high).collect()),
    }
}

/// Returns the smallest or the largest sample.
fn end_of(samples: &[FigureRange], pick: fn(f64, f64) -> f64) -> Option<FigureRange> {
    Some(FigureRange {
        low: samples.iter().map(|sample| sample.low).reduce(pick)?,
        high: samples.iter().map(|sample| sample.high).reduce(pick)?,
    })
}

/// Returns the standard deviation; `None` for fewer than two samples.
fn deviation_of(samples: &[FigureRange]) -> Option<FigureRange> {
    let count = samples.len() as f64;
    if samples.len() < 2 {
        return None;
    }
    let mean = samples.iter().map(|sample| middle(*sample)).sum::<f64>() / count;
    let squares: f64 = samples
        .iter()
        .map(|sample| (middle(*sample) - mean).powi(2))
        .sum();
    let variance = squares / (count - 1.0);
    // A sample that moves by some distance moves the deviation by at most that much.
    let widest = samples
        .iter()
        .map(|sample| sample.width() / 2.0)
        .fold(0.0, f64::max);
    let reach = widest * (count / (count - 1.0)).sqrt();
    let lost = CANCELLATION * mean * mean;
    Some(FigureRange {
        low: ((variance - lost).max(0.0).sqrt() - reach).max(0.0),
        high: (variance + lost).sqrt() + reach,
    })
}
