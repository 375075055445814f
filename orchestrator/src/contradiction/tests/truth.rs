//! Property tests of true call trees that are printed with rounding: with any number of digits, no
//! claim of them is impossible.

use super::fixtures::figure;
use crate::contradiction::claims::{ClaimSide, ClaimedRow, ClaimedTotal, Claims};
use crate::contradiction::figure::Figure;
use crate::contradiction::find_contradictions;
use crate::record::Severity;
use orch_core::random::SeededRandom;
use proptest::prelude::*;

/// Numbers of digits to which a report rounds.
#[derive(Debug, Clone, Copy)]
struct ReportDigits {
    time: usize,
    percent: usize,
}

fn print(value: f64, digits: usize) -> Option<Figure> {
    Some(figure(&format!("{value:.digits$}")).of_amount())
}

/// Returns rows with true calls, some of them inside the row before, and totals of the outermost
/// rows.
fn printed(random: &mut SeededRandom, digits: ReportDigits) -> Claims {
    let mut claims = Claims::default();
    let mut whole = [0.0; 3];
    for index in 0..random.draw_from(1..8) {
        let size = 10f64.powf(random.draw_fraction() * 5.0 - 2.0);
        let calls: Vec<f64> = (0..random.draw_from(1..12))
            .map(|_| size * (0.5 + random.draw_fraction()))
            .collect();
        let total: f64 = calls.iter().sum();
        let [before, after] = [
            total * (0.5 + random.draw_fraction()),
            total * (0.5 + random.draw_fraction()),
        ];
        let times = [total, before, after];
        whole
            .iter_mut()
            .zip(times)
            .for_each(|(sum, time)| *sum += time);
        claims.rows.push(row(
            &format!("row{index}"),
            &calls,
            [before, after],
            random.draw_fraction() * 1e9,
            digits,
        ));
        let outer = claims.rows.len() - 1;
        // Each nested row takes part of the remaining time on both sides.
        let mut left = 1.0;
        for inner in 0..random.draw_from(0..3) {
            let part = left * random.draw_fraction();
            left -= part;
            let [total, before, after] = times.map(|time| time * part);
            let mut row = row(
                &format!("row{index}.{inner}"),
                &[total],
                [before, after],
                random.draw_fraction() * 1e9,
                digits,
            );
            row.parent = Some(outer);
            claims.rows.push(row);
        }
    }
    for (side, sum) in [ClaimSide::Only, ClaimSide::Before, ClaimSide::After]
        .into_iter()
        .zip(whole)
    {
        let figure = print(sum, digits.time).unwrap();
        claims.totals.push(ClaimedTotal { side, figure });
    }
    claims
}

fn row(
    name: &str,
    calls: &[f64],
    [before, after]: [f64; 2],
    work: f64,
    digits: ReportDigits,
) -> ClaimedRow {
    let total: f64 = calls.iter().sum();
    let time = |ms: f64| print(ms, digits.time);
    let rate = |ms: f64| print(work / (ms * 1e-3) / 1e9, digits.percent);
    let signed = |value: f64, digits: usize| Some(figure(&format!("{value:+.digits$}")));
    let status = if after > before {
        "Regressed"
    } else {
        "Improved"
    };
    ClaimedRow {
        calls: Some(calls.len() as f64),
        total: time(total),
        mean: time(total / calls.len() as f64),
        min: time(calls.iter().copied().fold(f64::INFINITY, f64::min)),
        max: time(calls.iter().copied().fold(0.0, f64::max)),
        before: time(before),
        after: time(after),
        work: Some(work),
        rate: rate(total / calls.len() as f64),
        rate_before: rate(before),
        rate_after: rate(after),
        delta: signed(after - before, digits.time),
        percent: signed((after / before - 1.0) * 100.0, digits.percent),
        rate_percent: signed((before / after - 1.0) * 100.0, digits.percent),
        status: Some(status.to_owned()),
        ..ClaimedRow::named(name)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn true_figures_are_never_impossible(seed: u64, time in 0usize..5, percent in 0usize..3) {
        let claims = printed(
            &mut SeededRandom::from_seed(seed),
            ReportDigits { time, percent },
        );
        let found: Vec<_> = find_contradictions(&claims)
            .into_iter()
            .filter(|found| found.severity == Severity::Impossible)
            .collect();
        prop_assert!(found.is_empty(), "{found:#?}\n{claims:#?}");
    }

    /// Shows that the rules find wrong figures. Without this test, rules that never find anything
    /// would pass the property above.
    #[test]
    fn wrong_percent_is_found(before in 100f64..1e4, ratio in 0.5f64..2.0, off in 1.0f64..50.0) {
        let after = before * ratio;
        let claimed = (ratio - 1.0) * 100.0 + off;
        let row = ClaimedRow {
            before: print(before, 2),
            after: print(after, 2),
            percent: Some(figure(&format!("{claimed:+.1}"))),
            ..ClaimedRow::named("row")
        };
        let found = find_contradictions(&Claims { rows: vec![row], ..Claims::default() });
        prop_assert!(found.iter().any(|found| found.id == "change-not-reachable"));
    }
}
