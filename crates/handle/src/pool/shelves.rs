//! What both pools are made of: values on shelves, by class; caches, a shared part, and victims.
//!
//! ```text
//!  put ─▶ own cache ─half, when full─▶ shared ─when full─▶ dropped
//!             │                          │
//!             └──────── a cycle ─────────┴──▶ victims ── the next cycle ──▶ dropped
//!  get ◀─ own cache, else shared, else victims, else the caller makes one
//! ```
//!
//! A value that nobody takes lives through one cycle and dies with the next. Whoever comes by first after a cycle moves everything, of
//! all caches. Locks are taken in this order: shared part, caches. User code (factories, drop glue) runs under none of them.

use mudlark_arena::sync::{AtomicU64, Mutex, MutexGuard, Ordering::Relaxed};
use mudlark_collector::CycleClock;
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What a pool did so far.
///
/// # Example: how well a pool does
///
/// ```
/// use mudlark::{Heap, Pool, PoolStats};
///
/// fn hit_rate(stats: &PoolStats) -> f64 {
///     stats.hits as f64 / (stats.hits + stats.misses) as f64
/// }
///
/// let heap = Heap::builder().build()?;
/// let pool = Pool::new(&heap, String::new);
/// let cache = pool.cache();
/// (0..10).for_each(|_| cache.put(cache.get()));
/// assert_eq!(hit_rate(&pool.stats()), 0.9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PoolStats {
    /// Values that were there when somebody wanted one, the victims among them.
    pub hits: u64,
    /// Of these, those that had not been used for a cycle.
    pub victim_hits: u64,
    /// Values that were wanted, and not there.
    pub misses: u64,
    /// Values that were put back and dropped: because of a cycle, or for want of room.
    pub dropped: u64,
}

impl PoolStats {
    fn add(&mut self, other: PoolStats) {
        self.hits += other.hits;
        self.victim_hits += other.victim_hits;
        self.misses += other.misses;
        self.dropped += other.dropped;
    }
}

/// How many values of a class are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// In each cache.
    pub(super) cache: usize,
    /// In the shared part.
    pub(super) shared: usize,
}

/// Values by class.
type Classes<T> = Box<[Vec<T>]>;

struct Own<T> {
    classes: Classes<T>,
    stats: PoolStats,
}

struct Shared<T> {
    caches: Vec<Arc<Mutex<Own<T>>>>,
    classes: Classes<T>,
    victims: Classes<T>,
    /// Of caches that are gone, and what cycles dropped.
    stats: PoolStats,
    /// Cycles that were over when everything was moved last.
    aged_at: u64,
}

/// The shelves of a pool.
pub(super) struct Shelves<T> {
    rooms: Box<[Room]>,
    clock: CycleClock,
    /// A copy of `Shared::aged_at`, for a look without the lock.
    aged_at: AtomicU64,
    shared: Mutex<Shared<T>>,
}

fn empty<T>(classes: usize) -> Classes<T> {
    (0..classes).map(|_| Vec::new()).collect()
}

impl<T> Shelves<T> {
    pub(super) fn new(clock: CycleClock, rooms: impl Iterator<Item = Room>) -> Shelves<T> {
        let (rooms, now): (Box<[Room]>, u64) = (rooms.collect(), clock.now());
        let shared = Shared {
            caches: Vec::new(),
            classes: empty(rooms.len()),
            victims: empty(rooms.len()),
            stats: PoolStats::default(),
            aged_at: now,
        };
        Shelves { rooms, clock, aged_at: AtomicU64::new(now), shared: Mutex::new(shared) }
    }

    /// After a cycle: what is there becomes victims, and what were victims is dropped. After several, everything is.
    pub(super) fn age(&self) {
        if self.clock.now() != self.aged_at.load(Relaxed) {
            self.age_slow();
        }
    }

    #[cold]
    fn age_slow(&self) {
        let (old, aged) = {
            let mut shared = self.shared.lock();
            let now = self.clock.now();
            let cycles = now - mem::replace(&mut shared.aged_at, now);
            self.aged_at.store(now, Relaxed);
            if cycles == 0 {
                return;
            }
            let mut aged = mem::replace(&mut shared.classes, empty(self.rooms.len()));
            for cache in &shared.caches {
                let mut own = cache.lock();
                for (aged, own) in aged.iter_mut().zip(&mut own.classes) {
                    aged.append(own);
                }
            }
            let old = mem::replace(&mut shared.victims, empty(0));
            let (victims, aged) =
                if cycles == 1 { (aged, empty(0)) } else { (empty(self.rooms.len()), aged) };
            shared.victims = victims;
            shared.stats.dropped += count(&old) + count(&aged);
            (old, aged)
        };
        drop_contained(old.into_iter().chain(aged).flatten());
    }

    /// A new cache.
    pub(super) fn cache(self: &Arc<Self>) -> Cache<T> {
        let own = Own { classes: empty(self.rooms.len()), stats: PoolStats::default() };
        let own = Arc::new(Mutex::new(own));
        self.shared.lock().caches.push(Arc::clone(&own));
        Cache { shelves: Arc::clone(self), own }
    }

    pub(super) fn stats(&self) -> PoolStats {
        let shared = self.shared.lock();
        let mut stats = shared.stats;
        shared.caches.iter().for_each(|cache| stats.add(cache.lock().stats));
        stats
    }

    /// Values that are there now.
    pub(super) fn len(&self) -> usize {
        let shared = self.shared.lock();
        let own: u64 = shared.caches.iter().map(|cache| count(&cache.lock().classes)).sum();
        (own + count(&shared.classes) + count(&shared.victims)) as usize
    }

    /// Moves values into the shared part; returns those that have no room there.
    fn share(&self, shared: &mut MutexGuard<'_, Shared<T>>, class: usize, mut values: Vec<T>) -> Vec<T> {
        let shelf = &mut shared.classes[class];
        let fits = self.rooms[class].shared.saturating_sub(shelf.len()).min(values.len());
        let rest = values.split_off(fits);
        shelf.append(&mut values);
        shared.stats.dropped += rest.len() as u64;
        rest
    }
}

fn count<T>(classes: &Classes<T>) -> u64 {
    classes.iter().map(Vec::len).sum::<usize>() as u64
}

/// Drops values one by one. Panics are contained: whoever comes by has nothing to do with these values.
fn drop_contained<T>(values: impl IntoIterator<Item = T>) {
    for value in values {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            // Its drop glue may panic again.
            mem::forget(payload);
        }
    }
}

/// A thread's part of a pool.
pub(super) struct Cache<T> {
    shelves: Arc<Shelves<T>>,
    own: Arc<Mutex<Own<T>>>,
}

impl<T> Cache<T> {
    pub(super) fn shelves(&self) -> &Arc<Shelves<T>> {
        &self.shelves
    }

    /// A value of the class, if there is one.
    pub(super) fn take(&self, class: usize) -> Option<T> {
        self.shelves.age();
        {
            let mut own = self.own.lock();
            if let Some(value) = own.classes[class].pop() {
                own.stats.hits += 1;
                return Some(value);
            }
        }
        let (found, is_victim) = {
            let mut shared = self.shelves.shared.lock();
            match shared.classes[class].pop() {
                Some(value) => (Some(value), false),
                None => (shared.victims[class].pop(), true),
            }
        };
        let mut own = self.own.lock();
        own.stats.hits += u64::from(found.is_some());
        own.stats.victim_hits += u64::from(found.is_some() && is_victim);
        own.stats.misses += u64::from(found.is_none());
        found
    }

    /// Keeps a value for later, if there is room.
    pub(super) fn put(&self, class: usize, value: T) {
        self.shelves.age();
        let room = self.shelves.rooms[class].cache;
        let spilled = {
            let mut own = self.own.lock();
            let shelf = &mut own.classes[class];
            shelf.push(value);
            if shelf.len() <= room {
                return;
            }
            // The older half: what was used last is still in the processor's cache.
            shelf.drain(..shelf.len().div_ceil(2)).collect()
        };
        let rest = self.shelves.share(&mut self.shelves.shared.lock(), class, spilled);
        drop_contained(rest);
    }

    /// Drops a value that no shelf is for.
    pub(super) fn refuse(&self, value: T) {
        self.own.lock().stats.dropped += 1;
        drop_contained([value]);
    }

    /// Counts a value that no shelf is for, and that was wanted.
    pub(super) fn note_miss(&self) {
        self.own.lock().stats.misses += 1;
    }
}

impl<T> Drop for Cache<T> {
    fn drop(&mut self) {
        let mut rest = Vec::new();
        {
            let mut shared = self.shelves.shared.lock();
            shared.caches.retain(|cache| !Arc::ptr_eq(cache, &self.own));
            let mut own = self.own.lock();
            shared.stats.add(mem::take(&mut own.stats));
            for (class, values) in own.classes.iter_mut().enumerate() {
                rest.append(&mut self.shelves.share(&mut shared, class, mem::take(values)));
            }
        }
        drop_contained(rest);
    }
}
