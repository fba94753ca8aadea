//! `counterfoil-hub ledger …`: the books as a file, and the proof that they hold.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use counterfoil_protocol::time::Date;

use super::output;
use crate::core::{EntryFilter, EntryView, Hub, TrialBalance, VerifyReport};
use crate::data_dir::DataDir;

const PAGE: usize = 1_000;

/// The books.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Writes every entry, oldest first within each part of the ledger
    #[command(after_help = "Example:\n  counterfoil-hub ledger export --format csv --store main-street \
                            --from 2026-11-01 --to 2026-11-30 --out november.csv")]
    Export(ExportArgs),
    /// Computes trial balance, chains, signatures and control totals again; the exit code says whether all hold
    #[command(after_help = "Example:\n  counterfoil-hub ledger verify && echo the books hold")]
    Verify {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, with a heading
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Columns for analysis (comes with a later version)
    Parquet,
    /// ARTS POSLog (comes with a later version)
    Poslog,
}

/// What to export.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file's format
    #[arg(long, value_enum)]
    format: Format,
    /// Of this store
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// From this business date on
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// To this business date
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs a ledger command.
///
/// # Errors
/// When the hub cannot be opened or the file cannot be written.
pub fn run(command: LedgerCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    match command {
        LedgerCommand::Export(args) => export(args, place),
        LedgerCommand::Verify { json } => verify(json, &place.open()?),
    }
}

fn export(args: ExportArgs, place: &DataDir) -> anyhow::Result<ExitCode> {
    let ExportArgs { format, store, from, to, out } = args;
    if matches!(format, Format::Parquet | Format::Poslog) {
        anyhow::bail!("this format comes with a later version; export csv or jsonl until then");
    }
    let hub = place.open()?;
    let filter = EntryFilter { store, from, to, ..EntryFilter::default() };
    let writer: Box<dyn Write> = match &out {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let count = match format {
        Format::Csv => export_csv(&hub, &filter, writer)?,
        _ => export_jsonl(&hub, &filter, writer)?,
    };
    if let Some(path) = out {
        output::line(format_args!("{count} entries in {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn export_csv(hub: &Hub, filter: &EntryFilter, writer: Box<dyn Write>) -> anyhow::Result<u64> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(writer);
    csv.write_record([
        "id",
        "kind",
        "member_id",
        "purse",
        "amount",
        "lot",
        "author",
        "debit",
        "credit",
        "sale_id",
        "store",
        "business_date",
    ])?;
    let count = each_entry(hub, filter, |entry| Ok(csv.serialize(entry)?))?;
    csv.flush().context("the export could not be finished")?;
    Ok(count)
}

fn export_jsonl(hub: &Hub, filter: &EntryFilter, writer: Box<dyn Write>) -> anyhow::Result<u64> {
    let mut writer = BufWriter::new(writer);
    let count = each_entry(hub, filter, |entry| {
        serde_json::to_writer(&mut writer, entry)?;
        Ok(writer.write_all(b"\n")?)
    })?;
    writer.flush().context("the export could not be finished")?;
    Ok(count)
}

fn each_entry(
    hub: &Hub,
    filter: &EntryFilter,
    mut write: impl FnMut(&EntryView) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut count = 0;
    let mut after: Option<String> = None;
    loop {
        let part = hub.ledger_entries(filter, after.as_deref(), PAGE)?;
        for entry in &part.items {
            write(entry)?;
            count += 1;
        }
        match part.next {
            Some(next) if !part.items.is_empty() => after = Some(next),
            _ => return Ok(count),
        }
    }
}

fn verify(json: bool, hub: &Hub) -> anyhow::Result<ExitCode> {
    let report = hub.verify()?;
    let balance = hub.trial_balance()?;
    let holds = report.findings.is_empty() && balance.is_zero();
    if json {
        output::json(&serde_json::json!({ "holds": holds, "report": report, "trial_balance": balance }));
    } else {
        show(&report, &balance, holds);
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn show(report: &VerifyReport, balance: &TrialBalance, holds: bool) {
    output::line(format_args!(
        "{} journals with {} records, {} signatures, {} entries, {} closed days",
        report.journals, report.records, report.signatures, report.entries, report.days
    ));
    for purse in &balance.purses {
        output::line(format_args!("purse {}: the trial balance is {}", purse.purse, purse.total));
    }
    report.findings.iter().for_each(|finding| output::line(format_args!("  {finding}")));
    let verdict = if holds { "the books hold" } else { "the books do not hold: see above, and keep a backup" };
    output::line(output::coloured(holds, verdict));
}
