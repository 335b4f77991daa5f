//! The raw tier: objects with layouts of your own, and a contract instead of types.
//!
//! For those who port a runtime that exists: a Lua, a Scheme, a JavaScript, with its tagged or NaN-boxed values, its own
//! headers or none, its own stack. Nothing here has a brand or a `Trace`; what the safe tier has proved by the compiler, you promise.
//!
//! ```text
//!   RawHeap ── register ──> RawKind          what the heap knows of a type: sizes and functions
//!      │                       │
//!    attach                    │
//!      ▼                       ▼
//!   RawMutator ─ enter ─> RawScope: alloc, store_slot, log_object, add_root, alloc_weak
//!      │                       │
//!      └── RawStack: what survives safepoints   └── safepoint, poll: the only places where anything is freed
//! ```
//!
//! All functions that you give have the shape of C functions with a word of data, so a C interface is a layer of names.
//!
//! # The embedder's contract
//!
//! - **E1, tracers.** For an object of the type, `trace` and `parts` report each edge; `len` and `size` tell the truth; `drop` ends the
//!   object. They touch nothing but the object and what it owns, take bounded time, and run on any thread, while mutators use the object; `drop` alone has it
//!   for itself, and reads nothing through its edges.
//! - **E2, edges.** An edge is the address at which an object of the same heap begins, and it lives. There are no interior pointers: who keeps one
//!   keeps the object's beginning, too. Objects never move.
//! - **E3, birth.** A new place holds an object of its kind before the mutator's next safepoint, and before anybody else sees its address. If
//!   what comes in between can fail, take zeroed places, and let zeros be an object.
//! - **E4, words.** What a tracer reads of an object that others may see is either never changed again, or a word that is loaded
//!   and stored atomically, or guarded by a lock (E6). Such a word is stored with Release and loaded with Acquire.
//! - **E5, barriers.** While the mutator is armed, a pointer is shaded before it is overwritten or removed, in objects and in tables of globals:
//!   [`RawScope::store_slot`] and its like do both; between [`RawScope::log_slot`] and its store lies no safepoint, and no other mutator
//!   writes the word. Objects that were made since the mutator's last safepoint and that nobody else has seen, and stacks, need no barrier.
//! - **E6, logged contents.** What a [`MarkLock`] guards is changed only by a mutator that has called [`RawScope::log_object`] or
//!   [`RawScope::log`] since its last safepoint. Mutators keep each other off, with a lock of their own, from before the log to the last write. The
//!   marker's lock is zero at birth, and nobody else's.
//! - **E7, safepoints.** Behind a safepoint a mutator uses only pointers that it finds in its stacks, in roots, in tables of globals, and in objects that it reaches
//!   from there.
//! - **E8, stacks.** A stack belongs to one mutator. Its function reports every pointer on it, and may be called on any thread at any moment
//!   in which the mutator is in no scope; so the stack changes in scopes only. When it is registered, what is on it was made or found in the same scope.
//! - **E9, transfer.** From one mutator to another a pointer goes through the heap, a table of globals, or a root; not from stack to stack, and not by
//!   other memory.
//! - **E10, callbacks.** No function that the heap calls uses a heap, or waits for somebody who does.
//! - **E11, one heap.** Kinds, objects, roots, scopes and weak boxes of one heap are used with that heap, while it exists, and objects with their kind.
//! - **E12, lifetime.** Functions and data that were registered last as long as the heap; a table of globals until it is told that it is done.
//!
//! # What to call when
//!
//! | you have | you call |
//! |---|---|
//! | a new object with one size, in the fast path | [`RawScope::alloc`]: a look into a table and a bump |
//! | one with a length | [`RawScope::alloc_bytes`], [`RawScope::alloc_zeroed`] |
//! | a field that is one word | [`RawScope::store_slot`], [`RawScope::compare_exchange_slot`] |
//! | a hash table, or anything that is rebuilt in place | a type with a `lock_offset`; [`RawScope::log_object`] |
//! | an array of any length | a type with `parts`; its slots are fields |
//! | the interpreter's stack | [`RawScope::add_stack`]; no barrier on it, ever |
//! | a loop's back edge, a call | [`RawScope::poll`] |
//! | globals, interned names | [`RawScope::add_globals`]; its slots are fields |
//! | a handle given to the host | [`RawScope::add_root`] |
//! | a cache, an ephemeral name | [`RawScope::alloc_weak`], [`RawScope::upgrade`] |
//! | memory that an object holds elsewhere | [`RawScope::account_external`], and `drop` |
//!
//! Left to others: knobs, statistics and explanations are those of every heap, behind [`RawHeap::collector`].
//!
//! # Example: a list on a stack
//!
//! ```
//! use mudlark_collector::{Config, raw::{RawDescriptor, RawHeap, RawStack, RawVisitor}};
//! use std::{cell::Cell, ffi::c_void, ptr::NonNull, sync::atomic::{AtomicU64, Ordering::Acquire}};
//!
//! // Values: odd words are numbers, others addresses.
//! fn decode(word: u64) -> Option<NonNull<u8>> {
//!     NonNull::new(std::ptr::with_exposed_provenance_mut(word as usize)).filter(|_| word & 1 == 0)
//! }
//!
//! unsafe extern "C-unwind" fn trace(pair: NonNull<u8>, visitor: &mut RawVisitor<'_>, _: *mut c_void) {
//!     unsafe { visitor.slots(pair.cast::<[AtomicU64; 2]>().as_ref(), decode) };
//! }
//!
//! unsafe extern "C-unwind" fn visit(visitor: &mut RawVisitor<'_>, stack: *mut c_void) {
//!     if let Some(object) = decode(unsafe { &*stack.cast::<Cell<u64>>() }.get()) {
//!         unsafe { visitor.edge(object) };
//!     }
//! }
//!
//! let heap = RawHeap::new(Config::default())?;
//! let pair = unsafe { heap.register(RawDescriptor { trace: Some(trace), ..RawDescriptor::fixed("pair", 16) }) }?;
//! let stack = Cell::new(1_u64);
//! let mut mutator = heap.attach();
//! let mut scope = mutator.enter();
//! let data = (&raw const stack).cast_mut().cast();
//! let id = unsafe { scope.add_stack(RawStack { visit, data }) };
//! for number in 0..1000_u64 {
//!     let object = unsafe { scope.alloc(pair) }?;
//!     let contents = [AtomicU64::new(number << 1 | 1), AtomicU64::new(stack.get())];
//!     unsafe { object.cast().write(contents) };
//!     stack.set(object.as_ptr().expose_provenance() as u64);
//!     scope.poll();
//! }
//! let (mut sum, mut rest) = (0, stack.get());
//! while let Some(object) = decode(rest) {
//!     let [first, next] = unsafe { object.cast::<[AtomicU64; 2]>().as_ref() };
//!     sum += first.load(Acquire) >> 1;
//!     rest = next.load(Acquire);
//! }
//! assert_eq!(sum, 499_500);
//! scope.remove_stack(id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod callbacks;
mod globals;
mod heap;
mod kinds;
mod mutator;
mod root;
mod scope;
mod stacks;
mod stats;
mod stores;
mod visitor;

pub use crate::{mark_lock::MarkLock, weak::WeakBox};
pub use callbacks::{
    DropFn, GlobalsDoneFn, GlobalsFn, GlobalsLenFn, LenFn, SizeFn, StackFn, TraceFn, TracePartFn,
};
pub use globals::RawGlobals;
pub use heap::RawHeap;
pub(crate) use kinds::RawTypes;
pub use kinds::{RawDescriptor, RawKind, RawParts, RawType, RawTypeError};
pub use mutator::RawMutator;
pub use root::RawRoot;
pub use scope::RawScope;
pub(crate) use stacks::Stacks;
pub use stacks::{RawStack, RawStackId};
pub use stats::RawTypeStats;
pub use visitor::RawVisitor;
