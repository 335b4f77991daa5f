//! One cycle, explained.

use mudlark_sim::{engine::Simulation, reference::run_with};

use super::{
    args::ExplainArgs,
    error::SimError,
    run::{named, read_input},
};

/// The decisions about a cycle, one line each.
pub(super) fn explain(args: &ExplainArgs) -> Result<String, SimError> {
    let (mut text, mut last) = (None, 0);
    if let Some(path) = &args.file {
        let mut input = read_input(path, args.policy)?;
        input.series.truncate(usize::try_from(args.cycle).unwrap_or(usize::MAX));
        run_with(&input, args.policy.parts(input.cores), |cycle, pacer| {
            last = cycle.cycle;
            if last == args.cycle {
                text = Some(pacer.explain(last));
            }
        })
        .map_err(|source| SimError::Endless { path: path.clone(), source })?;
    } else {
        let mut scenario = named(args.scenario.as_deref().unwrap_or_default(), args.seed)?;
        if args.cycle > scenario.cycles {
            scenario = scenario.with_cycles(args.cycle);
        }
        scenario.cycles = scenario.cycles.min(args.cycle);
        scenario.knobs = args.policy.knobs(scenario.knobs);
        let parts = args.policy.parts(scenario.knobs.cores);
        Simulation::with_parts(scenario, parts).run(|row, pacer| {
            last = row.cycle;
            if last == args.cycle {
                text = Some(pacer.explain(last));
            }
        });
    }
    text.ok_or(SimError::NoCycle { asked: args.cycle, last })
}
