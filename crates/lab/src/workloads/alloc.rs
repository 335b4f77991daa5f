//! Short-lived objects of six sizes, of which the last 1024 are kept: what an allocation costs.

use std::ops::Range;

use mudlark::{Erased, Gc, GcCell, Heap, Mutator, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches, on_threads};
use crate::baseline;
use crate::measure::Stopwatch;
use crate::progress::Progress;
use crate::scale::Scale;

const OBJECTS: u64 = 200_000_000;

/// How many objects are kept.
pub(crate) const RING: usize = 1024;

/// Sizes repeat after six objects and links after four, so code written out for twelve has no branches.
pub(crate) const PATTERN: u64 = 12;

/// Objects between two looks at anything else: some 4096, and a multiple of [`PATTERN`].
pub(crate) const BATCH: u64 = 342 * PATTERN;

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Alloc {
    pub(crate) objects: u64,
}

impl Bench for Alloc {
    fn plan(scale: Scale) -> Self {
        Self { objects: scale.count(OBJECTS) }
    }

    fn checksum(&self) -> u64 {
        self.objects
    }

    fn objects(&self) -> u64 {
        self.objects
    }

    fn units(&self) -> u64 {
        self.objects
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let watch = Stopwatch::start();
        let checksum = if context.threads == 1 {
            allocate(&mut mutator, self.objects, context.progress)?
        } else {
            on_threads(context.threads, self.objects, |share| {
                allocate(&mut heap.attach(), share.end - share.start, context.progress)
            })?
        };
        Ok(Outcome { checksum, timed: watch.elapsed(), finding: Finding::PerObject })
    }

    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(baseline::alloc::run(self, context))
    }
}

/// An object of `8 + 8 * N` bytes.
#[derive(Trace)]
struct Obj<'gc, const N: usize> {
    link: Option<Gc<'gc, Erased<'gc>>>,
    rest: [u64; N],
}

const _: () = assert!(size_of::<Obj<'static, 1>>() == 16 && size_of::<Obj<'static, 15>>() == 128);

type Any<'gc> = Gc<'gc, Erased<'gc>>;
type Ring<'gc> = [GcCell<Option<Any<'gc>>>];

/// Allocates `count` objects with a ring of their own and returns their number.
fn allocate(mutator: &mut Mutator, count: u64, progress: &Progress) -> Result<u64, HeapFull> {
    let ring: Root<Ring<'static>> = mutator.enter(|cx| {
        let ring: Gc<'_, Ring<'_>> = cx.try_alloc_slice_with(RING, |_| GcCell::new(None))?;
        Ok::<_, HeapFull>(cx.root(ring))
    })?;
    let mut allocated = 0;
    for batch in batches(0..count, BATCH) {
        let done = mutator.enter(|cx| {
            let ring = ring.get(cx);
            let ring = <&[_; RING]>::try_from(&*ring).expect("the ring was made with this length");
            allocate_batch(&Writer { cx, ring }, batch)
        })?;
        progress.advance(done);
        allocated += done;
    }
    Ok(allocated)
}

/// Allocates the objects of a batch, which starts at a multiple of [`PATTERN`].
fn allocate_batch(writer: &Writer<'_, '_>, batch: Range<u64>) -> Result<u64, HeapFull> {
    let mut at = batch.start;
    // The ring remembers the last object of the scope before.
    let mut last = writer.ring[(at.wrapping_sub(1) % RING as u64) as usize].get();
    while at + PATTERN <= batch.end {
        last = writer.pattern(at, last)?;
        at += PATTERN;
    }
    while at < batch.end {
        last = writer.one(at, last)?;
        at += 1;
    }
    Ok(at - batch.start)
}

struct Writer<'a, 'gc> {
    cx: &'a Scope<'gc>,
    ring: &'a [GcCell<Option<Any<'gc>>>; RING],
}

impl<'gc> Writer<'_, 'gc> {
    /// Allocates twelve objects, of which each fourth links to the one before it.
    #[inline]
    fn pattern(&self, at: u64, last: Option<Any<'gc>>) -> Result<Option<Any<'gc>>, HeapFull> {
        self.put::<1>(at, last)?;
        self.put::<3>(at + 1, None)?;
        self.put::<5>(at + 2, None)?;
        let last = self.put::<7>(at + 3, None)?;
        self.put::<11>(at + 4, last)?;
        self.put::<15>(at + 5, None)?;
        self.put::<1>(at + 6, None)?;
        let last = self.put::<3>(at + 7, None)?;
        self.put::<5>(at + 8, last)?;
        self.put::<7>(at + 9, None)?;
        self.put::<11>(at + 10, None)?;
        self.put::<15>(at + 11, None)
    }

    /// Allocates object `at` of the pattern, wherever that begins.
    fn one(&self, at: u64, last: Option<Any<'gc>>) -> Result<Option<Any<'gc>>, HeapFull> {
        let link = if at.is_multiple_of(4) { last } else { None };
        match at % 6 {
            0 => self.put::<1>(at, link),
            1 => self.put::<3>(at, link),
            2 => self.put::<5>(at, link),
            3 => self.put::<7>(at, link),
            4 => self.put::<11>(at, link),
            _ => self.put::<15>(at, link),
        }
    }

    #[inline(always)]
    fn put<const N: usize>(&self, at: u64, link: Option<Any<'gc>>) -> Result<Option<Any<'gc>>, HeapFull> {
        let object = Some(Gc::erase(self.cx.try_alloc(Obj { link, rest: [0; N] })?));
        self.ring[(at % RING as u64) as usize].set(self.cx, object);
        Ok(object)
    }
}
