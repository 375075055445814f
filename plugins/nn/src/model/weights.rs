//! The weights of a model with their names and shapes in a file, before they are packed for speed.

use super::config::Config;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// All weights. Linear layers are `[out, in]`: `y = W x + b`.
#[derive(Debug)]
pub struct Weights {
    pub(super) config: Config,
    /// Token embedding, `[vocab, embed]`.
    pub(super) wte: Tensor,
    /// Position embedding, `[block, embed]`.
    pub(super) wpe: Tensor,
    pub(super) blocks: Vec<Block>,
    pub(super) ln_f: Norm,
    /// `[vocab, embed]`, without a bias.
    pub(super) lm_head: Tensor,
}

/// The weights of one block.
#[derive(Debug)]
pub(super) struct Block {
    pub ln_1: Norm,
    /// `[3 embed, embed]`: queries, keys, values; within each, one head after the other.
    pub c_attn: Linear,
    /// `[embed, embed]`.
    pub attn_proj: Linear,
    pub ln_2: Norm,
    /// `[4 embed, embed]`.
    pub c_fc: Linear,
    /// `[embed, 4 embed]`.
    pub mlp_proj: Linear,
}

/// Scale and shift of a layer normalisation, both `[embed]`.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub weight: Tensor,
    pub bias: Tensor,
}

/// A linear layer with bias.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}

/// Distribution of a tensor's numbers if there is no file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Init {
    mean: f32,
    /// Standard deviation.
    deviation: f32,
}

impl Weights {
    /// Creates random weights; equal seeds give equal weights.
    ///
    /// The mean and deviation of each tensor spread the logits of an untrained model as wide as
    /// those of a trained one, so that the most probable token does not depend on rounding.
    pub fn random(config: Config, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let made = Self::build(config, |_, shape, Init { mean, deviation }| {
            let mut tensor = Tensor::zeros(shape);
            rng.fill(tensor.as_mut_slice());
            // Numbers uniform in [-1, 1) have a deviation of 1 / sqrt 3.
            let factor = deviation * 3.0_f32.sqrt();
            tensor
                .as_mut_slice()
                .iter_mut()
                .for_each(|v| *v = v.mul_add(factor, mean));
            Ok::<_, std::convert::Infallible>(tensor)
        });
        match made {
            Ok(weights) => weights,
            Err(never) => match never {},
        }
    }

    /// Returns the dimensions.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Requests every tensor from `source` by name and shape, in the order of a file.
    pub(super) fn build<E>(
        config: Config,
        source: impl FnMut(&str, &[usize], Init) -> Result<Tensor, E>,
    ) -> Result<Self, E> {
        let (d, hidden) = (config.embed(), config.hidden());
        let mut source = Source(source);
        let wte = source.tensor("wte.weight", &[config.vocab(), d], 0.5)?;
        let wpe = source.tensor("wpe.weight", &[config.block(), d], 0.2)?;
        let block = |i| {
            let name = |part: &str| format!("h.{i}.{part}");
            Ok(Block {
                ln_1: source.norm(&name("ln_1"), d)?,
                ln_2: source.norm(&name("ln_2"), d)?,
                c_attn: source.linear(&name("attn.c_attn"), [3 * d, d], 1.5)?,
                attn_proj: source.linear(&name("attn.c_proj"), [d, d], 1.0)?,
                c_fc: source.linear(&name("mlp.c_fc"), [hidden, d], 1.5)?,
                mlp_proj: source.linear(&name("mlp.c_proj"), [d, hidden], 1.0)?,
            })
        };
        let blocks = (0..config.layers()).map(block).collect::<Result<_, E>>()?;
        let ln_f = source.norm("ln_f", d)?;
        let lm_head = source.tensor(
            "lm_head.weight",
            &[config.vocab(), d],
            3.0 / (d as f32).sqrt(),
        )?;
        Ok(Self {
            config,
            wte,
            wpe,
            blocks,
            ln_f,
            lm_head,
        })
    }
}

/// Returns one row of a matrix.
pub(super) fn row(matrix: &Tensor, index: usize) -> &[f32] {
    let width = matrix.shape()[1];
    &matrix.as_slice()[index * width..][..width]
}

struct Source<F>(F);

impl<E, F: FnMut(&str, &[usize], Init) -> Result<Tensor, E>> Source<F> {
    fn tensor(&mut self, name: &str, shape: &[usize], deviation: f32) -> Result<Tensor, E> {
        (self.0)(
            name,
            shape,
            Init {
                mean: 0.0,
                deviation,
            },
        )
    }

    fn norm(&mut self, name: &str, width: usize) -> Result<Norm, E> {
        let weight = (self.0)(
            &format!("{name}.weight"),
            &[width],
            Init {
                mean: 1.0,
                deviation: 0.1,
            },
        )?;
        Ok(Norm {
            weight,
            bias: self.tensor(&format!("{name}.bias"), &[width], 0.1)?,
        })
    }

    /// The deviation is `gain` over the root of the number of summands.
    fn linear(&mut self, name: &str, shape: [usize; 2], gain: f32) -> Result<Linear, E> {
        let weight = self.tensor(
            &format!("{name}.weight"),
            &shape,
            gain / (shape[1] as f32).sqrt(),
        )?;
        Ok(Linear {
            weight,
            bias: self.tensor(&format!("{name}.bias"), &shape[..1], 0.05)?,
        })
    }
}
