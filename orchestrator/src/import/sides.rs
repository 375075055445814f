//! Joins the rows of one or two sides by their names.

use super::ImportedParts;
use super::measured_file::{MeasuredRow, MeasuredSide};
use crate::comparison::imported::{self, ImportedFormat, ImportedTable};
use crate::contradiction::claims::{ClaimSide, Claims, TimeUnit};
use indexmap::IndexMap;

/// Name of the side that is missing if one file was imported.
const NO_SIDE: &str = "none";

/// Joins the sides: the rows of the first in its order, then what only the second has. `files` are
/// the files as the user named them.
pub(super) fn join(
    files: Vec<String>,
    format: ImportedFormat,
    mut sides: Vec<MeasuredSide>,
) -> ImportedParts {
    if let [before, after] = &mut sides[..] {
        before.source.side = ClaimSide::Before;
        after.source.side = ClaimSide::After;
    }
    let names = match &sides[..] {
        [before, after] => [&before.source.file, &after.source.file].map(String::clone),
        _ => [files.join(" "), NO_SIDE.to_owned()],
    };
    let mut joined: IndexMap<String, Vec<(ClaimSide, MeasuredRow)>> = IndexMap::new();
    let (mut sources, mut ignored) = (Vec::new(), Vec::new());
    for side in sides {
        for (name, row) in side.rows {
            let own = joined.entry(name).or_default();
            own.push((side.source.side, row));
        }
        ignored.extend(side.ignored);
        sources.push(side.source);
    }
    ignored.sort();
    ignored.dedup();
    let claims = Claims {
        unit: TimeUnit::Nanoseconds,
        rows: joined
            .into_iter()
            .map(|(name, sides)| MeasuredRow::claim(&name, sides))
            .collect(),
        sources,
        ..Claims::default()
    };
    let table = ImportedTable {
        file: files.first().cloned().unwrap_or_default(),
        hash: claims
            .sources
            .first()
            .map_or_else(String::new, |one| one.hash.clone()),
        format,
        sources: imported::list_sources(&claims.sources),
        ignored,
        rows: imported::list_rows(&claims.rows, &[]),
    };
    ImportedParts {
        files,
        sides: names,
        claims,
        table,
    }
}
