//! Waking a thread that waits in `poll`: a stop request, a port that came up.
//!
//! An eventfd behind a cheap handle. Waking never blocks and may be done from any thread, any number of times.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes whoever polls it; carries the request to stop.
#[derive(Debug, Clone)]
pub struct Wake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    stop: AtomicBool,
}

impl Wake {
    /// A handle that nobody has woken yet.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { fd, stop: AtomicBool::new(false) })))
    }

    /// Ends the wait, now or the next one.
    pub fn wake(&self) {
        // The only failure is a counter already at its top, which wakes as well.
        let _ = rustix::io::write(&self.0.fd, &1u64.to_ne_bytes());
    }

    /// Asks the waiting thread to end, and wakes it. Never taken back.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether [`Wake::stop`] was called.
    pub fn stopped(&self) -> bool {
        self.0.stop.load(Ordering::SeqCst)
    }

    /// Forgets the wake-ups so far; the stop request stays.
    pub fn clear(&self) {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.0.fd, &mut count);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::wait_readable;
    use std::time::Duration;

    #[test]
    fn a_wake_up_before_the_wait_is_not_lost() {
        let wake = Wake::new().unwrap();
        assert!(!wait_readable(&wake, Duration::ZERO).unwrap());
        wake.wake();
        assert!(wait_readable(&wake, Duration::from_secs(5)).unwrap());
        wake.clear();
        assert!(!wait_readable(&wake, Duration::ZERO).unwrap());
        assert!(!wake.stopped());
        wake.stop();
        assert!(wake.stopped());
    }
}
