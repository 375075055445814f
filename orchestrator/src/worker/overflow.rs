//! Counters of threads that have no recorder of their own: plugins may start new threads in every iteration.

use super::names;
use crate::protocol::Counter;
use std::sync::{Mutex, PoisonError};

const MOST: usize = 256;

/// Sums by name id; id 0 is a free place. In static memory: adding must not allocate.
static SUMS: Mutex<[(u32, f64); MOST]> = Mutex::new([(0, 0.0); MOST]);

/// Adds to a counter. Sums beyond the table's size and what is no number are left out.
pub(super) fn add(name: u32, amount: f64) {
    let mut sums = SUMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = sums.iter_mut().find(|(known, _)| *known == name || *known == 0)
        && (place.1 + amount).is_finite()
    {
        *place = (name, place.1 + amount);
    }
}

pub(super) fn forget() {
    *SUMS.lock().unwrap_or_else(PoisonError::into_inner) = [(0, 0.0); MOST];
}

pub(super) fn sums() -> Vec<Counter> {
    let sums = *SUMS.lock().unwrap_or_else(PoisonError::into_inner);
    sums.iter().filter(|(name, _)| *name != 0).map(|&(name, sum)| Counter { name: names::text(name), sum }).collect()
}
