//! What the heap asks of Rust's allocator, and what happens when that refuses.
//!
//! Objects live in pages of the heap's own. What it keeps beside them (the table of types, root chunks, mark stacks, the registry of mutators)
//! comes from Rust's allocator, which ends the process when it has nothing, as for a `Vec`. So that this matters to nobody who hits
//! a limit: a warm heap allocates, changes and fails without asking for
//! anything.
//!
//! The allocator of this test binary counts, and refuses when it is told to.

use mudlark::{
    Gc, GcCell, GcMutex, GcPercent, GcRefCell, GcRwLock, GcWeak, Heap, Mutator, Root, Scope, Trace,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    os::unix::process::ExitStatusExt,
    process::Command,
    ptr::null_mut,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

struct Counting;

/// Requests since counting began, by any thread.
static REQUESTS: AtomicU64 = AtomicU64::new(0);
static COUNTS: AtomicBool = AtomicBool::new(false);
/// The request that is refused, and all that follow; counted from one. Zero is none.
static REFUSED: AtomicU64 = AtomicU64::new(0);

impl Counting {
    fn refuses() -> bool {
        if !COUNTS.load(SeqCst) {
            return false;
        }
        let number = REQUESTS.fetch_add(1, SeqCst) + 1;
        let refused = REFUSED.load(SeqCst);
        let refuses = refused > 0 && number >= refused;
        if refuses {
            // What reports the failure may allocate.
            COUNTS.store(false, SeqCst);
        }
        refuses
    }
}

// SAFETY: the system's allocator, or nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        if Counting::refuses() { null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: passed on.
        if Counting::refuses() { null_mut() } else { unsafe { System.realloc(at, layout, bytes) } }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(at, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Only one test at a time counts.
static TURN: Mutex<()> = Mutex::new(());

fn begin_counting() {
    REQUESTS.store(0, SeqCst);
    COUNTS.store(true, SeqCst);
}

fn end_counting() -> u64 {
    COUNTS.store(false, SeqCst);
    REQUESTS.load(SeqCst)
}

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    cell: GcRefCell<Option<Gc<'gc, Node<'gc>>>>,
    mutex: GcMutex<Option<Gc<'gc, Node<'gc>>>>,
    rw_lock: GcRwLock<Option<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(next: Option<Gc<'gc, Node<'gc>>>) -> Node<'gc> {
    let (cell, mutex, rw_lock) = (GcRefCell::new(next), GcMutex::new(next), GcRwLock::new(next));
    Node { next: GcCell::new(next), cell, mutex, rw_lock }
}

/// Makes objects of each kind in front of a list; changes, upgrades, roots and unroots them. `None` when the heap is full.
fn grow<'gc>(cx: &Scope<'gc>, head: Option<Gc<'gc, Node<'gc>>>) -> Option<Gc<'gc, Node<'gc>>> {
    let next = cx.try_alloc(node(head)).ok()?;
    let weak = GcWeak::try_new(cx, next).ok()?;
    cx.try_alloc([0_u64; 2000]).ok()?;
    cx.try_alloc_str("a text").ok()?;
    let slice = cx.try_alloc_slice_with(7, |_| GcCell::new(head)).ok()?;
    slice[3].set(cx, Some(next));
    *next.cell.borrow_mut(cx) = Some(next);
    *next.mutex.lock(cx) = None;
    *next.rw_lock.write(cx) = Some(next);
    next.next.set(cx, weak.upgrade(cx).map(|_| next).filter(|_| head.is_none()).or(head));
    drop(cx.root(next));
    Some(next)
}

/// Grows a list until the heap is full, in one scope. How many nodes there are, and what the allocator was asked for meanwhile.
fn fill(mutator: &mut Mutator) -> (usize, u64) {
    mutator.enter(|cx| {
        let (mut head, mut made) = (None, 0);
        begin_counting();
        while let Some(node) = grow(cx, head) {
            (head, made) = (Some(node), made + 1);
        }
        // The error path, again and again.
        (0..100).for_each(|_| assert!(cx.try_alloc([0_u64; 3000]).is_err()));
        (made, end_counting())
    })
}

/// Goal: allocating, changing and failing ask Rust's allocator for nothing, so a program that is told of a full heap can go on. Method: a
/// heap is filled until it fails; when everything is free again, it is filled once more, and requests are counted.
#[test]
fn a_warm_heap_needs_no_other_memory() {
    let _turn = TURN.lock();
    for workers in [0, 1] {
        let builder = Heap::builder().max_heap(8 << 20).workers(workers).gc_percent(GcPercent::Off);
        let heap = builder.build().expect("a heap");
        let mut mutator = heap.attach();
        let (cold, first) = fill(&mut mutator);
        heap.collect();
        let (warm, requests) = fill(&mut mutator);
        assert!(cold > 100 && warm >= cold / 2, "{cold} nodes, then {warm}");
        assert!(first > 0, "requests are counted");
        assert_eq!(requests, 0, "of {warm} nodes");
    }
}

const CHILD: &str = "MUDLARK_REFUSED_REQUEST";

/// Everything that makes tables grow.
fn scenario(workers: usize) {
    let heap = Heap::builder().workers(workers).build().expect("a heap");
    let mut mutators: Vec<_> = (0..3).map(|_| heap.attach()).collect();
    let mut roots: Vec<Root<Node<'static>>> = Vec::new();
    for mutator in &mut mutators {
        mutator.enter(|cx| {
            let mut head = None;
            for _ in 0..100 {
                head = grow(cx, head);
                roots.extend(head.map(|head| cx.root(head)));
            }
        });
    }
    heap.collect();
    heap.collect();
    drop((roots, mutators));
    heap.collect();
    heap.recount().expect("the counters are exact");
}

/// Goal: when Rust's allocator has nothing, the process ends with Rust's own message: it does not hang, and it does not go on with half
/// of what it asked for. Method: children in which it refuses everything from the n-th request on, for each n up to a child that gets by.
#[test]
fn a_refusal_of_the_allocator_ends_the_process() {
    let _turn = TURN.lock();
    if let Ok(number) = std::env::var(CHILD) {
        let number: u64 = number.parse().expect("a number");
        REFUSED.store(number, SeqCst);
        begin_counting();
        scenario((number % 2) as usize);
        end_counting();
        return;
    }
    let (mut number, mut survivors) = (0, 0);
    // Two in a row: one without a background thread, and one with it.
    while survivors < 2 {
        number += 1;
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "a_refusal_of_the_allocator_ends_the_process"])
            .env(CHILD, number.to_string())
            .output()
            .expect("a child");
        let message = String::from_utf8_lossy(&child.stderr);
        if child.status.success() {
            survivors += 1;
            continue;
        }
        survivors = 0;
        assert_eq!(child.status.signal(), Some(libc::SIGABRT), "request {number}: {message}");
        assert!(message.contains("memory allocation of"), "request {number}: {message}");
    }
    println!("{number} requests");
    assert!(number > 30, "the scenario asks for memory: {number} times");
}
