//! What the simulated shop sells and what its programs give, with the expected awards worked out by hand.
//!
//! A [`Register`] is the POS of one lane: it numbers receipts, prints into the tap's stream and counts its own
//! day, whether or not the till beside it lives.

use std::collections::VecDeque;

use counterfoil_protocol::day::PosTotals;
use counterfoil_protocol::sale::{Discount, Line, Sale, SaleKind, Tender, TenderKind};
use counterfoil_protocol::time::rfc3339_utc;

use crate::model::dates::Term;
use crate::model::till::Floor;
use crate::rng::Rng;

/// Spendable at once, for ever.
const AT_ONCE: Term = Term { vests_days: 0, expires_months: 0 };

/// The programs of simulated shops, with what they give as [`Expected`] says.
pub const PROGRAMS: [(&str, Expected); 5] = [
    (
        r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"
[purse.points]
kind = "points"
spend_fresh = true
[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 1 }
reason = "1 point for each pound"
[[reward]]
id = "off"
title = "5.00 off"
cost = { purse = "points", amount = 30 }
benefit = { kind = "discount", amount = 500 }
"#,
        Expected { every: 100, give: 1, stamps: false, welcome: 0, fresh: true, term: AT_ONCE, floor: None },
    ),
    (
        r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"
[purse.points]
kind = "points"
spend_fresh = false
[purse.coffee]
kind = "stamps"
spend_fresh = true
[[earn]]
id = "base"
purse = "points"
award = { every = 100, give = 2 }
reason = "2 points for each pound"
[[earn]]
id = "stamp"
purse = "coffee"
lines = 'line.category == "coffee"'
award = { each = 1 }
reason = "a stamp for each coffee"
[[reward]]
id = "off"
title = "5.00 off"
cost = { purse = "points", amount = 40 }
benefit = { kind = "discount", amount = 500 }
[[reward]]
id = "coffee"
title = "A coffee"
cost = { purse = "coffee", amount = 5 }
benefit = { kind = "discount", amount = 300 }
"#,
        Expected { every: 100, give: 2, stamps: true, welcome: 0, fresh: false, term: AT_ONCE, floor: None },
    ),
    (
        r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"
[purse.points]
kind = "points"
spend_fresh = true
[purse.coffee]
kind = "stamps"
spend_fresh = true
[[earn]]
id = "base"
purse = "points"
award = { every = 50, give = 1 }
reason = "1 point for each half pound"
[[earn]]
id = "welcome"
purse = "points"
when = 'member.visits == 0'
award = { flat = 25 }
reason = "welcome"
[[earn]]
id = "stamp"
purse = "coffee"
lines = 'line.category == "coffee"'
award = { each = 1 }
reason = "a stamp for each coffee"
[[reward]]
id = "off"
title = "5.00 off"
cost = { purse = "points", amount = 60 }
benefit = { kind = "discount", amount = 500 }
"#,
        Expected { every: 50, give: 1, stamps: true, welcome: 25, fresh: true, term: AT_ONCE, floor: None },
    ),
    (
        r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"
[purse.points]
kind = "points"
spend_fresh = true
[[earn]]
id = "base"
purse = "points"
award = { every = 10, give = 1 }
reason = "10 points for each pound"
[[reward]]
id = "off"
title = "5.00 off"
cost = { purse = "points", amount = 20 }
benefit = { kind = "discount", amount = 500 }
"#,
        Expected { every: 10, give: 1, stamps: false, welcome: 0, fresh: true, term: AT_ONCE, floor: None },
    ),
    (
        r#"
program = "corner-club"
currency = "GBP"
time_zone = "Europe/London"
[purse.points]
kind = "points"
spend_fresh = true
vests = "P2D"
expires = "P1M"
[purse.coffee]
kind = "stamps"
spend_fresh = true
[[earn]]
id = "base"
purse = "points"
award = { every = 50, give = 1 }
reason = "1 point for each half pound"
[[earn]]
id = "stamp"
purse = "coffee"
lines = 'line.category == "coffee"'
award = { each = 1 }
reason = "a stamp for each coffee"
[[reward]]
id = "off"
title = "5.00 off"
cost = { purse = "points", amount = 50 }
benefit = { kind = "discount", amount = 500 }
[offline]
floor = { points = { redemption = 30, member = 50, till_soft = 40, till_hard = 80 } }
"#,
        Expected {
            every: 50,
            give: 1,
            stamps: true,
            welcome: 0,
            fresh: true,
            term: Term { vests_days: 2, expires_months: 1 },
            floor: Some(Floor { redemption: 30, member: 50, till: 80 }),
        },
    ),
];

/// What a program gives, in numbers a person can check.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// For each full so many minor units of what was paid …
    pub every: i64,
    /// … so many points.
    pub give: i64,
    /// A stamp for each coffee.
    pub stamps: bool,
    /// Points at the first visit, held by head office.
    pub welcome: i64,
    /// The till that accrued points holds them.
    pub fresh: bool,
    /// When points vest and end.
    pub term: Term,
    /// What a till may overspend in points while cut off.
    pub floor: Option<Floor>,
}

impl Expected {
    /// Units per purse for a sale of a member with so many visits before; purses with nothing left out.
    pub fn awards(&self, sale: &Sale, visits: u64) -> Vec<(&'static str, i64)> {
        if sale.kind == SaleKind::Return || sale.training {
            return Vec::new();
        }
        let coffee = |line: &&Line| line.category.as_deref() == Some("coffee");
        let cups = |line: &Line| line.quantity.as_deref().unwrap_or("1").parse::<i64>().unwrap_or(0);
        let stamps: i64 = if self.stamps { sale.lines.iter().filter(coffee).map(cups).sum() } else { 0 };
        let points = sale.total / self.every * self.give + if visits == 0 { self.welcome } else { 0 };
        [("coffee", stamps), ("points", points)].into_iter().filter(|(_, units)| *units > 0).collect()
    }
}

/// Those that shops of every kind have; the fourth is for long runs of redemptions.
pub const COMMON: [usize; 4] = [0, 1, 2, 4];

/// The card of a simulated member.
pub fn card(member: usize) -> String {
    format!("9826{member:09}")
}

/// The POS of one lane.
#[derive(Debug, Default)]
pub struct Register {
    lane: usize,
    next_receipt: u64,
    /// What the tap has kept and the till may not have read: nothing here is lost when a till dies.
    pub spool: VecDeque<Printed>,
    stream_end: u64,
    day: PosTotals,
    /// Every receipt number that is a sale or a return.
    pub receipts: Vec<String>,
}

/// A document in the tap's stream.
#[derive(Debug, Clone)]
pub struct Printed {
    /// First byte.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// When the cut passed the tap.
    pub at_ms: i64,
    /// What it says.
    pub paper: Paper,
}

/// What a document says.
#[derive(Debug, Clone)]
pub enum Paper {
    /// A sale or a return.
    Sale(Sale),
    /// A void of an earlier receipt.
    Void {
        /// Its own number.
        receipt: String,
        /// The voided sale's.
        voided: String,
        /// The voided sale.
        sale: Sale,
    },
    /// The POS's totals of its day.
    ZReport(PosTotals),
    /// A document that nobody knows.
    Unknown(String),
    /// Bytes the tap could not keep.
    Gap,
}

impl Register {
    /// The register of a lane, before its first receipt.
    pub fn new(lane: usize) -> Self {
        Self { lane, next_receipt: 1, ..Self::default() }
    }

    /// A basket is paid: gives the sale with its receipt number, and counts it.
    pub fn sell(&mut self, rng: &mut Rng, at_ms: i64, kind: SaleKind) -> Sale {
        let mut lines = Vec::new();
        for index in 0..1 + rng.index(3) {
            let coffee = rng.chance(400);
            let quantity = 1 + rng.index(3) as i64;
            let price = if coffee { 280 } else { rng.between(50, 2_500) };
            lines.push(Line {
                id: Some((index + 1).to_string()),
                description: Some(if coffee { "COFFEE".to_owned() } else { format!("ITEM {price}") }),
                category: coffee.then(|| "coffee".to_owned()),
                quantity: Some(quantity.to_string()),
                unit_price: Some(price),
                amount: price * quantity,
                ..Line::default()
            });
        }
        let sum: i64 = lines.iter().map(|line| line.amount).sum();
        let mut discounts = Vec::new();
        if rng.chance(150) {
            discounts.push(Discount { description: "OFFER".to_owned(), amount: -(sum / 10) });
        }
        let total = sum + discounts.iter().map(|discount| discount.amount).sum::<i64>();
        let tax = total / 6;
        let receipt_number = self.number();
        self.receipts.push(receipt_number.clone());
        match kind {
            SaleKind::Sale => self.count(1, total, tax),
            SaleKind::Return => self.count(0, -total, -tax),
        }
        Sale {
            kind,
            sale_ref: Some(format!("pos-{}-{receipt_number}", self.lane)),
            receipt_number,
            occurred_at: rfc3339_utc(at_ms),
            currency: "GBP".to_owned(),
            total,
            tax: Some(tax),
            lines,
            discounts,
            tenders: vec![Tender { kind: TenderKind::Card, amount: total }],
            operator: Some("7".to_owned()),
            ..Sale::default()
        }
    }

    /// A sale is taken back: what the POS counts of it.
    pub fn take_back(&mut self, sale: &Sale) {
        self.count(0, -sale.total, -sale.tax.unwrap_or(0));
    }

    /// The next receipt number.
    pub fn number(&mut self) -> String {
        let number = format!("{:06}", self.next_receipt);
        self.next_receipt += 1;
        self.day.first_receipt.get_or_insert_with(|| number.clone());
        self.day.last_receipt = Some(number.clone());
        number
    }

    /// Ends the POS's day and gives its totals.
    pub fn end_day(&mut self) -> PosTotals {
        let mut totals = std::mem::take(&mut self.day);
        totals.sales = Some(totals.sales.unwrap_or(0));
        totals.gross = Some(totals.gross.unwrap_or(0));
        totals.tax = Some(totals.tax.unwrap_or(0));
        totals
    }

    /// Prints a document.
    pub fn print(&mut self, rng: &mut Rng, at_ms: i64, paper: Paper) {
        let from = self.stream_end;
        self.stream_end += 200 + rng.below(600);
        self.spool.push_back(Printed { from, to: self.stream_end, at_ms, paper });
    }

    fn count(&mut self, sales: u64, gross: i64, tax: i64) {
        *self.day.sales.get_or_insert(0) += sales;
        *self.day.gross.get_or_insert(0) += gross;
        *self.day.tax.get_or_insert(0) += tax;
    }
}
