//! The loop of a tap: two ports, two lanes, one `poll`.
//!
//! Never blocks but in `poll`, so a stop request always gets through. Ports that hang up are dropped at once
//! and asked for again; a port that hung up while its last bytes cannot be taken yet is left out of the poll,
//! or the loop would spin.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::lane::{Lane, Progress};
use super::{EndStatus, Side, SpoolStatus, TapError, TapEvent, TapListener, TapSettings, TapStatus, wall_ms};
use crate::port::{Opened, Opener, Port, PortName, PortSpec, Role, Wake, poll_for};
use crate::spool::scrub::StreamScrubber;
use crate::spool::{SpoolFeed, SpoolPlace, SpoolWriter};

/// A printer that takes nothing for so long is reported.
const STALL: Duration = Duration::from_secs(2);
/// How long ending waits for a printer that still takes data.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// The status is written at least so often.
const STATUS_INTERVAL_MS: i64 = 10_000;

const GONE: PollFlags = PollFlags::HUP.union(PollFlags::ERR).union(PollFlags::NVAL);

pub(super) struct Relay {
    stop: Wake,
    listener: TapListener,
    pos: End,
    printer: Option<End>,
    down: Lane,
    up: Lane,
    feed: SpoolFeed,
    status: Arc<Mutex<TapStatus>>,
    blocked_since: Option<Instant>,
    stall_told: bool,
}

struct End {
    side: Side,
    name: PortName,
    opener: Opener,
    port: Option<Port>,
    hung_up: bool,
}

/// What `poll` said of one end.
#[derive(Clone, Copy, Default)]
struct Ready {
    readable: bool,
    gone: bool,
}

impl Relay {
    pub(super) fn start(settings: &TapSettings, stop: &Wake, listener: &TapListener) -> Result<Self, TapError> {
        let status = Arc::new(Mutex::new(first_status(settings)));
        let news = Arc::clone(listener);
        let tick = status_writer(Arc::clone(&status), settings.spool_dir.clone());
        let feed = SpoolFeed::start(
            SpoolPlace { dir: settings.spool_dir.clone(), limits: settings.spool_limits },
            StreamScrubber::new(settings.card_rule.clone()),
            wall_ms,
            move |event| news(TapEvent::Spool(event)),
            tick,
        )?;
        let end = |side, spec: &PortSpec, role| {
            End::start(side, spec, role, stop).map_err(|source| TapError::System { what: "watch a port", source })
        };
        Ok(Self {
            pos: end(Side::Pos, &settings.pos, Role::Listen)?,
            printer: settings.printer.as_ref().map(|spec| end(Side::Printer, spec, Role::Connect)).transpose()?,
            stop: stop.clone(),
            listener: Arc::clone(listener),
            down: Lane::default(),
            up: Lane::default(),
            feed,
            status,
            blocked_since: None,
            stall_told: false,
        })
    }

    pub(super) fn run(mut self) -> Result<(), TapError> {
        while !self.stop.stopped() {
            self.take_news();
            self.pump_down(Ready::default());
            self.watch_stall();
            let (pos, printer) =
                self.wait().map_err(|source| TapError::System { what: "wait for the ports", source })?;
            self.pump_up(printer);
            self.pump_down(pos);
        }
        self.finish()
    }

    fn take_news(&mut self) {
        for end in std::iter::once(&mut self.pos).chain(&mut self.printer) {
            while let Some(news) = end.opener.news() {
                match news {
                    Opened::Open(port) => {
                        end.port = Some(port);
                        end.hung_up = false;
                        (self.listener)(TapEvent::Opened(end.side, end.name.clone()));
                    }
                    Opened::Waiting(error) => (self.listener)(TapEvent::Waiting(end.side, error)),
                }
            }
        }
        self.show_ends();
    }

    /// From the POS to the printer, and what the printer took to the spool.
    fn pump_down(&mut self, ready: Ready) {
        self.drain_down();
        if !self.down.is_empty() {
            // Nothing can be read now: what has hung up is looked at when the lane is free.
            self.pos.hung_up |= ready.gone;
            return;
        }
        if !(ready.readable || ready.gone || self.pos.hung_up) {
            return;
        }
        let Some(port) = &mut self.pos.port else { return };
        let progress = self.down.fill(port);
        let nothing_left = self.down.is_empty();
        match progress {
            Progress::Gone(why) => self.lose(Side::Pos, why),
            Progress::Done if (ready.gone || self.pos.hung_up) && nothing_left => self.lose(Side::Pos, hung_up()),
            Progress::Done => {}
        }
        self.drain_down();
    }

    fn drain_down(&mut self) {
        if self.down.is_empty() {
            return;
        }
        let (feed, status) = (&self.feed, &self.status);
        let copy = |bytes: &[u8]| {
            feed.offer(bytes, wall_ms());
            let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
            status.forwarded_bytes = status.forwarded_bytes.saturating_add(bytes.len() as u64);
        };
        match &mut self.printer {
            None => self.down.copy_only(copy),
            Some(End { port: None, .. }) => {}
            Some(End { port: Some(port), .. }) => {
                let before = self.down.held_bytes();
                let progress = self.down.drain(port, copy);
                if self.down.held_bytes() < before {
                    self.moved();
                }
                if let Progress::Gone(why) = progress {
                    self.lose(Side::Printer, why);
                }
            }
        }
    }

    /// From the printer back to the POS.
    fn pump_up(&mut self, ready: Ready) {
        self.drain_up();
        let Some(port) = self.printer.as_mut().and_then(|printer| printer.port.as_mut()) else { return };
        if ready.readable && self.up.is_empty() {
            if let Progress::Gone(why) = self.up.fill(port) {
                self.lose(Side::Printer, why);
            }
            self.drain_up();
        } else if ready.gone {
            self.lose(Side::Printer, hung_up());
        }
    }

    fn drain_up(&mut self) {
        match &mut self.pos.port {
            // Nobody is there to hear it.
            None => self.up.clear(),
            Some(port) => {
                if let Progress::Gone(_) = self.up.drain(port, |_| {}) {
                    // What the POS sent before it went is still read.
                    self.up.clear();
                    self.pos.hung_up = true;
                }
            }
        }
    }

    fn lose(&mut self, side: Side, why: io::Error) {
        let end = match side {
            Side::Pos => Some(&mut self.pos),
            Side::Printer => self.printer.as_mut(),
        };
        let Some(end) = end else { return };
        if end.port.take().is_some() {
            end.hung_up = false;
            (self.listener)(TapEvent::Lost(side, end.name.clone(), why));
            end.opener.want();
        }
        match side {
            Side::Pos => self.up.clear(),
            Side::Printer => self.moved(),
        }
    }

    /// The printer took something, or is gone: either way it is not stalled.
    fn moved(&mut self) {
        if let (true, Some(since)) = (self.stall_told, self.blocked_since) {
            let stalled_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            (self.listener)(TapEvent::Flowing { stalled_ms });
        }
        self.blocked_since = None;
        self.stall_told = false;
    }

    fn watch_stall(&mut self) {
        let printer_open = self.printer.as_ref().is_some_and(|printer| printer.port.is_some());
        if self.down.is_empty() || !printer_open {
            self.blocked_since = None;
        } else if self.blocked_since.get_or_insert_with(Instant::now).elapsed() >= STALL && !self.stall_told {
            self.stall_told = true;
            (self.listener)(TapEvent::Stalled { held_bytes: self.down.held_bytes() });
        }
        self.show_ends();
    }

    fn show_ends(&self) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.pos.open = self.pos.port.is_some();
        if let (Some(shown), Some(printer)) = (&mut status.printer, &self.printer) {
            shown.open = printer.port.is_some();
        }
        status.stalled = self.stall_told;
        status.held_bytes = self.down.held_bytes() as u64;
    }

    /// Waits for whatever can move next.
    fn wait(&self) -> io::Result<(Ready, Ready)> {
        let pos_events = flags(self.down.is_empty(), !self.up.is_empty());
        let printer_events = flags(self.up.is_empty(), !self.down.is_empty());
        let pos = self.pos.port.as_ref().filter(|_| !self.pos.hung_up);
        let printer = self.printer.as_ref().and_then(|printer| printer.port.as_ref());
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        fds.extend(pos.map(|port| PollFd::new(port, pos_events)));
        fds.extend(printer.map(|port| PollFd::new(port, printer_events)));
        // Only a stall has a deadline; everything else wakes us.
        let until_stall = self.blocked_since.filter(|_| !self.stall_told).map(|at| STALL.saturating_sub(at.elapsed()));
        // A port that hung up with the lane free is read on at once.
        let timeout = if self.pos.hung_up && self.down.is_empty() { Some(Duration::ZERO) } else { until_stall };
        poll_for(&mut fds, timeout)?;
        self.stop.clear();
        let mut seen = fds[1..].iter().map(|fd| {
            let events = fd.revents();
            Ready { readable: events.contains(PollFlags::IN), gone: events.intersects(GONE) }
        });
        let mut next = |polled: bool| if polled { seen.next().unwrap_or_default() } else { Ready::default() };
        Ok((next(pos.is_some()), next(printer.is_some())))
    }

    /// Gives a printer that still takes data its last bytes, and closes the spool.
    fn finish(mut self) -> Result<(), TapError> {
        let deadline = Instant::now() + LAST_BYTES;
        loop {
            self.drain_down();
            let port = self.printer.as_ref().and_then(|printer| printer.port.as_ref());
            let left = deadline.saturating_duration_since(Instant::now());
            let (false, Some(port), false) = (self.down.is_empty(), port, left.is_zero()) else { break };
            let mut fds = [PollFd::new(port, PollFlags::OUT)];
            if poll_for(&mut fds, Some(left)).is_err() {
                break;
            }
        }
        let held_bytes = self.down.held_bytes();
        if held_bytes > 0 {
            (self.listener)(TapEvent::LeftOver { held_bytes });
        }
        self.feed.close(held_bytes as u64)?;
        Ok(())
    }
}

impl End {
    fn start(side: Side, spec: &PortSpec, role: Role, wake: &Wake) -> io::Result<Self> {
        let opener = Opener::start(spec.clone(), role, wake.clone())?;
        opener.want();
        Ok(Self { side, name: spec.name.clone(), opener, port: None, hung_up: false })
    }
}

fn flags(read: bool, write: bool) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, read);
    flags.set(PollFlags::OUT, write);
    flags
}

fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the line hung up")
}

fn first_status(settings: &TapSettings) -> TapStatus {
    let end = |spec: &PortSpec| EndStatus { port: spec.name.to_string(), open: false };
    TapStatus {
        device: settings.device.clone(),
        fingerprint: settings.fingerprint.clone(),
        pid: std::process::id(),
        started_ms: wall_ms(),
        at_ms: 0,
        pos: end(&settings.pos),
        printer: settings.printer.as_ref().map(end),
        stalled: false,
        forwarded_bytes: 0,
        held_bytes: 0,
        spool: SpoolStatus::default(),
    }
}

/// Writes the status when it changed, from the spool's thread.
fn status_writer(status: Arc<Mutex<TapStatus>>, dir: PathBuf) -> impl FnMut(Option<&SpoolWriter>) + Send + 'static {
    let mut written: Option<TapStatus> = None;
    move |writer| {
        let mut now = status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        now.spool = writer.map_or_else(SpoolStatus::default, |writer| SpoolStatus {
            available: true,
            position: writer.position(),
            total_bytes: writer.total_bytes(),
            dropping: writer.gap().map(|(_, reason)| reason.to_owned()),
        });
        now.at_ms = written.as_ref().map_or(0, |written| written.at_ms);
        let at_ms = wall_ms();
        if written.as_ref() != Some(&now) || (at_ms - now.at_ms).abs() >= STATUS_INTERVAL_MS {
            now.at_ms = at_ms;
            // A status that cannot be written is no reason to do anything else differently.
            let _ = now.write(&dir);
            written = Some(now);
        }
    }
}
