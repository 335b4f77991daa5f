//! Random programs against the model. See `mudlark_fuzz::ops`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mudlark_fuzz::ops::{self, Program};

fuzz_target!(|program: Program| ops::run(&program));
