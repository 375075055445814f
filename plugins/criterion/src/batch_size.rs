//! Number of inputs that exist at a time.

/// How many inputs of [`Bencher::iter_batched`](crate::Bencher::iter_batched) may exist at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// Inputs and outputs are small.
    SmallInput,
    /// Inputs or outputs are large.
    LargeInput,
    /// One input at a time.
    PerIteration,
    /// A number of batches in a sample, each of them as large as necessary.
    NumBatches(u64),
    /// A number of inputs.
    NumIterations(u64),
}

/// Most small inputs at a time. Criterion makes a tenth of a sample's inputs at a time, which for a
/// routine of a microsecond is of this order.
const MOST_SMALL: u64 = 10_000;
/// Most large inputs at a time; criterion makes a thousandth of a sample's inputs.
const MOST_LARGE: u64 = 100;

impl BatchSize {
    /// Returns how many iterations one sample may have at most, because all of its inputs exist
    /// when it begins.
    pub(crate) fn most_iterations(self) -> u64 {
        match self {
            Self::SmallInput => MOST_SMALL,
            Self::LargeInput | Self::NumBatches(_) => MOST_LARGE,
            Self::PerIteration => 1,
            Self::NumIterations(number) => number.max(1),
        }
    }
}
