//! Where a member's units should lie, so that the next redemption finds enough at the one till where it happens.
//!
//! A till spends only what it holds, so a place is worth the chance that the member comes there, times the chance that
//! what the member then asks for is not more than lies there. What each place is given is a step function of units, and
//! the plan chooses a step per place within a budget: the multiple-choice knapsack. It climbs by the jump that gains most
//! per unit, then tries to undo one jump for better ones. Bound: climbing alone falls short of the best plan by no more
//! than one jump, and the dearest cost at the likeliest place is tried as well, so the plan covers at least half of what
//! the best one would; over small problems searched exhaustively it covers 99.8 % of it (`hub/ledger/tests/plan.rs`).
//!
//! Head office is a place like others where members redeem online: it keeps what is likeliest to be needed there. What
//! tills hold stays where it is unless moving gains enough. Pure and in integers; the answer depends neither on
//! the order of the input nor on anything but the input. Not here: what a till may be granted now, and how it is asked
//! to give rights back.
//!
//! Invariants: targets are ≥ 0; with what lies out of reach they never exceed the budget; a place out of reach has no
//! target; a plan that was carried out is planned again unchanged.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::IncarnationId;

/// Places that are planned for; the least visited beyond it are given nothing new.
const PLACE_COUNT_MAX: usize = 32;
/// What a weight counts as at most, so that no product of weights and units overflows.
const WEIGHT_MAX: u32 = 1_000_000;
/// Jumps undone for better ones, at most.
const SWAP_COUNT_MAX: usize = 16;

/// A till at which the member may redeem next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub incarnation: IncarnationId,
    /// How likely, against the other places.
    pub weight: u32,
}

/// What a redemption may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Units.
    pub units: i64,
    /// How likely, against the other costs.
    pub weight: u32,
}

impl From<i64> for Cost {
    fn from(units: i64) -> Self {
        Self { units, weight: 1 }
    }
}

/// What is known of one purse of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanInput {
    /// What head office holds and could give now: vested, not expired.
    pub lots: Vec<(Lot, i64)>,
    /// What tills hold or are being sent, spendable.
    pub held: Vec<(IncarnationId, i64)>,
    /// Where the member may redeem next.
    pub places: Vec<Place>,
    /// Prices of rewards, and the sizes in which this member redeems.
    pub costs: Vec<Cost>,
    /// Tills that neither take nor give back at present. What they hold counts as placed.
    pub out_of_reach: Vec<IncarnationId>,
    /// Of everything spendable, how much may lie at tills.
    pub placed_thousandths: u32,
    /// How likely the next redemption is one that head office serves itself (web shop, app), against all places: what
    /// it is likely to need stays there. 0: only `placed_thousandths` limits what is placed.
    pub online_weight: u32,
    /// How much more likely the next redemption must become for held units to be moved from till to till.
    pub move_gain_thousandths: u32,
}

/// What should lie where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOutput {
    /// The level each till should come to, by incarnation: every till in reach that holds something or should.
    pub targets: Vec<(IncarnationId, i64)>,
    /// What to grant now, from what head office holds now, the likeliest place first. The rest follows when recalled
    /// units have come back and the plan is made again.
    pub grants: Vec<(IncarnationId, i64)>,
    /// Tills to be asked for what they hold beyond their target: what they keep.
    pub recalls: Vec<(IncarnationId, i64)>,
    /// How likely the next redemption is covered where it happens, once all this is done.
    pub covered_thousandths: u32,
}

/// Plans. See the module.
pub fn plan(input: &PlanInput) -> PlanOutput {
    let away: BTreeSet<IncarnationId> = input.out_of_reach.iter().copied().collect();
    let mut tills: BTreeMap<IncarnationId, Till> = BTreeMap::new();
    for (incarnation, units) in &input.held {
        let till = tills.entry(*incarnation).or_default();
        till.held = till.held.saturating_add((*units).max(0));
    }
    for place in &input.places {
        tills.entry(place.incarnation).or_default().weight += i128::from(place.weight.min(WEIGHT_MAX));
    }
    let hub = sum(input.lots.iter().map(|(_, units)| (*units).max(0)));
    let total = hub.saturating_add(sum(tills.values().map(|till| till.held)));
    let placed = i128::from(total) * i128::from(input.placed_thousandths.min(1000)) / 1000;
    let placed = i64::try_from(placed).expect("a part of a total is not more than the total");
    let lies_away = sum(tills.iter().filter(|(id, _)| away.contains(id)).map(|(_, till)| till.held));
    let steps = Steps::new(&input.costs, total);
    let online = i128::from(input.online_weight.min(WEIGHT_MAX));
    let everywhere: i128 = online + tills.values().map(|till| till.weight).sum::<i128>();
    let away_value: i128 = tills.iter().filter(|(id, _)| away.contains(id)).map(|(_, till)| steps.value(till)).sum();

    let mut spots: Vec<(IncarnationId, Till)> = tills.into_iter().filter(|(id, _)| !away.contains(id)).collect();
    spots.sort_by_key(|(id, till)| (Reverse(till.weight), *id));
    for (_, beyond) in spots.iter_mut().skip(PLACE_COUNT_MAX) {
        beyond.weight = 0;
    }
    let mut table = Table {
        weights: spots.iter().map(|(_, till)| till.weight).collect(),
        held: spots.iter().map(|(_, till)| till.held).collect(),
        steps: &steps,
        budget: (placed - lies_away).max(0),
    };
    table.budget = table.budget_beside(online, total - lies_away);
    let (levels, value) = table.plan(i128::from(input.move_gain_thousandths) * everywhere * steps.all());
    let mut output = PlanOutput::default();
    let stays = total - lies_away - sum(levels.iter().copied());
    let likely = (value + away_value + online * steps.covered(stays)) * 1000 / (everywhere * steps.all()).max(1);
    output.covered_thousandths = u32::try_from(likely).expect("a share is at most 1000 thousandths");
    let mut rest = hub;
    for ((id, till), level) in spots.iter().zip(levels) {
        if level > 0 || till.held > 0 {
            output.targets.push((*id, level));
        }
        let grant = (level - till.held).clamp(0, rest);
        if grant > 0 {
            rest -= grant;
            output.grants.push((*id, grant));
        }
        if level < till.held {
            output.recalls.push((*id, level));
        }
    }
    output.targets.sort_unstable();
    output.recalls.sort_unstable();
    output
}

#[derive(Debug, Clone, Copy, Default)]
struct Till {
    weight: i128,
    held: i64,
}

fn sum(units: impl Iterator<Item = i64>) -> i64 {
    units.fold(0, i64::saturating_add)
}

/// What can be asked for, cheapest first, with the weight of everything that is not dearer. What the member cannot pay
/// is left out.
struct Steps(Vec<(i64, i128)>);

impl Steps {
    fn new(costs: &[Cost], total: i64) -> Self {
        let mut weights: BTreeMap<i64, i128> = BTreeMap::new();
        for cost in costs.iter().filter(|cost| cost.weight > 0 && cost.units > 0 && cost.units <= total) {
            *weights.entry(cost.units).or_default() += i128::from(cost.weight.min(WEIGHT_MAX));
        }
        let mut steps: Vec<(i64, i128)> = weights.into_iter().collect();
        let mut weight = 0;
        for step in &mut steps {
            weight += step.1;
            step.1 = weight;
        }
        Self(steps)
    }

    fn covered(&self, units: i64) -> i128 {
        let reached = self.0.partition_point(|(cost, _)| *cost <= units);
        if reached == 0 { 0 } else { self.0[reached - 1].1 }
    }

    fn all(&self) -> i128 {
        self.0.last().map_or(0, |(_, weight)| *weight)
    }

    fn value(&self, till: &Till) -> i128 {
        till.weight * self.covered(till.held)
    }
}

/// The tills in reach, the likeliest first.
#[derive(Clone)]
struct Table<'a> {
    weights: Vec<i128>,
    held: Vec<i64>,
    steps: &'a Steps,
    budget: i64,
}

impl Table<'_> {
    /// Levels and what they are worth. `move_gain`: what a plan from nothing must gain over one that leaves things
    /// where they are, times 1000.
    fn plan(&self, move_gain: i128) -> (Vec<i64>, i128) {
        let settled = self.keep_in_place();
        let fresh = self.start_anew();
        let gain = self.value(&fresh) - self.value(&settled);
        let chosen = if gain > 0 && gain * 1000 >= move_gain { fresh } else { settled };
        let value = self.value(&chosen);
        (chosen, value)
    }

    /// What may lie at tills when head office, too, is a place where the member redeems: it keeps the cost at which all
    /// places together are likeliest to be covered. `movable`: everything not out of reach.
    fn budget_beside(&self, online: i128, movable: i64) -> i64 {
        if online == 0 {
            return self.budget;
        }
        let mut best: Option<(i128, i64)> = None;
        // The dearest first: of two that are worth the same, more stays at head office.
        for reserve in self.steps.0.iter().rev().map(|(cost, _)| *cost).chain([0]) {
            let budget = self.budget.min(movable - reserve);
            if budget >= 0 {
                let levels = Self { budget, ..self.clone() }.spread();
                let stays = movable - sum(levels.iter().copied());
                let value = self.value(&levels) + online * self.steps.covered(stays);
                if best.is_none_or(|(than, _)| value > than) {
                    best = Some((value, budget));
                }
            }
        }
        best.map_or(self.budget, |(_, budget)| budget)
    }

    /// Everything stays where it is, as far as the budget allows; head office adds to it.
    fn keep_in_place(&self) -> Vec<i64> {
        let nothing = vec![0; self.held.len()];
        let mut levels = self.held.clone();
        if sum(levels.iter().copied()) > self.budget {
            levels = self.improve(nothing.clone(), &nothing, &self.held);
        }
        let floors = levels.clone();
        let levels = self.improve(levels, &floors, &self.open());
        self.leave(levels)
    }

    /// As if everything lay at head office.
    fn spread(&self) -> Vec<i64> {
        let nothing = vec![0; self.held.len()];
        let mut levels = self.improve(nothing.clone(), &nothing, &self.open());
        // Climbing may have spent on many small jumps what one great one at the likeliest place is worth.
        let mut single = nothing.clone();
        let dearest = self.steps.0.iter().rev().find(|(cost, _)| *cost <= self.budget);
        if let (Some(first), Some((cost, _))) = (single.first_mut(), dearest) {
            *first = *cost;
            let single = self.improve(single, &nothing, &self.open());
            if self.value(&single) > self.value(&levels) {
                levels = single;
            }
        }
        levels
    }

    /// As if everything lay at head office: what is held where decides only between places that are alike.
    fn start_anew(&self) -> Vec<i64> {
        let mut levels = self.spread();
        // Places of one weight change places for nothing: the highest level goes where most lies.
        let mut from = 0;
        while from < levels.len() {
            let alike = self.weights[from..].iter().take_while(|weight| **weight == self.weights[from]).count();
            let group = from..from + alike;
            let mut by_held: Vec<usize> = group.clone().collect();
            by_held.sort_by_key(|spot| Reverse(self.held[*spot]));
            let mut high: Vec<i64> = levels[group].to_vec();
            high.sort_unstable_by_key(|level| Reverse(*level));
            for (spot, level) in by_held.into_iter().zip(high) {
                levels[spot] = level;
            }
            from += alike;
        }
        self.leave(levels)
    }

    fn open(&self) -> Vec<i64> {
        vec![i64::MAX; self.held.len()]
    }

    fn value(&self, levels: &[i64]) -> i128 {
        self.weights.iter().zip(levels).map(|(weight, level)| weight * self.steps.covered(*level)).sum()
    }

    fn rest(&self, levels: &[i64]) -> i64 {
        self.budget - sum(levels.iter().copied())
    }

    /// What the budget still allows stays where it lies.
    fn leave(&self, mut levels: Vec<i64>) -> Vec<i64> {
        let mut rest = self.rest(&levels);
        for (level, held) in levels.iter_mut().zip(&self.held) {
            let more = (held - *level).clamp(0, rest.max(0));
            *level += more;
            rest -= more;
        }
        levels
    }

    /// Climbs, then undoes one place's jumps if climbing again from there ends higher, until nothing helps.
    fn improve(&self, mut levels: Vec<i64>, floors: &[i64], caps: &[i64]) -> Vec<i64> {
        self.climb(&mut levels, caps);
        let mut value = self.value(&levels);
        for _ in 0..SWAP_COUNT_MAX {
            let mut best = None;
            for spot in 0..levels.len() {
                for lower in self.lower(levels[spot], floors[spot]) {
                    let mut other = levels.clone();
                    other[spot] = lower;
                    self.climb_elsewhere(&mut other, caps, spot);
                    self.climb(&mut other, caps);
                    let reached = self.value(&other);
                    if reached > value {
                        value = reached;
                        best = Some(other);
                    }
                }
            }
            match best {
                Some(other) => levels = other,
                None => break,
            }
        }
        levels
    }

    /// The next lower step and the floor.
    fn lower(&self, level: i64, floor: i64) -> BTreeSet<i64> {
        let below = self.steps.0.iter().map(|(cost, _)| *cost).filter(|cost| *cost < level && *cost > floor).max();
        [Some(floor), below].into_iter().flatten().filter(|lower| *lower < level).collect()
    }

    fn climb(&self, levels: &mut [i64], caps: &[i64]) {
        self.climb_elsewhere(levels, caps, usize::MAX);
    }

    /// Takes the jump that gains most per unit, as long as one gains and can be paid.
    fn climb_elsewhere(&self, levels: &mut [i64], caps: &[i64], not_here: usize) {
        let mut rest = self.rest(levels);
        loop {
            let mut best: Option<(usize, i64, i128)> = None;
            for (spot, weight) in self.weights.iter().enumerate().filter(|(spot, _)| *spot != not_here) {
                let (level, now) = (levels[spot], self.steps.covered(levels[spot]));
                let in_reach =
                    self.steps.0.iter().filter(|(cost, _)| {
                        *cost > level && *cost <= caps[spot] && *cost - level <= rest && *weight > 0
                    });
                for (cost, covered) in in_reach {
                    let (units, gain) = (cost - level, weight * (covered - now));
                    let is_better = best.is_none_or(|(_, than, gained)| {
                        let (ours, theirs) = (gain * i128::from(than), gained * i128::from(units));
                        ours > theirs || (ours == theirs && units > than)
                    });
                    if is_better {
                        best = Some((spot, units, gain));
                    }
                }
            }
            let Some((spot, units, _)) = best else { return };
            levels[spot] += units;
            rest -= units;
        }
    }
}
