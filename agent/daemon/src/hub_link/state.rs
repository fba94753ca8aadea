//! What is known of the line to head office, for whoever asks: status, cashier page, grants.
//!
//! A refusal stands until the same lane gets through: a good pull says nothing about a push that is refused. Not
//! here: what makes it so (`hub_link`).

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::sync::watch;

/// What is spoken about; each lane has its own luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Sending the journal.
    Push,
    /// Reading the feed.
    Pull,
    /// A cashier's question.
    Grant,
    /// Asking for the next life.
    Succession,
    /// Telling a restored head office what this till knows.
    Report,
}

/// The line as it is believed to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Whether the last exchange got through; `None` before the first.
    pub up: Option<bool>,
    /// Why it is down, in words.
    pub why: Option<String>,
    /// What head office refuses, in words; somebody must act.
    pub refusals: BTreeMap<Lane, String>,
    /// The last exchange that got through, milliseconds since 1970 UTC.
    pub last_sync_ms: Option<i64>,
    /// A question of a cashier went unanswered and nothing got through since.
    pub doubtful: bool,
    /// When this till, put back from an older copy, was made whole; since the daemon started.
    pub made_whole_ms: Option<i64>,
}

impl LinkState {
    /// Whether a cashier's question is worth asking.
    pub fn answers(&self) -> bool {
        self.up == Some(true) && !self.doubtful
    }

    /// Everything that head office refuses, each reason once.
    pub fn refused(&self) -> Option<String> {
        let mut reasons: Vec<&str> = Vec::new();
        for reason in self.refusals.values() {
            if !reasons.contains(&reason.as_str()) {
                reasons.push(reason);
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// Shared: one writer side (the link), many readers.
#[derive(Debug, Clone)]
pub struct Link(watch::Sender<LinkState>);

impl Default for Link {
    fn default() -> Self {
        Self(watch::Sender::new(LinkState::default()))
    }
}

impl Link {
    /// As it is now.
    pub fn state(&self) -> LinkState {
        self.0.borrow().clone()
    }

    /// To wait for changes.
    pub fn subscribe(&self) -> watch::Receiver<LinkState> {
        self.0.subscribe()
    }

    /// An exchange got through. Whether the line is up is not said here: an answer that was under way when the line
    /// fell may be heard after the session has noticed, and would otherwise stand for ever.
    pub fn note_success(&self, lane: Lane, now_ms: i64) {
        self.0.send_modify(|state| {
            state.refusals.remove(&lane);
            state.last_sync_ms = Some(now_ms);
            state.doubtful = false;
        });
    }

    /// The session says that the line is up.
    pub fn note_up(&self) {
        self.0.send_modify(|state| {
            state.up = Some(true);
            state.why = None;
        });
    }

    /// The session says that the line is down.
    pub fn note_down(&self, why: String) {
        self.0.send_modify(|state| {
            state.up = Some(false);
            state.why = Some(why);
        });
    }

    /// Head office refuses: it was reached, and says no.
    pub fn note_refused(&self, lane: Lane, detail: String) {
        self.0.send_modify(|state| {
            state.refusals.insert(lane, detail);
            state.doubtful = false;
        });
    }

    /// What was refused was refused to a life, or in an epoch, that is over.
    pub fn forget_refusals(&self) {
        self.0.send_modify(|state| state.refusals.clear());
    }

    /// The till goes on as its next life.
    pub fn note_succession(&self, now_ms: i64) {
        self.0.send_modify(|state| state.made_whole_ms = Some(now_ms));
    }

    /// A cashier's question went unanswered.
    pub fn note_doubt(&self) {
        self.0.send_modify(|state| state.doubtful = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_hub_is_not_asked_again_until_something_gets_through() {
        let link = Link::default();
        assert!(!link.state().answers(), "nothing is known yet");
        link.note_up();
        assert!(link.state().answers());
        link.note_doubt();
        assert!(!link.state().answers());
        link.note_success(Lane::Pull, 2);
        assert!(link.state().answers());
        link.note_down("cut".into());
        assert!(!link.state().answers());
    }

    #[test]
    fn an_answer_heard_late_does_not_bring_a_fallen_line_up() {
        let link = Link::default();
        link.note_up();
        link.note_down("cut".into());
        link.note_success(Lane::Push, 3);
        assert_eq!((link.state().up, link.state().why.as_deref()), (Some(false), Some("cut")));
        link.note_up();
        assert_eq!((link.state().up, link.state().why), (Some(true), None));
    }

    #[test]
    fn a_refused_push_stands_while_pulls_get_through() {
        let link = Link::default();
        link.note_refused(Lane::Push, "the journal is too new".into());
        link.note_success(Lane::Pull, 2);
        assert_eq!(link.state().refused().as_deref(), Some("the journal is too new"));
        link.note_refused(Lane::Pull, "the journal is too new".into());
        link.note_refused(Lane::Grant, "not a till".into());
        assert_eq!(link.state().refused().as_deref(), Some("the journal is too new; not a till"), "each reason once");
        link.note_success(Lane::Push, 5);
        link.note_success(Lane::Pull, 6);
        link.note_success(Lane::Grant, 7);
        assert_eq!(link.state().refused(), None);
    }
}
