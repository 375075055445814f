//! Facts from a plugin's file, read before any of its code runs: architecture, ABI version, CPU
//! features.

use super::source_lines::{self, SourceLine};
use super::symbol_names;
use crate::file::{self, FileRefusal};
use object::read::elf::ElfFile64;
use object::{Architecture, Object, ObjectKind, ObjectSection, ObjectSegment, ObjectSymbol, elf};
use orch_sdk::abi;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// First bytes of every ELF file.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// Facts that decide whether a file may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LibraryFacts {
    pub(crate) abi_major: u16,
    pub(crate) abi_minor: u16,
    /// Size of the plugin's struct, as the plugin states it.
    pub(crate) struct_size: u32,
    pub(crate) flags: u32,
    /// CPU features for which the plugin was compiled; `None` if it does not state them.
    pub(crate) cpu_features: Option<Vec<String>>,
    /// Allocation function of an allocator inside the library; `None` if no known one is in it.
    pub(crate) own_allocator: Option<String>,
}

/// Prefixes of the allocation functions of well-known allocators. These never call the worker's
/// malloc, which counts. Linkers drop unused functions, so `mi_malloc_aligned` may be present
/// without `mi_malloc`.
const ALLOCATORS: [&str; 8] = [
    "je_malloc",
    "_rjem_malloc",
    "mi_malloc",
    "_mi_malloc",
    "tc_malloc",
    "rpmalloc",
    "sn_malloc",
    "sn_rust_alloc",
];

/// Finds the first known allocator that the library itself defines, as far as its symbols were
/// kept.
fn find_own_allocator(file: &ElfFile64<object::Endianness>) -> Option<String> {
    let defined = file
        .symbols()
        .chain(file.dynamic_symbols())
        .filter(|symbol| symbol.is_definition());
    let is_known = |name: &&str| {
        ["malloc", "dlmalloc"].contains(name)
            || ALLOCATORS.iter().any(|known| name.starts_with(known))
    };
    defined
        .filter_map(|symbol| symbol.name().ok())
        .find(is_known)
        .map(str::to_owned)
}

/// Reads the bytes of a library. Of a file that is no library, only the beginning is read.
pub(crate) fn read_library(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = file::open_regular(path)?;
    let mut beginning = Vec::new();
    file.by_ref().take(16).read_to_end(&mut beginning)?;
    if beginning.starts_with(MAGIC) {
        file.rewind()?;
        return file::read_opened(&file, file::MOST_LIBRARY_BYTES);
    }
    Ok(beginning)
}

/// Reads a plugin's file and refuses one that cannot work, without running any of its code.
pub(crate) fn inspect_library(path: &Path) -> Result<LibraryFacts, String> {
    let bytes = read_library(path).map_err(|error| match FileRefusal::find(&error) {
        Some(refusal) => refusal.to_string(),
        None => format!("cannot be read: {error}"),
    })?;
    let inspected = inspect_bytes(&bytes)?;
    if inspected.abi_major != abi::ABI_MAJOR {
        return Err(format!(
            "built for plugin ABI {}.{}, but this version of orch supports {}.{}; rebuild it with \
             the matching orch-sdk or header",
            inspected.abi_major,
            inspected.abi_minor,
            abi::ABI_MAJOR,
            abi::ABI_MINOR
        ));
    }
    if let Some(features) = &inspected.cpu_features {
        let missing: Vec<&str> = features
            .iter()
            .map(String::as_str)
            .filter(|name| orch_sdk::cpu::detected(name) != Some(true))
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "compiled for CPU features that this machine lacks: {}; rebuild it here, or for a \
                 smaller target-cpu",
                missing.join(", ")
            ));
        }
    }
    Ok(inspected)
}

fn inspect_bytes(bytes: &[u8]) -> Result<LibraryFacts, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if !bytes.starts_with(MAGIC) {
        return Err(format!(
            "not a shared library (no ELF header); it begins with {}",
            describe_beginning(bytes)
        ));
    }
    let file = ElfFile64::<object::Endianness>::parse(bytes)
        .map_err(|error| format!("not a complete 64-bit ELF file: {error}"))?;
    if file.architecture() != HOST {
        return Err(format!(
            "built for {:?}, this machine is {HOST:?}",
            file.architecture()
        ));
    }
    if file.kind() != ObjectKind::Dynamic {
        return Err(format!(
            "an ELF file, but not a shared library ({:?}); link it with -shared",
            file.kind()
        ));
    }
    let head = find_symbol_bytes(&file, abi::PLUGIN_SYMBOL, 16)
        .ok_or_else(|| describe_missing_symbol(&file))?;
    let [
        m0,
        m1,
        m2,
        m3,
        a0,
        a1,
        i0,
        i1,
        s0,
        s1,
        s2,
        s3,
        f0,
        f1,
        f2,
        f3,
        ..,
    ] = *head
    else {
        return Err(describe_missing_symbol(&file));
    };
    let magic = u32::from_le_bytes([m0, m1, m2, m3]);
    if magic != abi::MAGIC {
        return Err(format!(
            "its symbol {} begins with {magic:#010x} instead of the magic number",
            abi::PLUGIN_SYMBOL
        ));
    }
    let cpu_features = find_symbol_bytes(&file, abi::CPU_FEATURES_SYMBOL, 0).map(|bytes| {
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    });
    Ok(LibraryFacts {
        own_allocator: find_own_allocator(&file),
        abi_major: u16::from_le_bytes([a0, a1]),
        abi_minor: u16::from_le_bytes([i0, i1]),
        struct_size: u32::from_le_bytes([s0, s1, s2, s3]),
        flags: u32::from_le_bytes([f0, f1, f2, f3]),
        cpu_features,
    })
}

/// Other libraries that a library depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LinkedLibraries {
    /// Needed libraries, and the folders in which they are searched.
    pub(crate) needed: Vec<String>,
    pub(crate) search: Vec<String>,
}

impl LinkedLibraries {
    /// Returns whether libraries are searched in the folder of the file itself, so that it cannot
    /// be moved.
    pub(crate) fn searches_own_folder(&self) -> bool {
        self.search
            .iter()
            .any(|folder| folder.contains("$ORIGIN") || folder.contains("${ORIGIN}"))
    }
}

/// Returns whether a text occurs in the loaded part of a library; debug information is not loaded.
pub(crate) fn loads_text(bytes: &[u8], text: &[u8]) -> bool {
    let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) else {
        return false;
    };
    file.segments()
        .filter_map(|segment| segment.data().ok())
        .any(|data| data.windows(text.len()).any(|window| window == text))
}

/// Reads the names of the libraries that a library needs; empty for a file that is no library.
pub(crate) fn read_linked_libraries(bytes: &[u8]) -> LinkedLibraries {
    let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) else {
        return LinkedLibraries::default();
    };
    let mut found = LinkedLibraries::default();
    let Ok(table) = file.elf_dynamic_table() else {
        return found;
    };
    for entry in table.iter() {
        let list = match entry.tag {
            elf::DT_NEEDED => &mut found.needed,
            elf::DT_RPATH | elf::DT_RUNPATH => &mut found.search,
            _ => continue,
        };
        let text = table.string(entry).unwrap_or_default();
        list.push(String::from_utf8_lossy(text).into_owned());
    }
    found
}

/// Finds the needed libraries of a file to which its own search path, or that of one of them,
/// leads. Only library files are returned: a plugin that "needs" a key file gets no access to it.
pub(crate) fn find_linked(library: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders, mut open) =
        (Vec::new(), Vec::<PathBuf>::new(), vec![library.to_owned()]);
    while let Some(file) = open.pop() {
        let Some(bytes) = read_library(&file)
            .ok()
            .filter(|bytes| bytes.starts_with(MAGIC))
        else {
            continue;
        };
        if file != library {
            found.push(file.clone());
        }
        let LinkedLibraries { needed, search } = read_linked_libraries(&bytes);
        let origin = file
            .parent()
            .unwrap_or(Path::new("/"))
            .display()
            .to_string();
        let expanded = |folder: &str| {
            folder
                .replace("$ORIGIN", &origin)
                .replace("${ORIGIN}", &origin)
        };
        folders.extend(
            search
                .iter()
                .flat_map(|list| list.split(':'))
                .map(expanded)
                .map(PathBuf::from),
        );
        folders.retain(|folder| folder.is_absolute());
        for name in needed {
            let there = folders
                .iter()
                .map(|folder| folder.join(&name))
                .find(|path| path.is_file());
            open.extend(
                there.filter(|path| {
                    path != library && !found.contains(path) && !open.contains(path)
                }),
            );
        }
    }
    found
}

#[cfg(target_arch = "x86_64")]
const HOST: Architecture = Architecture::X86_64;
#[cfg(target_arch = "aarch64")]
const HOST: Architecture = Architecture::Aarch64;

/// Finds the file's bytes from an exported symbol's address to the end of its segment; `None` if
/// the symbol is not exported or fewer than `least` bytes follow. Segments are used instead of
/// sections, because thread-local sections share addresses with others.
fn find_symbol_bytes<'a>(file: &ElfFile64<'a>, name: &str, least: usize) -> Option<&'a [u8]> {
    let address = file
        .dynamic_symbols()
        .find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))?
        .address();
    let segment = file.segments().find(|segment| {
        let start = segment.address();
        address >= start && address - start < segment.size()
    })?;
    let data = segment
        .data()
        .ok()?
        .get(usize::try_from(address - segment.address()).ok()?..)?;
    (data.len() >= least).then_some(data)
}

fn describe_missing_symbol(file: &ElfFile64) -> String {
    let near = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
        .filter_map(|symbol| symbol.name().ok())
        .find(|name| name.starts_with("orch_plugin_v") && *name != abi::PLUGIN_SYMBOL);
    let hint = match near {
        Some(other) => format!("; it exports `{other}`, for another version of the ABI"),
        None => "; a Rust plugin gets it from export_plugin!, a C plugin defines it with default \
            visibility"
            .to_owned(),
    };
    format!(
        "not a plugin: it exports no data symbol `{}`{hint}",
        abi::PLUGIN_SYMBOL
    )
}

fn describe_beginning(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned();
    format!("{text:?}")
}

/// Place of an instruction in a library, given its distance from the library's base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodePlace {
    /// Inside a function that the symbol tables name.
    Function(NamedFunction),
    /// In the library's code, but in no named function.
    Unnamed,
    /// Not in this library.
    Elsewhere,
}

/// A function of a library, with the source line of an instruction in it if there is debug
/// information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedFunction {
    pub(crate) name: String,
    pub(crate) source: Option<SourceLine>,
}

/// Finds the function of an instruction.
pub(crate) fn find_code_place(path: &Path, offset: u64) -> CodePlace {
    let Ok(bytes) = read_library(path) else {
        return CodePlace::Elsewhere;
    };
    let Ok(file) = ElfFile64::<object::Endianness>::parse(&*bytes) else {
        return CodePlace::Elsewhere;
    };
    let holds = |start: u64, size: u64| offset >= start && offset - start < size;
    let in_code = file.sections().any(|section| {
        section.kind() == object::SectionKind::Text && holds(section.address(), section.size())
    });
    if !in_code {
        return CodePlace::Elsewhere;
    }
    let symbol = file
        .symbols()
        .chain(file.dynamic_symbols())
        .find(|symbol| holds(symbol.address(), symbol.size()));
    match symbol.and_then(|symbol| symbol.name().ok()) {
        Some(name) => {
            let name = symbol_names::demangle_shown(name);
            CodePlace::Function(NamedFunction {
                name,
                source: source_lines::find_line(&file, offset),
            })
        }
        None => CodePlace::Unnamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_and_huge_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", at("endless")).expect("a link");
        for (name, beginning) in [("library", MAGIC), ("data", &b"data"[..])] {
            std::fs::write(at(name), beginning).expect("written");
            let file = std::fs::File::options().write(true).open(at(name));
            let longer = file.and_then(|file| file.set_len(file::MOST_LIBRARY_BYTES + 1));
            longer.expect("sparse");
        }
        for (name, reason) in [
            ("pipe", "is a named pipe, not a regular file"),
            ("endless", "is a device, not a regular file"),
            (".", "is a folder, not a regular file"),
            ("library", "is larger than 4 GiB"),
            ("data", "not a shared library (no ELF header)"),
            ("nothing", "cannot be read: No such file"),
        ] {
            let error = inspect_library(&at(name)).expect_err(name);
            assert!(error.starts_with(reason), "{name}: {error}");
            assert!(find_linked(&at(name)).is_empty());
        }
    }

    #[test]
    fn file_that_is_no_library_is_refused_with_a_reason() {
        for (bytes, reason) in [
            (&b""[..], "empty"),
            (&b"hello, world"[..], "no ELF header"),
            (&b"\x7fELF"[..], "not a complete"),
            (
                &[
                    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0,
                ][..],
                "not a complete",
            ),
        ] {
            let error = inspect_bytes(bytes).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
