//! What the daemon does for each `[[device]]`: a receipt tap is kept running and its spool is read, a scanner is
//! listened to.
//!
//! One or two threads for each device, blocking; they know the engine only through a [`DeviceSink`]. Stopping
//! them stops no tap: printing goes on without the daemon, and the next daemon takes up the running tap.

mod config;
mod follow;
mod scan;
mod tend;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use counterfoil_drivers::port::Wake;
use counterfoil_drivers::scanner::Scan;
use counterfoil_drivers::{Parsed, Template};

use crate::watch::DeviceState;

pub use config::{DeviceConfig, DeviceConfigError, DeviceKind};

/// Where what the devices hear goes. Called from several threads; may block until it is durable.
pub trait DeviceSink: Send + Sync {
    /// The offset of a device's stream up to which everything is in the journal.
    ///
    /// # Errors
    /// When it cannot be told now.
    fn capture_offset(&self, device: &str) -> Result<u64, SinkError>;

    /// A document ended; `at_ms` is when its last bytes passed the tap. On return its offset is durable.
    ///
    /// # Errors
    /// When it could not be recorded; it will be offered again.
    fn document(&self, device: &str, parsed: Parsed, at_ms: i64) -> Result<(), SinkError>;

    /// Nothing is known of the stream between two offsets. On return `to` is durable.
    ///
    /// # Errors
    /// When it could not be recorded; it will be offered again.
    fn gap(&self, device: &str, gap: CaptureGap) -> Result<(), SinkError>;

    /// A code was scanned.
    fn scan(&self, device: &str, scan: Scan);

    /// A device's state, whenever it may have changed.
    fn state(&self, state: DeviceState);
}

/// A span of a device's stream that was not captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureGap {
    /// First offset that is missing.
    pub from: u64,
    /// First offset that is there again.
    pub to: u64,
    /// When it was noticed, milliseconds since 1970 UTC; 0 when that is not known.
    pub at_ms: i64,
    /// Why, for a person.
    pub reason: String,
}

/// Why something was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The daemon is stopping: reading ends, and goes on here at the next start.
    #[error("the daemon is stopping")]
    Stopping,
    /// It may work in a while.
    #[error("{0}")]
    Later(String),
}

/// Why the devices cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// The template of a device cannot be used.
    #[error("device {device:?}")]
    Template {
        /// Its name.
        device: String,
        /// What is wrong with it.
        source: TemplateProblem,
    },
    /// The system has no thread or descriptor left.
    #[error("cannot start the threads of device {device:?}")]
    System {
        /// Its name.
        device: String,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a template.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateProblem(String);

/// Where the devices' files and programs are.
#[derive(Debug, Clone)]
pub struct DevicePlaces {
    /// The directory of the spools, one directory for each tap.
    pub spools: PathBuf,
    /// The program that is started as `tap …`: this one.
    pub program: PathBuf,
}

/// The devices of a running daemon.
#[derive(Debug)]
pub struct Devices {
    running: Vec<(Wake, JoinHandle<()>)>,
}

impl Devices {
    /// Starts everything that is configured.
    ///
    /// # Errors
    /// When a template cannot be used, or the system refuses. A port that is not there is no error.
    pub fn start(
        configured: &[DeviceConfig],
        places: &DevicePlaces,
        sink: &Arc<dyn DeviceSink>,
    ) -> Result<Self, DevicesError> {
        let mut devices = Self { running: Vec::new() };
        for device in configured {
            let template = device_template(device)?;
            if let Err(source) = devices.start_one(device, template, places, sink) {
                devices.stop();
                return Err(DevicesError::System { device: device.name.clone(), source });
            }
        }
        Ok(devices)
    }

    fn start_one(
        &mut self,
        device: &DeviceConfig,
        template: Option<Template>,
        places: &DevicePlaces,
        sink: &Arc<dyn DeviceSink>,
    ) -> io::Result<()> {
        let name = &device.name;
        match device.kind {
            DeviceKind::ReceiptTap => {
                let spool = places.spools.join(name);
                let tending = tend::Tending::new(device.clone(), spool.clone(), places.program.clone(), sink);
                let following = follow::Following::new(device.clone(), template, spool, sink);
                self.spawn(format!("tap {name}"), move |stop| tending.run(&stop))?;
                self.spawn(format!("read {name}"), move |stop| following.run(&stop))
            }
            DeviceKind::Scanner => {
                let listening = scan::Listening::new(device.clone(), sink);
                self.spawn(format!("scan {name}"), move |stop| listening.run(&stop))
            }
            // Refused when the configuration is read.
            DeviceKind::Msr | DeviceKind::LineDisplay => Ok(()),
        }
    }

    fn spawn(&mut self, name: String, work: impl FnOnce(Wake) + Send + 'static) -> io::Result<()> {
        let stop = Wake::new()?;
        let theirs = stop.clone();
        let thread = std::thread::Builder::new().name(name).spawn(move || work(theirs))?;
        self.running.push((stop, thread));
        Ok(())
    }

    /// Stops reading and listening, and waits for the threads. Taps run on.
    pub fn stop(self) {
        for (stop, _) in &self.running {
            stop.stop();
        }
        for (_, thread) in self.running {
            let _ = thread.join();
        }
    }
}

fn device_template(device: &DeviceConfig) -> Result<Option<Template>, DevicesError> {
    let Some(name) = device.template.as_ref().filter(|_| !device.ignored()) else { return Ok(None) };
    let problem = |text: String| DevicesError::Template { device: device.name.clone(), source: TemplateProblem(text) };
    if Path::new(name).is_file() {
        let text = std::fs::read_to_string(name).map_err(|error| problem(format!("cannot read {name}: {error}")))?;
        return Template::from_toml(&text).map(Some).map_err(|error| problem(format!("{name}: {error}")));
    }
    let shipped = || counterfoil_drivers::template::shipped_names().collect::<Vec<_>>().join(", ");
    let unknown = || problem(format!("there is no template {name:?}: name a file, or one of {}", shipped()));
    Template::shipped(name).map(Some).ok_or_else(unknown)
}
