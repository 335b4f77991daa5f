//! Steps between scopes: knobs, cycles, mutators.

use super::{
    Outside,
    machine::{Machine, Registers},
    model::Shape,
};
use mudlark::{MemoryLimit, Mutator, Scope, pacing::RampBound};
use std::thread;

/// Allocates over what was freed: if it was freed too early, its contents are not what they must be.
fn scribble(cx: &Scope<'_>) {
    for len in 0..64 {
        let _ = cx.try_alloc_slice_with(len, |_| !0_u64);
        let _ = cx.try_alloc_slice_with(len * 8 + 1, |_| !0_u8);
    }
}

impl Machine {
    pub(super) fn outside(&mut self, outside: Outside, first: &mut Mutator, second: &mut Mutator) {
        match outside {
            Outside::Collect => self.collect(first, |heap| heap.collect()),
            Outside::CollectElsewhere => self.collect(first, |heap| {
                thread::scope(|scope| scope.spawn(|| heap.collect()).join().expect("a cycle"));
            }),
            Outside::DropRoot { root } => self.drop_root(root),
            Outside::Percent(percent) => _ = self.heap.set_gc_percent(percent),
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
            Outside::Parcels { count } => {
                if let Some(plaza) = &self.plaza {
                    plaza.exchange(first, usize::from(count));
                }
            }
            Outside::Reattach { second: true } => *second = self.heap.attach(),
            Outside::Reattach { second: false } => *first = self.heap.attach(),
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

    /// A whole cycle; then what is unreachable has been dropped once, and nothing else has.
    pub(super) fn collect(&mut self, mutator: &mut Mutator, collect: impl FnOnce(&mudlark::Heap)) {
        // The other thread may be in a scope, whose end the cycle waits for.
        self.baton.without(|| collect(&self.heap));
        let reachable = self.model.reachable(self.roots.iter().map(|&(_, id)| id));
        self.ledger.check(|owner| u32::from(!reachable.contains(&owner)));
        if self.plaza.is_none() {
            let bytes_of = |id: &usize| match self.model.objects[*id] {
                Shape::Buffer { bytes } => bytes,
                _ => 0,
            };
            let external: u64 = reachable.iter().map(bytes_of).sum();
            assert_eq!(self.heap.stats().external_bytes, external, "bytes outside");
        }
        mutator.enter(|cx| {
            scribble(cx);
            self.check(cx, Registers::new());
            self.check_cleared(cx, &reachable);
        });
    }
}
