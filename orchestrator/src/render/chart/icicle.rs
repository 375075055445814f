//! A tree of scopes as boxes: each one below the box around it, and as wide as its share of the
//! whole.

use crate::comparison::scopes::ScopeChange;
use crate::record::ScopeRecord;
use orch_core::format;
use serde::Serialize;

/// Narrowest box that is drawn, as a share of the whole.
const NARROWEST: f64 = 0.002;
/// Most boxes of one tree, and the deepest level.
const MOST_BOXES: usize = 150;
const MOST_LEVELS: usize = 24;
/// Height of a level in pixels.
const LEVEL_HEIGHT: usize = 22;

/// The boxes of a tree.
#[derive(Debug, Serialize)]
pub(in super::super) struct Icicle {
    /// Height in pixels.
    height: usize,
    boxes: Vec<ScopeBox>,
    /// A sentence about the scopes that are too narrow, or too many, to be drawn; null if all are.
    left_out: Option<String>,
}

/// A scope in its place.
#[derive(Debug, Serialize)]
struct ScopeBox {
    name: String,
    /// Left edge and width in percent of the whole.
    left: String,
    width: String,
    /// Upper edge in pixels.
    top: usize,
    /// Number of scopes around it.
    depth: usize,
    /// Name and figures.
    about: String,
    /// Change of the box: `grew`, `shrank`, or `same` in a tree without a change.
    change: &'static str,
    /// Strength of the change from 0 to 4.
    strength: usize,
    /// The change as a sign; empty for `same`.
    sign: &'static str,
}

/// A scope with the size that is drawn.
struct SizedScope {
    name: String,
    size: f64,
    about: String,
    change: &'static str,
    strength: usize,
    inside: Vec<SizedScope>,
}

/// Quantity of a scope that decides its width.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum ScopeSize {
    Time,
    Bytes,
}

/// Draws the scopes of the driver thread; `None` if none has a size.
pub(in super::super) fn draw_tree(
    scopes: &[ScopeRecord],
    iterations: f64,
    size: ScopeSize,
) -> Option<Icicle> {
    let roots = scopes.iter().filter(|scope| scope.is_on_driver());
    draw(
        roots
            .map(|scope| measure(scope, iterations, size))
            .collect(),
    )
}

fn measure(scope: &ScopeRecord, iterations: f64, size: ScopeSize) -> SizedScope {
    let calls = format::counted_number(scope.calls as f64 / iterations, "call");
    let (amount, figures) = match size {
        ScopeSize::Time => {
            let [total, own] =
                [scope.total_ns, scope.self_ns].map(|ns| format::time(ns as f64 / iterations));
            (scope.total_ns, format!("{total}, self {own}"))
        }
        ScopeSize::Bytes => {
            let bytes = format::bytes(scope.bytes as f64 / iterations);
            let allocations = scope.allocations as f64 / iterations;
            let allocations = format::counted_number(allocations, "allocation");
            (scope.bytes, format!("{bytes} in {allocations}"))
        }
    };
    SizedScope {
        about: format!("{}: {figures}, {calls}", format::shortened(&scope.name)),
        name: scope.name.clone(),
        size: amount as f64,
        change: "same",
        strength: 0,
        inside: scope
            .children
            .iter()
            .map(|child| measure(child, iterations, size))
            .collect(),
    }
}

/// Draws side B of a comparison, with the colour of each scope's own change. Scopes that only side
/// A has are not drawn.
pub(in super::super) fn draw_difference(places: &[ScopeChange]) -> Option<Icicle> {
    let largest = places
        .iter()
        .map(|place| place.contribution_ns.abs())
        .fold(0.0, f64::max);
    let mut roots = Vec::new();
    let mut sorted: Vec<&ScopeChange> = places
        .iter()
        .filter(|place| !place.path.is_empty() && place.b_calls > 0.0)
        .collect();
    // A scope comes after the one around it. Scopes of one level keep the order of their names.
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    for place in sorted {
        insert(&mut roots, &place.path, place, largest);
    }
    draw(roots)
}

fn insert(level: &mut Vec<SizedScope>, path: &[String], place: &ScopeChange, largest: f64) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    if let Some(around) = level.iter_mut().find(|scope| scope.name == *name)
        && !rest.is_empty()
    {
        insert(&mut around.inside, rest, place, largest);
        return;
    }
    if !rest.is_empty() {
        return;
    }
    let share = if largest > 0.0 {
        place.contribution_ns.abs() / largest
    } else {
        0.0
    };
    let strength = (share * 4.0).round() as usize;
    level.push(SizedScope {
        about: format!(
            "{}: self {} -> {}",
            format::shortened(name),
            format::time(place.a_self_ns),
            format::time(place.b_self_ns)
        ),
        name: name.clone(),
        size: place.b_total_ns,
        change: match (strength, place.contribution_ns > 0.0) {
            (0, _) => "same",
            (_, true) => "grew",
            (_, false) => "shrank",
        },
        strength,
        inside: Vec::new(),
    });
}

fn draw(roots: Vec<SizedScope>) -> Option<Icicle> {
    let whole: f64 = roots.iter().map(|scope| scope.size).sum();
    if whole <= 0.0 {
        return None;
    }
    let mut icicle = Icicle {
        height: 0,
        boxes: Vec::new(),
        left_out: None,
    };
    let more = place_level(roots, 0.0, 0, whole, &mut icicle);
    icicle.left_out = match more {
        0 => None,
        1 => Some("1 narrower or deeper scope is not drawn.".to_owned()),
        more => Some(format!("{more} narrower or deeper scopes are not drawn.")),
    };
    Some(icicle)
}

/// Places the scopes of a level and those inside of them. Returns the number of those that are not
/// drawn.
fn place_level(
    level: Vec<SizedScope>,
    left: f64,
    depth: usize,
    whole: f64,
    icicle: &mut Icicle,
) -> usize {
    let (mut left, mut more) = (left, 0);
    for scope in level {
        let width = scope.size / whole;
        let is_drawn = width >= NARROWEST
            && depth < MOST_LEVELS
            && icicle.boxes.len() < MOST_BOXES
            // Figures of scopes in other threads may exceed those around them.
            && left + width <= 1.0 + NARROWEST;
        if !is_drawn {
            more += 1 + count(&scope.inside);
            continue;
        }
        icicle.height = icicle.height.max((depth + 1) * LEVEL_HEIGHT);
        icicle.boxes.push(ScopeBox {
            name: format::shortened(&scope.name),
            left: format!("{:.2}", left * 100.0),
            width: format!("{:.2}", width * 100.0),
            top: depth * LEVEL_HEIGHT,
            depth,
            about: format!("{}, {} of the profile", scope.about, format::percent(width)),
            change: scope.change,
            strength: scope.strength,
            sign: match scope.change {
                "grew" => "▲ ",
                "shrank" => "▼ ",
                _ => "",
            },
        });
        more += place_level(scope.inside, left, depth + 1, whole, icicle);
        left += width;
    }
    more
}

fn count(scopes: &[SizedScope]) -> usize {
    scopes.iter().map(|scope| 1 + count(&scope.inside)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ScopeThread;

    fn scope(name: &str, total_ns: u64, children: Vec<ScopeRecord>) -> ScopeRecord {
        let inside: u64 = children.iter().map(|child| child.total_ns).sum();
        ScopeRecord {
            name: name.to_owned(),
            thread: ScopeThread::Driver,
            calls: 2,
            total_ns,
            self_ns: total_ns - inside,
            min_ns: 0,
            max_ns: total_ns,
            allocations: 0,
            bytes: 0,
            series_min_ns: Vec::new(),
            counters: indexmap::IndexMap::new(),
            metrics: indexmap::IndexMap::new(),
            children,
        }
    }

    #[test]
    fn boxes_lie_inside_the_box_around_them() {
        let inner = vec![scope("a", 30, Vec::new()), scope("b", 50, Vec::new())];
        let roots = [scope("outer", 100, inner), scope("next", 100, Vec::new())];
        let icicle = draw_tree(&roots, 2.0, ScopeSize::Time).unwrap();
        let places: Vec<(&str, &str, &str, usize)> = icicle
            .boxes
            .iter()
            .map(|one| {
                (
                    one.name.as_str(),
                    one.left.as_str(),
                    one.width.as_str(),
                    one.top,
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("outer", "0.00", "50.00", 0),
                ("a", "0.00", "15.00", LEVEL_HEIGHT),
                ("b", "15.00", "25.00", LEVEL_HEIGHT),
                ("next", "50.00", "50.00", 0),
            ]
        );
        assert_eq!(icicle.height, 2 * LEVEL_HEIGHT);
        assert!(draw_tree(&roots, 2.0, ScopeSize::Bytes).is_none());
    }

    #[test]
    fn narrow_and_deep_scopes_are_counted() {
        let mut deep = scope("deepest", 1000, Vec::new());
        for level in 0..MOST_LEVELS + 5 {
            deep = scope(&level.to_string(), 1000, vec![deep]);
        }
        let roots = [
            deep,
            scope("narrow", 1, vec![scope("in it", 1, Vec::new())]),
        ];
        let icicle = draw_tree(&roots, 1.0, ScopeSize::Time).unwrap();
        assert_eq!(icicle.boxes.len(), MOST_LEVELS);
        let left_out = icicle.left_out.as_deref();
        assert_eq!(left_out, Some("8 narrower or deeper scopes are not drawn."));
    }
}
