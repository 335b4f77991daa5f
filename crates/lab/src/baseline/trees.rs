//! Binary trees of boxes.

use std::ops::Range;

use crate::measure::Stopwatch;
use crate::progress::Progress;
use crate::workloads::trees::{Trees, nodes};
use crate::workloads::{Context, Finding, Outcome, batches, on_threads};

struct Node {
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

pub(crate) fn run(plan: &Trees, context: &Context<'_>) -> Outcome {
    let watch = Stopwatch::start();
    let stretch = count(&build(Trees::STRETCH_DEPTH));
    let long_lived = build(Trees::LONG_LIVED_DEPTH);
    context.progress.advance(stretch + nodes(Trees::LONG_LIVED_DEPTH));

    let mut short_lived = 0;
    for (depth, trees) in plan.rounds() {
        short_lived += if context.threads == 1 {
            build_and_count(depth, 0..trees, context.progress)
        } else {
            let Ok(counted) = on_threads(context.threads, trees, |share| {
                Ok::<_, std::convert::Infallible>(build_and_count(depth, share, context.progress))
            });
            counted
        };
    }
    let checksum = stretch + count(&long_lived) + short_lived;
    Outcome { checksum, timed: watch.elapsed(), finding: Finding::Nothing }
}

fn build_and_count(depth: u32, trees: Range<u64>, progress: &Progress) -> u64 {
    let mut total = 0;
    for batch in batches(trees, Trees::batch(depth)) {
        let counted = batch.map(|_| count(&build(depth))).sum();
        progress.advance(counted);
        total += counted;
    }
    total
}

fn build(depth: u32) -> Box<Node> {
    let (left, right) =
        if depth == 0 { (None, None) } else { (Some(build(depth - 1)), Some(build(depth - 1))) };
    Box::new(Node { left, right })
}

fn count(node: &Node) -> u64 {
    match (&node.left, &node.right) {
        (Some(left), Some(right)) => 1 + count(left) + count(right),
        _ => 1,
    }
}
