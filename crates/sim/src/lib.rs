//! A deterministic simulator of pacing: the collector's own pacer, driven by streams in virtual time.
//!
//! Two engines run the module `mudlark_collector::pacing` unchanged:
//!
//! - [`reference`](mod@reference): a cycle exactly as the test model of Go's pacer has it, for comparison digit by digit;
//! - [`engine`]: a program, a heap and a machine, for questions about programs.
//!
//! Who calls it: the command `mudlark sim`, tests, and whoever writes a policy.
//!
//! # Example: a policy of one's own
//!
//! ```
//! use mudlark_collector::pacing::{Formula, GoalAnswer, GoalInputs, GoalPolicy, Parts, Target};
//! use mudlark_sim::{engine::Simulation, scenarios};
//!
//! /// A heap that always has 100 MB to grow.
//! #[derive(Debug)]
//! struct Room;
//!
//! impl GoalPolicy for Room {
//!     fn name(&self) -> &'static str {
//!         "room"
//!     }
//!
//!     fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
//!         let goal = inputs.live.as_f64() + 100e6;
//!         GoalAnswer { goal: Target::Bytes(goal), formula: Formula::new("live + 100 MB", &[]) }
//!     }
//! }
//!
//! let steady = scenarios::named("steady", 0).unwrap();
//! let mut simulation = Simulation::with_parts(steady, Parts::on(8).with_goal(Room));
//! let summary = simulation.run(|_, _| {});
//! assert!((0.95..=1.05).contains(&summary.goal_ratio_mean));
//! assert!(summary.heap_peak < 140e6);
//! ```

pub mod engine;
pub mod json;
pub mod metrics;
pub mod policy;
pub mod reference;
pub mod scenario;
pub mod scenarios;
pub mod stream;
pub mod sweep;
