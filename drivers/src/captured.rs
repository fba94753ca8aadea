//! What a document on the printer line turned out to be: plain data, serialised as the published interface
//! says (`counterfoil receipt parse`).
//!
//! Nothing here is ours alone: a daemon converts a [`CapturedSale`] into what its journal keeps. Money is a
//! bare `i64` in minor units of the sale's currency. What the paper does not say is absent, never invented:
//! a wrong value is worse than a missing one. Text was scrubbed of payment card numbers before it came here.

use serde::Serialize;

/// What a document is. Only sales, returns and voids move value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Goods against money.
    Sale,
    /// Goods come back; amounts are positive.
    Return,
    /// An earlier sale is taken back whole.
    Void,
    /// A copy of a receipt that was printed before.
    Reprint,
    /// A sale put aside.
    Suspended,
    /// A sale taken up again; its receipt comes later.
    Resumed,
    /// Made in training mode.
    Training,
    /// The drawer was opened without a sale.
    NoSale,
    /// A reading of the day's totals that leaves them standing.
    XReport,
    /// The end of the day's totals.
    ZReport,
    /// A payment terminal's slip.
    CardSlip,
    /// A receipt without prices.
    GiftReceipt,
    /// An order for the kitchen or the bar.
    KitchenTicket,
    /// Text that no rule of the template knows.
    Other,
    /// A document that ended half way.
    Partial,
    /// Pixels only: nothing to read.
    Unreadable,
}

impl Class {
    /// The name in a template and in a record.
    pub fn name(self) -> &'static str {
        match self {
            Class::Sale => "sale",
            Class::Return => "return",
            Class::Void => "void",
            Class::Reprint => "reprint",
            Class::Suspended => "suspended",
            Class::Resumed => "resumed",
            Class::Training => "training",
            Class::NoSale => "no-sale",
            Class::XReport => "x-report",
            Class::ZReport => "z-report",
            Class::CardSlip => "card-slip",
            Class::GiftReceipt => "gift-receipt",
            Class::KitchenTicket => "kitchen-ticket",
            Class::Other => "other",
            Class::Partial => "partial",
            Class::Unreadable => "unreadable",
        }
    }

    /// The `kind` that `receipt parse` prints: the published names, where slips are one kind and what has no
    /// name of its own is `other`.
    pub fn kind(self) -> &'static str {
        match self {
            Class::CardSlip => "slip",
            Class::Resumed | Class::NoSale | Class::GiftReceipt | Class::KitchenTicket => "other",
            class => class.name(),
        }
    }

    /// Whether the document moves value.
    pub fn moves_value(self) -> bool {
        matches!(self, Class::Sale | Class::Return | Class::Void)
    }
}

/// Sale or return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaleKind {
    /// Goods against money.
    Sale,
    /// Goods come back; amounts are positive.
    Return,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// Goods or a service.
    #[default]
    Item,
    /// A bottle deposit or the like.
    Deposit,
    /// A fee.
    Fee,
    /// A tip.
    Tip,
    /// A donation.
    Donation,
    /// A gift card bought.
    GiftCard,
}

/// How a part of the total was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenderKind {
    /// Notes and coins.
    Cash,
    /// A payment card.
    Card,
    /// A voucher.
    Voucher,
    /// A gift card.
    GiftCard,
    /// Loyalty points.
    Points,
    /// Anything else.
    #[default]
    Other,
}

/// One line of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CapturedLine {
    /// Position on the receipt, counted from 1.
    pub id: String,
    /// What the line is for.
    pub kind: LineKind,
    /// Article number, where the paper has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Text on the receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Decimal string with a point, negative for a line voided within the sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// `kg`, `lb`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Minor units, as printed; amounts are never recomputed from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<i64>,
    /// The line's own discount, positive, minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<i64>,
    /// Minor units, after `discount`; negative for a line voided within the sale.
    pub amount: i64,
}

/// A basket discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedDiscount {
    /// Text on the receipt.
    pub description: String,
    /// Minor units, negative.
    pub amount: i64,
}

/// A payment towards the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedTender {
    /// How it was paid.
    pub kind: TenderKind,
    /// Minor units.
    pub amount: i64,
}

/// The sale that a return refers to, as printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedOriginal {
    /// Its receipt number.
    pub receipt_number: String,
    /// Its date, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_date: Option<String>,
}

/// A member's number on the paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedMember {
    /// As printed, without the spaces.
    pub identifier: String,
}

/// A sale or return as far as the paper tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapturedSale {
    /// Sale or return.
    pub kind: SaleKind,
    /// As printed.
    pub receipt_number: String,
    /// Local time without offset, `YYYY-MM-DDTHH:MM:SS` (seconds are 00 where none are printed), or
    /// `YYYY-MM-DD` where no time is printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub total: i64,
    /// Minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax: Option<i64>,
    /// Whether the lines hold the tax already; the layout's property.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_included: Option<bool>,
    /// Added to the sum to reach the total, either sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounding: Option<i64>,
    /// In receipt order.
    pub lines: Vec<CapturedLine>,
    /// Basket discounts.
    pub discounts: Vec<CapturedDiscount>,
    /// How it was paid.
    pub tenders: Vec<CapturedTender>,
    /// Given back, minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
    /// The member whose number the POS printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<CapturedMember>,
    /// Who sat at the till.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The sale that a return refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<CapturedOriginal>,
    /// Made in training mode.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub training: bool,
}

impl CapturedSale {
    /// Whether the receipt agrees with itself: total = Σ lines + Σ discounts + (tax if not included) +
    /// rounding and, where payments are printed, Σ tenders − change = total. Sums are exact.
    pub fn agrees(&self) -> bool {
        let wide = |amount: i64| i128::from(amount);
        let lines: i128 = self.lines.iter().map(|line| wide(line.amount)).sum();
        let discounts: i128 = self.discounts.iter().map(|discount| wide(discount.amount)).sum();
        let tax = if self.tax_included == Some(false) { wide(self.tax.unwrap_or(0)) } else { 0 };
        let due = lines + discounts + tax + wide(self.rounding.unwrap_or(0));
        let paid: i128 = self.tenders.iter().map(|tender| wide(tender.amount)).sum();
        let kept = paid - wide(self.change.unwrap_or(0));
        due == wide(self.total) && (self.tenders.is_empty() || kept == wide(self.total))
    }
}

/// The totals of an X or Z report, as printed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CapturedTotals {
    /// The report's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_number: Option<String>,
    /// The date on the report, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Number of sales.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sales: Option<u64>,
    /// Sales less returns and voids, minor units, tax included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gross: Option<i64>,
    /// Tax in it, minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax: Option<i64>,
    /// First receipt number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_receipt: Option<String>,
    /// Last receipt number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_receipt: Option<String>,
}

/// One document: where it stood in the stream, what it is, what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Offset of the document's first byte in the device's stream.
    pub from: u64,
    /// Offset after the byte that ended it. Pulses and feeds that follow a cut start no document.
    pub to: u64,
    /// What it is.
    pub class: Class,
    /// Its receipt number, whatever the class, where one is printed.
    pub receipt_number: Option<String>,
    /// `arithmetic`, `incomplete`, `too-long`, … ; empty if nothing is wrong.
    pub marks: Vec<String>,
    /// The printed lines, decoded and scrubbed.
    pub text: Vec<String>,
    /// Bar codes and 2D codes, scrubbed.
    pub codes: Vec<String>,
    /// Text for the customer display that shared the line.
    pub display: Vec<String>,
    /// Of a sale, return, void, reprint or training sale.
    pub sale: Option<CapturedSale>,
    /// Of an X or Z report.
    pub z_report: Option<CapturedTotals>,
    /// Of a void: the receipt that it takes back.
    pub voided_receipt: Option<String>,
}
