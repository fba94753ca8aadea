//! Opening and configuring a serial line, or a pseudo-terminal in its place.
//!
//! `serialport` takes the lock (flock and TIOCEXCL) and sets the line; its handle is kept as the holder of the
//! lock. Bytes move over a second descriptor of the same terminal, opened non-blocking through
//! `/proc/self/fd`, so that no write can hang. Modem lines are not touched: a pseudo-terminal has none.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serialport::{FlowControl, TTYPort};

use super::{Flow, Parity, PortError, PortSpec};

/// An open serial line.
#[derive(Debug)]
pub(super) struct SerialLine {
    bytes: OwnedFd,
    /// Holds the lock; closed last.
    _line: TTYPort,
}

impl SerialLine {
    pub(super) fn open(spec: &PortSpec, path: PathBuf) -> Result<Self, PortError> {
        let parity = match spec.parity {
            Parity::None => serialport::Parity::None,
            Parity::Even => serialport::Parity::Even,
            Parity::Odd => serialport::Parity::Odd,
        };
        let flow = match spec.flow {
            Flow::None => FlowControl::None,
            Flow::Hardware => FlowControl::Hardware,
        };
        let line = serialport::new(path.to_string_lossy(), spec.baud).parity(parity).flow_control(flow).open_native();
        let line = line.map_err(|error| refused(spec, &path, error))?;
        match reopen(line) {
            Ok((bytes, line)) => Ok(Self { bytes, _line: line }),
            Err(source) => Err(PortError::Open { name: spec.name.clone(), path, source }),
        }
    }
}

impl AsFd for SerialLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bytes.as_fd()
    }
}

/// A second, non-blocking descriptor of the terminal behind `line`. TIOCEXCL keeps everybody out, us included,
/// so it is lifted for the moment of opening; the shared flock of that moment still refuses other openers.
fn reopen(mut line: TTYPort) -> io::Result<(OwnedFd, TTYPort)> {
    line.set_exclusive(false)?;
    let bytes = open_plain(Path::new(&format!("/proc/self/fd/{}", line.as_raw_fd())))?;
    // A pseudo-terminal outlives a killed tap, and TIOCEXCL with it: there the flock alone keeps others out.
    if !is_pseudo_terminal(&bytes) {
        line.set_exclusive(true)?;
    }
    Ok((bytes, line))
}

fn is_pseudo_terminal(fd: &OwnedFd) -> bool {
    rustix::termios::ttyname(fd, Vec::new()).is_ok_and(|name| name.to_bytes().starts_with(b"/dev/pts/"))
}

/// A character device that is no terminal: a printer of the USB printer class.
pub(super) fn open_plain(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn refused(spec: &PortSpec, path: &Path, error: serialport::Error) -> PortError {
    let name = spec.name.clone();
    if !path.exists() {
        return PortError::Absent(name);
    }
    // `NoDevice` is what it makes of EBUSY and of a lock that another process holds.
    match error.kind() {
        serialport::ErrorKind::NoDevice => PortError::Busy(name),
        _ => PortError::Open { name, path: path.to_path_buf(), source: io::Error::from(error) },
    }
}
