//! Steps between scopes: knobs, cycles, mutators.

use super::{
    Outside,
    machine::{Machine, Registers},
    model::Shape,
    objects::Id,
};
use mudlark::{Heap, MemoryLimit, Mutator, Scope, pacing::RampBound};
use std::{collections::HashSet, thread};

/// Allocates over what was freed: if it was freed too early, its contents are not what they must be.
fn scribble(cx: &Scope<'_>) {
    for len in 0..64 {
        let _ = cx.try_alloc_slice_with(len, |_| !0_u64);
        let _ = cx.try_alloc_slice_with(len * 8 + 1, |_| !0_u8);
    }
}

/// A whole cycle that a thread without a mutator asks for.
pub(super) fn collect_elsewhere(heap: &Heap) {
    thread::scope(|scope| scope.spawn(|| heap.collect()).join().expect("a cycle"));
}

impl Machine {
    pub(super) fn outside(&mut self, outside: Outside, first: &mut Mutator, second: &mut Mutator) {
        match outside {
            Outside::Collect => self.collect(first, |heap| heap.collect()),
            Outside::CollectElsewhere => self.collect(first, collect_elsewhere),
            Outside::Parcels { count } => {
                if let Some(plaza) = &self.plaza {
                    plaza.exchange(first, usize::from(count));
                }
            }
            Outside::Reattach { second: true } => *second = self.heap.attach(),
            Outside::Reattach { second: false } => *first = self.heap.attach(),
            of_heap => self.outside_without_mutators(of_heap),
        }
    }

    /// What can be done while a frame has a mutator.
    pub(super) fn outside_without_mutators(&mut self, outside: Outside) {
        match outside {
            Outside::DropRoot { root } => self.drop_root(root),
            Outside::Percent(percent) => _ = self.heap.set_gc_percent(percent),
            Outside::HardLimit { mib: 0 } => _ = self.heap.set_hard_limit(MemoryLimit::Off),
            Outside::HardLimit { mib } => _ = self.heap.set_hard_limit(u64::from(mib) << 20),
            Outside::Limit { mib: 0 } => _ = self.heap.set_memory_limit(MemoryLimit::Off),
            Outside::Limit { mib } => _ = self.heap.set_memory_limit(u64::from(mib) << 20),
            // One after the other: the heap has one ramp-up at a time.
            Outside::RampUp => {
                self.ramp_up = None;
                self.ramp_up = Some(self.heap.ramp_up(RampBound::Limits));
            }
            Outside::EndRampUp => self.ramp_up = None,
            Outside::Release => _ = self.heap.release_free_memory(),
            Outside::Look => self.look(),
            Outside::RunCleanups => self.run_cleanups(),
            Outside::Collect
            | Outside::CollectElsewhere
            | Outside::Parcels { .. }
            | Outside::Reattach { .. } => {}
        }
    }

    /// Numbers that must fit together while anything goes on.
    fn look(&self) {
        let stats = self.heap.stats();
        assert_eq!(stats.aborted_cycles, 0, "{stats:?}");
        let gauges = self.heap.gauges();
        assert!(gauges.rejected == 0 && gauges.effective_gc_percent >= 0.0, "{gauges:?}");
        assert!(stats.cycles == 0 || !self.heap.explain(stats.cycles).is_empty());
        assert!(self.heap.cell_stats().iter().all(|kind| !kind.type_name.is_empty()));
        let _ = (self.heap.worker_stats(), format!("{:?}", self.heap));
    }

    fn run_cleanups(&self) {
        self.baton.without(|| self.heap.run_cleanups());
        let reachable = self.model.reachable(self.root_ids());
        self.ledger.check_cleanups(false, |id| reachable.contains(&id));
    }

    /// A whole cycle; then what is unreachable has been dropped once, and nothing else has.
    pub(super) fn collect(&mut self, mutator: &mut Mutator, collect: impl FnOnce(&Heap)) {
        let reachable = self.cycle(collect);
        mutator.enter(|cx| self.check_cycle(cx, Registers::new(), &reachable));
    }

    /// A whole cycle. Returns what must be alive.
    pub(super) fn cycle(&mut self, collect: impl FnOnce(&Heap)) -> HashSet<Id> {
        // The other thread may be in a scope, whose end the cycle waits for.
        self.baton.without(|| {
            collect(&self.heap);
            self.heap.run_cleanups();
        });
        let reachable = self.model.reachable(self.root_ids());
        self.ledger.check(|owner| u32::from(!reachable.contains(&owner)));
        // The other thread may be about to run some of them.
        self.ledger.check_cleanups(self.plaza.is_none(), |id| reachable.contains(&id));
        self.find_due(&reachable);
        if self.plaza.is_none() {
            let bytes_of = |id: &usize| match self.model.objects[*id] {
                Shape::Buffer { bytes } => bytes,
                _ => 0,
            };
            let expected: u64 = reachable.iter().map(bytes_of).sum();
            let external = self.heap.stats().external_bytes;
            let has_more =
                |id: &usize| matches!(self.model.objects[*id], Shape::Shelf { .. } | Shape::Notes { .. });
            if reachable.iter().any(has_more) {
                assert!(external >= expected, "{external} bytes outside, and {expected} in buffers");
            } else {
                assert_eq!(external, expected, "bytes outside");
            }
        }
        reachable
    }

    /// What must be seen behind a whole cycle.
    pub(super) fn check_cycle<'gc>(&self, cx: &Scope<'gc>, locals: Registers<'gc>, reachable: &HashSet<Id>) {
        scribble(cx);
        self.check(cx, locals.clone());
        self.check_cleared(cx, locals, reachable);
    }
}
