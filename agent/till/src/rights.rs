//! Asking for spend rights and taking them. The till asks for a target level and says what it holds and has received
//! in all, so that a lost answer costs nothing and a repeated question piles nothing up.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, Holding, Subject, Want};

use crate::answer::FeedReport;
use crate::choose;
use crate::command::Now;
use crate::directory;
use crate::error::{CommandError, FeedError};
use crate::members::Who;
use crate::store;
use crate::till::Till;

impl Till {
    /// The question to head office, from what is durably written here.
    ///
    /// # Errors
    /// When the databases cannot be read.
    pub fn grant_request(
        &self,
        request_id: &str,
        subject: Subject,
        want: Want,
        now: Now,
    ) -> Result<GrantRequest, CommandError> {
        self.usable()?;
        let member = match subject {
            Subject::Member(member) => Some(member),
            Subject::Identifier(hash) => match self.resolve_hash(hash)? {
                Who::Known(member) => Some(member),
                Who::Unknown(_) => None,
            },
        };
        let holdings = member.map(|member| self.holdings(member, now)).transpose()?.unwrap_or_default();
        Ok(GrantRequest { request_id: request_id.to_owned(), subject, want, holdings, cursor: self.cursor() })
    }

    /// What can be spent here now, purse by purse, and what was received in all.
    fn holdings(&self, member: MemberId, now: Now) -> Result<Vec<Holding>, CommandError> {
        let book = self.book(member)?;
        let clock = self.clock(now);
        let received = store::all(
            &self.value,
            "reading what was received",
            "SELECT purse, units FROM received WHERE member = ?1",
            [member.0],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
        )?;
        let received: BTreeMap<String, i64> = received.into_iter().collect();
        let names: BTreeSet<&String> = book.names().chain(received.keys()).collect();
        let holding = |purse: &String| Holding {
            purse: purse.clone(),
            held: choose::spendable(&book.purse(purse).lots(), clock),
            received: received.get(purse).copied().unwrap_or(0),
        };
        Ok(names.into_iter().map(holding).filter(|holding| holding.held > 0 || holding.received > 0).collect())
    }

    /// Takes head office's answer: who it is, what the member has, what was granted. Grants that came before, by this
    /// way or with the feed, count once. The feed's cursor stays where it is.
    ///
    /// # Errors
    /// When a grant is not signed by the pinned key or not for this till, or nothing can be written.
    pub fn apply_grants(&mut self, answer: &GrantAnswer) -> Result<FeedReport, FeedError> {
        self.usable()?;
        answer.grants.iter().try_for_each(|grant| self.verify_grant(grant))?;
        self.compare_with_hub(answer.includes_position)?;
        self.hub.note_time(answer.hub_time_ms);
        let mut report = FeedReport::default();
        if answer.identity.is_some() || answer.state.is_some() {
            report.identities =
                directory::apply(&mut self.directory, None, answer.identity.as_ref(), answer.state.as_ref())?;
        }
        if answer.state.is_none() && answer.grants.is_empty() {
            return Ok(report);
        }
        self.transact(|till| {
            if let Some(state) = &answer.state {
                report.states += till.take_state(state, answer.includes_position)?;
            }
            for grant in &answer.grants {
                report.grants += till.take_grant(grant)?;
            }
            Ok(())
        })?;
        Ok(report)
    }
}
