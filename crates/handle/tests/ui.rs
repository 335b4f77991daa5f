//! Programs that would break a promise, and therefore do not compile.
//!
//! Each file in `tests/ui` is one attack. The expected messages are those of the compiler that this project
//! is built with; after a change, look at the new ones and keep them with `TRYBUILD=overwrite cargo test
//! --test ui`.

/// Goal: no program without `unsafe` breaks a promise at compile time. Method: try.
#[test]
fn attacks_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
