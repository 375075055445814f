//! Owns the trial of the search on simulated histories: `cargo bench --bench bisect [-- --histories 200]`.
//!
//! Prints markdown tables. Seeds are fixed: a number changes only with the code.

mod gates;
mod large;
mod score;
mod world;

use score::{Score, ours, over, plain};
use std::time::Instant;
use world::Kind;

/// Prints one table over so many histories a row.
type Table = fn(usize);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|own| own == name).and_then(|at| arguments.get(at + 1));
    let histories = after("--histories").and_then(|number| number.parse().ok()).unwrap_or(200);
    let tables: [(&str, Table); 13] = [
        ("single", single),
        ("unbuildable", unbuildable),
        ("build-effect", build_effect),
        ("clean", clean),
        ("several", several),
        ("fast-builds", fast_builds),
        ("gates", gates::table),
        ("large", large::alone),
        ("behind", large::behind),
        ("beside", large::beside),
        ("many", large::many),
        ("unmeasured", large::unmeasured),
        ("growing", large::growing),
    ];
    let only = after("--table");
    for (name, table) in tables {
        if only.is_none_or(|only| only == name) {
            let start = Instant::now();
            table(histories);
            println!("\n{name}: {histories} histories a row, {:.0} s\n", start.elapsed().as_secs_f64());
        }
    }
}

fn head(title: &str) {
    println!("### {title}\n");
    println!("| history | search | {} |", Score::HEAD.join(" | "));
    println!("|---|---|{}", "---:|".repeat(Score::HEAD.len()));
}

fn row(name: &str, kind: &Kind, histories: usize) {
    println!("| {name} | this | {}", over(kind, histories, ours).row());
}

fn rows(name: &str, kind: &Kind, histories: usize) {
    row(name, kind, histories);
    println!("| | plain | {}", over(kind, histories, plain).row());
}

fn name(kind: &Kind) -> String {
    let steps: Vec<String> = kind.steps.iter().map(|step| size(*step)).collect();
    format!("N {}, {}, noise {} %", kind.candidates, steps.join(" "), kind.noise * 100.0)
}

/// The size of a step: a factor from a half on, in percent below.
fn size(step: f64) -> String {
    match step {
        step if step >= 0.5 => format!("x{:.1}", step.exp()),
        step if step <= -0.5 => format!("/{:.1}", (-step).exp()),
        step => format!("{:+} %", (step * 1000.0).round() / 10.0),
    }
}

const NOISES: [f64; 3] = [0.005, 0.01, 0.02];

fn single(histories: usize) {
    head("One step; tau 0.1 %, margin 1 %");
    for candidates in [16, 128, 1024] {
        for step in [0.01, 0.02, 0.05, 0.1] {
            for noise in NOISES {
                let kind = Kind::single(candidates, step, noise);
                rows(&name(&kind), &kind, histories);
            }
        }
    }
}

fn unbuildable(histories: usize) {
    head("One step, 20 % do not build");
    for candidates in [16, 128, 1024] {
        for step in [0.02, 0.05] {
            for noise in NOISES {
                let kind = Kind { dead: 0.2, ..Kind::single(candidates, step, noise) };
                rows(&name(&kind), &kind, histories);
            }
        }
    }
}

fn build_effect(histories: usize) {
    head("One step, tau 0.5 %");
    for step in [0.02, 0.05] {
        for noise in NOISES {
            let kind = Kind { tau: 0.005, ..Kind::single(128, step, noise) };
            rows(&format!("{}, tau not measured, margin 1 %", name(&kind)), &kind, histories);
            let told = Kind { told: Some(0.005), margin: 0.02, ..kind };
            row(&format!("{}, tau measured, margin 2 %", name(&told)), &told, histories);
        }
    }
}

fn clean(histories: usize) {
    head("No step");
    for noise in NOISES {
        for (tau, told, margin) in [(0.001, None, 0.01), (0.005, None, 0.01), (0.005, Some(0.005), 0.02)] {
            let kind = Kind { steps: Vec::new(), tau, told, margin, ..Kind::single(128, 0.0, noise) };
            let told = if told.is_some() { "measured" } else { "not measured" };
            let title = format!("noise {} %, tau {} % {told}, margin {} %", noise * 100.0, tau * 100.0, margin * 100.0);
            rows(&title, &kind, histories);
        }
    }
}

fn several(histories: usize) {
    head("Several steps");
    for (steps, margin) in
        [(vec![0.03, 0.02], 0.01), (vec![0.02, 0.03], 0.01), (vec![0.03, -0.02], 0.005), (vec![0.04, -0.02], 0.01)]
    {
        for noise in NOISES {
            let kind = Kind { steps: steps.clone(), margin, ..Kind::single(128, 0.0, noise) };
            row(&format!("{}, margin {} %", name(&kind), margin * 100.0), &kind, histories);
        }
    }
}

fn fast_builds(histories: usize) {
    head("One step, builds of 2 s");
    for (step, noise) in [(0.02, 0.005), (0.02, 0.01), (0.02, 0.02), (0.05, 0.02)] {
        let kind = Kind { build_seconds: 2.0, ..Kind::single(128, step, noise) };
        row(&name(&kind), &kind, histories);
    }
}
