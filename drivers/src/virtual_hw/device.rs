//! What is common to all virtual devices: a port that can be plugged and unplugged, a thread that moves its
//! bytes, and waiting with a deadline for what arrived.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::port::VirtualPort;
use crate::port::{Link, Moved, Wake, poll_for};

/// Most received bytes that are kept; older ones are forgotten.
const RECEIVED_BYTES_MAX: usize = 8 << 20;

/// A device on the far end of a virtual port.
#[derive(Debug)]
pub struct VirtualDevice {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    link: PathBuf,
    wake: Wake,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    port: Option<Arc<Mutex<VirtualPort>>>,
    received: Vec<u8>,
    received_total: u64,
    outgoing: VecDeque<u8>,
    stalled: bool,
    answers_status: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VirtualDevice {
    /// A device plugged in at `link`.
    ///
    /// # Errors
    /// As [`VirtualPort::plug`].
    pub fn plug(link: &Path) -> io::Result<Self> {
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { link: link.to_path_buf(), wake: Wake::new()?, state, changed: Condvar::new() });
        let worker = Arc::clone(&shared);
        let mut device = Self { shared, thread: None };
        device.replug()?;
        device.thread = Some(thread::Builder::new().name("virtual-device".into()).spawn(move || work(&worker))?);
        Ok(device)
    }

    /// The stable path a program opens.
    pub fn link(&self) -> &Path {
        &self.shared.link
    }

    /// Pulls the plug: on return the line is dead. What was not taken by the other side is lost.
    pub fn unplug(&self) {
        let mut state = self.shared.lock();
        state.outgoing.clear();
        let Some(port) = state.port.take() else { return };
        self.shared.wake.wake();
        // The thread may be about to move bytes over it.
        let in_use = |_: &mut State| Arc::strong_count(&port) > 1;
        drop(self.shared.changed.wait_while(state, in_use));
    }

    /// Plugs the device in (again), at the same path.
    ///
    /// # Errors
    /// As [`VirtualPort::plug`].
    pub fn replug(&self) -> io::Result<()> {
        self.unplug();
        let port = VirtualPort::plug(&self.shared.link)?;
        self.shared.lock().port = Some(Arc::new(Mutex::new(port)));
        self.shared.wake.wake();
        Ok(())
    }

    /// Sends bytes, as fast as the line takes them; does not wait.
    pub fn send(&self, bytes: &[u8]) {
        self.shared.lock().outgoing.extend(bytes);
        self.shared.wake.wake();
    }

    /// Sends bytes in pieces of `piece_bytes` with `gap` between them. False when the line did not take a piece
    /// within `deadline`.
    pub fn send_paced(&self, bytes: &[u8], piece_bytes: usize, gap: Duration, deadline: Duration) -> bool {
        bytes.chunks(piece_bytes.max(1)).all(|piece| {
            self.send(piece);
            let sent = self.flush(deadline);
            if !gap.is_zero() {
                self.pause(gap);
            }
            sent
        })
    }

    /// Waits until everything sent was taken by the line. False when it was not within `deadline`.
    pub fn flush(&self, deadline: Duration) -> bool {
        self.wait_until(deadline, |state| state.outgoing.is_empty())
    }

    /// What the device received, the newest 8 MiB.
    pub fn received(&self) -> Vec<u8> {
        self.shared.lock().received.clone()
    }

    /// Takes what was received since last taken.
    pub fn take_received(&self) -> Vec<u8> {
        std::mem::take(&mut self.shared.lock().received)
    }

    /// How many bytes it ever received.
    pub fn received_total(&self) -> u64 {
        self.shared.lock().received_total
    }

    /// Waits until what was received satisfies `enough`. False when it does not within `deadline`.
    pub fn wait_received(&self, deadline: Duration, enough: impl Fn(&[u8]) -> bool) -> bool {
        self.wait_until(deadline, |state| enough(&state.received))
    }

    /// While stalled, the device takes nothing.
    pub fn stall(&self, stalled: bool) {
        self.shared.lock().stalled = stalled;
        self.shared.wake.wake();
    }

    /// Answers the status requests of ESC/POS (DLE EOT 1 to 4), as a printer that is well.
    pub fn answer_status(&self, answers: bool) {
        self.shared.lock().answers_status = answers;
    }

    /// Lets time pass on this line.
    fn pause(&self, time: Duration) {
        let state = self.shared.lock();
        // Woken by nothing that matters here: only the time counts.
        let _ = self.shared.changed.wait_timeout_while(state, time, |_| true);
    }

    fn wait_until(&self, deadline: Duration, condition: impl Fn(&State) -> bool) -> bool {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, deadline, |state| !condition(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        condition(&state)
    }
}

impl Drop for VirtualDevice {
    fn drop(&mut self) {
        self.shared.wake.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // The thread holds it no more.
        self.unplug();
    }
}

fn work(shared: &Shared) {
    let mut last_bytes = [0u8; 2];
    while !shared.wake.stopped() {
        let state = shared.lock();
        let (port, reads, writes) = (state.port.clone(), !state.stalled, !state.outgoing.is_empty());
        drop(state);
        wait(shared, port.as_deref(), reads, writes);
        if let Some(port) = port.as_deref() {
            let mut port = port.lock().unwrap_or_else(PoisonError::into_inner);
            move_bytes(shared, &mut port, &mut last_bytes);
        }
        drop(port);
        // With the lock, so that nobody is between looking and waiting.
        let state = shared.lock();
        shared.changed.notify_all();
        drop(state);
    }
}

fn wait(shared: &Shared, port: Option<&Mutex<VirtualPort>>, reads: bool, writes: bool) {
    let port = port.map(|port| port.lock().unwrap_or_else(PoisonError::into_inner));
    let mut events = PollFlags::empty();
    events.set(PollFlags::IN, reads);
    events.set(PollFlags::OUT, writes);
    let mut fds = vec![PollFd::new(&shared.wake, PollFlags::IN)];
    fds.extend(port.as_deref().map(|port| PollFd::new(port, events)));
    let _ = poll_for(&mut fds, None);
    shared.wake.clear();
}

fn move_bytes(shared: &Shared, port: &mut VirtualPort, last_bytes: &mut [u8; 2]) {
    let mut state = shared.lock();
    let mut buffer = [0; 4_096];
    if !state.stalled
        && let Moved::Bytes(count) = port.read(&mut buffer)
    {
        state.received.extend_from_slice(&buffer[..count]);
        state.received_total += count as u64;
        let surplus = state.received.len().saturating_sub(RECEIVED_BYTES_MAX);
        state.received.drain(..surplus);
        if state.answers_status {
            let answers = status_answers(last_bytes, &buffer[..count]);
            state.outgoing.extend(answers);
        }
    }
    let (front, _) = state.outgoing.as_slices();
    if !front.is_empty()
        && let Moved::Bytes(count) = port.write(front)
    {
        state.outgoing.drain(..count);
    }
}

/// One byte for each DLE EOT n, n from 1 to 4, also over the border of two chunks.
fn status_answers(last_bytes: &mut [u8; 2], bytes: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    for byte in bytes {
        if *last_bytes == [0x10, 0x04] && (1..=4).contains(byte) {
            answers.push(if *byte == 1 { 0x16 } else { 0x12 });
        }
        *last_bytes = [last_bytes[1], *byte];
    }
    answers
}
