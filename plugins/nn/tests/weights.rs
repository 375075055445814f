//! Tests of files of weights that do not fit the model: each is refused, and the message names the
//! defect.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nn::model::{Config, Sizes, Weights};
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file under construction: name, type, shape and bytes of each tensor.
struct File {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    metadata: Option<HashMap<String, String>>,
}

fn config() -> Config {
    Config::new(Sizes {
        embed: 4,
        layers: 1,
        heads: 2,
        block: 3,
        vocab: 5,
    })
    .unwrap()
}

impl File {
    fn good() -> Self {
        let mut shapes = vec![
            ("wte.weight".to_owned(), vec![5, 4]),
            ("wpe.weight".to_owned(), vec![3, 4]),
        ];
        let layers = [
            ("attn.c_attn", 12, 4),
            ("attn.c_proj", 4, 4),
            ("mlp.c_fc", 16, 4),
            ("mlp.c_proj", 4, 16),
        ];
        for (name, outs, ins) in layers {
            shapes.push((format!("h.0.{name}.weight"), vec![outs, ins]));
            shapes.push((format!("h.0.{name}.bias"), vec![outs]));
        }
        for name in ["h.0.ln_1", "h.0.ln_2", "ln_f"] {
            shapes.push((format!("{name}.weight"), vec![4]));
            shapes.push((format!("{name}.bias"), vec![4]));
        }
        shapes.push(("lm_head.weight".to_owned(), vec![5, 4]));
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let bytes = vec![0; shape.iter().product::<usize>() * 4];
            (name, Dtype::F32, shape, bytes)
        };
        let sizes = [
            ("n_embd", 4),
            ("n_layer", 1),
            ("n_head", 2),
            ("block_size", 3),
            ("vocab_size", 5),
        ];
        let metadata = sizes.map(|(key, size): (&str, u32)| (key.to_owned(), size.to_string()));
        Self {
            tensors: shapes.into_iter().map(tensor).collect(),
            metadata: Some(HashMap::from(metadata)),
        }
    }

    fn tensor(&mut self, name: &str) -> &mut (String, Dtype, Vec<usize>, Vec<u8>) {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.0 == name)
            .unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        let view = |(name, dtype, shape, bytes): &(String, Dtype, Vec<usize>, Vec<u8>)| {
            (
                name.clone(),
                TensorView::new(*dtype, shape.clone(), bytes.clone().leak()).unwrap(),
            )
        };
        serialize(self.tensors.iter().map(view), self.metadata.clone()).unwrap()
    }

    fn refusal(&self) -> String {
        refusal(&self.bytes())
    }
}

/// Returns the message about a file, without its path.
fn refusal(bytes: &[u8]) -> String {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let name = format!(
        "weights-{}.safetensors",
        FILES.fetch_add(1, Ordering::Relaxed)
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = Weights::load(&path, config())
        .err()
        .map_or_else(|| "loaded".to_owned(), |error| error.to_string());
    error.replace(&format!("weights '{}': ", path.display()), "")
}

#[test]
fn good_file_is_loaded() {
    let mut file = File::good();
    assert_eq!(file.refusal(), "loaded");
    file.metadata = None;
    assert_eq!(file.refusal(), "loaded");
}

#[test]
fn missing_file() {
    let error = Weights::load("/nowhere/model.safetensors".as_ref(), config())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("weights '/nowhere/model.safetensors': cannot be read: No such file"),
        "{error}"
    );
}

#[test]
fn truncated_file() {
    let bytes = File::good().bytes();
    for len in [0, 7, 8, 100, bytes.len() - 1] {
        let refusal = refusal(&bytes[..len]);
        assert!(
            refusal.starts_with("not a complete safetensors file: "),
            "{len} bytes: {refusal}"
        );
    }
    assert!(
        refusal(b"PK\x03\x04 something else entirely")
            .starts_with("not a complete safetensors file: ")
    );
}

#[test]
fn missing_tensor() {
    let mut file = File::good();
    file.tensors
        .retain(|tensor| tensor.0 != "h.0.mlp.c_fc.bias");
    assert_eq!(file.refusal(), "tensor 'h.0.mlp.c_fc.bias' is missing");
}

#[test]
fn unknown_tensor() {
    let mut file = File::good();
    file.tensors
        .push(("h.1.ln_1.bias".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    assert_eq!(
        file.refusal(),
        "tensor 'h.1.ln_1.bias' is not part of the model"
    );
}

#[test]
fn tensor_of_another_shape() {
    let mut file = File::good();
    file.tensor("h.0.attn.c_attn.weight").2 = vec![4, 12];
    assert_eq!(
        file.refusal(),
        "tensor 'h.0.attn.c_attn.weight' has shape [4, 12], the model has [12, 4]"
    );
}

#[test]
fn tensor_of_another_type() {
    let mut file = File::good();
    let tensor = file.tensor("ln_f.bias");
    (tensor.1, tensor.3) = (Dtype::F16, vec![0; 8]);
    assert_eq!(file.refusal(), "tensor 'ln_f.bias' holds F16, expected F32");
}

#[test]
fn numbers_that_are_not_finite() {
    for (value, text) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut file = File::good();
        file.tensor("wpe.weight").3[20..24].copy_from_slice(&value.to_le_bytes());
        assert_eq!(
            file.refusal(),
            format!("tensor 'wpe.weight' holds {text} at place 5, expected finite numbers")
        );
    }
}

#[test]
fn metadata_that_disagrees() {
    for (key, stated, has) in [
        ("n_head", "4", 2),
        ("n_embd", "8", 4),
        ("block_size", "many", 3),
    ] {
        let mut file = File::good();
        file.metadata
            .get_or_insert_default()
            .insert(key.to_owned(), stated.to_owned());
        assert_eq!(
            file.refusal(),
            format!("the metadata says '{key}' is {stated}, the model has {has}")
        );
    }
}
