//! A garbage-collected heap for Rust programs: concurrent, paced, and safe to use.
//!
//! A [`Heap`] is for those who embed one in an interpreter, build a runtime, or study pacing. Its collector marks on
//! background threads while the program runs; objects have no headers; a pointer is one word that costs
//! nothing to copy or to follow. Nothing in this crate needs `unsafe` to be used.
//!
//! # The four things to know
//!
//! - A [`Mutator`] is a thread's access to the heap. [`Mutator::enter`] opens a *scope*; the collector
//!   never interrupts one.
//! - In a scope there are [`Gc`] pointers, plain `Copy` words branded with the scope's `'gc`, so they can neither leave it nor
//!   meet another heap's.
//! - What must outlive the scope goes into a [`Root`].
//! - Objects are immutable but for their cells: [`GcCell`] for one pointer, [`GcRefCell`] for anything else,
//!   [`GcMutex`] and [`GcRwLock`] for anything that several threads change.
//!
//! # Example: a list that is built, kept, and walked
//!
//! ```
//! use mudlark::{Gc, GcCell, Heap, Root, Trace};
//!
//! #[derive(Trace)]
//! struct Node<'gc> {
//!     value: u64,
//!     next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
//! }
//!
//! let heap = Heap::builder().build()?;
//! let mut mutator = heap.attach();
//! let list: Root<Node<'static>> = mutator.enter(|cx| {
//!     let tail = cx.alloc(Node { value: 2, next: GcCell::new(None) });
//!     let head = cx.alloc(Node { value: 1, next: GcCell::new(Some(tail)) });
//!     tail.next.set(cx, Some(head)); // A cycle is no problem.
//!     cx.root(head)
//! });
//! mutator.collect();
//! let sum = mutator.enter(|cx| {
//!     let head = list.get(cx);
//!     head.value + head.next.get().map_or(0, |tail| tail.value)
//! });
//! assert_eq!(sum, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod cell;
mod cleanup;
mod collections;
mod dynamic;
mod ephemeron;
mod error;
mod frame;
mod fuel;
mod gc;
mod guarded;
mod guardian;
mod heap;
mod identity;
mod interner;
mod interrupt;
mod layout;
mod lazy;
mod mutex;
mod once_cell;
mod pool;
mod ref_cell;
mod root;
mod root_set;
mod rw_lock;
mod scope;
mod scoped;
mod slice;
mod slots;
mod stats;
mod tail;
pub mod trace;
mod weak;
mod weak_map;
mod weak_table;

pub use builder::HeapBuilder;
pub use cell::{GcCell, Word};
pub use cleanup::Cleanup;
pub use collections::{
    GcHashMap, GcHashMapMut, GcHashMapRef, GcHashSet, GcHashSetRef, GcMapEntry, GcOccupiedEntry, GcString,
    GcVacantEntry, GcVec, GcVecIter, GcVecMut, GcVecRef,
};
pub use dynamic::{AnyObject, DynObject, DynTrace, DynVisitor};
pub use ephemeron::Ephemeron;
pub use error::AllocError;
pub use frame::{Frame, FrameScope, Local};
pub use fuel::{Fuel, Stopped};
pub use gc::{Gc, Referent};
pub use guardian::Guardian;
pub use heap::{Heap, Mutator, RampUpGuard};
pub use identity::{ByAddress, Erased};
pub use interner::GcInterner;
pub use interrupt::{InterruptHandle, Interrupted};
pub use lazy::{GcLazy, Initialize};
pub use mudlark_arena::BinStats;
pub use mudlark_collector::pacing;
pub use mudlark_collector::{
    CellStats, CleanupRunner, CleanupStats, CpuStats, ExitHint, ExternalBytes, FullCause, GcPercent,
    HandshakeStats, HeapError, HeapFull, MarkStats, MemoryLimit, ParseGcPercentError, PauseSummary,
    SafepointStats, StuckScope, VerifyReport, WorkerStats, Zeal,
};
pub use mudlark_derive::Trace;
pub use mutex::{GcMutex, GcMutexGuard};
pub use once_cell::GcOnceCell;
pub use pool::{BufferCache, BufferPool, Pool, PoolCache, PoolStats};
pub use ref_cell::{BorrowError, BorrowMutError, GcRefCell, Ref, RefMut};
pub use root::{Root, WeakRoot};
pub use root_set::{RootKey, RootSet};
pub use rw_lock::{GcRwLock, GcRwLockReadGuard, GcRwLockWriteGuard};
pub use scope::Scope;
pub use scoped::Threads;
pub use stats::HeapStats;
pub use tail::Tailed;
pub use trace::{Rebrand, Static, Trace};
pub use weak::GcWeak;
pub use weak_map::GcWeakMap;

/// What the code that [`dyn_object!`] writes calls.
#[doc(hidden)]
pub mod __private {
    pub use crate::dynamic::{object_in, trace_object};
}
