//! The command line: what can be asked of `counterfoil-hub`, and how it answers.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. Every command works on the data directory itself and may run
//! beside a hub that serves it. Not here: what the commands do.

mod access;
mod epoch;
mod fleet;
mod import;
mod ledger;
mod output;
mod program;
mod serve;
mod write_off;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, HubConfig};
use crate::data_dir::{DataDir, DataDirError};

#[derive(Debug, Parser)]
#[command(
    name = "counterfoil-hub",
    version,
    about = "Head office of a Counterfoil fleet: a ledger that adds up, fed by every till",
    after_help = "Examples:\n  counterfoil-hub serve --data-dir /var/lib/counterfoil-hub\n  \
                  counterfoil-hub store add main-street --name \"Main Street\" --time-zone Europe/London --currency GBP\n  \
                  counterfoil-hub terminal invite --store main-street --lane 1",
    arg_required_else_help = true,
    subcommand_required = true
)]
struct Cli {
    #[command(flatten)]
    places: PlaceArgs,
    #[command(subcommand)]
    command: Command,
}

/// Where the hub is; the same for every command.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The data directory [default: systemd's STATE_DIRECTORY, or the platform's]
    #[arg(long, global = true, value_name = "DIR", env = "COUNTERFOIL_HUB_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The database, `sqlite:PATH` [default: hub.db in the data directory]
    #[arg(long, global = true, value_name = "URL", env = "COUNTERFOIL_HUB_DATABASE", value_parser = database_url)]
    database: Option<String>,
    /// The configuration file [default: hub.toml in systemd's CONFIGURATION_DIRECTORY, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn database_url(text: &str) -> Result<String, ConfigError> {
    crate::config::sqlite_path(text).map(|_| text.to_owned())
}

impl PlaceArgs {
    fn config(&self) -> Result<HubConfig, ConfigError> {
        let systemd = || {
            let path = PathBuf::from(std::env::var_os("CONFIGURATION_DIRECTORY")?).join("hub.toml");
            path.exists().then_some(path)
        };
        self.config.clone().or_else(systemd).map_or_else(|| Ok(HubConfig::default()), |path| HubConfig::read(&path))
    }

    fn data_dir(&self, config: &HubConfig) -> Result<DataDir, DataDirError> {
        DataDir::resolve(self.data_dir.clone(), self.database.as_deref().or(config.database.url.as_deref()))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs head office: API, console, sync with the tills
    Serve(serve::ServeArgs),
    /// Makes and lists stores
    #[command(subcommand)]
    Store(fleet::StoreCommand),
    /// Invites and lists tills
    #[command(subcommand)]
    Terminal(fleet::TerminalCommand),
    /// Makes, lists and revokes keys for the API
    #[command(subcommand)]
    ApiKey(access::ApiKeyCommand),
    /// Publishes the program's rules
    #[command(subcommand)]
    Program(program::ProgramCommand),
    /// Imports members
    #[command(subcommand)]
    Member(import::MemberCommand),
    /// Says that a backup was put back, and who has not reported since
    #[command(subcommand)]
    Epoch(epoch::EpochCommand),
    /// Exports and verifies the books
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let Cli { places, command } = Cli::parse();
    // What the hub writes is for its own account: members' data, its key.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let config = match places.config() {
        Ok(config) => config,
        Err(error) => return wrong_usage(error),
    };
    let place = match places.data_dir(&config) {
        Ok(place) => place,
        Err(error) => return wrong_usage(error),
    };
    log_to_stderr(config.log.json || matches!(&command, Command::Serve(args) if args.log_json));
    match run(command, &config, &place) {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(1)
        }
    }
}

fn wrong_usage(error: impl Into<anyhow::Error>) -> ExitCode {
    output::failure(&error.into());
    ExitCode::from(2)
}

fn run(command: Command, config: &HubConfig, place: &DataDir) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args, config, place),
        Command::Store(command) => fleet::store(command, place),
        Command::Terminal(command) => fleet::terminal(command, place),
        Command::ApiKey(command) => access::run(command, place),
        Command::Program(command) => program::run(command, place),
        Command::Member(command) => import::run(command, place),
        Command::Epoch(command) => epoch::run(command, place),
        Command::Ledger(command) => ledger::run(command, place),
    }
}

fn log_to_stderr(json: bool) {
    let filter = EnvFilter::try_from_env("COUNTERFOIL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        builder.with_target(false).with_ansi(colour).init();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command, name: &str) {
            let leaves: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
            if leaves.is_empty() {
                let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(example.contains("Example"), "{name} has no example");
            }
            leaves.iter().for_each(|sub| check(sub, &format!("{name} {}", sub.get_name())));
        }
        let cli = Cli::command();
        cli.clone().debug_assert();
        check(&cli, "counterfoil-hub");
    }
}
