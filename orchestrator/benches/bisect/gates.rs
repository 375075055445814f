//! Owns the comparison of two rules for the ends of a section: the e-process of `orch compare`, and
//! Yuen's interval at six looks.

use crate::TrialExtent;
use crate::world::draw_heavy;
use orch_core::random::SeededRandom;
use orch_core::search::{DifferenceVerdict, judge_differences};

/// Pairs at which each rule judges; Yuen's interval spends a sixth of alpha on each look.
const YUEN: [usize; 6] = [20, 40, 80, 160, 320, 640];
const OURS: [usize; 20] = [
    14, 16, 20, 24, 32, 40, 48, 64, 80, 100, 125, 156, 195, 244, 305, 360, 420, 490, 560, 640,
];

const MARGIN: f64 = 0.01;

/// Judges pairs; `None` while they do not decide.
type GateRule = fn(&[f64]) -> Option<DifferenceVerdict>;

/// Prints the verdicts of both rules on ends of a known difference.
pub fn print_gates(extent: TrialExtent) {
    println!("### Gates: margin 1 %\n");
    println!("| ends | rule | different | same | open | pairs |\n|---|---|---:|---:|---:|---:|");
    for noise in [0.005, 0.01, 0.02] {
        for (shift, tau) in [
            (0.0, 0.0),
            (0.0, 0.001),
            (0.0, 0.005),
            (0.01, 0.001),
            (0.015, 0.001),
            (0.02, 0.001),
        ] {
            let ends = format!(
                "{} %, noise {} %, tau {} %",
                shift * 100.0,
                noise * 100.0,
                tau * 100.0
            );
            let rules: [(&str, GateRule, &[usize]); 2] =
                [("e-process", by_evidence, &OURS), ("Yuen", by_yuen, &YUEN)];
            for (name, rule, looks) in rules {
                let [different, same, open, pairs] =
                    judge_histories(extent.histories, [shift, noise, tau], rule, looks);
                println!(
                    "| {ends} | {name} | {different:.1} | {same:.1} | {open:.1} | {pairs:.0} |"
                );
            }
        }
    }
}

/// Returns the percentages of different, same and open, and the mean number of pairs.
fn judge_histories(histories: usize, sizes: [f64; 3], rule: GateRule, looks: &[usize]) -> [f64; 4] {
    let [shift, noise, tau] = sizes;
    let mut sums = [0.0; 4];
    for seed in 0..histories {
        let mut rng = SeededRandom::from_seed(77 + seed as u64);
        let level = shift + tau * std::f64::consts::SQRT_2 * crate::world::draw_normal(&mut rng);
        let all: Vec<f64> = (0..640)
            .map(|_| level + noise * draw_heavy(&mut rng))
            .collect();
        let ended = looks
            .iter()
            .find_map(|look| rule(&all[..*look]).map(|verdict| (verdict, *look)));
        let (verdict, pairs) = ended.unwrap_or((DifferenceVerdict::Open, 640));
        let place = match verdict {
            DifferenceVerdict::Rose | DifferenceVerdict::Fell => 0,
            DifferenceVerdict::Same => 1,
            DifferenceVerdict::Open => 2,
        };
        sums[place] += 100.0 / histories as f64;
        sums[3] += pairs as f64 / histories as f64;
    }
    sums
}

fn by_evidence(pairs: &[f64]) -> Option<DifferenceVerdict> {
    Some(judge_differences(pairs, MARGIN).0).filter(|verdict| *verdict != DifferenceVerdict::Open)
}

/// 20 % trimmed mean, winsorised variance, Student's t at alpha 0.01 / 6.
fn by_yuen(pairs: &[f64]) -> Option<DifferenceVerdict> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, cut) = (sorted.len(), sorted.len() / 5);
    let kept = (n - 2 * cut) as f64;
    let mean = sorted[cut..n - cut].iter().sum::<f64>() / kept;
    let pulled: Vec<f64> = sorted
        .iter()
        .map(|value| value.clamp(sorted[cut], sorted[n - 1 - cut]))
        .collect();
    let centre = pulled.iter().sum::<f64>() / n as f64;
    let squares: f64 = pulled.iter().map(|value| (value - centre).powi(2)).sum();
    let half = quantile(kept - 1.0) * (squares / (kept * (kept - 1.0))).sqrt();
    if mean.abs() > half && mean.abs() >= MARGIN {
        Some(if mean > 0.0 {
            DifferenceVerdict::Rose
        } else {
            DifferenceVerdict::Fell
        })
    } else if mean - half > -MARGIN && mean + half < MARGIN {
        Some(DifferenceVerdict::Same)
    } else {
        None
    }
}

/// Student's quantile at 1 - 0.01 / 12, by Cornish and Fisher.
fn quantile(freedom: f64) -> f64 {
    let z = 3.1440f64;
    z + (z.powi(3) + z) / (4.0 * freedom)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom.powi(2))
}
