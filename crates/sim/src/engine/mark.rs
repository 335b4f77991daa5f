//! A cycle: workers and assists mark, and the program goes on allocating.

use super::{Cores, SECOND, Simulation, SinceEnd, State};
use crate::metrics::CycleRow;
use mudlark_collector::pacing::{
    Bytes, Cause, CpuNanos, CycleBegin, CycleReport, Memory, Nanos, Plan, Progress, ScanWork, Start, Work,
};

/// The expected work goes in so many pieces, and so does what is beyond it.
const PIECES: f64 = 4.0;
/// Where collections take more than half of the CPU, the limiter looks this often.
const LIMITER_PIECE: f64 = 10e6;
/// Pieces of a cycle, at most; what is left then goes in one.
const PIECES_MAX: u32 = 20_000;

/// A cycle that runs.
struct Running {
    cause: Cause,
    begun: State,
    since_begun: SinceEnd,
    live: Bytes,
    workers: f64,
    idle_workers: f64,
    ratio: f64,
    /// Work by kind, in total and so far.
    globals: f64,
    stacks: f64,
    heap: f64,
    done: f64,
    scannable: f64,
    is_limited: bool,
}

impl Running {
    fn total(&self) -> f64 {
        self.globals + self.stacks + self.heap
    }

    /// What is done, by kind: globals first, then stacks, then the heap.
    fn work(&self) -> Work {
        let globals = self.done.min(self.globals);
        let stacks = (self.done - globals).min(self.stacks);
        let heap = self.done - globals - stacks;
        Work {
            heap: ScanWork::from_f64(heap),
            stacks: ScanWork::from_f64(stacks),
            globals: ScanWork::from_f64(globals),
        }
    }
}

impl Simulation {
    /// Runs a cycle to its end.
    pub(super) fn mark(&mut self, cause: Cause) -> CycleRow {
        let before = self.pacer.live();
        let mut running = self.begin_cycle(cause);
        for piece in 0.. {
            let left = running.total() - running.done;
            if left < 1.0 {
                break;
            }
            self.mark_piece(&mut running, left, piece >= PIECES_MAX);
        }
        let threads = self.threads();
        if self.scenario.machine.end_delay > 0.0 {
            self.pass(
                self.scenario.machine.end_delay * SECOND,
                Cores { mutators: threads, ..Cores::default() },
            );
        }
        self.end_cycle(&running, before)
    }

    fn begin_cycle(&mut self, cause: Cause) -> Running {
        let program = &self.scenario.program;
        let at = self.mutator_seconds();
        let scannable = program.scannable.at(at).clamp(0.0, 1.0);
        let (stacks, globals) = (program.stacks.at(at).max(0.0), program.globals.max(0.0));
        let (live, memory) = (self.live(), self.memory());
        let most = ScanWork::from_f64(self.state.heap * scannable + stacks + globals);
        let begin = CycleBegin { now: self.now(), live, most, memory, cause };
        let Start { workers, assist } = self.pacer.begin(&begin);
        let cores = f64::from(self.scenario.knobs.cores);
        self.since.between = self.since.allocated;
        Running {
            cause,
            begun: self.state,
            since_begun: self.since,
            live,
            workers: workers.share_of(self.scenario.knobs.cores) * cores * self.scenario.machine.worker_share,
            idle_workers: f64::from(workers.idle_max),
            ratio: assist.ratio,
            globals,
            stacks,
            heap: self.state.alive * scannable,
            done: 0.0,
            scannable,
            is_limited: false,
        }
    }

    /// Marks until the next look at the assist ratio.
    fn mark_piece(&mut self, running: &mut Running, left: f64, is_last: bool) {
        let at = self.mutator_seconds();
        let program = &self.scenario.program;
        let scan = (program.scan_rate.at(at) / SECOND).max(1e-9);
        let alloc = (program.alloc_rate.at(at) + program.external_rate.at(at)).max(0.0) / SECOND;
        let cores = self.share_cores(running, scan, alloc);
        let speed = (cores.background + cores.idle + cores.assists) * scan;
        let expected = self.pacer.expected().as_f64();
        // Behind the expected work the ratio changes with each look.
        let step = if running.done < expected {
            (expected / PIECES).min(expected - running.done).max(1.0)
        } else {
            (running.total() / PIECES / 2.0).max(1.0)
        };
        let mut nanos = left / speed;
        if !is_last {
            nanos = nanos.min(step / speed).min(self.steady_piece(cores.mutators)).max(1.0);
            if (cores.assists + cores.background) * 2.0 > f64::from(self.scenario.knobs.cores) {
                nanos = nanos.min(LIMITER_PIECE);
            }
        }
        self.pass(nanos, cores);
        running.is_limited |= self.pacer.is_limiting();
        running.done = (running.done + nanos * speed).min(running.total());
        if running.total() - running.done < 1.0 {
            return;
        }
        let (live, memory) = (self.live(), self.memory());
        let most = self.state.heap * running.scannable + running.stacks + running.globals;
        let most = ScanWork::from_f64(most);
        running.ratio = self.pacer.revise(&Progress { live, done: running.work(), most, memory }).ratio;
        if self.scenario.knobs.limit.is_on() {
            self.scavenge();
        }
    }

    /// Who has how many cores: workers first; assists as many as make the work keep up with allocation.
    fn share_cores(&self, running: &Running, scan: f64, alloc: f64) -> Cores {
        let cores = f64::from(self.scenario.knobs.cores);
        let background = running.workers.min(cores);
        let running_threads = self.threads().min(cores - background);
        let idle = (cores - background - running_threads).min(running.idle_workers);
        let owed = alloc * running_threads * running.ratio;
        let credit = (background + idle) * scan;
        let assists = if self.pacer.is_limiting() || owed <= credit {
            0.0
        } else {
            ((owed - credit) / (scan + alloc * running.ratio)).min(running_threads)
        };
        Cores { mutators: running_threads - assists, assists, background, idle }
    }

    fn end_cycle(&mut self, running: &Running, before: Bytes) -> CycleRow {
        let peak = self.live();
        let memory = self.memory();
        let Plan { goal, .. } = self.pacer.plan(&memory);
        // Kept: what was alive at the snapshot, and all that was born since.
        let born = self.state.heap - running.begun.heap;
        let marked = running.begun.alive;
        let external = self.external_born(running);
        let heap_live = if self.scenario.machine.has_survival {
            let bytes = Bytes::from_f64;
            self.survival.live(bytes(marked), bytes(born), bytes(self.since.between))
        } else {
            Bytes::from_f64(marked + born)
        };
        self.state.heap = marked + born;
        let left = Bytes::from_f64(self.state.heap) + external;
        let duration = self.state.now - running.begun.now;
        let during = |field: fn(&SinceEnd) -> f64| field(&self.since) - field(&running.since_begun);
        let (assist, idle, background) = (during(|s| s.assist), during(|s| s.idle), during(|s| s.background));
        let report = CycleReport {
            now: self.now(),
            live: heap_live + external,
            left,
            peak,
            work: running.work(),
            duration: Nanos::from_f64(duration),
            assist_cpu: CpuNanos::from_f64(assist),
            background_cpu: CpuNanos::from_f64(background),
            idle_cpu: CpuNanos::from_f64(idle),
            gc_cpu: CpuNanos::from_f64(assist + idle + background),
            mutator_cpu: CpuNanos::from_f64(self.since.mutator),
            allocated: Bytes::from_f64(self.since.allocated),
            memory: Memory { external, ..memory },
        };
        let cycle = self.pacer.cycle();
        self.pacer.end(&report);
        self.state.scavenge_again = 0.0;
        let change = self.pacer.update_pressure(&report.memory);
        self.pacer.swept();
        let cores = f64::from(self.scenario.knobs.cores);
        let row = CycleRow {
            cycle,
            seconds: self.seconds(),
            cause: running.cause,
            live_at_start: before,
            trigger: running.live,
            peak,
            goal,
            live: report.live,
            mark_seconds: duration / SECOND,
            utilization: (assist + background) / (duration * cores).max(1.0),
            idle_share: idle / (duration * cores).max(1.0),
            assist_share: assist / (self.since.mutator + self.since.assist).max(1.0),
            blocks: Bytes::from_f64(self.state.blocks),
            is_limited: running.is_limited,
            pressure: change.map_or(self.pacer.gauges(&report.memory).pressure, |change| change.to),
        };
        self.totals.end(&row, &self.since.spent());
        self.since = SinceEnd::default();
        row
    }

    /// External bytes that objects born during the cycle hold; all others are dead.
    fn external_born(&mut self, running: &Running) -> Bytes {
        let born = (self.since.allocated - running.since_begun.allocated)
            - (self.state.allocated - running.begun.allocated);
        Bytes::from_f64(born.max(0.0))
    }
}
