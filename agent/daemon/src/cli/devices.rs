//! `counterfoil devices`: ports with their stable names, what is plugged in, what is configured.

use std::process::ExitCode;

use clap::Args;
use counterfoil_drivers::port::{PluggedPort, PortName, device_path, plugged_ports};
use serde_json::{Value, json};

use crate::cli::PlaceArgs;
use crate::cli::output;
use crate::config::Config;
use crate::devices::DeviceConfig;

/// Arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  counterfoil devices\n  counterfoil devices --json\n\nPut the name in the first column into counterfoil.toml: it stays with the device, whatever it is plugged into."
)]
pub struct DevicesArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

/// Runs the command.
///
/// # Errors
/// When the configuration cannot be read.
pub fn run(args: DevicesArgs) -> anyhow::Result<ExitCode> {
    let places = args.places.places()?;
    let config = Config::read(&places.config, places.config_named)?;
    let plugged = plugged_ports();
    if args.json {
        let ports: Vec<Value> = plugged.iter().map(|port| describe_port(port, &config)).collect();
        let devices: Vec<Value> = config.devices.iter().map(describe_device).collect();
        output::json(&json!({ "ports": ports, "devices": devices }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line("plugged in:");
    for port in &plugged {
        let used = users(&config, port).join(", ");
        let used = if used.is_empty() { "free".to_owned() } else { format!("used by {used}") };
        let description = port.description.as_deref().unwrap_or("-");
        output::line(format_args!("  {}  {}  {description}  {used}", port.stable_name, port.path.display()));
    }
    if plugged.is_empty() {
        output::line("  nothing");
    }
    output::line("configured:");
    for device in &config.devices {
        let (good, words) = match check(device) {
            Ok(words) => (true, words),
            Err(words) => (false, words),
        };
        output::line(format_args!("  {}  {}", device.kind.name(), output::coloured(good, &words)));
    }
    if config.devices.is_empty() {
        output::line(format_args!("  nothing: add [[device]] to {}", places.config.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a device's ports are there.
///
/// # Errors
/// What is missing and what to do.
pub fn check(device: &DeviceConfig) -> Result<String, String> {
    for port in [Some(&device.port), device.forward_to.as_ref()].into_iter().flatten() {
        if !is_there(port) {
            return Err(format!("{}: {port} is not plugged in; `counterfoil devices` lists what is", device.name));
        }
    }
    Ok(format!("{}: {} is there", device.name, device.port))
}

fn is_there(port: &PortName) -> bool {
    match port {
        PortName::Tcp { .. } => true,
        local => device_path(local).is_some_and(|path| path.exists()),
    }
}

fn describe_port(port: &PluggedPort, config: &Config) -> Value {
    json!({
        "name": port.stable_name, "path": port.path, "description": port.description, "used_by": users(config, port),
    })
}

fn describe_device(device: &DeviceConfig) -> Value {
    json!({
        "name": device.name,
        "kind": device.kind,
        "port": device.port,
        "forward_to": device.forward_to,
        "plugged_in": check(device).is_ok(),
    })
}

/// The devices configured on a port, by whatever name it is configured.
fn users(config: &Config, port: &PluggedPort) -> Vec<String> {
    let is_on = |name: &PortName| *name == port.stable_name || device_path(name).as_ref() == Some(&port.path);
    config
        .devices
        .iter()
        .filter(|device| is_on(&device.port) || device.forward_to.as_ref().is_some_and(is_on))
        .map(|device| device.name.clone())
        .collect()
}
