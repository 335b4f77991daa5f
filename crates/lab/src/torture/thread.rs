//! A thread of a torture: scopes with operations, and what is done between scopes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use mudlark::{Heap, Mutator};

use super::fault::Snag;
use super::graph::Graph;
use super::node::Kind;
use super::op::{Chooser, OPS, Op};
use super::parcel::Parcel;
use super::work::{Outside, Work};

/// What a thread is told, and what it tells, while it runs.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// Raised when the time is over, or when somebody found something.
    pub(super) stop: AtomicBool,
    /// Operations of all threads.
    pub(super) ops: AtomicU64,
}

/// The bounds of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// About how many bytes its graph may take.
    pub(super) live_bytes: usize,
    /// After how many operations it ends.
    pub(super) ops_max: Option<u64>,
}

/// The ways between threads, as seen from one.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) inbox: Receiver<Parcel>,
    pub(super) others: Vec<SyncSender<Parcel>>,
}

/// One thread.
#[derive(Debug)]
pub(super) struct Torturer {
    pub(super) heap: Heap,
    pub(super) graph: Graph,
    pub(super) chooser: Chooser,
    pub(super) outside: Outside,
    pub(super) post: Post,
    pub(super) bounds: Bounds,
    pub(super) signals: Arc<Signals>,
    pub(super) tally: Tally,
}

/// What a thread did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tally {
    pub(super) ops: [u64; OPS],
    pub(super) objects: u64,
    /// How often the heap was full.
    pub(super) full: u64,
}

impl Tally {
    pub(super) fn total(&self) -> u64 {
        self.ops.iter().sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, count) in self.ops.iter_mut().zip(other.ops) {
            *sum += count;
        }
        self.objects += other.objects;
        self.full += other.full;
    }
}

/// Objects that are sent at once.
const PARCEL_OBJECTS_MAX: usize = 3000;

impl Torturer {
    /// Works until it is told to stop. What was expected and is not the case, is the error.
    pub(super) fn run(&mut self) -> Result<(), String> {
        let (mut first, mut second) = (self.heap.attach(), self.heap.attach());
        while !self.is_over() {
            self.scope(&mut first, &mut second)?;
            while let Ok(parcel) = self.post.inbox.try_recv() {
                self.graph.unpack(parcel);
            }
            if let Some(op) = self.chooser.between() {
                self.count(op);
                self.between(op, &mut first)?;
            }
            if self.graph.shadow.bytes() > self.bounds.live_bytes {
                self.shed(&mut first)?;
            }
        }
        first.enter(|cx| self.graph.check(cx))?;
        self.tally.objects = self.graph.made();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.signals.stop.load(Relaxed) || self.bounds.ops_max.is_some_and(|max| self.tally.total() >= max)
    }

    fn count(&mut self, op: Op) {
        self.tally.ops[op as usize] += 1;
        self.signals.ops.fetch_add(1, Relaxed);
    }

    /// A scope of some operations.
    fn scope(&mut self, mutator: &mut Mutator, other: &mut Mutator) -> Result<(), String> {
        let count = self.chooser.scope_ops();
        let Self { graph, chooser, outside, tally, signals, bounds, .. } = self;
        let mut count_op = |op: Op| {
            tally.ops[op as usize] += 1;
            signals.ops.fetch_add(1, Relaxed);
            signals.stop.load(Relaxed) || bounds.ops_max.is_some_and(|max| tally.total() >= max)
        };
        let ended = mutator.enter(|cx| {
            let mut work = Work::new(cx, graph, outside);
            for _ in 0..count {
                let op = chooser.inside();
                let is_last = count_op(op);
                if op == Op::Nest {
                    let ops: Vec<Op> =
                        (0..8).map(|_| chooser.inside()).filter(|op| *op != Op::Nest).collect();
                    other.enter(|cx| {
                        let mut work = Work::new(cx, work.graph(), outside);
                        ops.iter().try_for_each(|&op| work.perform(op))
                    })?;
                } else {
                    work.perform(op)?;
                }
                if is_last {
                    break;
                }
            }
            Ok(())
        });
        self.settle(ended, mutator)
    }

    /// A full heap is no fault, but calls for a smaller graph and a cycle.
    fn settle(&mut self, ended: Result<(), Snag>, mutator: &mut Mutator) -> Result<(), String> {
        match ended {
            Ok(()) => Ok(()),
            Err(Snag::Wrong(what)) => Err(what),
            Err(Snag::Full) => {
                self.tally.full += 1;
                let roots = self.graph.roots.len();
                self.graph.roots.truncate(roots / 2);
                mutator.enter(|cx| self.graph.check(cx))?;
                mutator.collect();
                Ok(())
            }
        }
    }

    fn between(&mut self, op: Op, mutator: &mut Mutator) -> Result<(), String> {
        match op {
            Op::Check => mutator.enter(|cx| self.graph.check(cx)).map(|_| ()),
            Op::Collect => {
                mutator.collect();
                Ok(())
            }
            Op::Reattach => {
                *mutator = self.heap.attach();
                Ok(())
            }
            Op::Send => self.send(mutator),
            _ => unreachable!("done in a scope"),
        }
    }

    /// Sends a part of the graph to some other thread.
    fn send(&mut self, mutator: &mut Mutator) -> Result<(), String> {
        let Self { graph, post, .. } = self;
        if post.others.is_empty() || graph.roots.is_empty() {
            return Ok(());
        }
        let (_, start) = graph.roots[graph.rng.below(graph.roots.len())];
        let to = graph.rng.below(post.others.len());
        let objects_max = 1 + graph.rng.below(PARCEL_OBJECTS_MAX);
        let is_changing_mail = |kind| matches!(kind, Kind::Twig | Kind::Bag | Kind::Row(_) | Kind::Keg);
        // The root, or the first thing below it that can be sent.
        let below = graph.shadow.known(start)?.targets();
        let kind = |id| graph.shadow.get(id).map(|entry| entry.kind);
        let start = std::iter::once(start).chain(below).find(|&id| kind(id).is_some_and(is_changing_mail));
        let Some(start) = start else { return Ok(()) };
        let Some(parcel) = mutator.enter(|cx| graph.pack(cx, start, objects_max))? else { return Ok(()) };
        match post.others[to].try_send(parcel) {
            Ok(()) => {}
            // Nobody takes it, so it stays.
            Err(TrySendError::Full(parcel) | TrySendError::Disconnected(parcel)) => graph.unpack(parcel),
        }
        Ok(())
    }

    /// Drops roots until the graph is small enough.
    fn shed(&mut self, mutator: &mut Mutator) -> Result<(), String> {
        loop {
            mutator.enter(|cx| self.graph.check(cx))?;
            let roots = self.graph.roots.len();
            if self.graph.shadow.bytes() <= self.bounds.live_bytes || roots == 0 {
                return Ok(());
            }
            self.graph.roots.truncate(roots / 2);
        }
    }
}
