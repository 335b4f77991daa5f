//! Goal: in no order of steps does a program come upon a freed object. Method: all states of each scene, and a look at what
//! happened in them, so that no scene passes because nothing happens.
//!
//! The scenes that every run goes through are small; `just model` adds the large ones.

use mudlark_model::{Model, Next, Outcome, Scene, Set, State, Variant, WORDS, Witness};

const STATES_MAX: usize = 100_000_000;

/// Two markers, buffers that are handed over at any time, a root that changes.
const MARKERS: Scene = Scene {
    name: "markers",
    holds: [2, 2],
    markers: 2,
    allocates: false,
    sets_roots: true,
    spills: true,
    born: 2,
    ..WORDS
};
/// Two roots that mutators set and a thread drops.
const ROOTS: Scene = Scene {
    name: "roots",
    holds: [2, 2],
    slots: 2,
    allocates: false,
    sets_roots: true,
    drops_roots: true,
    born: 2,
    ..WORDS
};
/// A weak box, old and new objects.
const WEAK: Scene = Scene { name: "weak", holds: [1, 1], weak: true, born: 2, ..WORDS };
/// The slot of an ephemeron, and no words that change.
const PAIRS: Scene =
    Scene { name: "pairs", holds: [2, 1], weak: true, pairs: true, allocates: false, born: 2, ..WORDS };
/// A guardian of one object.
const GUARDS: Scene =
    Scene { name: "guards", holds: [2, 1], weak: true, guards: true, allocates: false, born: 2, ..WORDS };
/// Private cells and two mutators of one thread; also cells with a lock that readers share.
const PRIVATE: Scene = Scene {
    name: "private",
    holds: [2, 2],
    allocates: false,
    sets_roots: true,
    guarded: Set::ALL,
    shared_reads: true,
    born: 2,
    ..WORDS
};
/// Cells with a mutex.
const MUTEX: Scene = Scene { name: "mutex", shared_reads: false, ..PRIVATE };
/// One object has a guarded cell, the others words.
const MIXED: Scene = Scene { name: "mixed", guarded: Set(0b001), ..PRIVATE };

/// A parent and its children hand each other pointers; a stranger changes words, and is armed later than they are.
const FAMILY: Scene =
    Scene { name: "family", family: true, holds: [1, 1], stranger: 1, allocates: false, born: 2, ..WORDS };
/// The same with new objects, and without a stranger.
const CHILDREN: Scene = Scene { name: "children", family: true, holds: [2, 1], born: 1, ..WORDS };

/// Stacks: private words that survive safepoints.
const STACKS: Scene =
    Scene { name: "stacks", holds: [2, 2], stacks: [true, false], allocates: true, born: 2, ..WORDS };

#[track_caller]
fn holds(variant: Variant, scene: Scene, witnesses: &[Witness]) -> Outcome {
    let begun = std::time::Instant::now();
    let outcome = Model { scene, variant }.search(STATES_MAX);
    if let Some((violation, trace)) = &outcome.broken {
        panic!("{variant:?} in `{}`: {violation:?}\n{trace}", scene.name);
    }
    assert!(!outcome.is_cut_short, "{variant:?} in `{}`: too many states", scene.name);
    let usual = [
        Witness::CycleComplete,
        Witness::Freed,
        Witness::FreedWhileArmed,
        Witness::Shaded,
        Witness::Marked,
        Witness::AnotherRound,
        Witness::BufferHandedOver,
    ];
    for &witness in usual.iter().chain(witnesses) {
        assert!(outcome.witnesses.has(witness), "{variant:?} in `{}`: never {witness:?}", scene.name);
    }
    let (states, depth, seconds) = (outcome.states, outcome.depth, begun.elapsed().as_secs_f64());
    println!("{variant:?} in `{}`: {states} states, {depth} steps deep, {seconds:.1} s", scene.name);
    outcome
}

const BIRTHS: [Witness; 3] = [Witness::Allocated, Witness::WindowHandedOver, Witness::MarkRace];
const DROPS: [Witness; 2] = [Witness::DropShaded, Witness::DropOutside];
const UPGRADES: [Witness; 5] = [
    Witness::PlainUpgrade,
    Witness::UpgradeMarked,
    Witness::UpgradeGated,
    Witness::UpgradeRefused,
    Witness::WeakCleared,
];
const PASSES: [Witness; 6] = [
    Witness::ValueRead,
    Witness::PairPass,
    Witness::PairWaits,
    Witness::PairFound,
    Witness::WeakCleared,
    Witness::UpgradeGated,
];
const REVIVALS: [Witness; 2] = [Witness::Chosen, Witness::GivenBack];
const CELLS: [Witness; 5] = [
    Witness::Stamped,
    Witness::Logged,
    Witness::StampSpared,
    Witness::SkippedStamped,
    Witness::SkippedLocked,
];

#[test]
fn words_are_safe() {
    holds(Variant::Correct, WORDS, &BIRTHS);
}

#[test]
fn several_markers_are_safe() {
    holds(Variant::Correct, MARKERS, &[Witness::MarkRace]);
}

#[test]
fn roots_are_safe() {
    holds(Variant::Correct, ROOTS, &DROPS);
}

#[test]
fn weak_boxes_are_safe_and_tell_the_truth() {
    let outcome = holds(Variant::Correct, WEAK, &UPGRADES);
    assert!(outcome.witnesses.has(Witness::UpgradeFresh), "no box of an object born after the turn");
}

#[test]
fn ephemerons_are_safe_and_tell_the_truth() {
    holds(Variant::Correct, PAIRS, &PASSES);
}

#[test]
fn guardians_are_safe_and_tell_the_truth() {
    holds(Variant::Correct, GUARDS, &REVIVALS);
}

#[test]
fn private_cells_are_safe() {
    holds(Variant::Correct, PRIVATE, &CELLS);
}

#[test]
fn cells_with_a_mutex_are_safe() {
    holds(Variant::Correct, MUTEX, &CELLS);
}

#[test]
fn cells_and_words_together_are_safe() {
    holds(Variant::Correct, MIXED, &CELLS);
}

const HANDED: [Witness; 6] = [
    Witness::Handed,
    Witness::HandedToArmed,
    Witness::HandedToClosed,
    Witness::HandedToDisarmed,
    Witness::HandedBack,
    Witness::ChildHandedOver,
];

#[test]
fn families_are_safe() {
    holds(Variant::Correct, FAMILY, &HANDED);
}

#[test]
fn families_that_allocate_are_safe() {
    holds(Variant::Correct, CHILDREN, &HANDED);
}

const PUSHES: [Witness; 2] = [Witness::StackShaded, Witness::StackLoaded];

#[test]
fn stacks_are_safe() {
    holds(Variant::Correct, Scene { holds: [1, 1], born: 1, ..STACKS }, &PUSHES);
    holds(Variant::Correct, Scene { stacks: [true; 2], allocates: false, ..STACKS }, &PUSHES);
    let one_held = Scene { stacks: [true; 2], allocates: false, sets_roots: true, holds: [1, 1], ..STACKS };
    holds(Variant::Correct, one_held, &PUSHES);
    holds(Variant::StackTwice, Scene { allocates: false, ..STACKS }, &PUSHES);
}

/// Goal: other ways to repair the barrier that swaps first, and what the protocol does without need, are known for what they
/// are. Method: the same scenes.
#[test]
fn some_other_protocols_are_safe() {
    for variant in [Variant::SwapTwoRounds, Variant::SwapGated, Variant::CloseKeepsBuffer] {
        holds(variant, MARKERS, &[]);
        holds(variant, ROOTS, &DROPS);
    }
    let weak = Scene { holds: [2, 1], allocates: false, ..WEAK };
    holds(Variant::PlainUpgradeBeforeClose, weak, &UPGRADES);
}

/// Goal: states are kept faithfully, and exchanging names changes nothing. Method: a long random walk.
#[test]
fn names_do_not_matter() {
    for scene in [WORDS, ROOTS, WEAK, PAIRS, GUARDS, PRIVATE, MIXED, FAMILY, CHILDREN] {
        let model = Model { scene, variant: Variant::Correct };
        let (mut here, mut there) = (Next::default(), Next::default());
        let mut state = scene.initial_states()[0];
        let mut random = 0x9e37_79b9_u64;
        for _ in 0..20_000 {
            assert_eq!(State::unpack(state.pack()), state);
            let renamed = State::unpack(model.canonical(&state));
            model.successors(&state, &mut here);
            model.successors(&renamed, &mut there);
            assert_eq!(here.steps.len(), there.steps.len(), "{state}\n{renamed}");
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state = here.steps[(random >> 33) as usize % here.steps.len()].1;
        }
    }
}

// ---- large scenes

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn words_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { sets_roots: true, allocates: false, ..WORDS }, &[]);
    holds(Variant::Correct, Scene { sets_roots: true, holds: [2, 2], born: 2, ..WORDS }, &BIRTHS);
    holds(Variant::Correct, Scene { markers: 2, spills: true, ..WORDS }, &BIRTHS);
}

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn roots_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { sets_roots: false, holds: [3, 3], born: 3, ..ROOTS }, &DROPS);
    holds(Variant::Correct, Scene { holds: [1, 1], slots: 1, allocates: true, ..ROOTS }, &DROPS);
}

#[test]
#[ignore = "two minutes or so; `just model` runs it"]
fn weak_boxes_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { holds: [2, 1], born: 3, allocates: false, ..WEAK }, &UPGRADES);
    holds(Variant::Correct, Scene { holds: [2, 1], born: 1, ..WEAK }, &UPGRADES);
}

#[test]
#[ignore = "two minutes or so; `just model` runs it"]
fn ephemerons_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { holds: [2, 2], ..PAIRS }, &PASSES);
    holds(Variant::Correct, Scene { holds: [1, 1], allocates: true, ..PAIRS }, &PASSES);
    holds(Variant::Correct, Scene { holds: [1, 1], born: 3, ..PAIRS }, &PASSES);
}

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn guardians_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { holds: [2, 2], ..GUARDS }, &REVIVALS);
    holds(Variant::Correct, Scene { holds: [1, 1], allocates: true, ..GUARDS }, &REVIVALS);
    holds(Variant::Correct, Scene { holds: [1, 1], born: 3, ..GUARDS }, &REVIVALS);
}

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn cells_are_safe_in_large_scenes() {
    for scene in [PRIVATE, MUTEX] {
        holds(Variant::Correct, Scene { born: 3, sets_roots: false, ..scene }, &CELLS);
        holds(
            Variant::Correct,
            Scene { holds: [3, 1], born: 3, sets_roots: false, allocates: true, ..scene },
            &CELLS,
        );
    }
    holds(Variant::Correct, Scene { holds: [2, 2], born: 3, sets_roots: false, ..MIXED }, &CELLS);
}

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn some_other_protocols_are_safe_in_large_scenes() {
    for variant in [Variant::SwapTwoRounds, Variant::SwapGated, Variant::CloseKeepsBuffer] {
        holds(variant, Scene { spills: true, ..WORDS }, &BIRTHS);
    }
    let weak = Scene { holds: [2, 1], born: 3, allocates: false, ..WEAK };
    holds(Variant::PlainUpgradeBeforeClose, weak, &UPGRADES);
}

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn families_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { holds: [2, 2], sets_roots: true, ..FAMILY }, &HANDED);
    holds(Variant::Correct, Scene { allocates: true, ..FAMILY }, &HANDED);
    holds(Variant::Correct, Scene { holds: [3, 3], ..CHILDREN }, &HANDED);
    holds(
        Variant::Correct,
        Scene { weak: true, holds: [1, 1], stranger: 0, allocates: true, ..FAMILY },
        &HANDED,
    );
    for scene in [PRIVATE, MUTEX] {
        holds(Variant::Correct, Scene { family: true, holds: [2, 1], ..scene }, &HANDED);
    }
}

#[test]
#[ignore = "a minute or so; `just model` runs it"]
fn stacks_are_safe_in_large_scenes() {
    holds(Variant::Correct, Scene { holds: [2, 1], born: 1, ..STACKS }, &PUSHES);
    holds(Variant::Correct, STACKS, &PUSHES);
}
