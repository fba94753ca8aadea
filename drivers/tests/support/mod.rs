//! A tap between a virtual POS and a virtual printer, in this process.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use counterfoil_drivers::port::{PortName, PortSpec, Wake};
use counterfoil_drivers::spool::{SpoolItem, SpoolLimits, SpoolReader};
use counterfoil_drivers::tap::{self, TapError, TapEvent, TapListener, TapSettings};
use counterfoil_drivers::virtual_hw::{VirtualPos, VirtualPrinter};
use tempfile::TempDir;

/// Nothing here takes so long.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct RunningTap {
    stop: Wake,
    thread: Option<JoinHandle<Result<(), TapError>>>,
    pub events: Receiver<TapEvent>,
}

impl RunningTap {
    pub fn start(settings: TapSettings) -> Self {
        let stop = Wake::new().unwrap();
        let (sender, events) = channel();
        let sender = Mutex::new(sender);
        let listener: TapListener = Arc::new(move |event| {
            let _ = sender.lock().unwrap().send(event);
        });
        let wake = stop.clone();
        let thread = std::thread::spawn(move || tap::run(&settings, &wake, &listener));
        Self { stop, thread: Some(thread), events }
    }

    pub fn wait_event(&self, what: &str, wanted: impl Fn(&TapEvent) -> bool) -> TapEvent {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if wanted(&event) => return event,
                Ok(_) => {}
                Err(error) => panic!("no {what} within {DEADLINE:?}: {error}"),
            }
        }
    }

    pub fn stop(mut self) -> Result<(), TapError> {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for RunningTap {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// POS, tap and printer.
pub struct Bench {
    pub dir: TempDir,
    pub pos: VirtualPos,
    pub printer: VirtualPrinter,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pos = VirtualPos::plug(&dir.path().join("pos")).unwrap();
        let printer = VirtualPrinter::plug(&dir.path().join("printer")).unwrap();
        printer.answer_status(false);
        Self { dir, pos, printer }
    }

    pub fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub fn settings(&self) -> TapSettings {
        TapSettings {
            device: "receipts".into(),
            fingerprint: String::new(),
            pos: device(&self.dir.path().join("pos")),
            printer: Some(device(&self.dir.path().join("printer"))),
            spool_dir: self.spool(),
            spool_limits: SpoolLimits::default(),
            card_rule: Default::default(),
        }
    }

    /// Waits until the printer has received exactly `bytes`.
    #[track_caller]
    pub fn expect_printed(&self, bytes: &[u8]) {
        self.printer.wait_received(DEADLINE, |received| received.len() >= bytes.len());
        same(&self.printer.received(), bytes);
    }

    /// Waits until the spool holds `length` bytes and gaps, and returns what it holds.
    #[track_caller]
    pub fn spooled(&self, length: u64) -> Vec<SpoolItem> {
        read_spool(&self.spool(), 0, length)
    }
}

pub fn device(path: &Path) -> PortSpec {
    PortSpec::new(PortName::Device(path.to_path_buf()))
}

/// Compares long byte strings without printing them.
#[track_caller]
pub fn same(got: &[u8], want: &[u8]) {
    let differs = got.iter().zip(want).position(|(a, b)| a != b);
    assert!(
        got == want,
        "{} bytes instead of {}, first difference at {:?}",
        got.len(),
        want.len(),
        differs.unwrap_or(got.len().min(want.len()))
    );
}

/// Reads a spool from `at` until the offset `end` is reached.
#[track_caller]
pub fn read_spool(dir: &Path, at: u64, end: u64) -> Vec<SpoolItem> {
    let wake = Wake::new().unwrap();
    let mut reader = SpoolReader::open(dir, at);
    let mut items = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while reader.position() < end {
        match reader.next_item().unwrap() {
            Some(item) => items.push(item),
            None => {
                assert!(Instant::now() < deadline, "the spool stays at {} of {end}", reader.position());
                reader.wait(&wake, Duration::from_millis(100));
            }
        }
    }
    items
}

pub fn bytes_of(items: &[SpoolItem]) -> Vec<u8> {
    let bytes = |item: &SpoolItem| match item {
        SpoolItem::Bytes { bytes, .. } => bytes.clone(),
        SpoolItem::Gap { .. } => Vec::new(),
    };
    items.iter().flat_map(bytes).collect()
}

pub fn gaps_of(items: &[SpoolItem]) -> Vec<(u64, u64, String)> {
    let gap = |item: &SpoolItem| match item {
        SpoolItem::Gap { from, to, reason, .. } => Some((*from, *to, reason.clone())),
        SpoolItem::Bytes { .. } => None,
    };
    items.iter().filter_map(gap).collect()
}

/// Bytes of every value, without long digit runs.
pub fn every_byte(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 % 256) as u8).collect()
}

impl RunningTap {
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}
