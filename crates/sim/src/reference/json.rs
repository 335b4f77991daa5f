//! Scenarios of the reference engine as JSON, and its cycles.
//!
//! A scenario is an object with one list for each series, or a file that has such an object as its `input`.

use super::{CycleInput, ReferenceCycle, ReferenceInput};
use crate::json::{Json, JsonError};
use mudlark_collector::pacing::{Bytes, GcPercent, MemoryLimit};
use std::fmt::Write as _;

/// More cycles than this are a mistake.
const CYCLES_MAX: u64 = 1_000_000;
/// No machine has more cores.
const CORES_MAX: u64 = 1 << 16;
/// Rates and factors beyond this are mistakes.
const NUMBER_MAX: f64 = 1e12;
/// So are sizes: 2^50.
const SIZE_MAX: u64 = 1 << 50;

/// Why a text is no scenario.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum InputError {
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is no object.
    #[error("cannot read the scenario: it must be an object, or an object that has one as its `input`")]
    NoObject,
    /// A key is missing.
    #[error("cannot read the scenario: it lacks `{0}`")]
    Missing(&'static str),
    /// A value makes no sense.
    #[error("cannot read the scenario: `{key}` must be {wanted}")]
    Value {
        /// Which.
        key: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A series does not fit the number of cycles.
    #[error("cannot read the scenario: `{key}` has {found} values, but `cycles` is {cycles}")]
    Length {
        /// Which.
        key: &'static str,
        /// How many values it has.
        found: usize,
        /// How many it should have.
        cycles: u64,
    },
    /// An element of a series makes no sense.
    #[error("cannot read the scenario: value {at} of `{key}` must be {wanted}")]
    Element {
        /// Which.
        key: &'static str,
        /// Which element, counted from 1.
        at: usize,
        /// What it should be.
        wanted: &'static str,
    },
}

impl ReferenceInput {
    /// Reads a scenario, or a file that has one as its `input`.
    ///
    /// # Errors
    /// Fails with the first thing that is missing or makes no sense.
    pub fn from_json(text: &str) -> Result<ReferenceInput, InputError> {
        let file = Json::parse(text)?;
        let input = file.get("input").unwrap_or(&file);
        if !matches!(input, Json::Object(_)) {
            return Err(InputError::NoObject);
        }
        let percent = match required(input, "gc_percent")? {
            Json::Null => GcPercent::Off,
            value => {
                value.whole().and_then(|percent| u32::try_from(percent).ok()).map(GcPercent::Percent).ok_or(
                    InputError::Value { key: "gc_percent", wanted: "a whole number, or null for off" },
                )?
            }
        };
        let limit = match required(input, "memory_limit_bytes")? {
            Json::Null => MemoryLimit::Off,
            value => {
                value.whole().map(|bytes| MemoryLimit::Bytes(Bytes(bytes))).ok_or(InputError::Value {
                    key: "memory_limit_bytes",
                    wanted: "a whole number, or null for none",
                })?
            }
        };
        let globals = bounded(input, "globals_bytes", 0, SIZE_MAX, "a whole number up to 2^50")?;
        let cores = bounded(input, "cores", 1, CORES_MAX, "a whole number from 1 to 65536")?;
        let cycles = bounded(input, "cycles", 1, CYCLES_MAX, "a whole number from 1 to 1000000")?;
        let series = read_series(input, cycles)?;
        Ok(ReferenceInput { percent, limit, globals, cores: cores as u32, series })
    }
}

/// The cycles as one array of objects, with utilization in percent with one digit.
pub fn cycles_to_json(cycles: &[ReferenceCycle]) -> String {
    let mut text = "[".to_owned();
    for (at, cycle) in cycles.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let ReferenceCycle { cycle, utilization, live_at_start, trigger, peak, goal } = cycle;
        write!(
            text,
            "{comma}{{\"cycle\":{cycle},\"utilization_percent\":{:.1},\"live_at_start_bytes\":{live_at_start},\
             \"trigger_bytes\":{trigger},\"peak_bytes\":{peak},\"goal_bytes\":{goal}}}",
            utilization * 100.0
        )
        .expect("a String takes all text");
    }
    text.push(']');
    text
}

fn required<'a>(input: &'a Json, key: &'static str) -> Result<&'a Json, InputError> {
    input.get(key).ok_or(InputError::Missing(key))
}

fn bounded(
    input: &Json,
    key: &'static str,
    least: u64,
    most: u64,
    wanted: &'static str,
) -> Result<u64, InputError> {
    let value = required(input, key)?.whole().filter(|value| (least..=most).contains(value));
    value.ok_or(InputError::Value { key, wanted })
}

fn read_series(input: &Json, cycles: u64) -> Result<Vec<CycleInput>, InputError> {
    let rate = "a number from 0 to 10^12";
    let alloc_rate = numbers(input, "alloc_rate", cycles, 0.0, NUMBER_MAX, rate)?;
    let scan_rate = numbers(input, "scan_rate", cycles, 1e-3, NUMBER_MAX, "a number from 0.001 to 10^12")?;
    let growth_rate = numbers(input, "growth_rate", cycles, 0.0, NUMBER_MAX, rate)?;
    let scannable = numbers(input, "scannable_fraction", cycles, 0.0, 1.0, "a number from 0 to 1")?;
    let stacks = numbers(input, "stack_bytes", cycles, 0.0, SIZE_MAX as f64, "a number from 0 to 2^50")?;
    let cycle = |at: usize| CycleInput {
        alloc_rate: alloc_rate[at],
        scan_rate: scan_rate[at],
        growth_rate: growth_rate[at],
        scannable_fraction: scannable[at],
        stack_bytes: stacks[at] as u64,
    };
    Ok((0..alloc_rate.len()).map(cycle).collect())
}

fn numbers(
    input: &Json,
    key: &'static str,
    cycles: u64,
    least: f64,
    most: f64,
    wanted: &'static str,
) -> Result<Vec<f64>, InputError> {
    let list = required(input, key)?.list().ok_or(InputError::Value { key, wanted: "a list of numbers" })?;
    if list.len() as u64 != cycles {
        return Err(InputError::Length { key, found: list.len(), cycles });
    }
    let number = |(at, value): (usize, &Json)| {
        let number = value.number().filter(|number| (least..=most).contains(number));
        number.ok_or(InputError::Element { key, at: at + 1, wanted })
    };
    list.iter().enumerate().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = r#"{"gc_percent":100,"memory_limit_bytes":null,"globals_bytes":0,"cores":8,"cycles":2,
        "alloc_rate":[33,33],"scan_rate":[1024,1024],"growth_rate":[2,1],"scannable_fraction":[1,1],"stack_bytes":[0,0]}"#;

    /// Goal: both forms are read, and a mistake is named. Method: one mistake at a time.
    #[test]
    fn mistakes_are_named() {
        let input = ReferenceInput::from_json(INPUT).unwrap();
        assert_eq!(ReferenceInput::from_json(&format!("{{\"input\":{INPUT}}}")), Ok(input));
        let mistakes = [
            ("\"cores\":8", "\"cores\":0", "`cores` must be a whole number from 1 to 65536"),
            ("\"cores\":8", "\"core\":8", "it lacks `cores`"),
            ("\"cycles\":2", "\"cycles\":3", "`alloc_rate` has 2 values, but `cycles` is 3"),
            ("[33,33]", "[33,-1]", "value 2 of `alloc_rate` must be a number from 0 to 10^12"),
            ("[1024,1024]", "[0,0]", "value 1 of `scan_rate` must be a number from 0.001 to 10^12"),
            ("[33,33]", "33", "`alloc_rate` must be a list of numbers"),
            (
                "\"gc_percent\":100",
                "\"gc_percent\":-1",
                "`gc_percent` must be a whole number, or null for off",
            ),
        ];
        for (right, wrong, message) in mistakes {
            let error = ReferenceInput::from_json(&INPUT.replace(right, wrong)).unwrap_err().to_string();
            assert!(error.ends_with(message), "{error}");
        }
        for text in ["[]", "1", "{\"input\":[]}", "{\"input\":1}", "{}", "x"] {
            assert!(ReferenceInput::from_json(text).is_err(), "{text}");
        }
    }
}
