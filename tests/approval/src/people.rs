//! Members: where and how often they shop, what they like to redeem, and the past from which they have their balances
//! and head office its knowledge of their habits. And the month's visits, the same for every policy.

use std::collections::{BTreeMap, VecDeque};

use counterfoil_ledger::PastRedemption;

use crate::assumptions::{Assumptions, LANES, Lanes, OPENED};
use crate::chance::Chance;
use crate::outages::minute;

/// A till, by its place in the chain: store × [`LANES`] + lane.
pub type TillIndex = usize;
/// How many past redemptions of a member head office looks at.
const PAST_COUNT_MAX: usize = 4;
/// Visits of so many past months count as habit.
const HABIT_MONTHS: u32 = 6;

/// What a member redeems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taste {
    /// This reward.
    Reward(i64),
    /// As much as possible.
    Most,
    /// As little as possible.
    Least,
}

/// A member, and what is known of it.
#[derive(Debug, Clone)]
pub struct Member {
    stores: Vec<f64>,
    own_lanes: Vec<usize>,
    rate: f64,
    online_rate: f64,
    taste: Taste,
    eagerness: f64,
    /// Units where they were earned and not yet spent.
    pub earned_at: BTreeMap<TillIndex, i64>,
    /// Units that head office holds.
    pub at_hub: i64,
    /// Visits and redemptions per till.
    pub habit: BTreeMap<TillIndex, (u32, u32)>,
    /// Orders online, as long as visits count.
    pub orders: u32,
    /// What it redeemed last.
    pub past: VecDeque<PastRedemption>,
}

impl Member {
    /// What it wants, having `units`; `None`: nothing, or nothing that it could have.
    pub fn wish(&self, assumptions: &Assumptions, visit: &Visit, units: i64) -> Option<i64> {
        let eager = visit.wish < self.eagerness;
        let wanted = match self.taste {
            Taste::Reward(price) => (units >= price).then_some(price),
            Taste::Most => assumptions.amounts.most_of(units),
            Taste::Least => (units >= assumptions.amounts.min_units).then_some(assumptions.amounts.min_units),
        };
        wanted.filter(|_| eager)
    }

    /// Remembers a redemption at a till, or online.
    pub fn note_redemption(&mut self, till: Option<TillIndex>, units: i64, of_units: i64) {
        if let Some(till) = till {
            self.habit.entry(till).or_default().1 += 1;
        }
        if self.past.len() == PAST_COUNT_MAX {
            self.past.pop_front();
        }
        self.past.push_back(PastRedemption { units, of_units: Some(of_units) });
    }

    /// How likely its next redemption is at each till, the likeliest first: what no head office can know better.
    pub fn chances(&self, assumptions: &Assumptions) -> Vec<f64> {
        let mut chances = Vec::new();
        for (store, share) in self.stores.iter().enumerate() {
            for (lane, opened) in OPENED.into_iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "a handful of lanes")]
                let anywhere = 1.0 / LANES as f64;
                let often_here = |here: bool, often: f64| f64::from(u8::from(here)) * often + (1.0 - often) * anywhere;
                let at_lane = match assumptions.lanes {
                    Lanes::Uniform => anywhere,
                    Lanes::Opened => opened,
                    Lanes::Habit(often) => often_here(lane == self.own_lanes[store], often),
                    Lanes::RedemptionLane(often) => often_here(lane == 0, often),
                };
                chances.push(share * at_lane);
            }
        }
        chances.sort_by(|a, b| b.total_cmp(a));
        chances
    }

    fn units(&self) -> i64 {
        self.at_hub + self.earned_at.values().sum::<i64>()
    }

    /// A redemption of the past, on a line that never fails: first what lies there, then what head office holds, then
    /// what it gets back from elsewhere.
    fn spend(&mut self, till: Option<TillIndex>, mut units: i64) {
        let mut take = |held: &mut i64| {
            let part = units.min(*held);
            *held -= part;
            units -= part;
        };
        if let Some(held) = till.and_then(|till| self.earned_at.get_mut(&till)) {
            take(held);
        }
        take(&mut self.at_hub);
        self.earned_at.values_mut().for_each(&mut take);
        self.earned_at.retain(|_, held| *held > 0);
    }
}

/// A visit or an order, with all its chances drawn.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// Minute of the month.
    pub minute: u32,
    /// Whose.
    pub member: usize,
    /// Where; `None`: online.
    pub store: Option<usize>,
    /// Points earned.
    pub points: i64,
    wish: f64,
    /// Lane when only shopping, and when redeeming.
    lanes: (usize, usize),
}

impl Visit {
    /// The till it pays at.
    pub fn till(&self, redeems: bool) -> Option<TillIndex> {
        self.store.map(|store| store * LANES + if redeems { self.lanes.1 } else { self.lanes.0 })
    }
}

fn lanes(assumptions: &Assumptions, member: &Member, store: usize, chance: &mut Chance) -> (usize, usize) {
    let anywhere = |chance: &mut Chance| chance.pick(&[1.0; LANES]);
    let shops = match assumptions.lanes {
        Lanes::Opened => chance.pick(&OPENED),
        Lanes::Habit(share) if chance.unit() < share => member.own_lanes[store],
        Lanes::Uniform | Lanes::Habit(_) | Lanes::RedemptionLane(_) => anywhere(chance),
    };
    let redeems = match assumptions.lanes {
        Lanes::RedemptionLane(share) if chance.unit() < share => 0,
        _ => shops,
    };
    (shops, redeems)
}

fn visit(
    assumptions: &Assumptions,
    id: usize,
    member: &Member,
    minute: u32,
    online: bool,
    chance: &mut Chance,
) -> Visit {
    let (median, sigma) = assumptions.basket;
    #[expect(clippy::cast_possible_truncation, reason = "a basket is small")]
    let points = (chance.log_normal(median, sigma).min(1_000.0) * assumptions.points_per_unit) as i64;
    let wish = chance.unit();
    let store = (!online).then(|| chance.pick(&member.stores));
    let lanes = store.map_or((0, 0), |store| lanes(assumptions, member, store, chance));
    Visit { minute, member: id, store, points, wish, lanes }
}

/// Everybody, and what they do in the month.
#[derive(Debug, Clone)]
pub struct People {
    /// By number.
    pub members: Vec<Member>,
    /// In order of time.
    pub visits: Vec<Visit>,
    /// Redemptions of everybody per till, so far.
    pub redemptions: Vec<u32>,
}

impl People {
    /// Draws everybody.
    pub fn draw(assumptions: &Assumptions, seed: u64) -> Self {
        let mut chance = Chance::new(seed, 2);
        let sizes: Vec<f64> = (0..assumptions.stores).map(|_| 0.5 + chance.unit()).collect();
        let mut people =
            Self { members: Vec::new(), visits: Vec::new(), redemptions: vec![0; assumptions.stores * LANES] };
        for id in 0..assumptions.members {
            let mut chance = Chance::new(seed, 1_000 + id as u64);
            let mut member = new_member(assumptions, &sizes, &mut chance);
            people.live(assumptions, id, &mut member, &mut chance);
            people.members.push(member);
        }
        people.visits.sort_by_key(|visit| (visit.minute, visit.member));
        people
    }

    fn live(&mut self, assumptions: &Assumptions, id: usize, member: &mut Member, chance: &mut Chance) {
        for month in 0..=assumptions.past_months {
            let is_past = month < assumptions.past_months;
            let mut visits = Vec::new();
            for (rate, online) in [(member.rate, false), (member.online_rate, true)] {
                let mut at = if rate > 0.0 { chance.wait(rate) } else { 1.0 };
                while at < 1.0 {
                    // Open from 8 to 20; online at any time.
                    let day = (at * f64::from(assumptions.days)).floor();
                    let hour = if online { 24.0 * chance.unit() } else { 8.0 + 12.0 * chance.unit() };
                    let minute = minute(day * 1440.0 + hour * 60.0);
                    visits.push(visit(assumptions, id, member, minute, online, chance));
                    at += chance.wait(rate);
                }
            }
            if !is_past {
                self.visits.extend(visits);
                return;
            }
            visits.sort_by_key(|visit| visit.minute);
            let counts = month + HABIT_MONTHS >= assumptions.past_months;
            for visit in visits {
                let units = member.units();
                let wish = member.wish(assumptions, &visit, units);
                let till = visit.till(wish.is_some());
                if let Some(wanted) = wish {
                    member.spend(till, wanted);
                    member.note_redemption(till, wanted, units);
                    if let Some(till) = till {
                        self.redemptions[till] += 1;
                    }
                }
                match till {
                    Some(till) => {
                        *member.earned_at.entry(till).or_default() += visit.points;
                        member.habit.entry(till).or_default().0 += u32::from(counts);
                    }
                    None => {
                        member.at_hub += visit.points;
                        member.orders += u32::from(counts);
                    }
                }
            }
        }
    }
}

fn new_member(assumptions: &Assumptions, sizes: &[f64], chance: &mut Chance) -> Member {
    let home = chance.pick(sizes);
    let second = (home + 1 + chance.pick(&vec![1.0; sizes.len() - 1])) % sizes.len();
    #[expect(clippy::cast_precision_loss, reason = "a handful of stores")]
    let anywhere = (1.0 - assumptions.home_share - assumptions.second_share) / sizes.len() as f64;
    let mut stores = vec![anywhere; sizes.len()];
    stores[home] += assumptions.home_share;
    stores[second] += assumptions.second_share;
    let (median, sigma, most) = assumptions.visits;
    let (online_share, online_rate) = assumptions.online;
    let taste = match chance.pick(&assumptions.tastes) {
        0 => Taste::Reward(assumptions.rewards[chance.pick(&assumptions.rewards.map(|(_, weight)| weight))].0),
        1 => Taste::Most,
        _ => Taste::Least,
    };
    Member {
        stores,
        own_lanes: sizes.iter().map(|_| chance.pick(&[1.0; LANES])).collect(),
        rate: chance.log_normal(median, sigma).min(most),
        online_rate: if chance.unit() < online_share { online_rate } else { 0.0 },
        taste,
        eagerness: assumptions.eagerness[chance.pick(&assumptions.eagerness.map(|(_, weight)| weight))].0,
        earned_at: BTreeMap::new(),
        at_hub: 0,
        habit: BTreeMap::new(),
        orders: 0,
        past: VecDeque::new(),
    }
}
