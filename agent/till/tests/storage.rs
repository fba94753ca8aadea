//! A full disk, a damaged journal, another file: nothing half done, and words that say what to do.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use counterfoil_till::{Call, Marker, OpenError, Settings, Till};
use kit::*;
use rusqlite::Connection;

fn connections(shop: &Shop) -> (Connection, Connection) {
    let open = |name: &str| Connection::open(shop.path(name)).unwrap();
    (open("till.db"), open("directory.db"))
}

#[test]
fn a_full_disk_records_nothing_and_goes_on_when_there_is_space() {
    let mut shop = Shop::open_for_business();
    shop.till_mut().record_sale(sale("0", 100, None), Call::api(), now()).unwrap();
    let marker: Option<Marker> = *shop.witness.last.lock().unwrap();
    shop.close();
    let (value, directory) = connections(&shop);
    let pages: i64 = value.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    value.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 3)).unwrap();
    let mut till = Till::open(value, directory, Settings::default(), Box::new(shop.witness.clone()), marker).unwrap();
    let mut recorded = 1;
    let error = loop {
        match till.record_sale(sale(&recorded.to_string(), 100, Some(CARD)), Call::api(), now()) {
            Ok(reply) => {
                recorded += 1;
                assert_eq!(reply.position, recorded);
                assert!(recorded < 1_000, "the disk never fills");
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), "disk-full");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(till.head().position, recorded);
    assert_eq!(till.verify_journal().unwrap().problems, Vec::<String>::new());
    // What still fits on a page is taken, what does not is refused; both leave a whole journal.
    let spent = u64::from(till.redeem(spend(CARD, 1), Call::api(), now()).is_ok());
    let report = till.verify_journal().unwrap();
    assert_eq!((report.records, report.problems.len()), (recorded + spent, 0));
    drop(till);
    shop.reopen();
    let reply = shop.till_mut().record_sale(sale(&recorded.to_string(), 100, Some(CARD)), Call::api(), now()).unwrap();
    assert_eq!(reply.position, recorded + spent + 1);
    shop.assert_sound();
}

#[test]
fn what_is_changed_on_the_disk_is_found() {
    let mut shop = Shop::open_for_business();
    for number in 0..4 {
        shop.till_mut().record_sale(sale(&number.to_string(), 1_000, Some(CARD)), Call::api(), now()).unwrap();
    }
    let changes = [
        ("UPDATE journal SET record = zeroblob(20) WHERE position = 2", "the chain does not hold at record 2"),
        ("UPDATE holding SET units = units + 1", "what is held do"),
        ("UPDATE sale SET total = 1 WHERE position = 1", "the sales do not follow"),
        ("DELETE FROM journal WHERE position = 3", "record 3 is missing"),
    ];
    shop.close();
    let intact = std::fs::read(shop.path("till.db")).unwrap();
    for (sql, problem) in changes {
        shop.close();
        std::fs::write(shop.path("till.db"), &intact).unwrap();
        Connection::open(shop.path("till.db")).unwrap().execute_batch(sql).unwrap();
        shop.reopen();
        let problems = shop.till().verify_journal().unwrap().problems;
        assert!(problems.iter().any(|found| found.contains(problem)), "{sql}: {problems:?}");
    }
    // A broken chain is never sent.
    assert_eq!(shop.till().segment_after(0).unwrap_err().kind(), "damaged");
}

#[test]
fn a_till_is_made_once_and_opened_only_where_it_is() {
    let mut shop = Shop::open_for_business();
    shop.close();
    let (value, directory) = connections(&shop);
    let again = Till::create(value, directory, &enrolment(), Settings::default(), Box::new(shop.witness.clone()));
    assert!(matches!(again, Err(OpenError::AlreadyEnrolled { terminal }) if terminal == "t1"));
    let (value, directory) = connections(&shop);
    let swapped = Till::open(directory, value, Settings::default(), Box::new(shop.witness.clone()), None);
    assert!(matches!(swapped, Err(OpenError::WrongFile { .. })));
    let empty = || Connection::open_in_memory().unwrap();
    let none = Till::open(empty(), empty(), Settings::default(), Box::new(shop.witness.clone()), None);
    assert!(matches!(none, Err(OpenError::NotEnrolled)));
    let mut nowhere = enrolment();
    nowhere.store.time_zone = "Mars/Base".into();
    let refused = Till::create(empty(), empty(), &nowhere, Settings::default(), Box::new(shop.witness.clone()));
    assert!(matches!(refused, Err(OpenError::Calendar(_))));
}
