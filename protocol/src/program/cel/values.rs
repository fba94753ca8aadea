//! What a condition finds when it reads a basket: nothing is copied before it is asked for.
//!
//! Answers every field of [`crate::program::fields`] for every sale; what a sale does not say is null.

use cel::common::types::{CelDouble, CelInt, CelList, CelMap, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use crate::program::evaluate::Basket;
use crate::program::fields::Record;
use crate::program::quantity::{self, BILLIONTHS};
use crate::program::{LocalTime, MemberInputs};
use crate::sale::{Line, LineKind, TenderKind};

/// What conditions read of a basket.
pub(in crate::program) struct Facts<'a> {
    basket: &'a Basket<'a>,
    eligible_minor: i64,
}

impl<'a> Facts<'a> {
    pub(in crate::program) fn new(basket: &'a Basket<'a>, eligible_minor: i64) -> Self {
        Self { basket, eligible_minor }
    }
}

/// Finds `member.tier` and the like by their whole name.
pub(super) struct Names<'a> {
    facts: &'a Facts<'a>,
    line: Option<&'a Line>,
}

impl<'a> Names<'a> {
    pub(super) fn new(facts: &'a Facts<'a>, line: Option<&'a Line>) -> Self {
        Self { facts, line }
    }
}

impl VariableResolver for Names<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (root, field) = variable.split_once('.')?;
        let basket = self.facts.basket;
        match root {
            "sale" => sale_field(basket, field),
            "eligible" if field == "amount" => Some(int(self.facts.eligible_minor)),
            "line" => line_field(self.line?, field).map(CowVal::Owned),
            "member" => member_field(basket.member, field),
            "now" => now_field(&basket.now, field),
            _ => None,
        }
    }
}

fn int<'b>(value: i64) -> CowVal<'b, 'b> {
    CowVal::owned(CelInt::from(value))
}

fn text(value: &str) -> Box<dyn Val + '_> {
    Box::new(CelString::from(value))
}

fn or_null<'v, T>(value: Option<T>, make: impl FnOnce(T) -> Box<dyn Val + 'v>) -> Box<dyn Val + 'v> {
    value.map_or_else(|| Box::new(CelNull) as Box<dyn Val>, make)
}

fn list<'v>(values: impl Iterator<Item = Box<dyn Val + 'v>>) -> Box<dyn Val + 'v> {
    Box::new(CelList::from(values.collect::<Vec<_>>()))
}

fn sale_field<'b>(basket: &'b Basket<'_>, field: &str) -> Option<CowVal<'b, 'b>> {
    let sale = basket.sale;
    let value = match field {
        "total" => return Some(int(sale.total)),
        "tax" => or_null(sale.tax, |tax| Box::new(CelInt::from(tax))),
        "currency" => text(&sale.currency),
        "store" => text(basket.store),
        "store_groups" => list(basket.store_groups.iter().map(|group| text(group))),
        "lane" => text(basket.lane),
        "channel" => text(basket.channel),
        "tenders" => {
            list(sale.tenders.iter().map(|tender| record(Record::Tender, |_| Some(text(tender_kind(tender.kind))))))
        }
        "lines" => list(sale.lines.iter().map(|line| record(Record::Line, |field| line_field(line, field)))),
        _ => return None,
    };
    Some(CowVal::Owned(value))
}

fn record<'v>(of: Record, field: impl Fn(&'static str) -> Option<Box<dyn Val + 'v>>) -> Box<dyn Val + 'v> {
    let fields = of.fields().iter().filter_map(|(name, _)| Some(((*name).to_owned().into(), field(name)?)));
    #[expect(clippy::disallowed_types, reason = "the crate's own kind of map: looked into by key, never iterated")]
    let map: std::collections::HashMap<_, _> = fields.collect();
    Box::new(CelMap::from(map))
}

fn line_field<'v>(line: &'v Line, field: &str) -> Option<Box<dyn Val + 'v>> {
    Some(match field {
        "sku" => or_null(line.sku.as_deref(), text),
        "description" => or_null(line.description.as_deref(), text),
        "category" => or_null(line.category.as_deref(), text),
        "kind" => text(line_kind(line.kind)),
        "quantity" => or_null(quantity::parse(line.quantity.as_deref().unwrap_or("1")), quantity_value),
        "unit_price" => or_null(line.unit_price, |price| Box::new(CelInt::from(price))),
        "discount" => Box::new(CelInt::from(line.discount)),
        "amount" => Box::new(CelInt::from(line.amount)),
        _ => return None,
    })
}

/// A condition compares quantities as numbers; no value is ever computed from this one.
fn quantity_value<'v>(billionths: i128) -> Box<dyn Val + 'v> {
    #[expect(clippy::cast_precision_loss, reason = "compared, never counted")]
    let number = billionths as f64 / BILLIONTHS as f64;
    Box::new(CelDouble::from(number))
}

fn member_field<'b>(member: &'b MemberInputs, field: &str) -> Option<CowVal<'b, 'b>> {
    let value: Box<dyn Val + 'b> = match field {
        "tier" => or_null(member.tier.as_deref(), text),
        "visits" => return Some(int(i64::try_from(member.visits).unwrap_or(i64::MAX))),
        "since" => or_null(member.since.as_deref(), text),
        "birthday_month" => or_null(member.birthday_month, |month| Box::new(CelInt::from(i64::from(month)))),
        "tags" => list(member.tags.iter().map(|tag| text(tag))),
        _ => return None,
    };
    Some(CowVal::Owned(value))
}

fn now_field<'b>(now: &LocalTime, field: &str) -> Option<CowVal<'b, 'b>> {
    let value = match field {
        "year" => i64::from(now.year),
        "month" => now.month.into(),
        "day" => now.day.into(),
        "weekday" => now.weekday.into(),
        "hour" => now.hour.into(),
        "minute" => now.minute.into(),
        _ => return None,
    };
    Some(int(value))
}

fn line_kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Item => "item",
        LineKind::Deposit => "deposit",
        LineKind::Fee => "fee",
        LineKind::Tip => "tip",
        LineKind::Donation => "donation",
        LineKind::GiftCard => "gift-card",
    }
}

fn tender_kind(kind: TenderKind) -> &'static str {
    match kind {
        TenderKind::Cash => "cash",
        TenderKind::Card => "card",
        TenderKind::Voucher => "voucher",
        TenderKind::GiftCard => "gift-card",
        TenderKind::Points => "points",
        TenderKind::Other => "other",
    }
}
