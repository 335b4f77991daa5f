//! The cycle as an explicit-state model: every order of steps of two or three mutators, the markers and the collector.
//!
//! The model is the protocol of `mudlark-collector` without its machinery: three objects of one word, two bitmaps, two
//! or three mutators with barrier buffers and windows, a queue apart from the mark bits, root slots, a weak box, an ephemeron, a guardian, cells with mark
//! locks. A search goes through all states and looks in each whether a program could come upon a freed object, whether a
//! marker reads what is being changed, and whether an upgrade says of a live object that it is dead. Cycles follow each
//! other without end, and nobody's steps are counted: within what a [`Scene`] puts on stage the search is exhaustive.
//!
//! # Why nothing is lost
//!
//! 1. Before the last mutator closes, nothing is marked but what barriers, upgrades and births mark; so the snapshot is what
//!    can be reached then. The flush handshake makes sure that nobody holds a pointer from before all barriers were on.
//! 2. A white object of the snapshot is always reachable from a gray one by a path of white ones, or held by somebody who
//!    found it on such a path. Therefore an old value is shaded **before** it leaves its word (compare-and-swap), contents of
//!    cells before they are changed, dropped roots in one critical section of the gate.
//! 3. When a round of hand-overs brings nothing, the first mutator that could have shaded anything after its own hand-over
//!    needs a gray object in the buffer of another that had not handed over yet; that one would have brought it. So there is none.
//!
//! A stack that survives safepoints is shaded at the *flush* handshake. What it leads to behind that is gray, or was loaded
//! with all barriers on, like whatever else a mutator holds; so it may be written without a barrier, and its contents stored anywhere.
//! To scan it at *close* instead is too late: until then it could keep a pointer from before all barriers were on, which its mutator
//! may store into a black object of one that has closed already, and then pop.
//!
//! Swapping first and shading afterwards breaks 2, and with it 3: what is in flight between swap and shading is gray
//! only in its mutator's mind. Another mutator, which has handed over, can store the same object back, take it out again and
//! shade it first, into its own buffer; the first one then finds it marked, hands over nothing, and the round is quiet.
//!
//! # What is left out
//!
//! - *Memory order*: steps are sequentially consistent. The models under loom in `mudlark-collector` have the orders.
//! - *Attaching and detaching*, but for children: a mutator that attaches behind a request is in the state of a passive one that was
//!   served.
//! - *Regions*: an object is marked when it is allocated, not when its region is taken. A still armed mutator that allocates
//!   after the bitmaps took turns may do so in a block of before (the object is marked in the finished bitmap) or in one
//!   that was swept since (it is not, and yet lives). Objects born after the turn are passed by until the sweep is complete.
//! - *Sweeping* frees all of the dead in one step, at any time from the turn on: nobody can reach them, so nobody can tell
//!   the order; and if somebody can, this is the worst.
//! - *Choice*: markers take work in any order; mutators hold on to all they have met in their scope (as far as the scene
//!   allows). Both allow more than the code.
//! - *One slot*: the object in which the slot of an ephemeron or a guardian lies is always reachable. When a pass makes the cycle a keyed one is
//!   left to chance.
//! - *Bitmaps* are named by role. That a mutator knows its bitmap by side, and must be disarmed before the next turn, is
//!   not modeled, nor is what the disarm handshake is for.
//!
//! # Scenes
//!
//! | scene | on stage | states |
//! |---|---|---|
//! | words | allocation, three held pointers each | 1.9 M |
//! | markers | two markers, early hand-overs, a root that is set | 0.1 M |
//! | roots | two slots, set by mutators and dropped by a thread | 0.4 M |
//! | weak | a weak box, allocation | 1.6 M |
//! | pairs | the slot of an ephemeron: a key, a value; read, filled, changed, emptied | 2.7 M |
//! | guards | a guardian of one object | 0.2 M |
//! | private | guarded cells that are also read without exclusive access; two mutators of one thread | 0.5 M |
//! | mutex | guarded cells without such reads | 0.4 M |
//! | mixed | one guarded cell among words | 1.1 M |
//! | family | a parent and its children, which hand each other pointers past the heap; a stranger | 0.5 M |
//! | children | the same with allocation, without the stranger | 2.3 M |
//! | stacks | a private word of a mutator, or of both, that survives safepoints | 0.1 M to 0.5 M |
//!
//! They run with `cargo test`; `just model` adds large ones, up to 67 M states. Initial states are *all* heaps of two or
//! three objects. States that differ in names only are one ([`Model::canonical`]); seen states are kept in full, so that no
//! two are ever confused.
//!
//! # Variants
//!
//! Each part of the protocol taken away, and the length of the shortest story that ends badly. Print the stories with
//! `MUDLARK_MODEL_TRACE=1 cargo test -p mudlark-model --test variants -- --nocapture`.
//!
//! | variant | steps | variant | steps |
//! |---|---|---|---|
//! | [`NoFlush`](Variant::NoFlush) | 20 | [`ArmIsClose`](Variant::ArmIsClose) | 18 |
//! | [`NoWindowScan`](Variant::NoWindowScan) | 22 | [`WhiteWindow`](Variant::WhiteWindow) | 26 |
//! | [`WhiteBirth`](Variant::WhiteBirth) | 20 | [`NoDeletionBarrier`](Variant::NoDeletionBarrier) | 23 |
//! | [`SwapBarrier`](Variant::SwapBarrier) | 29 | [`NonAtomicBarrier`](Variant::NonAtomicBarrier) | 31 |
//! | [`NoRootBarrier`](Variant::NoRootBarrier) | 20 | [`TwoStepDrop`](Variant::TwoStepDrop) | 24 |
//! | [`GateOpensAtMark`](Variant::GateOpensAtMark) | 24 | [`GateOpensAtClose`](Variant::GateOpensAtClose) | 28 |
//! | [`NoHandOver`](Variant::NoHandOver) | 19 | [`IgnorePushes`](Variant::IgnorePushes) | 23 |
//! | [`IgnoreActive`](Variant::IgnoreActive) | 17 | [`SweepTooEarly`](Variant::SweepTooEarly) | 13 |
//! | [`BitsNotCleared`](Variant::BitsNotCleared) | 66 | [`PlainUpgrade`](Variant::PlainUpgrade) | 22 |
//! | [`BufferedUpgrade`](Variant::BufferedUpgrade) | 23 | [`WeakNotCleared`](Variant::WeakNotCleared) | 21 |
//! | [`WeakClearedLate`](Variant::WeakClearedLate) | 21 | [`UpgradeReadsOnce`](Variant::UpgradeReadsOnce) | 27 |
//! | [`UpgradeFailsLate`](Variant::UpgradeFailsLate) | 22 | [`NoLogBeforeClose`](Variant::NoLogBeforeClose) | 27 |
//! | [`StampsFromArm`](Variant::StampsFromArm) | 26 | [`StampsFromFlush`](Variant::StampsFromFlush) | 29 |
//! | [`StampsStay`](Variant::StampsStay) | 51 | [`StampsWithoutShading`](Variant::StampsWithoutShading) | 23 |
//! | [`NoMarkLock`](Variant::NoMarkLock) | 16 | [`StampsIgnored`](Variant::StampsIgnored) | 16 |
//! | [`ChildKeepsAll`](Variant::ChildKeepsAll) | 20 | [`ChildUnarmed`](Variant::ChildUnarmed) | 21 |
//! | [`ChildOutlives`](Variant::ChildOutlives) | 29 | | |
//! | [`StackAtArm`](Variant::StackAtArm) | 24 | [`StackAtClose`](Variant::StackAtClose) | 28 |
//! | [`StackAtHandOver`](Variant::StackAtHandOver) | 27 | | |
//! | [`PairForgotten`](Variant::PairForgotten) | 20 | [`PairLookedAtOnce`](Variant::PairLookedAtOnce) | 20 |
//! | [`PairPassesOnce`](Variant::PairPassesOnce) | 27 | [`PairNotLookedUp`](Variant::PairNotLookedUp) | 27 |
//! | [`PairValueUnshaded`](Variant::PairValueUnshaded) | 25 | [`PairMovedLate`](Variant::PairMovedLate) | 20 |
//! | [`GuardForgotten`](Variant::GuardForgotten) | 22 | [`GuardChosenEarly`](Variant::GuardChosenEarly) | 18 |
//! | [`RevivedUnmarked`](Variant::RevivedUnmarked) | 28 | [`PollUnshaded`](Variant::PollUnshaded) | 30 |
//!
//! Not refuted, and why:
//!
//! - [`SwapTwoRounds`](Variant::SwapTwoRounds), [`SwapGated`](Variant::SwapGated): repairs of the swapping barrier. With a
//!   second quiet round, whoever was in flight in the first one has handed over; or whoever has handed over shades under the
//!   gate, where it is noticed.
//! - [`StackTwice`](Variant::StackTwice): a second scan of stacks, at close, does no harm and is not needed.
//! - [`CloseKeepsBuffer`](Variant::CloseKeepsBuffer): what is handed over at close would be fetched by the first round of
//!   hand-overs. It saves rounds and nothing else.
//! - [`PlainUpgradeBeforeClose`](Variant::PlainUpgradeBeforeClose): what a mutator holds before it closes, however it came by
//!   it, it can leave only where marking finds it, or where a barrier shades it. The gate is needed only in closed mutators.
//!
//! # Example: a barrier that swaps first
//!
//! ```
//! use mudlark_model::{Model, Phase, Scene, Variant, WORDS};
//!
//! let scene = Scene { holds: [2, 1], allocates: false, acts: Some(8), acts_from: Phase::Mark, ..WORDS };
//! let outcome = Model { scene, variant: Variant::SwapBarrier }.search(1_000_000);
//! let (_, story) = outcome.broken.expect("an object is lost");
//! assert!(story.to_string().contains("stores c.field := null"));
//! ```

mod canon;
mod collector;
mod family;
mod guarded;
mod guardian;
mod marker;
mod model;
mod mutator;
mod pack;
mod pair;
mod scene;
mod search;
mod state;
mod step;
mod trace;
mod variant;
mod witness;

pub use model::{Model, Next, Stage, Violation};
pub use scene::{Scene, WORDS};
pub use search::Outcome;
pub use state::{MUTATORS, Marker, Mutator, NONE, OBJECTS, Object, Op, Pair, Phase, SLOTS, Set, State};
pub use step::{Act, Look, Step};
pub use trace::Trace;
pub use variant::Variant;
pub use witness::{Witness, Witnesses};
