//! How much a till is granted: up to the level it asks for, less what it has and what is on its way, from what
//! head office holds.
//!
//! The arithmetic needs no memory of questions: an old or repeated question names an old `received`, so what was
//! granted since counts as on its way.

use counterfoil_protocol::entry::{Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::time::Date;

use crate::post::by_expiry;

/// One purse in one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Spendable at the till, as it says.
    pub held: i64,
    /// All grants it has received for this purse, as it says.
    pub received: i64,
    /// All grants it was ever given for this purse, as the ledger says.
    pub granted: i64,
    /// What head office could give now.
    pub available: i64,
}

impl Ask {
    fn in_flight(&self) -> i64 {
        self.granted.saturating_sub(self.received.max(0)).max(0)
    }

    /// What the till has or will have without a further grant.
    fn expected(&self) -> i64 {
        self.held.max(0).saturating_add(self.in_flight())
    }
}

impl Ask {
    /// The level that the till can come to now.
    pub fn reachable(&self) -> i64 {
        self.expected().saturating_add(self.available.max(0))
    }
}

/// Units to grant so that the till comes to `target`; never more than is available.
pub fn grant_units(ask: &Ask, target: i64) -> i64 {
    target.saturating_sub(ask.expected()).clamp(0, ask.available.max(0))
}

/// The level a look-up asks for: the dearest of `costs` that this till could come to. 0 where it can afford none.
pub fn look_up_target(ask: &Ask, costs: impl IntoIterator<Item = i64>) -> i64 {
    let reachable = ask.expected().saturating_add(ask.available.max(0));
    costs.into_iter().filter(|cost| *cost <= reachable).max().unwrap_or(0).max(0)
}

/// What may be spent on a day of these lots, in the order in which it is: vested, not expired, earliest expiry first.
pub fn spend_order(mut lots: Vec<(Lot, i64)>, today: Date) -> Vec<(Lot, i64)> {
    lots.retain(|(lot, units)| {
        *units > 0 && lot.vests.is_none_or(|date| date <= today) && lot.expires.is_none_or(|date| date >= today)
    });
    by_expiry(&mut lots);
    lots
}

/// The grant entries that move `units` to a terminal, lot by lot, in the order given.
pub fn grant_entries(
    member: MemberId,
    purse: &str,
    to: IncarnationId,
    lots: &[(Lot, i64)],
    mut units: i64,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (lot, held) in lots {
        let part = units.min(*held);
        if part > 0 {
            units -= part;
            let to = Some(Holder::Terminal(to));
            let (kind, purse, lot) = (EntryKind::Grant, purse.to_owned(), *lot);
            entries.push(Entry { kind, member, purse, lot, units: part, to, debt: None });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_look_up_grants_for_the_dearest_reward_it_can_come_to() {
        let ask = Ask { held: 100, received: 0, granted: 0, available: 450 };
        assert_eq!(look_up_target(&ask, [200, 500, 900]), 500);
        assert_eq!(grant_units(&ask, 500), 400);
        assert_eq!(look_up_target(&ask, [900]), 0);
        assert_eq!(grant_units(&ask, 0), 0);
    }

    #[test]
    fn unvested_and_expired_units_are_not_given() {
        let date = |text: &str| Some(text.parse().unwrap());
        let lot = |vests, expires| Lot { vests, expires };
        let today: Date = "2026-11-24".parse().unwrap();
        let lots = vec![
            (lot(None, None), 1),
            (lot(date("2026-11-25"), None), 2),
            (lot(None, date("2026-11-23")), 4),
            (lot(date("2026-11-24"), date("2026-12-31")), 8),
            (lot(None, date("2026-11-30")), 16),
        ];
        let order: Vec<i64> = spend_order(lots, today).iter().map(|(_, units)| *units).collect();
        assert_eq!(order, [16, 8, 1]);
    }

    proptest! {
        /// Answers may be lost and questions repeated with old numbers: the till never gets beyond the greatest
        /// target it asked for (from what it had), and head office never below zero.
        #[test]
        fn repeated_questions_never_pile_up(
            start in 0i64..1000,
            questions in prop::collection::vec((0i64..600, any::<bool>()), 1..40),
        ) {
            let (mut available, mut granted, mut arrived) = (start, 0i64, 0i64);
            let mut highest = 0;
            for (target, arrives) in questions {
                let ask = Ask { held: arrived, received: arrived, granted, available };
                let units = grant_units(&ask, target);
                prop_assert!(units >= 0 && units <= available);
                available -= units;
                granted += units;
                highest = highest.max(target);
                prop_assert!(granted <= highest);
                prop_assert_eq!(grant_units(&Ask { granted, available, ..ask }, target), 0.max((target - granted).min(available)));
                if arrives {
                    arrived = granted;
                }
            }
        }
    }
}
