//! A virtual serial port: a pseudo-terminal with a stable path.
//!
//! The path is a symbolic link to the terminal of the moment, as udev's `by-id` links are. Dropping the port
//! is pulling its plug: the terminal hangs up and the link goes. The terminal is kept open on this side, so
//! that what was sent waits for a program that opens it late.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::port::{Link, Moved};

/// The far end of a virtual serial port.
#[derive(Debug)]
pub struct VirtualPort {
    far_end: OwnedFd,
    _near_end: OwnedFd,
    terminal: PathBuf,
    link: PathBuf,
}

impl VirtualPort {
    /// Plugs a port in at `link`. A link left by an earlier one is replaced, anything else is not.
    ///
    /// # Errors
    /// When there is no pseudo-terminal to be had, or `link` is taken.
    pub fn plug(link: &Path) -> io::Result<Self> {
        let far_end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&far_end)?;
        unlockpt(&far_end)?;
        let name = ptsname(&far_end, Vec::new())?;
        let terminal = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        let near_end = rustix::fs::open(&terminal, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = tcgetattr(&near_end)?;
        settings.make_raw();
        tcsetattr(&near_end, OptionalActions::Now, &settings)?;
        fcntl_setfl(&far_end, fcntl_getfl(&far_end)? | OFlags::NONBLOCK)?;
        if fs::symlink_metadata(link).is_ok_and(|found| found.is_symlink()) {
            fs::remove_file(link)?;
        }
        symlink(&terminal, link)?;
        Ok(Self { far_end, _near_end: near_end, terminal, link: link.to_path_buf() })
    }

    /// The stable path of the near end.
    pub fn link(&self) -> &Path {
        &self.link
    }
}

impl Drop for VirtualPort {
    fn drop(&mut self) {
        // Another port may have been plugged in at the same place.
        if fs::read_link(&self.link).is_ok_and(|target| target == self.terminal) {
            let _ = fs::remove_file(&self.link);
        }
    }
}

impl AsFd for VirtualPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.far_end.as_fd()
    }
}

impl Link for VirtualPort {
    fn read(&mut self, buffer: &mut [u8]) -> Moved {
        match rustix::io::read(&self.far_end, buffer) {
            Ok(0) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Moved::Later,
            Ok(count) => Moved::Bytes(count),
            Err(error) => Moved::Gone(error.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Moved {
        match rustix::io::write(&self.far_end, bytes) {
            Ok(0) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Moved::Later,
            Ok(count) => Moved::Bytes(count),
            Err(error) => Moved::Gone(error.into()),
        }
    }
}
