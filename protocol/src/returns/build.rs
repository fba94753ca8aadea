//! The return that a till writes itself, from lines of a sale and quantities.
//!
//! Amounts and tax follow the quantity, each line rounded over all its returns together, so that whoever brings
//! everything back, in however many parts, is paid back exactly the total. The receipt's number and time, and who it
//! is for, are the caller's.

use super::{Sold, Stacks, line_amounts, quantity_of};
use crate::program::quantity::{self, BILLIONTHS};
use crate::program::share::spread;
use crate::sale::{Line, Sale, SaleKind};

/// What comes back of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPick {
    /// The line's id; where the sale's lines have none, its number from 1.
    pub id: String,
    /// Decimal string; `None`: all that is left of it.
    pub quantity: Option<String>,
}

/// A return that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReturnError {
    /// It names no line.
    #[error("a return names at least one line of its sale")]
    Nothing,
    /// No such line.
    #[error("the sale has no line {0:?}")]
    UnknownLine(String),
    /// A line that was voided within the sale, or takes money off.
    #[error("nothing was sold with line {0:?} of the sale")]
    NothingSold(String),
    /// A quantity that is none.
    #[error("the quantity {text:?} of line {id:?} is not a positive decimal number like \"0.385\"")]
    Quantity {
        /// The line.
        id: String,
        /// What came.
        text: String,
    },
    /// More than is left.
    #[error("of line {id:?} {left} can still come back, {asked} was asked")]
    TooMuch {
        /// The line.
        id: String,
        /// What is left of it.
        left: String,
        /// What was asked.
        asked: String,
    },
}

/// Billionths as the shortest decimal string.
fn quantity_text(billionths: i128) -> String {
    let text = format!("{}.{:09}", billionths / BILLIONTHS, billionths % BILLIONTHS);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What is back of each line already, billionths. Lines of one product fill up one after the other.
fn back_by_line(stacks: &Stacks<'_>, earlier: &[&Sale]) -> Vec<i128> {
    let mut back = vec![0i128; stacks.lines.len()];
    for returned in earlier {
        let (_, paid) = line_amounts(returned);
        for (line, paid) in returned.lines.iter().zip(paid) {
            let Some(index) = stacks.line_of(line) else { continue };
            let Some(sold) = stacks.sold[index] else { continue };
            let quantity = quantity_of(line).unwrap_or_else(|| paid * sold.quantity / sold.paid.max(1));
            back[index] += if line.amount < 0 { -quantity } else { quantity };
        }
    }
    let mut over = vec![0i128; stacks.stacks.len()];
    let sold = || stacks.sold.iter().enumerate().filter_map(|(index, sold)| sold.map(|sold| (index, sold)));
    for (index, sold) in sold() {
        over[sold.stack] += (back[index] - sold.quantity).max(0);
        back[index] = back[index].clamp(0, sold.quantity);
    }
    for (index, sold) in sold() {
        let room = (sold.quantity - back[index]).min(over[sold.stack]);
        over[sold.stack] -= room;
        back[index] += room;
    }
    back
}

fn find(sale: &Stacks<'_>, id: &str) -> Result<(usize, Sold), ReturnError> {
    let by_id = sale.lines.iter().position(|line| line.id.as_deref() == Some(id));
    let by_number = || id.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < sale.lines.len());
    let index = by_id
        .or_else(|| by_number().filter(|index| sale.lines[*index].id.is_none()))
        .ok_or_else(|| ReturnError::UnknownLine(id.to_owned()))?;
    let sold = sale.sold[index].ok_or_else(|| ReturnError::NothingSold(id.to_owned()))?;
    Ok((index, sold))
}

/// The return of these lines of a sale, after its `earlier` returns.
///
/// # Errors
/// When a line is not the sale's, a quantity is none, or more would come back than is left.
pub fn build_return(sale: &Sale, earlier: &[&Sale], picks: &[ReturnPick]) -> Result<Sale, ReturnError> {
    if picks.is_empty() {
        return Err(ReturnError::Nothing);
    }
    let stacks = Stacks::of(sale);
    let (listed, paid) = line_amounts(sale);
    let tax = i128::from(sale.tax.unwrap_or(0));
    let taxes = spread(tax, &paid).or_else(|| spread(tax, &listed)).unwrap_or_else(|| vec![0; paid.len()]);
    let mut back = back_by_line(&stacks, earlier);
    let mut returned = Sale {
        kind: SaleKind::Return,
        currency: sale.currency.clone(),
        tax_included: sale.tax_included,
        ..Sale::default()
    };
    let (mut total, mut tax_back) = (0i128, 0i128);
    for pick in picks {
        let (index, sold) = find(&stacks, &pick.id)?;
        let left = sold.quantity - back[index];
        let asked = asked(pick, left)?;
        if asked > left || left == 0 {
            let (left, asked) = (quantity_text(left), quantity_text(asked));
            return Err(ReturnError::TooMuch { id: pick.id.clone(), left, asked });
        }
        let (from, to) = (back[index], back[index] + asked);
        back[index] = to;
        let part = |whole: i128| whole * to / sold.quantity - whole * from / sold.quantity;
        let amount = part(paid[index]);
        total += amount;
        tax_back += part(taxes[index]);
        let amount = i64::try_from(amount).expect("a part of an amount is one");
        let quantity = Some(quantity_text(asked));
        returned.lines.push(Line { quantity, discount: 0, amount, gift_card: None, ..stacks.lines[index].clone() });
    }
    if stacks.sold.iter().zip(&back).all(|(sold, back)| sold.is_none_or(|sold| sold.quantity == *back)) {
        returned.rounding = sale.rounding;
    }
    if sale.tax_included == Some(false) {
        total += tax_back;
    }
    let narrow = |wide: i128| i64::try_from(wide).expect("a part of a bounded sum is bounded");
    returned.total = narrow(total + i128::from(returned.rounding));
    returned.tax = sale.tax.map(|_| narrow(tax_back));
    Ok(returned)
}

fn asked(pick: &ReturnPick, left: i128) -> Result<i128, ReturnError> {
    let Some(text) = &pick.quantity else { return Ok(left) };
    quantity::parse(text)
        .filter(|quantity| *quantity > 0)
        .ok_or_else(|| ReturnError::Quantity { id: pick.id.clone(), text: text.chars().take(40).collect() })
}
