//! From the devices to the engine: what was printed is recorded, who was scanned waits for the sale.
//!
//! Invariant: a span of a printer's stream is left behind only when the engine has made what it yielded durable,
//! together with its offset. What can never be recorded as it stands becomes a document that somebody must look
//! at, so that one bad receipt never blocks the rest; what failed for a passing reason is offered again.

pub mod convert;

use std::sync::Arc;

use anyhow::Context as _;
use counterfoil_drivers::Parsed;
use counterfoil_drivers::scanner::Scan;
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::sale::MemberRef;
use counterfoil_till::{CaptureOutcome, Captured, CapturedDocument, CommandError};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::devices::{CaptureGap, DevicePlaces, DeviceSink, Devices, SinkError};
use crate::errors::ErrorChain;
use crate::places::Places;
use crate::shell::Shell;
use crate::watch::DeviceState;

/// Starts the configured devices, with the engine behind them. Called from the async runtime.
///
/// # Errors
/// When a device's template cannot be used, or the system refuses.
pub fn start(places: &Places, config: &Config, shell: &Shell) -> anyhow::Result<Devices> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let device_places = DevicePlaces { spools: places.spool(), program };
    let sink: Arc<dyn DeviceSink> = Arc::new(Sink { shell: shell.clone(), runtime: Handle::current() });
    Ok(Devices::start(&config.devices, &device_places, &sink)?)
}

/// Stops reading and listening without blocking the runtime. Taps run on.
pub async fn stop(devices: Devices) {
    // A thread that panicked has said so.
    let _ = tokio::task::spawn_blocking(move || devices.stop()).await;
}

struct Sink {
    shell: Shell,
    runtime: Handle,
}

impl DeviceSink for Sink {
    fn capture_offset(&self, device: &str) -> Result<u64, SinkError> {
        let device = device.to_owned();
        let offset = self.shell.engine.call_blocking(move |till| till.capture_offset(&device));
        offset.map_err(|_| SinkError::Stopping)?.map_err(|error| later(&error))
    }

    fn document(&self, device: &str, parsed: Parsed, at_ms: i64) -> Result<(), SinkError> {
        let fallback = parsed.clone();
        let captured = convert::captured(parsed, at_ms, &self.shell.facts.zone);
        let outcome = match self.capture(device, captured)? {
            Err(error) if !is_passing(&error) => {
                tracing::error!(device, error = %ErrorChain(&error), "a document cannot be recorded as it stands; it goes to the exceptions");
                let refused = convert::refused(fallback, at_ms, &error.to_string());
                self.capture(device, refused)?
            }
            outcome => outcome,
        };
        match outcome {
            Ok(outcome) => {
                self.shell.metrics.note_document();
                self.tell(device, &outcome);
                Ok(())
            }
            Err(error) => {
                self.shell.metrics.note_capture_failure();
                Err(later(&error))
            }
        }
    }

    fn gap(&self, device: &str, gap: CaptureGap) -> Result<(), SinkError> {
        let (from, to) = (gap.from, gap.to);
        tracing::warn!(device, from, to, reason = %gap.reason, "a part of what was printed was not captured; the day may not match the POS's totals");
        let document = CapturedDocument::Gap { reason: gap.reason };
        let captured = Captured { from, to, at_ms: gap.at_ms, document };
        self.capture(device, captured)?.map(|_| ()).map_err(|error| later(&error))
    }

    fn scan(&self, device: &str, scan: Scan) {
        let identifier = match Identifier::parse(&scan.text) {
            Ok(identifier) => identifier,
            Err(error) => {
                tracing::warn!(device, %error, "a scan is of no use");
                return;
            }
        };
        self.shell.metrics.note_scan();
        let now = self.shell.clock.now();
        let outcome = match self.shell.engine.call_blocking(move |till| till.scan_member(&identifier, now)) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                tracing::error!(device, error = %ErrorChain(&error), "a scanned card cannot be kept for its sale: scan it again");
                return;
            }
            Err(_) => return,
        };
        tracing::info!(
            device,
            known = outcome.member.is_some(),
            replaced = outcome.replaced,
            "a card was scanned and waits for its sale"
        );
        let shell = self.shell.clone();
        let device = device.to_owned();
        self.runtime.spawn(async move { announce_scan(&shell, &device, scan.text, outcome.replaced).await });
    }

    fn state(&self, state: DeviceState) {
        let told = json!(state);
        if self.shell.devices.note(state) {
            self.shell.events.tell("device", told);
        }
    }
}

impl Sink {
    fn capture(&self, device: &str, captured: Captured) -> Result<Result<CaptureOutcome, CommandError>, SinkError> {
        let (device, now) = (device.to_owned(), self.shell.clock.now());
        let captured = self.shell.engine.call_blocking(move |till| till.capture(&device, captured, now));
        captured.map_err(|_| SinkError::Stopping)
    }

    fn tell(&self, device: &str, outcome: &CaptureOutcome) {
        let events = &self.shell.events;
        match outcome {
            CaptureOutcome::AlreadyDone | CaptureOutcome::Nothing => return,
            CaptureOutcome::Sale(reply) => {
                self.shell.metrics.note_sale(reply.fresh);
                if reply.fresh {
                    tracing::info!(device, sale = %reply.answer.sale_id, "a sale was captured");
                    events.tell("sale", &reply.answer);
                }
            }
            CaptureOutcome::Void(reply) if reply.fresh => {
                tracing::info!(device, sale = %reply.answer.sale_id, "a sale was voided on paper");
                events.tell("void", &reply.answer);
            }
            CaptureOutcome::DayClosed(reply) if reply.fresh => {
                tracing::info!(device, date = %reply.answer.business_date, sales = reply.answer.sales, "the Z report closed the business day");
                events.tell("day", &reply.answer);
            }
            CaptureOutcome::Document { exception: Some(why), .. } => {
                tracing::warn!(device, why = %why, "a document goes to the exceptions: somebody must look at it");
            }
            CaptureOutcome::Void(_)
            | CaptureOutcome::DayClosed(_)
            | CaptureOutcome::Document { .. }
            | CaptureOutcome::PosTotals { .. }
            | CaptureOutcome::Gap { .. } => {}
        }
        events.tell("receipt", describe(device, outcome));
    }
}

/// Asks head office about the card while its goods are still being scanned, then tells who listens.
async fn announce_scan(shell: &Shell, device: &str, identifier: String, replaced: bool) {
    let who = MemberRef { identifier: Some(identifier), member_id: None };
    shell.ask_about(&who).await;
    let now = shell.clock.now();
    let Ok(Ok(member)) = shell.engine.call(move |till| till.look_up(&who, now)).await else {
        return;
    };
    let member_id = member.map(|member| member.member_id);
    let event = json!({
        "device": device, "known": member_id.is_some(), "member_id": member_id, "replaced": replaced,
    });
    shell.events.tell("scan", event);
}

fn describe(device: &str, outcome: &CaptureOutcome) -> Value {
    let (kind, position) = match outcome {
        CaptureOutcome::AlreadyDone | CaptureOutcome::Nothing => ("nothing", None),
        CaptureOutcome::Sale(reply) => ("sale", Some(reply.position)),
        CaptureOutcome::Void(reply) => ("void", Some(reply.position)),
        CaptureOutcome::Document { position, .. } => ("document", Some(*position)),
        CaptureOutcome::DayClosed(reply) => ("z-report", Some(reply.position)),
        CaptureOutcome::PosTotals { position, .. } => ("z-report", Some(*position)),
        CaptureOutcome::Gap { position } => ("gap", Some(*position)),
    };
    json!({ "device": device, "kind": kind, "journal_position": position })
}

/// Whether time or a restart may cure it.
fn is_passing(error: &CommandError) -> bool {
    matches!(
        error,
        CommandError::DiskFull(_)
            | CommandError::Storage(_)
            | CommandError::Poisoned
            | CommandError::Marker(_)
            | CommandError::Damaged { .. }
    )
}

fn later(error: &CommandError) -> SinkError {
    SinkError::Later(ErrorChain(error).to_string())
}
