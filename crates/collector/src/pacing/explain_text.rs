//! Explanations as texts.

use super::{
    GcPercent,
    assist::Stretch,
    explain::{AssistRecord, BeginRecord, Decision, EndRecord, PlanRecord, Record, Rule, bound_text},
    idle::IdleAction,
    ramp_up::RampUp,
    records::Cause,
    units::{Bytes, ScanWork},
};
use std::fmt::{Display, Formatter, Result};

impl Display for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.decision {
            Decision::Plan(plan) => plan.fmt(f),
            Decision::Begin(begin) => begin.fmt(f),
            Decision::Assist(assist) => assist.fmt(f),
            Decision::End(end) => end.fmt(f),
            Decision::Abandoned { live } => write!(f, "given up; all of it counts as live, {live}"),
            Decision::Limiter(true) => f.write_str("limiter on: collections had half of the CPU; no assists"),
            Decision::Limiter(false) => f.write_str("limiter off"),
            Decision::Idle(IdleAction::None) => f.write_str("idle: nothing to do"),
            Decision::Idle(IdleAction::Collect(cause)) => {
                write!(f, "idle: a cycle, because {}", because(*cause))
            }
            Decision::Idle(IdleAction::Return { keep }) => write!(f, "idle: memory returned, {keep} kept"),
            Decision::Scavenge(answer) => {
                write!(f, "scavenger: {} given back, {} may stay", answer.release, answer.retain)
            }
            Decision::RampUp(RampUp::Off) => f.write_str("ramp-up ended, nothing to repay"),
            Decision::RampUp(RampUp::On { until }) => write!(f, "ramp-up: no goal below {until}"),
            Decision::RampUp(RampUp::Repay { goal, .. }) => {
                write!(f, "ramp-up ended; repaid by a cycle to {goal}")
            }
            Decision::Pressure(change) => write!(f, "pressure: {}, was {}", change.to, change.from),
            Decision::Rejected(why) => {
                write!(f, "policy rejected: {why}; the last good answer stays in force")
            }
        }
    }
}

impl Display for PlanRecord {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "goal {}", self.goal)?;
        match self.rule {
            Rule::Policy => f.write_str(" = ")?,
            Rule::Kept => {
                f.write_str(", the last good one, because the policy was rejected; it answered ")?
            }
            Rule::RampUp => f.write_str(", the bound of the ramp-up; normal would be ")?,
            Rule::Sweeping => f.write_str(", 1 MiB over what the unswept heap has; normal would be ")?,
            Rule::Running => f.write_str(", 64 KiB over where the cycle began; normal would be ")?,
            Rule::MemoryLimit => {
                write!(f, ", what the memory limit {} leaves; normal would be ", self.limit)?
            }
            Rule::MaxHeap => f.write_str(", what the maximum heap leaves; normal would be ")?,
        }
        if self.rule != Rule::Policy && self.policy_goal != Bytes::MAX {
            write!(f, "{} = ", self.policy_goal)?;
        }
        self.fmt_formula(f)?;
        let answer = &self.answer;
        write!(f, "; runway {}", answer.runway)?;
        if answer.cons_mark > 0.0 {
            write!(
                f,
                " = cons/mark {:.4} (largest of the last 5) x 3 x {} of work",
                answer.cons_mark,
                size(self.expected)
            )?;
        }
        if self.trigger == Bytes::MAX {
            return f.write_str("; no trigger");
        }
        let (low, high) = answer.range;
        write!(f, "; trigger {} = {} [{low} .. {high}]", self.trigger, bound_text(answer.bound))
    }
}

impl PlanRecord {
    /// The numbers of the default rule stand in the formula; those of others are listed behind it.
    fn fmt_formula(&self, f: &mut Formatter<'_>) -> Result {
        let terms: Vec<_> = self.formula.terms().collect();
        if let (true, GcPercent::Percent(percent), [live, stacks, globals, _]) =
            (self.policy == "percent", self.percent, terms.as_slice())
        {
            let number = |value| Bytes::from_f64(value);
            if self.formula.text.starts_with("live + (live") {
                let (live, stacks, globals) =
                    (number(live.value), number(stacks.value), number(globals.value));
                return write!(
                    f,
                    "live {live} + ({live} + stacks {stacks} + globals {globals}) x {percent}%"
                );
            }
        }
        write!(f, "{}", self.formula.text)?;
        for (at, term) in terms.into_iter().enumerate() {
            write!(f, "{} {} ", if at == 0 { " (" } else { "," }, term.name)?;
            if term.value.fract() == 0.0 && term.value.abs() < 1e18 {
                Bytes::from_f64(term.value).fmt(f)?;
            } else {
                write!(f, "{:.4}", term.value)?;
            }
        }
        if self.formula.terms().next().is_some() { f.write_str(")") } else { Ok(()) }
    }
}

impl Display for BeginRecord {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let workers = &self.workers;
        write!(f, "began at {} of {}, because {}; ", self.live, self.goal, because(self.cause))?;
        write!(f, "{} dedicated workers", workers.dedicated)?;
        if workers.fraction > 0.0 {
            write!(f, " and {:.1} % of each core", workers.fraction * 100.0)?;
        }
        write!(
            f,
            ", up to {} more on idle cores; {:.4} bytes of work per byte allocated",
            workers.idle_max, self.ratio
        )
    }
}

impl Display for AssistRecord {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let how = match self.stretch {
            Stretch::None => "as expected",
            Stretch::Extrapolated => "more work than expected, goal moved out in proportion",
            Stretch::Hard => "more work than expected, goal moved out to the hard goal",
            Stretch::Beyond => "beyond the goal, 10 % more room",
        };
        write!(
            f,
            "assists at {}, {} of {} done: {how}, to {}; {:.4} bytes of work per byte allocated",
            self.live,
            size(self.done),
            size(self.expected),
            self.goal,
            self.ratio
        )
    }
}

impl Display for EndRecord {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let ratio = self.peak.as_f64() / self.goal.as_f64().max(1.0);
        write!(f, "finished at {}", self.peak)?;
        if self.goal != Bytes::MAX {
            write!(f, " (goal ratio {ratio:.3})")?;
        }
        write!(f, ", {} scanned in {:.3} ms", size(self.work), self.duration.as_f64() / 1e6)?;
        if self.assists > 0.000_05 {
            write!(
                f,
                ", {:.1} % of the CPU, assists {:.1} %",
                self.utilization * 100.0,
                self.assists * 100.0
            )?;
        } else {
            f.write_str(", no assists")?;
        }
        if self.background > 0.0 {
            write!(f, ", background {:.1} %", self.background * 100.0)?;
        }
        write!(f, "; {} live", self.live)
    }
}

/// Work in MB.
fn size(work: ScanWork) -> String {
    if work == ScanWork::MAX { "unbounded".to_owned() } else { format!("{:.2} MB", work.as_f64() / 1e6) }
}

fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::Trigger => "the heap has grown to its trigger",
        Cause::Asked => "somebody asked",
        Cause::Period => "none began for two minutes",
        Cause::Quiet => "the program is quiet",
    }
}
