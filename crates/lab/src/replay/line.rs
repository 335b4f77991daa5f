//! Results for programs: an object on one line.

use mudlark::pacing::Bytes;

use super::{Replay, check::Verdict, compare::Unit, cycle::Cycle, sample::Sample};
use crate::json::Object;

/// A replay, with its verdicts if it was judged.
pub(super) fn json(replay: &Replay, verdicts: Option<&[Verdict]>) -> String {
    let Replay { trace, real, twin, comparison } = replay;
    let side = |side: fn(&super::compare::Line) -> f64| {
        comparison.lines.iter().fold(Object::new(), |json, line| json.number(line.key, side(line), 4))
    };
    let errors = comparison.lines.iter().fold(Object::new(), |json, line| {
        let unit = if line.unit == Unit::Percent { "points" } else { "percent" };
        json.number(&format!("{}_{unit}", line.key), line.error(), 3)
    });
    let cycles: Vec<String> = real.cycles.iter().map(|cycle| of_cycle(cycle).finish()).collect();
    let samples: Vec<String> = real.samples.iter().map(|sample| of_sample(sample).finish()).collect();
    let event = |(at, what): &(f64, String)| Object::new().number("at", *at, 6).text("what", what).finish();
    let events: Vec<String> = real.events.iter().map(event).collect();
    let json = Object::new()
        .text("scenario", trace.scenario.name)
        .number("seconds", real.seconds, 3)
        .integer("cores", trace.scenario.knobs.cores.into())
        .integer("threads", trace.threads as u64)
        .integer("churn", trace.churn)
        .number("other_cores", real.others.unwrap_or(f64::NAN), 3)
        .number("mark_bytes_per_s", twin.mark_rate, 0)
        .object("real", side(|line| line.real))
        .object("simulated", side(|line| line.simulated))
        .object("error", errors)
        .number("gc_cpu_s", (real.cpu.background_ns + real.cpu.assist_ns) as f64 / 1e9, 6)
        .number("resident_peak_bytes", real.samples.resident_max(), 0)
        .integer("allocated_bytes", real.allocated)
        .integer("missed_bytes", real.missed)
        .raw("events", &format!("[{}]", events.join(",")))
        .raw("samples", &format!("[{}]", samples.join(",")))
        .raw("cycles", &format!("[{}]", cycles.join(",")));
    let json = match verdicts {
        None => json,
        Some(verdicts) => {
            let list: Vec<String> = verdicts.iter().map(|verdict| of_verdict(verdict).finish()).collect();
            json.raw("verdicts", &format!("[{}]", list.join(",")))
        }
    };
    json.finish()
}

fn of_cycle(cycle: &Cycle) -> Object {
    let Cycle { number, begin, end } = cycle;
    let goal = if end.goal == Bytes::MAX { "null".to_owned() } else { end.goal.0.to_string() };
    Object::new()
        .integer("cycle", *number)
        .text("cause", &format!("{:?}", begin.cause).to_lowercase())
        .integer("trigger_bytes", begin.live.0)
        .integer("peak_bytes", end.peak.0)
        .raw("goal_bytes", &goal)
        .integer("live_bytes", end.live.0)
        .integer("marked_bytes", end.work.0)
        .number("seconds", cycle.seconds(), 6)
        .number("background_percent", end.background * 100.0, 2)
        .number("assist_percent", end.assists * 100.0, 2)
}

fn of_sample(sample: &Sample) -> Object {
    Object::new()
        .number("at", sample.clock, 3)
        .number("mutator_cpu_s", sample.mutator, 3)
        .number("resident_bytes", sample.resident, 0)
        .number("held_bytes", sample.committed, 0)
        .number("live_now_bytes", sample.live_now, 0)
}

fn of_verdict(verdict: &Verdict) -> Object {
    Object::new().text("promise", &verdict.promise).text("found", &verdict.found).flag("holds", verdict.holds)
}
