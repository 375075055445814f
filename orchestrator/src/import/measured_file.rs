//! What all formats of benchmark tools have in common: rows with sessions, and typed access to the
//! fields of their JSON.

use super::json_text::JsonNode;
use super::problem::ImportProblem;
use crate::comparison::imported::ImportedFormat;
use crate::contradiction::claims::{self, ClaimSide, ClaimedRow};
use crate::contradiction::figure::{Figure, FigureRange};
use crate::contradiction::names::{self, SizeFamily};
use crate::contradiction::session::{
    ClaimedSession, ClaimedSource, FailedRuns, FigureDefect, RunEnding, ShortestSpan,
};
use indexmap::IndexMap;
use orch_core::format::{self, clean};

/// One side: the rows of one file, in its order.
pub(super) struct MeasuredSide {
    pub(super) source: ClaimedSource,
    pub(super) rows: IndexMap<String, MeasuredRow>,
    /// Parts of the file that were not imported.
    pub(super) ignored: Vec<String>,
}

/// A row of a file.
pub(super) struct MeasuredRow {
    pub(super) family: Option<SizeFamily>,
    pub(super) session: ClaimedSession,
}

impl MeasuredSide {
    pub(super) fn new(file: &str, text: &str, shortest: ShortestSpan) -> Self {
        let hash = crate::hash::text(text);
        Self {
            source: ClaimedSource::new(ClaimSide::Only, file, hash, shortest),
            rows: IndexMap::new(),
            ignored: Vec::new(),
        }
    }

    /// Adds a row. A name that another row has gets a number, and the first row counts it.
    pub(super) fn add(&mut self, name: &str, row: MeasuredRow) {
        let repeats = match self.rows.get_mut(name) {
            Some(first) => {
                first.session.repeats += 1;
                first.session.repeats
            }
            None => 0,
        };
        let name = match repeats {
            0 => name.to_owned(),
            _ => self.number_name(name, repeats + 1),
        };
        self.rows.insert(name, row);
    }

    fn number_name(&self, name: &str, first: usize) -> String {
        let numbers = first..=first + self.rows.len();
        let mut names = numbers.map(|number| format!("{name} #{number}"));
        let free = names.find(|name| !self.rows.contains_key(name));
        free.unwrap_or_else(|| name.to_owned())
    }
}

impl MeasuredRow {
    /// Returns the row of a function's name, which may contain a size.
    pub(super) fn of_function(name: &str, session: ClaimedSession) -> Self {
        Self {
            family: names::parse_family(name),
            session,
        }
    }

    /// Returns the claims about a row with at most one session per side.
    pub(super) fn claim(name: &str, sides: Vec<(ClaimSide, Self)>) -> ClaimedRow {
        let mut row = ClaimedRow {
            name: name.to_owned(),
            ..ClaimedRow::default()
        };
        for (side, own) in sides {
            let time = own.session.time().cloned();
            match side {
                ClaimSide::Before => row.before = time,
                ClaimSide::After => row.after = time,
                ClaimSide::Only => row.total = time,
            }
            row.family = own.family;
            row.sessions.push((side, own.session));
        }
        row
    }
}

/// Returns a name or a fact as one clean line.
pub(super) fn clean_fact(text: &str) -> String {
    clean::clean_line(text).trim().to_owned()
}

/// Reads the fields of an object and collects the problems.
pub(super) struct FieldReader {
    pub(super) problems: Vec<ImportProblem>,
    /// Remedy of a field that is wrong.
    hint: String,
}

/// An object in its place: `results[3]`.
pub(super) struct PlacedObject<'n, 'a> {
    pub(super) node: &'n JsonNode<'a>,
    place: String,
}

impl<'n, 'a> PlacedObject<'n, 'a> {
    pub(super) fn new(node: &'n JsonNode<'a>, place: impl Into<String>) -> Self {
        Self {
            node,
            place: place.into(),
        }
    }

    /// Returns a member, unless it is null.
    pub(super) fn get(&self, name: &str) -> Option<&'n JsonNode<'a>> {
        self.node
            .get(name)
            .filter(|node| node.value != super::json_text::JsonValue::Null)
    }

    /// Returns the place of a member.
    pub(super) fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }
}

impl FieldReader {
    /// Begins to read a file of a format.
    pub(super) fn new(format: ImportedFormat) -> Self {
        Self {
            problems: Vec::new(),
            hint: format!("export the file again with `{}`", format.export_option()),
        }
    }

    /// Adds a problem of a value.
    pub(super) fn refuse(&mut self, node: &JsonNode, place: &str, what: &str) {
        self.problems.push(ImportProblem {
            line: node.line,
            message: format!("`{}`: {what}", clean::clean_code(place)),
            hint: self.hint.clone(),
        });
    }

    fn refuse_kind(&mut self, node: &JsonNode, place: &str, wanted: &str) {
        self.refuse(node, place, &format!("is {}, not {wanted}", node.kind()));
    }

    /// Adds a problem of a member that an object must have.
    pub(super) fn refuse_missing(&mut self, object: &PlacedObject, name: &str) {
        self.refuse(object.node, &object.place_of(name), "is missing");
    }

    /// Reads a text that the object must have, in one clean line.
    pub(super) fn name(&mut self, object: &PlacedObject, name: &str) -> Option<String> {
        let node = object.get(name);
        if node.is_none_or(|node| node.text() == Some("")) {
            self.refuse_missing(object, name);
        }
        self.fact(object, name)
    }

    /// Reads a text that the object may have, in one clean line. An empty text states nothing.
    pub(super) fn fact(&mut self, object: &PlacedObject, name: &str) -> Option<String> {
        let node = object.get(name)?;
        if node.text().is_none() {
            self.refuse_kind(node, &object.place_of(name), "a text");
        }
        let fact = node.text().map(clean_fact);
        fact.filter(|fact| !fact.is_empty())
    }

    pub(super) fn flag(&mut self, object: &PlacedObject, name: &str) -> Option<bool> {
        let node = object.get(name)?;
        if node.bool().is_none() {
            self.refuse_kind(node, &object.place_of(name), "true or false");
        }
        node.bool()
    }

    /// Reads an object inside another one.
    pub(super) fn object<'n, 'a>(
        &mut self,
        object: &PlacedObject<'n, 'a>,
        name: &str,
    ) -> Option<PlacedObject<'n, 'a>> {
        let node = object.get(name)?;
        let place = object.place_of(name);
        if matches!(node.value, super::json_text::JsonValue::Object(_)) {
            return Some(PlacedObject::new(node, place));
        }
        self.refuse_kind(node, &place, "an object");
        None
    }

    /// Reads a list; an empty one if the object does not have it.
    pub(super) fn list<'n, 'a>(
        &mut self,
        object: &PlacedObject<'n, 'a>,
        name: &str,
    ) -> &'n [JsonNode<'a>] {
        let Some(node) = object.get(name) else {
            return &[];
        };
        if node.items().is_none() {
            self.refuse_kind(node, &object.place_of(name), "a list");
        }
        node.items().unwrap_or_default()
    }

    /// Reads the objects of a list that the object must have.
    pub(super) fn objects<'n, 'a>(
        &mut self,
        object: &PlacedObject<'n, 'a>,
        name: &str,
    ) -> Vec<PlacedObject<'n, 'a>> {
        if object.get(name).is_none() {
            self.refuse_missing(object, name);
        }
        let mut objects = Vec::new();
        for (index, node) in self.list(object, name).iter().enumerate() {
            let place = format!("{}[{index}]", object.place_of(name));
            if matches!(node.value, super::json_text::JsonValue::Object(_)) {
                objects.push(PlacedObject::new(node, place));
            } else {
                self.refuse_kind(node, &place, "an object");
            }
        }
        objects
    }

    /// Reads a whole number of things.
    pub(super) fn count(&mut self, object: &PlacedObject, name: &str) -> Option<u64> {
        let node = object.get(name)?;
        let place = object.place_of(name);
        let Some(digits) = node.digits() else {
            self.refuse_kind(node, &place, "a number");
            return None;
        };
        let count = digits.parse::<u64>().ok();
        if count.is_none() {
            self.refuse(node, &place, &format!("`{digits}` is not a whole number"));
        }
        count
    }

    /// Reads a figure and scales it. A figure that is not finite is entered as a defect.
    pub(super) fn figure(
        &mut self,
        object: &PlacedObject,
        name: &str,
        scale: FigureScale,
        defects: &mut Vec<FigureDefect>,
    ) -> Option<Figure> {
        let node = object.get(name)?;
        self.number(node, || object.place_of(name), name, scale, defects)
    }

    /// Reads the number of a node, as `figure` does. `name` is the field in defects.
    pub(super) fn number(
        &mut self,
        node: &JsonNode,
        place: impl Fn() -> String,
        name: &str,
        scale: FigureScale,
        defects: &mut Vec<FigureDefect>,
    ) -> Option<Figure> {
        let Some(digits) = node.digits() else {
            self.refuse_kind(node, &place(), "a number");
            return None;
        };
        if digits.ends_with("NaN") || digits.ends_with("Infinity") {
            defects.push(FigureDefect::NotFinite {
                field: clean_fact(name),
                printed: digits.to_owned(),
            });
            return None;
        }
        match Figure::parse(digits) {
            Ok(figure) => Some(scale.apply(figure)),
            Err(what) => {
                let digits = format::shortened(digits);
                self.refuse(node, &place(), &format!("`{digits}` {what}"));
                None
            }
        }
    }

    /// Reads a list of samples.
    pub(super) fn samples(
        &mut self,
        object: &PlacedObject,
        name: &str,
        scale: FigureScale,
        defects: &mut Vec<FigureDefect>,
    ) -> Vec<FigureRange> {
        let mut samples = Vec::new();
        for (index, node) in self.list(object, name).iter().enumerate() {
            let place = || format!("{}[{index}]", object.place_of(name));
            let figure = self.number(node, place, name, scale, defects);
            samples.extend(figure.map(|figure| figure.reach));
        }
        samples
    }
}

/// Meaning of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FigureScale {
    /// A time, in this many nanoseconds.
    Time(f64),
    /// A number of another kind.
    Plain,
}

impl FigureScale {
    /// Times in seconds.
    pub(super) const SECONDS: Self = Self::Time(1e9);
    /// Times in nanoseconds.
    pub(super) const NANOSECONDS: Self = Self::Time(1.0);

    fn apply(self, figure: Figure) -> Figure {
        let Self::Time(ns) = self else {
            return figure;
        };
        let value = figure.value * ns;
        // Multiplication moves the ends by no more than comparisons of ranges allow for.
        let reach = figure.of_amount().reach.through(|end| end * ns);
        Figure {
            printed: claims::print_time(value),
            value,
            reach,
        }
    }
}

/// Counts the runs that did not end well. `ending` returns the end of a run that failed.
pub(super) fn count_failures<T>(
    runs: &[T],
    ending: impl Fn(&T) -> Option<RunEnding>,
) -> FailedRuns {
    let mut failures = FailedRuns {
        of: runs.len(),
        ..FailedRuns::default()
    };
    for ending in runs.iter().filter_map(ending) {
        failures.failed += 1;
        failures.ending.get_or_insert(ending);
    }
    failures
}

/// Lists the members of an object as parameters, in its order.
pub(super) fn list_parameters(object: &PlacedObject) -> Vec<(String, String)> {
    let members = object.node.members().iter();
    members
        .map(|(name, node)| (clean_fact(name), clean_fact(&node.print())))
        .collect()
}
