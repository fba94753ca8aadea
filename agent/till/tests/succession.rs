//! A till whose database was put back from an older copy goes on as another incarnation: what it journals again, what it
//! still knows, and what a crash leaves.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use std::path::PathBuf;

use counterfoil_protocol::day::DayTotals;
use counterfoil_protocol::entry::{DebtKind, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder};
use counterfoil_protocol::record::{Body, Head, Record};
use counterfoil_protocol::wire::sign::sign;
use counterfoil_protocol::wire::v1::succession::{SuccessionAnswer, SuccessionRequest};
use counterfoil_till::{Call, CommandError, Marker, SaleState, Settings, Standing, SuccessionError};
use kit::*;

const FILES: [&str; 4] = ["till.db", "till.db-wal", "directory.db", "directory.db-wal"];

/// An image of the till's disk.
struct Image(Vec<(PathBuf, Option<Vec<u8>>)>);

impl Image {
    fn take(shop: &mut Shop) -> Self {
        shop.close();
        let files = FILES.map(|name| (shop.path(name), std::fs::read(shop.path(name)).ok()));
        shop.reopen();
        Self(files.into())
    }

    fn put_back(&self, shop: &mut Shop) {
        shop.close();
        for (path, bytes) in &self.0 {
            match bytes {
                Some(bytes) => std::fs::write(path, bytes).unwrap(),
                None => drop(std::fs::remove_file(path)),
            }
        }
    }
}

fn answer_to(shop: &Shop, request: &SuccessionRequest, settled: Head, number: u32) -> SuccessionAnswer {
    let store = shop.till().enrolment().store.clone();
    let mut answer = SuccessionAnswer {
        terminal: "t1".into(),
        lane: "1".into(),
        store,
        before: request.before,
        settled,
        incarnation: request.public_key.incarnation(),
        number,
        epoch: 1,
        hub_time_ms: MORNING,
        signature: None,
    };
    answer.signature = Some(sign(&shop.hub.root, &answer.signed_text()));
    answer
}

/// The till goes on as another incarnation; head office had the old one up to `settled`.
fn succeed(shop: &mut Shop, seed: u8, settled: Head) -> SuccessionAnswer {
    let request = shop.till_mut().succession_request([seed; 32], "0.2.0").unwrap();
    let answer = answer_to(shop, &request, settled, 2);
    shop.till_mut().succeed(&answer, now()).unwrap();
    answer
}

fn records(shop: &Shop) -> Vec<Record> {
    shop.till().records_after(0, 1_000).unwrap().into_iter().map(|(_, _, record)| record).collect()
}

fn points(shop: &Shop) -> (i64, i64, i64) {
    shop.purse(CARD, "points", now())
}

/// A shop whose first sale and a grant of 50 head office knows, with more behind; the till stands behind.
fn restored() -> (Shop, EventId) {
    let mut shop = Shop::open_for_business();
    shop.grant(member_of(CARD), "points", Lot::default(), 50);
    let first = shop.till_mut().record_sale(sale("1", 1000, Some(CARD)), keyed("k1", "a"), now()).unwrap();
    let known = shop.till().head().position;
    shop.till_mut().acknowledge(known, MORNING).unwrap();
    // The next commit takes the acknowledgement along.
    let page = shop.hub.page(vec![], known, MORNING);
    shop.till_mut().apply_page(&page).unwrap();
    let image = Image::take(&mut shop);
    let marker = *shop.witness.last.lock().unwrap();
    shop.till_mut().record_sale(sale("9", 700, Some(CARD)), Call::api(), now()).unwrap();
    image.put_back(&mut shop);
    // The whole disk is an older copy, its marker too: nothing here says so.
    shop.reopen_with_marker(Settings::default(), marker);
    assert!(shop.till().standing().is_sound());
    (shop, first.answer.sale_id)
}

/// A place beyond the branch that is not on it.
fn elsewhere(position: u64) -> Head {
    Head { position, ..Head::start(incarnation()) }
}

#[test]
fn a_sound_till_needs_no_next_life() {
    let mut shop = Shop::open_for_business();
    assert!(!shop.till().succession_due());
    let refused = shop.till_mut().succession_request([1; 32], "0.2.0");
    assert!(matches!(refused, Err(CommandError::InvalidRequest(_))), "{refused:?}");
}

#[test]
fn the_branch_is_written_again_and_nothing_is_held_by_it() {
    let (mut shop, first) = restored();
    // Sound by its (older) marker: it earns and spends until it hears of head office.
    let till = shop.till_mut();
    let branch_sale = till.record_sale(sale("2", 2000, Some(CARD)), keyed("k2", "b"), now()).unwrap();
    let spent = till.redeem(spend(CARD, 30), keyed("k3", "c"), now()).unwrap();
    let dropped = till.record_sale(sale("3", 500, Some(CARD)), Call::api(), now()).unwrap();
    let void = till.void(dropped.answer.sale_id, keyed("k4", "d"), now()).unwrap();
    let branch = till.head();
    let before = points(&shop);
    shop.till_mut().note_hub_head(branch.position + 3).unwrap();
    assert!(shop.till().succession_due());
    let settled = Head { position: branch.position + 3, chain: branch.chain };
    let report = {
        let request = shop.till_mut().succession_request([5; 32], "0.2.0").unwrap();
        let answer = answer_to(&shop, &request, settled, 2);
        shop.till_mut().succeed(&answer, now()).unwrap()
    };
    assert_eq!((report.kept, report.written_again), (1, 4));
    let till = shop.till();
    assert_eq!(till.standing(), &Standing::Sound);
    assert_eq!((till.head().position, till.acknowledged()), (5, 0));
    assert_eq!(
        shop.witness.last.lock().unwrap().unwrap(),
        Marker { incarnation: till.incarnation(), head: till.head() }
    );

    let written = records(&shop);
    let Body::Succession(begins) = &written[0].body else { panic!("{:?}", written[0].body) };
    assert_eq!((begins.before, begins.branch, begins.settled), (incarnation(), branch, settled));
    let own = Holder::Terminal(shop.till().incarnation());
    for (record, position) in written[1..].iter().zip(2..) {
        let origin = record.origin.as_ref().unwrap();
        assert_eq!((origin.incarnation, origin.position, origin.copied_from), (incarnation(), position, None));
        for entry in &record.entries {
            assert_eq!(entry.held_change(own, own), Ok(0), "{entry:?}");
        }
    }
    let redeemed = &written[2].entries[0];
    assert_eq!((redeemed.kind, redeemed.debt, redeemed.units), (EntryKind::Redeem, Some(DebtKind::Restored), 30));
    shop.assert_sound();

    // What the member has is the same; none of it can be spent here before head office grants again.
    let (balance, spendable, _) = points(&shop);
    assert_eq!((balance, spendable), (before.0, 0));

    // First answers for ever, by key, by receipt and by the id they gave.
    let till = shop.till_mut();
    let again = till.record_sale(sale("1", 1000, Some(CARD)), keyed("k1", "a"), now()).unwrap();
    assert_eq!((again.fresh, again.answer.sale_id), (false, first));
    let again = till.record_sale(sale("2", 2000, Some(CARD)), keyed("k2", "b"), now()).unwrap();
    assert_eq!((again.fresh, &again.answer), (false, &branch_sale.answer));
    let again = till.redeem(spend(CARD, 30), keyed("k3", "c"), now()).unwrap();
    assert_eq!((again.fresh, &again.answer), (false, &spent.answer));
    let again = till.void(dropped.answer.sale_id, keyed("k4", "d"), now()).unwrap();
    assert_eq!((again.fresh, &again.answer), (false, &void.answer));
    for (number, total) in [("1", 1000), ("2", 2000)] {
        let same = till.record_sale(sale(number, total, Some(CARD)), Call::api(), now()).unwrap();
        assert!(!same.fresh, "receipt {number} is the same receipt");
        let conflict = till.record_sale(sale(number, total + 1, None), Call::api(), now());
        assert!(matches!(conflict, Err(CommandError::ReceiptConflict { .. })), "{conflict:?}");
    }
    for id in [first, branch_sale.answer.sale_id, dropped.answer.sale_id] {
        assert!(shop.till().sale(id).unwrap().is_some(), "{id}");
    }
    assert_eq!(shop.till().sale(dropped.answer.sale_id).unwrap().unwrap().state, SaleState::Voided);
    shop.reopen();
    shop.assert_sound();
    assert_eq!(shop.till().standing(), &Standing::Sound);
}

#[test]
fn sales_of_an_earlier_life_are_voided_by_their_first_ids() {
    let (mut shop, first) = restored();
    let second = shop.till_mut().record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap().answer.sale_id;
    shop.till_mut().note_hub_head(40).unwrap();
    succeed(&mut shop, 5, elsewhere(40));
    let past = shop.till_mut().void(first, Call::api(), now()).unwrap();
    let copied = shop.till_mut().void(second, Call::api(), now()).unwrap();
    assert_eq!((past.answer.sale_id, copied.answer.sale_id.incarnation), (first, shop.till().incarnation()));
    let written = records(&shop);
    let Body::Void(of_past) = &written[2].body else { panic!() };
    let Body::Void(of_copy) = &written[3].body else { panic!() };
    assert_eq!((of_past.sale, of_past.sale_position), (Some(first), None));
    assert_eq!((of_copy.sale, of_copy.sale_position), (None, Some(2)));
    assert!(written[2].entries.iter().all(|entry| entry.debt == Some(DebtKind::Clawback)), "{:?}", written[2].entries);
    for id in [first, second] {
        assert_eq!(shop.till().sale(id).unwrap().unwrap().state, SaleState::Voided);
    }
    let again = shop.till_mut().void(first, Call::api(), now()).unwrap();
    assert_eq!((again.fresh, again.answer.void_id), (false, past.answer.void_id));
    shop.assert_sound();
}

#[test]
fn what_head_office_has_on_this_very_chain_is_not_written_again() {
    let (mut shop, _) = restored();
    shop.till_mut().record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap();
    let there = shop.till().head();
    shop.till_mut().record_sale(sale("3", 300, None), Call::api(), now()).unwrap();
    shop.till_mut().note_hub_head(there.position).unwrap();
    succeed(&mut shop, 5, there);
    assert_eq!(shop.till().past_lives().unwrap()[0].kept, 2);
    assert_eq!(records(&shop).len(), 2);
    shop.assert_sound();
}

#[test]
fn the_open_day_goes_on_over_both_journals_and_closes_with_the_same_totals() {
    let (mut shop, _) = restored();
    let till = shop.till_mut();
    till.record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap();
    till.note_hub_head(40).unwrap();
    succeed(&mut shop, 5, elsewhere(40));
    shop.till_mut().record_sale(sale("3", 300, None), Call::api(), now()).unwrap();
    let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    let own = shop.till().incarnation();
    let ranges: Vec<_> = close.ranges.iter().map(|range| (range.incarnation, range.from, range.to)).collect();
    assert_eq!(ranges, [(incarnation(), 1, 1), (own, 1, 4)]);
    assert_eq!((close.sales, close.gross, close.sequence, close.records), (3, 3300, 1, 4));
    shop.assert_sound();
    let next = shop.till_mut().record_sale(sale("4", 100, None), Call::api(), now()).unwrap();
    let record = records(&shop).pop().unwrap();
    assert_eq!((record.day_sequence, next.answer.business_date), (2, close.business_date));
    shop.assert_sound();
}

#[test]
fn a_day_closed_in_the_branch_is_closed_again_over_the_journals_it_stands_in() {
    let (mut shop, _) = restored();
    let till = shop.till_mut();
    till.record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap();
    let closed = till.close_day(None, keyed("z", "z"), now()).unwrap();
    till.record_sale(sale("3", 300, Some(CARD)), Call::api(), now()).unwrap();
    till.note_hub_head(40).unwrap();
    succeed(&mut shop, 5, elsewhere(40));
    let again = shop.till_mut().close_day(None, keyed("z", "z"), now()).unwrap();
    assert_eq!((again.fresh, &again.answer), (false, &closed.answer));
    let written = records(&shop);
    let Body::DayClose(close) = &written[2].body else { panic!("{:?}", written[2].body) };
    let mut totals = DayTotals::default();
    written[..2].iter().for_each(|record| totals.add(record));
    let old = closed.answer;
    assert_eq!((close.sales, close.gross, &close.purses), (old.sales, old.gross, &old.purses));
    assert_eq!(close.records, old.records + 1, "and the record that begins the life");
    assert_eq!(close.ranges.len(), 2);
    assert_eq!(written[3].day_sequence, 2);
    shop.assert_sound();
    let second = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((second.sequence, second.sales, second.ranges.len()), (2, 1, 1));
    shop.assert_sound();
}

#[test]
fn a_till_restored_twice_keeps_first_origins_and_finds_everything() {
    let (mut shop, first) = restored();
    let second = shop.till_mut().record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap().answer.sale_id;
    shop.till_mut().note_hub_head(40).unwrap();
    succeed(&mut shop, 5, elsewhere(40));
    let life2 = shop.till().incarnation();
    let third = shop.till_mut().record_sale(sale("3", 300, Some(CARD)), Call::api(), now()).unwrap().answer.sale_id;
    shop.till_mut().void(second, Call::api(), now()).unwrap();
    // Head office never heard of the second life's records, and the disk is put back again.
    shop.till_mut().note_hub_head(50).unwrap();
    succeed(&mut shop, 6, elsewhere(50));
    let written = records(&shop);
    let origins: Vec<_> = written[1..].iter().map(|record| record.origin.clone().unwrap()).collect();
    assert_eq!((origins[0].incarnation, origins[0].position), (life2, 1), "the record that began the second life");
    assert_eq!((origins[1].incarnation, origins[1].position), (incarnation(), 2));
    assert_eq!(origins[1].copied_from, Some(EventId { incarnation: life2, position: 2 }));
    assert_eq!((origins[2].incarnation, origins[2].position), (life2, 3));
    for (id, state) in [(first, SaleState::Recorded), (second, SaleState::Voided), (third, SaleState::Recorded)] {
        assert_eq!(shop.till().sale(id).unwrap().unwrap().state, state, "{id}");
    }
    let as_second_life = EventId { incarnation: life2, position: 2 };
    assert_eq!(shop.till().sale(as_second_life).unwrap().unwrap().answer.sale_id, second);
    shop.assert_sound();
    let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
    assert_eq!((close.sales, close.gross), (3, 1000 + 2000 + 300 - 2000));
    shop.assert_sound();
}

#[test]
fn the_same_key_is_asked_with_until_it_is_answered() {
    let (mut shop, _) = restored();
    shop.till_mut().note_hub_head(40).unwrap();
    let asked = shop.till_mut().succession_request([5; 32], "0.2.0").unwrap();
    assert_eq!(asked.verify(), Ok(()));
    shop.reopen();
    shop.till_mut().record_sale(sale("2", 2000, None), Call::api(), now()).unwrap();
    let again = shop.till_mut().succession_request([6; 32], "0.2.0").unwrap();
    assert_eq!(again.public_key, asked.public_key);
    assert_eq!(again.branch, shop.till().head());
}

#[test]
fn an_answer_that_is_not_head_offices_or_not_for_this_key_changes_nothing() {
    let (mut shop, _) = restored();
    shop.till_mut().note_hub_head(40).unwrap();
    let request = shop.till_mut().succession_request([5; 32], "0.2.0").unwrap();
    let good = answer_to(&shop, &request, Head::start(incarnation()), 2);
    let mut forged = good.clone();
    forged.number = 9;
    assert!(matches!(shop.till_mut().succeed(&forged, now()), Err(SuccessionError::Signature)));
    for edit in [
        (|answer: &mut SuccessionAnswer| answer.terminal = "t2".into()) as fn(&mut SuccessionAnswer),
        |answer| answer.before = counterfoil_protocol::id::IncarnationId([1; 16]),
        |answer| answer.incarnation = counterfoil_protocol::id::IncarnationId([1; 16]),
    ] {
        let mut other = good.clone();
        edit(&mut other);
        other.signature = Some(sign(&shop.hub.root, &other.signed_text()));
        assert!(matches!(shop.till_mut().succeed(&other, now()), Err(SuccessionError::NotForThisTill)));
    }
    assert_eq!(shop.till().incarnation(), incarnation());
    shop.till_mut().succeed(&good, now()).unwrap();
    let head = shop.till().head();
    shop.till_mut().succeed(&good, now()).unwrap();
    assert_eq!(shop.till().head(), head, "the same answer again");
    shop.assert_sound();
}

#[test]
fn a_crash_leaves_the_old_life_or_the_new_one() {
    let (mut shop, _) = restored();
    shop.till_mut().record_sale(sale("2", 2000, Some(CARD)), Call::api(), now()).unwrap();
    shop.till_mut().note_hub_head(40).unwrap();
    let request = shop.till_mut().succession_request([5; 32], "0.2.0").unwrap();
    let answer = answer_to(&shop, &request, elsewhere(40), 2);
    let (head, before) = (shop.till().head(), points(&shop));
    // The marker of the new life cannot be stored: nothing has happened.
    *shop.witness.fails.lock().unwrap() = true;
    let failed = shop.till_mut().succeed(&answer, now());
    assert!(matches!(failed, Err(SuccessionError::Till(CommandError::Marker(_)))), "{failed:?}");
    assert_eq!((shop.till().incarnation(), shop.till().head(), points(&shop)), (incarnation(), head, before));
    assert!(shop.till().succession_due());
    *shop.witness.fails.lock().unwrap() = false;
    shop.assert_sound();
    // The marker is stored and the commit is lost: the old life stands behind, and asks with the same key.
    let image = Image::take(&mut shop);
    shop.till_mut().succeed(&answer, now()).unwrap();
    image.put_back(&mut shop);
    shop.reopen();
    assert_eq!(shop.till().incarnation(), incarnation());
    assert!(shop.till().succession_due());
    assert_eq!(shop.till_mut().succession_request([8; 32], "0.2.0").unwrap().public_key, request.public_key);
    shop.till_mut().succeed(&answer, now()).unwrap();
    shop.reopen();
    assert_eq!(shop.till().standing(), &Standing::Sound);
    assert_eq!(shop.till().incarnation(), answer.incarnation);
    shop.assert_sound();
}

#[test]
fn a_reservation_does_not_outlive_the_life_that_made_it() {
    let (mut shop, _) = restored();
    let basket = counterfoil_till::Redeem { reserve: true, sale_ref: Some("b1".into()), ..spend(CARD, 20) };
    let reserved = shop.till_mut().redeem(basket, Call::api(), now()).unwrap().answer.redemption_id;
    shop.till_mut().note_hub_head(40).unwrap();
    succeed(&mut shop, 5, elsewhere(40));
    // The POS gave the discount all the same: it is owed, not lost.
    shop.till_mut().confirm_redemption(reserved, Call::api(), now()).unwrap();
    let confirmed = records(&shop).pop().unwrap();
    let owed: i64 = confirmed.entries.iter().filter(|entry| entry.debt.is_some()).map(|entry| entry.units).sum();
    assert_eq!(owed, 20, "{:?}", confirmed.entries);
    shop.assert_sound();
}

#[test]
fn a_retired_till_records_and_spends_nothing() {
    let (mut shop, _) = restored();
    shop.till_mut().note_retired("replaced").unwrap();
    shop.reopen();
    assert!(matches!(shop.till().standing(), Standing::Retired { .. }));
    assert!(!shop.till().succession_due());
    let refused = shop.till_mut().redeem(spend(CARD, 5), Call::api(), now());
    assert!(matches!(refused, Err(CommandError::Behind(Standing::Retired { .. }))), "{refused:?}");
    let sold = shop.till_mut().record_sale(sale("7", 700, Some(CARD)), Call::api(), now()).unwrap();
    assert!(sold.fresh);
    let last = records(&shop).pop().unwrap();
    assert!(last.entries.iter().all(|entry| entry.to == Some(Holder::Hub)), "{:?}", last.entries);
    shop.assert_sound();
}

#[test]
fn the_negative_control_spends_at_a_till_that_stands_behind() {
    let (mut shop, _) = restored();
    shop.till_mut().note_hub_head(40).unwrap();
    let refused = shop.till_mut().redeem(spend(CARD, 5), Call::api(), now());
    assert!(matches!(refused, Err(CommandError::Behind(_))), "{refused:?}");
    let faults = counterfoil_till::Faults { spend_while_behind: true, ..counterfoil_till::Faults::default() };
    shop.reopen_with(Settings { faults, ..Settings::default() });
    shop.till_mut().redeem(spend(CARD, 5), Call::api(), now()).unwrap();
    // What head office settled is spent a second time: its journal says so.
    let spent = records(&shop).pop().unwrap();
    assert_eq!(spent.entries[0].debt, None);
}
