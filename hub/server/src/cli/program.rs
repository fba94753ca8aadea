//! `counterfoil-hub program publish`: checks, signs, publishes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use counterfoil_protocol::program::{Problems, Program};

use super::output;
use crate::api::program::parse_time;
use crate::clock::now_ms;
use crate::data_dir::DataDir;

/// Programs.
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Checks a program file, signs it and sends it to all tills
    #[command(
        after_help = "Example:\n  counterfoil-hub program publish program.toml --effective 2026-12-01T00:00:00+00:00"
    )]
    Publish {
        /// TOML, or JSON where its name ends in .json
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// From when on, RFC 3339 with offset [default: at once]
        #[arg(long, value_name = "TIME", value_parser = effective)]
        effective: Option<i64>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

fn effective(text: &str) -> Result<i64, String> {
    parse_time(text).ok_or_else(|| "not a time such as 2026-12-01T00:00:00+00:00".into())
}

/// Runs a program command.
///
/// # Errors
/// When the file cannot be read, has mistakes, or the hub cannot be opened.
pub fn run(command: ProgramCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    let ProgramCommand::Publish { file, effective, json } = command;
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    let program = if is_json { Program::from_json(&text) } else { Program::from_toml(&text) };
    let program = match program {
        Ok(program) => program,
        Err(problems) => anyhow::bail!("{}", listed(&file, &problems)),
    };
    let now = now_ms();
    let view = place.open_or_create()?.publish_program(&program.to_json(), effective.unwrap_or(now), now)?;
    if json {
        output::json(&view);
    } else {
        output::line(format_args!(
            "published {} version {}, in force from {}",
            view.id, view.version, view.effective_at
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(file: &Path, problems: &Problems) -> String {
    let mut text = String::from("the program was not published; correct these and try again");
    for problem in &problems.0 {
        text.push_str(&format!("\n  {}, {problem}", file.display()));
    }
    text
}
