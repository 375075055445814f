//! docs/PLUGINS.md and README.md work as printed: every step and every recipe is carried out.

use crate::support::{Project, faults, job, new_plugin, workspace};
use std::path::Path;
use std::process::{Command, Output};

/// A fenced block of a document: the words after its fence, and its text.
struct Block {
    language: String,
    /// `name=value`, or a single word.
    attributes: Vec<String>,
    text: String,
}

impl Block {
    fn is(&self, word: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute == word)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix('='))
    }
}

fn blocks(document: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(workspace().join(document)).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(info) if !open => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                blocks.push(Block {
                    language,
                    attributes: words.collect(),
                    text: String::new(),
                });
                open = true;
            }
            Some(_) => open = false,
            None if open => blocks
                .last_mut()
                .unwrap()
                .text
                .push_str(&format!("{line}\n")),
            None => {}
        }
    }
    assert!(!open, "{document}: a block does not end");
    blocks
}

/// Runs a text in a shell that finds `orch`, with a git that has an author and a cargo that works
/// offline.
fn shell(project: &Project, folder: &Path, text: &str) -> Output {
    let orch = assert_cmd::cargo::cargo_bin("orch");
    let path = format!(
        "{}:{}",
        orch.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let git = [
        ("user.name", "Test"),
        ("user.email", "test@example.org"),
        ("init.defaultBranch", "main"),
    ];
    let mut command = Command::new("sh");
    command
        .args(["-e", "-c", text])
        .current_dir(folder)
        .env("PATH", path)
        .env("CARGO_NET_OFFLINE", "true");
    command
        .env("GIT_CONFIG_COUNT", git.len().to_string())
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for (index, (name, value)) in git.iter().enumerate() {
        command
            .env(format!("GIT_CONFIG_KEY_{index}"), name)
            .env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    // Builds of commits use this folder too, like those of the working tree.
    command
        .env("XDG_CACHE_HOME", folder.join("target/cache"))
        .env("ORCH_LOCK_FILE", project.path().join("lock"));
    command
        .env("CARGO_TARGET_DIR", folder.join("target/tests"))
        .output()
        .unwrap()
}

#[test]
fn tutorial_of_ten_minutes_works() {
    let project = Project::new();
    let steps: Vec<Block> = blocks("docs/PLUGINS.md")
        .into_iter()
        .filter(|block| block.is("step"))
        .collect();
    // `new_plugin` carries out the first step, in a folder that keeps its builds.
    assert_eq!(steps[0].text, "orch plugin new averages\ncd averages\n");
    let (folder, _guard) = new_plugin(&project, "averages", &[]);
    for step in &steps[1..] {
        let text = match step.language.as_str() {
            "diff" => format!("git apply --recount - <<'END'\n{}END\n", step.text),
            _ => step.text.clone(),
        };
        let output = shell(&project, &folder, &text);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let wanted = step.value("exit").map_or(0, |code| code.parse().unwrap());
        assert_eq!(output.status.code(), Some(wanted), "{text}\n{said}");
        // A sentence may continue on the next line.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let part = step.value("says").unwrap_or_default().replace('~', " ");
        assert!(said.contains(&part), "{text}\n{said}");
    }
    assert!(steps.len() > 10, "the steps were found");
}

/// Measures a scenario in a folder. All of its jobs have to be measured without a warning.
fn measured(project: &Project, folder: &Path, scenario: &str) -> serde_json::Value {
    let output = project
        .command()
        .current_dir(folder)
        .env("CARGO_NET_OFFLINE", "true")
        .args(["run", scenario, "--json"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{scenario}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for job in record["jobs"].as_array().unwrap() {
        assert_eq!(job["outcome"], "measured", "{scenario}");
        assert_eq!(faults(job), Vec::<&str>::new(), "{scenario}");
    }
    record
}

#[test]
fn recipes_are_built_and_measured() {
    let project = Project::new();
    let blocks = blocks("docs/PLUGINS.md");
    let (folder, _guard) = new_plugin(&project, "averages", &[]);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let (mut modules, mut types) = (String::new(), String::from("export_plugin!(MovingAverage"));
    let mut scenarios = Vec::new();
    for block in blocks.iter().filter(|block| block.value("lang").is_none()) {
        if let Some(name) = block.value("append") {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            write(name, &format!("{text}\n{}", block.text));
        }
        let Some(name) = block.value("file") else {
            continue;
        };
        write(name, &block.text);
        if let Some(workload) = block.value("type") {
            modules.push_str(&format!("mod {};\n", workload.split("::").next().unwrap()));
            types.push_str(&format!(", {workload}"));
        }
        scenarios.extend(name.ends_with(".yaml").then_some(name));
    }
    let library = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    write(
        "src/lib.rs",
        &library.replace("export_plugin!(MovingAverage", &(modules + &types)),
    );
    assert_eq!(
        scenarios,
        [
            "lines.yaml",
            "sorting.yaml",
            "dot.yaml",
            "relay.yaml",
            "programs.yaml"
        ]
    );
    let [lines, sorting, dot, relay, programs] = [
        "lines.yaml",
        "sorting.yaml",
        "dot.yaml",
        "relay.yaml",
        "programs.yaml",
    ]
    .map(|name| measured(&project, &folder, name));
    assert_eq!(job(&lines, "lines[copies=1000]")["digest"]["value"], 3000);
    // The worst order of n numbers takes n (n - 1) / 2 moves, and the best order takes none.
    assert_eq!(
        job(&sorting, "sorting[order=descending,n=16]")["metrics"]["moves"],
        120.0
    );
    assert_eq!(
        job(&sorting, "sorting[order=ascending,n=256]")["metrics"]["moves"],
        0.0
    );
    assert_eq!(job(&dot, "dot")["allocations"]["count"], 0);
    assert_eq!(job(&relay, "relay[hops=1000]")["digest"]["value"], 1000);
    assert!(
        job(&programs, "pipe")["metrics"]["max_rss"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let listed = project
        .command()
        .current_dir(&folder)
        .args(["list", "averages/sorting", "--scenario", "sorting.yaml"])
        .output();
    insta::assert_snapshot!(
        "tutorial_list",
        String::from_utf8(listed.unwrap().stdout).unwrap()
    );

    // The plugin in README is a complete `lib.rs`.
    let readme = self::blocks("README.md");
    write(
        "src/lib.rs",
        &readme
            .iter()
            .find(|block| block.language == "rust")
            .unwrap()
            .text,
    );
    write(
        "spin.yaml",
        "plugins: { spin: { crate: . } }\ndefaults: { time: 20ms, rounds: 2 }\nworkloads:\n  - \
         workload: spin/spin\n",
    );
    let record = measured(&project, &folder, "spin.yaml");
    assert_eq!(job(&record, "spin")["scopes"][0]["name"], "chain");
}

#[test]
fn c_recipe_is_built_and_measured() {
    let project = Project::new();
    let (folder, _guard) = new_plugin(&project, "averages-in-c", &["--lang", "c"]);
    for block in blocks("docs/PLUGINS.md")
        .iter()
        .filter(|block| block.value("lang") == Some("c"))
    {
        std::fs::write(folder.join(block.value("file").unwrap()), &block.text).unwrap();
    }
    let record = measured(&project, &folder, "bench.yaml");
    assert_eq!(job(&record, "moving_average")["allocations"]["count"], 0);
}

#[test]
fn schema_is_what_scenarios_are_checked_against() {
    let ran = Project::new().orch(&["schema"]);
    assert_eq!(ran.code, 0);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(schema["title"], "orch scenario");
    for field in ["name", "plugins", "defaults", "workloads", "reports"] {
        let about = schema["properties"][field]["description"].as_str();
        assert!(
            about.is_some_and(|about| !about.is_empty()),
            "{field} says what it is"
        );
    }
}
