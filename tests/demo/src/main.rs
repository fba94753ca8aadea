//! `cargo demo`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use counterfoil_demo::shop::Shop;
use counterfoil_demo::shop::hub::Transport;
use counterfoil_demo::shop::programs::Programs;
use counterfoil_demo::story::{self, Plan};
use counterfoil_demo::voice::Voice;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Script {
    /// A short day, played in well under half a minute
    Quick,
    /// A longer one to watch
    Day,
}

/// Builds and runs a whole shop: a hub, two tills, virtual printers and scanners, a day with the line cut.
#[derive(Debug, Parser)]
#[command(
    name = "cargo demo",
    after_help = "Examples:\n  cargo demo\n  cargo demo --script quick --exit\n  cargo demo --dir /tmp/shop"
)]
struct Arguments {
    /// How much happens
    #[arg(long, value_enum, default_value = "day")]
    script: Script,
    /// Ends after the day, with a summary in JSON; fails where the books do not balance
    #[arg(long)]
    exit: bool,
    /// Keeps everything (databases, logs, configuration) in this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("the demo stopped: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    eprintln!("building counterfoil and counterfoil-hub (minutes the first time, a moment later)");
    let programs = Programs::built()?;
    let voice = Voice::begin();
    let kept = arguments.dir.clone();
    let temporary = match &kept {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("counterfoil-demo-").tempdir().context("no temporary folder")?),
    };
    let folder = kept.or_else(|| temporary.as_ref().map(|folder| folder.path().to_path_buf())).context("no folder")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        voice.part("A shop opens");
        let mut shop = Shop::open(&programs, &folder, 2, Transport::Plain).await?;
        voice.say(&format!("head office and two lanes are up, in {}", folder.display()));
        let plan = if arguments.script == Script::Quick { Plan::QUICK } else { Plan::DAY };
        let summary = story::play(&mut shop, plan, &voice).await?;
        for finding in &summary.findings {
            voice.say(&format!("NOT RIGHT: {finding}"));
        }
        if !arguments.exit {
            voice.part("The shop stays open");
            shop.say_where_to_look(&voice).await?;
            tokio::signal::ctrl_c().await.context("no signals")?;
        }
        shop.shut().await?;
        println!("{}", serde_json::to_string(&summary)?);
        Ok(summary.balances())
    })
}
