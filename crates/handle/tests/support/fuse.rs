//! Code of users that panics when it is told to: at the k-th call, for each k.
#![allow(dead_code, reason = "no test needs all of it")]

use mudlark::{Gc, Rebrand, Static, Trace, trace::Visitor};
use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// Panics when it is called for the last time that is left. Zero is for ever.
pub(crate) fn burn(left: &AtomicUsize) {
    let step = |left: usize| left.checked_sub(1);
    assert!(left.fetch_update(SeqCst, SeqCst, step) != Ok(1), "the fuse blows, as planned");
}

/// Runs `scenario` with a fuse that blows at the first call of [`burn`], at the second, and so on, until one does not blow; and puts
/// the fuse out before `then`. Returns how many blew.
pub(crate) fn at_each_call<S>(
    mut scenario: impl FnMut(&Arc<AtomicUsize>, usize) -> S,
    mut then: impl FnMut(S, bool),
) -> usize {
    for number in 1.. {
        let left = Arc::new(AtomicUsize::new(0));
        let state = scenario(&left, number);
        let has_blown = left.swap(0, SeqCst) == 0;
        then(state, has_blown);
        if !has_blown {
            return number - 1;
        }
    }
    unreachable!("a scenario has finitely many calls")
}

/// Burns when it is traced.
pub(crate) struct Fuse<'gc> {
    left: Arc<AtomicUsize>,
    brand: PhantomData<Gc<'gc, u8>>,
}

impl Fuse<'_> {
    pub(crate) fn new(left: &Arc<AtomicUsize>) -> Self {
        Fuse { left: Arc::clone(left), brand: PhantomData }
    }
}

// SAFETY: T1: it owns no `Gc`; T2: it looks at nothing else; T3: the count is atomic; T4: it is `Send`; T7: it has a brand.
unsafe impl<'gc> Trace<'gc> for Fuse<'gc> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, _visitor: &mut V) {
        burn(&self.left);
    }
}

// SAFETY: B1: the brand is phantom.
unsafe impl Rebrand for Fuse<'_> {
    type With<'gc> = Fuse<'gc>;
}

/// Burns when it is dropped.
pub(crate) struct Bomb(Arc<AtomicUsize>);

impl Bomb {
    pub(crate) fn new(left: &Arc<AtomicUsize>) -> Static<Bomb> {
        Static(Bomb(Arc::clone(left)))
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        burn(&self.0);
    }
}
