//! Reconciliation: open, waiting, complete, balanced, mismatched, and the name of what differs.

use counterfoil_protocol::day::{PosTotals, Range};
use counterfoil_protocol::id::Holder;
use counterfoil_protocol::record::{Body, PosTotalsRecord};

use super::super::{DayKey, DayState, DayView, Hub, HubError};
use super::support::*;

fn only(hub: &Hub) -> DayView {
    let mut days = hub.reconciliation(Some(date()), Some("north")).unwrap();
    assert_eq!(days.len(), 1, "{days:?}");
    days.remove(0)
}

fn z(sales: u64, gross: i64, last: &str) -> PosTotals {
    PosTotals {
        sales: Some(sales),
        gross: Some(gross),
        first_receipt: Some("000001".into()),
        last_receipt: Some(last.into()),
        ..PosTotals::default()
    }
}

#[test]
fn a_day_goes_from_open_over_complete_to_balanced() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, Some(ann), 10, till.holder());
    till.sale(2, None, 5, till.holder());
    till.push(&mut hub);
    let open = only(&hub);
    assert_eq!((open.state, open.hub.unwrap().gross, open.till), (DayState::Open, 1500, None));
    till.close(1, |_| {});
    till.push(&mut hub);
    let complete = only(&hub);
    assert_eq!((complete.state, &complete.differences), (DayState::Complete, &Vec::new()));
    let counted = complete.hub.unwrap();
    assert_eq!((counted.records, counted.sales, counted.purses[0].accrued), (2, 2, 10));
    let totals = PosTotalsRecord { business_date: date(), sequence: 1, totals: z(2, 1500, "000002") };
    till.record(Body::PosTotals(totals), Vec::new());
    till.push(&mut hub);
    let days = hub.reconciliation(Some(date()), None).unwrap();
    assert_eq!(days.iter().map(|day| day.state).collect::<Vec<_>>(), [DayState::Balanced, DayState::Open]);
    let late = PosTotalsRecord { business_date: date(), sequence: 1, totals: z(2, 1400, "000002") };
    till.record(Body::PosTotals(late), Vec::new());
    till.push(&mut hub);
    let day = hub.reconciliation(Some(date()), None).unwrap().remove(0);
    assert_eq!(day.state, DayState::Mismatched, "later totals decide again");
    assert!(day.differences[0].contains("1400"), "{:?}", day.differences);
    assert_sound(&hub);
}

#[test]
fn a_dropped_receipt_is_named() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    for receipt in [1, 2, 4] {
        till.sale(receipt, None, 5, Holder::Hub);
    }
    till.close(1, |close| close.pos_totals = Some(z(5, 2500, "000005")));
    till.push(&mut hub);
    let day = only(&hub);
    assert_eq!(day.state, DayState::Mismatched);
    let text = day.differences.join("; ");
    for expected in ["receipt 000003 is missing", "receipt 000005 is missing", "the POS says 5, captured 3"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_till_that_lies_about_its_day_is_mismatched() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 5, Holder::Hub);
    till.sale(2, None, 5, Holder::Hub);
    till.close(2, |close| close.gross += 1);
    till.push(&mut hub);
    let text = only(&hub).differences.join("; ");
    assert!(text.contains("the close counts records 2 to 3, the day is 1 to 3"), "{text}");
    assert!(text.contains("gross"), "{text}");
}

#[test]
fn announced_records_that_have_not_come_are_waited_for() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    (1..=6).for_each(|n| _ = till.sale(n, None, 5, Holder::Hub));
    till.push_part(&mut hub, 0, 4).unwrap();
    let day = only(&hub);
    assert_eq!(day.state, DayState::Waiting);
    assert_eq!(day.missing, [Range { incarnation: till.incarnation(), from: 5, to: 6 }]);
    till.push(&mut hub);
    assert_eq!(only(&hub).state, DayState::Open);
}

#[test]
fn a_till_that_only_announces_waits_too() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 5, Holder::Hub);
    till.pull(&mut hub);
    let day = only(&hub);
    assert_eq!((day.state, day.missing.len(), day.sequence), (DayState::Waiting, 1, 1));
}

#[test]
fn a_close_with_the_last_sequence_there_is_stops_nothing() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.close(1, |close| close.sequence = u32::MAX);
    till.sale(1, None, 5, Holder::Hub);
    till.close(2, |_| {});
    till.push(&mut hub);
    till.sale(2, None, 5, Holder::Hub);
    till.pull(&mut hub);
    let days = hub.reconciliation(None, None).unwrap();
    let text = days.iter().flat_map(|day| day.differences.clone()).collect::<Vec<_>>().join("; ");
    assert!(text.contains("the close has sequence 1, the one before it 4294967295"), "{text}");
}

#[test]
fn a_till_that_waits_behind_the_last_sequence_is_shown() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.close(1, |close| close.sequence = u32::MAX);
    till.push(&mut hub);
    till.sale(1, None, 5, Holder::Hub);
    till.pull(&mut hub);
    assert_eq!(hub.reconciliation(None, None).unwrap().len(), 2);
}

#[test]
fn a_day_over_two_lives_comes_out_and_what_only_the_lost_disk_had_is_named() {
    use counterfoil_protocol::day::DayTotals;
    use counterfoil_protocol::record::{Head, Record};

    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 10, Holder::Hub);
    let mut image = till.image();
    till.sale(2, None, 20, Holder::Hub);
    till.sale(3, None, 30, Holder::Hub);
    // It announced five records; three came.
    let head = Head { position: 5, chain: till.head().chain };
    let body = till.segment(0, 3).to_bytes();
    let _: counterfoil_protocol::wire::v1::grant::PushAnswer =
        till.ask(&mut hub, "POST", counterfoil_protocol::wire::http::PUSH_PATH, &body, head).unwrap();
    image.sale(4, None, 40, Holder::Hub);
    let answer = image.ask_next(&mut hub, 51).unwrap();
    let mut next = image.next_life(&answer, 51, 1);
    let mut totals = DayTotals::default();
    till.records[..1].iter().chain(&next.records).for_each(|bytes| totals.add(&Record::from_bytes(bytes).unwrap()));
    next.close(1, |close| {
        close.ranges.insert(0, Range { incarnation: till.incarnation(), from: 1, to: 1 });
        (close.records, close.sales, close.gross) = (totals.records, totals.sales, totals.gross);
    });
    next.push(&mut hub);
    let days = hub.reconciliation(Some(date()), Some("north")).unwrap();
    let of = |id: String| days.iter().find(|day| day.incarnation == id).unwrap();
    let closed = of(next.incarnation().to_string());
    assert_eq!((closed.state, closed.differences.as_slice()), (DayState::Complete, [].as_slice()));
    assert_eq!(closed.till.as_ref().unwrap().gross, 5000);
    let lost = of(till.incarnation().to_string());
    assert_eq!(lost.state, DayState::Waiting);
    let range = |from, to| Range { incarnation: till.incarnation(), from, to };
    assert_eq!(lost.missing, [range(4, 5)]);
    assert_eq!(lost.hub.as_ref().unwrap().ranges, [range(2, 3)], "what the close counts is not counted again");
    // A person gives up the two that never came.
    let key = DayKey {
        incarnation: lost.incarnation.clone(),
        business_date: lost.business_date.clone(),
        sequence: lost.sequence,
    };
    assert!(matches!(hub.accept_day(&key, "no", None, NOON_MS), Err(HubError::Conflict { .. })));
    assert!(matches!(hub.write_off_day(&key, " ", None, NOON_MS), Err(HubError::Invalid { .. })));
    let written = hub.write_off_day(&key, "the disk is scrap", None, NOON_MS).unwrap().answer;
    assert_eq!((written.state, written.reason.as_deref()), (DayState::WrittenOff, Some("the disk is scrap")));
    // The disk turns up after all and tells the rest: there is something else to decide now.
    till.sale(5, None, 1, Holder::Hub);
    till.sale(6, None, 1, Holder::Hub);
    till.push(&mut hub);
    let now = |hub: &Hub| {
        let days = hub.reconciliation(Some(date()), None).unwrap();
        days.into_iter().find(|day| day.incarnation == key.incarnation).unwrap()
    };
    assert_eq!(now(&hub).state, DayState::Mismatched);
    hub.accept_day(&key, "added up by hand", None, NOON_MS).unwrap();
    assert_eq!(now(&hub).state, DayState::Accepted);
    assert_sound(&hub);
}
