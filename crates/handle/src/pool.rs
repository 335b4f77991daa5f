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
    ///
    /// # Example: made when there is none
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, || Vec::<u64>::with_capacity(100));
    /// assert!(pool.cache().get().capacity() >= 100);
    /// assert_eq!(pool.stats().misses, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(heap: &Heap, make: impl Fn() -> T + Send + Sync + 'static) -> Pool<T> {
        let shelves = Shelves::new(heap.cycle_clock(), std::iter::once(ROOM));
        Pool { shelves: Arc::new(shelves), make: Arc::new(make) }
    }

    /// A cache for one thread. When it is dropped, its values go to the shared part.
    ///
    /// # Example: a cache for each thread
    ///
    /// ```
    /// use mudlark::{Heap, Pool, PoolCache};
    /// use std::thread;
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, String::new);
    /// let put = |cache: PoolCache<String>| thread::spawn(move || cache.put(String::new()));
    /// let threads = [pool.cache(), pool.cache()].map(put);
    /// threads.map(|thread| thread.join().expect("no panic"));
    /// assert_eq!(pool.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cache(&self) -> PoolCache<T> {
        PoolCache { cache: self.shelves.cache(), make: Arc::clone(&self.make) }
    }

    /// What the pool did so far.
    ///
    /// # Example: how often a value was there
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, String::new);
    /// let cache = pool.cache();
    /// for _ in 0..10 {
    ///     cache.put(cache.get());
    /// }
    /// assert_eq!((pool.stats().misses, pool.stats().hits), (1, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        self.shelves.stats()
    }

    /// How many values are waiting to be used again.
    ///
    /// # Example: values in use are not in the pool
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, String::new);
    /// let cache = pool.cache();
    /// let (one, other) = (cache.get(), cache.get());
    /// cache.put(one);
    /// assert_eq!((pool.len(), other.len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.shelves.len()
    }

    /// Whether none is.
    ///
    /// # Example: it begins with nothing
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, String::new);
    /// assert!(pool.is_empty());
    /// pool.cache().put(String::new());
    /// assert!(!pool.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what cycles have made old, without waiting for somebody to use the pool.
    ///
    /// # Example: two cycles later
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, String::new);
    /// pool.cache().put("scratch".to_owned());
    /// for _ in 0..2 {
    ///     heap.collect();
    ///     pool.trim();
    /// }
    /// assert!(pool.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trim(&self) {
        self.shelves.age();
    }
}

/// A thread's part of a [`Pool`]: it takes no lock that others hold for long.
///
/// # Example: what one thread leaves, another takes
///
/// ```
/// use mudlark::{Heap, Pool, PoolCache};
///
/// let heap = Heap::builder().build()?;
/// let pool = Pool::new(&heap, String::new);
/// let cache: PoolCache<String> = pool.cache();
/// std::thread::spawn(move || cache.put("left behind".to_owned())).join().expect("no panic");
/// assert_eq!(pool.cache().get(), "left behind");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// # Example: as it was put back
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, || "new".to_owned());
    /// let cache = pool.cache();
    /// cache.put("used".to_owned());
    /// assert_eq!([cache.get(), cache.get()], ["used", "new"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self) -> T {
        self.cache.take(0).unwrap_or_else(|| (self.make)())
    }

    /// Keeps a value to be used again; or drops it, if there are enough.
    ///
    /// # Example: enough is enough
    ///
    /// ```
    /// use mudlark::{Heap, Pool};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = Pool::new(&heap, || 0_u64);
    /// let cache = pool.cache();
    /// (0..10_000).for_each(|n| cache.put(n));
    /// assert!(pool.stats().dropped > 9_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, value: T) {
        self.cache.put(0, value);
    }
}
