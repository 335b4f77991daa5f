//! GCBench, after Ellis, Kovac and Boehm: trees of every second depth, first built from the top by filling in
//! nodes, then from the bottom, beside a long-lived tree and a long-lived array of numbers.

use mudlark::{Gc, GcCell, Heap, Mutator, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches};
use crate::baseline;
use crate::measure::Stopwatch;
use crate::progress::Progress;
use crate::scale::Scale;

const DEPTH_MIN: u32 = 4;
const DEPTH_MAX: u32 = 18;
const ARRAY_LEN: u64 = 1_000_000;
/// Small trees share a scope until they have about this many nodes together.
const SCOPE_NODES: u64 = 64 << 10;

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Gcbench {
    scale: Scale,
}

impl Gcbench {
    pub(crate) const STRETCH_DEPTH: u32 = 20;
    pub(crate) const LONG_LIVED_DEPTH: u32 = DEPTH_MAX;

    /// The depths of the short-lived trees, and how many of each are built in each direction.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = (u32, u64)> {
        let depths = (DEPTH_MIN..=DEPTH_MAX).step_by(2);
        depths.map(|depth| (depth, self.scale.count(2 * nodes(Self::STRETCH_DEPTH) / nodes(depth))))
    }

    /// How many trees of a depth are built before the next look at anything else.
    pub(crate) fn batch(depth: u32) -> u64 {
        (SCOPE_NODES / nodes(depth)).max(1)
    }

    pub(crate) fn array_len(&self) -> usize {
        usize::try_from(self.scale.count(ARRAY_LEN)).expect("the array was planned for this address space")
    }

    /// The long-lived array holds reciprocals in its first half and zeros after it.
    pub(crate) fn array_value(&self, index: usize) -> f64 {
        if index > 0 && index < self.array_len() / 2 { 1.0 / index as f64 } else { 0.0 }
    }

    /// Checks the long-lived array where the original program does.
    pub(crate) fn check_array(&self, array: &[f64]) -> Result<(), Failure> {
        let index = 1000.min(array.len() - 1);
        let is_intact = array.len() == self.array_len() && array[index] == self.array_value(index);
        is_intact.then_some(()).ok_or(Failure::Damaged("the long-lived array of numbers has changed"))
    }
}

/// The nodes of a full tree.
pub(crate) const fn nodes(depth: u32) -> u64 {
    (2 << depth) - 1
}

impl Bench for Gcbench {
    fn plan(scale: Scale) -> Self {
        Self { scale }
    }

    fn checksum(&self) -> u64 {
        nodes(Self::LONG_LIVED_DEPTH)
    }

    fn objects(&self) -> u64 {
        // The array is one object.
        self.units() + 1
    }

    fn units(&self) -> u64 {
        let short_lived: u64 = self.rounds().map(|(depth, count)| 2 * count * nodes(depth)).sum();
        nodes(Self::STRETCH_DEPTH) + nodes(Self::LONG_LIVED_DEPTH) + short_lived
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let watch = Stopwatch::start();
        mutator.enter(|cx| bottom_up(cx, Self::STRETCH_DEPTH).map(drop))?;
        let long_lived: Root<Node<'static>> =
            mutator.enter(|cx| Ok::<_, HeapFull>(cx.root(top_down(cx, Self::LONG_LIVED_DEPTH)?)))?;
        let array: Root<[f64]> = mutator.enter(|cx| {
            let array = cx.try_alloc_slice_with(self.array_len(), |index| self.array_value(index))?;
            Ok::<_, HeapFull>(cx.root(array))
        })?;
        context.progress.advance(nodes(Self::STRETCH_DEPTH) + nodes(Self::LONG_LIVED_DEPTH));

        for (depth, trees) in self.rounds() {
            build_all(&mut mutator, depth, trees, context.progress, top_down)?;
            build_all(&mut mutator, depth, trees, context.progress, bottom_up)?;
        }
        let checksum = mutator.enter(|cx| count(&long_lived.get(cx)));
        let timed = watch.elapsed();
        mutator.enter(|cx| self.check_array(&array.get(cx)))?;
        Ok(Outcome { checksum, timed, finding: Finding::Nothing })
    }

    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        baseline::gcbench::run(self, context)
    }
}

/// Two pointers, filled in later when built from the top, and two numbers.
#[derive(Trace)]
struct Node<'gc> {
    left: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    right: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    i: i32,
    j: i32,
}

/// Makes a node with as many levels as its tree will have.
fn node<'gc>(
    cx: &Scope<'gc>,
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
    levels: u32,
) -> Result<Gc<'gc, Node<'gc>>, HeapFull> {
    Ok(cx.try_alloc(Node { left: GcCell::new(left), right: GcCell::new(right), i: levels as i32, j: 0 })?)
}

/// Builds `trees` trees one after the other, each dropped at once.
fn build_all(
    mutator: &mut Mutator,
    depth: u32,
    trees: u64,
    progress: &Progress,
    build: impl for<'gc> Fn(&Scope<'gc>, u32) -> Result<Gc<'gc, Node<'gc>>, HeapFull>,
) -> Result<(), HeapFull> {
    for batch in batches(0..trees, Gcbench::batch(depth)) {
        let built = batch.end - batch.start;
        mutator.enter(|cx| {
            for _ in batch {
                std::hint::black_box(build(cx, depth)?);
            }
            Ok::<_, HeapFull>(())
        })?;
        progress.advance(built * nodes(depth));
    }
    Ok(())
}

fn bottom_up<'gc>(cx: &Scope<'gc>, depth: u32) -> Result<Gc<'gc, Node<'gc>>, HeapFull> {
    if depth == 0 {
        return node(cx, None, None, 1);
    }
    let (left, right) = (bottom_up(cx, depth - 1)?, bottom_up(cx, depth - 1)?);
    node(cx, Some(left), Some(right), depth + 1)
}

fn top_down<'gc>(cx: &Scope<'gc>, depth: u32) -> Result<Gc<'gc, Node<'gc>>, HeapFull> {
    let root = node(cx, None, None, depth + 1)?;
    populate(cx, &root, depth)?;
    Ok(root)
}

fn populate<'gc>(cx: &Scope<'gc>, parent: &Node<'gc>, depth: u32) -> Result<(), HeapFull> {
    if depth == 0 {
        return Ok(());
    }
    let (left, right) = (node(cx, None, None, depth)?, node(cx, None, None, depth)?);
    parent.left.set(cx, Some(left));
    parent.right.set(cx, Some(right));
    populate(cx, &left, depth - 1)?;
    populate(cx, &right, depth - 1)
}

fn count(node: &Node<'_>) -> u64 {
    match (node.left.get(), node.right.get()) {
        (Some(left), Some(right)) => 1 + count(&left) + count(&right),
        _ => 1,
    }
}
