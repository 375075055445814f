//! Generating tokens from pooled storage allocates nothing after warm-up; without the pool, it
//! allocates for every token.

use nn::Pool;
use nn::gelu::Form;
use nn::model::{Caching, Config, Gpt, Options, Sampler, Weights};

/// Returns the allocations of a session of `tokens` tokens, measured after an identical session.
fn allocations(caching: Caching, pool: Pool, temperature: f32, tokens: usize) -> u64 {
    let options = Options {
        form: Form::Tanh,
        caching,
        pool,
        threads: 1,
    };
    let mut gpt = Gpt::new(&Weights::random(Config::SMALL, 1), options);
    let session = |gpt: &mut Gpt| {
        let generate = || {
            gpt.generate(&[1; 32], tokens, &mut Sampler::new(temperature, 1));
        };
        allocation_counter::measure(generate).count_total
    };
    session(&mut gpt);
    session(&mut gpt)
}

#[test]
fn warm_pool_allocates_nothing() {
    for caching in [Caching::On, Caching::Off] {
        for temperature in [0.0, 0.8] {
            // The same is true beyond the block of 64, where the window moves.
            assert_eq!(
                allocations(caching, Pool::On, temperature, 50),
                0,
                "{caching:?}, temperature {temperature}"
            );
        }
    }
}

#[test]
fn plain_storage_is_allocated_for_every_token() {
    for (caching, temperature, per_token) in [
        (Caching::On, 0.0, 7),
        (Caching::On, 0.8, 8),
        (Caching::Off, 0.0, 9),
        (Caching::Off, 0.8, 10),
    ] {
        let difference = allocations(caching, Pool::Off, temperature, 20)
            - allocations(caching, Pool::Off, temperature, 10);
        assert_eq!(
            difference,
            10 * per_token,
            "{caching:?}, temperature {temperature}"
        );
    }
}
