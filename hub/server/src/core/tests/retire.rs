//! Retiring a till: asked, it gives everything back first; by force, what it holds comes to head office at once.

use counterfoil_protocol::entry::{Entry, EntryKind};
use counterfoil_protocol::id::Holder;
use counterfoil_protocol::record::{Body, ReturnReason, RightsReturnedRecord};
use counterfoil_protocol::wire::v1::feed::Change;
use counterfoil_protocol::wire::v1::grant::{RefusalKind, Subject, Want};

use super::super::HubError;
use super::support::*;

fn all() -> Want {
    Want::Level { purse: "points".into(), target: 500 }
}

#[test]
fn a_till_that_is_asked_gives_everything_back_and_is_retired_with_that_record() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 500, "welcome", None, NOON_MS).unwrap();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.ask_grants(&mut hub, Subject::Member(ann), all(), 0, 0).unwrap();
    till.redeem(ann, 100);
    assert!(matches!(hub.retire("north-1", false, " ", NOON_MS), Err(HubError::Invalid { .. })));
    assert!(matches!(hub.retire("north-9", false, "x", NOON_MS), Err(HubError::NotFound { .. })));
    assert_eq!(hub.retire("north-1", false, "replaced", NOON_MS).unwrap().state, "retiring");
    let page = till.pull(&mut hub);
    let order = page.changes.iter().find_map(|change| match change {
        Change::Retire(order) => Some(order.clone()),
        _ => None,
    });
    let order = order.unwrap();
    assert_eq!((order.incarnation, order.reason.as_str()), (till.incarnation(), "replaced"));
    // It goes on until it has told its last record; that one does not return everything: the rest is settled.
    let back = Entry { kind: EntryKind::ReturnRights, to: Some(Holder::Hub), ..accrual(ann, 350, Holder::Hub) };
    till.record(Body::RightsReturned(RightsReturnedRecord { reason: ReturnReason::Retired }), vec![back]);
    till.push(&mut hub);
    assert_eq!(hub.terminals().unwrap()[0].state, "retired");
    assert_eq!(held(&hub, ann, Holder::Hub), 400);
    assert_eq!(refused(till.ask_grants(&mut hub, Subject::Member(ann), all(), 0, 500)), RefusalKind::Retired);
    assert_sound(&hub);
}

#[test]
fn by_force_a_till_is_settled_and_what_it_still_tells_posts_as_it_is() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 500, "welcome", None, NOON_MS).unwrap();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.ask_grants(&mut hub, Subject::Member(ann), all(), 0, 0).unwrap();
    till.redeem(ann, 100);
    assert_eq!(hub.retire("north-1", true, "stolen", NOON_MS).unwrap().state, "retired");
    assert_eq!(held(&hub, ann, Holder::Hub), 500);
    // Head office spends what it was given back, then the till's journal comes after all.
    hub.adjust(ann, "points", -450, "used at the desk", None, NOON_MS).unwrap();
    till.sale(1, Some(ann), 20, till.holder());
    till.push(&mut hub);
    assert_eq!(held(&hub, ann, till.holder()), 0);
    let (balance, debt) = points(&hub, ann);
    assert_eq!((balance, debt), (0, 30), "100 spent without cover, 70 paid of it");
    assert!(exception_kinds(&hub).contains(&"rights-exceeded".to_owned()));
    assert_sound(&hub);
}

#[test]
fn the_next_life_of_a_till_that_is_asked_to_retire_is_asked_as_well() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 0, Holder::Hub);
    till.push(&mut hub);
    hub.retire("north-1", false, "replaced", NOON_MS).unwrap();
    let answer = till.ask_next(&mut hub, 51).unwrap();
    let mut next = till.next_life(&answer, 51, 1);
    next.push(&mut hub);
    let page = next.pull(&mut hub);
    assert!(
        page.changes
            .iter()
            .any(|change| matches!(change, Change::Retire(order) if order.incarnation == next.incarnation()))
    );
}
