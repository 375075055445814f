//! The cost of an allocation, through the `malloc` of this process and through glibc's own.

use orch_sdk::prelude::*;
use std::ffi::c_void;
use std::hint::black_box;

/// Allocator to measure.
#[derive(Params, Clone, Copy)]
enum AllocatorChoice {
    /// `malloc` and `free` of the process; in a worker, the counting ones
    Host,
    /// `__libc_malloc` and `__libc_free`
    Glibc,
}

#[derive(Params)]
pub(crate) struct MallocParams {
    #[param(default = AllocatorChoice::Host)]
    allocator: AllocatorChoice,
    /// Size of each allocation
    #[param(default = 64, range = 1..=1_073_741_824, unit = "bytes")]
    size: usize,
    /// Allocations of one iteration, each freed before the next
    #[param(default = 1000, range = 1..=1_000_000)]
    pairs: u64,
}

/// Pairs of an allocation and its release.
pub(crate) struct Malloc {
    functions: AllocatorFunctions,
    size: usize,
    pairs: u64,
}

/// The two functions under test. Both allocators are called through pointers, so that they differ
/// in nothing else.
#[derive(Clone, Copy)]
struct AllocatorFunctions {
    malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
}

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_free(memory: *mut c_void);
}

fn functions(allocator: AllocatorChoice) -> Result<AllocatorFunctions> {
    match allocator {
        AllocatorChoice::Host => Ok(AllocatorFunctions { malloc, free }),
        #[cfg(target_env = "gnu")]
        AllocatorChoice::Glibc => Ok(AllocatorFunctions {
            malloc: __libc_malloc,
            free: __libc_free,
        }),
        #[cfg(not(target_env = "gnu"))]
        AllocatorChoice::Glibc => Err(Error::unsupported("this plugin was not built for glibc")),
    }
}

impl Workload for Malloc {
    const ID: &'static str = "malloc";
    const ABOUT: &'static str =
        "Allocates and frees, to compare the counting allocator with glibc's";
    const ITERATION: &'static str = "`pairs` pairs of malloc and free";
    const METRICS: &'static [Metric] = &[Metric::time_per("ns_per_pair", "ns", "pairs", 1e9)
        .about("Cost of one malloc and one free")];
    const TAGS: &'static [&'static str] = &["overhead"];
    type Params = MallocParams;

    fn create(params: MallocParams) -> Result<Self> {
        let MallocParams {
            allocator,
            size,
            pairs,
        } = params;
        Ok(Self {
            functions: functions(allocator)?,
            size,
            pairs,
        })
    }

    fn run(&mut self) -> Result<()> {
        scope!("pairs");
        let AllocatorFunctions { malloc, free } = black_box(self.functions);
        for _ in 0..self.pairs {
            // SAFETY: every size is allowed, and null is checked below.
            let memory = black_box(unsafe { malloc(self.size) });
            if memory.is_null() {
                return Err(Error::msg(format_args!(
                    "malloc refused {} bytes",
                    self.size
                )));
            }
            // SAFETY: the memory is from this allocator's malloc, and nothing uses it any more.
            unsafe { free(memory) };
        }
        count!("pairs", self.pairs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::serde_json::json;

    #[test]
    fn allocators_both_run() -> Result<()> {
        for allocator in ["host", "glibc"] {
            let params = MallocParams::from_json(&json!({ "allocator": allocator, "pairs": 3 }))?;
            Malloc::create(params)?.run()?;
        }
        Ok(())
    }
}
