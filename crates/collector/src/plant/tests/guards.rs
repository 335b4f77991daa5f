//! Planted bugs of guardians and cleanups.

use super::{ephemerons::slot, *};
use crate::Collector;
use std::sync::atomic::AtomicUsize;

/// The registration of a node that scripts hold.
fn guard<'a>(holder: Cell) -> &'a EphemeronSlot {
    // SAFETY: scripts hold nodes that are alive.
    unsafe { &node(holder).guard }
}

impl Scope<'_> {
    /// A node that guards another one.
    fn guardian(&self, of: Cell) -> Cell {
        let holder = self.node(None);
        // SAFETY: both are in hand, and these tests have one thread.
        unsafe { self.local().fill_ephemeron(guard(holder), of, null_mut()) };
        holder
    }

    /// What a guardian gives back.
    fn poll(&self, holder: Cell) -> Option<Cell> {
        if !guard(holder).is_revived() {
            return None;
        }
        // SAFETY: the node is in hand, and these tests have one thread.
        let object = unsafe { self.local().upgrade_key(guard(holder)) }?;
        // SAFETY: P1: the object is in hand.
        unsafe { self.local().empty_ephemeron(guard(holder)) };
        Some(object)
    }
}

/// Two guardians under roots, of two objects that lead to each other.
fn guarded_ring(world: World<'_>, mutator: &Mutator) -> [RootSlot; 2] {
    world.enter(mutator, |cx| {
        let one = cx.node(None);
        let two = cx.node(Some(one));
        cx.store(one, 0, Some(two));
        [one, two].map(|object| cx.root(cx.guardian(object)))
    })
}

#[test]
fn the_verifier_sees_that_guarded_objects_do_not_come_back() {
    catches(Bug::GuardsMissed, |world, [mutator]| {
        let _guardians = guarded_ring(world, mutator);
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_what_comes_back_is_not_marked() {
    catches(Bug::RevivedUnmarked, |world, [mutator]| {
        let _guardians = guarded_ring(world, mutator);
        world.collect();
    });
}

#[test]
fn the_verifier_sees_that_cleanups_are_missed() {
    for planted in [None, Some(Bug::CleanupMissed)] {
        let config = Config { percent: GcPercent::Off, workers: 0, verify: true, ..Config::default() };
        let collector = Collector::new(config).expect("there is memory");
        if let Some(bug) = planted {
            collector.plant(bug);
        }
        let world = World { core: &collector };
        let mutator = world.attach();
        let ran = Arc::new(AtomicUsize::new(0));
        let root = world.enter(&mutator, |cx| {
            for _ in 0..2 {
                let ran = Arc::clone(&ran);
                // SAFETY: the node is in hand.
                let _ = unsafe { collector.on_death(cx.node(None), move || _ = ran.fetch_add(1, SeqCst)) };
            }
            let kept = cx.node(None);
            // SAFETY: the node is in hand.
            let _ = unsafe { collector.on_death(kept, || panic!("it is alive")) };
            cx.root(kept)
        });
        collector.collect();
        world.detach(&mutator);
        let violations = collector.verify_report().violations;
        assert_eq!(violations.is_empty(), planted.is_none(), "{violations:#?}");
        let _ = collector.run_cleanups();
        world.drop_root(root);
        drop(collector);
        assert_eq!(ran.load(SeqCst), 2, "the heap's end runs what is left");
    }
}

/// Goal: what comes back is the same and lives, however the program meddles with it. Method: in each state of a cycle that revives two
/// objects, of which one leads to a further guardian, a mutator polls, keeps what it gets in a new object, and upgrades an ephemeron whose
/// key is one of them.
#[test]
fn revived_objects_live_whenever_they_are_polled() {
    for steps in 0..24 {
        let core = Core::new(config()).expect("there is memory");
        let world = World { core: &core };
        let mutator = world.attach();
        let (guardians, holder) = world.enter(&mutator, |cx| {
            let (one, inner) = (cx.node(None), cx.node(None));
            let two = cx.node(Some(cx.guardian(inner)));
            cx.store(one, 0, Some(two));
            let holder = cx.node(None);
            // SAFETY: P1: all are in hand.
            unsafe { cx.local().fill_ephemeron(slot(holder), two, cx.node(None).as_ptr()) };
            ([one, two].map(|object| cx.root(cx.guardian(object))), cx.root(holder))
        });
        world.begin();
        for _ in 0..steps {
            world.mark(1);
            world.step();
        }
        let poll = |cx: Scope<'_>| {
            guardians
                .iter()
                .filter(|&&guardian| cx.poll(world.get(guardian)).map(|node| cx.root(node)).is_some())
                .count()
        };
        let early = world.enter(&mutator, poll);
        world.finish();
        let late = world.enter(&mutator, poll);
        assert_eq!(early + late, 2, "after {steps} steps");
        // Two guardians, their objects, the holder and its value, the inner guardian and its object.
        world.collect();
        assert_eq!(world.live_nodes(), 8, "after {steps} steps");
        let value = world.enter(&mutator, |cx| cx.local().ephemeron_value(slot(world.get(holder))));
        assert!(value.is_some());
        world.detach(&mutator);
        let report = core.verify_report();
        assert!(report.cycles == 2 && report.violations.is_empty(), "after {steps} steps: {report:#?}");
    }
}
