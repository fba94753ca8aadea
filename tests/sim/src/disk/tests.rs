//! The disk has teeth: SQLite with `synchronous=FULL` loses nothing on it, and everything weaker does.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::*;
use crate::rng::Rng;

#[derive(Debug, Default)]
struct Outcome {
    cuts: u64,
    cuts_that_lost: u64,
    corrupt: u64,
    acknowledged: u64,
    syncs_per_commit: f64,
}

fn open(disk: &Disk, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = disk.open("shop.db")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 8)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS fact (id INTEGER PRIMARY KEY, body BLOB) STRICT")?;
    Ok(connection)
}

/// Commits rows until power fails, puts it back, and compares with what was acknowledged.
fn cut_again_and_again(synchronous: &str, lying: bool, seeds: std::ops::Range<u64>) -> Outcome {
    let mut outcome = Outcome::default();
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let disk = Disk::new(rng.bits());
        disk.set_lying(lying);
        let mut acknowledged: BTreeSet<i64> = BTreeSet::new();
        let mut next = 1i64;
        for _ in 0..4 {
            disk.arm(Fault::Stop { after: 1 + rng.below(80) });
            let connection = open(&disk, synchronous);
            if let Ok(connection) = &connection {
                while !disk.is_stopped() {
                    let body = vec![7u8; rng.index(3000)];
                    let done = connection.execute("INSERT INTO fact VALUES (?1, ?2)", (next, body));
                    if done.is_ok() {
                        acknowledged.insert(next);
                    }
                    next += 1;
                }
            }
            drop(connection);
            disk.power_on();
            outcome.cuts += 1;
            let facts = open(&disk, synchronous).and_then(|connection| {
                let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
                let mut rows = connection.prepare("SELECT id FROM fact")?;
                let facts: rusqlite::Result<BTreeSet<i64>> = rows.query_map([], |row| row.get(0))?.collect();
                Ok((verdict == "ok").then_some(facts?))
            });
            let Ok(Some(facts)) = facts else {
                outcome.corrupt += 1;
                break;
            };
            outcome.cuts_that_lost += u64::from(!acknowledged.is_subset(&facts));
            acknowledged = acknowledged.intersection(&facts).copied().collect();
        }
        outcome.acknowledged += acknowledged.len() as u64;
        outcome.syncs_per_commit += disk.counters().syncs as f64;
    }
    outcome.syncs_per_commit /= outcome.acknowledged.max(1) as f64;
    println!("{synchronous:>6} lying={lying}: {outcome:?}");
    outcome
}

#[test]
fn full_loses_nothing_and_everything_weaker_does() {
    let full = cut_again_and_again("FULL", false, 0..2_500);
    assert_eq!((full.cuts, full.cuts_that_lost, full.corrupt), (10_000, 0, 0));
    assert!(full.acknowledged > 20_000, "the cuts leave time for work");
    let normal = cut_again_and_again("NORMAL", false, 0..250);
    assert!(normal.cuts_that_lost > 100 && normal.corrupt == 0, "NORMAL loses commits and stays sound");
    let off = cut_again_and_again("OFF", false, 0..250);
    assert!(off.cuts_that_lost > 100 && off.corrupt > 50, "OFF breaks the database");
    let lying = cut_again_and_again("FULL", true, 0..250);
    assert!(lying.cuts_that_lost > 100 && lying.corrupt > 10, "a disk that lies cannot be trusted");
}

#[test]
fn a_seed_gives_the_same_disk_again() {
    let run = || {
        let disk = Disk::new(99);
        disk.arm(Fault::Stop { after: 40 });
        let connection = open(&disk, "NORMAL").unwrap();
        let mut count = 0;
        while connection.execute("INSERT INTO fact (body) VALUES (zeroblob(700))", []).is_ok() {
            count += 1;
        }
        drop(connection);
        disk.power_on();
        let there: i64 =
            open(&disk, "FULL").unwrap().query_row("SELECT count(*) FROM fact", [], |row| row.get(0)).unwrap();
        (count, there, disk.counters())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_kill_keeps_what_was_written_and_a_cut_may_not() {
    let disk = Disk::new(5);
    let connection = open(&disk, "OFF").unwrap();
    connection.execute("INSERT INTO fact VALUES (1, NULL)", []).unwrap();
    disk.stop();
    drop(connection);
    disk.resume();
    let count = |connection: &Connection| -> i64 {
        connection.query_row("SELECT count(*) FROM fact", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&open(&disk, "OFF").unwrap()), 1);
}

#[test]
fn errors_and_a_full_disk_fail_the_commit_and_leave_the_rest() {
    let disk = Disk::new(5);
    let connection = open(&disk, "FULL").unwrap();
    let insert = |id: i64| connection.execute("INSERT INTO fact VALUES (?1, zeroblob(9000))", [id]);
    insert(1).unwrap();
    disk.arm(Fault::Full { after: 1, count: 1 });
    let full = insert(2).unwrap_err();
    assert_eq!(full.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    disk.arm(Fault::Errors { after: 2, count: 1 });
    assert_eq!(insert(3).unwrap_err().sqlite_error_code(), Some(rusqlite::ErrorCode::SystemIoFailure));
    insert(4).unwrap();
    drop(connection);
    let ids: Vec<i64> = open(&disk, "FULL")
        .unwrap()
        .prepare("SELECT id FROM fact")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(ids, [1, 4]);
}

#[test]
fn every_operation_may_fail_and_nothing_acknowledged_is_lost() {
    for after in 1..250 {
        let disk = Disk::new(after);
        disk.arm(Fault::Errors { after, count: 1 + after % 3 });
        let mut acknowledged = BTreeSet::new();
        for attempt in 0..6 {
            let Ok(connection) = open(&disk, "FULL") else { continue };
            for step in 0..6 {
                let id = attempt * 10 + step;
                if connection.execute("INSERT INTO fact VALUES (?1, zeroblob(1500))", [id]).is_ok() {
                    acknowledged.insert(id);
                }
            }
        }
        disk.disarm();
        disk.stop();
        disk.power_on();
        let connection = open(&disk, "FULL").unwrap();
        let mut rows = connection.prepare("SELECT id FROM fact").unwrap();
        let facts: BTreeSet<i64> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(acknowledged.is_subset(&facts), "after {after}: {acknowledged:?} against {facts:?}");
        assert!(acknowledged.len() > 12, "after {after}: {acknowledged:?}");
    }
}

#[test]
fn a_small_file_is_replaced_whole_or_not_at_all() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..400 {
        let disk = Disk::new(seed);
        disk.replace_file("marker", b"old").unwrap();
        disk.arm(Fault::Stop { after: 1 + seed % 7 });
        let done = disk.replace_file("marker", b"new");
        disk.stop();
        disk.power_on();
        let there = disk.read_file("marker").expect("the name never goes");
        match there.as_slice() {
            b"old" => old += 1,
            b"new" => new += 1,
            other => panic!("torn: {other:?}"),
        }
        assert!(done.is_err() || there == b"new", "what was said to be durable is");
    }
    assert!(old > 50 && new > 50, "{old} {new}");
}

#[test]
fn an_unsynced_name_may_vanish() {
    let gone = (0..100)
        .filter(|seed| {
            let disk = Disk::new(*seed);
            disk.write_file_unsynced("note", b"x").unwrap();
            disk.stop();
            disk.power_on();
            disk.read_file("note").is_none()
        })
        .count();
    assert!((20..80).contains(&gone), "{gone}");
}

#[test]
fn an_image_comes_back_as_it_was() {
    let disk = Disk::new(5);
    let connection = open(&disk, "FULL").unwrap();
    connection.execute("INSERT INTO fact VALUES (1, NULL)", []).unwrap();
    let image = disk.image();
    connection.execute("INSERT INTO fact VALUES (2, NULL)", []).unwrap();
    disk.stop();
    drop(connection);
    disk.restore(&image);
    let newest: i64 = open(&disk, "FULL").unwrap().query_row("SELECT max(id) FROM fact", [], |row| row.get(0)).unwrap();
    assert_eq!(newest, 1);
}
