//! Finding a member, and what a cashier sees of one.

use counterfoil_protocol::id::{IdentifierHash, MemberId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::program::{MemberInputs, Reward};
use counterfoil_protocol::sale::MemberRef;
use counterfoil_protocol::wire::v1::feed::MemberStatus;
use counterfoil_protocol::wire::v1::grant::Subject;
use rusqlite::params;

use crate::answer::{Cost, MemberView, RewardView};
use crate::command::Now;
use crate::directory;
use crate::error::{CommandError, NotSpendable};
use crate::purses::MemberBook;
use crate::rules::unit_words;
use crate::store::{self, values};
use crate::till::Till;

/// Whom a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Known(MemberId),
    /// Nobody this till knows; the identifier's hash where one was given.
    Unknown(Option<IdentifierHash>),
}

impl Till {
    /// What is known here of a member, with no line to anyone; `None`: nobody is.
    ///
    /// # Errors
    /// When the reference names nothing, or the databases cannot be read.
    pub fn look_up(&self, who: &MemberRef, now: Now) -> Result<Option<MemberView>, CommandError> {
        match self.resolve(who)? {
            Who::Known(member) => self.member_view(member, now).map(Some),
            Who::Unknown(_) => Ok(None),
        }
    }

    /// Whom to ask head office about: the member where known, else the identifier's hash.
    ///
    /// # Errors
    /// When the reference names nothing, or the directory cannot be read.
    pub fn subject(&self, who: &MemberRef) -> Result<Subject, CommandError> {
        match self.resolve(who)? {
            Who::Known(member) => Ok(Subject::Member(member)),
            Who::Unknown(Some(hash)) => Ok(Subject::Identifier(hash)),
            Who::Unknown(None) => {
                let member = who.member_id.as_deref().and_then(|text| text.parse().ok());
                member.map(Subject::Member).ok_or(CommandError::UnknownMember)
            }
        }
    }

    pub(crate) fn resolve(&self, who: &MemberRef) -> Result<Who, CommandError> {
        self.usable()?;
        if let Some(text) = &who.member_id {
            let Ok(member) = text.parse() else {
                return Ok(Who::Unknown(None));
            };
            return Ok(if self.is_known(member)? { Who::Known(member) } else { Who::Unknown(None) });
        }
        let text = who.identifier.as_deref().ok_or_else(|| {
            CommandError::InvalidRequest("a member is named by `identifier` or by `member_id`".to_owned())
        })?;
        let identifier = Identifier::parse(text).map_err(|error| CommandError::InvalidRequest(error.to_string()))?;
        let key = &self.enrolment.program_key;
        match self.resolve_hash(identifier.hash(key))? {
            // A gift card loaded here: nobody but this till may know of it yet.
            Who::Unknown(_) if self.is_known(identifier.member_id(key))? => Ok(Who::Known(identifier.member_id(key))),
            who => Ok(who),
        }
    }

    pub(crate) fn resolve_hash(&self, hash: IdentifierHash) -> Result<Who, CommandError> {
        let listed = directory::by_identifier(&self.directory, hash)?;
        Ok(listed.map_or(Who::Unknown(Some(hash)), |listed| Who::Known(listed.member)))
    }

    fn is_known(&self, member: MemberId) -> Result<bool, CommandError> {
        if directory::by_member(&self.directory, member)?.is_some() {
            return Ok(true);
        }
        let sql = "SELECT 1 WHERE EXISTS (SELECT 1 FROM member_state WHERE member = ?1) \
                   OR EXISTS (SELECT 1 FROM holding WHERE member = ?1) \
                   OR EXISTS (SELECT 1 FROM own_entry WHERE member = ?1)";
        Ok(store::optional(&self.value, "looking for a member", sql, [member.0], |_| Ok(()))?.is_some())
    }

    /// The directory's word, else the last state's.
    pub(crate) fn member_status(&self, member: MemberId, book: &MemberBook) -> Result<MemberStatus, CommandError> {
        let listed = directory::by_member(&self.directory, member)?.map(|listed| listed.status);
        Ok(listed.or(book.state.as_ref().map(|state| state.status)).unwrap_or_default())
    }

    fn member_tier(&self, member: MemberId, book: &MemberBook) -> Result<Option<String>, CommandError> {
        Ok(match directory::by_member(&self.directory, member)? {
            Some(listed) => listed.tier,
            None => book.state.as_ref().and_then(|state| state.tier.clone()),
        })
    }

    pub(crate) fn may_spend(&self, member: MemberId, book: &MemberBook) -> Result<bool, CommandError> {
        Ok(self.standing.is_sound() && self.member_status(member, book)? == MemberStatus::Active)
    }

    pub(crate) fn member_view(&self, member: MemberId, now: Now) -> Result<MemberView, CommandError> {
        let book = self.book(member)?;
        let status = self.member_status(member, &book)?;
        let may_spend = self.may_spend(member, &book)?;
        Ok(MemberView {
            member_id: member,
            display_name: book.state.as_ref().and_then(|state| state.display_name.clone()),
            status,
            tier: self.member_tier(member, &book)?,
            purses: self.purse_views(&book, may_spend, now),
            rewards: self.reward_views(&book, status, now),
            online: false,
        })
    }

    /// Every reward of the program, and whether the member can have it here now.
    pub(crate) fn reward_views(&self, book: &MemberBook, status: MemberStatus, now: Now) -> Vec<RewardView> {
        let time_ms = self.time_ms(now);
        let Some(found) = self.program_at(time_ms, time_ms) else {
            return Vec::new();
        };
        let view = |reward: &Reward| {
            let reason = self.reward_refusal(reward, book, status, now);
            RewardView {
                reward_id: reward.id.clone(),
                title: reward.title.clone(),
                cost: Cost { purse: reward.cost_purse.clone(), amount: reward.cost_units },
                available: reason.is_none(),
                reason,
            }
        };
        found.program.rewards().iter().map(view).collect()
    }

    fn reward_refusal(&self, reward: &Reward, book: &MemberBook, status: MemberStatus, now: Now) -> Option<String> {
        match status {
            MemberStatus::Active => {}
            MemberStatus::Blocked => return Some("This member is blocked.".to_owned()),
            MemberStatus::Closed => return Some("This membership is closed.".to_owned()),
        }
        if !self.standing.is_sound() {
            return Some("This till cannot redeem at the moment; the store's technician knows why.".to_owned());
        }
        let purse = book.purse(&reward.cost_purse);
        let clock = self.clock(now);
        let (balance, spendable, asked) = (purse.balance(), purse.spendable(clock), reward.cost_units);
        if spendable >= asked {
            return None;
        }
        let time_ms = self.time_ms(now);
        let program = self.program_at(time_ms, time_ms).map(|found| &found.program);
        let unit = unit_words(program, &reward.cost_purse);
        if balance < asked {
            return Some(format!("{} more {unit} needed.", asked.saturating_sub(balance)));
        }
        let refusal = NotSpendable {
            purse: reward.cost_purse.clone(),
            unit,
            balance,
            spendable,
            asked,
            reserved: purse.reserved(),
            pending: purse.pending(clock),
            online: false,
            floor: None,
        };
        Some(refusal.to_string())
    }

    /// What the rules may see of a member, as far as this till knows.
    pub(crate) fn member_inputs(&self, member: MemberId, book: &MemberBook) -> Result<MemberInputs, CommandError> {
        let own_visits = store::optional(
            &self.value,
            "counting a member's sales",
            "SELECT count(*) FROM sale WHERE member = ?1 AND position > ?2 AND is_return = 0 AND training = 0 \
             AND void_position IS NULL",
            params![member.0, values::signed(book.includes_position)],
            |row| values::count(row, 0),
        )?
        .unwrap_or(0);
        let accrued_today = store::all(
            &self.value,
            "reading what a member accrued today",
            "SELECT rule, units FROM day_rule WHERE member = ?1",
            [member.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let state = book.state.as_ref();
        Ok(MemberInputs {
            tier: self.member_tier(member, book)?,
            visits: state.map_or(0, |state| state.visits).saturating_add(own_visits),
            since: state.and_then(|state| state.since.clone()),
            birthday_month: None,
            tags: state.map(|state| state.tags.clone()).unwrap_or_default(),
            accrued_today: accrued_today.into_iter().collect(),
        })
    }
}
