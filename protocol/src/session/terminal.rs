//! The till's side: a push lane and a pull lane, each with one exchange in flight at most.
//!
//! Invariants: only committed records are asked for; an answer is matched to its question by ticket, so one that
//! comes late or twice changes nothing; after a failure a lane waits, exponentially with full jitter; nothing here
//! decides what a record or a page means.

use std::collections::VecDeque;

use crate::limits::{LONG_POLL_MS, RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN};
use crate::time::Millis;
use crate::wire::v1::grant::RefusalKind;

/// Names one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Read the segment after this position from the journal and push it; report with the ticket.
    Push {
        /// To report with.
        ticket: Ticket,
        /// The last acknowledged position.
        after: u64,
    },
    /// Ask for the feed after the engine's cursor; report with the ticket.
    Pull {
        /// To report with.
        ticket: Ticket,
        /// How long the hub may hold the question, 0 for an immediate answer.
        wait_ms: u64,
    },
    /// The hub answers again.
    LinkUp,
    /// The hub does not answer.
    LinkDown {
        /// In words.
        why: String,
    },
    /// The hub refuses; trying again changes nothing until somebody acts.
    Refused {
        /// Why.
        kind: RefusalKind,
        /// In words.
        detail: String,
    },
}

/// How an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No answer, or no usable one: try again later.
    Link(String),
    /// A signed refusal.
    Refused {
        /// Why.
        kind: RefusalKind,
        /// In words.
        detail: String,
        /// For [`RefusalKind::Gap`]: what the hub has.
        known_position: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Idle,
    ExpectAnswer(Ticket),
    ExpectRetry(Millis),
}

/// The till's side of sync.
#[derive(Debug)]
pub struct TerminalSession {
    head: u64,
    acknowledged: u64,
    push: Lane,
    pull: Lane,
    push_failures: u32,
    pull_failures: u32,
    next_ticket: u64,
    link_up: Option<bool>,
    pull_wait_ms: u64,
    jitter: SplitMix,
    outputs: VecDeque<Output>,
}

impl TerminalSession {
    /// `head` and `acknowledged` as the journal has them; `seed` for the jitter, from the shell's entropy.
    pub fn new(head: u64, acknowledged: u64, seed: u64, now: Millis) -> Self {
        let mut session = Self {
            head,
            acknowledged,
            push: Lane::Idle,
            pull: Lane::Idle,
            push_failures: 0,
            pull_failures: 0,
            next_ticket: 1,
            link_up: None,
            pull_wait_ms: 0,
            jitter: SplitMix(seed),
            outputs: VecDeque::new(),
        };
        session.advance(now);
        session
    }

    /// Whether the last exchange got through; `None` before the first.
    pub fn link_up(&self) -> Option<bool> {
        self.link_up
    }

    /// The journal grew.
    pub fn handle_head(&mut self, head: u64, now: Millis) {
        self.head = self.head.max(head);
        self.advance(now);
    }

    /// The journal is another one (the next incarnation's), or head office knows less of it than it once said: from now
    /// on these numbers count. Exchanges in flight are forgotten; their answers are about what was.
    pub fn handle_journal(&mut self, head: u64, acknowledged: u64, now: Millis) {
        (self.head, self.acknowledged) = (head, acknowledged.min(head));
        (self.push, self.pull) = (Lane::Idle, Lane::Idle);
        (self.push_failures, self.pull_failures, self.pull_wait_ms) = (0, 0, 0);
        self.outputs.retain(|output| !matches!(output, Output::Push { .. } | Output::Pull { .. }));
        self.advance(now);
    }

    /// Somebody has reason to believe the line is back: lanes in waiting try at once.
    pub fn handle_hint(&mut self, now: Millis) {
        for lane in [&mut self.push, &mut self.pull] {
            if matches!(lane, Lane::ExpectRetry(_)) {
                *lane = Lane::Idle;
            }
        }
        self.advance(now);
    }

    /// A push was answered. `Ok` is the acknowledged position, already durable in the till's own books or not:
    /// the till may forget it, the hub never does.
    pub fn handle_push_answer(&mut self, ticket: Ticket, answer: Result<u64, Failure>, now: Millis) {
        if self.push != Lane::ExpectAnswer(ticket) {
            return;
        }
        self.push = Lane::Idle;
        match answer {
            Ok(position) => {
                self.push_failures = 0;
                self.acknowledged = self.acknowledged.max(position.min(self.head));
                self.note_link(Ok(()));
            }
            Err(Failure::Refused { kind: RefusalKind::Gap, known_position: Some(known), .. })
                if known < self.acknowledged =>
            {
                // The hub knows less than it acknowledged (it was restored): send again from there.
                self.acknowledged = known;
                self.push_failures += 1;
                self.push = self.retry(self.push_failures, now);
            }
            Err(failure) => {
                self.push_failures += 1;
                self.note_failure(failure);
                self.push = self.retry(self.push_failures, now);
            }
        }
        self.advance(now);
    }

    /// A page came and is durable; `more` says that there is more to read at once.
    pub fn handle_pull_answer(&mut self, ticket: Ticket, answer: Result<bool, Failure>, now: Millis) {
        if self.pull != Lane::ExpectAnswer(ticket) {
            return;
        }
        self.pull = Lane::Idle;
        match answer {
            Ok(more) => {
                self.pull_failures = 0;
                self.pull_wait_ms = if more { 0 } else { LONG_POLL_MS };
                self.note_link(Ok(()));
            }
            Err(failure) => {
                self.pull_failures += 1;
                // After a failure the first question wants an answer at once, to learn that the line is back.
                self.pull_wait_ms = 0;
                self.note_failure(failure);
                self.pull = self.retry(self.pull_failures, now);
            }
        }
        self.advance(now);
    }

    /// When to call [`Self::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Millis, &'static str)> {
        let due = |lane: Lane, why| match lane {
            Lane::ExpectRetry(at) => Some((at, why)),
            Lane::Idle | Lane::ExpectAnswer(_) => None,
        };
        [due(self.push, "push again"), due(self.pull, "pull again")].into_iter().flatten().min()
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Millis) {
        for lane in [&mut self.push, &mut self.pull] {
            if matches!(lane, Lane::ExpectRetry(at) if *at <= now) {
                *lane = Lane::Idle;
            }
        }
        self.advance(now);
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn advance(&mut self, _now: Millis) {
        if self.push == Lane::Idle && self.head > self.acknowledged {
            let ticket = self.ticket();
            self.push = Lane::ExpectAnswer(ticket);
            self.outputs.push_back(Output::Push { ticket, after: self.acknowledged });
        }
        if self.pull == Lane::Idle {
            let ticket = self.ticket();
            self.pull = Lane::ExpectAnswer(ticket);
            self.outputs.push_back(Output::Pull { ticket, wait_ms: self.pull_wait_ms });
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn note_failure(&mut self, failure: Failure) {
        match failure {
            Failure::Link(why) => self.note_link(Err(why)),
            Failure::Refused { kind, detail, .. } => {
                self.note_link(Ok(()));
                self.outputs.push_back(Output::Refused { kind, detail });
            }
        }
    }

    fn note_link(&mut self, result: Result<(), String>) {
        let up = result.is_ok();
        if self.link_up == Some(up) {
            return;
        }
        self.link_up = Some(up);
        self.outputs.push_back(match result {
            Ok(()) => Output::LinkUp,
            Err(why) => Output::LinkDown { why },
        });
        // The other lane need not sit out its delay once one of them got through.
        if up {
            for lane in [&mut self.push, &mut self.pull] {
                if matches!(lane, Lane::ExpectRetry(_)) {
                    *lane = Lane::Idle;
                }
            }
        }
    }

    /// Exponential back-off with full jitter: uniform between 1 ms and the cap of this attempt.
    fn retry(&mut self, failures: u32, now: Millis) -> Lane {
        let cap = RETRY_DELAY_MS_MIN.saturating_mul(1 << failures.min(16)).min(RETRY_DELAY_MS_MAX);
        Lane::ExpectRetry(now.after(1 + self.jitter.next() % cap))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): jitter needs spread, not secrecy.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(session: &mut TerminalSession) -> Vec<Output> {
        std::iter::from_fn(|| session.poll_output()).collect()
    }

    fn tickets(outputs: &[Output]) -> (Option<Ticket>, Option<Ticket>) {
        let push = outputs.iter().find_map(|output| match output {
            Output::Push { ticket, .. } => Some(*ticket),
            _ => None,
        });
        let pull = outputs.iter().find_map(|output| match output {
            Output::Pull { ticket, .. } => Some(*ticket),
            _ => None,
        });
        (push, pull)
    }

    #[test]
    fn pushes_until_acknowledged_then_polls() {
        let mut session = TerminalSession::new(3, 0, 1, Millis(0));
        let outputs = drain(&mut session);
        let (push, pull) = tickets(&outputs);
        assert!(outputs.contains(&Output::Push { ticket: push.unwrap(), after: 0 }));
        session.handle_push_answer(push.unwrap(), Ok(2), Millis(1));
        assert!(matches!(drain(&mut session)[..], [Output::LinkUp, Output::Push { after: 2, .. }]));
        session.handle_pull_answer(pull.unwrap(), Ok(false), Millis(2));
        assert!(matches!(drain(&mut session)[..], [Output::Pull { wait_ms: LONG_POLL_MS, .. }]));
    }

    #[test]
    fn a_late_or_repeated_answer_changes_nothing() {
        let mut session = TerminalSession::new(3, 0, 1, Millis(0));
        let (push, _) = tickets(&drain(&mut session));
        session.handle_push_answer(push.unwrap(), Err(Failure::Link("cut".into())), Millis(1));
        drain(&mut session);
        session.handle_push_answer(push.unwrap(), Ok(3), Millis(2));
        assert_eq!(session.acknowledged, 0);
        assert!(drain(&mut session).is_empty());
    }

    #[test]
    fn another_journal_is_pushed_from_where_head_office_knows_it() {
        let mut session = TerminalSession::new(9, 7, 1, Millis(0));
        let (push, pull) = tickets(&drain(&mut session));
        session.handle_journal(4, 0, Millis(1));
        let outputs = drain(&mut session);
        assert!(matches!(outputs[..], [Output::Push { after: 0, .. }, Output::Pull { wait_ms: 0, .. }]), "{outputs:?}");
        session.handle_push_answer(push.unwrap(), Ok(9), Millis(2));
        session.handle_pull_answer(pull.unwrap(), Ok(false), Millis(2));
        assert_eq!(session.acknowledged, 0, "what was asked of the other journal is no answer for this one");
        session.handle_push_answer(tickets(&outputs).0.unwrap(), Ok(4), Millis(3));
        assert_eq!(session.acknowledged, 4);
    }

    proptest! {
        /// Delays stay within the cap, an answer for more than the journal has acknowledges no more than it has,
        /// and a lane never has two exchanges in flight.
        #[test]
        fn lanes_are_bounded(seed: u64, answers in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..20), 1..200)) {
            let mut now = Millis(0);
            let mut session = TerminalSession::new(0, 0, seed, now);
            let mut head = 0;
            let (mut push, mut pull) = (None, None);
            for (is_push, ok, acknowledged) in answers {
                for output in drain(&mut session) {
                    match output {
                        Output::Push { ticket, after } => {
                            prop_assert!(push.is_none() && after < head);
                            push = Some(ticket);
                        }
                        Output::Pull { ticket, .. } => {
                            prop_assert!(pull.is_none());
                            pull = Some(ticket);
                        }
                        _ => {}
                    }
                }
                if is_push {
                    if let Some(ticket) = push.take() {
                        session.handle_push_answer(ticket, if ok { Ok(acknowledged) } else { Err(Failure::Link("x".into())) }, now);
                    } else {
                        head += 1;
                        session.handle_head(head, now);
                    }
                } else if let Some(ticket) = pull.take() {
                    session.handle_pull_answer(ticket, if ok { Ok(false) } else { Err(Failure::Link("x".into())) }, now);
                }
                prop_assert!(session.acknowledged <= head);
                if let Some((due, _)) = session.poll_timeout() {
                    prop_assert!(due > now && due.0 <= now.0 + RETRY_DELAY_MS_MAX);
                    now = due;
                    session.handle_timeout(now);
                }
            }
        }
    }
}
