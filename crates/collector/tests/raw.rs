//! Promises of the raw tier, one by one.
#![cfg(not(loom))]

use mudlark_collector::{
    Config, FullCause,
    raw::{RawDescriptor, RawHeap, RawKind, RawParts, RawStack, RawTypeError, RawVisitor},
};
use std::{
    cell::Cell,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{NonNull, null_mut},
    sync::atomic::{
        AtomicPtr, AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
};

fn heap(workers: usize) -> RawHeap {
    RawHeap::new(Config { workers, max_heap: 64 << 20, verify: true, ..Config::default() })
        .expect("there is memory")
}

fn register(heap: &RawHeap, descriptor: RawDescriptor) -> RawKind {
    // SAFETY: E1: the functions of these tests do what they say; E12: they and their data are static, or outlive the heap.
    unsafe { heap.register(descriptor) }.expect("the layout is possible")
}

/// An object that leads to another, and says how large it is.
#[repr(C)]
struct Link {
    next: AtomicPtr<u8>,
    bytes: usize,
}

unsafe extern "C-unwind" fn trace_link(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
    // SAFETY: E1: the object is a link.
    if let Some(next) = NonNull::new(unsafe { object.cast::<Link>().as_ref() }.next.load(Acquire)) {
        // SAFETY: E2: links lead to objects.
        unsafe { visitor.edge(next) };
    }
}

unsafe extern "C-unwind" fn size_of_link(object: NonNull<u8>, _: *mut c_void) -> usize {
    // SAFETY: E1: the object is a link.
    unsafe { object.cast::<Link>().as_ref() }.bytes
}

unsafe extern "C-unwind" fn count(_: NonNull<u8>, data: *mut c_void) {
    // SAFETY: E12: the counter is static.
    unsafe { &*data.cast::<AtomicU64>() }.fetch_add(1, Relaxed);
}

fn counter() -> (&'static AtomicU64, *mut c_void) {
    let counter: &'static AtomicU64 = Box::leak(Box::default());
    (counter, std::ptr::from_ref(counter).cast_mut().cast())
}

/// A stack of one word.
type Stack = Cell<Option<NonNull<u8>>>;

unsafe extern "C-unwind" fn visit_stack(visitor: &mut RawVisitor<'_>, stack: *mut c_void) {
    // SAFETY: E12: the test keeps the stack.
    if let Some(object) = unsafe { &*stack.cast::<Stack>() }.get() {
        // SAFETY: E2: it leads to an object.
        unsafe { visitor.edge(object) };
    }
}

fn stack() -> (&'static Stack, RawStack) {
    let stack: &'static Stack = Box::leak(Box::default());
    (stack, RawStack { visit: visit_stack, data: std::ptr::from_ref(stack).cast_mut().cast() })
}

/// Goal: places are as large and as aligned as asked, of any size; zeroed ones are zero, whatever was there before. Method: all
/// sizes around the steps of the heap, in three rounds with collections between, each of which leaves garbage behind.
#[test]
fn places_have_size_alignment_and_zeros() {
    let heap = heap(0);
    let kinds = [8, 16, 64, 4096].map(|align| {
        (align, register(&heap, RawDescriptor { align, ..RawDescriptor::variable(format!("of {align}")) }))
    });
    let mut mutator = heap.attach();
    for _ in 0..3 {
        for (align, kind) in kinds {
            for bytes in [0, 1, 8, 15, 16, 17, 100, 1000, 4096, 8191, 8192, 8193, 32768, 32769, 300_000] {
                let scope = mutator.enter();
                // SAFETY: E3: the objects have nothing to be traced, so bytes are one.
                let object = unsafe { scope.alloc_zeroed(kind, bytes) }.expect("there is memory");
                assert!(object.addr().get().is_multiple_of(align), "{object:p}");
                // SAFETY: E2: the object lives.
                let place = unsafe { heap.place_bytes(object) };
                assert!(place >= bytes, "{place} for {bytes}");
                // SAFETY: the place is that large, and nobody writes.
                let contents = unsafe { NonNull::slice_from_raw_parts(object, bytes).as_ref() };
                assert!(contents.iter().all(|&byte| byte == 0), "{bytes} bytes by {align}");
                // SAFETY: the place is that large.
                unsafe { object.write_bytes(0xab, place) };
                // SAFETY: E2: the object lives.
                assert_eq!(unsafe { scope.kind_of(object) }, Some(kind));
            }
        }
        heap.collect();
    }
}

/// Goal: what no heap can hold is an error. Method: sizes up to the largest number.
#[test]
fn sizes_beyond_reason_are_errors() {
    let heap = heap(0);
    let kind = register(&heap, RawDescriptor { align: 4096, ..RawDescriptor::variable("bytes") });
    let mut mutator = heap.attach();
    for bytes in [65 << 20, 1 << 40, isize::MAX as usize, usize::MAX - 4096, usize::MAX] {
        let scope = mutator.enter();
        // SAFETY: E3: the objects have nothing to be traced.
        let full = unsafe { scope.alloc_zeroed(kind, bytes) }.expect_err("it is too large");
        assert_eq!(full.cause, FullCause::Limit, "{full}");
    }
}

/// Goal: layouts that cannot be are refused with a reason. Method: one of each.
#[test]
fn impossible_layouts_are_refused() {
    unsafe extern "C-unwind" fn none(_: NonNull<u8>, _: *mut c_void) -> usize {
        0
    }
    unsafe extern "C-unwind" fn no_part(
        _: NonNull<u8>,
        _: usize,
        _: usize,
        _: &mut RawVisitor<'_>,
        _: *mut c_void,
    ) {
    }
    let heap = heap(0);
    let parts = Some(RawParts { len: none, trace: no_part, bytes: 8 });
    let refused = [
        (RawDescriptor { align: 24, ..RawDescriptor::fixed("a", 8) }, RawTypeError::Align { align: 24 }),
        (RawDescriptor { align: 8192, ..RawDescriptor::fixed("a", 8) }, RawTypeError::Align { align: 8192 }),
        (RawDescriptor::fixed("a", usize::MAX), RawTypeError::TooLarge),
        (
            RawDescriptor { lock_offset: Some(4), ..RawDescriptor::fixed("a", 16) },
            RawTypeError::LockOffset { offset: 4 },
        ),
        (
            RawDescriptor { lock_offset: Some(16), ..RawDescriptor::fixed("a", 16) },
            RawTypeError::LockOffset { offset: 16 },
        ),
        (
            RawDescriptor { lock_offset: Some(0), parts, ..RawDescriptor::fixed("a", 16) },
            RawTypeError::LockWithParts,
        ),
    ];
    for (descriptor, error) in refused {
        // SAFETY: E1: the functions do nothing.
        let result = unsafe { heap.register(descriptor) };
        assert_eq!(result, Err(error), "{error}");
    }
}

/// Goal: a stack keeps what is on it through cycles that begin while its mutator is outside of its scopes, and no longer. Method: a chain on
/// the stack, `collect`, a look; pop, `collect`, a count.
#[test]
fn a_stack_keeps_while_nobody_is_in_a_scope() {
    for workers in [0, 1] {
        let heap = heap(workers);
        let (dropped, data) = counter();
        let link = RawDescriptor {
            trace: Some(trace_link),
            drop: Some(count),
            data,
            ..RawDescriptor::fixed("link", 16)
        };
        let link = register(&heap, link);
        let (stack, source) = stack();
        let mut mutator = heap.attach();
        let id = {
            let scope = mutator.enter();
            // SAFETY: E8: the stack is empty, and changes in scopes of this mutator only.
            let id = unsafe { scope.add_stack(source) };
            for _ in 0..100 {
                // SAFETY: E3: filled at once.
                let object = unsafe { scope.alloc(link) }.expect("there is memory");
                let next = stack.get().map_or(null_mut(), NonNull::as_ptr);
                // SAFETY: E3: the place is new.
                unsafe { object.cast().write(Link { next: AtomicPtr::new(next), bytes: 16 }) };
                stack.set(Some(object));
            }
            id
        };
        for _ in 0..3 {
            heap.collect();
            assert_eq!(dropped.load(Relaxed), 0);
            let _scope = mutator.enter();
            let (mut len, mut next) = (0, stack.get());
            while let Some(object) = next {
                len += 1;
                // SAFETY: E7: found on the stack.
                next = NonNull::new(unsafe { object.cast::<Link>().as_ref() }.next.load(Acquire));
            }
            assert_eq!(len, 100);
        }
        mutator.enter();
        stack.set(None);
        heap.collect();
        assert_eq!(dropped.load(Relaxed), 100);
        assert!(mutator.enter().remove_stack(id));
        assert!(!mutator.enter().remove_stack(id));
        assert_eq!(heap.verify_report().violations, [""; 0]);
    }
}

/// Goal: each object is finalized once: when it is dead, or with its heap; by drop a panic is contained. Method: some die, some are left.
#[test]
fn finalizers_run_once() {
    unsafe extern "C-unwind" fn panics(object: NonNull<u8>, data: *mut c_void) {
        // SAFETY: as `count`.
        unsafe { count(object, data) };
        panic!("a finalizer panics, as planned");
    }
    let (dropped, data) = counter();
    let heap = heap(0);
    let small = RawDescriptor { drop: Some(panics), data, ..RawDescriptor::fixed("small", 24) };
    let large = RawDescriptor { drop: Some(count), data, ..RawDescriptor::variable("large") };
    let (small, large) = (register(&heap, small), register(&heap, large));
    let mut mutator = heap.attach();
    let roots: Vec<_> = (0..10)
        .flat_map(|number| {
            let scope = mutator.enter();
            // SAFETY: E3: there is nothing to be traced.
            let one = unsafe { scope.alloc_zeroed(small, 24) }.expect("there is memory");
            // SAFETY: E3: as above.
            let other = unsafe { scope.alloc_zeroed(large, 100_000) }.expect("there is memory");
            // SAFETY: E2: made just now.
            [one, other].map(|object| (number < 4).then(|| unsafe { scope.add_root(object) }))
        })
        .flatten()
        .collect();
    heap.collect();
    assert_eq!(dropped.load(Relaxed), 12);
    let stats = heap.type_stats();
    assert_eq!((stats[0].allocated, stats[0].freed, stats[1].large_objects), (10, 6, 4), "{stats:?}");
    assert_eq!(stats[1].large_bytes, 4 * 131_072);
    drop((mutator, roots));
    drop(heap);
    assert_eq!(dropped.load(Relaxed), 20);
}

/// Goal: weak boxes tell who lives, roots keep, external bytes are counted. Method: each of them, and a collection.
#[test]
fn roots_keep_and_weak_boxes_tell() {
    let heap = heap(0);
    let kind = register(&heap, RawDescriptor::fixed("thing", 32));
    let mut mutator = heap.attach();
    let (kept, [weak, lost]) = {
        let scope = mutator.enter();
        // SAFETY: E3: there is nothing to be traced.
        let things = [(); 2].map(|()| unsafe { scope.alloc_zeroed(kind, 32) }.expect("there is memory"));
        // SAFETY: E2: made just now.
        let weak = things.map(|thing| unsafe { scope.alloc_weak(thing) }.expect("there is memory"));
        // SAFETY: E2: as above.
        let kept =
            [things[0], weak[0].cell(), weak[1].cell()].map(|object| unsafe { scope.add_root(object) });
        (kept, weak)
    };
    heap.collect();
    let scope = mutator.enter();
    // SAFETY: E7: the boxes are in roots.
    assert_eq!(unsafe { scope.upgrade(weak) }, Some(kept[0].get()));
    // SAFETY: E7: as above.
    assert_eq!(unsafe { scope.upgrade(lost) }, None);
    // SAFETY: E2: an object of the heap.
    assert_eq!(unsafe { scope.kind_of(weak.cell()) }, None);
    // SAFETY: E2, E11: a root of the heap.
    unsafe { kept[1].set(&scope, kept[0].get()) };
    assert_eq!(kept[1].get(), kept[0].get());
    let held = scope.account_external(1000);
    assert_eq!(heap.stats().external_bytes, 1000);
    drop(held);
    assert_eq!(heap.stats().external_bytes, 0);
}

/// Goal: a tracer or a stack that panics costs a cycle, and nothing else. Method: one of each, that panics while it is told to.
#[test]
fn panics_in_callbacks_free_nothing() {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    unsafe extern "C-unwind" fn trace(object: NonNull<u8>, visitor: &mut RawVisitor<'_>, data: *mut c_void) {
        assert!(PANICS.load(Relaxed) != 1, "a tracer panics, as planned");
        // SAFETY: E1: as the caller promises.
        unsafe { trace_link(object, visitor, data) };
    }
    unsafe extern "C-unwind" fn visit(visitor: &mut RawVisitor<'_>, stack: *mut c_void) {
        assert!(PANICS.load(Relaxed) != 2, "a stack panics, as planned");
        // SAFETY: E8: as the caller promises.
        unsafe { visit_stack(visitor, stack) };
    }
    // The verifier calls tracers too, and asks them for no panic.
    let heap = RawHeap::new(Config { workers: 0, ..Config::default() }).expect("there is memory");
    let (dropped, data) = counter();
    let link =
        RawDescriptor { trace: Some(trace), drop: Some(count), data, ..RawDescriptor::fixed("link", 16) };
    let link = register(&heap, link);
    let (stack, source) = stack();
    let mut mutator = heap.attach();
    {
        let scope = mutator.enter();
        // SAFETY: E8: the stack is empty, and changes in scopes of this mutator only.
        unsafe { scope.add_stack(RawStack { visit, ..source }) };
        // SAFETY: E3: zeros are a link that leads nowhere.
        stack.set(Some(unsafe { scope.alloc_zeroed(link, 16) }.expect("there is memory")));
    }
    for (round, panics) in [1, 0, 2, 0].into_iter().enumerate() {
        PANICS.store(panics, Relaxed);
        heap.collect();
        assert_eq!(dropped.load(Relaxed), 0, "round {round}");
        assert_eq!(heap.stats().aborted_cycles, round as u64 / 2 + 1);
    }
}

/// Goal: the verifier sees an object that outgrew its place. Method: one that says so.
#[test]
fn objects_larger_than_their_place_are_seen() {
    let heap = heap(0);
    let link = RawDescriptor {
        trace: Some(trace_link),
        size: Some(size_of_link),
        ..RawDescriptor::fixed("link", 16)
    };
    let link = register(&heap, link);
    let mut mutator = heap.attach();
    let _root = {
        let scope = mutator.enter();
        // SAFETY: E3: filled at once.
        let object = unsafe { scope.alloc(link) }.expect("there is memory");
        // SAFETY: E3: the place is new.
        unsafe { object.cast().write(Link { next: AtomicPtr::new(null_mut()), bytes: 24 }) };
        // SAFETY: E2: made just now.
        unsafe { scope.add_root(object) }
    };
    heap.collect();
    let report = heap.verify_report();
    assert!(report.violations[0].contains("link"), "{:?}", report.violations);
    assert!(report.violations[0].contains("takes 24 bytes, more than its place"), "{:?}", report.violations);
}

/// Goal: a scope that is leaked costs its mutator, and nothing else. Method: leak one, enter again, drop, collect.
#[test]
fn a_leaked_scope_ends_with_its_mutator() {
    let heap = heap(0);
    let mut mutator = heap.attach();
    std::mem::forget(mutator.enter());
    let entered = catch_unwind(AssertUnwindSafe(|| drop(mutator.enter())));
    assert!(entered.is_err(), "a leaked scope was entered again");
    drop(mutator);
    heap.collect();
    assert_eq!(heap.stats().cycles, 1);
}
