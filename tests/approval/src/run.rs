//! One month under one policy.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::{Assumptions, LANES};
use crate::chain::{Chain, lanes_of, lot};
use crate::outages::Outages;
use crate::people::{Member, People, TillIndex, Visit};
use crate::policy::{Policy, Rule, carry_out};

/// What came of it. Counts of honest requests only: the member's balance over all replicas covers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Visits and orders.
    pub visits: u64,
    /// Requests at tills without a line, and how many were granted.
    pub offline: (u64, u64),
    /// Units asked for without a line, and how many of them could have been used.
    pub offline_units: (i64, i64),
    /// Requests at tills, and how many would have been granted had the line been cut just before.
    pub any_moment: (u64, u64),
    /// Of those requests, in millionths, how many at most anybody could have expected to grant who must say beforehand
    /// which till holds what, knowing every member's balance, wish and chances.
    pub possible_millionths: u64,
    /// Requests online, how many lacked units at head office, and how many still did after a recall.
    pub online: (u64, u64, u64),
    /// Requests at tills with a line, likewise.
    pub with_line: (u64, u64, u64),
    /// Units redeemed below the floor.
    pub floor_units: i64,
    /// Units still owed at the end.
    pub owed: i64,
    /// Grants and rights given back, for plans.
    pub movements: u64,
    /// Entries written, all of them posted and covered.
    pub entries: u64,
}

impl Tally {
    /// Both together.
    pub fn with(self, other: Self) -> Self {
        let two = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        let three = |a: (u64, u64, u64), b: (u64, u64, u64)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
        Self {
            visits: self.visits + other.visits,
            offline: two(self.offline, other.offline),
            offline_units: (self.offline_units.0 + other.offline_units.0, self.offline_units.1 + other.offline_units.1),
            any_moment: two(self.any_moment, other.any_moment),
            possible_millionths: self.possible_millionths + other.possible_millionths,
            online: three(self.online, other.online),
            with_line: three(self.with_line, other.with_line),
            floor_units: self.floor_units + other.floor_units,
            owed: self.owed + other.owed,
            movements: self.movements + other.movements,
            entries: self.entries + other.entries,
        }
    }
}

struct Run<'a> {
    assumptions: &'a Assumptions,
    policy: Policy,
    members: Vec<Member>,
    redemptions: Vec<u32>,
    chain: Chain,
    tally: Tally,
    /// Members to plan for again when a store's line is back.
    waiting: BTreeSet<(usize, usize)>,
    floor_by_till: Vec<i64>,
    floor_by_member: BTreeMap<(TillIndex, usize), i64>,
}

const EARNED_BEFORE: &str = "2027-03-31";
const EARNED_NOW: &str = "2027-12-31";

/// Lives the month. Panics where a law is broken.
pub fn run(assumptions: &Assumptions, people: &People, outages: &Outages, policy: Policy) -> Tally {
    let today = "2026-11-25".parse().expect("a date");
    let mut run = Run {
        assumptions,
        policy,
        members: people.members.clone(),
        redemptions: people.redemptions.clone(),
        chain: Chain::new(people.members.len(), assumptions.stores, today),
        tally: Tally::default(),
        waiting: BTreeSet::new(),
        floor_by_till: vec![0; assumptions.stores * LANES],
        floor_by_member: BTreeMap::new(),
    };
    for (id, member) in people.members.iter().enumerate() {
        for (till, units) in &member.earned_at {
            run.chain.accrue(id, Some(*till), false, lot(EARNED_BEFORE), *units);
        }
        run.chain.accrue(id, None, false, lot(EARNED_BEFORE), member.at_hub);
        run.plan(id);
    }
    run.tally.movements = 0;
    let mut switches = outages.switches.iter().peekable();
    for visit in &people.visits {
        while let Some(switch) = switches.next_if(|switch| switch.minute <= visit.minute) {
            if switch.down { run.chain.cut(switch.store) } else { run.mend(switch.store) }
        }
        match visit.store {
            Some(_) => run.at_till(visit),
            None if outages.hub_is_away(visit.minute) => {}
            None => run.online(visit),
        }
    }
    (0..assumptions.stores).for_each(|store| run.mend(store));
    run.tally.entries = run.chain.entries;
    run.tally.owed = run.chain.audit();
    run.tally
}

impl Run<'_> {
    fn plan(&mut self, id: usize) {
        if self.policy.rule == Rule::Fresh {
            return;
        }
        let owed = self.chain.debt_in_book(id);
        if owed > 0 {
            self.recall(id, owed, None);
            self.chain.repay(id);
        }
        let member = &self.members[id];
        self.tally.movements +=
            carry_out(self.assumptions, self.policy, &mut self.chain, id, member, &self.redemptions);
        for store in member.habit.keys().map(|till| till / LANES) {
            if self.chain.is_down(store) {
                self.waiting.insert((store, id));
            }
        }
    }

    fn mend(&mut self, store: usize) {
        let mut members: BTreeSet<usize> = self.chain.mend(store).into_iter().collect();
        for till in lanes_of(store) {
            self.floor_by_till[till] = 0;
        }
        self.floor_by_member.retain(|(till, _), _| till / LANES != store);
        let waiting: Vec<(usize, usize)> = self.waiting.range((store, 0)..(store + 1, 0)).copied().collect();
        for pair in waiting {
            self.waiting.remove(&pair);
            members.insert(pair.1);
        }
        members.into_iter().for_each(|id| self.plan(id));
    }

    /// Rights come back from tills with a line until head office holds `units`: from where most lies.
    fn recall(&mut self, id: usize, units: i64, except: Option<TillIndex>) {
        let mut tills: Vec<(TillIndex, i64)> = self.chain.held_in_book(id).into_iter().collect();
        tills.sort_by_key(|(till, held)| (-held, *till));
        for (till, held) in tills {
            let short = units - self.at_hub(id);
            if short > 0 && held > 0 && Some(till) != except && !self.chain.is_down(till / LANES) {
                self.chain.give_back(id, till, (held - short).max(0));
            }
        }
    }

    fn at_hub(&self, id: usize) -> i64 {
        self.chain.hub_lots(id).iter().map(|(_, units)| units).sum()
    }

    /// What this till may spend now: where the member is known to owe, no more than the balance it shows.
    fn spendable(&self, id: usize, till: TillIndex) -> i64 {
        let held = self.chain.held_at(id, till);
        if self.chain.debt_unseen(id, till) > 0 || self.chain.debt_in_book(id) > 0 {
            held.min(self.chain.shown_balance(id, till))
        } else {
            held
        }
    }

    fn at_till(&mut self, visit: &Visit) {
        let id = visit.member;
        self.tally.visits += 1;
        let balance = self.chain.balance(id);
        let wish = self.members[id].wish(self.assumptions, visit, balance);
        let till = visit.till(wish.is_some()).expect("a visit is at a store");
        let is_down = self.chain.is_down(till / LANES);
        if let Some(wanted) = wish {
            let here = self.spendable(id, till).min(wanted);
            let grants = self.nearby(id, till) >= wanted || self.floor_lends(id, till, wanted, here);
            self.tally.any_moment.0 += 1;
            self.tally.any_moment.1 += u64::from(grants);
            self.tally.possible_millionths += self.possible_millionths(id, balance, wanted);
            let granted =
                if is_down { self.redeem_offline(id, till, wanted) } else { self.redeem_with_line(id, till, wanted) };
            if granted {
                self.members[id].note_redemption(Some(till), wanted, balance);
                self.redemptions[till] += 1;
            }
        }
        let owes = self.chain.debt_unseen(id, till) > 0 || self.chain.debt_in_book(id) > 0;
        self.chain.accrue(id, Some(till), owes, lot(EARNED_NOW), visit.points);
        self.members[id].habit.entry(till).or_default().0 += 1;
        if is_down {
            self.waiting.insert((till / LANES, id));
        } else {
            self.plan(id);
        }
    }

    /// What can be used at this till without head office.
    fn nearby(&self, id: usize, till: TillIndex) -> i64 {
        let lanes = match self.policy.rule {
            Rule::PlannerShared => lanes_of(till / LANES),
            Rule::Fresh | Rule::Planner | Rule::PlannerFloor => till..till + 1,
        };
        lanes.map(|lane| self.spendable(id, lane)).sum()
    }

    fn redeem_offline(&mut self, id: usize, till: TillIndex, wanted: i64) -> bool {
        let nearby = self.nearby(id, till);
        self.tally.offline.0 += 1;
        self.tally.offline_units.0 += wanted;
        self.tally.offline_units.1 += nearby.min(wanted);
        let here = self.spendable(id, till).min(wanted);
        let granted = if nearby >= wanted {
            let mut short = wanted - here;
            for lane in lanes_of(till / LANES).filter(|lane| *lane != till) {
                let part = short.min(self.spendable(id, lane));
                if part > 0 {
                    self.chain.transfer(id, lane, till, part);
                    short -= part;
                }
            }
            self.chain.redeem(id, till, wanted, 0);
            true
        } else {
            let lends = self.floor_lends(id, till, wanted, here);
            if lends {
                self.redeem_below_floor(id, till, wanted, here);
            }
            lends
        };
        self.tally.offline.1 += u64::from(granted);
        granted
    }

    fn floor_used(&self, id: usize, till: TillIndex) -> i64 {
        self.floor_by_member.get(&(till, id)).copied().unwrap_or(0)
    }

    /// The product's floor: known here, the shown balance covers it, and no limit is passed.
    fn floor_lends(&self, id: usize, till: TillIndex, wanted: i64, here: i64) -> bool {
        let floor = self.assumptions.floor;
        let short = wanted - here;
        let is_known = lanes_of(till / LANES).any(|lane| self.members[id].habit.get(&lane).is_some_and(|h| h.0 > 0));
        self.policy.rule == Rule::PlannerFloor
            && is_known
            && self.chain.shown_balance(id, till) >= wanted
            && short <= floor.redemption_units
            && self.floor_used(id, till) + short <= floor.member_units
            && self.floor_by_till[till] + short <= floor.till_units
    }

    fn redeem_below_floor(&mut self, id: usize, till: TillIndex, wanted: i64, here: i64) {
        let short = wanted - here;
        self.floor_by_till[till] += short;
        *self.floor_by_member.entry((till, id)).or_default() += short;
        self.tally.floor_units += short;
        self.chain.redeem(id, till, here, short);
    }

    /// As many tills as the balance has times what is wanted can be prepared: the likeliest.
    fn possible_millionths(&self, id: usize, balance: i64, wanted: i64) -> u64 {
        let tills = usize::try_from(balance / wanted.max(1)).unwrap_or(0);
        let chance: f64 = self.members[id].chances(self.assumptions).iter().take(tills).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a chance")]
        let millionths = (chance.clamp(0.0, 1.0) * 1e6) as u64;
        millionths
    }

    fn redeem_with_line(&mut self, id: usize, till: TillIndex, wanted: i64) -> bool {
        let here = self.spendable(id, till);
        let short = wanted - here;
        self.tally.with_line.0 += 1;
        if short > self.at_hub(id) {
            self.tally.with_line.1 += 1;
            self.recall(id, short, Some(till));
        }
        if short > self.at_hub(id) {
            self.tally.with_line.2 += 1;
            return false;
        }
        if short > 0 {
            self.chain.grant(id, till, short);
        }
        self.chain.redeem(id, till, wanted, 0);
        true
    }

    fn online(&mut self, visit: &Visit) {
        let id = visit.member;
        self.tally.visits += 1;
        let balance = self.chain.balance(id);
        if let Some(wanted) = self.members[id].wish(self.assumptions, visit, balance) {
            self.tally.online.0 += 1;
            if wanted > self.at_hub(id) {
                self.tally.online.1 += 1;
                self.recall(id, wanted, None);
            }
            if wanted > self.at_hub(id) {
                self.tally.online.2 += 1;
            } else {
                self.chain.redeem_at_hub(id, wanted);
                self.members[id].note_redemption(None, wanted, balance);
            }
        }
        self.chain.accrue(id, None, false, lot(EARNED_NOW), visit.points);
        self.members[id].orders += 1;
        self.plan(id);
    }
}
