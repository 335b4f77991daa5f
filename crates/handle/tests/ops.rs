//! Random programs against a model of the heap, without a fuzzer: see the module `ops`.
//!
//! The module lives beside the fuzz target that shares it. To replay what a fuzzer found, put its file into
//! `fuzz/corpus/ops` (where it stays as a test), or name it: `MUDLARK_OPS=file cargo test -p mudlark --test ops`.

#![forbid(unsafe_code)]

#[path = "../../../fuzz/src/ops/mod.rs"]
pub mod ops;

use ops::{Change, Hold, Make, Op, Outside, Percent, Program, Setup, Steal, Turn};
use std::{fs, path::Path};

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
        let bytes = random_bytes(seed, 1000 + (seed as usize * 997) % 24_000);
        let program = Program::from_bytes(&bytes).expect("any bytes are a program");
        println!("seed {seed}: {} steps, {:?}", program.ops.len(), program.setup);
        ops::run(&program);
    }
}

/// Goal: what once went wrong, or was hard to reach, stays right. Method: the committed corpus.
#[test]
fn the_corpus_agrees_with_the_model() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ops");
    let entries = fs::read_dir(&corpus).expect("the corpus is committed").map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.chain(std::env::var_os("MUDLARK_OPS").map(Into::into)).collect();
    files.sort();
    assert!(files.len() >= 10, "the corpus in {} is gone", corpus.display());
    for file in files {
        println!("{}", file.display());
        if let Some(program) = Program::from_bytes(&fs::read(&file).unwrap()) {
            ops::run(&program);
        }
    }
}

const INCREMENTAL: Setup =
    Setup { background: false, tight: false, roots_last: false, ballast: true, percent: Percent::One };

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
