//! From a program file to a checked program: every key is known, for later, or a mistake, and says so.
//!
//! Nothing is guessed and nothing is skipped. What a later version brings is refused by name, so that no file
//! says something that tills would not do. Reports as many problems as it can find in one pass.

mod policies;
mod purses;

use std::collections::{BTreeMap, BTreeSet};

use super::cel::{Condition, Scope};
use super::document::{Field, Node, NodeValue};
use super::problems::{At, Problems};
use super::words::nearest;
use super::{AwardKind, Benefit, Checked, Purse, PurseKind, Reward, Rule};
use crate::limits::{
    ENTRY_UNITS_MAX, PROGRAM_COST_MAX, PROGRAM_NAME_CHAR_COUNT_MAX, PROGRAM_REWARD_COUNT_MAX, PROGRAM_RULE_COUNT_MAX,
    PROGRAM_TEXT_CHAR_COUNT_MAX,
};
use crate::time::StoreCalendar;

const LATER: &str = "is not supported yet by this version of Counterfoil";

/// The kinds of lines that never earn, unless a later version lets a program say otherwise.
pub(super) const EXCLUDED_KINDS: [&str; 5] = ["deposit", "fee", "tip", "donation", "gift-card"];
/// The tenders that a sale does not earn on.
pub(super) const EXCLUDED_TENDERS: [&str; 2] = ["points", "gift-card"];

/// Reads a whole program.
pub(super) fn program(root: &Node) -> Result<Checked, Problems> {
    let mut reader = Reader { problems: Problems::default() };
    let checked = reader.program(root);
    let mut problems = reader.problems;
    match checked {
        Some(checked) if problems.0.is_empty() => Ok(checked),
        _ => {
            if problems.0.is_empty() {
                problems.add(&root.at, "the program is incomplete");
            }
            Err(problems.sorted())
        }
    }
}

struct Reader {
    problems: Problems,
}

/// The fields of one table, with what is known about it.
#[derive(Clone, Copy)]
struct Section<'a> {
    at: &'a At,
    fields: &'a [Field],
}

impl<'a> Section<'a> {
    fn find(self, key: &str) -> Option<&'a Node> {
        self.fields.iter().find(|field| field.key == key).map(|field| &field.node)
    }
}

impl Reader {
    fn program(&mut self, root: &Node) -> Option<Checked> {
        let top = self.section(root)?;
        self.keys(
            top,
            &["program", "currency", "time_zone", "purse", "eligible", "returns", "earn", "reward", "offline"],
            &["category", "tier", "referral"],
        );
        let name = self.name(top, "program");
        let currency = self.currency(top);
        let time_zone = self.time_zone(top);
        if let Some(eligible) = top.find("eligible") {
            self.eligible(eligible);
        }
        let returns = self.returns(top);
        let purses = self.purses(top);
        let offline = self.offline(top, &purses);
        let rules = self.list(top, "earn", PROGRAM_RULE_COUNT_MAX, |reader, node| reader.rule(node, &purses));
        let rewards = self.list(top, "reward", PROGRAM_REWARD_COUNT_MAX, |reader, node| reader.reward(node, &purses));
        let conditions = rules.iter().flat_map(|rule| [&rule.lines, &rule.when]).flatten();
        let cost = conditions.map(Condition::cost).fold(0, u64::saturating_add);
        if cost > PROGRAM_COST_MAX {
            let share = cost.div_ceil(PROGRAM_COST_MAX);
            let message = format!(
                "the conditions cost {share} times what a till may spend on a large sale: loop over fewer things"
            );
            self.problems.add(top.find("earn").map_or(top.at, |node| &node.at), message);
        }
        self.unique(top, "earn");
        self.unique(top, "reward");
        Some(Checked {
            name: name?,
            currency: currency?,
            time_zone: time_zone?,
            purses,
            returns,
            offline,
            rules,
            rewards,
        })
    }

    fn currency(&mut self, top: Section<'_>) -> Option<String> {
        let (text, at) = self.needed_text(top, "currency")?;
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Some(text);
        }
        self.problems.add(at, format!("{text:?} is not an ISO 4217 currency code (for example GBP)"));
        None
    }

    fn time_zone(&mut self, top: Section<'_>) -> Option<String> {
        let (text, at) = self.needed_text(top, "time_zone")?;
        match StoreCalendar::new(&text, "00:00") {
            Ok(_) => Some(text),
            Err(error) => {
                self.problems.add(at, error.to_string());
                None
            }
        }
    }

    /// Only the defaults can be said yet.
    fn eligible(&mut self, node: &Node) {
        let Some(section) = self.section(node) else { return };
        self.keys(section, &["basis", "exclude_kinds", "exclude_tenders"], &[]);
        self.default_text(section, "basis", "paid", &["before-tax", "before-discount"]);
        self.default_list(section, "exclude_kinds", &EXCLUDED_KINDS);
        self.default_list(section, "exclude_tenders", &EXCLUDED_TENDERS);
    }

    fn default_text(&mut self, section: Section<'_>, key: &str, default: &str, later: &[&str]) {
        let Some(node) = section.find(key) else { return };
        let Some((text, at)) = self.text(node) else { return };
        if text != default {
            self.choice(at, &text, &[default], later);
        }
    }

    fn default_list(&mut self, section: Section<'_>, key: &str, default: &[&str]) {
        let Some(node) = section.find(key) else { return };
        let NodeValue::Array(items) = &node.value else {
            return self.wrong_type(node, "a list of text");
        };
        let texts: Vec<_> = items.iter().filter_map(|item| self.text(item)).map(|(text, _)| text).collect();
        if texts.len() < items.len() {
            return;
        }
        let given: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
        if given != default.iter().copied().collect() {
            let default = default.join("\", \"");
            self.problems.add(&node.at, format!("`{key}` other than [\"{default}\"] {LATER}"));
        }
    }

    fn rule(&mut self, node: &Node, purses: &BTreeMap<String, Purse>) -> Option<Rule> {
        let section = self.section(node)?;
        self.keys(
            section,
            &["id", "purse", "award", "lines", "when", "reason"],
            &["group", "cap", "round", "from", "until", "budget"],
        );
        let id = self.name(section, "id");
        let purse = self.purse_name(section, "purse", purses);
        let award = section.find("award");
        if award.is_none() {
            self.missing(section, "award", ": for example award = { every = 100, give = 1 }");
        }
        let award = award.and_then(|node| self.award(node));
        self.fits_purse(section, award, purse.as_ref().and_then(|name| purses.get(name)));
        let lines = self.condition(section, "lines", Scope::Lines);
        let when = self.condition(section, "when", Scope::When);
        let reason = self.optional_text(section, "reason");
        Some(Rule { id: id?, purse: purse?, award: award?, lines: lines?, when: when?, reason: reason? })
    }

    fn award(&mut self, node: &Node) -> Option<AwardKind> {
        let section = self.section(node)?;
        self.keys(section, &["every", "give", "flat", "each"], &["factor", "of"]);
        if section.find("factor").is_some() || section.find("of").is_some() {
            return None;
        }
        let given: Vec<&str> =
            ["every", "give", "flat", "each"].into_iter().filter(|key| section.find(key).is_some()).collect();
        match given[..] {
            ["every", "give"] => {
                let every = self.count(section, "every");
                let give = self.count(section, "give");
                Some(AwardKind::Every { every_minor: every?, give_units: give? })
            }
            ["flat"] => Some(AwardKind::Flat { units: self.count(section, "flat")? }),
            ["each"] => Some(AwardKind::Each { units: self.count(section, "each")? }),
            _ => {
                let message = "an award is one of { every = …, give = … }, { flat = … } and { each = … }";
                self.problems.add(&node.at, message);
                None
            }
        }
    }

    /// Money is not earned, and a voucher is whole.
    fn fits_purse(&mut self, section: Section<'_>, award: Option<AwardKind>, purse: Option<&Purse>) {
        let Some(purse) = purse else { return };
        let (key, message) = match (purse.kind, award) {
            (PurseKind::GiftCard, _) => {
                ("purse", "a gift card is money, which no rule gives: give points or a voucher instead")
            }
            (PurseKind::Voucher, Some(AwardKind::Every { .. } | AwardKind::Each { .. })) => {
                ("award", "vouchers are given once per sale: write award = { flat = 1 }")
            }
            _ => return,
        };
        self.problems.add(section.find(key).map_or(section.at, |node| &node.at), message);
    }

    fn reward(&mut self, node: &Node, purses: &BTreeMap<String, Purse>) -> Option<Reward> {
        let section = self.section(node)?;
        self.keys(section, &["id", "title", "cost", "benefit"], &["pos", "when", "limit"]);
        let id = self.name(section, "id");
        let title = self.optional_text(section, "title");
        let cost = self.table(section, "cost", "cost = { purse = \"points\", amount = 500 }").and_then(|cost| {
            self.keys(cost, &["purse", "amount"], &[]);
            let purse = self.purse_name(cost, "purse", purses);
            let amount = self.count(cost, "amount");
            Some((purse?, amount?))
        });
        let benefit = self
            .table(section, "benefit", "benefit = { kind = \"discount\", amount = 500 }")
            .and_then(|benefit| self.benefit(benefit));
        let (id, title, (cost_purse, cost_units)) = (id?, title?, cost?);
        Some(Reward { title: title.unwrap_or_else(|| id.clone()), id, cost_purse, cost_units, benefit: benefit? })
    }

    fn benefit(&mut self, section: Section<'_>) -> Option<Benefit> {
        let (kind, at) = self.needed_text(section, "kind")?;
        if kind != "discount" {
            self.choice(at, &kind, &["discount"], &["free-item", "percent", "voucher", "gift-card", "points"]);
            return None;
        }
        self.keys(section, &["kind", "amount"], &["lines", "percent", "max"]);
        Some(Benefit::Discount { amount_minor: self.count(section, "amount")? })
    }

    /// `Some(None)`: there is none. `None`: there is one and it is refused.
    fn condition(&mut self, section: Section<'_>, key: &str, scope: Scope) -> Option<Option<Condition>> {
        let Some(node) = section.find(key) else { return Some(None) };
        let (source, at) = self.text(node)?;
        match Condition::compile(&source, scope) {
            Ok(condition) => Some(Some(condition)),
            Err(error) => {
                self.problems.add(at, format!("`{key}`: {error}"));
                None
            }
        }
    }

    fn purse_name(&mut self, section: Section<'_>, key: &str, purses: &BTreeMap<String, Purse>) -> Option<String> {
        let (name, at) = self.needed_text(section, key)?;
        self.is_purse(&name, at, purses).then_some(name)
    }

    fn is_purse(&mut self, name: &str, at: &At, purses: &BTreeMap<String, Purse>) -> bool {
        if purses.contains_key(name) {
            return true;
        }
        let name = shortened(name);
        let hint = match nearest(&name, purses.keys().map(String::as_str)) {
            Some(near) => format!("; did you mean {near:?}?"),
            None => format!(": add [purse.{name}], or name one of the purses"),
        };
        self.problems.add(at, format!("there is no purse {name:?}{hint}"));
        false
    }

    fn list<T>(
        &mut self,
        top: Section<'_>,
        key: &str,
        count_max: usize,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = top.find(key) else { return Vec::new() };
        let NodeValue::Array(items) = &node.value else {
            self.problems.add(&node.at, format!("`{key}` is a list of tables: write [[{key}]]"));
            return Vec::new();
        };
        if items.len() > count_max {
            self.problems.add(&node.at, format!("more than {count_max} times [[{key}]]"));
            return Vec::new();
        }
        items.iter().filter_map(|item| read(self, item)).collect()
    }

    fn unique(&mut self, top: Section<'_>, key: &str) {
        let Some(Node { value: NodeValue::Array(items), .. }) = top.find(key) else { return };
        let mut seen = BTreeSet::new();
        for item in items {
            let NodeValue::Table(fields) = &item.value else { continue };
            let id = fields.iter().find(|field| field.key == "id");
            if let Some(Field { node: Node { at, value: NodeValue::Text(id) }, .. }) = id
                && !seen.insert(id)
            {
                self.problems.add(at, format!("another [[{key}]] has the id {id:?} already"));
            }
        }
    }

    // What every section needs.

    fn section<'a>(&mut self, node: &'a Node) -> Option<Section<'a>> {
        match &node.value {
            NodeValue::Table(fields) => Some(Section { at: &node.at, fields }),
            _ => {
                self.wrong_type(node, "a table");
                None
            }
        }
    }

    fn table<'a>(&mut self, section: Section<'a>, key: &str, example: &str) -> Option<Section<'a>> {
        match section.find(key) {
            Some(node) => self.section(node),
            None => {
                self.missing(section, key, &format!(": for example {example}"));
                None
            }
        }
    }

    fn keys(&mut self, section: Section<'_>, now: &[&str], later: &[&str]) {
        for Field { key, key_at, .. } in section.fields {
            if now.contains(&key.as_str()) {
                continue;
            }
            if later.contains(&key.as_str()) {
                self.problems.add(key_at, format!("`{key}` {LATER}: take it out"));
                continue;
            }
            let hint = match nearest(key, now.iter().chain(later).copied()) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => format!("; known here: {}", now.join(", ")),
            };
            self.problems.add(key_at, format!("unknown key `{}`{hint}", shortened(key)));
        }
    }

    fn choice(&mut self, at: &At, given: &str, now: &[&str], later: &[&str]) {
        let message = if later.contains(&given) {
            format!("{given:?} {LATER}; possible now: {}", now.join(", "))
        } else {
            format!(
                "{:?} is not one of {}",
                shortened(given),
                now.iter().chain(later).copied().collect::<Vec<_>>().join(", ")
            )
        };
        self.problems.add(at, message);
    }

    fn missing(&mut self, section: Section<'_>, key: &str, hint: &str) {
        self.problems.add(section.at, format!("`{key}` is missing{hint}"));
    }

    fn wrong_type(&mut self, node: &Node, expected: &str) {
        let key = node.at.path.rsplit('.').next().unwrap_or_default().to_owned();
        let what = if key.is_empty() { "a program".to_owned() } else { format!("`{}`", shortened(&key)) };
        self.problems.add(&node.at, format!("{what} must be {expected}, this is {}", node.value.name()));
    }

    fn text<'a>(&mut self, node: &'a Node) -> Option<(String, &'a At)> {
        match &node.value {
            NodeValue::Text(text) if text.chars().count() <= PROGRAM_TEXT_CHAR_COUNT_MAX => {
                Some((text.clone(), &node.at))
            }
            NodeValue::Text(_) => {
                self.problems.add(&node.at, format!("the text has more than {PROGRAM_TEXT_CHAR_COUNT_MAX} characters"));
                None
            }
            _ => {
                self.wrong_type(node, "text");
                None
            }
        }
    }

    fn optional_text(&mut self, section: Section<'_>, key: &str) -> Option<Option<String>> {
        match section.find(key) {
            None => Some(None),
            Some(node) => self.text(node).map(|(text, _)| Some(text)),
        }
    }

    fn needed_text<'a>(&mut self, section: Section<'a>, key: &str) -> Option<(String, &'a At)> {
        match section.find(key) {
            Some(node) => self.text(node),
            None => {
                self.missing(section, key, "");
                None
            }
        }
    }

    fn name(&mut self, section: Section<'_>, key: &str) -> Option<String> {
        let (text, at) = self.needed_text(section, key)?;
        self.is_name(&text, at).then_some(text)
    }

    fn is_name(&mut self, text: &str, at: &At) -> bool {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let good = !text.is_empty() && text.len() <= PROGRAM_NAME_CHAR_COUNT_MAX && text.chars().all(is_fine);
        if !good {
            let text = shortened(text);
            self.problems.add(
                at,
                format!("{text:?} is not a name: up to {PROGRAM_NAME_CHAR_COUNT_MAX} letters, digits, - _ and ."),
            );
        }
        good
    }

    fn count(&mut self, section: Section<'_>, key: &str) -> Option<i64> {
        let Some(node) = section.find(key) else {
            self.missing(section, key, "");
            return None;
        };
        match node.value {
            NodeValue::Integer(count) if (1..=ENTRY_UNITS_MAX).contains(&count) => Some(count),
            NodeValue::Integer(count) => {
                self.problems.add(&node.at, format!("{count} is out of range: `{key}` is 1 to {ENTRY_UNITS_MAX}"));
                None
            }
            _ => {
                self.wrong_type(node, "a whole number (money in minor units)");
                None
            }
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
