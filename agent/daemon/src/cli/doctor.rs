//! `counterfoil doctor`: checks, and what to do about each that fails.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::PlaceArgs;
use crate::cli::output;
use crate::cli::status;
use crate::config::Config;
use crate::places::Places;

/// Less free space than this is worth a warning: months of sales, but not of everything else.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  counterfoil doctor")]
pub struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

struct Check {
    what: &'static str,
    /// `Err`: what is wrong and what to do.
    result: Result<String, String>,
}

/// Runs the command. Exit code 1 when a check fails.
///
/// # Errors
/// When there is no place to look at.
pub fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let checks = checks(&args.places.places()?);
    let healthy = checks.iter().all(|check| check.result.is_ok());
    if args.json {
        let list: Vec<Value> = checks
            .iter()
            .map(|check| match &check.result {
                Ok(found) => json!({ "check": check.what, "ok": true, "detail": found }),
                Err(advice) => json!({ "check": check.what, "ok": false, "detail": advice }),
            })
            .collect();
        output::json(&json!({ "ok": healthy, "checks": list }));
    } else {
        for check in &checks {
            let (mark, words) = match &check.result {
                Ok(found) => (output::coloured(true, "ok  "), found),
                Err(advice) => (output::coloured(false, "FAIL"), advice),
            };
            output::line(format_args!("{mark} {:<13} {words}", check.what));
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn checks(places: &Places) -> Vec<Check> {
    let config = Config::read(&places.config, places.config_named);
    let mut checks = vec![
        Check { what: "configuration", result: configuration(places, &config) },
        Check { what: "data", result: data_directory(&places.data) },
        Check { what: "disk", result: free_space(&places.data) },
    ];
    match status::read(places) {
        Ok(status) => checks.extend(of_status(&status)),
        Err(error) => checks.push(Check { what: "books", result: Err(format!("{error:#}")) }),
    }
    for device in config.iter().flat_map(|config| &config.devices) {
        checks.push(Check { what: "port", result: crate::cli::devices::check(device) });
    }
    checks
}

fn configuration(places: &Places, config: &Result<Config, crate::config::ConfigError>) -> Result<String, String> {
    match config {
        Ok(_) if places.config.exists() => Ok(format!("{} is valid", places.config.display())),
        Ok(_) => Ok(format!("{} is absent: the defaults hold", places.config.display())),
        Err(error) => Err(crate::errors::ErrorChain(error).to_string()),
    }
}

fn data_directory(data: &Path) -> Result<String, String> {
    use rustix::fs::{Access, access};
    if !data.is_dir() {
        return Err(format!("{} does not exist: enrol this till with `counterfoil enroll`", data.display()));
    }
    access(data, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map(|()| format!("{} can be written", data.display()))
        .map_err(|_| format!("{} cannot be written: give it to the user that runs the daemon", data.display()))
}

fn free_space(data: &Path) -> Result<String, String> {
    let stat = rustix::fs::statvfs(data)
        .map_err(|error| format!("the disk of {} does not say how full it is: {error}", data.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let words = format!("{} MiB free", free >> 20);
    if free < FREE_BYTES_MIN {
        return Err(format!("{words}: free some space, a till whose disk is full records no sales"));
    }
    Ok(words)
}

fn of_status(status: &Value) -> Vec<Check> {
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_true = |pointer: &str| status.pointer(pointer) == Some(&json!(true));
    let daemon = if is_true("/running") {
        Ok(format!("runs, version {}", text("/version")))
    } else {
        Err("does not run: start it with `counterfoil run`, or `systemctl start counterfoil`".to_owned())
    };
    let books = if is_true("/sound") { Ok("sound".to_owned()) } else { Err(text("/standing")) };
    let hub = if !text("/hub/refused").is_empty() {
        Err(format!("head office refuses this till: {}", text("/hub/refused")))
    } else if is_true("/hub/reachable") {
        Ok(format!("{} answers", text("/hub/url")))
    } else {
        Err(format!("{} does not answer ({}): sales go on; check the network", text("/hub/url"), text("/hub/why")))
    };
    let program = match status.pointer("/program") {
        None | Some(Value::Null) => Err("no program yet: it comes with the first contact with head office".to_owned()),
        Some(program) => match program["unreadable"].as_array() {
            Some(unreadable) if !unreadable.is_empty() => {
                Err(format!("a newer program cannot be read by this version, upgrade the till: {}", unreadable[0]))
            }
            _ => Ok(format!("{} version {}", program["id"].as_str().unwrap_or_default(), program["version"])),
        },
    };
    let clock = if is_true("/clock/suspect") {
        Err(format!("{} cannot be right: set the machine's clock (NTP)", text("/clock/now")))
    } else {
        Ok(text("/clock/now"))
    };
    let mut checks = vec![
        Check { what: "daemon", result: daemon },
        Check { what: "books", result: books },
        Check { what: "head office", result: hub },
        Check { what: "program", result: program },
        Check { what: "clock", result: clock },
    ];
    for floor in status["floors"].as_array().into_iter().flatten() {
        let (used, soft, hard) = (&floor["used_units"], &floor["soft_units"], &floor["hard_units"]);
        let words =
            format!("{used} of {hard} {} given without head office", floor["purse"].as_str().unwrap_or_default());
        let result = if used.as_i64() <= soft.as_i64() {
            Ok(words)
        } else {
            Err(format!("{words}: bring the line back, this till will soon refuse to give more"))
        };
        checks.push(Check { what: "floor", result });
    }
    for device in status["devices"].as_array().into_iter().flatten() {
        let name = device["name"].as_str().unwrap_or_default();
        let result = if device["up"] == json!(true) {
            Ok(format!("{name} is up"))
        } else {
            Err(format!("{name} is down: {}", device["detail"].as_str().unwrap_or("no reason is known")))
        };
        checks.push(Check { what: "device", result });
    }
    checks
}
