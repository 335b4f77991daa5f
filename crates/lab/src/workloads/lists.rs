//! Pointer writes into old objects: a ring of nodes whose `other` pointers are swapped at random. What counts
//! is what the write barrier costs.

use std::ops::Range;

use mudlark::{Gc, GcCell, Heap, Mutator, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches};
use crate::baseline;
use crate::measure::Stopwatch;
use crate::rng::Rng;
use crate::scale::Scale;

const NODES: u64 = 1_000_000;
const WRITES: u64 = 200_000_000;
/// A swap writes two pointers.
const WRITES_PER_SWAP: u64 = 2;
/// One short-lived object for 16 writes keeps the collector's cycles coming.
const SWAPS_PER_SCRAP: u64 = 16 / WRITES_PER_SWAP;
/// Swaps between two looks at anything else: 4096 writes.
const BATCH: u64 = 2048;

/// A short-lived object of 32 bytes.
pub(crate) type Scrap = [u64; 4];

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Lists {
    nodes: u64,
    swaps: u64,
}

impl Lists {
    /// The number of nodes, as a length.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.nodes).expect("the ring was planned for this address space")
    }

    /// The number of pointers written.
    pub(crate) const fn writes(&self) -> u64 {
        self.swaps * WRITES_PER_SWAP
    }

    /// The numbers of all swaps, in batches.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Range<u64>> {
        batches(0..self.swaps, BATCH)
    }

    /// The swaps of a batch in bursts, each of which is followed by one short-lived object.
    pub(crate) fn bursts(batch: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        batches(batch, SWAPS_PER_SCRAP)
    }
}

impl Bench for Lists {
    fn plan(scale: Scale) -> Self {
        Self { nodes: scale.count(NODES), swaps: scale.count(WRITES / WRITES_PER_SWAP) }
    }

    fn checksum(&self) -> u64 {
        (0..self.nodes).sum()
    }

    fn objects(&self) -> u64 {
        // The index array is an object too.
        self.nodes + 1 + self.swaps.div_ceil(SWAPS_PER_SCRAP)
    }

    fn units(&self) -> u64 {
        self.writes()
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let index = build(&mut mutator, self.len())?;
        let mut rng = Rng::new();
        let watch = Stopwatch::start();
        for batch in self.batches() {
            let writes = (batch.end - batch.start) * WRITES_PER_SWAP;
            mutator.enter(|cx| {
                let nodes = index.get(cx);
                for burst in Self::bursts(batch) {
                    for _ in burst {
                        swap_others(cx, &nodes, &mut rng);
                    }
                    std::hint::black_box(cx.try_alloc::<Scrap>([0; 4])?);
                }
                Ok::<_, HeapFull>(())
            })?;
            context.progress.advance(writes);
        }
        let timed = watch.elapsed();
        let checksum = mutator.enter(|cx| sum_of_indices(&index.get(cx)));
        Ok(Outcome { checksum, timed, finding: Finding::PerWrite(self.writes()) })
    }

    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(baseline::lists::run(self, context))
    }
}

type Link<'gc> = Option<Gc<'gc, Node<'gc>>>;

#[derive(Trace)]
struct Node<'gc> {
    index: u64,
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    prev: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    other: GcCell<Option<Gc<'gc, Node<'gc>>>>,
}

/// Builds the ring and an array of its nodes.
fn build(mutator: &mut Mutator, len: usize) -> Result<Root<[Gc<'static, Node<'static>>]>, HeapFull> {
    mutator.enter(|cx| {
        let mut nodes = Vec::with_capacity(len);
        for index in 0..len as u64 {
            let link = || GcCell::new(None);
            nodes.push(cx.try_alloc(Node { index, next: link(), prev: link(), other: link() })?);
        }
        for (at, node) in nodes.iter().enumerate() {
            let next = nodes[(at + 1) % len];
            node.next.set(cx, Some(next));
            node.other.set(cx, Some(next));
            next.prev.set(cx, Some(*node));
        }
        Ok(cx.root(cx.try_alloc_slice_copy(&nodes)?))
    })
}

#[inline]
fn swap_others<'gc>(cx: &Scope<'gc>, nodes: &[Gc<'gc, Node<'gc>>], rng: &mut Rng) {
    let one = &nodes[rng.below(nodes.len())].other;
    let two = &nodes[rng.below(nodes.len())].other;
    let others: (Link<'gc>, Link<'gc>) = (one.get(), two.get());
    one.set(cx, others.1);
    two.set(cx, others.0);
}

/// Walks the ring and adds up the indices of the `other` nodes: swapping never loses one.
fn sum_of_indices<'gc>(nodes: &[Gc<'gc, Node<'gc>>]) -> u64 {
    let mut sum = 0;
    let mut at = nodes.first().copied();
    for _ in nodes {
        let Some(node) = at else { break };
        sum += node.other.get().map_or(0, |other| other.index);
        at = node.next.get();
    }
    sum
}
