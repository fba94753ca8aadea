//! `counterfoil-hub member import`: a CSV file of any length, row by row, a thousand to a transaction.
//!
//! Rows that cannot be taken go to a file of rejects with their line and reason, in a form that can be corrected
//! and imported again. An import may be repeated: who is here already is not made twice.

use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use csv::{ByteRecord, StringRecord};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::output;
use crate::clock::now_ms;
use crate::core::{Hub, ImportRow};
use crate::data_dir::DataDir;
use crate::entropy;

/// Rows in one transaction.
const BATCH: usize = 1_000;

/// Members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Imports members from a CSV file
    #[command(
        after_help = "Example:\n  counterfoil-hub member import members.csv\n\nThe first line names the columns: \
                            display_name, and any of identifier, card, phone, email. A field may hold several \
                            identifiers with ; between them."
    )]
    Import(ImportArgs),
    /// Forgives everything that a member owes in a purse
    #[command(
        after_help = "Example:\n  counterfoil-hub member write-off 0123456789abcdef0123456789abcdef --purse points \
                            --reason \"goodwill\""
    )]
    WriteOff(super::write_off::WriteOffArgs),
}

/// What to import.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV in UTF-8 with a heading
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where rows go that cannot be taken [default: FILE with .rejects.csv]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What became of a file.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    rows: u64,
    created: u64,
    updated: u64,
    rejected: u64,
    rejects_file: Option<PathBuf>,
}

/// Runs a member command.
///
/// # Errors
/// When the file or the hub cannot be used. Rows before the failure are imported.
pub fn run(command: MemberCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    let args = match command {
        MemberCommand::Import(args) => args,
        MemberCommand::WriteOff(args) => return super::write_off::run(&args, place),
    };
    let file = File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let bytes = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    let progress = progress_bar(bytes);
    let mut rejects = Rejects::new(args.rejects.unwrap_or_else(|| args.file.with_extension("rejects.csv")));
    let reader = BufReader::new(progress.wrap_read(file));
    let mut summary = import(reader, &mut place.open_or_create()?, &mut rejects, &args.file)?;
    summary.rejects_file = rejects.finish()?;
    progress.finish_and_clear();
    if args.json {
        output::json(&summary);
    } else {
        show(&summary);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(summary: &Summary) {
    let Summary { rows, created, updated, rejected, rejects_file } = summary;
    output::line(format_args!("{rows} rows: {created} members made, {updated} known already, {rejected} not taken"));
    if let Some(path) = rejects_file {
        output::line(format_args!("what was not taken is in {}, with reasons: correct and import it", path.display()));
    }
}

fn progress_bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} to go");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What each column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    DisplayName,
    Identifier,
    /// Of a rejects file: ignored when it is imported again.
    Reject,
}

fn columns(heading: &StringRecord, file: &Path) -> anyhow::Result<Vec<Column>> {
    let column = |name: &str| match name.trim().trim_start_matches('\u{feff}').to_lowercase().as_str() {
        "display_name" | "name" => Ok(Column::DisplayName),
        "identifier" | "identifiers" | "card" | "phone" | "email" => Ok(Column::Identifier),
        "line" | "reason" => Ok(Column::Reject),
        other => Err(anyhow::anyhow!(
            "{}, line 1: the column {other:?} is not known; there are display_name, identifier, card, phone, email",
            file.display()
        )),
    };
    let columns: Vec<Column> = heading.iter().map(column).collect::<Result<_, _>>()?;
    anyhow::ensure!(
        columns.contains(&Column::Identifier),
        "{}, line 1: no column holds identifiers; name one identifier, card, phone or email",
        file.display()
    );
    Ok(columns)
}

fn row(record: &StringRecord, columns: &[Column]) -> Result<ImportRow, String> {
    if record.len() != columns.len() {
        return Err(format!("{} fields where the heading has {}", record.len(), columns.len()));
    }
    let mut row = ImportRow::default();
    for (field, column) in record.iter().map(str::trim).zip(columns) {
        match column {
            _ if field.is_empty() => {}
            Column::DisplayName => row.display_name = Some(field.to_owned()),
            Column::Identifier => {
                row.identifiers
                    .extend(field.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
            }
            Column::Reject => {}
        }
    }
    Ok(row)
}

fn import(reader: impl Read, hub: &mut Hub, rejects: &mut Rejects, file: &Path) -> anyhow::Result<Summary> {
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let heading =
        csv.headers().with_context(|| format!("{}, line 1: the heading cannot be read", file.display()))?.clone();
    let columns = columns(&heading, file)?;
    let keep: Vec<bool> = columns.iter().map(|column| *column != Column::Reject).collect();
    rejects.heading = kept(&heading, &keep);
    let mut summary = Summary::default();
    let mut batch: Vec<(u64, StringRecord, ImportRow)> = Vec::with_capacity(BATCH);
    let mut bytes = ByteRecord::new();
    while csv.read_byte_record(&mut bytes).with_context(|| format!("cannot read on in {}", file.display()))? {
        summary.rows += 1;
        let line = bytes.position().map_or(0, csv::Position::line);
        let (record, row) = match StringRecord::from_byte_record(bytes.clone()) {
            Ok(record) => {
                let row = row(&record, &columns);
                (record, row)
            }
            Err(_) => (StringRecord::from_byte_record_lossy(bytes.clone()), Err("not UTF-8 text".to_owned())),
        };
        match row {
            Ok(row) => batch.push((line, StringRecord::from(kept(&record, &keep)), row)),
            Err(reason) => rejects.add(line, &reason, &kept(&record, &keep))?,
        }
        if batch.len() == BATCH {
            take(&mut batch, hub, rejects, &mut summary)?;
        }
    }
    take(&mut batch, hub, rejects, &mut summary)?;
    summary.rejected = rejects.count;
    Ok(summary)
}

fn kept(record: &StringRecord, keep: &[bool]) -> Vec<String> {
    record
        .iter()
        .enumerate()
        .filter(|(at, _)| keep.get(*at) != Some(&false))
        .map(|(_, field)| field.to_owned())
        .collect()
}

fn take(
    batch: &mut Vec<(u64, StringRecord, ImportRow)>,
    hub: &mut Hub,
    rejects: &mut Rejects,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let rows: Vec<ImportRow> = batch.iter().map(|(_, _, row)| row.clone()).collect();
    let outcome = hub.import_members(&rows, entropy::bytes(), now_ms())?;
    summary.created += outcome.created;
    summary.updated += outcome.updated;
    for reject in outcome.rejects {
        let (line, record, _) = &batch[reject.row];
        rejects.add(*line, &reject.reason, &record.iter().map(str::to_owned).collect::<Vec<_>>())?;
    }
    batch.clear();
    Ok(())
}

/// The file of rejects: made when the first one comes.
#[derive(Debug)]
struct Rejects {
    path: PathBuf,
    heading: Vec<String>,
    writer: Option<csv::Writer<File>>,
    count: u64,
}

impl Rejects {
    fn new(path: PathBuf) -> Self {
        Self { path, heading: Vec::new(), writer: None, count: 0 }
    }

    fn add(&mut self, line: u64, reason: &str, fields: &[String]) -> anyhow::Result<()> {
        self.count += 1;
        let failed = || format!("cannot write the rejects to {}", self.path.display());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty => {
                let file = File::create(&self.path).with_context(failed)?;
                let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
                let heading = ["line", "reason"].into_iter().chain(self.heading.iter().map(String::as_str));
                writer.write_record(heading).with_context(failed)?;
                empty.insert(writer)
            }
        };
        let line = line.to_string();
        let record = [line.as_str(), reason].into_iter().chain(fields.iter().map(String::as_str));
        writer.write_record(record).with_context(failed)
    }

    fn finish(mut self) -> anyhow::Result<Option<PathBuf>> {
        let Some(writer) = &mut self.writer else {
            return Ok(None);
        };
        writer.flush().with_context(|| format!("cannot write the rejects to {}", self.path.display()))?;
        Ok(Some(self.path))
    }
}
