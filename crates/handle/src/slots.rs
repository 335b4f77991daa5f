//! Slots that stay where they are, in segments: what weak tables and guardians are made of.
//!
//! ```text
//!   [8 slots] [16] [32] …    slices in the heap, each twice as long as the one before
//! ```

use crate::{
    cell::GcCell,
    error::AllocError,
    gc::Gc,
    scope::Scope,
    trace::{Trace, Visitor},
};

/// Slots of the first segment; each further one has twice as many.
const FIRST_SLOTS: usize = 8;
const SEGMENTS: usize = 28;

type Segment<'gc, S> = Option<Gc<'gc, [S]>>;

/// Slots by number.
pub(crate) struct Slots<'gc, S> {
    segments: [GcCell<Segment<'gc, S>>; SEGMENTS],
}

/// Further slots that are to take the place of all others.
pub(crate) struct NewSlots<'gc, S> {
    segments: [Segment<'gc, S>; SEGMENTS],
    pub(crate) capacity: usize,
}

/// Slots that the first `segments` have together.
fn capacity(segments: usize) -> usize {
    FIRST_SLOTS * ((1 << segments) - 1)
}

/// The segment of a slot, and where in there.
fn place(slot: u32) -> (usize, usize) {
    let number = slot as usize + FIRST_SLOTS;
    let segment = (number.ilog2() - FIRST_SLOTS.ilog2()) as usize;
    (segment, number - (FIRST_SLOTS << segment))
}

impl<'gc, S: Trace<'gc> + Default + 'gc> Slots<'gc, S> {
    pub(crate) fn new() -> Slots<'gc, S> {
        Slots { segments: std::array::from_fn(|_| GcCell::new(None)) }
    }

    /// A slot, if there is one with this number.
    pub(crate) fn get(&self, slot: u32) -> Option<&'gc S> {
        let (segment, offset) = place(slot);
        self.segments.get(segment)?.get().map(|segment| &segment.into_ref()[offset])
    }

    /// Adds slots; returns how many there are then.
    pub(crate) fn grow(&self, cx: &Scope<'gc>) -> Result<usize, AllocError<()>> {
        let count = self.segments.iter().take_while(|segment| segment.get().is_some()).count();
        assert!(count < SEGMENTS, "there are at most two thousand million slots");
        let segment = cx.try_alloc_slice_with(FIRST_SLOTS << count, |_| S::default())?;
        self.segments[count].set(cx, Some(segment));
        Ok(capacity(count + 1))
    }

    /// As many slots as are wanted, or a few more.
    pub(crate) fn prepare(&self, cx: &Scope<'gc>, wanted: usize) -> Result<NewSlots<'gc, S>, AllocError<()>> {
        let count = (1..SEGMENTS).find(|&count| capacity(count) >= wanted).unwrap_or(SEGMENTS);
        let mut segments = [None; SEGMENTS];
        for (index, segment) in segments.iter_mut().enumerate().take(count) {
            *segment = Some(cx.try_alloc_slice_with(FIRST_SLOTS << index, |_| S::default())?);
        }
        Ok(NewSlots { segments, capacity: capacity(count) })
    }

    /// Takes other slots in place of all of its own.
    pub(crate) fn replace(&self, cx: &Scope<'gc>, new: &NewSlots<'gc, S>) {
        for (cell, segment) in self.segments.iter().zip(new.segments) {
            cell.set(cx, segment);
        }
    }

    /// Gives all slots up.
    pub(crate) fn clear(&self, cx: &Scope<'gc>) {
        for segment in &self.segments {
            segment.set(cx, None);
        }
    }
}

impl<'gc, S: 'gc> NewSlots<'gc, S> {
    pub(crate) fn get(&self, slot: u32) -> &'gc S {
        let (segment, offset) = place(slot);
        &self.segments[segment].expect("slots are prepared for all that moves").into_ref()[offset]
    }
}

// SAFETY: T1: the segments are traced.
unsafe impl<'gc, S: Trace<'gc>> Trace<'gc> for Slots<'gc, S> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, visitor: &mut V) {
        for segment in &self.segments {
            segment.trace(visitor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each slot number has a place of its own, without gaps. Method: the first thousands.
    #[test]
    fn slots_have_places() {
        let mut expected = (0, 0);
        for slot in 0..100_000 {
            assert_eq!(place(slot), expected);
            expected.1 += 1;
            if expected.1 == FIRST_SLOTS << expected.0 {
                expected = (expected.0 + 1, 0);
            }
            assert_eq!((slot as usize) + 1 == capacity(expected.0), expected.1 == 0);
        }
    }
}
