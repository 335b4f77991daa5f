//! What a microsecond of work looks like to the clocks of this machine: the floor under every percentile of safepoint work.
//!
//! Two threads, as many as the workload has, do nothing but arithmetic that takes about a microsecond, again and again, and each piece
//! is measured as a safepoint is: its time on the clock, less what the thread had no core for. What is then beyond a few
//! microseconds is the machine's: interrupts, and a hypervisor that takes a core away, are charged to the thread that they hit.
//!
//! `cargo run --release -p mudlark-lab --example clock_floor`

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

const THREADS: usize = 2;
const PIECES: usize = 1_000_000;
const PIECE: Duration = Duration::from_micros(1);
/// Absences shorter than this are the clocks' own time.
const READING_MAX: Duration = Duration::from_micros(2);

fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// So many rounds of arithmetic.
fn work(rounds: u64) -> u64 {
    (0..rounds).fold(1, |state, n| black_box(state ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn pieces() -> Vec<Duration> {
    let begun = Instant::now();
    black_box(work(1_000_000));
    let rounds = (1e6 * PIECE.as_secs_f64() / begun.elapsed().as_secs_f64()) as u64;
    let piece = |_| {
        let (outer, cpu) = (Instant::now(), thread_cpu());
        let begun = Instant::now();
        black_box(work(rounds));
        let took = begun.elapsed();
        let worked = thread_cpu().saturating_sub(cpu);
        let away = outer.elapsed().saturating_sub(worked);
        took - if away < READING_MAX { Duration::ZERO } else { away.min(took) }
    };
    (0..PIECES).map(piece).collect()
}

fn main() {
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(pieces)).collect();
    let mut all: Vec<Duration> =
        threads.into_iter().flat_map(|thread| thread.join().expect("arithmetic does not panic")).collect();
    all.sort_unstable();
    let quantile = |part: f64| all[((all.len() - 1) as f64 * part) as usize].as_nanos() as f64 / 1e3;
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)] {
        println!("{name:>7} {:9.2} µs", quantile(part));
    }
}
