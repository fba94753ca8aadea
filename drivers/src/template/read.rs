//! Reads one document by a template: the class first, then line by line what the paper says.
//!
//! A value that two lines give differently, or that does not read strictly, is not guessed. Amounts of what
//! comes back are turned positive. A sale that disagrees with itself is delivered with the mark `arithmetic`.

use regex::Captures;

use super::file::{NegativeTotal, Only, Part, Says};
use super::{Rule, Template, number};
use crate::captured::{
    CapturedDiscount, CapturedLine, CapturedMember, CapturedOriginal, CapturedSale, CapturedTender, CapturedTotals,
    Class, LineKind, SaleKind,
};
use crate::printer::receipt::Code;

/// The receipt does not agree with itself.
const ARITHMETIC: &str = "arithmetic";
/// It looks like a sale, but its number or total could not be read.
const INCOMPLETE: &str = "incomplete";
/// A total below zero whose meaning the template does not say.
const NEGATIVE_TOTAL: &str = "negative-total";

/// What a document says.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) class: Class,
    pub(crate) receipt_number: Option<String>,
    pub(crate) marks: Vec<String>,
    pub(crate) sale: Option<CapturedSale>,
    pub(crate) z_report: Option<CapturedTotals>,
    pub(crate) voided_receipt: Option<String>,
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Draft {
    receipt_number: Option<String>,
    date: Option<String>,
    time: Option<String>,
    operator: Option<String>,
    member: Option<String>,
    original: Option<String>,
    original_date: Option<String>,
    voided: Option<String>,
    total: Option<i64>,
    tax: Option<i64>,
    rounding: Option<i64>,
    change: Option<i64>,
    lines: Vec<CapturedLine>,
    discounts: Vec<CapturedDiscount>,
    tenders: Vec<CapturedTender>,
    description: Option<String>,
    quantity: Option<Quantity>,
    ambiguous: bool,
}

#[derive(Debug, Clone, Default)]
struct Quantity {
    quantity: Option<String>,
    unit: Option<String>,
    unit_price: Option<i64>,
}

impl Draft {
    fn is_complete(&self) -> bool {
        self.receipt_number.is_some() && self.total.is_some()
    }

    fn looks_like_a_sale(&self) -> bool {
        self.total.is_some() || !self.lines.is_empty()
    }

    fn sold(&self, description: Option<&str>) -> bool {
        description.is_some() && self.lines.iter().any(|line| line.description.as_deref() == description)
    }
}

impl Template {
    /// Reads a document that ended as it should.
    pub(crate) fn read(&self, lines: &[&str], codes: &[Code]) -> Reading {
        let named = self.classes.iter().find(|(_, pattern)| lines.iter().any(|line| pattern.is_match(line)));
        let draft = self.draft(lines, codes);
        let mut reading = Reading {
            class: named.map_or(Class::Other, |(class, _)| *class),
            receipt_number: draft.receipt_number.clone(),
            marks: Vec::new(),
            sale: None,
            z_report: None,
            voided_receipt: None,
        };
        match named.map(|(class, _)| *class) {
            Some(Class::ZReport | Class::XReport) => reading.z_report = Some(self.report(lines, &draft)),
            Some(Class::Sale | Class::Return | Class::Void | Class::Reprint | Class::Training) => {
                self.sale(draft, &mut reading);
            }
            Some(_) => {}
            None if draft.is_complete() => {
                reading.class = Class::Sale;
                self.sale(draft, &mut reading);
            }
            None if draft.looks_like_a_sale() => reading.marks.push(INCOMPLETE.to_owned()),
            None => {}
        }
        reading
    }

    /// Whether these lines alone make a whole sale; tells a receipt from what was printed before a reset.
    pub(crate) fn is_whole(&self, lines: &[&str], codes: &[Code]) -> bool {
        let draft = self.draft(lines, codes);
        draft.is_complete() && !draft.lines.is_empty()
    }

    /// Whether these lines hold anything that a rule reads as a part of a sale.
    pub(crate) fn begins_sale(&self, lines: &[&str]) -> bool {
        let draft = self.draft(lines, &[]);
        draft.receipt_number.is_some() || draft.looks_like_a_sale()
    }

    /// The receipt number on a document that ended half way, if its line was printed whole.
    pub(crate) fn receipt_number(&self, lines: &[&str]) -> Option<String> {
        self.draft(lines, &[]).receipt_number
    }

    fn draft(&self, lines: &[&str], codes: &[Code]) -> Draft {
        let mut draft = Draft::default();
        let mut part = if self.items_after.is_none() { Some(Part::Items) } else { None };
        for line in lines {
            for rule in self.rules.iter().filter(|rule| rule.part == Part::Any || Some(rule.part) == part) {
                if self.apply(rule, line, &mut draft) {
                    if rule.says == Says::Total {
                        part = Some(Part::Foot);
                    }
                    break;
                }
            }
            if part.is_none() && self.items_after.as_ref().is_some_and(|after| after.is_match(line)) {
                part = Some(Part::Items);
            }
        }
        for code in codes {
            for (symbology, pattern) in &self.codes {
                let suits = symbology.is_none_or(|symbology| symbology == code.symbology);
                if let Some(found) = pattern.captures(&code.data).filter(|_| suits) {
                    self.info(&found, &mut draft);
                }
            }
        }
        draft
    }

    /// Whether the rule applied to the line.
    fn apply(&self, rule: &Rule, line: &str, draft: &mut Draft) -> bool {
        let Some(found) = rule.pattern.captures(line) else { return false };
        let amount = found.name("amount").map(|amount| self.numbers.money(amount.as_str()));
        if amount == Some(None) {
            return false;
        }
        let amount = amount.flatten().unwrap_or(0);
        let wanted = match rule.only {
            Some(Only::Negative) => amount < 0,
            Some(Only::Positive) => amount >= 0,
            None => true,
        };
        let description = text(&found, "description").or_else(|| draft.description.clone());
        let sold = rule.sold_before.is_none_or(|wanted| wanted == draft.sold(description.as_deref()));
        if !wanted || !sold {
            return false;
        }
        let amount = if rule.negative { -amount.abs() } else { amount };
        match rule.says {
            Says::Ignore => {}
            Says::Info => self.info(&found, draft),
            Says::Description => draft.description = description,
            Says::Quantity => draft.quantity = Some(self.quantity(&found)),
            Says::Item => self.item(&found, description, amount, draft),
            Says::Discount => {
                draft.discounts.push(CapturedDiscount { description: description.unwrap_or_default(), amount })
            }
            Says::LineDiscount => line_discount(amount, draft),
            Says::Total => self.total(&found, amount, draft),
            Says::Tax => draft.tax = draft.tax.unwrap_or(0).checked_add(amount),
            Says::Rounding => draft.rounding = Some(amount),
            Says::Change => draft.change = Some(amount),
            Says::Tender => draft.tenders.push(CapturedTender { kind: rule.tender, amount }),
        }
        if matches!(rule.says, Says::Discount) {
            draft.description = None;
        }
        true
    }

    fn item(&self, found: &Captures<'_>, description: Option<String>, amount: i64, draft: &mut Draft) {
        let own = self.quantity(found);
        let before = draft.quantity.take().unwrap_or_default();
        draft.description = None;
        // A line that takes back has a quantity taken back, whichever way the number is printed.
        let quantity = own.quantity.or(before.quantity).or_else(|| self.default_quantity.clone());
        let quantity = quantity.map(|quantity| match amount < 0 && !quantity.starts_with('-') {
            true => format!("-{quantity}"),
            false => quantity,
        });
        let kind =
            self.kinds.iter().find(|(_, pattern)| description.as_deref().is_some_and(|text| pattern.is_match(text)));
        draft.lines.push(CapturedLine {
            id: (draft.lines.len() + 1).to_string(),
            kind: kind.map_or(LineKind::Item, |(kind, _)| *kind),
            sku: text(found, "sku"),
            description,
            quantity,
            unit: own.unit.or(before.unit),
            unit_price: own.unit_price.or(before.unit_price),
            discount: None,
            amount,
        });
    }

    fn quantity(&self, found: &Captures<'_>) -> Quantity {
        Quantity {
            quantity: found.name("quantity").map(|quantity| self.numbers.quantity(quantity.as_str())),
            unit: text(found, "unit").map(|unit| unit.to_lowercase()),
            unit_price: found.name("unit_price").and_then(|price| self.numbers.money(price.as_str())),
        }
    }

    fn total(&self, found: &Captures<'_>, amount: i64, draft: &mut Draft) {
        match draft.total {
            None => draft.total = Some(amount),
            Some(total) => draft.ambiguous |= total != amount,
        }
        (draft.description, draft.quantity) = (None, None);
        self.info(found, draft);
    }

    fn info(&self, found: &Captures<'_>, draft: &mut Draft) {
        let first = |slot: &mut Option<String>, value: Option<String>| {
            if slot.is_none() {
                *slot = value;
            }
        };
        let group = |name: &str| found.name(name).map(|group| group.as_str());
        first(&mut draft.receipt_number, text(found, "receipt_number"));
        first(&mut draft.operator, text(found, "operator"));
        first(&mut draft.member, text(found, "member").map(|member| member.replace(' ', "")));
        first(&mut draft.original, text(found, "original"));
        first(&mut draft.voided, text(found, "voided"));
        if let (Some(year), Some(month), Some(day)) = (group("year"), group("month"), group("day")) {
            first(&mut draft.date, number::date(year, month, day));
        }
        if let (Some(hour), Some(minute)) = (group("hour"), group("minute")) {
            first(&mut draft.time, number::time(hour, minute, group("second"), group("half")));
        }
        if let (Some(year), Some(month), Some(day)) =
            (group("original_year"), group("original_month"), group("original_day"))
        {
            first(&mut draft.original_date, number::date(year, month, day));
        }
    }

    fn report(&self, lines: &[&str], draft: &Draft) -> CapturedTotals {
        let mut totals = CapturedTotals { date: draft.date.clone(), ..CapturedTotals::default() };
        for line in lines {
            for found in self.reports.iter().filter_map(|pattern| pattern.captures(line)) {
                let money = |name: &str| found.name(name).and_then(|amount| self.numbers.money(amount.as_str()));
                totals.sales = totals.sales.or(found.name("sales").and_then(|count| count.as_str().parse().ok()));
                totals.gross = totals.gross.or(money("gross"));
                totals.tax = totals.tax.or(money("tax"));
                totals.first_receipt = totals.first_receipt.or(text(&found, "first_receipt"));
                totals.last_receipt = totals.last_receipt.or(text(&found, "last_receipt"));
                totals.report_number = totals.report_number.or(text(&found, "report_number"));
            }
        }
        totals
    }

    fn sale(&self, draft: Draft, reading: &mut Reading) {
        let (Some(receipt_number), Some(total)) = (draft.receipt_number, draft.total) else {
            reading.voided_receipt = draft.voided;
            reading.marks.push(INCOMPLETE.to_owned());
            return;
        };
        reading.voided_receipt = draft.voided;
        if total < 0 && reading.class == Class::Sale {
            if self.negative_total == NegativeTotal::Exception {
                reading.class = Class::Other;
                reading.marks.push(NEGATIVE_TOTAL.to_owned());
                return;
            }
            reading.class = Class::Return;
        }
        let occurred_at = match (draft.date, draft.time) {
            (Some(date), Some(time)) => Some(format!("{date}T{time}")),
            (date, _) => date,
        };
        let returned = reading.class == Class::Return || (reading.class != Class::Void && total < 0);
        let mut sale = CapturedSale {
            kind: if returned { SaleKind::Return } else { SaleKind::Sale },
            receipt_number,
            occurred_at,
            currency: self.currency.clone(),
            total,
            tax: draft.tax,
            tax_included: self.tax_included,
            rounding: draft.rounding,
            lines: draft.lines,
            discounts: draft.discounts,
            tenders: draft.tenders,
            change: draft.change,
            member: draft.member.map(|identifier| CapturedMember { identifier }),
            operator: draft.operator,
            original: draft
                .original
                .map(|receipt_number| CapturedOriginal { receipt_number, business_date: draft.original_date }),
            training: reading.class == Class::Training,
        };
        if total < 0 {
            turn_positive(&mut sale);
        }
        if draft.ambiguous || !sale.agrees() {
            reading.marks.push(ARITHMETIC.to_owned());
        }
        reading.sale = Some(sale);
    }
}

fn text(found: &Captures<'_>, name: &str) -> Option<String> {
    found.name(name).map(|group| group.as_str().trim().to_owned()).filter(|text| !text.is_empty())
}

fn line_discount(amount: i64, draft: &mut Draft) {
    if let Some(line) = draft.lines.last_mut() {
        line.amount = line.amount.saturating_add(amount);
        line.discount = Some(line.discount.unwrap_or(0).saturating_sub(amount));
    } else {
        draft.ambiguous = true;
    }
}

/// What came back is printed negative: every sign turns. Payments are positive whichever way they were
/// printed; a line that went the other way keeps the other sign.
fn turn_positive(sale: &mut CapturedSale) {
    sale.total = -sale.total;
    sale.tax = sale.tax.map(i64::abs);
    sale.rounding = sale.rounding.map(|rounding| -rounding);
    sale.change = sale.change.map(i64::abs);
    for line in &mut sale.lines {
        line.amount = -line.amount;
        line.discount = line.discount.map(|discount| -discount);
        line.unit_price = line.unit_price.map(i64::abs);
        line.quantity = line.quantity.take().map(|quantity| {
            let bare = quantity.trim_start_matches('-').to_owned();
            if line.amount < 0 { format!("-{bare}") } else { bare }
        });
    }
    sale.discounts.iter_mut().for_each(|discount| discount.amount = -discount.amount);
    sale.tenders.iter_mut().for_each(|tender| tender.amount = tender.amount.abs());
}
