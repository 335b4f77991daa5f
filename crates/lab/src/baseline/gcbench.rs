//! GCBench with boxes.

use std::hint::black_box;

use crate::measure::Stopwatch;
use crate::progress::Progress;
use crate::workloads::gcbench::{Gcbench, nodes};
use crate::workloads::{Context, Failure, Finding, Outcome, batches};

#[derive(Default)]
struct Node {
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
    #[expect(dead_code, reason = "the numbers of the workload's nodes only take room")]
    i: i32,
    #[expect(dead_code, reason = "the numbers of the workload's nodes only take room")]
    j: i32,
}

pub(crate) fn run(plan: &Gcbench, context: &Context<'_>) -> Result<Outcome, Failure> {
    let watch = Stopwatch::start();
    drop(black_box(bottom_up(Gcbench::STRETCH_DEPTH)));
    let long_lived = top_down(Gcbench::LONG_LIVED_DEPTH);
    let array: Box<[f64]> = (0..plan.array_len()).map(|index| plan.array_value(index)).collect();
    context.progress.advance(nodes(Gcbench::STRETCH_DEPTH) + nodes(Gcbench::LONG_LIVED_DEPTH));

    for (depth, trees) in plan.rounds() {
        build_all(depth, trees, context.progress, top_down);
        build_all(depth, trees, context.progress, bottom_up);
    }
    let checksum = count(&long_lived);
    let timed = watch.elapsed();
    plan.check_array(&array)?;
    Ok(Outcome { checksum, timed, finding: Finding::Nothing })
}

/// Builds `trees` trees one after the other, each dropped at once.
fn build_all(depth: u32, trees: u64, progress: &Progress, build: impl Fn(u32) -> Box<Node>) {
    for batch in batches(0..trees, Gcbench::batch(depth)) {
        let built = batch.end - batch.start;
        for _ in batch {
            drop(black_box(build(depth)));
        }
        progress.advance(built * nodes(depth));
    }
}

/// Makes a node with as many levels as its tree will have. Its value is put together only when nothing can fail
/// any more, so that it is written in place.
fn node(left: Option<Box<Node>>, right: Option<Box<Node>>, levels: u32) -> Box<Node> {
    Box::write(Box::new_uninit(), Node { left, right, i: levels as i32, j: 0 })
}

fn bottom_up(depth: u32) -> Box<Node> {
    if depth == 0 {
        return node(None, None, 1);
    }
    let (left, right) = (bottom_up(depth - 1), bottom_up(depth - 1));
    node(Some(left), Some(right), depth + 1)
}

fn top_down(depth: u32) -> Box<Node> {
    let mut root = node(None, None, depth + 1);
    populate(&mut root, depth);
    root
}

fn populate(parent: &mut Node, depth: u32) {
    if depth == 0 {
        return;
    }
    let left = parent.left.insert(node(None, None, depth));
    let right = parent.right.insert(node(None, None, depth));
    populate(left, depth - 1);
    populate(right, depth - 1);
}

fn count(node: &Node) -> u64 {
    match (&node.left, &node.right) {
        (Some(left), Some(right)) => 1 + count(left) + count(right),
        _ => 1,
    }
}
