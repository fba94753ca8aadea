//! Ports: bytes in, bytes out, and noticing that the other end is gone.
//!
//! A [`Port`] never blocks: reading and writing move what is possible now and say so, and whoever waits does it
//! with `poll` over [`Port::as_fd`] and a [`Wake`], so that it can always be stopped. (`serialport` opens, locks
//! and configures the line; its own `write` ignores its time-out, so bytes move over a second, non-blocking
//! descriptor of the same terminal.) Pseudo-terminals are opened by the same code as hardware.
//! What bytes mean is not known here.

mod fake;
mod name;
mod opener;
mod resolve;
mod serial;
mod wake;

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

pub use fake::FakeLink;
pub use name::{PortName, PortNameError, UsbId};
pub use opener::{Opened, Opener, Role};
pub use resolve::{PluggedPort, device_path, plugged_ports};
pub use wake::Wake;

/// How long a network printer may take to answer a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A port and the settings of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// Which port.
    pub name: PortName,
    /// Bits per second; without meaning for pseudo-terminals, CDC devices and TCP.
    pub baud: u32,
    /// Parity of the line.
    pub parity: Parity,
    /// Who may stop the sender, beside the bytes themselves.
    pub flow: Flow,
}

impl PortSpec {
    /// A port with the line settings most receipt printers and scanners have: 9600 8N1, transparent.
    pub fn new(name: PortName) -> Self {
        Self { name, baud: 9_600, parity: Parity::None, flow: Flow::None }
    }
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// No parity bit.
    #[default]
    None,
    /// Even parity.
    Even,
    /// Odd parity.
    Odd,
}

/// Flow control by the driver of the port. XON and XOFF are never taken out of the stream: they pass through
/// to the other side as what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// None: transparent.
    #[default]
    None,
    /// RTS/CTS.
    Hardware,
}

/// Why a port is not open.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Nothing of that name is plugged in.
    #[error("{0} is not plugged in")]
    Absent(PortName),
    /// Another process has it.
    #[error("{0} is in use by another program: close that, or name another port")]
    Busy(PortName),
    /// The operating system refused.
    #[error("cannot open {name} ({path})", path = path.display())]
    Open {
        /// The port's stable name.
        name: PortName,
        /// The path it had.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The network printer did not take the connection.
    #[error("cannot connect to {name}")]
    Connect {
        /// The port's name.
        name: PortName,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {name}")]
    Listen {
        /// The port's name.
        name: PortName,
        /// What the system said.
        source: io::Error,
    },
}

/// What one read or write did.
#[derive(Debug)]
pub enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now: wait until the port is ready.
    Later,
    /// The other end is gone; the port must be opened anew.
    Gone(io::Error),
}

/// Bytes to and from something, without waiting: a [`Port`], or a fake of one.
pub trait Link {
    /// Takes what has arrived.
    fn read(&mut self, buffer: &mut [u8]) -> Moved;
    /// Hands over as much as is taken now.
    fn write(&mut self, bytes: &[u8]) -> Moved;
}

/// An open port.
#[derive(Debug)]
pub struct Port(Line);

#[derive(Debug)]
enum Line {
    Serial(serial::SerialLine),
    Device(OwnedFd),
    Tcp(TcpStream),
}

impl Port {
    /// Opens a port, alone: a second process that wants it is refused.
    ///
    /// # Errors
    /// When it is not plugged in, in use, or the system refuses.
    pub fn open(spec: &PortSpec) -> Result<Self, PortError> {
        if let PortName::Tcp { host, port } = &spec.name {
            return connect(host, *port)
                .map(|stream| Self(Line::Tcp(stream)))
                .map_err(|source| PortError::Connect { name: spec.name.clone(), source });
        }
        let absent = || PortError::Absent(spec.name.clone());
        let path = device_path(&spec.name).filter(|path| path.exists()).ok_or_else(absent)?;
        if matches!(spec.name, PortName::UsbPrinter(_)) {
            return serial::open_plain(&path).map(|fd| Self(Line::Device(fd))).map_err(|source| PortError::Open {
                name: spec.name.clone(),
                path,
                source,
            });
        }
        serial::SerialLine::open(spec, path).map(|line| Self(Line::Serial(line)))
    }

    /// A connection that a POS made to a listening tap.
    pub(crate) fn accepted(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let _ = stream.set_nodelay(true);
        Ok(Self(Line::Tcp(stream)))
    }
}

impl Link for Port {
    fn read(&mut self, buffer: &mut [u8]) -> Moved {
        match retry(|| rustix::io::read(self.as_fd(), &mut *buffer)) {
            // End of file: a line that was unplugged ends like this, too.
            Ok(0) => Moved::Gone(io::Error::new(io::ErrorKind::UnexpectedEof, "the other end hung up")),
            outcome => moved(outcome),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Moved {
        match retry(|| rustix::io::write(self.as_fd(), bytes)) {
            Ok(0) => Moved::Later,
            outcome => moved(outcome),
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Line::Serial(line) => line.as_fd(),
            Line::Device(fd) => fd.as_fd(),
            Line::Tcp(stream) => stream.as_fd(),
        }
    }
}

fn retry(mut operation: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(rustix::io::Errno::INTR) => {}
            outcome => return outcome.map_err(io::Error::from),
        }
    }
}

fn moved(outcome: io::Result<usize>) -> Moved {
    match outcome {
        Ok(count) => Moved::Bytes(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Moved::Later,
        Err(error) => Moved::Gone(error),
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    use std::net::ToSocketAddrs;
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                // Status bytes and short receipts must not wait for more.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Waits until `fd` has something to read (or hung up), at most `timeout`. Says whether it has.
///
/// # Errors
/// When the system cannot wait at all.
pub fn wait_readable(fd: impl AsFd, timeout: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll_for(&mut fds, Some(timeout)).map(|ready| ready > 0)
}

/// `poll` with a `Duration`; an interrupting signal counts as nothing ready.
pub(crate) fn poll_for(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(fds, timeout.as_ref()) {
        Err(rustix::io::Errno::INTR) => Ok(0),
        outcome => outcome.map_err(io::Error::from),
    }
}
