//! Comparison of the machine code that a workload can reach in two builds of a plugin, independent
//! of layout.
//!
//! Both builds are walked in parallel from corresponding functions. Two functions match if their
//! instructions match and the targets of their references match in turn: other functions, data,
//! imports. Addresses themselves never count.
//!
//! | what | file |
//! |---|---|
//! | the relevant parts of an ELF file, and the meaning of addresses | `image.rs` |
//! | symbols and sections as tables that are searched by address | `tables.rs` |
//! | begins of objects without a symbol | `sweep.rs` |
//! | one function, decoded | `function.rs` |
//! | the parallel walk | `walk.rs` |
//! | comparison of data | `data.rs` |
//! | numbers about a function's code | `shape.rs` |
//!
//! The comparison ignores padding, the lengths of jumps, names, and the source locations of panics.
//! It includes data that are reached by address, up to the next address that anything refers to,
//! although they may not matter.
//!
//! A wrong "the same" would hide a slower program. The result is therefore `Changed` or `Unknown`
//! if something cannot be determined.

mod data;
mod function;
mod image;
mod shape;
mod sweep;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use super::symbol_names::{demangle, demangle_shown};
use image::LibraryImage;
use serde::{Deserialize, Serialize};

/// Result of comparing two builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodeSameness {
    /// Everything reachable is the same.
    Same {
        /// Number of functions compared.
        functions: usize,
        /// Bytes of their code in the first build.
        bytes: u64,
    },
    /// The differences; never empty.
    Changed(Vec<CodeChange>),
    /// No difference was found, but something could not be compared. The text is the reason.
    Unknown(String),
}

/// One function or datum that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodeChange {
    /// Demangled name without hash; for data without a name, the function that refers to it.
    pub(crate) function: String,
    /// Kind of difference.
    pub(crate) kind: CodeChangeKind,
    /// Code in the first build; `None` for data.
    pub(crate) a: Option<CodeShape>,
    /// Code in the second build; `None` for data.
    pub(crate) b: Option<CodeShape>,
}

/// Kind of difference of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodeChangeKind {
    /// Only the second build has the function.
    Added,
    /// Only the first build has the function.
    Removed,
    /// The instructions differ, or their references are of different kinds.
    Different,
    /// Data that the function refers to differ.
    Data,
}

/// Numbers that characterise the code of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodeShape {
    /// Length of the code, with padding.
    pub(crate) bytes: u64,
    /// Number of instructions, without padding.
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

/// Reason why libraries cannot be compared at all.
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

/// Name of the function table that a plugin exports.
const PLUGIN: &str = "orch_plugin_v1";

/// Compares the code reachable from `roots_a` in `a` with the code reachable from `roots_b` in `b`.
/// The roots are addresses of functions in corresponding order; without roots, the functions of
/// `orch_plugin_v1` are used.
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
    let (roots_a, roots_b) = (find_plugin_roots(&a)?, find_plugin_roots(&b)?);
    if roots_a.len() != roots_b.len() {
        return Err(CodeError::Roots {
            a: roots_a.len(),
            b: roots_b.len(),
        });
    }
    if roots_a.is_empty() {
        return Ok(CodeSameness::Unknown(format!(
            "`{PLUGIN}` contains no functions"
        )));
    }
    Ok(walk::walk_builds(&a, &b, &roots_a, &roots_b))
}

/// Alignment at which orch's compiler flags place functions, in bytes.
const ALIGNMENT: u64 = 64;

/// Returns whether the functions of `orch_plugin_v1` are aligned as orch's compiler flags align
/// them; `None` if the functions cannot be found.
pub(crate) fn has_aligned_functions(library: &[u8]) -> Option<bool> {
    let roots = find_plugin_roots(&LibraryImage::parse(library).ok()?).ok()?;
    (!roots.is_empty()).then(|| roots.iter().all(|address| address % ALIGNMENT == 0))
}

/// Finds the functions of `orch_plugin_v1`, in the order of the table.
fn find_plugin_roots(image: &LibraryImage) -> Result<Vec<u64>, CodeError> {
    let (start, end) = image.find_exported(PLUGIN).ok_or(CodeError::NoPlugin)?;
    Ok(image
        .list_relocations_in(start, end)
        .filter_map(|(place, _)| image.find_function_behind(place))
        .collect())
}
