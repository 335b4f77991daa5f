//! The parts of a pacer, each replaceable on its own.

use super::{
    assist::{AssistPolicy, InProportion},
    goal::{GoalPolicy, PercentOfLive},
    idle::{IdlePolicy, Reducer},
    limiter::{LeakyBucket, Limiter},
    runway::{ConsMark, RunwayPolicy},
    scavenging::{ScavengePolicy, Scavenger},
};

/// One policy for each question.
#[derive(Debug)]
pub struct Parts {
    /// How big?
    pub goal: Box<dyn GoalPolicy>,
    /// When to start?
    pub runway: Box<dyn RunwayPolicy>,
    /// How much does an allocation owe?
    pub assist: Box<dyn AssistPolicy>,
    /// When have collections had enough CPU time?
    pub limiter: Box<dyn Limiter>,
    /// What to do when nothing happens?
    pub idle: Box<dyn IdlePolicy>,
    /// What free memory goes back, and how fast?
    pub scavenging: Box<dyn ScavengePolicy>,
}

impl Parts {
    /// The default parts, for a process on so many cores.
    pub fn on(cores: u32) -> Parts {
        Parts {
            goal: Box::new(PercentOfLive),
            runway: Box::new(ConsMark::default()),
            assist: Box::new(InProportion),
            limiter: Box::new(LeakyBucket::new(cores, LeakyBucket::PER_CORE)),
            idle: Box::new(Reducer::default()),
            scavenging: Box::new(Scavenger::default()),
        }
    }

    /// The same parts with another goal.
    pub fn with_goal(self, goal: impl GoalPolicy + 'static) -> Parts {
        Parts { goal: Box::new(goal), ..self }
    }

    /// The same parts with another runway.
    pub fn with_runway(self, runway: impl RunwayPolicy + 'static) -> Parts {
        Parts { runway: Box::new(runway), ..self }
    }

    /// The same parts with other assists.
    pub fn with_assist(self, assist: impl AssistPolicy + 'static) -> Parts {
        Parts { assist: Box::new(assist), ..self }
    }

    /// The same parts with another limiter.
    pub fn with_limiter(self, limiter: impl Limiter + 'static) -> Parts {
        Parts { limiter: Box::new(limiter), ..self }
    }

    /// The same parts with another automaton.
    pub fn with_idle(self, idle: impl IdlePolicy + 'static) -> Parts {
        Parts { idle: Box::new(idle), ..self }
    }

    /// The same parts with another scavenger.
    pub fn with_scavenging(self, scavenging: impl ScavengePolicy + 'static) -> Parts {
        Parts { scavenging: Box::new(scavenging), ..self }
    }
}
