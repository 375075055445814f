//! Owns the simulations of the judge: both error rates of the verdicts, on simulated machines that
//! are far worse than real ones.
//!
//! Seeds are fixed, so the asserted counts change only if the code changes.

use super::assessment::{Assessment, assess};
use super::e_process::{EProcess, ShiftInterval, log_threshold};
use super::estimate::median;
use super::pair::{PairSamples, PairSummary, summarise_pair};
use super::turns::{guess_plan, reestimate_plan};
use super::verdict::{ALPHA, JudgedWorkload, MOST_PAIRS, PairFinding, decide_findings};
use crate::random::SeededRandom;
use std::f64::consts::{PI, TAU};

fn normal(rng: &mut SeededRandom) -> f64 {
    (-2.0 * (1.0 - rng.draw_fraction()).ln()).sqrt() * (TAU * rng.draw_fraction()).cos()
}

/// Student t with 2 degrees of freedom: finite mean, infinite variance.
fn student_2(rng: &mut SeededRandom) -> f64 {
    normal(rng) / (-(1.0 - rng.draw_fraction()).ln()).sqrt()
}

fn cauchy(rng: &mut SeededRandom) -> f64 {
    (PI * (rng.draw_fraction() - 0.5)).tan()
}

fn coin(rng: &mut SeededRandom) -> f64 {
    if rng.draw_fraction() < 0.5 { 1.0 } else { -1.0 }
}

/// Behaviour of the noise from pair to pair.
#[derive(Debug, Clone, Copy)]
enum NoiseModel {
    Student,
    CauchyMixture,
    ScaleGrows,
    ScaleShrinks,
    Autocorrelated,
    Bursts,
}

const NOISES: [NoiseModel; 6] = [
    NoiseModel::Student,
    NoiseModel::CauchyMixture,
    NoiseModel::ScaleGrows,
    NoiseModel::ScaleShrinks,
    NoiseModel::Autocorrelated,
    NoiseModel::Bursts,
];

/// Generates the magnitudes of one series of pair differences.
fn magnitudes(noise: NoiseModel, rng: &mut SeededRandom) -> Vec<f64> {
    let mut state = normal(rng);
    let mut burst = false;
    let magnitude = |i: usize| {
        let progress = i as f64 / (MOST_PAIRS - 1) as f64;
        let size = match noise {
            NoiseModel::Student => student_2(rng),
            NoiseModel::CauchyMixture if rng.draw_fraction() < 0.3 => cauchy(rng),
            NoiseModel::CauchyMixture => 0.3 * normal(rng),
            NoiseModel::ScaleGrows => normal(rng) * 10f64.powf(progress),
            NoiseModel::ScaleShrinks => normal(rng) * 10f64.powf(-progress),
            NoiseModel::Autocorrelated => {
                state = 0.9 * state + (1.0 - 0.81f64).sqrt() * normal(rng);
                (1.5 * state).exp()
            }
            NoiseModel::Bursts => {
                burst = if burst {
                    rng.draw_fraction() < 0.8
                } else {
                    rng.draw_fraction() < 0.1
                };
                normal(rng) * if burst { 20.0 } else { 1.0 }
            }
        };
        0.01 * size.abs()
    };
    (0..MOST_PAIRS).map(magnitude).collect()
}

/// Returns the input of `decide_findings` at one look, without the interval. At margin 0 the
/// interval can only change Open to Equivalent.
fn assess_so_far(process: &EProcess, differences: &[f64]) -> Assessment {
    Assessment {
        estimate: median(differences).unwrap_or(0.0),
        low: ShiftInterval::EVERYTHING.low,
        high: ShiftInterval::EVERYTHING.high,
        log_e: process.log_e(),
        minimum_detectable: None,
        pairs: differences.len(),
    }
}

fn is_change(finding: Option<&PairFinding>) -> bool {
    matches!(finding, Some(PairFinding::Higher | PairFinding::Lower))
}

/// Returns whether a single workload is ever called changed when it is judged after every pair.
fn is_ever_changed(differences: &[f64]) -> bool {
    let mut process = EProcess::new(0.0);
    differences.iter().enumerate().any(|(i, d)| {
        process.push(*d);
        let assessment = assess_so_far(&process, &differences[..=i]);
        is_change(
            decide_findings(
                &[JudgedWorkload {
                    assessment: &assessment,
                    margin: 0.0,
                    counts: true,
                }],
                ALPHA,
            )
            .first(),
        )
    })
}

/// Returns the fewest equal signs among `n` at which a two-sided sign test has p <= alpha; `n + 1`
/// if no number is enough.
fn sign_test_threshold(n: usize) -> usize {
    let mut chance = 0.5f64.powi(n as i32); // of exactly k equal signs, from k = n downwards
    let (mut tail, mut k) = (0.0, n + 1);
    loop {
        tail += chance;
        if 2.0 * tail > ALPHA {
            return k;
        }
        k -= 1;
        chance *= k as f64 / (n - k + 1) as f64;
    }
}

/// Applies the sign test at a fixed level, repeated after every pair.
fn sign_test_changes(differences: &[f64], thresholds: &[usize]) -> bool {
    let mut above = 0;
    differences
        .iter()
        .zip(1..)
        .zip(thresholds)
        .any(|((d, n), enough)| {
            above += usize::from(*d > 0.0);
            above.max(n - above) >= *enough
        })
}

/// Applies the t-test at a fixed level, repeated after every pair from the fifth on.
fn t_test_changes(differences: &[f64]) -> bool {
    let (mut mean, mut squares) = (0.0, 0.0);
    differences.iter().zip(1u32..).any(|(d, n)| {
        let step = d - mean;
        mean += step / f64::from(n);
        squares += step * (d - mean);
        let freedom = f64::from(n) - 1.0;
        // The Cornish-Fisher expansion gives Student's quantile at 0.995.
        let z = 2.5758f64;
        let quantile = z
            + (z.powi(3) + z) / (4.0 * freedom)
            + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom.powi(2));
        n >= 5 && mean.abs() > quantile * (squares / freedom / f64::from(n)).sqrt()
    })
}

#[test]
fn equal_code_is_rarely_called_changed_at_any_number_of_looks() {
    const SERIES: usize = 10_000;
    let allowed = (ALPHA * SERIES as f64) as usize;
    let thresholds: Vec<usize> = (1..=MOST_PAIRS).map(sign_test_threshold).collect();
    let mut rng = SeededRandom::from_seed(20_260_801);
    let (mut ours, mut signs, mut t) = ([0; NOISES.len()], 0, 0);
    for series in 0..SERIES {
        let kind = series % NOISES.len();
        let differences: Vec<f64> = magnitudes(NOISES[kind], &mut rng)
            .into_iter()
            .map(|m| m * coin(&mut rng))
            .collect();
        ours[kind] += usize::from(is_ever_changed(&differences));
        signs += usize::from(sign_test_changes(&differences, &thresholds));
        t += usize::from(t_test_changes(&differences));
        if series % 100 == 0 {
            let full = assess(&differences, ALPHA);
            assert_eq!(full.log_e, super::e_process::log_e(&differences, 0.0));
            assert!(full.low <= full.high);
        }
    }
    let false_verdicts: usize = ours.iter().sum();
    println!("(a) false of {SERIES}: ours {false_verdicts} {ours:?}, signs {signs}, t {t}");
    assert!(
        false_verdicts <= allowed,
        "{false_verdicts} false verdicts of {SERIES}: {ours:?} by {NOISES:?}"
    );
    assert!(
        signs > 3 * allowed,
        "the sign test with peeking is wrong {signs} times only: the trial proves nothing"
    );
    assert!(
        t > 2 * allowed,
        "the t-test with peeking is wrong {t} times only: the trial proves nothing"
    );
}

/// Order of the sides in a turn, and order in which their processes start.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SimulatedOrder {
    Coins,
    AlwaysAFirst,
}

/// A machine whose noise continues from pair to pair: drift, autocorrelation, spikes, and a cost of
/// going first.
struct SimulatedMachine {
    rng: SeededRandom,
    order: SimulatedOrder,
    /// Log of the common slowdown, AR(1).
    weather: f64,
    /// Readings so far.
    clock: f64,
}

impl SimulatedMachine {
    fn new(seed: u64, order: SimulatedOrder) -> Self {
        Self {
            rng: SeededRandom::from_seed(seed),
            order,
            weather: 0.0,
            clock: 0.0,
        }
    }

    fn a_first(&mut self) -> bool {
        self.order == SimulatedOrder::AlwaysAFirst || self.rng.draw_fraction() < 0.5
    }

    /// Returns one reading (ns per iteration) of a process with the given log bias.
    fn reading(&mut self, bias: f64) -> f64 {
        self.clock += 1.0;
        self.weather = 0.98 * self.weather + 0.004 * normal(&mut self.rng);
        let drift = 0.1 * (self.clock / 3000.0).sin();
        let spike = 0.003 * student_2(&mut self.rng).abs();
        1000.0 * (bias + drift + self.weather + spike).exp()
    }

    /// Returns the samples of a fresh pair of processes with equal code: (A, B).
    fn pair(&mut self, turns: usize) -> (Vec<f64>, Vec<f64>) {
        let layouts = (0.003 * normal(&mut self.rng), 0.003 * normal(&mut self.rng));
        // The process that starts first has a constant bias too.
        let (layout_a, layout_b) = if self.a_first() {
            (layouts.0 + 0.002, layouts.1)
        } else {
            (layouts.0, layouts.1 + 0.002)
        };
        let turn = |_| {
            if self.a_first() {
                let a = self.reading(layout_a + 0.005);
                (a, self.reading(layout_b))
            } else {
                let b = self.reading(layout_b + 0.005);
                (self.reading(layout_a), b)
            }
        };
        (0..turns).map(turn).unzip()
    }

    /// Returns the differences of up to `MOST_PAIRS` pairs, with turns re-estimated after six.
    fn series(&mut self) -> Vec<f64> {
        const TURN_NS: f64 = 4e5;
        const PROCESS_NS: f64 = 2e7;
        const BUDGET_NS: f64 = 4e7; // 100 turns
        let mut plan = guess_plan(TURN_NS, BUDGET_NS);
        let mut pairs: Vec<PairSummary> = Vec::new();
        while pairs.len() < MOST_PAIRS {
            if pairs.len() == 6 {
                plan = reestimate_plan(&pairs, PROCESS_NS, TURN_NS, BUDGET_NS);
            }
            let (a, b) = self.pair(plan.turns);
            pairs.extend(summarise_pair(PairSamples { a: &a, b: &b }, plan.block));
        }
        pairs.iter().map(|pair| pair.difference).collect()
    }
}

#[test]
fn equal_code_is_rarely_called_changed_from_turn_samples_on() {
    const SERIES: u64 = 300;
    let false_verdicts = |order: SimulatedOrder, series: u64| {
        (0..series)
            .filter(|seed| is_ever_changed(&SimulatedMachine::new(1000 + seed, order).series()))
            .count()
    };
    let with_coins = false_verdicts(SimulatedOrder::Coins, SERIES);
    let without = false_verdicts(SimulatedOrder::AlwaysAFirst, 40);
    println!("(b) false with coins {with_coins} of {SERIES}, without {without} of 40");
    assert!(
        with_coins * 100 <= SERIES as usize,
        "{with_coins} false verdicts of {SERIES}"
    );
    assert!(
        without > 30,
        "without coins {without} of 40 only are false: the trial proves nothing"
    );
}

#[test]
fn one_change_among_many_workloads_is_found_alone() {
    const WORKLOADS: usize = 35;
    const PAIRS: usize = 40;
    const SPREAD: f64 = 0.005;
    let mut rng = SeededRandom::from_seed(35);
    let (mut right, mut nulls_flagged, mut needed) = (0, 0, Vec::new());
    for _ in 0..100 {
        let mut processes = vec![EProcess::new(0.0); WORKLOADS];
        let mut differences = vec![Vec::new(); WORKLOADS];
        let (mut found, mut null_flagged) = (None, false);
        for pair in 1..=PAIRS {
            // Half of the variance is common to all workloads: they share one machine.
            let common = normal(&mut rng) * 0.5f64.sqrt();
            for (w, (process, differences)) in
                processes.iter_mut().zip(&mut differences).enumerate()
            {
                let shift = if w == 0 { 1.02f64.ln() } else { 0.0 };
                let d = shift + SPREAD * (common + normal(&mut rng) * 0.5f64.sqrt());
                process.push(d);
                differences.push(d);
            }
            let glances: Vec<Assessment> = processes
                .iter()
                .zip(&differences)
                .map(|(p, d)| assess_so_far(p, d))
                .collect();
            // The null workloads have margin 0, so that only e-BH protects them.
            let cases: Vec<JudgedWorkload<'_>> = glances
                .iter()
                .map(|assessment| JudgedWorkload {
                    assessment,
                    margin: 0.0,
                    counts: true,
                })
                .collect();
            let findings = decide_findings(&cases, ALPHA);
            if findings.first() == Some(&PairFinding::Higher) {
                found = found.or(Some(pair));
            }
            null_flagged |= findings
                .iter()
                .skip(1)
                .any(|finding| is_change(Some(finding)));
        }
        right += usize::from(found.is_some() && !null_flagged);
        nulls_flagged += usize::from(null_flagged);
        needed.extend(found.map(|pair| pair as f64));
    }
    let typical = median(&needed).unwrap_or(f64::NAN);
    println!("(c) right {right} of 100, a null flagged in {nulls_flagged}, median pairs {typical}");
    assert!(
        right >= 95,
        "{right} of 100 right; a null was flagged in {nulls_flagged}; typically {typical} pairs"
    );
}

#[test]
fn one_percent_is_found_within_sixteen_pairs() {
    const SERIES: usize = 1000;
    let mut rng = SeededRandom::from_seed(16);
    let higher = |_: &usize| {
        let differences: Vec<f64> = (0..16)
            .map(|_| 1.01f64.ln() + 0.003 * normal(&mut rng))
            .collect();
        (14..=16).any(|n| {
            let assessment = assess(&differences[..n], ALPHA);
            decide_findings(
                &[JudgedWorkload {
                    assessment: &assessment,
                    margin: 0.005,
                    counts: true,
                }],
                ALPHA,
            ) == [PairFinding::Higher]
        })
    };
    let found = (0..SERIES).filter(higher).count();
    println!("(d) found {found} of {SERIES}");
    assert!(found >= 970, "{found} of {SERIES} found");
}

/// Counts series in which the confidence sequence misses the true shift at any look.
#[test]
fn interval_holds_the_true_shift_at_every_look() {
    const SERIES: usize = 4000;
    let shift = 0.02;
    let mut rng = SeededRandom::from_seed(99);
    let (mut missed, mut missed_by_interval, mut checked) = (0, 0, 0);
    for series in 0..SERIES {
        let noise = NOISES[series % NOISES.len()];
        let differences: Vec<f64> = magnitudes(noise, &mut rng)
            .into_iter()
            .map(|m| shift + m * coin(&mut rng))
            .collect();
        // The shift is in the set as long as its own E is below the threshold.
        let mut process = EProcess::new(shift);
        let outside = differences.iter().any(|d| {
            process.push(*d);
            process.log_e() >= log_threshold(ALPHA)
        });
        missed += usize::from(outside);
        if series % 10 == 0 {
            // The interval is the hull of the set, found by a search. It must contain the whole
            // set.
            checked += 1;
            let lost = [14, 20, 32, 64].iter().any(|n| {
                let got = assess(&differences[..*n], ALPHA);
                !(got.low <= shift && shift <= got.high)
            });
            missed_by_interval += usize::from(lost);
            assert!(
                outside || !lost,
                "{noise:?}: the search cut the interval short"
            );
        }
    }
    let expected = ALPHA * SERIES as f64;
    let allowed = expected + 3.0 * (expected * (1.0 - ALPHA)).sqrt();
    println!("(d) missed {missed} of {SERIES}; by interval {missed_by_interval} of {checked}");
    assert!(
        (missed as f64) <= allowed,
        "missed {missed} of {SERIES}, {allowed:.0} allowed"
    );
}
