//! `counterfoil-hub store …` and `terminal …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output;
use crate::api::fleet::{INVITATION_HOURS_DEFAULT, INVITATION_HOURS_MAX, InviteRequest, invite_now};
use crate::clock::now_ms;
use crate::core::StoreDraft;
use crate::data_dir::DataDir;

/// Stores.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Makes a store, or changes what is given of one
    #[command(after_help = "Example:\n  counterfoil-hub store add main-street --name \"Main Street\" \
                            --time-zone Europe/London --currency GBP --day-ends 03:00")]
    Add(StoreArgs),
    /// Lists the stores
    #[command(after_help = "Example:\n  counterfoil-hub store list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// A store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Its id, for example main-street
    #[arg(value_name = "STORE")]
    store: String,
    /// What people call it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// IANA time zone, for example Europe/London [default: the program's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// ISO 4217, for example GBP [default: the program's]
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// When its business day ends, local time [default: 00:00]
    #[arg(long, value_name = "HH:MM")]
    day_ends: Option<String>,
    /// A group it belongs to; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Option<Vec<String>>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs a store command.
///
/// # Errors
/// When the hub cannot be opened or refuses.
pub fn store(command: StoreCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Add(args) => add(args, place)?,
        StoreCommand::List { json } => {
            let stores = place.open()?.stores()?;
            if json {
                output::json(&stores);
                return Ok(ExitCode::SUCCESS);
            }
            let row = |store: &crate::core::StoreView| {
                [&store.store, &store.name, &store.time_zone, &store.currency, &store.day_ends].map(Clone::clone).into()
            };
            let rows: Vec<Vec<String>> = stores.iter().map(row).collect();
            output::table(&["STORE", "NAME", "TIME ZONE", "CURRENCY", "DAY ENDS"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn add(args: StoreArgs, place: &DataDir) -> anyhow::Result<()> {
    let StoreArgs { store, name, time_zone, currency, day_ends, groups, json } = args;
    let draft = StoreDraft { name, time_zone, currency, groups, day_ends };
    let view = place.open_or_create()?.put_store(&store, &draft, now_ms())?;
    if json {
        output::json(&view);
    } else {
        output::line(format_args!(
            "store {} ({}), {}, {}, its day ends at {}",
            view.store, view.name, view.time_zone, view.currency, view.day_ends
        ));
    }
    Ok(())
}

/// Tills.
#[derive(Debug, Subcommand)]
pub enum TerminalCommand {
    /// Prints a one-time code with which a till enrols
    #[command(after_help = "Example:\n  counterfoil-hub terminal invite --store main-street --lane 1\n\n\
                            Then, at the till:\n  counterfoil enroll --hub https://hub.example.org:7400 --code CF1-…")]
    Invite(InviteArgs),
    /// Lists the tills: last seen, backlog, versions
    #[command(after_help = "Example:\n  counterfoil-hub terminal list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Retires a till: it gives back what it holds and stops spending
    #[command(after_help = "Example:\n  counterfoil-hub terminal retire main-street-1 --reason \"replaced\"\n\n\
                            The till is asked first and retires with its last record. With --force it is settled at once, \
                            for a till that will not come back: what it spent without head office knowing is owed then.")]
    Retire {
        /// Its id, as `terminal list` shows it
        terminal: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Do not wait for the till: it is lost, broken or stolen
        #[arg(long)]
        force: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// The store
    #[arg(long, value_name = "STORE")]
    store: String,
    /// The lane
    #[arg(long, value_name = "LANE")]
    lane: String,
    /// Makes a plain store where there is none
    #[arg(long)]
    create_store: bool,
    /// How long the code can be used
    #[arg(long, value_name = "HOURS", default_value_t = INVITATION_HOURS_DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(INVITATION_HOURS_MAX)))]
    valid_hours: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs a terminal command.
///
/// # Errors
/// When the hub cannot be opened or refuses.
pub fn terminal(command: TerminalCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    match command {
        TerminalCommand::Invite(args) => invite(args, place)?,
        TerminalCommand::List { json } => list(json, place)?,
        TerminalCommand::Retire { terminal, reason, force, json } => {
            let view = place.open()?.retire(&terminal, force, &reason, now_ms())?;
            if json {
                output::json(&view);
            } else if view.state == "retired" {
                output::line(format_args!("{terminal} is retired; what it held is head office's"));
            } else {
                output::line(format_args!("{terminal} is asked to give everything back; it retires when it has"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn invite(args: InviteArgs, place: &DataDir) -> anyhow::Result<()> {
    let InviteArgs { store, lane, create_store, valid_hours, json } = args;
    let request = InviteRequest { store, lane, create_store, valid_hours: Some(valid_hours) };
    let invitation = invite_now(&mut place.open_or_create()?, &request)?;
    if json {
        output::json(&invitation);
    } else {
        output::line(&invitation.code);
        // Not on standard output: a script takes the code from there.
        eprintln!("for store {}, lane {}, until {}", request.store, request.lane, invitation.expires_at);
    }
    Ok(())
}

fn list(json: bool, place: &DataDir) -> anyhow::Result<()> {
    let terminals = place.open()?.terminals()?;
    if json {
        output::json(&terminals);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = terminals
        .iter()
        .map(|terminal| {
            vec![
                terminal.store.clone(),
                terminal.lane.clone(),
                terminal.terminal.clone(),
                terminal.state.clone(),
                terminal.last_seen_at.clone().unwrap_or_else(|| "never".into()),
                terminal.backlog.to_string(),
                terminal.version.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&["STORE", "LANE", "TERMINAL", "STATE", "LAST SEEN", "BACKLOG", "VERSION"], &rows);
    Ok(())
}
