//! `counterfoil-hub member write-off`: forgives what a member owes.

use std::process::ExitCode;

use clap::Args;
use counterfoil_protocol::id::MemberId;

use super::output;
use crate::clock::now_ms;
use crate::data_dir::DataDir;

/// Whose debt, and why.
#[derive(Debug, Args)]
pub struct WriteOffArgs {
    /// The member's id
    #[arg(value_name = "MEMBER")]
    member: String,
    /// In which purse
    #[arg(long, value_name = "PURSE")]
    purse: String,
    /// Why; it stands in the books
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Forgives it.
///
/// # Errors
/// When nothing is owed, or the hub cannot be opened.
pub fn run(args: &WriteOffArgs, place: &DataDir) -> anyhow::Result<ExitCode> {
    let member: MemberId = args.member.parse().map_err(|_| {
        anyhow::anyhow!("{:?} is no member id: take it from the console or GET /v1/members", args.member)
    })?;
    let view = place.open()?.write_off(member, &args.purse, &args.reason, None, now_ms())?.answer;
    if args.json {
        output::json(&view);
    } else {
        output::line(format_args!("{} {} of member {member} are no longer owed", view.amount, view.purse));
    }
    Ok(ExitCode::SUCCESS)
}
