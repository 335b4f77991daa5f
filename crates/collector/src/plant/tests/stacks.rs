//! Planted bugs of shadow stacks, and of stacks of the raw tier.

use super::*;

#[test]
fn the_verifier_sees_that_locals_are_not_scanned() {
    catches(Bug::LocalsUnscanned, |world, [mutator]| {
        let frame = mutator.begin_frame();
        world.enter(mutator, |cx| (0..2000).for_each(|_| _ = cx.keep(cx.node(None))));
        world.collect();
        // SAFETY: the frame began above, and its locals are not used.
        unsafe { mutator.end_frame(frame) };
    });
}

/// A mutator that has not closed stores what only its stack leads to into a new object of one that has, and pops.
#[test]
fn the_verifier_sees_that_locals_are_gray_too_late() {
    catches(Bug::LocalsAtClose, |world, [late, early]| {
        let frame = late.begin_frame();
        let (shelf, local) = world.enter(late, |cx| {
            let shelf = cx.root(cx.node(None));
            (shelf, cx.keep(cx.node(None)))
        });
        let arms = world.open(late);
        world.begin();
        let flushes = world.open(early);
        // `late` is served flush, which waits for `early`.
        world.close(arms);
        let cx = world.open(late);
        // `early` is served close, which waits for `late`.
        world.close(flushes);
        let old = world.get(shelf);
        world.enter(early, |cx| cx.store(old, 0, Some(cx.node(None))));
        let black = cx.load(old, 0).expect("it was stored");
        // SAFETY: the frame has not ended.
        cx.store(black, 0, unsafe { local.get() });
        // SAFETY: the frame began above, and its local is not used again.
        unsafe { late.end_frame(frame) };
        world.close(cx);
        world.finish();
    });
}

#[test]
fn the_verifier_sees_that_a_local_is_used_again_unshaded() {
    catches(Bug::LocalsUnshaded, |world, [mutator]| {
        let frame = mutator.begin_frame();
        let local = world.enter(mutator, |cx| cx.keep(cx.node(None)));
        world.begin();
        // In one scope, so that no safepoint marks in between.
        world.enter(mutator, |cx| {
            // SAFETY: the frame has not ended.
            let target = unsafe { local.get() }.expect("it is kept");
            cx.root(cx.node(Some(target)));
            // SAFETY: the frame began above, and its local is not used again.
            unsafe { mutator.end_frame(frame) };
            cx.keep(cx.node(None));
        });
        world.finish();
        // SAFETY: as above.
        unsafe { mutator.end_frame(frame) };
    });
}

/// Goal: a stack grows with what is kept, and what it does not need goes back. Method: two million frames, cycles at the deepest and behind; then the
/// chunks that nobody has.
#[test]
fn a_deep_stack_goes_back() {
    const FRAMES: usize = 2_000_000;
    let config = Config { percent: GcPercent::Off, workers: 0, ..Config::default() };
    let core = Core::new(config).expect("there is memory");
    let world = World { core: &core };
    let mutator = world.attach();
    for round in 0..2 {
        let mut frames = Vec::with_capacity(FRAMES);
        let first = world.enter(&mutator, |cx| cx.node(None));
        let scope = world.open(&mutator);
        for _ in 0..FRAMES {
            frames.push(mutator.begin_frame());
            scope.keep(first);
        }
        world.close(scope);
        world.collect();
        assert_eq!((core.stats().live_bytes, core.stacks.len()), (NODE_BYTES as u64, 0));
        while let Some(frame) = frames.pop() {
            // SAFETY: frames end in reverse order, and their locals are not used.
            unsafe { mutator.end_frame(frame) };
        }
        world.collect();
        assert_eq!((core.stats().live_bytes, core.stacks.len()), (0, 0), "round {round}");
    }
    world.detach(&mutator);
    assert_eq!(core.stacks.len(), 1, "one chunk was kept for the next frame");
}

/// The stack of a mutator: one word.
type Stack = std::cell::Cell<Option<Cell>>;

unsafe extern "C-unwind" fn visit_stack(visitor: &mut RawVisitor<'_>, stack: *mut c_void) {
    // SAFETY: the script keeps the stack for as long as its mutator.
    if let Some(cell) = unsafe { &*stack.cast::<Stack>() }.get() {
        // SAFETY: stacks lead to nodes of the heap.
        unsafe { visitor.edge(cell) };
    }
}

/// Goal: what only a stack leads to from before all barriers were on is gray behind *flush*. Method: the story that the model tells: its
/// mutator, not closed yet, puts it into an object that another one, closed already, has made, and pops it.
#[test]
fn the_verifier_sees_that_stacks_are_shaded_late() {
    let stack: &Stack = Box::leak(Box::default());
    catches(Bug::StacksAtClose, |world, [first, second, third]| {
        stack.set(None);
        let root = world.enter(first, |cx| {
            let data = std::ptr::from_ref(stack).cast_mut().cast();
            cx.local().stacks.borrow_mut().add(RawStack { visit: visit_stack, data });
            cx.root(cx.node(None))
        });
        let (of_first, of_second) = (world.open(first), world.open(second));
        world.begin();
        let of_third = world.open(third);
        // Not armed yet: it is white.
        stack.set(Some(of_first.node(None)));
        world.close(of_first);
        world.close(of_second);
        // All are armed, and the first has passed the flush. The third has not.
        let of_first = world.open(first);
        let popped = stack.replace(Some(world.get(root)));
        world.close(of_third);
        // All are flushed, and all but the first are closed.
        world.enter(second, |cx| cx.store(world.get(root), 0, Some(cx.node(None))));
        let black = of_first.load(world.get(root), 0).expect("stored just now");
        of_first.store(black, 0, popped);
        world.close(of_first);
        world.finish();
    });
}
