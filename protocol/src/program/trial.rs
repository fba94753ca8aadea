//! `program try`: what a program makes of one sale, as its published JSON. Nothing here records anything.

use serde::Serialize;

use super::{Basket, MemberInputs, Program, Skipped};
use crate::sale::Sale;
use crate::time::StoreCalendar;

/// The answer of `program try`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// What each purse gets.
    pub accrued: Vec<TrialPurse>,
    /// The rules that gave nothing.
    pub skipped: Vec<Skipped>,
    /// What could not be computed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// What one purse gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialPurse {
    /// The purse.
    pub purse: String,
    /// Units over all rules.
    pub amount: i64,
    /// Rule by rule.
    pub rules: Vec<TrialRule>,
}

/// What one rule gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrialRule {
    /// The rule's id.
    pub rule: String,
    /// Units.
    pub amount: i64,
    /// In words.
    pub reason: String,
}

/// A sale that cannot be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The sale's time is none.
    #[error("{0:?} is no time: write it as 2026-11-20T10:15:00+00:00")]
    Time(String),
    /// The program's time zone is not known here.
    #[error("the program's time zone {0:?} is not known")]
    Zone(String),
}

impl Program {
    /// Tries the program on a sale, as at `at` (RFC 3339; absent: the sale's own time), in the program's time zone,
    /// for a store of no group. Without a member file the member is one nobody knows anything of.
    ///
    /// # Errors
    /// When the time cannot be read.
    pub fn try_sale(&self, sale: &Sale, member: Option<&MemberInputs>, at: Option<&str>) -> Result<Trial, TrialError> {
        let zone = self.time_zone();
        let calendar = StoreCalendar::new(zone, "00:00").map_err(|_| TrialError::Zone(zone.to_owned()))?;
        let at = at.unwrap_or(&sale.occurred_at);
        let at_ms = calendar.parse_instant_ms(at).ok_or_else(|| TrialError::Time(at.to_owned()))?;
        let nobody = MemberInputs::default();
        let evaluation = self.evaluate(&Basket {
            sale,
            now: calendar.local_time(at_ms),
            member: member.unwrap_or(&nobody),
            store: "",
            store_groups: &[],
            lane: "",
            channel: "till",
        });
        let purse = |award: crate::record::Award| TrialPurse {
            purse: award.purse,
            amount: award.amount,
            rules: award
                .rules
                .into_iter()
                .map(|rule| TrialRule { rule: rule.rule, amount: rule.amount, reason: rule.reason })
                .collect(),
        };
        Ok(Trial {
            accrued: evaluation.awards.into_iter().map(purse).collect(),
            skipped: evaluation.skipped,
            failures: evaluation.failures,
        })
    }
}
