//! `[returns]` and `[offline]`: what the file says beyond the defaults.

use std::collections::BTreeMap;

use super::{Field, NodeValue, Reader, Section};
use crate::limits::ENTRY_UNITS_MAX;
use crate::program::policy::{Floor, OfflinePolicy, ReturnPolicy, ReturnedReward, Share, UnlinkedReturn};
use crate::program::purse::Purse;

impl Reader {
    pub(super) fn returns(&mut self, top: Section<'_>) -> ReturnPolicy {
        let mut policy = ReturnPolicy::default();
        let Some(section) = top.find("returns").and_then(|node| self.section(node)) else { return policy };
        self.keys(section, &["unlinked", "reward"], &[]);
        match self.one_of(section, "unlinked", &["exception", "ignore", "reverse-base"], &[]) {
            Some(1) => policy.unlinked = UnlinkedReturn::Ignore,
            Some(2) => policy.unlinked = UnlinkedReturn::ReverseBase,
            _ => {}
        }
        if self.one_of(section, "reward", &["give-back", "keep"], &[]) == Some(1) {
            policy.reward = ReturnedReward::Keep;
        }
        policy
    }

    pub(super) fn offline(&mut self, top: Section<'_>, purses: &BTreeMap<String, Purse>) -> OfflinePolicy {
        let mut policy = OfflinePolicy::default();
        let Some(section) = top.find("offline").and_then(|node| self.section(node)) else { return policy };
        self.keys(section, &["share", "placed", "excess", "floor"], &[]);
        if self.one_of(section, "share", &["home-store", "none"], &[]) == Some(1) {
            policy.share = Share::None;
        }
        if let Some(placed) = section.find("placed").and_then(|node| self.share(node)) {
            policy.placed_thousandths = placed;
        }
        self.one_of(section, "excess", &["honour"], &["take-back"]);
        if let Some(floors) = section.find("floor").and_then(|node| self.section(node)) {
            for field in floors.fields {
                let is_known = self.is_purse(&field.key, &field.key_at, purses);
                if let Some(floor) = self.floor(field).filter(|_| is_known) {
                    policy.floors.insert(field.key.clone(), floor);
                }
            }
        }
        policy
    }

    /// `None` where nothing may be overspent, or the floor is refused.
    fn floor(&mut self, field: &Field) -> Option<Floor> {
        match field.node.value {
            NodeValue::Integer(0) => None,
            NodeValue::Integer(member) if (1..=ENTRY_UNITS_MAX).contains(&member) => Some(Floor::of_member(member)),
            NodeValue::Integer(member) => {
                let key = &field.key;
                let message =
                    format!("{member} is out of range: the floor of `{key}` is 0 (never) to {ENTRY_UNITS_MAX}");
                self.problems.add(&field.node.at, message);
                None
            }
            NodeValue::Table(_) => self.section(&field.node).and_then(|section| self.floor_limits(section)),
            _ => {
                self.wrong_type(
                    &field.node,
                    "a whole number of units, or a table as in { member = 200, till_hard = 2000 }",
                );
                None
            }
        }
    }

    fn floor_limits(&mut self, section: Section<'_>) -> Option<Floor> {
        self.keys(section, &["redemption", "member", "till_soft", "till_hard"], &[]);
        if let Some(node) = section.find("member")
            && node.value == NodeValue::Integer(0)
        {
            if section.fields.len() > 1 {
                self.problems.add(&node.at, "`member` = 0 means never: take the other limits out, or say how much");
            }
            return None;
        }
        let member = self.count(section, "member");
        let usual = Floor::of_member(member.unwrap_or(1));
        let redemption = self.count_or(section, "redemption", || usual.redemption_units);
        let hard = self.count_or(section, "till_hard", || usual.till_hard_units);
        let soft = self.count_or(section, "till_soft", || Floor::soft_of(hard.unwrap_or(usual.till_hard_units)));
        let (member_units, redemption_units, till_soft_units, till_hard_units) = (member?, redemption?, soft?, hard?);
        let too_much = |key: &str, units: i64, of: &str, most: i64| {
            format!("`{key}` = {units} is never reached: `{of}` ends it at {most}; let it be at most that")
        };
        let at = |key| section.find(key).map_or(section.at, |node| &node.at);
        if redemption_units > member_units {
            self.problems.add(at("redemption"), too_much("redemption", redemption_units, "member", member_units));
        }
        if till_soft_units > till_hard_units {
            self.problems.add(at("till_soft"), too_much("till_soft", till_soft_units, "till_hard", till_hard_units));
        }
        Some(Floor { redemption_units, member_units, till_soft_units, till_hard_units })
    }
}
