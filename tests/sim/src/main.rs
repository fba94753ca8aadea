//! Long runs and replays of the fleet simulator.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use counterfoil_sim::oracles::Tally;
use counterfoil_sim::world::{Counts, Options, Profile, Report, STEPS, replay, run};

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
    /// What the worlds are full of: everything, or redemptions and power cuts.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    /// Seeds at once.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Ends after so many redemptions and power cuts, both.
    #[arg(long, value_name = "REDEMPTIONS,CUTS")]
    until: Option<String>,
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

/// What all seeds came to.
#[derive(Debug, Default)]
struct Sums {
    ran: u64,
    failed: u64,
    virtual_ms: u64,
    counts: Counts,
    tally: Tally,
}

impl Sums {
    fn take(&mut self, report: Report) {
        self.virtual_ms += report.virtual_ms;
        report.counts.into_iter().for_each(|(what, count)| *self.counts.entry(what).or_default() += count);
        report.tally.into_iter().for_each(|(by, steps)| *self.tally.entry(by).or_default() += steps);
    }

    fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    fn redemptions(&self) -> u64 {
        self.counts.iter().filter(|(what, _)| what.starts_with("redemptions done")).map(|(_, count)| count).sum()
    }

    fn power_cuts(&self) -> u64 {
        self.count("power cuts at tills") + self.count("power cuts at head office")
    }

    fn print(&self, seconds: f64) {
        println!("what happened");
        for (what, count) in &self.counts {
            println!("{count:>12} {what}");
        }
        println!("law  steps judged  oracle");
        for ((law, by), steps) in &self.tally {
            println!("{law:>3} {steps:>13}  {by}");
        }
        let laws: BTreeMap<u8, u64> = self.tally.iter().fold(BTreeMap::new(), |mut laws, ((law, _), steps)| {
            *laws.entry(*law).or_default() += steps;
            laws
        });
        println!("by law: {laws:?}");
        println!(
            "{} redemptions done, {} refused, {} power cuts, {} kills",
            self.redemptions(),
            self.count("redemptions refused"),
            self.power_cuts(),
            self.count("kills at tills") + self.count("kills at head office"),
        );
        let hours = self.virtual_ms as f64 / 3_600_000.0;
        println!("{} seeds, {} failed, {hours:.1} virtual hours in {seconds:.1} s", self.ran, self.failed);
    }
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
    let until: Option<(u64, u64)> = match &arguments.until {
        Some(text) => {
            let (redemptions, cuts) = text.split_once(',').context("--until wants two numbers: REDEMPTIONS,CUTS")?;
            Some((redemptions.parse().context("no number")?, cuts.parse().context("no number")?))
        }
        None => None,
    };
    let options = Options {
        steps: arguments.steps,
        show: arguments.trace,
        calm: arguments.calm,
        profile: arguments.profile,
        ..Options::default()
    };
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let enough = AtomicBool::new(false);
    let sums = Mutex::new(Sums::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let done = catch_unwind(AssertUnwindSafe(|| run(seed, options)));
                    let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                    sums.ran += 1;
                    match done {
                        Ok(Ok(report)) => {
                            if arguments.seed.is_some() {
                                println!("seed {seed}: trace {} over {} lines", report.trace, report.lines);
                            }
                            sums.take(report);
                        }
                        Ok(Err(failure)) => {
                            sums.failed += 1;
                            println!("{failure}\n");
                        }
                        Err(_) => {
                            sums.failed += 1;
                            println!("seed {seed}: panicked\n{}\n", replay(seed, &options));
                        }
                    }
                    let done = until.is_some_and(|(redemptions, cuts)| {
                        sums.redemptions() >= redemptions && sums.power_cuts() >= cuts
                    });
                    if done || (sums.failed > 0 && !arguments.keep_going) {
                        enough.store(true, Ordering::Relaxed);
                    }
                    if sums.ran.is_multiple_of(250) {
                        let (redemptions, cuts) = (sums.redemptions(), sums.power_cuts());
                        let seconds = began.elapsed().as_secs();
                        eprintln!("{} seeds, {redemptions} redemptions, {cuts} power cuts, {seconds} s", sums.ran);
                    }
                }
            });
        }
    });
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.print(began.elapsed().as_secs_f64());
    Ok(if sums.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
