//! The nesting of rows where a table does not state it, guessed from names, times and allocations.
//!
//! A guess needs a shared name, a time that fits on both sides, and one thing more: a name that
//! means "loop inside", or figures that are close to those of the other row in time and
//! allocations, before and after. Phases of the same thing that merely take less time (`Creation`
//! beside `Inference`) stay beside it.

use super::box_index::{BoxIndex, CoordinateRange};
use super::claims::ClaimedRow;
use super::figure::Figure;
use super::names;
use std::cmp::Ordering;
use std::collections::HashMap;

/// Factor by which a row that is only a frame around another one may exceed it in every figure.
const FRAME: f64 = 1.05;

/// One guess about a nesting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NestingGuess {
    pub(crate) inner: usize,
    pub(crate) outer: usize,
    pub(crate) why: NestingReason,
}

/// Reason for a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NestingReason {
    /// The row is a loop, and belongs to the smallest size of its kernel that it fits into.
    Loop,
    /// The rows have the same prefix, and nearly the same time and allocations on both sides.
    Frame,
}

/// Guesses the parents of all rows and enters them.
pub(crate) fn infer_parents(rows: &mut [ClaimedRow]) -> Vec<NestingGuess> {
    let found = ParentCandidates::of(rows).guess_all();
    for guess in &found {
        rows[guess.inner].parent = Some(guess.outer);
    }
    found
}

/// Rows by the properties that they have to share with a row inside them, so that each row is
/// compared only with those.
struct ParentCandidates<'a> {
    rows: &'a [ClaimedRow],
    /// Rows with both times of each family, the shortest first.
    families: HashMap<&'a str, Vec<usize>>,
    frames: HashMap<FrameKey<'a>, FrameGroup>,
}

/// The prefix of a name, and whether the row has allocations before and after.
type FrameKey<'a> = (&'a str, bool, bool);

/// Rows that may be frames around each other, the shortest first, and the ranges of their four
/// figures.
struct FrameGroup {
    order: Vec<usize>,
    index: BoxIndex<8>,
}

impl<'a> ParentCandidates<'a> {
    fn of(rows: &'a [ClaimedRow]) -> Self {
        let mut families: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut frames: HashMap<FrameKey, Vec<usize>> = HashMap::new();
        let mut all: Vec<usize> = (0..rows.len())
            .filter(|index| rows[*index].both_times().is_some())
            .collect();
        all.sort_by(|one, other| compare_by_time(rows, *one, *other));
        for index in all {
            if let Some(family) = &rows[index].family {
                families.entry(&family.group).or_default().push(index);
            }
            if let Some(key) = frame_key(&rows[index]) {
                frames.entry(key).or_default().push(index);
            }
        }
        let indexed = |(key, order): (FrameKey<'a>, Vec<usize>)| {
            let points: Vec<[f64; 8]> = order.iter().map(|index| reaches(&rows[*index])).collect();
            (
                key,
                FrameGroup {
                    index: BoxIndex::new(&points),
                    order,
                },
            )
        };
        Self {
            rows,
            families,
            frames: frames.into_iter().map(indexed).collect(),
        }
    }

    fn guess_all(&self) -> Vec<NestingGuess> {
        (0..self.rows.len())
            .filter_map(|inner| self.guess_parent(inner))
            .collect()
    }

    fn guess_parent(&self, inner: usize) -> Option<NestingGuess> {
        self.rows[inner].both_times()?;
        let of_loop = self
            .find_loop_around(inner)
            .map(|outer| (outer, NestingReason::Loop));
        let (outer, why) = of_loop.or_else(|| {
            self.find_frame_around(inner)
                .map(|outer| (outer, NestingReason::Frame))
        })?;
        Some(NestingGuess { inner, outer, why })
    }

    /// Returns the shortest row of the loop's kernel that may contain the loop.
    fn find_loop_around(&self, inner: usize) -> Option<usize> {
        let shared = names::loop_of(&self.rows[inner].name)?;
        let family = self.families.get(format!("{shared}_*").as_str())?;
        let longer = family.partition_point(|outer| {
            compare_by_time(self.rows, *outer, inner) != Ordering::Greater
        });
        family[longer..]
            .iter()
            .copied()
            .find(|outer| fits_into(&self.rows[inner], &self.rows[*outer]))
    }

    /// Returns the shortest row that may be only a frame around another one.
    fn find_frame_around(&self, inner: usize) -> Option<usize> {
        let row = &self.rows[inner];
        let FrameGroup { order: all, index } = self.frames.get(&frame_key(row)?)?;
        let longer = all.partition_point(|outer| {
            compare_by_time(self.rows, *outer, inner) != Ordering::Greater
        });
        let own = reaches(row);
        // Lows and highs alternate. A low that is too large, or a high that is too small, excludes
        // all points of a box.
        let may = |ranges: &[CoordinateRange; 8]| {
            (0..4).all(|figure| own[2 * figure + 1] * FRAME >= ranges[2 * figure][0])
                && (0..4).all(|figure| own[2 * figure] <= ranges[2 * figure + 1][1])
        };
        let holds = |at: usize| {
            fits_into(row, &self.rows[all[at]]) && is_framed_by(row, &self.rows[all[at]])
        };
        index
            .find_first(longer..all.len(), may, holds)
            .map(|at| all[at])
    }
}

/// Returns the properties that two rows share if one may be a frame around the other. A row with a
/// size has none: another size is another measurement, however similar.
fn frame_key(row: &ClaimedRow) -> Option<FrameKey<'_>> {
    let (prefix, last) = row.name.rsplit_once('_')?;
    names::parse_family(last).is_none().then_some((
        prefix,
        row.memory_before.is_some(),
        row.memory_after.is_some(),
    ))
}

/// Returns the low and high of both times and both allocations; 0 for a missing figure.
fn reaches(row: &ClaimedRow) -> [f64; 8] {
    let ends = |figure: &Option<Figure>| {
        figure
            .as_ref()
            .map_or([0.0; 2], |figure| [figure.reach.low, figure.reach.high])
    };
    let [a, b, c, d] = [
        &row.before,
        &row.after,
        &row.memory_before,
        &row.memory_after,
    ]
    .map(ends);
    [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
}

/// Orders rows strictly by time, so that no two rows can be part of each other. Of equal rows, the
/// first counts as the longer.
fn compare_by_time(rows: &[ClaimedRow], one: usize, other: usize) -> Ordering {
    let value = |figure: &Option<Figure>| figure.as_ref().map_or(0.0, |figure| figure.value);
    let by = |of: fn(&ClaimedRow) -> &Option<Figure>| {
        value(of(&rows[one])).total_cmp(&value(of(&rows[other])))
    };
    by(|row| &row.before)
        .then_with(|| by(|row| &row.after))
        .then_with(|| other.cmp(&one))
}

/// Returns whether a row's times can be part of another row's times.
fn fits_into(inner: &ClaimedRow, outer: &ClaimedRow) -> bool {
    let (Some((before, after)), Some((outer_before, outer_after))) =
        (inner.both_times(), outer.both_times())
    else {
        return false;
    };
    !outer_before.reach.is_below(before.reach) && !outer_after.reach.is_below(after.reach)
}

/// Returns whether the figures of rows with one key are those of a row and a frame around it.
fn is_framed_by(inner: &ClaimedRow, outer: &ClaimedRow) -> bool {
    let near = |of: fn(&ClaimedRow) -> &Option<Figure>| match (of(inner), of(outer)) {
        (Some(inner), Some(outer)) => {
            inner.reach.high * FRAME >= outer.reach.low && inner.reach.low <= outer.reach.high
        }
        (None, None) => true,
        _ => false,
    };
    near(|row| &row.before)
        && near(|row| &row.after)
        && near(|row| &row.memory_before)
        && near(|row| &row.memory_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the parents found among rows of name, times and allocations, as a table prints them;
    /// by name.
    fn parents(table: &[(&str, [&str; 4])]) -> Vec<(String, String)> {
        let figure = |text: &str| Some(Figure::parse(text).unwrap().of_amount());
        let mut rows: Vec<ClaimedRow> = table
            .iter()
            .map(
                |(name, [before, after, memory_before, memory_after])| ClaimedRow {
                    before: figure(before),
                    after: figure(after),
                    memory_before: figure(memory_before),
                    memory_after: figure(memory_after),
                    ..ClaimedRow::named(name)
                },
            )
            .collect();
        let name = |index: usize| table[index].0.to_owned();
        infer_parents(&mut rows)
            .iter()
            .map(|guess| (name(guess.inner), name(guess.outer)))
            .collect()
    }

    fn pair(inner: &str, outer: &str) -> (String, String) {
        (inner.to_owned(), outer.to_owned())
    }

    #[test]
    fn frames_form_a_chain_and_phases_stay_beside_each_other() {
        let found = parents(&[
            ("Net_Forward", ["100.1", "90.0", "5.00", "4.00"]),
            ("Net_Whole", ["100.3", "90.2", "5.01", "4.00"]),
            ("Net_Token", ["100.2", "90.1", "5.00", "4.00"]),
            ("Net_Creation", ["10.0", "9.0", "1.00", "1.00"]),
            ("Net_Save", ["99.0", "89.5", "0.10", "0.10"]),
        ]);
        assert_eq!(
            found,
            [
                pair("Net_Forward", "Net_Token"),
                pair("Net_Token", "Net_Whole")
            ]
        );
    }

    #[test]
    fn loop_belongs_to_the_smallest_size_that_it_fits_into_on_both_sides() {
        let sizes = [
            ("Sort_10", ["1.0", "1.0", "0", "0"]),
            ("Sort_100", ["9.0", "2.0", "0", "0"]),
            ("Sort_1000", ["20.0", "20.0", "0", "0"]),
        ];
        let with = |before, after| {
            let mut table = sizes.to_vec();
            table.push(("Sort_Iteration", [before, after, "0", "0"]));
            parents(&table)
        };
        assert_eq!(with("8.0", "1.9"), [pair("Sort_Iteration", "Sort_100")]);
        assert_eq!(
            with("8.0", "3.0"),
            [pair("Sort_Iteration", "Sort_1000")],
            "it does not fit into 100 after"
        );
        assert_eq!(with("30.0", "1.0"), [], "it fits nowhere");
    }

    #[test]
    fn sizes_of_equal_cost_are_not_nested_and_equal_rows_not_mutually() {
        assert_eq!(
            parents(&[
                ("K_64", ["5.0", "5.0", "0", "0"]),
                ("K_128", ["5.0", "5.0", "0", "0"])
            ]),
            []
        );
        let same = parents(&[
            ("M_Outer", ["5.0", "5.0", "1", "1"]),
            ("M_Inner", ["5.0", "5.0", "1", "1"]),
        ]);
        assert_eq!(same, [pair("M_Inner", "M_Outer")]);
        assert_eq!(parents(&[("Alone", ["5.0", "5.0", "1", "1"])]), []);
    }

    #[test]
    fn nesting_compares_rows_with_few_others() {
        // The longer one side is, the shorter is the other one. So no row is inside another one,
        // although all share a prefix.
        const ROWS: u32 = 20_000;
        let row = |index: u32| {
            let time = |ms: u32| Some(Figure::exact(f64::from(ms) * 1e-6, String::new()));
            ClaimedRow {
                before: time(100_000_000 + index),
                after: time(100_000_000 + ROWS - index),
                ..ClaimedRow::named(&format!("Net_p{index}"))
            }
        };
        let rows: Vec<ClaimedRow> = (0..ROWS).map(row).collect();
        let candidates = ParentCandidates::of(&rows);
        assert_eq!(candidates.guess_all(), []);
        let looks: usize = candidates
            .frames
            .values()
            .map(|frames| frames.index.looks())
            .sum();
        assert!((1..60 * rows.len()).contains(&looks), "{looks}");
        let mut rows = rows;
        rows.iter_mut()
            .for_each(|row| row.after = row.before.clone());
        let candidates = ParentCandidates::of(&rows);
        assert_eq!(candidates.guess_all().len(), rows.len() - 1, "a chain");
        let looks: usize = candidates
            .frames
            .values()
            .map(|frames| frames.index.looks())
            .sum();
        assert!((1..60 * rows.len()).contains(&looks), "{looks}");
    }
}
