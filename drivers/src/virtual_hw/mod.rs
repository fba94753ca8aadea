//! Virtual hardware on pseudo-terminals: a receipt printer, a scanner, a POS.
//!
//! For the demo, the end-to-end tests and whoever develops without a till: programs open these ports by the
//! same code as hardware. Unplugging, stalling and status bytes are simulated; baud rates and modem lines are
//! not, a pseudo-terminal has none. Not a model of any printer: nothing is interpreted but status requests.

mod device;
mod port;

use std::io;
use std::ops::Deref;
use std::path::Path;

pub use device::VirtualDevice;
pub use port::VirtualPort;

/// A receipt printer: collects what it is sent, answers status requests.
#[derive(Debug)]
pub struct VirtualPrinter(VirtualDevice);

/// A scanner: sends codes.
#[derive(Debug)]
pub struct VirtualScanner {
    device: VirtualDevice,
    suffix: Vec<u8>,
}

/// The POS side of a printer line: sends receipts, receives status bytes.
#[derive(Debug)]
pub struct VirtualPos(VirtualDevice);

impl VirtualPrinter {
    /// Plugs a printer in at `link`.
    ///
    /// # Errors
    /// As [`VirtualPort::plug`].
    pub fn plug(link: &Path) -> io::Result<Self> {
        let device = VirtualDevice::plug(link)?;
        device.answer_status(true);
        Ok(Self(device))
    }
}

impl VirtualScanner {
    /// Plugs a scanner in at `link` that sends CR LF after every code.
    ///
    /// # Errors
    /// As [`VirtualPort::plug`].
    pub fn plug(link: &Path) -> io::Result<Self> {
        Ok(Self { device: VirtualDevice::plug(link)?, suffix: b"\r\n".to_vec() })
    }

    /// Sends `suffix` after every code.
    pub fn with_suffix(mut self, suffix: &[u8]) -> Self {
        self.suffix = suffix.to_vec();
        self
    }

    /// Scans a code.
    pub fn scan(&self, code: &str) {
        self.device.send(&[code.as_bytes(), &self.suffix].concat());
    }
}

impl VirtualPos {
    /// Plugs a POS in at `link`.
    ///
    /// # Errors
    /// As [`VirtualPort::plug`].
    pub fn plug(link: &Path) -> io::Result<Self> {
        VirtualDevice::plug(link).map(Self)
    }
}

impl Deref for VirtualPrinter {
    type Target = VirtualDevice;

    fn deref(&self) -> &VirtualDevice {
        &self.0
    }
}

impl Deref for VirtualScanner {
    type Target = VirtualDevice;

    fn deref(&self) -> &VirtualDevice {
        &self.device
    }
}

impl Deref for VirtualPos {
    type Target = VirtualDevice;

    fn deref(&self) -> &VirtualDevice {
        &self.0
    }
}
