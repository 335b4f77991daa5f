//! The collector of mudlark: concurrent tri-color marking with a snapshot at the beginning, and no stop of the world.
//!
//! It knows no Rust types of the user: it sees cells, [`Descriptor`]s and root slots. The crate `mudlark` puts brands,
//! scopes and cells on top; runtimes with object layouts of their own sit here directly, on the module [`raw`],
//! which has a written contract.
//!
//! # Allocation, in stops
//!
//! 1. [`Local::bump`]: the mutator's region of that kind has a cell.
//! 2. [`Local::alloc_slow`] (`alloc_slow.rs`): the next hole, a swept block, a block swept now, a fresh one.
//! 3. Whoever opens a region pays: a cycle is due, or one marks and the allocation assists (`assist.rs`).
//! 4. [`HeapFull`]: nothing has happened; the mutator waits for a cycle when its scope ends.
//!
//! # The cycle, in stops
//!
//! White is an object whose bit in the filling bitmap is not set; gray is marked and in a queue; black is marked and
//! scanned, or was born during the cycle.
//!
//! 1. `cycle.rs` decides that a cycle is due. The queue opens.
//! 2. `handshake.rs`: every mutator passes three safepoints, each in its own time. *Arm*: overwritten pointers are
//!    shaded from now on, new objects are black, and they belong to the mutator's window. *Flush*: what stacks keep is gray; behind it,
//!    every pointer that a mutator has was loaded with all barriers on, or is gray. *Close*: the windows are handed over as gray.
//! 3. `mark/`: markers trace from roots, windows and shaded objects. Mutators assist.
//! 4. No work is queued or held: another round of handshakes hands over the barrier buffers. If it brings none,
//!    marking is complete, and the bitmaps take turns.
//! 5. *Disarm*, then the old bitmap is cleared, and blocks are swept, by allocation and in the background
//!    (`sweeper.rs`). What the next cycles will not need goes back to the system (`scavenger.rs`).
//!
//! Objects are never moved, and no mutator ever waits inside a scope.

mod accounts;
mod alloc_slow;
mod assist;
mod background;
mod barrier;
mod bell;
mod cgroup;
mod cleanup;
mod cycle;
mod descriptor;
mod ephemeron;
mod external;
mod family;
mod fork;
mod handshake;
mod hard_limit;
mod heap;
mod interrupt;
mod local;
mod mark;
mod mark_lock;
#[cfg(all(test, loom))]
mod models;
mod mutator;
mod pace;
pub mod pacing;
mod pauses;
mod piece_lock;
mod plant;
pub mod raw;
mod roots;
mod safepoint;
mod shadow_stack;
mod share;
mod slot_pool;
mod stats;
mod sweeper;
mod trace;
mod verify;
mod watchdog;
mod weak;
mod work;
mod zeal;

pub use alloc_slow::{FullCause, HeapFull};
pub use background::{Collector, SharedCollector};
pub use barrier::Shader;
pub use cleanup::{CleanupId, CleanupRunner, CleanupStats};
pub use descriptor::{Descriptor, trace_no_part, trace_nothing};
pub use ephemeron::EphemeronSlot;
pub use external::{ExternalAccount, ExternalBytes};
pub use handshake::{HANDSHAKES, HandshakeStats};
pub use heap::{Config, Core, HeapError, MAX_HEAP_LEAST};
pub use interrupt::InterruptFlag;
pub use local::{Kind, Local};
pub use mark::{MarkStats, Marker};
pub use mark_lock::{MarkLock, Stamp};
pub use mutator::{ExitHint, Mutator};
pub use pace::PressureListener;
pub use pacing::{GcPercent, MemoryLimit, ParseGcPercentError};
pub use pauses::PauseSummary;
pub use piece_lock::PieceLock;
pub use roots::RootSlot;
pub use safepoint::SafepointStats;
pub use shadow_stack::{FrameMark, LocalSlot};
pub use stats::{CellStats, CpuStats, CycleClock, Stats, WorkerStats};
pub use trace::{EdgeVisitor, Visitor};
pub use verify::{VIOLATIONS_MAX, VerifyReport};
pub use watchdog::{StuckScope, Watchdog};
pub use weak::WeakBox;
pub use zeal::Zeal;
