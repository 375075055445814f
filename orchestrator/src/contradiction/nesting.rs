//! Which rows are part of which, where a table does not say it: guessed from names, times and allocations.
//!
//! A guess needs a shared name, a time that fits on both sides, and one thing more: a name that says "loop inside", or figures
//! that are nearly those of the other row in time and allocations, before and after. Phases of the same thing that
//! merely take less time (`Creation` beside `Inference`) stay beside it.

use super::claims::Row;
use super::figure::Figure;
use super::names;
use std::cmp::Ordering;

/// A row that is only a frame around another one has at most this much more of everything.
const FRAME: f64 = 1.05;

/// One guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) inner: usize,
    pub(crate) outer: usize,
    pub(crate) why: Why,
}

/// What a guess rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A loop belongs to the least size of its kernel that it fits into.
    Loop,
    /// The same prefix, and nearly the same time and allocations on both sides.
    Frame,
}

/// Guesses the parents of all rows and enters them.
pub(crate) fn infer(rows: &mut [Row]) -> Vec<Inside> {
    let found: Vec<Inside> = (0..rows.len()).filter_map(|inner| parent(rows, inner)).collect();
    for guess in &found {
        rows[guess.inner].parent = Some(guess.outer);
    }
    found
}

fn parent(rows: &[Row], inner: usize) -> Option<Inside> {
    let of_loop =
        || nearest(rows, inner, |outer| is_loop_in(&rows[inner], &rows[outer])).map(|outer| (outer, Why::Loop));
    let framed =
        || nearest(rows, inner, |outer| is_framed_by(&rows[inner], &rows[outer])).map(|outer| (outer, Why::Frame));
    let (outer, why) = of_loop().or_else(framed)?;
    Some(Inside { inner, outer, why })
}

/// The shortest of the rows that a row may be part of.
fn nearest(rows: &[Row], inner: usize, may_hold: impl Fn(usize) -> bool) -> Option<usize> {
    let longer = |outer: &usize| order(rows, *outer, inner) == Ordering::Greater;
    (0..rows.len())
        .filter(|outer| *outer != inner && fits(&rows[inner], &rows[*outer]))
        .filter(longer)
        .filter(|outer| may_hold(*outer))
        .min_by(|one, other| order(rows, *one, *other))
}

/// A strict order by time, so that no two rows can be part of each other; of equal ones the first is the longer.
fn order(rows: &[Row], one: usize, other: usize) -> Ordering {
    let value = |figure: &Option<Figure>| figure.as_ref().map_or(0.0, |figure| figure.value);
    let by = |of: fn(&Row) -> &Option<Figure>| value(of(&rows[one])).total_cmp(&value(of(&rows[other])));
    by(|row| &row.before).then_with(|| by(|row| &row.after)).then_with(|| other.cmp(&one))
}

/// Whether a row's times can be part of another's.
fn fits(inner: &Row, outer: &Row) -> bool {
    let (Some((before, after)), Some((outer_before, outer_after))) = (inner.both(), outer.both()) else { return false };
    !outer_before.reach.is_below(before.reach) && !outer_after.reach.is_below(after.reach)
}

fn is_loop_in(inner: &Row, outer: &Row) -> bool {
    let group = |row: &Row| row.family.as_ref().map(|family| family.group.clone());
    names::loop_of(&inner.name).is_some_and(|shared| group(outer) == Some(format!("{shared}_*")))
}

fn is_framed_by(inner: &Row, outer: &Row) -> bool {
    let prefix = |row: &Row| row.name.rsplit_once('_').map(|(prefix, _)| prefix.to_owned());
    // Another size is another measurement, however similar.
    let sized = |row: &Row| row.name.rsplit_once('_').is_some_and(|(_, last)| names::family(last).is_some());
    let near = |of: fn(&Row) -> &Option<Figure>| match (of(inner), of(outer)) {
        (Some(inner), Some(outer)) => {
            inner.reach.high * FRAME >= outer.reach.low && inner.reach.low <= outer.reach.high
        }
        (None, None) => true,
        _ => false,
    };
    prefix(inner).is_some()
        && prefix(inner) == prefix(outer)
        && !sized(inner)
        && !sized(outer)
        && near(|row| &row.before)
        && near(|row| &row.after)
        && near(|row| &row.memory_before)
        && near(|row| &row.memory_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of name, times and allocations, as a table prints them; the parents that are found, by name.
    fn parents(table: &[(&str, [&str; 4])]) -> Vec<(String, String)> {
        let figure = |text: &str| Some(Figure::parse(text).unwrap().of_amount());
        let mut rows: Vec<Row> = table
            .iter()
            .map(|(name, [before, after, memory_before, memory_after])| Row {
                before: figure(before),
                after: figure(after),
                memory_before: figure(memory_before),
                memory_after: figure(memory_after),
                ..Row::named(name)
            })
            .collect();
        let name = |index: usize| table[index].0.to_owned();
        infer(&mut rows).iter().map(|guess| (name(guess.inner), name(guess.outer))).collect()
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
        assert_eq!(found, [pair("Net_Forward", "Net_Token"), pair("Net_Token", "Net_Whole")]);
    }

    #[test]
    fn a_loop_belongs_to_the_least_size_that_it_fits_into_on_both_sides() {
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
        assert_eq!(with("8.0", "3.0"), [pair("Sort_Iteration", "Sort_1000")], "it does not fit into 100 after");
        assert_eq!(with("30.0", "1.0"), [], "it fits nowhere");
    }

    #[test]
    fn sizes_of_equal_cost_are_not_nested_and_equal_rows_not_mutually() {
        assert_eq!(parents(&[("K_64", ["5.0", "5.0", "0", "0"]), ("K_128", ["5.0", "5.0", "0", "0"])]), []);
        let same = parents(&[("M_Outer", ["5.0", "5.0", "1", "1"]), ("M_Inner", ["5.0", "5.0", "1", "1"])]);
        assert_eq!(same, [pair("M_Inner", "M_Outer")]);
        assert_eq!(parents(&[("Alone", ["5.0", "5.0", "1", "1"])]), []);
    }
}
