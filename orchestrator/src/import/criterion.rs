//! The files of criterion: `estimates.json` with statistics in nanoseconds, `sample.json` with the
//! samples, and `benchmark.json` with the name, below `target/criterion`.

use super::json_text::{self, JsonNode};
use super::measured_file::{
    self, FieldReader, FigureScale, MeasuredRow, MeasuredSide, PlacedObject,
};
use super::problem::ImportProblem;
use crate::comparison::imported::ImportedFormat;
use crate::contradiction::figure::{Figure, FigureRange};
use crate::contradiction::session::{ClaimedSession, FigureDefect, ShortestSpan};

/// Time of a few readings of the clock.
pub(super) const SHORTEST: ShortestSpan = ShortestSpan::ClockReading(1e3);

/// Texts of the files of one benchmark on one side.
pub(super) struct CriterionTexts<'a> {
    /// `estimates.json`, with its name in messages.
    pub(super) estimates: (&'a str, &'a str),
    pub(super) sample: Option<(&'a str, &'a str)>,
    pub(super) benchmark: Option<(&'a str, &'a str)>,
}

/// A benchmark with its name, unless only the folder has one.
pub(super) struct CriterionBenchmark {
    name: Option<String>,
    session: ClaimedSession,
}

impl CriterionBenchmark {
    /// Adds the benchmark to a side. `folder` stands for a name that no file states.
    pub(super) fn add_to(self, side: &mut MeasuredSide, folder: &str) {
        let name = self
            .name
            .unwrap_or_else(|| measured_file::clean_fact(folder));
        let row = MeasuredRow::of_function(&name, self.session);
        side.add(&name, row);
    }
}

/// Problems of a file, with its name.
pub(super) type FileProblems<'a> = (&'a str, Vec<ImportProblem>);

/// Reads the files of one benchmark.
pub(super) fn read<'a>(texts: &CriterionTexts<'a>) -> Result<CriterionBenchmark, FileProblems<'a>> {
    let (file, text) = texts.estimates;
    let root = json_text::parse(text).map_err(|problem| (file, vec![problem]))?;
    let mut session = read_estimates(&root).map_err(|problems| (file, problems))?;
    if let Some((file, text)) = texts.sample {
        let root = json_text::parse(text).map_err(|problem| (file, vec![problem]))?;
        read_sample(&root, &mut session).map_err(|problems| (file, problems))?;
    }
    let mut name = None;
    if let Some((file, text)) = texts.benchmark {
        let root = json_text::parse(text).map_err(|problem| (file, vec![problem]))?;
        name = read_name(&root).map_err(|problems| (file, problems))?;
    }
    Ok(CriterionBenchmark { name, session })
}

/// Returns whether an object is an `estimates.json`.
pub(super) fn is_estimates(root: &JsonNode) -> bool {
    ["mean", "Mean"].iter().any(|name| {
        root.get(name)
            .is_some_and(|mean| mean.get("point_estimate").is_some())
    })
}

fn read_estimates(root: &JsonNode) -> Result<ClaimedSession, Vec<ImportProblem>> {
    let mut reader = FieldReader::new(ImportedFormat::Criterion);
    let root = PlacedObject::new(root, "");
    let mut session = ClaimedSession::default();
    let mut defects = Vec::new();
    // Before 0.3.4, the names were written with capitals.
    session.mean = read_estimate(&mut reader, &root, ["mean", "Mean"], &mut defects);
    session.median = read_estimate(&mut reader, &root, ["median", "Median"], &mut defects);
    let names = ["std_dev", "StdDev"];
    session.deviation = read_estimate(&mut reader, &root, names, &mut defects);
    session.defects = defects;
    if names.iter().all(|name| root.get(name).is_none()) {
        reader.problems.push(ImportProblem {
            line: root.node.line,
            message: "`std_dev`: is missing, as in a file of relative changes".to_owned(),
            hint: "name the `estimates.json` below `new` or `base`".to_owned(),
        });
    }
    if reader.problems.is_empty() {
        Ok(session)
    } else {
        Err(reader.problems)
    }
}

fn read_estimate(
    reader: &mut FieldReader,
    root: &PlacedObject,
    names: [&str; 2],
    defects: &mut Vec<FigureDefect>,
) -> Option<Figure> {
    let name = names.into_iter().find(|name| root.get(name).is_some())?;
    let estimate = reader.object(root, name)?;
    if estimate.node.get("point_estimate").is_none() {
        reader.refuse_missing(&estimate, "point_estimate");
    }
    let scale = FigureScale::NANOSECONDS;
    reader.figure(&estimate, "point_estimate", scale, defects)
}

/// Reads the samples: times, and the number of iterations in each.
fn read_sample(root: &JsonNode, session: &mut ClaimedSession) -> Result<(), Vec<ImportProblem>> {
    let mut reader = FieldReader::new(ImportedFormat::Criterion);
    let node = root;
    let root = PlacedObject::new(root, "");
    if node.items().is_some() {
        // Before 0.3.4, the file was a list of two lists.
        return Ok(());
    }
    let defects = &mut session.defects;
    let iterations = reader.samples(&root, "iters", FigureScale::Plain, defects);
    let times = reader.samples(&root, "times", FigureScale::NANOSECONDS, defects);
    let mode = reader.fact(&root, "sampling_mode");
    let mode = mode.map(|mode| ("sampling mode".to_owned(), mode));
    session.parameters.extend(mode);
    if iterations.len() != times.len() {
        let what = format!("has {} values for {} iters", times.len(), iterations.len());
        reader.refuse(node, "times", &what);
    }
    let spans = times.iter().map(|time| f64::midpoint(time.low, time.high));
    session.shortest_span = spans.reduce(f64::min);
    let per_iteration = |(time, count): (&FigureRange, &FigureRange)| {
        // A number of iterations is whole, whatever its digits suggest.
        let count = f64::midpoint(count.low, count.high).round();
        (count > 0.0).then(|| time.through(|end| end / count))
    };
    session.samples = times
        .iter()
        .zip(&iterations)
        .filter_map(per_iteration)
        .collect();
    session.count = u64::try_from(times.len()).ok();
    if reader.problems.is_empty() {
        Ok(())
    } else {
        Err(reader.problems)
    }
}

fn read_name(root: &JsonNode) -> Result<Option<String>, Vec<ImportProblem>> {
    let mut reader = FieldReader::new(ImportedFormat::Criterion);
    let name = reader.fact(&PlacedObject::new(root, ""), "full_id");
    if reader.problems.is_empty() {
        Ok(name)
    } else {
        Err(reader.problems)
    }
}

/// Returns a side without rows. `file` is its name in messages.
pub(super) fn empty_side(file: &str) -> MeasuredSide {
    MeasuredSide::new(file, "", SHORTEST)
}
