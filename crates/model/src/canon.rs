//! Symmetry: states that differ only in names are one state.
//!
//! Mutators, root slots and markers can be exchanged, and objects renamed. Any renaming is sound; this one sorts
//! objects by what refers to them, and leaves the few ties alone.

use crate::{
    model::Model,
    state::{Marker, NONE, OBJECTS, Object, Op, Pair, Set, State},
};

const PERMUTATIONS: [[usize; OBJECTS]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// For each permutation and each set: the set of the new names.
const SETS: [[u8; 8]; 6] = renamed_sets();

const fn renamed_sets() -> [[u8; 8]; 6] {
    let mut sets = [[0; 8]; 6];
    let mut permutation = 0;
    while permutation < 6 {
        let mut set = 0;
        while set < 8 {
            let mut object = 0;
            while object < OBJECTS {
                if set & 1 << object != 0 {
                    sets[permutation][set] |= 1 << PERMUTATIONS[permutation][object];
                }
                object += 1;
            }
            set += 1;
        }
        permutation += 1;
    }
    sets
}

/// Bits for one object, where three are counted in one word.
const LANE: u32 = 21;

/// For each set: a one in the lanes of its objects.
const LANES: [u64; 8] = {
    let mut lanes = [0; 8];
    let mut set = 0;
    while set < 8 {
        lanes[set] = (set as u64 & 1) | (set as u64 >> 1 & 1) << LANE | (set as u64 >> 2) << (2 * LANE);
        set += 1;
    }
    lanes
};

impl Model {
    /// The packed form of the state, the same for (nearly) all states that differ only in names.
    pub fn canonical(&self, state: &State) -> u128 {
        let first = self.with_sorted_names(*state).pack();
        if !self.scene.has_equal_mutators() {
            return first;
        }
        let mut other = *state;
        other.mutators.swap(0, 1);
        other.pending = state.pending & 4 | state.pending >> 1 & 1 | (state.pending & 1) << 1;
        first.min(self.with_sorted_names(other).pack())
    }

    fn with_sorted_names(&self, mut state: State) -> State {
        if self.scene.has_equal_objects() {
            state = sort_objects(&state);
        }
        if self.scene.slots == 2 {
            let left = |state: &State, slot: usize| state.slots_left >> slot & 1;
            if (state.roots[0], left(&state, 0)) < (state.roots[1], left(&state, 1)) {
                state.roots.swap(0, 1);
                state.slots_left = state.slots_left >> 1 | (state.slots_left & 1) << 1;
            }
        }
        if number(state.markers[0]) < number(state.markers[1]) {
            state.markers.swap(0, 1);
        }
        state
    }
}

fn number(marker: Marker) -> u8 {
    match marker {
        Marker::Idle => 0,
        Marker::Value(object) => object,
        Marker::Locked(object) => 4 + object,
        Marker::Pair => 8,
    }
}

fn sort_objects(state: &State) -> State {
    let keys = keys(state);
    let mut order = [0, 1, 2];
    order.sort_unstable_by_key(|&object: &usize| std::cmp::Reverse(keys[object]));
    let mut place = [0; OBJECTS];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    match PERMUTATIONS.iter().position(|permutation| *permutation == place) {
        None | Some(0) => *state,
        Some(permutation) => rename(state, permutation),
    }
}

/// What is known of each object without its name.
fn keys(state: &State) -> [u64; OBJECTS] {
    let [first, second, third] = &state.mutators;
    let sets = [
        state.alive,
        state.filling,
        state.finished,
        state.fresh,
        state.stamped,
        state.queue,
        first.held,
        first.buffer,
        first.window,
        second.held,
        second.buffer,
        second.window,
        third.held,
        third.buffer,
        third.window,
    ];
    let lanes = sets.iter().fold(0, |lanes, set| lanes << 1 | LANES[set.0 as usize]);
    let mut keys = [0, 1, 2].map(|object| lanes >> (object * LANE) & ((1 << LANE) - 1));
    let mut note = |object: Object, weight: u32| {
        if object != NONE {
            keys[object as usize - 1] += 1 << weight;
        }
    };
    note(state.roots[0], 15);
    note(state.roots[1], 15);
    note(state.weak, 17);
    note(state.value, 28);
    if let Pair::Waits(object) = state.pair {
        note(object, 29);
    }
    note(state.thread, 18);
    for mutator in &state.mutators {
        note(mutator.stack, 30);
    }
    for marker in state.markers {
        if let Marker::Value(object) | Marker::Locked(object) = marker {
            note(object, 19);
        }
    }
    for (index, mutator) in state.mutators.iter().enumerate() {
        if let Op::Shade(object) | Op::Upgrade(object) | Op::Log(object) | Op::Exclusive(object) = mutator.op
        {
            note(object, 21 + index as u32);
        }
    }
    for (object, word) in state.field.into_iter().enumerate() {
        note(word, 24);
        if word == NONE {
            note(object as Object + 1, 27);
        }
    }
    // What an object leads to tells it from its like.
    let alone = keys;
    for (object, word) in state.field.into_iter().enumerate() {
        let target = if word == NONE { 0 } else { alone[word as usize - 1] };
        keys[object] = alone[object] << 32 | target;
    }
    keys
}

fn rename(state: &State, permutation: usize) -> State {
    let name = |object: Object| match object {
        NONE => NONE,
        object => PERMUTATIONS[permutation][object as usize - 1] as Object + 1,
    };
    let set = |set: Set| Set(SETS[permutation][set.0 as usize]);
    let mut after = *state;
    for (object, word) in state.field.into_iter().enumerate() {
        after.field[PERMUTATIONS[permutation][object]] = name(word);
    }
    after.roots = state.roots.map(name);
    after.weak = name(state.weak);
    after.value = name(state.value);
    if let Pair::Waits(object) = state.pair {
        after.pair = Pair::Waits(name(object));
    }
    after.thread = name(state.thread);
    after.alive = set(state.alive);
    after.filling = set(state.filling);
    after.finished = set(state.finished);
    after.fresh = set(state.fresh);
    after.stamped = set(state.stamped);
    after.queue = set(state.queue);
    after.markers = state.markers.map(|marker| match marker {
        Marker::Idle => Marker::Idle,
        Marker::Value(object) => Marker::Value(name(object)),
        Marker::Locked(object) => Marker::Locked(name(object)),
        Marker::Pair => Marker::Pair,
    });
    for mutator in &mut after.mutators {
        mutator.held = set(mutator.held);
        mutator.buffer = set(mutator.buffer);
        mutator.window = set(mutator.window);
        mutator.stack = name(mutator.stack);
        mutator.op = match mutator.op {
            Op::None => Op::None,
            Op::Shade(object) => Op::Shade(name(object)),
            Op::Upgrade(object) => Op::Upgrade(name(object)),
            Op::StaleUpgrade(object) => Op::StaleUpgrade(name(object)),
            Op::Log(object) => Op::Log(name(object)),
            Op::Exclusive(object) => Op::Exclusive(name(object)),
            Op::Replace { holder, new, old } => {
                Op::Replace { holder: name(holder), new: name(new), old: name(old) }
            }
            Op::Overwrite { holder, new } => Op::Overwrite { holder: name(holder), new: name(new) },
        };
    }
    after
}
