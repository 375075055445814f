//! Prints how fast the models generate on this machine, and the rates of arithmetic and of reading
//! weights that this takes with a cache; without one, each token takes a context's worth of
//! arithmetic.
//!
//! `RUSTFLAGS="-C target-cpu=native" cargo run --release -p nn --example decode [filter]`
//!
//! All entries are measured in turn, round after round, in one process, and each shows its fastest
//! session. The time of a decoded token is that of 25 tokens after a prompt of 32, less that of the
//! first, in which the prompt is read.

use nn::gelu::Form;
use nn::model::{Caching, Config, Gpt, Options, Sampler, Weights};
use nn::{Pool, Tensor, peak};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;
const PROMPT: usize = 32;
const TOKENS: usize = 25;

struct Entry {
    name: String,
    gpt: Gpt,
    first: Duration,
    all: Duration,
}

impl Entry {
    fn session(&mut self, tokens: usize) -> Duration {
        let prompt: [u32; PROMPT] = std::array::from_fn(|i| u32::try_from(i * 7).expect("small"));
        let start = Instant::now();
        self.gpt
            .generate(&prompt, tokens, &mut Sampler::new(0.0, 1));
        start.elapsed()
    }

    fn round(&mut self) {
        self.session(1);
        for _ in 0..4 {
            self.first = self.first.min(self.session(1));
            self.all = self.all.min(self.session(TOKENS));
        }
    }

    fn print(&self) {
        let weights = read_per_token(self.gpt.config());
        let decoded = (self.all - self.first).as_secs_f64() / (TOKENS - 1) as f64;
        println!(
            "{:28} {:8.1} tokens/s, decode {:8.1} tokens/s {:6.1} GFLOP/s {:6.1} GB/s, first token \
             {:7.1} us",
            self.name,
            TOKENS as f64 / self.all.as_secs_f64(),
            1.0 / decoded,
            2e-9 * weights as f64 / decoded,
            4e-9 * weights as f64 / decoded,
            self.first.as_secs_f64() * 1e6,
        );
    }
}

/// Number of weights that every token needs: all except the embedding tables.
fn read_per_token(config: Config) -> usize {
    config.parameters() - (config.vocab() + config.block()) * config.embed()
}

fn measure(threads: usize) {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let mut entries = Vec::new();
    for (name, config) in [("small", Config::SMALL), ("medium", Config::MEDIUM)] {
        let weights = Weights::random(config, 1);
        for caching in [Caching::On, Caching::Off] {
            let options = Options {
                form: Form::Tanh,
                caching,
                pool: Pool::On,
                threads,
            };
            let name = format!("{name}, cache {caching:?}, {threads}T");
            if !name.contains(&filter) {
                continue;
            }
            entries.push(Entry {
                name,
                gpt: Gpt::new(&weights, options),
                first: Duration::MAX,
                all: Duration::MAX,
            });
        }
    }
    for _ in 0..ROUNDS {
        entries.iter_mut().for_each(Entry::round);
    }
    entries.iter().for_each(Entry::print);
}

/// Returns the rate in GB/s at which one thread repeatedly sums up this many bytes.
fn stream(bytes: usize) -> f64 {
    let numbers = Tensor::random(&[bytes / 4], 1);
    let sum = || {
        let mut sums = [[0.0_f32; 16]; 8];
        for block in numbers.as_slice().as_chunks::<128>().0 {
            for (sums, numbers) in sums.iter_mut().zip(block.as_chunks::<16>().0) {
                sums.iter_mut()
                    .zip(numbers)
                    .for_each(|(sum, number)| *sum += number);
            }
        }
        sums
    };
    bytes as f64 * 1e-9 / fastest(30, || _ = black_box(sum())).as_secs_f64()
}

fn fastest(times: u32, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..times).map(time).min().unwrap_or_default()
}

fn main() {
    let rounds = 1_000_000;
    let time = fastest(20, || _ = black_box(peak::multiply_adds(black_box(rounds))));
    println!(
        "one thread: at most {:.1} GFLOP/s",
        (rounds * peak::FLOPS_PER_ROUND) as f64 * 1e-9 / time.as_secs_f64()
    );
    for config in [Config::SMALL, Config::MEDIUM] {
        let bytes = 4 * read_per_token(config);
        println!("{bytes} bytes are read at {:.1} GB/s", stream(bytes));
    }
    // Each number of threads gets its own driver, because a thread can join only one pool.
    for threads in [1, 2] {
        let driver = std::thread::spawn(move || {
            match rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .use_current_thread()
                .build()
            {
                Ok(pool) => {
                    measure(threads);
                    // Dropping the pool would wait for this thread.
                    std::mem::forget(pool);
                }
                Err(error) => println!("{threads} threads: {error}"),
            }
        });
        if driver.join().is_err() {
            println!("{threads} threads: failed");
        }
    }
}
