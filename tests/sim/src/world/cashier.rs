//! What happens at a till: sales, redemptions, voids, closes, questions. A POS asks again with the same key until
//! it has an answer, and never takes a refusal of the disk for a refusal of the till.

use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::id::{Digest, EventId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::record::{Idempotency, Rights, Source};
use counterfoil_protocol::sale::{MemberRef, Sale, SaleKind};
use counterfoil_protocol::wire::v1::grant::Want;
use counterfoil_till::{Call, CommandError, Redeem, RedeemWhat, RedemptionAnswer, Reply, Till};

use super::office::member_id;
use super::shop::{Paper, card};
use super::till_site::Asked;
use super::{Event, Violation, World};

/// What a POS asks a till to do.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Sale(Box<Sale>),
    Redeem { member: usize, what: RedeemWhat, sale_ref: Option<String>, reserve: bool },
    Confirm { id: EventId },
    Cancel { id: EventId },
    Reverse { id: EventId },
    Void { position: u64 },
    Close { totals: Option<PosTotals> },
}

/// A call without an answer.
#[derive(Debug, Clone)]
pub(super) struct PendingCall {
    key: String,
    ask: Ask,
    /// A redemption for which head office is being asked.
    pub(super) waits: bool,
}

/// A call with an answer.
#[derive(Debug, Clone)]
pub(super) struct FinishedCall {
    call: PendingCall,
    position: u64,
    answer: String,
}

/// A question to head office that a cashier waits for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    id: u64,
    /// The redemption it is for; `None`: a look-up.
    key: Option<String>,
    member: usize,
}

/// What the shell knows of head office when it asks the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing yet.
    First,
    /// It was asked for this and answered.
    Answered,
    /// It was to be asked and could not be.
    CutOff,
}

/// An answer in the text it travels in.
struct Answered {
    text: String,
    fresh: bool,
    position: u64,
    redemption: Option<RedemptionAnswer>,
}

impl World {
    /// A cashier does something.
    pub(super) fn act(&mut self, till: usize) -> Result<(), Violation> {
        if self.steps_left == 0 {
            return Ok(());
        }
        self.steps_left -= 1;
        let pause_ms = 50 + self.rng.below(self.swarm.pace_ms);
        self.queue.put(self.now_ms + pause_ms, Event::Act { till });
        if self.rng.below(100) < self.swarm.sleeps {
            self.sleep();
        }
        let acts = self.swarm.acts.clone();
        let weights = [
            acts.sale,
            acts.paper,
            acts.look_up,
            acts.redeem,
            acts.void,
            acts.close,
            acts.again,
            acts.scan,
            acts.other,
            acts.reserve,
            acts.basket,
            acts.undo,
        ];
        match draw(self.rng.below(weights.iter().sum::<u64>().max(1)), &weights) {
            0 => self.sell_by_api(till)?,
            1 => self.sell_on_paper(till),
            2 => self.look_up(till)?,
            3 => self.redeem(till)?,
            4 => self.void(till)?,
            5 => self.close_day(till)?,
            6 => self.ask_again(till)?,
            7 => self.scan(till)?,
            8 => self.print_something(till),
            9 => self.reserve(till)?,
            10 => self.settle_basket(till)?,
            11 => self.undo_redemption(till)?,
            _ => {}
        }
        self.housekeeping(till)
    }

    /// Nothing happens for some hours, days or weeks: every clock is later by as much. Not while a receipt waits to be
    /// read: what a till makes of a receipt that is days old is not what this is about.
    fn sleep(&mut self) {
        let busy = |till: usize| self.spool_waits(till) || !self.tills[till].calls.is_empty();
        if (0..self.tills.len()).any(busy) {
            return;
        }
        let hours = *self.rng.pick(&[9, 14, 24, 50, 80, 24 * 12, 24 * 33]);
        self.slept_ms += hours * 3_600_000;
        self.count("nights, weeks and months");
        self.note(&format!("{hours} hours pass"));
    }

    /// What a daemon does beside: reads the spool, closes a day that has ended, stores the marker.
    fn housekeeping(&mut self, till: usize) -> Result<(), Violation> {
        if self.rng.chance(700) {
            self.read_spool(till)?;
        }
        let due = self.with_till(till, |engine, now| Ok(engine.day_end_due(now)))?;
        if due.done() == Some(true) && !self.waits_for(till, |ask| matches!(ask, Ask::Close { .. })) {
            self.count("days that ended by themselves");
            self.ask(till, Ask::Close { totals: None })?;
        }
        if self.rng.chance(500) {
            self.store_marker(till)?;
        }
        if self.rng.chance(30) {
            self.with_till(till, |engine, _| engine.checkpoint())?;
        }
        self.keep_house(till)?;
        if !self.tills[till].calls.is_empty() {
            self.plan_retry(till);
        }
        self.drive_session(till)
    }

    fn waits_for(&self, till: usize, is: impl Fn(&Ask) -> bool) -> bool {
        self.tills[till].calls.iter().any(|call| is(&call.ask))
    }

    pub(super) fn store_marker(&mut self, till: usize) -> Result<(), Violation> {
        self.with_till(till, |engine, _| if engine.marker_due() { engine.store_marker() } else { Ok(()) })?;
        Ok(())
    }

    pub(super) fn plan_retry(&mut self, till: usize) {
        let site = &mut self.tills[till];
        if !site.retry_planned {
            site.retry_planned = true;
            let life = site.life;
            let delay_ms = 500 + self.rng.below(3_000);
            self.queue.put(self.now_ms + delay_ms, Event::Retry { till, life });
        }
    }

    pub(super) fn retry(&mut self, till: usize, _life: u64) -> Result<(), Violation> {
        self.tills[till].retry_planned = false;
        let keys: Vec<String> =
            self.tills[till].calls.iter().filter(|call| !call.waits).map(|call| call.key.clone()).collect();
        for key in keys {
            self.try_call(till, &key, Way::First)?;
        }
        self.read_spool(till)?;
        if self.tills[till].till.is_some() && (!self.tills[till].calls.is_empty() || self.spool_waits(till)) {
            self.plan_retry(till);
        }
        self.drive_session(till)
    }

    fn customer(&mut self) -> Option<usize> {
        // Now and then somebody whose card nobody knows, or nobody at all.
        match self.rng.below(10) {
            0 | 1 => None,
            2 if self.rng.chance(300) => Some(900 + self.rng.index(5)),
            _ => Some(self.rng.index(self.office.members)),
        }
    }

    fn kind(&mut self) -> SaleKind {
        if self.rng.chance(60) { SaleKind::Return } else { SaleKind::Sale }
    }

    fn sell_by_api(&mut self, till: usize) -> Result<(), Violation> {
        let kind = self.kind();
        let at_ms = self.wall_ms();
        let mut sale = self.tills[till].register.sell(&mut self.rng, at_ms, kind);
        if self.rng.chance(150) {
            self.tills[till].register.print(&mut self.rng, at_ms, Paper::Sale(sale.clone()));
            self.count("sales by API and on paper");
        }
        sale.member = self.customer().map(reference);
        self.count("sales by API");
        if self.rng.chance(200) {
            let quoted = sale.clone();
            self.with_till(till, |engine, now| engine.quote(&quoted, now))?;
        }
        self.ask(till, Ask::Sale(Box::new(sale)))
    }

    fn sell_on_paper(&mut self, till: usize) {
        let kind = self.kind();
        let at_ms = self.wall_ms();
        let sale = self.tills[till].register.sell(&mut self.rng, at_ms, kind);
        self.count("sales on paper");
        self.tills[till].register.print(&mut self.rng, at_ms, Paper::Sale(sale));
    }

    fn print_something(&mut self, till: usize) {
        let at_ms = self.wall_ms();
        let paper = if self.rng.chance(500) { Paper::Unknown("NO SALE".to_owned()) } else { Paper::Gap };
        self.tills[till].register.print(&mut self.rng, at_ms, paper);
    }

    fn scan(&mut self, till: usize) -> Result<(), Violation> {
        let member = self.customer().unwrap_or(0);
        let identifier = Identifier::parse(&card(member)).expect("a card number");
        self.count("scans");
        self.with_till(till, |engine, now| engine.scan_member(&identifier, now))?;
        Ok(())
    }

    fn look_up(&mut self, till: usize) -> Result<(), Violation> {
        let member = self.rng.index(self.office.members);
        self.count("look-ups");
        self.see_member(till, member)?;
        if self.rng.chance(800) {
            self.question(till, None, member, Want::LookUp)?;
        }
        Ok(())
    }

    /// A look-up, and what must be true of what it shows.
    fn see_member(&mut self, till: usize, member: usize) -> Result<(), Violation> {
        let who = reference(member);
        let Asked::Done(Some(view)) = self.with_till(till, |engine, now| engine.look_up(&who, now))? else {
            return Ok(());
        };
        let incarnation = self.tills[till].incarnation;
        if self.tills[till].lies {
            return Ok(());
        }
        self.oracles.judged(2, "what a till shows");
        for purse in &view.purses {
            let may = self.oracles.model(incarnation).held(view.member_id, &purse.purse);
            if purse.spendable > may || purse.balance < 0 || purse.spendable < 0 {
                return Err(Violation::new(2, format!("till {till} shows {purse:?} where it may spend {may}")));
            }
        }
        Ok(())
    }

    fn redeem(&mut self, till: usize) -> Result<(), Violation> {
        let what = self.wish();
        let member = self.spender(till);
        self.count("redemptions asked for");
        self.ask(till, Ask::Redeem { member, what, sale_ref: None, reserve: false })
    }

    /// Who wants to spend. Prudent people ask where they know that they have something.
    pub(super) fn spender(&mut self, till: usize) -> usize {
        let member = self.rng.index(self.office.members);
        if !self.swarm.prudent || self.rng.chance(100) {
            return member;
        }
        let model = self.oracles.model(self.tills[till].incarnation);
        let has = |member: usize| model.held(member_id(&self.office.program_key, member), "points");
        let mut others = (0..self.office.members).map(|step| (member + step) % self.office.members);
        let found = others.find(|other| has(*other) >= self.swarm.spend_max);
        found.or((0..self.office.members).max_by_key(|other| has(*other))).unwrap_or(member)
    }

    fn void(&mut self, till: usize) -> Result<(), Violation> {
        if self.tills[till].sold.is_empty() {
            return Ok(());
        }
        let which = self.rng.index(self.tills[till].sold.len());
        let (receipt, position) = self.tills[till].sold.swap_remove(which);
        let incarnation = self.tills[till].incarnation;
        let Some(sale) = self.tills[till]
            .till
            .as_ref()
            .and_then(|engine| engine.sale(EventId { incarnation, position }).ok().flatten())
            .map(|view| view.sale)
        else {
            self.tills[till].sold.push((receipt, position));
            return Ok(());
        };
        self.tills[till].register.take_back(&sale);
        self.count("voids");
        if self.rng.chance(500) {
            return self.ask(till, Ask::Void { position });
        }
        let at_ms = self.wall_ms();
        let number = self.tills[till].register.number();
        let paper = Paper::Void { receipt: number, voided: receipt, sale };
        self.tills[till].register.print(&mut self.rng, at_ms, paper);
        Ok(())
    }

    fn close_day(&mut self, till: usize) -> Result<(), Violation> {
        let at_ms = self.wall_ms();
        let totals = self.tills[till].register.end_day();
        self.count("day closes");
        match self.rng.below(4) {
            0 => self.ask(till, Ask::Close { totals: None }),
            1 => self.ask(till, Ask::Close { totals: Some(totals) }),
            _ => {
                self.tills[till].register.print(&mut self.rng, at_ms, Paper::ZReport(totals));
                Ok(())
            }
        }
    }

    /// A POS that has forgotten that it had its answer.
    fn ask_again(&mut self, till: usize) -> Result<(), Violation> {
        if self.tills[till].finished.is_empty() || self.oracles.lost(self.tills[till].incarnation).is_some() {
            return Ok(());
        }
        let which = self.rng.index(self.tills[till].finished.len());
        let finished = self.tills[till].finished[which].clone();
        self.count("calls again");
        let incarnation = self.tills[till].incarnation;
        let call = finished.call.clone();
        match self.with_till(till, |engine, now| carry_out(engine, &call, incarnation, Way::First, now))? {
            Asked::Done(again)
                if again.fresh || again.position != finished.position || again.text != finished.answer =>
            {
                Err(Violation::new(
                    1,
                    format!("till {till}: call {} was answered {} and again {}", call.key, finished.answer, again.text),
                ))
            }
            Asked::Refused(error) if !of_the_machine(&error) => {
                Err(Violation::new(1, format!("till {till}: call {} again is refused: {error}", call.key)))
            }
            _ => Ok(()),
        }
    }

    /// Puts a call to the till.
    pub(super) fn ask(&mut self, till: usize, ask: Ask) -> Result<(), Violation> {
        let site = &mut self.tills[till];
        let key = format!("call-{till}-{}", site.next_key);
        site.next_key += 1;
        site.calls.push(PendingCall { key: key.clone(), ask, waits: false });
        self.try_call(till, &key, Way::First)
    }

    fn try_call(&mut self, till: usize, key: &str, way: Way) -> Result<(), Violation> {
        let Some(call) = self.tills[till].calls.iter().find(|call| call.key == key).cloned() else { return Ok(()) };
        let incarnation = self.tills[till].incarnation;
        let lost = self.oracles.lost(incarnation).is_some();
        if self.tills[till].till.is_some() {
            self.tills[till].before.cut_off = way == Way::CutOff;
        }
        let asked = self.with_till(till, |engine, now| carry_out(engine, &call, incarnation, way, now))?;
        match asked {
            Asked::Done(answered) => {
                self.take_call(till, key);
                self.note(&format!("till {till}: {key} is record {}", answered.position));
                self.answered(till, call, answered, way, lost)
            }
            Asked::Refused(error) if of_the_machine(&error) => {
                self.note(&format!("till {till}: {key} must wait: {}", error.kind()));
                self.count("calls that a machine failed");
                Ok(())
            }
            Asked::Refused(CommandError::NotSpendable(refusal))
                if way == Way::First && refusal.asked <= refusal.balance.max(refusal.spendable + 1_000) =>
            {
                let Ask::Redeem { member, .. } = call.ask else {
                    return Err(Violation::new(0, format!("till {till}: {key} is no redemption: {refusal}")));
                };
                let want = Want::Level { purse: refusal.purse.clone(), target: refusal.asked };
                self.question(till, Some(key.to_owned()), member, want)
            }
            Asked::Refused(error) => {
                self.take_call(till, key);
                self.note(&format!("till {till}: {key} is refused: {}", error.kind()));
                self.refused(till, &call, &error, lost)
            }
            Asked::Down => Ok(()),
        }
    }

    fn take_call(&mut self, till: usize, key: &str) {
        self.tills[till].calls.retain(|call| call.key != key);
    }

    fn answered(
        &mut self,
        till: usize,
        call: PendingCall,
        answered: Answered,
        way: Way,
        lost: bool,
    ) -> Result<(), Violation> {
        let incarnation = self.tills[till].incarnation;
        // A first answer of an earlier life names a place in its journal.
        if lost || answered.position > self.oracles.head(incarnation) {
            return Ok(());
        }
        self.oracles.acknowledged(incarnation, answered.position);
        match &call.ask {
            Ask::Sale(sale) if sale.kind == SaleKind::Sale => {
                self.tills[till].sold.push((sale.receipt_number.clone(), answered.position));
            }
            _ => {}
        }
        if let Some(answer) = &answered.redemption {
            self.redemption_answered(till, &call.ask, answer, way != Way::First);
        }
        let finished = FinishedCall { call, position: answered.position, answer: answered.text };
        let site = &mut self.tills[till];
        if site.finished.len() == 8 {
            site.finished.remove(0);
        }
        site.finished.push(finished);
        Ok(())
    }

    fn refused(&mut self, till: usize, call: &PendingCall, error: &CommandError, lost: bool) -> Result<(), Violation> {
        let incarnation = self.tills[till].incarnation;
        if !lost && let Some(position) = self.oracles.record_of_key(incarnation, &call.key) {
            return Err(Violation::new(
                1,
                format!("till {till}: call {} is refused ({error}) and is record {position} all the same", call.key),
            ));
        }
        let expected = match (&call.ask, error) {
            (Ask::Redeem { .. }, CommandError::Behind(_)) => true,
            (
                Ask::Redeem { .. },
                CommandError::NotSpendable(_)
                | CommandError::MemberBlocked { .. }
                | CommandError::UnknownMember
                | CommandError::UnknownReward(_)
                | CommandError::UnknownPurse(_)
                | CommandError::NoProgram,
            ) => true,
            (Ask::Void { .. }, CommandError::UnknownSale(_)) => lost,
            (Ask::Confirm { .. } | Ask::Cancel { .. } | Ask::Reverse { .. }, CommandError::WrongState { .. }) => {
                self.count("words about a basket that came too late");
                return Ok(());
            }
            (Ask::Confirm { .. } | Ask::Cancel { .. } | Ask::Reverse { .. }, CommandError::UnknownRedemption(_)) => {
                self.tills[till].put_back
            }
            _ => false,
        };
        if !expected {
            return Err(Violation::new(0, format!("till {till}: {call:?} is refused: {error}")));
        }
        if matches!(call.ask, Ask::Redeem { .. }) {
            self.count("redemptions refused");
        }
        Ok(())
    }

    /// Asks head office about a member; the cashier waits for a quarter of a second at the most.
    fn question(&mut self, till: usize, key: Option<String>, member: usize, want: Want) -> Result<(), Violation> {
        let id = self.next_question;
        self.next_question += 1;
        let who = reference(member);
        let request = self.with_till(till, |engine, now| {
            let subject = engine.subject(&who)?;
            engine.grant_request(&format!("question-{id}"), subject, want, now)
        })?;
        let Some(request) = request.done() else {
            return match key {
                Some(key) => self.try_call(till, &key, Way::CutOff),
                None => Ok(()),
            };
        };
        if let Some(call) = self.tills[till].calls.iter_mut().find(|call| Some(&call.key) == key.as_ref()) {
            call.waits = true;
        }
        self.tills[till].questions.push(Question { id, key, member });
        self.count("questions to head office");
        self.ask_for_rights(till, id, &request)
    }

    pub(super) fn rights_came(&mut self, till: usize, id: u64) -> Result<(), Violation> {
        self.question_over(till, id, Way::Answered)
    }

    pub(super) fn rights_failed(&mut self, till: usize, id: u64) -> Result<(), Violation> {
        self.question_over(till, id, Way::CutOff)
    }

    pub(super) fn grant_deadline(&mut self, till: usize, life: u64, id: u64) -> Result<(), Violation> {
        if self.tills[till].life != life {
            return Ok(());
        }
        self.question_over(till, id, Way::CutOff)
    }

    fn question_over(&mut self, till: usize, id: u64, way: Way) -> Result<(), Violation> {
        let Some(index) = self.tills[till].questions.iter().position(|question| question.id == id) else {
            return Ok(());
        };
        let question = self.tills[till].questions.swap_remove(index);
        match question.key {
            Some(key) => {
                if let Some(call) = self.tills[till].calls.iter_mut().find(|call| call.key == key) {
                    call.waits = false;
                }
                self.try_call(till, &key, way)?;
            }
            None => self.see_member(till, question.member)?,
        }
        if !self.tills[till].calls.is_empty() {
            self.plan_retry(till);
        }
        self.drive_session(till)
    }
}

/// How a POS names a simulated member.
pub(super) fn reference(member: usize) -> MemberRef {
    MemberRef { identifier: Some(card(member)), member_id: None }
}

/// A failure that says nothing about what was asked: ask again.
pub(super) fn of_the_machine(error: &CommandError) -> bool {
    matches!(
        error,
        CommandError::DiskFull(_) | CommandError::Storage(_) | CommandError::Poisoned | CommandError::Marker(_)
    )
}

fn carry_out(
    engine: &mut Till,
    call: &PendingCall,
    incarnation: counterfoil_protocol::id::IncarnationId,
    how: Way,
    now: counterfoil_till::Now,
) -> Result<Answered, CommandError> {
    let request = Digest::of(&[format!("{:?}", call.ask).as_bytes()]);
    let way = Call { source: Source::Api, idempotency: Some(Idempotency { key: call.key.clone(), request }) };
    match &call.ask {
        Ask::Sale(sale) => engine.record_sale(*sale.clone(), way, now).map(answered),
        Ask::Redeem { member, what, sale_ref, reserve } => {
            let redeem = Redeem {
                member: reference(*member),
                what: what.clone(),
                sale_ref: sale_ref.clone(),
                operator: None,
                rights: if how == Way::Answered { Rights::Granted } else { Rights::Held },
                reserve: *reserve,
                cut_off: how == Way::CutOff,
            };
            engine.redeem(redeem, way, now).map(redeemed)
        }
        Ask::Confirm { id } => engine.confirm_redemption(*id, way, now).map(redeemed),
        Ask::Cancel { id } => engine.cancel_redemption(*id, way, now).map(redeemed),
        Ask::Reverse { id } => engine.reverse_redemption(*id, None, None, way, now).map(redeemed),
        Ask::Void { position } => engine.void(EventId { incarnation, position: *position }, way, now).map(answered),
        Ask::Close { totals } => engine.close_day(totals.clone(), way, now).map(answered),
    }
}

fn answered<T: serde::Serialize>(reply: Reply<T>) -> Answered {
    let text = serde_json::to_string(&reply.answer).expect("answers are plain data");
    Answered { text, fresh: reply.fresh, position: reply.position, redemption: None }
}

fn redeemed(reply: Reply<RedemptionAnswer>) -> Answered {
    let redemption = Some(reply.answer.clone());
    Answered { redemption, ..answered(reply) }
}

/// Which of some weighted things a draw below their sum means.
pub(super) fn draw(mut ticket: u64, weights: &[u64]) -> usize {
    for (index, weight) in weights.iter().enumerate() {
        if ticket < *weight {
            return index;
        }
        ticket -= weight;
    }
    weights.len()
}
