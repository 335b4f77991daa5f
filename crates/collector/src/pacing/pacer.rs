//! The pacer: the parts together, in the order of a cycle.
//!
//! ```text
//!   plan ──▶ begin ──▶ revise … ──▶ end ──▶ swept
//!    ▲ goal, runway     assist        │ observe, commit
//!    └────────────────────────────────┘
//!   besides, at any time: limiter, idle, scavenge, knobs, ramp-up
//! ```
//!
//! It holds what the parts need from one cycle to the next, applies limits and floors that no policy may forget, asks the
//! guard, and writes the records. A caller that knows less than a [`CycleReport`] can say leaves fields at zero.

use super::{
    GcPercent,
    assist::{AssistAnswer, AssistInputs, BACKGROUND_SHARE, Stretch},
    explain::{AssistRecord, BeginRecord, Decision, EndRecord, PlanRecord, Record, Ring, Rule},
    external::External,
    goal::{GoalInputs, Measured, RUNWAY_MIN},
    guard::{self, Rejection},
    idle::{IdleAction, IdleAnswer, IdleInputs},
    knobs::Knobs,
    limit::{MemoryLimit, goal_below_max},
    limiter::Window,
    parts::Parts,
    pressure::{Pressure, PressureChange, PressureLevel, effective_gc_percent},
    ramp_up::{RampBound, RampUp},
    records::{Cause, CycleBegin, CycleReport, Look, Memory, Progress, Work},
    runway::{Pass, TriggerAnswer, TriggerInputs},
    scavenging::{Pace, ScavengeAnswer, ScavengeInputs},
    units::{Bytes, CpuNanos, Nanos, ScanWork},
    workers::Workers,
};

mod plan;
#[cfg(all(test, not(loom)))]
mod tests;

/// A heap that is not swept yet gets this much room at least.
const SWEEP_ROOM: Bytes = Bytes::mib(1);

/// A policy that panicked is asked again after this.
const REST: Nanos = Nanos::seconds(1);

/// When the next cycle begins, and where it should end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// A cycle begins when the live estimate has grown to this.
    pub trigger: Bytes,
    /// A cycle should be complete before the live estimate has grown to this.
    pub goal: Bytes,
    /// What ruled the goal.
    pub rule: Rule,
}

/// What the begin of a cycle sets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Start {
    /// Who marks.
    pub workers: Workers,
    /// What allocations owe.
    pub assist: AssistAnswer,
}

/// What can be watched.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gauges {
    /// (goal − live)/live · 100.
    pub effective_gc_percent: f64,
    /// How hard memory presses.
    pub pressure: PressureLevel,
    /// Whether assists are off.
    pub is_limiting: bool,
    /// How full the limiter's bucket is, from 0 to 1.
    pub limiter_fill: f64,
    /// Answers of policies that were rejected.
    pub rejected: u64,
}

/// A goal with the present memory.
#[derive(Clone, Copy, Debug)]
struct GoalNow {
    goal: Bytes,
    rule: Rule,
    /// No trigger before this.
    least: Bytes,
    /// What the limits leave.
    limit_goal: Bytes,
}

/// What a plan is made of.
#[derive(Clone, Copy, Debug)]
struct Evaluation {
    plan: Plan,
    limit_goal: Bytes,
    answer: TriggerAnswer,
    rejection: Option<Rejection>,
}

/// The pacer of one heap.
#[derive(Debug)]
pub struct Pacer {
    knobs: Knobs,
    parts: Parts,
    ring: Ring,
    /// The number of the running cycle, or of the next.
    cycle: u64,
    now: Nanos,
    live: Bytes,
    work: Work,
    /// What the goal policy answered, checked; and the goal that the guard kept, if it rejected it.
    policy_goal: Bytes,
    policy_rule: Rule,
    /// No trigger before this, while the heap is not swept.
    sweep_least: Bytes,
    /// The live estimate when the running cycle began.
    triggered: Option<Bytes>,
    ratio: f64,
    stretch: Stretch,
    /// The last plan that passed the guard.
    kept: Plan,
    ramp_up: RampUp,
    external: External,
    pressure: Pressure,
    rejected: u64,
    is_limiting: bool,
    /// The end of the last cycle, the goal and the memory in use then.
    ended: Nanos,
    last_goal: Bytes,
    last_in_use: Bytes,
}

impl Default for Pacer {
    fn default() -> Pacer {
        Pacer::new(Knobs::default())
    }
}

impl Pacer {
    /// A pacer with the default parts, for a heap that has not had a cycle.
    pub fn new(knobs: Knobs) -> Pacer {
        Pacer::with_parts(knobs, Parts::on(knobs.cores))
    }

    /// A pacer with parts of one's own.
    pub fn with_parts(knobs: Knobs, parts: Parts) -> Pacer {
        let unplanned = Plan { trigger: Bytes::MAX, goal: Bytes::MAX, rule: Rule::Policy };
        let mut pacer = Pacer {
            knobs: Knobs { cores: knobs.cores.max(1), ..knobs },
            parts,
            ring: Ring::new(),
            cycle: 1,
            now: Nanos::ZERO,
            live: Bytes::ZERO,
            work: Work::default(),
            policy_goal: Bytes::MAX,
            policy_rule: Rule::Policy,
            sweep_least: Bytes::ZERO,
            triggered: None,
            ratio: 0.0,
            stretch: Stretch::None,
            kept: unplanned,
            ramp_up: RampUp::Off,
            external: External::default(),
            pressure: Pressure::default(),
            rejected: 0,
            is_limiting: false,
            ended: Nanos::ZERO,
            last_goal: Bytes::ZERO,
            last_in_use: Bytes::ZERO,
        };
        pacer.commit(&Memory::default());
        pacer
    }

    /// The knobs in force.
    pub fn knobs(&self) -> Knobs {
        self.knobs
    }

    /// Changes the GC percent at once, also that of a running cycle; returns the old one.
    pub fn set_gc_percent(&mut self, percent: GcPercent, memory: &Memory) -> GcPercent {
        let old = std::mem::replace(&mut self.knobs.percent, percent);
        self.commit(memory);
        old
    }

    /// Changes the memory limit at once, also that of a running cycle; returns the old one.
    pub fn set_memory_limit(&mut self, limit: MemoryLimit, memory: &Memory) -> MemoryLimit {
        let old = std::mem::replace(&mut self.knobs.limit, limit);
        self.commit(memory);
        old
    }

    /// Changes the hard limit.
    pub fn set_max_heap(&mut self, max_heap: Bytes, memory: &Memory) {
        self.knobs.max_heap = max_heap;
        self.commit(memory);
    }

    /// Sets what the globals hold, as far as is known before the first cycle scanned them.
    pub fn set_globals(&mut self, globals: ScanWork, memory: &Memory) {
        self.work.globals = globals;
        self.commit(memory);
    }

    /// What the last cycle left alive.
    pub fn live(&self) -> Bytes {
        self.live
    }

    /// What the next cycle is expected to scan.
    pub fn expected(&self) -> ScanWork {
        self.work.total()
    }

    /// The number of the running cycle, or of the next. Counted from 1.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// The plan. Under a memory limit it moves with the memory that is not heap.
    pub fn plan(&self, memory: &Memory) -> Plan {
        self.evaluate(memory).plan
    }

    /// The goal of the plan alone.
    pub fn goal(&self, memory: &Memory) -> Bytes {
        self.goal_now(memory).goal
    }

    /// A cycle begins.
    pub fn begin(&mut self, begin: &CycleBegin) -> Start {
        self.now = begin.now;
        self.triggered = Some(begin.live);
        self.stretch = Stretch::None;
        let mut workers = Workers::on(self.knobs.cores, matches!(begin.cause, Cause::Period | Cause::Quiet));
        workers.idle_max = workers.idle_max.min(self.knobs.idle_workers);
        let goal = self.goal(&begin.memory);
        let progress =
            Progress { live: begin.live, done: Work::default(), most: begin.most, memory: begin.memory };
        let assist = self.assist(&progress, goal);
        let (cause, live, ratio) = (begin.cause, begin.live, assist.ratio);
        self.record(Decision::Begin(BeginRecord { cause, live, goal, workers, ratio }));
        self.note(&progress, &assist);
        Start { workers, assist }
    }

    /// A cycle goes on.
    pub fn revise(&mut self, progress: &Progress) -> AssistAnswer {
        let goal = self.goal(&progress.memory);
        let answer = self.assist(progress, goal);
        self.note(progress, &answer);
        answer
    }

    /// A cycle is complete, but not swept; returns the plan for the next.
    pub fn end(&mut self, report: &CycleReport) -> Plan {
        let goal = self.goal(&report.memory);
        let duration = report.duration.on(self.knobs.cores).as_f64();
        let share = |cpu: CpuNanos| if duration > 0.0 { cpu.as_f64() / duration } else { 0.0 };
        let assists = share(report.assist_cpu);
        let utilization = BACKGROUND_SHARE + assists;
        let work = report.work.total();
        let triggered = self.triggered.take().unwrap_or(report.peak);
        let idle = share(report.idle_cpu);
        let pass = Pass { allocated: report.peak - triggered, work, utilization, idle };
        if let Err(rejection) = guard::ask(|| self.parts.runway.observe(&pass)) {
            self.reject(rejection);
        }
        let elapsed = report.now - self.ended;
        let (peak, live, duration) = (report.peak, report.live, report.duration);
        self.now = report.now;
        let background = share(report.background_cpu);
        self.record(Decision::End(EndRecord {
            peak,
            goal,
            live,
            work,
            duration,
            utilization,
            assists,
            background,
        }));
        let measured = Measured {
            live,
            allocated: report.allocated,
            mutator_cpu: report.mutator_cpu,
            gc_cpu: report.gc_cpu,
            work,
            elapsed,
        };
        if let Err(rejection) = guard::ask(|| self.parts.goal.observe(&measured)) {
            self.reject(rejection);
        }
        self.cycle += 1;
        self.ended = report.now;
        self.live = live;
        self.work = report.work;
        self.last_goal = goal;
        self.last_in_use = report.memory.heap_in_use;
        self.sweep_least = report.left.max(live) + SWEEP_ROOM;
        if !self.ramp_up.is_on() {
            self.ramp_up = RampUp::Off;
        }
        let plan = self.commit(&report.memory);
        self.external.restart(report.memory.external, plan.goal - live);
        plan
    }

    /// A cycle was given up and found nothing; returns the plan for the next, as if all of the heap were live.
    pub fn abandon(&mut self, now: Nanos, live: Bytes, memory: &Memory) -> Plan {
        self.now = now;
        self.record(Decision::Abandoned { live });
        self.cycle += 1;
        (self.ended, self.live, self.triggered) = (now, live, None);
        self.sweep_least = live + SWEEP_ROOM;
        let plan = self.commit(memory);
        self.external.restart(memory.external, plan.goal - live);
        plan
    }

    /// The heap is swept: the next cycle may begin as early as it likes.
    pub fn swept(&mut self) {
        self.sweep_least = Bytes::ZERO;
    }

    /// Sweeping found out what external bytes the dead held: so many are left, and the rest was not alive.
    pub fn swept_external(&mut self, left: Bytes, memory: &Memory) -> Plan {
        let dead = self.external.held_at_end() - left;
        self.live -= dead;
        let plan = self.commit(memory);
        self.external.restart(left, plan.goal - self.live);
        plan
    }

    /// CPU time went by; returns whether assists are off from now on.
    pub fn tick(&mut self, now: Nanos, window: &Window) -> bool {
        self.now = now;
        let asked = guard::ask(|| self.parts.limiter.update(window));
        let is_limiting = asked.unwrap_or_else(|rejection| {
            self.reject(rejection);
            self.is_limiting
        });
        if is_limiting != self.is_limiting {
            self.is_limiting = is_limiting;
            self.record(Decision::Limiter(is_limiting));
        }
        is_limiting
    }

    /// Whether assists are off.
    pub fn is_limiting(&self) -> bool {
        self.is_limiting
    }

    /// Asks the idle automaton.
    pub fn idle(&mut self, look: &Look) -> IdleAnswer {
        let Look { now, allocated, since_end, held, is_running } = *look;
        self.now = now;
        let inputs = IdleInputs {
            now,
            allocated,
            since_end,
            live: self.live - self.external.held_at_end(),
            held,
            cycles: self.cycle - 1,
            ended: self.ended,
            is_running,
            percent: self.knobs.percent,
        };
        let answer = guard::ask(|| self.parts.idle.step(&inputs)).unwrap_or_else(|rejection| {
            self.reject(rejection);
            IdleAnswer { action: IdleAction::None, again: now + REST }
        });
        if answer.action != IdleAction::None {
            self.record(Decision::Idle(answer.action));
        }
        answer
    }

    /// Asks the scavenger; `spent` is the CPU time that its last step took.
    pub fn scavenge(&mut self, now: Nanos, memory: &Memory, spent: CpuNanos) -> ScavengeAnswer {
        self.now = now;
        let inputs = ScavengeInputs {
            now,
            goal: self.goal(memory),
            last_goal: self.last_goal,
            last_in_use: self.last_in_use,
            memory: *memory,
            limit: self.knobs.limit,
            is_limiting: self.is_limiting,
            spent,
        };
        let answer = guard::ask(|| self.parts.scavenging.step(&inputs)).unwrap_or_else(|rejection| {
            self.reject(rejection);
            ScavengeAnswer { not_before: now + REST, ..ScavengeAnswer::default() }
        });
        if answer.pace != Pace::Rest {
            self.record(Decision::Scavenge(answer));
        }
        answer
    }

    /// Begins a ramp-up of a heap with a live estimate of `live`.
    pub fn begin_ramp_up(&mut self, bound: RampBound, live: Bytes, memory: &Memory) -> Plan {
        self.ramp_up = RampUp::begin(bound, live);
        self.record(Decision::RampUp(self.ramp_up));
        self.commit(memory)
    }

    /// Ends the ramp-up; what is beyond the normal goal is repaid by the next cycle.
    pub fn end_ramp_up(&mut self, live: Bytes, memory: &Memory) -> Plan {
        if self.ramp_up.is_on() {
            self.ramp_up = self.ramp_up.end(live, self.policy_goal);
            self.record(Decision::RampUp(self.ramp_up));
        }
        self.commit(memory)
    }

    /// The external bytes, for a caller that has the pacer keep them.
    pub fn external(&mut self) -> &mut External {
        &mut self.external
    }

    /// Takes the present plan into account for the pressure level; returns a change for the callback. Once a cycle.
    pub fn update_pressure(&mut self, memory: &Memory) -> Option<PressureChange> {
        let GoalNow { goal, rule, .. } = self.goal_now(memory);
        let is_limited = matches!(rule, Rule::MemoryLimit | Rule::MaxHeap);
        let called_for = Pressure::called_for(self.live, goal, is_limited, self.is_limiting);
        let change = self.pressure.update(called_for);
        if let Some(change) = change {
            self.record(Decision::Pressure(change));
        }
        change
    }

    /// What can be watched.
    pub fn gauges(&self, memory: &Memory) -> Gauges {
        Gauges {
            effective_gc_percent: effective_gc_percent(self.live, self.goal(memory)),
            pressure: self.pressure.level(),
            is_limiting: self.is_limiting,
            limiter_fill: guard::ask(|| self.parts.limiter.fill()).unwrap_or(0.0),
            rejected: self.rejected,
        }
    }

    /// The last decisions, from the oldest to the newest.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.ring.iter()
    }

    /// The decisions about a cycle that are still in the ring, as a text of one line each.
    pub fn explain(&self, cycle: u64) -> String {
        self.records().filter(|record| record.cycle == cycle).map(|record| format!("{record}\n")).collect()
    }

    fn record(&mut self, decision: Decision) {
        self.ring.push(Record { cycle: self.cycle, at: self.now, decision });
    }

    fn reject(&mut self, rejection: Rejection) {
        self.rejected += 1;
        self.record(Decision::Rejected(rejection));
    }
}
