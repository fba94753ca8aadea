//! The receipt tap: bytes from the POS to the printer, unchanged and at once, status bytes back, and a copy to
//! a spool.
//!
//! The order is fixed: forward first, copy second; nothing is held back, nothing waits for the disk. One thread
//! polls both ports; ports are opened in threads of their own, the spool is written in another.
//! - A printer that is stalled, off or unplugged: at most one chunk (4 KiB, a printer's own buffer) is read
//!   ahead and kept until it is back; then the POS is not read, so that it sees what it would see without us.
//! - A POS that is away: status bytes for it are dropped, as on a loose cable.
//! - Disk full or broken: printing goes on, the copy has a gap.
//! - A killed tap loses what it held: at most one chunk on its way to the printer, and what was queued for the
//!   spool. What the kernel holds for a port that is unplugged is lost with it.
//!
//! Not here: what the bytes mean, signals, logging.

mod event;
mod lane;
mod relay;
mod status;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::pan;
use crate::port::{PortSpec, Wake, wait_readable};
use crate::spool::{LockState, SpoolError, SpoolLimits, lock_state};

pub use event::{Side, TapEvent};
pub use status::{EndStatus, STATUS_FILE, SpoolStatus, TapStatus};

/// How often a start is tried on a spool whose lock is held by no tap: somebody is just looking.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What to tap, and where the copy goes.
#[derive(Debug, Clone)]
pub struct TapSettings {
    /// Name of the device, for the status.
    pub device: String,
    /// What it was started with, for the status: whoever finds it running can tell whether it is the same.
    pub fingerprint: String,
    /// The port the POS is on. A TCP address is listened on.
    pub pos: PortSpec,
    /// The port the printer is on; none to listen only.
    pub printer: Option<PortSpec>,
    /// The spool's directory.
    pub spool_dir: PathBuf,
    /// The spool's bounds.
    pub spool_limits: SpoolLimits,
    /// What is masked as a payment card, and which cards are the merchant's own.
    pub card_rule: pan::Scrubber,
}

/// A tap that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The operating system refuses something without which nothing can be forwarded.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Hears what happens in a tap, from several threads.
pub type TapListener = Arc<dyn Fn(TapEvent) + Send + Sync>;

/// Runs a tap until `stop` says so.
///
/// # Errors
/// When another tap has the spool, or the system has no descriptor or thread left. Ports and disks that fail
/// are no errors: they are waited for.
pub fn run(settings: &TapSettings, stop: &Wake, listener: &TapListener) -> Result<(), TapError> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        match relay::Relay::start(settings, stop, listener) {
            Err(TapError::Spool(SpoolError::Locked { pid, .. })) if attempts > 1 && !runs(pid) && !stop.stopped() => {
                attempts -= 1;
                let _ = wait_readable(stop, LOCK_PAUSE);
            }
            outcome => return outcome?.run(),
        }
    }
}

/// Asks the tap that runs on the spool `dir` to end (SIGTERM). Says whether there was one.
///
/// # Errors
/// When it cannot be found out or the process cannot be signalled.
pub fn request_stop(dir: &Path) -> io::Result<bool> {
    let LockState::Held { pid: Some(pid) } = lock_state(dir)? else { return Ok(false) };
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the lock file names no process"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    Ok(true)
}

/// Whether there is a process with this id; the lock file keeps that of a tap that has ended.
fn runs(pid: Option<u32>) -> bool {
    let pid = pid.and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// Wall time in milliseconds since 1970 UTC; 0 before.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
