//! What head office places at tills after each visit, by the product's own planner.

use std::collections::BTreeMap;

use counterfoil_ledger::{
    Cost, LaneHabit, PastRedemption, PlanInput, PlanOutput, habitual_costs, habitual_places, plan,
};

use crate::assumptions::Assumptions;
use crate::chain::{Chain, incarnation, lanes_of, till_of};
use crate::people::{Member, TillIndex};

/// Who decides where units lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Nobody: points stay where they were earned.
    Fresh,
    /// The planner.
    Planner,
    /// The planner, and the floor where rights run out.
    PlannerFloor,
    /// The planner, and lanes of one store that help each other: not in the product.
    PlannerShared,
}

impl Rule {
    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "none (only fresh points)",
            Self::Planner => "planner",
            Self::PlannerFloor => "planner + floor",
            Self::PlannerShared => "planner, lanes of a store share (not in the product)",
        }
    }
}

/// A rule and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Who decides.
    pub rule: Rule,
    /// Of what a member has, how much may lie at tills.
    pub placed_thousandths: u32,
    /// Whether head office keeps what a member that also orders online is likely to need there.
    pub counts_online: bool,
}

impl Policy {
    /// A rule at a share.
    pub fn at(rule: Rule, placed_thousandths: u32) -> Self {
        Self { rule, placed_thousandths, counts_online: false }
    }
}

/// Moving held units must make the next redemption more likely to be covered by so much.
const MOVE_GAIN_THOUSANDTHS: u32 = 20;

/// The plan for a member as things stand.
pub fn planned(
    assumptions: &Assumptions,
    policy: Policy,
    chain: &Chain,
    id: usize,
    member: &Member,
    redemptions: &[u32],
) -> PlanOutput {
    let held = chain.held_in_book(id);
    let lots = chain.hub_lots(id);
    let total = lots.iter().map(|(_, units)| units).sum::<i64>() + held.values().sum::<i64>();
    let stores: Vec<String> = (0..assumptions.stores).map(|store| store.to_string()).collect();
    let mut lanes: BTreeMap<TillIndex, LaneHabit<'_>> = BTreeMap::new();
    for (store, name) in stores.iter().enumerate() {
        let habits: Vec<(TillIndex, (u32, u32))> =
            lanes_of(store).map(|till| (till, member.habit.get(&till).copied().unwrap_or_default())).collect();
        if habits.iter().any(|(_, (visits, _))| *visits > 0) {
            for (till, (visits, own)) in habits {
                let (incarnation, redemptions_of_all) = (incarnation(till), redemptions[till]);
                let habit = LaneHabit { incarnation, store: name, visits, redemptions: own, redemptions_of_all };
                lanes.insert(till, habit);
            }
        }
    }
    let down = |till: &&TillIndex| chain.is_down(**till / crate::assumptions::LANES);
    let out_of_reach = lanes.keys().chain(held.keys()).filter(down).map(|till| incarnation(*till)).collect();
    let lanes: Vec<LaneHabit<'_>> = lanes.into_values().collect();
    let visits: u32 = lanes.iter().map(|lane| lane.visits).sum();
    let online = u64::from(member.orders) * 10_000 / u64::from(visits.max(1));
    plan(&PlanInput {
        lots,
        held: held.into_iter().map(|(till, units)| (incarnation(till), units)).collect(),
        places: habitual_places(&lanes),
        costs: costs(assumptions, member, total),
        out_of_reach,
        placed_thousandths: policy.placed_thousandths,
        online_weight: if policy.counts_online { u32::try_from(online).unwrap_or(u32::MAX) } else { 0 },
        move_gain_thousandths: MOVE_GAIN_THOUSANDTHS,
    })
}

fn costs(assumptions: &Assumptions, member: &Member, total: i64) -> Vec<Cost> {
    let prices = assumptions.rewards.map(|(price, _)| price);
    let past: Vec<PastRedemption> = member.past.iter().copied().collect();
    habitual_costs(&prices, Some(assumptions.amounts), &past, total)
}

/// Carries a plan out: recalls first, then, planned again on what came back, grants. Movements made.
pub fn carry_out(
    assumptions: &Assumptions,
    policy: Policy,
    chain: &mut Chain,
    id: usize,
    member: &Member,
    redemptions: &[u32],
) -> u64 {
    let mut output = planned(assumptions, policy, chain, id, member, redemptions);
    let mut movements = 0;
    if !output.recalls.is_empty() {
        for (till, keep) in &output.recalls {
            chain.give_back(id, till_of(*till), *keep);
            movements += 1;
        }
        output = planned(assumptions, policy, chain, id, member, redemptions);
    }
    for (till, units) in output.grants {
        chain.grant(id, till_of(till), units);
        movements += 1;
    }
    movements
}
