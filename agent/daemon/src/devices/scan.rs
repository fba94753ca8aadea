//! Listening to a scanner.

use std::sync::Arc;

use counterfoil_drivers::port::Wake;
use counterfoil_drivers::scanner::{self, ScannerEvent};

use super::{DeviceConfig, DeviceSink};
use crate::watch::DeviceState;

/// Listens to one scanner.
pub(super) struct Listening {
    device: DeviceConfig,
    sink: Arc<dyn DeviceSink>,
}

impl Listening {
    pub(super) fn new(device: DeviceConfig, sink: &Arc<dyn DeviceSink>) -> Self {
        Self { device, sink: Arc::clone(sink) }
    }

    pub(super) fn run(&self, stop: &Wake) {
        self.tell(false, Some("not connected yet".to_owned()));
        let outcome = scanner::run(&self.device.port_spec(), self.device.framing(), stop, |event| self.take(event));
        if let Err(error) = outcome {
            tracing::error!(device = %self.device.name, "the scanner is not listened to any more: {error}; restart the daemon");
            self.tell(false, Some(error.to_string()));
        }
    }

    fn take(&self, event: ScannerEvent) {
        let device = &self.device.name;
        match &event {
            ScannerEvent::Opened(_) | ScannerEvent::Scan(_) => tracing::info!(%device, "{event}"),
            _ => tracing::warn!(%device, "{event}"),
        }
        match event {
            ScannerEvent::Scan(scan) => self.sink.scan(device, scan),
            ScannerEvent::Opened(_) => self.tell(true, None),
            ScannerEvent::Waiting(_) | ScannerEvent::Lost(..) => self.tell(false, Some(event.to_string())),
            ScannerEvent::PaymentCardDropped | ScannerEvent::Garbage { .. } => {}
        }
    }

    fn tell(&self, up: bool, detail: Option<String>) {
        self.sink.state(DeviceState {
            name: self.device.name.clone(),
            kind: self.device.kind.name().to_owned(),
            port: self.device.port.to_string(),
            up,
            detail,
        });
    }
}
