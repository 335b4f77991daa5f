//! A tracer that panics when it is told to.

use mudlark::{Gc, Rebrand, Trace, trace::Visitor};
use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// Panics when it is traced for the last time that is left. Zero is for ever.
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
        let step = |left: usize| left.checked_sub(1);
        assert!(self.left.fetch_update(SeqCst, SeqCst, step) != Ok(1), "the fuse blows, as planned");
    }
}

// SAFETY: B1: the brand is phantom.
unsafe impl Rebrand for Fuse<'_> {
    type With<'gc> = Fuse<'gc>;
}
