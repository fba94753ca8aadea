//! Which sales can be taken at all. What is merely odd (arithmetic, clock, unknown card) is taken and marked.

use counterfoil_protocol::limits::{SALE_LINE_COUNT_MAX, SALE_PART_COUNT_MAX};
use counterfoil_protocol::sale::{Line, Sale};

use crate::error::CommandError;

/// One amount, minor units, without its sign: ten thousand million of a currency with cents. All amounts of a sale
/// together then stay far below what sums can hold.
const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000;
/// Characters of a number, reference, code or name.
const SHORT_CHAR_COUNT_MAX: usize = 128;
/// Characters of a description.
const TEXT_CHAR_COUNT_MAX: usize = 512;

fn refuse(why: impl Into<String>) -> CommandError {
    CommandError::InvalidSale(why.into())
}

/// Checks everything that does not depend on the till. `currency` is the store's.
pub(crate) fn check_sale(sale: &Sale, currency: &str) -> Result<(), CommandError> {
    if sale.receipt_number.trim().is_empty() {
        return Err(refuse("`receipt_number` is empty"));
    }
    if sale.currency != currency {
        return Err(refuse(format!("its currency is {:?}, this store's is {currency}", sale.currency)));
    }
    short("receipt_number", Some(&sale.receipt_number))?;
    short("sale_ref", sale.sale_ref.as_ref())?;
    short("operator", sale.operator.as_ref())?;
    if let Some(original) = &sale.original {
        short("original.receipt_number", Some(&original.receipt_number))?;
        short("original.store", original.store.as_ref())?;
        short("original.lane", original.lane.as_ref())?;
        short("original.business_date", original.business_date.as_ref())?;
    }
    count("lines", sale.lines.len(), SALE_LINE_COUNT_MAX)?;
    count("discounts", sale.discounts.len(), SALE_PART_COUNT_MAX)?;
    count("tenders", sale.tenders.len(), SALE_PART_COUNT_MAX)?;
    for (name, minor) in
        [("total", sale.total), ("tax", sale.tax.unwrap_or(0)), ("rounding", sale.rounding), ("change", sale.change)]
    {
        amount(name, minor)?;
    }
    for discount in &sale.discounts {
        amount("discounts[].amount", discount.amount)?;
        text("discounts[].description", Some(&discount.description))?;
    }
    sale.tenders.iter().try_for_each(|tender| amount("tenders[].amount", tender.amount))?;
    sale.lines.iter().enumerate().try_for_each(|(index, line)| check_line(index, line))
}

fn check_line(index: usize, line: &Line) -> Result<(), CommandError> {
    if line.description.is_none() && line.sku.is_none() {
        return Err(refuse(format!("`lines[{index}]` has neither `description` nor `sku`")));
    }
    for (name, minor) in
        [("amount", line.amount), ("discount", line.discount), ("unit_price", line.unit_price.unwrap_or(0))]
    {
        amount(&format!("lines[{index}].{name}"), minor)?;
    }
    for (name, value) in [("id", &line.id), ("sku", &line.sku), ("category", &line.category), ("unit", &line.unit)] {
        short(&format!("lines[{index}].{name}"), value.as_ref())?;
    }
    text(&format!("lines[{index}].description"), line.description.as_ref())?;
    match &line.quantity {
        Some(quantity) if !is_quantity(quantity) => {
            Err(refuse(format!("`lines[{index}].quantity` is {quantity:?}; a decimal number like \"0.385\" is needed")))
        }
        _ => Ok(()),
    }
}

/// Digits, at most one point, a sign in front: what a quantity may be.
fn is_quantity(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.len() <= 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(whole) && is_number(fraction)
}

fn amount(name: &str, minor: i64) -> Result<(), CommandError> {
    if (-AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX).contains(&minor) {
        return Ok(());
    }
    Err(refuse(format!("`{name}` is {minor}; amounts up to {AMOUNT_MINOR_MAX} minor units are possible")))
}

fn count(name: &str, got: usize, most: usize) -> Result<(), CommandError> {
    if got <= most { Ok(()) } else { Err(refuse(format!("`{name}` has {got} items, {most} are possible"))) }
}

fn short(name: &str, value: Option<&String>) -> Result<(), CommandError> {
    bounded(name, value, SHORT_CHAR_COUNT_MAX)
}

fn text(name: &str, value: Option<&String>) -> Result<(), CommandError> {
    bounded(name, value, TEXT_CHAR_COUNT_MAX)
}

fn bounded(name: &str, value: Option<&String>, most: usize) -> Result<(), CommandError> {
    match value.map(|value| value.chars().count()) {
        Some(got) if got > most => Err(refuse(format!("`{name}` has {got} characters, {most} are possible"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Sale {
        Sale {
            receipt_number: "1".into(),
            currency: "GBP".into(),
            total: 100,
            lines: vec![Line { amount: 100, description: Some("TEA".into()), ..Line::default() }],
            ..Sale::default()
        }
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        check_sale(&good(), "GBP").unwrap();
        type Change = fn(&mut Sale);
        let cases: [(Change, &str); 8] = [
            (|s| s.receipt_number = " ".into(), "`receipt_number` is empty"),
            (|s| s.currency = "EUR".into(), "its currency is \"EUR\""),
            (|s| s.total = i64::MAX, "`total`"),
            (|s| s.lines[0].amount = i64::MIN, "`lines[0].amount`"),
            (|s| s.lines[0].description = None, "neither `description` nor `sku`"),
            (|s| s.lines[0].quantity = Some("1,5".into()), "a decimal number"),
            (|s| s.lines = vec![s.lines[0].clone(); SALE_LINE_COUNT_MAX + 1], "`lines` has"),
            (|s| s.sale_ref = Some("x".repeat(129)), "`sale_ref` has 129 characters"),
        ];
        for (change, message) in cases {
            let mut sale = good();
            change(&mut sale);
            let error = check_sale(&sale, "GBP").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        for quantity in ["1", "-2", "0.385", "12.0"] {
            assert!(is_quantity(quantity), "{quantity}");
        }
        for quantity in ["", ".", "1.", ".5", "1e3", "--1", "1.2.3"] {
            assert!(!is_quantity(quantity), "{quantity}");
        }
    }
}
