//! Collections against those of `std` and `hashbrown` on the malloc heap, and against a buffer in the collected heap.

#![allow(missing_docs, reason = "criterion's macros define functions without")]

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use hashbrown::HashMap;
use mudlark::{Gc, GcHashMap, GcRefCell, GcString, GcVec, Heap, Mutator, Scope, Static, Trace};
use std::{cell::Cell, hint::black_box, time::Duration};

fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20);
    group
}

/// What a vector would be whose buffers are objects: the old one is garbage when it grows.
struct InHeap<'gc> {
    buffer: Gc<'gc, [Static<Cell<u64>>]>,
    len: usize,
}

impl<'gc> InHeap<'gc> {
    fn new(cx: &Scope<'gc>) -> InHeap<'gc> {
        InHeap { buffer: cx.alloc_slice_with(4, |_| Static(Cell::new(0))), len: 0 }
    }

    fn push(&mut self, cx: &Scope<'gc>, value: u64) {
        if self.len == self.buffer.len() {
            let old = self.buffer;
            self.buffer = cx.alloc_slice_with(self.len * 2, |index| {
                Static(Cell::new(old.get(index).map_or(0, |cell| cell.0.get())))
            });
        }
        self.buffer[self.len].0.set(value);
        self.len += 1;
    }
}

/// Builds vectors of `len` numbers from nothing, one after the other, and drops them; a scope for each.
fn push(c: &mut Criterion, len: u64) {
    let mut group = group(c, &format!("push {len}"));
    group.throughput(Throughput::Elements(len));
    group.bench_function("Vec", |b| {
        b.iter(|| {
            let mut vec = Vec::new();
            (0..len).for_each(|n| vec.push(black_box(n)));
            vec.len()
        });
    });
    // As many as a heap of the minimal size keeps until its next cycle: what a dead vector held is not there to be used again at once.
    let kept = ((4 << 20) / (16 * len as usize)).max(1);
    group.bench_function("Vec, dropped in batches", |b| {
        let mut batch = Vec::new();
        b.iter(|| {
            let mut vec = Vec::new();
            (0..len).for_each(|n| vec.push(black_box(n)));
            if batch.len() == kept {
                batch.clear();
            }
            batch.push(vec);
        });
    });
    push_collected(&mut group, len);
    group.finish();
}

/// What those of the collected heap have besides.
fn push_in_scopes(group: &mut BenchmarkGroup<'_, WallTime>, mutator: &mut Mutator, len: u64) {
    group.bench_function("Vec in a scope", |b| {
        b.iter(|| {
            mutator.enter(|_| {
                let mut vec = Vec::new();
                (0..len).for_each(|n| vec.push(black_box(n)));
                vec.len()
            })
        });
    });
    // As a field of an object is reached: the compiler does not keep its length in a register from one push to the next.
    group.bench_function("Vec behind a pointer", |b| {
        b.iter(|| {
            mutator.enter(|_| {
                let mut vec = Vec::new();
                let vec = black_box(&mut vec);
                (0..len).for_each(|n| vec.push(black_box(n)));
                vec.len()
            })
        });
    });
}

fn push_collected(group: &mut BenchmarkGroup<'_, WallTime>, len: u64) {
    let heap = Heap::builder().workers(0).build().expect("addresses");
    let mut mutator = heap.attach();
    push_in_scopes(group, &mut mutator, len);
    group.bench_function("GcVec", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let vec = GcVec::new();
                (0..len).for_each(|n| vec.push(cx, black_box(n)));
                vec.len()
            })
        });
    });
    group.bench_function("GcVec, borrowed once", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let vec = GcVec::new();
                let mut all = vec.borrow_mut(cx);
                (0..len).for_each(|n| all.push(black_box(n)));
                all.len()
            })
        });
    });
    group.bench_function("Gc<GcVec>", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let vec = cx.alloc(GcVec::new());
                (0..len).for_each(|n| vec.push(cx, black_box(n)));
                vec.len()
            })
        });
    });
    group.bench_function("GcVec of pointers", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let one = cx.alloc(1_u64);
                let vec = GcVec::new();
                (0..len).for_each(|_| vec.push(cx, black_box(one)));
                vec.len()
            })
        });
    });
    group.bench_function("GcRefCell<Vec>", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let vec = GcRefCell::new(Vec::new());
                (0..len).for_each(|n| vec.borrow_mut(cx).push(black_box(n)));
                vec.borrow().len()
            })
        });
    });
    group.bench_function("buffers in the heap", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let mut vec = InHeap::new(cx);
                (0..len).for_each(|n| vec.push(cx, black_box(n)));
                vec.len
            })
        });
    });
}

fn vectors(c: &mut Criterion) {
    push(c, 1000);
    push(c, 1 << 20);
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// A key of the program: a map asks it, and counts as borrowed meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Trace)]
struct Id(u64);

/// Keys in no order, each once.
fn keys(count: u64) -> Vec<u64> {
    (1..=count).map(|n| n.wrapping_mul(SEED)).collect()
}

/// Fills maps of `len` numbers from nothing, one after the other, and drops them; a scope for each. Then looks all keys up.
fn map(c: &mut Criterion, len: u64) {
    let keys = keys(len);
    let heap = Heap::builder().workers(0).build().expect("addresses");
    let mut mutator = heap.attach();
    let mut group = group(c, &format!("map {len}"));
    group.throughput(Throughput::Elements(len));
    group.bench_function("insert, hashbrown", |b| {
        b.iter(|| {
            let mut map = HashMap::new();
            keys.iter().for_each(|&key| _ = map.insert(black_box(key), key));
            map.len()
        });
    });
    group.bench_function("insert, GcHashMap", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let map = GcHashMap::<u64, u64>::new();
                keys.iter().for_each(|&key| _ = map.insert(cx, black_box(key), key));
                map.len()
            })
        });
    });
    group.bench_function("insert, GcHashMap of pointers", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let one = cx.alloc(1_u64);
                let map = GcHashMap::<u64, Gc<'_, u64>>::new();
                keys.iter().for_each(|&key| _ = map.insert(cx, black_box(key), one));
                map.len()
            })
        });
    });
    look_up(&mut group, &mut mutator, &keys);
    group.finish();
}

/// Looks all keys up in another order than they were put in.
fn look_up(group: &mut BenchmarkGroup<'_, WallTime>, mutator: &mut Mutator, keys: &[u64]) {
    let len = keys.len();
    let looked_up: Vec<u64> = (0..len).map(|n| keys[n * 7919 % len]).collect();
    let map: HashMap<u64, u64> = keys.iter().map(|&key| (key, key)).collect();
    group.bench_function("get, hashbrown", |b| {
        b.iter(|| {
            looked_up.iter().filter_map(|key| map.get(black_box(key)).copied()).fold(0, u64::wrapping_add)
        });
    });
    mutator.enter(|cx| {
        let map = GcHashMap::<u64, u64>::from_iter_in(cx, keys.iter().map(|&key| (key, key)));
        group.bench_function("get, GcHashMap", |b| {
            b.iter(|| looked_up.iter().filter_map(|key| map.get(black_box(key))).fold(0, u64::wrapping_add));
        });
        group.bench_function("get, GcHashMap borrowed once", |b| {
            b.iter(|| {
                let map = map.borrow();
                looked_up.iter().filter_map(|key| map.get(black_box(key)).copied()).fold(0, u64::wrapping_add)
            });
        });
        let asked = GcHashMap::<Id, u64>::from_iter_in(cx, keys.iter().map(|&key| (Id(key), key)));
        let looked_up_by: Vec<Id> = looked_up.iter().copied().map(Id).collect();
        group.bench_function("get, GcHashMap with keys of the program", |b| {
            b.iter(|| {
                looked_up_by.iter().filter_map(|key| asked.get(black_box(key))).fold(0, u64::wrapping_add)
            });
        });
        let map: GcHashMap<u64, Gc<'_, u64>> =
            GcHashMap::from_iter_in(cx, keys.iter().map(|&key| (key, cx.alloc(key))));
        group.bench_function("get, GcHashMap of pointers", |b| {
            b.iter(|| looked_up.iter().filter_map(|key| map.get(black_box(key))).count());
        });
    });
}

fn maps(c: &mut Criterion) {
    map(c, 1000);
    map(c, 100_000);
}

/// Builds strings of 1000 bytes from pieces of ten.
fn strings(c: &mut Criterion) {
    const PIECES: usize = 100;
    let heap = Heap::builder().workers(0).build().expect("addresses");
    let mut mutator = heap.attach();
    let mut group = group(c, "string 1000");
    group.bench_function("String", |b| {
        b.iter(|| {
            let mut text = String::new();
            (0..PIECES).for_each(|_| text.push_str(black_box("0123456789")));
            text.into_boxed_str()
        });
    });
    group.bench_function("GcString", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let mut text = GcString::new(cx);
                (0..PIECES).for_each(|_| text.push_str(black_box("0123456789")));
                text.finish().len()
            })
        });
    });
    group.bench_function("String, then alloc_str", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let mut text = String::new();
                (0..PIECES).for_each(|_| text.push_str(black_box("0123456789")));
                cx.alloc_str(&text).len()
            })
        });
    });
    group.finish();
}

criterion_group!(benches, vectors, maps, strings);
criterion_main!(benches);
