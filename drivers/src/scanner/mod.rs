//! Serial bar code scanners: from bytes to scans.
//!
//! [`Framer`] cuts the stream at the configured suffix (pure); [`run`] reads a port through it, and survives the
//! scanner being unplugged. What could be a payment card is dropped here, before anybody sees it. What a scan
//! means (member, article, voucher) is not known here.

mod framing;

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags};

use crate::port::{Link, Moved, Opened, Opener, Port, PortError, PortName, PortSpec, Role, Wake, poll_for};

pub use framing::{Framed, Framer, Framing, SCAN_BYTES_MAX, Suffix};

/// A line that is quiet for so long in the middle of a scan has lost the rest of it.
const BROKEN_OFF: Duration = Duration::from_millis(500);

/// One scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// What was read, without prefix, suffix and AIM identifier.
    pub text: String,
    /// The AIM symbology identifier, if the scanner sends it (`]E0`).
    pub aim: Option<String>,
    /// When its end arrived, wall time in milliseconds since 1970 UTC.
    pub at_ms: i64,
}

/// What happens on a scanner's line.
#[derive(Debug)]
pub enum ScannerEvent {
    /// A code was read.
    Scan(Scan),
    /// A payment card was scanned or swiped; nothing of it is kept.
    PaymentCardDropped,
    /// Bytes that are no scan: noise, wrong line settings, a scan that broke off.
    Garbage {
        /// How many.
        bytes: usize,
    },
    /// The port is open.
    Opened(PortName),
    /// It cannot be opened yet; attempts go on.
    Waiting(PortError),
    /// It is gone.
    Lost(PortName, io::Error),
}

impl fmt::Display for ScannerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Never the code itself: it identifies a person.
            Self::Scan(scan) => write!(f, "a code of {} characters was scanned", scan.text.chars().count()),
            Self::PaymentCardDropped => {
                f.write_str("what was scanned could be a payment card: it was dropped; scan the loyalty card")
            }
            Self::Garbage { bytes } => write!(
                f,
                "{bytes} bytes from the scanner are no scan: check its baud rate and its suffix against the configuration"
            ),
            Self::Opened(port) => write!(f, "the scanner is connected on {port}"),
            Self::Waiting(error) => write!(f, "the scanner is not connected: {error}; trying again until it is"),
            Self::Lost(port, why) => {
                write!(f, "the scanner is gone from {port} ({why}): plug it in again, it is picked up by itself")
            }
        }
    }
}

/// Reads a scanner until `stop` says so. Nothing but events comes out; `on_event` runs in this thread.
///
/// # Errors
/// When the system has no descriptor or thread left, or cannot wait.
pub fn run(spec: &PortSpec, framing: Framing, stop: &Wake, mut on_event: impl FnMut(ScannerEvent)) -> io::Result<()> {
    let opener = Opener::start(spec.clone(), Role::Connect, stop.clone())?;
    let mut framer = Framer::new(framing);
    let mut port: Option<Port> = None;
    opener.want();
    while !stop.stopped() {
        while let Some(news) = opener.news() {
            match news {
                Opened::Open(open) => {
                    port = Some(open);
                    on_event(ScannerEvent::Opened(spec.name.clone()));
                }
                Opened::Waiting(error) => on_event(ScannerEvent::Waiting(error)),
            }
        }
        let timeout = (framer.held_bytes() > 0).then_some(BROKEN_OFF);
        if !wait(stop, port.as_ref(), timeout)? && timeout.is_some() {
            report(framer.broken_off(), &mut on_event);
        }
        if let Some(Err(why)) = port.as_mut().map(|port| read(port, &mut framer, &mut on_event)) {
            port = None;
            report(framer.broken_off(), &mut on_event);
            on_event(ScannerEvent::Lost(spec.name.clone(), why));
            opener.want();
        }
    }
    Ok(())
}

/// True when something woke us before the timeout.
fn wait(stop: &Wake, port: Option<&Port>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
    fds.extend(port.map(|port| PollFd::new(port, PollFlags::IN)));
    let woken = poll_for(&mut fds, timeout)? > 0;
    stop.clear();
    Ok(woken)
}

fn read(port: &mut Port, framer: &mut Framer, on_event: &mut impl FnMut(ScannerEvent)) -> io::Result<()> {
    let mut buffer = [0; 512];
    match port.read(&mut buffer) {
        Moved::Later => {}
        Moved::Gone(why) => return Err(why),
        Moved::Bytes(count) => {
            for framed in framer.push(&buffer[..count]) {
                report(Some(framed), on_event);
            }
        }
    }
    Ok(())
}

fn report(framed: Option<Framed>, on_event: &mut impl FnMut(ScannerEvent)) {
    match framed {
        None => {}
        Some(Framed::Scan { text, aim }) => on_event(ScannerEvent::Scan(Scan { text, aim, at_ms: wall_ms() })),
        Some(Framed::PaymentCard) => on_event(ScannerEvent::PaymentCardDropped),
        Some(Framed::Garbage { bytes }) => on_event(ScannerEvent::Garbage { bytes }),
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
