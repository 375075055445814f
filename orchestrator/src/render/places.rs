//! Places of a change in the scope tree, with the same texts in all reports.

use crate::comparison::scopes::ScopeChange;
use orch_core::format;
use serde::Serialize;

/// Most places that a table shows.
const MOST_PLACES: usize = 8;
/// Most places that a plain text names, if they have more than the least share of the change.
const MOST_NAMED: usize = 3;
const LEAST_SHARE: f64 = 0.1;

/// A place with its texts.
#[derive(Serialize)]
pub(super) struct ShownPlace<'a> {
    #[serde(flatten)]
    place: &'a ScopeChange,
    text: PlaceText,
}

/// The cells of a place. If both sides have the same value, a list has one text, otherwise two.
#[derive(Serialize)]
struct PlaceText {
    /// The scopes from the outermost one on: `Forward > Softmax`.
    scope: String,
    calls: Vec<String>,
    a_self: String,
    b_self: String,
    contribution: String,
    /// Share of the whole change; empty if the profiles do not show the change.
    share: String,
    a_self_bytes: String,
    b_self_bytes: String,
    self_bytes: Vec<String>,
    self_allocations: Vec<String>,
}

impl<'a> ShownPlace<'a> {
    fn of(place: &'a ScopeChange) -> Self {
        let bytes = [place.a_self_bytes, place.b_self_bytes];
        let [a_self_bytes, b_self_bytes] = bytes.map(format::bytes);
        let text = PlaceText {
            scope: scope(place),
            calls: one_or_two(format::number, [place.a_calls, place.b_calls]),
            a_self: format::time(place.a_self_ns),
            b_self: format::time(place.b_self_ns),
            contribution: format::time(place.contribution_ns),
            share: place.share.map(format::percent).unwrap_or_default(),
            a_self_bytes,
            b_self_bytes,
            self_bytes: one_or_two(format::bytes, bytes),
            self_allocations: one_or_two(
                format::number,
                [place.a_self_allocations, place.b_self_allocations],
            ),
        };
        Self { place, text }
    }

    /// Formats a place as `in Softmax: 1 -> 2 allocations`.
    pub(super) fn allocations_line(&self) -> String {
        format!(
            "in {}: {} allocations",
            self.text.scope,
            self.text.self_allocations.join(" -> ")
        )
    }

    /// Formats a place as `in Softmax: 1 -> 2 allocations, 64 B -> 128 B`.
    pub(super) fn bytes_line(&self) -> String {
        let text = &self.text;
        format!(
            "{}, {} -> {}",
            self.allocations_line(),
            text.a_self_bytes,
            text.b_self_bytes
        )
    }
}

fn scope(place: &ScopeChange) -> String {
    let path = place.path.join(" > ");
    if path.is_empty() {
        "no scope".to_owned()
    } else {
        path
    }
}

fn one_or_two(form: fn(f64) -> String, [a, b]: [f64; 2]) -> Vec<String> {
    if a == b {
        vec![form(a)]
    } else {
        vec![form(a), form(b)]
    }
}

/// Returns the places that a table shows, those that contribute most first.
pub(super) fn largest(places: &[ScopeChange]) -> Vec<ShownPlace<'_>> {
    places
        .iter()
        .take(MOST_PLACES)
        .map(ShownPlace::of)
        .collect()
}

/// Iterates over the places in which the numbers of allocations differ.
pub(super) fn allocating(places: &[ScopeChange]) -> impl Iterator<Item = ShownPlace<'_>> {
    places
        .iter()
        .filter(|place| place.a_self_allocations != place.b_self_allocations)
        .map(ShownPlace::of)
}

/// Formats the places with the largest shares, a line each: `Softmax accounts for 90 % of the
/// change: 79.0 ns -> 151 ns`.
pub(super) fn share_lines(places: &[ScopeChange]) -> impl Iterator<Item = String> {
    let named = places.iter().take(MOST_NAMED).map(ShownPlace::of);
    named
        .filter(|one| one.place.share.is_some_and(|share| share > LEAST_SHARE))
        .map(|ShownPlace { text, .. }| {
            format!(
                "{} accounts for {} of the change: {} -> {}",
                text.scope, text.share, text.a_self, text.b_self
            )
        })
}

/// Returns whether the profiles do not show a judged change: no place has a share of it.
pub(super) fn is_unseen(places: &[ScopeChange]) -> bool {
    places
        .iter()
        .all(|place| matches!(place.share, None | Some(0.0)))
}
