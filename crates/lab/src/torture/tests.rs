//! The torture, tried: it passes on a heap that is right, and finds what is wrong.

use std::sync::Arc;
use std::sync::mpsc;

use mudlark::Heap;

use super::graph::Graph;
use super::node::{Id, Kind};
use super::op::{Chooser, Op};
use super::plan::{TortureRequest, request};
use super::plaza::make_plaza;
use super::thread::{Bounds, Post, Signals, Tally, Torturer};
use super::work::{Outside, Work};
use super::{Fault, run};
use crate::error::LabError;
use crate::rng::Rng;
use crate::size::ByteSize;

fn torture(seed: u64, workers: usize) {
    let report = run(TortureRequest { workers: Some(workers), ..request(seed) }).unwrap();
    assert_eq!((report.threads, report.workers), (4, workers));
    assert!(report.tally.total() > 100 && report.tally.objects > 100, "{report}");
    assert!(report.stats.cycles > 3, "{report}");
    assert!(report.verify.violations.is_empty() && report.rss_end > ByteSize(0), "{report}");
}

/// Goal: nothing is wrong when the program's threads do all the work. Method: two seconds of torture.
#[test]
fn without_background_threads_nothing_is_wrong() {
    torture(1, 0);
}

/// Goal and method as above, with one thread in the background.
#[test]
fn with_one_background_thread_nothing_is_wrong() {
    torture(2, 1);
}

/// Goal and method as above, with two.
#[test]
fn with_two_background_threads_nothing_is_wrong() {
    torture(3, 2);
}

/// Goal: a full heap is met, and is no fault. Method: less memory than the graphs want.
#[test]
fn a_small_heap_is_full_at_times_and_goes_on() {
    let (live, max_heap) = (ByteSize(4 << 20), Some(ByteSize(8 << 20)));
    let report = run(TortureRequest { live, max_heap, ..request(4) }).unwrap();
    assert!(report.tally.full > 0, "{report}");
}

/// A thread of its own that is run by the test.
fn torturer(heap: &Heap, ops_max: u64) -> Torturer {
    let plaza = heap.attach().enter(|cx| cx.root(make_plaza(cx)));
    Torturer {
        heap: heap.clone(),
        graph: Graph::new(0, Rng::seeded(1), Arc::default()),
        chooser: Chooser::new(Rng::seeded(2)),
        outside: Outside { plaza: Arc::new(plaza), undertaker: mpsc::channel().0 },
        post: Post { inbox: mpsc::sync_channel(1).1, others: Vec::new() },
        bounds: Bounds { live_bytes: 256 << 10, ops_max: Some(ops_max) },
        signals: Arc::<Signals>::default(),
        tally: Tally::default(),
    }
}

/// Goal: the alarm works. Method: a shadow that lacks one edge must differ from the heap, and one that is right must not.
#[test]
fn an_edge_that_the_shadow_lacks_is_found() {
    let heap = Heap::builder().build().unwrap();
    let mut torturer = torturer(&heap, 3000);
    torturer.run().unwrap();
    let mut mutator = heap.attach();
    let reached = mutator.enter(|cx| torturer.graph.check(cx)).unwrap();
    assert!(torturer.graph.shadow.corrupt(&reached), "a graph of thousands of operations has an edge");
    let what = mutator.enter(|cx| torturer.graph.check(cx)).unwrap_err();
    assert!(what.contains("must lead nowhere"), "{what}");
    // A thread finds it as well, when it compares everything before it ends.
    torturer.bounds.ops_max = Some(0);
    assert!(torturer.run().unwrap_err().contains("must lead nowhere"));
}

/// Goal: an object that is another one is found. Method: two names change places in the shadow.
#[test]
fn an_object_with_another_name_is_found() {
    let heap = Heap::builder().build().unwrap();
    let mut torturer = torturer(&heap, 0);
    let (graph, outside) = (&mut torturer.graph, &torturer.outside);
    heap.attach().enter(|cx| {
        let mut work = Work::new(cx, graph, outside);
        for op in [Op::Root, Op::Make, Op::Root, Op::Make, Op::Root] {
            work.perform(op).unwrap();
        }
    });
    graph.roots[0].1 = Id::of(77);
    let what = heap.attach().enter(|cx| graph.check(cx)).unwrap_err();
    assert!(what.contains("#0.77 was reached"), "{what}");
    graph.shadow.insert(Id::of(77), super::shadow::Entry::new(Kind::Knot));
    let what = heap.attach().enter(|cx| graph.check(cx)).unwrap_err();
    assert!(what.contains("Knot #0.77 is named #1."), "{what}");
}

/// Goal: who reads a message can repeat the run. Method: its text and its exit code.
#[test]
fn a_fault_names_thread_operation_and_seed() {
    let what = "slot 1 leads nowhere".to_owned();
    let error = LabError::Torture(Fault { thread: Some(3), op: 17, seed: 42, what });
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.contains("thread 3, operation 17, seed 42: slot 1 leads nowhere"), "{text}");
}
