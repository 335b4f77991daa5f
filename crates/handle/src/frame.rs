//! Frames: what recursive code keeps from one short scope to the next.

use crate::{
    gc::{Brand, Gc},
    heap::{Exit, Mutator},
    scope::Scope,
    trace::Rebrand,
};
use mudlark_collector::{self as collector, FrameMark, LocalSlot};
use std::{fmt, marker::PhantomData, ops::Deref};

/// A frame of a mutator's shadow stack: what recursive code, or a native function, holds while it opens and ends scopes.
///
/// [`Mutator::frame`] begins one, [`Frame::frame`] nests another in it. In its scopes, [`FrameScope::keep`] makes [`Local`]s, which end
/// with the frame, all at once, also when it unwinds. `'frame` is a brand that no other frame has, so no local can outlive its own.
///
/// # Example: an interpreter that enters a scope for each step
///
/// ```
/// use mudlark::{Frame, Gc, Heap, Local, Trace};
///
/// #[derive(Trace)]
/// enum Expr<'gc> {
///     Number(u64),
///     Add(Gc<'gc, Expr<'gc>>, Gc<'gc, Expr<'gc>>),
/// }
///
/// fn eval(frame: &mut Frame<'_>, expr: Local<'_, Expr<'static>>) -> u64 {
///     frame.frame(|frame| {
///         let parts = frame.enter(|cx| match *expr.get(cx) {
///             Expr::Number(number) => Err(number),
///             Expr::Add(left, right) => Ok((cx.keep(left), cx.keep(right))),
///         });
///         // Between two scopes: a cycle can end here, however deep the expression is.
///         match parts {
///             Err(number) => number,
///             Ok((left, right)) => eval(frame, left) + eval(frame, right),
///         }
///     })
/// }
///
/// let heap = Heap::builder().build()?;
/// let sum = heap.attach().frame(|frame| {
///     let expr = frame.enter(|cx| {
///         let one = cx.alloc(Expr::Number(1));
///         let two = cx.alloc(Expr::Add(one, one));
///         cx.keep(cx.alloc(Expr::Add(two, one)))
///     });
///     eval(frame, expr)
/// });
/// assert_eq!(sum, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Frame<'frame> {
    raw: &'frame collector::Mutator,
    brand: Brand<'frame>,
    /// The thread that has the mutator ends the frame.
    not_send: PhantomData<*mut ()>,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frame")
    }
}

/// Ends a frame, also when it unwinds.
struct End<'a> {
    raw: &'a collector::Mutator,
    mark: FrameMark,
}

impl Drop for End<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: H6: frames end on the thread they began on, in reverse order, and their locals are gone with their closures.
        unsafe { self.raw.end_frame(self.mark) };
    }
}

/// Runs `f` in a new frame of a mutator that is outside of its scopes, and stays the caller's alone meanwhile.
#[inline]
fn in_frame<R>(raw: &collector::Mutator, f: impl for<'frame> FnOnce(&mut Frame<'frame>) -> R) -> R {
    let _end = End { raw, mark: raw.begin_frame() };
    f(&mut Frame { raw, brand: PhantomData, not_send: PhantomData })
}

impl Mutator {
    /// Begins a frame and runs `f` in it. See [`Frame`].
    ///
    /// # Example: a value from one scope to the next
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().frame(|frame| {
    ///     let word = frame.enter(|cx| cx.keep(cx.alloc_str("kept")));
    ///     heap.collect();
    ///     frame.enter(|cx| assert_eq!(&*word.get(cx), "kept"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn frame<R>(&mut self, f: impl for<'frame> FnOnce(&mut Frame<'frame>) -> R) -> R {
        in_frame(self.raw(), f)
    }
}

impl<'frame> Frame<'frame> {
    /// Begins a frame in this one and runs `f` in it. The locals of this one can be used there.
    ///
    /// # Example: a result that outlives the frame in which it was made
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().frame(|frame| {
    ///     let result = frame.enter(|cx| cx.keep(cx.alloc(0_u64)));
    ///     frame.frame(|inner| {
    ///         let one = inner.enter(|cx| cx.keep(cx.alloc(1_u64)));
    ///         inner.enter(|cx| result.set(cx, one.get(cx)));
    ///     });
    ///     frame.enter(|cx| assert_eq!(*result.get(cx), 1));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn frame<R>(&mut self, f: impl for<'inner> FnOnce(&mut Frame<'inner>) -> R) -> R {
        in_frame(self.raw, f)
    }

    /// Opens a scope and runs `f` in it; as [`Mutator::enter`], with locals.
    ///
    /// # Panics
    ///
    /// As [`Mutator::enter`].
    ///
    /// # Example: a loop with a scope for each turn
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// let sum = heap.attach().frame(|frame| {
    ///     let sum = frame.enter(|cx| cx.keep(cx.alloc(0_u64)));
    ///     for n in 1..=4 {
    ///         frame.enter(|cx| sum.set(cx, cx.alloc(*sum.get(cx) + n)));
    ///     }
    ///     frame.enter(|cx| *sum.get(cx))
    /// });
    /// assert_eq!(sum, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn enter<R>(&mut self, f: impl for<'gc> FnOnce(&FrameScope<'frame, 'gc>) -> R) -> R {
        // SAFETY: H4: the frame has the mutator to itself, and `&mut self` means that no scope is open in it.
        unsafe { self.raw.enter() };
        let _exit = Exit { raw: self.raw };
        // SAFETY: H4: entered just now; the closure takes any brand, so none is known to anything else.
        let scope: &Scope<'_> = unsafe { Scope::of(self.raw) };
        f(FrameScope::of(scope))
    }
}

/// A scope of a frame: all that a [`Scope`] is, and what it keeps lives as long as the frame.
///
/// # Example: where a scope is wanted
///
/// ```
/// use mudlark::{Gc, Heap, Scope};
///
/// fn greeting<'gc>(cx: &Scope<'gc>) -> Gc<'gc, str> {
///     cx.alloc_str("hello")
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.attach().frame(|frame| {
///     let kept = frame.enter(|cx| cx.keep(greeting(cx)));
///     heap.collect();
///     frame.enter(|cx| assert_eq!(kept.get(cx), greeting(cx)));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct FrameScope<'frame, 'gc> {
    scope: Scope<'gc>,
    frame: Brand<'frame>,
}

impl fmt::Debug for FrameScope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameScope")
    }
}

impl<'gc> Deref for FrameScope<'_, 'gc> {
    type Target = Scope<'gc>;

    #[inline]
    fn deref(&self) -> &Scope<'gc> {
        &self.scope
    }
}

impl<'frame, 'gc> FrameScope<'frame, 'gc> {
    #[inline]
    fn of<'a>(scope: &'a Scope<'gc>) -> &'a FrameScope<'frame, 'gc> {
        // SAFETY: H6: a transparent wrapper, made by the frame for its own scope.
        unsafe { &*std::ptr::from_ref(scope).cast() }
    }

    /// Keeps an object until the frame ends.
    ///
    /// # Example: the arguments of a native function
    ///
    /// ```
    /// use mudlark::{Frame, Heap, Local};
    ///
    /// fn concat(frame: &mut Frame<'_>, parts: &[Local<'_, str>]) -> String {
    ///     frame.enter(|cx| parts.iter().map(|part| part.get(cx).into_ref()).collect())
    /// }
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().frame(|frame| {
    ///     let parts = frame.enter(|cx| ["mud", "lark"].map(|part| cx.keep(cx.alloc_str(part))));
    ///     assert_eq!(concat(frame, &parts), "mudlark");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn keep<T: ?Sized + Rebrand>(&self, gc: Gc<'gc, T>) -> Local<'frame, T::With<'static>> {
        // SAFETY: H1: what a `Gc` leads to is live in its scope, which is one of the mutator's.
        let slot = unsafe { self.scope.local().keep(Gc::cell(gc)) };
        Local { slot, frame: PhantomData, referent: PhantomData }
    }
}

/// An object that stays alive until a [`Frame`] ends: a root with stack discipline. `T` is the type's name under the brand `'static`.
///
/// It is one word and `Copy`: copies are the same local. It cannot leave its frame, nor its thread; making one takes about a nanosecond, ending it
/// nothing. [`Root`](crate::Root) is for what lives in no such order.
///
/// # Example: copies are the same local
///
/// ```
/// use mudlark::Heap;
///
/// let heap = Heap::builder().build()?;
/// heap.attach().frame(|frame| {
///     let number = frame.enter(|cx| cx.keep(cx.alloc(1_u64)));
///     let copy = number;
///     frame.enter(|cx| copy.set(cx, cx.alloc(2)));
///     frame.enter(|cx| assert_eq!(*number.get(cx), 2));
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Local<'frame, T: ?Sized> {
    slot: LocalSlot,
    frame: Brand<'frame>,
    referent: PhantomData<*mut T>,
}

impl<T: ?Sized> Clone for Local<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Local<'_, T> {}

impl<T: ?Sized> fmt::Debug for Local<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl<T: ?Sized + Rebrand> Local<'_, T> {
    /// The object, in a scope of the mutator whose frame this is.
    ///
    /// # Panics
    ///
    /// With a scope of another mutator.
    ///
    /// # Example: across a cycle
    ///
    /// ```
    /// use mudlark::Heap;
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().frame(|frame| {
    ///     let name = frame.enter(|cx| cx.keep(cx.alloc_str("lark")));
    ///     heap.collect();
    ///     assert_eq!(frame.enter(|cx| name.get(cx).len()), 4);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get<'gc>(&self, cx: &Scope<'gc>) -> Gc<'gc, T::With<'gc>> {
        self.assert_same_mutator(cx);
        // SAFETY: H6: the frame has not ended, and the scope is one of its mutator.
        let cell = unsafe { self.slot.get() }.expect("H6: a local in use has an object");
        // SAFETY: H6: the slot holds a live `T` of this heap; B1: under this scope's brand it is a `T::With<'gc>`.
        unsafe { Gc::from_cell(cell) }
    }

    /// Keeps another object in place of this one, for all copies of the local.
    ///
    /// # Panics
    ///
    /// With a scope of another mutator.
    ///
    /// # Example: the next of a list
    ///
    /// ```
    /// use mudlark::{Gc, Heap, Trace};
    ///
    /// #[derive(Trace)]
    /// struct Node<'gc>(u64, Option<Gc<'gc, Node<'gc>>>);
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().frame(|frame| {
    ///     let place = frame.enter(|cx| cx.keep(cx.alloc(Node(1, Some(cx.alloc(Node(2, None)))))));
    ///     let mut sum = 0;
    ///     while frame.enter(|cx| {
    ///         let node = place.get(cx);
    ///         sum += node.0;
    ///         node.1.inspect(|&next| place.set(cx, next)).is_some()
    ///     }) {}
    ///     assert_eq!(sum, 3);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn set<'gc>(&self, cx: &Scope<'gc>, gc: Gc<'gc, T::With<'gc>>) {
        self.assert_same_mutator(cx);
        // SAFETY: H1: what a `Gc` leads to is live in its scope; H6: the slot is in use, and this mutator's.
        unsafe { cx.local().keep_in(self.slot, Gc::cell(gc)) };
    }

    #[inline]
    fn assert_same_mutator(&self, cx: &Scope<'_>) {
        // SAFETY: H6: the frame has not ended.
        let is_same = unsafe { cx.local().keeps(self.slot) };
        assert!(
            is_same,
            "a local was used in a scope of another mutator; enter the frame's own mutator, or use a root"
        );
    }
}
