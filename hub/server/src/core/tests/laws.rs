//! The laws that can be stated for head office alone, over random journals, cuts, repeats and orders.

use std::collections::BTreeSet;

use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind};
use counterfoil_protocol::id::{Holder, MemberId};
use proptest::prelude::*;

use super::super::{EntryFilter, Hub};
use super::support::*;

#[derive(Debug, Clone, Copy)]
enum Act {
    Sale { member: usize, points: i64, for_hub: bool },
    Redeem { member: usize, share: i64 },
    TakeBack { member: usize, points: i64 },
    Return { member: usize, share: i64 },
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0usize..2, 0i64..40, any::<bool>()).prop_map(|(member, points, for_hub)| Act::Sale {
            member,
            points,
            for_hub
        }),
        (0usize..2, 1i64..4).prop_map(|(member, share)| Act::Redeem { member, share }),
        (0usize..2, 1i64..40).prop_map(|(member, points)| Act::TakeBack { member, points }),
        (0usize..2, 1i64..4).prop_map(|(member, share)| Act::Return { member, share }),
    ]
}

/// Two tills that keep the rules, with their journals.
fn honest_tills(hub: &mut Hub, members: &[MemberId], acts: &[(bool, Act)]) -> [FakeTill; 2] {
    let mut tills = [FakeTill::enrolled(hub, 1), FakeTill::enrolled(hub, 2)];
    let mut held = [[0i64; 2]; 2];
    for (receipt, (which, act)) in (1u32..).zip(acts) {
        let which = usize::from(*which);
        let till = &mut tills[which];
        match *act {
            Act::Sale { member, points, for_hub } => {
                let to = if for_hub { Holder::Hub } else { till.holder() };
                till.sale(receipt, Some(members[member]), points, to);
                held[which][member] += if for_hub { 0 } else { points };
            }
            Act::Redeem { member, share } => {
                let units = held[which][member] / share;
                if units > 0 {
                    till.redeem(members[member], units);
                    held[which][member] -= units;
                }
            }
            Act::TakeBack { member, points } => {
                let covered = points.min(held[which][member]);
                let entry = |units, debt| Entry {
                    kind: EntryKind::ReverseAccrual,
                    to: None,
                    debt,
                    ..accrual(members[member], units, Holder::Hub)
                };
                let parts = [(covered, None), (points - covered, Some(DebtKind::Clawback))];
                let entries = parts.into_iter().filter(|(units, _)| *units > 0).map(|(n, debt)| entry(n, debt));
                let entries: Vec<Entry> = entries.collect();
                till.record(sale_body(receipt, None, 0), entries);
                held[which][member] -= covered;
            }
            Act::Return { member, share } => {
                let units = held[which][member] / share;
                if units > 0 {
                    let back = Entry { kind: EntryKind::ReturnRights, ..accrual(members[member], units, Holder::Hub) };
                    till.record(sale_body(receipt, None, 0), vec![back]);
                    held[which][member] -= units;
                }
            }
        }
    }
    tills
}

/// Everything a member's value comes to: holders, debt; and which of the tills' entries are in the ledger.
fn outcome(hub: &Hub, tills: &[FakeTill; 2], members: &[MemberId]) -> (Vec<i64>, Vec<i64>, BTreeSet<String>) {
    let holders = [tills[0].holder(), tills[1].holder(), Holder::Hub];
    let held = members.iter().flat_map(|id| holders.map(|holder| held(hub, *id, holder))).collect();
    let owed = members.iter().map(|id| points(hub, *id).1).collect();
    let entries = hub.ledger_entries(&EntryFilter::default(), None, 1_000).unwrap().items;
    let written: Vec<String> = entries.into_iter().map(|e| e.id).filter(|id| !id.starts_with("hub.")).collect();
    let unique: BTreeSet<String> = written.iter().cloned().collect();
    assert_eq!(unique.len(), written.len(), "no entry twice");
    (held, owed, unique)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Laws 1 to 4: cut anywhere, repeated, in any order between tills, the ledger is the same in the end, sound at
    /// every step, and holds every entry exactly once.
    #[test]
    fn any_order_of_segments_gives_the_same_ledger(
        acts in prop::collection::vec((any::<bool>(), any_act()), 1..40),
        pushes in prop::collection::vec((any::<bool>(), 0usize..40, 1usize..20), 0..30),
    ) {
        let mut straight = hub();
        let members = [member(&mut straight, 1), member(&mut straight, 2)];
        let tills = honest_tills(&mut straight, &members, &acts);
        for till in &tills {
            till.push(&mut straight);
        }
        assert_sound(&straight);
        let expected = outcome(&straight, &tills, &members);
        prop_assert_eq!(expected.2.len(), tills.iter().map(entry_count).sum::<usize>());

        let mut shuffled = hub();
        member(&mut shuffled, 1);
        member(&mut shuffled, 2);
        FakeTill::enrolled(&mut shuffled, 1);
        FakeTill::enrolled(&mut shuffled, 2);
        for (which, from, count) in pushes {
            let till = &tills[usize::from(which)];
            if till.records.is_empty() {
                continue;
            }
            let from = from.min(till.records.len() - 1);
            let to = (from + count).min(till.records.len());
            // A gap is refused; everything else is taken as far as it is new.
            let _ = till.push_part(&mut shuffled, from, to);
            prop_assert!(shuffled.trial_balance().unwrap().is_zero());
            prop_assert_eq!(shuffled.holders_agree().unwrap(), Vec::<String>::new());
        }
        for till in tills.iter().rev() {
            till.push(&mut shuffled);
        }
        assert_sound(&shuffled);
        prop_assert_eq!(outcome(&shuffled, &tills, &members), expected);
        // A gap looks like a head office that has lost something; whether a debt was paid at once is a matter of order.
        let lasting = |hub: &Hub| {
            let mut kinds = exception_kinds(hub);
            kinds.retain(|kind| kind != "hub-restored" && kind != "debt");
            kinds
        };
        prop_assert_eq!(lasting(&shuffled), lasting(&straight));
    }
}

fn entry_count(till: &FakeTill) -> usize {
    let entries = |bytes: &Vec<u8>| counterfoil_protocol::record::Record::from_bytes(bytes).unwrap().entries.len();
    till.records.iter().map(entries).sum()
}

#[test]
fn the_negative_control_posts_twice_and_is_caught() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    let mut till = FakeTill::enrolled(&mut hub, 1);
    with_faults(&mut hub, |faults| faults.post_twice = true);
    till.sale(1, Some(ann), 10, till.holder());
    till.push(&mut hub);
    assert_eq!(held(&hub, ann, till.holder()), 20, "the books balance and are wrong");
    assert!(hub.trial_balance().unwrap().is_zero());
    let ids: Vec<String> = hub.member_entries(ann, None, 10).unwrap().items.into_iter().map(|e| e.id).collect();
    assert_ne!(ids.len(), entry_count(&till), "only counting against the journal shows it");
    assert!(!hub.verify().unwrap().findings.is_empty());
}
