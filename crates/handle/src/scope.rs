//! Scopes: where pointers live and objects are made.

use crate::{
    error::AllocError,
    gc::{Brand, Gc},
    layout::{Place, descriptor},
    root::Root,
    trace::{Rebrand, Trace},
};
use mudlark_collector::{
    Core, Descriptor, ExternalAccount, ExternalBytes, HeapFull, Kind, Local, Mutator, WeakBox,
};
use std::{fmt, marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

/// A mutator in a scope: what allocates, and what changes cells. Usually called `cx`.
///
/// [`Mutator::enter`](crate::Mutator::enter) makes one, with a brand `'gc` that no other scope has. While it is open the collector
/// waits for nothing but its end, and frees nothing that the scope could see.
///
/// # Example: a function that allocates
///
/// ```
/// use mudlark::{Gc, Heap, Scope};
///
/// fn greeting<'gc>(cx: &Scope<'gc>, name: &str) -> Gc<'gc, str> {
///     cx.alloc_str(&format!("Hello, {name}!"))
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| assert_eq!(&*greeting(cx, "Ann"), "Hello, Ann!"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct Scope<'gc> {
    mutator: Mutator,
    brand: Brand<'gc>,
    /// A scope belongs to its thread.
    not_send: PhantomData<*mut ()>,
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

impl<'gc> Scope<'gc> {
    /// The scope of an entered mutator.
    ///
    /// # Safety
    ///
    /// The current thread entered `mutator` and exits it only when the returned reference is dead; `'gc` is a
    /// brand that nothing else has.
    #[inline]
    pub(crate) unsafe fn of(mutator: &Mutator) -> &Scope<'gc> {
        // SAFETY: H4: `Scope` is a transparent wrapper of a `Mutator`.
        unsafe { &*std::ptr::from_ref(mutator).cast::<Scope<'gc>>() }
    }

    #[inline(always)]
    pub(crate) fn local(&self) -> &Local {
        // SAFETY: H4: a scope exists only while its thread has entered the mutator.
        unsafe { self.mutator.local() }
    }

    #[inline(always)]
    pub(crate) fn raw(&self) -> &Mutator {
        &self.mutator
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        self.local().core()
    }

    /// Moves a value into the heap.
    ///
    /// # Panics
    ///
    /// When the heap is full; [`Scope::try_alloc`] gives the value back instead.
    ///
    /// # Example: an object that leads to another
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Wrapped<'gc>(Gc<'gc, u64>);
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let wrapped = cx.alloc(Wrapped(cx.alloc(7)));
    ///     assert_eq!(*wrapped.0, 7);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn alloc<T: Trace<'gc>>(&self, value: T) -> Gc<'gc, T> {
        match self.try_alloc(value) {
            Ok(gc) => gc,
            Err(error) => error.panic(),
        }
    }

    /// Moves a value into the heap.
    ///
    /// # Errors
    ///
    /// When the heap is full: at its maximum, or the system gives no memory. The value comes back, nothing has happened, and a
    /// cycle is asked for; once the scope is left, it may free memory.
    ///
    /// # Example: a script that hits its limit
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Cons<'gc>(u64, Option<Gc<'gc, Cons<'gc>>>);
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// let message = heap.attach().enter(|cx| {
    ///     let mut list = None;
    ///     for n in 0.. {
    ///         match cx.try_alloc(Cons(n, list)) {
    ///             Ok(cons) => list = Some(cons),
    ///             Err(error) => return error.to_string(),
    ///         }
    ///     }
    ///     unreachable!()
    /// });
    /// assert!(message.starts_with("cannot allocate 16 bytes"), "{message}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn try_alloc<T: Trace<'gc>>(&self, value: T) -> Result<Gc<'gc, T>, AllocError<T>> {
        let cell = self.place(const { Place::of::<T>() }, descriptor::<T>(), value)?;
        // SAFETY: H1: it holds a `T`, made in this scope.
        Ok(unsafe { Gc::from_cell(cell) })
    }

    /// Moves a value into a new cell, or run, of a place for its layout.
    #[inline(always)]
    pub(crate) fn place<T>(
        &self,
        place: Place,
        descriptor: &'static Descriptor,
        value: T,
    ) -> Result<NonNull<u8>, AllocError<T>> {
        let cell = match place {
            Place::Leaf(class) => self.cell_of(Kind::leaf(class), place.cell_bytes(), descriptor),
            Place::Typed(bytes) => self.cell_of(Kind::of(descriptor), bytes, descriptor),
            Place::Large => return self.place_large(descriptor, value),
        };
        match cell {
            Ok(cell) => {
                // SAFETY: H3: the cell is new, large enough for a `T`, and aligned to it.
                unsafe { cell.cast::<T>().write(value) };
                Ok(cell)
            }
            Err(full) => Err(AllocError { value, full }),
        }
    }

    #[cold]
    fn place_large<T>(
        &self,
        descriptor: &'static Descriptor,
        value: T,
    ) -> Result<NonNull<u8>, AllocError<T>> {
        let value = ManuallyDrop::new(value);
        let cell = self.large(descriptor, size_of::<T>(), |cell| {
            // SAFETY: H3: the run is new and large enough; the value is forgotten if this happens.
            unsafe { std::ptr::copy_nonoverlapping(&raw const *value, cell.cast::<T>().as_ptr(), 1) };
        });
        cell.map_err(|full| AllocError { value: ManuallyDrop::into_inner(value), full })
    }

    /// A new cell. What is in it is garbage until the caller, at once, writes an object.
    #[inline(always)]
    pub(crate) fn cell_of(
        &self,
        kind: Kind,
        cell_bytes: usize,
        descriptor: &'static Descriptor,
    ) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: H3: `layout.rs` gives kinds and sizes that belong together; the callers fill the cell at once.
        match unsafe { self.local().bump(kind, cell_bytes) } {
            Some(cell) => Ok(cell),
            // SAFETY: H3: as above.
            None => unsafe { self.local().alloc_slow(&self.mutator, kind, descriptor, cell_bytes) },
        }
    }

    /// A run of blocks for one object, which `init` makes valid.
    pub(crate) fn large(
        &self,
        descriptor: &'static Descriptor,
        bytes: usize,
        init: impl FnMut(NonNull<u8>),
    ) -> Result<NonNull<u8>, HeapFull> {
        // SAFETY: H3: the callers' `init` writes an object of the descriptor's type, or an empty slice.
        unsafe { self.local().alloc_large(&self.mutator, descriptor, bytes, init) }
    }

    /// Counts memory outside of the heap that an object holds: a buffer, a handle of the system. It paces cycles and counts
    /// against the memory limit as if it were in the heap. Keep the answer in the object: the bytes are gone when it dies.
    ///
    /// # Example: an image whose pixels are elsewhere
    ///
    /// ```
    /// use mudlark::{ExternalBytes, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Image {
    ///     pixels: Vec<u8>,
    ///     _held: ExternalBytes,
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// mutator.enter(|cx| _ = cx.alloc(Image { pixels: vec![0; 1 << 20], _held: cx.account_external(1 << 20) }));
    /// assert_eq!(heap.stats().external_bytes, 1 << 20);
    /// mutator.collect();
    /// assert_eq!(heap.stats().external_bytes, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn account_external(&self, bytes: u64) -> ExternalBytes {
        self.local().account_external(&self.mutator, bytes)
    }

    /// The same, unless the heap's hard limit stands against it ([`Heap::set_hard_limit`](crate::Heap::set_hard_limit)).
    ///
    /// # Errors
    ///
    /// [`HeapFull`] when there is no room for so many bytes below the limit. A cycle is asked for.
    ///
    /// # Example: a buffer that is refused
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.set_hard_limit(1 << 20);
    /// let refused = heap.attach().enter(|cx| cx.try_account_external(2 << 20)).unwrap_err();
    /// assert!(refused.to_string().contains("set_hard_limit"), "{refused}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_account_external(&self, bytes: u64) -> Result<ExternalBytes, HeapFull> {
        self.local().try_account_external(&self.mutator, bytes)
    }

    /// Counts another number for memory that [`Scope::account_external`] counted, because a buffer has grown or shrunk. What is more
    /// is paid for as if it were allocated; [`ExternalBytes::resize`] only counts.
    ///
    /// # Example: a buffer that doubles
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut held = cx.account_external(1 << 10);
    ///     cx.resize_external(&mut held, 2 << 10);
    ///     assert_eq!(heap.stats().external_bytes, 2 << 10);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resize_external(&self, held: &mut ExternalBytes, bytes: u64) {
        self.local().resize_external(&self.mutator, held, bytes);
    }

    /// Counts what a collection holds from now on. Returns what is to be paid for it. Runs nothing else.
    #[inline]
    pub(crate) fn count_external(&self, account: &mut ExternalAccount, bytes: u64) -> u64 {
        self.local().count_external(account, bytes)
    }

    /// The same before it grows, if there is room.
    #[inline]
    pub(crate) fn count_growth(&self, account: &mut ExternalAccount, bytes: u64) -> Result<u64, HeapFull> {
        self.local().count_growth(&self.mutator, account, bytes)
    }

    /// Pays for what was counted. May mark and sweep.
    #[inline]
    pub(crate) fn pay_counted(&self, more: u64) {
        self.local().pay_counted(&self.mutator, more);
    }

    /// The error for a buffer that was counted and then not granted.
    pub(crate) fn refused_external(&self, bytes: usize) -> HeapFull {
        self.local().refused_external(&self.mutator, bytes)
    }

    /// A new weak box for an object that a `Gc` of this scope leads to.
    pub(crate) fn weak_box(&self, target: NonNull<u8>) -> Result<WeakBox, HeapFull> {
        // SAFETY: H1: the object is alive in this scope, and of its heap.
        unsafe { self.local().alloc_weak(&self.mutator, target) }
    }

    /// Keeps an object alive beyond the scope.
    ///
    /// # Example: from one scope to the next
    ///
    /// ```
    /// use mudlark::{Heap, Root};
    ///
    /// let heap = Heap::builder().build()?;
    /// let mut mutator = heap.attach();
    /// let word: Root<str> = mutator.enter(|cx| cx.root(cx.alloc_str("kept")));
    /// mutator.collect();
    /// mutator.enter(|cx| assert_eq!(&*word.get(cx), "kept"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn root<T: ?Sized + Rebrand>(&self, gc: Gc<'gc, T>) -> Root<T::With<'static>> {
        // SAFETY: H1: what a `Gc` leads to is live in its scope; B1: the type differs in its brand only.
        unsafe { Root::new(self, Gc::cell(gc)) }
    }
}
