//! Buffers of bytes, by size.

use super::{
    PoolStats,
    shelves::{Cache, Room, Shelves},
};
use crate::heap::Heap;
use std::{fmt, sync::Arc};

/// The smallest buffers that are kept, and the largest.
const CAPACITY_MIN: usize = 64;
const CAPACITY_MAX: usize = 1 << 20;
const CLASSES: usize = (CAPACITY_MAX.ilog2() - CAPACITY_MIN.ilog2()) as usize + 1;
/// Bytes that one class may take: in a cache, and in the shared part.
const CACHE_BYTES: usize = 256 << 10;
const SHARED_BYTES: usize = 4 << 20;
const CACHE_BUFFERS_MAX: usize = 16;
const SHARED_BUFFERS_MAX: usize = 256;

/// Room for buffers that are less than twice as large as their class says.
fn room(class: usize) -> Room {
    let bytes = CAPACITY_MIN << class;
    Room {
        cache: (CACHE_BYTES / bytes).clamp(1, CACHE_BUFFERS_MAX),
        shared: (SHARED_BYTES / bytes).clamp(1, SHARED_BUFFERS_MAX),
    }
}

/// The class whose buffers all have room for so many bytes.
fn class_for(capacity: usize) -> Option<usize> {
    (capacity <= CAPACITY_MAX).then(|| {
        let bytes = capacity.max(CAPACITY_MIN).next_power_of_two();
        (bytes.ilog2() - CAPACITY_MIN.ilog2()) as usize
    })
}

/// The class that a buffer goes to.
fn class_of(buffer: &Vec<u8>) -> Option<usize> {
    let capacity = buffer.capacity();
    let fits = (CAPACITY_MIN..2 * CAPACITY_MAX).contains(&capacity);
    fits.then(|| (capacity.ilog2() - CAPACITY_MIN.ilog2()) as usize)
}

/// A pool of byte buffers, sorted by capacity in powers of two from 64 bytes to 1 MiB.
///
/// It forgets like a [`Pool`](crate::Pool). Buffers beyond 2 MiB are not kept, so a rare large one does not stay.
///
/// # Example: messages
///
/// ```
/// use mudlark::{BufferPool, Heap};
///
/// let heap = Heap::builder().build()?;
/// let pool = BufferPool::new(&heap);
/// let cache = pool.cache();
/// let mut message = cache.get(100);
/// message.extend_from_slice(b"hello");
/// cache.put(message);
/// let again = cache.get(80);
/// assert!(again.is_empty() && again.capacity() >= 80);
/// assert_eq!((pool.stats().misses, pool.stats().hits), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BufferPool {
    shelves: Arc<Shelves<Vec<u8>>>,
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl BufferPool {
    /// An empty pool.
    ///
    /// # Example: nothing is made before it is needed
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// assert!(pool.is_empty());
    /// assert!(pool.cache().get(100).capacity() >= 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(heap: &Heap) -> BufferPool {
        let shelves = Shelves::new(heap.cycle_clock(), (0..CLASSES).map(room));
        BufferPool { shelves: Arc::new(shelves) }
    }

    /// A cache for one thread. When it is dropped, its buffers go to the shared part.
    ///
    /// # Example: a cache for each thread
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// let cache = pool.cache();
    /// let worker = std::thread::spawn(move || cache.put(cache.get(100)));
    /// worker.join().expect("no panic");
    /// assert_eq!(pool.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cache(&self) -> BufferCache {
        BufferCache { cache: self.shelves.cache() }
    }

    /// What the pool did so far.
    ///
    /// # Example: one buffer for ten messages
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// let cache = pool.cache();
    /// for _ in 0..10 {
    ///     cache.put(cache.get(100));
    /// }
    /// assert_eq!((pool.stats().misses, pool.stats().hits), (1, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        self.shelves.stats()
    }

    /// How many buffers are waiting to be used again.
    ///
    /// # Example: a buffer that waits
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// let cache = pool.cache();
    /// cache.put(cache.get(100));
    /// assert_eq!(pool.len(), 1);
    /// let _in_use = cache.get(100);
    /// assert_eq!(pool.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.shelves.len()
    }

    /// Whether none is.
    ///
    /// # Example: before and after
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// assert!(pool.is_empty());
    /// pool.cache().put(Vec::with_capacity(100));
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
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// pool.cache().put(Vec::with_capacity(100));
    /// for _ in 0..2 {
    ///     heap.collect();
    ///     pool.trim();
    /// }
    /// assert_eq!((pool.len(), pool.stats().dropped), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trim(&self) {
        self.shelves.age();
    }
}

/// A thread's part of a [`BufferPool`].
///
/// # Example: what one thread leaves, another takes
///
/// ```
/// use mudlark::{BufferCache, BufferPool, Heap};
///
/// let heap = Heap::builder().build()?;
/// let pool = BufferPool::new(&heap);
/// let cache: BufferCache = pool.cache();
/// std::thread::spawn(move || cache.put(Vec::with_capacity(100))).join().expect("no panic");
/// pool.cache().get(50);
/// assert_eq!(pool.stats().hits, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BufferCache {
    cache: Cache<Vec<u8>>,
}

impl fmt::Debug for BufferCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferCache").field("stats", &self.cache.shelves().stats()).finish_non_exhaustive()
    }
}

impl BufferCache {
    /// An empty buffer with room for so many bytes.
    ///
    /// # Example: one that is too small is left where it is
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let cache = BufferPool::new(&heap).cache();
    /// cache.put(Vec::with_capacity(100));
    /// assert!(cache.get(1000).capacity() >= 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, capacity: usize) -> Vec<u8> {
        let Some(class) = class_for(capacity) else {
            self.cache.note_miss();
            return Vec::with_capacity(capacity);
        };
        self.cache.take(class).unwrap_or_else(|| Vec::with_capacity(CAPACITY_MIN << class))
    }

    /// Keeps a buffer to be used again, without what is in it; or drops it, if it is very small or large, or there are enough.
    ///
    /// # Example: huge ones are not kept
    ///
    /// ```
    /// use mudlark::{BufferPool, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let pool = BufferPool::new(&heap);
    /// pool.cache().put(Vec::with_capacity(4 << 20));
    /// assert_eq!((pool.len(), pool.stats().dropped), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        match class_of(&buffer) {
            Some(class) => self.cache.put(class, buffer),
            None => self.cache.refuse(buffer),
        }
    }
}
