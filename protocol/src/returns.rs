//! Returns: what part of a sale is back, from all its returns together, and what that takes back of what it gave.
//!
//! A pure function of the sale and the *set* of its returns: their order does not matter, one more return never makes
//! less come back, and no more of a line counts than was sold of it. Lines of one product are one stack, found by the
//! line's id, else by SKU or description; what names no product of the sale counts by its amount alone. Amounts are
//! what was paid: basket discounts are spread over the lines as the program spreads them. Not here: who holds what was
//! given, and what a program does about a return without its sale.

mod build;
mod given;

use std::collections::BTreeMap;

pub use build::{ReturnError, ReturnPick, build_return};
pub use given::{Given, given};

use crate::id::MemberId;
use crate::limits::{SALE_LINE_COUNT_MAX, SALE_PART_COUNT_MAX};
use crate::program::quantity::{self, BILLIONTHS};
use crate::program::share::{spread, weights};
use crate::sale::{Line, LineKind, Sale};

/// One amount, and one quantity in billionths, as far as products of their sums stay exact. Tills take no more.
const AMOUNT_MINOR_MAX: i128 = 1_000_000_000_000;
const QUANTITY_MAX: i128 = 1_000_000_000 * BILLIONTHS;

/// An exact part of a whole; none where the whole is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// What is back, minor units: 0 to the whole.
    pub back_minor: i128,
    /// What could come back, minor units.
    pub whole_minor: i128,
}

impl Share {
    /// All of it: what a void takes back.
    pub const ALL: Self = Self { back_minor: 1, whole_minor: 1 };

    /// Whether everything is back.
    pub fn is_all(self) -> bool {
        self.whole_minor > 0 && self.back_minor >= self.whole_minor
    }

    /// This part of so many units, rounded down; exactly all of them when everything is back.
    pub fn of(self, units: i64) -> i64 {
        if self.is_all() {
            return units;
        }
        if self.whole_minor <= 0 || self.back_minor <= 0 || units <= 0 {
            return 0;
        }
        i64::try_from(i128::from(units) * self.back_minor / self.whole_minor).unwrap_or(units)
    }
}

/// Units to take back now, so that in all `share` of what was accrued is taken back.
pub fn taken_back(accrued_units: i64, share: Share, already_units: i64) -> i64 {
    share.of(accrued_units).saturating_sub(already_units).max(0)
}

/// What is back of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Back {
    /// Of its goods: what its points follow.
    pub goods: Share,
    /// Of what it loaded, by gift card account.
    pub accounts: BTreeMap<MemberId, Share>,
    /// What the returns say beyond what was sold, minor units, over all lines.
    pub refused_minor: i128,
    /// The returns bring back more of something than was sold of it.
    pub is_over: bool,
}

/// What belongs together when returns are capped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Goods,
    Account(MemberId),
    /// Deposits, fees and the like, and gift cards that were not loaded: returned like everything, they gave nothing.
    Other,
}

/// Lines of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stack {
    part: Part,
    /// What was paid for all of it, minor units.
    paid: i128,
    /// How much of it, billionths.
    quantity: i128,
    /// Paid and quantity of its lines.
    lines: Vec<(i128, i128)>,
}

/// A sold line that something can come back of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sold {
    stack: usize,
    paid: i128,
    quantity: i128,
}

/// One return's claim on one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    minor: i128,
    quantity: i128,
}

/// A sale as returns see it.
struct Stacks<'a> {
    lines: &'a [Line],
    stacks: Vec<Stack>,
    /// By line; `None` where nothing was sold with it.
    sold: Vec<Option<Sold>>,
    /// Nothing was paid for any goods: their list prices say how much of them is back.
    is_free: bool,
}

fn bounded_lines(sale: &Sale) -> &[Line] {
    &sale.lines[..sale.lines.len().min(SALE_LINE_COUNT_MAX)]
}

fn clamp(minor: i64) -> i128 {
    i128::from(minor).clamp(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
}

/// The quantity of a line, without its sign; `None` where it says none that can be read.
fn quantity_of(line: &Line) -> Option<i128> {
    let quantity = quantity::parse(line.quantity.as_deref()?)?;
    Some(quantity.abs().min(QUANTITY_MAX)).filter(|quantity| *quantity > 0)
}

fn same_text(one: Option<&String>, other: Option<&String>) -> bool {
    one.is_some() && one == other
}

/// Whether two lines can be the same product, as far as both say.
fn agree(one: &Line, other: &Line) -> bool {
    match (&one.sku, &other.sku) {
        (Some(one), Some(other)) => one == other,
        _ => one.description.is_none() || other.description.is_none() || one.description == other.description,
    }
}

fn same_product(one: &Line, other: &Line) -> bool {
    let by_text = || {
        (one.sku.is_none() || other.sku.is_none()) && same_text(one.description.as_ref(), other.description.as_ref())
    };
    one.kind == other.kind && (same_text(one.sku.as_ref(), other.sku.as_ref()) || by_text())
}

/// What each line stands for after lines voided within the document, in list prices and in what was paid.
fn line_amounts(sale: &Sale) -> (Vec<i128>, Vec<i128>) {
    let lines: Vec<Line> = bounded_lines(sale)
        .iter()
        .map(|line| Line { amount: i64::try_from(clamp(line.amount)).unwrap_or(0), ..line.clone() })
        .collect();
    let listed = weights(&lines);
    let whole: i128 = listed.iter().sum();
    let discounts =
        sale.discounts.iter().take(SALE_PART_COUNT_MAX).map(|discount| clamp(discount.amount)).sum::<i128>();
    let discounts = discounts.clamp(-whole, whole);
    let spread = spread(discounts, &listed).unwrap_or_else(|| vec![0; listed.len()]);
    let paid = listed.iter().zip(&spread).map(|(listed, discount)| (listed + discount).max(0)).collect();
    (listed, paid)
}

impl<'a> Stacks<'a> {
    fn of(sale: &'a Sale) -> Self {
        let lines = bounded_lines(sale);
        let (listed, paid) = line_amounts(sale);
        let is_goods = |line: &Line| line.kind == LineKind::Item;
        let goods_paid: i128 = lines.iter().zip(&paid).filter(|(line, _)| is_goods(line)).map(|(_, paid)| paid).sum();
        let is_free = goods_paid == 0;
        let mut stacks: Vec<(usize, Stack)> = Vec::new();
        let mut sold = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            if listed[index] <= 0 {
                sold.push(None);
                continue;
            }
            let part = match (line.kind, line.account) {
                (LineKind::Item, _) => Part::Goods,
                (LineKind::GiftCard, Some(account)) => Part::Account(account),
                _ => Part::Other,
            };
            // A card is loaded with what it says, whatever the basket's discount.
            let by_list = matches!(part, Part::Account(_)) || (part == Part::Goods && is_free);
            let paid = if by_list { listed[index] } else { paid[index] };
            let whole = quantity_of(line).unwrap_or(BILLIONTHS);
            let quantity = (whole * listed[index] / i128::from(line.amount).max(1)).clamp(1, QUANTITY_MAX);
            let place =
                stacks.iter().position(|(first, stack)| stack.part == part && same_product(&lines[*first], line));
            let stack = place.unwrap_or_else(|| {
                stacks.push((index, Stack { part, paid: 0, quantity: 0, lines: Vec::new() }));
                stacks.len() - 1
            });
            let entry = &mut stacks[stack].1;
            entry.paid += paid;
            entry.quantity += quantity;
            entry.lines.push((paid, quantity));
            sold.push(Some(Sold { stack, paid, quantity }));
        }
        Self { lines, stacks: stacks.into_iter().map(|(_, stack)| stack).collect(), sold, is_free }
    }

    /// The sold line a returned one is: by id where the product agrees, else the first of its product.
    fn line_of(&self, returned: &Line) -> Option<usize> {
        let sold = || (0..self.lines.len()).filter(|index| self.sold[*index].is_some());
        let same_id = |index: &usize| {
            let line = &self.lines[*index];
            same_text(line.id.as_ref(), returned.id.as_ref()) && agree(line, returned)
        };
        sold().find(same_id).or_else(|| sold().find(|index| same_product(&self.lines[*index], returned)))
    }

    /// What one return claims of each stack, and by amount alone.
    fn claims(&self, returned: &Sale) -> (BTreeMap<usize, Claim>, i128) {
        let (_, paid) = line_amounts(returned);
        let mut sums: BTreeMap<usize, (i128, Option<i128>)> = BTreeMap::new();
        let mut loose = 0;
        for (line, paid) in bounded_lines(returned).iter().zip(paid) {
            let Some(sold) = self.line_of(line).and_then(|index| self.sold[index]) else {
                if line.kind == LineKind::Item {
                    loose += paid;
                }
                continue;
            };
            let sign = if line.amount < 0 { -1 } else { 1 };
            let (minor, quantity) = sums.entry(sold.stack).or_insert((0, Some(0)));
            *minor += paid;
            *quantity = quantity.zip(quantity_of(line)).map(|(sum, quantity)| sum + sign * quantity);
        }
        let claim = |(stack, (minor, quantity)): (usize, (i128, Option<i128>))| {
            (stack, self.claim(&self.stacks[stack], minor, quantity.map(|quantity| quantity.max(0))))
        };
        (sums.into_iter().map(claim).collect(), loose)
    }

    /// A claim in which amount and quantity both stand: no dearer than the dearest of the stack.
    fn claim(&self, stack: &Stack, minor: i128, quantity: Option<i128>) -> Claim {
        let is_free = self.is_free && stack.part == Part::Goods;
        let Some(quantity) = quantity else {
            let quantity = if is_free { BILLIONTHS } else { minor * stack.quantity / stack.paid.max(1) };
            let minor = if is_free { quantity * stack.paid / stack.quantity } else { minor };
            return Claim { minor, quantity };
        };
        let price = |(paid, sold): &(i128, i128)| (paid * quantity + sold - 1) / sold;
        let dearest = stack.lines.iter().map(price).max().unwrap_or(0);
        Claim { minor: if is_free { quantity * stack.paid / stack.quantity } else { minor.min(dearest) }, quantity }
    }
}

/// What of a stack is back: its dearest claims up to the quantity sold. Whole where the whole quantity is back and
/// only roundings are missing.
fn counted(stack: &Stack, claims: &[Claim]) -> i128 {
    let mut claims: Vec<Claim> = claims.iter().copied().filter(|claim| claim.minor > 0 || claim.quantity > 0).collect();
    claims.sort_by(|one, other| (other.minor * one.quantity).cmp(&(one.minor * other.quantity)));
    let (mut left, mut sum) = (stack.quantity, 0);
    for claim in &claims {
        if claim.quantity <= left {
            left -= claim.quantity;
            sum += claim.minor;
        } else {
            sum += claim.minor * left / claim.quantity;
            left = 0;
        }
    }
    let missing = stack.paid - sum;
    if left == 0 && missing <= claims.len() as i128 { stack.paid } else { sum.min(stack.paid) }
}

/// What is back of a sale, from all its returns. Whatever order they are given in, the answer is the same.
pub fn back<'a>(sale: &Sale, returns: impl IntoIterator<Item = &'a Sale>) -> Back {
    let stacks = Stacks::of(sale);
    let mut claims: Vec<Vec<Claim>> = vec![Vec::new(); stacks.stacks.len()];
    let (mut loose, mut count) = (0, 0);
    for returned in returns {
        let (by_stack, unnamed) = stacks.claims(returned);
        loose += unnamed;
        count += 1;
        by_stack.into_iter().for_each(|(stack, claim)| claims[stack].push(claim));
    }
    let mut back = Back::default();
    for (stack, claims) in stacks.stacks.iter().zip(&claims) {
        let counts = counted(stack, claims);
        back.refused_minor += (claims.iter().map(|claim| claim.minor).sum::<i128>() - counts).max(0);
        back.is_over |= claims.iter().map(|claim| claim.quantity).sum::<i128>() > stack.quantity;
        let share = match stack.part {
            Part::Goods => &mut back.goods,
            Part::Account(account) => back.accounts.entry(account).or_default(),
            Part::Other => continue,
        };
        share.back_minor += counts;
        share.whole_minor += stack.paid;
    }
    let surplus = (loose - (back.goods.whole_minor - back.goods.back_minor)).max(0);
    back.refused_minor += surplus;
    back.is_over |= surplus > count;
    back.goods.back_minor += loose - surplus;
    back
}

#[cfg(test)]
mod tests;
