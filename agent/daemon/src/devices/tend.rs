//! Keeping a receipt tap running.
//!
//! A tap outlives the daemon. One that runs already (the spool's lock says so) is watched, not started again;
//! only when the configuration of its line has changed is it replaced. One that ends is started anew, at once if
//! it had run for a while, with growing pauses if it keeps ending.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_drivers::port::{Wake, wait_readable};
use counterfoil_drivers::spool::{LockState, lock_state};
use counterfoil_drivers::tap::{TapSettings, TapStatus, request_stop};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{DeviceConfig, DeviceSink};
use crate::errors::ErrorChain;
use crate::tap::{detached_arguments, settings_of};
use crate::watch::DeviceState;

/// How often a tap's own status is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a tap is looked for that has just been started, or asked to end.
const START_INTERVAL: Duration = Duration::from_millis(50);
/// A tap that ran for so long had started well.
const STEADY: Duration = Duration::from_secs(10);
const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Keeps one tap running.
pub(super) struct Tending {
    device: DeviceConfig,
    settings: TapSettings,
    program: PathBuf,
    sink: Arc<dyn DeviceSink>,
    child: Option<Child>,
    pause: Duration,
}

impl Tending {
    pub(super) fn new(device: DeviceConfig, spool: PathBuf, program: PathBuf, sink: &Arc<dyn DeviceSink>) -> Self {
        let settings = settings_of(&device, spool);
        Self { device, settings, program, sink: Arc::clone(sink), child: None, pause: Duration::ZERO }
    }

    pub(super) fn run(mut self, stop: &Wake) {
        self.tell(false, Some("its tap is being started".to_owned()));
        while !stop.stopped() {
            match lock_state(self.spool()) {
                Ok(LockState::Held { pid: Some(pid) }) => self.watch(pid, stop),
                // About to say who it is.
                Ok(LockState::Held { pid: None }) => self.wait(stop, START_INTERVAL),
                Ok(LockState::Free) => self.start(stop),
                Err(error) => {
                    self.fail(&format!("the spool {} cannot be looked at: {error}", self.spool().display()));
                    self.wait(stop, BACKOFF_MAX);
                }
            }
        }
    }

    fn spool(&self) -> &Path {
        &self.settings.spool_dir
    }

    /// Starts a tap, and waits until it has its spool or has ended.
    fn start(&mut self, stop: &Wake) {
        self.wait(stop, self.pause);
        if stop.stopped() {
            return;
        }
        let begun = Instant::now();
        match self.spawn() {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                self.fail(&format!("{} cannot be started: {error}", self.program.display()));
                self.pause = (self.pause * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
                return;
            }
        }
        while !stop.stopped() && self.child_runs() && lock_state(self.spool()).is_ok_and(|lock| lock == LockState::Free)
        {
            self.wait(stop, START_INTERVAL);
        }
        if self.child.is_none() {
            self.note_end(begun);
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        fs::create_dir_all(self.spool())?;
        // Its log goes where ours goes. It puts itself into a session of its own.
        Command::new(&self.program)
            .args(detached_arguments(&self.device, &self.settings))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
    }

    /// Whether the tap started here still runs; takes note of its end.
    fn child_runs(&mut self) -> bool {
        let running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !running {
            self.child = None;
        }
        running
    }

    /// Watches a running tap until it ends, or until told to stop.
    fn watch(&mut self, pid: u32, stop: &Wake) {
        let begun = Instant::now();
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(Ok(process)) = process.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            // Ended between two looks, or the system cannot tell: look at the lock again.
            return self.wait(stop, START_INTERVAL);
        };
        let ours = self.child.as_ref().is_some_and(|child| child.id() == pid);
        if !ours {
            tracing::info!(device = %self.device.name, pid, "a tap is already running and is taken up");
        }
        let mut asked_to_end = false;
        while !stop.stopped() {
            if !matches!(lock_state(self.spool()), Ok(LockState::Held { pid: Some(holder) }) if holder == pid) {
                break;
            }
            let status = TapStatus::read(self.spool()).ok().filter(|status| status.pid == pid);
            if let Some(status) = &status {
                self.show(status);
                if status.fingerprint != self.settings.fingerprint && !asked_to_end {
                    tracing::info!(device = %self.device.name, "the configuration of its line changed: its tap is replaced");
                    asked_to_end = request_stop(self.spool()).unwrap_or(false);
                }
            }
            let interval = if status.is_none() || asked_to_end { START_INTERVAL } else { LOOK_INTERVAL };
            // Readable when the process has ended. A stop is seen at the next look at the latest.
            if wait_readable(&process, interval).unwrap_or(true) {
                break;
            }
        }
        if stop.stopped() {
            return;
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        if asked_to_end {
            self.pause = Duration::ZERO;
        } else {
            self.note_end(begun);
        }
    }

    fn note_end(&mut self, begun: Instant) {
        self.pause =
            if begun.elapsed() >= STEADY { Duration::ZERO } else { (self.pause * 2).clamp(BACKOFF_MIN, BACKOFF_MAX) };
        self.fail("the process that forwards receipts to the printer has ended");
    }

    fn fail(&self, what: &str) {
        let again_ms = u64::try_from(self.pause.as_millis()).unwrap_or(u64::MAX);
        tracing::error!(device = %self.device.name, again_ms, "{what}; nothing is printed until it runs: it is started again by itself");
        self.tell(false, Some(what.to_owned()));
    }

    fn show(&self, status: &TapStatus) {
        let printer_open = status.printer.as_ref().is_none_or(|printer| printer.open);
        let detail = if !status.pos.open {
            Some(format!("the POS is not connected on {}", status.pos.port))
        } else if !printer_open {
            status.printer.as_ref().map(|printer| format!("the printer is not connected on {}", printer.port))
        } else if status.stalled {
            Some("the printer takes no data: look for paper, cover or its off-line light".to_owned())
        } else if let Some(reason) = &status.spool.dropping {
            Some(format!("receipts are printed and not captured: {reason}"))
        } else if !status.spool.available {
            Some("receipts are printed and not captured: the spool cannot be opened".to_owned())
        } else {
            None
        };
        self.tell(detail.is_none(), detail);
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

    fn wait(&self, stop: &Wake, time: Duration) {
        if let Err(error) = wait_readable(stop, time) {
            tracing::warn!(device = %self.device.name, "cannot wait: {}", ErrorChain(&error));
        }
    }
}
