//! `[purse.*]`: kinds, lots, what units are worth and how they pay.

use std::collections::BTreeMap;

use super::{Field, Node, NodeValue, Reader, Section};
use crate::limits::{ENTRY_UNITS_MAX, PROGRAM_PURSE_COUNT_MAX};
use crate::program::period::Period;
use crate::program::purse::{Clawback, Purse, PurseKind, RedeemSteps, UnitValue};
use crate::program::quantity::share_thousandths;

const KINDS: [&str; 4] = ["points", "stamps", "gift-card", "voucher"];

impl Reader {
    pub(super) fn purses(&mut self, top: Section<'_>) -> BTreeMap<String, Purse> {
        let mut purses = BTreeMap::new();
        let Some(node) = top.find("purse") else {
            self.problems.add(top.at, "a program needs at least one purse: add [purse.points] with kind = \"points\"");
            return purses;
        };
        let Some(section) = self.section(node) else { return purses };
        if section.fields.len() > PROGRAM_PURSE_COUNT_MAX {
            self.problems.add(&node.at, format!("more than {PROGRAM_PURSE_COUNT_MAX} purses"));
        }
        let mut gift_card: Option<&str> = None;
        for (index, field) in section.fields.iter().enumerate() {
            if !self.is_name(&field.key, &field.key_at) {
                continue;
            }
            // A purse that does not read is still known by name, so that what refers to it is not blamed.
            let purse = if index < PROGRAM_PURSE_COUNT_MAX { self.purse(field) } else { Purse::new(&field.key) };
            if purse.kind == PurseKind::GiftCard {
                match gift_card {
                    None => gift_card = Some(&field.key),
                    Some(other) => self.problems.add(
                        &field.key_at,
                        format!("a program has one purse of kind \"gift-card\", and {other:?} is one: take one out"),
                    ),
                }
            }
            purses.insert(field.key.clone(), purse);
        }
        purses
    }

    fn purse(&mut self, field: &Field) -> Purse {
        let mut purse = Purse::new(&field.key);
        let Some(section) = self.section(&field.node) else { return purse };
        self.keys(section, &["kind", "expires", "vests", "spend_fresh", "value", "redeem", "clawback"], &["account"]);
        if let Some((kind, at)) = self.needed_text(section, "kind") {
            match kind.as_str() {
                "points" => purse.kind = PurseKind::Points,
                "stamps" => purse.kind = PurseKind::Stamps,
                "gift-card" => purse.kind = PurseKind::GiftCard,
                "voucher" => purse.kind = PurseKind::Voucher,
                _ => self.choice(at, &kind, &KINDS, &[]),
            }
        }
        if let Some(flag) = section.find("spend_fresh") {
            match flag.value {
                NodeValue::Flag(value) => purse.spend_fresh = value,
                _ => self.wrong_type(flag, "true or false"),
            }
        }
        purse.expires = self.period(section, "expires");
        purse.vests = self.period(section, "vests");
        purse.value = section.find("value").and_then(|node| self.value(node, purse.kind));
        purse.redeem = section.find("redeem").and_then(|node| self.redeem(node));
        if self.one_of(section, "clawback", &["debt", "write-off"], &[]) == Some(1) {
            purse.clawback = Clawback::WriteOff;
        }
        self.vesting(section, &purse);
        purse
    }

    fn vesting(&mut self, section: Section<'_>, purse: &Purse) {
        let Some(on) = purse.vests_too_late_on() else { return };
        let lot = purse.lot(on);
        if let (Some(vests), Some(expires), Some(node)) = (lot.vests, lot.expires, section.find("vests")) {
            let message = format!(
                "what is accrued on {on} would expire on {expires}, before it vests on {vests}: \
                 let `vests` be shorter than `expires`"
            );
            self.problems.add(&node.at, message);
        }
    }

    fn period(&mut self, section: Section<'_>, key: &str) -> Option<Period> {
        let node = section.find(key)?;
        let (text, at) = self.text(node)?;
        match text.parse() {
            Ok(period) => Some(period),
            Err(error) => {
                self.problems.add(at, format!("{:?} {error}", super::shortened(&text)));
                None
            }
        }
    }

    fn value(&mut self, node: &Node, kind: PurseKind) -> Option<UnitValue> {
        if kind == PurseKind::GiftCard {
            self.problems.add(&node.at, "a gift card's units are money already: take `value` out");
            return None;
        }
        let section = self.section(node)?;
        self.keys(section, &["units", "money"], &[]);
        let units = self.count(section, "units");
        let money_minor = self.count(section, "money");
        Some(UnitValue { units: units?, money_minor: money_minor? })
    }

    /// Absent keys: every multiple of one, from one step, up to the whole sale.
    fn redeem(&mut self, node: &Node) -> Option<RedeemSteps> {
        let section = self.section(node)?;
        self.keys(section, &["step", "min", "max_share"], &[]);
        let step = self.count_or(section, "step", || 1);
        let min = self.count_or(section, "min", || step.unwrap_or(1));
        let max_share_thousandths = match section.find("max_share") {
            Some(node) => self.share(node),
            None => Some(1_000),
        };
        Some(RedeemSteps { step: step?, min: min?, max_share_thousandths: max_share_thousandths? })
    }

    /// A share of a whole, as a decimal in quotes.
    pub(super) fn share(&mut self, node: &Node) -> Option<u32> {
        let NodeValue::Text(text) = &node.value else {
            self.wrong_type(node, "a decimal in quotes from \"0\" to \"1\" (for example \"0.5\")");
            return None;
        };
        let share = share_thousandths(text);
        if share.is_none() {
            let text = super::shortened(text);
            let message = format!("{text:?} is not a decimal from \"0\" to \"1\" with at most three places");
            self.problems.add(&node.at, message);
        }
        share
    }

    /// A positive count, or what its absence means.
    pub(super) fn count_or(&mut self, section: Section<'_>, key: &str, absent: impl FnOnce() -> i64) -> Option<i64> {
        match section.find(key) {
            Some(_) => self.count(section, key),
            None => Some(absent().clamp(1, ENTRY_UNITS_MAX)),
        }
    }

    /// Which of `now` a text names; `None` where there is none, or it is refused.
    pub(super) fn one_of(&mut self, section: Section<'_>, key: &str, now: &[&str], later: &[&str]) -> Option<usize> {
        let (text, at) = self.text(section.find(key)?)?;
        let index = now.iter().position(|known| *known == text);
        if index.is_none() {
            self.choice(at, &text, now, later);
        }
        index
    }
}
