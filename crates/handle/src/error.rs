//! What allocation gives back when there is no memory.

use mudlark_collector::HeapFull;
use std::{error::Error, fmt};

/// There was no memory for a value; here it is again.
///
/// # Example: the value, and why
///
/// ```
/// use mudlark::{FullCause, Heap};
///
/// let heap = Heap::builder().max_heap(1 << 20).build()?;
/// heap.attach().enter(|cx| {
///     let error = (0_u64..).find_map(|n| cx.try_alloc([n; 100]).err()).expect("memory is finite");
///     let [value, ..] = error.value;
///     assert!(value > 500, "so many have room in 1 MiB");
///     assert!(error.full.bytes >= 800 && error.full.cause == FullCause::Limit);
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AllocError<T> {
    /// The value that was to be moved into the heap.
    pub value: T,
    /// How full the heap is, and which limit it met.
    pub full: HeapFull,
}

impl<T> AllocError<T> {
    /// Turns the error into the panic of the functions that do not return it.
    #[cold]
    pub(crate) fn panic(self) -> ! {
        panic!("{}", self.full)
    }
}

impl<T> fmt::Debug for AllocError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllocError").field("full", &self.full).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for AllocError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.full.fmt(f)
    }
}

impl<T> Error for AllocError<T> {}
