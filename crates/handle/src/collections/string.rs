//! Building strings in the heap.
//!
//! ```text
//!   object of a string:   [ length | bytes ................................ | room ]
//!                           0 while it is built: written by `finish`
//! ```
//!
//! The text grows in the object that it will be. When that is too small, a larger one takes its place and the old one is garbage; at
//! the end nothing is copied. A builder lives in a scope, on its stack, so what it leads to stays (H1) and no marker looks at it: there
//! are no pointers in it.

use crate::{
    error::AllocError,
    gc::Gc,
    layout::{SliceLayout, elements},
    scope::Scope,
};
use mudlark_collector::HeapFull;
use std::{fmt, ptr, ptr::NonNull, slice, str};

/// A string that is being built in the heap, and becomes a `Gc<str>` where it is.
///
/// It is written to like a `String`, or by `write!`, and lives in its scope.
///
/// # Example: a list of names
///
/// ```
/// use mudlark::{GcString, Heap};
/// use std::fmt::Write;
///
/// let heap = Heap::builder().build()?;
/// heap.attach().enter(|cx| {
///     let mut text = GcString::new(cx);
///     for name in ["Ann", "Bob"] {
///         write!(text, "{}{name}", if text.is_empty() { "" } else { ", " }).expect("there is memory");
///     }
///     text.push('.');
///     assert_eq!(&*text.finish(), "Ann, Bob.");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GcString<'s, 'gc> {
    cx: &'s Scope<'gc>,
    /// An empty slice of bytes with room, whose first `len` were written.
    buffer: Option<Gc<'gc, [u8]>>,
    len: usize,
    capacity: usize,
}

/// Room of the first buffer.
const CAPACITY_MIN: usize = 24;

impl<'s, 'gc> GcString<'s, 'gc> {
    /// An empty string, without a buffer.
    ///
    /// # Example: one allocation at the end
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     assert_eq!((text.len(), text.capacity()), (0, 0));
    ///     text.push_str("lark");
    ///     assert_eq!(&*text.finish(), "lark");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(cx: &'s Scope<'gc>) -> GcString<'s, 'gc> {
        GcString { cx, buffer: None, len: 0, capacity: 0 }
    }

    /// An empty string with room for so many bytes.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: a text of known length
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut line = GcString::with_capacity(cx, 80);
    ///     let room = line.capacity();
    ///     (0..80).for_each(|_| line.push('-'));
    ///     assert_eq!((line.len(), line.capacity()), (80, room));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn with_capacity(cx: &'s Scope<'gc>, bytes: usize) -> GcString<'s, 'gc> {
        let mut text = GcString::new(cx);
        if let Err(full) = text.try_reserve(bytes) {
            AllocError { value: (), full }.panic();
        }
        text
    }

    /// Bytes written so far.
    ///
    /// # Example: bytes, not characters
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     text.push('é');
    ///     assert_eq!(text.len(), 2);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    ///
    /// # Example: a comma but before the first
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut list = GcString::new(cx);
    ///     for word in ["a", "b"] {
    ///         if !list.is_empty() {
    ///             list.push(',');
    ///         }
    ///         list.push_str(word);
    ///     }
    ///     assert_eq!(list.as_str(), "a,b");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes there is room for.
    ///
    /// # Example: it grows with the text
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     text.push_str(&"lark".repeat(100));
    ///     assert!(text.capacity() >= 400);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What was written so far.
    ///
    /// # Example: a look at what is there
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     text.push_str("lark");
    ///     assert!(text.as_str().starts_with("la"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_str(&self) -> &str {
        let Some(buffer) = self.buffer else { return "" };
        // SAFETY: H3: the first `len` bytes were written, and nobody else knows the buffer.
        let bytes = unsafe { slice::from_raw_parts(bytes_of(buffer).as_ptr(), self.len) };
        // SAFETY: only whole strings were written, and cut at the borders of characters.
        unsafe { str::from_utf8_unchecked(bytes) }
    }

    /// Adds text.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: part by part
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut path = GcString::new(cx);
    ///     ["usr", "bin"].map(|part| {
    ///         path.push('/');
    ///         path.push_str(part);
    ///     });
    ///     assert_eq!(&*path.finish(), "/usr/bin");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn push_str(&mut self, text: &str) {
        if let Err(full) = self.try_push_str(text) {
            AllocError { value: (), full }.panic();
        }
    }

    /// Adds text.
    ///
    /// # Errors
    ///
    /// When the heap is full. Nothing was added.
    ///
    /// # Example: what was there stays
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     assert!(text.try_push_str("lark").is_ok());
    ///     assert!(text.try_push_str(&"lark".repeat(1 << 20)).is_err());
    ///     assert_eq!(text.as_str(), "lark");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_push_str(&mut self, text: &str) -> Result<(), HeapFull> {
        if text.len() > self.capacity - self.len {
            self.grow(text.len())?;
        }
        if let Some(buffer) = self.buffer {
            // SAFETY: H3: there is room for the text behind the first `len` bytes.
            let end = unsafe { bytes_of(buffer).add(self.len) };
            // SAFETY: H3: as above; `text` is none of the room, which nobody else knows.
            unsafe { ptr::copy_nonoverlapping(text.as_ptr(), end.as_ptr(), text.len()) };
            self.len += text.len();
        }
        Ok(())
    }

    /// Adds a character.
    ///
    /// # Panics
    ///
    /// When the heap is full.
    ///
    /// # Example: character by character
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut reversed = GcString::new(cx);
    ///     "lark".chars().rev().for_each(|character| reversed.push(character));
    ///     assert_eq!(&*reversed.finish(), "kral");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Takes the last character off.
    ///
    /// # Example: the comma too many
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut list = GcString::new(cx);
    ///     ["a", "b"].map(|word| list.push_str(&format!("{word},")));
    ///     assert_eq!(list.pop(), Some(','));
    ///     assert_eq!(list.as_str(), "a,b");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop(&mut self) -> Option<char> {
        let last = self.as_str().chars().next_back()?;
        self.len -= last.len_utf8();
        Some(last)
    }

    /// Cuts the string to so many bytes, if it is longer.
    ///
    /// # Panics
    ///
    /// If that is within a character.
    ///
    /// # Example: back to where it was
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     text.push_str("kept");
    ///     let len = text.len();
    ///     text.push_str(", tried");
    ///     text.truncate(len);
    ///     assert_eq!(text.as_str(), "kept");
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            assert!(
                self.as_str().is_char_boundary(len),
                "cannot cut a string at byte {len}: it is within a character"
            );
            self.len = len;
        }
    }

    /// Makes the string empty, and keeps the buffer.
    ///
    /// # Example: one buffer for many lines
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut line = GcString::with_capacity(cx, 100);
    ///     let room = line.capacity();
    ///     line.push_str("one");
    ///     line.clear();
    ///     assert_eq!((line.as_str(), line.capacity()), ("", room));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for so many more bytes.
    ///
    /// # Errors
    ///
    /// When the heap is full.
    ///
    /// # Example: before the work, not in the middle of it
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().max_heap(1 << 20).build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     assert!(text.try_reserve(2 << 20).is_err());
    ///     assert!(text.try_reserve(1 << 10).is_ok() && text.capacity() >= 1 << 10);
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve(&mut self, bytes: usize) -> Result<(), HeapFull> {
        if bytes > self.capacity - self.len { self.grow(bytes) } else { Ok(()) }
    }

    /// The string, where it was built. If less than half of the buffer is used, a copy of the right size.
    ///
    /// # Panics
    ///
    /// When the heap is full and there is something to copy: nothing, or less than half of the buffer.
    ///
    /// # Example: a string like any other
    ///
    /// ```
    /// use mudlark::{GcString, Heap};
    ///
    /// let heap = Heap::builder().build()?;
    /// heap.attach().enter(|cx| {
    ///     let mut text = GcString::new(cx);
    ///     text.push_str("lark");
    ///     assert_eq!(text.finish(), cx.alloc_str("lark"));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn finish(self) -> Gc<'gc, str> {
        match self.buffer {
            Some(buffer) if self.len >= self.capacity / 2 || self.capacity <= CAPACITY_MIN => {
                // SAFETY: H3: the cell is that of an empty slice of bytes, the first `len` of which were written since.
                let bytes: Gc<'gc, [u8]> = unsafe { self.cx.finish_slice(Gc::cell(buffer), self.len) };
                // SAFETY: H3: a string is the slice of its bytes; only whole strings were written.
                unsafe { Gc::from_cell(Gc::cell(bytes)) }
            }
            _ => self.cx.alloc_str(self.as_str()),
        }
    }

    /// A buffer with room for `additional` more bytes, and at least twice as large.
    #[cold]
    fn grow(&mut self, additional: usize) -> Result<(), HeapFull> {
        let wanted =
            self.len.saturating_add(additional).max(self.capacity.saturating_mul(2)).max(CAPACITY_MIN);
        let cell = self.cx.empty_slice::<u8>(wanted).map_err(|error| error.full)?;
        // SAFETY: H1: an empty slice, made in this scope.
        let buffer: Gc<'gc, [u8]> = unsafe { Gc::from_cell(cell) };
        let text = self.as_str();
        // SAFETY: H3: the new buffer has room for more than there is, and is another one.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), bytes_of(buffer).as_ptr(), text.len()) };
        self.buffer = Some(buffer);
        // What the cell is larger than was asked for is room too.
        self.capacity = SliceLayout::room::<u8>(wanted);
        Ok(())
    }
}

fn bytes_of(buffer: Gc<'_, [u8]>) -> NonNull<u8> {
    elements::<u8>(Gc::cell(buffer))
}

impl fmt::Write for GcString<'_, '_> {
    /// Adds text; it fails when the heap is full.
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.try_push_str(text).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for GcString<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for GcString<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
