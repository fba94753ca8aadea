//! `counterfoil program check` and `counterfoil program try`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use counterfoil_protocol::program::{MemberInputs, Problems, Program, Trial};
use counterfoil_protocol::sale::Sale;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cli::output;

/// Arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  counterfoil program check program.toml\n  counterfoil program try program.toml --sale sale.json --member member.json"
)]
pub struct ProgramArgs {
    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    /// Validates a program file; problems come with line and column
    Check {
        /// The program, TOML or JSON
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows what a sale would accrue, and why
    Try {
        /// The program, TOML or JSON
        file: PathBuf,
        /// A sale, as `POST /v1/sales` takes it
        #[arg(long)]
        sale: PathBuf,
        /// What is known of the member
        #[arg(long)]
        member: Option<PathBuf>,
        /// The time of the sale, RFC 3339 [default: the sale's own]
        #[arg(long)]
        at: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read.
pub fn run(args: ProgramArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ProgramCommand::Check { file, json } => check(&file, json),
        ProgramCommand::Try { file, sale, member, at, json } => {
            let program = match load(&file)? {
                Ok(program) => program,
                Err(problems) => anyhow::bail!("{}:\n{problems}", file.display()),
            };
            let sale: Sale = read_json(&sale)?;
            let member: Option<MemberInputs> = member.as_deref().map(read_json).transpose()?;
            show(&program.try_sale(&sale, member.as_ref(), at.as_deref())?, json)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let checked = load(file)?;
    match (&checked, json) {
        (Ok(program), false) => {
            output::line(format_args!("{}: {} is a program that works", file.display(), program.id()));
        }
        (Ok(program), true) => output::json(&json!({ "program": program.id(), "problems": [] })),
        (Err(problems), true) => {
            let problems: Vec<_> = problems
                .0
                .iter()
                .map(|problem| json!({ "line": problem.line, "column": problem.column, "message": problem.message }))
                .collect();
            output::json(&json!({ "program": null, "problems": problems }));
        }
        (Err(problems), false) => {
            for problem in &problems.0 {
                output::line(format_args!("{}: {problem}", file.display()));
            }
        }
    }
    Ok(if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn load(file: &Path) -> anyhow::Result<Result<Program, Problems>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Ok(if is_json { Program::from_json(&text) } else { Program::from_toml(&text) })
}

fn read_json<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what is expected here", file.display()))
}

fn show(trial: &Trial, json: bool) -> anyhow::Result<()> {
    if json {
        output::json(&serde_json::to_value(trial)?);
        return Ok(());
    }
    for purse in &trial.accrued {
        output::line(format_args!("{} {}", purse.amount, purse.purse));
        for rule in &purse.rules {
            output::line(format_args!("  {:>6}  {}: {}", rule.amount, rule.rule, rule.reason));
        }
    }
    if trial.accrued.is_empty() {
        output::line("nothing");
    }
    for skipped in &trial.skipped {
        output::line(format_args!("  not {}: {}", skipped.rule, skipped.why));
    }
    for failure in &trial.failures {
        output::line(format_args!("  failed: {failure}"));
    }
    Ok(())
}
