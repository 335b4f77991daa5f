//! The raw tier beside the safe one: the same trees of pairs, allocated, stored into, and marked.
//!
//! What differs is the way to the functions of a type: a call through a registered pointer here, compiled for the marker there.

#![allow(missing_docs, reason = "criterion's macros define functions without")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mudlark::{Gc, GcCell, Heap, Scope, Trace};
use mudlark_collector::{
    Config,
    raw::{RawDescriptor, RawHeap, RawKind, RawScope, RawVisitor},
};
use std::{ffi::c_void, hint::black_box, ptr::NonNull, sync::atomic::AtomicU64, time::Duration};

const BATCH: u64 = 1024;
const DEPTH: u32 = 17;

#[derive(Trace)]
struct Node<'gc>([GcCell<Option<Gc<'gc, Node<'gc>>>>; 2]);

fn tree<'gc>(cx: &Scope<'gc>, depth: u32) -> Gc<'gc, Node<'gc>> {
    let child = |depth| GcCell::new((depth > 0).then(|| tree(cx, depth - 1)));
    cx.alloc(Node([child(depth), child(depth)]))
}

type Pair = [AtomicU64; 2];

fn decode(word: u64) -> Option<NonNull<u8>> {
    NonNull::new(std::ptr::with_exposed_provenance_mut(word as usize))
}

unsafe extern "C-unwind" fn trace_pair(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
    // SAFETY: E1: the object is a pair.
    let pair = unsafe { object.cast::<Pair>().as_ref() };
    // SAFETY: E2: its words lead to objects.
    unsafe { visitor.slots(pair, decode) };
}

#[inline]
fn pair(scope: &RawScope<'_>, kind: RawKind, words: [u64; 2]) -> u64 {
    // SAFETY: E3: filled at once; E11: a kind of the heap.
    let object = unsafe { scope.alloc(kind) }.expect("there is memory");
    // SAFETY: E3: the place is new.
    unsafe { object.cast::<Pair>().write(words.map(AtomicU64::new)) };
    object.as_ptr().expose_provenance() as u64
}

fn raw_tree(scope: &RawScope<'_>, kind: RawKind, depth: u32) -> u64 {
    let child = |depth| if depth > 0 { raw_tree(scope, kind, depth - 1) } else { 0 };
    pair(scope, kind, [child(depth), child(depth)])
}

fn raw(c: &mut Criterion) {
    let heap = Heap::builder().build().expect("addresses");
    let mut mutator = heap.attach();
    let raw_heap = RawHeap::new(Config::default()).expect("addresses");
    let descriptor = RawDescriptor { trace: Some(trace_pair), ..RawDescriptor::fixed("pair", 16) };
    // SAFETY: E1: `trace_pair`; E12: it is static.
    let kind = unsafe { raw_heap.register(descriptor) }.expect("the layout is possible");
    let mut raw_mutator = raw_heap.attach();

    let mut group = c.benchmark_group("raw");
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("alloc/safe", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                for _ in 0..BATCH {
                    black_box(cx.alloc(Node([GcCell::new(None), GcCell::new(None)])));
                }
            });
        });
    });
    group.bench_function("alloc/raw", |b| {
        b.iter(|| {
            let scope = raw_mutator.enter();
            for _ in 0..BATCH {
                black_box(pair(&scope, kind, [0, 0]));
            }
        });
    });
    let root = mutator.enter(|cx| cx.root(tree(cx, DEPTH)));
    let raw_root = {
        let scope = raw_mutator.enter();
        let tree = decode(raw_tree(&scope, kind, DEPTH)).expect("a tree");
        // SAFETY: E2: made in this scope.
        unsafe { scope.add_root(tree) }
    };
    group.bench_function("store/safe", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                let node = root.get(cx);
                let child = node.0[0].get();
                for n in 0..BATCH as usize {
                    black_box(&node.0[n % 2]).set(cx, child);
                }
            });
        });
    });
    group.bench_function("store/raw", |b| {
        b.iter(|| {
            let scope = raw_mutator.enter();
            // SAFETY: E7: found in a root.
            let pair = unsafe { raw_root.get().cast::<Pair>().as_ref() };
            let child = pair[0].load(std::sync::atomic::Ordering::Acquire);
            for n in 0..BATCH as usize {
                // SAFETY: E2: the word leads to an object.
                unsafe { scope.store_slot(black_box(&pair[n % 2]), child, decode) };
            }
        });
    });
    group.throughput(Throughput::Elements(2 << DEPTH));
    group.bench_function("collect/safe", |b| b.iter(|| heap.collect()));
    group.bench_function("collect/raw", |b| b.iter(|| raw_heap.collect()));
    group.finish();
}

criterion_group!(benches, raw);
criterion_main!(benches);
