//! Elementwise sum and product of two tensors of one shape.

use crate::checksum::{Checksum, EXACT, HasChecksum};
use crate::inputs::{seed_of, uniform};
use crate::variant::Variant;
use nn::{Tensor, elementwise};
use orch_sdk::prelude::*;
use std::hint::black_box;
use std::marker::PhantomData;

/// An operation on two numbers.
pub(crate) trait BinaryOperation: 'static {
    const ID: &'static str;
    const ABOUT: &'static str;
    const ITERATION: &'static str;

    /// Applies the operation to all numbers, in a scope of its own.
    fn apply(variant: Variant, a: &[f32], b: &[f32], out: &mut [f32]);
}

/// `a + b`.
pub(crate) struct Add;

impl BinaryOperation for Add {
    const ID: &'static str = "add";
    const ABOUT: &'static str = "Sum of two tensors of n numbers, on one thread";
    const ITERATION: &'static str = "one sum of two tensors, into a third that is kept";

    fn apply(variant: Variant, a: &[f32], b: &[f32], out: &mut [f32]) {
        scope!("TensorAdd");
        match variant {
            Variant::Fast => elementwise::add(a, b, out),
            Variant::Reference => elementwise::reference::add(a, b, out),
        }
        count!("elements", a.len());
    }
}

/// `a * b`.
pub(crate) struct Mul;

impl BinaryOperation for Mul {
    const ID: &'static str = "mul";
    const ABOUT: &'static str =
        "Product of two tensors of n numbers, number by number, on one thread";
    const ITERATION: &'static str = "one product of two tensors, into a third that is kept";

    fn apply(variant: Variant, a: &[f32], b: &[f32], out: &mut [f32]) {
        scope!("TensorMul");
        match variant {
            Variant::Fast => elementwise::mul(a, b, out),
            Variant::Reference => elementwise::reference::mul(a, b, out),
        }
        count!("elements", a.len());
    }
}

#[derive(Params)]
pub(crate) struct ElementwiseParams {
    /// Numbers in each tensor
    #[param(default = 10_000, range = 1..=16_777_216)]
    n: usize,
    /// Implementation
    #[param(default = Variant::Fast)]
    variant: Variant,
    /// Seed of the inputs, uniform in [-1, 1)
    #[param(default = 1)]
    seed: u64,
}

/// An operation on two tensors.
pub(crate) struct Elementwise<Op> {
    variant: Variant,
    a: Tensor,
    b: Tensor,
    out: Tensor,
    operation: PhantomData<Op>,
}

impl<Op: BinaryOperation> Workload for Elementwise<Op> {
    const ID: &'static str = Op::ID;
    const ABOUT: &'static str = Op::ABOUT;
    const ITERATION: &'static str = Op::ITERATION;
    const METRICS: &'static [Metric] = &[
        Metric::rate("melem_per_s", "Melem/s", "elements", 1e-6).about(
            "n results over the time of \
            the iteration",
        ),
        Metric::rate("gb_per_s", "GB/s", "elements", 12e-9).about(
            "12 n bytes (two numbers read and one written for each result) over the time of \
                the iteration",
        ),
    ];
    const TAGS: &'static [&'static str] = &["kernel", "elementwise"];
    type Params = ElementwiseParams;

    fn create(params: ElementwiseParams) -> Result<Self> {
        let ElementwiseParams { n, variant, seed } = params;
        let (a, b) = (
            uniform(&[n], seed, 1.0),
            uniform(&[n], seed_of(seed, 1), 1.0),
        );
        Ok(Self {
            variant,
            a,
            b,
            out: Tensor::zeros(&[n]),
            operation: PhantomData,
        })
    }

    fn run(&mut self) -> Result<()> {
        let (a, b, out) = (
            self.a.as_slice(),
            self.b.as_slice(),
            self.out.as_mut_slice(),
        );
        Op::apply(self.variant, black_box(a), black_box(b), black_box(out));
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(self.checksum().into()))
    }
}

impl<Op> HasChecksum for Elementwise<Op> {
    fn checksum(&self) -> Checksum {
        Checksum::of(&[self.out.as_slice()], EXACT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::testing::{assert_different, assert_same, checksum};
    use orch_sdk::serde_json::json;

    fn check<Op: BinaryOperation>() {
        for n in [1, 17, 10_000] {
            assert_same::<Elementwise<Op>>(&[
                json!({ "n": n }),
                json!({ "n": n, "variant": "reference" }),
            ]);
        }
        assert_different::<Elementwise<Op>>(&[
            json!({}),
            json!({ "seed": 2 }),
            json!({ "n": 9_999 }),
        ]);
    }

    #[test]
    fn variants_agree_and_inputs_count() {
        check::<Add>();
        check::<Mul>();
    }

    #[test]
    fn sum_is_no_product() {
        assert_ne!(
            checksum::<Elementwise<Add>>(json!({})),
            checksum::<Elementwise<Mul>>(json!({}))
        );
    }
}
