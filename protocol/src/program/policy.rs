//! Policies of a program: what returns do, and what tills may do that are cut off. Data only; who acts on it is
//! the till's engine and the hub.

use std::collections::BTreeMap;

use crate::limits::ENTRY_UNITS_MAX;

/// What happens to a return whose original sale nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnlinkedReturn {
    /// It goes to the exceptions list.
    #[default]
    Exception,
    /// Nothing is taken back.
    Ignore,
    /// What the goods alone would have given is taken back: [`super::Program::evaluate_base`].
    ReverseBase,
}

/// What happens to units redeemed for goods that come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnedReward {
    /// They are given back.
    #[default]
    GiveBack,
    /// They stay spent.
    Keep,
}

/// How returns are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReturnPolicy {
    /// A return without its sale.
    pub unlinked: UnlinkedReturn,
    /// A return of what a reward paid for.
    pub reward: ReturnedReward,
}

/// At which tills the hub places spend rights ahead of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Share {
    /// At those of the store where the member shops.
    #[default]
    HomeStore,
    /// At none: rights come only when they are asked for.
    None,
}

/// What may be overspent while a till is cut off: the retailer's risk. All limits are positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// By one redemption.
    pub redemption_units: i64,
    /// By one member in one outage.
    pub member_units: i64,
    /// By one till in one outage, from where it warns.
    pub till_soft_units: i64,
    /// By one till in one outage, where it stops.
    pub till_hard_units: i64,
}

impl Floor {
    /// What a file means that says only what a member may overspend.
    pub(super) fn of_member(member_units: i64) -> Self {
        let till_hard_units = member_units.saturating_mul(10).min(ENTRY_UNITS_MAX);
        Self {
            redemption_units: member_units,
            member_units,
            till_soft_units: Self::soft_of(till_hard_units),
            till_hard_units,
        }
    }

    /// Where a till warns that a file says nothing of.
    pub(super) fn soft_of(till_hard_units: i64) -> i64 {
        (till_hard_units / 2).max(1)
    }
}

/// What tills may do that are cut off, and what the hub does to prepare for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflinePolicy {
    /// Where rights are placed.
    pub share: Share,
    /// The largest part of a member's vested units in a purse that stands at tills, in thousandths: 0 to 1000.
    pub placed_thousandths: u32,
    /// By purse; a purse that may never be overspent has none.
    pub floors: BTreeMap<String, Floor>,
}

impl OfflinePolicy {
    /// Everything: a member who saves for a reward has little more than it costs, and what another channel needs is
    /// called back from tills with a line (`docs/offline-redemption.md` has the figures).
    pub(super) const PLACED_THOUSANDTHS: u32 = 1_000;

    /// What may be overspent of a purse; `None`: nothing.
    pub fn floor(&self, purse: &str) -> Option<&Floor> {
        self.floors.get(purse)
    }
}

impl Default for OfflinePolicy {
    fn default() -> Self {
        Self { share: Share::default(), placed_thousandths: Self::PLACED_THOUSANDTHS, floors: BTreeMap::new() }
    }
}
