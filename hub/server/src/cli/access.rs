//! `counterfoil-hub api-key …`. A key is printed once; only its hash is kept.

use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::output;
use crate::api::auth::{SCOPES, new_key};
use crate::clock::now_ms;
use crate::core::ApiKeyView;
use crate::data_dir::DataDir;

/// Keys.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Makes a key and prints it once
    #[command(
        after_help = "Example:\n  counterfoil-hub api-key create --name web-shop --scope members:read sales:write"
    )]
    Create {
        /// What it is for
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it may do
        #[arg(long = "scope", value_name = "SCOPE", required = true, num_args = 1.., value_delimiter = ',',
              value_parser = PossibleValuesParser::new(SCOPES))]
        scopes: Vec<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the keys, without their secrets
    #[command(after_help = "Example:\n  counterfoil-hub api-key list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes a key back, at once
    #[command(after_help = "Example:\n  counterfoil-hub api-key revoke KEY-ID")]
    Revoke {
        /// The key's id, as `api-key list` shows it
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs a key command.
///
/// # Errors
/// When the hub cannot be opened or refuses.
pub fn run(command: ApiKeyCommand, place: &DataDir) -> anyhow::Result<ExitCode> {
    match command {
        ApiKeyCommand::Create { name, scopes, json } => {
            let (key, hash) = new_key();
            let view = place.open_or_create()?.add_api_key(&name, &scopes, hash.0, now_ms())?;
            if json {
                output::json(&json!({ "id": view.id, "key": key }));
            } else {
                output::line(&key);
                // Not on standard output: a script takes the key from there.
                eprintln!("key {} ({name}) may do {}; it is not shown again", view.id, scopes.join(", "));
            }
        }
        ApiKeyCommand::List { json } => list(&place.open()?.api_keys()?, json),
        ApiKeyCommand::Revoke { id, json } => {
            let view = place.open()?.revoke_api_key(&id, now_ms())?;
            if json {
                output::json(&view);
            } else {
                output::line(format_args!("key {} ({}) is revoked", view.id, view.name));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(keys: &[ApiKeyView], json: bool) {
    if json {
        return output::json(&keys);
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let state = key.revoked_at.as_ref().map_or_else(|| "valid".into(), |at| format!("revoked {at}"));
            vec![key.id.clone(), key.name.clone(), key.scopes.join(" "), key.created_at.clone(), state]
        })
        .collect();
    output::table(&["ID", "NAME", "SCOPES", "MADE", "STATE"], &rows);
}
