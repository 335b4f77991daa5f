//! Tells a waiting person how far a run is: one line on the terminal, rewritten, and cleared at the end.
//!
//! Workloads only count what they have done, once per batch. A thread of its own looks at the count a few
//! times a second, so that no timed loop reads a clock for it. Without a terminal there is no such thread.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A run shorter than this shows nothing.
const SILENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(200);
/// Goes to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// Counts the units of work done; shows them while it lives.
#[derive(Debug)]
pub struct Progress {
    done: Arc<AtomicU64>,
    painter: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Counts and shows nothing.
    pub fn silent() -> Self {
        Self { done: Arc::default(), painter: None }
    }

    /// Shows the progress of `name` towards `total` units if standard error is a terminal.
    pub fn on_terminal(name: &'static str, total: u64) -> Self {
        let mut progress = Self::silent();
        if std::io::stderr().is_terminal() {
            let done = Arc::clone(&progress.done);
            let (sender, receiver) = mpsc::channel();
            // A run without a progress line is better than no run, so a failure to spawn is no error.
            let painter = std::thread::Builder::new().name("progress".to_owned());
            let painter = painter.spawn(move || paint(name, total, &done, &receiver)).ok();
            progress.painter = painter.map(|thread| (sender, thread));
        }
        progress
    }

    /// Counts `units` more as done.
    #[inline]
    pub fn advance(&self, units: u64) {
        self.done.fetch_add(units, Relaxed);
    }

    /// Returns the units done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.painter.take() {
            drop(sender);
            // The painter cannot fail in a way that matters to the run.
            let _ = thread.join();
        }
    }
}

/// Rewrites the line until the other end of `stop` is dropped.
fn paint(name: &str, total: u64, done: &AtomicU64, stop: &mpsc::Receiver<()>) {
    let start = Instant::now();
    let mut is_shown = false;
    let mut wait = SILENCE;
    while stop.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        let line = line(name, done.load(Relaxed), total, start.elapsed());
        let mut terminal = std::io::stderr().lock();
        let _ = write!(terminal, "{CLEAR}{line}").and_then(|()| terminal.flush());
        is_shown = true;
        wait = REDRAW;
    }
    if is_shown {
        let _ = write!(std::io::stderr(), "{CLEAR}");
    }
}

fn line(name: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let percent = (done.min(total) as f64 * 100.0 / total.max(1) as f64).floor();
    format!("{name} {percent} %, {:.1} s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Progress, line};

    #[test]
    fn the_line_tells_share_and_time() {
        assert_eq!(line("trees", 43, 100, Duration::from_millis(2140)), "trees 43 %, 2.1 s");
        assert_eq!(line("trees", 101, 100, Duration::ZERO), "trees 100 %, 0.0 s");
        assert_eq!(line("trees", 0, 0, Duration::ZERO), "trees 0 %, 0.0 s");
    }

    #[test]
    fn work_is_counted_without_a_terminal() {
        let progress = Progress::silent();
        progress.advance(3);
        progress.advance(4);
        assert_eq!(progress.done(), 7);
    }
}
