//! Programs as bytes, for fuzzers and the corpus.
//!
//! Four bytes of [`Setup`], then the steps: a code each, and its operands. A code means the same for ever, so that entries of the
//! corpus stay what they were: **a new step takes the next free code, at the end of the table below**. Codes that nobody has yet stand for
//! one that somebody has, so that random bytes are rarely wasted; [`Program::to_bytes`] never writes them.

use super::{
    Change, Hold, Make, Mortal, Op, Outside, Percent, Program, Setup, Shelve, Steal, Threads, Turn, Zealous,
};

/// What is read off the front of a program's bytes.
trait Operand: Sized {
    fn read(bytes: &mut &[u8]) -> Option<Self>;
    fn write(self, bytes: &mut Vec<u8>);
}

impl Operand for u8 {
    fn read(bytes: &mut &[u8]) -> Option<u8> {
        bytes.split_off_first().copied()
    }

    fn write(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl Operand for bool {
    fn read(bytes: &mut &[u8]) -> Option<bool> {
        u8::read(bytes).map(|byte| byte & 1 == 1)
    }

    fn write(self, bytes: &mut Vec<u8>) {
        u8::from(self).write(bytes);
    }
}

impl Operand for u16 {
    fn read(bytes: &mut &[u8]) -> Option<u16> {
        bytes.split_off(..2).map(|two| u16::from_le_bytes([two[0], two[1]]))
    }

    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }
}

const PERCENTS: [Percent; 4] = [Percent::One, Percent::Ten, Percent::Hundred, Percent::Off];

impl Operand for Percent {
    fn read(bytes: &mut &[u8]) -> Option<Percent> {
        u8::read(bytes).map(|byte| PERCENTS[usize::from(byte % 4)])
    }

    fn write(self, bytes: &mut Vec<u8>) {
        (self as u8).write(bytes);
    }
}

/// Both directions from one table: code, operands in their order, step.
macro_rules! codes {
    ($($code:literal [$($operand:ident),*] ($($step:tt)*))*) => {
        /// How many codes there are; they have no gaps.
        pub const CODES: u8 = [$($code),*].len() as u8;

        impl Op {
            fn read(bytes: &mut &[u8]) -> Option<Op> {
                let code = u8::read(bytes)?;
                match code % CODES {
                    $($code => {
                        $(let $operand = Operand::read(bytes)?;)*
                        Some($($step)*)
                    })*
                    _ => unreachable!("codes have no gaps"),
                }
            }

            fn write(self, bytes: &mut Vec<u8>) {
                match self {
                    $($($step)* => {
                        bytes.push($code);
                        $(Operand::write($operand, bytes);)*
                    })*
                }
            }
        }
    };
}

codes! {
    0 [] (Op::Make(Make::Pair))
    1 [] (Op::Make(Make::Bush))
    2 [len] (Op::Make(Make::Row { len }))
    3 [] (Op::Make(Make::Leaf))
    4 [len] (Op::Make(Make::Text { len }))
    5 [len] (Op::Make(Make::Words { len }))
    6 [len] (Op::Make(Make::Tickets { len }))
    7 [] (Op::Make(Make::Big))
    8 [count] (Op::Make(Make::Churn { count }))
    9 [of, to, clear] (Op::Change(Change::Next { of, to, clear }))
    10 [of, to, clear] (Op::Change(Change::Bush { of, to, clear }))
    11 [of, slot, to, clear] (Op::Change(Change::Slot { of, slot, to, clear }))
    12 [of, item] (Op::Change(Change::Push { of, item }))
    13 [of] (Op::Change(Change::PushNew { of }))
    14 [of] (Op::Change(Change::Pop { of }))
    15 [of, to] (Op::Change(Change::Pour { of, to }))
    16 [of] (Op::Change(Change::Leak { of }))
    17 [of, edge] (Op::Hold(Hold::Load { of, edge }))
    18 [of] (Op::Hold(Hold::Forget { of }))
    19 [of] (Op::Hold(Hold::Root { of }))
    20 [root] (Op::Hold(Hold::LoadRoot { root }))
    21 [root, of] (Op::Hold(Hold::SetRoot { root, of }))
    22 [root] (Op::Hold(Hold::DropRoot { root }))
    23 [root, drop] (Op::Steal(Steal::Root { root, drop }))
    24 [root, steps] (Op::Steal(Steal::Edge { root, steps }))
    25 [root, steps] (Op::Steal(Steal::Copy { root, steps }))
    26 [root, steps] (Op::Steal(Steal::Cut { root, steps }))
    27 [second] (Op::Turn(Turn::Enter { second }))
    28 [] (Op::Turn(Turn::Leave))
    29 [] (Op::Turn(Turn::Outside(Outside::Collect)))
    30 [root] (Op::Turn(Turn::Outside(Outside::DropRoot { root })))
    31 [percent] (Op::Turn(Turn::Outside(Outside::Percent(percent))))
    32 [second] (Op::Turn(Turn::Outside(Outside::Reattach { second })))
    33 [] (Op::Make(Make::Watch))
    34 [] (Op::Make(Make::Vault))
    35 [bytes] (Op::Make(Make::Buffer { bytes }))
    36 [of, to, clear] (Op::Change(Change::Watch { of, to, clear }))
    37 [of, item, table] (Op::Change(Change::Store { of, item, table }))
    38 [of, table] (Op::Change(Change::Take { of, table }))
    39 [of] (Op::Change(Change::Swap { of }))
    40 [of, table] (Op::Change(Change::LeakGuard { of, table }))
    41 [of, bytes] (Op::Change(Change::Resize { of, bytes }))
    42 [of] (Op::Hold(Hold::Upgrade { of }))
    43 [of] (Op::Hold(Hold::Erase { of }))
    44 [mib] (Op::Turn(Turn::Outside(Outside::Limit { mib })))
    45 [] (Op::Turn(Turn::Outside(Outside::RampUp)))
    46 [] (Op::Turn(Turn::Outside(Outside::EndRampUp)))
    47 [] (Op::Turn(Turn::Outside(Outside::Release)))
    48 [] (Op::Turn(Turn::Outside(Outside::CollectElsewhere)))
    49 [] (Op::Turn(Turn::Outside(Outside::Look)))
    50 [count] (Op::Turn(Turn::Outside(Outside::Parcels { count })))
    51 [second] (Op::Turn(Turn::Frame { second }))
    52 [] (Op::Turn(Turn::EndFrame))
    53 [of, erase] (Op::Hold(Hold::Keep { of, erase }))
    54 [local] (Op::Hold(Hold::LoadLocal { local }))
    55 [local, of] (Op::Hold(Hold::SetLocal { local, of }))
    56 [] (Op::Make(Make::Notes))
    57 [of, key, value] (Op::Mortal(Mortal::Note { of, key, value }))
    58 [of, key] (Op::Mortal(Mortal::Strike { of, key }))
    59 [of, key] (Op::Mortal(Mortal::Lookup { of, key }))
    60 [of, place] (Op::Mortal(Mortal::Browse { of, place }))
    61 [of, key, value] (Op::Mortal(Mortal::Bind { of, key, value }))
    62 [of, value] (Op::Mortal(Mortal::Rebind { of, value }))
    63 [of, text, to] (Op::Mortal(Mortal::Intern { of, text, to }))
    64 [] (Op::Make(Make::Warden))
    65 [of, item] (Op::Mortal(Mortal::Register { of, item }))
    66 [of] (Op::Mortal(Mortal::Poll { of }))
    67 [of] (Op::Mortal(Mortal::WeakRoot { of }))
    68 [root] (Op::Mortal(Mortal::UpgradeRoot { root }))
    69 [root] (Op::Mortal(Mortal::DropWeakRoot { root }))
    70 [of] (Op::Mortal(Mortal::OnDrop { of }))
    71 [which] (Op::Mortal(Mortal::Cancel { which }))
    72 [] (Op::Turn(Turn::Outside(Outside::RunCleanups)))
    73 [] (Op::Make(Make::Shelf))
    74 [of, item] (Op::Shelve(Shelve::Push { of, item }))
    75 [of] (Op::Shelve(Shelve::Pop { of }))
    76 [of, place, item] (Op::Shelve(Shelve::Insert { of, place, item }))
    77 [of, place] (Op::Shelve(Shelve::Remove { of, place }))
    78 [of, place] (Op::Shelve(Shelve::SwapRemove { of, place }))
    79 [of, place, item] (Op::Shelve(Shelve::Replace { of, place, item }))
    80 [of, one, other] (Op::Shelve(Shelve::Exchange { of, one, other }))
    81 [of, len] (Op::Shelve(Shelve::Truncate { of, len }))
    82 [of, key, item] (Op::Shelve(Shelve::Put { of, key, item }))
    83 [of, key] (Op::Shelve(Shelve::TakeOut { of, key }))
    84 [of] (Op::Shelve(Shelve::Retain { of }))
    85 [of, pair] (Op::Shelve(Shelve::Add { of, pair }))
    86 [of, pair] (Op::Shelve(Shelve::Discard { of, pair }))
    87 [of] (Op::Shelve(Shelve::Clear { of }))
    88 [count] (Op::Make(Make::Crew { count }))
    89 [of] (Op::Hold(Hold::Downcast { of }))
    90 [root] (Op::Hold(Hold::CloneRoot { root }))
    91 [of] (Op::Hold(Hold::Stash { of }))
    92 [key] (Op::Hold(Hold::Fetch { key }))
    93 [key] (Op::Hold(Hold::Unstash { key }))
    94 [of, to] (Op::Change(Change::Replace { of, to }))
    95 [of, other] (Op::Change(Change::SwapNext { of, other }))
    96 [of, expected, none, to] (Op::Change(Change::ExchangeNext { of, expected, none, to }))
    97 [mib] (Op::Turn(Turn::Outside(Outside::HardLimit { mib })))
}

impl Op {
    /// The code that stands for this kind of step.
    pub fn code(self) -> u8 {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes[0]
    }
}

impl Setup {
    fn read(bytes: &mut &[u8]) -> Option<Setup> {
        let [flags, zeal, allocations, steps] = *bytes.split_off(..4)? else { return None };
        let flag = |byte: u8, bit: u8| byte >> bit & 1 == 1;
        Some(Setup {
            background: flag(flags, 0),
            tight: flag(flags, 1),
            roots_last: flag(flags, 2),
            ballast: flag(flags, 3),
            percent: PERCENTS[usize::from(flags >> 4 & 3)],
            zeal: Zealous {
                allocations,
                yields: flag(zeal, 0),
                extra_rounds: flag(zeal, 1),
                fill_freed: flag(zeal, 2),
                verify: flag(zeal, 3),
                seed: zeal >> 4,
            },
            threads: match flags >> 6 {
                0 | 1 => Threads::One,
                2 => Threads::Turns { steps },
                _ => Threads::Free,
            },
        })
    }

    fn write(self, bytes: &mut Vec<u8>) {
        let bit = |flag: bool, bit: u8| u8::from(flag) << bit;
        let Setup { background, tight, roots_last, ballast, percent, zeal, threads } = self;
        let (threads, steps) = match threads {
            Threads::One => (0, 0),
            Threads::Turns { steps } => (2, steps),
            Threads::Free => (3, 0),
        };
        let flags = bit(background, 0) | bit(tight, 1) | bit(roots_last, 2) | bit(ballast, 3);
        bytes.push(flags | (percent as u8) << 4 | threads << 6);
        let Zealous { allocations, yields, extra_rounds, fill_freed, verify, seed } = zeal;
        let zeal = bit(yields, 0) | bit(extra_rounds, 1) | bit(fill_freed, 2) | bit(verify, 3);
        bytes.extend([zeal | seed << 4, allocations, steps]);
    }
}

impl Program {
    /// The program that some bytes stand for: an entry of the corpus, or random ones. `None` if they are too few.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Program> {
        let setup = Setup::read(&mut bytes)?;
        Some(Program { setup, ops: std::iter::from_fn(|| Op::read(&mut bytes)).collect() })
    }

    /// Bytes that stand for the program.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.setup.write(&mut bytes);
        self.ops.iter().for_each(|op| op.write(&mut bytes));
        bytes
    }
}
