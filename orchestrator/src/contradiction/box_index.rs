//! Owns the search for the first of many points that meets a condition, without a check of all of
//! them.
//!
//! Points lie in a fixed order. A tree over that order holds, for each part, the smallest and the
//! largest value of each coordinate. A part in which no point can meet the condition is skipped as
//! a whole.

use std::cell::Cell;
use std::ops::Range;

/// The smallest and the largest value of one coordinate.
pub(super) type CoordinateRange = [f64; 2];

/// Points of `N` coordinates in a fixed order.
pub(super) struct BoxIndex<const N: usize> {
    points: usize,
    /// Number of leaves: a power of two.
    width: usize,
    /// Node 1 is the root, and the children of node i are 2i and 2i + 1. A leaf without a point
    /// holds an empty range.
    nodes: Vec<[CoordinateRange; N]>,
    /// Number of nodes visited so far, over all searches.
    looks: Cell<usize>,
}

impl<const N: usize> BoxIndex<N> {
    pub(super) fn new(points: &[[f64; N]]) -> Self {
        const EMPTY: CoordinateRange = [f64::INFINITY, f64::NEG_INFINITY];
        let width = points.len().next_power_of_two();
        let mut nodes = vec![[EMPTY; N]; 2 * width];
        for (index, point) in points.iter().enumerate() {
            nodes[width + index] = point.map(|value| [value, value]);
        }
        for node in (1..width).rev() {
            let (one, other) = (nodes[2 * node], nodes[2 * node + 1]);
            for axis in 0..N {
                nodes[node][axis] = [
                    one[axis][0].min(other[axis][0]),
                    one[axis][1].max(other[axis][1]),
                ];
            }
        }
        Self {
            points: points.len(),
            width,
            nodes,
            looks: Cell::new(0),
        }
    }

    /// Returns the first point of a part of the order that meets a condition. `may` returns false
    /// for a box only if no point inside it can meet the condition. `is` decides about a single
    /// point, by its place in the order.
    pub(super) fn find_first(
        &self,
        within: Range<usize>,
        may: impl Fn(&[CoordinateRange; N]) -> bool,
        is: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut open = vec![(1usize, 0usize, self.width)];
        while let Some((node, begin, size)) = open.pop() {
            self.looks.set(self.looks.get() + 1);
            if begin >= within.end.min(self.points)
                || begin + size <= within.start
                || !may(&self.nodes[node])
            {
                continue;
            }
            if size > 1 {
                open.push((2 * node + 1, begin + size / 2, size / 2));
                open.push((2 * node, begin, size / 2));
            } else if is(begin) {
                return Some(begin);
            }
        }
        None
    }

    /// Returns the number of nodes that all searches so far visited.
    #[cfg(test)]
    pub(super) fn looks(&self) -> usize {
        self.looks.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn index_finds_the_same_first_point_as_a_scan(
            points in prop::collection::vec([0u8..9, 0u8..9], 0..40),
            (from, to, least, most) in (0usize..40, 0usize..44, 0u8..9, 0u8..9),
        ) {
            let points: Vec<[f64; 2]> = points
                .into_iter()
                .map(|point| point.map(f64::from))
                .collect();
            let (least, most) = (f64::from(least), f64::from(most));
            let is = |at: usize| points[at][0] >= least && points[at][1] <= most;
            let found = BoxIndex::new(&points).find_first(
                from..to,
                |[x, y]| x[1] >= least && y[0] <= most,
                is,
            );
            prop_assert_eq!(found, (from..to.min(points.len())).find(|at| is(*at)));
        }
    }

    #[test]
    fn search_without_a_result_visits_few_nodes() {
        let points: Vec<[f64; 2]> = (0..20_000)
            .map(|index| [f64::from(index), -f64::from(index)])
            .collect();
        let index = BoxIndex::new(&points);
        for at in 0..points.len() {
            let below = points[at][1];
            assert_eq!(
                index.find_first(
                    at + 1..points.len(),
                    |[_, y]| y[1] >= below,
                    |at| points[at][1] >= below
                ),
                None
            );
        }
        assert!(index.looks() < 60 * points.len(), "{}", index.looks());
    }
}
