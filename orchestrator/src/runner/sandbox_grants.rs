//! Files that the sandbox of a worker may access: those that the scenario grants, and the files
//! that the parameters of a job name. The latter are also the job's input files.

use super::scratch_folder::ScratchFolder;
use crate::plugin::SandboxSpec;
use crate::plugin::build::PreparedPlugin;
use orch_core::protocol::{SandboxGrants, WorkerRequest};
use orch_core::worker::sandbox;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Variable of a plugin's `env:` that lists folders with shared libraries.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// Finds the grants of a worker of this plugin with these parameters; `None` without a sandbox.
pub(crate) fn find_grants(
    prepared: &PreparedPlugin,
    workload: &str,
    params: &Map<String, Value>,
) -> Option<SandboxGrants> {
    let SandboxSpec::On { read, write } = &prepared.sandbox else {
        return None;
    };
    let mut read = [sandbox::system_paths(), read].concat();
    read.extend(
        prepared
            .env
            .iter()
            .filter(|(name, _)| name == LIBRARIES)
            .flat_map(|(_, value)| split_folders(value)),
    );
    if prepared.named_are_open {
        read.append(&mut find_named_paths(prepared, workload, params));
    }
    read.retain(|path| !leads_outside(path, write));
    Some(SandboxGrants {
        read,
        write: write.clone(),
        scratch: None,
    })
}

/// Finds the files and folders that the parameters of a workload name.
pub(crate) fn find_named_paths(
    prepared: &PreparedPlugin,
    workload: &str,
    params: &Map<String, Value>,
) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let schema = prepared.params.get(workload);
    for (name, value) in params {
        let own = schema.and_then(|schema| schema.get("properties")?.get(name));
        collect_paths(
            value,
            own,
            &prepared.folder,
            &|path| PathKind::read(path),
            &mut found,
        );
    }
    found
}

/// A file that a parameter names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputFile {
    /// Path for messages: relative to the plugin's folder if the file lies inside it.
    pub(crate) shown: String,
    pub(crate) path: PathBuf,
    /// Whether a sandbox prevents the plugin from writing the file.
    pub(crate) guarded: bool,
}

/// Finds the files that the parameters of a job name and that the plugin only reads. A file that
/// the plugin may write is no input.
pub(crate) fn find_input_files(
    prepared: &PreparedPlugin,
    workload: &str,
    params: &Map<String, Value>,
) -> Vec<InputFile> {
    let mut files = find_named_paths(prepared, workload, params);
    if let SandboxSpec::On { write, .. } = &prepared.sandbox {
        files.retain(|path| {
            !path
                .canonicalize()
                .is_ok_and(|path| write.iter().any(|folder| path.starts_with(folder)))
        });
    }
    let shown = |path: &Path| {
        path.strip_prefix(&prepared.folder)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let guarded = prepared.sandbox != SandboxSpec::Off;
    files
        .into_iter()
        .map(|path| InputFile {
            shown: shown(&path),
            path,
            guarded,
        })
        .collect()
}

/// Returns whether a path passes through a folder that plugins may write to and ends outside of all
/// of them. An earlier worker may have put a link into such a folder. The paths in `write` contain
/// no links.
fn leads_outside(path: &Path, write: &[PathBuf]) -> bool {
    let within = |path: &Path| write.iter().any(|folder| path.starts_with(folder));
    let through = path
        .ancestors()
        .any(|part| part.canonicalize().is_ok_and(|part| within(&part)));
    through && !path.canonicalize().is_ok_and(|path| within(&path))
}

/// Adds the worker's scratch folder to its request.
pub(super) fn add_scratch<'a>(
    request: &'a WorkerRequest,
    scratch: Option<&ScratchFolder>,
) -> Cow<'a, WorkerRequest> {
    let mut request = Cow::Borrowed(request);
    if let (Some(scratch), Some(_)) = (scratch, &request.sandbox)
        && let Some(grants) = &mut request.to_mut().sandbox
    {
        grants.scratch = Some(scratch.path().to_owned());
    }
    request
}

fn split_folders(list: &str) -> Vec<PathBuf> {
    list.split([':', ';'])
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .collect()
}

/// Kind of file at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathKind {
    Nothing,
    File,
    Folder,
}

impl PathKind {
    fn read(path: &Path) -> Self {
        match path.metadata() {
            Err(_) => Self::Nothing,
            Ok(data) if data.is_dir() => Self::Folder,
            Ok(_) => Self::File,
        }
    }
}

/// Collects the files and folders that strings in a parameter name, at any depth. A word without a
/// slash names a folder only if the parameter's schema says `format: path`. Thus `mode: src` does
/// not open the sources.
fn collect_paths(
    value: &Value,
    schema: Option<&Value>,
    here: &Path,
    kind: &dyn Fn(&Path) -> PathKind,
    found: &mut Vec<PathBuf>,
) {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains('\0') => {
            let path = here.join(text);
            let named = match kind(&path) {
                PathKind::Nothing => false,
                PathKind::File => true,
                PathKind::Folder => text.contains('/') || schema.is_some_and(is_path),
            };
            if named {
                found.push(path);
            }
        }
        Value::Array(items) => {
            let of_item = schema.and_then(|schema| find_inner_schema(schema, "items"));
            items
                .iter()
                .for_each(|item| collect_paths(item, of_item, here, kind, found));
        }
        Value::Object(fields) => {
            let properties = schema.and_then(|schema| find_inner_schema(schema, "properties"));
            for (name, field) in fields {
                collect_paths(
                    field,
                    properties.and_then(|properties| properties.get(name)),
                    here,
                    kind,
                    found,
                );
            }
        }
        _ => {}
    }
}

/// Returns whether a schema, or one of its alternatives, declares a string to be the path of a file
/// or folder.
fn is_path(schema: &Value) -> bool {
    schema.get("format").is_some_and(|format| format == "path")
        || list_alternatives(schema).any(is_path)
}

/// Finds the schema of the items of a list or of the fields of a map, in the schema itself or in
/// one of its alternatives.
fn find_inner_schema<'a>(schema: &'a Value, keyword: &str) -> Option<&'a Value> {
    schema
        .get(keyword)
        .or_else(|| list_alternatives(schema).find_map(|form| find_inner_schema(form, keyword)))
}

fn list_alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|keyword| schema.get(keyword)?.as_array())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn link_left_by_a_worker_grants_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["data/sub", "other"] {
            std::fs::create_dir_all(at(name)).expect("made");
        }
        for name in ["data/in", "data/sub/in", "other/secret", "plain"] {
            std::fs::write(at(name), "").expect("written");
        }
        std::os::unix::fs::symlink(at("data"), at("alias")).expect("linked");
        std::os::unix::fs::symlink(at("other"), at("data/evil")).expect("linked");
        std::os::unix::fs::symlink(at("other/secret"), at("data/swapped")).expect("linked");
        let write = [at("data").canonicalize().expect("there")];
        let out = |name: &str| leads_outside(&at(name), &write);
        assert_eq!(
            [
                "data/in",
                "data/sub/in",
                "plain",
                "other/secret",
                "alias/in",
                "data"
            ]
            .map(out),
            [false; 6]
        );
        assert_eq!(
            [
                "data/swapped",
                "data/evil/secret",
                "alias/swapped",
                "alias/evil/secret"
            ]
            .map(out),
            [true; 4]
        );
        assert!(
            !leads_outside(&at("data/swapped"), &[]),
            "the user's own links are the user's business"
        );
    }

    #[test]
    fn parameters_name_files_and_words_name_no_folders() {
        let kind = |path: &Path| match path.to_str() {
            Some("/here/model.bin" | "/abs/file") => PathKind::File,
            Some("/here/src" | "/here/./src" | "/abs") => PathKind::Folder,
            _ => PathKind::Nothing,
        };
        let named_by = |value: Value, schema: Option<Value>| {
            let mut found = Vec::new();
            collect_paths(
                &value,
                schema.as_ref(),
                Path::new("/here"),
                &kind,
                &mut found,
            );
            found
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        let named = |value: Value| named_by(value, None);
        assert_eq!(named(json!("model.bin")), ["/here/model.bin"]);
        assert_eq!(
            named(json!(["greedy", {"weights": "/abs/file", "n": 3}])),
            ["/abs/file"]
        );
        assert_eq!(named(json!("src")), [""; 0]);
        assert_eq!(named(json!("./src")), ["/here/./src"]);
        assert_eq!(named(json!("/abs")), ["/abs"]);
        assert_eq!(named(json!(["", "/missing", "a\0b", null, true])), [""; 0]);
        // If the schema declares a path, a word may also name a folder.
        let path = json!({ "type": "string", "format": "path" });
        for (value, schema) in [
            (json!("src"), path.clone()),
            (json!("src"), json!({ "anyOf": [path, { "type": "null" }] })),
            (json!(["src"]), json!({ "type": "array", "items": path })),
            (
                json!(["src"]),
                json!({ "oneOf": [{ "type": "null" }, { "items": path }] }),
            ),
            (
                json!({ "from": "src", "mode": "src" }),
                json!({ "properties": { "from": path, "mode": {} } }),
            ),
        ] {
            assert_eq!(
                named_by(value.clone(), Some(schema)),
                ["/here/src"],
                "{value}"
            );
        }
        for schema in [
            json!({ "type": "string" }),
            json!({ "items": path }),
            json!({ "properties": { "src": path } }),
        ] {
            assert_eq!(
                named_by(json!("src"), Some(schema.clone())),
                [""; 0],
                "{schema}"
            );
        }
    }
}
