//! Scopes and counters: [`scope!`](crate::scope!), [`count!`](crate::count!) and what they expand
//! to.

use crate::host::{self, HostRef};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

/// Opens a named scope that lasts until the end of the enclosing block.
///
/// Any thread may open a scope. The scope ends on the same thread and within the same call of
/// [`run`](crate::Workload::run). Scopes of the driver nest into one tree; those of other threads
/// are trees of their own. The name is a constant text. In timing passes, a scope costs one or two
/// nanoseconds.
///
/// Without a host, as in the unit tests of a library, it does nothing.
///
/// ```
/// use orch_sdk::prelude::*;
/// fn forward(x: &mut [f32]) {
///     scope!("forward");
///     x.iter_mut().for_each(|x| *x = x.max(0.0));
///     count!("elements", x.len());
/// } // "forward" ends here
/// # forward(&mut [1.0]);
/// ```
#[macro_export]
macro_rules! scope {
    ($name:expr) => {
        let _scope = {
            static NAME: $crate::scope::Name = $crate::scope::Name::new($name);
            $crate::scope::Scope::enter(&NAME)
        };
    };
}

/// Adds a number to a named counter of the current scope. The number is converted by `as f64` and
/// has to be finite.
///
/// The amount is the work of this moment and not a running total. Its unit is that of the metric.
/// Any thread may add. A [`Metric`](crate::Metric) turns the sum of one iteration into a rate or a
/// cost:
///
/// ```
/// use orch_sdk::prelude::*;
/// const METRICS: &[Metric] = &[Metric::rate("throughput", "GB/s", "bytes", 1e-9)];
/// fn copy(from: &[u8], to: &mut [u8]) {
///     to.copy_from_slice(from);
///     count!("bytes", from.len());
/// }
/// # copy(&[1], &mut [0]);
/// ```
#[macro_export]
macro_rules! count {
    ($name:expr, $amount:expr) => {{
        static NAME: $crate::scope::Name = $crate::scope::Name::new($name);
        $crate::scope::add(&NAME, ($amount) as f64)
    }};
}

/// The name of a scope or counter, with its id from the host.
///
/// Each place that uses it has it in a `static`, so that it asks the host only once.
#[derive(Debug)]
pub struct Name {
    text: &'static str,
    /// 0 until the host has been asked.
    id: AtomicU32,
}

impl Name {
    /// Creates a name without an id.
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            id: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    fn id(&self, host: HostRef) -> u32 {
        match self.id.load(Ordering::Relaxed) {
            0 => self.intern(host),
            id => id,
        }
    }

    #[cold]
    #[inline(never)]
    fn intern(&self, host: HostRef) -> u32 {
        let id = host.intern(self.text);
        self.id.store(id, Ordering::Relaxed);
        id
    }
}

/// An open scope; dropping it closes the scope, on the thread that opened it.
#[derive(Debug)]
#[must_use = "the scope ends when this is dropped"]
pub struct Scope {
    /// 0 if there was no host.
    id: u32,
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// Opens a scope.
    #[inline(always)]
    pub fn enter(name: &'static Name) -> Self {
        let id = host::current().map_or(0, |host| {
            let id = name.id(host);
            host.scope_enter(id);
            id
        });
        Self {
            id,
            not_send: PhantomData,
        }
    }
}

impl Drop for Scope {
    #[inline(always)]
    fn drop(&mut self) {
        if self.id != 0
            && let Some(host) = host::current()
        {
            host.scope_exit(self.id);
        }
    }
}

/// Adds to a counter of the calling thread's current scope.
#[inline(always)]
pub fn add(name: &'static Name, amount: f64) {
    if let Some(host) = host::current() {
        host.counter_add(name.id(host), amount);
    }
}
