//! Reads a scenario's text: syntax, schema, and the rules beyond the schema. This needs no plugin.

use super::printable_names::find_control_characters;
use super::problem::{FileProblem, nearest_name};
use super::wire;
use super::yaml::{PathStep, YamlNode, parse_path};
use super::{JobSettings, Scenario, WorkloadEntry, YamlSource, quantity, schema_violation};
use crate::plugin::{BuiltinPlugin, PluginSource, PluginSpec, SandboxSpec};
use orch_core::format;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Facts about a scenario file that are not in its text.
pub(crate) struct ScenarioContext<'a> {
    /// Folder in which relative paths start.
    pub(crate) root: &'a Path,
    /// Name of a scenario without a name of its own.
    pub(crate) stem: &'a str,
    /// Whether a file or folder exists.
    pub(crate) exists: &'a dyn Fn(&Path) -> bool,
    /// Resolves a path with its links; returns the path itself if that fails.
    pub(crate) real: &'a dyn Fn(&Path) -> PathBuf,
}

/// Reads a scenario, or lists all its problems.
pub(crate) fn read_scenario(
    text: &str,
    around: &ScenarioContext,
) -> Result<Scenario, Vec<FileProblem>> {
    let node = YamlNode::parse(text).map_err(|problem| vec![problem])?;
    let value = node.to_value();
    let source = YamlSource {
        root: node,
        option: String::new(),
    };
    if value.is_null() {
        let hint =
            "begin with `plugins:` and `workloads:`; `orch schema` prints all fields".to_owned();
        return Err(vec![source.problem(&[], "the file is empty", Some(hint))]);
    }
    let violations = schema_violation::find_violations(&wire::schema(), &value);
    // Invalid values are removed, so that the rest can be checked in the same run.
    let mut rest = value;
    let mut pruned: Vec<Vec<PathStep>> = violations
        .iter()
        .map(|violation| prune_violation(&mut rest, violation))
        .collect();
    pruned.extend(fill_missing(&mut rest));
    let mut problems: Vec<FileProblem> = violations
        .into_iter()
        .map(|violation| locate_violation(&source, violation))
        .collect();
    // A value that the schema refuses has its problem already.
    let mut unprintable = find_control_characters(&source.root);
    unprintable.retain(|one| problems.iter().all(|other| other.at != one.at));
    problems.extend(unprintable);
    let wire: wire::WireScenario = match serde_json::from_value(rest) {
        Ok(wire) => wire,
        Err(_) if !problems.is_empty() => return Err(problems),
        Err(error) => {
            return Err(vec![source.problem(
                &[],
                format!("cannot read the scenario: {error}"),
                None,
            )]);
        }
    };
    let mut check = ScenarioCheck {
        source: &source,
        around,
        problems,
        pruned,
    };
    let plugins = check.check_plugins(&wire);
    let entries = check.check_entries(&wire);
    let gate = check.check_gate(&wire);
    if !check.problems.is_empty() {
        return Err(check.problems);
    }
    let name = wire.name.unwrap_or_else(|| around.stem.to_owned());
    Ok(Scenario {
        name,
        about: wire.about,
        plugins,
        entries,
        reports: wire.reports,
        notes: wire.notes,
        gate,
        anchor: wire.anchor,
        source,
    })
}

pub(super) fn locate_violation(
    source: &YamlSource,
    violation: schema_violation::SchemaViolation,
) -> FileProblem {
    match violation.key {
        Some(key) => source.key_problem(&violation.path, &key, violation.message, violation.hint),
        None => source.problem(&violation.path, violation.message, violation.hint),
    }
}

/// Removes the value or key of a violation from the document, and returns its path.
fn prune_violation(
    document: &mut Value,
    violation: &schema_violation::SchemaViolation,
) -> Vec<PathStep> {
    let mut path = violation.path.clone();
    path.extend(violation.key.clone().map(PathStep::Key));
    if let Some((PathStep::Key(last), before)) = path.split_last() {
        let object = before.iter().try_fold(document, |value, step| match step {
            PathStep::Key(name) => value.get_mut(name),
            PathStep::Index(index) => value.get_mut(index),
        });
        if let Some(object) = object.and_then(Value::as_object_mut) {
            object.shift_remove(last);
        }
    }
    path
}

/// Returns the CPU for which orch builds a plugin.
fn choose_cpu(plugin: &wire::WirePlugin) -> String {
    plugin.cpu.clone().unwrap_or_else(|| "native".to_owned())
}

/// Collects problems during the conversion.
pub(super) struct ScenarioCheck<'a> {
    source: &'a YamlSource,
    around: &'a ScenarioContext<'a>,
    problems: Vec<FileProblem>,
    /// Paths of values that were removed because they were invalid themselves. Their absence is no
    /// further problem.
    pruned: Vec<Vec<PathStep>>,
}

impl ScenarioCheck<'_> {
    pub(super) fn add_problem(
        &mut self,
        path: &[PathStep],
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        if self.pruned.iter().any(|pruned| pruned.starts_with(path)) {
            return;
        }
        self.problems
            .push(self.source.problem(path, message, hint.map(str::to_owned)));
    }

    fn check_plugins(&mut self, wire: &wire::WireScenario) -> Vec<(String, PluginSpec)> {
        let mut specs = Vec::new();
        for (key, plugin) in &wire.plugins {
            let path = [
                PathStep::Key("plugins".to_owned()),
                PathStep::Key(key.clone()),
            ];
            if key.is_empty() || key.contains('/') || key.contains(char::is_whitespace) {
                let message = format!("the plugin key {key:?} is empty or has a space or '/'");
                self.problems
                    .push(self.source.key_problem(&path[..1], key, message, None));
            }
            let sandbox = self.check_sandbox(&path, plugin, wire.defaults.sandbox);
            self.check_loader_variables(&path, plugin, &sandbox);
            if let Some(source) = self.check_plugin_source(&path, plugin) {
                let env = plugin
                    .env
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                let overlay = plugin.overlay.then(|| self.around.root.to_owned());
                let spec = PluginSpec {
                    source,
                    env,
                    sandbox,
                    overlay,
                    folder: self.around.root.to_owned(),
                };
                specs.push((key.clone(), spec.with_package()));
            }
        }
        specs
    }

    /// Checks variables of the dynamic loader, whose code would run before the sandbox is entered.
    fn check_loader_variables(
        &mut self,
        path: &[PathStep],
        plugin: &wire::WirePlugin,
        sandbox: &SandboxSpec,
    ) {
        let SandboxSpec::On { write, .. } = sandbox else {
            return;
        };
        let open: Vec<PathBuf> = write.iter().map(|path| (self.around.real)(path)).collect();
        let may_be_written = |folder: &str| {
            let real = (self.around.real)(Path::new(folder));
            open.iter().any(|open| real.starts_with(open))
        };
        for (name, value) in &plugin.env {
            let mut folders = value.split([':', ';']);
            let message = match name.as_str() {
                "LD_PRELOAD" | "LD_AUDIT" => {
                    format!("`{name}` would run code outside of the sandbox")
                }
                "LD_LIBRARY_PATH"
                    if folders
                        .clone()
                        .any(|folder| !Path::new(folder).is_absolute()) =>
                {
                    format!(
                        "`{name}` names a relative folder, which depends on the folder in which \
                         orch is started"
                    )
                }
                "LD_LIBRARY_PATH" if folders.any(may_be_written) => {
                    format!(
                        "`{name}` names a folder that the plugin may write to, so the plugin could \
                         put a library there"
                    )
                }
                _ => continue,
            };
            let at = [
                path,
                &[PathStep::Key("env".to_owned()), PathStep::Key(name.clone())],
            ]
            .concat();
            self.add_problem(&at, message, Some("`sandbox: off` on the plugin allows it"));
        }
    }

    fn check_plugin_source(
        &mut self,
        path: &[PathStep],
        plugin: &wire::WirePlugin,
    ) -> Option<PluginSource> {
        let field = |name: &str| [path, &[PathStep::Key(name.to_owned())]].concat();
        if let Some(cpu) = &plugin.cpu
            && plugin.crate_folder.is_none()
            && plugin.criterion.is_none()
        {
            self.add_problem(
                &field("cpu"),
                format!("`cpu: {cpu}` needs `crate` or `criterion`, which orch builds itself"),
                None,
            );
        }
        if plugin.overlay && (plugin.path.is_some() || plugin.builtin.is_some()) {
            let hint = "use `crate`, or `dir` with `build`, which are built against each commit";
            self.add_problem(
                &field("overlay"),
                "`overlay` needs a plugin that orch builds",
                Some(hint),
            );
        }
        if plugin.overlay && plugin.criterion.is_some() {
            let hint = "compare commits that contain the bench file";
            self.add_problem(
                &field("overlay"),
                "`overlay` does not work with `criterion`",
                Some(hint),
            );
        }
        match (
            &plugin.crate_folder,
            &plugin.criterion,
            &plugin.path,
            plugin.builtin,
            &plugin.dir,
            &plugin.build,
        ) {
            (Some(folder), None, None, None, None, None) => {
                let folder = self.resolve_existing(&field("crate"), folder, "Cargo.toml")?;
                Some(PluginSource::Crate {
                    folder,
                    cpu: choose_cpu(plugin),
                    bench: None,
                })
            }
            (None, Some(file), None, None, None, None) => {
                self.find_bench(&field("criterion"), file, plugin)
            }
            (None, None, Some(file), None, None, None) => Some(PluginSource::File(
                self.resolve_existing(&field("path"), file, "")?,
            )),
            (None, None, None, Some(wire::WireBuiltin::Command), None, None) => {
                Some(PluginSource::Builtin {
                    plugin: BuiltinPlugin::Command,
                    folder: self.around.root.to_owned(),
                })
            }
            (None, None, None, None, Some(folder), Some(command)) => {
                let folder = self.resolve_existing(&field("dir"), folder, "")?;
                Some(PluginSource::Command {
                    folder,
                    command: command.clone(),
                })
            }
            _ => {
                let hint = "write `crate: FOLDER`, or `criterion: benches/NAME.rs`, or `path: \
                    FILE.so`, or `dir: FOLDER` with `build: 'COMMAND'`, or `builtin: command`";
                self.add_problem(
                    path,
                    "a plugin needs exactly one of `crate`, `criterion`, `path`, `builtin`, or \
                     `dir` with `build`",
                    Some(hint),
                );
                None
            }
        }
    }

    /// Finds the package to which a bench file belongs.
    fn find_bench(
        &mut self,
        at: &[PathStep],
        written: &str,
        plugin: &wire::WirePlugin,
    ) -> Option<PluginSource> {
        let file = self.resolve_existing(at, written, "")?;
        let is_package = |folder: &&Path| (self.around.exists)(&folder.join("Cargo.toml"));
        let package = file.ancestors().skip(1).find(is_package);
        let Some(folder) = package.map(Path::to_owned) else {
            let hint = "name a file of a package, such as `benches/parse.rs`";
            let message = format!(
                "`{written}` belongs to no package: no folder above it has a \
                Cargo.toml"
            );
            self.add_problem(at, message, Some(hint));
            return None;
        };
        let bench = file.strip_prefix(&folder).unwrap_or(&file).to_owned();
        Some(PluginSource::Crate {
            folder,
            cpu: choose_cpu(plugin),
            bench: Some(bench),
        })
    }

    /// Checks the grants of the plugin. Paths that do not exist are problems, because they may be
    /// misspelt.
    fn check_sandbox(
        &mut self,
        at: &[PathStep],
        plugin: &wire::WirePlugin,
        default: Option<wire::WireSandbox>,
    ) -> SandboxSpec {
        let mut named = |field: &str, written: &[String]| -> Vec<PathBuf> {
            let path = |index| {
                [
                    at,
                    &[PathStep::Key(field.to_owned()), PathStep::Index(index)],
                ]
                .concat()
            };
            let found = written
                .iter()
                .enumerate()
                .map(|(index, text)| self.resolve_existing(&path(index), text, ""));
            found.collect::<Vec<_>>().into_iter().flatten().collect()
        };
        let (read, write) = (named("read", &plugin.read), named("write", &plugin.write));
        if plugin.sandbox.or(default) != Some(wire::WireSandbox::Off) {
            return SandboxSpec::On { read, write };
        }
        for (field, written) in [("read", &plugin.read), ("write", &plugin.write)] {
            if plugin.sandbox.is_some() && !written.is_empty() {
                let message = format!("`{field}` extends the sandbox, but `sandbox` is off");
                let hint = "keep one of them: without a sandbox, plugins may read and write all \
                    files";
                self.add_problem(
                    &[at, &[PathStep::Key(field.to_owned())]].concat(),
                    message,
                    Some(hint),
                );
            }
        }
        SandboxSpec::Off
    }

    /// Returns the absolute path of an existing file or folder, which has to contain `inside`.
    fn resolve_existing(
        &mut self,
        at: &[PathStep],
        written: &str,
        inside: &str,
    ) -> Option<PathBuf> {
        let path = self.around.root.join(written);
        let wanted = if inside.is_empty() {
            path.clone()
        } else {
            path.join(inside)
        };
        if (self.around.exists)(&wanted) {
            return Some(path);
        }
        let missing = if (self.around.exists)(&path) {
            format!("`{written}` has no {inside}")
        } else {
            format!("`{written}` does not exist")
        };
        let hint = format!("relative paths start at {}", self.around.root.display());
        self.add_problem(at, missing, Some(&hint));
        None
    }

    fn check_entries(&mut self, wire: &wire::WireScenario) -> Vec<WorkloadEntry> {
        let at = vec![PathStep::Key("defaults".to_owned())];
        let defaults = self.check_settings(&at, &wire.defaults, &JobSettings::default());
        let mut entries = Vec::new();
        for (index, workload) in wire.workloads.iter().enumerate() {
            let at = vec![
                PathStep::Key("workloads".to_owned()),
                PathStep::Index(index),
            ];
            let settings = self.check_settings(&at, &own_settings(workload), &defaults);
            let (plugin, name) = workload
                .workload
                .split_once('/')
                .unwrap_or((&workload.workload, ""));
            if !wire.plugins.contains_key(plugin) {
                let path = [&at[..], &[PathStep::Key("workload".to_owned())]].concat();
                let known: Vec<&str> = wire.plugins.keys().map(String::as_str).collect();
                let hint = match nearest_name(plugin, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}/{name}`?"),
                    None => format!("plugins of this scenario: {}", format::listed(&known)),
                };
                self.add_problem(
                    &path,
                    format!("no plugin `{plugin}` in this scenario"),
                    Some(&hint),
                );
            }
            self.check_matrix(&at, workload);
            entries.push(WorkloadEntry {
                index,
                plugin: plugin.to_owned(),
                workload: name.to_owned(),
                id: workload.id.clone(),
                params: workload.params.clone(),
                matrix: workload
                    .matrix
                    .iter()
                    .map(|(name, values)| (name.clone(), values.clone()))
                    .collect(),
                tags: workload.tags.clone(),
                settings,
            });
        }
        entries
    }

    fn check_matrix(&mut self, at: &[PathStep], workload: &wire::WireWorkloadEntry) {
        for (name, values) in &workload.matrix {
            let path = [at, &parse_path("matrix"), &[PathStep::Key(name.clone())]].concat();
            if values.is_empty() {
                self.add_problem(
                    &path,
                    format!("`{name}` lists no values, so there is no job to measure"),
                    None,
                );
            }
            for (index, value) in values.iter().enumerate() {
                let Some(first) = values[..index]
                    .iter()
                    .find(|one| text_of(one) == text_of(value))
                else {
                    continue;
                };
                let message = if first == value {
                    format!("`{name}` lists {value} twice")
                } else {
                    format!("`{name}` lists {first} and {value}, whose jobs would have the same id")
                };
                let hint = "each value makes a job with an id of its own: keep one of the two";
                self.add_problem(
                    &[&path[..], &[PathStep::Index(index)]].concat(),
                    message,
                    Some(hint),
                );
            }
            if workload.params.contains_key(name) {
                self.add_problem(
                    &path,
                    format!("`{name}` is in `params` and in `matrix`"),
                    Some("keep one of them"),
                );
            }
        }
    }

    fn check_settings(
        &mut self,
        at: &[PathStep],
        wire: &wire::WireSettings,
        base: &JobSettings,
    ) -> JobSettings {
        JobSettings {
            time: self.parse_setting(
                at,
                "time",
                wire.time.as_deref(),
                quantity::parse_duration,
                base.time,
            ),
            rounds: wire.rounds.unwrap_or(base.rounds),
            timeout: self.parse_setting::<Duration>(
                at,
                "timeout",
                wire.timeout.as_deref(),
                quantity::parse_duration,
                base.timeout,
            ),
            memory: self.parse_setting(
                at,
                "memory",
                wire.memory.as_deref(),
                quantity::parse_bytes,
                base.memory,
            ),
            threads: wire
                .threads
                .map_or(base.threads, |threads| threads as usize),
            tolerance: self.parse_setting(
                at,
                "tolerance",
                wire.tolerance.as_deref(),
                quantity::parse_percent,
                base.tolerance,
            ),
            max_allocations: wire.max_allocations.or(base.max_allocations),
        }
    }

    pub(super) fn parse_setting<T>(
        &mut self,
        at: &[PathStep],
        field: &str,
        text: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
        base: T,
    ) -> T {
        match text.map(parse) {
            None => base,
            Some(Ok(value)) => value,
            Some(Err(message)) => {
                self.add_problem(
                    &[at, &[PathStep::Key(field.to_owned())]].concat(),
                    format!("{field}: {message}"),
                    None,
                );
                base
            }
        }
    }
}

/// Formats a matrix value for the job's id.
fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Inserts an empty text where an entry of a list lacks a required field, so that the rest of the
/// file is checked in the same run. Returns the places.
fn fill_missing(document: &mut Value) -> Vec<Vec<PathStep>> {
    const TEXTS: [(&str, &[&str]); 3] = [
        ("workloads", &["workload"]),
        ("accept", &["job", "reason", "until"]),
        ("targets", &["job", "metric", "is"]),
    ];
    let mut filled = Vec::new();
    for (list, names) in TEXTS {
        let items = document.get_mut(list).and_then(Value::as_array_mut);
        for (index, item) in items.into_iter().flatten().enumerate() {
            let Some(fields) = item.as_object_mut() else {
                continue;
            };
            for name in names
                .iter()
                .filter(|name| !fields.contains_key(**name))
                .collect::<Vec<_>>()
            {
                fields.insert((*name).to_owned(), Value::String(String::new()));
                filled.push(vec![
                    PathStep::Key(list.to_owned()),
                    PathStep::Index(index),
                    PathStep::Key((*name).to_owned()),
                ]);
            }
        }
    }
    filled
}

fn own_settings(workload: &wire::WireWorkloadEntry) -> wire::WireSettings {
    wire::WireSettings {
        time: workload.time.clone(),
        rounds: workload.rounds,
        timeout: workload.timeout.clone(),
        memory: workload.memory.clone(),
        threads: workload.threads,
        tolerance: workload.tolerance.clone(),
        max_allocations: workload.max_allocations,
        sandbox: None,
    }
}
