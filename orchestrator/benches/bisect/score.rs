//! Owns the scores over many histories of one kind, for this search and for plain binary search.

use crate::TrialExtent;
use crate::world::{HistoryKind, SimulatedHistory};
use orch_core::search::{ChangeDirection, CommitGraph, EndsVerdict, SearchSettings, bisect};
use std::fmt::Write;

/// Answer of a search on one history.
#[derive(Debug, Clone, Default)]
pub struct SearchAnswer {
    /// Named sets, with their claimed probabilities.
    named: Vec<(Vec<usize>, f64)>,
    /// Sets of the changes without a culprit.
    instead: Vec<Vec<usize>>,
    /// Pairs taken beside a culprit where nothing else was found.
    proving: usize,
}

/// Sums over histories.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchScore {
    histories: f64,
    /// Histories with every step named, in the smallest set, and nothing else.
    right: f64,
    /// Histories with the largest step named, in the smallest set, and no set without a step in it.
    largest: f64,
    /// Histories with every step inside of a named set, and nothing else.
    inside: f64,
    /// Of the undecided histories: those in which every step without a name is in the set that is
    /// given instead.
    held: f64,
    /// Histories with some named set without a step in it.
    wrong: f64,
    /// Histories with nothing wrong, but not every step named.
    undecided: f64,
    builds: f64,
    failed: f64,
    pairs: f64,
    confirming: f64,
    proving: f64,
    seconds: f64,
    sets: f64,
    size: f64,
    claimed: f64,
    true_sets: f64,
}

impl SearchScore {
    fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.right += other.right;
        self.largest += other.largest;
        self.inside += other.inside;
        self.held += other.held;
        self.wrong += other.wrong;
        self.undecided += other.undecided;
        self.builds += other.builds;
        self.failed += other.failed;
        self.pairs += other.pairs;
        self.confirming += other.confirming;
        self.proving += other.proving;
        self.seconds += other.seconds;
        self.sets += other.sets;
        self.size += other.size;
        self.claimed += other.claimed;
        self.true_sets += other.true_sets;
    }

    fn of(
        world: &SimulatedHistory,
        SearchAnswer {
            named,
            instead,
            proving,
        }: &SearchAnswer,
    ) -> Self {
        let holds = |set: &[usize]| world.places.iter().any(|place| set.contains(place));
        let smallest: Vec<Vec<usize>> = world
            .places
            .iter()
            .map(|place| world.smallest_set(*place))
            .collect();
        let sets: Vec<Vec<usize>> = named.iter().map(|(set, _)| set.clone()).collect();
        let wrong = sets.iter().any(|set| !holds(set));
        let inside = !wrong
            && world
                .places
                .iter()
                .all(|place| sets.iter().any(|set| set.contains(place)));
        let right = inside && sets.iter().all(|set| smallest.contains(set));
        let largest = !wrong
            && world
                .largest()
                .is_none_or(|place| sets.contains(&world.smallest_set(place)));
        let either = |place: &usize| sets.iter().chain(instead).any(|set| set.contains(place));
        let held = !wrong && !inside && world.places.iter().all(either);
        let one = |holds: bool| f64::from(u8::from(holds));
        Self {
            histories: 1.0,
            right: one(right),
            largest: one(largest),
            inside: one(inside),
            held: one(held),
            wrong: one(wrong),
            undecided: one(!wrong && !inside),
            builds: world.builds as f64,
            failed: world.failed as f64,
            pairs: world.pairs as f64,
            confirming: world.confirming as f64,
            proving: *proving as f64,
            seconds: world.seconds,
            sets: sets.len() as f64,
            size: sets.iter().map(|set| set.len() as f64).sum(),
            claimed: named.iter().map(|(_, claimed)| claimed).sum(),
            true_sets: sets.iter().filter(|set| holds(set)).count() as f64,
        }
    }

    /// Table head of `row`.
    pub const HEAD: [&'static str; 12] = [
        "right",
        "largest",
        "inside",
        "wrong",
        "undecided",
        "held in its set",
        "builds (failed)",
        "pairs (proving) + confirming",
        "seconds",
        "set",
        "claimed",
        "of these true",
    ];

    /// Returns one table row, without its first cells.
    pub fn row(&self) -> String {
        let percent = |part: f64, all: f64| {
            if all > 0.0 {
                format!("{:.1}", 100.0 * part / all)
            } else {
                "-".to_owned()
            }
        };
        let mean = |sum: f64, all: f64| if all > 0.0 { sum / all } else { 0.0 };
        let n = self.histories;
        let mut row = String::new();
        for part in [
            self.right,
            self.largest,
            self.inside,
            self.wrong,
            self.undecided,
        ] {
            let _ = write!(row, "{} | ", percent(part, n));
        }
        let _ = write!(row, "{} | ", percent(self.held, self.undecided));
        let _ = write!(
            row,
            "{:.1} ({:.1}) | ",
            mean(self.builds, n),
            mean(self.failed, n)
        );
        let _ = write!(
            row,
            "{:.0} ({:.0}) + ",
            mean(self.pairs, n),
            mean(self.proving, n)
        );
        let _ = write!(row, "{:.0} | ", mean(self.confirming, n));
        let _ = write!(
            row,
            "{:.0} | {:.2} | ",
            mean(self.seconds, n),
            mean(self.size, self.sets)
        );
        let _ = write!(
            row,
            "{} | {} |",
            percent(self.claimed, self.sets),
            percent(self.true_sets, self.sets)
        );
        row
    }
}

/// Runs one kind of history many times, on two threads, each time with a seed of its own.
pub fn score_histories(
    kind: &HistoryKind,
    extent: TrialExtent,
    search: fn(&mut SimulatedHistory) -> SearchAnswer,
) -> SearchScore {
    let seeds = extent.first_seed..extent.first_seed + extent.histories;
    let part = |first: usize| {
        let mut sum = SearchScore::default();
        for seed in seeds.clone().skip(first).step_by(2) {
            let mut world = SimulatedHistory::new(kind, seed as u64);
            let answer = search(&mut world);
            sum.add(&SearchScore::of(&world, &answer));
        }
        sum
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(1));
        let mut sum = part(0);
        if let Ok(other) = other.join() {
            sum.add(&other);
        }
        sum
    })
}

/// Runs this search.
pub fn run_search(world: &mut SimulatedHistory) -> SearchAnswer {
    let history = CommitGraph::line(world.kind.candidates);
    let rose = world.kind.steps.iter().sum::<f64>() >= 0.0;
    let direction = if rose {
        ChangeDirection::Worse
    } else {
        ChangeDirection::Better
    };
    let settings = SearchSettings {
        tau: world.kind.told,
        ..SearchSettings::new(world.kind.margin, direction)
    };
    let Ok(conclusion) = bisect(&history, &settings, world);
    let named = conclusion
        .culprits
        .into_iter()
        .map(|culprit| (culprit.commits, culprit.probability))
        .collect();
    let beside = conclusion.sections.iter().skip(1);
    let nothing = beside.filter(|section| !matches!(section.ends, EndsVerdict::Different { .. }));
    let proving = nothing.map(|section| section.pairs).sum();
    let instead = conclusion
        .undecided
        .into_iter()
        .map(|undecided| undecided.commits)
        .collect();
    SearchAnswer {
        named,
        instead,
        proving,
    }
}

/// Runs plain binary search: it compares the median of ten pairs with half of the jump between the
/// ends, at the nearest commit that builds.
pub fn run_binary_search(world: &mut SimulatedHistory) -> SearchAnswer {
    let (mut low, mut high) = (0, world.kind.candidates);
    let jump = if world.build(low) && world.build(high) {
        median_of_ten(world, high)
    } else {
        0.0
    };
    if jump < world.kind.margin {
        return SearchAnswer::default();
    }
    let mut tried = vec![false; high + 1];
    loop {
        let middle = usize::midpoint(low, high);
        let untried = (low + 1..high)
            .filter(|at| !tried[*at])
            .min_by_key(|at| at.abs_diff(middle));
        let Some(commit) = untried else { break };
        tried[commit] = true;
        if world.build(commit) {
            if median_of_ten(world, commit) > jump / 2.0 {
                high = commit
            } else {
                low = commit
            }
        }
    }
    SearchAnswer {
        named: vec![((low + 1..=high).collect(), 1.0)],
        instead: Vec::new(),
        proving: 0,
    }
}

fn median_of_ten(world: &mut SimulatedHistory, commit: usize) -> f64 {
    let mut pairs = world.draw(0, commit, 10);
    world.pairs += 10;
    pairs.sort_by(f64::total_cmp);
    (pairs[4] + pairs[5]) / 2.0
}
