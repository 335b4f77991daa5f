//! Random programs against a model of the heap, without a fuzzer: see the module `ops`.
//!
//! The module lives beside the fuzz target that shares it. To replay what a fuzzer found, put its file into
//! `fuzz/corpus/ops` (where it stays as a test), or name it: `MUDLARK_OPS=file cargo test -p mudlark --test ops`.

#![forbid(unsafe_code)]

#[path = "../../../fuzz/src/ops/mod.rs"]
pub mod ops;

use ops::{CODES, Change, Hold, Make, Op, Outside, Percent, Program, Setup, Steal, Threads, Turn, Zealous};
use std::{
    collections::HashSet,
    fs,
    mem::{Discriminant, discriminant},
    path::{Path, PathBuf},
};

/// Random bytes: xorshift64.
fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A few, or as many as `MUDLARK_OPS_SEEDS` says, from the one that `MUDLARK_OPS_FIRST` names.
fn seeds() -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first = number("MUDLARK_OPS_FIRST").unwrap_or(1);
    first..first + number("MUDLARK_OPS_SEEDS").unwrap_or(60)
}

/// Goal: no sequence of safe calls loses, changes or keeps an object. Method: seeds; a failure names its own.
#[test]
fn random_programs_agree_with_the_model() {
    for seed in seeds() {
        let bytes = random_bytes(seed, 500 + (seed as usize * 997) % 5_000);
        let program = Program::from_bytes(&bytes).expect("any bytes are a program");
        println!("seed {seed}: {} steps, {:?}", program.ops.len(), program.setup);
        ops::run(&program);
    }
}

/// A program of few kinds of steps, some of them frequent: so scopes are long and what depends on each other comes together.
fn swarm(seed: u64) -> Program {
    let bytes = random_bytes(seed, 60_000);
    let (setup, bytes) = bytes.split_at(4);
    let (weights, bytes) = bytes.split_at(usize::from(CODES));
    let likely = (0..CODES).zip(weights).flat_map(|(code, &weight)| {
        let times = match weight % 8 {
            0..4 => 0,
            4..7 => 1,
            _ => 4,
        };
        // Pairs are what most is about.
        std::iter::repeat_n(code, if code == 0 { 6 } else { times })
    });
    let likely: Vec<u8> = likely.collect();
    let step = |bytes: &[u8]| {
        let code = likely[usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % likely.len()];
        [setup, &[code], &bytes[2..]].concat()
    };
    let mut program = Program::from_bytes(setup).expect("four bytes are a program");
    let steps = bytes.chunks_exact(10).take(200 + (seed as usize * 997) % 3_000);
    let ops = steps.filter_map(|bytes| Some((bytes[9], *Program::from_bytes(&step(bytes))?.ops.first()?)));
    // Few of the steps that would end a scope, and fewer of those that would end a frame.
    let ops = ops.filter(|(byte, op)| match op {
        Op::Turn(Turn::EndFrame | Turn::Outside(Outside::Parcels { .. } | Outside::Reattach { .. })) => {
            byte % 32 == 0
        }
        Op::Turn(Turn::Frame { .. } | Turn::Leave | Turn::Outside(Outside::Collect)) => byte % 4 == 0,
        Op::Turn(_) => byte % 8 == 0,
        _ => true,
    });
    program.ops = ops.map(|(_, op)| op).collect();
    program
}

/// Goal: the same, for steps that need others before them. Method: seeds, each with a choice of steps of its own.
#[test]
fn programs_of_few_kinds_of_steps_agree_with_the_model() {
    for seed in seeds() {
        let program = swarm(seed);
        println!("seed {seed}: {} steps, {:?}", program.ops.len(), program.setup);
        ops::run(&program);
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ops")
}

fn entries() -> Vec<(PathBuf, Program)> {
    let files = fs::read_dir(corpus()).expect("the corpus is committed").map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.chain(std::env::var_os("MUDLARK_OPS").map(Into::into)).collect();
    files.sort();
    files
        .into_iter()
        .filter_map(|file| Program::from_bytes(&fs::read(&file).unwrap()).map(|program| (file, program)))
        .collect()
}

/// Goal: what once went wrong, or was hard to reach, stays right. Method: the committed corpus.
#[test]
fn the_corpus_agrees_with_the_model() {
    let entries = entries();
    assert!(entries.len() >= 20, "the corpus in {} is gone", corpus().display());
    for (file, program) in entries {
        println!("{}", file.display());
        ops::run(&program);
    }
}

/// Goal: whatever the language can say is said in the corpus. Method: each code is there, and each way to use threads.
#[test]
fn the_corpus_has_every_step() {
    let (mut codes, mut threads) = (HashSet::new(), HashSet::new());
    for (_, program) in entries() {
        threads.insert(discriminant(&program.setup.threads));
        codes.extend(program.ops.iter().map(|op| op.code()));
    }
    let missing: Vec<u8> = (0..CODES).filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "codes {missing:?} are nowhere; extend the corpus");
    assert_eq!(threads.len(), 3);
}

/// Goal: a program is its bytes. Method: there and back, for random ones and for the corpus, whose bytes are the shortest.
#[test]
fn programs_are_their_bytes() {
    for seed in 1..=50 {
        let program = Program::from_bytes(&random_bytes(seed, 2000)).expect("any bytes are a program");
        assert_eq!(Program::from_bytes(&program.to_bytes()).as_ref(), Some(&program), "seed {seed}");
    }
    for (file, program) in entries() {
        assert_eq!(fs::read(&file).unwrap(), program.to_bytes(), "{}", file.display());
    }
}

/// The steps that follow each other in a program, by the way to use threads.
fn pairs(program: &Program) -> HashSet<(Discriminant<Threads>, u8, u8)> {
    let codes: Vec<u8> = program.ops.iter().map(|op| op.code()).collect();
    let threads = discriminant(&program.setup.threads);
    codes.windows(2).map(|pair| (threads, pair[0], pair[1])).collect()
}

/// Extends the generated part of the corpus: by those of many seeded programs in which a step follows one that it follows in no
/// other, in each way to use threads, the shortest first; and by the beginnings of some of few kinds of steps.
#[test]
#[ignore = "writes files; see `fuzz/src/ops/mod.rs`"]
fn extend_the_corpus() {
    let mut seen: HashSet<_> = entries().iter().flat_map(|(_, program)| pairs(program)).collect();
    let mut kept = 0;
    for seed in 1..=2000_u64 {
        let file = corpus().join(format!("generated-{seed:04}"));
        let len = 60 + seed as usize / 2;
        let program = Program::from_bytes(&random_bytes(seed, len)).expect("any bytes are a program");
        let pairs = pairs(&program);
        let new = pairs.difference(&seen).count();
        // Most of it is new, or all threads have seen enough. What is there already stays as it is.
        if new * 10 > pairs.len() * 9 && kept < 40 && !file.exists() {
            ops::run(&program);
            fs::write(file, program.to_bytes()).unwrap();
            seen.extend(pairs);
            kept += 1;
        }
    }
    println!("{kept} programs, {} pairs of steps", seen.len());
    for seed in 1..=24 {
        let file = corpus().join(format!("swarm-{seed:04}"));
        let mut program = swarm(seed);
        program.ops.truncate(400);
        if !file.exists() {
            ops::run(&program);
            fs::write(file, program.to_bytes()).unwrap();
        }
    }
}

const INCREMENTAL: Setup = Setup {
    background: false,
    tight: false,
    roots_last: false,
    ballast: true,
    percent: Percent::One,
    zeal: Zealous {
        allocations: 0,
        yields: false,
        extra_rounds: false,
        fill_freed: false,
        verify: false,
        seed: 0,
    },
    threads: Threads::One,
};

/// Goal: an object that only a new object leads to survives a cycle that began in between. Method: while the first
/// mutator is in a scope and does not know of the cycle, the second one puts the object into a new one, and the first one cuts
/// the old edge, unseen. Only the window of the second mutator still leads to it.
#[test]
fn what_only_a_window_leads_to_survives() {
    let enter_second = Op::Turn(Turn::Enter { second: true });
    let leave = Op::Turn(Turn::Leave);
    let ops = vec![
        // A pair with an edge to another one, and a root of the first.
        Op::Make(Make::Pair),
        Op::Make(Make::Bush),
        Op::Make(Make::Pair),
        Op::Change(Change::Next { of: 2, to: 0, clear: false }),
        Op::Hold(Hold::Root { of: 2 }),
        leave,
        Op::Turn(Turn::Enter { second: false }),
        // The trigger is passed: at the end of this scope the second mutator arms.
        enter_second,
        Op::Make(Make::Churn { count: 4095 }),
        leave,
        enter_second,
        Op::Steal(Steal::Copy { root: 0, steps: 0 }),
        leave,
        Op::Steal(Steal::Cut { root: 1, steps: 0 }),
        leave,
        Op::Turn(Turn::Outside(Outside::Collect)),
    ];
    for ballast in [false, true] {
        ops::run(&Program { setup: Setup { ballast, ..INCREMENTAL }, ops: ops.clone() });
    }
}
