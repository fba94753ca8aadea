//! Grants: spend rights for a till, to a target level, from what head office holds and nothing else.
//!
//! What head office does not hold and other tills do is asked back from them, so that the next question finds it: the
//! member stands at the till that asks.

use std::collections::BTreeMap;

use counterfoil_ledger::{Ask, LedgerView as _, grant_entries, grant_units, look_up_target, spend_order};
use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::limits::ENTRY_UNITS_MAX;
use counterfoil_protocol::program::Share;
use counterfoil_protocol::time::{Date, StoreCalendar};
use counterfoil_protocol::wire::v1::feed::{Cursor, MemberStatus};
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, Subject, Want};
use rusqlite::OptionalExtension as _;

use super::act::Act;
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::ledger::Ledger;
use super::plan::IN_REACH_MS;

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
        if row.status == MemberStatus::Active && self.may_grant()? {
            for (purse, target) in self.targets(&reader, member, request)? {
                let ask = self.ask(&reader, member, &purse, request)?;
                self.grant(&reader, member, &purse, &ask, target)?;
                self.recall_missing(&reader, member, &purse, target.saturating_sub(ask.reachable()))?;
                if target > 0 {
                    self.hold_plan(member)?;
                }
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
        // Then rights come only when a redemption asks for them.
        if program.offline().share == Share::None {
            return Ok(BTreeMap::new());
        }
        let mut costs: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for reward in program.rewards() {
            costs.entry(reward.cost_purse.clone()).or_default().push(reward.cost_units);
        }
        let mut targets = BTreeMap::new();
        for (purse, costs) in costs {
            let mut ask = self.ask(reader, member, &purse, request)?;
            let elsewhere = self.held_elsewhere(reader, member, &purse)?;
            let elsewhere = elsewhere.iter().map(|(_, units)| *units).fold(0, i64::saturating_add);
            ask.available = ask.available.saturating_add(elsewhere);
            let target = look_up_target(&ask, costs);
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

    /// Other tills that can give something back now, with what they hold that could be spent; who has most comes first.
    fn held_elsewhere(
        &self,
        reader: &Incarnation,
        member: MemberId,
        purse: &str,
    ) -> Result<Vec<(IncarnationId, i64)>, HubError> {
        let mut held = Vec::new();
        for (id, units) in self.spendable_at_tills(member, purse)? {
            let Some(life) = self.incarnation(id)?.filter(|life| life.id != reader.id && !life.is_settled) else {
                continue;
            };
            if life.last_seen_ms >= self.now_ms.saturating_sub(IN_REACH_MS) {
                held.push((id, units));
            }
        }
        held.sort_by_key(|(id, units)| (std::cmp::Reverse(*units), *id));
        Ok(held)
    }

    /// Asks other tills for what is missing, no more.
    fn recall_missing(
        &self,
        reader: &Incarnation,
        member: MemberId,
        purse: &str,
        mut missing: i64,
    ) -> Result<(), HubError> {
        if missing <= 0 {
            return Ok(());
        }
        for (id, units) in self.held_elsewhere(reader, member, purse)? {
            let part = missing.min(units);
            if part > 0 {
                missing -= part;
                self.recall(member, id, purse, units - part)?;
            }
        }
        Ok(())
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
                "INSERT INTO watched (bucket, member, incarnation, last_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET last_ms = excluded.last_ms WHERE last_ms < excluded.last_ms - 86400000",
            )
            .and_then(|mut insert| insert.execute((member.bucket(), member.0, reader.id.0, self.now_ms)))
            .doing("noting that a till asked for a member")?;
        // The reader's cursor may have passed the member's row while it did not keep it; the answer may be lost.
        if fresh > 0 { self.feed_state(member) } else { Ok(()) }
    }
}
