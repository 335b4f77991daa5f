//! Runs simulations: one for each policy and each value of the sweep.

use std::{fs, path::Path};

use mudlark_collector::pacing::{Bytes, GcPercent, Knobs};
use mudlark_sim::{
    engine::Simulation,
    metrics::{CycleRow, Summary},
    policy::PolicySpec,
    reference::{ReferenceCycle, ReferenceInput, run_with},
    scenario::Scenario,
    scenarios,
    sweep::SweepKnob,
};

use super::{args::SimArgs, error::SimError};
use crate::json::Object;

/// A simulation and what came of it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) policy: PolicySpec,
    pub(super) swept: Option<(SweepKnob, f64)>,
    pub(super) rows: Vec<CycleRow>,
    pub(super) summary: Summary,
}

/// All simulations of a command line.
#[derive(Debug)]
pub(super) struct Runs {
    pub(super) scenario: Scenario,
    pub(super) list: Vec<Run>,
}

/// The scenario of a name.
pub(super) fn named(name: &str, seed: u64) -> Result<Scenario, SimError> {
    scenarios::named(name, seed).ok_or_else(|| SimError::NoScenario { name: name.to_owned() })
}

/// Runs all that was asked for.
pub(super) fn simulate(args: &SimArgs) -> Result<Runs, SimError> {
    let scenario = named(args.scenario.as_deref().unwrap_or_default(), args.seed)?;
    let scenario = match args.cycles {
        Some(cycles) => scenario.with_cycles(cycles),
        None => scenario,
    };
    let policies = if args.policy.is_empty() { vec![PolicySpec::Percent(None)] } else { args.policy.clone() };
    let values: Vec<_> = match &args.sweep {
        Some(sweep) => sweep.values.iter().map(|&value| Some((sweep.knob, value))).collect(),
        None => vec![None],
    };
    // Rows of many runs would be many; only those that are printed are kept.
    let keeps_rows = args.json || args.csv || policies.len() * values.len() == 1;
    let mut list = Vec::new();
    for policy in policies {
        for &swept in &values {
            list.push(run(&scenario, policy, swept, keeps_rows));
        }
    }
    Ok(Runs { scenario, list })
}

fn run(scenario: &Scenario, policy: PolicySpec, swept: Option<(SweepKnob, f64)>, keeps_rows: bool) -> Run {
    let (mut scenario, mut policy) = (scenario.clone(), policy);
    if let Some((knob, value)) = swept {
        knob.set(value, &mut scenario, &mut policy);
    }
    scenario.knobs = policy.knobs(scenario.knobs);
    let parts = policy.parts(scenario.knobs.cores);
    let mut rows = Vec::new();
    let summary = Simulation::with_parts(scenario, parts).run(|row, _| {
        if keeps_rows {
            rows.push(*row);
        }
    });
    Run { policy, swept, rows, summary }
}

/// Reads a file and applies the policy.
pub(super) fn read_input(path: &Path, policy: PolicySpec) -> Result<ReferenceInput, SimError> {
    let text = fs::read_to_string(path).map_err(|source| SimError::File { path: path.to_owned(), source })?;
    let mut input = ReferenceInput::from_json(&text)
        .map_err(|source| SimError::Input { path: path.to_owned(), source })?;
    input.percent = policy.knobs(Knobs { percent: input.percent, ..Knobs::default() }).percent;
    Ok(input)
}

/// Runs the scenario of a file on the reference engine.
pub(super) fn read_file(path: &Path, args: &SimArgs) -> Result<Vec<ReferenceCycle>, SimError> {
    let policy = args.policy.first().copied().unwrap_or(PolicySpec::Percent(None));
    let mut input = read_input(path, policy)?;
    if let Some(cycles) = args.cycles {
        let found = input.series.len();
        if cycles > found as u64 {
            return Err(SimError::ShortFile { path: path.to_owned(), asked: cycles, found });
        }
        input.series.truncate(cycles as usize);
    }
    let mut cycles = Vec::new();
    run_with(&input, policy.parts(input.cores), |cycle, _| cycles.push(*cycle))
        .map_err(|source| SimError::Endless { path: path.to_owned(), source })?;
    Ok(cycles)
}

impl Runs {
    /// One object with all runs.
    pub(super) fn to_json(&self) -> String {
        let Scenario { name, knobs, .. } = &self.scenario;
        let runs: Vec<String> = self.list.iter().map(|run| run.to_json().finish()).collect();
        let percent = |percent| match percent {
            GcPercent::Percent(percent) => percent.to_string(),
            GcPercent::Off => "null".to_owned(),
        };
        Object::new()
            .text("scenario", name)
            .raw("gc_percent", &percent(knobs.percent))
            .raw("memory_limit_bytes", &bytes_or_null(knobs.limit.bytes()))
            .integer("cores", knobs.cores.into())
            .raw("runs", &format!("[{}]", runs.join(",")))
            .finish()
    }
}

impl Run {
    fn to_json(&self) -> Object {
        let rows: Vec<String> = self.rows.iter().map(|row| row_to_json(row).finish()).collect();
        let mut json = Object::new().text("policy", &self.policy.to_string());
        if let Some((knob, value)) = self.swept {
            json = json.text("knob", &knob.to_string()).number("value", value, 6);
        }
        json.object("summary", summary_to_json(&self.summary)).raw("cycles", &format!("[{}]", rows.join(",")))
    }
}

/// What is unbounded has no number.
fn bytes_or_null(bytes: Bytes) -> String {
    if bytes == Bytes::MAX { "null".to_owned() } else { bytes.0.to_string() }
}

fn row_to_json(row: &CycleRow) -> Object {
    Object::new()
        .integer("cycle", row.cycle)
        .number("seconds", row.seconds, 6)
        .text("cause", &format!("{:?}", row.cause).to_lowercase())
        .integer("live_at_start_bytes", row.live_at_start.0)
        .integer("trigger_bytes", row.trigger.0)
        .integer("peak_bytes", row.peak.0)
        .raw("goal_bytes", &bytes_or_null(row.goal))
        .integer("live_bytes", row.live.0)
        .integer("held_bytes", row.blocks.0)
        .number("mark_seconds", row.mark_seconds, 6)
        .number("utilization_percent", row.utilization * 100.0, 1)
        .number("assist_percent", row.assist_share * 100.0, 2)
        .flag("limited", row.is_limited)
        .text("pressure", &row.pressure.to_string())
}

fn summary_to_json(summary: &Summary) -> Object {
    Object::new()
        .integer("cycles", summary.cycles)
        .number("seconds", summary.seconds, 6)
        .number("goal_ratio_mean", summary.goal_ratio_mean, 4)
        .number("goal_ratio_max", summary.goal_ratio_max, 4)
        .number("gc_cpu_percent", summary.gc_cpu_share * 100.0, 3)
        .number("assist_percent", summary.assist_share * 100.0, 3)
        .number("mutator_percent_min_2s", summary.mutator_share_min * 100.0, 2)
        .number("heap_peak_bytes", summary.heap_peak, 0)
        .number("heap_mean_bytes", summary.heap_mean, 0)
        .number("held_peak_bytes", summary.blocks_peak, 0)
        .number("held_end_bytes", summary.blocks_end, 0)
        .integer("limited_cycles", summary.limited_cycles)
        .integer("quiet_cycles", summary.quiet_cycles)
        .integer("rejected", summary.rejected)
        .number("mutator_cpu_s", summary.mutator_seconds, 6)
        .number("gc_cpu_s", summary.gc_seconds, 6)
}
