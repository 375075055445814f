//! Whether the machine code that a workload can reach is the same in two builds of a plugin,
//! whatever their layout.
//!
//! Both builds are walked in parallel from corresponding functions. Two functions match when their
//! instructions do, and when what these refer to matches in turn: other functions, data, imports.
//! Addresses themselves never count.
//!
//! | what | file |
//! |---|---|
//! | the parts of an ELF file that matter, and what an address stands for | `image.rs` |
//! | symbols and sections as tables that are searched by address | `tables.rs` |
//! | where objects without a symbol begin | `sweep.rs` |
//! | one function, decoded | `function.rs` |
//! | the parallel walk | `walk.rs` |
//! | comparing data | `data.rs` |
//! | numbers about a function's code | `shape.rs` |
//!
//! What does not count: padding, the lengths of jumps, names, and where in the source a panic comes
//! from. What counts, although it may not matter: data that are reached by address as far as the
//! next address that anything refers to.
//!
//! A wrong "the same" would hide a slower program, so whatever cannot be told is `Changed` or
//! `Unknown`.

mod data;
mod function;
mod image;
mod shape;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use super::symbol_names::demangle;
use image::LibraryImage;
use serde::{Deserialize, Serialize};

/// What two builds have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodeSameness {
    /// Everything reachable is the same.
    Same {
        /// Functions that were compared.
        functions: usize,
        /// Bytes of their code, of the first build.
        bytes: u64,
    },
    /// What differs; never empty.
    Changed(Vec<CodeChange>),
    /// Nothing differs as far as can be seen, but something cannot be seen: what.
    Unknown(String),
}

/// One function or datum that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodeChange {
    /// Demangled and without hash; for data without a name, the function that refers to it.
    pub(crate) function: String,
    /// In what way it differs.
    pub(crate) kind: CodeChangeKind,
    /// The code in the first build; none for data.
    pub(crate) a: Option<CodeShape>,
    /// The code in the second build; none for data.
    pub(crate) b: Option<CodeShape>,
}

/// In what way a function differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodeChangeKind {
    /// Only the second build has it.
    Added,
    /// Only the first build has it.
    Removed,
    /// Its instructions differ, or what they refer to is of another kind.
    Different,
    /// Data that it refers to differ.
    Data,
}

/// Numbers that tell what kind of code a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodeShape {
    /// Length of the code with its padding.
    pub(crate) bytes: u64,
    /// Instructions without padding.
    pub(crate) instructions: u64,
    /// Arithmetic on several floating-point numbers at once.
    pub(crate) packed_float: u64,
    /// Arithmetic on one floating-point number.
    pub(crate) scalar_float: u64,
    /// Width of the widest vector register in use; 0 without any.
    pub(crate) widest_vector_bits: u32,
    /// Calls between the target of a backward jump and the jump.
    pub(crate) calls_in_loops: u64,
}

/// A library that cannot be compared at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("not a 64-bit ELF library: {0}")]
    Elf(#[from] object::Error),
    #[error("the library is for another processor than x86-64")]
    Processor,
    #[error("the libraries begin at {a} and {b} functions")]
    Roots { a: usize, b: usize },
    #[error("the library has no data symbol `{PLUGIN}`")]
    NoPlugin,
}

/// The table of functions that a plugin exports.
const PLUGIN: &str = "orch_plugin_v1";

/// Compares what can be reached from `roots_a` in `a` with what can be reached from `roots_b` in
/// `b`: addresses of functions in corresponding order. Without roots, the functions of
/// `orch_plugin_v1`.
pub(crate) fn compare_builds(
    a: &[u8],
    b: &[u8],
    roots_a: &[u64],
    roots_b: &[u64],
) -> Result<CodeSameness, CodeError> {
    if roots_a.len() != roots_b.len() {
        return Err(CodeError::Roots {
            a: roots_a.len(),
            b: roots_b.len(),
        });
    }
    let (a, b) = (LibraryImage::parse(a)?, LibraryImage::parse(b)?);
    if let Some(why) = a.obstacle().or(b.obstacle()) {
        return Ok(CodeSameness::Unknown(why));
    }
    if !roots_a.is_empty() {
        return Ok(walk::walk_builds(&a, &b, roots_a, roots_b));
    }
    let (roots_a, roots_b) = (plugin_roots(&a)?, plugin_roots(&b)?);
    if roots_a.len() != roots_b.len() {
        return Err(CodeError::Roots {
            a: roots_a.len(),
            b: roots_b.len(),
        });
    }
    if roots_a.is_empty() {
        return Ok(CodeSameness::Unknown(format!(
            "`{PLUGIN}` holds no functions"
        )));
    }
    Ok(walk::walk_builds(&a, &b, &roots_a, &roots_b))
}

/// Alignment at which orch's compiler flags place functions, in bytes.
const ALIGNMENT: u64 = 64;

/// Whether the functions of `orch_plugin_v1` are aligned as orch's compiler flags align them. None:
/// they cannot be found.
pub(crate) fn has_aligned_functions(library: &[u8]) -> Option<bool> {
    let roots = plugin_roots(&LibraryImage::parse(library).ok()?).ok()?;
    (!roots.is_empty()).then(|| roots.iter().all(|address| address % ALIGNMENT == 0))
}

/// The functions of `orch_plugin_v1`, in its order.
fn plugin_roots(image: &LibraryImage) -> Result<Vec<u64>, CodeError> {
    let (start, end) = image.exported(PLUGIN).ok_or(CodeError::NoPlugin)?;
    Ok(image
        .relocations_in(start, end)
        .filter_map(|(place, _)| image.function_behind(place))
        .collect())
}
