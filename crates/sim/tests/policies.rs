//! Promises to those who write policies: what makes sense is followed, what does not is refused and recorded.

use mudlark_collector::pacing::{
    AssistAnswer, AssistInputs, AssistPolicy, Bytes, ConsMark, Decision, Formula, GoalAnswer, GoalInputs,
    GoalPolicy, Pacer, Parts, Plan, Rejection, Rule, RunwayPolicy, Stretch, Target, TriggerAnswer,
    TriggerInputs,
};
use mudlark_sim::{engine::Simulation, metrics::Summary, scenario::Scenario, scenarios};

fn steady() -> Scenario {
    scenarios::named("steady", 0).expect("a scenario")
}

/// Runs, and returns the rejections that were recorded in the end.
fn rejections(parts: Parts) -> (Summary, Vec<Rejection>) {
    let mut seen = Vec::new();
    let summary = Simulation::with_parts(steady(), parts).run(|row, pacer: &Pacer| {
        let plan: Plan = pacer.plan(&Default::default());
        assert!(plan.trigger <= plan.goal && row.peak < Bytes::mib(1000), "{row:?}");
        for record in pacer.records().filter(|record| record.cycle == row.cycle) {
            if let Decision::Rejected(why) = record.decision {
                seen.push(why);
                assert!(pacer.explain(row.cycle).contains("policy rejected"));
            }
        }
    });
    (summary, seen)
}

/// Answers `0` from the second cycle on; doubles before.
#[derive(Debug)]
struct BadGoal(Target);

impl GoalPolicy for BadGoal {
    fn name(&self) -> &'static str {
        "bad goal"
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let goal = if inputs.live < Bytes::mib(10) { Target::Bytes(3e7) } else { self.0 };
        GoalAnswer { goal, formula: Formula::new("made up", &[]) }
    }
}

#[test]
fn goals_that_are_none_are_refused() {
    let answers = [
        (f64::NAN, Rejection::GoalNotFinite),
        (f64::INFINITY, Rejection::GoalNotFinite),
        (-1.0, Rejection::GoalNotFinite),
        (1e300, Rejection::GoalNotFinite),
        (0.0, Rejection::GoalBelowLive),
    ];
    for (answer, why) in answers {
        let (summary, seen) = rejections(Parts::on(8).with_goal(BadGoal(Target::Bytes(answer))));
        assert!(summary.rejected > 10 && summary.cycles == 50, "{answer}: {summary:?}");
        assert!(seen.iter().all(|&seen| seen == why) && !seen.is_empty(), "{answer}: {seen:?}");
    }
    let (summary, seen) = rejections(Parts::on(8).with_goal(BadGoal(Target::Bytes(6e7))));
    assert_eq!((summary.rejected, seen.len()), (0, 0), "what makes sense is followed");
}

/// The last good plan stays in force.
#[test]
fn the_last_good_goal_is_kept() {
    let mut goals = Vec::new();
    let parts = Parts::on(8).with_goal(BadGoal(Target::Bytes(f64::NAN)));
    Simulation::with_parts(steady(), parts).run(|row, pacer| {
        let plans = pacer.records().filter(|record| record.cycle == row.cycle);
        goals.extend(plans.filter_map(|record| match record.decision {
            Decision::Plan(plan) if plan.rule == Rule::Kept => Some(plan.goal),
            _ => None,
        }));
    });
    assert!(goals.len() > 10 && goals.iter().all(|&goal| goal == Bytes(30_000_000)), "{goals:?}");
}

/// Adds a constant to the triggers of the default policy.
#[derive(Debug)]
struct BadTrigger(ConsMark, f64);

impl RunwayPolicy for BadTrigger {
    fn name(&self) -> &'static str {
        "bad trigger"
    }

    fn trigger(&self, inputs: &TriggerInputs) -> TriggerAnswer {
        let good = self.0.trigger(inputs);
        let trigger = if inputs.live < Bytes::mib(10) { good.trigger } else { Target::Bytes(self.1) };
        TriggerAnswer { trigger, ..good }
    }
}

#[test]
fn triggers_that_are_none_are_refused() {
    let answers = [
        (f64::NAN, Rejection::TriggerNotFinite),
        (-1.0, Rejection::TriggerNotFinite),
        (f64::NEG_INFINITY, Rejection::TriggerNotFinite),
        (1e12, Rejection::TriggerAboveGoal),
    ];
    for (answer, why) in answers {
        let parts = Parts::on(8).with_runway(BadTrigger(ConsMark::default(), answer));
        let (summary, seen) = rejections(parts);
        assert!(summary.cycles == 50 && summary.rejected > 10, "{answer}: {summary:?}");
        assert!(seen.iter().all(|&seen| seen == why) && !seen.is_empty(), "{answer}: {seen:?}");
    }
}

/// Answers one ratio for everything.
#[derive(Debug)]
struct BadRatio(f64);

impl AssistPolicy for BadRatio {
    fn name(&self) -> &'static str {
        "bad ratio"
    }

    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer {
        AssistAnswer { ratio: self.0, goal: inputs.goal, expected: inputs.expected, stretch: Stretch::None }
    }
}

#[test]
fn ratios_that_are_none_are_refused() {
    for answer in [f64::NAN, f64::INFINITY, -1.0] {
        let (summary, seen) = rejections(Parts::on(8).with_assist(BadRatio(answer)));
        assert_eq!(summary.cycles, 50);
        assert!(seen.iter().all(|&seen| seen == Rejection::RatioNotFinite) && !seen.is_empty());
    }
}
