//! States as bits: how the search keeps them.

use crate::state::{MUTATORS, Marker, Mutator, OBJECTS, Op, Pair, Phase, Set, State};

impl State {
    /// The state in 124 bits; no two states have the same.
    pub fn pack(&self) -> u128 {
        let mut bits = Packer(0);
        bits.put(self.phase as u8, 4);
        bits.put(self.pending, 3);
        for word in self.field.iter().chain(&self.roots) {
            bits.put(*word, 2);
        }
        bits.put(self.weak, 2);
        bits.put(self.value, 2);
        bits.put(self.pair.number(), 3);
        bits.put(u8::from(self.stirred), 1);
        bits.put(u8::from(self.keyed), 1);
        bits.put(u8::from(self.revived), 1);
        bits.put(self.thread, 2);
        for set in [self.alive, self.filling, self.finished, self.fresh, self.stamped, self.queue] {
            bits.put(set.0, 3);
        }
        bits.put(self.slots_left, 2);
        bits.put(u8::from(self.pushed), 1);
        bits.put(u8::from(self.quiet_round), 1);
        bits.put(u8::from(self.child), 1);
        bits.put(self.acts_left, 4);
        bits.put(u8::from(self.lied), 1);
        bits.put(u8::from(self.misled), 1);
        for marker in self.markers {
            bits.put(marker.number(), 3);
        }
        for mutator in self.mutators {
            for set in [mutator.held, mutator.buffer, mutator.window] {
                bits.put(set.0, 3);
            }
            bits.put(mutator.stack, 2);
            for (number, width) in mutator.op.numbers().into_iter().zip([3, 2, 2, 2]) {
                bits.put(number, width);
            }
        }
        bits.0
    }

    /// The state that packs into these bits.
    pub fn unpack(bits: u128) -> State {
        let mut bits = Packer(bits);
        // Backwards: what was put last is on top.
        let mut mutators = [Mutator::default(); MUTATORS];
        for mutator in mutators.iter_mut().rev() {
            let [old, new, object, kind] = [2, 2, 2, 3].map(|width| bits.take(width));
            mutator.op = Op::from_numbers([kind, object, new, old]);
            mutator.stack = bits.take(2);
            mutator.window = Set(bits.take(3));
            mutator.buffer = Set(bits.take(3));
            mutator.held = Set(bits.take(3));
        }
        let mut markers = [Marker::default(); 2];
        for marker in markers.iter_mut().rev() {
            *marker = Marker::from_number(bits.take(3));
        }
        let misled = bits.take(1) != 0;
        let lied = bits.take(1) != 0;
        let acts_left = bits.take(4);
        let child = bits.take(1) != 0;
        let quiet_round = bits.take(1) != 0;
        let pushed = bits.take(1) != 0;
        let slots_left = bits.take(2);
        let [queue, stamped, fresh, finished, filling, alive] = [3; 6].map(|width| Set(bits.take(width)));
        let thread = bits.take(2);
        let revived = bits.take(1) != 0;
        let keyed = bits.take(1) != 0;
        let stirred = bits.take(1) != 0;
        let pair = Pair::from_number(bits.take(3));
        let [value, weak, root_1, root_0, word_2, word_1, word_0] = [2; 7].map(|width| bits.take(width));
        let pending = bits.take(3);
        State {
            phase: Phase::BY_NUMBER[bits.take(4) as usize],
            pending,
            field: [word_0, word_1, word_2],
            alive,
            filling,
            finished,
            fresh,
            stamped,
            queue,
            slots_left,
            pushed,
            quiet_round,
            weak,
            value,
            pair,
            stirred,
            keyed,
            revived,
            roots: [root_0, root_1],
            markers,
            thread,
            mutators,
            child,
            acts_left,
            lied,
            misled,
        }
    }
}

impl Marker {
    fn number(self) -> u8 {
        match self {
            Marker::Idle => 0,
            Marker::Value(object) => object,
            Marker::Locked(object) => OBJECTS as u8 + object,
            Marker::Pair => 2 * OBJECTS as u8 + 1,
        }
    }

    fn from_number(number: u8) -> Marker {
        match number {
            0 => Marker::Idle,
            1..=3 => Marker::Value(number),
            4..=6 => Marker::Locked(number - OBJECTS as u8),
            _ => Marker::Pair,
        }
    }
}

impl Pair {
    fn number(self) -> u8 {
        match self {
            Pair::Done => 0,
            Pair::Waits(object) => object,
            Pair::Due => 4,
            Pair::Noted => 5,
            Pair::ToChoose => 6,
            Pair::Chosen => 7,
        }
    }

    fn from_number(number: u8) -> Pair {
        match number {
            0 => Pair::Done,
            1..=3 => Pair::Waits(number),
            4 => Pair::Due,
            5 => Pair::Noted,
            6 => Pair::ToChoose,
            _ => Pair::Chosen,
        }
    }
}

impl Op {
    fn numbers(self) -> [u8; 4] {
        match self {
            Op::None => [0; 4],
            Op::Shade(object) => [1, object, 0, 0],
            Op::Upgrade(object) => [2, object, 0, 0],
            Op::Log(object) => [3, object, 0, 0],
            Op::Exclusive(object) => [4, object, 0, 0],
            Op::Replace { holder, new, old } => [5, holder, new, old],
            Op::Overwrite { holder, new } => [6, holder, new, 0],
            Op::StaleUpgrade(object) => [7, object, 0, 0],
        }
    }

    fn from_numbers([kind, object, new, old]: [u8; 4]) -> Op {
        match kind {
            0 => Op::None,
            1 => Op::Shade(object),
            2 => Op::Upgrade(object),
            3 => Op::Log(object),
            4 => Op::Exclusive(object),
            5 => Op::Replace { holder: object, new, old },
            6 => Op::Overwrite { holder: object, new },
            _ => Op::StaleUpgrade(object),
        }
    }
}

struct Packer(u128);

impl Packer {
    fn put(&mut self, value: u8, width: u32) {
        debug_assert!(u32::from(value) < 1 << width);
        self.0 = self.0 << width | u128::from(value);
    }

    fn take(&mut self, width: u32) -> u8 {
        let value = (self.0 & ((1 << width) - 1)) as u8;
        self.0 >>= width;
        value
    }
}
