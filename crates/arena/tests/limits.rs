//! Limits of the operating system, in child processes.
//!
//! A test starts itself again with [`CHILD`] set, and the child lowers its own limit. Sanitizers take more addresses than
//! any limit allows, so there are no such tests under them.
#![cfg(all(not(loom), not(mudlark_asan), target_os = "linux"))]

#[path = "support/heap.rs"]
mod heap;

use heap::{Cycle, ModelHeap};
use mudlark_arena::{Arena, ArenaConfig, Exhausted, SystemPages};
use std::process::Command;

const CHILD: &str = "MUDLARK_LIMITED_CHILD";

/// Runs `child` in a process of its own.
fn in_a_child(test: &str, child: fn()) {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let binary = std::env::current_exe().expect("a test has a binary");
    let output = Command::new(binary)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("the test starts again");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the child failed: {}\n{text}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "the child did not run its test:\n{text}");
}

fn set_limit(resource: libc::__rlimit_resource_t, soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
    limit.rlim_cur = soft.min(limit.rlim_max);
    // SAFETY: `limit` is a valid limit.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

/// Goal: a heap fits itself to a limited address space, and says so. Method: `RLIMIT_AS` of 1 GiB.
#[test]
fn a_reservation_fits_under_the_address_limit() {
    in_a_child("a_reservation_fits_under_the_address_limit", || {
        set_limit(libc::RLIMIT_AS, 1 << 30);
        let arena = Arena::new(ArenaConfig::default()).expect("smaller reservations are tried");
        let reserved = arena.stats().reserved_bytes;
        assert!((128 << 20..1 << 30).contains(&reserved), "{reserved} bytes are reserved");
        let mut heap = ModelHeap::new(arena, &[(512, true)]);
        for _ in 0..10_000 {
            heap.alloc(0).expect("there is room");
        }
        heap.cycle(&Cycle { keep: 0xF0, allocations: [9; 3] });
        heap.check();
        heap.end();
    });
}

/// Goal: no addresses at all is an error with a remedy. Method: `RLIMIT_AS` below what the process has.
#[test]
fn no_addresses_is_an_error() {
    in_a_child("no_addresses_is_an_error", || {
        set_limit(libc::RLIMIT_AS, 1 << 20);
        let made = Arena::new(ArenaConfig {
            max_bytes: 8 << 20,
            pages: Box::new(SystemPages),
            ..ArenaConfig::default()
        });
        set_limit(libc::RLIMIT_AS, u64::MAX);
        let error = made.expect_err("there are no addresses");
        assert_eq!((error.wanted_bytes, error.least_bytes), (8 << 20, 4 << 20));
        assert!(error.to_string().contains("ulimit -v"), "{error}");
    });
}

/// Goal: memory that the system refuses is an error, nothing is lost, and later there may be some. Method:
/// `RLIMIT_DATA`, lowered and raised.
#[test]
fn refused_memory_is_an_error_and_may_come_later() {
    in_a_child("refused_memory_is_an_error_and_may_come_later", || {
        let arena = Arena::new(ArenaConfig::default()).expect("addresses are no data");
        let mut heap = ModelHeap::new(arena, &[(4096, true)]);
        set_limit(libc::RLIMIT_DATA, 64 << 20);
        let cause = loop {
            if let Err(cause) = heap.alloc(0) {
                break cause;
            }
            assert!(heap.len() < 16 << 10, "the limit is not felt");
        };
        assert_eq!(cause, Exhausted::System);
        let objects = heap.len();
        heap.check();
        assert!(heap.alloc_large(1 << 30, true).is_err());
        set_limit(libc::RLIMIT_DATA, u64::MAX);
        heap.alloc(0).expect("the limit was raised");
        heap.alloc_large(64 << 20, true).expect("the limit was raised");
        heap.cycle(&Cycle { keep: 0xFF, allocations: [0; 3] });
        heap.check();
        assert_eq!(heap.len(), objects + 2);
        heap.end();
    });
}
