//! Policies whose panics stay inside: what a running heap wraps around parts that somebody else wrote.
//!
//! A panic on the thread that ends a cycle would end the cycle's driver. So it becomes an answer that the guard rejects, or that
//! changes nothing: the last good plan stays in force, the rejection is recorded, and the next question is asked again. The simulator
//! does not wrap: there a panic is to be seen.

use crate::{
    pacing::{
        AssistAnswer, AssistInputs, AssistPolicy, Bound, Bytes, FORCED_PERIOD, Formula, GoalAnswer,
        GoalInputs, GoalPolicy, IdleAction, IdleAnswer, IdleInputs, IdlePolicy, Limiter, Measured, Parts,
        Pass, RunwayPolicy, ScavengeAnswer, ScavengeInputs, ScavengePolicy, Stretch, Target, TriggerAnswer,
        TriggerInputs, Window,
    },
    sweeper::contain,
};

/// What explanations call a policy that cannot say its name.
const NAMELESS: &str = "a policy that panicked";

#[derive(Debug)]
struct Contained<P: ?Sized>(Box<P>);

/// The answer of `ask`, or `otherwise` if it panics.
fn answer<R>(otherwise: R, ask: impl FnOnce() -> R) -> R {
    let mut answer = otherwise;
    contain(|| answer = ask());
    answer
}

impl Parts {
    /// The same parts, with their panics contained.
    pub(crate) fn contained(self) -> Parts {
        Parts {
            goal: Box::new(Contained(self.goal)),
            runway: Box::new(Contained(self.runway)),
            assist: Box::new(Contained(self.assist)),
            limiter: Box::new(Contained(self.limiter)),
            idle: Box::new(Contained(self.idle)),
            scavenging: Box::new(Contained(self.scavenging)),
        }
    }
}

impl GoalPolicy for Contained<dyn GoalPolicy> {
    fn name(&self) -> &'static str {
        answer(NAMELESS, || self.0.name())
    }

    fn observe(&mut self, cycle: &Measured) {
        contain(|| self.0.observe(cycle));
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let rejected =
            GoalAnswer { goal: Target::Bytes(f64::NAN), formula: Formula::new("the policy panicked", &[]) };
        answer(rejected, || self.0.goal(inputs))
    }
}

impl RunwayPolicy for Contained<dyn RunwayPolicy> {
    fn name(&self) -> &'static str {
        answer(NAMELESS, || self.0.name())
    }

    fn observe(&mut self, pass: &Pass) {
        contain(|| self.0.observe(pass));
    }

    fn trigger(&self, inputs: &TriggerInputs) -> TriggerAnswer {
        let rejected = TriggerAnswer {
            trigger: Target::Bytes(f64::NAN),
            runway: Bytes::ZERO,
            cons_mark: 0.0,
            range: (inputs.live, inputs.goal),
            bound: Bound::None,
        };
        answer(rejected, || self.0.trigger(inputs))
    }
}

impl AssistPolicy for Contained<dyn AssistPolicy> {
    fn name(&self) -> &'static str {
        answer(NAMELESS, || self.0.name())
    }

    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer {
        let rejected = AssistAnswer {
            ratio: f64::NAN,
            goal: inputs.goal,
            expected: inputs.expected,
            stretch: Stretch::None,
        };
        answer(rejected, || self.0.revise(inputs))
    }
}

impl Limiter for Contained<dyn Limiter> {
    fn update(&mut self, window: &Window) -> bool {
        answer(false, || self.0.update(window))
    }

    fn is_limiting(&self) -> bool {
        answer(false, || self.0.is_limiting())
    }

    fn fill(&self) -> f64 {
        answer(0.0, || self.0.fill())
    }
}

impl IdlePolicy for Contained<dyn IdlePolicy> {
    fn step(&mut self, inputs: &IdleInputs) -> IdleAnswer {
        let nothing = IdleAnswer { action: IdleAction::None, again: inputs.now + FORCED_PERIOD };
        answer(nothing, || self.0.step(inputs))
    }
}

impl ScavengePolicy for Contained<dyn ScavengePolicy> {
    fn step(&mut self, inputs: &ScavengeInputs) -> ScavengeAnswer {
        let nothing = ScavengeAnswer { not_before: inputs.now + FORCED_PERIOD, ..ScavengeAnswer::default() };
        answer(nothing, || self.0.step(inputs))
    }
}
