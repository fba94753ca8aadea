//! `counterfoil receipt parse` and `counterfoil receipt learn`.
//!
//! Parses as the tap's reader would, and prints what the published interface says; records nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use counterfoil_drivers::{Parsed, Reader, Template, template};
use serde_json::{Value, json};

use crate::cli::output;

/// Arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  counterfoil receipt parse stream.bin --template p01\n  counterfoil receipt parse *.bin --template ./shop.toml --json"
)]
pub struct ReceiptArgs {
    #[command(subcommand)]
    command: ReceiptCommand,
}

#[derive(Debug, Subcommand)]
enum ReceiptCommand {
    /// Shows what a printer's bytes say, as the tap would read them
    Parse {
        /// Recorded bytes
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A shipped template by name, or a file
        #[arg(long, value_name = "NAME|PATH")]
        template: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Proposes a template from samples (comes with a later version)
    Learn {
        /// Recorded bytes
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where to write the template
        #[arg(long)]
        out: PathBuf,
        /// ISO 4217
        #[arg(long)]
        currency: Option<String>,
        /// For numbers and dates
        #[arg(long)]
        locale: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file or the template cannot be read.
pub fn run(args: ReceiptArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ReceiptCommand::Parse { files, template, json } => parse(&files, &template, json),
        ReceiptCommand::Learn { .. } => {
            bail!(
                "learning a template from samples comes with a later version: write one by hand, `receipt parse` shows what it reads"
            )
        }
    }
}

/// Every file is a stream of its own.
fn parse(files: &[PathBuf], template: &str, json: bool) -> anyhow::Result<ExitCode> {
    let template = load_template(template)?;
    let mut documents = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut reader = Reader::new(template.clone());
        let mut parsed = reader.push(&bytes);
        parsed.extend(reader.finish());
        documents.extend(parsed.iter().map(describe));
    }
    if json {
        output::json(&json!({ "documents": documents }));
    } else {
        documents.iter().for_each(print);
    }
    Ok(ExitCode::SUCCESS)
}

/// A shipped template by its name, or one from a file.
///
/// # Errors
/// When there is neither, or it does not parse.
pub fn load_template(name: &str) -> anyhow::Result<Template> {
    let path = Path::new(name);
    if path.is_file() {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Template::from_toml(&text).with_context(|| path.display().to_string());
    }
    Template::shipped(name).with_context(|| {
        let names: Vec<&str> = template::shipped_names().collect();
        format!("there is no template {name:?}: name a file, or one of {}", names.join(", "))
    })
}

fn describe(parsed: &Parsed) -> Value {
    let mut document = json!({
        "kind": parsed.class.kind(),
        "sale": parsed.sale,
        "marks": parsed.marks,
        "text": parsed.text,
    });
    if let Some(report) = &parsed.z_report {
        document["report"] = json!(report);
    }
    if let Some(voided) = &parsed.voided_receipt {
        document["voided_receipt"] = json!(voided);
    }
    document
}

fn print(document: &Value) {
    let marks: Vec<&str> = document["marks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    output::line(format_args!("{}{marks}", document["kind"].as_str().unwrap_or_default()));
    if let Some(sale) = document["sale"].as_object() {
        let text = |key: &str| sale.get(key).map_or_else(|| "-".to_owned(), |value| value.to_string().replace('"', ""));
        output::line(format_args!(
            "  receipt {} at {}: {} {}",
            text("receipt_number"),
            text("occurred_at"),
            text("total"),
            text("currency")
        ));
        for line in sale.get("lines").and_then(Value::as_array).into_iter().flatten() {
            output::line(format_args!("  {:>8}  {}", line["amount"], line["description"].as_str().unwrap_or_default()));
        }
    }
}
