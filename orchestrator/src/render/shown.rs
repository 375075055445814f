//! Owns the limits of reports: how much of each list is shown, and how large a report may be.

use serde::Serialize;
use std::hash::Hash;

/// Rows of a table.
pub(super) const MOST_ROWS: usize = 200;
/// Items of a list of texts, such as warnings and findings.
pub(super) const MOST_TEXTS: usize = 50;
/// Bytes of a report through a built-in template, whatever its texts hold.
pub(super) const MOST_BYTES: usize = 512 << 10;

/// The first items of a list, with the number of all items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ShownList<T> {
    pub(super) items: Vec<T>,
    /// Items that are not shown.
    pub(super) more: usize,
    /// The same in a sentence that names the file with all items; null where none is left out, or
    /// the list has no sentence.
    pub(super) left_out: Option<String>,
}

impl<T> ShownList<T> {
    /// The first `most` items.
    pub(super) fn first(most: usize, all: impl IntoIterator<Item = T>) -> Self {
        let mut all = all.into_iter();
        let items = all.by_ref().take(most).collect();
        Self {
            items,
            more: all.count(),
            left_out: None,
        }
    }

    /// The same, with a sentence about the items that are not shown. `what`: one item in a word.
    pub(super) fn counting(self, what: &str, file: &str) -> Self {
        let are = if self.more == 1 { " is" } else { "s are" };
        let left_out = format!("{} more {what}{are} in {file}", self.more);
        Self {
            left_out: (self.more > 0).then_some(left_out),
            ..self
        }
    }

    /// The same, with what is shown of each item.
    pub(super) fn map<U>(self, of: impl FnMut(T) -> U) -> ShownList<U> {
        ShownList {
            items: self.items.into_iter().map(of).collect(),
            more: self.more,
            left_out: self.left_out,
        }
    }
}

/// Items by what they have in common, in the order of the first of each.
pub(super) fn grouped<K: Hash + Eq, T>(
    all: impl IntoIterator<Item = (K, T)>,
) -> indexmap::IndexMap<K, Vec<T>> {
    let mut groups = indexmap::IndexMap::new();
    for (key, item) in all {
        groups.entry(key).or_insert_with(Vec::new).push(item);
    }
    groups
}
