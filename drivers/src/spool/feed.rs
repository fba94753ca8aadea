//! Between forwarding and the disk: a bounded queue and the thread that writes it to the spool.
//!
//! [`SpoolFeed::offer`] never waits for the disk. When the disk is slower than the line for so long that the
//! queue is full, bytes are dropped here and become a gap like any other. The thread masks payment card
//! numbers, writes at once, and syncs when the line is quiet and at least every [`SYNC_INTERVAL`].
//! A spool that cannot even be opened is tried again every second; until then everything counts as dropped.
//! A killed process loses what is queued (usually nothing) and the few bytes the scrubber holds back.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::scrub::StreamScrubber;
use super::{Kept, SYNC_INTERVAL, SpoolError, SpoolLimits, SpoolWriter};

/// Most bytes that wait for the disk.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// A line without bytes for so long is quiet.
const QUIET: Duration = Duration::from_millis(100);
/// How long ending waits for a disk that does not answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a spool is, and how large it may become.
#[derive(Debug, Clone)]
pub struct SpoolPlace {
    /// Its directory.
    pub dir: PathBuf,
    /// Its bounds.
    pub limits: SpoolLimits,
}

/// What the log should hear.
#[derive(Debug)]
pub enum SpoolNews {
    /// Bytes are being dropped.
    GapBegan(String),
    /// They are kept again.
    GapEnded {
        /// First offset that was not kept.
        from: u64,
        /// First offset that is kept again.
        to: u64,
    },
    /// The spool cannot be opened; told once until it can.
    Unavailable(SpoolError),
    /// The disk refuses to make bytes durable; told once until it works again.
    SyncFailed(SpoolError),
}

/// Feeds a spool from a thread that must not wait.
#[derive(Debug)]
pub struct SpoolFeed {
    shared: Arc<Shared>,
    closed: Receiver<Result<u64, SpoolError>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Item>,
    queued_bytes: usize,
    /// Set when ending: how many bytes the tap had and nobody got.
    closing: Option<u64>,
}

#[derive(Debug)]
enum Item {
    Bytes { at_ms: i64, bytes: Vec<u8> },
    Lost(u64),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between statements: a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpoolFeed {
    /// Opens the spool and starts the writing thread. `news` is called in it, and `tick` after every sync,
    /// with the writer unless it cannot be opened.
    ///
    /// # Errors
    /// When another tap holds the spool, or no thread can be started. A disk that refuses is no error here:
    /// printing goes on.
    pub fn start(
        place: SpoolPlace,
        scrubber: StreamScrubber,
        clock: fn() -> i64,
        mut news: impl FnMut(SpoolNews) + Send + 'static,
        tick: impl FnMut(Option<&SpoolWriter>) + Send + 'static,
    ) -> Result<Self, SpoolError> {
        let writer = match SpoolWriter::open(&place.dir, place.limits, clock()) {
            Ok(writer) => Some(writer),
            Err(error @ SpoolError::Locked { .. }) => return Err(error),
            Err(error) => {
                news(SpoolNews::Unavailable(error));
                None
            }
        };
        let dir = place.dir.clone();
        let shared = Arc::new(Shared::default());
        let (sender, closed) = channel();
        let worker = Worker {
            shared: Arc::clone(&shared),
            place,
            writer,
            lost: 0,
            scrubber,
            clock,
            news,
            tick,
            unsynced_since: None,
            quiet: true,
            sync_failed: false,
        };
        thread::Builder::new()
            .name("spool".into())
            .spawn(move || worker.work(&sender))
            .map_err(SpoolError::io("start the thread of", &dir))?;
        Ok(Self { shared, closed })
    }

    /// Hands over bytes that passed at `at_ms`. Never waits for the disk.
    pub fn offer(&self, bytes: &[u8], at_ms: i64) {
        let mut state = self.shared.lock();
        if state.queued_bytes.saturating_add(bytes.len()) > QUEUE_BYTES_MAX {
            let count = bytes.len() as u64;
            match state.queue.back_mut() {
                Some(Item::Lost(lost)) => *lost = lost.saturating_add(count),
                _ => state.queue.push_back(Item::Lost(count)),
            }
        } else {
            state.queued_bytes += bytes.len();
            state.queue.push_back(Item::Bytes { at_ms, bytes: bytes.to_vec() });
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Ends: everything offered is written and synced. `unforwarded` bytes were read and forwarded to nobody;
    /// they become a gap.
    ///
    /// # Errors
    /// When the disk says no, or does not answer for a while: the next tap then records a gap.
    pub fn close(self, unforwarded: u64) -> Result<u64, SpoolError> {
        self.shared.lock().closing = Some(unforwarded);
        self.shared.changed.notify_one();
        self.closed.recv_timeout(CLOSE_TIMEOUT).unwrap_or_else(|_| {
            let source = io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer");
            Err(SpoolError::Io { what: "close", path: "the spool".into(), source })
        })
    }
}

struct Worker<News, Tick> {
    shared: Arc<Shared>,
    place: SpoolPlace,
    writer: Option<SpoolWriter>,
    /// Bytes that passed while there was no writer.
    lost: u64,
    scrubber: StreamScrubber,
    clock: fn() -> i64,
    news: News,
    tick: Tick,
    unsynced_since: Option<Instant>,
    quiet: bool,
    sync_failed: bool,
}

impl<News: FnMut(SpoolNews), Tick: FnMut(Option<&SpoolWriter>)> Worker<News, Tick> {
    fn work(mut self, closed: &Sender<Result<u64, SpoolError>>) {
        self.sync();
        loop {
            let (items, closing) = self.wait();
            let arrived = !items.is_empty();
            for item in items {
                self.take(item);
            }
            if let Some(unforwarded) = closing {
                let outcome = self.finish(unforwarded);
                let _ = closed.send(outcome);
                return;
            }
            if !arrived && !self.quiet {
                let shown = self.scrubber.pause();
                self.keep(&shown, (self.clock)());
                self.sync();
            }
            if !arrived && self.quiet {
                self.sync();
            }
            self.quiet = !arrived;
            if self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_INTERVAL) {
                self.sync();
            }
        }
    }

    /// What was offered meanwhile; nothing after a while without.
    fn wait(&self) -> (VecDeque<Item>, Option<u64>) {
        let state = self.shared.lock();
        let timeout = if self.quiet { SYNC_INTERVAL } else { QUIET };
        let idle = |state: &mut State| state.queue.is_empty() && state.closing.is_none();
        let (mut state, _) =
            self.shared.changed.wait_timeout_while(state, timeout, idle).unwrap_or_else(PoisonError::into_inner);
        state.queued_bytes = 0;
        (std::mem::take(&mut state.queue), state.closing)
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Bytes { at_ms, bytes } => {
                let decided = self.scrubber.push(&bytes);
                self.keep(&decided, at_ms);
            }
            Item::Lost(count) => {
                self.abandon();
                self.skip(count, "the disk was slower than the line");
            }
        }
    }

    fn abandon(&mut self) {
        let rest = self.scrubber.abandon();
        self.keep(&rest, (self.clock)());
    }

    fn keep(&mut self, bytes: &[u8], at_ms: i64) {
        if bytes.is_empty() {
            return;
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        match &mut self.writer {
            Some(writer) => {
                let kept = writer.append(bytes, at_ms);
                self.tell(kept);
            }
            None => self.lost = self.lost.saturating_add(bytes.len() as u64),
        }
    }

    fn skip(&mut self, count: u64, reason: &str) {
        match &mut self.writer {
            Some(writer) => {
                let kept = writer.skip(count, reason);
                self.tell(kept);
            }
            None => self.lost = self.lost.saturating_add(count),
        }
    }

    fn tell(&mut self, kept: Kept) {
        match kept {
            Kept::Stored | Kept::Dropped => {}
            Kept::GapBegan(reason) => (self.news)(SpoolNews::GapBegan(reason)),
            Kept::GapEnded { from, to } => (self.news)(SpoolNews::GapEnded { from, to }),
        }
    }

    fn reopen(&mut self) {
        let Ok(writer) = SpoolWriter::open(&self.place.dir, self.place.limits, (self.clock)()) else { return };
        self.writer = Some(writer);
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.skip(lost, "the spool could not be opened");
        }
    }

    fn sync(&mut self) {
        if self.writer.is_none() {
            self.reopen();
        }
        match self.writer.as_mut().map_or(Ok(()), |writer| writer.tick((self.clock)())) {
            Ok(()) => {
                self.unsynced_since = None;
                self.sync_failed = false;
            }
            Err(error) => {
                self.unsynced_since = Some(Instant::now());
                if !std::mem::replace(&mut self.sync_failed, true) {
                    (self.news)(SpoolNews::SyncFailed(error));
                }
            }
        }
        (self.tick)(self.writer.as_ref());
    }

    fn finish(mut self, unforwarded: u64) -> Result<u64, SpoolError> {
        self.abandon();
        if unforwarded > 0 {
            self.skip(unforwarded, "the tap ended before the printer had taken everything");
        }
        let now_ms = (self.clock)();
        self.writer.map_or(Ok(0), |writer| writer.close(now_ms))
    }
}
