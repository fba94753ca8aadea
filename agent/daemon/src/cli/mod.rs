//! The command line: what can be asked of `counterfoil`, and how it answers.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. Colour only on a terminal. Commands that need the till's books
//! ask the running daemon and open the database only where none runs. Not here: what the commands do.

mod ask;
mod devices;
mod doctor;
mod enroll;
mod journal;
mod output;
mod program;
mod receipt;
mod status;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::places::Places;

#[derive(Debug, Parser)]
#[command(
    name = "counterfoil",
    version,
    about = "Keeps a shop's loyalty program working at the till, with or without a line to head office",
    after_help = "Examples:\n  counterfoil enroll --hub https://hq.example:7400 --code CF1-…\n  counterfoil run\n  counterfoil status",
    arg_required_else_help = true,
    subcommand_required = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where things are; the same for every command.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The configuration file [default: counterfoil.toml in the platform's or systemd's directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory [default: the platform's or systemd's directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl PlaceArgs {
    /// Resolves the defaults.
    ///
    /// # Errors
    /// When there is no home directory and nothing is given.
    pub fn places(&self) -> anyhow::Result<Places> {
        Ok(Places::find(self.config.clone(), self.data_dir.clone(), |name| std::env::var_os(name))?)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the till daemon
    #[command(
        after_help = "Example:\n  counterfoil run --config /etc/counterfoil/counterfoil.toml --data-dir /var/lib/counterfoil"
    )]
    Run {
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Makes this machine a till of a store, with a one-time code from head office
    Enroll(enroll::EnrollArgs),
    /// Runs one receipt tap: forwards the bytes to the printer and keeps a copy for the daemon
    Tap(crate::tap::TapArgs),
    /// Makes, lists and revokes tokens for the till API
    Token(token::TokenArgs),
    /// Prints a one-time code that opens the cashier page in a browser of this machine
    #[command(after_help = "Example:\n  counterfoil pair")]
    Pair {
        #[command(flatten)]
        places: PlaceArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows journal, line to head office, devices, clock and disk
    Status(status::StatusArgs),
    /// Checks what can go wrong and says what to do about each
    Doctor(doctor::DoctorArgs),
    /// Verifies and prints the journal
    Journal(journal::JournalArgs),
    /// Reads receipts with a template
    Receipt(receipt::ReceiptArgs),
    /// Checks a program file and tries it on a sale
    Program(program::ProgramArgs),
    /// Lists ports with their stable names, and what is configured on them
    Devices(devices::DevicesArgs),
    /// Virtual hardware on pseudo-terminals
    Simulate(crate::simulate::SimulateArgs),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(1)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { places } => crate::daemon::run(&places.places()?).map(|()| ExitCode::SUCCESS),
        Command::Enroll(args) => enroll::run(args),
        Command::Tap(args) => crate::tap::run_tap(args).map(|()| ExitCode::SUCCESS),
        Command::Token(args) => token::run(args),
        Command::Pair { places, json } => token::pair(&places.places()?, json),
        Command::Status(args) => status::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Journal(args) => journal::run(args),
        Command::Receipt(args) => receipt::run(args),
        Command::Program(args) => program::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Simulate(args) => crate::simulate::run(args).map(|()| ExitCode::SUCCESS),
    }
}
