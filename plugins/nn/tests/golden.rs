//! Tests of the model against float64 results of an independent implementation, `golden/mkgpt.py`.
//! The results of a tiny model are stored beside it. Those of the two named sizes are computed if
//! python3 has numpy and safetensors.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nn::Pool;
use nn::gelu::Form;
use nn::model::{Caching, Choose, Config, Forced, Gpt, Options, Sampler, Sizes, Weights};
use orch_sdk::serde_json::{self, Value};
use std::path::Path;
use std::process::Command;

const ACTIVATIONS: [(&str, Form); 3] = [
    ("gelu_tanh", Form::Tanh),
    ("gelu_erf", Form::Erf),
    ("quick_gelu", Form::Quick),
];

/// Maximum difference of a logit from that in float64.
const TOLERANCE: f64 = 1e-4;

#[test]
fn tiny_model() {
    check(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
        "tiny",
        None,
    );
}

#[test]
fn named_models() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/mkgpt.py");
    let imports = Command::new("python3")
        .args(["-c", "import numpy, safetensors"])
        .output();
    if !imports.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no python3 with numpy and safetensors");
        return;
    }
    let output = Command::new("python3")
        .arg(script)
        .arg(&folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    check(&folder, "small", Some(Config::SMALL));
    check(&folder, "medium", Some(Config::MEDIUM));
}

/// Checks every activation, with and without a cache, on one thread and on two.
fn check(folder: &Path, name: &str, named: Option<Config>) {
    let golden = std::fs::read_to_string(folder.join(format!("{name}.golden.json"))).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let config = config(&golden["config"]);
    assert!(named.is_none_or(|named| named == config));
    assert_eq!(
        (golden["parameters"].as_u64(), golden["tensors"].as_u64()),
        {
            let count = |number| Some(u64::try_from(number).unwrap());
            (count(config.parameters()), count(config.tensors()))
        }
    );
    let weights = Weights::load(&folder.join(format!("{name}.safetensors")), config).unwrap();
    let prompt = tokens(&golden["prompt"]);
    for (activation, form) in ACTIVATIONS {
        let expected = &golden["activations"][activation];
        for caching in [Caching::On, Caching::Off] {
            for threads in [1, 2] {
                let what = format!("{name}, {activation}, cache {caching:?}, {threads} threads");
                let mut gpt = Gpt::new(
                    &weights,
                    Options {
                        form,
                        caching,
                        pool: Pool::On,
                        threads,
                    },
                );
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| {
                    prompt_logits(&mut gpt, &prompt, expected, &what);
                    generation(&mut gpt, &prompt, expected, &what);
                });
            }
        }
    }
}

/// Checks the logits after each token of the prompt, given one by one.
fn prompt_logits(gpt: &mut Gpt, prompt: &[u32], expected: &Value, what: &str) {
    let padded = [&prompt[1..], &[0]].concat();
    let mut steps = Steps {
        choose: Forced::new(&padded),
        logits: Vec::new(),
    };
    gpt.generate(&prompt[..1], prompt.len(), &mut steps);
    let (sums, norms) = (
        numbers(&expected["sum_of_logits"]),
        numbers(&expected["norm_of_logits"]),
    );
    assert_eq!(
        (steps.logits.len(), sums.len(), norms.len()),
        (prompt.len(), prompt.len(), prompt.len())
    );
    let count = steps.logits[0].len() as f64;
    for (position, logits) in steps.logits.iter().enumerate() {
        let wide = || logits.iter().map(|&logit| f64::from(logit));
        // If no logit differs by more than the tolerance, neither does their mean or their root
        // mean square.
        assert!(
            (wide().sum::<f64>() - sums[position]).abs() <= TOLERANCE * count,
            "{what}: position {position}"
        );
        let norm = wide().map(|logit| logit * logit).sum::<f64>().sqrt();
        assert!(
            (norm - norms[position]).abs() <= TOLERANCE * count.sqrt(),
            "{what}: position {position}"
        );
    }
    close(
        &steps.logits[prompt.len() - 1],
        &expected["last_logits"],
        what,
    );
}

/// Checks greedy generation from the whole prompt, beyond the length of the context.
fn generation(gpt: &mut Gpt, prompt: &[u32], expected: &Value, what: &str) {
    let tokens = tokens(&expected["tokens"]);
    let mut steps = Steps {
        choose: Sampler::new(0.0, 1),
        logits: Vec::new(),
    };
    assert_eq!(
        gpt.generate(prompt, tokens.len(), &mut steps),
        tokens,
        "{what}"
    );
    close(&steps.logits[0], &expected["last_logits"], what);
    close(
        &steps.logits[tokens.len() - 1],
        &expected["last_step_logits"],
        what,
    );
}

fn close(logits: &[f32], expected: &Value, what: &str) {
    let expected = numbers(expected);
    assert_eq!(logits.len(), expected.len(), "{what}");
    for (i, (&logit, expected)) in logits.iter().zip(expected).enumerate() {
        let error = (f64::from(logit) - expected).abs();
        assert!(
            error <= TOLERANCE,
            "{what}: logit {i} is {logit}, expected {expected}"
        );
    }
}

/// Keeps the logits of each step.
struct Steps<C> {
    choose: C,
    logits: Vec<Vec<f32>>,
}

impl<C: Choose> Choose for Steps<C> {
    fn choose(&mut self, logits: &[f32], pool: Pool) -> u32 {
        self.logits.push(logits.to_vec());
        self.choose.choose(logits, pool)
    }
}

fn config(sizes: &Value) -> Config {
    let size = |key: &str| usize::try_from(sizes[key].as_u64().unwrap()).unwrap();
    let (embed, layers, heads) = (size("n_embd"), size("n_layer"), size("n_head"));
    Config::new(Sizes {
        embed,
        layers,
        heads,
        block: size("block_size"),
        vocab: size("vocab_size"),
    })
    .unwrap()
}

fn tokens(list: &Value) -> Vec<u32> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|id| u32::try_from(id.as_u64().unwrap()).unwrap())
        .collect()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}
