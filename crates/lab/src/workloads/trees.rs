//! Binary trees: a stretch tree, a long-lived tree, and for every second depth a great many short-lived
//! trees, each built from the bottom, counted, and dropped.

use mudlark::{Gc, Heap, Mutator, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches, on_threads};
use crate::baseline;
use crate::measure::Stopwatch;
use crate::progress::Progress;
use crate::scale::Scale;

const DEPTH_MIN: u32 = 4;
const DEPTH_MAX: u32 = 18;
const STRETCH_DEPTH: u32 = DEPTH_MAX + 1;

/// Small trees share a scope until they have about this many nodes together.
const SCOPE_NODES: u64 = 64 << 10;

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Trees {
    scale: Scale,
}

impl Trees {
    pub(crate) const STRETCH_DEPTH: u32 = STRETCH_DEPTH;
    pub(crate) const LONG_LIVED_DEPTH: u32 = DEPTH_MAX;

    /// The depths of the short-lived trees, and how many there are of each.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = (u32, u64)> {
        let depths = (DEPTH_MIN..=DEPTH_MAX).step_by(2);
        depths.map(|depth| (depth, self.scale.count(1 << (DEPTH_MAX - depth + DEPTH_MIN))))
    }

    /// How many trees of a depth are built before the next look at anything else.
    pub(crate) fn batch(depth: u32) -> u64 {
        (SCOPE_NODES / nodes(depth)).max(1)
    }
}

/// The nodes of a full tree.
pub(crate) const fn nodes(depth: u32) -> u64 {
    (2 << depth) - 1
}

impl Bench for Trees {
    fn plan(scale: Scale) -> Self {
        Self { scale }
    }

    fn checksum(&self) -> u64 {
        let short_lived: u64 = self.rounds().map(|(depth, count)| count * nodes(depth)).sum();
        nodes(Self::STRETCH_DEPTH) + nodes(Self::LONG_LIVED_DEPTH) + short_lived
    }

    fn objects(&self) -> u64 {
        self.checksum()
    }

    fn units(&self) -> u64 {
        self.checksum()
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let watch = Stopwatch::start();
        let stretch = mutator.enter(|cx| build(cx, Self::STRETCH_DEPTH).map(|tree| count(&tree)))?;
        let long_lived: Root<Node<'static>> =
            mutator.enter(|cx| Ok::<_, HeapFull>(cx.root(build(cx, Self::LONG_LIVED_DEPTH)?)))?;
        context.progress.advance(stretch + nodes(Self::LONG_LIVED_DEPTH));

        let mut short_lived = 0;
        for (depth, trees) in self.rounds() {
            short_lived += if context.threads == 1 {
                build_and_count(&mut mutator, depth, 0..trees, context.progress)?
            } else {
                on_threads(context.threads, trees, |share| {
                    build_and_count(&mut heap.attach(), depth, share, context.progress)
                })?
            };
        }
        let long_lived = mutator.enter(|cx| count(&long_lived.get(cx)));
        let timed = watch.elapsed();
        Ok(Outcome { checksum: stretch + long_lived + short_lived, timed, finding: Finding::Nothing })
    }

    fn run_on_malloc(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(baseline::trees::run(self, context))
    }
}

/// Two pointers and nothing else.
#[derive(Trace)]
struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
}

fn build_and_count(
    mutator: &mut Mutator,
    depth: u32,
    trees: std::ops::Range<u64>,
    progress: &Progress,
) -> Result<u64, HeapFull> {
    let mut total = 0;
    for batch in batches(trees, Trees::batch(depth)) {
        let counted = mutator.enter(|cx| {
            let mut counted = 0;
            for _ in batch {
                counted += build(cx, depth).map(|tree| count(&tree))?;
            }
            Ok::<_, HeapFull>(counted)
        })?;
        progress.advance(counted);
        total += counted;
    }
    Ok(total)
}

fn build<'gc>(cx: &Scope<'gc>, depth: u32) -> Result<Gc<'gc, Node<'gc>>, HeapFull> {
    let (left, right) =
        if depth == 0 { (None, None) } else { (Some(build(cx, depth - 1)?), Some(build(cx, depth - 1)?)) };
    Ok(cx.try_alloc(Node { left, right })?)
}

fn count(node: &Node<'_>) -> u64 {
    match (&node.left, &node.right) {
        (Some(left), Some(right)) => 1 + count(left) + count(right),
        _ => 1,
    }
}
