//! Short-lived boxes of six sizes: the ring owns the last 1024, and a new one frees the one it replaces.

use std::hint::black_box;
use std::ops::Range;
use std::ptr;

use crate::measure::Stopwatch;
use crate::progress::Progress;
use crate::workloads::alloc::{Alloc, BATCH, PATTERN, RING};
use crate::workloads::{Context, Finding, Outcome, batches, on_threads};

pub(crate) fn run(plan: &Alloc, context: &Context<'_>) -> Outcome {
    let watch = Stopwatch::start();
    let checksum = if context.threads == 1 {
        allocate(plan.objects, context.progress)
    } else {
        let Ok(allocated) = on_threads(context.threads, plan.objects, |share| {
            Ok::<_, std::convert::Infallible>(allocate(share.end - share.start, context.progress))
        });
        allocated
    };
    Outcome { checksum, timed: watch.elapsed(), finding: Finding::PerObject }
}

/// An object of `8 + 8 * N` bytes. The link is never followed, for it dangles once its target is replaced.
#[expect(dead_code, reason = "the workload writes objects and never reads them")]
struct Obj<const N: usize> {
    link: *const Erased,
    rest: [u64; N],
}

/// What a link points at, whatever its size.
struct Erased;

/// An object in the ring. To free takes no search for the size: the allocator finds it by the address, so
/// the compiler makes one call of all the variants.
#[expect(dead_code, reason = "a slot only owns its object")]
enum Slot {
    Empty,
    B16(Box<Obj<1>>),
    B32(Box<Obj<3>>),
    B48(Box<Obj<5>>),
    B64(Box<Obj<7>>),
    B96(Box<Obj<11>>),
    B128(Box<Obj<15>>),
}

/// Allocates `count` objects with a ring of their own and returns their number.
fn allocate(count: u64, progress: &Progress) -> u64 {
    let mut ring = Ring { slots: [const { Slot::Empty }; RING], last: ptr::null() };
    let mut allocated = 0;
    for batch in batches(0..count, BATCH) {
        let done = ring.allocate_batch(batch);
        progress.advance(done);
        allocated += done;
    }
    allocated
}

/// Owns the last [`RING`] objects.
struct Ring {
    slots: [Slot; RING],
    /// The object allocated last.
    last: *const Erased,
}

impl Ring {
    /// Allocates the objects of a batch, which starts at a multiple of [`PATTERN`].
    fn allocate_batch(&mut self, batch: Range<u64>) -> u64 {
        let mut at = batch.start;
        // Seen through, this would make whole objects zero, and the compiler ask for zeroed memory, which
        // costs more than the few stores.
        let none = black_box(ptr::null());
        while at + PATTERN <= batch.end {
            self.pattern(at, none);
            at += PATTERN;
        }
        while at < batch.end {
            self.one(at);
            at += 1;
        }
        at - batch.start
    }

    /// Allocates twelve objects, of which each fourth links to the one before it.
    #[inline]
    fn pattern(&mut self, at: u64, none: *const Erased) {
        self.put(at, self.last, Slot::B16);
        self.put(at + 1, none, Slot::B32);
        self.put(at + 2, none, Slot::B48);
        self.put(at + 3, none, Slot::B64);
        self.put(at + 4, self.last, Slot::B96);
        self.put(at + 5, none, Slot::B128);
        self.put(at + 6, none, Slot::B16);
        self.put(at + 7, none, Slot::B32);
        self.put(at + 8, self.last, Slot::B48);
        self.put(at + 9, none, Slot::B64);
        self.put(at + 10, none, Slot::B96);
        self.put(at + 11, none, Slot::B128);
    }

    /// Allocates object `at` of the pattern, wherever that begins.
    fn one(&mut self, at: u64) {
        let link = if at.is_multiple_of(4) { self.last } else { ptr::null() };
        match at % 6 {
            0 => self.put(at, link, Slot::B16),
            1 => self.put(at, link, Slot::B32),
            2 => self.put(at, link, Slot::B48),
            3 => self.put(at, link, Slot::B64),
            4 => self.put(at, link, Slot::B96),
            _ => self.put(at, link, Slot::B128),
        }
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, at: u64, link: *const Erased, slot: fn(Box<Obj<N>>) -> Slot) {
        let object = Box::new(Obj { link, rest: [0; N] });
        self.last = ptr::from_ref(&*object).cast();
        self.slots[(at % RING as u64) as usize] = slot(object);
    }
}
