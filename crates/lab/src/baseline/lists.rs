//! The ring of boxes. Nodes refer to each other by plain references into the array that owns them all.

use std::cell::Cell;
use std::hint::black_box;

use crate::measure::Stopwatch;
use crate::rng::Rng;
use crate::workloads::lists::{Lists, Scrap};
use crate::workloads::{Context, Finding, Outcome};

struct Node<'a> {
    index: u64,
    next: Link<'a>,
    prev: Link<'a>,
    other: Link<'a>,
}

type Link<'a> = Cell<Option<&'a Node<'a>>>;

pub(crate) fn run(plan: &Lists, context: &Context<'_>) -> Outcome {
    let nodes: Vec<Box<Node<'_>>> = (0..plan.len() as u64).map(|index| Box::new(Node::new(index))).collect();
    link(&nodes);
    let mut rng = Rng::new();
    let watch = Stopwatch::start();
    for batch in plan.batches() {
        let swaps = batch.end - batch.start;
        for burst in Lists::bursts(batch) {
            for _ in burst {
                swap_others(&nodes, &mut rng);
            }
            drop(black_box(Box::<Scrap>::new([0; 4])));
        }
        context.progress.advance(2 * swaps);
    }
    let timed = watch.elapsed();
    Outcome { checksum: sum_of_indices(&nodes), timed, finding: Finding::PerWrite(plan.writes()) }
}

impl Node<'_> {
    const fn new(index: u64) -> Self {
        Self { index, next: Cell::new(None), prev: Cell::new(None), other: Cell::new(None) }
    }
}

/// Makes a ring of the nodes.
fn link<'a>(nodes: &'a [Box<Node<'a>>]) {
    for (at, node) in nodes.iter().enumerate() {
        let next = &nodes[(at + 1) % nodes.len()];
        node.next.set(Some(next));
        node.other.set(Some(next));
        next.prev.set(Some(node));
    }
}

#[inline]
fn swap_others<'a>(nodes: &'a [Box<Node<'a>>], rng: &mut Rng) {
    let one = &nodes[rng.below(nodes.len())].other;
    let two = &nodes[rng.below(nodes.len())].other;
    let others = (one.get(), two.get());
    one.set(others.1);
    two.set(others.0);
}

/// Walks the ring and adds up the indices of the `other` nodes: swapping never loses one.
fn sum_of_indices<'a>(nodes: &'a [Box<Node<'a>>]) -> u64 {
    let mut sum = 0;
    let mut at = nodes.first().map(|node| &**node);
    for _ in nodes {
        let Some(node) = at else { break };
        sum += node.other.get().map_or(0, |other| other.index);
        at = node.next.get();
    }
    sum
}
