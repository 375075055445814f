//! Owns the trial of the search on simulated histories: `cargo bench --bench bisect [-- --quick |
//! --histories 200] [--first-seed 0] [--table NAME]`.
//!
//! Prints markdown tables. Seeds are fixed: a number changes only if the code changes.

mod gates;
mod large;
mod score;
mod world;

use score::{SearchScore, run_binary_search, run_search, score_histories};
use std::time::Instant;
use world::HistoryKind;

/// Extent of the simulation.
#[derive(Clone, Copy)]
struct TrialExtent {
    /// Histories of each row.
    histories: usize,
    /// Seed of the first history; the other seeds follow.
    first_seed: usize,
    /// Most candidates of a row; rows with more are left out.
    most_candidates: usize,
}

const WHOLE: TrialExtent = TrialExtent {
    histories: 200,
    first_seed: 0,
    most_candidates: usize::MAX,
};
/// Enough to detect a broken search, in less than a minute.
const QUICK: TrialExtent = TrialExtent {
    histories: 4,
    first_seed: 0,
    most_candidates: 64,
};

/// Prints one table.
type TablePrinter = fn(TrialExtent);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        arguments
            .iter()
            .position(|own| own == name)
            .and_then(|at| arguments.get(at + 1))
    };
    let number = |name: &str| after(name).and_then(|number| number.parse().ok());
    let quick = arguments.iter().any(|own| own == "--quick");
    let usual = if quick { QUICK } else { WHOLE };
    let histories = number("--histories").unwrap_or(usual.histories);
    let extent = TrialExtent {
        histories,
        first_seed: number("--first-seed").unwrap_or(0),
        ..usual
    };
    let tables: [(&str, TablePrinter); 13] = [
        ("single", print_single),
        ("unbuildable", print_unbuildable),
        ("build-effect", print_build_effect),
        ("clean", print_clean),
        ("several", print_several),
        ("fast-builds", print_fast_builds),
        ("gates", gates::print_gates),
        ("large", large::print_alone),
        ("behind", large::print_behind),
        ("beside", large::print_beside),
        ("many", large::print_many),
        ("unmeasured", large::print_unmeasured),
        ("growing", large::print_growing),
    ];
    let only = after("--table");
    for (name, table) in tables {
        if only.is_none_or(|only| only == name) {
            let start = Instant::now();
            table(extent);
            println!(
                "\n{name}: {histories} histories a row, {:.0} s\n",
                start.elapsed().as_secs_f64()
            );
        }
    }
}

fn print_head(title: &str) {
    println!("### {title}\n");
    println!("| history | search | {} |", SearchScore::HEAD.join(" | "));
    println!("|---|---|{}", "---:|".repeat(SearchScore::HEAD.len()));
}

fn print_row(name: &str, kind: &HistoryKind, extent: TrialExtent) {
    if kind.candidates <= extent.most_candidates {
        println!(
            "| {name} | this | {}",
            score_histories(kind, extent, run_search).row()
        );
    }
}

fn print_rows(name: &str, kind: &HistoryKind, extent: TrialExtent) {
    print_row(name, kind, extent);
    if kind.candidates <= extent.most_candidates {
        println!(
            "| | plain | {}",
            score_histories(kind, extent, run_binary_search).row()
        );
    }
}

fn name(kind: &HistoryKind) -> String {
    let steps: Vec<String> = kind.steps.iter().map(|step| size(*step)).collect();
    format!(
        "N {}, {}, noise {} %",
        kind.candidates,
        steps.join(" "),
        kind.noise * 100.0
    )
}

/// Returns the size of a step: a large one as a factor, a small one as its log ratio in percent.
fn size(step: f64) -> String {
    match step {
        step if step >= 0.4 => format!("x{:.1}", step.exp()),
        step if step <= -0.4 => format!("/{:.1}", (-step).exp()),
        step => format!("{:+} %", (step * 1000.0).round() / 10.0),
    }
}

const NOISES: [f64; 3] = [0.005, 0.01, 0.02];

fn print_single(extent: TrialExtent) {
    print_head("One step; tau 0.1 %, margin 1 %");
    for candidates in [16, 128, 1024] {
        for step in [0.01, 0.02, 0.05, 0.1] {
            for noise in NOISES {
                let kind = HistoryKind::single(candidates, step, noise);
                print_rows(&name(&kind), &kind, extent);
            }
        }
    }
}

fn print_unbuildable(extent: TrialExtent) {
    print_head("One step, 20 % do not build");
    for candidates in [16, 128, 1024] {
        for step in [0.02, 0.05] {
            for noise in NOISES {
                let kind = HistoryKind {
                    dead: 0.2,
                    ..HistoryKind::single(candidates, step, noise)
                };
                print_rows(&name(&kind), &kind, extent);
            }
        }
    }
}

fn print_build_effect(extent: TrialExtent) {
    print_head("One step, tau 0.5 %");
    for step in [0.02, 0.05] {
        for noise in NOISES {
            let kind = HistoryKind {
                tau: 0.005,
                ..HistoryKind::single(128, step, noise)
            };
            print_rows(
                &format!("{}, tau not measured, margin 1 %", name(&kind)),
                &kind,
                extent,
            );
            let told = HistoryKind {
                told: Some(0.005),
                margin: 0.02,
                ..kind
            };
            print_row(
                &format!("{}, tau measured, margin 2 %", name(&told)),
                &told,
                extent,
            );
        }
    }
}

fn print_clean(extent: TrialExtent) {
    print_head("No step");
    for noise in NOISES {
        for (tau, told, margin) in [
            (0.001, None, 0.01),
            (0.005, None, 0.01),
            (0.005, Some(0.005), 0.02),
        ] {
            let kind = HistoryKind {
                steps: Vec::new(),
                tau,
                told,
                margin,
                ..HistoryKind::single(128, 0.0, noise)
            };
            let told = if told.is_some() {
                "measured"
            } else {
                "not measured"
            };
            let title = format!(
                "noise {} %, tau {} % {told}, margin {} %",
                noise * 100.0,
                tau * 100.0,
                margin * 100.0
            );
            print_rows(&title, &kind, extent);
        }
    }
}

fn print_several(extent: TrialExtent) {
    print_head("Several steps");
    for (steps, margin) in [
        (vec![0.03, 0.02], 0.01),
        (vec![0.02, 0.03], 0.01),
        (vec![0.03, -0.02], 0.005),
        (vec![0.04, -0.02], 0.01),
    ] {
        for noise in NOISES {
            let kind = HistoryKind {
                steps: steps.clone(),
                margin,
                ..HistoryKind::single(128, 0.0, noise)
            };
            print_row(
                &format!("{}, margin {} %", name(&kind), margin * 100.0),
                &kind,
                extent,
            );
        }
    }
}

fn print_fast_builds(extent: TrialExtent) {
    print_head("One step, builds of 2 s");
    for (step, noise) in [(0.02, 0.005), (0.02, 0.01), (0.02, 0.02), (0.05, 0.02)] {
        let kind = HistoryKind {
            build_seconds: 2.0,
            ..HistoryKind::single(128, step, noise)
        };
        print_row(&name(&kind), &kind, extent);
    }
}
