//! Rules over rows in an order: more work in less time, the same work in a different time, words
//! that do not match the numbers.
//!
//! For each row, each rule searches one partner through an index of all rows. No rule compares
//! every row with every other.

use super::box_index::{BoxIndex, CoordinateRange};
use super::claims::{self, ClaimSide, ClaimedRow, Claims, SIDES};
use super::figure::{Figure, FigureRange};
use super::misleading::{SizedMember, list_families};
use super::names::{self, SizeFamily};
use super::rules::FoundContradiction;
use indexmap::{IndexMap, IndexSet};
use orch_core::format;
use std::collections::HashMap;

/// Factor that cache state and the cost of single instructions cannot explain for one pass over the
/// same bytes.
const SAME_TRAFFIC: f64 = 4.0;
/// Most rows with one traffic that are compared in pairs. Of more rows, each is compared with the
/// shortest one only.
const MOST_PAIRED: usize = 20;

/// The error in a family: the names of its rows, and a text for each side.
#[derive(Default)]
struct InvertedFamily {
    names: IndexSet<String>,
    texts: Vec<String>,
}

/// Finds families in which a larger size takes less time.
pub(super) fn find_more_work_less_time(claims: &Claims) -> Vec<FoundContradiction> {
    let mut found: IndexMap<String, InvertedFamily> = IndexMap::new();
    for side in SIDES {
        for members in list_families(claims, side) {
            let part = list_inverted(&members);
            let Some(family) = part.first().and_then(|(_, row, _)| row.family.as_ref()) else {
                continue;
            };
            let times: Vec<String> = part
                .iter()
                .map(|(_, row, time)| format!("{} {}", row.name, claims.printed(time)))
                .collect();
            let known = found.entry(family.group.clone()).or_default();
            known
                .names
                .extend(part.iter().map(|(_, row, _)| row.name.clone()));
            known
                .texts
                .push(format!("{}{}", format::listed(&times), side.label()));
        }
    }
    let message = |texts: Vec<String>| {
        format!(
            "more work in less time: {}: first-call cost or noise, not the kernel",
            texts.join("; ")
        )
    };
    found
        .into_values()
        .map(|one| FoundContradiction::new(one.names.into_iter().collect(), message(one.texts)))
        .collect()
}

/// Returns the members of a family for which a member with less work took longer, or a member with
/// more work took less time.
fn list_inverted<'a, 'b>(members: &'b [SizedMember<'a>]) -> Vec<&'b SizedMember<'a>> {
    // Only shapes with the same number of lengths are compared.
    let mut shapes: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, (_, row, _)) in members.iter().enumerate() {
        if let Some(family) = &row.family {
            shapes.entry(family.lengths.len()).or_default().push(at);
        }
    }
    let mut found: Vec<usize> = Vec::new();
    for at in shapes.into_values() {
        let sizes = SizeIndex::new(at.iter().map(|at| &members[*at]).collect());
        found.extend(
            at.iter()
                .copied()
                .filter(|at| sizes.is_inverted(&members[*at])),
        );
    }
    found.sort_unstable();
    found.into_iter().map(|at| &members[at]).collect()
}

/// Number of lengths that the index uses to skip members. The final comparison uses all lengths of
/// a shape.
const INDEXED_LENGTHS: usize = 3;

/// Members with the same number of lengths, found by lengths and time.
struct SizeIndex<'a, 'b> {
    members: Vec<&'b SizedMember<'a>>,
    /// Three lengths, and low and high of the time.
    index: BoxIndex<5>,
}

impl<'a, 'b> SizeIndex<'a, 'b> {
    fn new(mut members: Vec<&'b SizedMember<'a>>) -> Self {
        members.sort_by(|one, other| {
            lengths(one)
                .partial_cmp(lengths(other))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let point = |member: &&SizedMember| {
            let length = |axis: usize| lengths(member).get(axis).copied().unwrap_or_default();
            [
                length(0),
                length(1),
                length(2),
                member.2.reach.low,
                member.2.reach.high,
            ]
        };
        let points: Vec<[f64; 5]> = members.iter().map(point).collect();
        Self {
            members,
            index: BoxIndex::new(&points),
        }
    }

    fn is_inverted(&self, member: &SizedMember) -> bool {
        let (_, row, time) = member;
        let own = |axis: usize| lengths(member).get(axis).copied().unwrap_or_default();
        let is_same = |ranges: &[CoordinateRange; 5]| {
            lengths(member).len() <= INDEXED_LENGTHS
                && (0..INDEXED_LENGTHS).all(|axis| ranges[axis] == [own(axis); 2])
        };
        let shorter = |ranges: &[CoordinateRange; 5]| {
            !is_same(ranges)
                && (0..INDEXED_LENGTHS).all(|axis| ranges[axis][1] >= own(axis))
                && FigureRange::exact(ranges[4][0]).is_below(time.reach)
        };
        let longer = |ranges: &[CoordinateRange; 5]| {
            !is_same(ranges)
                && (0..INDEXED_LENGTHS).all(|axis| ranges[axis][0] <= own(axis))
                && time.reach.is_below(FigureRange::exact(ranges[3][1]))
        };
        let all = 0..self.members.len();
        let is_shorter = |at: usize| {
            let (_, other, than) = self.members[at];
            is_smaller(row, other) && than.reach.is_below(time.reach)
        };
        let is_longer = |at: usize| {
            let (_, other, than) = self.members[at];
            is_smaller(other, row) && time.reach.is_below(than.reach)
        };
        self.index
            .find_first(all.clone(), shorter, is_shorter)
            .is_some()
            || self.index.find_first(all, longer, is_longer).is_some()
    }
}

fn lengths<'a>(member: &SizedMember<'a>) -> &'a [f64] {
    member
        .1
        .family
        .as_ref()
        .map_or(&[], |family| &family.lengths)
}

fn is_smaller(one: &ClaimedRow, other: &ClaimedRow) -> bool {
    let families: Option<(&SizeFamily, &SizeFamily)> =
        one.family.as_ref().zip(other.family.as_ref());
    families.is_some_and(|(one, other)| one.is_smaller_than(other))
}

/// Finds pairs of passes over the same bytes of which one takes several times as long as the other.
pub(super) fn find_same_traffic(claims: &Claims) -> Vec<FoundContradiction> {
    let mut kernels: IndexMap<(String, u64), Vec<(usize, &ClaimedRow)>> = IndexMap::new();
    for (at, row) in claims.rows.iter().enumerate() {
        let Some(family) = &row.family else { continue };
        let Some(kind) = names::traffic(&family.group) else {
            continue;
        };
        kernels
            .entry((kind, family.size().to_bits()))
            .or_default()
            .push((at, row));
    }
    let mut found: Vec<(usize, FoundContradiction)> = Vec::new();
    for rows in kernels.values() {
        if rows.len() > MOST_PAIRED {
            found.extend(
                SIDES
                    .into_iter()
                    .flat_map(|side| compare_with_shortest(claims, rows, side)),
            );
            continue;
        }
        for (index, (at, one)) in rows.iter().enumerate() {
            for (_, other) in &rows[index + 1..] {
                let of_side =
                    |side: ClaimSide| Some((*at, describe_apart(claims, one, other, side)?));
                found.extend(SIDES.into_iter().filter_map(of_side));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, found)| found).collect()
}

/// Compares each row with the one of least time that is not zero.
fn compare_with_shortest(
    claims: &Claims,
    rows: &[(usize, &ClaimedRow)],
    side: ClaimSide,
) -> Vec<(usize, FoundContradiction)> {
    let value = |row: &ClaimedRow| {
        row.time_of_one(side)
            .map(|time| time.value)
            .filter(|value| *value > 0.0)
    };
    let timed = rows.iter().filter_map(|(_, row)| Some((*row, value(row)?)));
    let Some((shortest, _)) = timed.min_by(|one, other| one.1.total_cmp(&other.1)) else {
        return Vec::new();
    };
    rows.iter()
        .filter_map(|(at, row)| Some((*at, describe_apart(claims, shortest, row, side)?)))
        .collect()
}

/// Returns a finding if the times of two rows of one traffic differ on a side by more than cache
/// state and single instructions explain.
fn describe_apart(
    claims: &Claims,
    one: &ClaimedRow,
    other: &ClaimedRow,
    side: ClaimSide,
) -> Option<FoundContradiction> {
    let (a, b) = (one.time_of_one(side)?, other.time_of_one(side)?);
    let (slow, long, fast, short) = if a.value > b.value {
        (one, a, other, b)
    } else {
        (other, b, one, a)
    };
    // Another rule reports a printed zero.
    let is_apart = short.value > 0.0
        && long
            .reach
            .over(short.reach)
            .is_some_and(|ratio| ratio.low > SAME_TRAFFIC);
    is_apart.then(|| {
        let message = format!(
            "{} took {}, {} {}{}: both read and write the same bytes, but the times differ by a \
             factor of {:.0}",
            slow.name,
            claims.printed(long),
            fast.name,
            claims.printed(short),
            side.label(),
            long.value / short.value
        );
        FoundContradiction::new(vec![slow.name.clone(), fast.name.clone()], message)
    })
}

/// Finds words for changes that do not follow the size of the change.
pub(super) fn find_two_words(claims: &Claims) -> Vec<FoundContradiction> {
    let mut found = Vec::new();
    for sign in [1.0, -1.0] {
        let mut worded: Vec<WordedChange> = claims
            .rows
            .iter()
            .filter_map(|row| Some((row, row.percent.as_ref()?, row.status.as_deref()?)))
            .filter(|(_, percent, _)| percent.value * sign > 0.0)
            .collect();
        worded.sort_by(|one, other| (one.1.value * sign).total_cmp(&(other.1.value * sign)));
        let Some(rows) = find_interleaved(&worded) else {
            continue;
        };
        let texts: Vec<String> = rows
            .iter()
            .map(|(row, percent, word)| format!("{} {} % is {word}", row.name, percent.printed))
            .collect();
        let message = format!(
            "the reported statuses do not follow the numbers: {}",
            claims::listed(&texts)
        );
        found.push(FoundContradiction::new(
            rows.iter().map(|(row, _, _)| row.name.clone()).collect(),
            message,
        ));
    }
    found
}

/// A row, its claimed change and the word for it.
type WordedChange<'a> = (&'a ClaimedRow, &'a Figure, &'a str);

/// Returns two equal changes with different words, or three changes of which the middle one has a
/// different word than the two around it.
fn find_interleaved<'a>(worded: &[WordedChange<'a>]) -> Option<Vec<WordedChange<'a>>> {
    let equal = worded
        .windows(2)
        .find(|two| two[0].1.value == two[1].1.value && two[0].2 != two[1].2);
    if let Some(two) = equal {
        return Some(two.to_vec());
    }
    let words = WordIndex::new(worded);
    (0..worded.len()).find_map(|middle| {
        let low = words.other_before(middle)?;
        let high = words.same_after(middle, worded[low].2)?;
        Some(vec![worded[low], worded[middle], worded[high]])
    })
}

/// Changes with their words, in order, found by word and reach.
struct WordIndex<'a, 'b> {
    worded: &'b [WordedChange<'a>],
    /// Number of the word, and low and high of the change.
    index: BoxIndex<3>,
    numbers: HashMap<&'a str, usize>,
    /// Places of each word, with the reach of its changes.
    places: HashMap<&'a str, (Vec<usize>, BoxIndex<2>)>,
}

impl<'a, 'b> WordIndex<'a, 'b> {
    fn new(worded: &'b [WordedChange<'a>]) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut by_word: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut points: Vec<[f64; 3]> = Vec::new();
        for (at, (_, percent, word)) in worded.iter().enumerate() {
            let count = numbers.len();
            let number = *numbers.entry(word).or_insert(count);
            by_word.entry(word).or_default().push(at);
            points.push([number as f64, percent.reach.low, percent.reach.high]);
        }
        let indexed = |(word, places): (&'a str, Vec<usize>)| {
            let points: Vec<[f64; 2]> = places
                .iter()
                .map(|at| [points[*at][1], points[*at][2]])
                .collect();
            (word, (places, BoxIndex::new(&points)))
        };
        let places = by_word.into_iter().map(indexed).collect();
        Self {
            worded,
            index: BoxIndex::new(&points),
            numbers,
            places,
        }
    }

    /// Returns the first change before a place that lies apart from it and has another word.
    fn other_before(&self, middle: usize) -> Option<usize> {
        let (_, percent, word) = self.worded[middle];
        let number = *self.numbers.get(word)? as f64;
        let may = |[words, low, high]: &[CoordinateRange; 3]| {
            *words != [number; 2] && may_lie_apart(*low, *high, percent.reach)
        };
        let is = |at: usize| {
            self.worded[at].2 != word && self.worded[at].1.reach.is_apart(percent.reach)
        };
        self.index.find_first(0..middle, may, is)
    }

    /// Returns the first change from a place on that lies apart from it and has a certain word.
    fn same_after(&self, middle: usize, word: &str) -> Option<usize> {
        let reach = self.worded[middle].1.reach;
        let (places, index) = self.places.get(word)?;
        let from = places.partition_point(|at| *at < middle);
        let may = |[low, high]: &[CoordinateRange; 2]| may_lie_apart(*low, *high, reach);
        let is = |at: usize| self.worded[places[at]].1.reach.is_apart(reach);
        index
            .find_first(from..places.len(), may, is)
            .map(|at| places[at])
    }
}

/// Returns whether one of the intervals with these lows and highs may lie apart from another one.
fn may_lie_apart(low: CoordinateRange, high: CoordinateRange, reach: FigureRange) -> bool {
    FigureRange::exact(high[0]).is_below(reach) || reach.is_below(FigureRange::exact(low[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn worded_rows(changes: &[(i32, u8)]) -> Vec<ClaimedRow> {
        let row = |(index, (tenths, word)): (usize, &(i32, u8))| ClaimedRow {
            percent: Figure::parse(&format!("{}.{}", tenths / 10, tenths % 10)).ok(),
            status: Some(format!("word {word}")),
            ..ClaimedRow::named(&format!("row {index}"))
        };
        changes.iter().enumerate().map(row).collect()
    }

    fn sized_rows(sizes: &[([u32; 2], u32)]) -> Vec<ClaimedRow> {
        let row = |([m, n], ns): &([u32; 2], u32)| ClaimedRow {
            before: Some(Figure::exact(f64::from(*ns), String::new())),
            ..ClaimedRow::named(&format!("Kernel_{m}x{n}"))
        };
        sizes.iter().map(row).collect()
    }

    fn members(rows: &[ClaimedRow]) -> Vec<SizedMember<'_>> {
        let size = |row: &ClaimedRow| row.family.as_ref().map_or(0.0, SizeFamily::size);
        rows.iter()
            .filter_map(|row| Some((size(row), row, row.before.as_ref()?)))
            .collect()
    }

    proptest! {
        #[test]
        fn words_are_found_as_by_a_scan(
            changes in prop::collection::vec((1i32..60, 0u8..3), 0..30),
        ) {
            let rows = worded_rows(&changes);
            let mut worded: Vec<WordedChange> = rows
                .iter()
                .filter_map(|row| Some((row, row.percent.as_ref()?, row.status.as_deref()?)))
                .collect();
            worded.sort_by(|one, other| one.1.value.total_cmp(&other.1.value));
            worded.dedup_by(|one, other| one.1.value == other.1.value);
            let apart =
                |one: &WordedChange, other: &WordedChange| one.1.reach.is_apart(other.1.reach);
            let plain = worded.iter().enumerate().find_map(|(at, middle)| {
                let low = worded[..at]
                    .iter()
                    .find(|low| low.2 != middle.2 && apart(low, middle))?;
                let high = worded[at..]
                    .iter()
                    .find(|high| high.2 == low.2 && apart(high, middle))?;
                Some(
                    [low.0, middle.0, high.0]
                        .map(|row| row.name.clone())
                        .to_vec(),
                )
            });
            let found = find_interleaved(&worded)
                .map(|rows| rows.iter().map(|(row, _, _)| row.name.clone()).collect());
            prop_assert_eq!(found, plain);
        }

        #[test]
        fn inverted_sizes_are_found_as_by_a_scan(
            sizes in prop::collection::vec(([1u32..5, 1u32..5], 1u32..9), 0..30),
        ) {
            let rows = sized_rows(&sizes);
            let members = members(&rows);
            let plain: Vec<&str> = members
                .iter()
                .filter(|(_, row, time)| {
                    members.iter().any(|(_, other, than)| {
                        (is_smaller(row, other) && than.reach.is_below(time.reach))
                            || (is_smaller(other, row) && time.reach.is_below(than.reach))
                    })
                })
                .map(|(_, row, _)| row.name.as_str())
                .collect();
            let found: Vec<&str> = list_inverted(&members)
                .iter()
                .map(|(_, row, _)| row.name.as_str())
                .collect();
            prop_assert_eq!(found, plain);
        }
    }

    #[test]
    fn rules_compare_each_row_with_few_others() {
        const ROWS: i32 = 20_000;
        let worded: Vec<(i32, u8)> = (1..=ROWS)
            .map(|change| (change, u8::from(change > ROWS / 2)))
            .collect();
        let rows = worded_rows(&worded);
        let all: Vec<WordedChange> = rows
            .iter()
            .filter_map(|row| Some((row, row.percent.as_ref()?, row.status.as_deref()?)))
            .collect();
        let words = WordIndex::new(&all);
        for middle in 0..all.len() {
            let low = words.other_before(middle);
            assert_eq!(
                low.and_then(|low| words.same_after(middle, all[low].2)),
                None
            );
        }
        let looks = words.index.looks()
            + words
                .places
                .values()
                .map(|(_, index)| index.looks())
                .sum::<usize>();
        assert!((all.len()..100 * all.len()).contains(&looks), "{looks}");

        let sizes: Vec<([u32; 2], u32)> = (1..=20_000)
            .map(|size| ([size, 20_001 - size], size))
            .collect();
        let rows = sized_rows(&sizes);
        let members = members(&rows);
        let sizes = SizeIndex::new(members.iter().collect());
        assert!(
            !members.iter().any(|member| sizes.is_inverted(member)),
            "no shape is larger than another one"
        );
        assert!(
            (1..200 * members.len()).contains(&sizes.index.looks()),
            "{}",
            sizes.index.looks()
        );
    }
}
