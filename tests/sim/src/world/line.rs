//! The line between tills and head office, and the little shell that a till has around its session.
//!
//! A request or an answer is bytes that may be lost, late, doubled, cut off at any byte or damaged. The shell
//! trusts an answer only when its signature holds, and reports everything else as a failed exchange.

use counterfoil_hub::core::SyncAnswer;
use counterfoil_protocol::limits::GRANT_DEADLINE_MS;
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::session::terminal::{Failure, Output, Ticket};
use counterfoil_protocol::wire::http::{FEED_PATH, GRANTS_PATH, PUSH_PATH, RequestHeaders};
use counterfoil_protocol::wire::sign::{Sig, request_text};
use counterfoil_protocol::wire::v1::feed::{Change, Page};
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, PushAnswer, Refusal, RefusalKind};

use counterfoil_till::{CommandError, FeedError};

use super::till_site::Asked;
use super::{Event, Violation, World};

/// How long a client waits for an answer beyond what it asked to be held.
const TIMEOUT_MS: u64 = 10_000;

/// What is wrong with a till's line at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineState {
    /// Nothing.
    Up,
    /// Connections fail at once.
    Cut,
    /// Nothing arrives and nobody says so.
    BlackHole,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Push(Ticket),
    Pull(Ticket, u64),
    Grant(u64),
    Succeed,
}

/// A request on its way, and what its answer is for.
#[derive(Debug)]
pub(super) struct Exchange {
    till: usize,
    life: u64,
    purpose: Purpose,
    method: &'static str,
    path: String,
    headers: RequestHeaders,
    body: Vec<u8>,
    /// Answered, failed or given up.
    over: bool,
}

/// What comes back.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Bytes.
    Bytes { status: u16, body: Vec<u8>, signature: Option<Sig> },
    /// The connection broke.
    Broken,
}

/// A long poll that head office holds.
#[derive(Debug)]
pub(super) struct HeldPoll {
    exchange: u64,
}

impl World {
    /// Does what a till's session asks for.
    pub(super) fn drive_session(&mut self, till: usize) -> Result<(), Violation> {
        while let Some(output) = self.tills[till].session.as_mut().and_then(|session| session.poll_output()) {
            match output {
                Output::Push { ticket, after } => self.push(till, ticket, after)?,
                Output::Pull { ticket, wait_ms } => self.pull(till, ticket, wait_ms)?,
                Output::LinkUp => self.note(&format!("till {till}: head office answers")),
                Output::LinkDown { .. } => self.note(&format!("till {till}: head office does not answer")),
                Output::Refused { kind, .. } => {
                    self.count("refusals by head office");
                    self.note(&format!("till {till}: refused: {kind:?}"));
                }
            }
            if self.tills[till].till.is_none() {
                return Ok(());
            }
        }
        self.plan_succession(till);
        let life = self.tills[till].life;
        let due = self.tills[till].session.as_ref().and_then(|session| session.poll_timeout());
        let due_ms = due.map(|(due, _)| due.0.max(self.now_ms));
        if due_ms != self.tills[till].session_due_ms {
            self.tills[till].session_due_ms = due_ms;
            if let Some(due_ms) = due_ms {
                self.queue.put(due_ms, Event::Session { till, life });
            }
        }
        Ok(())
    }

    pub(super) fn session_timeout(&mut self, till: usize, life: u64) -> Result<(), Violation> {
        let now = self.now();
        if self.tills[till].life != life {
            return Ok(());
        }
        let Some(session) = self.tills[till].session.as_mut() else { return Ok(()) };
        if session.poll_timeout().is_none_or(|(due, _)| due > now) {
            return Ok(());
        }
        session.handle_timeout(now);
        self.tills[till].session_due_ms = None;
        self.drive_session(till)
    }

    fn push(&mut self, till: usize, ticket: Ticket, after: u64) -> Result<(), Violation> {
        let segment = self.with_till(till, |engine, _| engine.segment_after(after))?;
        let Some(segment) = segment.done() else {
            return self.session_failed(till, Purpose::Push(ticket), "the journal cannot be read");
        };
        let Some(segment) = segment else {
            return Err(Violation::new(5, format!("till {till}: asked for records after {after}, there are none")));
        };
        self.tills[till].pushed = self.tills[till].pushed.max(segment.first + segment.records.len() as u64 - 1);
        self.send(till, Purpose::Push(ticket), "POST", PUSH_PATH.to_owned(), segment.to_bytes(), TIMEOUT_MS)
    }

    fn pull(&mut self, till: usize, ticket: Ticket, wait_ms: u64) -> Result<(), Violation> {
        let cursor = self.with_till(till, |engine, _| Ok(engine.cursor()))?;
        let Some(cursor) = cursor.done() else {
            return self.session_failed(till, Purpose::Pull(ticket, wait_ms), "the cursor cannot be read");
        };
        let path = format!("{FEED_PATH}?after={cursor}&wait={wait_ms}");
        self.send(till, Purpose::Pull(ticket, wait_ms), "GET", path, Vec::new(), TIMEOUT_MS + wait_ms)
    }

    /// Asks head office for rights; the answer is applied whenever it comes.
    pub(super) fn ask_for_rights(
        &mut self,
        till: usize,
        question: u64,
        request: &GrantRequest,
    ) -> Result<(), Violation> {
        let life = self.tills[till].life;
        self.queue.put(self.now_ms + GRANT_DEADLINE_MS, Event::GrantDeadline { till, life, question });
        let body = minicbor::to_vec(request).expect("encoding into memory cannot fail");
        self.send(till, Purpose::Grant(question), "POST", GRANTS_PATH.to_owned(), body, TIMEOUT_MS)
    }

    pub(super) fn send(
        &mut self,
        till: usize,
        purpose: Purpose,
        method: &'static str,
        path: String,
        body: Vec<u8>,
        timeout_ms: u64,
    ) -> Result<(), Violation> {
        let headers = self.with_till(till, |engine, _| Ok(engine.sign_request(method, &path, &body)))?;
        let Some(headers) = headers.done() else { return Ok(()) };
        let id = self.next_exchange;
        self.next_exchange += 1;
        let life = self.tills[till].life;
        self.exchanges
            .insert(id, Exchange { till, life, purpose, method, path, headers, body: body.clone(), over: false });
        self.queue.put(self.now_ms + timeout_ms, Event::TimedOut { exchange: id });
        match self.tills[till].line {
            LineState::Cut => {
                self.queue
                    .put(self.now_ms + 1 + self.rng.below(50), Event::AtTill { exchange: id, answer: Answer::Broken });
            }
            LineState::BlackHole => {}
            LineState::Up => {
                for (delay_ms, body) in self.carry(body) {
                    self.queue.put(self.now_ms + delay_ms, Event::AtHub { exchange: id, body });
                }
                self.replay_an_old_request(till);
            }
        }
        Ok(())
    }

    /// What arrives of some bytes, and when.
    fn carry(&mut self, bytes: Vec<u8>) -> Vec<(u64, Vec<u8>)> {
        let line = self.swarm.line.clone();
        let mut arrivals = Vec::new();
        let copies = if self.rng.chance(line.doubled) { 2 + self.rng.index(2) } else { 1 };
        for copy in 0..copies {
            let mut body = bytes.clone();
            if self.rng.chance(line.lost) {
                self.count("messages lost");
                continue;
            }
            if !body.is_empty() && self.rng.chance(line.truncated) {
                body.truncate(self.rng.index(body.len()));
                self.count("messages cut off");
            }
            if !body.is_empty() && self.rng.chance(line.damaged) {
                let at = self.rng.index(body.len());
                body[at] ^= 1 << self.rng.below(8);
                self.count("messages damaged");
            }
            let mut delay_ms = 1 + self.rng.below(line.delay_ms.max(1));
            if copy > 0 {
                delay_ms += self.rng.below(30_000);
                self.count("messages doubled");
            }
            arrivals.push((delay_ms, body));
        }
        arrivals
    }

    /// Whoever listened may send again what they heard: an old request, whole.
    fn replay_an_old_request(&mut self, till: usize) {
        if !self.rng.chance(self.swarm.line.doubled / 4) {
            return;
        }
        let old: Vec<u64> = self.exchanges.iter().filter(|(_, old)| old.till == till).map(|(id, _)| *id).collect();
        let id = *self.rng.pick(&old);
        let body = self.exchanges[&id].body.clone();
        let delay_ms = self.rng.below(5_000);
        self.count("old requests replayed");
        self.queue.put(self.now_ms + delay_ms, Event::AtHub { exchange: id, body });
    }

    pub(super) fn arrive_at_hub(&mut self, id: u64, body: &[u8]) -> Result<(), Violation> {
        let exchange = &self.exchanges[&id];
        let till = exchange.till;
        if self.tills[till].line != LineState::Up {
            return Ok(());
        }
        let Some(answer) = self.ask_hub(id, body)? else {
            self.queue
                .put(self.now_ms + 1 + self.rng.below(50), Event::AtTill { exchange: id, answer: Answer::Broken });
            return Ok(());
        };
        let exchange = &self.exchanges[&id];
        if let Purpose::Pull(_, wait_ms) = exchange.purpose
            && answer.feed_empty
            && wait_ms > 0
            && answer.status == 200
            && !exchange.over
        {
            if !self.polls.iter().any(|poll| poll.exchange == id) {
                self.polls.push(HeldPoll { exchange: id });
                self.queue.put(self.now_ms + wait_ms, Event::PollOver { exchange: id });
            }
            return Ok(());
        }
        self.answer(id, answer);
        Ok(())
    }

    /// Lets head office answer; `None` where it is not there (any more).
    fn ask_hub(&mut self, id: u64, body: &[u8]) -> Result<Option<SyncAnswer>, Violation> {
        let wall_ms = self.wall_ms();
        let Exchange { purpose, method, path, headers, .. } = &self.exchanges[&id];
        let purpose = *purpose;
        let request = SignedRequest {
            method,
            path,
            body,
            epoch: headers.epoch,
            incarnation: headers.incarnation,
            head: headers.head,
            signature: headers.signature,
        };
        let Some(hub) = self.office.hub.as_mut() else { return Ok(None) };
        let answer = hub.sync(&request, wall_ms);
        if self.office.disk.is_stopped() {
            self.hub_died();
            return Ok(None);
        }
        if answer.status >= 500 {
            self.count("server errors of head office");
        }
        if answer.status == 200 && matches!(purpose, Purpose::Push(_)) {
            let said: PushAnswer = decode(&answer.body)?;
            self.oracles.hub_acknowledged(headers_incarnation(&self.exchanges[&id]), said.acknowledged);
            self.wake_soon();
        }
        if answer.status == 200 && matches!(purpose, Purpose::Grant(_)) {
            self.wake_soon();
        }
        // A refused push may have posted what waited from before.
        if !matches!(purpose, Purpose::Pull(..)) {
            self.absorb_hub()?;
        }
        if self.rng.chance(30) {
            self.absorb_hub()?;
            self.balance()?;
        }
        Ok(Some(answer))
    }

    fn answer(&mut self, id: u64, answer: SyncAnswer) {
        let SyncAnswer { status, body, signature, .. } = answer;
        for (delay_ms, body) in self.carry(body) {
            let answer = Answer::Bytes { status, body, signature };
            self.queue.put(self.now_ms + delay_ms, Event::AtTill { exchange: id, answer });
        }
    }

    /// Something changed at head office: polls that it holds are looked at again, together.
    pub(super) fn wake_soon(&mut self) {
        if !self.polls_waking {
            self.polls_waking = true;
            self.queue.put(self.now_ms + 100 + self.rng.below(400), Event::WakePolls);
        }
    }

    pub(super) fn wake_polls(&mut self) -> Result<(), Violation> {
        self.polls_waking = false;
        for HeldPoll { exchange } in std::mem::take(&mut self.polls) {
            self.arrive_at_hub(exchange, &[])?;
        }
        Ok(())
    }

    pub(super) fn poll_over(&mut self, id: u64) -> Result<(), Violation> {
        if !self.polls.iter().any(|poll| poll.exchange == id) {
            return Ok(());
        }
        self.polls.retain(|poll| poll.exchange != id);
        if let Some(answer) = self.ask_hub(id, &[])? {
            self.answer(id, answer);
        }
        Ok(())
    }

    pub(super) fn time_out(&mut self, id: u64) -> Result<(), Violation> {
        let Exchange { till, life, purpose, over, .. } = self.exchanges[&id];
        if over || self.tills[till].life != life {
            return Ok(());
        }
        self.count("exchanges timed out");
        self.close_exchange(id);
        self.session_failed(till, purpose, "no answer in time")
    }

    fn close_exchange(&mut self, id: u64) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.over = true;
        }
    }

    fn session_failed(&mut self, till: usize, purpose: Purpose, why: &str) -> Result<(), Violation> {
        self.session_result(till, purpose, Err(Failure::Link(why.to_owned())))
    }

    /// Tells the session; `Ok` carries the acknowledged position, or whether there is more.
    fn session_result(&mut self, till: usize, purpose: Purpose, result: Result<u64, Failure>) -> Result<(), Violation> {
        let now = self.now();
        let Some(session) = self.tills[till].session.as_mut() else { return Ok(()) };
        match purpose {
            Purpose::Push(ticket) => session.handle_push_answer(ticket, result, now),
            Purpose::Pull(ticket, _) => session.handle_pull_answer(ticket, result.map(|more| more > 0), now),
            Purpose::Grant(question) => return self.rights_failed(till, question),
            Purpose::Succeed => {
                self.tills[till].succession_planned = false;
                self.plan_succession(till);
                return Ok(());
            }
        }
        self.drive_session(till)
    }

    pub(super) fn arrive_at_till(&mut self, id: u64, answer: Answer) -> Result<(), Violation> {
        let Exchange { till, life, purpose, over, .. } = self.exchanges[&id];
        if self.tills[till].life != life || self.tills[till].till.is_none() || over {
            return Ok(());
        }
        if self.tills[till].line != LineState::Up && !matches!(answer, Answer::Broken) {
            return Ok(());
        }
        self.close_exchange(id);
        match answer {
            Answer::Broken => self.session_failed(till, purpose, "the connection broke"),
            Answer::Bytes { status, body, signature } => {
                let exchange = &self.exchanges[&id];
                let headers = &exchange.headers;
                let text = request_text(
                    exchange.method,
                    &exchange.path,
                    &exchange.body,
                    headers.epoch,
                    headers.incarnation,
                    &headers.head,
                );
                let engine = self.tills[till].till.as_ref().expect("looked at above");
                let authentic =
                    signature.is_some_and(|signature| engine.verify_answer(&text, status, &body, &signature).is_ok());
                if !authentic {
                    self.count("answers not authentic");
                    return self.session_failed(till, purpose, "the answer is not head office's");
                }
                if status == 200 {
                    self.take_answer(till, purpose, &body)
                } else {
                    self.take_refusal(till, purpose, &body)
                }
            }
        }
    }

    fn take_answer(&mut self, till: usize, purpose: Purpose, body: &[u8]) -> Result<(), Violation> {
        match purpose {
            Purpose::Push(_) => {
                let answer: PushAnswer = decode(body)?;
                let (position, time_ms) = (answer.acknowledged, answer.hub_time_ms);
                self.hears(till, time_ms);
                let done = self.with_till(till, |engine, _| engine.acknowledge(position, time_ms))?;
                self.note(&format!("till {till}: acknowledged to {position}"));
                match done.done() {
                    Some(()) => {
                        self.has_heard(till, time_ms);
                        self.session_result(till, purpose, Ok(position))
                    }
                    None => self.session_failed(till, purpose, "the acknowledgement could not be kept"),
                }
            }
            Purpose::Pull(..) => {
                let page: Page = decode(body)?;
                let incarnation = self.tills[till].incarnation;
                let grants: Vec<_> = page
                    .changes
                    .iter()
                    .filter_map(|change| match change {
                        Change::Grant(grant) => Some(grant.clone()),
                        _ => None,
                    })
                    .collect();
                self.hears(till, page.hub_time_ms);
                let done = self.with_till(till, |engine, _| engine.apply_page(&page).map_err(taken))?;
                // A page that could not be kept may be kept in part: what was granted may be counted on all the same.
                self.oracles.received(incarnation, &grants, matches!(done, Asked::Done(_)))?;
                self.note(&format!("till {till}: a page of {} changes", page.changes.len()));
                match done.done() {
                    Some(_) => {
                        self.has_heard(till, page.hub_time_ms);
                        if self.rng.chance(850) {
                            self.carry_out_orders(till)?;
                        }
                        self.session_result(till, purpose, Ok(u64::from(page.more)))
                    }
                    None => self.session_failed(till, purpose, "the page could not be kept"),
                }
            }
            Purpose::Succeed => self.take_next_life(till, body),
            Purpose::Grant(question) => {
                let answer: GrantAnswer = decode(body)?;
                let incarnation = self.tills[till].incarnation;
                self.hears(till, answer.hub_time_ms);
                let done = self.with_till(till, |engine, _| engine.apply_grants(&answer).map_err(taken))?;
                self.oracles.received(incarnation, &answer.grants, matches!(done, Asked::Done(_)))?;
                let units: i64 = answer.grants.iter().map(|grant| grant.entry.units).sum();
                self.note(&format!("till {till}: {} grants of {units} units", answer.grants.len()));
                if !answer.grants.is_empty() {
                    self.count("answers with grants");
                }
                match done.done() {
                    Some(_) => {
                        self.has_heard(till, answer.hub_time_ms);
                        self.rights_came(till, question)
                    }
                    None => self.rights_failed(till, question),
                }
            }
        }
    }

    /// Head office's time reaches a till, which may forget it again.
    pub(super) fn hears(&mut self, till: usize, time_ms: i64) {
        let heard = &mut self.tills[till].heard_ms;
        heard.0 = heard.0.max(time_ms);
    }

    /// And this run of its process knows it.
    pub(super) fn has_heard(&mut self, till: usize, time_ms: i64) {
        let heard = &mut self.tills[till].heard_ms;
        heard.1 = heard.1.max(time_ms);
    }

    fn take_refusal(&mut self, till: usize, purpose: Purpose, body: &[u8]) -> Result<(), Violation> {
        let refusal: Refusal = decode(body)?;
        if refusal.kind == RefusalKind::Behind
            && let Some(known) = refusal.known_position
        {
            self.with_till(till, |engine, _| engine.note_hub_head(known))?;
        }
        self.note(&format!("till {till}: refused: {:?}", refusal.kind));
        let failure = if matches!(refusal.kind, RefusalKind::Busy) {
            Failure::Link(refusal.detail)
        } else {
            Failure::Refused { kind: refusal.kind, detail: refusal.detail, known_position: refusal.known_position }
        };
        self.session_result(till, purpose, Err(failure))
    }
}

/// What a till does not take from head office is no failure of its machine.
fn taken(error: FeedError) -> CommandError {
    match error {
        FeedError::Till(error) => error,
        other => CommandError::InvalidRequest(other.to_string()),
    }
}

fn headers_incarnation(exchange: &Exchange) -> counterfoil_protocol::id::IncarnationId {
    exchange.headers.incarnation
}

pub(super) fn decode<'b, T: minicbor::Decode<'b, ()>>(body: &'b [u8]) -> Result<T, Violation> {
    minicbor::decode(body)
        .map_err(|error| Violation::new(0, format!("head office signed what does not decode: {error}")))
}
