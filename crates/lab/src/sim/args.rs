//! What can be asked of `sim` and `explain`.

use std::path::PathBuf;

use clap::Args;
use mudlark_sim::{policy::PolicySpec, sweep::Sweep};

use super::error::SimError;

/// The options of `sim`.
#[derive(Args, Debug)]
pub struct SimArgs {
    /// The scenario; `--list` names them
    #[arg(value_name = "SCENARIO", required_unless_present_any = ["file", "list"], conflicts_with_all = ["file", "list"])]
    pub scenario: Option<String>,

    /// A scenario of the reference engine, as JSON: one list for each series, or an object with that as its `input`
    #[arg(long, value_name = "F.json", conflicts_with = "list")]
    pub file: Option<PathBuf>,

    /// Name the scenarios, one line each
    #[arg(long)]
    pub list: bool,

    /// How big the heap may grow: percent, percent:50, fixed:64MiB, sqrt:0.3 (cores per GiB), share:0.04, no-assists or none;
    /// may be given several times
    #[arg(long, value_name = "P")]
    pub policy: Vec<PolicySpec>,

    /// A knob over a range, such as gc_percent=25..1600:log9
    #[arg(long, value_name = "KNOB=FROM..TO:logN")]
    pub sweep: Option<Sweep>,

    /// End after so many cycles; by default as the scenario wants
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub cycles: Option<u64>,

    /// Where the random numbers of the scenario come from
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// Print one line of JSON instead of a text to read
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Print a line of values for each cycle
    #[arg(long)]
    pub csv: bool,
}

impl SimArgs {
    /// Checks the options against each other.
    pub(super) fn check(&self) -> Result<(), SimError> {
        match &self.file {
            Some(_) if self.sweep.is_some() => Err(SimError::SweepOfFile),
            Some(_) if self.policy.len() > 1 => Err(SimError::PoliciesOfFile),
            _ => Ok(()),
        }
    }
}

/// The options of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The scenario; `mudlark sim --list` names them
    #[arg(value_name = "SCENARIO", required_unless_present = "file", conflicts_with = "file")]
    pub scenario: Option<String>,

    /// A scenario of the reference engine, as JSON
    #[arg(long, value_name = "F.json")]
    pub file: Option<PathBuf>,

    /// The cycle, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub cycle: u64,

    /// How big the heap may grow, as for `mudlark sim`
    #[arg(long, value_name = "P", default_value = "percent")]
    pub policy: PolicySpec,

    /// Where the random numbers of the scenario come from
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
}
