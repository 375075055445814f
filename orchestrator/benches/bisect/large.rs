//! Owns the tables of large steps: alone, behind, before and next to small ones.

use crate::world::HistoryKind;
use crate::{NOISES, TrialExtent, name, print_head, print_row};

/// Numbers of candidates.
const SIZES: [usize; 4] = [6, 16, 128, 1024];

/// One step of 10 % to a factor of 50.
pub fn print_alone(extent: TrialExtent) {
    print_head("One large step");
    for candidates in SIZES {
        for step in [0.1, 1.5f64.ln(), 8f64.ln(), 50f64.ln()] {
            for noise in NOISES {
                let kind = HistoryKind::single(candidates, step, noise);
                print_row(&name(&kind), &kind, extent);
            }
        }
    }
}

/// A large step after a small one.
pub fn print_behind(extent: TrialExtent) {
    print_head("A large step behind a small one");
    print_pairs_of_steps(
        &[
            [0.037, 8.3f64.ln()],
            [0.04, 1.5f64.ln()],
            [0.04, 50f64.ln()],
        ],
        extent,
    );
}

/// A large step before a small one, in either direction.
pub fn print_beside(extent: TrialExtent) {
    print_head("A large step before a small one");
    print_pairs_of_steps(
        &[
            [8f64.ln(), 0.04],
            [0.1f64.ln(), 0.04],
            [1.5f64.ln(), -0.3],
            [0.1, 0.04],
        ],
        extent,
    );
}

fn print_pairs_of_steps(all: &[[f64; 2]], extent: TrialExtent) {
    for candidates in SIZES {
        for steps in all {
            for adjacent in [true, false] {
                for noise in NOISES {
                    let kind = HistoryKind {
                        adjacent,
                        ..HistoryKind::several(candidates, steps, noise)
                    };
                    print_row(&placed(&kind), &kind, extent);
                }
            }
        }
    }
}

fn placed(kind: &HistoryKind) -> String {
    format!(
        "{}{}",
        name(kind),
        if kind.adjacent { ", adjacent" } else { "" }
    )
}

/// Three steps and five.
pub fn print_many(extent: TrialExtent) {
    print_head("Three steps or more");
    let all: [&[f64]; 4] = [
        &[0.04, 2.0, 0.03],
        &[0.02, 0.02, 0.69],
        &[0.03, 0.03, 0.03],
        &[0.18, 0.25, -0.2, 0.3, 0.22],
    ];
    for candidates in [16, 60, 128] {
        for steps in all {
            for noise in NOISES {
                let kind = HistoryKind::several(candidates, steps, noise);
                print_row(&name(&kind), &kind, extent);
            }
        }
    }
}

/// A build effect of 0.5 % that is not given to the search.
pub fn print_unmeasured(extent: TrialExtent) {
    print_head("Build effect of 0.5 %, not measured, margin 1 %");
    let all: [&[f64]; 6] = [
        &[],
        &[0.02],
        &[0.05],
        &[0.1],
        &[8f64.ln()],
        &[0.037, 8.3f64.ln()],
    ];
    for candidates in [6, 16, 128] {
        for steps in all {
            for noise in NOISES {
                let kind = HistoryKind {
                    tau: 0.005,
                    ..HistoryKind::several(candidates, steps, noise)
                };
                print_row(&name(&kind), &kind, extent);
            }
        }
    }
}

/// Pairs of slow commits that scatter more.
pub fn print_growing(extent: TrialExtent) {
    print_head("Noise that grows with the square root of the time");
    let all: [&[f64]; 4] = [
        &[8f64.ln()],
        &[30f64.ln()],
        &[0.04, 8f64.ln()],
        &[8f64.ln(), 0.04],
    ];
    for candidates in [16, 128] {
        for steps in all {
            let kind = HistoryKind {
                grows: true,
                ..HistoryKind::several(candidates, steps, 0.02)
            };
            print_row(&name(&kind), &kind, extent);
        }
    }
}
