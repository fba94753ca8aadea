//! Members as rows, and how they are shown: to tills as a state, to APIs as a view.

use std::collections::BTreeMap;

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Holder, IdentifierHash, MemberId};
use counterfoil_protocol::time::{Date, rfc3339_utc};
use counterfoil_protocol::wire::v1::feed::{MemberState, MemberStatus, PurseState};
use rusqlite::OptionalExtension as _;

use super::LIST_LENGTH_MAX;
use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::ledger::parse;
use super::views::{HolderUnits, Listing, MemberView, PurseView};

pub(super) struct MemberRow {
    pub status: MemberStatus,
    pub tier: Option<String>,
    pub since: Option<Date>,
    pub visits: u64,
    pub tags: Vec<String>,
}

pub(super) fn status_text(status: MemberStatus) -> &'static str {
    match status {
        MemberStatus::Active => "active",
        MemberStatus::Blocked => "blocked",
        MemberStatus::Closed => "closed",
    }
}

fn parse_status(text: &str) -> MemberStatus {
    match text {
        "blocked" => MemberStatus::Blocked,
        "closed" => MemberStatus::Closed,
        _ => MemberStatus::Active,
    }
}

struct Holding {
    purse: String,
    lot: Lot,
    holder: Holder,
    units: i64,
}

impl Act<'_> {
    pub(super) fn member_row(&self, member: MemberId) -> Result<Option<MemberRow>, HubError> {
        self.tx
            .prepare_cached("SELECT status, tier, since, visits, tags FROM member WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut query| {
                query
                    .query_row((member.bucket(), member.0), |row| {
                        let (status, tags): (String, String) = (row.get(0)?, row.get(4)?);
                        Ok(MemberRow {
                            status: parse_status(&status),
                            tier: row.get(1)?,
                            since: row.get::<_, Option<i32>>(2)?.and_then(|date| Date::from_packed(date).ok()),
                            visits: unsigned(row.get(3)?),
                            tags: serde_json::from_str(&tags).unwrap_or_default(),
                        })
                    })
                    .optional()
            })
            .doing("reading a member")
    }

    /// Makes a bare row for a member that is not here; says whether it was not.
    pub(super) fn make_known(&self, member: MemberId) -> Result<bool, HubError> {
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO member (bucket, member, status, created_ms) VALUES (?1, ?2, 'active', ?3)",
            )
            .and_then(|mut insert| insert.execute((member.bucket(), member.0, self.now_ms)))
            .map(|made| made > 0)
            .doing("making a member known")
    }

    pub(super) fn identifiers_of(&self, member: MemberId) -> Result<Vec<IdentifierHash>, HubError> {
        self.tx
            .prepare_cached("SELECT identifier FROM identifier WHERE member = ?1 ORDER BY identifier")
            .and_then(|mut query| query.query_map([member.0], |row| row.get(0).map(IdentifierHash))?.collect())
            .doing("reading a member's identifiers")
    }

    fn holdings(&self, member: MemberId) -> Result<Vec<Holding>, HubError> {
        let rows: Vec<(String, String, String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT purse, lot, holder, units FROM holding
                 WHERE bucket = ?1 AND member = ?2 AND units <> 0 ORDER BY purse, lot, holder",
            )
            .and_then(|mut query| {
                query
                    .query_map((member.bucket(), member.0), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .doing("reading what a member has")?;
        rows.into_iter()
            .map(|(purse, lot, holder, units)| {
                Ok(Holding { purse, lot: parse(&lot, "lot")?, holder: parse(&holder, "holder")?, units })
            })
            .collect()
    }

    fn debts(&self, member: MemberId) -> Result<BTreeMap<String, i64>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT purse, sum(units) FROM debt WHERE bucket = ?1 AND member = ?2 GROUP BY purse
                 HAVING sum(units) <> 0 ORDER BY purse",
            )
            .and_then(|mut query| {
                query.query_map((member.bucket(), member.0), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .doing("reading what a member owes")
    }

    /// A member as tills get it.
    pub(super) fn member_state(&self, member: MemberId) -> Result<Option<MemberState>, HubError> {
        let Some(row) = self.member_row(member)? else { return Ok(None) };
        let mut lots: BTreeMap<(String, Lot), i64> = BTreeMap::new();
        for holding in self.holdings(member)? {
            *lots.entry((holding.purse, holding.lot)).or_default() += holding.units;
        }
        Ok(Some(MemberState {
            member,
            status: row.status,
            display_name: self.profile(member)?.display_name,
            tier: row.tier,
            purses: lots.into_iter().map(|((purse, lot), units)| PurseState { purse, lot, units }).collect(),
            debts: self.debts(member)?.into_iter().collect(),
            visits: row.visits,
            since: row.since.map(|date| date.to_string()),
            tags: row.tags,
            as_of_ms: self.now_ms,
        }))
    }

    /// A member as APIs show it.
    pub(super) fn member_view(&self, member: MemberId) -> Result<Option<MemberView>, HubError> {
        let Some(row) = self.member_row(member)? else { return Ok(None) };
        let profile = self.profile(member)?;
        Ok(Some(MemberView {
            member_id: member.to_string(),
            display_name: profile.display_name,
            status: row.status,
            tier: row.tier,
            identifiers: profile.identifiers,
            tags: row.tags,
            since: row.since.map(|date| date.to_string()),
            visits: row.visits,
            purses: self.purse_views(member)?,
        }))
    }

    /// A member's purses: those of the program in force, and those with anything in them.
    pub(super) fn purse_views(&self, member: MemberId) -> Result<Vec<PurseView>, HubError> {
        let (today, as_of) = (self.today(), rfc3339_utc(self.now_ms));
        let empty = |purse: &str| PurseView { purse: purse.to_owned(), as_of: as_of.clone(), ..PurseView::default() };
        let mut purses: BTreeMap<String, PurseView> = BTreeMap::new();
        if let Some(program) = self.program_in_force()? {
            purses.extend(program.purses().map(|purse| (purse.name.clone(), empty(&purse.name))));
        }
        for holding in self.holdings(member)? {
            let purse = purses.entry(holding.purse.clone()).or_insert_with(|| empty(&holding.purse));
            purse.balance += holding.units;
            let is_pending = holding.lot.vests.is_some_and(|date| date > today);
            let is_spendable = !is_pending && holding.lot.expires.is_none_or(|date| date >= today);
            if is_pending {
                purse.pending += holding.units;
            } else if is_spendable && holding.holder == Holder::Hub {
                purse.spendable += holding.units;
            }
            let expires = holding.lot.expires.map(|date| date.to_string());
            purse.expiring = match (purse.expiring.take(), expires) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            self.add_holder(purse, &holding)?;
        }
        for (name, units) in self.debts(member)? {
            let purse = purses.entry(name.clone()).or_insert_with(|| empty(&name));
            purse.debt = units;
            purse.balance = (purse.balance - units).max(0);
        }
        Ok(purses.into_values().collect())
    }

    fn add_holder(&self, purse: &mut PurseView, holding: &Holding) -> Result<(), HubError> {
        let holder = holding.holder.to_string();
        if let Some(known) = purse.held.iter_mut().find(|known| known.holder == holder) {
            known.units += holding.units;
            return Ok(());
        }
        let terminal = match holding.holder {
            Holder::Hub => None,
            Holder::Terminal(id) => self.incarnation(id)?.map(|incarnation| incarnation.terminal),
        };
        purse.held.push(HolderUnits { holder, terminal, units: holding.units });
        Ok(())
    }

    pub(super) fn member_views(&self, after: Option<MemberId>, limit: usize) -> Result<Listing<MemberView>, HubError> {
        let limit = limit.clamp(1, LIST_LENGTH_MAX);
        let (bucket, id) = after.map_or((-1, [0; 16]), |member| (i64::from(member.bucket()), member.0));
        let ids: Vec<[u8; 16]> = self
            .tx
            .prepare_cached(
                "SELECT member FROM member WHERE (bucket, member) > (?1, ?2) ORDER BY bucket, member LIMIT ?3",
            )
            .and_then(|mut query| query.query_map((bucket, id, signed(limit as u64 + 1)), |row| row.get(0))?.collect())
            .doing("listing members")?;
        let is_more = ids.len() > limit;
        let mut items = Vec::with_capacity(ids.len().min(limit));
        for id in ids.into_iter().take(limit) {
            items.extend(self.member_view(MemberId(id))?);
        }
        let next = items.last().filter(|_| is_more).map(|view| view.member_id.clone());
        Ok(Listing { items, next })
    }
}
