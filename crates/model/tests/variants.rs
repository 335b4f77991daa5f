//! Goal: every part of the protocol is needed, and the model can tell. Method: for each part a protocol without it, in a
//! scene where that ends badly; the search finds a shortest story, whose length is pinned.
//!
//! `MUDLARK_MODEL_TRACE=1 cargo test -p mudlark-model --test variants -- --nocapture` prints the stories. With
//! `MUDLARK_MODEL_CONTROL=1` the correct protocol plays every scene too, and must pass.

use mudlark_model::{Model, Phase, Scene, Set, Variant, Violation, WORDS};

const STATES_MAX: usize = 30_000_000;

/// Words, no allocation.
const STORES: Scene = Scene { name: "stores", holds: [2, 1], allocates: false, ..WORDS };
/// The same, once marking has begun.
const MARKING: Scene = Scene { name: "marking", acts_from: Phase::Mark, ..STORES };
/// Room for new objects.
const BIRTHS: Scene = Scene { name: "births", holds: [2, 1], born: 1, ..WORDS };
/// A root that changes.
const ROOTS: Scene = Scene { name: "roots", holds: [2, 2], sets_roots: true, born: 2, ..STORES };
/// A thread drops roots.
const THREAD: Scene = Scene { name: "thread", slots: 2, drops_roots: true, born: 2, ..STORES };
/// A weak box.
const WEAK: Scene = Scene { name: "weak", weak: true, born: 2, ..STORES };
/// The slot of an ephemeron.
const PAIRS: Scene = Scene { name: "pairs", weak: true, pairs: true, born: 2, ..STORES };
/// A guardian of one object.
const GUARDS: Scene = Scene { name: "guards", weak: true, guards: true, born: 2, ..STORES };
/// Cells that both mutators change, and read without exclusive access: private cells under two mutators of one thread.
const CELLS: Scene = Scene { name: "cells", guarded: Set::ALL, shared_reads: true, ..STORES };

/// A parent and a child, words.
const FAMILY: Scene = Scene { name: "family", family: true, holds: [1, 1], acts_from: Phase::Arm, ..STORES };

const fn bounded(scene: Scene, acts: u8) -> Scene {
    Scene { acts: Some(acts), ..scene }
}

#[track_caller]
fn refuted(variant: Variant, scene: Scene, violation: Violation, steps: usize) {
    let outcome = Model { scene, variant }.search(STATES_MAX);
    let Some((found, trace)) = outcome.broken else {
        panic!("{variant:?} passes the scene `{}`: {} states", scene.name, outcome.states)
    };
    if std::env::var_os("MUDLARK_MODEL_TRACE").is_some() {
        println!("{variant:?} ends with {found:?}, {} states:\n{trace}\n", outcome.states);
    }
    if std::env::var_os("MUDLARK_MODEL_CONTROL").is_some() {
        let control = Model { scene, variant: Variant::Correct }.search(STATES_MAX);
        assert!(control.broken.is_none() && !control.is_cut_short, "control of {variant:?}: {control:?}");
    }
    assert_eq!((found, trace.steps.len()), (violation, steps), "{variant:?}: {} states", outcome.states);
}

use Violation::{Torn, UseAfterFree, WeakLied, WeakMisled};

// ---- handshakes and births

#[test]
fn without_the_flush_handshake_what_was_loaded_unarmed_is_lost() {
    let scene = Scene { born: 2, sets_roots: true, ..BIRTHS };
    refuted(Variant::NoFlush, bounded(scene, 6), UseAfterFree, 20);
}

#[test]
fn arming_and_closing_in_one_handshake_loses_objects() {
    refuted(Variant::ArmIsClose, bounded(STORES, 6), UseAfterFree, 18);
}

#[test]
fn a_window_that_is_not_scanned_loses_what_its_objects_lead_to() {
    let scene = Scene { sets_roots: true, acts_from: Phase::Arm, ..BIRTHS };
    refuted(Variant::NoWindowScan, bounded(scene, 5), UseAfterFree, 22);
}

#[test]
fn objects_of_the_window_must_be_born_black() {
    let scene = Scene { holds: [2, 2], ..BIRTHS };
    refuted(Variant::WhiteWindow, bounded(scene, 7), UseAfterFree, 26);
}

#[test]
fn objects_of_closed_mutators_must_be_born_black() {
    let scene = Scene { acts_from: Phase::Mark, ..BIRTHS };
    refuted(Variant::WhiteBirth, bounded(scene, 4), UseAfterFree, 20);
}

// ---- the deletion barrier

#[test]
fn without_the_deletion_barrier_objects_are_lost() {
    refuted(Variant::NoDeletionBarrier, bounded(MARKING, 4), UseAfterFree, 23);
}

/// Goal: the old value must be shaded before it leaves its word. Method: between swap and shading, another mutator that has
/// acknowledged the round stores the same object back, takes it out again and shades it first, into its own buffer.
#[test]
fn a_swap_that_shades_afterwards_lets_marking_end_too_early() {
    refuted(Variant::SwapBarrier, bounded(MARKING, 8), UseAfterFree, 29);
}

#[test]
fn a_barrier_that_stores_without_comparing_loses_objects() {
    refuted(Variant::NonAtomicBarrier, ROOTS, UseAfterFree, 31);
}

#[test]
fn roots_need_the_barrier_too() {
    let scene = Scene { sets_roots: true, ..MARKING };
    refuted(Variant::NoRootBarrier, bounded(scene, 5), UseAfterFree, 20);
}

// ---- roots that threads drop

#[test]
fn dropping_a_root_must_be_one_step() {
    let scene = Scene { acts_from: Phase::Mark, ..THREAD };
    refuted(Variant::TwoStepDrop, bounded(scene, 5), UseAfterFree, 24);
}

#[test]
fn the_gate_must_be_open_before_marking() {
    let scene = Scene { acts_from: Phase::Close, ..THREAD };
    refuted(Variant::GateOpensAtMark, bounded(scene, 5), UseAfterFree, 24);
}

#[test]
#[ignore = "takes ten seconds; `just model` runs it"]
fn the_gate_must_be_open_before_the_last_mutator_flushes() {
    let scene = Scene { holds: [2, 2], allocates: true, acts_from: Phase::Flush, ..THREAD };
    refuted(Variant::GateOpensAtClose, bounded(scene, 7), UseAfterFree, 28);
}

// ---- the end of marking

#[test]
fn marking_must_not_end_before_buffers_were_handed_over() {
    refuted(Variant::NoHandOver, bounded(MARKING, 5), UseAfterFree, 19);
}

#[test]
fn what_is_pushed_in_the_round_must_start_another() {
    let scene = Scene { sets_roots: true, ..MARKING };
    refuted(Variant::IgnorePushes, bounded(scene, 6), UseAfterFree, 23);
}

#[test]
fn markers_that_hold_work_must_be_counted() {
    refuted(Variant::IgnoreActive, bounded(MARKING, 1), UseAfterFree, 17);
}

#[test]
fn sweeping_must_wait_for_the_end_of_marking() {
    refuted(Variant::SweepTooEarly, bounded(MARKING, 1), UseAfterFree, 13);
}

/// The two bitmaps take turns: what is left in one does harm two cycles later.
#[test]
fn the_old_bitmap_must_be_cleared() {
    let scene = Scene { acts_from: Phase::Mark, ..BIRTHS };
    refuted(Variant::BitsNotCleared, bounded(scene, 4), UseAfterFree, 66);
}

// ---- weak boxes

#[test]
fn an_upgrade_while_marking_must_shade() {
    refuted(Variant::PlainUpgrade, bounded(WEAK, 5), UseAfterFree, 22);
}

#[test]
fn an_upgrade_must_shade_through_the_gate() {
    refuted(Variant::BufferedUpgrade, bounded(Scene { born: 3, ..WEAK }, 5), UseAfterFree, 23);
}

#[test]
fn weak_boxes_must_be_cleared() {
    refuted(Variant::WeakNotCleared, bounded(WEAK, 2), UseAfterFree, 21);
}

#[test]
fn weak_boxes_must_be_cleared_before_the_first_mutator_disarms() {
    refuted(Variant::WeakClearedLate, bounded(WEAK, 3), UseAfterFree, 21);
}

/// Goal: a mark is no proof once places may have new owners. Method: between the look at the box and the look at the mark
/// the target is freed, and its place is marked for another object.
#[test]
fn an_upgrade_behind_the_gate_must_read_the_box_again() {
    let scene = Scene { holds: [1, 1], born: 1, allocates: true, ..WEAK };
    refuted(Variant::UpgradeReadsOnce, scene, WeakMisled, 27);
}

/// Goal: an upgrade of what the program holds succeeds. Method: the target is born after the bitmaps took turns, so
/// the mutator that is still armed finds it unmarked.
#[test]
fn an_upgrade_behind_the_gate_must_not_go_by_the_mark_alone() {
    let scene = Scene { born: 1, allocates: true, acts_from: Phase::Mark, ..WEAK };
    refuted(Variant::UpgradeFailsLate, bounded(scene, 4), WeakLied, 22);
}

// ---- ephemerons

#[test]
fn a_pair_with_a_white_key_must_be_noted() {
    refuted(Variant::PairForgotten, bounded(PAIRS, 5), UseAfterFree, 20);
}

#[test]
fn a_pair_with_a_white_key_must_be_looked_at_again() {
    refuted(Variant::PairLookedAtOnce, bounded(PAIRS, 5), UseAfterFree, 20);
}

#[test]
fn a_pair_must_be_looked_at_after_each_round_that_brought_something() {
    refuted(Variant::PairPassesOnce, bounded(Scene { born: 3, holds: [1, 1], ..PAIRS }, 4), UseAfterFree, 27);
}

#[test]
fn a_key_that_a_pair_waits_for_must_be_looked_up() {
    refuted(
        Variant::PairNotLookedUp,
        bounded(Scene { born: 3, holds: [1, 1], ..PAIRS }, 3),
        UseAfterFree,
        27,
    );
}

#[test]
fn the_value_of_a_pair_must_be_shaded_before_it_is_overwritten() {
    refuted(Variant::PairValueUnshaded, bounded(PAIRS, 5), UseAfterFree, 25);
}

/// Goal: a slot that is born black must not be filled with what nobody holds. Method: a closed mutator moves the pair.
#[test]
fn pairs_must_not_move_after_the_snapshot() {
    refuted(Variant::PairMovedLate, bounded(PAIRS, 5), UseAfterFree, 20);
}

#[test]
fn reading_a_key_that_nobody_holds_must_shade_it() {
    refuted(Variant::PlainUpgrade, bounded(PAIRS, 5), UseAfterFree, 23);
}

#[test]
fn reading_a_key_must_shade_it_through_the_gate() {
    refuted(
        Variant::BufferedUpgrade,
        bounded(Scene { born: 3, holds: [1, 1], ..PAIRS }, 4),
        UseAfterFree,
        24,
    );
}

#[test]
fn pairs_with_dead_keys_must_be_cleared() {
    refuted(Variant::WeakNotCleared, bounded(PAIRS, 2), UseAfterFree, 22);
}

// ---- guardians

#[test]
fn what_is_guarded_must_come_back() {
    refuted(Variant::GuardForgotten, bounded(GUARDS, 3), UseAfterFree, 22);
}

/// Goal: a guardian does not give away what somebody can reach. Method: the object is gray in the buffer of a mutator.
#[test]
fn what_comes_back_must_be_chosen_after_a_quiet_round() {
    refuted(Variant::GuardChosenEarly, bounded(GUARDS, 4), WeakLied, 18);
}

#[test]
fn what_comes_back_must_be_marked() {
    refuted(Variant::RevivedUnmarked, bounded(GUARDS, 3), WeakLied, 28);
}

#[test]
fn taking_what_came_back_must_shade_it() {
    refuted(Variant::PollUnshaded, bounded(GUARDS, 4), UseAfterFree, 30);
}

// ---- guarded cells

#[test]
fn exclusive_accesses_must_shade_before_the_close_too() {
    refuted(Variant::NoLogBeforeClose, bounded(CELLS, 5), UseAfterFree, 27);
}

#[test]
fn stamps_of_armed_mutators_must_be_void() {
    let scene = Scene { acts_from: Phase::Arm, ..CELLS };
    refuted(Variant::StampsFromArm, bounded(scene, 5), UseAfterFree, 26);
}

#[test]
fn stamps_of_flushed_mutators_must_be_void() {
    let scene = Scene { holds: [2, 2], sets_roots: true, born: 2, acts_from: Phase::Arm, ..CELLS };
    refuted(Variant::StampsFromFlush, scene, UseAfterFree, 29);
}

#[test]
fn stamps_must_not_outlive_their_cycle() {
    let scene = Scene { acts_from: Phase::Mark, ..CELLS };
    refuted(Variant::StampsStay, bounded(scene, 5), UseAfterFree, 51);
}

#[test]
fn a_stamp_needs_the_shading() {
    let scene = Scene { acts_from: Phase::Mark, ..CELLS };
    refuted(Variant::StampsWithoutShading, bounded(scene, 5), UseAfterFree, 23);
}

#[test]
fn without_the_mark_lock_a_marker_reads_what_is_changing() {
    let scene = Scene { acts_from: Phase::Mark, ..CELLS };
    refuted(Variant::NoMarkLock, bounded(scene, 3), Torn, 16);
}

#[test]
fn markers_must_pass_stamped_cells_by() {
    let scene = Scene { acts_from: Phase::Mark, ..CELLS };
    refuted(Variant::StampsIgnored, bounded(scene, 3), Torn, 16);
}

// ---- families

#[test]
fn a_child_must_hand_over_what_it_has() {
    refuted(Variant::ChildKeepsAll, bounded(FAMILY, 5), UseAfterFree, 20);
}

#[test]
fn a_child_must_be_in_the_state_behind_the_handshakes() {
    let scene = Scene { holds: [2, 2], acts_from: Phase::Mark, ..FAMILY };
    refuted(Variant::ChildUnarmed, bounded(scene, 6), UseAfterFree, 21);
}

/// Goal: a parent must wait for its children inside the scope. Method: a child carries what was loaded before all mutators were armed
/// over to its parent's next scope, which counts as one behind that.
#[test]
fn a_child_must_not_outlive_its_parents_scope() {
    let scene = Scene { holds: [1, 1], stranger: 1, born: 2, ..FAMILY };
    refuted(Variant::ChildOutlives, bounded(scene, 6), UseAfterFree, 29);
}

// ---- stacks

/// One mutator has a stack; both allocate.
const STACK: Scene = Scene { name: "stack", holds: [2, 2], stacks: [true, false], born: 2, ..WORDS };

#[test]
fn a_stack_must_not_be_scanned_before_all_barriers_are_on() {
    refuted(Variant::StackAtArm, bounded(STACK, 7), UseAfterFree, 24);
}

/// Goal: the flush handshake is needed for what a stack keeps, too. Method: a mutator that closes late stores what only its stack leads
/// to into an object that another one, which has closed, made black; then it pops, and scans an empty stack.
#[test]
fn a_stack_that_is_scanned_at_the_close_alone_loses_objects() {
    let scene = Scene { born: 1, acts_from: Phase::Arm, ..STACK };
    refuted(Variant::StackAtClose, bounded(scene, 10), UseAfterFree, 28);
}

#[test]
fn a_stack_that_is_scanned_late_needs_a_barrier() {
    refuted(Variant::StackAtHandOver, bounded(STACK, 7), UseAfterFree, 27);
}
