//! Roots: objects that live because somebody outside of the heap wants them.

use crate::{error::AllocError, gc::Gc, heap::Heap, scope::Scope, trace::Rebrand, weak::GcWeak};
use mudlark_collector::{Core, RootSlot};
use std::{fmt, marker::PhantomData, ptr::NonNull};

/// An object that stays alive outside of scopes. `T` is the type's name under the brand `'static`: `Root<Node<'static>>`.
///
/// A root keeps its heap alive too. It can go to another thread if its object can be shared with one. An object that owns a
/// root of its own heap is never freed.
///
/// # Example: a value that several scopes share
///
/// ```
/// use mudlark::{Heap, Root};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let counter: Root<u64> = mutator.enter(|cx| cx.root(cx.alloc(1_u64)));
/// mutator.enter(|cx| counter.set(cx, cx.alloc(*counter.get(cx) + 1)));
/// assert_eq!(mutator.enter(|cx| *counter.get(cx)), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct Root<T: ?Sized> {
    slot: RootSlot,
    referent: PhantomData<*mut T>,
}

// SAFETY: H5: with a root another thread's mutator can share the object, and nothing else.
unsafe impl<T: ?Sized + Send + Sync> Send for Root<T> {}
// SAFETY: H5: as above; the slot is atomic.
unsafe impl<T: ?Sized + Send + Sync> Sync for Root<T> {}

impl<T: ?Sized> fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl<T: ?Sized> Root<T> {
    /// # Safety
    ///
    /// `cell` holds a live object of the scope's heap whose type is `T` under that scope's brand.
    #[inline]
    pub(crate) unsafe fn new(cx: &Scope<'_>, cell: NonNull<u8>) -> Root<T> {
        // SAFETY: promised by the caller; `drop` gives the slot back.
        let slot = unsafe { cx.local().add_root(cell) };
        Root { slot, referent: PhantomData }
    }

    /// The cell of the object.
    ///
    /// # Safety
    ///
    /// The caller is in a scope of the root's heap.
    #[inline]
    pub(crate) unsafe fn cell(&self) -> NonNull<u8> {
        // SAFETY: R3: the root keeps its heap alive.
        unsafe { self.slot.get() }.expect("H5: a root in use has an object")
    }

    /// Whether this is a root of a heap.
    ///
    /// # Example: two heaps
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let (heap, other) = (Heap::builder().build()?, Heap::builder().build()?);
    /// let root = heap.attach().enter(|cx| cx.root(cx.alloc(1_u64)));
    /// assert!(root.belongs_to(&heap) && !root.belongs_to(&other));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn belongs_to(&self, heap: &Heap) -> bool {
        self.is_of(heap.core())
    }

    #[inline]
    fn is_of(&self, core: &Core) -> bool {
        // SAFETY: R3: the root keeps its heap alive.
        unsafe { self.slot.is_of(core) }
    }

    /// Whether two roots lead to one object now. Roots of different heaps never do.
    ///
    /// # Example: identity outside of scopes
    ///
    /// ```
    /// use mudlark::{Heap, Root};
    ///
    /// let heap = Heap::builder().build()?;
    /// let (a, b) = heap.attach().enter(|cx| {
    ///     let word = cx.alloc_str("same");
    ///     (cx.root(word), cx.root(word))
    /// });
    /// assert!(Root::ptr_eq(&a, &b));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        // SAFETY: R3: a root keeps its heap alive.
        let object = |root: &Self| unsafe { root.slot.get() };
        object(this) == object(other)
    }

    #[inline]
    fn assert_same_heap(&self, cx: &Scope<'_>) {
        assert!(
            self.is_of(cx.core()),
            "a root was used in a scope of another heap; enter a mutator of the heap that made it"
        );
    }
}

impl<T: ?Sized + Rebrand> Root<T> {
    /// A root of an object that is named under its scope's brand.
    pub(crate) fn of<'gc>(cx: &Scope<'gc>, gc: Gc<'gc, T::With<'gc>>) -> Root<T> {
        // SAFETY: H1: what a `Gc` leads to is live in its scope.
        unsafe { Root::new(cx, Gc::cell(gc)) }
    }

    /// The object, in a scope of its heap.
    ///
    /// # Panics
    ///
    /// With a scope of another heap; [`Root::try_get`] answers instead.
    ///
    /// # Example: from one scope to the next
    ///
    /// ```
    /// use mudlark::{Heap, Root};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let number: Root<u64> = mutator.enter(|cx| cx.root(cx.alloc(7_u64)));
    /// assert_eq!(mutator.enter(|cx| *number.get(cx)), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get<'gc>(&self, cx: &Scope<'gc>) -> Gc<'gc, T::With<'gc>> {
        self.assert_same_heap(cx);
        // SAFETY: H4: the scope is one of this heap.
        let cell = unsafe { self.cell() };
        // SAFETY: H5: the slot holds a live `T` of this heap; B1: under this scope's brand it is a `T::With<'gc>`.
        unsafe { Gc::from_cell(cell) }
    }

    /// The object, if the scope is one of its heap.
    ///
    /// # Example: a root from who knows where
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let (heap, other) = (Heap::builder().build()?, Heap::builder().build()?);
    /// let root = heap.attach().enter(|cx| cx.root(cx.alloc(1_u64)));
    /// assert!(other.attach().enter(|cx| root.try_get(cx).is_none()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_get<'gc>(&self, cx: &Scope<'gc>) -> Option<Gc<'gc, T::With<'gc>>> {
        self.is_of(cx.core()).then(|| self.get(cx))
    }

    /// Roots another object in place of this one.
    ///
    /// # Panics
    ///
    /// With a scope of another heap.
    ///
    /// # Example: the current state of a program
    ///
    /// ```
    /// use mudlark::{Heap, Root};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let state: Root<str> = mutator.enter(|cx| cx.root(cx.alloc_str("idle")));
    /// mutator.enter(|cx| state.set(cx, cx.alloc_str("busy")));
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(&*state.get(cx), "busy"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set<'gc>(&self, cx: &Scope<'gc>, gc: Gc<'gc, T::With<'gc>>) {
        self.assert_same_heap(cx);
        // SAFETY: H1: what a `Gc` leads to is live in its scope, which is one of the slot's heap.
        unsafe { cx.local().set_root(self.slot, Gc::cell(gc)) };
    }
}

/// Makes another root of the same object, in or outside of scopes: quick in a scope of the mutator that made this one, else with a lock.
///
/// # Panics
///
/// In a fork of the process that made the heap, outside of scopes.
impl<T: ?Sized> Clone for Root<T> {
    fn clone(&self) -> Root<T> {
        // SAFETY: R3: the slot is in use, and keeps its heap alive.
        Root { slot: unsafe { self.slot.duplicate() }, referent: PhantomData }
    }
}

impl<T: ?Sized> Drop for Root<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: H5: nobody else has the slot.
        unsafe { self.slot.give_up() };
    }
}

/// A reference to an object, from outside of scopes, that does not keep it alive. `T` is the type's name under the brand `'static`.
///
/// It keeps its heap alive, and a word in it. It is to [`Root`] what [`GcWeak`] is to [`Gc`]: what dies with the object is decided by whole
/// cycles, and once an upgrade gave `None` it always will.
///
/// # Example: a table of whatever is still in use
///
/// ```
/// use mudlark::{Heap, Root, WeakRoot};
///
/// let heap = Heap::builder().build()?;
/// let mut mutator = heap.attach();
/// let (root, weak): (Root<str>, WeakRoot<str>) = mutator.enter(|cx| {
///     let word = cx.alloc_str("in use");
///     (cx.root(word), WeakRoot::new(cx, word))
/// });
/// mutator.collect();
/// mutator.enter(|cx| assert_eq!(weak.upgrade(cx).as_deref(), Some("in use")));
/// drop(root);
/// mutator.collect();
/// mutator.enter(|cx| assert!(weak.upgrade(cx).is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct WeakRoot<T: ?Sized> {
    /// Leads to the weak box.
    root: Root<T>,
}

impl<T: ?Sized> fmt::Debug for WeakRoot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakRoot").field("slot", &self.root.slot).finish_non_exhaustive()
    }
}

/// Makes another weak root of the same object, as [`Root`]'s `clone` does.
///
/// # Panics
///
/// As there.
impl<T: ?Sized> Clone for WeakRoot<T> {
    fn clone(&self) -> WeakRoot<T> {
        WeakRoot { root: self.root.clone() }
    }
}

impl<T: ?Sized + Rebrand> WeakRoot<T> {
    /// A weak root of an object. Takes 16 bytes in the heap.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`WeakRoot::try_new`] tells instead.
    ///
    /// # Example: a list of whom to tell, that keeps nobody
    ///
    /// ```
    /// use mudlark::{Heap, WeakRoot};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let listeners: Vec<WeakRoot<str>> =
    ///     mutator.enter(|cx| ["Ann", "Bob"].map(|name| WeakRoot::new(cx, cx.alloc_str(name))).into());
    /// mutator.collect();
    /// mutator.enter(|cx| assert!(listeners.iter().all(|listener| listener.upgrade(cx).is_none())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn new<'gc>(cx: &Scope<'gc>, target: Gc<'gc, T::With<'gc>>) -> WeakRoot<T> {
        WeakRoot::of(cx, GcWeak::new(cx, target))
    }

    /// A weak root of an object.
    ///
    /// # Errors
    ///
    /// When the heap is full. The target comes back, and nothing has happened.
    ///
    /// # Example: as `new`, for scripts that may hit their limit
    ///
    /// ```
    /// use mudlark::{Heap, WeakRoot};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| assert!(WeakRoot::<u64>::try_new(cx, cx.alloc(7)).is_ok()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_new<'gc>(
        cx: &Scope<'gc>,
        target: Gc<'gc, T::With<'gc>>,
    ) -> Result<WeakRoot<T>, AllocError<Gc<'gc, T::With<'gc>>>> {
        Ok(WeakRoot::of(cx, GcWeak::try_new(cx, target)?))
    }

    /// What a weak pointer of a scope is outside.
    ///
    /// # Example: from a weak pointer
    ///
    /// ```
    /// use mudlark::{GcWeak, Heap, WeakRoot};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let weak: WeakRoot<u64> = WeakRoot::of(cx, GcWeak::new(cx, cx.alloc(7)));
    ///     assert_eq!(weak.upgrade(cx).as_deref(), Some(&7));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of<'gc>(cx: &Scope<'gc>, weak: GcWeak<'gc, T::With<'gc>>) -> WeakRoot<T> {
        // SAFETY: H7: the slot of a weak root holds a box, and nothing but `upgrade` looks at it.
        WeakRoot { root: unsafe { Root::new(cx, weak.cell()) } }
    }

    /// The object, if it is not dead, in a scope of its heap.
    ///
    /// # Panics
    ///
    /// With a scope of another heap.
    ///
    /// # Example: alive while a root is
    ///
    /// ```
    /// use mudlark::{Heap, WeakRoot};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let (root, weak): (_, WeakRoot<u64>) = mutator.enter(|cx| {
    ///     let number = cx.alloc(7);
    ///     (cx.root(number), WeakRoot::new(cx, number))
    /// });
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(weak.upgrade(cx), Some(root.get(cx))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upgrade<'gc>(&self, cx: &Scope<'gc>) -> Option<Gc<'gc, T::With<'gc>>> {
        self.root.assert_same_heap(cx);
        // SAFETY: H4: the scope is one of this heap.
        let cell = unsafe { self.root.cell() };
        // SAFETY: H7: the slot holds a box that was made for a `T`; B1: under this scope's brand it is a `T::With<'gc>`.
        unsafe { GcWeak::from_cell(cell) }.upgrade(cx)
    }

    /// Whether this is a weak root of a heap.
    ///
    /// # Example: two heaps
    ///
    /// ```
    /// use mudlark::{Heap, WeakRoot};
    ///
    /// let (heap, other) = (Heap::builder().build()?, Heap::builder().build()?);
    /// let weak: WeakRoot<u64> = heap.attach().enter(|cx| WeakRoot::new(cx, cx.alloc(7)));
    /// assert!(weak.belongs_to(&heap) && !weak.belongs_to(&other));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn belongs_to(&self, heap: &Heap) -> bool {
        self.root.belongs_to(heap)
    }
}
