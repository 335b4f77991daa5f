//! What can be asked of `replay`.

use clap::Args;

/// The options of `replay`.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)]
pub struct ReplayArgs {
    /// The scenario; `mudlark sim --list` names them, those that end with -2 are made for a replay on two cores
    #[arg(value_name = "SCENARIO", required_unless_present = "check")]
    pub scenario: Option<String>,

    /// Judge what is promised: of this scenario, or of all that have promises
    #[arg(long)]
    pub check: bool,

    /// How long; by default as the scenario wants, but twelve seconds at most
    #[arg(long, value_name = "S", value_parser = parse_seconds, conflicts_with = "check")]
    pub seconds: Option<f64>,

    /// One of so many new chains of objects replaces a random one of those that live, so that these are spread over the heap; 0 for
    /// none
    #[arg(long, value_name = "N", default_value = "8", conflicts_with = "check")]
    pub churn: u64,

    /// Where the random numbers of the scenario come from
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,

    /// Print one line of JSON instead of a text to read
    #[arg(long)]
    pub json: bool,
}

const SECONDS_MAX: f64 = 3600.0;

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=SECONDS_MAX).contains(&seconds) => Ok(seconds),
        _ => Err(format!("use a number from 0.1 to {SECONDS_MAX}; a replay takes that long in fact")),
    }
}
