//! `counterfoil token …` and `counterfoil pair`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use counterfoil_till::TokenInfo;
use reqwest::Method;
use serde_json::json;

use crate::cli::PlaceArgs;
use crate::cli::ask::{self, Books};
use crate::cli::output;
use crate::clock::{Clock, rfc3339};
use crate::control::{MadeToken, NewToken, PairingCode};
use crate::places::Places;
use crate::tokens::{self, Scope};

/// Arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  counterfoil token create --name pos-1\n  counterfoil token create --name kiosk --scope members:read --scope sales:read\n  counterfoil token list\n  counterfoil token revoke pos-1"
)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Makes a token and prints it once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do; may be repeated [default: everything]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Lists the tokens, without their secrets
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Revokes a token, at once
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        places: PlaceArgs,
    },
}

/// Runs the command.
///
/// # Errors
/// When the books cannot be asked, or refuse.
pub fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        TokenCommand::Create { name, scopes, json, places } => create(&places.places()?, name, &scopes, json)?,
        TokenCommand::List { json, places } => list(&places.places()?, json)?,
        TokenCommand::Revoke { name, places } => revoke(&places.places()?, &name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(places: &Places, name: String, scopes: &[Scope], json: bool) -> anyhow::Result<()> {
    let made = match ask::books(places)? {
        Books::Daemon(daemon) => {
            let new = NewToken { name, scopes: scopes.iter().map(Scope::to_string).collect() };
            daemon.ask(Method::POST, "/control/tokens", Some(&serde_json::to_value(new)?))?
        }
        Books::Here(mut till) => {
            let token = tokens::create(&mut till, &name, scopes, Clock::default().now())?;
            MadeToken { name, token }
        }
    };
    if json {
        output::json(&serde_json::to_value(made)?);
    } else {
        output::line(made.token);
    }
    Ok(())
}

fn list(places: &Places, json: bool) -> anyhow::Result<()> {
    let tokens: Vec<TokenInfo> = match ask::books(places)? {
        Books::Daemon(daemon) => daemon.ask(Method::GET, "/control/tokens", None)?,
        Books::Here(till) => till.list_tokens()?,
    };
    if json {
        output::json(&json!({ "tokens": tokens }));
        return Ok(());
    }
    for token in tokens {
        let scopes = if token.scopes.is_empty() { "everything".to_owned() } else { token.scopes.join(" ") };
        output::line(format_args!("{}  {}  {scopes}", token.name, rfc3339(token.created_ms)));
    }
    Ok(())
}

fn revoke(places: &Places, name: &str) -> anyhow::Result<()> {
    match ask::books(places)? {
        Books::Daemon(daemon) => {
            let path = format!("/control/tokens?name={}", percent_encoded(name));
            daemon.ask::<serde_json::Value>(Method::DELETE, &path, None)?;
        }
        Books::Here(mut till) => {
            if !till.revoke_token(name)? {
                bail!("there is no token named {name:?}: see `counterfoil token list`");
            }
        }
    }
    output::line(format_args!("revoked {name}"));
    Ok(())
}

/// Everything but letters and digits (RFC 3986).
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// `counterfoil pair`.
///
/// # Errors
/// When no daemon runs.
pub fn pair(places: &Places, json: bool) -> anyhow::Result<ExitCode> {
    let daemon =
        ask::daemon(places)?.context("no daemon runs on this data directory: start it with `counterfoil run`")?;
    let code: PairingCode = daemon.ask(Method::POST, "/control/pair", None)?;
    if json {
        output::json(&serde_json::to_value(code)?);
    } else {
        output::line(format_args!(
            "{}\nvalid once, for {} minutes: type it into the page, or open {}",
            code.code,
            code.expires_in_s / 60,
            code.url
        ));
    }
    Ok(ExitCode::SUCCESS)
}
