//! How the pacer makes a plan: the policies' answers, then floors, then limits, then the guard.

use super::*;
use crate::pacing::{
    answer::{Formula, Target},
    runway::Bound,
};

/// What is recorded of a runway that was asked for in vain.
fn no_runway(goal: Bytes) -> TriggerAnswer {
    TriggerAnswer {
        trigger: Target::Unbounded,
        runway: Bytes::ZERO,
        cons_mark: 0.0,
        range: (Bytes::ZERO, goal),
        bound: Bound::None,
    }
}

impl Pacer {
    /// Asks the goal policy, and records the plan that follows.
    pub(super) fn commit(&mut self, memory: &Memory) -> Plan {
        let inputs = GoalInputs {
            live: self.live,
            stacks: Bytes(self.work.stacks.0),
            globals: Bytes(self.work.globals.0),
            percent: self.knobs.percent,
        };
        let asked = guard::ask(|| self.parts.goal.goal(&inputs));
        let formula = asked.map(|asked| asked.formula).unwrap_or_default();
        match asked.and_then(|asked| guard::goal(asked.goal, self.live)) {
            Ok(goal) => (self.policy_goal, self.policy_rule) = (goal, Rule::Policy),
            Err(rejection) => {
                // The last goal may be too small for what is live now, or none at all: then the least there is.
                let least = self.live + RUNWAY_MIN;
                let kept = if self.kept.goal == Bytes::MAX { Bytes::ZERO } else { self.kept.goal };
                (self.policy_goal, self.policy_rule) = (kept.max(least), Rule::Kept);
                self.reject(rejection);
            }
        }
        let evaluation = self.evaluate(memory);
        match evaluation.rejection {
            Some(rejection) => self.reject(rejection),
            None => self.kept = evaluation.plan,
        }
        self.record_plan(formula, &evaluation);
        evaluation.plan
    }

    fn record_plan(&mut self, formula: Formula, evaluation: &Evaluation) {
        const NAMELESS: &str = "a policy whose name panicked";
        let record = PlanRecord {
            live: self.live,
            percent: self.knobs.percent,
            limit: self.knobs.limit,
            policy: guard::ask(|| self.parts.goal.name()).unwrap_or(NAMELESS),
            formula,
            policy_goal: self.policy_goal,
            limit_goal: evaluation.limit_goal,
            goal: evaluation.plan.goal,
            rule: evaluation.plan.rule,
            runway_policy: guard::ask(|| self.parts.runway.name()).unwrap_or(NAMELESS),
            answer: evaluation.answer,
            expected: self.work.total(),
            trigger: evaluation.plan.trigger,
        };
        self.record(Decision::Plan(record));
    }

    /// The plan with the present memory. Changes nothing.
    #[inline]
    pub(super) fn evaluate(&self, memory: &Memory) -> Evaluation {
        let GoalNow { goal, rule, least, limit_goal } = self.goal_now(memory);
        let inputs = TriggerInputs { live: self.live, goal, least, expected: self.work.total() };
        let asked = guard::ask(|| self.parts.runway.trigger(&inputs));
        let answer = asked.unwrap_or_else(|_| no_runway(goal));
        let (trigger, rejection) = match asked.and_then(|asked| guard::trigger(asked.trigger, goal)) {
            Ok(trigger) => (self.ramp_up.trigger(trigger).max(least), None),
            Err(rejection) => (self.kept.trigger.max(self.live).min(goal), Some(rejection)),
        };
        Evaluation { plan: Plan { trigger, goal, rule }, limit_goal, answer, rejection }
    }

    /// The policy's goal, after floors and limits.
    #[inline]
    pub(super) fn goal_now(&self, memory: &Memory) -> GoalNow {
        let (mut goal, mut rule) = (self.policy_goal, self.policy_rule);
        if self.ramp_up.floor() > goal {
            (goal, rule) = (self.ramp_up.floor(), Rule::RampUp);
        }
        let by_limit = self.knobs.limit.goal(memory, self.live);
        let by_max = goal_below_max(self.knobs.max_heap, self.live);
        let limit_goal = by_limit.min(by_max);
        if limit_goal < goal {
            let rule = if by_limit <= by_max { Rule::MemoryLimit } else { Rule::MaxHeap };
            return GoalNow { goal: limit_goal, rule, least: Bytes::ZERO, limit_goal };
        }
        if self.sweep_least > goal {
            (goal, rule) = (self.sweep_least, Rule::Sweeping);
        }
        if let Some(triggered) = self.triggered
            && goal < triggered + RUNWAY_MIN
        {
            (goal, rule) = (triggered + RUNWAY_MIN, Rule::Running);
        }
        if goal > limit_goal {
            // A floor may lie beyond the limit, which wins.
            (goal, rule) = (limit_goal, Rule::MemoryLimit);
        }
        GoalNow { goal, rule, least: self.sweep_least.min(goal), limit_goal }
    }

    /// What an allocated byte owes on the way to `goal`.
    pub(super) fn assist(&mut self, progress: &Progress, goal: Bytes) -> AssistAnswer {
        let inputs = AssistInputs {
            live: progress.live,
            triggered: self.triggered.unwrap_or(progress.live),
            goal,
            done: progress.done.total(),
            expected: self.work.total(),
            most: progress.most,
            percent: self.knobs.percent,
        };
        let asked = guard::ask(|| self.parts.assist.revise(&inputs));
        match asked.and_then(|asked| guard::ratio(asked.ratio)) {
            Ok(ratio) => self.ratio = ratio,
            Err(rejection) => self.reject(rejection),
        }
        let kept =
            AssistAnswer { ratio: self.ratio, goal, expected: inputs.expected, stretch: Stretch::None };
        AssistAnswer { ratio: self.ratio, ..asked.unwrap_or(kept) }
    }

    /// Leaves a record if another formula rules than before.
    pub(super) fn note(&mut self, progress: &Progress, answer: &AssistAnswer) {
        if answer.stretch != self.stretch {
            self.stretch = answer.stretch;
            self.record(Decision::Assist(AssistRecord {
                live: progress.live,
                done: progress.done.total(),
                goal: answer.goal,
                expected: answer.expected,
                stretch: answer.stretch,
                ratio: answer.ratio,
            }));
        }
    }
}
