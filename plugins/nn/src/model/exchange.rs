//! Synchronisation of the threads that work on one model: a barrier, and slots in which each thread
//! publishes numbers.

use crate::tensor::Tensor;
use std::cell::UnsafeCell;
use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;

/// Shared state of a fixed number of threads.
pub(super) struct Exchange {
    barrier: Barrier,
    /// For each member two slots, used in turn.
    slots: Vec<[UnsafeCell<Tensor>; 2]>,
    token: AtomicU32,
}

// SAFETY: only the slots are shared without a lock, and `trade` defines when each is written and
// read. Numbers are not bound to a thread.
unsafe impl Sync for Exchange {}

/// The right to be one of the threads of an [`Exchange`]; there is exactly one per thread.
#[derive(Debug)]
pub(super) struct Member {
    index: usize,
    turn: usize,
}

impl Exchange {
    /// Creates the shared state of `members` threads that publish up to `len` numbers each, and
    /// their rights.
    pub fn new(members: usize, len: usize) -> (Self, Vec<Member>) {
        let slot = || UnsafeCell::new(Tensor::zeros(&[len]));
        let exchange = Self {
            barrier: Barrier::new(members),
            slots: (0..members).map(|_| [slot(), slot()]).collect(),
            token: AtomicU32::new(0),
        };
        (
            exchange,
            (0..members)
                .map(|index| Member { index, turn: 0 })
                .collect(),
        )
    }

    /// Calls `write` to fill this member's slot, waits until every member has done so, and passes
    /// all slots to `read`, in the order of the members. Every member has to call this equally
    /// often.
    ///
    /// # Panics
    /// When another member has panicked.
    pub fn trade(
        &self,
        member: &mut Member,
        write: impl FnOnce(&mut [f32]),
        mut read: impl FnMut(usize, &[f32]),
    ) {
        let turn = member.turn;
        member.turn = 1 - turn;
        // SAFETY: only the member with this index, of which there is one, writes to this slot.
        // Others read it after the barrier below, and are done before they enter the next one; this
        // member writes to it again after that one.
        write(unsafe { &mut *self.slots[member.index][turn].get() }.as_mut_slice());
        self.barrier.wait();
        for (index, slots) in self.slots.iter().enumerate() {
            // SAFETY: it was written before the barrier, and will be written again only after the
            // next one.
            read(index, unsafe { &*slots[turn].get() }.as_slice());
        }
    }

    /// Distributes the token that the first member has chosen; the other members' arguments are
    /// ignored.
    ///
    /// # Panics
    /// When another member has panicked.
    pub fn agree(&self, member: &Member, token: u32) -> u32 {
        if member.index == 0 {
            self.token.store(token, Ordering::Relaxed);
        }
        self.barrier.wait();
        self.token.load(Ordering::Relaxed)
    }

    /// Returns a guard. If a panic drops it, the other members panic too instead of waiting
    /// forever.
    pub fn guard(&self) -> impl Drop + '_ {
        Guard(&self.barrier)
    }
}

impl Member {
    /// Returns the index among the members.
    pub fn index(&self) -> usize {
        self.index
    }
}

struct Guard<'a>(&'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.abandoned.store(true, Ordering::Relaxed);
        }
    }
}

/// A barrier that spins, because the other members are about a microsecond behind, and yields if
/// they are not.
struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    abandoned: AtomicBool,
}

/// Spins before the first yield: some 20 us.
const SPINS: u32 = 1000;

impl Barrier {
    fn new(members: usize) -> Self {
        let (arrived, generation) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            members,
            arrived,
            generation,
            abandoned: AtomicBool::new(false),
        }
    }

    /// Waits for all members. Everything that members did before is visible to all of them
    /// afterwards.
    ///
    /// # Panics
    /// When a member has panicked: the count of the members that arrived may be wrong from then on.
    #[inline]
    fn wait(&self) {
        self.check();
        let generation = self.generation.load(Ordering::Relaxed);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation
                .store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            if spins < SPINS {
                spins += 1;
                hint::spin_loop();
            } else {
                self.check();
                thread::yield_now();
            }
        }
    }

    #[inline]
    fn check(&self) {
        assert!(
            !self.abandoned.load(Ordering::Relaxed),
            "another thread of this model has panicked"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_see_the_values_of_all_members() {
        let (exchange, members) = Exchange::new(3, 1);
        thread::scope(|scope| {
            for mut member in members {
                let exchange = &exchange;
                scope.spawn(move || {
                    for round in 0..1000_usize {
                        let own = (round * 10 + member.index()) as f32;
                        let mut seen = Vec::new();
                        exchange.trade(
                            &mut member,
                            |slot| slot[0] = own,
                            |_, slot| seen.push(slot[0]),
                        );
                        assert_eq!(seen, [0, 1, 2].map(|i| (round * 10 + i) as f32));
                        let token = u32::try_from(round).unwrap();
                        assert_eq!(
                            exchange.agree(&member, if member.index() == 0 { token } else { 7 }),
                            token
                        );
                    }
                });
            }
        });
    }

    #[test]
    fn panic_is_shared() {
        let (exchange, mut members) = Exchange::new(2, 1);
        let (mut second, first) = (members.pop().unwrap(), members.pop().unwrap());
        let ended = thread::scope(|scope| {
            let waiting = scope.spawn(|| exchange.trade(&mut second, |_| {}, |_, _| {}));
            let failing = scope.spawn(|| {
                let _guard = exchange.guard();
                panic!("member {} gives up", first.index());
            });
            [failing.join().is_err(), waiting.join().is_err()]
        });
        assert_eq!(ended, [true, true]);
    }
}
