//! Prints the speed of the kernels on this machine, as shares of the machine's maximum.
//!
//! `RUSTFLAGS="-C target-cpu=native" cargo run --release -p nn --example speed [filter]`
//!
//! All entries are measured in turn, round after round, in one process, and each shows its fastest
//! batch. A disturbance then affects all of them alike, and ratios between entries hold even on a
//! machine that is busy with other things.

use std::hint::black_box;
use std::time::{Duration, Instant};

use nn::elementwise;
use nn::gelu::{self, Form};
use nn::layer_norm::{self, Affine};
use nn::matmul::{self, Dims, Gradients};
use nn::peak;
use nn::softmax;
use nn::{Pool, Rows, Tensor};

/// Duration of one batch: long against the clock's resolution, short against a scheduler's time
/// slice.
const BATCH: Duration = Duration::from_micros(500);
const ROUNDS: usize = 60;

struct Entry {
    name: String,
    work: Work,
    run: Box<dyn FnMut() + Send>,
    threads: Threads,
    calls: u32,
    fastest: Duration,
}

/// Work of one call.
#[derive(Clone, Copy)]
enum Work {
    Flops(u64),
    Elements(usize),
}

/// Place where batches run: inside the pool, so that no call includes the cost of entering it.
#[derive(Clone, Copy, PartialEq)]
enum Threads {
    One,
    Pool,
}

impl Entry {
    fn new(name: impl Into<String>, work: Work, run: impl FnMut() + Send + 'static) -> Self {
        let (run, name) = (Box::new(run), name.into());
        Self {
            name,
            work,
            run,
            threads: Threads::One,
            calls: 1,
            fastest: Duration::MAX,
        }
    }

    fn batch(&mut self) -> Duration {
        let start = Instant::now();
        for _ in 0..self.calls {
            (self.run)();
        }
        start.elapsed()
    }

    fn calibrate(&mut self) {
        self.batch();
        let once = self.batch();
        self.calls = u32::try_from(BATCH.as_nanos() / once.as_nanos().max(1))
            .unwrap_or(u32::MAX)
            .max(1);
    }

    fn measure(&mut self) {
        // The entry before has displaced this entry's data from the caches.
        (self.run)();
        self.fastest = self.fastest.min(self.batch());
    }

    fn seconds(&self) -> f64 {
        self.fastest.as_secs_f64() / f64::from(self.calls)
    }
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let mut entries = Vec::new();
    products(&mut entries);
    activations(&mut entries);
    memory(&mut entries);
    entries.retain(|e| e.name.contains(&filter));
    const ROUNDS_PER_CALL: u64 = 20_000;
    let mut limit = Entry::new(
        "peak",
        Work::Flops(ROUNDS_PER_CALL * peak::FLOPS_PER_ROUND),
        || {
            black_box(peak::multiply_adds(black_box(ROUNDS_PER_CALL)));
        },
    );

    entries
        .iter_mut()
        .chain([&mut limit])
        .for_each(Entry::calibrate);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .expect("two threads can be started");
    for _ in 0..ROUNDS {
        for e in &mut entries {
            limit.measure();
            match e.threads {
                Threads::One => e.measure(),
                Threads::Pool => pool.install(|| e.measure()),
            }
        }
    }
    print(&entries, &limit);
}

fn print(entries: &[Entry], limit: &Entry) {
    let rate = |e: &Entry| match e.work {
        Work::Flops(flops) => flops as f64 / e.seconds() / 1e9,
        Work::Elements(elements) => elements as f64 / e.seconds() / 1e9,
    };
    println!(
        "{} lanes; peak of one thread {:.1} GFLOP/s",
        nn::simd::LANES,
        rate(limit)
    );
    for e in entries {
        let us = e.seconds() * 1e6;
        match e.work {
            Work::Flops(_) => {
                let share = rate(e) / rate(limit) * 100.0;
                println!(
                    "{:42} {us:11.3} us {:9.2} GFLOP/s {share:6.1} % of the peak",
                    e.name,
                    rate(e)
                );
            }
            Work::Elements(_) => println!("{:42} {us:11.3} us {:9.3} elements/ns", e.name, rate(e)),
        }
    }
}

fn numbers(len: usize, seed: u64) -> Tensor {
    Tensor::random(&[len], seed)
}

type Kernel = fn(&[f32], &[f32], &mut [f32], Dims);

fn product(name: &str, kernel: Kernel, dims: Dims, threads: Threads) -> Entry {
    let Dims { m, k, n } = dims;
    let (a, b, mut c) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3));
    let run = move || {
        kernel(
            black_box(a.as_slice()),
            black_box(b.as_slice()),
            c.as_mut_slice(),
            dims,
        )
    };
    Entry {
        threads,
        ..Entry::new(
            format!("{name} {m}x{k}x{n}"),
            Work::Flops(dims.flops()),
            run,
        )
    }
}

fn products(entries: &mut Vec<Entry>) {
    let square = |size| Dims {
        m: size,
        k: size,
        n: size,
    };
    for size in [64, 128, 256, 512, 1024] {
        entries.push(product(
            "matmul 1T",
            matmul::matmul,
            square(size),
            Threads::One,
        ));
        entries.push(product(
            "matmul 2T",
            matmul::matmul_parallel,
            square(size),
            Threads::Pool,
        ));
    }
    let other = [
        (32, 256, 1024),
        (32, 1024, 256),
        (128, 256, 128),
        (1, 256, 1024),
        (1, 1024, 256),
        (1, 512, 512),
        (1, 1024, 1024),
    ];
    let odd = [
        (2, 512, 512),
        (5, 512, 512),
        (100, 100, 100),
        (255, 255, 255),
        (256, 256, 10),
        (512, 512, 1),
        (1024, 1024, 1),
    ];
    for (m, k, n) in other.into_iter().chain(odd) {
        entries.push(product(
            "matmul 1T",
            matmul::matmul,
            Dims { m, k, n },
            Threads::One,
        ));
    }
    entries.push(product(
        "matmul 2T",
        matmul::matmul_parallel,
        Dims {
            m: 1,
            k: 1024,
            n: 1024,
        },
        Threads::Pool,
    ));
    for size in [64, 128, 256, 512] {
        entries.push(product(
            "A^T B 1T",
            matmul::matmul_at_b,
            square(size),
            Threads::One,
        ));
        entries.push(product(
            "A B^T 1T",
            matmul::matmul_a_bt,
            square(size),
            Threads::One,
        ));
    }
    entries.push(product(
        "A B^T 1T",
        matmul::matmul_a_bt,
        Dims {
            m: 1,
            k: 512,
            n: 512,
        },
        Threads::One,
    ));
    entries.push(product(
        "A B^T 1T",
        matmul::matmul_a_bt,
        Dims {
            m: 4,
            k: 512,
            n: 512,
        },
        Threads::One,
    ));
    for (m, k, n) in [(128, 256, 128), (512, 512, 512)] {
        let dims = Dims { m, k, n };
        let (a, b, dc, mut da, mut db) = (
            numbers(m * k, 1),
            numbers(k * n, 2),
            numbers(m * n, 3),
            numbers(m * k, 4),
            numbers(k * n, 5),
        );
        let run = move || {
            let gradients = Gradients {
                a: da.as_mut_slice(),
                b: db.as_mut_slice(),
            };
            matmul::matmul_backward(a.as_slice(), b.as_slice(), dc.as_slice(), gradients, dims);
        };
        entries.push(Entry::new(
            format!("matmul_backward 1T {m}x{k}x{n}"),
            Work::Flops(2 * dims.flops()),
            run,
        ));
    }
    entries.push(product(
        "matmul reference",
        matmul::reference,
        square(64),
        Threads::One,
    ));
}

/// Creates an entry for a kernel that reads one slice and writes another.
fn map(
    name: String,
    len: usize,
    scale: f32,
    mut kernel: impl FnMut(&[f32], &mut [f32]) + Send + 'static,
) -> Entry {
    let (mut x, mut out) = (numbers(len, 1), numbers(len, 2));
    x.as_mut_slice().iter_mut().for_each(|x| *x *= scale);
    Entry::new(name, Work::Elements(len), move || {
        kernel(black_box(x.as_slice()), black_box(out.as_mut_slice()))
    })
}

fn activations(entries: &mut Vec<Entry>) {
    for len in [1000, 10_000, 1_000_000] {
        for form in [Form::Tanh, Form::Erf, Form::Quick] {
            entries.push(map(
                format!("gelu {form:?} {len}"),
                len,
                4.0,
                move |x, out| gelu::gelu(form, x, out),
            ));
        }
    }
    entries.push(map(
        "gelu Tanh reference 10000".into(),
        10_000,
        4.0,
        |x, out| {
            out.iter_mut()
                .zip(x)
                .for_each(|(out, &x)| *out = gelu::reference(Form::Tanh, f64::from(x)) as f32);
        },
    ));
    entries.push(map("exp 10000".into(), 10_000, 4.0, nn::vmath::exp));
    entries.push(map("tanh 10000".into(), 10_000, 4.0, nn::vmath::tanh));
    entries.push(map("erf 10000".into(), 10_000, 4.0, nn::vmath::erf));
    for (rows, cols) in [(1, 256), (1, 2048), (64, 64), (256, 256)] {
        let dims = Rows { rows, cols };
        let len = dims.len();
        entries.push(map(
            format!("softmax {rows}x{cols}"),
            len,
            4.0,
            move |x, out| softmax::softmax(x, out, dims),
        ));
    }
    let dims = Rows {
        rows: 1,
        cols: 2048,
    };
    entries.push(map(
        "softmax reference 1x2048".into(),
        2048,
        4.0,
        move |x, out| softmax::reference(x, out, dims),
    ));

    let dims = Rows {
        rows: 32,
        cols: 512,
    };
    let affine = || (numbers(512, 3), numbers(512, 4));
    let mut norm = |name: &str, f: fn(&[f32], Affine<'_>, &mut [f32], Rows)| {
        let (gamma, beta) = affine();
        entries.push(map(
            format!("layer_norm {name} 32x512"),
            dims.len(),
            1.0,
            move |x, out| {
                f(
                    x,
                    Affine {
                        gamma: gamma.as_slice(),
                        beta: beta.as_slice(),
                    },
                    out,
                    dims,
                );
            },
        ));
    };
    norm("fused", layer_norm::fused);
    norm("in passes, pooled", |x, affine, out, dims| {
        layer_norm::in_passes(x, affine, out, dims, Pool::On)
    });
    norm("in passes, allocating", |x, affine, out, dims| {
        layer_norm::in_passes(x, affine, out, dims, Pool::Off)
    });
    norm("reference", layer_norm::reference);
}

fn memory(entries: &mut Vec<Entry>) {
    for len in [512, 10_000, 1_000_000] {
        let b = numbers(len, 3);
        entries.push(map(format!("add {len}"), len, 1.0, move |a, out| {
            elementwise::add(a, b.as_slice(), out)
        }));
    }
    let b = numbers(10_000, 3);
    entries.push(map(
        "add reference 10000".into(),
        10_000,
        1.0,
        move |a, out| {
            elementwise::reference::add(a, b.as_slice(), out);
        },
    ));
    let b = numbers(10_000, 3);
    entries.push(map("mul 10000".into(), 10_000, 1.0, move |a, out| {
        elementwise::mul(a, b.as_slice(), out)
    }));
    let (row, dims) = (
        numbers(256, 3),
        Rows {
            rows: 64,
            cols: 256,
        },
    );
    entries.push(map(
        "broadcast_add 64x256".into(),
        dims.len(),
        1.0,
        move |a, out| {
            elementwise::broadcast_add(a, row.as_slice(), out, dims);
        },
    ));
    const TENSORS: usize = 1000;
    for pool in [Pool::On, Pool::Off] {
        entries.push(Entry::new(
            format!("create and drop 512, pool {pool:?}"),
            Work::Elements(512),
            move || {
                black_box(pool.zeros(&[512]));
            },
        ));
        entries.push(Entry::new(
            format!("create 1000 of 512, drop all, pool {pool:?}"),
            Work::Elements(512_000),
            {
                let mut alive = Vec::with_capacity(TENSORS);
                move || {
                    alive.extend((0..TENSORS).map(|_| pool.zeros(&[512])));
                    black_box(&alive);
                    alive.clear();
                }
            },
        ));
        let (a, b) = (numbers(512, 1), numbers(512, 2));
        entries.push(Entry::new(
            format!("add 512 to a new tensor, pool {pool:?}"),
            Work::Elements(512),
            move || {
                let mut sum = pool.scratch(&[512]);
                elementwise::add(black_box(a.as_slice()), b.as_slice(), sum.as_mut_slice());
                black_box(sum);
            },
        ));
    }
    let (mut a, b) = (numbers(512, 1), Tensor::zeros(&[512]));
    entries.push(Entry::new(
        "add 512 in place",
        Work::Elements(512),
        move || {
            elementwise::add_in_place(black_box(a.as_mut_slice()), b.as_slice());
        },
    ));
}
