//! The one seam between objects and whoever wants to know their edges.

use crate::{ephemeron::EphemeronSlot, mark_lock::MarkLock, piece_lock::PieceLock};
use std::{fmt, ptr::NonNull};

/// Is told the edges of an object.
///
/// The collector's marker is one, the mutator's barrier another, verifier and snapshot writers are further ones; all get
/// their own copy of each type's tracing code.
///
/// # Safety
///
/// `guarded` runs `contents` only while no mutator changes what the lock guards, and does nothing in between that could end
/// in such a change.
pub unsafe trait Visitor {
    /// An edge to the object in `cell`.
    ///
    /// # Safety
    ///
    /// `cell` holds an object of the heap that is being traced, and the edge is one of the object that is being traced.
    unsafe fn edge(&mut self, cell: NonNull<u8>);

    /// An edge to an object that has no edges itself, in a cell of `cell_bytes`; 0 if the size is not known here.
    ///
    /// # Safety
    ///
    /// As for [`Visitor::edge`]; `cell_bytes` is the size of the cell, or 0.
    unsafe fn leaf(&mut self, cell: NonNull<u8>, cell_bytes: usize);

    /// A key that is not kept alive, and a value that lives while the key does. Visitors that have no use for such pairs pass them by;
    /// one that stands for another hands them on, or a key would never be found dead.
    ///
    /// # Safety
    ///
    /// P1: the slot is one of the object that is being traced, and does not lie behind a lock; mutators change it by
    /// [`Local`](crate::Local)'s functions alone.
    unsafe fn ephemeron(&mut self, slot: &EphemeronSlot);

    /// The registration of a guardian: a key that is not kept alive, but comes back when it would die; and a strong value, when it did.
    /// Visitors hand it on or pass it by as they do with ephemerons.
    ///
    /// # Safety
    ///
    /// P1: as for [`Visitor::ephemeron`].
    unsafe fn guard(&mut self, slot: &EphemeronSlot);

    /// Edges that a mutator may be changing right now, guarded by `lock`. The visitor decides whether, and when it is
    /// safe, to look at them.
    fn guarded(&mut self, lock: &MarkLock, contents: impl FnOnce(&mut Self));

    /// The same for a container, which can be looked at in pieces: `piece` is told where one begins, the first at 0, and returns where
    /// the next does. Between two pieces the contents may change, also by how many they are. A visitor that stands for another hands
    /// this on as well: a marker that does not come to see a piece comes again.
    fn guarded_pieces(&mut self, lock: &PieceLock, piece: impl FnMut(&mut Self, usize) -> Option<usize>);
}

/// All pieces, one after the other.
pub(crate) fn each_piece(mut piece: impl FnMut(usize) -> Option<usize>) {
    let mut next = Some(0);
    while let Some(first) = next {
        next = piece(first);
    }
}

/// A visitor that hands every edge to a closure: for code that is not compiled per visitor.
pub struct EdgeVisitor<'a> {
    each: &'a mut dyn FnMut(NonNull<u8>),
    ephemerons: Option<&'a mut dyn FnMut(&EphemeronSlot)>,
}

impl<'a> EdgeVisitor<'a> {
    /// A visitor that calls `each` with the target of each edge.
    ///
    /// # Safety
    ///
    /// It reads guarded contents without asking: while it is used, nobody changes the objects it is shown, `each`
    /// included.
    pub unsafe fn new(each: &'a mut dyn FnMut(NonNull<u8>)) -> EdgeVisitor<'a> {
        EdgeVisitor { each, ephemerons: None }
    }

    /// The same, with another closure for ephemerons, which are passed by else.
    pub(crate) fn with_ephemerons(self, each: &'a mut dyn FnMut(&EphemeronSlot)) -> EdgeVisitor<'a> {
        EdgeVisitor { ephemerons: Some(each), ..self }
    }
}

// SAFETY: promised by whoever made the visitor.
unsafe impl Visitor for EdgeVisitor<'_> {
    unsafe fn edge(&mut self, cell: NonNull<u8>) {
        (self.each)(cell);
    }

    unsafe fn leaf(&mut self, cell: NonNull<u8>, _cell_bytes: usize) {
        (self.each)(cell);
    }

    unsafe fn ephemeron(&mut self, slot: &EphemeronSlot) {
        if let Some(each) = &mut self.ephemerons {
            each(slot);
        }
    }

    unsafe fn guard(&mut self, slot: &EphemeronSlot) {
        match slot.peek_value() {
            Some(value) => (self.each)(value),
            // SAFETY: by the caller's contract.
            None => unsafe { self.ephemeron(slot) },
        }
    }

    fn guarded(&mut self, _lock: &MarkLock, contents: impl FnOnce(&mut Self)) {
        contents(self);
    }

    fn guarded_pieces(
        &mut self,
        _lock: &PieceLock,
        mut piece: impl FnMut(&mut Self, usize) -> Option<usize>,
    ) {
        each_piece(|first| piece(self, first));
    }
}

impl fmt::Debug for EdgeVisitor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdgeVisitor")
    }
}
