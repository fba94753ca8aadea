//! Grants: spend rights for a till, to a target level, from what head office holds and nothing else.

use std::collections::BTreeMap;

use counterfoil_ledger::{Ask, LedgerView as _, grant_entries, grant_units, look_up_target, spend_order};
use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::time::{Date, StoreCalendar};
use counterfoil_protocol::wire::v1::feed::{Cursor, MemberStatus};
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, Subject, Want};
use rusqlite::OptionalExtension as _;

use super::act::Act;
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::ledger::Ledger;

impl Act<'_> {
    /// Answers a question for rights: who it is, how it stands, and what is granted now.
    ///
    /// The same question again is answered from its numbers alone: what was granted since they were true counts
    /// as on its way.
    pub(super) fn answer_grants(
        &self,
        asker: IncarnationId,
        request: &GrantRequest,
        cursor: &Cursor,
    ) -> Result<GrantAnswer, HubError> {
        let reader = self.incarnation(asker)?.ok_or_else(|| HubError::not_found("incarnation", asker))?;
        let (identity, member) = match request.subject {
            Subject::Member(member) => (None, Some(member)),
            Subject::Identifier(identifier) => {
                let row = self.identity_row(identifier)?;
                let member = row.member;
                (Some(row), member)
            }
        };
        let mut answer = GrantAnswer {
            request_id: request.request_id.clone(),
            identity,
            state: None,
            includes_position: reader.posted,
            grants: Vec::new(),
            hub_time_ms: self.now_ms,
        };
        let Some((member, row)) = member.map(|id| Ok((id, self.member_row(id)?))).transpose()? else {
            return Ok(answer);
        };
        let Some(row) = row else { return Ok(answer) };
        // Another process may have retired it since the request was let in: rights given now would be lost.
        if reader.is_settled {
            return Ok(answer);
        }
        self.watch(member, &reader)?;
        if row.status == MemberStatus::Active {
            for (purse, target) in self.targets(&reader, member, request)? {
                self.grant(&reader, member, &purse, &self.ask(&reader, member, &purse, request)?, target)?;
            }
        }
        answer.state = self.member_state(member)?;
        answer.grants = self.grants_after(&reader, member, cursor.positions[usize::from(member.bucket())])?;
        Ok(answer)
    }

    /// The level asked for in each purse.
    fn targets(
        &self,
        reader: &Incarnation,
        member: MemberId,
        request: &GrantRequest,
    ) -> Result<BTreeMap<String, i64>, HubError> {
        let Want::LookUp = &request.want else {
            let Want::Level { purse, target } = &request.want else { return Ok(BTreeMap::new()) };
            return Ok(BTreeMap::from([(purse.clone(), (*target).clamp(0, ENTRY_UNITS_MAX))]));
        };
        let Some(program) = self.program_in_force()? else { return Ok(BTreeMap::new()) };
        let mut costs: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for reward in program.rewards() {
            costs.entry(reward.cost_purse.clone()).or_default().push(reward.cost_units);
        }
        let mut targets = BTreeMap::new();
        for (purse, costs) in costs {
            let target = look_up_target(&self.ask(reader, member, &purse, request)?, costs);
            targets.insert(purse, target);
        }
        Ok(targets)
    }

    fn ask(
        &self,
        reader: &Incarnation,
        member: MemberId,
        purse: &str,
        request: &GrantRequest,
    ) -> Result<Ask, HubError> {
        let holding = request.holdings.iter().find(|holding| holding.purse == purse);
        let granted = self
            .tx
            .prepare_cached(
                "SELECT units FROM granted WHERE bucket = ?1 AND member = ?2 AND incarnation = ?3 AND purse = ?4",
            )
            .and_then(|mut query| {
                query.query_row((member.bucket(), member.0, reader.id.0, purse), |row| row.get(0)).optional()
            })
            .doing("reading what was granted")?
            .unwrap_or(0);
        let available = if self.faults.grant_without_holding {
            ENTRY_UNITS_MAX
        } else {
            self.spendable(member, purse)?.iter().map(|(_, units)| units).sum()
        };
        Ok(Ask {
            held: holding.map_or(0, |holding| holding.held),
            received: holding.map_or(0, |holding| holding.received),
            granted,
            available,
        })
    }

    /// What head office holds and could spend today.
    pub(super) fn spendable(&self, member: MemberId, purse: &str) -> Result<Vec<(Lot, i64)>, HubError> {
        let lots = Ledger(self.tx).lots(Holder::Hub, member, purse)?;
        Ok(spend_order(lots, self.today()))
    }

    /// The date of head office, UTC.
    pub(super) fn today(&self) -> Date {
        StoreCalendar::new("UTC", "00:00").expect("UTC is in every time zone database").business_date(self.now_ms)
    }

    fn grant(
        &self,
        reader: &Incarnation,
        member: MemberId,
        purse: &str,
        ask: &Ask,
        target: i64,
    ) -> Result<(), HubError> {
        let units = grant_units(ask, target);
        let lots = if self.faults.grant_without_holding {
            vec![(Lot::default(), units)]
        } else {
            self.spendable(member, purse)?
        };
        let entries = grant_entries(member, purse, reader.id, &lots, units);
        self.write_hub_entries(member, entries, None)?;
        Ok(())
    }

    /// From now on this till keeps the member: its changes are in this till's feed.
    fn watch(&self, member: MemberId, reader: &Incarnation) -> Result<(), HubError> {
        let fresh = self
            .tx
            .prepare_cached(
                "INSERT OR IGNORE INTO watched (bucket, member, incarnation, last_ms) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| insert.execute((member.bucket(), member.0, reader.id.0, self.now_ms)))
            .doing("noting that a till asked for a member")?;
        // The reader's cursor may have passed the member's row while it did not keep it; the answer may be lost.
        if fresh > 0 { self.feed_state(member) } else { Ok(()) }
    }
}
