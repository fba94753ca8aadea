//! Devices as the daemon runs them: real tap processes on pseudo-terminals, killed, taken up and replaced.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use counterfoil_agent::devices::{CaptureGap, DeviceConfig, DevicePlaces, DeviceSink, Devices, SinkError};
use counterfoil_agent::watch::DeviceState;
use counterfoil_drivers::Parsed;
use counterfoil_drivers::scanner::Scan;
use counterfoil_drivers::spool::{LockState, lock_state};
use counterfoil_drivers::tap::request_stop;
use counterfoil_drivers::virtual_hw::{VirtualPos, VirtualPrinter, VirtualScanner};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// What a journal would have, in memory.
#[derive(Default)]
struct Notes {
    state: Mutex<Noted>,
    changed: Condvar,
}

#[derive(Default)]
struct Noted {
    offset: u64,
    documents: Vec<String>,
    gaps: Vec<CaptureGap>,
    scans: Vec<String>,
    states: Vec<DeviceState>,
    /// How often recording still fails.
    failures: u32,
}

impl Notes {
    #[track_caller]
    fn wait(&self, what: &str, enough: impl Fn(&Noted) -> bool) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, DEADLINE, |state| !enough(state)).unwrap();
        assert!(enough(&state), "no {what}: {:?} {:?} {:?}", state.documents, state.gaps, state.states.last());
    }

    fn record(&self, from: u64, to: u64, note: impl FnOnce(&mut Noted)) -> Result<(), SinkError> {
        let mut state = self.state.lock().unwrap();
        if state.failures > 0 {
            state.failures -= 1;
            return Err(SinkError::Later("the disk is full".to_owned()));
        }
        assert!(from >= state.offset && to > state.offset, "{from}..{to} after {}", state.offset);
        state.offset = to;
        note(&mut state);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }
}

impl DeviceSink for Notes {
    fn capture_offset(&self, _: &str) -> Result<u64, SinkError> {
        Ok(self.state.lock().unwrap().offset)
    }

    fn document(&self, _: &str, parsed: Parsed, _: i64) -> Result<(), SinkError> {
        self.record(parsed.from, parsed.to, |state| state.documents.push(parsed.text.join("\n").trim().to_owned()))
    }

    fn gap(&self, _: &str, gap: CaptureGap) -> Result<(), SinkError> {
        self.record(gap.from, gap.to, |state| state.gaps.push(gap.clone()))
    }

    fn scan(&self, _: &str, scan: Scan) {
        self.state.lock().unwrap().scans.push(scan.text);
        self.changed.notify_all();
    }

    fn state(&self, state: DeviceState) {
        self.state.lock().unwrap().states.push(state);
        self.changed.notify_all();
    }
}

struct Lane {
    dir: TempDir,
    pos: VirtualPos,
    printer: VirtualPrinter,
    notes: Arc<Notes>,
    printed: Mutex<Vec<u8>>,
}

impl Lane {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pos = VirtualPos::plug(&dir.path().join("pos")).unwrap();
        let printer = VirtualPrinter::plug(&dir.path().join("printer")).unwrap();
        Self { dir, pos, printer, notes: Arc::default(), printed: Mutex::default() }
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("spool/receipts")
    }

    fn tap(&self, more: &str) -> DeviceConfig {
        let path = self.dir.path().display();
        let text = format!(
            "name = 'receipts'\nkind = 'receipt-tap'\nport = '{path}/pos'\nforward_to = '{path}/printer'\n\
             template = 'demo'\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn start(&self, devices: &[DeviceConfig]) -> Devices {
        let places = DevicePlaces {
            spools: self.dir.path().join("spool"),
            program: PathBuf::from(env!("CARGO_BIN_EXE_counterfoil")),
        };
        let sink: Arc<dyn DeviceSink> = Arc::clone(&self.notes) as Arc<dyn DeviceSink>;
        Devices::start(devices, &places, &sink).unwrap()
    }

    /// Prints a receipt and waits until it is on paper.
    #[track_caller]
    fn print(&self, text: &str) {
        let bytes = [b"\x1b@", text.as_bytes(), b"\n\x1dV\x00"].concat();
        self.pos.send(&bytes);
        let mut printed = self.printed.lock().unwrap();
        printed.extend(bytes);
        self.printer.wait_received(DEADLINE, |received| received.len() >= printed.len());
        assert_eq!(self.printer.received(), *printed, "what is on paper");
    }

    #[track_caller]
    fn tap_process(&self) -> u32 {
        let end = Instant::now() + DEADLINE;
        loop {
            match lock_state(&self.spool()) {
                Ok(LockState::Held { pid: Some(pid) }) => return pid,
                other => assert!(Instant::now() < end, "no tap runs: {other:?}"),
            }
            self.notes.wait_a_moment();
        }
    }
}

impl Notes {
    /// A look at the disk again in a while; nothing hangs on how long.
    fn wait_a_moment(&self) {
        let state = self.state.lock().unwrap();
        let _ = self.changed.wait_timeout(state, Duration::from_millis(20)).unwrap();
    }
}

impl Drop for Lane {
    /// Ends the tap that outlives everything else.
    fn drop(&mut self) {
        let end = Instant::now() + DEADLINE;
        while request_stop(&self.spool()).unwrap_or(false) && Instant::now() < end {
            self.notes.wait_a_moment();
        }
    }
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_tap_outlives_the_daemon_and_is_taken_up_again() {
    let lane = Lane::new();
    let devices = lane.start(&[lane.tap("")]);
    lane.print("ONE");
    lane.notes.wait("first receipt", |notes| notes.documents == ["ONE"]);
    lane.notes.wait("state", |notes| notes.states.last().is_some_and(|state| state.up));
    let tap = lane.tap_process();
    devices.stop();
    lane.print("TWO");
    let devices = lane.start(&[lane.tap("")]);
    lane.print("THREE");
    lane.notes.wait("all receipts", |notes| notes.documents == ["ONE", "TWO", "THREE"]);
    assert_eq!(lane.tap_process(), tap, "the same tap");
    assert_eq!(lane.notes.state.lock().unwrap().gaps, []);
    devices.stop();
}

#[test]
fn a_killed_tap_is_started_again_and_the_gap_is_told() {
    let lane = Lane::new();
    let devices = lane.start(&[lane.tap("")]);
    lane.print("ONE");
    lane.notes.wait("first receipt", |notes| notes.documents == ["ONE"]);
    let first = lane.tap_process();
    kill(first);
    lane.print("TWO");
    lane.notes.wait("receipt after the kill", |notes| notes.documents == ["ONE", "TWO"]);
    assert_ne!(lane.tap_process(), first);
    let gaps = lane.notes.state.lock().unwrap().gaps.clone();
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].reason.contains("killed"), "{gaps:?}");
    devices.stop();
}

#[test]
fn what_cannot_be_recorded_is_offered_again_and_nothing_twice() {
    let lane = Lane::new();
    lane.notes.state.lock().unwrap().failures = 2;
    let devices = lane.start(&[lane.tap("")]);
    lane.print("ONE");
    lane.print("TWO");
    lane.notes.wait("both receipts", |notes| notes.documents == ["ONE", "TWO"]);
    devices.stop();
}

#[test]
fn a_changed_line_gets_a_new_tap() {
    let lane = Lane::new();
    lane.start(&[lane.tap("")]).stop();
    let devices = lane.start(&[lane.tap("")]);
    let first = lane.tap_process();
    lane.print("ONE");
    devices.stop();
    let devices = lane.start(&[lane.tap("baud = 19200")]);
    let end = Instant::now() + DEADLINE;
    while lane.tap_process() == first {
        assert!(Instant::now() < end, "the old tap stays");
        lane.notes.wait_a_moment();
    }
    lane.print("TWO");
    lane.notes.wait("both receipts", |notes| notes.documents == ["ONE", "TWO"]);
    assert_eq!(lane.notes.state.lock().unwrap().gaps, [], "it was asked to end");
    devices.stop();
}

#[test]
fn an_unplugged_printer_is_shown_and_comes_back() {
    let lane = Lane::new();
    let devices = lane.start(&[lane.tap("")]);
    lane.notes.wait("being up", |notes| notes.states.last().is_some_and(|state| state.up));
    lane.printer.unplug();
    let printer_gone = |state: &DeviceState| {
        !state.up && state.detail.as_ref().is_some_and(|detail| detail.contains("printer is not connected"))
    };
    lane.notes.wait("being down", |notes| notes.states.last().is_some_and(printer_gone));
    lane.printer.replug().unwrap();
    lane.notes.wait("being up again", |notes| notes.states.last().is_some_and(|state| state.up));
    lane.print("ONE");
    devices.stop();
}

#[test]
fn a_scanner_is_listened_to() {
    let lane = Lane::new();
    let path = lane.dir.path().join("scanner");
    let scanner = VirtualScanner::plug(&path).unwrap();
    let text = format!("name = 'scanner'\nkind = 'scanner'\nport = '{}'", path.display());
    let devices = lane.start(&[toml::from_str(&text).unwrap()]);
    scanner.scan("9826000000017");
    scanner.scan("4111111111111111");
    scanner.scan("9826000000024");
    lane.notes.wait("scans", |notes| notes.scans == ["9826000000017", "9826000000024"]);
    devices.stop();
}

/// The log of a tap goes to whoever started it; when nobody reads it any more, printing goes on.
#[test]
fn a_tap_whose_log_nobody_reads_prints_on_and_ends_when_asked() {
    let lane = Lane::new();
    let path = |name: &str| lane.dir.path().join(name).display().to_string();
    let mut tap = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["tap", "--device", "receipts", "--port", &path("pos"), "--forward-to", &path("printer")])
        .args(["--spool", &lane.spool().display().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tap.stderr.take());
    lane.print("ONE");
    lane.printer.unplug();
    lane.printer.replug().unwrap();
    lane.print("TWO");
    assert!(request_stop(&lane.spool()).unwrap());
    assert!(tap.wait().unwrap().success());
    assert_eq!(lock_state(&lane.spool()).unwrap(), LockState::Free);
    assert!(no_payment_card_in(&lane.spool()));
}

fn no_payment_card_in(spool: &Path) -> bool {
    fs::read_dir(spool)
        .unwrap()
        .all(|file| !fs::read(file.unwrap().path()).unwrap().windows(16).any(|w| w == b"4111111111111111"))
}
