//! The end of a seed: everything heals, sync drains, and the books are compared.

use std::collections::BTreeMap;

use counterfoil_hub::core::{HubError, SaleFilter};
use counterfoil_protocol::id::{Digest, EventId, IncarnationId};
use counterfoil_protocol::record::{Body, Chain};
use counterfoil_protocol::wire::v1::feed::MemberStatus;
use counterfoil_till::Standing;

use super::cashier::reference;
use super::line::LineState;
use super::office::member_id;
use super::shop::card;
use super::{Event, STORE, Violation, World};
use crate::model::dates::Day;
use crate::oracles::days;

/// Quiet for so long, a fleet is done: a retry may wait for a minute, its answer for some seconds.
const QUIET_MS: u64 = 150_000;
/// Virtual time in which everything must have arrived.
const DRAIN_MS: u64 = 30 * 60_000;

impl World {
    /// Heals everything, waits until nothing is on its way, and compares.
    pub(super) fn drain(&mut self) -> Result<(), Violation> {
        self.heal()?;
        let latest_ms = self.now_ms + DRAIN_MS;
        let mut quiet_since = None;
        loop {
            let Some((at_ms, event)) = self.queue.take() else {
                return Err(Violation::new(1, "nothing is planned any more, and not everything has arrived"));
            };
            self.now_ms = self.now_ms.max(at_ms);
            if self.now_ms > latest_ms {
                return Err(Violation::new(1, format!("not drained after {DRAIN_MS} ms: {}", self.what_is_missing())));
            }
            if !matches!(event, Event::Act { .. } | Event::Fault | Event::Administer | Event::HeadOfficeWorks) {
                self.happen(event)?;
            }
            // Quiet for longer than the longest retry and a long poll: every till has seen everything.
            quiet_since = if self.all_is_quiet() { quiet_since.or(Some(self.now_ms)) } else { None };
            if quiet_since.is_some_and(|since| self.now_ms > since + QUIET_MS) {
                break;
            }
        }
        self.note("drained");
        self.compare()
    }

    fn heal(&mut self) -> Result<(), Violation> {
        self.healed = true;
        self.note("everything heals");
        self.swarm = self.swarm.clone().without_faults();
        self.office.disk.disarm();
        if self.office.hub.is_none() {
            self.start_hub()?;
        }
        self.run_errands()?;
        for till in 0..self.tills.len() {
            self.tills[till].disk.disarm();
            self.tills[till].line_fault += 1;
            self.tills[till].line = LineState::Up;
            self.tills[till].clock_ms = 0;
            self.start_till(till)?;
            self.plan_retry(till);
            let now = self.now();
            if let Some(session) = self.tills[till].session.as_mut() {
                session.handle_hint(now);
            }
            self.drive_session(till)?;
        }
        Ok(())
    }

    fn all_is_quiet(&self) -> bool {
        self.office.hub.is_some()
            && self.errands_done()
            && (0..self.tills.len()).all(|till| {
                let site = &self.tills[till];
                let sent = site
                    .till
                    .as_ref()
                    .is_some_and(|engine| engine.acknowledged() == engine.head().position && !engine.succession_due());
                sent && site.calls.is_empty() && !self.spool_waits(till)
            })
    }

    fn what_is_missing(&self) -> String {
        let tills: Vec<String> = self
            .tills
            .iter()
            .enumerate()
            .map(|(till, site)| {
                let engine = site.till.as_ref().map(|engine| (engine.acknowledged(), engine.head().position));
                format!("till {till}: {engine:?}, calls {:?}, spool waits: {}", site.calls, self.spool_waits(till))
            })
            .collect();
        format!("head office open: {}; {}", self.office.hub.is_some(), tills.join("; "))
    }

    fn compare(&mut self) -> Result<(), Violation> {
        self.absorb_hub()?;
        self.hear_how_far_head_office_came()?;
        self.balance()?;
        let chains = self.chains_at_head_office()?;
        self.oracles.compare_books(&chains)?;
        self.compare_sales()?;
        self.compare_receipts()?;
        self.compare_days()?;
        self.compare_members()?;
        self.check_standings()?;
        self.compare_lies()?;
        let hub = self.office.hub.as_ref().expect("open after healing");
        let report = hub.verify().map_err(broken)?;
        if !report.findings.is_empty() {
            return Err(Violation::new(4, format!("head office's own check finds {:?}", report.findings)));
        }
        Ok(())
    }

    /// Head office's journals, as its database has them.
    fn chains_at_head_office(&self) -> Result<BTreeMap<EventId, Chain>, Violation> {
        let hub = self.office.hub.as_ref().expect("open after healing");
        let read = || -> rusqlite::Result<BTreeMap<EventId, Chain>> {
            let mut query = hub.connection().prepare("SELECT incarnation, position, chain FROM journal")?;
            let rows = query.query_map([], |row| {
                let position = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
                Ok((EventId { incarnation: IncarnationId(row.get(0)?), position }, Digest(row.get(2)?)))
            })?;
            rows.collect()
        };
        read().map_err(|error| Violation::new(5, format!("head office's journals cannot be read: {error}")))
    }

    /// A push may have been kept and its answer never given.
    fn hear_how_far_head_office_came(&mut self) -> Result<(), Violation> {
        let hub = self.office.hub.as_ref().expect("open after healing");
        for terminal in hub.terminals().map_err(broken)? {
            let known = self.tills.iter().find(|site| terminal.incarnation == Some(site.incarnation.to_string()));
            let Some(site) = known else {
                return Err(Violation::new(1, format!("head office knows a till that nobody enrolled: {terminal:?}")));
            };
            let lost = self.oracles.had_other_lives(site.incarnation);
            if terminal.posted != terminal.acknowledged || (terminal.backlog != 0 && !lost) {
                return Err(Violation::new(1, format!("head office is not done: {terminal:?}")));
            }
            self.oracles.hub_acknowledged(site.incarnation, terminal.acknowledged);
        }
        Ok(())
    }

    /// Law 4, as far as head office is there to be asked.
    pub(super) fn balance(&mut self) -> Result<(), Violation> {
        let Some(hub) = self.office.hub.as_ref() else { return Ok(()) };
        let (balance, differences) = match (hub.trial_balance(), hub.holders_agree()) {
            (Err(HubError::Storage { .. }), _) | (_, Err(HubError::Storage { .. })) if !self.healed => return Ok(()),
            (balance, differences) => (balance.map_err(broken)?, differences.map_err(broken)?),
        };
        if !differences.is_empty() {
            return Err(Violation::new(4, format!("holders do not agree: {differences:?}")));
        }
        self.oracles.balance(&balance)
    }

    /// Every sale is forwarded once.
    fn compare_sales(&mut self) -> Result<(), Violation> {
        let hub = self.office.hub.as_ref().expect("open after healing");
        let mut there: BTreeMap<String, u64> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = hub.sales(&SaleFilter::default(), after.as_deref(), 500).map_err(broken)?;
            let more = page.items.len() == 500;
            page.items.into_iter().for_each(|sale| *there.entry(sale.sale_id).or_default() += 1);
            after = page.next;
            if !more || after.is_none() {
                break;
            }
        }
        // Of a till that came back with an older database head office has what reached it, of either branch.
        let twice: Vec<&String> = there.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
        if !twice.is_empty() {
            return Err(Violation::new(1, format!("sales at head office twice: {twice:?}")));
        }
        let of = |id: &str| id.rsplit_once('-').and_then(|(incarnation, _)| incarnation.parse().ok());
        there.retain(|id, _| of(id).is_some_and(|incarnation| !self.oracles.had_other_lives(incarnation)));
        let due = self.oracles.sales_due();
        if there != due {
            let missing: Vec<&String> = due.keys().filter(|id| !there.contains_key(*id)).collect();
            let odd: Vec<_> = there.iter().filter(|(id, count)| due.get(*id) != Some(count)).collect();
            return Err(Violation::new(1, format!("sales at head office: missing {missing:?}, too much {odd:?}")));
        }
        Ok(())
    }

    /// Every receipt that a register printed is one sale in its till's journal.
    fn compare_receipts(&mut self) -> Result<(), Violation> {
        for (till, site) in self.tills.iter().enumerate() {
            if site.put_back {
                continue;
            }
            let mut recorded: BTreeMap<&str, u64> = BTreeMap::new();
            for seen in self.oracles.journal(site.incarnation) {
                if let Body::Sale(sale) = &seen.record.body {
                    *recorded.entry(sale.sale.receipt_number.as_str()).or_default() += 1;
                }
            }
            for receipt in &site.register.receipts {
                let times = recorded.remove(receipt.as_str()).unwrap_or(0);
                if times != 1 {
                    return Err(Violation::new(1, format!("till {till}: receipt {receipt} is recorded {times} times")));
                }
            }
            if !recorded.is_empty() {
                return Err(Violation::new(1, format!("till {till}: nobody printed {recorded:?}")));
            }
        }
        Ok(())
    }

    fn compare_days(&mut self) -> Result<(), Violation> {
        let hub = self.office.hub.as_ref().expect("open after healing");
        let mut dates = std::collections::BTreeSet::new();
        let mut terminals = BTreeMap::new();
        for site in &self.tills {
            terminals.insert(site.incarnation, site.terminal.clone());
            for seen in self.oracles.journal(site.incarnation) {
                dates.insert(seen.record.business_date);
            }
        }
        let mut views = Vec::new();
        for date in dates {
            views.extend(hub.reconciliation(Some(date), Some(STORE)).map_err(broken)?);
        }
        let checked = days::check(&self.oracles, &terminals, &views)?;
        *self.counts.entry("days compared").or_default() += checked;
        Ok(())
    }

    /// Law 3: head office and every till that has seen everything say the same of a member, and the model too.
    fn compare_members(&mut self) -> Result<(), Violation> {
        let wall_ms = self.wall_ms();
        for member in 0..self.office.members {
            let hub = self.office.hub.as_ref().expect("open after healing");
            let id = member_id(hub.program_key(), member);
            let Some(view) = hub.find_member(&card(member), wall_ms).map_err(broken)? else {
                return Err(Violation::new(3, format!("head office does not find member {member}")));
            };
            let there: BTreeMap<String, i64> = view
                .purses
                .iter()
                .map(|purse| (purse.purse.clone(), purse.balance))
                .filter(|(_, balance)| *balance != 0)
                .collect();
            for purse in ["points", "coffee"] {
                let office = self.oracles.office();
                let balance = (office.balance(id, purse) - office.debt(id, purse)).max(0);
                if there.get(purse).copied().unwrap_or(0) != balance {
                    return Err(Violation::new(
                        3,
                        format!("member {member}: {purse} come to {balance}, head office says {there:?}"),
                    ));
                }
            }
            for till in 0..self.tills.len() {
                self.compare_member_at(till, member, &there)?;
            }
        }
        Ok(())
    }

    fn compare_member_at(
        &mut self,
        till: usize,
        member: usize,
        there: &BTreeMap<String, i64>,
    ) -> Result<(), Violation> {
        let site = &self.tills[till];
        let incarnation = site.incarnation;
        if site.lies {
            return Ok(());
        }
        let now = self.till_now(till);
        let engine = site.till.as_ref().expect("open after healing");
        let view = engine
            .look_up(&reference(member), now)
            .map_err(|error| Violation::new(3, format!("till {till}: look-up of member {member}: {error}")))?;
        let Some(view) = view else {
            return Err(Violation::new(3, format!("till {till} does not find member {member}")));
        };
        for purse in &view.purses {
            // A till keeps only members it has to do with: what it has never heard of it shows as nothing.
            let known = purse.as_of.is_some();
            let balance = there.get(&purse.purse).copied().unwrap_or(0);
            if known && purse.balance != balance {
                return Err(Violation::new(
                    3,
                    format!(
                        "till {till} shows {} {} for member {member}, head office {balance}",
                        purse.balance, purse.purse
                    ),
                ));
            }
            let model = self.oracles.model(incarnation);
            let today = Day::of_shop(now.wall_ms);
            let held = model.spendable(view.member_id, &purse.purse, today, today);
            let reserved = model.reserved(view.member_id, &purse.purse);
            // A blocked member spends nothing, one that owes no more than is left after it, an old database nothing.
            let may = if view.status != MemberStatus::Active || !engine.standing().is_sound() {
                0
            } else if purse.debt > 0 {
                held.min(purse.balance - reserved).max(0)
            } else {
                held
            };
            if purse.spendable != may {
                let (shown, purse) = (purse.spendable, &purse.purse);
                let what = format!("till {till} would let {shown} {purse} of member {member} be spent, {may} are held");
                return Err(Violation::new(3, what));
            }
        }
        Ok(())
    }

    /// A till that came back with an older database has had another life by now, if anybody could tell it.
    fn check_standings(&mut self) -> Result<(), Violation> {
        for (till, site) in self.tills.iter().enumerate() {
            let engine = site.till.as_ref().expect("open after healing");
            let lost = self.oracles.lost(site.incarnation);
            let should = lost.is_some_and(|lost| lost.at_head_office > lost.after);
            if should || matches!(engine.standing(), Standing::Behind { .. }) {
                return Err(Violation::new(
                    2,
                    format!("till {till} has an older database and goes on with it: {lost:?}, {:?}", engine.standing()),
                ));
            }
        }
        self.oracles.judged(2, "an older database has another life");
        Ok(())
    }
}

fn broken(error: HubError) -> Violation {
    Violation::new(4, format!("head office cannot say: {error:?}"))
}
