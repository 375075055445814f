//! The HTML pages in a browser: no error on its console, a working script, and links that resolve.

use crate::support::{Project, fixture, skipped};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Maximum time of the browser.
const DEADLINE: Duration = Duration::from_secs(600);

/// A page in the browser after its script has run.
struct LoadedPage {
    dom: String,
    /// Error lines on the console.
    errors: Vec<String>,
}

fn find_browser() -> Option<&'static str> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
        .into_iter()
        .find(|path| Path::new(path).is_file())
}

fn load(browser: &str, page: &Path) -> LoadedPage {
    let folder = tempfile::tempdir().unwrap();
    let output = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
    let mut child = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("data").display()
        ))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(output("dom"))
        .stderr(output("log"))
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser did not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = |name: &str| {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    LoadedPage {
        dom: read("dom"),
        errors: read("log")
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .map(str::to_owned)
            .collect(),
    }
}

/// Writes the pages of stored results into the project.
fn write_pages(project: &Project) -> Vec<std::path::PathBuf> {
    let mut pages = Vec::new();
    for (stored, template) in [
        ("record-full.json", "run.html"),
        ("comparison-full.json", "comparison.html"),
        ("bisect-full.json", "bisect.html"),
    ] {
        let result = fixture("reports").join(stored);
        let page = project.path().join(template);
        let ran = project.orch(&[
            "report",
            result.to_str().unwrap(),
            "--template",
            template,
            "-o",
            page.to_str().unwrap(),
        ]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        pages.push(page);
    }
    pages
}

#[test]
fn pages_load_nothing_and_work_in_a_browser() {
    let project = Project::new();
    let pages = write_pages(&project);
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!text.contains(outside), "{outside} in {}", page.display());
        }
        for link in text.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert!(text.contains(&format!("id=\"{target}\"")), "#{target}");
        }
    }
    let Some(browser) = find_browser() else {
        return skipped("the pages in a browser: chromium is not installed");
    };
    for page in &pages {
        let loaded = load(browser, page);
        assert_eq!(loaded.errors, Vec::<String>::new(), "{}", page.display());
        let buttons = loaded.dom.matches("<button type=\"button\">").count();
        assert!(buttons >= 3, "the script made {buttons} buttons");
        assert!(loaded.dom.contains("<footer>"), "{}", page.display());
    }
}

/// Returns the raw times of the rows of the page's first table, in their order.
fn list_times(dom: &str) -> Vec<f64> {
    let table = dom.split("<tbody>").nth(1).unwrap();
    let rows = table
        .split("</tbody>")
        .next()
        .unwrap()
        .split("<tr>")
        .skip(1);
    rows.map(|row| {
        let time = row.split("data-sort=\"").nth(1).unwrap();
        time.split('"').next().unwrap().parse().unwrap()
    })
    .collect()
}

#[test]
fn tables_of_a_page_are_sorted_by_a_click() {
    let project = Project::new();
    let page = write_pages(&project).remove(0);
    let Some(browser) = find_browser() else {
        return skipped("the sorting of a page: chromium is not installed");
    };
    let text = std::fs::read_to_string(&page).unwrap();
    let mut sorted = list_times(&text);
    assert!(!sorted.is_sorted(), "the record's order is another one");
    sorted.sort_by(f64::total_cmp);
    for clicks in [1, 2] {
        let click = "document.querySelectorAll('th button')[1].click();".repeat(clicks);
        let clicking = text.replace("</body>", &format!("<script>{click}</script></body>"));
        let page = project.write("clicking.html", clicking);
        let loaded = load(browser, &page);
        assert_eq!(loaded.errors, Vec::<String>::new());
        assert_eq!(list_times(&loaded.dom), sorted, "after {clicks} clicks");
        sorted.reverse();
    }
}
