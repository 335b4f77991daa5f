//! What a mutator does between allocations: stores with their barrier, scopes, roots.

#![allow(missing_docs, reason = "criterion's macros define functions without")]

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use mudlark::{Gc, GcCell, GcRefCell, Heap, Root, Trace};
use mudlark_arena::sync::{AtomicPtr, Ordering};
use std::{hint::black_box, ptr::null_mut, time::Duration};

const STORES: usize = 4096;

#[derive(Trace)]
struct Slot<'gc> {
    to: GcCell<Option<Gc<'gc, Slot<'gc>>>>,
}

fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(30);
    group
}

/// A scope with a table of slots that all lead to one object.
fn with_slots(
    heap: &Heap,
    work: impl for<'gc> FnOnce(&mudlark::Scope<'gc>, &[GcCell<Option<Gc<'gc, Slot<'gc>>>>]),
) {
    heap.attach().enter(|cx| {
        let target = cx.alloc(Slot { to: GcCell::new(None) });
        let slots = cx.alloc_slice_with(STORES, |_| GcCell::new(Some(target)));
        work(cx, &slots);
    });
}

fn barrier(c: &mut Criterion) {
    let mut group = group(c, "barrier");
    group.throughput(Throughput::Elements(STORES as u64));
    let mut object = 0_u8;
    let plain: Vec<AtomicPtr<u8>> = (0..STORES).map(|_| AtomicPtr::new(null_mut())).collect();
    group.bench_function("plain release store", |b| {
        b.iter(|| {
            for slot in &plain {
                slot.store(black_box(&raw mut object), Ordering::Release);
            }
        });
    });
    group.bench_function("plain swap", |b| {
        b.iter(|| {
            for slot in &plain {
                black_box(slot.swap(black_box(&raw mut object), Ordering::AcqRel));
            }
        });
    });
    let heap = Heap::builder().workers(0).build().expect("addresses");
    with_slots(&heap, |cx, slots| {
        let target = slots[0].get();
        group.bench_function("cell set, idle", |b| {
            b.iter(|| {
                for slot in slots {
                    slot.set(cx, black_box(target));
                }
            });
        });
    });
    let mut marking = marking_heap();
    marking.mutator.enter(|cx| {
        let target = Some(cx.alloc(Slot { to: GcCell::new(None) }));
        let slots = cx.alloc_slice_with(STORES, |_| GcCell::new(target));
        group.bench_function("cell set, marking", |b| {
            b.iter(|| {
                for slot in slots.iter() {
                    slot.set(cx, black_box(target));
                }
            });
        });
        let list = cx.alloc(GcRefCell::new(vec![target; 16]));
        group.throughput(Throughput::Elements(1));
        group.bench_function("ref cell borrow_mut, marking", |b| {
            b.iter(|| list.borrow_mut(cx)[0] = target);
        });
    });
    with_slots(&heap, |cx, slots| {
        let list = cx.alloc(GcRefCell::new(vec![slots[0].get(); 16]));
        group.bench_function("ref cell borrow_mut, idle", |b| {
            b.iter(|| list.borrow_mut(cx)[0] = slots[0].get());
        });
    });
    group.finish();
}

/// A heap that is kept in the middle of a cycle: without background threads, and with a second mutator whose scope never
/// ends here, no cycle gets on.
struct Marking {
    mutator: mudlark::Mutator,
    _ballast: Root<[GcCell<Option<Gc<'static, Slot<'static>>>>]>,
}

fn marking_heap() -> Marking {
    let heap = Heap::builder().workers(0).gc_percent(1).build().expect("addresses");
    let mut mutator = heap.attach();
    // More than what safepoints mark in passing.
    let ballast = mutator.enter(|cx| {
        cx.root(cx.alloc_slice_with(1 << 20, |_| GcCell::new(Some(cx.alloc(Slot { to: GcCell::new(None) })))))
    });
    // The trigger was passed; one look at the cycle arms, another marks a little, and nothing more happens.
    mutator.enter(|cx| {
        black_box(cx.alloc_slice_fill(1 << 16, 0_u64));
    });
    Marking { mutator, _ballast: ballast }
}

fn scopes(c: &mut Criterion) {
    let heap = Heap::builder().workers(0).build().expect("addresses");
    let mut mutator = heap.attach();
    let mut group = group(c, "scope");
    group.bench_function("enter and exit", |b| {
        b.iter(|| {
            mutator.enter(|cx| {
                black_box(cx);
            })
        })
    });
    group.bench_function("attach and detach", |b| b.iter(|| drop(black_box(heap.attach()))));
    group.finish();
}

fn frames(c: &mut Criterion) {
    let heap = Heap::builder().workers(0).build().expect("addresses");
    let mut mutator = heap.attach();
    let mut group = group(c, "frame");
    group.bench_function("begin and end", |b| b.iter(|| mutator.frame(|frame| _ = black_box(frame))));
    mutator.frame(|frame| {
        group.bench_function("begin, one scope, two locals, end", |b| {
            b.iter(|| {
                frame.frame(|frame| {
                    frame.enter(|cx| {
                        let object = cx.alloc(1_u64);
                        black_box((cx.keep(object), cx.keep(object)));
                    });
                });
            });
        });
        let local = frame.enter(|cx| cx.keep(cx.alloc(1_u64)));
        frame.enter(|cx| {
            group.bench_function("get", |b| b.iter(|| *local.get(black_box(cx))));
            let object = cx.alloc(1_u64);
            group.bench_function("set", |b| b.iter(|| local.set(cx, black_box(object))));
        });
        group.throughput(Throughput::Elements(STORES as u64));
        group.bench_function("keep", |b| {
            b.iter(|| {
                frame.frame(|frame| {
                    frame.enter(|cx| {
                        let object = cx.alloc(1_u64);
                        for _ in 0..STORES {
                            black_box(cx.keep(object));
                        }
                    });
                });
            });
        });
    });
    group.finish();
}

fn roots(c: &mut Criterion) {
    let heap = Heap::builder().workers(0).build().expect("addresses");
    let mut mutator = heap.attach();
    let mut group = group(c, "root");
    mutator.enter(|cx| {
        let object = cx.alloc(1_u64);
        group.bench_function("make and drop", |b| b.iter(|| drop(black_box(cx.root(object)))));
        let root: Root<u64> = cx.root(object);
        group.bench_function("get", |b| b.iter(|| *root.get(black_box(cx))));
        group.bench_function("set", |b| b.iter(|| root.set(cx, black_box(object))));
        group.bench_function("clone and drop", |b| b.iter(|| drop(black_box(root.clone()))));
    });
    let mut roots = Vec::with_capacity(STORES);
    group.throughput(Throughput::Elements(STORES as u64));
    mutator.enter(|cx| {
        let object = cx.alloc(1_u64);
        group.bench_function("make many, then drop them", |b| {
            b.iter(|| {
                roots.extend((0..STORES).map(|_| cx.root(black_box(object))));
                roots.clear();
            });
        });
    });
    let mut fill = |roots: &mut Vec<Root<u64>>| {
        mutator.enter(|cx| {
            let object = cx.alloc(1_u64);
            roots.extend((0..STORES).map(|_| cx.root(object)));
        });
    };
    group.bench_function("make in a scope, drop outside", |b| {
        b.iter(|| {
            fill(&mut roots);
            roots.clear();
        });
    });
    group.bench_function("drop on another thread", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                fill(&mut roots);
                let roots = &mut roots;
                spent += std::thread::scope(|threads| {
                    let drops = threads.spawn(|| {
                        let begun = std::time::Instant::now();
                        roots.clear();
                        begun.elapsed()
                    });
                    drops.join().expect("it drops")
                });
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, barrier, scopes, roots, frames);
criterion_main!(benches);
