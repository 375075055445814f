//! Scopes in classes by the size of their own time or bytes.

use crate::record::{JobRecord, ScopeRecord};
use serde::Serialize;

/// Lower ends of the classes of times in nanoseconds, and of bytes.
const TIMES: [f64; 6] = [1e9, 1e8, 1e7, 1e6, 1e3, 0.0];
const BYTES: [f64; 5] = [1_073_741_824.0, 1_048_576.0, 1024.0, 1.0, 0.0];

/// Scopes of about one size.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct SizeClass {
    /// Range of the class: `1.00 ms to 10.0 ms`.
    range: String,
    scopes: usize,
    /// Sum of the sizes, and its share of the sum of all classes.
    sum: f64,
    share: f64,
    text: SizeClassText,
}

/// The cells of a class.
#[derive(Debug, PartialEq, Serialize)]
struct SizeClassText {
    sum: String,
    share: String,
}

/// Kind of the sizes that are classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassedSize {
    Times,
    Bytes,
}

/// Puts sizes into classes, the largest first. Empty classes are left out.
pub(super) fn classify(
    kind: ClassedSize,
    sizes: impl Iterator<Item = f64>,
    form: fn(f64) -> String,
) -> Vec<SizeClass> {
    let lower_ends: &[f64] = match kind {
        ClassedSize::Times => &TIMES,
        ClassedSize::Bytes => &BYTES,
    };
    let mut classes = vec![(0_usize, 0.0); lower_ends.len()];
    for size in sizes {
        let class = lower_ends.iter().position(|end| size >= *end);
        let class = class.unwrap_or(lower_ends.len() - 1);
        classes[class].0 += 1;
        classes[class].1 += size;
    }
    let whole: f64 = classes.iter().map(|(_, sum)| sum).sum();
    let range = |index: usize| match (index.checked_sub(1), lower_ends[index]) {
        (None, low) => format!("{} or more", form(low)),
        (Some(above), 0.0) if lower_ends[above] <= 1.0 => form(0.0),
        (Some(above), 0.0) => format!("less than {}", form(lower_ends[above])),
        (Some(above), low) => format!("{} to {}", form(low), form(lower_ends[above])),
    };
    classes
        .iter()
        .enumerate()
        .filter(|(_, (scopes, _))| *scopes > 0)
        .map(|(index, (scopes, sum))| {
            let share = if whole > 0.0 { sum / whole } else { 0.0 };
            SizeClass {
                range: range(index),
                scopes: *scopes,
                sum: *sum,
                share,
                text: SizeClassText {
                    sum: form(*sum),
                    share: orch_core::format::percent(share),
                },
            }
        })
        .collect()
}

/// Returns the time that each place in the tree of a job takes itself, per iteration.
pub(super) fn own_times(job: &JobRecord) -> Vec<f64> {
    own(job, |scope| scope.self_ns)
}

/// Returns the bytes that each place in the tree of a job allocates itself, per iteration.
pub(super) fn own_bytes(job: &JobRecord) -> Vec<f64> {
    own(job, |scope| {
        let inside: u64 = scope
            .children
            .iter()
            .map(|child| child.bytes)
            .fold(0, u64::saturating_add);
        scope.bytes.saturating_sub(inside)
    })
}

fn own(job: &JobRecord, quantity: fn(&ScopeRecord) -> u64) -> Vec<f64> {
    let mut all = Vec::new();
    if let Some(profile) = &job.profile {
        let drivers = job.scopes.iter().filter(|scope| scope.is_on_driver());
        let iterations = profile.iterations.max(1) as f64;
        drivers.for_each(|scope| gather(scope, iterations, quantity, &mut all));
    }
    all
}

fn gather(
    scope: &ScopeRecord,
    iterations: f64,
    quantity: fn(&ScopeRecord) -> u64,
    all: &mut Vec<f64>,
) {
    all.push(quantity(scope) as f64 / iterations);
    for child in &scope.children {
        gather(child, iterations, quantity, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_core::format;

    #[test]
    fn sizes_are_in_the_class_of_their_range() {
        let sizes = [5e6, 1e6, 9.99e5, 2e10, 3.0];
        let classes = classify(ClassedSize::Times, sizes.into_iter(), format::time);
        let found: Vec<(&str, usize)> = classes
            .iter()
            .map(|class| (class.range.as_str(), class.scopes))
            .collect();
        assert_eq!(
            found,
            [
                ("1 s or more", 1),
                ("1 ms to 10 ms", 2),
                ("1 µs to 1 ms", 1),
                ("less than 1 µs", 1),
            ]
        );
        let share: f64 = classes.iter().map(|class| class.share).sum();
        assert!((share - 1.0).abs() < 1e-12);
    }

    #[test]
    fn scopes_without_bytes_have_a_class_of_their_own() {
        let classes = classify(
            ClassedSize::Bytes,
            [0.0, 0.0, 512.0].into_iter(),
            format::bytes,
        );
        let found: Vec<(&str, &str)> = classes
            .iter()
            .map(|class| (class.range.as_str(), class.text.share.as_str()))
            .collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, "100 %");
        assert_eq!(found[1].0, format::bytes(0.0));
    }
}
