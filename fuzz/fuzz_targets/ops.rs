//! Random programs against the model. See `mudlark_fuzz::ops`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mudlark_fuzz::ops::{self, Program};

fuzz_target!(|bytes: &[u8]| {
    if let Some(program) = Program::from_bytes(bytes) {
        ops::run(&program);
    }
});
