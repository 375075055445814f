//! Tests of a whole training step: the origin of its memory, and that neither memory nor threads
//! change its result.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nn::Pool;
use nn::gelu::Form;
use nn::train::gpt::Config;
use nn::train::{AdamW, Gpt, Optimizer, Resources, Sgd, Threads, adamw, sgd};

struct CountingAllocator;

thread_local! {
    // Per thread, so that the test harness and other tests are not counted.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: forwards everything to the system's allocator; counting touches only a thread-local
// without a destructor.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: forwarded to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: forwarded to the caller.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

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
    let mut allocations = 0;
    let step = |_| {
        let before = ALLOCATIONS.get();
        let loss = model.gradients(&tokens[..120], &tokens[1..], 40, on);
        optimizer.step(&mut model, on);
        allocations = ALLOCATIONS.get() - before;
        loss
    };
    let losses = (0..4).map(step).collect();
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
