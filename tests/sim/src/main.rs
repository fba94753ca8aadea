//! Long runs and replays of the fleet simulator.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use counterfoil_sim::world::{Counts, Options, STEPS, run};

/// Simulates fleets of tills, a seed each.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// One seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Many: FROM..TO, the end left out.
    #[arg(long, value_name = "FROM..TO")]
    seeds: Option<String>,
    /// Acts of cashiers in each seed.
    #[arg(long, default_value_t = STEPS)]
    steps: u64,
    /// Prints everything that happens.
    #[arg(long)]
    trace: bool,
    /// Nothing fails.
    #[arg(long)]
    calm: bool,
    /// Goes on after a seed that failed.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let seeds = match (arguments.seed, &arguments.seeds) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(range)) => {
            let (from, to) = range.split_once("..").context("--seeds wants FROM..TO, for example 0..1000")?;
            from.parse().context("the first seed is no number")?..to.parse().context("the last seed is no number")?
        }
        (None, None) => 0..100,
    };
    let options = Options { steps: arguments.steps, show: arguments.trace, calm: arguments.calm, ..Options::default() };
    let began = Instant::now();
    let (mut ran, mut failed, mut virtual_ms) = (0u64, 0u64, 0u64);
    let mut counts: Counts = BTreeMap::new();
    for seed in seeds {
        ran += 1;
        match catch_unwind(AssertUnwindSafe(|| run(seed, options))) {
            Ok(Ok(report)) => {
                virtual_ms += report.virtual_ms;
                report.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
                if arguments.seed.is_some() {
                    println!("seed {seed}: trace {} over {} lines", report.trace, report.lines);
                }
            }
            Ok(Err(failure)) => {
                failed += 1;
                println!("{failure}\n");
            }
            Err(_) => {
                failed += 1;
                println!(
                    "seed {seed}: panicked\nreplay: cargo run --profile demo -p counterfoil-sim -- --seed {seed} --steps {} --trace\n",
                    arguments.steps
                );
            }
        }
        if failed > 0 && !arguments.keep_going {
            break;
        }
    }
    for (what, count) in &counts {
        println!("{count:>9} {what}");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{ran} seeds, {failed} failed, {:.1} virtual hours in {seconds:.1} s", virtual_ms as f64 / 3_600_000.0);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
