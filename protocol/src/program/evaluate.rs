//! What a sale accrues: the order of evaluation of the program, in exact integers and rationals.
//!
//! (1) Lines of excluded kinds and what `lines` leaves out earn nothing. (2) A line's eligible amount is what was
//! paid for it: basket discounts, and tax that is not included, are spread over all lines in proportion by largest
//! remainder; a sale partly paid with excluded tenders earns on the rest, in proportion, exactly. (3) Each rule
//! whose `when` holds is computed on its own lines and rounded down once. (6) Zero awards are dropped.
//! `eligible.amount` in a condition is the whole sale's, rounded down. Total: nothing panics and nothing wraps.

use super::cel::{Condition, Facts};
use super::quantity::{self, BILLIONTHS};
use super::share::{spread, weights};
use super::words::{money, units};
use super::{AwardKind, Checked, LocalTime, MemberInputs, Rule};
use crate::limits::{ENTRY_UNITS_MAX, SALE_LINE_COUNT_MAX, SALE_MINOR_MAX, SALE_PART_COUNT_MAX};
use crate::record::{Award, RuleUnits};
use crate::sale::{Line, LineKind, Sale, SaleKind, TenderKind};

/// A sale with everything around it that rules may read.
#[derive(Debug, Clone, Copy)]
pub struct Basket<'a> {
    /// The sale.
    pub sale: &'a Sale,
    /// The store's local time at the sale.
    pub now: LocalTime,
    /// What is known of the member.
    pub member: &'a MemberInputs,
    /// The store's id.
    pub store: &'a str,
    /// The groups the store belongs to.
    pub store_groups: &'a [String],
    /// The lane.
    pub lane: &'a str,
    /// `till`, or whatever channel sells.
    pub channel: &'a str,
}

/// A rule that gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// The rule's id.
    pub rule: String,
    /// In words.
    pub why: String,
}

/// What a program makes of a basket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evaluation {
    /// Per purse, in the order of the rules.
    pub awards: Vec<Award>,
    /// The rules that gave nothing.
    pub skipped: Vec<Skipped>,
    /// What could not be computed, in words: it counted as false.
    pub failures: Vec<String>,
    /// What the whole sale earns on, minor units, rounded down.
    pub eligible_minor: i64,
}

impl Evaluation {
    fn skip(&mut self, rule: &Rule, why: impl Into<String>) {
        self.skipped.push(Skipped { rule: rule.id.clone(), why: why.into() });
    }

    fn fail(&mut self, rule: &Rule, why: &str) {
        self.failures.push(format!("rule {}: {why}", rule.id));
        self.skip(rule, why);
    }

    /// Adds what a rule gave, unless its purse would hold more than any entry may carry.
    fn give(&mut self, rule: &Rule, amount: i64, reason: String) {
        let index = match self.awards.iter().position(|award| award.purse == rule.purse) {
            Some(index) => index,
            None => {
                self.awards.push(Award { purse: rule.purse.clone(), amount: 0, rules: Vec::new() });
                self.awards.len() - 1
            }
        };
        let award = &mut self.awards[index];
        match award.amount.checked_add(amount).filter(|sum| *sum <= ENTRY_UNITS_MAX) {
            Some(sum) => {
                award.amount = sum;
                let for_hub = rule.is_for_hub();
                award.rules.push(RuleUnits { rule: rule.id.clone(), amount, reason, for_hub });
            }
            None => {
                let why = format!("one sale cannot accrue more than {ENTRY_UNITS_MAX} units of a purse");
                self.fail(rule, &why);
            }
        }
    }
}

pub(super) fn evaluate(program: &Checked, basket: &Basket<'_>) -> Evaluation {
    if basket.sale.kind == SaleKind::Return {
        let mut evaluation = Evaluation::default();
        program.rules.iter().for_each(|rule| evaluation.skip(rule, "a return accrues nothing"));
        return evaluation;
    }
    evaluate_rules(program, basket, |_| true)
}

/// A return, too, is taken as the sale of its goods.
pub(super) fn evaluate_base(program: &Checked, basket: &Basket<'_>) -> Evaluation {
    evaluate_rules(program, basket, Rule::is_base)
}

fn evaluate_rules(program: &Checked, basket: &Basket<'_>, counts: impl Fn(&Rule) -> bool) -> Evaluation {
    let mut evaluation = Evaluation::default();
    let priced = match Priced::of(program, basket.sale) {
        Ok(priced) => priced,
        Err(Unfit { why, is_failure }) => {
            if is_failure {
                evaluation.failures.push(why.clone());
            }
            program.rules.iter().for_each(|rule| evaluation.skip(rule, why.clone()));
            return evaluation;
        }
    };
    evaluation.eligible_minor = priced.eligible_minor();
    let facts = Facts::new(basket, evaluation.eligible_minor);
    for rule in &program.rules {
        if !counts(rule) {
            evaluation.skip(rule, "it depends on more than the goods");
            continue;
        }
        apply(program, rule, basket.sale, &priced, &facts, &mut evaluation);
    }
    evaluation
}

fn apply(program: &Checked, rule: &Rule, sale: &Sale, priced: &Priced, facts: &Facts<'_>, evaluation: &mut Evaluation) {
    match rule.when.as_ref().map_or(Ok(true), |when| when.holds(facts, None)) {
        Ok(true) => {}
        Ok(false) => {
            let source = rule.when.as_ref().map_or("", Condition::source);
            return evaluation.skip(rule, format!("its condition does not hold: {source}"));
        }
        Err(error) => return evaluation.fail(rule, &format!("`when` failed and counts as false: {error}")),
    }
    let (selected, failure) = select(rule, sale, facts);
    if let Some(why) = failure {
        evaluation.failures.push(format!("rule {}: {why}", rule.id));
    }
    if selected.is_empty() {
        return evaluation.skip(rule, "no line of this sale counts for it");
    }
    let eligible = priced.eligible(&selected);
    if eligible.numerator <= 0 {
        return evaluation.skip(rule, "nothing is left to earn on");
    }
    let (count, give) = match rule.award {
        AwardKind::Flat { units } => (1, units),
        AwardKind::Every { every_minor, give_units } => (eligible.floor_of(every_minor), give_units),
        AwardKind::Each { units } => match whole_units(sale, &selected) {
            Ok(count) => (count, units),
            Err(why) => return evaluation.fail(rule, &why),
        },
    };
    if count <= 0 {
        return evaluation.skip(rule, too_little(rule, &eligible, &program.currency));
    }
    // Both factors are far below 2^63, so the product is exact.
    match i64::try_from(count * i128::from(give)).ok().filter(|amount| *amount <= ENTRY_UNITS_MAX) {
        Some(amount) => evaluation.give(rule, amount, reason(program, rule)),
        None => {
            let why = format!("it comes to more than {ENTRY_UNITS_MAX} units, which no sale accrues");
            evaluation.fail(rule, &why);
        }
    }
}

/// The lines a rule counts, and the first failure of its `lines`.
fn select(rule: &Rule, sale: &Sale, facts: &Facts<'_>) -> (Vec<usize>, Option<String>) {
    let mut failure = None;
    let mut selected = Vec::new();
    for (index, line) in sale.lines.iter().enumerate().filter(|(_, line)| may_earn(line)) {
        match rule.lines.as_ref().map_or(Ok(true), |lines| lines.holds(facts, Some(line))) {
            Ok(true) => selected.push(index),
            Ok(false) => {}
            Err(error) => {
                let why = || format!("`lines` failed on line {} and counts as false: {error}", index + 1);
                failure.get_or_insert_with(why);
            }
        }
    }
    (selected, failure)
}

fn may_earn(line: &Line) -> bool {
    line.kind == LineKind::Item && line.category.as_deref() != Some("gift-card")
}

/// Whole units of the summed quantity; a line voided within the sale takes its quantity back.
fn whole_units(sale: &Sale, selected: &[usize]) -> Result<i128, String> {
    let mut sum = 0i128;
    for index in selected {
        let line = &sale.lines[*index];
        let text = line.quantity.as_deref().unwrap_or("1");
        let quantity = quantity::parse(text)
            .ok_or_else(|| format!("the quantity {:?} of line {} is no number", shortened(text), index + 1))?;
        sum += if line.amount < 0 { -quantity.abs() } else { quantity };
    }
    Ok(sum.div_euclid(BILLIONTHS))
}

fn reason(program: &Checked, rule: &Rule) -> String {
    if let Some(reason) = &rule.reason {
        return reason.clone();
    }
    let kind = program.purses.get(&rule.purse).map_or(super::PurseKind::Points, |purse| purse.kind);
    match rule.award {
        AwardKind::Flat { units: count } => units(count, kind),
        AwardKind::Each { units: count } => format!("{} for each", units(count, kind)),
        AwardKind::Every { every_minor, give_units } => {
            format!("{} for each {}", units(give_units, kind), money(i128::from(every_minor), &program.currency))
        }
    }
}

fn too_little(rule: &Rule, eligible: &Ratio, currency: &str) -> String {
    match rule.award {
        AwardKind::Every { every_minor, .. } => {
            let (have, need) = (money(eligible.floor_of(1), currency), money(i128::from(every_minor), currency));
            format!("{have} counts for it, less than {need}")
        }
        AwardKind::Flat { .. } | AwardKind::Each { .. } => "no whole unit counts for it".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// An exact amount; the denominator is positive.
struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// How often a positive `step` goes into it, rounded down.
    fn floor_of(&self, step: i64) -> i128 {
        self.numerator.div_euclid(self.denominator * i128::from(step))
    }
}

/// A sale that earns nothing as it stands.
struct Unfit {
    why: String,
    is_failure: bool,
}

/// What was paid for each line, and which part of the sale counts.
struct Priced {
    paid: Vec<i128>,
    may_earn: Vec<usize>,
    counts: i128,
    total: i128,
}

impl Priced {
    fn of(program: &Checked, sale: &Sale) -> Result<Self, Unfit> {
        let plain = |why: &str| Unfit { why: why.to_owned(), is_failure: false };
        if sale.currency != program.currency {
            let (sale, program) = (shortened(&sale.currency), &program.currency);
            return Err(Unfit {
                why: format!("the sale is in {sale}, the program counts {program}"),
                is_failure: true,
            });
        }
        bounded(sale)?;
        let weights = weights(&sale.lines);
        let discounts: i128 = sale.discounts.iter().map(|discount| i128::from(discount.amount)).sum();
        let tax = if sale.tax_included == Some(false) { i128::from(sale.tax.unwrap_or(0)) } else { 0 };
        let shares = spread(discounts, &weights).zip(spread(tax, &weights));
        let (discounts, taxes) = shares.ok_or_else(|| plain("nothing is left to earn on"))?;
        let paid = sale.lines.iter().zip(discounts.iter().zip(&taxes));
        let paid = paid.map(|(line, (discount, tax))| i128::from(line.amount) + discount + tax).collect();
        let is_excluded = |kind| matches!(kind, TenderKind::Points | TenderKind::GiftCard);
        let excluded = sale.tenders.iter().filter(|tender| is_excluded(tender.kind));
        let excluded: i128 = excluded.map(|tender| i128::from(tender.amount)).sum();
        let total = i128::from(sale.total);
        let (counts, total) = match (excluded > 0, total > 0) {
            (false, _) => (1, 1),
            (true, true) => ((total - excluded).max(0), total),
            (true, false) => (0, 1),
        };
        let may_earn =
            sale.lines.iter().enumerate().filter(|(_, line)| may_earn(line)).map(|(index, _)| index).collect();
        Ok(Self { paid, may_earn, counts, total })
    }

    fn eligible(&self, selected: &[usize]) -> Ratio {
        let paid: i128 = selected.iter().map(|index| self.paid[*index]).sum();
        Ratio { numerator: paid * self.counts, denominator: self.total }
    }

    fn eligible_minor(&self) -> i64 {
        i64::try_from(self.eligible(&self.may_earn).floor_of(1)).expect("amounts were checked against SALE_MINOR_MAX")
    }
}

/// Bounds that keep every later product exact.
fn bounded(sale: &Sale) -> Result<(), Unfit> {
    let unfit = |why: String| Err(Unfit { why, is_failure: true });
    if sale.lines.len() > SALE_LINE_COUNT_MAX {
        return unfit(format!("the sale has more than {SALE_LINE_COUNT_MAX} lines"));
    }
    if sale.discounts.len().max(sale.tenders.len()) > SALE_PART_COUNT_MAX {
        return unfit(format!("the sale has more than {SALE_PART_COUNT_MAX} discounts or tenders"));
    }
    let amounts = sale.lines.iter().map(|line| line.amount);
    let amounts = amounts.chain(sale.discounts.iter().map(|discount| discount.amount));
    let amounts = amounts.chain(sale.tenders.iter().map(|tender| tender.amount)).chain([sale.total]).chain(sale.tax);
    let sum: i128 = amounts.map(|amount| i128::from(amount).abs()).sum();
    if sum > SALE_MINOR_MAX {
        return unfit("the sale's amounts are beyond any sale".to_owned());
    }
    Ok(())
}
