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
    mem::discriminant,
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

/// Goal: no sequence of safe calls loses, changes or keeps an object. Method: seeds; a failure names its own.
#[test]
fn random_programs_agree_with_the_model() {
    for seed in 1..=60 {
        let bytes = random_bytes(seed, 500 + (seed as usize * 997) % 5_000);
        let program = Program::from_bytes(&bytes).expect("any bytes are a program");
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
    assert!(missing.is_empty(), "codes {missing:?} are nowhere; write the corpus anew");
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

/// Writes the generated part of the corpus: of many seeded programs those in which a step follows one that it follows in no
/// other, in each way to use threads; the shortest first.
#[test]
#[ignore = "writes files; see `fuzz/src/ops/mod.rs`"]
fn write_the_corpus() {
    let mut seen = HashSet::new();
    let mut kept = 0;
    for seed in 1..=2000_u64 {
        let len = 60 + seed as usize / 4;
        let program = Program::from_bytes(&random_bytes(seed, len)).expect("any bytes are a program");
        let codes: Vec<u8> = program.ops.iter().map(|op| op.code()).collect();
        let threads = discriminant(&program.setup.threads);
        let pairs: HashSet<_> = codes.windows(2).map(|pair| (threads, pair[0], pair[1])).collect();
        let new = pairs.difference(&seen).count();
        // Most of it is new, or all threads have seen enough.
        if new * 10 > codes.len() * 9 && kept < 30 {
            ops::run(&program);
            fs::write(corpus().join(format!("generated-{seed:04}")), program.to_bytes()).unwrap();
            seen.extend(pairs);
            kept += 1;
        }
    }
    println!("{kept} programs, {} pairs of steps", seen.len());
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
