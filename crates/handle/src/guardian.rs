//! Guardians: objects that come back when they would die.

use crate::{
    error::AllocError,
    gc::{Brand, Gc},
    scope::Scope,
    slots::Slots,
    trace::{Rebrand, Trace, Visitor},
};
use mudlark_collector::EphemeronSlot;
use std::{cell::RefCell, fmt, marker::PhantomData, ptr::null_mut};

/// A registration, in a slice of the heap.
#[derive(Default)]
struct GuardSlot<'gc> {
    slot: EphemeronSlot,
    brand: Brand<'gc>,
}

// SAFETY: T1: the object is shown as what it is; T3: it is atomic, and changed as the collector wants it (P1).
unsafe impl<'gc> Trace<'gc> for GuardSlot<'gc> {
    const NEEDS_TRACE: bool = true;

    #[inline]
    fn trace<V: Visitor>(&self, visitor: &mut V) {
        // SAFETY: P1: slots are made in slices, which do not move.
        unsafe { visitor.guard(&self.slot) };
    }
}

/// Gives objects back that nothing else leads to any more, once for each registration: a guardian as in Scheme.
///
/// An object that was [registered](Guardian::register) lives on when a cycle finds it otherwise unreachable, with all that it leads to,
/// until [`Guardian::poll`] gives it back, and then as long as the program keeps it. It may be registered again. What several guardians,
/// or several registrations, have in common each gives back. Objects come in the order of their registration.
///
/// To weak pointers, ephemerons and [cleanups](Scope::on_drop), what came back was never dead: they let go of it when it dies for good. A
/// guardian that dies forgets its registrations; so does the heap at its end.
///
/// It changes behind a shared reference like a cell. One thread's mutators use it; to share it, put it into a
/// [`GcMutex`](crate::GcMutex).
///
/// # Example: connections that are closed when nobody uses them any more
///
/// ```
/// use mudlark::{Gc, Guardian, Heap, Root, Trace};
///
/// #[derive(Trace)]
/// struct Connection<'gc> {
///     peer: Gc<'gc, str>,
/// }
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let lost: Root<Guardian<'static, Connection<'static>>> = mutator.enter(|cx| {
///     let lost = cx.alloc(Guardian::new());
///     lost.register(cx, cx.alloc(Connection { peer: cx.alloc_str("lark") }));
///     cx.root(lost)
/// });
/// mutator.collect();
/// mutator.enter(|cx| {
///     let connection = lost.get(cx).poll(cx).expect("nobody uses it");
///     assert_eq!(&*connection.peer, "lark");
///     assert!(lost.get(cx).poll(cx).is_none());
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Guardian<'gc, T: ?Sized> {
    slots: Slots<'gc, GuardSlot<'gc>>,
    state: RefCell<State>,
    referent: PhantomData<Gc<'gc, T>>,
}

#[derive(Default)]
struct State {
    /// Slots that were ever used since the segments are what they are: in order of registration.
    used: u32,
    /// Those of them that are in use.
    len: usize,
    /// Slots that exist.
    capacity: usize,
    /// Where `poll` goes on.
    next: u32,
    /// How many objects of the heap had come back when `poll` began at the front.
    seen: u64,
}

impl<T: ?Sized> Default for Guardian<'_, T> {
    fn default() -> Self {
        Guardian { slots: Slots::new(), state: RefCell::default(), referent: PhantomData }
    }
}

impl<'gc, T: ?Sized> Guardian<'gc, T> {
    /// A guardian of nothing yet.
    ///
    /// # Example: it gives nothing of its own accord
    ///
    /// ```
    /// use mudlark::{Gc, Guardian, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let guardian: Guardian<'_, u64> = Guardian::new();
    ///     assert!(guardian.poll(cx).is_none());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Guardian<'gc, T> {
        Guardian::default()
    }

    /// Has an object come back when it would die.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Guardian::try_register`] tells instead.
    ///
    /// # Example: once for each registration
    ///
    /// ```
    /// use mudlark::{Guardian, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let guardian = mutator.enter(|cx| {
    ///     let guardian = cx.alloc(Guardian::new());
    ///     let number = cx.alloc(7_u64);
    ///     guardian.register(cx, number);
    ///     guardian.register(cx, number);
    ///     cx.root(guardian)
    /// });
    /// mutator.collect();
    /// let count = mutator.enter(|cx| std::iter::from_fn(|| guardian.get(cx).poll(cx)).count());
    /// assert_eq!(count, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn register(&self, cx: &Scope<'gc>, object: Gc<'gc, T>) {
        if let Err(error) = self.try_register(cx, object) {
            error.panic();
        }
    }

    /// Has an object come back when it would die.
    ///
    /// # Errors
    ///
    /// When the heap is full. The object comes back at once, and nothing has happened.
    ///
    /// # Example: an error has the object
    ///
    /// ```
    /// use mudlark::{Guardian, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let (guardian, object) = (Guardian::new(), cx.alloc(7_u64));
    ///     let full = (0..).find_map(|_| guardian.try_register(cx, object).err()).expect("memory is finite");
    ///     assert_eq!(*full.value, 7);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_register(&self, cx: &Scope<'gc>, object: Gc<'gc, T>) -> Result<(), AllocError<Gc<'gc, T>>> {
        if let Err(error) = self.make_room(cx) {
            return Err(AllocError { value: object, full: error.full });
        }
        let mut state = self.state.borrow_mut();
        let slot = &self.slots.get(state.used).expect("there is room now").slot;
        // SAFETY: P1: the object is alive in this scope, the slot is free, and the guardian of one thread.
        unsafe { cx.local().fill_ephemeron(slot, Gc::cell(object), null_mut()) };
        state.used += 1;
        state.len += 1;
        Ok(())
    }

    /// An object that came back, if there is one: that which was registered first.
    ///
    /// # Example: buffers that are used again
    ///
    /// ```
    /// use mudlark::{GcRefCell, Guardian, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let spare = mutator.enter(|cx| {
    ///     let spare = cx.alloc(Guardian::new());
    ///     spare.register(cx, cx.alloc(GcRefCell::new(Vec::<u8>::with_capacity(1000))));
    ///     cx.root(spare)
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| {
    ///     let buffer = spare.get(cx).poll(cx).expect("nobody uses it");
    ///     assert_eq!(buffer.borrow().capacity(), 1000);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, cx: &Scope<'gc>) -> Option<Gc<'gc, T>> {
        let mut state = self.state.borrow_mut();
        let revived = cx.core().revived();
        if state.seen != revived {
            (state.seen, state.next) = (revived, 0);
        }
        while state.next < state.used {
            let slot = &self.slots.get(state.next).expect("slots in use exist").slot;
            state.next += 1;
            if !slot.is_revived() {
                continue;
            }
            // SAFETY: W2: the slot is alive like the guardian, whose thread this is. A weak load, as marking may not have come to it.
            let Some(object) = (unsafe { cx.local().upgrade_key(slot) }) else { continue };
            // SAFETY: P1: the object is in hand, and the guardian of one thread.
            unsafe { cx.local().empty_ephemeron(slot) };
            state.len -= 1;
            // SAFETY: H1: an upgrade gives what is alive; it was a `T` when it was registered.
            return Some(unsafe { Gc::from_cell(object) });
        }
        None
    }

    /// How many registrations there are: objects that live, and objects that came back and were not given away yet.
    ///
    /// # Example: objects under guard
    ///
    /// ```
    /// use mudlark::{Guardian, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let guardian = Guardian::new();
    ///     guardian.register(cx, cx.alloc(1_u64));
    ///     guardian.register(cx, cx.alloc(2));
    ///     assert_eq!(guardian.len(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.state.borrow().len
    }

    /// Whether [`Guardian::len`] is zero.
    ///
    /// # Example: nothing is left to come back
    ///
    /// ```
    /// use mudlark::{Guardian, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let guardian = mutator.enter(|cx| {
    ///     let guardian = cx.alloc(Guardian::new());
    ///     guardian.register(cx, cx.alloc(7_u64));
    ///     cx.root(guardian)
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| {
    ///     let guardian = guardian.get(cx);
    ///     assert!(!guardian.is_empty());
    ///     assert!(guardian.poll(cx).is_some() && guardian.is_empty());
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn make_room(&self, cx: &Scope<'gc>) -> Result<(), AllocError<()>> {
        let (is_full, is_sparse, len) = {
            let state = self.state.borrow();
            (state.used as usize == state.capacity, state.len * 2 < state.capacity, state.len)
        };
        if !is_full {
            return Ok(());
        }
        if !is_sparse || cx.local().is_closed() {
            let capacity = self.slots.grow(cx)?;
            self.state.borrow_mut().capacity = capacity;
            return Ok(());
        }
        let new = self.slots.prepare(cx, len * 2 + 1)?;
        let mut state = self.state.borrow_mut();
        let mut used = 0;
        for slot in (0..state.used).filter_map(|slot| self.slots.get(slot)) {
            if slot.slot.peek_key().is_some() {
                // SAFETY: P2: asked above; only this thread's mutators are at the guardian.
                unsafe { cx.local().copy_ephemeron(&slot.slot, &new.get(used).slot) };
                used += 1;
            }
        }
        *state = State { used, next: 0, capacity: new.capacity, ..*state };
        drop(state);
        self.slots.replace(cx, &new);
        Ok(())
    }
}

impl<T: ?Sized> fmt::Debug for Guardian<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guardian").field("len", &self.len()).finish_non_exhaustive()
    }
}

// SAFETY: T1: the slots are all there is; T3: the rest is not looked at.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Guardian<'gc, T> {
    const NEEDS_TRACE: bool = true;

    fn trace<V: Visitor>(&self, visitor: &mut V) {
        self.slots.trace(visitor);
    }
}

// SAFETY: B1: the same slots under another brand.
unsafe impl<T: ?Sized + Rebrand> Rebrand for Guardian<'_, T> {
    type With<'gc> = Guardian<'gc, T::With<'gc>>;
}
