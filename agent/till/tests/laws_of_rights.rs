//! Laws of spend rights under random interleavings of a redemption's life, grants, recalls, returns and restarts. What is
//! expected is worked out from the records alone, by a notebook that shares nothing with the engine's tables.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod kit;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_protocol::entry::{DebtKind, EntryKind, Lot};
use counterfoil_protocol::id::{EventId, Holder, MemberId};
use counterfoil_protocol::record::{Body, Record};
use counterfoil_protocol::sale::Sale;
use counterfoil_protocol::time::{Date, StoreCalendar};
use counterfoil_protocol::wire::v1::feed::{Change, Recall, ReverseOrder};
use counterfoil_till::{Call, CommandError, Now, Redeem, RedeemWhat, RedemptionState};
use kit::*;
use proptest::prelude::*;

const CARDS: [&str; 2] = [CARD, OTHER_CARD];
const PURSES: [&str; 2] = ["points", "dated"];

#[derive(Debug, Clone)]
enum Step {
    Sale { card: usize, total: i64, basket: Option<u8> },
    Redeem { card: usize, purse: usize, units: i64, basket: Option<u8>, reserve: bool, cut_off: bool },
    Confirm { nth: usize },
    Cancel { nth: usize },
    Reverse { nth: usize },
    OrderReverse { nth: usize },
    Recall { card: usize, purse: usize, keep: i64 },
    Grant { card: usize, purse: usize, units: i64, lot: usize },
    Void { nth: usize },
    TimeOut,
    ReturnExpired,
    Acknowledge { share: u64 },
    Close,
    Wait { hours: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let basket = || prop::option::weighted(0.6, 0u8..4);
    let units = || prop_oneof![Just(100i64), Just(150), 1i64..250];
    prop_oneof![
        4 => (0usize..2, prop_oneof![Just(5_000i64), 0i64..40_000], basket())
            .prop_map(|(card, total, basket)| Step::Sale { card, total, basket }),
        6 => (0usize..2, 0usize..2, units(), basket(), any::<bool>(), any::<bool>())
            .prop_map(|(card, purse, units, basket, reserve, cut_off)| Step::Redeem { card, purse, units, basket, reserve, cut_off }),
        2 => (0usize..12).prop_map(|nth| Step::Confirm { nth }),
        1 => (0usize..12).prop_map(|nth| Step::Cancel { nth }),
        2 => (0usize..12).prop_map(|nth| Step::Reverse { nth }),
        1 => (0usize..12).prop_map(|nth| Step::OrderReverse { nth }),
        2 => (0usize..2, 0usize..2, 0i64..150).prop_map(|(card, purse, keep)| Step::Recall { card, purse, keep }),
        3 => (0usize..2, 0usize..2, units(), 0usize..5).prop_map(|(card, purse, units, lot)| Step::Grant { card, purse, units, lot }),
        1 => (0usize..6).prop_map(|nth| Step::Void { nth }),
        2 => Just(Step::TimeOut),
        1 => Just(Step::ReturnExpired),
        1 => (0u64..=10).prop_map(|share| Step::Acknowledge { share }),
        1 => Just(Step::Close),
        2 => prop_oneof![0i64..3, 0i64..1_200].prop_map(|hours| Step::Wait { hours }),
        1 => Just(Step::Restart),
    ]
}

fn lot(nth: usize) -> Lot {
    let date = |text: &str| Some(text.parse::<Date>().unwrap());
    match nth {
        0 => Lot::default(),
        1 => Lot { vests: None, expires: date("2026-11-30") },
        2 => Lot { vests: date("2026-11-22"), expires: date("2026-12-31") },
        3 => Lot { vests: date("2026-12-01"), expires: None },
        _ => Lot { vests: None, expires: date("2026-11-19") },
    }
}

/// Whose units, in which purse and lot.
type Key = (MemberId, String, Lot);

/// What the records and the grants say.
#[derive(Default)]
struct Notebook {
    read: u64,
    held: BTreeMap<Key, i64>,
    /// Open reservations, and what each has chosen.
    open: BTreeMap<u64, Vec<(Key, i64)>>,
    /// What each redemption spent and how much of it is back.
    spent: BTreeMap<u64, (i64, i64)>,
    confirmed: BTreeSet<u64>,
}

impl Notebook {
    fn reserved(&self, key: &Key) -> i64 {
        self.open.values().flatten().filter(|(other, _)| other == key).map(|(_, units)| units).sum()
    }

    fn take(&mut self, me: Holder, position: u64, record: &Record) {
        let today = record_day(record);
        let mut in_time = false;
        match &record.body {
            Body::Reservation(made) => {
                let chosen = made.chosen.iter().filter(|entry| entry.debt.is_none());
                let chosen =
                    chosen.map(|entry| ((entry.member, entry.purse.clone(), entry.lot), entry.units)).collect();
                self.open.insert(position, chosen);
            }
            Body::Release(made) => {
                assert!(self.open.remove(&made.reservation.position).is_some(), "released once, while it is open");
            }
            Body::Confirmation(made) => {
                let reservation = made.reservation.position;
                let chosen = self.open.remove(&reservation);
                in_time = chosen.is_some();
                assert_eq!(made.late, chosen.is_none());
                assert!(self.confirmed.insert(reservation), "confirmed once");
                self.spent.insert(reservation, (record.entries.iter().map(|entry| entry.units).sum(), 0));
            }
            Body::Redemption(made) => {
                assert_eq!(record.entries.iter().map(|entry| entry.units).sum::<i64>(), made.units);
                self.spent.insert(position, (made.units, 0));
            }
            Body::Reversal(made) => {
                let (spent, back) = self.spent.get_mut(&made.redemption.position).unwrap();
                *back += record.entries.iter().map(|entry| entry.units).sum::<i64>();
                assert!(*back <= *spent, "no more comes back than was spent");
            }
            _ => {}
        }
        for entry in &record.entries {
            let key = (entry.member, entry.purse.clone(), entry.lot);
            *self.held.entry(key.clone()).or_default() += entry.held_change(me, me).unwrap();
            assert!(self.held[&key] >= self.reserved(&key), "record {position} takes what is not held or is reserved");
            if entry.kind == EntryKind::Redeem && entry.debt.is_none() && !in_time {
                assert!(entry.lot.vests.is_none_or(|vests| vests <= today), "record {position} spends before it vests");
                assert!(entry.lot.expires.is_none_or(|ends| ends >= today), "record {position} spends past its date");
            }
        }
        for (key, _) in self.open.values().flatten() {
            assert!(self.reserved(key) <= self.held.get(key).copied().unwrap_or(0), "what is reserved is held");
        }
    }
}

fn record_day(record: &Record) -> Date {
    StoreCalendar::new("Europe/London", "03:00").unwrap().business_date(record.recorded_at_ms)
}

struct Run {
    shop: Shop,
    now: Now,
    notebook: Notebook,
    ids: Vec<EventId>,
    sales: Vec<EventId>,
    number: u64,
}

impl Run {
    fn new() -> Self {
        let mut shop = Shop::with_rights();
        for card in CARDS {
            shop.tell_state(state(card, 600, 0, 1, MORNING));
        }
        Self { shop, now: now(), notebook: Notebook::default(), ids: vec![], sales: vec![], number: 0 }
    }

    fn nth(&self, nth: usize) -> Option<EventId> {
        (!self.ids.is_empty()).then(|| self.ids[nth % self.ids.len()])
    }

    fn state(&self, id: EventId) -> RedemptionState {
        self.shop.till().redemption(id).unwrap().unwrap().state
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match step.clone() {
            Step::Sale { card, total, basket } => {
                self.number += 1;
                let mut sale = sale_at(&self.number.to_string(), total, Some(CARDS[card]), now.wall_ms);
                sale.sale_ref = basket.map(|basket| format!("b{basket}"));
                self.sell(sale);
            }
            Step::Redeem { card, purse, units, basket, reserve, cut_off } => {
                let ask = Redeem {
                    what: RedeemWhat::Units { purse: PURSES[purse].into(), amount: units },
                    sale_ref: basket.map(|basket| format!("b{basket}")),
                    reserve,
                    cut_off,
                    ..spend(CARDS[card], units)
                };
                let spendable = self.spendable(card, PURSES[purse]);
                match self.shop.till_mut().redeem(ask, Call::api(), now) {
                    Ok(reply) => {
                        if reply.fresh {
                            self.ids.push(reply.answer.redemption_id);
                            let is_floor = self.shop.last_record().marks.contains(&"floor-soft-limit".to_owned())
                                || reply.answer.rights == Some(counterfoil_protocol::record::Rights::Floor);
                            assert!(units <= spendable || (is_floor && cut_off));
                        }
                    }
                    Err(CommandError::NotSpendable(refusal)) => {
                        assert!(units > spendable && refusal.spendable == spendable, "what can be spent is spent");
                    }
                    Err(error) => {
                        let known = ["invalid-request", "not-in-steps", "reservation-conflict"];
                        assert!(known.contains(&error.kind()), "{error}");
                    }
                }
            }
            Step::Confirm { nth } => {
                self.life(nth, |till, id| till.confirm_redemption(id, Call::api(), now).map(|_| ()))
            }
            Step::Cancel { nth } => self.life(nth, |till, id| till.cancel_redemption(id, Call::api(), now).map(|_| ())),
            Step::Reverse { nth } => {
                self.life(nth, |till, id| till.reverse_redemption(id, None, None, Call::api(), now).map(|_| ()));
            }
            Step::OrderReverse { nth } => {
                let Some(id) = self.nth(nth) else { return };
                let order = ReverseOrder { redemption: id, request: "hub".into(), reason: None };
                self.shop.order(Change::Reverse(order), now);
                let undone = [RedemptionState::Reversed, RedemptionState::Cancelled, RedemptionState::TimedOut];
                assert!(undone.contains(&self.state(id)));
            }
            Step::Recall { card, purse, keep } => {
                let recall = Recall { member: member_of(CARDS[card]), purse: PURSES[purse].into(), keep };
                self.shop.order(Change::Recall(recall), now);
                self.read();
                let member = member_of(CARDS[card]);
                let mine = |key: &&Key| key.0 == member && key.1 == PURSES[purse];
                let held: i64 = self.notebook.held.keys().filter(mine).map(|key| self.notebook.held[key]).sum();
                let reserved: i64 = self.notebook.held.keys().filter(mine).map(|key| self.notebook.reserved(key)).sum();
                assert!(held <= keep.max(reserved), "{held} held, {reserved} reserved, {keep} may stay");
            }
            Step::Grant { card, purse, units, lot: nth } => {
                let member = member_of(CARDS[card]);
                let grant = self.shop.hub.grant(incarnation(), member, PURSES[purse], lot(nth), units);
                let page = self.shop.hub.page(vec![Change::Grant(grant)], 0, 0);
                self.shop.till_mut().apply_page(&page).unwrap();
                *self.notebook.held.entry((member, PURSES[purse].into(), lot(nth))).or_default() += units;
            }
            Step::Void { nth } => {
                if !self.sales.is_empty() {
                    let id = self.sales[nth % self.sales.len()];
                    self.shop.till_mut().void(id, Call::api(), now).unwrap();
                }
            }
            Step::TimeOut => {
                self.shop.till_mut().expire_reservations(now).unwrap();
            }
            Step::ReturnExpired => {
                self.shop.till_mut().return_expired(now).unwrap();
                self.read();
                let today = StoreCalendar::new("Europe/London", "03:00").unwrap().business_date(now.wall_ms);
                for (key, held) in &self.notebook.held {
                    let is_past = key.2.expires.is_some_and(|ends| ends < today);
                    assert!(!is_past || *held == self.notebook.reserved(key), "everything past its date is given back");
                }
            }
            Step::Acknowledge { share } => {
                let position = self.shop.till().head().position * share / 10;
                self.shop.till_mut().acknowledge(position, 0).unwrap();
            }
            Step::Close => {
                self.shop.till_mut().close_day(None, Call::api(), now).unwrap();
            }
            Step::Wait { hours } => self.now.wall_ms += hours * HOUR,
            Step::Restart => self.shop.reopen(),
        }
    }

    fn sell(&mut self, sale: Sale) {
        let basket = sale.sale_ref.clone();
        let open: Vec<EventId> =
            self.ids.iter().copied().filter(|id| self.state(*id) == RedemptionState::Reserved).collect();
        let of_basket: Vec<bool> = open
            .iter()
            .map(|id| {
                let (_, _, record) = self.shop.till().records_after(id.position - 1, 1).unwrap().remove(0);
                matches!(record.body, Body::Reservation(made) if made.redemption.sale_ref == basket)
            })
            .collect();
        let reply = self.shop.till_mut().record_sale(sale, Call::api(), self.now).unwrap();
        self.sales.push(reply.answer.sale_id);
        for (id, is_of_basket) in open.into_iter().zip(of_basket) {
            assert_eq!(
                self.state(id) == RedemptionState::Redeemed,
                is_of_basket,
                "its sale confirms it, no other does"
            );
        }
    }

    fn life(&mut self, nth: usize, act: impl FnOnce(&mut counterfoil_till::Till, EventId) -> Result<(), CommandError>) {
        let Some(id) = self.nth(nth) else { return };
        if let Err(error) = act(self.shop.till_mut(), id) {
            assert_eq!(error.kind(), "redemption-state", "{error}");
        }
    }

    fn spendable(&self, card: usize, purse: &str) -> i64 {
        let view = self.shop.till().look_up(&by_card(CARDS[card]), self.now).unwrap().unwrap();
        view.purses.iter().find(|view| view.purse == purse).map_or(0, |view| view.spendable)
    }

    /// Reads on in the journal.
    fn read(&mut self) {
        let me = Holder::Terminal(self.shop.till().incarnation());
        for (position, _, record) in self.shop.till().records_after(self.notebook.read, usize::MAX >> 1).unwrap() {
            self.notebook.take(me, position, &record);
            self.notebook.read = position;
        }
    }

    /// The floor's limits over what is not acknowledged, and what is shown against what is held.
    fn check(&mut self) {
        self.read();
        let till = self.shop.till();
        let mut by_member: BTreeMap<MemberId, i64> = BTreeMap::new();
        for (_, _, record) in till.records_after(till.acknowledged(), usize::MAX >> 1).unwrap() {
            for entry in record.entries.iter().filter(|entry| entry.debt == Some(DebtKind::Floor)) {
                if entry.kind == EntryKind::Redeem {
                    assert!(entry.units <= 60);
                    *by_member.entry(entry.member).or_default() += entry.units;
                }
            }
        }
        assert!(by_member.values().all(|units| *units <= 100) && by_member.values().sum::<i64>() <= 150);
        for (index, card) in CARDS.iter().enumerate() {
            for purse in PURSES {
                let mine = |key: &&Key| key.0 == member_of(card) && key.1 == purse;
                let free = self
                    .notebook
                    .held
                    .keys()
                    .filter(mine)
                    .map(|key| self.notebook.held[key] - self.notebook.reserved(key));
                assert!(self.spendable(index, purse) <= free.sum::<i64>());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_to_redemptions_rights_keep_their_laws(steps in prop::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
            run.check();
        }
        run.shop.assert_sound();
        let states: Vec<_> = run.ids.iter().map(|id| run.shop.till().redemption(*id).unwrap()).collect();
        run.shop.reopen();
        run.shop.assert_sound();
        let again: Vec<_> = run.ids.iter().map(|id| run.shop.till().redemption(*id).unwrap()).collect();
        prop_assert_eq!(states, again, "a restart changes nothing");
        run.check();
    }
}
