//! Planted bugs of ephemerons.

use super::*;

/// The slot of a node that scripts hold.
pub(super) fn slot<'a>(holder: Cell) -> &'a EphemeronSlot {
    // SAFETY: scripts hold nodes that are alive.
    unsafe { &node(holder).pair }
}

impl Scope<'_> {
    /// A node with a pair.
    fn pair(&self, key: Cell, value: Cell) -> Cell {
        let holder = self.node(None);
        // SAFETY: key and value are in hand, and these tests have one thread.
        unsafe { self.local().fill_ephemeron(slot(holder), key, value.as_ptr()) };
        holder
    }

    /// A chain of pairs, each value the key of the next one, under a root for each pair. The last pairs are met first. Returns a root of
    /// the first key.
    fn pairs(&self, len: usize) -> RootSlot {
        let nodes: Vec<Cell> = (0..=len).map(|_| self.node(None)).collect();
        for ends in nodes.windows(2) {
            self.root(self.pair(ends[0], ends[1]));
        }
        self.root(nodes[0])
    }

    /// The key of the pair of a node, as a mutator gets it that does not hold it.
    fn upgrade(&self, holder: Cell) -> Option<Cell> {
        // SAFETY: the node is in hand, and these tests have one thread.
        unsafe { self.local().upgrade_key(slot(holder)) }
    }
}

#[test]
fn the_verifier_sees_that_pairs_are_looked_at_again_only_once() {
    catches(Bug::EphemeronOnce, |world, [mutator]| {
        world.enter(mutator, |cx| cx.pairs(3));
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_keys_are_not_looked_up() {
    catches(Bug::EphemeronNotLookedUp, |world, [mutator]| {
        world.enter(mutator, |cx| cx.pairs(8));
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_dead_keys_are_not_cleared() {
    catches(Bug::EphemeronNotCleared, |world, [mutator]| {
        let key = world.enter(mutator, |cx| cx.pairs(8));
        world.drop_root(key);
        world.collect();
        world.enter(mutator, |cx| _ = cx.pairs(1));
        world.collect();
    });
}

/// A value is taken out of its pair before a marker comes by.
#[test]
fn the_verifier_sees_that_values_are_not_shaded() {
    catches(Bug::BarrierOff, |world, [mutator]| {
        let (holder, key) = world.enter(mutator, |cx| {
            let key = cx.node(None);
            (cx.root(cx.pair(key, cx.node(None))), cx.root(key))
        });
        world.begin();
        world.enter(mutator, |cx| {
            assert_eq!(cx.upgrade(world.get(holder)), Some(world.get(key)));
            // SAFETY: P1: the key is in hand.
            let value = unsafe { cx.local().empty_ephemeron(slot(world.get(holder))) };
            cx.root(cx.node(NonNull::new(value)));
        });
        world.finish();
    });
}

/// Marking has come by when a mutator asks for the key, and what hangs on it.
#[test]
fn the_verifier_sees_that_keys_are_upgraded_without_shading() {
    catches(Bug::WeakUnshaded, |world, [mutator]| {
        let holder = world.enter(mutator, |cx| cx.root(cx.pair(cx.node(None), cx.node(None))));
        world.begin();
        world.mark(1 << 20);
        world.enter(mutator, |cx| cx.root(cx.node(cx.upgrade(world.get(holder)))));
        world.finish();
    });
}

/// A pair with a dead key moves to a new node, which no marker looks at.
#[test]
fn the_verifier_sees_that_pairs_are_copied_after_the_snapshot() {
    catches(Bug::ClosedUnknown, |world, [mutator]| {
        let holder = world.enter(mutator, |cx| cx.root(cx.pair(cx.node(None), cx.node(None))));
        let copy = |cx: Scope<'_>| {
            let to = cx.node(None);
            if !cx.local().is_closed() {
                // SAFETY: P2: or so it says.
                unsafe { cx.local().copy_ephemeron(slot(world.get(holder)), slot(to)) };
            }
            cx.root(to)
        };
        let early = world.enter(mutator, copy);
        world.begin();
        world.enter(mutator, copy);
        world.finish();
        world.enter(mutator, |cx| assert_eq!(cx.upgrade(world.get(early)), None));
    });
}

/// Goal: what hangs on a key that is upgraded in the last round lives. Method: in each state of a keyed cycle, a mutator upgrades
/// the first key of a chain and keeps it.
#[test]
fn chains_behind_an_upgraded_key_live() {
    for steps in 0..12 {
        let core = Core::new(config()).expect("there is memory");
        let world = World { core: &core };
        let mutator = world.attach();
        let (holder, live) = world.enter(&mutator, |cx| {
            let live = cx.pairs(6);
            let (key, first) = (cx.node(None), cx.node(None));
            let holder = cx.root(cx.pair(key, first));
            let mut last = first;
            for _ in 0..6 {
                let next = cx.node(None);
                cx.root(cx.pair(last, next));
                last = next;
            }
            (holder, live)
        });
        world.begin();
        for _ in 0..steps {
            world.mark(1);
            world.step();
        }
        let key = world.enter(&mutator, |cx| cx.upgrade(world.get(holder)).map(|key| cx.root(key)));
        world.finish();
        world.drop_root(live);
        world.collect();
        let expected = 1 + 6 + 6 + if key.is_some() { 8 } else { 0 };
        assert_eq!(world.live_nodes(), expected, "after {steps} steps");
        world.detach(&mutator);
        let report = core.verify_report();
        assert!(report.cycles == 2 && report.violations.is_empty(), "{report:#?}");
    }
}
