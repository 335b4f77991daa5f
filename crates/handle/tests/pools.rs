//! Pools: what is kept, for how long, and what panics leave.

#[path = "support/random.rs"]
mod random;

use mudlark::{BufferPool, Heap, Pool, PoolStats};
use random::Random;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

/// Values of a pool, counted.
#[derive(Clone, Default)]
struct Counts(Arc<[AtomicU64; 2]>);

struct Value {
    counts: Counts,
    /// In somebody's hands: nobody else may have it.
    is_taken: bool,
}

impl Counts {
    fn value(&self) -> Value {
        self.0[0].fetch_add(1, Relaxed);
        Value { counts: self.clone(), is_taken: false }
    }

    fn made(&self) -> u64 {
        self.0[0].load(Relaxed)
    }

    fn dropped(&self) -> u64 {
        self.0[1].load(Relaxed)
    }

    fn living(&self) -> u64 {
        self.made() - self.dropped()
    }

    fn pool(&self, heap: &Heap) -> Pool<Value> {
        let counts = self.clone();
        Pool::new(heap, move || counts.value())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.counts.0[1].fetch_add(1, Relaxed);
    }
}

fn heap() -> Heap {
    Heap::builder().workers(0).build().expect("a heap")
}

/// Goal: a value that nobody takes lives through one cycle and dies with the next. Method: values in a cache of this thread, in another
/// one's, and in the shared part; cycles between looks.
#[test]
fn values_are_forgotten_in_two_cycles() {
    let (heap, counts) = (heap(), Counts::default());
    let pool = counts.pool(&heap);
    let (cache, other) = (pool.cache(), pool.cache());
    let values: Vec<Value> = (0..50).map(|_| cache.get()).collect();
    values.into_iter().for_each(|value| cache.put(value));
    let (one, two) = (other.get(), other.get());
    other.put(one);
    other.put(two);
    let there = pool.len();
    assert_eq!((there as u64, counts.living()), (counts.made(), counts.made()));
    heap.collect();
    assert_eq!(pool.len(), there, "victims are there");
    cache.put(cache.get());
    assert_eq!((pool.stats().victim_hits, counts.dropped()), (1, 0));
    heap.collect();
    // Whoever comes by: the other one.
    other.put(other.get());
    assert_eq!((pool.len(), counts.living()), (1, 1), "one was used since");
    heap.collect();
    heap.collect();
    pool.trim();
    assert_eq!((pool.len(), counts.living()), (0, 0));
    assert_eq!(pool.stats().dropped, counts.dropped());
}

/// Goal: a pool does not grow without bound, whoever puts how much. Method: ten thousand values into one pool, through caches that come and go.
#[test]
fn a_pool_is_bounded() {
    let (heap, counts) = (heap(), Counts::default());
    let pool = counts.pool(&heap);
    for _ in 0..10 {
        let cache = pool.cache();
        for _ in 0..1000 {
            cache.put(counts.value());
        }
        assert!(pool.len() <= 16 + 512, "{}", pool.len());
    }
    assert_eq!(pool.len() as u64, counts.living());
    assert_eq!(pool.stats(), PoolStats { dropped: counts.dropped(), ..PoolStats::default() });
    let caches: Vec<_> = (0..100).map(|_| pool.cache()).collect();
    caches.iter().for_each(|cache| drop(cache.get()));
    assert_eq!((pool.stats().hits, pool.stats().misses), (100, 0));
}

/// Goal: hits, misses, victims and drops add up in any order of operations. Method: random operations against a model that counts.
#[test]
fn the_numbers_add_up() {
    for seed in 1..=20 {
        let (heap, counts, mut random) = (heap(), Counts::default(), Random::of(seed));
        let pool = counts.pool(&heap);
        let mut caches = vec![pool.cache()];
        let (mut held, mut gets) = (Vec::new(), 0);
        for _ in 0..500 {
            let cache = &caches[random.below(caches.len())];
            match random.below(12) {
                0..=4 => {
                    held.push(cache.get());
                    gets += 1;
                }
                5..=9 => held.pop().into_iter().for_each(|value| cache.put(value)),
                10 => heap.collect(),
                _ if caches.len() < 3 => caches.push(pool.cache()),
                _ => drop(caches.swap_remove(random.below(caches.len()))),
            }
            let stats = pool.stats();
            assert_eq!(stats.hits + stats.misses, gets, "seed {seed}");
            assert_eq!((stats.misses, stats.dropped), (counts.made(), counts.dropped()), "seed {seed}");
            assert_eq!(pool.len() + held.len(), counts.living() as usize, "seed {seed}");
            assert!(stats.victim_hits <= stats.hits, "seed {seed}");
        }
        drop((held, caches, pool));
        assert_eq!(counts.living(), 0, "seed {seed}");
    }
}

/// Goal: a value is in one pair of hands at a time. Method: threads that take, mark and put back, while cycles move everything; a mark
/// that is there already is a failure.
#[test]
fn a_value_is_in_one_pair_of_hands() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        let counts = Counts::default();
        let pool = counts.pool(&heap);
        let done = AtomicBool::new(false);
        thread::scope(|threads| {
            let users: Vec<_> = (0..3)
                .map(|seed| {
                    let pool = &pool;
                    threads.spawn(move || {
                        let (cache, mut random) = (pool.cache(), Random::of(seed + 7));
                        let mut held: Vec<Value> = Vec::new();
                        for _ in 0..5000 {
                            if random.below(2) == 0 && held.len() < 40 {
                                let mut value = cache.get();
                                assert!(!std::mem::replace(&mut value.is_taken, true), "two hands");
                                held.push(value);
                            } else if let Some(mut value) = held.pop() {
                                value.is_taken = false;
                                cache.put(value);
                            }
                        }
                    })
                })
                .collect();
            threads.spawn(|| {
                while !done.load(Relaxed) {
                    heap.collect();
                    thread::yield_now();
                }
            });
            let outcomes: Vec<_> = users.into_iter().map(|user| user.join()).collect();
            done.store(true, Relaxed);
            assert!(outcomes.iter().all(Result::is_ok));
        });
        assert_eq!(pool.len() as u64, counts.living());
    }
}

/// Goal: a panic of the factory comes out, and leaves the pool as it was. Method: the factory panics at its k-th call, for all k of a program
/// whose outcome is known.
#[test]
fn a_factory_that_panics_leaves_the_pool_usable() {
    for k in 0..8 {
        let (heap, counts) = (heap(), Counts::default());
        let (calls, in_factory) = (Arc::new(AtomicU64::new(0)), counts.clone());
        let pool = Pool::new(&heap, {
            let calls = Arc::clone(&calls);
            move || {
                assert!(calls.fetch_add(1, Relaxed) != k, "as planned");
                in_factory.value()
            }
        });
        let cache = pool.cache();
        let (mut held, mut panics) = (Vec::new(), 0);
        for _ in 0..8 {
            match catch_unwind(AssertUnwindSafe(|| cache.get())) {
                Ok(value) => held.push(value),
                Err(_) => panics += 1,
            }
        }
        assert_eq!((panics, held.len()), (1, 7));
        held.into_iter().for_each(|value| cache.put(value));
        heap.collect();
        assert_eq!((0..7).map(|_| cache.get()).collect::<Vec<_>>().len(), 7);
        assert_eq!((pool.stats().misses, pool.stats().hits, calls.load(Relaxed)), (8, 7, 8));
    }
}

/// Goal: drop glue that panics is contained, wherever values are dropped; glue and factories may use the pool. Method: values whose drop panics
/// and puts something into a pool, dropped by cycles, for want of room, and at the end.
#[test]
fn drop_glue_that_panics_is_contained() {
    struct Bomb(Pool<u64>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.cache().put(7);
            panic!("as planned");
        }
    }

    let heap = heap();
    let numbers = Pool::new(&heap, || 0);
    let bombs = {
        let numbers = numbers.clone();
        Pool::new(&heap, move || Bomb(numbers.clone()))
    };
    let cache = bombs.cache();
    let held: Vec<Bomb> = (0..400).map(|_| cache.get()).collect();
    held.into_iter().for_each(|bomb| cache.put(bomb));
    let dropped = bombs.stats().dropped;
    assert!(dropped >= 400 - 16 - 256, "for want of room: {dropped}");
    heap.collect();
    heap.collect();
    bombs.trim();
    assert_eq!((bombs.stats().dropped, bombs.len()), (400, 0));
    assert!(!numbers.is_empty());
    numbers.cache().put(1);
}

/// Goal: buffers are as large as they were asked for, empty, and bounded in bytes. Method: random sizes, small and huge.
#[test]
fn buffers_are_large_enough_and_bounded() {
    let heap = heap();
    let pool = BufferPool::new(&heap);
    let (cache, mut random) = (pool.cache(), Random::of(5));
    let (mut held, mut gets) = (Vec::new(), 0);
    for _ in 0..4000 {
        if random.below(2) == 0 || held.is_empty() {
            let bits = random.below(23);
            let capacity = random.below(1 << bits);
            let mut buffer = cache.get(capacity);
            assert!(buffer.is_empty() && buffer.capacity() >= capacity);
            buffer.resize(capacity.min(100), 1);
            held.push(buffer);
            gets += 1;
        } else {
            cache.put(held.swap_remove(random.below(held.len())));
        }
        if random.below(100) == 0 {
            heap.collect();
        }
    }
    let stats = pool.stats();
    assert_eq!(stats.hits + stats.misses, gets);
    assert!(stats.hits > gets / 4, "{stats:?}");
    for _ in 0..1000 {
        cache.put(Vec::with_capacity(1 << 20));
    }
    assert!(pool.len() < 300, "4 MiB of a class: {}", pool.len());
    let before = pool.len();
    for odd in [0, 1, 63, 3 << 20] {
        cache.put(Vec::with_capacity(odd));
    }
    assert_eq!(pool.len(), before, "too small or too large to be kept");
}

/// Goal: a pool outlives its heap. Method: drop the heap first.
#[test]
fn a_pool_outlives_its_heap() {
    let heap = heap();
    let pool = Pool::new(&heap, || 5);
    drop(heap);
    let cache = pool.cache();
    cache.put(cache.get());
    assert_eq!((cache.get(), pool.stats().hits), (5, 1));
}
