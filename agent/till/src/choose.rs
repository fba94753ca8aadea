//! Which units to take: the one place that decides what may be spent.
//!
//! Pure: lots with what is held and what is reserved of each, a clock, and how much. Never more than held less reserved,
//! never unvested or expired, earliest expiry first. Not here: who asks, what is owed, what the program says.

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::time::Date;

/// One lot of a purse as it stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub lot: Lot,
    pub units: i64,
    /// Of those, chosen by open reservations.
    pub reserved: i64,
}

impl Held {
    pub(crate) fn free(&self) -> i64 {
        self.units.saturating_sub(self.reserved).max(0)
    }
}

/// What the till is sure of: a day that has certainly come for vesting, one that may have come for expiry. `None` where a
/// negative control does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    pub vested_on: Option<Date>,
    pub expired_on: Option<Date>,
}

impl Clock {
    pub(crate) fn has_vested(&self, lot: Lot) -> bool {
        self.vested_on.is_none_or(|today| lot.vests.is_none_or(|vests| vests <= today))
    }

    pub(crate) fn has_expired(&self, lot: Lot) -> bool {
        self.expired_on.is_some_and(|today| lot.expires.is_some_and(|expires| expires < today))
    }

    /// Whether units of this lot may be spent, if they are here.
    pub(crate) fn allows(&self, lot: Lot) -> bool {
        self.has_vested(lot) && !self.has_expired(lot)
    }
}

/// Earliest expiry first; what never expires last.
pub(crate) fn spending_order(lot: Lot) -> (bool, Option<Date>, Option<Date>) {
    (lot.expires.is_none(), lot.expires, lot.vests)
}

/// Units that may be spent.
pub(crate) fn spendable(lots: &[Held], clock: Clock) -> i64 {
    lots.iter().filter(|held| clock.allows(held.lot)).map(Held::free).fold(0, i64::saturating_add)
}

/// Up to `asked` units, in the order in which they are spent.
pub(crate) fn up_to(lots: &[Held], clock: Clock, asked: i64) -> Vec<(Lot, i64)> {
    let mut order: Vec<&Held> = lots.iter().filter(|held| clock.allows(held.lot)).collect();
    order.sort_by_key(|held| spending_order(held.lot));
    let mut left = asked;
    let mut taken = Vec::new();
    for held in order {
        let units = left.min(held.free());
        if units > 0 {
            left -= units;
            taken.push((held.lot, units));
        }
    }
    taken
}

/// Exactly `asked` units in the order in which they are spent, or nothing.
pub(crate) fn exactly(lots: &[Held], clock: Clock, asked: i64) -> Option<Vec<(Lot, i64)>> {
    let taken = up_to(lots, clock, asked);
    let sum = taken.iter().map(|(_, units)| *units).fold(0, i64::saturating_add);
    (sum == asked).then_some(taken)
}

/// Up to `asked` free units to part with, those first that are worth the least here: past their date, then not vested,
/// then those that could be spent longest.
pub(crate) fn to_give_back(lots: &[Held], clock: Clock, asked: i64) -> Vec<(Lot, i64)> {
    let mut order: Vec<&Held> = lots.iter().collect();
    order.sort_by_key(|held| {
        let lot = held.lot;
        (!clock.has_expired(lot), clock.has_vested(lot), std::cmp::Reverse(spending_order(lot)))
    });
    let mut left = asked;
    let mut given = Vec::new();
    for held in order {
        let units = left.min(held.free());
        if units > 0 {
            left -= units;
            given.push((held.lot, units));
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn day(day: u8) -> Date {
        format!("2026-11-{day:02}").parse().unwrap()
    }

    fn lots() -> impl Strategy<Value = Vec<Held>> {
        let date = || prop::option::of((1u8..=30).prop_map(day));
        let lot = (date(), date()).prop_map(|(vests, expires)| Lot { vests, expires });
        prop::collection::btree_map(lot, (0i64..100, 0i64..120), 0..8).prop_map(|lots: BTreeMap<Lot, (i64, i64)>| {
            lots.into_iter()
                .map(|(lot, (units, reserved))| Held { lot, units, reserved: reserved.min(units) })
                .collect()
        })
    }

    fn clock() -> impl Strategy<Value = Clock> {
        // The two need not agree: an untrusted clock may expire and may not vest.
        (1u8..=30, 0u8..=10)
            .prop_map(|(on, later)| Clock { vested_on: Some(day(on)), expired_on: Some(day((on + later).min(30))) })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn only_what_is_free_vested_and_not_expired_is_taken(lots in lots(), clock in clock(), asked in 0i64..400) {
            let all = spendable(&lots, clock);
            let taken = up_to(&lots, clock, asked);
            let sum: i64 = taken.iter().map(|(_, units)| *units).sum();
            prop_assert_eq!(sum, asked.min(all), "as much as there is, and no more than was asked");
            for (lot, units) in &taken {
                let held = lots.iter().find(|held| held.lot == *lot).unwrap();
                prop_assert!(*units > 0 && *units <= held.units - held.reserved);
                prop_assert!(lot.vests.is_none_or(|vests| vests <= clock.vested_on.unwrap()));
                prop_assert!(lot.expires.is_none_or(|expires| expires >= clock.expired_on.unwrap()));
            }
            prop_assert!(taken.windows(2).all(|pair| spending_order(pair[0].0) < spending_order(pair[1].0)));
            // Whatever is left over expires no earlier than what was taken.
            if let Some((last, _)) = taken.last() {
                for held in lots.iter().filter(|held| clock.allows(held.lot) && spending_order(held.lot) < spending_order(*last)) {
                    let spent = taken.iter().find(|(lot, _)| *lot == held.lot).map_or(0, |(_, units)| *units);
                    prop_assert_eq!(spent, held.free());
                }
            }
            prop_assert_eq!(exactly(&lots, clock, asked), (asked <= all).then_some(taken));
        }

        #[test]
        fn what_is_given_back_is_free_and_the_least_use_here(lots in lots(), clock in clock(), asked in 0i64..400) {
            let given = to_give_back(&lots, clock, asked);
            let free: i64 = lots.iter().map(Held::free).sum();
            prop_assert_eq!(given.iter().map(|(_, units)| *units).sum::<i64>(), asked.min(free));
            let useful = |lot: Lot| clock.allows(lot);
            if let Some(first_useful) = given.iter().position(|(lot, _)| useful(*lot)) {
                prop_assert!(given[first_useful..].iter().all(|(lot, _)| useful(*lot)));
                for held in lots.iter().filter(|held| !useful(held.lot)) {
                    let went = given.iter().find(|(lot, _)| *lot == held.lot).map_or(0, |(_, units)| *units);
                    prop_assert_eq!(went, held.free(), "nothing useful goes while something useless stays");
                }
            }
        }
    }
}
