//! Allocation by size and kind, with the collections that it causes.
//!
//! Every iteration allocates a batch in one scope and forgets it; so the time has its share of slow path, marking and
//! sweeping. The results are bytes and objects per second.

#![allow(missing_docs, reason = "criterion's macros define functions without")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mudlark::{Gc, Heap, Mutator, Trace};
use std::{hint::black_box, time::Duration};

const BATCH: usize = 1024;

/// A node of two words and a filling of `WORDS`.
#[derive(Trace)]
struct Node<'gc, const WORDS: usize> {
    link: Option<Gc<'gc, Node<'gc, WORDS>>>,
    filling: [u64; WORDS],
}

fn leaves<const WORDS: usize>(mutator: &mut Mutator) {
    mutator.enter(|cx| {
        for n in 0..BATCH {
            black_box(cx.alloc([n as u64; WORDS]));
        }
    });
}

fn nodes<const WORDS: usize>(mutator: &mut Mutator) {
    mutator.enter(|cx| {
        let mut link = None;
        for n in 0..BATCH {
            link = Some(cx.alloc(Node { link, filling: [n as u64; WORDS] }));
        }
        black_box(link);
    });
}

fn slices(mutator: &mut Mutator, bytes: usize) {
    let values = vec![7_u8; bytes - size_of::<usize>()];
    mutator.enter(|cx| {
        for _ in 0..BATCH {
            black_box(cx.alloc_slice_copy(&values));
        }
    });
}

fn alloc(c: &mut Criterion) {
    let heap = Heap::builder().build().expect("addresses");
    let mut mutator = heap.attach();
    let mut group = c.benchmark_group("alloc");
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    macro_rules! sized {
        ($($bytes:literal),*) => { $(
            group.throughput(Throughput::Elements(BATCH as u64));
            group.bench_function(BenchmarkId::new("leaf", $bytes), |b| {
                b.iter(|| leaves::<{ $bytes / 8 }>(&mut mutator));
            });
            group.bench_function(BenchmarkId::new("traced", $bytes), |b| {
                b.iter(|| nodes::<{ $bytes / 8 - 1 }>(&mut mutator));
            });
            group.bench_function(BenchmarkId::new("slice", $bytes), |b| {
                b.iter(|| slices(&mut mutator, $bytes));
            });
        )* };
    }
    sized!(16, 32, 64, 256, 1024, 4096);
    group.finish();
}

criterion_group!(benches, alloc);
criterion_main!(benches);
