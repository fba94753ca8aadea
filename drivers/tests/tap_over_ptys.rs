//! The tap over real pseudo-terminals: law 6 and what happens when something is unplugged, stalled or full.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use counterfoil_drivers::port::{PortSpec, Wake};
use counterfoil_drivers::spool::{SpoolError, SpoolItem, SpoolLimits, SpoolNews, SpoolReader};
use counterfoil_drivers::tap::{Side, TapError, TapEvent, TapStatus};
use counterfoil_drivers::virtual_hw::{VirtualPos, VirtualPrinter};
use proptest::prelude::*;
use support::*;

#[test]
fn every_byte_passes_both_ways_and_is_copied() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    let sent = every_byte(150_000);
    bench.pos.send(&sent);
    bench.expect_printed(&sent);
    let status: Vec<u8> = (0..=255).collect();
    bench.printer.send(&status);
    assert!(bench.pos.wait_received(DEADLINE, |received| received.len() >= 256));
    same(&bench.pos.received(), &status);
    let items = bench.spooled(sent.len() as u64);
    same(&bytes_of(&items), &sent);
    assert_eq!(gaps_of(&items), []);
    tap.stop().unwrap();
    // Closed as it should be: nothing was lost before what follows.
    let tap = RunningTap::start(bench.settings());
    bench.pos.send(b"more\n");
    assert_eq!(gaps_of(&bench.spooled(sent.len() as u64 + 5)), []);
    tap.stop().unwrap();
}

#[test]
fn a_stalled_printer_stalls_the_pos_and_nothing_else() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    bench.printer.stall(true);
    let sent = every_byte(400_000);
    bench.pos.send(&sent);
    tap.wait_event("stall", |event| matches!(event, TapEvent::Stalled { .. }));
    assert!(!bench.pos.flush(Duration::from_millis(200)), "the POS must wait");
    bench.printer.send(b"\x13");
    assert!(bench.pos.wait_received(DEADLINE, |received| received == b"\x13"), "status bytes pass");
    assert!(bench.printer.received_total() == 0);
    bench.printer.stall(false);
    tap.wait_event("flow", |event| matches!(event, TapEvent::Flowing { .. }));
    bench.expect_printed(&sent);
    tap.stop().unwrap();
}

#[test]
fn stopping_does_not_wait_for_a_stalled_printer_and_says_what_is_left() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    bench.printer.stall(true);
    bench.pos.send(&every_byte(400_000));
    tap.wait_event("stall", |event| matches!(event, TapEvent::Stalled { .. }));
    let begun = Instant::now();
    tap.stop().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let stored = TapStatus::read(&bench.spool()).unwrap();
    let items = read_spool(&bench.spool(), 0, stored.forwarded_bytes + 1);
    let gaps = gaps_of(&items);
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].2.contains("before the printer had taken everything"), "{gaps:?}");
}

#[test]
fn a_printer_that_is_unplugged_and_back_gets_what_the_pos_sent_meanwhile() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    bench.pos.send(b"before\n");
    bench.expect_printed(b"before\n");
    bench.printer.unplug();
    tap.wait_event("loss", |event| matches!(event, TapEvent::Lost(Side::Printer, ..)));
    let sent = every_byte(300_000);
    bench.pos.send(&sent);
    assert!(!bench.pos.flush(Duration::from_millis(200)), "the POS must wait");
    bench.printer.replug().unwrap();
    tap.wait_event("return", |event| matches!(event, TapEvent::Opened(Side::Printer, _)));
    let all = [b"before\n", sent.as_slice()].concat();
    bench.expect_printed(&all);
    same(&bytes_of(&bench.spooled(all.len() as u64)), &all);
    tap.stop().unwrap();
}

#[test]
fn a_pos_that_is_unplugged_and_back_is_picked_up() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    bench.pos.send(b"one\n");
    bench.expect_printed(b"one\n");
    bench.pos.unplug();
    tap.wait_event("loss", |event| matches!(event, TapEvent::Lost(Side::Pos, ..)));
    // Nobody is there to hear it; it must not come later.
    bench.printer.send(b"\x11");
    bench.pos.replug().unwrap();
    tap.wait_event("return", |event| matches!(event, TapEvent::Opened(Side::Pos, _)));
    bench.pos.send(b"two\n");
    bench.expect_printed(b"one\ntwo\n");
    tap.stop().unwrap();
}

#[test]
fn ports_that_come_late_are_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let spool_dir = dir.path().join("spool");
    let settings = counterfoil_drivers::tap::TapSettings {
        device: "late".into(),
        fingerprint: String::new(),
        pos: device(&dir.path().join("pos")),
        printer: Some(device(&dir.path().join("printer"))),
        spool_dir,
        spool_limits: SpoolLimits::default(),
        card_rule: Default::default(),
    };
    let tap = RunningTap::start(settings);
    let event = tap.wait_event("waiting", |event| matches!(event, TapEvent::Waiting(..)));
    assert!(event.to_string().contains("not plugged in"), "{event}");
    let printer = VirtualPrinter::plug(&dir.path().join("printer")).unwrap();
    let pos = VirtualPos::plug(&dir.path().join("pos")).unwrap();
    pos.send(b"late\n");
    assert!(printer.wait_received(DEADLINE, |received| received == b"late\n"));
    tap.stop().unwrap();
}

#[test]
fn a_full_spool_never_stops_printing_and_the_gap_is_known() {
    let bench = Bench::new();
    let limits = SpoolLimits::of_total(8_192);
    let tap = RunningTap::start(counterfoil_drivers::tap::TapSettings { spool_limits: limits, ..bench.settings() });
    let sent = every_byte(100_000);
    bench.pos.send(&sent);
    bench.expect_printed(&sent);
    let event = tap.wait_event("gap", |event| matches!(event, TapEvent::Spool(SpoolNews::GapBegan(_))));
    assert!(event.to_string().contains("spool was full"), "{event}");
    // The agent comes back and has read what there was.
    let stored: u64 = total_on_disk(&bench.spool());
    assert!(stored <= 8_192 + 512, "{stored}");
    bench.pos.send(b"afterwards\n");
    let end = sent.len() as u64 + 11;
    let (mut reader, mut got) = (SpoolReader::open(&bench.spool(), 0), Vec::new());
    let (wake, deadline) = (Wake::new().unwrap(), Instant::now() + DEADLINE);
    while reader.position() < end {
        assert!(Instant::now() < deadline, "the spool stays at {} of {end}", reader.position());
        match reader.next_item().unwrap() {
            Some(item) => got.push(item),
            None => {
                reader.done(reader.position()).unwrap();
                // Whatever comes next finds room.
                bench.pos.send(b"\n");
                reader.wait(&wake, Duration::from_millis(50));
            }
        }
    }
    // The gap and what is kept are together what was sent. A last piece that was small enough may be kept.
    let gaps = gaps_of(&got);
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap.1 <= end), "{gaps:?}");
    let all = [&sent[..], b"afterwards\n", &[b'\n'; 1_000]].concat();
    for item in &got {
        if let SpoolItem::Bytes { offset, bytes, .. } = item {
            same(bytes, &all[*offset as usize..*offset as usize + bytes.len()]);
        }
    }
    tap.stop().unwrap();
}

fn total_on_disk(spool: &std::path::Path) -> u64 {
    let files = fs::read_dir(spool).unwrap().map(|entry| entry.unwrap());
    files.filter(|f| f.path().extension().is_some_and(|e| e == "seg")).map(|f| f.metadata().unwrap().len()).sum()
}

#[test]
fn a_full_disk_never_stops_printing_and_capture_comes_back_with_room() {
    let bench = Bench::new();
    let limits = SpoolLimits::of_total(64 * 1_024);
    let tap = RunningTap::start(counterfoil_drivers::tap::TapSettings { spool_limits: limits, ..bench.settings() });
    let first = [b'a'; 1_500];
    bench.pos.send(&first);
    bench.spooled(1_500);
    // The segment is full; the next one is a device on which nothing can be stored.
    let next = bench.spool().join(format!("{:020}.seg", 1_500));
    symlink("/dev/full", &next).unwrap();
    let sent = every_byte(50_000);
    bench.pos.send(&sent);
    bench.expect_printed(&[&first[..], &sent].concat());
    let event = tap.wait_event("gap", |event| matches!(event, TapEvent::Spool(SpoolNews::GapBegan(_))));
    assert!(event.to_string().contains("printed and not captured"), "{event}");
    fs::remove_file(&next).unwrap();
    bench.pos.send(b"kept\n");
    let items = bench.spooled(51_505);
    assert!(bytes_of(&items).ends_with(b"kept\n"));
    assert_eq!(gaps_of(&items).len(), 1);
    tap.stop().unwrap();
}

#[test]
fn a_spool_that_cannot_be_made_never_stops_printing_and_is_used_when_it_can() {
    let bench = Bench::new();
    fs::write(bench.spool(), b"a file in its place").unwrap();
    let tap = RunningTap::start(bench.settings());
    tap.wait_event("complaint", |event| matches!(event, TapEvent::Spool(SpoolNews::Unavailable(_))));
    bench.pos.send(b"printed\n");
    bench.expect_printed(b"printed\n");
    fs::remove_file(bench.spool()).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while !bench.spool().join("status.json").exists() {
        assert!(Instant::now() < deadline, "the spool is never used");
        bench.printer.flush(Duration::ZERO);
        std::thread::yield_now();
    }
    bench.pos.send(b"kept\n");
    let items = bench.spooled(13);
    // What was still queued when there was a spool again is kept, too.
    let (kept, lost) = (bytes_of(&items), gaps_of(&items));
    assert!(kept.ends_with(b"kept\n"));
    assert_eq!(kept.len() as u64 + lost.iter().map(|gap| gap.1 - gap.0).sum::<u64>(), 13);
    tap.stop().unwrap();
}

#[test]
fn two_taps_cannot_share_a_spool() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    tap.wait_event("opening", |event| matches!(event, TapEvent::Opened(Side::Printer, _)));
    let second = RunningTap::start(bench.settings());
    let deadline = Instant::now() + DEADLINE;
    while !second.is_finished() {
        assert!(Instant::now() < deadline, "the second tap runs");
        std::thread::yield_now();
    }
    let refusal = second.stop().unwrap_err();
    let pid = std::process::id();
    assert!(matches!(&refusal, TapError::Spool(SpoolError::Locked { pid: Some(p), .. }) if *p == pid), "{refusal}");
    tap.stop().unwrap();
}

#[test]
fn no_payment_card_reaches_the_disk_and_the_printer_gets_it_all() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    let receipt =
        b"CARD 4111 1111 1111 1111 EXP 12/28\nTRACK2 ;4111111111111111=28121010000012300001?\nTOTAL 2.50\n\x1dV0";
    assert!(bench.pos.send_paced(receipt, 3, Duration::from_millis(2), DEADLINE));
    bench.expect_printed(receipt);
    // The last byte looks like a digit and is not waited for.
    let copy = bytes_of(&bench.spooled(receipt.len() as u64));
    let text = String::from_utf8_lossy(&copy).into_owned();
    assert!(text.contains("**** **** **** **** EXP 12/28\n") && text.contains("TOTAL 2.50"), "{text}");
    tap.stop().unwrap();
    for entry in fs::read_dir(bench.spool()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for forbidden in ["4111111111111111", "4111 1111", "28121010000012300001"] {
            assert!(!text.contains(forbidden), "{forbidden} is on the disk");
        }
    }
}

#[test]
fn without_a_printer_it_listens() {
    let bench = Bench::new();
    let tap = RunningTap::start(counterfoil_drivers::tap::TapSettings { printer: None, ..bench.settings() });
    bench.pos.send(b"heard\n");
    assert_eq!(bytes_of(&bench.spooled(6)), b"heard\n");
    tap.stop().unwrap();
}

#[test]
fn a_network_printer_is_tapped_alike() {
    let dir = tempfile::tempdir().unwrap();
    let printer = TcpListener::bind("127.0.0.1:0").unwrap();
    let pos_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tcp = |port: u16| PortSpec::new(format!("tcp:127.0.0.1:{port}").parse().unwrap());
    let settings = counterfoil_drivers::tap::TapSettings {
        device: "net".into(),
        fingerprint: String::new(),
        pos: tcp(pos_port),
        printer: Some(tcp(printer.local_addr().unwrap().port())),
        spool_dir: dir.path().join("spool"),
        spool_limits: SpoolLimits::default(),
        card_rule: Default::default(),
    };
    let tap = RunningTap::start(settings);
    let (mut received, _) = printer.accept().unwrap();
    received.set_read_timeout(Some(DEADLINE)).unwrap();
    let sent = every_byte(200_000);
    let mut total = Vec::new();
    for job in sent.chunks(70_000) {
        let mut pos = connect(pos_port);
        pos.write_all(job).unwrap();
        drop(pos);
        let mut buffer = vec![0; job.len()];
        received.read_exact(&mut buffer).unwrap();
        total.extend(buffer);
    }
    same(&total, &sent);
    same(&bytes_of(&read_spool(&dir.path().join("spool"), 0, sent.len() as u64)), &sent);
    tap.stop().unwrap();
}

fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

/// One byte of what the POS sends is lost on the way to the tap: the comparison of law 6 must notice.
#[test]
fn negative_control_a_lossy_line_is_noticed() {
    let bench = Bench::new();
    let tap = RunningTap::start(bench.settings());
    let sent = every_byte(5_000);
    let lossy: Vec<u8> = sent.iter().enumerate().filter(|(index, _)| *index != 2_500).map(|(_, byte)| *byte).collect();
    bench.pos.send(&lossy);
    assert!(bench.printer.wait_received(DEADLINE, |received| received.len() == lossy.len()));
    let received = bench.printer.received();
    let noticed = std::panic::catch_unwind(|| same(&received, &sent));
    assert!(noticed.is_err());
    tap.stop().unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    /// So many bytes.
    Send(usize),
    Stall(bool),
    ReplugPrinter,
    Status(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1usize..9_000).prop_map(Step::Send),
        1 => any::<bool>().prop_map(Step::Stall),
        1 => Just(Step::ReplugPrinter),
        1 => any::<u8>().prop_map(Step::Status),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Law 6: whatever is stalled, unplugged or full, the printer gets what the POS sent, in order. A printer is
    /// only unplugged when it has taken everything: what the kernel holds for it then is lost without us, too.
    #[test]
    fn law_6_bytes_forwarded_equal_bytes_sent(steps in proptest::collection::vec(step(), 1..14), tiny_spool in any::<bool>()) {
        let bench = Bench::new();
        let limits = if tiny_spool { SpoolLimits::of_total(4_096) } else { SpoolLimits::default() };
        let tap = RunningTap::start(counterfoil_drivers::tap::TapSettings { spool_limits: limits, ..bench.settings() });
        let (mut sent, mut statuses) = (Vec::new(), 0);
        tap.wait_event("opening", |event| matches!(event, TapEvent::Opened(Side::Pos, _)));
        for step in steps {
            match step {
                Step::Send(length) => {
                    let bytes = &every_byte(sent.len() + length)[sent.len()..];
                    bench.pos.send(bytes);
                    sent.extend_from_slice(bytes);
                }
                Step::Stall(stalled) => bench.printer.stall(stalled),
                Step::ReplugPrinter => {
                    bench.printer.stall(false);
                    bench.expect_printed(&sent);
                    bench.printer.replug().unwrap();
                }
                Step::Status(byte) => {
                    statuses += 1;
                    bench.printer.send(&[byte]);
                }
            }
        }
        bench.printer.stall(false);
        bench.expect_printed(&sent);
        prop_assert!(bench.pos.received_total() <= statuses);
        tap.stop().unwrap();
    }
}
