//! `counterfoil tap`: the process between a POS and its receipt printer.
//!
//! It has no database and no network but its line, so that neither can stop printing. The daemon starts it with
//! `--detach`, in a session of its own, and it outlives the daemon; as a unit of its own it reads its device
//! from the configuration. It ends on SIGTERM and SIGINT, and says in one line what it could not print.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use counterfoil_drivers::pan;
use counterfoil_drivers::port::{Flow, Parity, PortName, PortSpec, Wake};
use counterfoil_drivers::spool::SpoolLimits;
use counterfoil_drivers::tap::{self, TapEvent, TapListener, TapSettings};

use crate::cli::PlaceArgs;
use crate::config::Config;
use crate::devices::{DeviceConfig, DeviceKind};

/// Lines that wait for a slow log; more are dropped.
const LOG_LINES_MAX: usize = 64;
/// How long the end waits for the last of them.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Arguments of `counterfoil tap`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  counterfoil tap --device receipts\n  counterfoil tap --device receipts --port /dev/ttyUSB0 --forward-to /dev/ttyUSB1 --baud 19200 --spool /var/lib/counterfoil/spool/receipts"
)]
pub struct TapArgs {
    /// Name of the device; its settings come from the configuration file unless --port is given
    #[arg(long, value_name = "NAME")]
    device: String,
    #[command(flatten)]
    places: PlaceArgs,
    /// The port the POS is on: a device path, `usb:VID:PID[:SERIAL]`, or tcp:HOST:PORT to listen on
    #[arg(long, value_name = "PORT", requires = "spool")]
    port: Option<PortName>,
    /// The port the printer is on; without it, the tap only listens
    #[arg(long, value_name = "PORT", requires = "port")]
    forward_to: Option<PortName>,
    /// Bits per second of both ports
    #[arg(long, default_value_t = 9_600, requires = "port")]
    baud: u32,
    /// Parity of both ports
    #[arg(long, value_enum, default_value_t = ParityArg::None, requires = "port")]
    parity: ParityArg,
    /// Use RTS/CTS on both ports
    #[arg(long, requires = "port")]
    hardware_flow: bool,
    /// Directory of the captured bytes
    #[arg(long, value_name = "DIR", requires = "port")]
    spool: Option<PathBuf>,
    /// Most bytes of the spool
    #[arg(long, value_name = "BYTES", default_value_t = SpoolLimits::default().total_bytes_max, requires = "port")]
    spool_bytes_max: u64,
    /// The merchant's own cards, by prefix or PREFIX:DIGITS; may be repeated
    #[arg(long, value_name = "PREFIX[:DIGITS]", value_parser = card_range, requires = "port")]
    member_card: Vec<pan::CardRange>,
    /// Run in a session of its own, so that it outlives who started it
    #[arg(long, hide = true)]
    detach: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ParityArg {
    None,
    Even,
    Odd,
}

/// Runs a tap until it is told to end.
///
/// # Errors
/// When the device is not configured, another tap has its spool, or the system refuses to forward anything.
pub fn run_tap(args: TapArgs) -> anyhow::Result<()> {
    if args.detach {
        // Not a group leader: just forked. If it is one all the same, it has a group of its own already.
        let _ = rustix::process::setsid();
    }
    crate::logging::start();
    let settings = settings(args)?;
    let stop = Wake::new().context("no descriptor is left to run a tap with")?;
    let ending = stop.clone();
    on_end_signals(move || ending.stop())?;
    let (listener, written) = log_beside(&settings.device)?;
    let outcome = tap::run(&settings, &stop, &listener);
    drop(listener);
    let _ = written.recv_timeout(LAST_LINES);
    Ok(outcome?)
}

/// Logs from a thread of its own: whoever reads the log may be slow or gone, and forwarding must not wait for
/// that. The receiver hears when everything is written.
fn log_beside(device: &str) -> anyhow::Result<(TapListener, Receiver<()>)> {
    let (sender, events) = sync_channel::<TapEvent>(LOG_LINES_MAX);
    let (done, written) = channel();
    let device = device.to_owned();
    let write = move || {
        for event in events {
            if event.needs_attention() {
                tracing::warn!(%device, "{event}");
            } else {
                tracing::info!(%device, "{event}");
            }
        }
        let _ = done.send(());
    };
    std::thread::Builder::new().name("log".into()).spawn(write).context("cannot start the log's thread")?;
    // Lines that nobody reads are dropped.
    Ok((Arc::new(move |event| drop(sender.try_send(event))), written))
}

fn settings(args: TapArgs) -> anyhow::Result<TapSettings> {
    let (Some(port), Some(spool_dir)) = (args.port.clone(), args.spool.clone()) else {
        return configured(&args);
    };
    let parity = match args.parity {
        ParityArg::None => Parity::None,
        ParityArg::Even => Parity::Even,
        ParityArg::Odd => Parity::Odd,
    };
    let flow = if args.hardware_flow { Flow::Hardware } else { Flow::None };
    let spec = |name| PortSpec { name, baud: args.baud, parity, flow };
    let printer = args.forward_to.clone().map(spec);
    Ok(tap_settings(
        args.device,
        spec(port),
        printer,
        spool_dir,
        SpoolLimits::of_total(args.spool_bytes_max),
        &args.member_card,
    ))
}

fn configured(args: &TapArgs) -> anyhow::Result<TapSettings> {
    let places = args.places.places()?;
    let config = Config::read(&places.config, places.config_named)?;
    let Some(device) = config.devices.iter().find(|device| device.name == args.device) else {
        bail!(
            "{} has no [[device]] named {:?}: correct the name, or give --port and --spool",
            places.config.display(),
            args.device
        );
    };
    if device.kind != DeviceKind::ReceiptTap {
        bail!("{:?} is a {}: only a receipt-tap is tapped", device.name, device.kind.name());
    }
    Ok(settings_of(device, places.spool().join(&device.name)))
}

/// The tap a `[[device]]` asks for.
pub fn settings_of(device: &DeviceConfig, spool_dir: PathBuf) -> TapSettings {
    tap_settings(
        device.name.clone(),
        device.port_spec(),
        device.printer_spec(),
        spool_dir,
        device.spool_limits(),
        &device.member_cards,
    )
}

fn tap_settings(
    device: String,
    pos: PortSpec,
    printer: Option<PortSpec>,
    spool_dir: PathBuf,
    spool_limits: SpoolLimits,
    member_cards: &[pan::CardRange],
) -> TapSettings {
    let fingerprint = format!("{pos:?} {printer:?} {spool_limits:?} {member_cards:?}");
    let card_rule = pan::Scrubber::new(member_cards.to_vec());
    TapSettings { device, fingerprint, pos, printer, spool_dir, spool_limits, card_rule }
}

/// The arguments that start the tap of a `[[device]]` detached.
pub fn detached_arguments(device: &DeviceConfig, settings: &TapSettings) -> Vec<String> {
    let mut arguments: Vec<String> = ["tap", "--detach", "--device", &device.name].map(str::to_owned).into();
    let mut flag = |name: &str, value: String| arguments.push(format!("--{name}={value}"));
    flag("port", settings.pos.name.to_string());
    flag("baud", settings.pos.baud.to_string());
    flag(
        "parity",
        match settings.pos.parity {
            Parity::None => "none",
            Parity::Even => "even",
            Parity::Odd => "odd",
        }
        .to_owned(),
    );
    flag("spool", settings.spool_dir.display().to_string());
    flag("spool-bytes-max", settings.spool_limits.total_bytes_max.to_string());
    if let Some(printer) = &settings.printer {
        flag("forward-to", printer.name.to_string());
    }
    for range in &device.member_cards {
        let digits = range.digits.map_or_else(String::new, |digits| format!(":{digits}"));
        flag("member-card", format!("{}{digits}", range.prefix));
    }
    if settings.pos.flow == Flow::Hardware {
        arguments.push("--hardware-flow".to_owned());
    }
    arguments
}

fn card_range(text: &str) -> Result<pan::CardRange, String> {
    let (prefix, digits) = text.split_once(':').map_or((text, None), |(prefix, digits)| (prefix, Some(digits)));
    let digits = digits.map(str::parse).transpose().map_err(|_| "after the colon stands how many digits a card has")?;
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("write the digits that every card begins with, such as 603571".to_owned());
    }
    Ok(pan::CardRange { prefix: prefix.to_owned(), digits })
}

/// Has `act` done once SIGTERM or SIGINT comes, in a thread that does nothing else.
///
/// # Errors
/// When the system has no thread or descriptor left for it.
pub fn on_end_signals(act: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("cannot listen for signals")?;
    // Registered before this returns: a signal that comes at once is not missed.
    let (mut terminate, mut interrupt) = runtime.block_on(async {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        anyhow::Ok((terminate, interrupt))
    })?;
    let waiting = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        act();
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(waiting))
        .context("cannot start the signal thread")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        tap: TapArgs,
    }

    #[test]
    fn what_the_daemon_starts_is_what_the_configuration_says() {
        let device: DeviceConfig = toml::from_str(
            "name = 'receipts'\nkind = 'receipt-tap'\nport = 'usb:0403:6001:A9'\nbaud = 19200\nparity = 'even'\n\
             flow = 'hardware'\nforward_to = '/dev/ttyS1'\ntemplate = 'demo'\nspool_mib = 2\n\
             member_cards = [{ prefix = '603571', digits = 16 }, { prefix = '6335' }]",
        )
        .unwrap();
        let wanted = settings_of(&device, PathBuf::from("/tmp/spool/receipts"));
        let line = Line::parse_from(detached_arguments(&device, &wanted));
        let got = settings(line.tap).unwrap();
        assert_eq!(got.fingerprint, wanted.fingerprint);
        assert_eq!((got.device, got.spool_dir), (wanted.device, wanted.spool_dir));
    }
}
