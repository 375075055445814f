//! Owns the limits of reports: the number of shown items of each list, and the size of a report.

use serde::Serialize;
use std::hash::Hash;

/// Most rows of a table.
pub(super) const MOST_ROWS: usize = 200;
/// Most items of a list of texts, such as warnings and findings.
pub(super) const MOST_TEXTS: usize = 50;
/// Most bytes of a report through a built-in template, whatever texts it contains.
pub(super) const MOST_BYTES: usize = 512 << 10;

/// The first items of a list, with the number of all items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ShownList<T> {
    pub(super) items: Vec<T>,
    /// Number of items that are not shown.
    pub(super) more: usize,
    /// That number in a sentence with the file that contains all items; null if no item is left
    /// out, or the list has no sentence.
    pub(super) left_out: Option<String>,
}

impl<T> ShownList<T> {
    /// Returns a list of the first `most` items.
    pub(super) fn first(most: usize, all: impl IntoIterator<Item = T>) -> Self {
        let mut all = all.into_iter();
        let items = all.by_ref().take(most).collect();
        Self {
            items,
            more: all.count(),
            left_out: None,
        }
    }

    /// Adds a sentence about the items that are not shown. `what` is one item in a word.
    pub(super) fn counting(self, what: &str, file: &str) -> Self {
        let are = if self.more == 1 { " is" } else { "s are" };
        let left_out = format!("{} more {what}{are} in {file}", self.more);
        Self {
            left_out: (self.more > 0).then_some(left_out),
            ..self
        }
    }

    /// Converts each shown item.
    pub(super) fn map<U>(self, of: impl FnMut(T) -> U) -> ShownList<U> {
        ShownList {
            items: self.items.into_iter().map(of).collect(),
            more: self.more,
            left_out: self.left_out,
        }
    }
}

/// Groups items by a key, in the order of the first item of each group.
pub(super) fn grouped<K: Hash + Eq, T>(
    all: impl IntoIterator<Item = (K, T)>,
) -> indexmap::IndexMap<K, Vec<T>> {
    let mut groups = indexmap::IndexMap::new();
    for (key, item) in all {
        groups.entry(key).or_insert_with(Vec::new).push(item);
    }
    groups
}
