//! `counterfoil journal verify` and `counterfoil journal export`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use counterfoil_till::JournalReport;
use reqwest::Method;

use crate::cli::PlaceArgs;
use crate::cli::ask::{self, Books};
use crate::cli::output;
use crate::journal::{EXPORT_CHUNK, export_line};
use crate::places::Places;

/// Arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  counterfoil journal verify\n  counterfoil journal export --format jsonl > journal.jsonl"
)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Debug, Subcommand)]
enum JournalCommand {
    /// Computes the chain anew from the disk; exit code 1 when something does not hold
    Verify {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Prints every record
    Export {
        /// One JSON object a line
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// Begin after this position
        #[arg(long, default_value_t = 0)]
        after: u64,
        #[command(flatten)]
        places: PlaceArgs,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
}

/// Runs the command.
///
/// # Errors
/// When the books cannot be asked or read.
pub fn run(args: JournalArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        JournalCommand::Verify { json, places } => verify(&places.places()?, json),
        JournalCommand::Export { format: Format::Jsonl, after, places } => {
            export(&places.places()?, after).map(|()| ExitCode::SUCCESS)
        }
    }
}

fn verify(places: &Places, json: bool) -> anyhow::Result<ExitCode> {
    let report: JournalReport = match ask::books(places)? {
        Books::Daemon(daemon) => daemon.ask(Method::GET, "/control/journal/verify", None)?,
        Books::Here(till) => till.verify_journal()?,
    };
    let sound = report.problems.is_empty();
    if json {
        output::json(&serde_json::to_value(&report)?);
    } else {
        let verdict = if sound { "holds" } else { "does not hold" };
        output::line(format_args!(
            "{} records, chain {}: {}",
            report.records,
            report.chain,
            output::coloured(sound, verdict)
        ));
        for problem in &report.problems {
            output::line(format_args!("  {problem}"));
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn export(places: &Places, after: u64) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match ask::books(places)? {
        Books::Daemon(daemon) => {
            daemon.stream(&format!("/control/journal/export?after={after}"), |chunk| out.write_all(chunk))?;
        }
        Books::Here(till) => {
            let mut after = after;
            loop {
                let chunk = till.records_after(after, EXPORT_CHUNK)?;
                let Some((last, _, _)) = chunk.last() else { break };
                after = *last;
                for (position, chain, record) in &chunk {
                    out.write_all(export_line(*position, *chain, record).as_bytes())?;
                }
            }
        }
    }
    out.flush()?;
    Ok(())
}
