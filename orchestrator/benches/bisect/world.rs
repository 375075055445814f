//! Owns the simulated histories: steps, build effects, heavy-tailed pairs and builds that fail.

use orch_core::random::SeededRandom;
use orch_core::search::{
    Confirmation, DifferenceVerdict, Evidence, SectionView, judge_differences,
};
use std::convert::Infallible;
use std::f64::consts::TAU;

/// One kind of history. All sizes are log ratios except the margin, which is relative.
#[derive(Debug, Clone)]
pub struct HistoryKind {
    pub candidates: usize,
    /// Heights of the steps, in this order, at random places.
    pub steps: Vec<f64>,
    /// Standard deviation of the core of the pair noise.
    pub noise: f64,
    /// Standard deviation over builds of one code.
    pub tau: f64,
    /// Share of commits that do not build.
    pub dead: f64,
    pub margin: f64,
    /// Build effect that is given to the search.
    pub told: Option<f64>,
    pub build_seconds: f64,
    /// Whether the steps lie at successive commits instead of random ones.
    pub adjacent: bool,
    /// Whether the noise grows with the square root of the time, so that slow commits scatter more.
    pub grows: bool,
}

impl HistoryKind {
    /// Returns the usual kind: one step, and builds of 20 s.
    pub fn single(candidates: usize, step: f64, noise: f64) -> Self {
        let (steps, tau, dead) = (vec![step], 0.001, 0.0);
        let (margin, told, build_seconds) = (0.01, None, 20.0);
        let (adjacent, grows) = (false, false);
        Self {
            candidates,
            steps,
            noise,
            tau,
            dead,
            margin,
            told,
            build_seconds,
            adjacent,
            grows,
        }
    }

    /// Returns a kind with several steps, given as log ratios in their order in time.
    pub fn several(candidates: usize, steps: &[f64], noise: f64) -> Self {
        Self {
            steps: steps.to_vec(),
            ..Self::single(candidates, 0.0, noise)
        }
    }

    fn places(&self, rng: &mut SeededRandom) -> Vec<usize> {
        let count = self.steps.len();
        if self.adjacent {
            let first = rng.draw_from(1..self.candidates + 2 - count);
            return (first..first + count).collect();
        }
        let mut places: Vec<usize> = (1..=self.candidates).collect();
        rng.shuffle_items(&mut places);
        places.truncate(count);
        places.sort_unstable();
        places
    }
}

/// One history, with a count of what the search requested.
pub struct SimulatedHistory {
    pub kind: HistoryKind,
    /// Places of the steps, ascending.
    pub places: Vec<usize>,
    levels: Vec<f64>,
    pub dead: Vec<bool>,
    rng: SeededRandom,
    pub builds: usize,
    pub failed: usize,
    /// Pairs of the search, and pairs of confirmations.
    pub pairs: usize,
    pub confirming: usize,
    pub seconds: f64,
}

impl SimulatedHistory {
    pub fn new(kind: &HistoryKind, seed: u64) -> Self {
        let mut rng =
            SeededRandom::from_seed(0x0b15_ec70 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let places = kind.places(&mut rng);
        let last = kind.candidates;
        let shift = |at: usize| {
            places
                .iter()
                .zip(&kind.steps)
                .filter(|(place, _)| at >= **place)
                .map(|(_, step)| step)
                .sum()
        };
        let levels = (0..=last)
            .map(shift)
            .map(|level: f64| level + kind.tau * draw_normal(&mut rng))
            .collect();
        let dead = (0..=last)
            .map(|at| at != 0 && at != last && rng.draw_fraction() < kind.dead)
            .collect();
        let kind = kind.clone();
        Self {
            kind,
            places,
            levels,
            dead,
            rng,
            builds: 0,
            failed: 0,
            pairs: 0,
            confirming: 0,
            seconds: 0.0,
        }
    }

    /// Draws `count` differences. Nine in ten are normal; the others follow Student's t with two
    /// degrees of freedom.
    pub fn draw(&mut self, reference: usize, commit: usize, count: usize) -> Vec<f64> {
        let shift = self.levels[commit] - self.levels[reference];
        self.seconds += 0.05 * count as f64;
        let time = if self.kind.grows {
            (0.5 * self.levels[commit]).exp()
        } else {
            1.0
        };
        (0..count)
            .map(|_| shift + self.kind.noise * time * draw_heavy(&mut self.rng))
            .collect()
    }

    /// Builds a commit and returns whether it can be measured.
    pub fn build(&mut self, commit: usize) -> bool {
        self.builds += 1;
        self.failed += usize::from(self.dead[commit]);
        self.seconds += self.kind.build_seconds;
        !self.dead[commit]
    }

    /// Returns the place of the largest step.
    pub fn largest(&self) -> Option<usize> {
        let sizes = self.places.iter().zip(&self.kind.steps);
        sizes
            .max_by(|(_, one), (_, other)| one.abs().total_cmp(&other.abs()))
            .map(|(place, _)| *place)
    }

    /// Returns the smallest set that can be named for a step at `place`.
    pub fn smallest_set(&self, place: usize) -> Vec<usize> {
        let parent = (0..place).rev().find(|at| !self.dead[*at]).unwrap_or(0);
        let shown = (place..self.dead.len())
            .find(|at| !self.dead[*at])
            .unwrap_or(place);
        (parent + 1..=shown).collect()
    }
}

pub fn draw_normal(rng: &mut SeededRandom) -> f64 {
    (-2.0 * (1.0 - rng.draw_fraction()).ln()).sqrt() * (TAU * rng.draw_fraction()).cos()
}

/// Draws from the standard normal distribution nine times out of ten, and from Student's t with two
/// degrees of freedom otherwise.
pub fn draw_heavy(rng: &mut SeededRandom) -> f64 {
    if rng.draw_fraction() < 0.9 {
        draw_normal(rng)
    } else {
        draw_normal(rng) / (-(1.0 - rng.draw_fraction()).ln()).sqrt()
    }
}

impl Evidence for SimulatedHistory {
    type Stop = Infallible;

    fn prepare_commit(&mut self, commit: usize) -> Result<bool, Infallible> {
        Ok(self.build(commit))
    }

    fn same_code(&mut self, _: usize, _: usize) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn pairs(
        &mut self,
        reference: usize,
        commit: usize,
        count: usize,
    ) -> Result<Option<Vec<f64>>, Infallible> {
        self.pairs += count;
        Ok(Some(self.draw(reference, commit, count)))
    }

    /// Decides like `orch compare`: after 64 pairs, or up to 256 while they do not decide.
    fn confirm(&mut self, parent: usize, commit: usize) -> Result<Confirmation, Infallible> {
        let mut fresh = Vec::new();
        for look in [16, 24, 32, 48, 64, 96, 128, 192, 256] {
            fresh.extend(self.draw(parent, commit, look - fresh.len()));
            let (verdict, change) = judge_differences(&fresh, self.kind.margin);
            self.confirming +=
                usize::from(verdict != DifferenceVerdict::Open || look == 256) * look;
            match verdict {
                DifferenceVerdict::Rose | DifferenceVerdict::Fell => {
                    return Ok(Confirmation::Changed {
                        estimate: change.estimate,
                    });
                }
                DifferenceVerdict::Same => return Ok(Confirmation::Below),
                DifferenceVerdict::Open => {}
            }
        }
        Ok(Confirmation::Open)
    }

    fn build_seconds(&self, _: usize) -> f64 {
        self.kind.build_seconds
    }

    fn pair_seconds(&self) -> f64 {
        0.05
    }

    fn show_progress(&mut self, _: &SectionView<'_>) {}
}
