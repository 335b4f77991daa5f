//! Between two cycles: the program runs until one is due.

use super::{Cores, SECOND, Simulation};
use mudlark_collector::pacing::{Bytes, Cause, IdleAction, Look};

/// A piece is at least this long, so that time passes.
const PIECE_MIN: f64 = 1.0;
/// Pieces without a cycle, at most: what takes longer is as good as over.
const PIECES_MAX: u32 = 5_000_000;

impl Simulation {
    /// Lets the program run until a cycle is due, and says why; `None` if the time of the scenario is over.
    pub(super) fn mutate(&mut self) -> Option<Cause> {
        let end = self.scenario.seconds * SECOND;
        let begun = self.state.allocated;
        let mut trigger = self.trigger();
        // Only memory limits and ramp-ups move a plan between cycles.
        let moves = self.scenario.knobs.limit.is_on() || self.state.is_ramping;
        for _ in 0..PIECES_MAX {
            if self.state.now >= end {
                return None;
            }
            if moves {
                self.end_ramp_up();
                trigger = self.trigger();
            }
            let live = self.live();
            // A trigger below what is live asks for cycles without end; one that follows no allocation brings nothing.
            if live + Bytes(1) >= trigger && self.state.allocated > begun {
                return Some(Cause::Trigger);
            }
            if self.state.now >= self.state.idle_again
                && let Some(cause) = self.ask_idle()
            {
                return Some(cause);
            }
            let threads = self.threads();
            let way = if trigger == Bytes::MAX { f64::INFINITY } else { (trigger - live).as_f64() };
            let rate = self.bytes_per_nanosecond(threads);
            let piece = (way / rate)
                .min(self.steady_piece(threads))
                .min(self.state.idle_again - self.state.now)
                .min(self.until_ramp_up_ends(threads))
                .min(end - self.state.now);
            self.pass(piece.max(PIECE_MIN), Cores { mutators: threads, ..Cores::default() });
            self.scavenge();
        }
        None
    }

    fn trigger(&mut self) -> Bytes {
        let memory = self.memory();
        self.pacer.plan(&memory).trigger
    }

    /// Cores that the program wants and gets.
    pub(super) fn threads(&self) -> f64 {
        let wanted = self.scenario.program.threads.at(self.clock_seconds());
        wanted.clamp(0.0, f64::from(self.scenario.knobs.cores))
    }

    /// Growth on so many cores. At least a byte an hour, so that a way can be divided by it.
    fn bytes_per_nanosecond(&self, threads: f64) -> f64 {
        let program = &self.scenario.program;
        let now = self.mutator_seconds();
        let rate = program.alloc_rate.at(now).max(0.0) + program.external_rate.at(now).max(0.0);
        (rate * threads / SECOND).max(1e-13)
    }

    fn ask_idle(&mut self) -> Option<Cause> {
        let tables = 1.0 + self.scenario.machine.tables;
        let doubtful =
            Bytes::from_f64(self.state.heap) - (self.pacer.live() - self.pacer.external().held_at_end());
        let answer = self.pacer.idle(&Look {
            now: self.now(),
            allocated: Bytes::from_f64(self.state.allocated),
            since_end: Bytes::from_f64(self.since.allocated).max(doubtful),
            held: Bytes::from_f64(self.state.blocks * tables),
            is_running: false,
        });
        self.state.idle_again = answer.again.as_f64();
        match answer.action {
            IdleAction::None => None,
            IdleAction::Collect(cause) => Some(cause),
            IdleAction::Return { keep } => {
                self.release(self.state.blocks - keep.as_f64() / tables);
                None
            }
        }
    }

    fn until_ramp_up_ends(&self, threads: f64) -> f64 {
        match self.scenario.ramp_up {
            Some(ramp_up) if self.state.is_ramping => {
                ((ramp_up.until * SECOND - self.state.mutator) / threads).max(PIECE_MIN)
            }
            _ => f64::INFINITY,
        }
    }

    fn end_ramp_up(&mut self) {
        let Some(ramp_up) = self.scenario.ramp_up else { return };
        if self.state.is_ramping && self.state.mutator + PIECE_MIN >= ramp_up.until * SECOND {
            self.state.is_ramping = false;
            let (live, memory) = (self.live(), self.memory());
            self.pacer.end_ramp_up(live, &memory);
        }
    }
}
