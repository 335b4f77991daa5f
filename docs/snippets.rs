//! The Rust of the readme and of the book, as documentation tests: `cargo test -p mudlark-book` compiles and runs it.

#![cfg(doctest)]

macro_rules! pages {
    ($($name:ident: $path:literal),+ $(,)?) => { $(
        #[doc = include_str!($path)]
        pub mod $name {}
    )+ };
}

pages! {
    readme: "../README.md",
    introduction: "src/introduction.md",
    first_steps: "src/first-steps.md",
    rooting: "src/rooting.md",
    cells: "src/cells.md",
    how_it_works: "src/how-it-works.md",
    weak: "src/weak.md",
    threads: "src/threads.md",
    vm: "src/vm.md",
    finalization: "src/finalization.md",
    collections: "src/collections.md",
    pacing: "src/pacing.md",
    command: "src/command.md",
    checking: "src/checking.md",
    porting_rc: "src/porting-rc.md",
    porting_gc_arena: "src/porting-gc-arena.md",
    porting_rust_gc: "src/porting-rust-gc.md",
    measuring: "src/measuring.md",
    raw: "src/raw.md",
    safety: "src/safety.md",
    bug_classes: "src/bug-classes.md",
    limits: "src/limits.md",
}
