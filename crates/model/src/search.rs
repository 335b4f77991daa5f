//! Breadth-first search of all states, so that a counterexample is a shortest one.
//!
//! Seen states are kept in full, in the order in which they were found: no two are ever taken for one. The table holds
//! their numbers, with a part of the hash to spare most look-ups of the states themselves.

use crate::{
    model::{Model, Next, Violation},
    state::State,
    trace::Trace,
    witness::Witnesses,
};

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    /// Different states.
    pub states: usize,
    /// Steps to the farthest of them.
    pub depth: usize,
    /// What happened.
    pub witnesses: Witnesses,
    /// The first violation, and how it comes about.
    pub broken: Option<(Violation, Trace)>,
    /// Whether the search was given up.
    pub is_cut_short: bool,
}

impl Model {
    /// Searches all states, or until a violation or `states_max` states were found.
    pub fn search(&self, states_max: usize) -> Outcome {
        let mut seen = Seen::new();
        let (mut next, mut keys) = (Next::default(), Vec::new());
        for state in self.scene.initial_states() {
            seen.add(Key::of(self.canonical(&state)), ROOT);
        }
        let (mut depth, mut layer_end, mut index) = (0, seen.states.len(), 0);
        let mut broken = None;
        while index < seen.states.len() && broken.is_none() && seen.states.len() < states_max {
            if index == layer_end {
                depth += 1;
                layer_end = seen.states.len();
            }
            let state = State::unpack(seen.states[index]);
            self.successors(&state, &mut next);
            keys.clear();
            keys.extend(next.steps.iter().map(|(_, after)| Key::of(self.canonical(after))));
            seen.touch(&keys);
            for ((_, after), key) in next.steps.iter().zip(&keys) {
                if seen.add(*key, index as u32) && broken.is_none() {
                    broken = self.violation(after).map(|violation| (violation, seen.states.len() - 1));
                }
            }
            index += 1;
        }
        Outcome {
            states: seen.states.len(),
            depth,
            witnesses: next.witnesses,
            is_cut_short: broken.is_none() && index < seen.states.len(),
            broken: broken.map(|(violation, at)| (violation, self.trace(&seen.path(at)))),
        }
    }
}

const ROOT: u32 = u32::MAX;

/// All states found so far.
struct Seen {
    states: Vec<u128>,
    parents: Vec<u32>,
    /// Open addressing: a part of the hash above, the number of the state plus one below; zero is free.
    table: Vec<u64>,
}

const TABLE_LEN_LEAST: usize = 1 << 16;
/// With 32 bits for numbers.
const STATES_MAX: usize = ROOT as usize - 1;

impl Seen {
    fn new() -> Seen {
        Seen { states: Vec::new(), parents: Vec::new(), table: vec![0; TABLE_LEN_LEAST] }
    }

    /// Looks where the states would be, all together: the memory is slow, but not busy.
    fn touch(&self, keys: &[Key]) {
        let entries = keys.iter().fold(0, |all, key| all ^ self.table[self.place(key.hash)]);
        std::hint::black_box(entries);
    }

    /// `true` if the state is new.
    fn add(&mut self, Key { state, hash }: Key, parent: u32) -> bool {
        if self.states.len() * 3 > self.table.len() * 2 {
            self.grow();
        }
        let mut place = self.place(hash);
        loop {
            let entry = self.table[place];
            if entry == 0 {
                break;
            }
            let is_like = entry >> 32 == hash & u64::from(u32::MAX);
            if is_like && self.states[(entry as u32 - 1) as usize] == state {
                return false;
            }
            place = (place + 1) & (self.table.len() - 1);
        }
        assert!(self.states.len() < STATES_MAX, "more states than numbers");
        self.states.push(state);
        self.parents.push(parent);
        self.table[place] = hash << 32 | self.states.len() as u64;
        true
    }

    /// The place comes from the upper bits of the hash, what is kept in the table from the lower ones.
    fn place(&self, hash: u64) -> usize {
        (hash >> (64 - self.table.len().trailing_zeros())) as usize
    }

    fn grow(&mut self) {
        let len = self.table.len() * 2;
        // Free the old one first: it would be half of the memory at the peak.
        self.table = Vec::new();
        self.table = vec![0; len];
        for (index, &state) in self.states.iter().enumerate() {
            let hash = hash(state);
            let mut place = self.place(hash);
            while self.table[place] != 0 {
                place = (place + 1) & (len - 1);
            }
            self.table[place] = hash << 32 | (index as u64 + 1);
        }
    }

    /// The states that lead to one, itself the last.
    fn path(&self, mut index: usize) -> Vec<u128> {
        let mut path = vec![self.states[index]];
        while self.parents[index] != ROOT {
            index = self.parents[index] as usize;
            path.push(self.states[index]);
        }
        path.reverse();
        path
    }
}

/// A packed state with its hash.
#[derive(Clone, Copy)]
struct Key {
    state: u128,
    hash: u64,
}

impl Key {
    fn of(state: u128) -> Key {
        Key { state, hash: hash(state) }
    }
}

fn hash(state: u128) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (state as u64).wrapping_mul(ODD) ^ ((state >> 64) as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(ODD);
    mixed ^ mixed >> 29
}
