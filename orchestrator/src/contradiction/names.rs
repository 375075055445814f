//! The information in the name of a row: the kernel, its size, and whether it is a loop inside
//! another row.

/// A row's place among rows of the same computation at other sizes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SizeFamily {
    /// The name with a star in place of the size.
    pub(crate) group: String,
    /// For `64x512`: 64 and 512; for small, medium and large: the rank.
    pub(crate) lengths: Vec<f64>,
    /// The length of one side, if all sides are equal and the size is a number.
    pub(crate) side: Option<f64>,
}

impl SizeFamily {
    /// Returns a number that grows with the work, if no length shrinks.
    pub(crate) fn size(&self) -> f64 {
        self.lengths.iter().product()
    }

    /// Returns whether this is certainly less work: shorter in at least one length, and longer in
    /// none. Two shapes of one volume may have the same work and different times.
    pub(crate) fn is_smaller_than(&self, other: &Self) -> bool {
        self.lengths.len() == other.lengths.len()
            && self.lengths != other.lengths
            && self
                .lengths
                .iter()
                .zip(&other.lengths)
                .all(|(own, other)| own <= other)
    }
}

/// Sizes that are words, in their order.
const RANKS: [(&str, f64); 7] = [
    ("tiny", 0.0),
    ("mini", 1.0),
    ("small", 2.0),
    ("base", 3.0),
    ("medium", 3.0),
    ("large", 4.0),
    ("xlarge", 5.0),
];
/// Words for rows that are loops inside the row that is timed around them.
const LOOPS: [&str; 5] = ["iteration", "iterations", "iter", "loop", "inner"];
/// Names of kernels that make one pass over two inputs and one output, with one cheap operation per
/// element.
const ELEMENTWISE: [&str; 7] = ["add", "sub", "subtract", "mul", "multiply", "min", "max"];
/// Names of computations that consist mostly of matrix products if they belong to a model.
const WHOLES: [&str; 8] = [
    "forward",
    "inference",
    "generate",
    "decode",
    "prefill",
    "training",
    "train",
    "backward",
];
const MODELS: [&str; 5] = ["model", "transformer", "gpt", "llm", "mlp"];

/// Words before a number that counts things and is no size.
const COUNTED: [&str; 22] = [
    "layer", "phase", "step", "stage", "run", "test", "case", "thread", "threads", "cpu", "cpus",
    "core", "cores", "epoch", "worker", "head", "part", "gpu", "level", "round", "pass", "shard",
];

/// Returns the family of a name such as `MatMul_512x512`, `GELU_1000` or `Model_Small_Forward`.
pub(crate) fn parse_family(name: &str) -> Option<SizeFamily> {
    let parts: Vec<&str> = name.split('_').collect();
    let index = parts.iter().rposition(|part| size(part).is_some())?;
    let (lengths, side) = size(parts[index])?;
    let before = split_words(&parts[..index].join("_"));
    if before
        .last()
        .is_some_and(|word| COUNTED.contains(&word.as_str()))
    {
        return None;
    }
    let mut group: Vec<&str> = parts;
    group[index] = "*";
    Some(SizeFamily {
        group: group.join("_"),
        lengths,
        side,
    })
}

fn size(part: &str) -> Option<(Vec<f64>, Option<f64>)> {
    if let Some((_, rank)) = RANKS
        .iter()
        .find(|(word, _)| part.eq_ignore_ascii_case(word))
    {
        return Some((vec![*rank], None));
    }
    let lengths: Option<Vec<f64>> = part
        .split('x')
        .map(|length| {
            length
                .parse::<u32>()
                .ok()
                .filter(|length| *length > 0)
                .map(f64::from)
        })
        .collect();
    let lengths = lengths?;
    let first = *lengths.first()?;
    let square = lengths.iter().all(|length| *length == first);
    Some((lengths, square.then_some(first)))
}

/// Splits a name into its words in lower case: `TensorAdd_10000` gives tensor, add, 10000.
/// Successive capitals are one word.
pub(crate) fn split_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else {
            if c.is_uppercase() && before.is_lowercase() {
                words.push(String::new());
            }
            let word = words.pop().unwrap_or_default();
            words.push(word + &c.to_lowercase().to_string());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns the name that a loop shares with the row around it, if the row is a loop inside another
/// one: `MatMul_Iteration`, `MatMul`.
pub(crate) fn loop_of(name: &str) -> Option<&str> {
    let (shared, last) = name.rsplit_once('_')?;
    LOOPS
        .iter()
        .any(|word| last.eq_ignore_ascii_case(word))
        .then_some(shared)
}

/// Returns whether a name belongs to a matrix product. Its backward pass consists of two products.
pub(crate) fn is_product(name: &str) -> bool {
    let plain: String = split_words(name).concat();
    plain.contains("matmul") || plain.contains("gemm")
}

/// Returns the exponent of the time of a known kernel in the length of a side.
pub(crate) fn exponent(name: &str) -> Option<f64> {
    is_product(name).then_some(3.0)
}

/// Returns the common part of element-wise kernels of the same traffic: the name without the
/// operation.
pub(crate) fn traffic(group: &str) -> Option<String> {
    let words = split_words(group);
    let (last, rest) = words.split_last()?;
    (ELEMENTWISE.contains(&last.as_str()) && !is_product(group)).then(|| rest.join(" "))
}

/// Returns whether a row is a computation of a model, which consists mostly of matrix products.
pub(crate) fn is_made_of_products(name: &str) -> bool {
    let words = split_words(name);
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    any(&MODELS) && any(&WHOLES) && !is_product(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_kernel_and_size() {
        let of = |name: &str| {
            parse_family(name).map(|family| (family.group.clone(), family.size(), family.side))
        };
        assert_eq!(
            of("MatMul_512x512"),
            Some(("MatMul_*".into(), 262_144.0, Some(512.0)))
        );
        assert_eq!(
            of("GELU_1000"),
            Some(("GELU_*".into(), 1000.0, Some(1000.0)))
        );
        assert_eq!(
            of("LayerNorm_32x512"),
            Some(("LayerNorm_*".into(), 16_384.0, None))
        );
        assert_eq!(
            of("Model_Small_Forward"),
            Some(("Model_*_Forward".into(), 2.0, None))
        );
        assert_eq!(of("MatMul_Iteration"), None);
        assert_eq!(of("Model_0x3"), None);
        assert_eq!(of("Decoder_Layer_3"), None, "a number, not a size");
        assert_eq!(split_words("TensorAdd_10000"), ["tensor", "add", "10000"]);
        assert_eq!(split_words("GELU_X"), ["gelu", "x"]);
    }

    #[test]
    fn kernels_are_recognised_by_their_words() {
        assert_eq!(exponent("MatMul_*"), Some(3.0));
        assert_eq!(exponent("GELU_*"), None);
        assert_eq!(traffic("TensorAdd_*"), traffic("TensorMul_*"));
        assert_ne!(traffic("TensorAdd_*"), traffic("BroadcastAdd_*"));
        assert_eq!(traffic("MatMul_*"), None);
        assert_eq!(loop_of("MatMul_Iteration"), Some("MatMul"));
        assert_eq!(loop_of("MatMul_512x512"), None);
        assert!(
            is_made_of_products("Model_Small_Inference")
                && !is_made_of_products("Model_Small_Creation")
        );
    }
}
