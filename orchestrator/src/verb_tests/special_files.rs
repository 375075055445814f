//! Tests of verbs with a named pipe, a folder, an endless device or a huge file in the place of a
//! file. Each verb ends immediately.

use super::{IgnoredProgress, request_compare};
use crate::compare::compare;
use crate::context::CommandContext;
use crate::error::ErrorKind;
use crate::file::MOST_RESULT_BYTES;
use crate::import::{ImportRequest, import_results};
use crate::project;
use crate::project::report_names::ReportMatch;
use crate::record::store;
use crate::render::ReportView;
use crate::runner::interrupt::Interrupt;
use crate::runner::journal;
use crate::scale;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Kind of file in the place of a regular file, with the words of its error.
#[derive(Debug, Clone, Copy)]
enum PlacedFile {
    NamedPipe,
    Folder,
    EndlessDevice,
    /// A file without content on disk that is larger than every limit.
    Huge,
}

const ALL: [(PlacedFile, &str); 4] = [
    (PlacedFile::NamedPipe, "is a named pipe, not a regular file"),
    (PlacedFile::Folder, "is a folder, not a regular file"),
    (PlacedFile::EndlessDevice, "is a device, not a regular file"),
    (PlacedFile::Huge, "is larger than "),
];

impl PlacedFile {
    fn put(self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match self {
            Self::NamedPipe => {
                let mode = rustix::fs::Mode::RWXU;
                rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
            }
            Self::Folder => std::fs::create_dir(path).unwrap(),
            Self::EndlessDevice => symlink("/dev/zero", path).unwrap(),
            Self::Huge => {
                let file = std::fs::File::create(path).unwrap();
                file.set_len(MOST_RESULT_BYTES + 1).unwrap();
            }
        }
    }
}

/// Creates each kind of file at `name` in a folder of its own, and checks the error of `read`,
/// which receives the folder.
fn check_each(name: &str, read: impl Fn(&Path) -> String) {
    for (placed, words) in ALL {
        let folder = tempfile::tempdir().unwrap();
        placed.put(&folder.path().join(name));
        let message = read(folder.path());
        assert!(message.contains(words), "{name} as {placed:?}: {message}");
    }
}

#[test]
fn scenario_is_a_regular_file() {
    check_each("s.yaml", |folder| {
        let error = project::load(&folder.join("s.yaml")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Input);
        error.to_string()
    });
}

#[test]
fn table_is_a_regular_file() {
    for (placed, words) in ALL {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        placed.put(&table);
        let request = ImportRequest {
            first: table,
            second: None,
        };
        let error = import_results(&request).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Input);
        let message = error.to_string();
        // A folder may hold results of criterion.
        let is_folder = matches!(placed, PlacedFile::Folder);
        let words = if is_folder {
            "is a folder without"
        } else {
            words
        };
        assert!(message.contains(words), "{placed:?}: {message}");
    }
}

#[test]
fn compared_record_is_a_regular_file() {
    for (placed, words) in ALL {
        let folder = tempfile::tempdir().unwrap();
        placed.put(&folder.path().join("a.json"));
        let interrupt = Interrupt::without_signals().unwrap();
        let context = CommandContext::begin(&interrupt);
        let name = folder.path().join("a.json").display().to_string();
        let request = request_compare([name.clone(), name], folder.path());
        let error = compare(
            &request,
            &|_, _| ReportMatch::Known,
            &context,
            &mut IgnoredProgress,
        );
        let message = error.err().unwrap().to_string();
        // A folder may hold a record.
        let is_folder = matches!(placed, PlacedFile::Folder);
        let words = if is_folder {
            "is a folder without"
        } else {
            words
        };
        assert!(message.contains(words), "{placed:?}: {message}");
    }
}

#[test]
fn template_is_a_regular_file() {
    let record = scale::large_record(2, 1);
    check_each("summary.txt", |folder| {
        let rendered = ReportView::of_run(&record).render_in_test("summary.txt", folder);
        rendered.unwrap_err().to_string()
    });
    check_each("parts/one.txt", |folder| {
        std::fs::write(folder.join("own.txt"), "{% include 'parts/one.txt' %}").unwrap();
        ReportView::of_run(&record)
            .render_in_test("own.txt", folder)
            .unwrap_err()
            .to_string()
    });
}

#[test]
fn included_template_stays_in_its_folder() {
    let record = scale::large_record(2, 1);
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("templates");
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    std::fs::write(templates.join("part.txt"), "part").unwrap();
    let absolute = folder.path().join("secret.txt").display().to_string();
    for (name, expected) in [
        ("part.txt", Some("part")),
        ("../secret.txt", None),
        ("./part.txt", None),
        (absolute.as_str(), None),
    ] {
        let text = format!("{{% include '{name}' %}}");
        std::fs::write(templates.join("own.txt"), text).unwrap();
        let rendered = ReportView::of_run(&record)
            .render_in_test("own.txt", &templates)
            .ok();
        assert_eq!(rendered.as_deref(), expected, "{name}");
    }
}

#[test]
fn results_that_are_no_regular_files_are_skipped() {
    for (placed, _) in ALL {
        let results = tempfile::tempdir().unwrap();
        let run = results.path().join("20260101T000000Z-s-0000000000");
        placed.put(&run.join(store::FILE));
        assert!(store::newest(results.path(), "s", |_| true).is_none());
        let other = results.path().join("20260102T000000Z-s-0000000000");
        placed.put(&other.join(journal::FILE));
        let found = journal::find_newest_run(results.path());
        match placed {
            PlacedFile::Huge => assert!(found.is_err()),
            _ => assert!(found.unwrap().is_none(), "{placed:?}"),
        }
    }
}
