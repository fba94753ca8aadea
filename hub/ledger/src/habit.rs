//! From what is known of a member to where it may redeem next, and how much.
//!
//! Counting with a prior, nothing learned that could not be explained at a counter: a member comes to a store as often
//! as it came; within a store it redeems where it redeemed and shopped, and, as long as little is known, where
//! everybody redeems there. A chain that sends redemptions to one lane of a store needs no setting for it: the lane's
//! share of the store's redemptions says so. Pure and in integers. Not here: how far back visits count (the caller
//! counts only those).

use std::collections::BTreeMap;

use counterfoil_protocol::id::IncarnationId;

use crate::plan::{Cost, Place};

/// A redemption at a lane says as much as so many visits.
const REDEMPTION_VISITS: u64 = 4;
/// What everybody does in a store says as much as so many visits.
const STORE_VISITS: u64 = 4;
/// Weights of the likeliest place are about this.
const WEIGHT_SCALE: u64 = 10_000;
/// A redemption of the past against a price nobody has paid yet.
const PAST_WEIGHT: u32 = 4;

/// A lane of a store where the member was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneHabit<'a> {
    /// The till.
    pub incarnation: IncarnationId,
    /// Its store: lanes of one store are each other's alternatives.
    pub store: &'a str,
    /// How often this member was at this lane.
    pub visits: u32,
    /// How often this member redeemed at this lane.
    pub redemptions: u32,
    /// How often anybody redeemed at this lane.
    pub redemptions_of_all: u32,
}

/// Where the member may redeem next. `lanes`: all lanes of every store where it was.
pub fn habitual_places(lanes: &[LaneHabit<'_>]) -> Vec<Place> {
    let mut stores: BTreeMap<&str, Vec<&LaneHabit<'_>>> = BTreeMap::new();
    for lane in lanes {
        stores.entry(lane.store).or_default().push(lane);
    }
    let visits = |lanes: &[&LaneHabit<'_>]| lanes.iter().map(|lane| u64::from(lane.visits)).sum::<u64>();
    let all: u64 = stores.values().map(|lanes| visits(lanes)).sum();
    let mut places = Vec::new();
    for lanes in stores.values() {
        // Everybody's redemptions in this store, each lane as if there had been one more.
        let everybody: u64 = lanes.iter().map(|lane| u64::from(lane.redemptions_of_all) + 1).sum();
        let own = |lane: &LaneHabit<'_>| u64::from(lane.visits) + REDEMPTION_VISITS * u64::from(lane.redemptions);
        let evidence = STORE_VISITS + lanes.iter().map(|lane| own(lane)).sum::<u64>();
        let store = WEIGHT_SCALE * visits(lanes) / all.max(1);
        for lane in lanes {
            let usual = STORE_VISITS * WEIGHT_SCALE * (u64::from(lane.redemptions_of_all) + 1) / everybody;
            let share = (own(lane) * WEIGHT_SCALE + usual) / evidence;
            let weight = u32::try_from(store * share / WEIGHT_SCALE).expect("a share of the scale is within it");
            places.push(Place { incarnation: lane.incarnation, weight });
        }
    }
    places
}

/// How amounts can be redeemed: points as payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountRule {
    /// The least.
    pub min_units: i64,
    /// In steps of.
    pub step_units: i64,
}

impl AmountRule {
    /// The most that can be paid out of `units`; `None` where that is nothing.
    pub fn most_of(&self, units: i64) -> Option<i64> {
        let most = units - units.rem_euclid(self.step_units.max(1));
        (most >= self.min_units.max(1)).then_some(most)
    }
}

/// A redemption of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRedemption {
    /// What was spent.
    pub units: i64,
    /// What could have been, where that is known.
    pub of_units: Option<i64>,
}

/// What the member may ask for next, having `units`: prices of rewards, amounts, and whatever it asked for before. Who
/// took all there was is expected to do so again.
pub fn habitual_costs(prices: &[i64], amounts: Option<AmountRule>, past: &[PastRedemption], units: i64) -> Vec<Cost> {
    let mut costs: Vec<Cost> = prices.iter().map(|units| Cost { units: *units, weight: 1 }).collect();
    if let Some(rule) = amounts {
        let bounds = [Some(rule.min_units), rule.most_of(units)];
        costs.extend(bounds.into_iter().flatten().map(|units| Cost { units, weight: 1 }));
    }
    for redemption in past {
        let of_all = |rule: &AmountRule| redemption.of_units.and_then(|of| rule.most_of(of)) == Some(redemption.units);
        let again = amounts.filter(of_all).and_then(|rule| rule.most_of(units)).unwrap_or(redemption.units);
        costs.push(Cost { units: again, weight: PAST_WEIGHT });
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(number: u8, store: &str, visits: u32, redemptions: u32, redemptions_of_all: u32) -> LaneHabit<'_> {
        LaneHabit { incarnation: IncarnationId([number; 16]), store, visits, redemptions, redemptions_of_all }
    }

    fn weights(lanes: &[LaneHabit<'_>]) -> Vec<u32> {
        habitual_places(lanes).iter().map(|place| place.weight).collect()
    }

    #[test]
    fn stores_count_by_visits_and_lanes_by_what_happened_there() {
        let lanes = [lane(1, "a", 9, 0, 0), lane(2, "a", 0, 0, 0), lane(3, "b", 1, 0, 0), lane(4, "b", 0, 0, 0)];
        let found = weights(&lanes);
        assert_eq!(found.iter().map(|weight| weight / 100).collect::<Vec<_>>(), [76, 13, 6, 4]);
        // A redemption says more than a visit.
        let lanes = [lane(1, "a", 4, 0, 0), lane(2, "a", 3, 2, 0)];
        let found = weights(&lanes);
        assert!(found[1] > 2 * found[0] - found[0] / 2, "{found:?}");
    }

    #[test]
    fn a_stores_redemption_lane_is_seen_from_what_everybody_does() {
        let lanes = [lane(1, "a", 1, 0, 95), lane(2, "a", 1, 0, 2), lane(3, "a", 1, 0, 1), lane(4, "a", 1, 0, 0)];
        let found = weights(&lanes);
        assert!(found[0] > 3 * found[1], "{found:?}");
        assert_eq!(weights(&[lane(1, "a", 0, 0, 0)]), [0]);
        assert_eq!(weights(&[]), [0; 0]);
    }

    #[test]
    fn who_took_all_there_was_is_expected_to_do_so_again() {
        let rule = AmountRule { min_units: 200, step_units: 100 };
        let all = PastRedemption { units: 700, of_units: Some(780) };
        let some = PastRedemption { units: 300, of_units: Some(780) };
        let cost = |units, weight| Cost { units, weight };
        assert_eq!(
            habitual_costs(&[500], Some(rule), &[all, some], 1260),
            [cost(500, 1), cost(200, 1), cost(1200, 1), cost(1200, 4), cost(300, 4)]
        );
        assert_eq!(habitual_costs(&[500], None, &[all], 1260), [cost(500, 1), cost(700, 4)]);
        assert_eq!(rule.most_of(199), None);
        assert_eq!(AmountRule { min_units: 0, step_units: 0 }.most_of(0), None);
    }
}
