//! Pools: plain Rust values that are used again instead of being made again. They hold nothing of the heap; only its cycles set the pace
//! at which they forget.

mod buffers;
mod shelves;

pub use buffers::{BufferCache, BufferPool};
pub use shelves::PoolStats;

use crate::heap::Heap;
use shelves::{Cache, Room, Shelves};
use std::{fmt, sync::Arc};

/// What a cache and the shared part keep.
const ROOM: Room = Room { cache: 16, shared: 256 };

/// A pool of values that are expensive to make, like Go's `sync.Pool`: parsers, stacks, scratch space.
///
/// Each thread has a [`PoolCache`]. A value that is put back and not taken again is dropped in the course of the next two cycles of the
/// heap, by whoever uses the pool then; so a pool holds what the program needs between cycles, and never more than 32 values for each cache and
/// 512 beyond them. Clones are handles to the same pool. It does not keep its heap alive; without the heap it just stops forgetting.
///
/// # Example: scratch space
///
/// ```
/// use mudlark::{Heap, Pool};
///
/// let heap = Heap::builder().build()?;
/// let pool = Pool::new(&heap, || String::with_capacity(1000));
/// let cache = pool.cache();
/// let mut text = cache.get();
/// text.push_str("scratch");
/// text.clear();
/// cache.put(text);
/// assert!(cache.get().capacity() >= 1000);
/// assert_eq!((pool.stats().misses, pool.stats().hits), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pool<T> {
    shelves: Arc<Shelves<T>>,
    make: Arc<Make<T>>,
}

type Make<T> = dyn Fn() -> T + Send + Sync;

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Pool<T> {
        Pool { shelves: Arc::clone(&self.shelves), make: Arc::clone(&self.make) }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.shelves.stats()).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Pool<T> {
    /// An empty pool, whose values `make` makes when there is none. `make` may panic, and may use the pool.
    pub fn new(heap: &Heap, make: impl Fn() -> T + Send + Sync + 'static) -> Pool<T> {
        let shelves = Shelves::new(heap.cycle_clock(), std::iter::once(ROOM));
        Pool { shelves: Arc::new(shelves), make: Arc::new(make) }
    }

    /// A cache for one thread. When it is dropped, its values go to the shared part.
    pub fn cache(&self) -> PoolCache<T> {
        PoolCache { cache: self.shelves.cache(), make: Arc::clone(&self.make) }
    }

    /// What the pool did so far.
    pub fn stats(&self) -> PoolStats {
        self.shelves.stats()
    }

    /// How many values are waiting to be used again.
    pub fn len(&self) -> usize {
        self.shelves.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what cycles have made old, without waiting for somebody to use the pool.
    pub fn trim(&self) {
        self.shelves.age();
    }
}

/// A thread's part of a [`Pool`]: it takes no lock that others hold for long.
pub struct PoolCache<T> {
    cache: Cache<T>,
    make: Arc<Make<T>>,
}

impl<T> fmt::Debug for PoolCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolCache").field("stats", &self.cache.shelves().stats()).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> PoolCache<T> {
    /// A value that was put back, as it was put back; or a new one.
    ///
    /// # Panics
    ///
    /// If the pool's `make` does. The pool is as before then.
    pub fn get(&self) -> T {
        self.cache.take(0).unwrap_or_else(|| (self.make)())
    }

    /// Keeps a value to be used again; or drops it, if there are enough.
    pub fn put(&self, value: T) {
        self.cache.put(0, value);
    }
}
