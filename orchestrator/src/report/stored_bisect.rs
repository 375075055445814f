//! Stores the report of a bisect.

use crate::bisect::{self, BisectReport};
use crate::error::CommandError;
use crate::project;
use crate::record::result_folder::ResultFolder;
use crate::record::store;
use crate::render::ReportView;
use crate::render::place::ReportPlace;
use std::path::Path;

/// The report that every bisect prints and stores.
const TABLE: &str = "bisect.txt";
/// The report for an issue or a mail.
const REPORT: &str = "bisect.md";

/// The report of a bisect in its folder.
pub(crate) struct StoredBisect {
    folder: ResultFolder,
    pub(crate) json: String,
    /// Text of the first report for standard output; empty if it could not be rendered.
    table: String,
}

impl StoredBisect {
    /// Gives a report its id and stores it with its texts, in a folder of its own. `root` is the
    /// project's root. The first text is rendered for `place` too.
    pub(crate) fn store(
        report: &mut BisectReport,
        root: &Path,
        results: &Path,
        place: ReportPlace,
    ) -> Result<Self, CommandError> {
        let stamp = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let name = format!("{}-bisect", report.scenario.name);
        let short: String = report.bad.commit.chars().take(10).collect();
        let templates = project::templates(root);
        let (mut json, mut table) = (String::new(), String::new());
        let folder = ResultFolder::create(results, [&stamp, &name, &short], |id, folder| {
            report.id = id.to_owned();
            json = serde_json::to_string_pretty(report).map_err(|error| {
                CommandError::system_while("cannot write the report as JSON", &error)
            })? + "\n";
            folder.store_result(bisect::FILE, |file| {
                store::write_whole(file, json.as_bytes())
            });
            let view = ReportView::of_bisect(report);
            for name in [TABLE, REPORT] {
                match view.render(name, &templates) {
                    Ok(text) => {
                        folder.store_report(name, &text);
                        if name == TABLE {
                            table = view.render_printed(place, name, &templates, text);
                        }
                    }
                    Err(error) => folder.refuse_report(&error),
                }
            }
            Ok(())
        })?;
        Ok(Self {
            folder,
            json,
            table,
        })
    }

    /// Returns the table with the path of the other report.
    pub(crate) fn show(&self) -> String {
        self.folder.show_with_place(&self.table, "report", REPORT)
    }

    /// Returns whether the report itself is stored, so that the state is not needed any more.
    pub(crate) fn is_stored(&self) -> bool {
        self.folder.path().is_some()
    }

    /// Returns the first failure to store the report, after it was printed.
    pub(crate) fn finish(self) -> Result<(), CommandError> {
        self.folder.finish(
            "the state of the bisect is kept; once the disk has space, `orch bisect --resume` \
             stores the report",
        )
    }
}
