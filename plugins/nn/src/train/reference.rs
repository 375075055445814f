//! Every forward pass in `f64`, number by number and by the formula: the reference for derivatives.
//!
//! Parameters come as an iterator over their tensors, in the order of [`Trainable::visit`], so that
//! a composition takes its parts' parameters one after the other.
//!
//! [`Trainable::visit`]: super::Trainable::visit

use super::attention::Shape;
use super::gpt::Config;
use super::linear::Size;
use crate::gelu::{self, Form};
use crate::layer_norm::EPS;

/// Parameters that are taken one after the other.
pub type Weights<'a> = std::slice::Iter<'a, Vec<f64>>;

fn next<'a>(weights: &mut Weights<'a>) -> &'a [f64] {
    weights.next().expect("the caller passes all parameters")
}

/// `y[r, j] = sum over i of x[r, i] W[j, i] + b[j]`; takes W and, with `bias`, b.
pub fn linear(x: &[f64], weights: &mut Weights<'_>, bias: bool, size: Size) -> Vec<f64> {
    let Size { inputs, outputs } = size;
    let w = next(weights);
    let b = if bias {
        next(weights)
    } else {
        &vec![0.0; outputs]
    };
    let dot = |x: &[f64], j: usize| {
        x.iter()
            .zip(&w[j * inputs..])
            .map(|(x, w)| x * w)
            .sum::<f64>()
    };
    x.chunks_exact(inputs)
        .flat_map(|x| (0..outputs).map(move |j| dot(x, j) + b[j]))
        .collect()
}

/// Rows of the table of tokens plus rows of that of positions; takes both tables.
pub fn embedding(
    tokens: &[u32],
    weights: &mut Weights<'_>,
    length: usize,
    width: usize,
) -> Vec<f64> {
    let (token, position) = (next(weights), next(weights));
    let row = |i: usize, t: u32| {
        (0..width).map(move |c| token[t as usize * width + c] + position[i % length * width + c])
    };
    tokens
        .iter()
        .enumerate()
        .flat_map(|(i, &t)| row(i, t))
        .collect()
}

/// Every row to mean 0 and variance 1, then scaled and shifted; takes gamma and beta.
pub fn layer_norm(x: &[f64], weights: &mut Weights<'_>, cols: usize) -> Vec<f64> {
    let (gamma, beta) = (next(weights), next(weights));
    let normalised = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / cols as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cols as f64;
        let deviation = (variance + f64::from(EPS)).sqrt();
        (0..cols)
            .map(|c| (x[c] - mean) / deviation * gamma[c] + beta[c])
            .collect::<Vec<f64>>()
    };
    x.chunks_exact(cols).flat_map(normalised).collect()
}

/// The activation of every number.
pub fn activation(x: &[f64], form: Form) -> Vec<f64> {
    x.iter().map(|&x| gelu::reference(form, x)).collect()
}

/// `e^(x[i] - max) / sum of e^(x[j] - max)` of one row.
pub fn softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = x.iter().map(|x| (x - max).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

/// Causal attention of all heads: qkv `[positions, 3 width]` to `[positions, width]`.
pub fn attention(qkv: &[f64], shape: Shape) -> Vec<f64> {
    let Shape {
        batch,
        length,
        heads,
        head_width,
    } = shape;
    let width = heads * head_width;
    let mut out = vec![0.0; batch * length * width];
    for (b, h, i) in triples(batch, heads, length) {
        // Query, key or value (0, 1, 2) of a position: a slice of one head's numbers.
        let part = |which: usize, t: usize| {
            &qkv[(b * length + t) * 3 * width + which * width + h * head_width..][..head_width]
        };
        let score = |j: usize| {
            part(0, i)
                .iter()
                .zip(part(1, j))
                .map(|(q, k)| q * k)
                .sum::<f64>()
        };
        let scores: Vec<f64> = (0..=i)
            .map(|j| score(j) / (head_width as f64).sqrt())
            .collect();
        for (j, weight) in softmax(&scores).into_iter().enumerate() {
            let row = &mut out[(b * length + i) * width + h * head_width..][..head_width];
            row.iter_mut()
                .zip(part(2, j))
                .for_each(|(out, v)| *out += weight * v);
        }
    }
    out
}

fn triples(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
}

/// Linear, activation, linear; takes the parameters of both.
pub fn mlp(x: &[f64], weights: &mut Weights<'_>, form: Form, up: Size, down: Size) -> Vec<f64> {
    let hidden = linear(x, weights, true, up);
    linear(&activation(&hidden, form), weights, true, down)
}

/// `x1 = x + projection(attention(qkv(norm1(x))))`, `y = x1 + mlp(norm2(x1))`; takes the parameters
/// in this order.
pub fn block(
    x: &[f64],
    weights: &mut Weights<'_>,
    form: Form,
    shape: Shape,
    hidden: usize,
) -> Vec<f64> {
    let width = shape.width();
    let square = Size {
        inputs: width,
        outputs: width,
    };
    let normalised = layer_norm(x, weights, width);
    let qkv = linear(
        &normalised,
        weights,
        true,
        Size {
            inputs: width,
            outputs: 3 * width,
        },
    );
    let x = sum(x, &linear(&attention(&qkv, shape), weights, true, square));
    let normalised = layer_norm(&x, weights, width);
    let (up, down) = (
        Size {
            inputs: width,
            outputs: hidden,
        },
        Size {
            inputs: hidden,
            outputs: width,
        },
    );
    sum(&x, &mlp(&normalised, weights, form, up, down))
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// `mean over r of -ln softmax(logits[r])[target r]`.
pub fn cross_entropy(logits: &[f64], targets: &[u32], classes: usize) -> f64 {
    let rows = logits.chunks_exact(classes).zip(targets);
    let losses = rows.map(|(row, &target)| -softmax(row)[target as usize].ln());
    losses.sum::<f64>() / targets.len() as f64
}

/// `1 / (2 rows) * sum of (y - target)^2`.
pub fn squared_error(y: &[f64], target: &[f64], rows: usize) -> f64 {
    y.iter()
        .zip(target)
        .map(|(y, t)| (y - t).powi(2))
        .sum::<f64>()
        / (2.0 * rows as f64)
}

/// The loss of a whole model; takes the parameters of embedding, blocks, normalisation and head.
pub fn gpt(
    tokens: &[u32],
    targets: &[u32],
    weights: &mut Weights<'_>,
    config: Config,
    length: usize,
) -> f64 {
    let Config {
        width,
        heads,
        layers,
        vocabulary,
        form,
        ..
    } = config;
    let shape = Shape {
        batch: tokens.len() / length,
        length,
        heads,
        head_width: width / heads,
    };
    let mut x = embedding(tokens, weights, length, width);
    for _ in 0..layers {
        x = block(&x, weights, form, shape, 4 * width);
    }
    let normalised = layer_norm(&x, weights, width);
    let logits = linear(
        &normalised,
        weights,
        false,
        Size {
            inputs: width,
            outputs: vocabulary,
        },
    );
    cross_entropy(&logits, targets, vocabulary)
}
