//! Figures that were computed once more, and those that differ from the stored ones.

use std::fmt::{self, Display};

/// Relative difference up to which two figures are the same: the last digit of a number may change
/// on its way through a file.
const SAME: f64 = 1e-9;

/// A stored figure or verdict that does not follow from what is stored with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FigureDifference {
    /// Job and metric, or another part of the result.
    pub(crate) place: String,
    /// Name of the field in the file.
    pub(crate) field: &'static str,
    pub(crate) stored: String,
    pub(crate) computed: String,
}

impl Display for FigureDifference {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "{}: {} is {}, but {} follows from the stored measurements",
            self.place, self.field, self.stored, self.computed
        )
    }
}

/// What was computed once more.
#[derive(Debug, Default)]
pub(crate) struct FigureCheck {
    /// Numbers that were compared.
    pub(crate) figures: usize,
    pub(crate) verdicts: usize,
    /// Samples from which they follow.
    pub(crate) samples: usize,
    /// Pairs of processes from which they follow.
    pub(crate) pairs: usize,
    pub(crate) differences: Vec<FigureDifference>,
}

impl FigureCheck {
    /// Compares a number with the stored one. A number that does not exist is `None`.
    pub(super) fn compare_figures(
        &mut self,
        place: &str,
        field: &'static str,
        stored: Option<f64>,
        computed: Option<f64>,
    ) {
        self.figures += 1;
        let is_same = match (stored, computed) {
            (Some(stored), Some(computed)) => {
                let largest = stored.abs().max(computed.abs());
                (stored - computed).abs() <= SAME * largest
            }
            (stored, computed) => stored.is_none() == computed.is_none(),
        };
        if !is_same {
            let show = |number: Option<f64>| {
                number.map_or_else(|| "none".to_owned(), |number| number.to_string())
            };
            self.add_difference(place, field, show(stored), show(computed));
        }
    }

    /// Compares a word, such as a verdict, with the stored one.
    pub(super) fn compare_verdicts(
        &mut self,
        place: &str,
        field: &'static str,
        stored: &str,
        computed: &str,
    ) {
        self.verdicts += 1;
        if stored != computed {
            self.add_difference(place, field, stored.to_owned(), computed.to_owned());
        }
    }

    fn add_difference(
        &mut self,
        place: &str,
        field: &'static str,
        stored: String,
        computed: String,
    ) {
        self.differences.push(FigureDifference {
            place: place.to_owned(),
            field,
            stored,
            computed,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_up_to_their_last_digits() {
        let mut check = FigureCheck::default();
        for (stored, computed, is_same) in [
            (Some(1.0), Some(1.0 + 1e-12), true),
            (Some(1.0), Some(1.0 + 1e-6), false),
            (Some(0.0), Some(0.0), true),
            (Some(0.0), Some(1e-12), false),
            (None, None, true),
            (None, Some(1.0), false),
            (Some(f64::NAN), Some(1.0), false),
        ] {
            let before = check.differences.len();
            check.compare_figures("job, time", "change", stored, computed);
            let differs = check.differences.len() > before;
            assert_eq!(differs, !is_same, "{stored:?} {computed:?}");
        }
        assert_eq!(check.figures, 7);
        check.compare_verdicts("job, time", "verdict", "regressed", "equivalent");
        assert_eq!(
            check.differences.last().expect("one").to_string(),
            "job, time: verdict is regressed, but equivalent follows from the stored measurements"
        );
    }
}
