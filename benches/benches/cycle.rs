//! Whole collections: marking what lives, sweeping what died.

#![allow(missing_docs, reason = "criterion's macros define functions without")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mudlark::{Gc, GcCell, GcPercent, Heap, Mutator, Root, Static, Trace};
use std::{hint::black_box, time::Duration};

/// A node of the workload `graph`.
#[derive(Trace)]
struct Node<'gc> {
    edges: [GcCell<Option<Gc<'gc, Node<'gc>>>>; 4],
    payload: u64,
}

fn quiet_heap() -> (Heap, Mutator) {
    let heap = Heap::builder().gc_percent(GcPercent::Off).build().expect("addresses");
    let mutator = heap.attach();
    (heap, mutator)
}

/// Nodes in a chain, each with three more edges to random earlier ones. The root leads to the last.
fn graph(mutator: &mut Mutator, nodes: u64) -> Root<Node<'static>> {
    mutator.enter(|cx| {
        let mut made: Vec<Gc<'_, Node<'_>>> = Vec::new();
        let mut x = 0x9E37_79B9_7F4A_7C15_u64;
        for payload in 0..nodes {
            let mut earlier = |slot: usize| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                let index =
                    if slot == 0 { made.len().wrapping_sub(1) } else { x as usize % made.len().max(1) };
                GcCell::new(made.get(index).copied())
            };
            let edges = std::array::from_fn(&mut earlier);
            made.push(cx.alloc(Node { edges, payload }));
        }
        cx.root(made[made.len() - 1])
    })
}

/// Marking: a collection of a heap in which everything lives.
fn mark(c: &mut Criterion) {
    let mut group = c.benchmark_group("mark");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(10);
    for nodes in [1_000, 100_000, 1_000_000] {
        let (_heap, mut mutator) = quiet_heap();
        let root = graph(&mut mutator, nodes);
        group.throughput(Throughput::Elements(nodes));
        group.bench_function(BenchmarkId::from_parameter(nodes), |b| b.iter(|| mutator.collect()));
        mutator.enter(|cx| assert_eq!(root.get(cx).payload, nodes - 1));
    }
    group.finish();
}

struct Bell;

impl Drop for Bell {
    fn drop(&mut self) {
        black_box(());
    }
}

/// Sweeping: a collection of a heap in which nothing lives. The garbage is made outside of the measured time.
fn sweep(c: &mut Criterion) {
    const BLOCKS: usize = 1024;
    const BLOCK_BYTES: usize = 32 << 10;
    let mut group = c.benchmark_group("sweep");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).sample_size(10);
    group.throughput(Throughput::Elements(BLOCKS as u64));
    let (heap, _mutator) = quiet_heap();
    let fill = |drops: bool| {
        let mut mutator = heap.attach();
        mutator.enter(|cx| {
            for n in 0..(BLOCKS * BLOCK_BYTES / 32) as u64 {
                if drops {
                    black_box(cx.alloc(([n; 4], Static(Bell))));
                } else {
                    black_box(cx.alloc([n; 4]));
                }
            }
        });
        mutator
    };
    for (name, drops) in [("1024 blocks", false), ("1024 blocks, drop glue", true)] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| fill(drops), |mutator| mutator.collect(), BatchSize::PerIteration);
        });
    }
    // What a collection costs that finds nothing to do.
    group.bench_function("nothing", |b| b.iter(|| heap.collect()));
    group.finish();
}

criterion_group!(benches, mark, sweep);
criterion_main!(benches);
