//! Counters of threads without a recorder of their own. Such threads exist because plugins may
//! start new threads in every iteration.

use super::names;
use crate::measure::rounding::RoundedSum;
use crate::protocol::CounterSum;
use std::sync::{Mutex, PoisonError};

const MOST: usize = 256;

/// Sums by name id; id 0 marks a free place. They are in static memory, because adding must not
/// allocate.
static SUMS: Mutex<[(u32, RoundedSum); MOST]> = Mutex::new([(0, RoundedSum::ZERO); MOST]);

/// Adds to a counter. Sums beyond the table's size and values that are not finite are left out.
pub(super) fn add(name: u32, amount: f64) {
    let mut sums = SUMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = sums
        .iter_mut()
        .find(|(known, _)| *known == name || *known == 0)
        && place.1.add(amount)
    {
        place.0 = name;
    }
}

pub(super) fn forget() {
    *SUMS.lock().unwrap_or_else(PoisonError::into_inner) = [(0, RoundedSum::ZERO); MOST];
}

pub(super) fn sums() -> Vec<CounterSum> {
    let sums = *SUMS.lock().unwrap_or_else(PoisonError::into_inner);
    let counter = |&(name, sum): &(u32, RoundedSum)| {
        let rounding = sum.rounding();
        CounterSum {
            name: names::text(name),
            sum: sum.sum,
            rounding,
        }
    };
    sums.iter()
        .filter(|(name, _)| *name != 0)
        .map(counter)
        .collect()
}
