//! Owns the robust point estimates: the location of a set of numbers, and its spread.

/// Factor that turns a median absolute deviation into an estimate of the standard deviation of
/// normal data: 1/Phi^-1(3/4).
pub(crate) const MAD_TO_SIGMA: f64 = 1.4826;

/// Returns the median, in the unit of the values; `None` without values.
///
/// For an even number of values, it is the mean of the middle two, so that negating every value
/// negates the median exactly.
pub fn median(values: &[f64]) -> Option<f64> {
    median_of(&mut values.to_vec())
}

/// Returns the Hodges-Lehmann estimate of location (Hodges & Lehmann 1963), in the unit of the
/// values; `None` without values.
///
/// It is the median of the Walsh averages (x_i + x_j)/2 over i <= j. It is nearly as precise as the
/// mean on normal data, and bounded by the bulk when a few values are outliers.
pub fn hodges_lehmann(values: &[f64]) -> Option<f64> {
    let mut averages = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (i, x) in values.iter().enumerate() {
        averages.extend(values.iter().skip(i).map(|y| x / 2.0 + y / 2.0));
    }
    median_of(&mut averages)
}

/// Returns 1.4826 times the median absolute deviation from the median, in the unit of the values.
/// This is the standard deviation if the data are normal. Returns `None` without values.
pub fn mad_spread(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let mut deviations: Vec<f64> = values.iter().map(|x| (x - centre).abs()).collect();
    median_of(&mut deviations).map(|mad| MAD_TO_SIGMA * mad)
}

/// Returns the median by selection. Walsh averages are quadratic in number, so a full sort would be
/// most of the cost.
fn median_of(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    if !even {
        return Some(*upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(lower / 2.0 + *upper / 2.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn estimates_of_small_cases_are_as_computed_by_hand() {
        assert_eq!(median(&[]), None);
        assert_eq!(hodges_lehmann(&[]), None);
        assert_eq!(mad_spread(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        // The Walsh averages of 0, 1, 5 are 0, 0.5, 2.5, 1, 3, 5.
        assert_eq!(hodges_lehmann(&[0.0, 1.0, 5.0]), Some(1.75));
        assert_eq!(mad_spread(&[1.0, 2.0, 3.0, 4.0, 100.0]), Some(MAD_TO_SIGMA));
    }

    proptest! {
        #[test]
        fn median_agrees_with_sorting(mut values in prop::collection::vec(-1e3..1e3f64, 1..40)) {
            let got = median(&values).unwrap();
            values.sort_by(f64::total_cmp);
            let want = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
            prop_assert!((got - want).abs() <= 1e-12 * want.abs());
        }

        #[test]
        fn negating_the_values_negates_the_location_exactly(
            values in prop::collection::vec(-1.0..1.0f64, 1..30),
        ) {
            let negated: Vec<f64> = values.iter().map(|x| -x).collect();
            prop_assert_eq!(median(&negated), median(&values).map(|x| -x));
            prop_assert_eq!(
                hodges_lehmann(&negated),
                hodges_lehmann(&values).map(|x| -x)
            );
            prop_assert_eq!(mad_spread(&negated), mad_spread(&values));
        }

        #[test]
        fn location_lies_within_the_data(values in prop::collection::vec(-1.0..1.0f64, 1..30)) {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let location = hodges_lehmann(&values).unwrap();
            prop_assert!(low <= location && location <= high);
        }
    }
}
