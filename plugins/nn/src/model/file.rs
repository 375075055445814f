//! Reading of weights from a `.safetensors` file. The error names what does not fit the model.

use super::config::Config;
use super::weights::Weights;
use crate::tensor::Tensor;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// Reason why a file has no usable weights.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    problem: Problem,
}

/// Defect of a weights file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// The file is not in this format, or it is incomplete.
    Malformed(safetensors::SafeTensorError),
    /// The metadata give another dimension than the model has.
    Metadata {
        /// Name of the dimension.
        key: &'static str,
        /// Value in the file.
        found: String,
        /// Value of the model.
        expected: usize,
    },
    /// A tensor of the model is missing.
    Missing(String),
    /// The model has no such tensor.
    Unknown(String),
    /// A tensor has other dimensions than in the model.
    Shape {
        /// Name of the tensor.
        name: String,
        /// Its dimensions in the file.
        found: Vec<usize>,
        /// Its dimensions in the model.
        expected: Vec<usize>,
    },
    /// A tensor holds other numbers than `f32`.
    Type {
        /// Name of the tensor.
        name: String,
        /// Type in the terms of the format.
        found: Dtype,
    },
    /// A tensor holds NaN or an infinity.
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// Place of the first such number, in row-major order.
        index: usize,
        /// The number.
        value: f32,
    },
}

impl Weights {
    /// Reads the weights of a model with dimensions `config` from a `.safetensors` file of `f32`.
    ///
    /// The tensors are `wte.weight`, `wpe.weight`, for each block `h.N.ln_1`, `.attn.c_attn`,
    /// `.attn.c_proj`, `.ln_2`, `.mlp.c_fc`, `.mlp.c_proj` with `.weight` and `.bias`,
    /// `ln_f.weight`, `ln_f.bias` and `lm_head.weight`. Metadata is optional; `n_embd`, `n_layer`,
    /// `n_head`, `block_size` and `vocab_size` have to agree where they are there.
    ///
    /// # Errors
    /// When the file cannot be read, or when it is not exactly this model; see [`Problem`].
    pub fn load(path: &Path, config: Config) -> Result<Self, LoadError> {
        read(path, config).map_err(|problem| LoadError {
            path: path.to_owned(),
            problem,
        })
    }
}

impl LoadError {
    /// Returns the defect of the file.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

fn read(path: &Path, config: Config) -> Result<Weights, Problem> {
    let bytes = std::fs::read(path).map_err(Problem::Unreadable)?;
    check_metadata(&bytes, config)?;
    let file = SafeTensors::deserialize(&bytes).map_err(Problem::Malformed)?;
    let mut unknown: BTreeSet<&str> = file.names().into_iter().collect();
    let weights = Weights::build(config, |name, shape, _| {
        unknown.remove(name);
        tensor(&file, name, shape)
    })?;
    match unknown.first() {
        Some(name) => Err(Problem::Unknown((*name).to_owned())),
        None => Ok(weights),
    }
}

fn check_metadata(bytes: &[u8], config: Config) -> Result<(), Problem> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(Problem::Malformed)?;
    let Some(entries) = header.metadata() else {
        return Ok(());
    };
    for (key, expected) in config.by_name() {
        if let Some(found) = entries.get(key)
            && found.parse() != Ok(expected)
        {
            return Err(Problem::Metadata {
                key,
                found: found.clone(),
                expected,
            });
        }
    }
    Ok(())
}

fn tensor(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Tensor, Problem> {
    let view = file
        .tensor(name)
        .map_err(|_| Problem::Missing(name.to_owned()))?;
    if view.dtype() != Dtype::F32 {
        return Err(Problem::Type {
            name: name.to_owned(),
            found: view.dtype(),
        });
    }
    if view.shape() != shape {
        let (found, expected) = (view.shape().to_vec(), shape.to_vec());
        return Err(Problem::Shape {
            name: name.to_owned(),
            found,
            expected,
        });
    }
    let mut tensor = Tensor::zeros(shape);
    let (numbers, _) = view.data().as_chunks();
    for (index, (to, bytes)) in tensor.as_mut_slice().iter_mut().zip(numbers).enumerate() {
        *to = f32::from_le_bytes(*bytes);
        if !to.is_finite() {
            return Err(Problem::NotFinite {
                name: name.to_owned(),
                index,
                value: *to,
            });
        }
    }
    Ok(tensor)
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weights '{}': {}", self.path.display(), self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Malformed(error) => write!(f, "not a complete safetensors file: {error}"),
            Self::Metadata {
                key,
                found,
                expected,
            } => {
                write!(
                    f,
                    "the metadata says '{key}' is {found}, the model has {expected}"
                )
            }
            Self::Missing(name) => write!(f, "tensor '{name}' is missing"),
            Self::Unknown(name) => write!(f, "tensor '{name}' is not part of the model"),
            Self::Shape {
                name,
                found,
                expected,
            } => {
                write!(
                    f,
                    "tensor '{name}' has shape {found:?}, the model has {expected:?}"
                )
            }
            Self::Type { name, found } => {
                write!(f, "tensor '{name}' holds {found:?}, expected F32")
            }
            Self::NotFinite { name, index, value } => {
                write!(
                    f,
                    "tensor '{name}' holds {value} at place {index}, expected finite numbers"
                )
            }
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Unreadable(error) => Some(error),
            Problem::Malformed(error) => Some(error),
            _ => None,
        }
    }
}
