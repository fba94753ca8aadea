//! `counterfoil-hub epoch …`: after the database was put back from a backup.

use std::process::ExitCode;

use clap::Subcommand;

use super::output;
use crate::clock::now_ms;
use crate::core::EpochView;
use crate::data_dir::DataDir;
use crate::mark;

/// The life of head office.
#[derive(Debug, Subcommand)]
pub enum EpochCommand {
    /// Begins a new epoch after a backup was put back: tills send again what it lost
    #[command(
        after_help = "Example:\n  counterfoil-hub epoch begin --reason \"put back the backup of 24 November\"\n\n\
                            `serve` does this by itself where it finds the database older than the mark beside it. \
                            Nothing is granted until every till has reported; `terminal list` shows who has not."
    )]
    Begin {
        /// Which backup was put back, and why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Goes on without the tills that have not reported: what they alone know may be given a second time
    #[command(after_help = "Example:\n  counterfoil-hub epoch accept --by \"Kim: lane 3 burnt down\"")]
    Accept {
        /// Who accepts it, and why
        #[arg(long, value_name = "TEXT")]
        by: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows the present epoch and who has not reported to it
    #[command(after_help = "Example:\n  counterfoil-hub epoch show --json")]
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs an epoch command.
///
/// # Errors
/// When the hub cannot be opened or refuses.
pub fn run(command: EpochCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    let (view, json) = match command {
        EpochCommand::Begin { reason, json } => {
            let mut hub = place.open()?;
            let epoch = mark::next_epoch(place, &hub, now_ms())?;
            let view = hub.begin_epoch(epoch, &reason, now_ms())?;
            mark::keep(place, &hub, None)?;
            (view, json)
        }
        EpochCommand::Accept { by, json } => (place.open()?.accept_epoch(&by, now_ms())?, json),
        EpochCommand::Show { json } => (place.open()?.epoch_state()?, json),
    };
    if json {
        output::json(&view);
    } else {
        say(&view);
    }
    Ok(ExitCode::SUCCESS)
}

fn say(view: &EpochView) {
    output::line(format_args!("epoch {}", view.epoch));
    if let Some(reason) = &view.reason {
        output::line(format_args!("began because: {reason}"));
    }
    if view.missing.is_empty() {
        output::line("every till has reported");
    } else {
        output::line(format_args!("have not reported: {}", view.missing.join(", ")));
    }
    match (&view.accepted_by, view.grants) {
        (Some(by), _) => output::line(format_args!("accepted by {by}: rights are granted")),
        (None, true) => output::line("rights are granted"),
        (None, false) => output::line("no rights are granted until they have, or somebody accepts it"),
    }
}
