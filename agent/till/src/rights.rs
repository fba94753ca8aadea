//! Asking for spend rights and taking them. The till asks for a target level and says what it holds and has received
//! in all, so that a lost answer costs nothing and a repeated question piles nothing up.

use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, Holding, Subject, Want};

use crate::answer::FeedReport;
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
        _now: Now,
    ) -> Result<GrantRequest, CommandError> {
        self.usable()?;
        let member = match subject {
            Subject::Member(member) => Some(member),
            Subject::Identifier(hash) => match self.resolve_hash(hash)? {
                Who::Known(member) => Some(member),
                Who::Unknown(_) => None,
            },
        };
        let holdings = member.map(|member| self.holdings(member)).transpose()?.unwrap_or_default();
        Ok(GrantRequest { request_id: request_id.to_owned(), subject, want, holdings, cursor: self.cursor() })
    }

    fn holdings(&self, member: MemberId) -> Result<Vec<Holding>, CommandError> {
        Ok(store::all(
            &self.value,
            "reading what is held",
            "SELECT purse, sum(held), sum(received) FROM (\
             SELECT purse, units AS held, 0 AS received FROM holding WHERE member = ?1 UNION ALL \
             SELECT purse, 0, units FROM received WHERE member = ?1) GROUP BY purse ORDER BY purse",
            [member.0],
            |row| Ok(Holding { purse: row.get(0)?, held: row.get(1)?, received: row.get(2)? }),
        )?)
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
