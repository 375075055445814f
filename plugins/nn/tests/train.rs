//! Tests of a whole training step: the origin of its memory does not matter, and neither memory nor
//! threads change its result.

use nn::Pool;
use nn::gelu::Form;
use nn::train::gpt::Config;
use nn::train::{AdamW, Gpt, Optimizer, Resources, Sgd, Threads, adamw, sgd};

const CONFIG: Config = Config {
    width: 48,
    heads: 3,
    layers: 2,
    longest: 40,
    vocabulary: 50,
    form: Form::Tanh,
};

/// Constructor of an optimiser for a model.
type Maker = fn(&mut Gpt) -> Box<dyn Optimizer>;

/// Returns the losses of some steps, and the allocations of the last one.
fn train(on: Resources, make: Maker) -> (Vec<f32>, u64) {
    let tokens: Vec<u32> = (0..121).map(|i| i * i % 50).collect();
    let mut model = Gpt::new(CONFIG, 1);
    let mut optimizer = make(&mut model);
    let (mut losses, mut allocations) = (Vec::with_capacity(4), 0);
    for _ in 0..4 {
        let step = || {
            losses.push(model.gradients(&tokens[..120], &tokens[1..], 40, on));
            optimizer.step(&mut model, on);
        };
        allocations = allocation_counter::measure(step).count_total;
    }
    (losses, allocations)
}

#[test]
fn step_allocates_only_without_pooling_and_results_are_the_same() {
    let makers: [Maker; 2] = [
        |model| {
            Box::new(Sgd::new(
                sgd::Settings {
                    rate: 0.05,
                    momentum: 0.9,
                },
                model,
            ))
        },
        |model| Box::new(AdamW::new(adamw::Settings::default(), model)),
    ];
    for make in makers {
        let (losses, pooled) = train(Resources::POOLED, make);
        assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
        assert_eq!(pooled, 0);
        let (same, plain) = train(
            Resources {
                pool: Pool::Off,
                ..Resources::POOLED
            },
            make,
        );
        assert_eq!(same, losses);
        assert!(plain > 0);
        let (same, _) = train(
            Resources {
                threads: Threads::RayonPool,
                ..Resources::POOLED
            },
            make,
        );
        assert_eq!(same, losses);
    }
}
