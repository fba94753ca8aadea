//! Opening a port in the background, again and again until it is there.
//!
//! Opening may take long (a name to resolve, a printer that does not answer) and must not hold up the other
//! direction of a tap. One thread for each port: it opens when asked, waits between attempts with bounded
//! backoff, and wakes the asker. It never opens a port that nobody asked for.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::{Port, PortError, PortName, PortSpec, Wake, poll_for};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Which end of a TCP port we are; devices have only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Open the device, or connect to the address.
    Connect,
    /// Open the device, or listen on the address and take one connection at a time.
    Listen,
}

/// News from an [`Opener`].
#[derive(Debug)]
pub enum Opened {
    /// The port is open.
    Open(Port),
    /// It cannot be opened yet; attempts go on. Told once for each time it was asked for.
    Waiting(PortError),
}

/// Opens one port in the background.
#[derive(Debug)]
pub struct Opener {
    control: Wake,
    wanted: Arc<AtomicBool>,
    news: Receiver<Opened>,
}

impl Opener {
    /// Starts the thread; `wake` is woken when there is news.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left.
    pub fn start(spec: PortSpec, role: Role, wake: Wake) -> io::Result<Self> {
        let control = Wake::new()?;
        let wanted = Arc::new(AtomicBool::new(false));
        let (sender, news) = channel();
        let worker = Worker { spec, role, wake, control: control.clone(), wanted: Arc::clone(&wanted), sender };
        thread::Builder::new().name("port-opener".into()).spawn(move || worker.work())?;
        Ok(Self { control, wanted, news })
    }

    /// Asks for the port to be opened.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.control.wake();
    }

    /// What happened since last asked.
    pub fn news(&self) -> Option<Opened> {
        self.news.try_recv().ok()
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        // The thread ends at its next step; it is not waited for, because resolving a name may take long.
        self.control.stop();
    }
}

struct Worker {
    spec: PortSpec,
    role: Role,
    wake: Wake,
    control: Wake,
    wanted: Arc<AtomicBool>,
    sender: Sender<Opened>,
}

impl Worker {
    fn work(self) {
        let mut listener = None;
        while self.wait(None) {
            if self.wanted.swap(false, Ordering::SeqCst) && !self.open(&mut listener) {
                return;
            }
        }
    }

    /// Tries until the port is open. False when it is time to end.
    fn open(&self, listener: &mut Option<TcpListener>) -> bool {
        let mut backoff = BACKOFF_MIN;
        let mut told = false;
        loop {
            match self.attempt(listener) {
                Ok(Some(port)) => return self.tell(Opened::Open(port)),
                Ok(None) => {}
                Err(error) if !told => {
                    told = true;
                    if !self.tell(Opened::Waiting(error)) {
                        return false;
                    }
                }
                Err(_) => {}
            }
            if !self.wait(Some(backoff)) {
                return false;
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    fn attempt(&self, listener: &mut Option<TcpListener>) -> Result<Option<Port>, PortError> {
        match (&self.spec.name, self.role) {
            (PortName::Tcp { host, port }, Role::Listen) => {
                let refused = |source| PortError::Listen { name: self.spec.name.clone(), source };
                if listener.is_none() {
                    let fresh = TcpListener::bind((host.as_str(), *port)).map_err(refused)?;
                    fresh.set_nonblocking(true).map_err(refused)?;
                    *listener = Some(fresh);
                }
                listener.as_ref().map_or(Ok(None), |listener| self.accept(listener).map_err(refused))
            }
            _ => Port::open(&self.spec).map(Some),
        }
    }

    /// The next connection; `None` when asked to end first.
    fn accept(&self, listener: &TcpListener) -> io::Result<Option<Port>> {
        loop {
            match listener.accept() {
                Ok((stream, _)) => return Port::accepted(stream).map(Some),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            let control = self.control.as_fd();
            let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::from_borrowed_fd(control, PollFlags::IN)];
            poll_for(&mut fds, None)?;
            if self.control.stopped() {
                return Ok(None);
            }
            self.control.clear();
        }
    }

    fn tell(&self, news: Opened) -> bool {
        let told = self.sender.send(news).is_ok();
        self.wake.wake();
        told
    }

    /// Waits for a request or for `timeout`. False when it is time to end.
    fn wait(&self, timeout: Option<Duration>) -> bool {
        if self.control.stopped() {
            return false;
        }
        let mut fds = [PollFd::new(&self.control, PollFlags::IN)];
        if poll_for(&mut fds, timeout).is_err() {
            return false;
        }
        self.control.clear();
        !self.control.stopped()
    }
}
