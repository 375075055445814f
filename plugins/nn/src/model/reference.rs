//! The model in `f64`, position by position and by the formulas: slow, and the reference for the
//! fast one.

use super::weights::{Linear, Norm, Weights, row};
use crate::gelu::{self, Form};
use crate::tensor::Tensor;

/// Computes the logits after each of `tokens`: as many rows of `vocab` numbers.
///
/// # Panics
/// When there are more tokens than the model's block, or one that it does not know.
pub fn logits(weights: &Weights, form: Form, tokens: &[u32]) -> Vec<Vec<f64>> {
    let embedded = |(position, &token): (usize, &u32)| -> Vec<f64> {
        let (token, position) = (
            row(&weights.wte, token as usize),
            row(&weights.wpe, position),
        );
        token
            .iter()
            .zip(position)
            .map(|(&t, &p)| f64::from(t) + f64::from(p))
            .collect()
    };
    let mut x: Vec<Vec<f64>> = tokens.iter().enumerate().map(embedded).collect();
    for block in &weights.blocks {
        let qkv: Vec<Vec<f64>> = x
            .iter()
            .map(|x| linear(&block.c_attn, &norm(&block.ln_1, x)))
            .collect();
        for (position, x) in x.iter_mut().enumerate() {
            let mixed = attention(&qkv[..=position], weights.config.heads());
            add(x, &linear(&block.attn_proj, &mixed));
            let mut hidden = linear(&block.c_fc, &norm(&block.ln_2, x));
            hidden
                .iter_mut()
                .for_each(|h| *h = gelu::reference(form, *h));
            add(x, &linear(&block.mlp_proj, &hidden));
        }
    }
    x.iter()
        .map(|x| product(&weights.lm_head, &norm(&weights.ln_f, x)))
        .collect()
}

/// Continues `prompt` by `count` tokens, each the most probable one after the last `block` tokens
/// before it.
///
/// # Panics
/// When the prompt is empty or holds a token that the model does not know.
pub fn greedy(weights: &Weights, form: Form, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut context = prompt.to_vec();
    for _ in 0..count {
        let window = &context[context.len().saturating_sub(weights.config.block())..];
        let last = logits(weights, form, window)
            .pop()
            .expect("the prompt is not empty");
        let best = last
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        let (token, _) = best.expect("a model knows at least one token");
        context.push(u32::try_from(token).expect("token ids fit in 32 bits"));
    }
    context.split_off(prompt.len())
}

/// Computes the attention of the last position to all of them: per head, values weighted by the
/// softmax of `q . k / sqrt(head_dim)`.
fn attention(qkv: &[Vec<f64>], heads: usize) -> Vec<f64> {
    let embed = qkv[0].len() / 3;
    let width = embed / heads;
    let query = &qkv[qkv.len() - 1][..embed];
    let mut mixed = vec![0.0; embed];
    for (head, out) in mixed.chunks_exact_mut(width).enumerate() {
        let part = |of: usize, row: &[f64]| row[of * embed + head * width..][..width].to_vec();
        let q = part(0, query);
        let score = |row: &Vec<f64>| dot(&q, &part(1, row)) / (width as f64).sqrt();
        let scores: Vec<f64> = qkv.iter().map(score).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
        for (row, score) in qkv.iter().zip(&scores) {
            let weight = (score - max).exp() / sum;
            add(
                out,
                &part(2, row)
                    .iter()
                    .map(|v| v * weight)
                    .collect::<Vec<f64>>(),
            );
        }
    }
    mixed
}

fn norm(norm: &Norm, x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let deviation = (variance + 1e-5).sqrt();
    let affine = norm.weight.as_slice().iter().zip(norm.bias.as_slice());
    x.iter()
        .zip(affine)
        .map(|(x, (&g, &b))| (x - mean) / deviation * f64::from(g) + f64::from(b))
        .collect()
}

fn linear(linear: &Linear, x: &[f64]) -> Vec<f64> {
    let mut y = product(&linear.weight, x);
    y.iter_mut()
        .zip(linear.bias.as_slice())
        .for_each(|(y, &b)| *y += f64::from(b));
    y
}

/// Computes `W x` with W `[out, in]`.
fn product(w: &Tensor, x: &[f64]) -> Vec<f64> {
    (0..w.shape()[0])
        .map(|o| {
            row(w, o)
                .iter()
                .zip(x)
                .map(|(&w, x)| f64::from(w) * x)
                .sum()
        })
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
