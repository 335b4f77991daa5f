//! Promise: an option is obeyed or refused. Attack: options that are misspelled, misplaced or given twice.

use mudlark::Trace;

#[derive(Trace)]
#[trace(rebrand)]
struct UnknownOnType;

#[derive(Trace)]
#[trace(skip)]
struct SkipOnType;

#[derive(Trace)]
#[trace(no_rebrand, no_rebrand)]
struct Twice {
    #[trace(ignore)]
    unknown: u64,
    #[trace]
    nothing: u64,
    #[trace(skip = true)]
    value: u64,
}

#[derive(Trace)]
enum OnVariant {
    #[trace(skip)]
    One(u64),
}

fn main() {}
