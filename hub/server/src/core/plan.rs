//! Planning: where a member's units should lie, from where it shops and how it redeems; carried out as grants and
//! recalls.
//!
//! A member is planned for after something of it was posted, and again after a week while anything of it lies at tills.
//! Visits halve every 30 days and belong to the terminal, so a till's next life goes on with them. Not here: the
//! arithmetic, which is `counterfoil_ledger::plan`.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_ledger::{
    AmountRule, LaneHabit, PastRedemption, PlanInput, grant_entries, habitual_costs, habitual_places, plan, spend_order,
};
use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Holder, IncarnationId, MemberId};
use counterfoil_protocol::program::{Program, Share};
use counterfoil_protocol::wire::v1::feed::MemberStatus;

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::ledger::parse;

/// After so long half of a visit counts.
const HALF_LIFE_MS: i64 = 30 * 86_400_000;
/// A visit in the table.
const ONE: i64 = 1_000;
/// Beyond it a count grows no more.
const COUNT_MAX: i64 = 1_000_000 * ONE;
/// A till that was not heard for so long neither takes nor gives.
pub(super) const IN_REACH_MS: i64 = 5 * 60_000;
/// Whoever has something at tills is planned for again after this.
const PLAN_AGAIN_MS: i64 = 7 * 86_400_000;
/// So long what a till asked for stays, and what others gave back for it waits at head office.
const HOLD_MS: i64 = 2 * 60_000;
/// Redemptions of the past that count.
const PAST_COUNT: usize = 8;
/// The next redemption must become so much likelier before units move from till to till.
const MOVE_GAIN_THOUSANDTHS: u32 = 50;

impl Hub {
    /// Plans for at most `members_max` members that are due, each in a transaction of its own, and says for how many.
    ///
    /// # Errors
    /// When the database fails, for whomever it failed first; such a plan is tried again after a week.
    pub fn plan_due(&mut self, now_ms: i64, members_max: usize) -> Result<usize, HubError> {
        let due = self.read(now_ms, |act| act.due_members(members_max))?;
        let mut failed = None;
        for member in &due {
            if let Err(error) = self.change(now_ms, |act| act.plan_member(*member)) {
                // Whoever cannot be planned for keeps no other waiting.
                self.change(now_ms, |act| act.postpone(*member))?;
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(due.len()), Err)
    }
}

/// What is left of a count after a while.
fn faded(count: i64, elapsed_ms: i64) -> i64 {
    let elapsed_ms = elapsed_ms.max(0);
    let halvings = u32::try_from(elapsed_ms / HALF_LIFE_MS).unwrap_or(u32::MAX);
    let whole = count.checked_shr(halvings).unwrap_or(0);
    let rest = i128::from(whole) * i128::from(elapsed_ms % HALF_LIFE_MS) / i128::from(2 * HALF_LIFE_MS);
    whole - i64::try_from(rest).expect("half of a count is a count")
}

fn times(count: i64) -> u32 {
    u32::try_from((count + ONE / 2) / ONE).unwrap_or(u32::MAX)
}

/// What a member did at a terminal: visits, redemptions.
type Counts = (u32, u32);

/// Who holds how much of which lot.
type HeldLot = (Holder, Lot, i64);

impl Act<'_> {
    /// A member was at a terminal; where it redeemed, everybody's habit there counts it too.
    pub(super) fn count_at_terminal(&self, member: MemberId, terminal: &str, redeemed: bool) -> Result<(), HubError> {
        type Raw = (i64, i64, i64);
        let found: Option<Raw> = self.optional(
            "SELECT visits, redemptions, last_ms FROM visit WHERE bucket = ?1 AND member = ?2 AND terminal = ?3",
            (member.bucket(), member.0, terminal),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let (visits, redemptions, last_ms) = found.unwrap_or((0, 0, self.now_ms));
        let elapsed_ms = self.now_ms.saturating_sub(last_ms);
        let (more_visits, more_redemptions) = if redeemed { (0, ONE) } else { (ONE, 0) };
        let visits = (faded(visits, elapsed_ms) + more_visits).min(COUNT_MAX);
        let redemptions = (faded(redemptions, elapsed_ms) + more_redemptions).min(COUNT_MAX);
        self.tx
            .prepare_cached(
                "INSERT INTO visit (bucket, member, terminal, visits, redemptions, last_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET visits = excluded.visits, redemptions = excluded.redemptions,
                     last_ms = max(last_ms, excluded.last_ms)",
            )
            .and_then(|mut put| put.execute((member.bucket(), member.0, terminal, visits, redemptions, self.now_ms)))
            .doing("counting where a member shops")?;
        if !redeemed {
            return Ok(());
        }
        let found: Option<(i64, i64)> =
            self.optional("SELECT redemptions, last_ms FROM terminal_habit WHERE terminal = ?1", [terminal], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let (count, last_ms) = found.unwrap_or((0, self.now_ms));
        let count = (faded(count, self.now_ms.saturating_sub(last_ms)) + ONE).min(COUNT_MAX);
        self.tx
            .prepare_cached(
                "INSERT INTO terminal_habit (terminal, redemptions, last_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET redemptions = excluded.redemptions, last_ms = max(last_ms, excluded.last_ms)",
            )
            .and_then(|mut put| put.execute((terminal, count, self.now_ms)))
            .doing("counting redemptions at a terminal")?;
        Ok(())
    }

    fn optional<T, P: rusqlite::Params>(
        &self,
        sql: &str,
        key: P,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, HubError> {
        use rusqlite::OptionalExtension as _;
        self.tx.prepare_cached(sql).and_then(|mut query| query.query_row(key, read).optional()).doing("reading habits")
    }

    /// A member is to be planned for as soon as there is time.
    pub(super) fn plan_soon(&self, member: MemberId) -> Result<(), HubError> {
        self.plan_at(member, self.now_ms)
    }

    fn plan_at(&self, member: MemberId, due_ms: i64) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "INSERT INTO plan_due (bucket, member, due_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET due_ms = min(due_ms, excluded.due_ms)",
            )
            .and_then(|mut put| put.execute((member.bucket(), member.0, due_ms)))
            .doing("noting that a member is to be planned for")?;
        Ok(())
    }

    /// A till has just asked for a member's rights: nothing is moved before they could be used.
    pub(super) fn hold_plan(&self, member: MemberId) -> Result<(), HubError> {
        let until_ms = self.now_ms.saturating_add(HOLD_MS);
        self.tx
            .prepare_cached(
                "INSERT INTO plan_due (bucket, member, due_ms, held_until_ms) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT DO UPDATE SET held_until_ms = max(held_until_ms, excluded.held_until_ms),
                     due_ms = min(due_ms, excluded.due_ms)",
            )
            .and_then(|mut put| put.execute((member.bucket(), member.0, until_ms)))
            .doing("keeping a member's rights where they are")?;
        Ok(())
    }

    fn postpone(&self, member: MemberId) -> Result<(), HubError> {
        self.tx
            .prepare_cached("UPDATE plan_due SET held_until_ms = ?3 WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut update| {
                update.execute((member.bucket(), member.0, self.now_ms.saturating_add(PLAN_AGAIN_MS)))
            })
            .doing("putting a plan off")?;
        Ok(())
    }

    fn due_members(&self, limit: usize) -> Result<Vec<MemberId>, HubError> {
        self.tx
            .prepare_cached("SELECT member FROM plan_due WHERE due_ms <= ?1 AND held_until_ms <= ?1 ORDER BY due_ms, bucket, member LIMIT ?2")
            .and_then(|mut query| {
                query.query_map((self.now_ms, signed(limit as u64)), |row| row.get(0).map(MemberId))?.collect()
            })
            .doing("looking for whom to plan")
    }

    fn plan_member(&self, member: MemberId) -> Result<(), HubError> {
        self.tx
            .prepare_cached("DELETE FROM plan_due WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut delete| delete.execute((member.bucket(), member.0)))
            .doing("taking a member from the queue")?;
        self.end_answered_recalls(member)?;
        let program = match self.program_in_force() {
            Err(HubError::Database { .. }) => return Ok(()),
            other => other?,
        };
        let (Some(program), Some(row)) = (program, self.member_row(member)?) else { return Ok(()) };
        let offline = program.offline();
        if row.status != MemberStatus::Active || offline.share == Share::None || !self.may_grant()? {
            return Ok(());
        }
        let lives: Vec<Incarnation> = self.incarnations()?.into_iter().filter(|life| !life.is_settled).collect();
        let counts = self.counts_of(member)?;
        let stores: BTreeSet<&str> = lives
            .iter()
            .filter(|life| {
                counts.get(&life.terminal).is_some_and(|(visits, redeemed)| visits.saturating_add(*redeemed) > 0)
            })
            .map(|life| life.store.as_str())
            .collect();
        let lanes: Vec<LaneHabit<'_>> = lives
            .iter()
            .filter(|life| stores.contains(life.store.as_str()))
            .map(|life| {
                let (visits, redemptions) = counts.get(&life.terminal).copied().unwrap_or_default();
                let redemptions_of_all = self.habit_of(&life.terminal)?;
                let (incarnation, store) = (life.id, life.store.as_str());
                Ok(LaneHabit { incarnation, store, visits, redemptions, redemptions_of_all })
            })
            .collect::<Result<_, HubError>>()?;
        let places = habitual_places(&lanes);
        let mut lies_at_tills = false;
        for (purse, holdings) in self.spendable_everywhere(member)? {
            let mut lots = Vec::new();
            let mut held: BTreeMap<IncarnationId, i64> = BTreeMap::new();
            for (holder, lot, units) in holdings {
                match holder {
                    Holder::Hub => lots.push((lot, units)),
                    Holder::Terminal(id) => *held.entry(id).or_default() += units,
                }
            }
            let total = lots.iter().map(|(_, units)| *units).chain(held.values().copied()).fold(0, i64::saturating_add);
            let since_ms = self.now_ms.saturating_sub(IN_REACH_MS);
            let in_reach: BTreeSet<IncarnationId> =
                lives.iter().filter(|life| life.last_seen_ms >= since_ms).map(|life| life.id).collect();
            let all = held.keys().copied().chain(places.iter().map(|place| place.incarnation));
            let output = plan(&PlanInput {
                lots: lots.clone(),
                held: held.clone().into_iter().collect(),
                places: places.clone(),
                costs: self.costs_of(&program, member, &purse, total)?,
                out_of_reach: all.filter(|id| !in_reach.contains(id)).collect::<BTreeSet<_>>().into_iter().collect(),
                placed_thousandths: offline.placed_thousandths,
                online_weight: 0,
                move_gain_thousandths: MOVE_GAIN_THOUSANDTHS,
            });
            for (to, units) in output.grants {
                // One after the other: what was given is no longer there.
                let lots = self.spendable(member, &purse)?;
                let entries = grant_entries(member, &purse, to, &lots, units);
                lies_at_tills |= !entries.is_empty();
                self.write_hub_entries(member, entries, None)?;
            }
            for (from, keep) in output.recalls {
                self.recall(member, from, &purse, keep)?;
            }
            lies_at_tills |= held.values().any(|units| *units > 0);
        }
        if lies_at_tills { self.plan_at(member, self.now_ms.saturating_add(PLAN_AGAIN_MS)) } else { Ok(()) }
    }

    fn counts_of(&self, member: MemberId) -> Result<BTreeMap<String, Counts>, HubError> {
        let rows: Vec<(String, i64, i64, i64)> = self
            .tx
            .prepare_cached(
                "SELECT terminal, visits, redemptions, last_ms FROM visit WHERE bucket = ?1 AND member = ?2",
            )
            .and_then(|mut query| {
                query
                    .query_map((member.bucket(), member.0), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .doing("reading where a member shops")?;
        let now = |count, last_ms| times(faded(count, self.now_ms.saturating_sub(last_ms)));
        Ok(rows.into_iter().map(|(id, visits, redeemed, ms)| (id, (now(visits, ms), now(redeemed, ms)))).collect())
    }

    fn habit_of(&self, terminal: &str) -> Result<u32, HubError> {
        let found: Option<(i64, i64)> =
            self.optional("SELECT redemptions, last_ms FROM terminal_habit WHERE terminal = ?1", [terminal], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(found.map_or(0, |(count, last_ms)| times(faded(count, self.now_ms.saturating_sub(last_ms)))))
    }

    fn costs_of(
        &self,
        program: &Program,
        member: MemberId,
        purse: &str,
        units: i64,
    ) -> Result<Vec<counterfoil_ledger::Cost>, HubError> {
        let prices: Vec<i64> = program
            .rewards()
            .iter()
            .filter(|reward| reward.cost_purse == purse)
            .map(|reward| reward.cost_units)
            .collect();
        let steps = program.purse(purse).and_then(|purse| purse.redeem);
        let amounts = steps.map(|steps| AmountRule { min_units: steps.min, step_units: steps.step });
        let past = self.past_redemptions(member, purse, PAST_COUNT)?;
        let past: Vec<PastRedemption> =
            past.into_iter().map(|units| PastRedemption { units, of_units: None }).collect();
        Ok(habitual_costs(&prices, amounts, &past, units))
    }

    /// What tills could spend today of one purse.
    pub(super) fn spendable_at_tills(
        &self,
        member: MemberId,
        purse: &str,
    ) -> Result<BTreeMap<IncarnationId, i64>, HubError> {
        let mut held: BTreeMap<IncarnationId, i64> = BTreeMap::new();
        for (holder, _, units) in self.spendable_everywhere(member)?.remove(purse).unwrap_or_default() {
            if let Holder::Terminal(id) = holder {
                *held.entry(id).or_default() += units;
            }
        }
        Ok(held)
    }

    /// What every holder could spend today, purse by purse.
    fn spendable_everywhere(&self, member: MemberId) -> Result<BTreeMap<String, Vec<HeldLot>>, HubError> {
        let rows: Vec<(String, String, String, i64)> = self
            .tx
            .prepare_cached(
                "SELECT purse, lot, holder, units FROM holding WHERE bucket = ?1 AND member = ?2 AND units > 0
                 ORDER BY purse, lot, holder",
            )
            .and_then(|mut query| {
                query
                    .query_map((member.bucket(), member.0), |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .doing("reading what a member has")?;
        let today = self.today();
        let mut purses: BTreeMap<String, Vec<HeldLot>> = BTreeMap::new();
        for (purse, lot, holder, units) in rows {
            let (lot, holder) = (parse(&lot, "lot")?, parse(&holder, "holder")?);
            if !spend_order(vec![(lot, units)], today).is_empty() {
                purses.entry(purse).or_default().push((holder, lot, units));
            }
        }
        Ok(purses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_counts_half_after_thirty_days() {
        assert_eq!(faded(ONE, 0), 1_000);
        assert_eq!(faded(ONE, HALF_LIFE_MS / 2), 750);
        assert_eq!(faded(ONE, HALF_LIFE_MS), 500);
        assert_eq!(faded(ONE, 2 * HALF_LIFE_MS), 250);
        assert_eq!(faded(ONE, i64::MAX), 0);
        assert_eq!(faded(COUNT_MAX, -5), COUNT_MAX);
        assert_eq!((times(499), times(500), times(1_500)), (0, 1, 2));
    }
}
