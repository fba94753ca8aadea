//! `counterfoil enroll`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use counterfoil_protocol::wire::v1::enrol::EnrolmentCode;
use counterfoil_till::{Enrolment, OpenError, Settings, Till};
use serde_json::json;

use crate::books::{self, BooksError};
use crate::cli::PlaceArgs;
use crate::cli::output;
use crate::hub_link::address::HubUrl;
use crate::places::Places;
use crate::{enrol, files};

/// Arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  counterfoil enroll --hub https://hq.example:7400 --code CF1-XXXXXX-…\n\nThe code comes from `counterfoil-hub terminal invite --store S --lane L`. It works once; asked again with the same\ncode on this machine, head office gives the same answer."
)]
pub struct EnrollArgs {
    /// Head office's address
    #[arg(long, value_name = "URL", value_parser = |text: &str| HubUrl::parse(text))]
    hub: HubUrl,
    /// The one-time code
    #[arg(long, value_parser = |text: &str| EnrolmentCode::parse(text).map(Code))]
    code: Code,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

#[derive(Clone)]
struct Code(EnrolmentCode);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CF1-…")
    }
}

/// Runs the command.
///
/// # Errors
/// When the till was not enrolled, with what to do.
pub fn run(args: EnrollArgs) -> anyhow::Result<ExitCode> {
    let places = args.places.places()?;
    let begun = begun_before(&places)?;
    books::prepare_data_directory(&places.data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no async runtime")?;
    let (enrolment, answer) = runtime.block_on(enrol::enrol(&places, args.hub, args.code.0))?;
    let mut till = match begun {
        Some(till) => till,
        None => books::create(&places, &enrolment, Settings::default())?,
    };
    till.keep_proof(&answer)?;
    drop(till);
    write_config(&places, &enrolment)?;
    std::fs::remove_file(places.enrolment_key()).with_context(|| {
        format!("enrolled, but {} cannot be removed: remove it by hand", places.enrolment_key().display())
    })?;
    report(&places, &enrolment, args.json);
    Ok(ExitCode::SUCCESS)
}

/// An enrolled till stays what it is. One whose enrolment was cut after its books were made, and before their key's
/// file was removed, is finished.
fn begun_before(places: &Places) -> anyhow::Result<Option<Till>> {
    match books::open(places, Settings::default()) {
        Err(BooksError::Open(OpenError::NotEnrolled)) => Ok(None),
        Ok(till) if std::fs::read(places.enrolment_key()).is_ok_and(|seed| seed == till.enrolment().key_seed) => {
            Ok(Some(till))
        }
        Ok(till) => Err(OpenError::AlreadyEnrolled { terminal: till.enrolment().terminal.clone() }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Writes a configuration file that says what enrolment said, where there is none yet.
fn write_config(places: &Places, enrolment: &Enrolment) -> anyhow::Result<()> {
    if places.config.exists() {
        return Ok(());
    }
    if let Some(parent) = places.config.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let text = format!(
        "# Written by `counterfoil enroll`. Time zone, currency and day end come from head office.\n\n\
         [terminal]\nstore = {}\nlane = {}\n\n[hub]\nurl = {}\n",
        quoted(&enrolment.store.store),
        quoted(&enrolment.lane),
        quoted(&enrolment.hub_url),
    );
    files::write_durably(&places.config, 0o644, |file| file.write_all(text.as_bytes()))
        .with_context(|| format!("enrolled, but {} cannot be written", places.config.display()))
}

fn report(places: &Places, enrolment: &Enrolment, json: bool) {
    if json {
        output::json(&json!({
            "terminal": enrolment.terminal,
            "store": enrolment.store.store,
            "lane": enrolment.lane,
            "hub": enrolment.hub_url,
            "data_dir": places.data,
            "config": places.config,
        }));
    } else {
        output::line(format_args!(
            "This machine is now till {} (lane {} of {}).\nStart it: counterfoil run",
            enrolment.terminal, enrolment.lane, enrolment.store.name
        ));
    }
}
