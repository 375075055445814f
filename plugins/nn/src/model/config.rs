//! The dimensions of a model.

use std::error::Error;
use std::fmt;

/// Unchecked dimensions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Width of the embedding.
    pub embed: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads of each block; they divide `embed`.
    pub heads: usize,
    /// Longest context in tokens.
    pub block: usize,
    /// Number of different tokens.
    pub vocab: usize,
}

/// Checked dimensions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config(Sizes);

/// Maximum number of parameters of a model: 4 GiB of weights.
const MOST_PARAMETERS: u128 = 1 << 30;

impl Config {
    /// 128 embed, 2 layers, 4 heads, block 64, vocab 256: 470 528 parameters in 29 tensors.
    pub const SMALL: Self = Self(Sizes {
        embed: 128,
        layers: 2,
        heads: 4,
        block: 64,
        vocab: 256,
    });

    /// 256 embed, 4 layers, 8 heads, block 128, vocab 512: 3 454 464 parameters in 53 tensors.
    pub const MEDIUM: Self = Self(Sizes {
        embed: 256,
        layers: 4,
        heads: 8,
        block: 128,
        vocab: 512,
    });

    /// Checks dimensions.
    ///
    /// # Errors
    /// When one is 0, the heads do not divide the embedding, or the weights would exceed 4 GiB.
    pub fn new(sizes: Sizes) -> Result<Self, InvalidConfig> {
        let Sizes {
            embed,
            layers,
            heads,
            block,
            vocab,
        } = sizes;
        let named = [
            ("embed", embed),
            ("layers", layers),
            ("heads", heads),
            ("block", block),
            ("vocab", vocab),
        ];
        if let Some((name, _)) = named.iter().find(|(_, size)| *size == 0) {
            return Err(InvalidConfig(format!("{name} is 0, expected at least 1")));
        }
        if !embed.is_multiple_of(heads) {
            return Err(InvalidConfig(format!(
                "heads ({heads}) do not divide embed ({embed})"
            )));
        }
        // Beyond 2^30 each, products of three could exceed even 128 bits.
        let [d, l, t, v] = [embed, layers, block, vocab].map(|size| (size as u128).min(1 << 30));
        if l * (12 * d * d + 13 * d) + (2 * v + t + 2) * d > MOST_PARAMETERS {
            return Err(InvalidConfig(
                "the weights would be larger than 4 GiB".to_owned(),
            ));
        }
        Ok(Self(sizes))
    }

    /// Width of the embedding.
    pub const fn embed(&self) -> usize {
        self.0.embed
    }

    /// Number of blocks.
    pub const fn layers(&self) -> usize {
        self.0.layers
    }

    /// Attention heads of each block.
    pub const fn heads(&self) -> usize {
        self.0.heads
    }

    /// Longest context in tokens.
    pub const fn block(&self) -> usize {
        self.0.block
    }

    /// Number of different tokens.
    pub const fn vocab(&self) -> usize {
        self.0.vocab
    }

    /// Width of one head.
    pub const fn head_dim(&self) -> usize {
        self.0.embed / self.0.heads
    }

    /// Hidden units of each block's MLP.
    pub const fn hidden(&self) -> usize {
        4 * self.0.embed
    }

    /// Numbers in all weights.
    pub const fn parameters(&self) -> usize {
        let d = self.0.embed;
        self.0.layers * (12 * d * d + 13 * d) + (2 * self.0.vocab + self.0.block + 2) * d
    }

    /// Tensors that hold the weights.
    pub const fn tensors(&self) -> usize {
        12 * self.0.layers + 5
    }

    /// Returns the dimensions by their names in a weights file.
    pub(super) fn by_name(&self) -> [(&'static str, usize); 5] {
        [
            ("n_embd", self.0.embed),
            ("n_layer", self.0.layers),
            ("n_head", self.0.heads),
            ("block_size", self.0.block),
            ("vocab_size", self.0.vocab),
        ]
    }
}

/// Reason why dimensions do not describe a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig(String);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for InvalidConfig {}
