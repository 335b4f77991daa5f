//! A large live graph with random edges, collected in full five times: how fast marking is.

use mudlark::{Gc, GcCell, Heap, Mutator, Root, Scope, Trace};

use super::{Bench, Context, Failure, Finding, HeapFull, Outcome, batches};
use crate::measure::{Elapsed, Stopwatch};
use crate::rng::Rng;
use crate::scale::Scale;

const NODES: u64 = 8_000_000;
/// The root array holds every eighth node; the others hang on it by their first slots.
const NODES_PER_ROOT: usize = 8;
const COLLECTIONS: usize = 5;
/// Nodes built in one scope.
const BATCH: u64 = 4096;

/// The plan of the workload.
#[derive(Debug)]
pub(crate) struct Graph {
    /// A multiple of [`NODES_PER_ROOT`].
    nodes: u64,
}

impl Bench for Graph {
    fn plan(scale: Scale) -> Self {
        let per_root = NODES_PER_ROOT as u64;
        Self { nodes: scale.count(NODES / per_root) * per_root }
    }

    fn checksum(&self) -> u64 {
        // The payloads are the numbers below `nodes`, which is even.
        self.nodes / 2 * (self.nodes - 1)
    }

    fn objects(&self) -> u64 {
        // The root array and the array of all nodes are objects as well.
        self.nodes + 2
    }

    fn units(&self) -> u64 {
        self.nodes * (1 + COLLECTIONS as u64)
    }

    fn run_on_mudlark(&self, heap: &Heap, context: &Context<'_>) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach();
        let roots = self.build(&mut mutator, context)?;
        let mut collections = [Elapsed::default(); COLLECTIONS];
        for elapsed in &mut collections {
            let watch = Stopwatch::start();
            mutator.collect();
            *elapsed = watch.elapsed();
            context.progress.advance(self.nodes);
        }
        collections.sort_unstable();
        let timed = collections[COLLECTIONS / 2];
        let checksum = mutator.enter(|cx| sum_of_payloads(&roots.get(cx)));
        // The root array is alive too.
        let finding = Finding::FullCollection { median: timed.wall, live_objects: self.nodes + 1 };
        Ok(Outcome { checksum, timed, finding })
    }

    fn run_on_malloc(&self, _: &Context<'_>) -> Result<Outcome, Failure> {
        Err(Failure::NeedsCollector)
    }
}

type Slots<'gc> = [GcCell<Option<Gc<'gc, Node<'gc>>>>];

#[derive(Trace)]
struct Node<'gc> {
    /// The first is the node before this one, the others are random earlier nodes.
    slots: [Option<Gc<'gc, Node<'gc>>>; 4],
    payload: u64,
}

impl Graph {
    /// Builds the graph and returns its root array.
    fn build(&self, mutator: &mut Mutator, context: &Context<'_>) -> Result<Root<Slots<'static>>, HeapFull> {
        let node_count = usize::try_from(self.nodes).map_err(|_| HeapFull)?;
        let roots: Root<Slots<'static>> =
            mutator.enter(|cx| Ok::<_, HeapFull>(cx.root(slots(cx, node_count / NODES_PER_ROOT)?)))?;
        // Only building needs all nodes at hand; this array is garbage before the first timed collection.
        let all: Root<Slots<'static>> =
            mutator.enter(|cx| Ok::<_, HeapFull>(cx.root(slots(cx, node_count)?)))?;
        let mut rng = Rng::new();
        for batch in batches(0..self.nodes, BATCH) {
            let built = batch.end - batch.start;
            mutator.enter(|cx| {
                let (roots, all) = (roots.get(cx), all.get(cx));
                for index in batch {
                    let node = add_node(cx, &mut rng, &all, index)?;
                    let index = index as usize;
                    if index % NODES_PER_ROOT == NODES_PER_ROOT - 1 {
                        roots[index / NODES_PER_ROOT].set(cx, Some(node));
                    }
                }
                Ok::<_, HeapFull>(())
            })?;
            context.progress.advance(built);
        }
        Ok(roots)
    }
}

fn slots<'gc>(cx: &Scope<'gc>, len: usize) -> Result<Gc<'gc, Slots<'gc>>, HeapFull> {
    Ok(cx.try_alloc_slice_with(len, |_| GcCell::new(None))?)
}

/// Makes node `index` with edges to earlier nodes and enters it into the array of all.
fn add_node<'gc>(
    cx: &Scope<'gc>,
    rng: &mut Rng,
    all: &Slots<'gc>,
    index: u64,
) -> Result<Gc<'gc, Node<'gc>>, HeapFull> {
    let slots = if index == 0 {
        [None; 4]
    } else {
        let mut earlier = || all[(rng.next_u64() % index) as usize].get();
        let random = [earlier(), earlier(), earlier()];
        [all[index as usize - 1].get(), random[0], random[1], random[2]]
    };
    let node = cx.try_alloc(Node { slots, payload: index })?;
    all[index as usize].set(cx, Some(node));
    Ok(node)
}

/// Adds up the payloads of all nodes: from each root along the first slots to the node after the root before.
fn sum_of_payloads(roots: &Slots<'_>) -> u64 {
    let mut sum = 0;
    for root in roots {
        let mut next = root.get();
        for _ in 0..NODES_PER_ROOT {
            let Some(node) = next else { break };
            sum += node.payload;
            next = node.slots[0];
        }
    }
    sum
}
