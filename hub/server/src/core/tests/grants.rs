//! Grants: never more than head office holds, never twice for one question.

use counterfoil_protocol::id::Holder;
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, HubEntry, MemberStatus};
use counterfoil_protocol::wire::v1::grant::{GrantRequest, Subject, Want};
use proptest::prelude::*;

use super::super::{HubError, MemberPatch};
use super::support::*;

fn level(target: i64) -> Want {
    Want::Level { purse: "points".into(), target }
}

#[test]
fn a_look_up_brings_the_member_and_rights_for_its_dearest_reward() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 450, "welcome", None, NOON_MS).unwrap();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    let hash = Identifier::parse(&card(1)).unwrap().hash(&PROGRAM_KEY);
    let answer = till.ask_grants(&mut hub, Subject::Identifier(hash), Want::LookUp, 0, 0).unwrap();
    assert_eq!(answer.identity.unwrap().member, Some(ann));
    let state = answer.state.unwrap();
    assert_eq!(state.display_name.as_deref(), Some("Member 1"));
    assert_eq!(state.purses[0].units, 450);
    assert_eq!(answer.grants.len(), 1);
    let grant = &answer.grants[0];
    assert_eq!(grant.entry.units, 200, "two is affordable, five is not");
    till.root.verify(&HubEntry::signed_text(grant.id, &grant.entry), &grant.signature).unwrap();
    assert_eq!(held(&hub, ann, till.holder()), 200);
    assert_eq!(held(&hub, ann, Holder::Hub), 250);
    let page = till.pull(&mut hub);
    assert!(page.changes.contains(&Change::Grant(grant.clone())), "the feed brings it too");
    assert!(page.changes.iter().any(|change| matches!(change, Change::State(state) if state.member == ann)));
    assert_sound(&hub);
}

#[test]
fn the_same_question_is_never_granted_twice() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 1000, "welcome", None, NOON_MS).unwrap();
    let till = FakeTill::enrolled(&mut hub, 1);
    for _ in 0..5 {
        let answer = till.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
        assert_eq!(answer.grants.iter().map(|grant| grant.entry.units).sum::<i64>(), 300);
    }
    assert_eq!(held(&hub, ann, till.holder()), 300);
    till.ask_grants(&mut hub, Subject::Member(ann), level(500), 300, 300).unwrap();
    assert_eq!(held(&hub, ann, till.holder()), 500);
    till.ask_grants(&mut hub, Subject::Member(ann), level(i64::MAX), 500, 500).unwrap();
    assert_eq!(held(&hub, ann, till.holder()), 1000);
    assert_sound(&hub);
}

#[test]
fn blocked_and_unknown_members_get_nothing() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 1000, "welcome", None, NOON_MS).unwrap();
    let patch = MemberPatch { status: Some(MemberStatus::Blocked), ..MemberPatch::default() };
    hub.update_member(ann, &patch, None, NOON_MS).unwrap();
    let till = FakeTill::enrolled(&mut hub, 1);
    let answer = till.ask_grants(&mut hub, Subject::Member(ann), level(100), 0, 0).unwrap();
    assert_eq!(answer.state.unwrap().status, MemberStatus::Blocked);
    assert!(answer.grants.is_empty());
    let nobody = Subject::Identifier(counterfoil_protocol::id::IdentifierHash([1; 16]));
    let answer = till.ask_grants(&mut hub, nobody, Want::LookUp, 0, 0).unwrap();
    assert_eq!((answer.identity.unwrap().member, answer.state), (None, None));
}

#[test]
fn a_till_retired_after_its_question_was_let_in_gets_nothing() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 1000, "welcome", None, NOON_MS).unwrap();
    let till = FakeTill::enrolled(&mut hub, 1);
    hub.retire("north-1", true, "broken", NOON_MS).unwrap();
    let request = GrantRequest {
        request_id: "q1".into(),
        subject: Subject::Member(ann),
        want: level(100),
        holdings: Vec::new(),
        cursor: String::new(),
    };
    let asked: Result<_, HubError> =
        hub.change(NOON_MS, |act| act.answer_grants(till.incarnation(), &request, &Cursor::start(1)));
    assert!(asked.unwrap().grants.is_empty());
    assert_eq!(held(&hub, ann, Holder::Hub), 1000);
}

#[test]
fn the_negative_control_grants_what_is_not_there_and_is_caught() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let till = FakeTill::enrolled(&mut hub, 1);
    with_faults(&mut hub, |faults| faults.grant_without_holding = true);
    till.ask_grants(&mut hub, Subject::Member(ann), level(100), 0, 0).unwrap();
    let found = hub.verify().unwrap().findings;
    assert!(found.iter().any(|finding| finding.contains("-100")), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever tills ask, repeat and claim: head office and tills hold at least nothing, and together what there is.
    #[test]
    fn grants_never_exceed_what_head_office_holds(
        questions in prop::collection::vec((0usize..3, 0i64..700, 0i64..300, 0i64..300), 1..20),
    ) {
        let mut hub = hub();
        let ann = member(&mut hub, 1);
        hub.adjust(ann, "points", 900, "welcome", None, NOON_MS).unwrap();
        let tills: Vec<FakeTill> = (1..=3).map(|seed| FakeTill::enrolled(&mut hub, seed)).collect();
        for (index, target, claims_held, claims_received) in questions {
            let till = &tills[index];
            till.ask_grants(&mut hub, Subject::Member(ann), level(target), claims_held, claims_received).unwrap();
            let all: Vec<i64> = tills.iter().map(FakeTill::holder).chain([Holder::Hub]).map(|h| held(&hub, ann, h)).collect();
            prop_assert!(all.iter().all(|units| *units >= 0), "{:?}", all);
            prop_assert_eq!(all.iter().sum::<i64>(), 900);
        }
        assert_sound(&hub);
    }
}
