//! The laws of one till, whatever is done to it: what is held is never negative and follows from the entries; a first
//! answer is given for ever; the journal gives everything derived again; a void restores; pages may come as they like.
#![allow(clippy::unwrap_used, reason = "test code")]

mod kit;

use std::collections::BTreeMap;

use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Holder, MemberId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::sale::{OriginalRef, SaleKind};
use counterfoil_protocol::wire::v1::feed::Change;
use counterfoil_protocol::wire::v1::grant::GrantAnswer;
use counterfoil_till::{Call, CapturedDocument, Now, SaleAnswer, Till};
use kit::*;
use proptest::prelude::*;

const CARDS: [&str; 3] = [CARD, OTHER_CARD, "4711"];

#[derive(Debug, Clone)]
enum Step {
    Sale { number: u8, total: i64, card: Option<usize>, key: Option<u8>, is_return: bool, training: bool },
    Paper { number: u8, total: i64, skip: bool },
    PaperVoid { number: u8, total: i64 },
    Void { nth: usize, key: Option<u8> },
    Redeem { card: usize, units: i64, key: Option<u8> },
    Scan { card: usize },
    Grant { card: usize, units: i64, dated: bool },
    Again { nth: usize },
    State { card: usize, points: i64, debt: i64 },
    Close { pos: bool },
    Z,
    Wait { minutes: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop::option::weighted(0.4, 0u8..6);
    let total = || prop_oneof![Just(500i64), Just(1_000), 0i64..100_000];
    prop_oneof![
        6 => (0u8..8, total(), prop::option::weighted(0.8, 0usize..3), key(), prop::bool::weighted(0.15), prop::bool::weighted(0.1))
            .prop_map(|(number, total, card, key, is_return, training)| Step::Sale { number, total, card, key, is_return, training }),
        3 => (0u8..8, total(), prop::bool::weighted(0.2)).prop_map(|(number, total, skip)| Step::Paper { number, total, skip }),
        1 => (0u8..8, total()).prop_map(|(number, total)| Step::PaperVoid { number, total }),
        2 => (0usize..8, key()).prop_map(|(nth, key)| Step::Void { nth, key }),
        4 => (0usize..3, 1i64..200, key()).prop_map(|(card, units, key)| Step::Redeem { card, units, key }),
        1 => (0usize..3).prop_map(|card| Step::Scan { card }),
        3 => (0usize..2, 1i64..200, any::<bool>()).prop_map(|(card, units, dated)| Step::Grant { card, units, dated }),
        1 => (0usize..8).prop_map(|nth| Step::Again { nth }),
        1 => (0usize..2, 0i64..500, 0i64..50).prop_map(|(card, points, debt)| Step::State { card, points, debt }),
        1 => any::<bool>().prop_map(|pos| Step::Close { pos }),
        1 => Just(Step::Z),
        1 => (0i64..900).prop_map(|minutes| Step::Wait { minutes }),
        1 => Just(Step::Restart),
    ]
}

/// A till, and what a person with a notebook knows of it.
struct Run {
    shop: Shop,
    now: Now,
    stream: u64,
    sold: Vec<SaleAnswer>,
    pages: Vec<counterfoil_protocol::wire::v1::feed::Page>,
    granted: BTreeMap<(MemberId, String), i64>,
    /// By idempotency key: the request, and what was answered first.
    answers: BTreeMap<String, (String, serde_json::Value)>,
}

impl Run {
    fn new() -> Self {
        Self {
            shop: Shop::open_for_business(),
            now: now(),
            stream: 0,
            sold: vec![],
            pages: vec![],
            granted: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    fn call(&self, key: Option<u8>, what: &str) -> (Call, Option<(String, String)>) {
        match key {
            None => (Call::api(), None),
            Some(key) => (keyed(&format!("k{key}"), what), Some((format!("k{key}"), what.to_owned()))),
        }
    }

    fn note(
        &mut self,
        keyed: Option<(String, String)>,
        outcome: Result<serde_json::Value, counterfoil_till::CommandError>,
    ) {
        let Some((key, request)) = keyed else { return };
        match (self.answers.get(&key), outcome) {
            (Some((first, answer)), Ok(now)) => {
                assert_eq!((first, answer), (&request, &now), "one key, one answer");
            }
            (Some((first, _)), Err(error)) => {
                assert!(*first != request, "the first answer is given for ever: {error}");
                assert_eq!(error.kind(), "idempotency-mismatch");
            }
            (None, Ok(now)) => {
                self.answers.insert(key, (request, now));
            }
            (None, Err(_)) => {}
        }
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match step.clone() {
            Step::Sale { number, total, card, key, is_return, training } => {
                let mut sale = sale_at(&number.to_string(), total, card.map(|card| CARDS[card]), now.wall_ms);
                sale.training = training;
                if is_return {
                    sale.kind = SaleKind::Return;
                    sale.original = Some(OriginalRef { receipt_number: "0".into(), ..OriginalRef::default() });
                }
                let (call, keyed) = self.call(key, &format!("sale {step:?}"));
                let reply = self.shop.till_mut().record_sale(sale, call, now);
                if let Ok(reply) = &reply {
                    self.sold.push(reply.answer.clone());
                }
                self.note(keyed, reply.map(|reply| serde_json::to_value(reply.answer).unwrap()));
            }
            Step::Paper { number, total, skip } => {
                let sale = sale_at(&number.to_string(), total, None, now.wall_ms);
                self.paper(if skip { CapturedDocument::Nothing } else { CapturedDocument::Sale(sale) });
            }
            Step::PaperVoid { number, total } => self.paper(CapturedDocument::Void {
                receipt_number: Some(format!("9{number}")),
                voided_receipt: Some(number.to_string()),
                sale: sale_at("1", total, None, now.wall_ms),
            }),
            Step::Void { nth, key } => {
                if self.sold.is_empty() {
                    return;
                }
                let id = self.sold[nth % self.sold.len()].sale_id;
                let (call, keyed) = self.call(key, &format!("void {id}"));
                let reply = self.shop.till_mut().void(id, call, now);
                self.note(keyed, reply.map(|reply| serde_json::to_value(reply.answer).unwrap()));
            }
            Step::Redeem { card, units, key } => {
                let spendable = self.spendable(CARDS[card]);
                let (call, keyed) = self.call(key, &format!("redeem {card} {units}"));
                let reply = self.shop.till_mut().redeem(spend(CARDS[card], units), call, now);
                if let Ok(reply) = &reply {
                    assert!(!reply.fresh || units <= spendable, "spends only what it said could be spent");
                } else if keyed.is_none() && card < 2 {
                    assert!(units > spendable, "what can be spent is spent");
                }
                self.note(keyed, reply.map(|reply| serde_json::to_value(reply.answer).unwrap()));
            }
            Step::Scan { card } => {
                self.shop.till_mut().scan_member(&Identifier::parse(CARDS[card]).unwrap(), now).unwrap();
            }
            Step::Grant { card, units, dated } => {
                let expires = dated.then(|| "2026-11-30".parse().unwrap());
                let member = member_of(CARDS[card]);
                let lot = Lot { vests: None, expires };
                let grant = self.shop.hub.grant(incarnation(), member, "points", lot, units);
                let page = self.shop.hub.page(vec![Change::Grant(grant)], 0, 0);
                self.shop.till_mut().apply_page(&page).unwrap();
                self.pages.push(page);
                *self.granted.entry((member, "points".into())).or_default() += units;
            }
            Step::Again { nth } => {
                if !self.pages.is_empty() {
                    let page = self.pages[nth % self.pages.len()].clone();
                    self.shop.till_mut().apply_page(&page).unwrap();
                }
            }
            Step::State { card, points, debt } => {
                self.shop.tell_state(state(CARDS[card], points, debt, 1, now.wall_ms));
            }
            Step::Close { pos } => {
                let totals = PosTotals { gross: Some(0), ..PosTotals::default() };
                self.shop.till_mut().close_day(pos.then_some(totals), Call::api(), now).unwrap();
            }
            Step::Z => {
                let totals = PosTotals { sales: Some(1), ..PosTotals::default() };
                self.paper(CapturedDocument::ZReport { totals, report_number: None });
            }
            Step::Wait { minutes } => self.now.wall_ms += minutes * MINUTE,
            Step::Restart => self.shop.reopen(),
        }
    }

    fn paper(&mut self, document: CapturedDocument) {
        let span = paper(self.stream, self.now.wall_ms, document);
        let outcome = self.shop.till_mut().capture("printer", span.clone(), self.now).unwrap();
        assert_ne!(outcome, counterfoil_till::CaptureOutcome::AlreadyDone);
        self.stream = span.to;
        let again = self.shop.till_mut().capture("printer", span, self.now).unwrap();
        assert_eq!(again, counterfoil_till::CaptureOutcome::AlreadyDone);
    }

    fn spendable(&self, card: &str) -> i64 {
        let view = self.shop.till().look_up(&by_card(card), self.now).unwrap();
        view.and_then(|view| view.purses.into_iter().find(|purse| purse.purse == "points"))
            .map_or(0, |purse| purse.spendable)
    }

    /// Law 2, from the entries themselves: what was accrued and received, less what was spent, at every record.
    fn assert_held(&self) {
        let till = self.shop.till();
        let me = Holder::Terminal(till.incarnation());
        let mut held = self.granted.clone();
        for (position, _, record) in till.records_after(0, usize::MAX >> 1).unwrap() {
            for entry in &record.entries {
                let units = held.entry((entry.member, entry.purse.clone())).or_default();
                *units += entry.held_change(me, me).unwrap();
                assert!(*units >= 0, "record {position} spends what is not held");
            }
        }
        for card in CARDS {
            for purse in
                self.shop.till().look_up(&by_card(card), self.now).unwrap().iter().flat_map(|view| &view.purses)
            {
                let key = (member_of(card), purse.purse.clone());
                assert!(purse.spendable <= held.get(&key).copied().unwrap_or(0));
                assert!(purse.spendable >= 0 && purse.balance >= purse.spendable && purse.debt >= 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_till_keeps_its_laws(steps in prop::collection::vec(step(), 1..50)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
        }
        run.assert_held();
        run.shop.assert_sound();
        let before: Vec<_> = CARDS.iter().map(|card| run.shop.till().look_up(&by_card(card), run.now).unwrap()).collect();
        run.shop.reopen();
        let after: Vec<_> = CARDS.iter().map(|card| run.shop.till().look_up(&by_card(card), run.now).unwrap()).collect();
        prop_assert_eq!(before, after, "a restart changes nothing");
        run.shop.assert_sound();
    }

    #[test]
    fn a_void_restores_what_was(points in 0i64..500, share in 0i64..=100, debt in 0i64..100, total in 0i64..200_000, visits in 0u64..2) {
        let mut shop = Shop::open_for_business();
        shop.tell_state(state(CARD, points, debt, visits, MORNING));
        let granted = points * share / 100;
        if granted > 0 {
            shop.grant(member_of(CARD), "points", Lot::default(), granted);
        }
        let net = |shop: &Shop| {
            let (balance, spendable, debt) = shop.purse(CARD, "points", now());
            (balance, spendable.min(balance), debt)
        };
        let before = net(&shop);
        let sold = shop.till_mut().record_sale(sale("1", total, Some(CARD)), Call::api(), now()).unwrap();
        shop.till_mut().void(sold.answer.sale_id, Call::api(), now()).unwrap();
        let after = net(&shop);
        prop_assert_eq!((before.0, before.1), (after.0, after.1));
        prop_assert!(after.2 >= before.2);
        let close = shop.till_mut().close_day(None, Call::api(), now()).unwrap().answer;
        prop_assert_eq!(close.gross, 0);
        prop_assert!(close.purses.iter().all(|purse| purse.accrued == 0));
        shop.assert_sound();
    }

    /// Law 3 for one till: the same facts, cut into other pages, repeated, and grants also by answers to questions.
    #[test]
    fn the_same_facts_give_the_same_state(
        facts in prop::collection::vec((0usize..2, 1i64..300, any::<bool>()), 1..12),
        cuts in prop::collection::vec(1usize..4, 12),
        early in prop::collection::vec(any::<bool>(), 12),
        repeats in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut plain = Shop::open_for_business();
        let mut other = Shop::open_for_business();
        let mut changes = Vec::new();
        for (index, (card, units, is_grant)) in facts.iter().enumerate() {
            changes.push(if *is_grant {
                Change::Grant(plain.hub.grant(incarnation(), member_of(CARDS[*card]), "points", Lot::default(), *units))
            } else {
                Change::State(state(CARDS[*card], 1_000 + *units, 0, index as u64, MORNING + index as i64))
            });
        }
        for change in &changes {
            let page = plain.hub.page(vec![change.clone()], 0, 0);
            plain.till_mut().apply_page(&page).unwrap();
        }
        for (change, early) in changes.iter().zip(&early) {
            if let (Change::Grant(grant), true) = (change, early) {
                let answer = GrantAnswer {
                    request_id: "q".into(), identity: None, state: None, includes_position: 0,
                    grants: vec![grant.clone()], hub_time_ms: 0,
                };
                other.till_mut().apply_grants(&answer).unwrap();
            }
        }
        let mut rest = &changes[..];
        let mut sent = Vec::new();
        for (cut, repeat) in cuts.iter().zip(&repeats) {
            let (part, left) = rest.split_at((*cut).min(rest.len()));
            rest = left;
            let page = other.hub.page(part.to_vec(), 0, 0);
            other.till_mut().apply_page(&page).unwrap();
            sent.push(page);
            if *repeat {
                for page in &sent {
                    other.till_mut().apply_page(page).unwrap();
                }
            }
        }
        let last = other.hub.page(rest.to_vec(), 0, 0);
        other.till_mut().apply_page(&last).unwrap();
        let views = |till: &Till| [CARD, OTHER_CARD].map(|card| till.look_up(&by_card(card), now()).unwrap());
        prop_assert_eq!(views(plain.till()), views(other.till()));
    }
}
