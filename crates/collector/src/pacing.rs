//! Pacing: how big the heap may grow, when a cycle begins, and what allocations owe while it runs.
//!
//! A pure module: no clock, no atomics, no threads, no input or output. Reports go in and plans come out, all times are
//! arguments, and arithmetic on fractions is `+ - * /` and square roots only. So the same inputs give the same outputs on
//! every machine, and the simulator (crate `mudlark-sim`) runs this very code.
//!
//! | question | trait | default | others |
//! |---|---|---|---|
//! | how big? | [`GoalPolicy`] | [`PercentOfLive`] | [`FixedHeap`], [`SquareRoot`], [`TargetShare`], [`NoGc`] |
//! | when to start? | [`RunwayPolicy`] | [`ConsMark`] | |
//! | what does an allocation owe? | [`AssistPolicy`] | [`InProportion`] | [`NoAssists`] |
//! | when have collections had enough CPU time? | [`Limiter`] | [`LeakyBucket`] | [`Unlimited`] |
//! | what when nothing happens? | [`IdlePolicy`] | [`Reducer`] | [`NeverIdle`] |
//! | what free memory goes back? | [`ScavengePolicy`] | [`Scavenger`] | |
//!
//! [`Pacer`] puts the [`Parts`] together. Limits ([`MemoryLimit`], the maximum heap) win over every policy; a guard rejects
//! answers that make no sense; and each decision leaves a [`Record`] that says how it came about.
//!
//! The default rules are those of Go's pacer as of Go 1.27 (its source, and the design documents "GC pacer redesign"
//! and "Soft memory limit"). Where they differ, the part says so.
//!
//! # Example: a cycle
//!
//! ```
//! use mudlark_collector::pacing::{Bytes, CycleBegin, CycleReport, Knobs, Memory, Nanos, Pacer, Progress, ScanWork, Work};
//!
//! let mut pacer = Pacer::new(Knobs { cores: 4, ..Knobs::default() });
//! let memory = Memory::default();
//! let plan = pacer.plan(&memory);
//! assert_eq!(plan.goal, Bytes::mib(4));
//!
//! // The heap has grown to the trigger.
//! let most = ScanWork(plan.trigger.0);
//! let start = pacer.begin(&CycleBegin { live: plan.trigger, most, ..CycleBegin::default() });
//! assert_eq!(start.workers.dedicated, 1);
//!
//! // Marking goes on, and so does allocation.
//! let done = Work { heap: ScanWork(500_000), ..Work::default() };
//! let live = plan.trigger + Bytes::kib(50);
//! let assist = pacer.revise(&Progress { live, done, most, memory });
//! assert!(assist.ratio > 0.0);
//!
//! // A million bytes were live.
//! let work = Work { heap: ScanWork(1_000_000), ..Work::default() };
//! let peak = plan.trigger + Bytes::kib(100);
//! let live = Bytes(1_000_000) + Bytes::kib(100);
//! let next = pacer.end(&CycleReport {
//!     now: Nanos::seconds(1), duration: Nanos::millis(10), live, left: live, peak, work, ..CycleReport::default()
//! });
//! pacer.swept();
//! assert!(live < next.trigger && next.trigger < next.goal);
//! print!("{}", pacer.explain(1));
//! ```

mod answer;
mod assist;
mod cgroup;
mod explain;
mod explain_text;
mod external;
mod goal;
mod guard;
mod idle;
mod knobs;
mod limit;
mod limiter;
mod pacer;
mod parts;
mod percent;
mod pressure;
mod ramp_up;
mod rates;
mod records;
mod runway;
mod scavenging;
mod square_root;
mod survival;
mod target_share;
mod units;
mod workers;

pub use answer::{Formula, TERMS_MAX, Target, Term};
pub use assist::{
    AssistAnswer, AssistInputs, AssistPolicy, BACKGROUND_SHARE, InProportion, NoAssists, Stretch,
};
pub use cgroup::{limit_of_v1, limit_of_v2, path_of_v1, path_of_v2};
pub use explain::{AssistRecord, BeginRecord, Decision, EndRecord, PlanRecord, RECORDS_MAX, Record, Rule};
pub use external::External;
pub use goal::{
    FixedHeap, GoalAnswer, GoalInputs, GoalPolicy, HEAP_MIN, Measured, NoGc, PercentOfLive, RUNWAY_MIN,
};
pub use guard::Rejection;
pub use idle::{
    CYCLES_MAX, FORCED_PERIOD, IDLE_TIMEOUT, IdleAction, IdleAnswer, IdleInputs, IdlePolicy, NeverIdle,
    QUIET_RATE, Reducer,
};
pub use knobs::Knobs;
pub use limit::MemoryLimit;
pub use limiter::{LeakyBucket, Limiter, Unlimited, Window};
pub use pacer::{Gauges, Pacer, Plan, Start};
pub use parts::Parts;
pub use percent::{GcPercent, ParseGcPercentError};
pub use pressure::{Pressure, PressureChange, PressureLevel, effective_gc_percent};
pub use ramp_up::{RampBound, RampUp};
pub use rates::Rates;
pub use records::{Cause, CycleBegin, CycleReport, Look, Memory, Progress, Work};
pub use runway::{Bound, ConsMark, HISTORY, Pass, RunwayPolicy, TriggerAnswer, TriggerInputs};
pub use scavenging::{Pace, ScavengeAnswer, ScavengeInputs, ScavengePolicy, Scavenger};
pub use square_root::SquareRoot;
pub use survival::Survival;
pub use target_share::TargetShare;
pub use units::{Bytes, CpuNanos, Nanos, ScanWork};
pub use workers::Workers;
