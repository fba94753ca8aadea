//! A scanner on a pseudo-terminal: scans arrive, unplugging is survived, payment cards leave nothing.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use counterfoil_drivers::port::{PortName, PortSpec, Wake};
use counterfoil_drivers::scanner::{self, Framing, ScannerEvent};
use counterfoil_drivers::virtual_hw::VirtualScanner;

const DEADLINE: Duration = Duration::from_secs(20);

fn next(events: &Receiver<ScannerEvent>) -> ScannerEvent {
    events.recv_timeout(DEADLINE).expect("an event in time")
}

#[track_caller]
fn expect_scan(events: &Receiver<ScannerEvent>, text: &str) {
    match next(events) {
        ScannerEvent::Scan(scan) => assert_eq!(scan.text, text),
        other => panic!("{other:?} instead of a scan of {text}"),
    }
}

#[test]
fn scans_arrive_through_unplugging_and_payment_cards_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("scanner");
    let device = VirtualScanner::plug(&link).unwrap();
    let stop = Wake::new().unwrap();
    let (sender, events) = channel();
    let (spec, wake) = (PortSpec::new(PortName::Device(link)), stop.clone());
    let reading = thread::spawn(move || {
        scanner::run(&spec, Framing::default(), &wake, |event| {
            let _ = sender.send(event);
        })
    });
    assert!(matches!(next(&events), ScannerEvent::Opened(_)));
    device.scan("9826000000017");
    expect_scan(&events, "9826000000017");
    device.scan("4111111111111111");
    assert!(matches!(next(&events), ScannerEvent::PaymentCardDropped));
    device.send(b"98260000");
    assert!(matches!(next(&events), ScannerEvent::Garbage { bytes: 8 }), "a scan that broke off is none");
    device.unplug();
    assert!(matches!(next(&events), ScannerEvent::Lost(..)));
    let waiting = next(&events);
    assert!(matches!(waiting, ScannerEvent::Waiting(_)), "{waiting:?}");
    device.replug().unwrap();
    assert!(matches!(next(&events), ScannerEvent::Opened(_)));
    device.scan("9826000000024");
    expect_scan(&events, "9826000000024");
    stop.stop();
    reading.join().unwrap().unwrap();
}
