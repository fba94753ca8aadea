//! `cargo run --profile demo -p counterfoil-approval -- --write docs`: lives the months and writes the page's tables and
//! plot again.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use counterfoil_approval::study::Study;
use counterfoil_approval::{plot, report};

/// How many honest offline redemptions are granted, and what that costs the other channels.
#[derive(Debug, Parser)]
struct Options {
    /// Members of the chain.
    #[arg(long, default_value_t = 20_000)]
    members: usize,
    /// One seed, one month.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of `offline-redemption.md`, whose tables and plot are to be written again; without it, tables are printed.
    #[arg(long)]
    write: Option<PathBuf>,
}

const BEGIN: &str = "<!-- figures: written by counterfoil-approval -->\n";
const END: &str = "<!-- end of figures -->\n";

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let study = Study::live(options.members, options.seed);
    let tables = report::tables(&study, options.members, options.seed);
    let Some(folder) = options.write else {
        print!("{tables}");
        return Ok(());
    };
    let path = folder.join("offline-redemption.md");
    let page = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("{} has no {BEGIN}", path.display()))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{} has no {END}", path.display()))?;
    std::fs::write(&path, format!("{before}{BEGIN}\n{tables}\n{END}{after}"))?;
    std::fs::write(folder.join("offline-redemption.svg"), plot::svg(&study))?;
    Ok(())
}
